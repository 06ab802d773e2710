/* SPDX-License-Identifier: MIT */
#include "rpc/rates.h"
#include "rpc/server_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	DROP_BYTES = 4096, /* received at once when nothing is to be kept */
	DROPS_PER_TURN = 64,
};
#define NO_DEADLINE UINT64_MAX

/* --- refusals --- */

/* The lines of CORS for the request at the front of the input, as far as it has been read. */
static const char *cors_of(const struct conn *conn)
{
	return server_cors_lines(conn->server, &conn->head, input_bytes(&conn->input));
}

static void reply_error(struct conn *conn, unsigned status, const char *text, const char *extra)
{
	struct http_exchange *exchange = exchange_new(conn);

	stat_add(&conn->server->stats.refused, 1);
	if (!exchange) {
		conn->broken = true;
		return;
	}
	if (status == 429) {
		stat_add(&conn->server->stats.limited, 1);
		exchange->retry_after = conn->retry_after;
	}
	exchange->extra = extra;
	exchange->cors = cors_of(conn);
	exchange->head_only = conn->head.method == METHOD_HEAD;
	exchange->keep_alive_1_0 = conn->head.minor == 0;
	struct buf *body = http_reply_open(exchange);
	buf_text(body, text);
	buf_char(body, '\n');
	http_reply_close(exchange, status, TEXT_PLAIN);
}

void conn_refuse(struct conn *conn, unsigned status, const char *text)
{
	conn->state = CONN_ENDING;
	conn->linger = true;
	reply_error(conn, status, text, NULL);
}

static void refuse_framing(struct conn *conn, uint8_t problem)
{
	conn_refuse(conn, 400, http_problem_text((enum http_problem)problem));
}

/* --- requests --- */

static size_t out_pending(const struct conn *conn)
{
	return conn->out.len - conn->out_sent;
}

/* Whether another request may be read now. One that has begun is read to its end, whatever
 * is held meanwhile: its deadline runs. */
static bool may_read(const struct conn *conn)
{
	return conn->state <= CONN_CHUNKED && !conn->broken &&
	       conn->inflight < conn->server->config.limits.pipeline &&
	       (conn->state != CONN_HEAD || conn->held < HELD_HIGH_BYTES) &&
	       out_pending(conn) < OUT_HIGH_BYTES;
}

static void next_request(struct conn *conn, size_t used, bool keep)
{
	input_consume(&conn->input, used);
	http_head_init(&conn->head);
	conn->state = keep && !conn->server->draining ? CONN_HEAD : CONN_ENDING;
	conn->wait = WAIT_UNSET;
	conn->continue_due = false;
}

#define TOO_MANY_CALLS "more calls than this server takes from one client in that time"

/* Its body has been read, and is dropped: the connection can go on. */
static void refuse_for_rate(struct conn *conn, size_t used)
{
	const bool keep = http_head_keep_alive(&conn->head);

	conn->state = keep && !conn->server->draining ? CONN_HEAD : CONN_ENDING;
	reply_error(conn, 429, TOO_MANY_CALLS, NULL);
	next_request(conn, used, keep);
}

/* The request is complete: its head, and body_len bytes behind it; `used` are its bytes. */
static void dispatch(struct conn *conn, size_t body_len, size_t used)
{
	struct server *server = conn->server;
	const struct http_head *head = &conn->head;
	const bool keep = http_head_keep_alive(head);
	const struct http_route *route = conn->route;

	if (conn->retry_after != 0) {
		refuse_for_rate(conn, used);
		return;
	}
	struct http_exchange *exchange = exchange_new(conn);
	if (!exchange) {
		conn->broken = true;
		return;
	}
	exchange->block = input_hold(&conn->input);
	exchange->body = (struct span){input_bytes(&conn->input) + head->length, body_len};
	exchange->head_only = head->method == METHOD_HEAD;
	exchange->accept_gzip = head->accept_gzip;
	exchange->cors = cors_of(conn);
	exchange->keep_alive_1_0 = head->minor == 0;
	exchange_hold(exchange, body_len);
	stat_add(&server->stats.requests, 1);
	next_request(conn, used, keep);
	if (route != NULL)
		route->fn(route->cookie, exchange);
	else
		server->config.on_request(server->config.cookie, exchange);
}

/* Without a body the next request's place is known, and the connection can go on. */
static void refuse_request(struct conn *conn, const struct verdict *verdict)
{
	const struct http_head *head = &conn->head;
	const bool has_body = head->chunked || head->content_length != 0;
	const size_t used = head->length;
	const bool keep = !has_body && http_head_keep_alive(head);

	conn->state = keep && !conn->server->draining ? CONN_HEAD : CONN_ENDING;
	conn->linger = has_body;
	reply_error(conn, verdict->status, verdict->text, verdict->extra);
	next_request(conn, used, keep);
}

/* known: a head like it has been admitted before, as JSON-RPC. */
static void begin_request(struct conn *conn, bool known)
{
	const struct http_head *head = &conn->head;
	struct server *server = conn->server;
	struct rates *rates = server->group->rates;
	struct verdict verdict = {0};

	if (!known)
		verdict = server_admit(server, head, input_bytes(&conn->input));
	conn->retry_after =
		rates ? rates_take(rates, conn->client, loop_now_us(server->loop)) : 0;
	if (verdict.status != 0 && conn->retry_after != 0)
		verdict = (struct verdict){.status = 429, .text = TOO_MANY_CALLS};
	if (verdict.status == 0 && server->output > server->config.limits.output_bytes)
		verdict = (struct verdict){.status = 503,
					   .text = "too many replies wait to be read"};
	if (verdict.status != 0) {
		refuse_request(conn, &verdict);
		return;
	}
	conn->route = verdict.route;
	conn->body_len = 0;
	conn->raw_at = head->length;
	http_chunked_init(&conn->chunked);
	conn->state = head->chunked ? CONN_CHUNKED : CONN_BODY;
	conn->continue_due = head->expect_continue && head->minor == 1 &&
			     (head->chunked || head->content_length != 0) &&
			     input_len(&conn->input) == head->length;
}

/* Each step handles what it can and says whether the next one may do something. */
static bool step_head(struct conn *conn)
{
	const size_t limit = conn->server->config.limits.head_bytes;
	size_t len = input_len(&conn->input);

	if (len > limit)
		len = limit + 1; /* enough to see that it is too long */
	if (len == 0)
		return false;
	if (conn->head.scanned == 0 &&
	    server_knows(conn->server, input_bytes(&conn->input), len, &conn->head)) {
		begin_request(conn, true);
		return true;
	}
	const enum http_progress progress =
		http_head_parse(&conn->head, input_bytes(&conn->input), len);
	if (progress == HTTP_BAD)
		refuse_framing(conn, conn->head.problem);
	else if ((progress == HTTP_MORE ? len : conn->head.length) > limit)
		conn_refuse(conn, 431,
			    "the request's headers are longer than this server accepts");
	else if (progress == HTTP_DONE)
		begin_request(conn, false);
	return progress == HTTP_DONE;
}

static bool step_body(struct conn *conn)
{
	const size_t length = (size_t)conn->head.content_length;

	if (input_len(&conn->input) - conn->head.length < length)
		return false;
	dispatch(conn, length, conn->head.length + length);
	return true;
}

static bool step_chunked(struct conn *conn)
{
	const size_t limit = conn->server->config.limits.body_bytes;
	char *bytes = input_bytes(&conn->input);
	char *body_end = bytes + conn->head.length + conn->body_len;
	size_t consumed, produced;
	const enum http_progress progress = http_chunked_decode(
		&conn->chunked, body_end, bytes + conn->raw_at,
		input_len(&conn->input) - conn->raw_at, &consumed, &produced);

	conn->body_len += produced;
	conn->raw_at += consumed;
	if (progress == HTTP_BAD) {
		refuse_framing(conn, conn->chunked.problem);
		return false;
	}
	if (conn->chunked.total > limit) {
		conn_refuse(conn, 413, "the body is longer than this server accepts");
		return false;
	}
	if (progress == HTTP_DONE) {
		dispatch(conn, conn->body_len, conn->raw_at);
		return true;
	}
	/* Closes the gap that the encoding has left. */
	const size_t rest = input_len(&conn->input) - conn->raw_at;
	memmove(body_end + produced, bytes + conn->raw_at, rest);
	conn->raw_at = conn->head.length + conn->body_len;
	conn->input.end = conn->input.start + conn->raw_at + rest;
	return false;
}

static bool step(struct conn *conn)
{
	if (conn->state == CONN_HEAD)
		return step_head(conn);
	return conn->state == CONN_BODY ? step_body(conn) : step_chunked(conn);
}

/* The interim reply may not overtake the replies to earlier requests. */
static void send_continue(struct conn *conn)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!conn->continue_due || conn->first || conn->state > CONN_CHUNKED)
		return;
	conn->continue_due = false;
	if (input_len(&conn->input) > conn->head.length)
		return;
	out_take_spare(conn);
	conn->out.limit = conn->out.len + sizeof text;
	buf_append(&conn->out, text, sizeof text - 1);
	if (buf_err(&conn->out) != OK)
		conn->broken = true;
}

/* --- the socket --- */

/* False: the peer has gone, or the socket has failed. */
static bool receive(struct conn *conn)
{
	struct server *server = conn->server;
	size_t room;
	char *to = input_room(&conn->input, &server->inputs, &room);

	if (!to) {
		conn_refuse(conn, 503, "too many bodies are on their way");
		return true;
	}
	const ssize_t n = socket_receive(conn->lfd.fd, to, room);
	if (n > 0) {
		conn->input.end += (size_t)n;
		conn->fresh = false;
		if ((size_t)n < room)
			loop_fd_drained(&conn->lfd);
		stat_add(&server->stats.bytes_in, (unsigned long long)n);
		return true;
	}
	conn->eof = n == 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* After the last request. False: the peer has gone, or has sent too much. */
static bool drop_received(struct conn *conn)
{
	char dropped[DROP_BYTES];

	for (int i = 0; i < DROPS_PER_TURN; i++) {
		const ssize_t n = socket_receive(conn->lfd.fd, dropped, sizeof dropped);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		conn->eof = n == 0;
		if (n <= 0)
			return false;
		stat_add(&conn->server->stats.bytes_in, (unsigned long long)n);
		conn->dropped_bytes += (size_t)n;
		if (conn->dropped_bytes > LINGER_BYTES)
			return false;
	}
	return true;
}

/* Drops what has been sent from the output. A client that pipelines may never let it run
 * empty: it would grow for ever. No byte is moved more often than one has been sent. */
static void out_compact(struct conn *conn)
{
	const size_t pending = out_pending(conn);

	if (conn->out_sent < OUT_HIGH_BYTES || conn->out_sent < pending)
		return;
	memmove(conn->out.ptr, conn->out.ptr + conn->out_sent, pending);
	conn->out.len = pending;
	conn->out_sent = 0;
}

/* False: the socket has failed. */
static bool send_pending(struct conn *conn)
{
	if (conn->out.len == 0)
		return true;
	const ssize_t n =
		socket_send(conn->lfd.fd, conn->out.ptr + conn->out_sent, out_pending(conn));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	stat_add(&conn->server->stats.bytes_out, (unsigned long long)n);
	conn->out_sent += (size_t)n;
	conn->send_mark += (size_t)n;
	if (conn->send_mark >= SEND_QUANTUM_BYTES)
		conn->wait = WAIT_UNSET;
	if (out_pending(conn) == 0) {
		conn->out_sent = 0;
		out_give_back(conn);
	}
	out_compact(conn);
	return true;
}

/* --- deadlines --- */

static uint64_t wait_limit_us(const struct conn *conn, enum conn_wait wait)
{
	const struct server_limits *limits = &conn->server->config.limits;
	uint64_t ms = 0;

	switch (wait) {
	case WAIT_UNSET:
	case WAIT_ANSWER:
		return NO_DEADLINE;
	case WAIT_IDLE:
		ms = limits->idle_ms;
		break;
	case WAIT_HEAD:
		ms = limits->head_ms;
		break;
	case WAIT_BODY:
		ms = limits->body_ms;
		break;
	case WAIT_SEND:
		ms = limits->send_ms;
		break;
	case WAIT_LINGER:
		ms = LINGER_MS;
		break;
	}
	return ms * 1000;
}

static enum conn_wait waits_for(const struct conn *conn)
{
	if (conn->state == CONN_LINGER)
		return WAIT_LINGER;
	if (conn->out.len != 0)
		return WAIT_SEND;
	if (conn->state == CONN_BODY || conn->state == CONN_CHUNKED)
		return WAIT_BODY;
	if (conn->fresh || (input_len(&conn->input) != 0 && may_read(conn)))
		return WAIT_HEAD;
	return conn->inflight != 0 ? WAIT_ANSWER : WAIT_IDLE;
}

/* The timer is moved only when the new deadline is earlier: between the requests of a busy
 * connection only deadline_us changes. */
static enum err set_deadline(struct conn *conn)
{
	struct loop *loop = conn->server->loop;
	const enum conn_wait wait = waits_for(conn);

	if (wait == conn->wait && wait != WAIT_IDLE)
		return OK;
	const uint64_t limit_us = wait_limit_us(conn, wait);
	conn->wait = (uint8_t)wait;
	conn->send_mark = 0;
	conn->deadline_us =
		limit_us == NO_DEADLINE ? NO_DEADLINE : loop_now_us(loop) + limit_us;
	if (conn->deadline_us == NO_DEADLINE ||
	    (loop_timer_running(&conn->timer) && conn->timer.due_us <= conn->deadline_us))
		return OK;
	return loop_timer_start(loop, &conn->timer, limit_us);
}

static void expire(struct conn *conn)
{
	if (conn->fresh || (conn->wait != WAIT_HEAD && conn->wait != WAIT_BODY)) {
		conn_close(conn);
		return;
	}
	conn_refuse(conn, 408,
		    conn->wait == WAIT_HEAD ? "the request's headers took too long"
					    : "the request's body took too long");
	conn_turn(conn);
}

static void on_timer(void *cookie)
{
	struct conn *conn = cookie;
	struct loop *loop = conn->server->loop;
	const uint64_t now_us = loop_now_us(loop);

	REQUIRE(conn->magic == MAGIC_CONN);
	if (conn->deadline_us <= now_us)
		expire(conn);
	else if (conn->deadline_us != NO_DEADLINE &&
		 loop_timer_start(loop, &conn->timer, conn->deadline_us - now_us) != OK)
		conn_close(conn);
}

/* --- turns --- */

static unsigned wanted(const struct conn *conn)
{
	unsigned events = conn->out.len != 0 ? LOOP_WRITE : 0;

	if (conn->state == CONN_LINGER || may_read(conn) ||
	    (conn->state == CONN_ENDING && !conn->eof && conn->dropped_bytes <= LINGER_BYTES))
		events |= LOOP_READ;
	return events;
}

/* Everything has been sent on a connection that ends. False: it must be closed. */
static bool begin_linger(struct conn *conn)
{
	if (!conn->linger || conn->eof || shutdown(conn->lfd.fd, SHUT_WR) != 0)
		return false;
	conn->state = CONN_LINGER;
	return true;
}

/* As of the end of its turn, or of its life. */
static void account(struct conn *conn, size_t bytes)
{
	conn->server->output += bytes - conn->accounted;
	conn->accounted = bytes;
}

/* Says what the connection waits for next. False: it must be closed. */
static bool settle(struct conn *conn)
{
	if (conn->broken)
		return false;
	if (conn->state == CONN_ENDING) {
		conn->linger |= input_len(&conn->input) != 0;
		input_release(&conn->input, &conn->server->inputs);
		if (!conn->first && conn->out.len == 0 && !begin_linger(conn))
			return false;
	}
	input_settle(&conn->input, &conn->server->inputs);
	account(conn, conn->out.capacity + conn->held);
	if (set_deadline(conn) != OK)
		return false;
	const unsigned events = wanted(conn);
	if (events != conn->lfd.wanted)
		loop_fd_want(conn->server->loop, &conn->lfd, events);
	return true;
}

void conn_turn(struct conn *conn)
{
	bool sent, was_full;

	conn->in_turn = true;
	do {
		while (may_read(conn) && step(conn))
			continue;
		send_continue(conn);
		was_full = out_pending(conn) >= OUT_HIGH_BYTES;
		/* What a refused allocation has left in the output must not leave. */
		sent = !conn->broken && send_pending(conn);
	} while (sent && was_full && conn->out.len == 0);
	conn->in_turn = false;
	if (!sent || !settle(conn))
		conn_close(conn);
}

void conn_poke(struct conn *conn)
{
	if (!conn->in_turn && conn->state < CONN_LINGER)
		loop_fd_want(conn->server->loop, &conn->lfd, conn->lfd.wanted | LOOP_WRITE);
}

/* What has been answered may still reach a client that has only closed its sending side;
 * what has not been answered has nobody to go to. */
static void on_peer_gone(struct conn *conn)
{
	exchange_abort_all(conn);
	if (!conn->eof || conn->out.len == 0) {
		conn_close(conn);
		return;
	}
	conn->state = CONN_ENDING;
	conn_turn(conn);
}

static void on_event(void *cookie, unsigned events)
{
	struct conn *conn = cookie;
	bool here = true;

	REQUIRE(conn->magic == MAGIC_CONN);
	if (events & LOOP_READ)
		here = conn->state >= CONN_ENDING ? drop_received(conn) : receive(conn);
	if (!here)
		on_peer_gone(conn);
	else if (conn->state != CONN_LINGER)
		conn_turn(conn);
}

/* --- life --- */

enum err conn_new(struct server *server, int fd, const struct sockaddr_storage *peer,
		  bool counted, struct conn **out)
{
	struct conn *conn = calloc(1, sizeof *conn);
	enum err err = ERR_NOMEM;

	*out = NULL;
	if (!conn)
		goto fail;
	conn->magic = MAGIC_CONN;
	conn->server = server;
	conn->loopback = address_is_loopback(peer);
	conn->client = rates_client(peer);
	conn->counted = counted;
	conn->fresh = true;
	http_head_init(&conn->head);
	loop_timer_init(&conn->timer, on_timer, conn);
	err = loop_fd_add(server->loop, &conn->lfd, fd, LOOP_READ | LOOP_EDGE, on_event, conn);
	if (err != OK)
		goto fail;
	err = set_deadline(conn);
	if (err != OK)
		goto fail_added;
	conn->next = server->conns;
	conn->link = &server->conns;
	if (conn->next)
		conn->next->link = &conn->next;
	server->conns = conn;
	*out = conn;
	return OK;
fail_added:
	loop_fd_remove(server->loop, &conn->lfd);
fail:
	free(conn);
	close(fd);
	return err;
}

void conn_close(struct conn *conn)
{
	struct server *server = conn->server;
	const int fd = conn->lfd.fd;
	const bool counted = conn->counted;

	conn->state = CONN_CLOSED;
	exchange_abort_all(conn);
	loop_timer_cancel(server->loop, &conn->timer);
	loop_fd_remove(server->loop, &conn->lfd);
	close(fd);
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	input_release(&conn->input, &server->inputs);
	buf_release(&conn->out);
	account(conn, 0);
	conn->magic = 0;
	free(conn);
	server_conn_gone(server, counted);
}
