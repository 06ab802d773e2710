/* SPDX-License-Identifier: MIT */
#include "mock_node/http_impl.h"
#include "mock_node/control.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_LIMIT (64u << 20)
#define HEAD_LIMIT (64u << 10)
#define READ_BYTES 65536
#define OUT_LIMIT  (300u << 20)

void http_close(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct counters *counters = &server->node->counters;

	if (conn->state == CONN_HELD) {
		counters->held--;
		server->held_items -= conn->reply.items;
	}
	if (conn->counted)
		counters->in_flight--;
	if (conn->state != CONN_READING && conn->state != CONN_DONE)
		counters->client_aborts++;
	counters->open_connections--;
	loop_timer_cancel(server->loop, &conn->timer);
	loop_fd_remove(server->loop, &conn->lfd);
	close(conn->fd);
	if (conn->previous)
		conn->previous->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next)
		conn->next->previous = conn->previous;
	buf_release(&conn->in);
	buf_release(&conn->head);
	buf_release(&conn->body);
	buf_release(&conn->out);
	reply_release(&conn->reply);
	json_decref(conn->wait_for);
	free(conn);
}

void http_close_hard(struct conn *conn)
{
	const struct linger no_linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &no_linger, sizeof no_linger);
	conn->state = CONN_DONE;
	http_close(conn);
}

static int on_url(http_parser *parser, const char *at, size_t n)
{
	struct conn *conn = parser->data;
	buf_append(&conn->head, at, n);
	conn->url_bytes = conn->head.len;
	return buf_err(&conn->head) != OK;
}

static int on_field(http_parser *parser, const char *at, size_t n)
{
	struct conn *conn = parser->data;
	if (!conn->head_open || conn->value_seen)
		buf_char(&conn->head, '\n');
	conn->head_open = true;
	conn->value_seen = false;
	buf_append(&conn->head, at, n);
	return buf_err(&conn->head) != OK;
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
	struct conn *conn = parser->data;
	if (!conn->value_seen)
		buf_text(&conn->head, ": ");
	conn->value_seen = true;
	buf_append(&conn->head, at, n);
	return buf_err(&conn->head) != OK;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
	struct conn *conn = parser->data;
	buf_append(&conn->body, at, n);
	return buf_err(&conn->body) != OK;
}

/* The parser stops here, so that what follows in the pipeline waits for this answer. */
static int on_complete(http_parser *parser)
{
	struct conn *conn = parser->data;
	conn->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

static void start_request(struct conn *conn)
{
	conn->state = CONN_READING;
	conn->complete = conn->value_seen = conn->head_open = conn->counted = false;
	conn->url_bytes = 0;
	buf_clear(&conn->head);
	buf_clear(&conn->body);
	reply_release(&conn->reply);
	reply_init(&conn->reply);
}

static void hold_back(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct counters *counters = &server->node->counters;

	conn->state = CONN_HELD;
	counters->held++;
	server->held_items += conn->reply.items;
	if ((server->hold_requests && counters->held >= server->hold_requests) ||
	    (server->hold_items && server->held_items >= server->hold_items))
		http_release(server);
}

static void serve_rpc(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct counters *counters = &server->node->counters;

	buf_clear(&counters->last_head);
	buf_span(&counters->last_head, buf_as_span(&conn->head));
	buf_clear(&counters->last_body);
	buf_span(&counters->last_body, buf_as_span(&conn->body));
	rpc_handle(server->node, buf_as_span(&conn->body), loop_now_us(server->loop),
		   &conn->reply);
	conn->counted = true;
	if (++counters->in_flight > counters->max_in_flight)
		counters->max_in_flight = counters->in_flight;
	if (server->hold_requests || server->hold_items)
		hold_back(conn);
	else
		http_send_reply(conn);
}

static void serve(struct conn *conn)
{
	static const char prefix[] = "/control";
	struct http_server *server = conn->server;
	struct span path = {conn->head.ptr, conn->url_bytes};
	bool post = conn->parser.method == HTTP_POST;
	bool control = path.len >= sizeof prefix - 1 &&
		       memcmp(path.ptr, prefix, sizeof prefix - 1) == 0;

	if (control &&
	    control_handle(server, server->node, post, path, buf_as_span(&conn->body),
			   &conn->reply, &conn->wait_for)) {
		conn->state = CONN_WAITING;
	} else if (control) {
		http_send_reply(conn);
	} else if (post) {
		serve_rpc(conn);
	} else {
		conn->reply.status = 405;
		http_send_reply(conn);
	}
}

/* Parses one request's worth of what has come in. May close the connection. */
static void parse(struct conn *conn)
{
	if (conn->in.len == 0)
		return;
	size_t n = http_parser_execute(&conn->parser, &settings, conn->in.ptr, conn->in.len);
	if (conn->complete) {
		http_parser_pause(&conn->parser, 0);
	} else if (HTTP_PARSER_ERRNO(&conn->parser) != HPE_OK || conn->parser.upgrade) {
		conn->reply.status = 400;
		conn->reply.close = true;
		n = conn->in.len;
	}
	memmove(conn->in.ptr, conn->in.ptr + n, conn->in.len - n);
	conn->in.len -= n;
	if (conn->complete)
		serve(conn);
	else if (conn->reply.status == 400)
		http_send_reply(conn);
}

static void parse_later(void *cookie)
{
	parse(cookie);
}

void http_reply_done(struct conn *conn)
{
	struct counters *counters = &conn->server->node->counters;

	if (conn->counted)
		counters->in_flight--;
	conn->counted = false;
	if (conn->reply.close) {
		conn->state = CONN_DONE;
		http_close(conn);
		return;
	}
	start_request(conn);
	if (conn->in.len == 0)
		return;
	/* From the loop, not from here: a long pipeline would be a deep recursion. */
	loop_timer_init(&conn->timer, parse_later, conn);
	if (loop_timer_start(conn->server->loop, &conn->timer, 0) != OK)
		http_close(conn);
}

static void on_socket(void *cookie, unsigned events)
{
	struct conn *conn = cookie;

	if (events & LOOP_READ) {
		char *room = buf_reserve(&conn->in, READ_BYTES);
		ssize_t n = room ? recv(conn->fd, room, READ_BYTES, 0) : 0;
		if (n < 0 && errno != EAGAIN)
			n = 0;
		if (n == 0) {
			http_close(conn);
			return;
		}
		if (n > 0) {
			conn->in.len += (size_t)n;
			conn->server->node->counters.bytes_in += (uint64_t)n;
		}
		if (conn->state == CONN_READING && !loop_timer_running(&conn->timer)) {
			parse(conn);
			return; /* the connection may be gone */
		}
	}
	if ((events & LOOP_WRITE) && conn->state == CONN_SENDING)
		http_send_more(conn);
}

static void on_listener(void *cookie, unsigned events)
{
	struct http_server *server = cookie;
	const int on = 1;
	int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn = fd >= 0 ? calloc(1, sizeof *conn) : NULL;
	(void)events;

	if (!conn) {
		if (fd >= 0)
			close(fd);
		return;
	}
	conn->server = server;
	conn->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	http_parser_init(&conn->parser, HTTP_REQUEST);
	conn->parser.data = conn;
	buf_init(&conn->in, BODY_LIMIT);
	buf_init(&conn->head, HEAD_LIMIT);
	buf_init(&conn->body, BODY_LIMIT);
	buf_init(&conn->out, OUT_LIMIT);
	reply_init(&conn->reply);
	loop_timer_init(&conn->timer, parse_later, conn);
	start_request(conn);
	if (loop_fd_add(server->loop, &conn->lfd, fd, LOOP_READ, on_socket, conn) != OK) {
		close(fd);
		free(conn);
		return;
	}
	conn->next = server->conns;
	if (conn->next)
		conn->next->previous = conn;
	server->conns = conn;
	server->node->counters.connections++;
	server->node->counters.open_connections++;
}

/* Connections that are in a state now. A callback may close others, so the walk starts
 * again after each. */
static struct conn *first_in_state(struct http_server *server, enum conn_state state)
{
	for (struct conn *conn = server->conns; conn; conn = conn->next) {
		if (conn->state == state)
			return conn;
	}
	return NULL;
}

void http_hold(struct http_server *server, uint64_t requests, uint64_t items)
{
	server->hold_requests = requests;
	server->hold_items = items;
	if (!requests && !items)
		http_release(server);
}

void http_release(struct http_server *server)
{
	struct conn *conn;

	server->hold_requests = server->hold_items = server->held_items = 0;
	while ((conn = first_in_state(server, CONN_HELD))) {
		server->node->counters.held--;
		http_send_reply(conn);
	}
}

/* At the end of each turn: answers the waiters whose counters have been reached. */
static void on_turn(void *cookie)
{
	struct http_server *server = cookie;
	struct conn *conn = server->conns;

	while (conn) {
		struct conn *next = conn->next;
		if (conn->state == CONN_WAITING &&
		    control_reached(&server->node->counters, conn->wait_for)) {
			json_decref(conn->wait_for);
			conn->wait_for = NULL;
			http_send_reply(conn);
			next = server->conns; /* `next` may have been closed */
		}
		conn = next;
	}
}

static bool parse_address(const char *text, struct sockaddr_storage *out, socklen_t *bytes)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[64], *end;

	memset(out, 0, sizeof *out);
	if (!colon || (size_t)(colon - text) >= sizeof host)
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port > 65535)
		return false;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*bytes = sizeof *v4;
		return true;
	}
	size_t n = strlen(host);
	if (n < 2 || host[0] != '[' || host[n - 1] != ']')
		return false;
	host[n - 1] = 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	*bytes = sizeof *v6;
	return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}

static enum err open_listener(const char *listen_on, int *fd, unsigned *port,
			      struct err_detail *detail)
{
	struct sockaddr_storage address;
	socklen_t bytes;
	const int on = 1;

	if (!parse_address(listen_on, &address, &bytes))
		return err_set(detail, ERR_CONFIG, "--listen %s: ADDRESS:PORT is wanted",
			       listen_on);
	*fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_set(detail, ERR_IO, "socket: %s", strerror(errno));
	setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(*fd, (struct sockaddr *)&address, bytes) || listen(*fd, SOMAXCONN) ||
	    getsockname(*fd, (struct sockaddr *)&address, &bytes)) {
		err_set(detail, ERR_IO, "--listen %s: %s", listen_on, strerror(errno));
		close(*fd);
		return ERR_IO;
	}
	/* sin_port and sin6_port lie at the same place. */
	*port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	return OK;
}

enum err http_start(struct loop *loop, struct node *node, const char *listen_on,
		    struct http_server **out, unsigned *port, struct err_detail *detail)
{
	struct http_server *server = calloc(1, sizeof *server);

	if (!server)
		return err_set(detail, ERR_NOMEM, "out of memory");
	server->loop = loop;
	server->node = node;
	enum err err = open_listener(listen_on, &server->fd, port, detail);
	if (err != OK) {
		free(server);
		return err;
	}
	err = loop_fd_add(loop, &server->lfd, server->fd, LOOP_READ, on_listener, server);
	if (err != OK) {
		close(server->fd);
		free(server);
		return err_set(detail, err, "the event loop refuses the listener");
	}
	loop_hook_add(loop, &server->hook, on_turn, server);
	*out = server;
	return OK;
}

void http_free(struct http_server **server)
{
	if (!*server)
		return;
	while ((*server)->conns) {
		(*server)->conns->state = CONN_DONE;
		http_close((*server)->conns);
	}
	loop_fd_remove((*server)->loop, &(*server)->lfd);
	close((*server)->fd);
	free(*server);
	*server = NULL;
}
