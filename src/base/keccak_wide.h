/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Keccak of eight messages at once, in the lanes of vector registers: for a trie's nodes and
 * for grinding keys. keccak.h is for one. The processor is asked at run time for what it has.
 * Any thread.
 *
 * Measured on one core of a Xeon (Sapphire Rapids), eight permutations: 440 ns with AVX-512,
 * 1,140 with AVX2, 2,200 with neither. nettle takes 350 to 490 for one.
 */
#include "base/eth.h"

enum {
	KECCAK_WIDE = 8,
	KECCAK_LANES = 25,
	KECCAK_RATE = 17, /* lanes that Keccak-256 absorbs at once */
};

/* Lane i of message m is at lane[i][m]. */
struct keccak_wide {
	_Alignas(64) uint64_t lane[KECCAK_LANES][KECCAK_WIDE];
};

/* The permutation keccak-f[1600] of each message. */
void keccak_wide_permute(struct keccak_wide *state);
/* digests[i] becomes keccak256 of messages[i]; any n. */
void keccak256_many(const struct span *messages, size_t n, struct eth_bytes32 *digests);
