/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Our request parsers against http-parser, as independent a reading of HTTP/1.1 as there is.
 *
 * What we accept, it must accept, with the same method, target, body, end and keep-alive
 * decision; otherwise somebody between the client and us could see other requests than we
 * do. What we refuse although it accepts must be a rule that is named below.
 * http_disagreement() says of one text whether that holds.
 */
#include "base/check.h"
#include "rpc/http_chunked.h"
#include "rpc/http_field.h"
#include <http_parser.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Longer texts cannot be compared. */
#define HTTP_ORACLE_MAX 4096

/* The rules in which we are stricter, each shown by a request in test_http_oracle.c. */
static inline bool is_stricter_rule(enum http_problem problem)
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
	bool upgrade; /* theirs */
	size_t consumed;
	size_t method_len, target_len, body_len;
	char method[HTTP_ORACLE_MAX], target[HTTP_ORACLE_MAX], body[HTTP_ORACLE_MAX];
};

/* --- our reading --- */

static inline void oracle_put(char *to, size_t *len, const char *from, size_t n)
{
	REQUIRE(*len + n <= HTTP_ORACLE_MAX);
	memcpy(to + *len, from, n);
	*len += n;
}

static inline void read_body(struct reading *r, const struct http_head *head, struct span text)
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
		oracle_put(r->body, &r->body_len, body, (size_t)head->content_length);
		r->consumed = head->length + (size_t)head->content_length;
		return;
	}
	http_chunked_init(&chunked);
	r->progress =
		http_chunked_decode(&chunked, r->body, body, have, &consumed, &r->body_len);
	r->problem = chunked.problem;
	r->consumed = head->length + consumed;
}

static inline void read_ours(struct reading *r, struct span text)
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
	oracle_put(r->method, &r->method_len, method.ptr, method.len);
	oracle_put(r->target, &r->target_len, target.ptr, target.len);
	r->known_method = head.method != METHOD_OTHER;
	r->ambiguous_keep_alive = head.close && head.keep_alive && head.minor == 0;
	r->keep_alive = http_head_keep_alive(&head);
	read_body(r, &head, text);
}

/* --- its reading --- */

static inline int on_url(http_parser *parser, const char *at, size_t n)
{
	struct reading *r = parser->data;

	oracle_put(r->target, &r->target_len, at, n);
	return 0;
}

static inline int on_body(http_parser *parser, const char *at, size_t n)
{
	struct reading *r = parser->data;

	oracle_put(r->body, &r->body_len, at, n);
	return 0;
}

static inline int on_complete(http_parser *parser)
{
	struct reading *r = parser->data;
	const char *name = http_method_str(parser->method);

	r->progress = HTTP_DONE;
	r->keep_alive = http_should_keep_alive(parser);
	r->upgrade = parser->upgrade;
	oracle_put(r->method, &r->method_len, name, strlen(name));
	http_parser_pause(parser, 1);
	return 0;
}

static inline void read_theirs(struct reading *r, struct span text)
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

static inline bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* It does not look at what follows the last CR; we judge a line when its LF has come. */
static inline bool is_refused_later(struct span text)
{
	static struct reading ours;
	char longer[HTTP_ORACLE_MAX];
	size_t n = 0;

	oracle_put(longer, &n, text.ptr, text.len);
	oracle_put(longer, &n, "\r\n", 2);
	read_ours(&ours, (struct span){longer, n});
	return ours.progress == HTTP_BAD;
}

/* It skips any CRs and LFs before the request line; we skip one CR LF. */
static inline bool is_stray_line_end(const struct reading *ours, struct span text)
{
	return ours->problem == HTTP_BAD_METHOD && text.ptr[0] == '\r';
}

/* A mistake of http-parser 2.9.4: it notes that there is a Transfer-Encoding when a header's
 * name merely begins so, and then finds that the request has no end. */
static inline bool has_longer_name(struct span text, const char *name)
{
	const size_t n = strlen(name);

	for (size_t i = 0; i + n < text.len; i++) {
		if (strncasecmp(text.ptr + i, name, n) == 0 && text.ptr[i + n] != ':')
			return true;
	}
	return false;
}

/* And it does not know that white space after a length or a coding may be a tab. */
static inline bool has_trailing_tab(struct span text)
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

static inline bool is_plain_option(struct span option)
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

static inline bool is_plain_list(struct span list)
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
static inline bool has_plain_connection(struct span text)
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

/* Of a request that both have read to its end. */
static inline const char *http_difference(struct span text, const struct reading *ours,
					  const struct reading *theirs)
{
	if (ours->consumed != theirs->consumed)
		return "the requests end at different places";
	if (!same_text(ours->method, ours->method_len, theirs->method, theirs->method_len) ||
	    !same_text(ours->target, ours->target_len, theirs->target, theirs->target_len) ||
	    !same_text(ours->body, ours->body_len, theirs->body, theirs->body_len))
		return "method, target or body differ";
	/* RFC 9112, 9.3 lets close win; http-parser lets keep-alive win in HTTP/1.0. */
	if (ours->keep_alive != theirs->keep_alive && !ours->ambiguous_keep_alive &&
	    has_plain_connection(text))
		return "the keep-alive decisions differ";
	return NULL;
}

/* text: at most HTTP_ORACLE_MAX - 2 bytes. NULL, or what is wrong; *stricter: we refuse, or
 * will, what it accepts. */
static inline const char *http_disagreement(struct span text, bool *stricter)
{
	static struct reading ours, theirs;

	read_ours(&ours, text);
	read_theirs(&theirs, text);
	*stricter = ours.progress != HTTP_DONE && theirs.progress == HTTP_DONE;
	/* Where it is asked to upgrade, it takes a body whose coding it did not understand for
	 * the other protocol. */
	if (theirs.upgrade && has_trailing_tab(text))
		return NULL;
	if (ours.progress == HTTP_MORE && theirs.progress == HTTP_DONE)
		return is_refused_later(text) ? NULL : "we wait, it is done";
	if (ours.progress == HTTP_BAD && theirs.progress == HTTP_DONE &&
	    !is_stricter_rule(ours.problem) && !is_stray_line_end(&ours, text))
		return "we refuse for a reason that is no stricter rule";
	/* http-parser has a list of methods; we answer 405 to all that we do not know. */
	if (ours.progress != HTTP_DONE || !ours.known_method)
		return NULL;
	if (theirs.progress != HTTP_DONE)
		return has_longer_name(text, "transfer-encoding") || has_trailing_tab(text)
			       ? NULL
			       : "we accept, it does not";
	return http_difference(text, &ours, &theirs);
}
