/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/recent.h"

static void the_newest_come_first_and_the_oldest_go(void **state)
{
	struct recent_line lines[RECENT_LINES + 1];

	(void)state;
	assert_int_equal(recent_copy(lines, RECENT_LINES), 0);
	recent_add("upstream %s: %s", "n0:1", "HTTP 500");
	assert_int_equal(recent_copy(lines, RECENT_LINES), 1);
	assert_string_equal(lines[0].text, "upstream n0:1: HTTP 500");
	assert_true(lines[0].at_s > 0);
	for (int i = 0; i < RECENT_LINES + 3; i++)
		recent_add("line %d", i);
	assert_int_equal(recent_copy(lines, RECENT_LINES + 1), RECENT_LINES);
	assert_string_equal(lines[0].text, "line 18");
	assert_string_equal(lines[RECENT_LINES - 1].text, "line 3");
	assert_int_equal(recent_copy(lines, 2), 2);
	assert_string_equal(lines[1].text, "line 17");
}

static void the_same_line_again_is_counted(void **state)
{
	struct recent_line lines[2];

	(void)state;
	recent_add("x");
	for (int i = 0; i < 1000; i++)
		recent_add("again");
	assert_int_equal(recent_copy(lines, 2), 2);
	assert_string_equal(lines[0].text, "again");
	assert_int_equal(lines[0].times, 1000);
	assert_int_equal(lines[1].times, 1);
}

static void a_long_line_is_cut(void **state)
{
	struct recent_line line;
	char text[2 * RECENT_LINE_BYTES];

	(void)state;
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\0';
	recent_add("%s", text);
	assert_int_equal(recent_copy(&line, 1), 1);
	assert_int_equal(strlen(line.text), RECENT_LINE_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_come_first_and_the_oldest_go),
		cmocka_unit_test(the_same_line_again_is_counted),
		cmocka_unit_test(a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
