/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A real server on its own thread and an ephemeral loopback port, and a blocking client.
 *
 * The body of a request tells the server's handler what to do, so a test decides the order
 * of events from outside, with requests as its barriers:
 *
 *   "echo TEXT"   answer with TEXT now
 *   "hold N"      keep exchange N
 *   "await N"     answer "awaited" as soon as exchange N is held
 *   "body N"      answer with the body of held exchange N
 *   "is N"        answer "held" or "not held"
 *   "buffers"     answer how many of the other connections hold a buffer
 *   "parked"      answer how many bytes of replies wait for earlier ones
 *   "output"      answer the size of the largest output buffer
 *   "capacity"    answer the size of the block that this request lies in
 *   "remote"      from now on, treat clients as if they were not on this machine
 *   "free N"      answer N with "held N", then this one with "freed N"
 *   "big N"       answer with N bytes
 *   "later MS"    answer "later" in MS milliseconds
 *   "charge N"    answer "charged", after http_charge of N calls
 *   "aborted"     answer "aborted N" as soon as a held exchange N has been aborted
 *   "drain MS"    answer "draining", then server_drain with that timeout
 *
 * Whoever waits, waits in recv; a test that hangs is ended by the socket's 20 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/server_impl.h"

enum { SLOTS = 512, REPLY_MAX = 4 * 1024 * 1024, GUARD_S = 20 };

struct slot {
	struct http_exchange *exchange;
	struct fixture *fixture;
};

struct fixture {
	struct loop *loop;
	struct server *server;
	struct server_config config;
	int listen_fd;
	unsigned port;
	pthread_t thread;
	bool stop_when_drained;
	bool pretend_remote; /* exchanges look as if their client were not on this machine */
	atomic_bool drained;

	struct slot slots[SLOTS];
	struct slot aborter; /* waits for an abort */
	int aborted;	     /* -1: none to tell */
	struct slot waiter;  /* waits for slot `awaited` */
	unsigned awaited;
	struct loop_timer timer;
	struct http_exchange *later;
};

static inline void fixture_reply(struct http_exchange *exchange, const char *text)
{
	buf_text(http_reply_open(exchange), text);
	http_reply_close(exchange, 200, NULL);
}

static inline void fixture_tell_abort(struct fixture *f)
{
	char text[32];

	if (!f->aborter.exchange || f->aborted < 0)
		return;
	snprintf(text, sizeof text, "aborted %d", f->aborted);
	fixture_reply(f->aborter.exchange, text);
	f->aborter.exchange = NULL;
	f->aborted = -1;
}

static inline void fixture_on_abort(void *cookie)
{
	struct slot *slot = cookie;
	struct fixture *f = slot->fixture;

	slot->exchange = NULL;
	if (slot == &f->aborter || slot == &f->waiter)
		return;
	f->aborted = (int)(slot - f->slots);
	fixture_tell_abort(f);
}

static inline void fixture_keep(struct fixture *f, struct slot *slot,
				struct http_exchange *exchange)
{
	slot->exchange = exchange;
	slot->fixture = f;
	http_on_abort(exchange, fixture_on_abort, slot);
}

static inline void fixture_tell_held(struct fixture *f)
{
	if (!f->waiter.exchange || !f->slots[f->awaited].exchange)
		return;
	fixture_reply(f->waiter.exchange, "awaited");
	f->waiter.exchange = NULL;
}

static inline void fixture_on_timer(void *cookie)
{
	struct fixture *f = cookie;

	fixture_reply(f->later, "later");
}

static inline void fixture_on_drained(void *cookie)
{
	struct fixture *f = cookie;

	atomic_store(&f->drained, true);
	server_free(&f->server);
	if (f->stop_when_drained)
		loop_stop(f->loop);
}

static inline void fixture_free_slot(struct fixture *f, unsigned n,
				     struct http_exchange *exchange)
{
	char text[32];

	snprintf(text, sizeof text, "held %u", n);
	REQUIRE(f->slots[n].exchange);
	fixture_reply(f->slots[n].exchange, text);
	f->slots[n].exchange = NULL;
	snprintf(text, sizeof text, "freed %u", n);
	fixture_reply(exchange, text);
}

static inline void fixture_big(struct http_exchange *exchange, size_t n)
{
	struct buf *buf = http_reply_open(exchange);

	for (size_t i = 0; i < n; i++)
		buf_char(buf, (char)('a' + i % 26));
	http_reply_close(exchange, 200, NULL);
}

static inline void fixture_buffers(struct http_exchange *exchange)
{
	unsigned n = 0;

	for (struct conn *c = exchange->conn->server->conns; c; c = c->next)
		n += c != exchange->conn && (c->input.block || c->out.ptr);
	buf_u64(http_reply_open(exchange), n);
	http_reply_close(exchange, 200, NULL);
}

static inline void fixture_parked(struct http_exchange *exchange)
{
	size_t n = 0;

	for (struct conn *c = exchange->conn->server->conns; c; c = c->next)
		for (struct http_exchange *e = c->first; e; e = e->next)
			n += e->reply.len;
	buf_u64(http_reply_open(exchange), n);
	http_reply_close(exchange, 200, NULL);
}

static inline void fixture_output(struct http_exchange *exchange)
{
	size_t n = 0;

	for (struct conn *c = exchange->conn->server->conns; c; c = c->next)
		n = c->out.capacity > n ? c->out.capacity : n;
	buf_u64(http_reply_open(exchange), n);
	http_reply_close(exchange, 200, NULL);
}

static inline bool fixture_command(const char *text, const char *name, const char **argument)
{
	const size_t n = strlen(name);

	*argument = text + n;
	return strncmp(text, name, n) == 0;
}

static inline void fixture_on_request(void *cookie, struct http_exchange *exchange)
{
	struct fixture *f = cookie;
	const struct span body = http_body(exchange);
	const char *argument;
	char text[128] = {0};

	if (f->pretend_remote)
		exchange->conn->loopback = false;
	memcpy(text, body.ptr, body.len < sizeof text - 1 ? body.len : sizeof text - 1);
	if (fixture_command(text, "hold ", &argument)) {
		fixture_keep(f, &f->slots[strtoul(argument, NULL, 10)], exchange);
		fixture_tell_held(f);
	} else if (fixture_command(text, "await ", &argument)) {
		f->awaited = (unsigned)strtoul(argument, NULL, 10);
		fixture_keep(f, &f->waiter, exchange);
		fixture_tell_held(f);
	} else if (fixture_command(text, "body ", &argument)) {
		buf_span(http_reply_open(exchange),
			 http_body(f->slots[strtoul(argument, NULL, 10)].exchange));
		http_reply_close(exchange, 200, NULL);
	} else if (fixture_command(text, "is ", &argument)) {
		fixture_reply(exchange, f->slots[strtoul(argument, NULL, 10)].exchange
						? "held"
						: "not held");
	} else if (fixture_command(text, "capacity", &argument)) {
		buf_u64(http_reply_open(exchange), exchange->block->capacity);
		http_reply_close(exchange, 200, NULL);
	} else if (fixture_command(text, "buffers", &argument)) {
		fixture_buffers(exchange);
	} else if (fixture_command(text, "parked", &argument)) {
		fixture_parked(exchange);
	} else if (fixture_command(text, "output", &argument)) {
		fixture_output(exchange);
	} else if (fixture_command(text, "remote", &argument)) {
		f->pretend_remote = true;
		fixture_reply(exchange, "remote");
	} else if (fixture_command(text, "free ", &argument)) {
		fixture_free_slot(f, (unsigned)strtoul(argument, NULL, 10), exchange);
	} else if (fixture_command(text, "big ", &argument)) {
		fixture_big(exchange, strtoul(argument, NULL, 10));
	} else if (fixture_command(text, "later ", &argument)) {
		f->later = exchange;
		REQUIRE(loop_timer_start(f->loop, &f->timer,
					 strtoul(argument, NULL, 10) * 1000) == OK);
	} else if (fixture_command(text, "charge ", &argument)) {
		http_charge(exchange, (uint32_t)strtoul(argument, NULL, 10));
		fixture_reply(exchange, "charged");
	} else if (fixture_command(text, "aborted", &argument)) {
		fixture_keep(f, &f->aborter, exchange);
		fixture_tell_abort(f);
	} else if (fixture_command(text, "drain ", &argument)) {
		const uint64_t timeout_us = strtoul(argument, NULL, 10) * 1000;

		server_drain(f->server, timeout_us, fixture_on_drained, f);
		fixture_reply(exchange, "draining");
	} else {
		struct buf *buf = http_reply_open(exchange);

		buf_append(buf, body.ptr, body.len);
		http_reply_close(exchange, 200, NULL);
	}
}

static inline void *fixture_run(void *cookie)
{
	struct fixture *f = cookie;

	REQUIRE(loop_run(f->loop) == OK);
	return NULL;
}

/* The caller has filled in config as far as it wants. */
static inline void fixture_start(struct fixture *f)
{
	struct err_detail detail;

	log_set_level(LOG_OFF);
	f->aborted = -1;
	assert_int_equal(loop_new(&f->loop), OK);
	assert_int_equal(server_listen("127.0.0.1:0", false, &f->listen_fd, &f->port, &detail),
			 OK);
	f->config.listen_fd = f->listen_fd;
	f->config.on_request = fixture_on_request;
	f->config.cookie = f;
	loop_timer_init(&f->timer, fixture_on_timer, f);
	assert_int_equal(server_new(f->loop, &f->config, &f->server), OK);
	assert_int_equal(pthread_create(&f->thread, NULL, fixture_run, f), 0);
}

static inline void fixture_join(struct fixture *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	server_free(&f->server);
	loop_free(&f->loop);
	close(f->listen_fd);
}

static inline void fixture_stop(struct fixture *f)
{
	loop_stop(f->loop);
	fixture_join(f);
}

/* --- the client --- */

struct client {
	int fd;
	size_t len;	 /* bytes received and not yet taken */
	char *bytes;	 /* of REPLY_MAX */
	unsigned status; /* of the reply taken last */
	char head[1024];
	char *body; /* NUL-terminated */
	size_t body_len;
};

static inline int client_socket(int receive_buffer)
{
	const struct timeval guard = {.tv_sec = GUARD_S};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &guard, sizeof guard), 0);
	if (receive_buffer)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
					    sizeof receive_buffer),
				 0);
	return fd;
}

static inline void client_connect(int fd, const struct fixture *f)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)f->port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	assert_int_equal(
		connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address),
		0);
}

static inline void client_init(struct client *c, int fd)
{
	*c = (struct client){.fd = fd, .bytes = malloc(REPLY_MAX)};
	assert_non_null(c->bytes);
}

static inline void client_open(struct client *c, const struct fixture *f)
{
	client_init(c, client_socket(0));
	client_connect(c->fd, f);
}

static inline void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->bytes);
	free(c->body);
	*c = (struct client){.fd = -1};
}

static inline void client_send_bytes(struct client *c, const char *bytes, size_t n)
{
	assert_int_equal(send(c->fd, bytes, n, MSG_NOSIGNAL), n);
}

static inline void client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

/* A POST / with further header lines, each with its CR LF. */
static inline void client_post(struct client *c, const char *headers, const char *body)
{
	char text[4096];
	const int n = snprintf(text, sizeof text,
			       "POST / HTTP/1.1\r\nHost: localhost\r\n%s"
			       "Content-Length: %zu\r\n\r\n%s",
			       headers, strlen(body), body);

	assert_true(n > 0 && (size_t)n < sizeof text);
	client_send(c, text);
}

/* False at the end of the stream, or a reset. */
static inline bool client_receive(struct client *c)
{
	assert_true(c->len < REPLY_MAX - 1);
	const ssize_t n = recv(c->fd, c->bytes + c->len, REPLY_MAX - 1 - c->len, 0);

	if (n < 0 && errno == EAGAIN)
		fail_msg("nothing came in %d s", GUARD_S);
	if (n > 0)
		c->len += (size_t)n;
	c->bytes[c->len] = 0;
	return n > 0;
}

/* Takes one reply; its status is 0 if the connection ended before it. */
static inline void client_take(struct client *c, bool without_body)
{
	char *end = NULL;

	c->status = 0;
	c->bytes[c->len] = 0;
	while (!(end = strstr(c->bytes, "\r\n\r\n"))) {
		if (!client_receive(c))
			return;
	}
	const size_t head_len = (size_t)(end - c->bytes) + 4;
	assert_true(head_len < sizeof c->head);
	memcpy(c->head, c->bytes, head_len);
	c->head[head_len] = 0;
	const char *length = strstr(c->head, "Content-Length:");
	const size_t body_len = length && !without_body ? strtoul(length + 15, NULL, 10) : 0;
	while (c->len < head_len + body_len) {
		if (!client_receive(c))
			return;
	}
	free(c->body);
	c->body = malloc(body_len + 1);
	assert_non_null(c->body);
	memcpy(c->body, c->bytes + head_len, body_len);
	c->body[body_len] = 0;
	c->body_len = body_len;
	c->len -= head_len + body_len;
	memmove(c->bytes, c->bytes + head_len + body_len, c->len);
	assert_memory_equal(c->head, "HTTP/1.1 ", 9);
	c->status = (unsigned)strtoul(c->head + 9, NULL, 10);
}

static inline void client_expect(struct client *c, unsigned status, const char *body)
{
	client_take(c, false);
	if (c->status != status)
		fail_msg("status %u instead of %u: %s", c->status, status,
			 c->body ? c->body : "");
	if (body)
		assert_string_equal(c->body, body);
}

/* The server closes, without another byte. */
static inline void client_expect_end(struct client *c)
{
	assert_int_equal(c->len, 0);
	assert_false(client_receive(c));
}

/* The number that a command is answered with. */
static inline unsigned long ask_number(const struct fixture *f, const char *command)
{
	struct client c;

	client_open(&c, f);
	client_post(&c, "", command);
	client_expect(&c, 200, NULL);
	const unsigned long n = strtoul(c.body, NULL, 10);
	client_close(&c);
	return n;
}

/* A reply in the order of asking, on a connection of its own. */
static inline void expect_command(const struct fixture *f, const char *command,
				  const char *answer)
{
	struct client c;

	client_open(&c, f);
	client_post(&c, "", command);
	client_expect(&c, 200, answer);
	client_close(&c);
}
