/* SPDX-License-Identifier: MIT */
/*
 * Our request parsers against http-parser, as independent a reading of HTTP/1.1 as there is.
 *
 * What we accept, it must accept, with the same method, target, body, end and keep-alive
 * decision; otherwise somebody between the client and us could see other requests than we
 * do. What we refuse although it accepts must be a rule that is named below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <cmocka.h>

#include <http_parser.h>
#include "rpc/http_chunked.h"
#include "rpc/http_field.h"

enum { TEXT_MAX = 2048, MUTATIONS = 60000 };

/* The rules in which we are stricter, each shown by a request in `stricter_cases`. */
static bool is_stricter_rule(enum http_problem problem)
{
	switch (problem) {
	case HTTP_BARE_LF:
	case HTTP_EMPTY_LINES:
	case HTTP_BAD_TARGET:  /* two spaces, fragments, CONNECT, other schemes, 8 bits */
	case HTTP_BAD_VERSION: /* HTTP/0.9 to 9.9, spaces behind it */
	case HTTP_OBS_FOLD:
	case HTTP_SPACE_BEFORE_COLON:
	case HTTP_BAD_NAME: /* two CRs end its head */
	case HTTP_CONTROL_CHARACTER:
	case HTTP_REPEATED_HEADER: /* Host, Content-Type, Authorization */
	case HTTP_UNKNOWN_CODING:  /* "gzip, chunked" */
	case HTTP_CODING_IN_1_0:
	case HTTP_NO_HOST:
	case HTTP_HOST_DIFFERS:
	case HTTP_BAD_CHUNK_SIZE: /* a space before the extension, control characters in it */
	case HTTP_BAD_TRAILER:
	case HTTP_BAD_LENGTH:
	case HTTP_BAD_CHUNK_END:
		return true;
	case HTTP_FINE:
	case HTTP_BAD_METHOD:
	case HTTP_LENGTH_AND_CODING:
	case HTTP_NO_COLON:
	case HTTP_LONG_CHUNK_LINE:
		break;
	}
	return false;
}

struct reading {
	enum http_progress progress;
	enum http_problem problem;
	bool known_method;
	bool ambiguous_keep_alive; /* HTTP/1.0 with both close and keep-alive */
	bool keep_alive;
	size_t consumed;
	size_t method_len, target_len, body_len;
	char method[TEXT_MAX], target[TEXT_MAX], body[TEXT_MAX];
};

/* --- our reading --- */

static void put(char *to, size_t *len, const char *from, size_t n)
{
	assert_true(*len + n <= TEXT_MAX);
	memcpy(to + *len, from, n);
	*len += n;
}

static void read_body(struct reading *r, const struct http_head *head, struct span text)
{
	const char *body = text.ptr + head->length;
	const size_t have = text.len - head->length;
	struct http_chunked chunked;
	size_t consumed;

	if (!head->chunked) {
		if (have < head->content_length) {
			r->progress = HTTP_MORE;
			return;
		}
		put(r->body, &r->body_len, body, (size_t)head->content_length);
		r->consumed = head->length + (size_t)head->content_length;
		return;
	}
	http_chunked_init(&chunked);
	r->progress =
		http_chunked_decode(&chunked, r->body, body, have, &consumed, &r->body_len);
	r->problem = chunked.problem;
	r->consumed = head->length + consumed;
}

static void read_ours(struct reading *r, struct span text)
{
	struct http_head head;

	memset(r, 0, sizeof *r);
	http_head_init(&head);
	r->progress = http_head_parse(&head, text.ptr, text.len);
	r->problem = head.problem;
	if (r->progress != HTTP_DONE)
		return;
	const struct span method = http_range_span(head.method_text, text.ptr);
	const struct span target = http_range_span(head.target, text.ptr);
	put(r->method, &r->method_len, method.ptr, method.len);
	put(r->target, &r->target_len, target.ptr, target.len);
	r->known_method = head.method != METHOD_OTHER;
	r->ambiguous_keep_alive = head.close && head.keep_alive && head.minor == 0;
	r->keep_alive = http_head_keep_alive(&head);
	read_body(r, &head, text);
}

/* --- its reading --- */

static int on_url(http_parser *parser, const char *at, size_t n)
{
	struct reading *r = parser->data;

	put(r->target, &r->target_len, at, n);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
	struct reading *r = parser->data;

	put(r->body, &r->body_len, at, n);
	return 0;
}

static int on_complete(http_parser *parser)
{
	struct reading *r = parser->data;
	const char *name = http_method_str(parser->method);

	r->progress = HTTP_DONE;
	r->keep_alive = http_should_keep_alive(parser);
	put(r->method, &r->method_len, name, strlen(name));
	http_parser_pause(parser, 1);
	return 0;
}

static void read_theirs(struct reading *r, struct span text)
{
	http_parser parser;
	http_parser_settings settings;

	memset(r, 0, sizeof *r);
	http_parser_settings_init(&settings);
	settings.on_url = on_url;
	settings.on_body = on_body;
	settings.on_message_complete = on_complete;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = r;
	r->consumed = http_parser_execute(&parser, &settings, text.ptr, text.len);
	if (r->progress != HTTP_DONE)
		r->progress = HTTP_PARSER_ERRNO(&parser) == HPE_OK ? HTTP_MORE : HTTP_BAD;
}

/* --- the comparison --- */

static void complain(const char *what, struct span text, const struct reading *ours,
		     const struct reading *theirs)
{
	print_error("%s\nours: %d %s, consumed %zu\ntheirs: %d, consumed %zu\n", what,
		    ours->progress, http_problem_text(ours->problem), ours->consumed,
		    theirs->progress, theirs->consumed);
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char u = (unsigned char)text.ptr[i];

		print_error(u == '\n' ? "\\n\n" : u >= 0x20 && u < 0x7f ? "%c" : "\\x%02x", u);
	}
	fail_msg("%s", what);
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* It does not look at what follows the last CR; we judge a line when its LF has come. */
static bool is_refused_later(struct span text)
{
	static struct reading ours;
	char longer[TEXT_MAX];
	size_t n = 0;

	put(longer, &n, text.ptr, text.len);
	put(longer, &n, "\r\n", 2);
	read_ours(&ours, (struct span){longer, n});
	return ours.progress == HTTP_BAD;
}

/* It skips any CRs and LFs before the request line; we skip one CR LF. */
static bool is_stray_line_end(const struct reading *ours, struct span text)
{
	return ours->problem == HTTP_BAD_METHOD && text.ptr[0] == '\r';
}

/* A mistake of http-parser 2.9.4: it notes that there is a Transfer-Encoding when a header's
 * name merely begins so, and then finds that the request has no end. */
static bool has_longer_name(struct span text, const char *name)
{
	const size_t n = strlen(name);

	for (size_t i = 0; i + n < text.len; i++) {
		if (strncasecmp(text.ptr + i, name, n) == 0 && text.ptr[i + n] != ':')
			return true;
	}
	return false;
}

/* And it does not know that white space after a length or a coding may be a tab. */
static bool has_trailing_tab(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t end = i;

		while (end < text.len && (text.ptr[end] == ' ' || text.ptr[end] == '\t'))
			end++;
		if (text.ptr[i] == '\t' && end < text.len && text.ptr[end] == '\r')
			return true;
	}
	return false;
}

static bool is_plain_option(struct span option)
{
	while (option.len != 0 && option.ptr[0] == ' ') {
		option.ptr++;
		option.len--;
	}
	while (option.len != 0 && option.ptr[option.len - 1] == ' ')
		option.len--;
	for (size_t i = 0; i < option.len; i++) {
		if (!http_is_token_char(option.ptr[i]))
			return false;
	}
	return http_text_is(option, "close") || http_text_is(option, "keep-alive") ||
	       (option.len != 0 && !strchr("cCkKuU", option.ptr[0]));
}

static bool is_plain_list(struct span list)
{
	for (size_t at = 0, i = 0; i <= list.len; i++) {
		if (i < list.len && list.ptr[i] != ',')
			continue;
		if (!is_plain_option((struct span){list.ptr + at, i - at}))
			return false;
		at = i + 1;
	}
	return true;
}

/* http-parser has its own ideas about Connection lists with options that are empty, are no
 * tokens, begin like those that it knows, or have tabs around them: it overlooks the next
 * one. The decisions are compared where all options are plain. */
static bool has_plain_connection(struct span text)
{
	static const char name[] = "connection:";
	const size_t n = sizeof name - 1;

	for (size_t i = 0; i + n < text.len; i++) {
		const char *value = text.ptr + i + n;
		const char *end = memchr(value, '\r', text.len - i - n);

		if ((i == 0 || text.ptr[i - 1] == '\n') && end &&
		    strncasecmp(text.ptr + i, name, n) == 0 &&
		    !is_plain_list((struct span){value, (size_t)(end - value)}))
			return false;
	}
	return true;
}

/* Returns whether we refused what it accepts. */
static bool compare(struct span text)
{
	static struct reading ours, theirs;

	read_ours(&ours, text);
	read_theirs(&theirs, text);
	if (ours.progress == HTTP_MORE && theirs.progress == HTTP_DONE) {
		if (!is_refused_later(text))
			complain("we wait, it is done", text, &ours, &theirs);
		return true;
	}
	if (ours.progress == HTTP_BAD && theirs.progress == HTTP_DONE &&
	    !is_stricter_rule(ours.problem) && !is_stray_line_end(&ours, text))
		complain("we refuse for a reason that is no stricter rule", text, &ours,
			 &theirs);
	/* http-parser has a list of methods; we answer 405 to all that we do not know. */
	if (ours.progress != HTTP_DONE || !ours.known_method)
		return ours.progress == HTTP_BAD && theirs.progress == HTTP_DONE;

	if (theirs.progress != HTTP_DONE &&
	    (has_longer_name(text, "transfer-encoding") || has_trailing_tab(text)))
		return false;
	if (theirs.progress != HTTP_DONE)
		complain("we accept, it does not", text, &ours, &theirs);
	if (ours.consumed != theirs.consumed)
		complain("the requests end at different places", text, &ours, &theirs);
	if (!same_text(ours.method, ours.method_len, theirs.method, theirs.method_len) ||
	    !same_text(ours.target, ours.target_len, theirs.target, theirs.target_len) ||
	    !same_text(ours.body, ours.body_len, theirs.body, theirs.body_len))
		complain("method, target or body differ", text, &ours, &theirs);
	/* RFC 9112, 9.3 lets close win; http-parser lets keep-alive win in HTTP/1.0. */
	if (ours.keep_alive != theirs.keep_alive && !ours.ambiguous_keep_alive &&
	    has_plain_connection(text))
		complain("the keep-alive decisions differ", text, &ours, &theirs);
	return false;
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
