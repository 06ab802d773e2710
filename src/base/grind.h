/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Finds a key whose keccak256 begins with given nibbles, by trying keys.
 *
 * What for: eth_getProof shows the nodes on the path of an address or slot, so to see a node of
 * which only the position is known (trie.h's is_sibling) somebody has to be found whose hash
 * leads there. Each further nibble makes it 16 times as long.
 *
 * Hashes are computed several at once (AVX-512: 8, AVX2: 4, else what the compiler makes of 4).
 * The result depends on nothing but the arguments, the number of threads included.
 */
#include "base/eth.h"
#include <stdatomic.h>

enum {
	GRIND_NIBBLES = 7, /* most; beyond, it takes minutes */
	GRIND_THREADS = 8, /* most */
};

/*
 * Searches keys of key_bytes (20: an address, 32: a slot) for one whose keccak256 begins with
 * the n nibbles (each below 16) and writes it into key. Blocks the caller's thread and starts
 * threads - 1 more (0 is taken for 1); one that cannot be started is done without. Each polls
 * cancel (NULL allowed): once it is true, the search ends with ERR_CANCELLED.
 * ERR_LIMIT: n is above GRIND_NIBBLES.
 */
enum err grind_key(const unsigned char *nibbles, unsigned n, size_t key_bytes, unsigned threads,
		   const atomic_bool *cancel, unsigned char *key) WARN_UNUSED;
