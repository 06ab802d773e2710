/* SPDX-License-Identifier: MIT */
#include "base/keccak_wide.h"
#include "base/keccak.h"

enum { ROUNDS = 24, RATE_BYTES = 8 * KECCAK_RATE };

/* FIPS 202, 3.2.5: iota. */
static const uint64_t round_constants[ROUNDS] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
	0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
	0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
	0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Also by 0. Compilers know it for what it is. */
#define ROTATE(x, by) ((x) << (by) | (x) >> (-(by)&63))

#define PARITY(x) (a[x] ^ a[(x) + 5] ^ a[(x) + 10] ^ a[(x) + 15] ^ a[(x) + 20])
/* Theta's change, rho and pi bring five lanes into one row; chi mixes it. */
#define ROW(y, n0, r0, n1, r1, n2, r2, n3, r3, n4, r4)  \
	do {                                            \
		b[0] = a[n0] ^ d[(n0) % 5];             \
		b[1] = a[n1] ^ d[(n1) % 5];             \
		b[2] = a[n2] ^ d[(n2) % 5];             \
		b[3] = a[n3] ^ d[(n3) % 5];             \
		b[4] = a[n4] ^ d[(n4) % 5];             \
		b[0] = ROTATE(b[0], r0);                \
		b[1] = ROTATE(b[1], r1);                \
		b[2] = ROTATE(b[2], r2);                \
		b[3] = ROTATE(b[3], r3);                \
		b[4] = ROTATE(b[4], r4);                \
		e[5 * (y) + 0] = b[0] ^ (~b[1] & b[2]); \
		e[5 * (y) + 1] = b[1] ^ (~b[2] & b[3]); \
		e[5 * (y) + 2] = b[2] ^ (~b[3] & b[4]); \
		e[5 * (y) + 3] = b[3] ^ (~b[4] & b[0]); \
		e[5 * (y) + 4] = b[4] ^ (~b[0] & b[1]); \
	} while (0)
#define EACH(f)                                                                               \
	f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) \
		f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23) f(24)
#define LOAD(i)	 memcpy(&a[i], &state->lane[i][from], sizeof a[i]);
#define STORE(i) memcpy(&state->lane[i][from], &a[i], sizeof a[i]);
#define MOVE(i)	 a[i] = e[i];

/* A function that permutes the messages from `from` on that one vector holds. Macros, as the
 * lanes must have names, not indices, to be kept in registers. */
#define PERMUTATION(name, vector, attributes)                               \
	attributes static void name(struct keccak_wide *state, size_t from) \
	{                                                                   \
		vector a[KECCAK_LANES], b[5], c[5], d[5], e[KECCAK_LANES];  \
		EACH(LOAD)                                                  \
		for (size_t round = 0; round < ROUNDS; round++) {           \
			c[0] = PARITY(0);                                   \
			c[1] = PARITY(1);                                   \
			c[2] = PARITY(2);                                   \
			c[3] = PARITY(3);                                   \
			c[4] = PARITY(4);                                   \
			d[0] = c[4] ^ ROTATE(c[1], 1);                      \
			d[1] = c[0] ^ ROTATE(c[2], 1);                      \
			d[2] = c[1] ^ ROTATE(c[3], 1);                      \
			d[3] = c[2] ^ ROTATE(c[4], 1);                      \
			d[4] = c[3] ^ ROTATE(c[0], 1);                      \
			ROW(0, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);        \
			ROW(1, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);        \
			ROW(2, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);          \
			ROW(3, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);       \
			ROW(4, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);        \
			EACH(MOVE)                                          \
			a[0] ^= round_constants[round];                     \
		}                                                           \
		EACH(STORE)                                                 \
	}

typedef uint64_t two __attribute__((vector_size(16)));
PERMUTATION(permute_two, two, )
#ifdef __x86_64__
typedef uint64_t four __attribute__((vector_size(32)));
typedef uint64_t eight __attribute__((vector_size(64)));
PERMUTATION(permute_four, four, __attribute__((target("avx2"))))
PERMUTATION(permute_eight, eight, __attribute__((target("avx512f"))))
#endif

static void permute(struct keccak_wide *state, size_t messages)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f")) {
		permute_eight(state, 0);
		return;
	}
	if (__builtin_cpu_supports("avx2")) {
		for (size_t from = 0; from < messages; from += 4)
			permute_four(state, from);
		return;
	}
#endif
	for (size_t from = 0; from < messages; from += 2)
		permute_two(state, from);
}

void keccak_wide_permute(struct keccak_wide *state)
{
	permute(state, KECCAK_WIDE);
}

/* ---- hashing ---- */

/* Block number `block` of a message, as the padding of its last one makes it. */
static void absorb(struct keccak_wide *state, size_t m, struct span message, size_t block)
{
	unsigned char last[RATE_BYTES];
	const unsigned char *in = (const unsigned char *)message.ptr + block * RATE_BYTES;
	const size_t left = message.len - block * RATE_BYTES;

	if (left < RATE_BYTES) {
		memset(last, 0, sizeof last);
		if (left > 0)
			memcpy(last, in, left);
		last[left] = 0x01; /* see keccak.c */
		last[RATE_BYTES - 1] |= 0x80;
		in = last;
	}
	for (size_t i = 0; i < KECCAK_RATE; i++) {
		uint64_t lane;
		memcpy(&lane, in + 8 * i, 8);
		state->lane[i][m] ^= lane;
	}
}

/* Of at most KECCAK_WIDE. Those that are shorter than others are done earlier. */
static void hash_group(const struct span *messages, size_t n, struct eth_bytes32 *digests)
{
	struct keccak_wide state;
	size_t running = n;

	memset(&state, 0, sizeof state);
	for (size_t block = 0; running > 0; block++) {
		for (size_t m = 0; m < n; m++)
			if (block <= messages[m].len / RATE_BYTES)
				absorb(&state, m, messages[m], block);
		permute(&state, n);
		for (size_t m = 0; m < n; m++) {
			if (block != messages[m].len / RATE_BYTES)
				continue;
			for (size_t i = 0; i < 4; i++)
				memcpy(digests[m].bytes + 8 * i, &state.lane[i][m], 8);
			running--;
		}
	}
}

void keccak256_many(const struct span *messages, size_t n, struct eth_bytes32 *digests)
{
	for (size_t at = 0; at < n;) {
		const size_t left = n - at, group = left < KECCAK_WIDE ? left : KECCAK_WIDE;
		if (group > 1)
			hash_group(messages + at, group, digests + at);
		else
			keccak256(messages[at].ptr, messages[at].len, &digests[at]);
		at += group;
	}
}
