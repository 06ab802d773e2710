/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "rpc/server_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* --- accepting --- */

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_accepting(struct server *server)
{
	if (loop_timer_start(server->loop, &server->timer, ACCEPT_PAUSE_MS * 1000) != OK)
		return;
	server->paused = true;
	loop_fd_want(server->loop, &server->listen_lfd, 0);
}

static void resume_accepting(struct server *server)
{
	loop_timer_cancel(server->loop, &server->timer);
	server->paused = false;
	if (server->reserve_fd < 0)
		server->reserve_fd = open_reserve();
	loop_fd_want(server->loop, &server->listen_lfd, LOOP_READ);
}

static void log_exhausted(struct server *server)
{
	const uint64_t now_us = loop_now_us(server->loop);

	if (now_us < server->exhausted_us)
		return;
	server->exhausted_us = now_us + EXHAUSTED_LOG_S * UINT64_C(1000000);
	log_warn("out of file descriptors: new connections have to wait; see the limit of open "
		 "files (ulimit -n) and --connections",
		 LOG_U("connections", atomic_load(&server->group->connections)));
}

/* Out of descriptors: the reserve takes one connection and lets it go, so that its client
 * learns at once; the others stay in the kernel's queue until some are free again. */
static void on_exhausted(struct server *server)
{
	log_exhausted(server);
	if (server->reserve_fd >= 0) {
		close(server->reserve_fd);
		const int fd = accept4(server->config.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			close(fd);
			stat_add(&server->stats.refused, 1);
		}
	}
	server->reserve_fd = open_reserve();
	pause_accepting(server);
}

/* Against the limit of all servers together. */
static bool count_connection(struct server *server)
{
	atomic_uint *connections = &server->group->connections;

	if (atomic_fetch_add_explicit(connections, 1, memory_order_relaxed) <
	    server->config.limits.connections)
		return true;
	atomic_fetch_sub_explicit(connections, 1, memory_order_relaxed);
	return false;
}

static void uncount_connection(struct server *server)
{
	atomic_fetch_sub_explicit(&server->group->connections, 1, memory_order_relaxed);
}

static void admit_connection(struct server *server, int fd, const struct sockaddr_storage *peer)
{
	const bool counted = count_connection(server);
	struct conn *conn;

	if (!counted && server->overflow == OVERFLOW_CONNECTIONS) {
		stat_add(&server->stats.refused, 1);
		close(fd);
		return;
	}
	if (conn_new(server, fd, peer, counted, &conn) != OK) {
		log_warn("no memory for a connection");
		if (counted)
			uncount_connection(server);
		return;
	}
	if (counted) {
		stat_add(&server->stats.connections, 1);
		stat_add(&server->stats.connections_now, 1);
		return;
	}
	server->overflow++;
	conn_refuse(conn, 503, "too many connections");
	conn_turn(conn);
}

/* False: nothing more to accept now. */
static bool accept_one(struct server *server)
{
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof peer;
	const int fd = accept4(server->config.listen_fd, (struct sockaddr *)&peer, &length,
			       SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		admit_connection(server, fd, &peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
		on_exhausted(server);
		return false;
	case ENOBUFS:
	case ENOMEM:
		pause_accepting(server);
		return false;
	default: /* of the connection, not of the listener: accept(2) */
		return true;
	}
}

static void on_listen(void *cookie, unsigned events)
{
	struct server *server = cookie;

	(void)events; /* only LOOP_READ is wanted */
	REQUIRE(server->magic == MAGIC_SERVER);
	for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(server); i++)
		continue;
}

/* --- draining --- */

static void close_all(struct server *server)
{
	while (server->conns)
		conn_close(server->conns);
}

static void on_timer(void *cookie)
{
	struct server *server = cookie;

	REQUIRE(server->magic == MAGIC_SERVER);
	if (!server->draining) {
		resume_accepting(server);
		return;
	}
	server->drained = true;
	close_all(server);
	server->drain_done(server->drain_cookie);
}

static void drain_within(struct server *server, uint64_t timeout_us)
{
	if (loop_timer_start(server->loop, &server->timer, timeout_us) != OK)
		log_error("no memory for a timer: draining ends with the last connection");
}

void server_conn_gone(struct server *server, bool counted)
{
	if (counted) {
		uncount_connection(server);
		stat_add(&server->stats.connections_now, (unsigned long long)-1);
	} else {
		server->overflow--;
	}
	if (server->paused && !server->draining)
		resume_accepting(server); /* its descriptor is free */
	if (server->draining && !server->drained && !server->conns)
		drain_within(server, 0);
}

static void drain_conn(struct conn *conn)
{
	if (conn_is_idle(conn))
		conn_close(conn);
	else if (conn->state == CONN_HEAD && input_len(&conn->input) == 0)
		conn->state = CONN_ENDING;
}

void server_drain(struct server *server, uint64_t timeout_us, loop_fn *done, void *cookie)
{
	REQUIRE(!server->draining);
	server->draining = true;
	server->drain_done = done;
	server->drain_cookie = cookie;
	loop_fd_remove(server->loop, &server->listen_lfd);
	/* Linux: it listens no more. Else the kernel would go on taking connections that
	 * nobody serves. Failing changes nothing: the caller closes it. */
	if (shutdown(server->config.listen_fd, SHUT_RDWR) != 0)
		log_debug("the listening socket stays open", LOG_S("cause", strerror(errno)));
	drain_within(server, timeout_us);
	for (struct conn *conn = server->conns, *next; conn; conn = next) {
		next = conn->next;
		drain_conn(conn);
	}
	if (!server->conns)
		drain_within(server, 0);
}

/* --- life --- */

static void set_defaults(struct server_limits *limits)
{
	const struct server_limits defaults = {
		.head_bytes = 16 * 1024,
		.body_bytes = 5 * 1024 * 1024,
		.reply_bytes = 64 * 1024 * 1024,
		.input_bytes = 256 * 1024 * 1024,
		.output_bytes = 512 * 1024 * 1024,
		.connections = 4096,
		.pipeline = 64,
		.head_ms = 10 * 1000,
		.body_ms = 30 * 1000,
		.idle_ms = 120 * 1000,
		.send_ms = 30 * 1000,
	};

#define DEFAULT_OF(member)       \
	if (limits->member == 0) \
	limits->member = defaults.member
	DEFAULT_OF(head_bytes);
	DEFAULT_OF(body_bytes);
	DEFAULT_OF(reply_bytes);
	DEFAULT_OF(input_bytes);
	DEFAULT_OF(output_bytes);
	DEFAULT_OF(connections);
	DEFAULT_OF(pipeline);
	DEFAULT_OF(head_ms);
	DEFAULT_OF(body_ms);
	DEFAULT_OF(idle_ms);
	DEFAULT_OF(send_ms);
#undef DEFAULT_OF
	if (limits->head_bytes > HEAD_BYTES_MAX)
		limits->head_bytes = HEAD_BYTES_MAX;
	/* A body's block is up to four times as long as what has come of it. */
	if (limits->input_bytes / 4 < limits->body_bytes)
		limits->input_bytes = 4 * limits->body_bytes;
	if (limits->output_bytes / 4 < limits->reply_bytes)
		limits->output_bytes = 4 * limits->reply_bytes;
}

enum err server_new(struct loop *loop, const struct server_config *config, struct server **out)
{
	struct server *server = calloc(1, sizeof *server);

	*out = NULL;
	if (!server)
		return ERR_NOMEM;
	server->magic = MAGIC_SERVER;
	server->loop = loop;
	server->config = *config;
	server->group = config->group ? config->group : &server->alone;
	set_defaults(&server->config.limits);
	server->inputs.large_max = server->config.limits.input_bytes;
	loop_timer_init(&server->timer, on_timer, server);
	server->reserve_fd = open_reserve();
	enum err err = server_cors_init(server);
	if (err == OK)
		err = loop_fd_add(loop, &server->listen_lfd, config->listen_fd, LOOP_READ,
				  on_listen, server);
	if (err != OK) {
		server_free(&server);
		return err;
	}
	*out = server;
	return OK;
}

void server_free(struct server **server)
{
	struct server *s = *server;

	*server = NULL;
	if (!s)
		return;
	s->drained = true;
	close_all(s);
	loop_timer_cancel(s->loop, &s->timer);
	loop_fd_remove(s->loop, &s->listen_lfd);
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	exchange_pool_release(s);
	input_pool_release(&s->inputs);
	buf_release(&s->spare_out);
	server_gzip_release(s);
	server_cors_release(s);
	s->magic = 0;
	free(s);
}

const struct server_stats *server_stats(const struct server *server)
{
	return &server->stats;
}
