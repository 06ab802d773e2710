/* SPDX-License-Identifier: MIT */
/* The chunked decoder: in place, cut anywhere, strict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rpc/http_chunked.h"

struct outcome {
	enum http_progress progress;
	enum http_problem problem;
	size_t consumed;
	size_t length;
	char body[8192];
};

/* Decodes in place, as the server does: what has come is behind the body so far. The input
 * arrives in pieces that end at `cut` and then every `stride` bytes. */
static void decode(struct outcome *out, struct span text, size_t cut, size_t stride)
{
	struct http_chunked chunked;
	char *bytes = malloc(text.len + 1);
	size_t have = 0, consumed, produced;

	assert_non_null(bytes);
	memset(out, 0, sizeof *out);
	http_chunked_init(&chunked);
	for (size_t end = cut;; end += stride) {
		if (end > text.len)
			end = text.len;
		/* body | undecoded: the undecoded bytes are those before `end` */
		memcpy(bytes + out->length, text.ptr + out->consumed, end - out->consumed);
		have = end - out->consumed;
		out->progress =
			http_chunked_decode(&chunked, bytes + out->length, bytes + out->length,
					    have, &consumed, &produced);
		assert_true(consumed <= have && produced <= consumed);
		out->length += produced;
		out->consumed += consumed;
		if (out->progress != HTTP_MORE || end == text.len)
			break;
	}
	out->problem = chunked.problem;
	assert_true(out->length <= sizeof out->body);
	memcpy(out->body, bytes, out->length);
	free(bytes);
}

static void decode_whole(struct outcome *out, struct span text)
{
	decode(out, text, text.len, 1);
}

static void assert_cuts_agree(struct span text)
{
	struct outcome whole, pieces;

	decode_whole(&whole, text);
	for (size_t cut = 0; cut <= text.len; cut++) {
		decode(&pieces, text, cut, text.len);
		assert_int_equal(whole.progress, pieces.progress);
		assert_int_equal(whole.problem, pieces.problem);
		if (whole.progress != HTTP_BAD)
			assert_memory_equal(&whole, &pieces, sizeof whole);
	}
	decode(&pieces, text, 0, 1);
	assert_int_equal(whole.progress, pieces.progress);
	assert_int_equal(whole.problem, pieces.problem);
	if (whole.progress != HTTP_BAD)
		assert_memory_equal(&whole, &pieces, sizeof whole);
}

static const struct {
	const char *text, *body, *rest;
} bodies[] = {
	{"0\r\n\r\n", "", ""},
	{"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
	{"5\r\nhello\r\n0\r\n\r\nPOST", "hello", "POST"},
	{"1\r\na\r\n02\r\nbc\r\nA;x=\"y\";z\r\n0123456789\r\n000\r\n\r\n", "abc0123456789", ""},
	{"4\r\n\r\n\r\n\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nx", "\r\n\r\n", "x"},
};

static void test_decodes(void **state)
{
	static struct outcome out;

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		const size_t used = strlen(bodies[i].text) - strlen(bodies[i].rest);

		decode_whole(&out, span_of(bodies[i].text));
		assert_int_equal(out.progress, HTTP_DONE);
		assert_int_equal(out.consumed, used);
		assert_int_equal(out.length, strlen(bodies[i].body));
		assert_memory_equal(out.body, bodies[i].body, out.length);
		assert_cuts_agree(span_of(bodies[i].text));
	}
}

#define R(text, problem)                        \
	{                                       \
		text, sizeof(text) - 1, problem \
	}
static const struct {
	const char *text;
	size_t len;
	enum http_problem problem;
} refusals[] = {
	R("\r\n", HTTP_BAD_CHUNK_SIZE),
	R("x\r\n", HTTP_BAD_CHUNK_SIZE),
	R("-1\r\n", HTTP_BAD_CHUNK_SIZE),
	R("+1\r\n", HTTP_BAD_CHUNK_SIZE),
	R("0x1\r\n", HTTP_BAD_CHUNK_SIZE),
	R(" 1\r\n", HTTP_BAD_CHUNK_SIZE),
	R("1 \r\n", HTTP_BAD_CHUNK_SIZE),
	R("1 ;a\r\n", HTTP_BAD_CHUNK_SIZE),
	R("1;a\0b\r\nx", HTTP_BAD_CHUNK_SIZE),
	R("1;a\rb\r\nx", HTTP_BAD_CHUNK_SIZE),
	R("10000000000000000\r\n", HTTP_BAD_CHUNK_SIZE),
	R("1\r\na\r\nffffffffffffffff\r\n", HTTP_BAD_CHUNK_SIZE),
	R("1\na\r\n", HTTP_BARE_LF),
	R("\n", HTTP_BARE_LF),
	R("1\r\nab", HTTP_BAD_CHUNK_END),
	R("1\r\na\rb", HTTP_BAD_CHUNK_END),
	R("1\r\na\n", HTTP_BAD_CHUNK_END),
	R("0\r\n\n", HTTP_BARE_LF),
	R("0\r\nA: b\n\r\n", HTTP_BARE_LF),
	R("0\r\n A: b\r\n\r\n", HTTP_OBS_FOLD),
	R("0\r\nA : b\r\n\r\n", HTTP_SPACE_BEFORE_COLON),
	R("0\r\nA\r\n\r\n", HTTP_NO_COLON),
	R("0\r\nContent-Length: 5\r\n\r\n", HTTP_BAD_TRAILER),
	R("0\r\ntransfer-encoding: chunked\r\n\r\n", HTTP_BAD_TRAILER),
	R("0\r\nHost: x\r\n\r\n", HTTP_BAD_TRAILER),
};

static void test_refuses(void **state)
{
	static struct outcome out;

	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct span text = {refusals[i].text, refusals[i].len};

		decode_whole(&out, text);
		if (out.progress != HTTP_BAD || out.problem != refusals[i].problem)
			fail_msg("row %zu: %s", i, refusals[i].text);
		assert_cuts_agree(text);
	}
}

/* What has been announced counts before it has come: a limit can act on it. */
static void test_total_counts_announced(void **state)
{
	struct http_chunked chunked;
	char bytes[] = "3\r\nabc\r\nfffffff\r\nx";
	size_t consumed, produced;

	(void)state;
	http_chunked_init(&chunked);
	assert_int_equal(http_chunked_decode(&chunked, bytes, bytes, sizeof bytes - 1,
					     &consumed, &produced),
			 HTTP_MORE);
	assert_int_equal(chunked.total, 0xfffffff + 3);
	assert_int_equal(produced, 4);
	assert_memory_equal(bytes, "abcx", 4);
}

static void test_lines_are_bounded(void **state)
{
	static struct outcome out;
	static char text[8192];
	size_t n = 0;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "1;", 2);
	decode_whole(&out, (struct span){text, HTTP_CHUNK_LINE_MAX - 1});
	assert_int_equal(out.progress, HTTP_MORE);
	assert_cuts_agree((struct span){text, HTTP_CHUNK_LINE_MAX});
	decode_whole(&out, (struct span){text, HTTP_CHUNK_LINE_MAX});
	assert_int_equal(out.progress, HTTP_BAD);
	assert_int_equal(out.problem, HTTP_LONG_CHUNK_LINE);

	n = (size_t)snprintf(text, sizeof text, "0\r\n");
	while (n < HTTP_TRAILER_BYTES_MAX + 600)
		n += (size_t)snprintf(text + n, sizeof text - n, "A: %0100d\r\n", 0);
	decode_whole(&out, (struct span){text, n});
	assert_int_equal(out.progress, HTTP_BAD);
	assert_int_equal(out.problem, HTTP_LONG_CHUNK_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_total_counts_announced),
		cmocka_unit_test(test_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
