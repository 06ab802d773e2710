/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Finds a key whose keccak256 begins with given nibbles, by trying keys.
 *
 * What for: eth_getProof shows the nodes on the path of an address or slot, so to see a node of
 * which only the position is known (trie.h's is_sibling) somebody has to be found whose hash
 * leads there.
 *
 * Cost: 16^n keys have to be tried on average, sometimes several times as many. Measured on one
 * core of a Xeon with AVX-512, where a key takes 57 ns: nibbles       5       6      7 seconds
 * 0.06    0.96     15     divided by the threads that have a core of their own With AVX2 a key
 * takes 142 ns, with neither 272 ns.
 *
 * The result depends on nothing but the arguments, the number of threads included.
 */
#include "base/eth.h"
#include <stdatomic.h>

enum {
	GRIND_NIBBLES = 7, /* most; one more takes minutes */
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
