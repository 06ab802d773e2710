/* SPDX-License-Identifier: MIT */
#include "../json_oracle.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DEPTH	     64

static void assert_span(struct span got, const char *expected)
{
	if (!span_is(got, expected))
		fail_msg("got %.*s, not %s", (int)got.len, got.ptr, expected);
}

/* Of a text that ends where its allocation does. */
static enum err document(struct span text, unsigned depth, size_t *at)
{
	struct span copy = exact_copy(text), value;
	enum err err = json_document(copy, depth, &value, at);
	if (err == OK)
		assert_true(oracle_inside(value, copy));
	const char *wrong = json_disagreement(copy, depth);
	if (wrong)
		fail_msg("%s: %.*s", wrong, (int)text.len, text.ptr);
	exact_free(copy);
	return err;
}

static struct span validated(const char *text)
{
	struct span value;
	size_t at;
	assert_int_equal(json_document(span_of(text), JSON_DEPTH_MAX, &value, &at), OK);
	return value;
}

static void test_accepts(void **unused)
{
	(void)unused;
	static const char *const texts[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"10",
		"-1.5",
		"0.0",
		"1e5",
		"1E+5",
		"2.5e-10",
		"123456789012345678901234567890",
		"1e999",
		"\"\"",
		"\"a\"",
		"[]",
		"{}",
		"[ ]",
		"{\n}",
		" \t\r\n0 \t\r\n",
		"[1,2]",
		"[ 1 , 2 ]",
		"{\"a\":1,\"a\":2}",
		"{ \"a\" : { } , \"\" : [ ] }",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\udc00\\ud800\"",
		"\"\\ud83d\\ude00\"",
		"\"\x7f\"",
		"\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"",
		"\"\xf0\x90\x80\x80 \xf3\xbf\xbf\xbf \xf4\x8f\xbf\xbf\"",
		"[[[[]],{}],[{\"a\":[]}]]",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t at = 0;
		if (document(span_of(texts[i]), DEPTH, &at) != OK)
			fail_msg("refused at %zu: %s", at, texts[i]);
	}
}

static void test_refuses_and_says_where(void **unused)
{
	(void)unused;
	static const struct {
		const char *text;
		size_t at;
	} cases[] = {
		/* nothing, or the end */
		{"", 0},
		{"  ", 2},
		{"[", 1},
		{"{", 1},
		{"\"", 1},
		{"-", 1},
		{"{\"a\"", 4},
		{"{\"a\":", 5},
		{"[1,", 3},
		{"nul", 3},
		/* words and numbers */
		{"nulL", 3},
		{"True", 0},
		{"falsey", 5},
		{"+1", 0},
		{"01", 1},
		{"-01", 2},
		{"1.", 2},
		{"1.e5", 2},
		{".5", 0},
		{"1e", 2},
		{"1e+", 3},
		{"0x10", 1},
		{"1_0", 1},
		{"-a", 1},
		{"NaN", 0},
		{"-Infinity", 1},
		{"1.5.5", 3},
		/* structure */
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{]", 1},
		{"{\"a\":1]", 6},
		{"{\"a\":1,}", 7},
		{"{,}", 1},
		{"{\"a\"}", 4},
		{"{\"a\",1}", 4},
		{"{a:1}", 1},
		{"{1:1}", 1},
		{"{\"a\"::1}", 5},
		{"{\"a\":}", 5},
		{"{null:1}", 1},
		{"[1:2]", 2},
		{"]", 0},
		{"}", 0},
		{",", 0},
		{":", 0},
		{"[\"a\":1]", 4},
		{"[[]", 3},
		{"[]]", 2},
		/* a second value, comments, a byte order mark, other white space */
		{"1 2", 2},
		{"{} {}", 3},
		{"null,", 4},
		{"/*a*/1", 0},
		{"1//a", 1},
		{"[1/**/]", 2},
		{"\xef\xbb\xbf{}", 0},
		{"\f1", 0},
		{"[\v]", 1},
		{"\xc2\xa0", 0},
		{"'a'", 0},
		/* strings */
		{"\"a", 2},
		{"\"a\n\"", 2},
		{"\"\t\"", 1},
		{"\"\x1f\"", 1},
		{"\"\\", 2},
		{"\"\\a\"", 2},
		{"\"\\'\"", 2},
		{"\"\\U0041\"", 2},
		{"\"\\x41\"", 2},
		{"\"\\u004\"", 6},
		{"\"\\u00g1\"", 5},
		{"\"\\u", 3},
		{"\"\\u123", 6},
		{"\"\\\n\"", 2},
		/* UTF-8: stray, overlong, surrogates, above the end, cut short */
		{"\"\x80\"", 1},
		{"\"\xbf\"", 1},
		{"\"\xc0\x80\"", 1},
		{"\"\xc1\xbf\"", 1},
		{"\"\xe0\x9f\xbf\"", 2},
		{"\"\xed\xa0\x80\"", 2},
		{"\"\xf0\x8f\xbf\xbf\"", 2},
		{"\"\xf4\x90\x80\x80\"", 2},
		{"\"\xf5\x80\x80\x80\"", 1},
		{"\"\xff\"", 1},
		{"\"\xc3\"", 2},
		{"\"\xe2\x82\"", 3},
		{"\"\xf0\x9f\x98\"", 4},
		{"\"\xe2\x28\xa1\"", 2},
		{"\"\xf0\x9f\x98", 4},
		{"\"\xc3", 2},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t at = SIZE_MAX;
		enum err err = document(span_of(cases[i].text), DEPTH, &at);
		if (err != ERR_INVALID || at != cases[i].at)
			fail_msg("%s at %zu, not %zu: %s", err_name(err), at, cases[i].at,
				 cases[i].text);
	}
	size_t at;
	assert_int_equal(document((struct span){NULL, 0}, DEPTH, &at), ERR_INVALID);
	assert_int_equal(at, 0);
	assert_int_equal(document(SPAN("\"a\0b\""), DEPTH, &at), ERR_INVALID);
	assert_int_equal(at, 2);
	assert_int_equal(document(SPAN("\"\\\0\""), DEPTH, &at), ERR_INVALID);
	assert_int_equal(at, 2);
}

/* Every byte at every place of strings of every length around the size of a block. */
static void test_each_byte_at_each_place(void **unused)
{
	(void)unused;
	char text[40];
	for (size_t len = 2; len <= sizeof(text); len++) {
		for (size_t place = 0; place < len; place++) {
			for (int byte = 0; byte < 256; byte++) {
				size_t at;
				memset(text, 'a', len);
				text[0] = text[len - 1] = '"';
				text[place] = (char)byte;
				(void)document((struct span){text, len}, DEPTH, &at);
			}
		}
	}
}

static void test_white_space_of_each_length(void **unused)
{
	(void)unused;
	static const char blanks[] = " \n\r\t";
	char text[80];
	for (size_t len = 0; len < 70; len++) {
		size_t at, n = 0;
		text[n++] = '[';
		for (size_t i = 0; i < len; i++)
			text[n++] = blanks[i % 4];
		text[n++] = '1';
		for (size_t i = 0; i < len / 8; i++)
			text[n++] = blanks[i % 4];
		assert_int_equal(document((struct span){text, n}, DEPTH, &at), ERR_INVALID);
		assert_int_equal(at, n);
		text[n++] = ']';
		assert_int_equal(document((struct span){text, n}, DEPTH, &at), OK);
		for (size_t i = 1; i <= len; i++) {
			char saved = text[i];
			text[i] = i % 2 ? '\f' : '\0';
			assert_int_equal(document((struct span){text, n}, DEPTH, &at),
					 ERR_INVALID);
			assert_int_equal(at, i);
			text[i] = saved;
		}
	}
}

/* levels containers within each other: arrays, objects, or by turns. */
static struct span nested(char *text, unsigned levels, unsigned arrays_of_4)
{
	size_t n = 0;
	for (unsigned i = 0; i < levels; i++) {
		const char *open = i % 4 < arrays_of_4 ? "[" : "{\"k\":";
		memcpy(text + n, open, strlen(open));
		n += strlen(open);
	}
	text[n++] = '0';
	for (unsigned i = levels; i-- > 0;)
		text[n++] = i % 4 < arrays_of_4 ? ']' : '}';
	return (struct span){text, n};
}

static void test_depth(void **unused)
{
	(void)unused;
	static const unsigned depths[] = {1, 2, 63, 64, 65, 1023, JSON_DEPTH_MAX};
	static char text[8 * JSON_DEPTH_MAX];
	for (size_t i = 0; i < COUNT(depths); i++) {
		for (unsigned arrays = 0; arrays <= 4; arrays++) {
			size_t at = 0;
			struct span deep = nested(text, depths[i], arrays);
			assert_int_equal(document(deep, depths[i], &at), OK);
			assert_int_equal(document(deep, depths[i] - 1, &at), ERR_LIMIT);
			struct span shallow = nested(text, depths[i] - 1, arrays);
			size_t opening = (shallow.len - 1 - (depths[i] - 1));
			assert_int_equal(at, opening);
			assert_int_equal(document(shallow, depths[i] - 1, &at), OK);
		}
	}
	size_t at;
	assert_int_equal(document(SPAN("7"), 0, &at), OK);
	assert_int_equal(document(SPAN(" []"), 0, &at), ERR_LIMIT);
	assert_int_equal(at, 1);
	assert_int_equal(document(SPAN(" {}"), 0, &at), ERR_LIMIT);
	/* siblings do not add up, and the inside of a closed container is forgotten */
	assert_int_equal(document(SPAN("[[],[],{},[0],{\"a\":{}}]"), 3, &at), OK);
	memset(text, '[', sizeof(text));
	assert_int_equal(document((struct span){text, sizeof(text)}, DEPTH, &at), ERR_LIMIT);
	assert_int_equal(at, DEPTH);
}

static void test_types(void **unused)
{
	(void)unused;
	assert_int_equal(json_type(SPAN("null")), JSON_NULL);
	assert_int_equal(json_type(SPAN("false")), JSON_FALSE);
	assert_int_equal(json_type(SPAN("true")), JSON_TRUE);
	assert_int_equal(json_type(SPAN("-1")), JSON_NUMBER);
	assert_int_equal(json_type(SPAN("0")), JSON_NUMBER);
	assert_int_equal(json_type(SPAN("\"\"")), JSON_STRING);
	assert_int_equal(json_type(SPAN("[]")), JSON_ARRAY);
	assert_int_equal(json_type(SPAN("{}")), JSON_OBJECT);
}

static void test_document_leaves_out_white_space(void **unused)
{
	(void)unused;
	assert_span(validated(" \n [1 , 2]\t\r\n"), "[1 , 2]");
	assert_span(validated("-1.5e3 "), "-1.5e3");
}

static void test_elements(void **unused)
{
	(void)unused;
	static const char *const expected[] = {
		"1",	  "\"]\"", "[ 2, [3] ]", "{\"a\":\"}\\\"\\\\\"}", "\"\\\\\"", "null",
		"-1.5e3", "[]",	   "\"\"",
	};
	struct span text =
		validated("[1 ,\"]\", [ 2, [3] ],{\"a\":\"}\\\"\\\\\"} , \"\\\\\",\n\t"
			  "null,-1.5e3,[],\"\" ]");
	struct json_iter iter = json_iter(text);
	struct span value;
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_true(json_next_element(&iter, &value));
		assert_span(value, expected[i]);
	}
	assert_false(json_next_element(&iter, &value));
	assert_false(json_next_element(&iter, &value));
}

static void test_members(void **unused)
{
	(void)unused;
	static const char *const expected[][2] = {
		{"a", "1"},
		{"", "[{\"x\":0}]"},
		{"k\\\"\\n", "{ }"},
		{"a", "\"v:,}\""},
	};
	struct span text = validated("{ \"a\" : 1, \"\":[{\"x\":0}] ,\"k\\\"\\n\":{ }\n,"
				     "\"a\":\"v:,}\"}");
	struct json_iter iter = json_iter(text);
	struct span key, value;
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_true(json_next_member(&iter, &key, &value));
		assert_span(key, expected[i][0]);
		assert_span(value, expected[i][1]);
	}
	assert_false(json_next_member(&iter, &key, &value));
}

static void test_nothing_to_walk(void **unused)
{
	(void)unused;
	static const char *const texts[] = {"[]", "{}",	     "[ ]", "{ \n }",
					    "1",  "\"[1]\"", "null"};
	struct span key, value;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_iter iter = json_iter(validated(texts[i]));
		assert_false(json_next_element(&iter, &value));
		iter = json_iter(validated(texts[i]));
		assert_false(json_next_member(&iter, &key, &value));
		assert_false(json_member(validated(texts[i]), "a", &value));
	}
	struct json_iter iter = json_iter(validated("[1,2]"));
	assert_false(json_next_member(&iter, &key, &value));
	iter = json_iter(validated("[\"a\",2]"));
	assert_false(json_next_member(&iter, &key, &value));
	assert_false(json_member(validated("[\"a\",1]"), "a", &value));
}

static void test_member_by_name(void **unused)
{
	(void)unused;
	struct span text =
		validated("{\"ab\":0,\"a\":1,\"a\":2,\"\\u0062\":3,\"\":4,\"c\\u0000\":5,"
			  "\"\\ud83d\\ude00\":6,\"\xc3\xa9\":7,\"q\\\"\":8,\"r\\/\\t\":9,"
			  "\"n\":{\"deep\":10}}");
	static const char *const cases[][2] = {
		{"ab", "0"},
		{"a", "1"},
		{"b", "3"},
		{"", "4"},
		{"\xf0\x9f\x98\x80", "6"},
		{"\xc3\xa9", "7"},
		{"q\"", "8"},
		{"r/\t", "9"},
	};
	static const char *const absent[] = {"c",	"A",	 "abc",	 "deep",
					     "\\u0062", "u0062", "q\\\""};
	struct span value;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(json_member(text, cases[i][0], &value));
		assert_span(value, cases[i][1]);
	}
	for (size_t i = 0; i < COUNT(absent); i++)
		assert_false(json_member(text, absent[i], &value));
}

static void test_strings_as_they_stand(void **unused)
{
	(void)unused;
	struct span text = SPAN("untouched");
	assert_span(json_string_raw(SPAN("\"a\\nb\"")), "a\\nb");
	assert_span(json_string_raw(SPAN("\"\"")), "");
	assert_false(json_string_plain(SPAN("\"a\\nb\""), &text));
	assert_false(json_string_plain(SPAN("12"), &text));
	assert_false(json_string_plain(SPAN("null"), &text));
	assert_false(json_string_plain(SPAN("[\"a\"]"), &text));
	assert_span(text, "untouched");
	assert_true(json_string_plain(SPAN("\"0xab\""), &text));
	assert_span(text, "0xab");
	assert_true(json_string_plain(SPAN("\"\""), &text));
	assert_int_equal(text.len, 0);
}

static void test_decode(void **unused)
{
	(void)unused;
	static const struct {
		const char *string;
		struct span decoded;
	} cases[] = {
		{"\"\"", {"", 0}},
		{"\"plain \xc3\xa9\"", {"plain \xc3\xa9", 8}},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
		{"\"a\\u0000b\"", {"a\0b", 3}},
		{"\"\\u0041\\u007f\\u0080\\u07FF\\u0800\\uffff\"",
		 {"A\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 12}},
		{"\"\\ud83d\\ude00\"", {"\xf0\x9f\x98\x80", 4}},
		{"\"\\uD800\\uDC00\\udbff\\udfff\"", {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8}},
		/* lone: high, low, high and high, wrong order, high before something else */
		{"\"\\ud800\"", {"\xef\xbf\xbd", 3}},
		{"\"\\udfffx\"", {"\xef\xbf\xbdx", 4}},
		{"\"\\ud800\\ud83d\\ude00\"", {"\xef\xbf\xbd\xf0\x9f\x98\x80", 7}},
		{"\"\\udc00\\ud800\"", {"\xef\xbf\xbd\xef\xbf\xbd", 6}},
		{"\"\\udc00\\udc01\"", {"\xef\xbf\xbd\xef\xbf\xbd", 6}},
		{"\"\\ud800\\ue000\"", {"\xef\xbf\xbd\xee\x80\x80", 6}},
		{"\"\\udbff\\n\\u0041\"", {"\xef\xbf\xbd\nA", 5}},
		{"\"\\ud800\\u0041\"",
		 {"\xef\xbf\xbd"
		  "A",
		  4}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span string = validated(cases[i].string);
		struct span out = exact_copy(json_string_raw(string));
		out.len = json_string_decode(string, (char *)(uintptr_t)out.ptr);
		if (!span_equal(out, cases[i].decoded))
			fail_msg("%s", cases[i].string);
		out.len = json_string_raw(string).len;
		exact_free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses_and_says_where),
		cmocka_unit_test(test_each_byte_at_each_place),
		cmocka_unit_test(test_white_space_of_each_length),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_document_leaves_out_white_space),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_nothing_to_walk),
		cmocka_unit_test(test_member_by_name),
		cmocka_unit_test(test_strings_as_they_stand),
		cmocka_unit_test(test_decode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
