/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/grind.c" /* what a thread does when others have found something */
#include "base/keccak.h"

static void assert_leads_to(const unsigned char *nibbles, unsigned n, const unsigned char *key,
			    size_t key_bytes)
{
	struct eth_bytes32 hash;

	keccak256(key, key_bytes, &hash);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(i % 2 == 0 ? hash.bytes[i / 2] >> 4 : hash.bytes[i / 2] & 0x0f,
				 nibbles[i]);
}

static void finds_addresses_and_slots(void **state)
{
	(void)state;
	static const unsigned char nibbles[] = {0xf, 0x0, 0x7, 0xa};
	static const size_t sizes[] = {20, 32};

	for (size_t i = 0; i < 2; i++) {
		for (unsigned n = 0; n <= sizeof nibbles; n++) {
			unsigned char key[33];
			key[sizes[i]] = 0x5a;
			assert_ok(grind_key(nibbles, n, sizes[i], 1, NULL, key));
			assert_leads_to(nibbles, n, key, sizes[i]);
			assert_int_equal(key[sizes[i]], 0x5a);
		}
	}
}

/* The smallest counter, as trying one after another finds it. */
static void finds_the_same_with_any_number_of_threads(void **state)
{
	(void)state;
	for (unsigned char first = 0; first < 16; first++) {
		const unsigned char nibbles[] = {first, 0xc, 0x1};
		unsigned char want[20] = {0}, got[20];
		for (uint64_t counter = 0;; counter++) {
			struct eth_bytes32 hash;
			memcpy(want, &counter, sizeof counter);
			keccak256(want, sizeof want, &hash);
			if (hash.bytes[0] == (first << 4 | 0xc) && hash.bytes[1] >> 4 == 0x1)
				break;
		}
		for (unsigned threads = 0; threads <= GRIND_THREADS; threads += 1 + threads) {
			assert_ok(grind_key(nibbles, 3, sizeof got, threads, NULL, got));
			assert_memory_equal(got, want, sizeof want);
		}
	}
}

/* What others have found is kept when it is smaller, and is no reason to stop when it is not.
 */
static void the_smallest_counter_wins(void **state)
{
	(void)state;
	static const uint64_t none = UINT64_MAX;
	struct grind grind = {.key_bytes = 20, .mask = 0xffff, .wanted = 0x3412};

	atomic_init(&grind.next, 0);
	atomic_init(&grind.found, none);
	search(&grind);
	const uint64_t smallest = atomic_load(&grind.found);
	assert_in_range(smallest, 2, 2000000);
	const uint64_t others[] = {smallest - 1, smallest + 1, smallest + 100 * CHUNK,
				   none - 1};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		atomic_store(&grind.next, 0);
		atomic_store(&grind.found, others[i]);
		search(&grind);
		assert_true(atomic_load(&grind.found) == (i == 0 ? others[i] : smallest));
	}
}

static void can_be_cancelled(void **state)
{
	(void)state;
	const unsigned char nibbles[GRIND_NIBBLES + 1] = {1, 2, 3, 4, 5, 6, 7, 8};
	unsigned char key[32] = {0x77};
	atomic_bool cancel = true;

	assert_int_equal(grind_key(nibbles, GRIND_NIBBLES, 32, 2, &cancel, key), ERR_CANCELLED);
	assert_int_equal(key[0], 0x77);
	assert_int_equal(grind_key(nibbles, GRIND_NIBBLES + 1, 32, 2, NULL, key), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_addresses_and_slots),
		cmocka_unit_test(finds_the_same_with_any_number_of_threads),
		cmocka_unit_test(the_smallest_counter_wins),
		cmocka_unit_test(can_be_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
