/* SPDX-License-Identifier: MIT */
#include "mock_node/http_impl.h"
#include <errno.h>
#include <sys/socket.h>
#include <zlib.h>

#define SLICE_US    10000 /* of a transfer with limited bandwidth */
#define CHUNK_BYTES 1000
#define OUT_LIMIT   (300u << 20)

static bool gzip_body(struct buf *body)
{
	z_stream z = {0};
	struct buf packed;

	buf_init(&packed, OUT_LIMIT);
	/* 15 + 16: the largest window, with gzip's header */
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	uLong room = deflateBound(&z, body->len);
	char *out = buf_reserve(&packed, room);
	z.next_in = (Bytef *)body->ptr;
	z.avail_in = (uInt)body->len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)room;
	bool done = out && deflate(&z, Z_FINISH) == Z_STREAM_END;
	packed.len = done ? z.total_out : 0;
	deflateEnd(&z);
	if (!done) {
		buf_release(&packed);
		return false;
	}
	buf_release(body);
	*body = packed;
	return true;
}

static void put_chunked(struct buf *out, const struct buf *body)
{
	for (size_t at = 0; at < body->len; at += CHUNK_BYTES) {
		size_t n = body->len - at < CHUNK_BYTES ? body->len - at : CHUNK_BYTES;
		buf_printf(out, "%zx\r\n", n);
		buf_append(out, body->ptr + at, n);
		buf_text(out, "\r\n");
	}
	buf_text(out, "0\r\n\r\n");
}

static void render(struct conn *conn)
{
	struct reply *reply = &conn->reply;
	struct buf *out = &conn->out;

	if (reply->gzip)
		reply->gzip = gzip_body(&reply->body);
	if (reply->delivery == DELIVER_TRUNCATED || !http_should_keep_alive(&conn->parser))
		reply->close = true;
	buf_clear(out);
	buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", reply->status,
		   http_status_str((enum http_status)reply->status), reply->content_type);
	if (reply->gzip)
		buf_text(out, "Content-Encoding: gzip\r\n");
	if (reply->retry_after >= 0)
		buf_printf(out, "Retry-After: %lld\r\n", (long long)reply->retry_after);
	if (reply->close && reply->delivery != DELIVER_TRUNCATED)
		buf_text(out, "Connection: close\r\n");
	if (reply->chunked) {
		buf_text(out, "Transfer-Encoding: chunked\r\n\r\n");
		put_chunked(out, &reply->body);
		return;
	}
	buf_printf(out, "Content-Length: %zu\r\n\r\n", reply->body.len);
	size_t n = reply->body.len;
	buf_append(out, reply->body.ptr, reply->delivery == DELIVER_TRUNCATED ? n / 2 : n);
}

static void next_slice(void *cookie)
{
	struct conn *conn = cookie;
	uint64_t bandwidth = conn->server->node->script.bandwidth;
	uint64_t slice = bandwidth * SLICE_US / 1000000;

	conn->sendable = bandwidth ? conn->sendable + (slice ? slice : 1) : conn->out.len;
	http_send_more(conn);
}

void http_send_more(struct conn *conn)
{
	struct loop *loop = conn->server->loop;
	size_t end = conn->sendable < conn->out.len ? conn->sendable : conn->out.len;

	while (conn->sent < end) {
		ssize_t n = send(conn->fd, conn->out.ptr + conn->sent, end - conn->sent,
				 MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			loop_fd_want(loop, &conn->lfd, LOOP_READ | LOOP_WRITE);
			return;
		}
		if (n < 0) {
			http_close(conn);
			return;
		}
		conn->sent += (size_t)n;
		conn->server->node->counters.bytes_out += (uint64_t)n;
	}
	loop_fd_want(loop, &conn->lfd, LOOP_READ);
	if (conn->sent == conn->out.len) {
		http_reply_done(conn);
		return;
	}
	loop_timer_init(&conn->timer, next_slice, conn);
	if (loop_timer_start(loop, &conn->timer, SLICE_US) != OK)
		http_close(conn);
}

static void deliver(void *cookie)
{
	struct conn *conn = cookie;

	switch (conn->reply.delivery) {
	case DELIVER_RESET:
		http_close_hard(conn);
		return;
	case DELIVER_FIN:
		conn->state = CONN_DONE;
		http_close(conn);
		return;
	case DELIVER_NEVER:
		conn->state = CONN_SILENT;
		return;
	case DELIVER:
	case DELIVER_TRUNCATED:
		break;
	}
	render(conn);
	if (buf_err(&conn->out) != OK) {
		http_close(conn);
		return;
	}
	conn->state = CONN_SENDING;
	conn->sent = conn->sendable = 0;
	next_slice(conn);
}

void http_send_reply(struct conn *conn)
{
	const struct script *script = &conn->server->node->script;
	uint64_t delay_us = conn->reply.delay_us;

	/* Control requests are never delayed: they are how a test gets out of a delay. */
	if (conn->counted)
		delay_us += script->latency_us + script->item_us * conn->reply.items;
	conn->state = CONN_DELAYED;
	if (delay_us == 0) {
		deliver(conn);
		return;
	}
	loop_timer_init(&conn->timer, deliver, conn);
	if (loop_timer_start(conn->server->loop, &conn->timer, delay_us) != OK)
		http_close(conn);
}
