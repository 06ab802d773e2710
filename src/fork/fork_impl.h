/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The engine behind fork.h: what its files share. It belongs to the fork thread, except
 * for the fields that say otherwise. engine_new runs it on a loop of the caller's, without
 * a thread: that is how unit tests drive it on virtual time.
 */
#include "base/loop.h"
#include "fork/client.h"
#include "fork/flights.h"
#include "fork/fork.h"
#include "fork/pin.h"
#include "fork/port.h"
#include "fork/upstream.h"
#include <pthread.h>
#include <stdatomic.h>

/* flight.tried is a mask of this many bits. */
#define FORK_UPSTREAMS_MAX 64

struct fork {
	struct loop *loop;
	struct client *client;
	struct upstream *upstreams;
	size_t upstreams_n;
	struct flights flights;
	struct pin pin;

	/* configuration */
	uint32_t deadline_ms[FORK_CLASSES];
	uint32_t batch_items;
	uint32_t upstream_rate;
	uint64_t required_chain_id;
	bool trust_dev_upstream;
	fork_check_fn *check;
	fork_answer_fn *on_answer;
	void *cookie;

	/* what was agreed */
	uint64_t chain_id; /* 0: not yet */
	bool pinned;
	struct fork_block pinned_block;

	uint64_t next_id; /* of a JSON-RPC call */
	uint64_t random;

	/* ports: any thread adds under the lock, the fork thread removes */
	pthread_mutex_t ports_lock;
	struct fork_port *ports;
	struct fork_port *answered; /* ports to be woken */
	bool has_wake;
	struct loop_wake wake;

	/* stopping: set by fork_stop's caller, then the wake */
	atomic_bool stop;
	bool stopping;
	struct loop_timer stop_timer;

	/* a command from fork_pin's caller, under its lock */
	pthread_mutex_t command_lock;
	pthread_cond_t command_done;
	struct pin_command *command;
	bool ended; /* the thread's loop: nobody takes a command any more */

	pthread_t thread;
	enum err loop_err;

	/* any thread, relaxed */
	atomic_ullong questions, joined, flights_started, answered_n, failed_n, retries,
		failovers;
	atomic_ullong errors[ERR_CANCELLED + 1];
};

/* Borrows loop, which must outlive the engine. */
enum err engine_new(struct loop *loop, const struct fork_config *config, struct fork **out,
		    struct err_detail *detail) WARN_UNUSED;
/* Ports must have been closed and drained. Abandons what is in flight. */
void engine_free(struct fork **fork);

/* A request has landed: stopping may be over. */
void fork_landed(struct fork *fork);

/* 0..65535. */
uint32_t fork_random(struct fork *fork);

static inline void fork_count(atomic_ullong *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
