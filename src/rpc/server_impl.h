/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the HTTP server share: its structs, and who does what.
 *
 *   server.c          life, accepting, draining
 *   server_listen.c   the listening socket
 *   server_conn.c     a connection: receive, cut into requests, send, deadlines, close
 *   server_admit.c    judging a request by its head: host, path, method, token, types
 *   server_cors.c     what browsers are told about other pages' requests
 *   server_reply.c    exchanges: their replies, in order, whatever order they finish in
 *   server_gzip.c     compression of a finished body
 *
 * All of it belongs to the thread of the server's loop; only the statistics are read
 * elsewhere.
 *
 * A connection is closed only by its own event, its timer, or the server: never inside
 * http_reply_close, so a handler may answer many exchanges in a row. A reply that finishes
 * outside its connection's turn asks for writability, and leaves in the next turn.
 */
#include "rpc/http_chunked.h"
#include "rpc/http_head.h"
#include "rpc/http_memo.h"
#include "rpc/http_status.h"
#include "rpc/input.h"
#include "rpc/server.h"
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	/* Unsent reply bytes at which a connection's further requests have to wait. */
	OUT_HIGH_BYTES = 256 * 1024,
	/* Bodies that are still being answered, and answers that wait for earlier ones: as much
	 * of them as a connection may hold when it begins another request. */
	HELD_HIGH_BYTES = 1024 * 1024,
	/* A sender that takes less than this within send_ms is given up. */
	SEND_QUANTUM_BYTES = 64 * 1024,
	/* An output buffer up to this size is kept for the next connection that replies. */
	OUT_SPARE_BYTES = 256 * 1024,
	/* Beyond any use, and far below the offsets of struct http_head. */
	HEAD_BYTES_MAX = 16 * 1024 * 1024,
	/* After an error, what the client still sends is read and dropped so far, so that it
	 * sees the reply instead of a reset. */
	LINGER_BYTES = 16 * 1024 * 1024,
	LINGER_MS = 2000,
	/* Connections above the limit that may linger until they have read their 503. */
	OVERFLOW_CONNECTIONS = 64,
	/* The longest that accepting pauses when descriptors have run out: they may have become
	 * free elsewhere. */
	ACCEPT_PAUSE_MS = 100,
	/* Between two lines in the log about that. */
	EXHAUSTED_LOG_S = 60,
	/* Accepted in one turn, so that a flood does not starve the others. */
	ACCEPTS_PER_TURN = 64,
	EXCHANGE_POOL_MAX = 256,
	/* Below this size a compressed reply gains nothing on a network. */
	GZIP_MIN_BYTES = 4096,
};

#define MAGIC_EXCHANGE 0x48585843u
#define MAGIC_CONN     0x434f4e4eu
#define MAGIC_SERVER   0x53525652u

#define TEXT_PLAIN "text/plain; charset=utf-8"

struct conn;

struct http_exchange {
	uint32_t magic;
	struct conn *conn;
	struct http_exchange *next; /* the next one in the order of requests; or free list */
	struct input_block *block;  /* where the body lies */
	struct span body;
	loop_fn *on_abort;
	void *abort_cookie;
	const char *extra;    /* header lines for the reply */
	const char *cors;     /* the same; server_cors.c */
	unsigned retry_after; /* seconds */
	struct buf reply;     /* when others have to leave first */
	size_t reply_at;      /* where the room for the head begins */
	size_t held;	      /* its part of conn->held */
	bool open;
	bool direct; /* the reply is appended to the connection's output */
	bool done;
	bool head_only;
	bool keep_alive_1_0;
	bool accept_gzip;
};

enum conn_state {
	CONN_HEAD,    /* of the next request, which may not have begun */
	CONN_BODY,    /* Content-Length */
	CONN_CHUNKED, /* Transfer-Encoding */
	CONN_ENDING,  /* no further request is read; replies are still due */
	CONN_LINGER,  /* everything has been sent; waiting for the client's end */
	CONN_CLOSED,
};

/* What a connection is waiting for, each with its time limit. */
enum conn_wait {
	WAIT_UNSET,  /* to be set anew: there has been progress */
	WAIT_ANSWER, /* no limit here: the handler has its own */
	WAIT_IDLE,
	WAIT_HEAD,
	WAIT_BODY,
	WAIT_SEND,
	WAIT_LINGER,
};

struct conn {
	uint32_t magic;
	uint8_t state;	   /* enum conn_state */
	uint8_t wait;	   /* enum conn_wait */
	bool eof;	   /* the client has gone; what is in out may still reach it */
	bool fresh;	   /* nothing has been received yet */
	bool in_turn;	   /* its own event is being handled: replies are sent at its end */
	bool linger;	   /* the client may still be sending when the last reply leaves */
	bool broken;	   /* memory was refused in the middle of a reply: close */
	bool continue_due; /* 100 Continue, as soon as earlier replies have left */
	bool loopback;
	bool counted; /* in connections_now and against the limit; the others got a 503 */
	uint32_t inflight;
	uint32_t retry_after; /* seconds; the request that is being read will be refused */
	uint64_t client;      /* whose rate it is: rates_client */
	size_t held;	      /* bytes of bodies and of waiting replies of those in flight */
	struct server *server;
	struct conn *next, **link; /* all of the server's */
	struct loop_fd lfd;

	struct loop_timer timer; /* moved only forward; the truth is deadline_us */
	uint64_t deadline_us;	 /* UINT64_MAX: none */
	size_t send_mark;	 /* bytes sent since the send deadline was set */

	struct input input;
	struct http_head head;
	struct http_chunked chunked;
	const struct http_route
		*route;	 /* of the request that is being read; NULL: on_request */
	size_t body_len; /* decoded so far, when chunked */
	size_t raw_at;	 /* where the undecoded bytes begin, from the head's first byte */

	struct buf out;
	size_t out_sent;
	size_t accounted;     /* its part of server->output */
	size_t dropped_bytes; /* received after the last request */
	struct http_exchange *first, *last;
};

struct server {
	uint32_t magic;
	struct loop *loop;
	struct server_config config;
	struct server_stats stats;
	struct conn *conns;
	struct loop_fd listen_lfd;
	int reserve_fd;	       /* given up to accept and close when descriptors have run out */
	uint64_t exhausted_us; /* before this time it is not logged again */
	struct server_group *group, alone;
	unsigned overflow;
	char **cors; /* header lines, a set for each of config.origins */

	struct loop_timer timer; /* pause of accepting; when draining, its end */
	bool paused;
	bool draining, drained;
	loop_fn *drain_done;
	void *drain_cookie;

	struct http_memo heads;
	struct input_pool inputs;
	size_t output; /* bytes in the connections' outputs, and held by exchanges */
	struct http_exchange *exchanges; /* free ones */
	unsigned exchanges_n;
	struct buf spare_out;	 /* memory for the next reply */
	struct z_stream_s *gzip; /* NULL until needed */
	char date[HTTP_DATE_LEN + 1];
	uint64_t date_until_us; /* when it has to be written anew */
};

/* Only the worker's thread writes, so no locked instruction is needed. */
static inline void stat_add(atomic_ullong *counter, unsigned long long n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* recv(2) and send(2) are points of cancellation: in a program with threads the library makes
 * two locked instructions around each. Nobody cancels a thread here. */
static inline ssize_t socket_receive(int fd, void *to, size_t room)
{
	return syscall(SYS_recvfrom, fd, to, room, 0, NULL, NULL);
}

static inline ssize_t socket_send(int fd, const void *bytes, size_t n)
{
	return syscall(SYS_sendto, fd, bytes, n, MSG_NOSIGNAL, NULL, 0);
}

/* --- server.c --- */
/* After a connection is gone. */
void server_conn_gone(struct server *server, bool counted);

/* --- server_listen.c --- */
bool address_is_loopback(const struct sockaddr_storage *address);

/* --- server_conn.c --- */
/* Takes fd. */
enum err conn_new(struct server *server, int fd, const struct sockaddr_storage *peer,
		  bool counted, struct conn **out) WARN_UNUSED;
/* Answers with an error and ends the connection when the reply has been sent. */
void conn_refuse(struct conn *conn, unsigned status, const char *text);
/* Handles what there is and sends what is due; may close the connection. */
void conn_turn(struct conn *conn);
/* A reply has been finished, or must not be: see in_turn. */
void conn_poke(struct conn *conn);
void conn_close(struct conn *conn);
static inline bool conn_is_idle(const struct conn *conn)
{
	return conn->state == CONN_HEAD && input_len(&conn->input) == 0 &&
	       conn->inflight == 0 && conn->out.len == 0;
}

/* --- server_admit.c --- */
struct verdict {
	unsigned status; /* 0: go on */
	const char *text;
	const char *extra;
	const struct http_route *route; /* NULL: config.on_request */
};
/* Judges conn->head, whose bytes begin at `bytes`. */
struct verdict server_admit(struct server *server, const struct http_head *head,
			    const char *bytes);
/* Whether the bytes begin with a head like one that has been admitted, as JSON-RPC. If so, it
 * is in *head, read; else *head stays. */
bool server_knows(const struct server *server, const char *bytes, size_t len,
		  struct http_head *head);

/* --- server_cors.c --- */
/* The lines of all origins. ERR_NOMEM. */
enum err server_cors_init(struct server *server) WARN_UNUSED;
void server_cors_release(struct server *server);
/* The lines for the reply to this request; NULL: none. */
const char *server_cors_lines(const struct server *server, const struct http_head *head,
			      const char *bytes);
/* Whether the request's Origin is one of the configured. */
bool server_origin_allowed(const struct server *server, const struct http_head *head,
			   const char *bytes);
/* The answer to a preflight. */
extern const struct http_route server_preflight;

/* --- server_reply.c --- */
/* The next exchange of the connection, with a reply due; NULL: no memory. */
struct http_exchange *exchange_new(struct conn *conn);
/* Runs the aborts of all that are not done. */
void exchange_abort_all(struct conn *conn);
void exchange_pool_release(struct server *server);
/* Memory for conn->out, if another connection has left some. */
void out_take_spare(struct conn *conn);
void out_give_back(struct conn *conn);
/* The exchange keeps so many bytes more until it is gone. */
void exchange_hold(struct http_exchange *exchange, size_t bytes);

/* --- server_gzip.c --- */
/* Replaces the body that begins at body_at by its compressed form; false if that is not
 * smaller, or memory is refused: then the buffer is as it was. */
bool server_gzip(struct server *server, struct buf *buf, size_t body_at);
void server_gzip_release(struct server *server);
