/* SPDX-License-Identifier: MIT */
/* Our request parsers against http-parser (tests/http_oracle.h): cases, and mutations of them.
 */
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>

#include "../http_oracle.h"

enum { TEXT_MAX = 2048, MUTATIONS = 60000 };

/* Fails the test where the two differ; returns whether we are stricter. */
static bool compare(struct span text)
{
	bool stricter;
	const char *wrong = http_disagreement(text, &stricter);

	for (size_t i = 0; wrong && i < text.len; i++) {
		const unsigned char u = (unsigned char)text.ptr[i];

		print_error(u == '\n' ? "\\n\n" : u >= 0x20 && u < 0x7f ? "%c" : "\\x%02x", u);
	}
	if (wrong)
		fail_msg("%s", wrong);
	return stricter;
}

#define HOST	"Host: localhost:8545\r\n"
#define POST	"POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const char *const cases[] = {
	"GET / HTTP/1.1\r\n" HOST "\r\n",
	"HEAD /a/b?c=d HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
	"GET http://localhost:8545/x?y HTTP/1.1\r\n" HOST "\r\n",
	"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	"\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhelloGET",
	"POST / HTTP/1.0\r\nConnection: close, keep-alive\r\nContent-Length: 0\r\n\r\n",
	POST "Content-Type: application/json\r\nContent-Length: 46\r\n\r\n"
	     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}",
	POST "Content-Length: 0\r\nConnection: Keep-Alive, x\r\n\r\nPOST",
	POST
	"Expect: 100-continue\r\nAccept-Encoding: gzip;q=1\r\nContent-Length: 3\r\n\r\nabc",
	POST
	"Accept: */*\r\nUser-Agent: a\tb (c)\r\nX-Y_Z: \x80\xfe\r\nContent-Length: 1\r\n\r\n{",
	CHUNKED "0\r\n\r\n",
	CHUNKED "5\r\nhello\r\n6;name=\"v\"\r\n world\r\n0\r\n\r\nGET",
	CHUNKED "1\r\na\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\nOther:\r\n\r\n",
};

static void test_cases(void **state)
{
	static struct reading ours;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		read_ours(&ours, span_of(cases[i]));
		assert_int_equal(ours.progress, HTTP_DONE);
		assert_false(compare(span_of(cases[i])));
	}
}

/* One request for each rule in which we are stricter: it accepts all of these. */
#define S(text, problem)                        \
	{                                       \
		text, sizeof(text) - 1, problem \
	}
static const struct {
	const char *text;
	size_t len;
	enum http_problem problem;
} stricter_cases[] = {
	S("GET / HTTP/1.1\n" HOST "\n", HTTP_BARE_LF),
	S(CHUNKED "1\r\na\r\n0\r\nA: b\n\r\n", HTTP_BARE_LF),
	S("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", HTTP_EMPTY_LINES),
	S("GET  / HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_TARGET),
	S("GET /#f HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_TARGET),
	S("CONNECT localhost:1 HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_TARGET),
	S("GET ftp://localhost/ HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_TARGET),
	S("GET / HTTP/1.9\r\n" HOST "\r\n", HTTP_BAD_VERSION),
	S("GET /  HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_VERSION),
	S("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", HTTP_OBS_FOLD),
	S("GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", HTTP_SPACE_BEFORE_COLON),
	S("GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n", HTTP_CONTROL_CHARACTER),
	S("GET / HTTP/1.1\r\n" HOST HOST "\r\n", HTTP_REPEATED_HEADER),
	S(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", HTTP_UNKNOWN_CODING),
	S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HTTP_CODING_IN_1_0),
	S("GET / HTTP/1.1\r\n\r\n", HTTP_NO_HOST),
	S("GET http://evil/ HTTP/1.1\r\n" HOST "\r\n", HTTP_HOST_DIFFERS),
	S(CHUNKED "1 ;x\r\na\r\n0\r\n\r\n", HTTP_BAD_CHUNK_SIZE),
	S(CHUNKED "0\r\nContent-Length: 1\r\n\r\n", HTTP_BAD_TRAILER),
	S("GET / HTTP/1.1\r\n" HOST "\r\r\n", HTTP_BAD_NAME),
	S(CHUNKED "1\r\na..0\r\n\r\n", HTTP_BAD_CHUNK_END),
	S(POST "Content-Length: 0000000000000000001\r\n\r\na", HTTP_BAD_LENGTH),
};

static void test_stricter_rules(void **state)
{
	static struct reading ours;

	(void)state;
	for (size_t i = 0; i < sizeof stricter_cases / sizeof stricter_cases[0]; i++) {
		const struct span text = {stricter_cases[i].text, stricter_cases[i].len};

		read_ours(&ours, text);
		if (ours.problem != stricter_cases[i].problem || !compare(text))
			fail_msg("row %zu: %s", i, text.ptr);
	}
}

/* --- mutations --- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state >> 11) % n;
}

struct text {
	size_t len;
	char bytes[TEXT_MAX];
};

static void replace(struct text *text, size_t at, size_t n, const char *with, size_t with_len)
{
	if (text->len - n + with_len > TEXT_MAX / 2)
		return;
	memmove(text->bytes + at + with_len, text->bytes + at + n, text->len - at - n);
	memcpy(text->bytes + at, with, with_len);
	text->len += with_len - n;
}

static void mutate(struct text *text)
{
	static const char *const pieces[] = {
		"\r\n",
		"\n",
		"\r",
		" ",
		"\t",
		":",
		",",
		"0",
		"1",
		"a",
		";",
		"\r\n\r\n",
		"chunked",
		"close",
		"keep-alive",
		"/",
		"HTTP/1.0",
		"HTTP/1.1",
		"\r\n ",
		"gzip, ",
		"\x7f",
		"\x80",
		"http://",
		"Host: a\r\n",
		"Content-Length: 1\r\n",
		"Transfer-Encoding: chunked\r\n",
		"Connection: close\r\n",
		"POST / HTTP/1.1\r\n",
		"Connection: keep-alive\r\n",
		"0\r\n\r\n",
	};
	const size_t at = random_below(text->len + 1);
	const size_t rest = text->len - at;
	const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
	const char byte = (char)random_below(256);
	char copy[64];

	switch (random_below(5)) {
	case 0:
		replace(text, at, rest ? 1 : 0, &byte, 1);
		break;
	case 1:
		replace(text, at, 0, piece, strlen(piece));
		break;
	case 2:
		replace(text, at, rest ? 1 + random_below(rest < 8 ? rest : 8) : 0, "", 0);
		break;
	case 3:
		replace(text, at, rest < 2 ? rest : 2, piece, strlen(piece));
		break;
	default: { /* a piece of itself elsewhere */
		const size_t n = rest < sizeof copy ? rest : sizeof copy;

		memcpy(copy, text->bytes + at, n);
		replace(text, random_below(text->len + 1), 0, copy, n);
	}
	}
}

static void test_mutations(void **state)
{
	unsigned accepted = 0, stricter = 0;
	static struct reading ours;
	struct text text;

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		const char *seed = cases[random_below(sizeof cases / sizeof cases[0])];

		text.len = strlen(seed);
		memcpy(text.bytes, seed, text.len);
		for (size_t n = 1 + random_below(3); n > 0; n--)
			mutate(&text);
		stricter += compare((struct span){text.bytes, text.len});
		read_ours(&ours, (struct span){text.bytes, text.len});
		accepted += ours.progress == HTTP_DONE;
	}
	/* Both sides of the comparison have been reached, and often. */
	assert_true(accepted > MUTATIONS / 10);
	assert_true(stricter > MUTATIONS / 100);
	print_message("accepted %u, stricter %u of %d\n", accepted, stricter, MUTATIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_stricter_rules),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
