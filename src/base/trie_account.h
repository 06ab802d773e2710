/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What stands in the leaves of the two kinds of tries (Yellow Paper, 4.1): an account under
 * keccak256(address) in the state's, a word under keccak256(slot) in an account's storage.
 * Both are canonical: decoding accepts nothing that encoding would not write.
 */
#include "base/eth.h"

struct trie_account {
	uint64_t nonce; /* below 2^64 - 1 (EIP-2681) */
	struct eth_u256 balance;
	struct eth_bytes32 storage_root, code_hash;
};

enum {
	TRIE_ACCOUNT_BYTES = 2 + 9 + 33 + 33 + 33,
	TRIE_WORD_BYTES = 33,
};

/* Nonce and balance 0, no storage, no code: what absence reads as, and what is deleted at the
 * end of a transaction that touched it (EIP-161). */
extern const struct trie_account trie_account_empty;

/* The leaf's value, into out; borrowed from it. */
struct span trie_account_encode(const struct trie_account *account,
				unsigned char out[TRIE_ACCOUNT_BYTES]);
/* ERR_CORRUPT when it is not what encoding writes. */
enum err trie_account_decode(struct span value, struct trie_account *account) WARN_UNUSED;

/* A slot's value; zero is the empty span, as for trie_set, which deletes by it. */
struct span trie_word_encode(const struct eth_bytes32 *word,
			     unsigned char out[TRIE_WORD_BYTES]);
/* The empty span is zero; ERR_CORRUPT when it is not what encoding writes. */
enum err trie_word_decode(struct span value, struct eth_bytes32 *word) WARN_UNUSED;
