/* SPDX-License-Identifier: MIT */
/* Members of objects, and what is none of the form that is wanted. */
#include "base/member.h"
#include "base/json.h"
#include "unit.h"

static const char object[] =
	"{\"hash\":\"0x00000000000000000000000000000000000000000000000000000000000000ff\","
	"\"number\":\"0xffffffffffffffff\",\"wide\":\"0x10000000000000000\",\"list\":[1,[2,3],{"
	"}],"
	"\"plain\":7,\"escaped\":\"\\u0030\",\"null\":null,\"none\":[ ]}";

static void a_member_has_the_form_that_is_wanted(void **state)
{
	(void)state;
	const struct span all = span_of(object);
	struct span text;
	struct eth_bytes32 hash;
	uint64_t number;
	assert_true(member_text(all, "wide", &text));
	assert_span(text, "0x10000000000000000");
	assert_true(member_hash(all, "hash", &hash));
	assert_int_equal(hash.bytes[31], 0xff);
	assert_true(member_u64(all, "number", &number));
	assert_true(number == UINT64_MAX);
}

static void other_forms_are_no_members(void **state)
{
	(void)state;
	static const char *const names[] = {"plain", "escaped", "null", "list", "absent"};
	const struct span all = span_of(object);
	struct span text;
	struct eth_bytes32 hash;
	uint64_t number;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_false(member_text(all, names[i], &text));
		assert_false(member_hash(all, names[i], &hash));
		assert_false(member_u64(all, names[i], &number));
	}
	assert_false(member_u64(all, "wide", &number));
	assert_false(member_hash(all, "number", &hash));
	assert_false(member_text(SPAN("[\"hash\"]"), "hash", &text));
	assert_false(member_text(SPAN(""), "hash", &text));
}

static void elements_are_counted_one_level_deep(void **state)
{
	(void)state;
	struct span list;
	assert_true(json_member(span_of(object), "list", &list));
	assert_int_equal(json_length(list), 3);
	assert_true(json_member(span_of(object), "none", &list));
	assert_int_equal(json_length(list), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_has_the_form_that_is_wanted),
		cmocka_unit_test(other_forms_are_no_members),
		cmocka_unit_test(elements_are_counted_one_level_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
