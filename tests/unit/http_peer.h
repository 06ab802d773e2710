/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The other end of client tests, on the test's own loop: a scripted HTTP server on a
 * loopback port, and a record of what a post was told.
 */
#include "base/loop.h"
#include "fork/client.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum peer_then { PEER_KEEP, PEER_CLOSE, PEER_RESET, PEER_HANG };

struct peer_conn {
	struct peer *peer;
	struct loop_fd lfd;
	LIST_ENTRY(peer_conn) link;
	size_t len;
	char in[65536];
};

struct peer {
	struct loop *loop;
	struct loop_fd lfd;
	uint16_t port;
	const char *reply; /* raw; sent for every request */
	size_t reply_len;
	enum peer_then then;
	unsigned accepted, requests;
	char last[65536]; /* the last request, head and body */
	LIST_HEAD(, peer_conn) conns;
};

#define PEER_OK                                                                 \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " \
	"7\r\n\r\n{\"a\":1}"

static inline void peer_script(struct peer *peer, const char *reply, enum peer_then then)
{
	peer->reply = reply;
	peer->reply_len = strlen(reply);
	peer->then = then;
}

static inline void peer_conn_close(struct peer_conn *conn, bool reset)
{
	int fd = conn->lfd.fd;
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	if (reset)
		REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
	loop_fd_remove(conn->peer->loop, &conn->lfd);
	close(fd);
	LIST_REMOVE(conn, link);
	free(conn);
}

/* Whether a whole request is there. */
static inline bool peer_complete(const struct peer_conn *conn)
{
	const char *end = strstr(conn->in, "\r\n\r\n");
	const char *length = strstr(conn->in, "Content-Length: ");
	if (end == NULL)
		return false;
	size_t body = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
	return conn->len >= (size_t)(end + 4 - conn->in) + body;
}

static inline void peer_on_data(void *cookie, unsigned events)
{
	struct peer_conn *conn = cookie;
	struct peer *peer = conn->peer;
	(void)events;
	ssize_t n = recv(conn->lfd.fd, conn->in + conn->len, sizeof conn->in - 1 - conn->len,
			 MSG_DONTWAIT);
	if (n <= 0) {
		peer_conn_close(conn, false);
		return;
	}
	conn->len += (size_t)n;
	conn->in[conn->len] = '\0';
	if (!peer_complete(conn))
		return;
	memcpy(peer->last, conn->in, conn->len + 1);
	conn->len = 0;
	peer->requests++;
	if (peer->then == PEER_HANG)
		return;
	if (peer->reply_len > 0)
		REQUIRE(send(conn->lfd.fd, peer->reply, peer->reply_len, MSG_NOSIGNAL) ==
			(ssize_t)peer->reply_len);
	if (peer->then != PEER_KEEP)
		peer_conn_close(conn, peer->then == PEER_RESET);
}

static inline void peer_on_connection(void *cookie, unsigned events)
{
	struct peer *peer = cookie;
	int fd = accept4(peer->lfd.fd, NULL, NULL, SOCK_CLOEXEC), room = 200000;
	struct peer_conn *conn = calloc(1, sizeof *conn);
	(void)events;
	REQUIRE(fd >= 0 && conn != NULL);
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
	conn->peer = peer;
	peer->accepted++;
	LIST_INSERT_HEAD(&peer->conns, conn, link);
	REQUIRE(loop_fd_add(peer->loop, &conn->lfd, fd, LOOP_READ, peer_on_data, conn) == OK);
}

/* v6: on ::1 alone; else on 127.0.0.1 alone. False: this machine has no ::1. */
static inline bool peer_start(struct peer *peer, struct loop *loop, bool v6)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	struct sockaddr *address = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	socklen_t len = v6 ? sizeof in6 : sizeof in;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*peer = (struct peer){.loop = loop, .lfd.fd = -1};
	if (fd < 0)
		return false;
	if (bind(fd, address, len) != 0) {
		close(fd);
		return false;
	}
	REQUIRE(listen(fd, 512) == 0 && getsockname(fd, address, &len) == 0);
	peer->port = ntohs(v6 ? in6.sin6_port : in.sin_port);
	LIST_INIT(&peer->conns);
	peer_script(peer, PEER_OK, PEER_KEEP);
	REQUIRE(loop_fd_add(loop, &peer->lfd, fd, LOOP_READ, peer_on_connection, peer) == OK);
	return true;
}

/* Its port then refuses. */
static inline void peer_stop_listening(struct peer *peer)
{
	int fd = peer->lfd.fd;
	if (fd < 0)
		return;
	loop_fd_remove(peer->loop, &peer->lfd);
	close(fd);
}

static inline void peer_stop(struct peer *peer)
{
	struct peer_conn *conn;
	peer_stop_listening(peer);
	while ((conn = LIST_FIRST(&peer->conns)) != NULL)
		peer_conn_close(conn, false);
}

/* --- what a post was told ----------------------------------------------------------- */

struct call {
	struct client_op *op;
	int calls;
	struct client_reply reply; /* body and detail point to the copies below */
	char body[8192], detail[256];
	void (*then)(struct call *call); /* runs inside done */
	void *owner;
};

static inline void call_done(void *cookie, const struct client_reply *reply)
{
	struct call *call = cookie;
	call->op = NULL;
	REQUIRE(reply->body.len < sizeof call->body && reply->detail != NULL);
	call->calls++;
	call->reply = *reply;
	if (reply->body.len > 0)
		memcpy(call->body, reply->body.ptr, reply->body.len);
	call->body[reply->body.len] = '\0';
	(void)snprintf(call->detail, sizeof call->detail, "%s", reply->detail);
	if (call->then != NULL)
		call->then(call);
}

static inline enum lookup call_post(struct call *call, struct client_target *target,
				    const char *body, uint32_t timeout_ms, size_t max_reply)
{
	enum err err = OK;
	char *copy = strdup(body);
	REQUIRE(copy != NULL);
	enum lookup lookup = client_post(target, copy, strlen(body), timeout_ms, max_reply,
					 call_done, call, &call->op, &err);
	REQUIRE(lookup == PENDING && call->calls == 0 && call->op != NULL);
	return lookup;
}

/* NULL when the URL is refused. */
static inline struct client_target *target_make(struct client *client, const char *url,
						struct err_detail *detail)
{
	struct client_target *target = NULL;
	struct secret *secret = secret_new(span_of(url));
	REQUIRE(secret != NULL);
	enum err err = client_target_new(client, secret, NULL, 0, &target, detail);
	REQUIRE((err == OK) == (target != NULL));
	secret_free(&secret);
	return target;
}
