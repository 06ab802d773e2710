/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/buf.h"

static void appends_of_every_kind(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 4096);
	buf_text(&buf, "a");
	buf_char(&buf, ',');
	buf_span(&buf, SPAN("span"));
	buf_append(&buf, NULL, 0);
	buf_printf(&buf, " %s=%d ", "n", -5);
	buf_u64(&buf, 0);
	buf_char(&buf, ' ');
	buf_u64(&buf, UINT64_MAX);
	buf_char(&buf, ' ');
	buf_hex(&buf, "\x00\xab\x0f", 3);
	buf_hex(&buf, "", 0);
	assert_ok(buf_err(&buf));
	assert_span(buf_as_span(&buf), "a,span n=-5 0 18446744073709551615 0x00ab0f0x");
	buf_release(&buf);
}

static void grows_to_its_limit_and_no_further(void **state)
{
	(void)state;
	const size_t limit = 10000;
	struct buf buf;
	buf_init(&buf, limit);
	for (size_t i = 0; i < limit; i++)
		buf_char(&buf, (char)('a' + i % 26));
	assert_ok(buf_err(&buf));
	for (size_t i = 0; i < limit; i++)
		assert_int_equal(buf.ptr[i], 'a' + i % 26);
	buf_char(&buf, 'x');
	assert_int_equal(buf_err(&buf), ERR_LIMIT);
	assert_int_equal(buf.len, limit);
	buf_release(&buf);
}

static void a_failure_sticks_until_cleared(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 4);
	buf_text(&buf, "abc");
	buf_text(&buf, "de");
	assert_int_equal(buf_err(&buf), ERR_LIMIT);
	buf_char(&buf, 'd'); /* would fit */
	assert_span(buf_as_span(&buf), "abc");
	assert_null(buf_reserve(&buf, 1));
	buf_clear(&buf);
	buf_text(&buf, "defg");
	assert_ok(buf_err(&buf));
	assert_span(buf_as_span(&buf), "defg");
	buf_hex(&buf, "x", 1);
	assert_int_equal(buf_err(&buf), ERR_LIMIT);
	buf_clear(&buf);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf_err(&buf), ERR_LIMIT);
	buf_release(&buf);
}

static void printf_may_fill_it_exactly(void **state)
{
	(void)state;
	struct buf buf;
	for (size_t limit = 254; limit <= 514; limit++) {
		buf_init(&buf, limit);
		buf_printf(&buf, "%*d", (int)limit, 7);
		assert_ok(buf_err(&buf));
		assert_int_equal(buf.len, limit);
		assert_int_equal(buf.ptr[limit - 1], '7');
		buf_printf(&buf, "%s", "");
		assert_ok(buf_err(&buf));
		buf_printf(&buf, "%d", 1);
		assert_int_equal(buf_err(&buf), ERR_LIMIT);
		buf_release(&buf);
	}
}

static void reserve_lets_the_caller_write(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 100000);
	assert_non_null(buf_reserve(&buf, 0));
	for (int i = 0; i < 20; i++) {
		char *out = buf_reserve(&buf, 4000);
		assert_non_null(out);
		memset(out, 'a' + i, 4000);
		buf.len += 4000;
	}
	assert_int_equal(buf.ptr[3999], 'a');
	assert_int_equal(buf.ptr[79999], 't');
	buf_release(&buf);
	assert_null(buf.ptr);
	buf_release(&buf);
}

static void assert_json(struct span text, const char *json)
{
	struct buf buf;
	buf_init(&buf, 4096);
	buf_json_string(&buf, text);
	assert_ok(buf_err(&buf));
	buf_char(&buf, '\0');
	assert_string_equal(buf.ptr, json);
	buf_release(&buf);
}

static void json_strings(void **state)
{
	(void)state;
	assert_json(SPAN(""), "\"\"");
	assert_json(SPAN("plain /text/"), "\"plain /text/\"");
	assert_json(SPAN("a\"b\\c"), "\"a\\\"b\\\\c\"");
	assert_json(SPAN("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	assert_json(SPAN("\x00\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"");
	assert_json(SPAN("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
		    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
	assert_json(SPAN("x\xffy"), "\"x\xef\xbf\xbdy\"");
	assert_json(SPAN("cut \xe2\x82"), "\"cut \xef\xbf\xbd\xef\xbf\xbd\"");
	assert_json(SPAN("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void json_string_over_the_limit(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 6);
	buf_json_string(&buf, SPAN("abcd"));
	assert_ok(buf_err(&buf));
	buf_clear(&buf);
	buf_json_string(&buf, SPAN("abc\n"));
	assert_int_equal(buf_err(&buf), ERR_LIMIT);
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_of_every_kind),
		cmocka_unit_test(grows_to_its_limit_and_no_further),
		cmocka_unit_test(a_failure_sticks_until_cleared),
		cmocka_unit_test(printf_may_fill_it_exactly),
		cmocka_unit_test(reserve_lets_the_caller_write),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(json_string_over_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
