/* SPDX-License-Identifier: MIT */
#include "fork/block_spec.h"
#include "unit.h"

#define HASH "0x12345678901234567890123456789012345678901234567890123456789012Ab"

static void test_tags(void **state)
{
	static const char *const tags[] = {"latest", "safe", "finalized"};
	struct block_spec spec;

	(void)state;
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		assert_int_equal(block_spec_parse(tags[i], &spec), OK);
		assert_int_equal(spec.kind, BLOCK_SPEC_TAG);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t number;
	} known[] = {
		{"0", 0},	{"24000000", 24000000},
		{"007", 7},	{"18446744073709551614", UINT64_MAX - 1},
		{"0x0", 0},	{"0X1f", 31},
		{"0x001F", 31}, {"0xfffffffffffffffe", UINT64_MAX - 1},
	};
	struct block_spec spec;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		assert_int_equal(block_spec_parse(known[i].text, &spec), OK);
		assert_int_equal(spec.kind, BLOCK_SPEC_NUMBER);
		assert_true(spec.number == known[i].number);
	}
}

static void test_hash(void **state)
{
	struct block_spec spec;

	(void)state;
	assert_int_equal(block_spec_parse(HASH, &spec), OK);
	assert_int_equal(spec.kind, BLOCK_SPEC_HASH);
	assert_int_equal(spec.hash.bytes[0], 0x12);
	assert_int_equal(spec.hash.bytes[31], 0xab);
}

static void test_others(void **state)
{
	static const char *const bad[] = {
		"",
		"pending",
		"earliest",
		"Latest",
		"-1",
		"+1",
		"1 ",
		" 1",
		"1 2",
		"12a",
		"0x",
		"0xzz",
		"18446744073709551615",
		"18446744073709551616",
		"99999999999999999999",
		"0xffffffffffffffff",
		"0x10000000000000000",
		HASH "0",
		"0x1234567890123456789012345678901234567890123456789012345678901zAb",
	};
	struct block_spec spec;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(block_spec_parse(bad[i], &spec), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
