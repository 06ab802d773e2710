/* SPDX-License-Identifier: MIT */
#pragma once
/* Shared by http.c (listening, reading, the barrier) and http_send.c (replies). */
#include "mock_node/http.h"
#include "mock_node/rpc.h"
#include <http_parser.h>

enum conn_state {
	CONN_READING, /* a request, or the lack of one */
	CONN_WAITING, /* a control request, for counters */
	CONN_HELD,    /* by the barrier */
	CONN_DELAYED, /* by the timer */
	CONN_SENDING,
	CONN_SILENT, /* never to be answered */
	CONN_DONE,   /* answered, and to be closed or read on */
};

struct conn {
	struct http_server *server;
	struct conn *next, *previous;
	struct loop_fd lfd;
	struct loop_timer timer;
	int fd;
	enum conn_state state;
	http_parser parser;
	bool complete;		    /* a whole request is there */
	bool value_seen, head_open; /* of the header lines being gathered */
	bool counted;		    /* as in flight */
	size_t url_bytes;
	struct buf in;	 /* bytes that came in and were not parsed yet */
	struct buf head; /* URL, then "name: value" lines */
	struct buf body;
	struct reply reply;
	struct buf out;
	size_t sent, sendable; /* sendable: what the bandwidth has allowed so far */
	json_t *wait_for;
};

struct http_server {
	struct loop *loop;
	struct node *node;
	struct loop_fd lfd;
	struct loop_hook hook;
	int fd;
	struct conn *conns;
	uint64_t hold_requests, hold_items; /* both 0: no barrier */
	uint64_t held_items;
};

/* Starts the delay and then the transfer of conn->reply. May close the connection. */
void http_send_reply(struct conn *conn);
/* Goes on with a transfer. May close the connection. */
void http_send_more(struct conn *conn);
/* Called by http_send.c when a reply is out: reads on or closes. */
void http_reply_done(struct conn *conn);
void http_close(struct conn *conn);
/* Forgets about a reply that is not to be sent again. */
void http_close_hard(struct conn *conn);
