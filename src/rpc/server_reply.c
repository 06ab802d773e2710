/* SPDX-License-Identifier: MIT */
#include "rpc/rates.h"
#include "rpc/server_impl.h"
#include <stdlib.h>
#include <time.h>

/* Room for the text of a 500 that stands in for a reply that failed. */
enum { ERROR_TEXT_MAX = 256 };

/* --- exchanges --- */

struct http_exchange *exchange_new(struct conn *conn)
{
	struct server *server = conn->server;
	struct http_exchange *exchange = server->exchanges;

	if (exchange) {
		server->exchanges = exchange->next;
		server->exchanges_n--;
	} else {
		exchange = malloc(sizeof *exchange);
		if (!exchange)
			return NULL;
	}
	*exchange = (struct http_exchange){.magic = MAGIC_EXCHANGE, .conn = conn};
	if (conn->last)
		conn->last->next = exchange;
	else
		conn->first = exchange;
	conn->last = exchange;
	conn->inflight++;
	return exchange;
}

static struct http_exchange *take_first(struct conn *conn)
{
	struct http_exchange *exchange = conn->first;

	conn->first = exchange->next;
	if (!conn->first)
		conn->last = NULL;
	conn->inflight--;
	return exchange;
}

void exchange_hold(struct http_exchange *exchange, size_t bytes)
{
	exchange->held += bytes;
	exchange->conn->held += bytes;
}

static void exchange_free(struct server *server, struct http_exchange *exchange)
{
	exchange->conn->held -= exchange->held;
	input_put(&server->inputs, exchange->block);
	buf_release(&exchange->reply);
	exchange->magic = 0;
	if (server->exchanges_n == EXCHANGE_POOL_MAX) {
		free(exchange);
		return;
	}
	exchange->next = server->exchanges;
	server->exchanges = exchange;
	server->exchanges_n++;
}

void exchange_abort_all(struct conn *conn)
{
	while (conn->first) {
		struct http_exchange *exchange = take_first(conn);

		if (!exchange->done && exchange->on_abort)
			exchange->on_abort(exchange->abort_cookie);
		exchange_free(conn->server, exchange);
	}
}

void exchange_pool_release(struct server *server)
{
	while (server->exchanges) {
		struct http_exchange *exchange = server->exchanges;

		server->exchanges = exchange->next;
		free(exchange);
	}
	server->exchanges_n = 0;
}

struct span http_body(const struct http_exchange *exchange)
{
	REQUIRE(exchange->magic == MAGIC_EXCHANGE);
	return exchange->body;
}

void http_charge(struct http_exchange *exchange, uint32_t calls)
{
	const struct conn *conn = exchange->conn;
	struct rates *rates = conn->server->group->rates;

	REQUIRE(exchange->magic == MAGIC_EXCHANGE);
	if (rates && calls > 1)
		rates_charge(rates, conn->client, calls - 1, loop_now_us(conn->server->loop));
}

void http_on_abort(struct http_exchange *exchange, loop_fn *fn, void *cookie)
{
	REQUIRE(exchange->magic == MAGIC_EXCHANGE);
	exchange->on_abort = fn;
	exchange->abort_cookie = cookie;
}

/* --- memory of the output --- */

void out_take_spare(struct conn *conn)
{
	if (!conn->out.ptr) {
		conn->out = conn->server->spare_out;
		buf_init(&conn->server->spare_out, 0);
	}
}

void out_give_back(struct conn *conn)
{
	buf_clear(&conn->out);
	if (!conn->server->spare_out.ptr && conn->out.capacity <= OUT_SPARE_BYTES) {
		conn->server->spare_out = conn->out;
		buf_init(&conn->out, 0);
	} else {
		buf_release(&conn->out);
	}
}

/* --- replies --- */

static struct buf *reply_buf(struct http_exchange *exchange)
{
	return exchange->direct ? &exchange->conn->out : &exchange->reply;
}

/* Leaves room for the head, and allows body_bytes behind it. */
static void begin_body(struct http_exchange *exchange, struct buf *buf, size_t body_bytes)
{
	buf->limit = buf->len + HTTP_REPLY_HEAD_ROOM;
	buf->limit += body_bytes < SIZE_MAX - buf->limit ? body_bytes : SIZE_MAX - buf->limit;
	exchange->reply_at = buf->len;
	if (buf_reserve(buf, HTTP_REPLY_HEAD_ROOM))
		buf->len += HTTP_REPLY_HEAD_ROOM;
}

struct buf *http_reply_open(struct http_exchange *exchange)
{
	struct conn *conn = exchange->conn;

	REQUIRE(exchange->magic == MAGIC_EXCHANGE && !exchange->open && !exchange->done);
	exchange->open = true;
	exchange->direct = conn->first == exchange;
	if (exchange->direct)
		out_take_spare(conn);

	struct buf *buf = reply_buf(exchange);
	begin_body(exchange, buf, conn->server->config.limits.reply_bytes);
	return buf;
}

/* Puts an explanation in the place of a body that failed. */
static void explain_failure(struct http_exchange *exchange, struct buf *buf)
{
	const bool limit = buf_err(buf) == ERR_LIMIT;

	buf->err = OK;
	buf->len = exchange->reply_at;
	begin_body(exchange, buf, ERROR_TEXT_MAX);
	buf_text(buf,
		 limit ? "the reply is longer than this server sends\n" : "out of memory\n");
}

/* Moves the body to where a head of n bytes ends. */
static void shift_body(struct http_exchange *exchange, struct buf *buf, size_t n)
{
	const size_t body_at = exchange->reply_at + HTTP_REPLY_HEAD_ROOM;
	const size_t length = buf->len - body_at;

	if (n > HTTP_REPLY_HEAD_ROOM) {
		buf->limit = buf->len + n - HTTP_REPLY_HEAD_ROOM;
		if (!buf_reserve(buf, n - HTTP_REPLY_HEAD_ROOM))
			return;
	}
	memmove(buf->ptr + exchange->reply_at + n, buf->ptr + body_at, length);
	buf->len = exchange->reply_at + n + length;
}

/* Of the present second. */
static const char *date_of(struct server *server)
{
	const uint64_t now_us = loop_now_us(server->loop);
	struct timespec now = {0};
	struct tm utc = {0};

	if (now_us < server->date_until_us)
		return server->date;
	clock_gettime(CLOCK_REALTIME, &now);
	server->date_until_us = now_us + 1000000 - (uint64_t)now.tv_nsec / 1000;
	if (!gmtime_r(&now.tv_sec, &utc) || /* the locale is C's */
	    strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &utc) !=
		    HTTP_DATE_LEN)
		memcpy(server->date, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN + 1);
	return server->date;
}

static void write_head(struct http_exchange *exchange, struct buf *buf, unsigned status,
		       const char *content_type)
{
	const struct conn *conn = exchange->conn;
	const size_t body_at = exchange->reply_at + HTTP_REPLY_HEAD_ROOM;
	char text[HTTP_REPLY_HEAD_MAX];
	struct http_reply_head head = {.status = status,
				       .content_type = content_type,
				       .date = date_of(conn->server),
				       .extra = exchange->extra,
				       .cors = exchange->cors,
				       .retry_after = exchange->retry_after,
				       .length = buf->len - body_at};

	head.close = conn->state == CONN_ENDING && !exchange->next;
	head.keep_alive = exchange->keep_alive_1_0 && !head.close;
	if (exchange->accept_gzip && status == 200 && !conn->loopback && !exchange->head_only &&
	    head.length > GZIP_MIN_BYTES && server_gzip(conn->server, buf, body_at)) {
		head.gzip = true;
		head.length = buf->len - body_at;
	}
	if (exchange->head_only)
		buf->len = body_at;
	if (http_reply_head_usual(&head, buf->ptr + exchange->reply_at))
		return;

	const size_t n = http_reply_head_write(&head, text);
	shift_body(exchange, buf, n);
	if (buf_err(buf) == OK)
		memcpy(buf->ptr + exchange->reply_at, text, n);
}

/* Puts a reply that had to wait for earlier ones behind them. */
static void splice(struct conn *conn, struct http_exchange *exchange)
{
	if (conn->out.len == 0) {
		buf_release(&conn->out);
		conn->out = exchange->reply;
		buf_init(&exchange->reply, 0);
		return;
	}
	conn->out.limit = conn->out.len + exchange->reply.len;
	buf_span(&conn->out, buf_as_span(&exchange->reply));
	if (buf_err(&conn->out) != OK)
		conn->broken = true;
}

static void leave_in_order(struct conn *conn)
{
	while (conn->first && conn->first->done) {
		struct http_exchange *exchange = take_first(conn);

		if (!exchange->direct)
			splice(conn, exchange);
		exchange_free(conn->server, exchange);
	}
}

void http_reply_close(struct http_exchange *exchange, unsigned status, const char *content_type)
{
	struct conn *conn = exchange->conn;
	struct buf *buf = reply_buf(exchange);

	REQUIRE(exchange->magic == MAGIC_EXCHANGE && exchange->open);
	REQUIRE(status >= 200 && status < 600);
	if (buf_err(buf) != OK) {
		explain_failure(exchange, buf);
		status = 500;
		content_type = TEXT_PLAIN;
	}
	if (buf_err(buf) == OK)
		write_head(exchange, buf, status,
			   content_type ? content_type : "application/json");
	if (buf_err(buf) != OK)
		conn->broken = true;
	stat_add(&conn->server->stats.status[status / 100], 1);
	exchange->open = false;
	exchange->done = true;
	if (!exchange->direct)
		exchange_hold(exchange, exchange->reply.len);
	leave_in_order(conn);
	conn_poke(conn);
}
