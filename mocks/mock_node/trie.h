/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Builds whole Merkle-Patricia tries from all their pairs (Yellow Paper, appendix D): for the
 * states that the mock knows completely. Nothing is updated; a trie is built anew.
 */
#include "mock_node/nodes.h"

/* An account: a nonce of 9 bytes, a balance and two hashes of 33, and the list's header. */
#define TRIE_VALUE_MAX 112

struct trie_pair {
	struct eth_bytes32 key; /* the hash of an address or of a slot */
	unsigned char value[TRIE_VALUE_MAX];
	size_t value_len;
};

struct trie_account {
	uint64_t nonce;
	struct eth_u256 balance;
	struct eth_bytes32 storage_root, code_hash;
};

/* Fills a pair of the state trie, or one of a storage trie (of a value that is not zero). */
void trie_put_account(struct trie_pair *pair, const struct eth_address *address,
		      const struct trie_account *account);
void trie_put_slot(struct trie_pair *pair, const struct eth_bytes32 *slot,
		   const struct eth_bytes32 *value);
/* What trie_put_account wrote. ERR_INVALID: it is no account. */
enum err trie_read_account(struct span value, struct trie_account *account) WARN_UNUSED;
/* What trie_put_slot wrote. ERR_INVALID: it is no value of a slot. */
enum err trie_read_slot(struct span value, struct eth_bytes32 *out) WARN_UNUSED;

/* Sorts the pairs and finds their trie's root; its nodes are added to `keep`, if that is not
 * NULL. ERR_INVALID: a key is there twice; ERR_NOMEM. */
enum err trie_build(struct trie_pair *pairs, size_t count, struct nodes *keep,
		    struct eth_bytes32 *root) WARN_UNUSED;
