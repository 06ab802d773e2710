/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Keccak of eight messages at once, in the lanes of vector registers: with AVX-512 in the time
 * of one, with AVX2 in that of three; elsewhere it is compiled for what is there. The processor
 * is asked at run time. Any thread.
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
