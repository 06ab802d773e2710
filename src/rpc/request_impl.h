/* SPDX-License-Identifier: MIT */
#pragma once
/* What request.c (bodies and replies) and request_heads.c (the head that a body sees) share. */
#include "base/buf.h"
#include "rpc/heads.h"
#include "rpc/request.h"

struct request {
	struct request_pool *pool;
	struct http_exchange *exchange;
	struct arena arena;
	struct call *calls;
	uint32_t n, capacity;
	uint32_t left; /* calls not answered yet */
	bool is_batch;
	/* Following: what each tag means in this body, once it has been needed. */
	struct heads_seen *seen[HEADS_TAGS];
	struct heads_wait wait;
	bool suspect;	   /* an upstream lacks what the head says: was it reorganised away? */
	bool looking;	   /* waits for the head of now, all calls being answered */
	unsigned restarts; /* times that it ran under another head */
	bool starting;	   /* calls are being run: the last answer does not reply yet */
	struct request *next_free;
};

struct request_pool {
	struct stack_view *view;
	const struct chain *chain;
	struct heads_view *heads; /* NULL: pinned */
	struct request_limits limits;
	struct request *free;
	unsigned free_n;
	struct buf scratch;	   /* see call_scratch */
	struct ability *abilities; /* method_count() of them */
	struct request_stats stats;
};

/* Begins the calls that have no answer and wait for nothing, then runs them. */
void request_run(struct request *request);
/* All calls are answered: replies, and gives the request back. */
void request_reply(struct request *request);
/* The same, unless the head has to be looked at again. */
void request_settled(struct request *request);
/* Gives back what it sees of the chain, and waits no more. */
void request_forget_heads(struct request *request);
