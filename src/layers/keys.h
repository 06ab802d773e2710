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
	CELL_STORAGE_ROOT
};

/* Blob keys start with one of these, so that a code hash is never taken for a request. */
#define BLOB_CODE  'c'
#define BLOB_REPLY 'r'

/* Of a fact at a block; slot NULL for a field of the account. */
static inline void key_fact(struct cell_key *key, enum cell_kind kind,
			    const struct eth_bytes32 *block, const struct eth_address *address,
			    const struct eth_bytes32 *slot)
{
	key->kind = (uint8_t)kind;
	key->len = slot != NULL ? 16 + 20 + 32 : 16 + 20;
	memcpy(key->bytes, block->bytes, 16);
	memcpy(key->bytes + 16, address->bytes, 20);
	if (slot != NULL)
		memcpy(key->bytes + 36, slot->bytes, 32);
	else
		memset(key->bytes + 36, 0, 32);
}
/* CELL_BINDING: the canonical hash of a number. */
void key_number(struct cell_key *key, uint64_t number);
/* CELL_NEAR: the hash of a number that is not final, as of an epoch. */
void key_near(struct cell_key *key, uint64_t epoch, uint64_t number);
/* CELL_NUMBER: the number of a block. */
void key_hash(struct cell_key *key, const struct eth_bytes32 *hash);
