/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/buf.h"
#include "rpc/call.h"

static void canonical_is(const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_ok(json_canonical(span_of(text), &out));
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.ptr, want, out.len);
	buf_release(&out);
}

static void is_refused(const char *text, enum err want)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(json_canonical(span_of(text), &out), want);
	buf_release(&out);
}

static void white_space_goes(void **state)
{
	(void)state;
	canonical_is("[ 1 ,\t\"a b\" , { \"x\" :\n[ ] , \"y\" : { } } ,true,false,null ]",
		     "[1,\"a b\",{\"x\":[],\"y\":{}},true,false,null]");
	canonical_is("[]", "[]");
	canonical_is("{ }", "{}");
	/* What differs stays different. */
	canonical_is("[[1],2]", "[[1],2]");
	canonical_is("[1,[2]]", "[1,[2]]");
}

static void a_string_has_one_spelling(void **state)
{
	(void)state;
	canonical_is("\"\\u0041\\/\\u00e9\"", "\"A/\xc3\xa9\"");
	canonical_is("\"A/\xc3\xa9\"", "\"A/\xc3\xa9\"");
	canonical_is("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	canonical_is("\"\\u0022\\u005c\"", "\"\\\"\\\\\"");
	canonical_is("\"\\\"\\\\\"", "\"\\\"\\\\\"");
	canonical_is("\"\\ud800\"", "\"\xef\xbf\xbd\"");
	canonical_is("\"a\x7f\"", "\"a\\u007f\"");
	canonical_is("\"\\u0061\\u007f\"", "\"a\\u007f\"");
	/* Two spellings of one control character. */
	struct buf a, b;
	buf_init(&a, 64);
	buf_init(&b, 64);
	assert_ok(json_canonical(SPAN("\"\\n\\u0000\""), &a));
	assert_ok(json_canonical(SPAN("\"\\u000A\\u0000\""), &b));
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.ptr, b.ptr, a.len);
	buf_release(&a);
	buf_release(&b);
}

static void numbers_stand_as_they_are(void **state)
{
	(void)state;
	canonical_is("1.50e+3", "1.50e+3");
	canonical_is("-0", "-0");
}

static void one_name_twice_is_refused(void **state)
{
	(void)state;
	is_refused("{\"a\":1,\"a\":1}", ERR_INVALID);
	is_refused("[{\"b\":{\"a\":1,\"c\":2,\"a\":3}}]", ERR_INVALID);
	is_refused("{\"\\u0061\":1}", ERR_INVALID);
	canonical_is("{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "{\"a\":{\"a\":1},\"b\":{\"a\":1}}");
	canonical_is("{\"\":1,\"A\":1,\"a\":1}", "{\"\":1,\"A\":1,\"a\":1}");
}

/* n members "k0" to "k(n-1)", each with a value; one name at a place is another's. */
static void many_names(unsigned n, const char *value, int place, unsigned name, enum err want)
{
	struct buf text, out;

	buf_init(&text, 64u << 20);
	buf_init(&out, 64u << 20);
	buf_char(&text, '{');
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "%s\"k%u\":%s", i > 0 ? "," : "", (int)i == place ? name : i,
			   value);
	buf_char(&text, '}');
	assert_ok(buf_err(&text));
	assert_int_equal(json_canonical(buf_as_span(&text), &out), want);
	if (want == OK) {
		/* The order is the client's. */
		assert_int_equal(out.len, text.len);
		assert_memory_equal(out.ptr, text.ptr, text.len);
	}
	buf_release(&text);
	buf_release(&out);
}

static void many_names_are_seen_twice_as_well(void **state)
{
	static const unsigned sizes[] = {2, 15, 16, 17, 18, 64, 65, 3000};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		unsigned n = sizes[i];
		many_names(n, "1", -1, 0, OK);
		many_names(n, "1", (int)n - 1, 0, ERR_INVALID);
		many_names(n, "1", (int)n - 1, n - 2, ERR_INVALID);
		many_names(n, "1", 0, n - 1, ERR_INVALID);
	}
}

/* Walking the object again for every name would read 16 GiB here. */
static void long_values_are_read_once(void **state)
{
	struct buf value;

	(void)state;
	buf_init(&value, 1 << 20);
	buf_char(&value, '[');
	for (unsigned i = 0; i < 4096; i++)
		buf_text(&value, "[],");
	buf_text(&value, "0]");
	buf_char(&value, '\0');
	assert_ok(buf_err(&value));
	many_names(1600, value.ptr, -1, 0, OK);
	buf_release(&value);
}

static void what_is_too_large_is_refused(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 8);
	assert_int_equal(json_canonical(SPAN("[\"0123456789\"]"), &out), ERR_LIMIT);
	buf_release(&out);
	buf_init(&out, 8);
	assert_int_equal(json_canonical(SPAN("{\"0123456789\":1}"), &out), ERR_LIMIT);
	buf_release(&out);
}

static void members_are_put_in_order(void **state)
{
	static const char *const alike[] = {
		"{\"a\":1,\"aa\":null,\"b\":[{\"x\":1,\"y\":2}]}",
		"{\"aa\":null, \"b\":[ {\"y\":2,\"x\":1} ],\"a\":1}",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&out);
		assert_ok(json_sorted(span_of(alike[i]), &out));
		assert_int_equal(out.len, strlen(alike[0]));
		assert_memory_equal(out.ptr, alike[0], out.len);
	}
	/* More than are compared pairwise. */
	buf_clear(&out);
	assert_ok(json_sorted(
		SPAN("{\"t\":1,\"s\":1,\"r\":1,\"q\":1,\"p\":1,\"o\":1,\"n\":1,\"m\":1,"
		     "\"l\":1,\"k\":1,\"j\":1,\"i\":1,\"h\":1,\"g\":1,\"f\":1,\"e\":1,"
		     "\"d\":1,\"c\":1}"),
		&out));
	assert_memory_equal(out.ptr, "{\"c\":1,\"d\":1", 12);
	buf_clear(&out);
	assert_int_equal(json_sorted(SPAN("{\"a\":1,\"b\":1,\"a\":1}"), &out), ERR_INVALID);
	buf_clear(&out);
	assert_int_equal(json_sorted(SPAN("[{\"b\":1,\"\\u0061\":1}]"), &out), ERR_INVALID);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(white_space_goes),
		cmocka_unit_test(members_are_put_in_order),
		cmocka_unit_test(a_string_has_one_spelling),
		cmocka_unit_test(numbers_stand_as_they_are),
		cmocka_unit_test(one_name_twice_is_refused),
		cmocka_unit_test(many_names_are_seen_twice_as_well),
		cmocka_unit_test(long_values_are_read_once),
		cmocka_unit_test(what_is_too_large_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
