/* SPDX-License-Identifier: MIT */
/*
 * A connection's bytes: requests one after the other, with and without bodies, chunked or not.
 * The first byte says how many bytes arrive at a time. Checked:
 *  - however the bytes are cut, the same requests are read, with the same bodies, and the same
 *    problem ends them; every request begins where the last one ended;
 *  - each is read as http-parser reads it, or is refused by a rule in which we are stricter
 *    (tests/http_oracle.h);
 *  - a head that is remembered from an earlier request (rpc/http_memo.h) is what reading it
 *    makes of it, and one that is kept is found, unless it has Authorization;
 *  - a decoder of bodies writes no more than it has consumed, and not behind it, and what it
 *    announces is what it delivers.
 */
#include "../http_oracle.h"
#include "../json_oracle.h"
#include "base/buf.h"
#include "rpc/http_memo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a connection has made of its bytes so far. */
struct connection {
	struct http_head head;
	struct http_chunked chunked;
	struct http_memo memo;
	bool in_body, ended;
	size_t start;		 /* of the present request */
	size_t raw_at, body_len; /* of a chunked body: read to here, decoded so many */
	struct buf heard;
};

static void hear(struct connection *c, char *bytes, size_t body_len, size_t used)
{
	const char *request = bytes + c->start;
	const struct span method = http_range_span(c->head.method_text, request);
	const struct span target = http_range_span(c->head.target, request);

	buf_printf(&c->heard, "%zu+%zu %d ", c->start, used, http_head_keep_alive(&c->head));
	buf_span(&c->heard, method);
	buf_char(&c->heard, ' ');
	buf_span(&c->heard, target);
	buf_printf(&c->heard, " %zu ", body_len);
	buf_append(&c->heard, request + c->head.length, body_len);
	c->ended = !http_head_keep_alive(&c->head);
	c->start += used;
	c->in_body = false;
	http_head_init(&c->head);
}

static void end(struct connection *c, unsigned problem)
{
	REQUIRE(problem != HTTP_FINE);
	buf_printf(&c->heard, "problem %u", problem);
	c->ended = true;
}

static bool read_chunked(struct connection *c, char *bytes, size_t visible)
{
	char *out = bytes + c->start + c->head.length + c->body_len;
	size_t consumed, produced;
	const enum http_progress progress =
		http_chunked_decode(&c->chunked, out, bytes + c->start + c->raw_at,
				    visible - c->start - c->raw_at, &consumed, &produced);

	REQUIRE(produced <= consumed && consumed <= visible - c->start - c->raw_at);
	c->raw_at += consumed;
	c->body_len += produced;
	REQUIRE(c->body_len <= c->chunked.total);
	if (progress == HTTP_BAD)
		end(c, c->chunked.problem);
	if (progress == HTTP_DONE) {
		REQUIRE(c->body_len == c->chunked.total);
		hear(c, bytes, c->body_len, c->raw_at);
	}
	return progress == HTTP_DONE;
}

static bool read_plain(struct connection *c, char *bytes, size_t visible)
{
	if (visible - c->start - c->head.length < c->head.content_length)
		return false;
	hear(c, bytes, (size_t)c->head.content_length,
	     c->head.length + (size_t)c->head.content_length);
	return true;
}

/* Bytes at the end of an allocation: reading behind them is seen. */
static bool recall(const struct http_memo *memo, struct span bytes, struct http_head *head)
{
	const struct span copy = exact_copy(bytes);
	const bool found = http_memo_find(memo, copy.ptr, copy.len, head);

	exact_free(copy);
	return found;
}

static void compare_head(const struct http_head *known, struct span bytes)
{
	struct http_head read;

	http_head_init(&read);
	REQUIRE(http_head_parse(&read, bytes.ptr, bytes.len) == HTTP_DONE);
	REQUIRE(memcmp(known, &read, sizeof read) == 0);
	REQUIRE(read.authorization.at == 0);
}

/* As a server does it: known heads are looked for before anything is read, each that is read
 * is kept. */
static enum http_progress read_or_recall(struct connection *c, struct span bytes)
{
	struct http_head known;

	if (c->head.scanned == 0 && recall(&c->memo, bytes, &known)) {
		compare_head(&known, bytes);
		c->head = known;
		return HTTP_DONE;
	}
	const enum http_progress progress = http_head_parse(&c->head, bytes.ptr, bytes.len);
	if (progress == HTTP_DONE) {
		http_memo_keep(&c->memo, &c->head, bytes.ptr);
		const bool found = recall(&c->memo, bytes, &known);
		REQUIRE(found == (c->head.has_length && c->head.authorization.at == 0 &&
				  c->head.length <= HTTP_MEMO_BYTES));
		if (found)
			compare_head(&known, bytes);
	}
	return progress;
}

static bool read_head(struct connection *c, char *bytes, size_t visible)
{
	const enum http_progress progress =
		read_or_recall(c, (struct span){bytes + c->start, visible - c->start});

	if (progress == HTTP_BAD)
		end(c, c->head.problem);
	if (progress != HTTP_DONE)
		return false;
	REQUIRE(c->head.length != 0 && c->head.length <= visible - c->start);
	c->in_body = true;
	c->raw_at = c->head.length;
	c->body_len = 0;
	http_chunked_init(&c->chunked);
	return true;
}

/* Reads what is visible of the bytes as far as that goes. */
static void read_on(struct connection *c, char *bytes, size_t visible)
{
	bool more = true;

	while (more && !c->ended) {
		if (!c->in_body)
			more = read_head(c, bytes, visible);
		else if (c->head.chunked)
			more = read_chunked(c, bytes, visible);
		else
			more = read_plain(c, bytes, visible);
	}
}

/* Sends the text in pieces of the step's length, from a copy, which decoding overwrites. */
static void send_in_pieces(struct connection *c, struct span text, size_t step)
{
	struct span copy = exact_copy(text);
	char *bytes = (char *)(uintptr_t)copy.ptr;

	*c = (struct connection){0};
	http_head_init(&c->head);
	buf_init(&c->heard, 1u << 20);
	for (size_t visible = 0; visible < text.len && !c->ended;) {
		visible = text.len - visible < step ? text.len : visible + step;
		read_on(c, bytes, visible);
	}
	REQUIRE(buf_err(&c->heard) == OK);
	exact_free(copy);
}

/* One request and what follows; returns where the next one begins, or 0. */
static size_t compare_one(struct span text)
{
	static struct reading ours;
	bool stricter;
	const char *wrong = http_disagreement(text, &stricter);

	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	read_ours(&ours, text);
	return ours.progress == HTTP_DONE && ours.keep_alive ? ours.consumed : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection whole, pieces;

	if (size < 1 || size - 1 > HTTP_ORACLE_MAX - 2)
		return 0;
	struct span text = {(const char *)data + 1, size - 1};
	send_in_pieces(&whole, text, text.len);
	send_in_pieces(&pieces, text, 1 + data[0]);
	REQUIRE(span_equal(buf_as_span(&whole.heard), buf_as_span(&pieces.heard)));
	REQUIRE(whole.start == pieces.start && whole.in_body == pieces.in_body);
	buf_release(&whole.heard);
	buf_release(&pieces.heard);
	for (size_t used = 1; text.len > 0 && used > 0;) {
		used = compare_one(text);
		text = (struct span){text.ptr + used, text.len - used};
	}
	return 0;
}
