/* SPDX-License-Identifier: MIT */
#include "base/keccak.h"
#include <nettle/sha3.h>

enum {
	RATE_BYTES = 136, /* 200 bytes of state less twice the 32 of the digest */
	LANES = RATE_BYTES / 8,
};

/* Lanes are little-endian, as is every machine this is built for (see eth.h's be64_put). */
static void absorb(struct sha3_state *state, const unsigned char *block)
{
	for (size_t i = 0; i < LANES; i++) {
		uint64_t lane;
		memcpy(&lane, block + 8 * i, 8);
		state->a[i] ^= lane;
	}
	sha3_permute(state);
}

void keccak256(const void *bytes, size_t n, struct eth_bytes32 *digest)
{
	struct sha3_state state = {{0}};
	const unsigned char *in = bytes;
	while (n >= RATE_BYTES) {
		absorb(&state, in);
		in += RATE_BYTES;
		n -= RATE_BYTES;
	}
	unsigned char last[RATE_BYTES] = {0};
	if (n > 0)
		memcpy(last, in, n);
	/* Keccak's padding is 1 0* 1; SHA-3 puts two bits before it (0x06 instead of 0x01). */
	last[n] = 0x01;
	last[RATE_BYTES - 1] |= 0x80;
	absorb(&state, last);
	memcpy(digest->bytes, state.a, sizeof digest->bytes);
}
