/* SPDX-License-Identifier: MIT */
#include "fork/redact.h"
#include "base/buf.h"
#include "unit.h"
#include <stdlib.h>

static void expect(const char *url, const char *header, const char *text, const char *wanted)
{
	struct redact redact;
	struct secret *secret = secret_new(span_of(url));
	struct secret *headers[] = {secret_new(span_of(header))};
	assert_int_equal(redact_init(&redact, secret, headers, 1), OK);
	char *copy = strdup(text);
	redact_text(&redact, (unsigned char *)copy, strlen(copy));
	assert_string_equal(copy, wanted);
	free(copy);
	redact_release(&redact);
	secret_free(&headers[0]);
	secret_free(&secret);
}

static void test_parts(void **state)
{
	(void)state;
	static const struct {
		const char *url, *header, *text, *wanted;
	} rows[] = {
		{"https://h.example/v2/abcdefgh12", "A: x", "\"key abcdefgh12 of v2\"",
		 "\"key ********** of v2\""},
		{"https://h/abcdefgh12", "A: x", "\"abcdefgh12abcdefgh12 abcdefgh1\"",
		 "\"******************** abcdefgh1\""},
		{"https://user:pass-word@h/", "A: x", "\"for user, pass-word\"",
		 "\"for ****, *********\""},
		{"https://h?apikey=0123456789&x=1&ABCDEFGHIJ", "A: x",
		 "\"apikey 0123456789 x 1 ABCDEFGHIJ\"",
		 "\"apikey ********** x 1 **********\""},
		{"https://h/p", "Authorization: Bearer SECRETSECRET",
		 "\"SECRETSECRET; Bearer\"", "\"************; Bearer\""},
		/* the host is not a secret, nor are short parts */
		{"https://mainnet.example/rpc", "A: x", "\"mainnet.example/rpc x\"",
		 "\"mainnet.example/rpc x\""},
		{"https://h", "A: x", "\"h\"", "\"h\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(rows[i].url, rows[i].header, rows[i].text, rows[i].wanted);
}

/* A secret may look like anything that stands in an error object. */
static void test_stays_json(void **state)
{
	(void)state;
	static const struct {
		const char *url, *header, *text, *wanted;
	} rows[] = {
		{"https://u:2000@h", "A: x", "{\"code\":-32000,\"d\":[2000.5,\"2000\"]}",
		 "{\"code\":-31111,\"d\":[1111.5,\"****\"]}"},
		{"https://true:null@h", "A: x", "[true,null,\"true\"]", "[true,null,\"****\"]"},
		/* over an escape, whole or in part, and over the end of a string */
		{"https://h/0041bcdefg", "A: x", "\"\\u0041bcdefg\"", "\"\\u002a******\""},
		{"https://h/41bcdefg", "A: x", "\"\\u0041bcdefg\"", "\"\\u002a******\""},
		{"https://h/nbcdefgh", "A: x", "\"\\nbcdefgh\"", "\"\\n*******\""},
		{"https://h", "A: ab\":12,\"cd", "{\"ab\":12,\"cd\":2}",
		 "{\"**\":11,\"**\":2}"},
		/* whole characters, but not halves */
		{"https://h", "A: \xc3\xa9xyz", "\"\xc3\xa9xyz\"", "\"*****\""},
		{"https://h", "A: \xa9xyz\xc3", "\"\xc3\xa9xyz\xc3\xa9\"",
		 "\"\xc3\xa9***\xc3\xa9\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(rows[i].url, rows[i].header, rows[i].text, rows[i].wanted);
}

static void test_many_parts(void **state)
{
	(void)state;
	struct buf url, text, wanted;
	buf_init(&url, 4096);
	buf_init(&text, 4096);
	buf_init(&wanted, 4096);
	buf_text(&url, "http://h");
	buf_char(&text, '"');
	buf_char(&wanted, '"');
	for (unsigned i = 0; i < 40; i++) {
		buf_printf(&url, "/segment%02u", i);
		buf_printf(&text, "segment%02u,", i);
		buf_text(&wanted, "*********,");
	}
	buf_append(&url, "", 1);
	buf_append(&text, "\"", 2);
	buf_append(&wanted, "\"", 2);
	expect(url.ptr, "A: x", text.ptr, wanted.ptr);
	buf_release(&url);
	buf_release(&text);
	buf_release(&wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_stays_json),
		cmocka_unit_test(test_many_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
