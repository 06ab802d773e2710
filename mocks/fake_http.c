/* SPDX-License-Identifier: MIT */
#include "fake_http.h"

struct http_exchange {
	struct span body;
	struct buf reply;
	loop_fn *on_abort;
	void *cookie;
	unsigned status;
	uint32_t charged;
};

#define WARM_BYTES 65536

bool fake_http_at_work;

static size_t reply_limit = 64u << 20;

void fake_http_limit(size_t reply_bytes)
{
	reply_limit = reply_bytes;
}

struct http_exchange *fake_http_post(http_request_fn *handler, void *cookie, const char *body)
{
	fake_http_at_work = true;
	struct http_exchange *exchange = calloc(1, sizeof *exchange);
	size_t n = strlen(body);
	char *exact = malloc(n + (n == 0)); /* no terminator: reading past it is seen */

	REQUIRE(exchange != NULL && exact != NULL);
	memcpy(exact, body, n);
	exchange->body = (struct span){exact, n};
	buf_init(&exchange->reply, reply_limit);
	/* As the server's: a buffer that has been used before. */
	REQUIRE(buf_reserve(&exchange->reply, WARM_BYTES < reply_limit ? WARM_BYTES : 1) !=
		NULL);
	fake_http_at_work = false;
	handler(cookie, exchange);
	return exchange;
}

const char *fake_http_reply(struct http_exchange *exchange)
{
	return exchange->status != 0 ? exchange->reply.ptr : NULL;
}

uint32_t fake_http_charged(const struct http_exchange *exchange)
{
	return exchange->charged;
}

unsigned fake_http_status(const struct http_exchange *exchange)
{
	return exchange->status;
}

void fake_http_abort(struct http_exchange *exchange)
{
	if (exchange->on_abort != NULL)
		exchange->on_abort(exchange->cookie);
	exchange->on_abort = NULL;
}

void fake_http_free(struct http_exchange **exchange)
{
	free((char *)(uintptr_t)(*exchange)->body.ptr);
	buf_release(&(*exchange)->reply);
	free(*exchange);
	*exchange = NULL;
}

struct span http_body(const struct http_exchange *exchange)
{
	return exchange->body;
}

void http_charge(struct http_exchange *exchange, uint32_t calls)
{
	exchange->charged += calls;
}

void http_on_abort(struct http_exchange *exchange, loop_fn *fn, void *cookie)
{
	exchange->on_abort = fn;
	exchange->cookie = cookie;
}

struct buf *http_reply_open(struct http_exchange *exchange)
{
	REQUIRE(exchange->status == 0);
	return &exchange->reply;
}

void http_reply_close(struct http_exchange *exchange, unsigned status, const char *content_type)
{
	(void)content_type;
	REQUIRE(exchange->status == 0);
	buf_char(&exchange->reply, '\0');
	REQUIRE(buf_err(&exchange->reply) == OK);
	exchange->status = status;
	exchange->on_abort = NULL;
}
