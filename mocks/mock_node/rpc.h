/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One HTTP body to one reply: JSON-RPC 2.0 with batches, as go-ethereum answers it, bent by
 * the script. Knows no socket: http.c carries out what the reply says.
 */
#include "base/buf.h"
#include "base/span.h"
#include <stdint.h>

struct node;

/* How the reply leaves. */
enum delivery {
	DELIVER,
	DELIVER_TRUNCATED, /* Content-Length of all, half of the body, then FIN */
	DELIVER_RESET,	   /* RST in place of an answer */
	DELIVER_FIN,	   /* FIN in place of an answer */
	DELIVER_NEVER,	   /* no answer; the connection stays */
};

struct reply {
	struct buf body;
	enum delivery delivery;
	int status;
	int64_t retry_after; /* -1: the header is not sent */
	const char *content_type;
	bool gzip, chunked, close;
	uint64_t items;
	uint64_t delay_us; /* besides the script's latency */
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* Fills an initialised reply. Replies are made when the request arrives: what is held back
 * or delayed says what was true then. A reply whose buffer failed is an HTTP 500. */
void rpc_handle(struct node *node, struct span body, uint64_t now_us, struct reply *reply);
/* Answers as a node that has no script, knows every block that ever was, and counts nothing. */
void rpc_truth(struct node *node, struct span body, struct reply *reply);
