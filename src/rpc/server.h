/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The HTTP/1.1 server of one worker: connections on the worker's loop, requests in, replies
 * out, everything bounded and under a deadline. Framing is http_head.h's and http_chunked.h's;
 * what is refused besides, and how, is in server_admit.c.
 *
 * A complete request is a struct http_exchange, given to on_request with its body borrowed
 * until the reply is finished. The handler either replies at once (append the body to
 * http_reply_open, then http_reply_close) or keeps the pointer and does so later, on the
 * same thread. Replies of pipelined requests leave in order, whatever order they finish in.
 * If the client goes first, the exchange's on_abort runs and the exchange is gone after it;
 * it does not run once http_reply_close has been called.
 *
 * An immediate reply on a keep-alive connection allocates nothing: the connection's input
 * and output buffers are reused, and the body is written behind room left for the head.
 * Several loop turns of pipelined hits cost one send each turn.
 *
 * All servers of a process may listen on one address (SO_REUSEPORT), one a worker; what is
 * counted over all of them is in a struct server_group.
 *
 * A client's rate (rates.h) is charged one call by every request, whatever becomes of it, and
 * what a batch holds besides by http_charge. Who is over it is told 429 and when to come again.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/secret.h"
#include <stdatomic.h>

struct server;
struct http_exchange;
struct rates;

/* The routes that are not JSON-RPC; POST "/" is. */
typedef void http_request_fn(void *cookie, struct http_exchange *exchange);
struct http_route {
	const char *path;    /* "/healthz"; exact, the query is cut off */
	http_request_fn *fn; /* for GET; HEAD is answered from it without the body */
	void *cookie;
	bool needs_token;
};

#define ORIGIN_BYTES_MAX 255

struct server_limits {	    /* 0: the default in parentheses */
	size_t head_bytes;  /* (16 KiB) else 431 */
	size_t body_bytes;  /* (5 MiB) else 413 */
	size_t reply_bytes; /* (64 MiB) else 500 */
	/* Of all connections of the server together; at least four times the largest one: */
	size_t input_bytes;   /* (256 MiB) of long bodies that are held: else 503 */
	size_t output_bytes;  /* (512 MiB) of replies that are not read: further requests 503 */
	uint32_t connections; /* (4,096) of the group; further ones are told 503 and closed */
	uint32_t pipeline;    /* (64) requests in flight a connection: reading pauses */
	uint32_t head_ms, body_ms, idle_ms, send_ms; /* (10 s, 30 s, 120 s, 30 s) */
};

/* What all servers of a process share; zeroed at first. Any thread. */
struct server_group {
	atomic_uint connections; /* of all of them that are held against the limit */
	struct rates *rates;	 /* NULL: a client may make as many calls as it likes */
};

struct server_config {
	int listen_fd; /* listening socket, owned by the caller */
	struct server_limits limits;
	const char *const *hosts; /* Host names allowed besides localhost and IP literals */
	size_t hosts_n;
	/* Whose pages a browser lets read the replies: origins ("https://app.example") of at
	 * most ORIGIN_BYTES_MAX bytes, or "*". None: no header of CORS is ever sent. */
	const char *const *origins;
	size_t origins_n;
	const struct secret *token; /* Bearer token; NULL: none asked for */
	const struct http_route *routes;
	size_t routes_n;
	http_request_fn *on_request; /* POST / */
	void *cookie;
	struct server_group *group; /* outlives the server; NULL: it is alone */
};

/* Written by the worker's thread, read by any: relaxed atomics. */
struct server_stats {
	atomic_ullong connections, connections_now, requests, bytes_in, bytes_out, refused;
	atomic_ullong limited;	 /* refused for the client's rate */
	atomic_ullong status[6]; /* by first digit */
};

/* Opens a listening socket: "127.0.0.1:8545", "[::1]:8545", "localhost:0". Non-blocking,
 * close-on-exec, SO_REUSEADDR, SO_REUSEPORT if share. *port: the one that was bound.
 * ERR_INVALID, ERR_IO (address in use, no permission): detail says which. */
enum err server_listen(const char *address, bool share, int *fd, unsigned *port,
		       struct err_detail *detail) WARN_UNUSED;
/* Whether such an address, which nobody listens on yet, can be reached from this machine only.
 * ERR_INVALID: server_listen could not read it either; detail as there. */
enum err server_is_loopback(const char *address, bool *loopback,
			    struct err_detail *detail) WARN_UNUSED;

/* Borrows the config's pointers until server_free. */
enum err server_new(struct loop *loop, const struct server_config *config,
		    struct server **out) WARN_UNUSED;
/* Stops listening (the socket refuses connections from then on), closes idle connections, lets
 * requests in flight finish; then, or after timeout_us, done runs (once) and every connection
 * is closed. */
void server_drain(struct server *server, uint64_t timeout_us, loop_fn *done, void *cookie);
/* Closes everything at once (on_abort runs for what is left). Not from on_request, a route or
 * on_abort, whose connection is still in use; from drain's done it may be. */
void server_free(struct server **server);
const struct server_stats *server_stats(const struct server *server);

/* The request's body; borrowed until http_reply_close. */
struct span http_body(const struct http_exchange *exchange);
/* The body holds so many calls: the client's rate is charged with all but the first, which
 * the request has paid for. */
void http_charge(struct http_exchange *exchange, uint32_t calls);
void http_on_abort(struct http_exchange *exchange, loop_fn *fn, void *cookie);
/* Where the body of the reply is appended. Only one is open at a time on a connection's
 * turn: open, append, close, without returning to the loop between. */
struct buf *http_reply_open(struct http_exchange *exchange);
/* Finishes the reply; a body that failed its limit becomes a 500 that says so. The exchange
 * is gone afterwards. content_type NULL: application/json. */
void http_reply_close(struct http_exchange *exchange, unsigned status,
		      const char *content_type);
