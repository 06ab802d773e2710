/* SPDX-License-Identifier: MIT */
#pragma once
/* The keys under which the memory cache holds what the stack knows: cells and blobs. */
#include "cache/memcache.h"

/* The kinds of cells; part of every cell's key. */
enum cell_kind {
	CELL_BALANCE = 1,
	CELL_NONCE,
	CELL_CODE_HASH,
	CELL_SLOT,
	CELL_BINDING,
	CELL_NUMBER,
	CELL_NEAR,
	CELL_STORAGE_ROOT,
	/* By root (key_rooted). */
	CELL_ROOTED_BALANCE,
	CELL_ROOTED_NONCE,
	CELL_ROOTED_CODE_HASH,
	CELL_ROOTED_STORAGE_ROOT,
	CELL_ROOTED_SLOT
};

/* Blob keys start with one of these, so that a code hash is never taken for a request. */
#define BLOB_CODE  'c'
#define BLOB_REPLY 'r'

/*
 * Of a slot or a field (slot NULL) of an account, within what two words say.
 *
 *     0           16        48           68   69  70
 *     | scope: 16 | slot: 32 | address: 20 | kind | len | 0 |
 *
 * The key is hashed at once, by words: each is written by one store, since a load of what two
 * stores have written waits until both have left the processor's queue.
 */
static inline void key_scoped(struct cell_key *key, unsigned kind, uint64_t scope,
			      uint64_t within, const struct eth_address *address,
			      const struct eth_bytes32 *slot)
{
	uint32_t rest;
	memcpy(&rest, address->bytes + 16, 4);
	const uint64_t last = rest | (uint64_t)kind << 32 | (uint64_t)MEMCACHE_KEY_MAX << 40;

	memcpy(key->bytes, &scope, 8);
	memcpy(key->bytes + 8, &within, 8);
	if (slot != NULL)
		memcpy(key->bytes + 16, slot->bytes, 32);
	else
		memset(key->bytes + 16, 0, 32);
	memcpy(key->bytes + 48, address->bytes, 16);
	memcpy((char *)key + 64, &last, sizeof last);
}

/* Of a fact at a block; slot NULL for a field of the account. */
static inline void key_fact(struct cell_key *key, enum cell_kind kind,
			    const struct eth_bytes32 *block, const struct eth_address *address,
			    const struct eth_bytes32 *slot)
{
	uint64_t scope[2];
	memcpy(scope, block->bytes, sizeof scope);
	key_scoped(key, (unsigned)kind, scope[0], scope[1], address, slot);
}
_Static_assert(offsetof(struct cell_key, kind) == 68 && offsetof(struct cell_key, len) == 69,
	       "the last word of a key");
/* CELL_BINDING: the canonical hash of a number. */
void key_number(struct cell_key *key, uint64_t number);
/* CELL_NEAR: the hash of a number that is not final, as of an epoch. */
void key_near(struct cell_key *key, uint64_t epoch, uint64_t number);
/* CELL_NUMBER: the number of a block. */
void key_hash(struct cell_key *key, const struct eth_bytes32 *hash);
/* As many bytes of a root as the disk's keys have (struct store_record). */
#define KEY_ROOT_BYTES 28
/* CELL_ROOTED_*: of an address under a state root, of a slot under a storage root. */
void key_rooted(struct cell_key *key, enum cell_kind kind, const struct eth_bytes32 *root,
		struct span name);
