/* SPDX-License-Identifier: MIT */
/* The request-head parser: what it reads, what it refuses, and that neither depends on how
 * the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rpc/http_field.h"
#include "rpc/http_head.h"
#include "rpc/http_host.h"

#define HOST "Host: localhost\r\n"

struct outcome {
	enum http_progress progress;
	struct http_head head;
};

static struct outcome parse(struct span text)
{
	struct outcome outcome;

	http_head_init(&outcome.head);
	outcome.progress = http_head_parse(&outcome.head, text.ptr, text.len);
	return outcome;
}

/* Gives the text in two pieces that lie at different addresses. */
static struct outcome parse_cut(struct span text, size_t cut)
{
	struct outcome outcome;
	char *first = malloc(cut + 1), *whole = malloc(text.len + 1);

	assert_non_null(first);
	assert_non_null(whole);
	memcpy(first, text.ptr, cut);
	memcpy(whole, text.ptr, text.len);
	http_head_init(&outcome.head);
	outcome.progress = http_head_parse(&outcome.head, first, cut);
	if (outcome.progress == HTTP_MORE)
		outcome.progress = http_head_parse(&outcome.head, whole, text.len);
	free(first);
	free(whole);
	return outcome;
}

static struct outcome parse_bytewise(struct span text)
{
	struct outcome outcome = {.progress = HTTP_MORE};

	http_head_init(&outcome.head);
	for (size_t n = 0; n <= text.len && outcome.progress == HTTP_MORE; n++)
		outcome.progress = http_head_parse(&outcome.head, text.ptr, n);
	return outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
	assert_int_equal(a->progress, b->progress);
	if (a->progress == HTTP_BAD) {
		assert_int_equal(a->head.problem, b->head.problem);
		return;
	}
	assert_memory_equal(&a->head, &b->head, sizeof a->head);
}

static void assert_range(const char *text, struct http_range range, const char *want)
{
	const struct span got = http_range_span(range, text);

	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static const char *const full = "POST http://LocalHost:8545/rpc/v1?key=1 HTTP/1.1\r\n"
				"Host: localhost:8545\r\n"
				"content-TYPE: application/json; charset=utf-8 \r\n"
				"Content-Length:\t42\r\n"
				"Authorization: Bearer secret\r\n"
				"Expect: 100-Continue\r\n"
				"ORIGIN: https://app.example\r\n"
				"Strict: is as long as Expect and Origin\r\n"
				"Accept-Encoding: br;q=1.0, gzip;q=0.5\r\n"
				"X-Other: \x80\xff anything, even: colons\r\n"
				"Connection: keep-alive\r\n"
				"Empty:\r\n"
				"\r\n";

static void test_reads_everything(void **state)
{
	(void)state;
	const struct outcome o = parse(span_of(full));

	assert_int_equal(o.progress, HTTP_DONE);
	assert_int_equal(o.head.length, strlen(full));
	assert_int_equal(o.head.method, METHOD_POST);
	assert_int_equal(o.head.minor, 1);
	assert_range(full, o.head.method_text, "POST");
	assert_range(full, o.head.target, "http://LocalHost:8545/rpc/v1?key=1");
	assert_range(full, o.head.path, "/rpc/v1");
	assert_range(full, o.head.authority, "LocalHost:8545");
	assert_range(full, o.head.host, "localhost:8545");
	assert_range(full, o.head.content_type, "application/json; charset=utf-8");
	assert_range(full, o.head.authorization, "Bearer secret");
	assert_range(full, o.head.origin, "https://app.example");
	assert_true(o.head.has_length);
	assert_int_equal(o.head.content_length, 42);
	assert_true(o.head.expect_continue);
	assert_true(o.head.accept_gzip);
	assert_true(o.head.keep_alive);
	assert_false(o.head.chunked);
	assert_false(o.head.has_coding);
	assert_true(http_head_keep_alive(&o.head));
}

static void test_stops_at_the_end(void **state)
{
	(void)state;
	const char text[] = "GET / HTTP/1.0\r\n\r\nGET /next";
	const struct outcome o = parse(span_of(text));

	assert_int_equal(o.progress, HTTP_DONE);
	assert_int_equal(o.head.length, 18);
	assert_int_equal(o.head.method, METHOD_GET);
	assert_int_equal(o.head.minor, 0);
	assert_false(http_head_keep_alive(&o.head));
}

struct refusal {
	const char *text;
	size_t len;
	enum http_problem problem;
};
#define R(text, problem)                        \
	{                                       \
		text, sizeof(text) - 1, problem \
	}
#define GET_WITH(headers) "GET / HTTP/1.1\r\n" HOST headers "\r\n"

static const struct refusal refusals[] = {
	R("GET / HTTP/1.1\nHost: a\r\n\r\n", HTTP_BARE_LF),
	R("GET / HTTP/1.1\r\nHost: a\n\r\n", HTTP_BARE_LF),
	R(GET_WITH("A: b\r\n\n"), HTTP_BARE_LF),
	R("\nGET / HTTP/1.1\r\n", HTTP_BARE_LF),
	R("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", HTTP_EMPTY_LINES),
	R(" / HTTP/1.1\r\n", HTTP_BAD_METHOD),
	R("\x16\x03\x01\x02", HTTP_BAD_METHOD),
	R("G@T / HTTP/1.1\r\n", HTTP_BAD_METHOD),
	R("GET\r\n", HTTP_BAD_METHOD),
	R("GET  / HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /\r\n", HTTP_BAD_TARGET),
	R("GET x HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET * HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /a#b HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /\x80 HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /\0 HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /\t HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET http:/// HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET https://localhost/ HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("CONNECT localhost:1 HTTP/1.1\r\n", HTTP_BAD_TARGET),
	R("GET /  HTTP/1.1\r\n", HTTP_BAD_VERSION),
	R("GET / HTTP/1.1 \r\n", HTTP_BAD_VERSION),
	R("GET / HTTP/1.2\r\n", HTTP_BAD_VERSION),
	R("GET / HTTP/2.0\r\n", HTTP_BAD_VERSION),
	R("GET / http/1.1\r\n", HTTP_BAD_VERSION),
	R("GET / HTTP/1.1\r\r\n", HTTP_BAD_VERSION),
	R("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_BAD_TARGET),
	R(GET_WITH("A: b\r\n c\r\n"), HTTP_OBS_FOLD),
	R(GET_WITH("A: b\r\n\tc: d\r\n"), HTTP_OBS_FOLD),
	R("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HTTP_OBS_FOLD),
	R(GET_WITH("word\r\n"), HTTP_NO_COLON),
	R(GET_WITH("two words\r\n"), HTTP_NO_COLON),
	R(GET_WITH("Content-Length : 1\r\n"), HTTP_SPACE_BEFORE_COLON),
	R(GET_WITH(": empty\r\n"), HTTP_BAD_NAME),
	R(GET_WITH("A\0: b\r\n"), HTTP_BAD_NAME),
	R(GET_WITH("A(: b\r\n"), HTTP_BAD_NAME),
	R(GET_WITH("A\x80: b\r\n"), HTTP_BAD_NAME),
	R(GET_WITH("A: b\0c\r\n"), HTTP_CONTROL_CHARACTER),
	R(GET_WITH("A: b\rc: d\r\n"), HTTP_CONTROL_CHARACTER),
	R(GET_WITH("A: b\x7f\r\n"), HTTP_CONTROL_CHARACTER),
	R(GET_WITH("Host: localhost\r\n"), HTTP_REPEATED_HEADER),
	R(GET_WITH("Content-Length: 1\r\nContent-Length: 2\r\n"), HTTP_REPEATED_HEADER),
	R(GET_WITH("Content-Length: 1\r\nContent-Length: 1\r\n"), HTTP_REPEATED_HEADER),
	R(GET_WITH("Authorization: a\r\nAuthorization: b\r\n"), HTTP_REPEATED_HEADER),
	R(GET_WITH("Origin: a\r\nExpect: 100-continue\r\nOrigin: a\r\n"), HTTP_REPEATED_HEADER),
	R(GET_WITH("Content-Length: +1\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length: -1\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length: 1, 1\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length: 0x1\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length:\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length: 18446744073709551617\r\n"), HTTP_BAD_LENGTH),
	R(GET_WITH("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
	  HTTP_LENGTH_AND_CODING),
	R(GET_WITH("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
	  HTTP_LENGTH_AND_CODING),
	R(GET_WITH("Transfer-Encoding: gzip\r\n"), HTTP_UNKNOWN_CODING),
	R(GET_WITH("Transfer-Encoding: gzip, chunked\r\n"), HTTP_UNKNOWN_CODING),
	R(GET_WITH("Transfer-Encoding: chunked, chunked\r\n"), HTTP_UNKNOWN_CODING),
	R(GET_WITH("Transfer-Encoding: identity\r\n"), HTTP_UNKNOWN_CODING),
	R(GET_WITH("Transfer-Encoding: xchunked\r\n"), HTTP_UNKNOWN_CODING),
	R(GET_WITH("Transfer-Encoding:\r\n"), HTTP_UNKNOWN_CODING),
	R("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_CODING_IN_1_0),
	R("GET / HTTP/1.1\r\nA: b\r\n\r\n", HTTP_NO_HOST),
	R("GET http://evil/ HTTP/1.1\r\n" HOST "\r\n", HTTP_HOST_DIFFERS),
};

static const char *const good[] = {
	"GET / HTTP/1.1\r\n" HOST "\r\n",
	"\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
	"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	"BREW /pot HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n",
	"POST / HTTP/1.0\r\nContent-Length: 007\r\n\r\n",
};

static void test_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *r = &refusals[i];
		const struct outcome o = parse((struct span){r->text, r->len});

		if (o.progress != HTTP_BAD || o.head.problem != r->problem)
			fail_msg("row %zu: %s", i, r->text);
		assert_true(strlen(http_problem_text(r->problem)) > 10);
	}
}

/* Every cut into two pieces, and one byte at a time. */
static void assert_cuts_agree(struct span text)
{
	const struct outcome whole = parse(text);
	const struct outcome bytewise = parse_bytewise(text);

	assert_same(&whole, &bytewise);
	for (size_t cut = 0; cut <= text.len; cut++) {
		const struct outcome o = parse_cut(text, cut);

		assert_same(&whole, &o);
	}
}

static void test_cuts_do_not_matter(void **state)
{
	(void)state;
	assert_cuts_agree(span_of(full));
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(parse(span_of(good[i])).progress, HTTP_DONE);
		assert_cuts_agree(span_of(good[i]));
	}
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		assert_cuts_agree((struct span){refusals[i].text, refusals[i].len});
}

static bool gzip_for(const char *value)
{
	char text[256];
	const int n = snprintf(text, sizeof text, GET_WITH("Accept-Encoding: %s\r\n"), value);
	const struct outcome o = parse((struct span){text, (size_t)n});

	assert_int_equal(o.progress, HTTP_DONE);
	return o.head.accept_gzip;
}

static void test_accept_encoding(void **state)
{
	(void)state;
	assert_true(gzip_for("gzip"));
	assert_true(gzip_for("deflate, GZIP"));
	assert_true(gzip_for("gzip ; q=0.001"));
	assert_false(gzip_for("gzip;q=0"));
	assert_false(gzip_for("gzip; Q=0.000"));
	assert_false(gzip_for("identity"));
	assert_false(gzip_for("xgzip, gzipx"));
	assert_false(gzip_for("*"));
	assert_false(gzip_for(""));
}

static bool kept(const char *version, const char *value)
{
	char text[256];
	const int n = snprintf(text, sizeof text, "GET / %s\r\n" HOST "Connection: %s\r\n\r\n",
			       version, value);
	const struct outcome o = parse((struct span){text, (size_t)n});

	assert_int_equal(o.progress, HTTP_DONE);
	return http_head_keep_alive(&o.head);
}

static void test_keep_alive(void **state)
{
	(void)state;
	assert_true(kept("HTTP/1.1", "x"));
	assert_false(kept("HTTP/1.1", "Close"));
	assert_false(kept("HTTP/1.1", "keep-alive, close"));
	assert_true(kept("HTTP/1.1", "closed"));
	assert_false(kept("HTTP/1.0", "x"));
	assert_true(kept("HTTP/1.0", ",, Keep-Alive ,"));
	assert_false(kept("HTTP/1.0", "keep-alive, close"));
}

/* The bit map against the list of RFC 9110, 5.6.2. */
static void test_token_characters(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		const bool digit = c >= '0' && c <= '9';
		const bool mark = c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;

		assert_int_equal(http_is_token_char((char)c), letter || digit || mark);
	}
}

static void test_hosts(void **state)
{
	static const char *const names[] = {"cache.example", "Other"};
	static const char *const allowed[] = {
		"localhost",	   "LOCALHOST:8545", "127.0.0.1",     "127.0.0.1:1",
		"192.168.1.2:80",  "[::1]",	     "[fe80::1]:443", "cache.example",
		"CACHE.example:9", "other",	     "localhost:",
	};
	static const char *const refused[] = {
		"",
		"evil.example",
		"localhost.evil.example",
		"xlocalhost",
		"cache.example.evil",
		"127.0.0.1.evil.example",
		"2130706433",
		"0x7f.0.0.1",
		"[::1",
		"[]",
		"[evil]",
		"::1",
		"localhost:80:1",
		"localhost:x",
		"localhost:123456",
		"user@localhost",
		"cache.exampl",
		"[::1]x",
		"[127.0.0.1]",
		"127.1",
		":80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
		if (!http_host_allowed(span_of(allowed[i]), names, 2))
			fail_msg("%s", allowed[i]);
	}
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		if (http_host_allowed(span_of(refused[i]), names, 2))
			fail_msg("%s", refused[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_everything),
		cmocka_unit_test(test_stops_at_the_end),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_cuts_do_not_matter),
		cmocka_unit_test(test_accept_encoding),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_token_characters),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
