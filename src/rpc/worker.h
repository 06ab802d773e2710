/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A worker: one thread with one loop, one server socket, its own view of the stack.
 *
 * Workers share the stack, the fork back end and the chain, and nothing else.
 */
#include "rpc/chain.h"
#include "rpc/request.h"
#include "rpc/server.h"

struct worker;

struct worker_config {
	int listen_fd; /* taken: closed with the worker */
	struct stack *stack;
	struct fork *fork; /* NULL: offline */
	const struct chain *chain;
	const struct server_config *server; /* listen_fd, on_request, cookie are the worker's */
	struct request_limits limits;
	uint32_t in_flight; /* questions to the fork at once */
};

/* Makes everything and starts the thread. Borrows what config points to until worker_free. */
enum err worker_start(const struct worker_config *config, struct worker **out) WARN_UNUSED;
/* Any thread: stop accepting, finish what is in flight (at most timeout_us), end. */
void worker_stop(struct worker *worker, uint64_t timeout_us);
/* Waits for the thread to end. */
void worker_join(struct worker *worker);
/* After worker_join of all workers: any of them may be showing the others' counters. */
void worker_free(struct worker **worker);
const struct server_stats *worker_server_stats(const struct worker *worker);
const struct request_stats *worker_request_stats(const struct worker *worker);
