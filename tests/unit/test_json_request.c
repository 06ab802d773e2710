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
	if (expected ? !got.ptr || !span_is(got, expected) : got.ptr != NULL)
		fail_msg("got %.*s, not %s", (int)got.len, got.ptr ? got.ptr : "",
			 expected ? expected : "(absent)");
}

/* Scans all of text, which must be one request. */
static struct json_request scan(const char *text)
{
	struct span rest = span_of(text);
	struct json_request request;
	size_t at = 0;
	if (json_request_next(&rest, DEPTH, &request, &at) != OK)
		fail_msg("refused at %zu: %s", at, text);
	assert_int_equal(rest.len, 0);
	assert_null(json_disagreement(span_of(text), DEPTH));
	return request;
}

static void test_what_clients_send(void **unused)
{
	(void)unused;
	static const char *const texts[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_call\",\"params\":[{\"to\":"
		"\"0x1\"},1]}",
		"{\"method\":\"eth_call\",\"params\":[{\"to\":\"0x1\"},1],\"id\":7,\"jsonrpc\":"
		"\"2.0\"}",
		" { \"params\" : [{\"to\":\"0x1\"},1] , "
		"\"x\":{\"id\":8,\"method\":[]},\n\"id\" : 7 ,"
		"\"jsonrpc\": \"2.0\",\"method\":\t\"eth_call\"}",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_request request = scan(texts[i]);
		assert_span(request.id, "7");
		assert_span(request.method, "eth_call");
		assert_span(request.params, "[{\"to\":\"0x1\"},1]");
		assert_span(request.text, texts[i] + (texts[i][0] == ' '));
		assert_true(request.version_ok && request.method_is_string && request.id_ok);
		assert_true(request.is_object);
		assert_false(request.duplicate || request.method_escaped);
	}
}

/* Which params are told apart, and which are left to those who read them. */
static void test_arguments(void **unused)
{
	(void)unused;
	static const struct {
		const char *params;
		unsigned n;
	} cases[] = {
		{"[\"0x1\"]", 1},
		{"[\"0x1\",\"\"]", 2},
		{"[\"0x1\", \"a long one, of more than sixteen characters\",\n\"latest\"]", 3},
		{"[\"1\",\"2\",\"3\",\"4\"]", 0},
		{"[]", 0},
		{"[\"1\",2]", 0},
		{"[\"1\",[\"2\"]]", 0},
		{"[\"\\u0031\"]", 0},
		{"[\"\303\244\"]", 0},
		{"{\"a\":\"1\"}", 0},
		{"\"1\"", 0},
	};
	char text[256];
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof text,
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":%s}",
			 cases[i].params);
		struct json_request request = scan(text);
		assert_span(request.params, cases[i].params);
		assert_int_equal(request.args_n, cases[i].n);
	}
	/* Of a member that stands twice the first counts. */
	struct json_request twice = scan("{\"params\":[\"1\"],\"params\":[\"2\",\"3\"]}");
	assert_true(twice.duplicate);
	assert_int_equal(twice.args_n, 1);
	assert_span(twice.args[0], "1");
}

static void test_absent_members(void **unused)
{
	(void)unused;
	static const char *const texts[] = {"{}", "{ }", "{\"Id\":1,\"methods\":2,\"param\":3}",
					    "{\"id \":1,\"\":0,\"jsonrpc2\":\"2.0\",\"i\":1}",
					    "{\"x\":{\"id\":1,\"jsonrpc\":\"2.0\"}}"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_request request = scan(texts[i]);
		assert_span(request.id, NULL);
		assert_span(request.method, NULL);
		assert_span(request.params, NULL);
		assert_span(request.text, texts[i]);
		assert_true(request.is_object && request.id_ok);
		assert_false(request.version_ok || request.method_is_string);
		assert_false(request.duplicate || request.method_escaped);
	}
}

static void test_ids(void **unused)
{
	(void)unused;
	static const struct {
		const char *id;
		bool ok;
	} cases[] = {
		{"0", true},	 {"-1", true},
		{"1.5", true},	 {"1e3", true},
		{"null", true},	 {"123456789012345678901234567890", true},
		{"\"\"", true},	 {"\"a\\u0000\\\"\"", true},
		{"true", false}, {"false", false},
		{"[]", false},	 {"{}", false},
		{"[1]", false},	 {"{\"id\":1}", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[80];
		snprintf(text, sizeof(text), "{\"id\":%s}", cases[i].id);
		struct json_request request = scan(text);
		assert_span(request.id, cases[i].id);
		assert_int_equal(request.id_ok, cases[i].ok);
	}
}

static void test_versions(void **unused)
{
	(void)unused;
	static const struct {
		const char *version;
		bool ok;
	} cases[] = {
		{"\"2.0\"", true},
		{"\"2\\u002e0\"", true},
		{"\"1.0\"", false},
		{"\"2.00\"", false},
		{"\"2\"", false},
		{"\"\"", false},
		{"2.0", false},
		{"2", false},
		{"null", false},
		{"[\"2.0\"]", false},
		{"\"2.0\\u0000\"", false},
		{"\" 2.0\"", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[80];
		snprintf(text, sizeof(text), "{\"jsonrpc\":%s}", cases[i].version);
		if (scan(text).version_ok != cases[i].ok)
			fail_msg("%s", text);
	}
}

static void test_methods(void **unused)
{
	(void)unused;
	struct json_request request = scan("{\"method\":\"eth\\u005fcall\"}");
	assert_span(request.method, "eth\\u005fcall");
	assert_true(request.method_is_string && request.method_escaped);
	request = scan("{\"method\":\"\"}");
	assert_span(request.method, "");
	assert_true(request.method_is_string);
	assert_false(request.method_escaped);
	static const char *const others[] = {"1", "null", "true", "[\"a\\n\"]", "{}"};
	for (size_t i = 0; i < COUNT(others); i++) {
		char text[80];
		snprintf(text, sizeof(text), "{\"method\":%s}", others[i]);
		request = scan(text);
		assert_span(request.method, others[i]);
		assert_false(request.method_is_string || request.method_escaped);
	}
}

static void test_escaped_names(void **unused)
{
	(void)unused;
	struct json_request request =
		scan("{\"json\\u0072pc\":\"2.0\",\"\\u0069\\u0064\":1,\"m\\u0065thod\":\"a\","
		     "\"\\u0070\\u0061\\u0072\\u0061\\u006d\\u0073\":[]}");
	assert_span(request.id, "1");
	assert_span(request.method, "a");
	assert_span(request.params, "[]");
	assert_true(request.version_ok);
	assert_false(request.duplicate || request.method_escaped);
	request = scan("{\"id\\u0000\":1,\"\\\\u0069d\":2,\"i\\td\":3,\"id\\\"\":4}");
	assert_span(request.id, NULL);
}

/* The first one stands, as with json_member. */
static void test_duplicates(void **unused)
{
	(void)unused;
	static const char *const texts[] = {
		"{\"id\":1,\"id\":1}",
		"{\"id\":1,\"\\u0069d\":true}",
		"{\"\\u0069d\":1,\"id\":{}}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"jsonrpc\":\"1.0\"}",
		"{\"method\":\"a\",\"id\":1,\"method\":\"b\"}",
		"{\"params\":[],\"id\":1,\"x\":0,\"params\":[]}",
		"{\"id\":1,\"jsonrpc\":\"1.0\",\"jsonrpc\":\"2.0\"}",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_request request = scan(texts[i]);
		assert_true(request.duplicate);
		assert_span(request.id, "1");
		assert_true(request.id_ok);
		assert_int_equal(request.version_ok, i == 3);
	}
	assert_false(scan("{\"x\":1,\"x\":2,\"y\":{\"id\":1},\"id\":1}").duplicate);
	assert_span(scan("{\"method\":\"a\",\"method\":\"b\"}").method, "a");
}

static void test_other_values(void **unused)
{
	(void)unused;
	static const char *const texts[] = {"null",	    "1",   "\"{}\"", "[]",
					    "[{\"id\":1}]", "true"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct json_request request = scan(texts[i]);
		assert_false(request.is_object || request.duplicate || request.version_ok);
		assert_span(request.id, NULL);
		assert_span(request.text, texts[i]);
	}
}

static void test_one_after_the_other(void **unused)
{
	(void)unused;
	struct span text = SPAN(" {\"id\":1}, {\"id\":2} 3 {\"id\":]"), all = text;
	struct json_request request;
	size_t at = 99;
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), OK);
	assert_span(request.text, "{\"id\":1}");
	assert_span(text, ", {\"id\":2} 3 {\"id\":]");
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), ERR_INVALID);
	assert_int_equal(at, 0);
	assert_ptr_equal(text.ptr, all.ptr + 9);
	text.ptr++, text.len--;
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), OK);
	assert_span(request.id, "2");
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), OK);
	assert_span(request.text, "3");
	assert_false(request.is_object);
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), ERR_INVALID);
	assert_int_equal(at, 7);
	assert_span(text, " {\"id\":]");
	text = (struct span){NULL, 0};
	assert_int_equal(json_request_next(&text, DEPTH, &request, &at), ERR_INVALID);
	assert_int_equal(at, 0);
}

static void test_depth_counts_the_request(void **unused)
{
	(void)unused;
	struct json_request request;
	size_t at = 0;
	struct span text = SPAN("{\"params\":[[1]]}"), rest = text;
	assert_int_equal(json_request_next(&rest, 3, &request, &at), OK);
	rest = text;
	assert_int_equal(json_request_next(&rest, 2, &request, &at), ERR_LIMIT);
	assert_int_equal(at, 11);
	rest = text;
	assert_int_equal(json_request_next(&rest, 0, &request, &at), ERR_LIMIT);
	assert_int_equal(at, 0);
	assert_ptr_equal(rest.ptr, text.ptr);
}

/* A request that is cut anywhere is refused, at the cut. */
static void test_truncation(void **unused)
{
	(void)unused;
	static const char *const texts[] = {
		"{\"jsonrpc\":\"2.0\",\"id\":-1.5e+7,\"method\":\"eth_getStorageAt\","
		"\"params\":[\"0xc02a"
		"aa39b223fe8d0a0e5c4f27ead9083c756cc2\",\"0x0\",{\"blockHash\":null},true]}",
		"{\"m\\u0065thod\" : \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", "
		"\"id\":\"\\ud83d\\ude00\","
		"\n                    \"params\":{\"a\":[[],{}, false ]}}",
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		scan(texts[i]);
		for (size_t len = 0; len < strlen(texts[i]); len++) {
			struct span copy = exact_copy((struct span){texts[i], len}),
				    rest = copy, value;
			struct json_request request;
			size_t at = 0;
			assert_int_equal(json_request_next(&rest, DEPTH, &request, &at),
					 ERR_INVALID);
			assert_int_equal(at, len);
			assert_ptr_equal(rest.ptr, copy.ptr);
			assert_int_equal(json_document(copy, DEPTH, &value, &at), ERR_INVALID);
			assert_int_equal(at, len);
			exact_free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_clients_send),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_absent_members),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_escaped_names),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_depth_counts_the_request),
		cmocka_unit_test(test_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
