/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/err.h"

static void every_cause_has_its_own_name(void **state)
{
	(void)state;
	for (int a = OK; a <= ERR_CONFLICT; a++) {
		const char *name = err_name((enum err)a);
		assert_string_not_equal(name, "unknown");
		for (int b = OK; b < a; b++)
			assert_string_not_equal(name, err_name((enum err)b));
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
	}
	assert_string_equal(err_name(OK), "ok");
	assert_string_equal(err_name(ERR_TIMEOUT), "timeout");
	assert_string_equal(err_name((enum err)(ERR_CONFLICT + 1)), "unknown");
}

static void set_fills_the_detail_and_returns_the_cause(void **state)
{
	(void)state;
	struct err_detail detail;
	assert_int_equal(err_set(&detail, ERR_IO, "%s: line %d", "a.yaml", 7), ERR_IO);
	assert_string_equal(detail.text, "a.yaml: line 7");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody reads %d", 1), ERR_LIMIT);
}

static void a_long_detail_is_cut(void **state)
{
	(void)state;
	struct err_detail detail;
	memset(&detail, 'x', sizeof detail);
	assert_int_equal(err_set(&detail, ERR_IO, "%1000d", 1), ERR_IO);
	assert_int_equal(strlen(detail.text), ERR_DETAIL_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_its_own_name),
		cmocka_unit_test(set_fills_the_detail_and_returns_the_cause),
		cmocka_unit_test(a_long_detail_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
