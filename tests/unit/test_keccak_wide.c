/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/keccak.h"
#include "base/keccak_wide.c" /* each of the permutations, whatever this processor prefers */

enum { LONGEST = 700, MESSAGES = 21 };

/* Messages of all lengths around the rate, in groups of all sizes, against the plain one. */
static void hashes_as_the_plain_one(void **state)
{
	(void)state;
	static unsigned char text[MESSAGES + LONGEST];
	struct span messages[MESSAGES];
	struct eth_bytes32 digests[MESSAGES], want;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t length = 0; length < LONGEST; length++) {
		const size_t n = length % (MESSAGES + 1);
		for (size_t i = 0; i < n; i++)
			messages[i] = (struct span){(const char *)text + i,
						    (length + i * 131) % LONGEST};
		keccak256_many(messages, n, digests);
		for (size_t i = 0; i < n; i++) {
			keccak256(messages[i].ptr, messages[i].len, &want);
			assert_memory_equal(digests[i].bytes, want.bytes, sizeof want.bytes);
		}
	}
}

static void fill(struct keccak_wide *state)
{
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		for (unsigned m = 0; m < KECCAK_WIDE; m++)
			state->lane[i][m] = UINT64_C(0x9e3779b97f4a7c15) * (i * 8 + m + 1);
}

static void every_width_permutes_alike(void **state)
{
	(void)state;
	struct keccak_wide want, got;

	fill(&want);
	keccak_wide_permute(&want);
	fill(&got);
	for (size_t from = 0; from < KECCAK_WIDE; from += 2)
		permute_two(&got, from);
	assert_memory_equal(&got, &want, sizeof got);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		fill(&got);
		permute_four(&got, 0);
		permute_four(&got, 4);
		assert_memory_equal(&got, &want, sizeof got);
	}
	if (__builtin_cpu_supports("avx512f")) {
		fill(&got);
		permute_eight(&got, 0);
		assert_memory_equal(&got, &want, sizeof got);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_the_plain_one),
		cmocka_unit_test(every_width_permutes_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
