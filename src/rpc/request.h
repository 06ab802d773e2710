/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One HTTP body with JSON-RPC in it: a single call or a batch, and the reply to it.
 *
 * The body is scanned whole before anything is looked up (a syntax error anywhere is one
 * -32700). All calls begin, which hashes their keys and prefetches; then all run, which
 * looks up, and asks the remote node for what is missing, together; when the last is
 * answered the reply is written in the order of the request.
 *
 * Requests are pooled by their worker: one whose calls all hit allocates nothing.
 */
#include "rpc/call.h"
#include "rpc/server.h"

struct request_pool;

/* Counts of one worker: written by it, read by any (relaxed). */
struct request_stats {
	atomic_ullong requests, batches, calls, waited; /* waited: calls that went upstream */
	atomic_ullong errors;				/* calls answered with an error */
	atomic_ullong *by_method;			/* method_count() of them */
};

struct request_limits {	      /* 0: the default in parentheses */
	uint32_t batch_items; /* (1,000) */
	size_t reply_bytes;   /* (25 MiB) of a batch; later items get -32003 */
	size_t arena_bytes;   /* (64 MiB) of one request */
	unsigned depth;	      /* (64) */
};

/* view and chain are borrowed until request_pool_free. */
enum err request_pool_new(struct stack_view *view, const struct chain *chain,
			  const struct request_limits *limits,
			  struct request_pool **out) WARN_UNUSED;
/* All requests must have been answered or aborted. */
void request_pool_free(struct request_pool **pool);
const struct request_stats *request_stats(const struct request_pool *pool);

/* The server's on_request; its cookie is the pool. */
http_request_fn request_start;
