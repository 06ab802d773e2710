/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One upstream: what it can do, how it is, and whether it may be asked.
 *
 *   unprobed   nothing is known, or the connection broke since: probe before use
 *   probing    questions wait in the plan
 *   ready
 *   disabled   another chain, or another block under the pinned number; looked at again
 *              after a minute
 *
 * Health: a failed request starts a back-off (50 ms doubling, at most 2 s, or Retry-After)
 * during which nothing new is sent; requests in flight that were sent before say nothing
 * about it. With Retry-After what waits here goes elsewhere, or gets an error at once where
 * the time asked for is beyond its deadline (retry.h). The share of failures is a moving
 * average (1/8); above one half another upstream is preferred. Being rate limited also shrinks
 * what may be in flight (window) and the items of a request (burst); successes let both grow
 * again. Where the rate is known (fork_config.upstream_rate) requests wait in the plan
 * instead; an upstream with a second's worth of them is passed over for one that is well and
 * has less to do.
 *
 * It belongs to the fork thread, but for what fork_stats shows: those fields are atomic.
 */
#include "base/loop.h"
#include "fork/ability.h"
#include "fork/budget.h"
#include "fork/client.h"
#include "fork/failure.h"
#include "fork/plan.h"
#include "fork/probe.h"
#include "fork/redact.h"
#include <stdatomic.h>

struct fork;
struct flight;

enum upstream_state { UPSTREAM_UNPROBED, UPSTREAM_PROBING, UPSTREAM_READY, UPSTREAM_DISABLED };

/* Requests in flight beyond which questions gather (DESIGN section 5). */
#define UPSTREAM_WINDOW 4
/* Blocks that an upstream is remembered not to have; more are asked for again. */
#define UPSTREAM_LACKS 16

struct upstream {
	struct fork *fork;
	unsigned index;
	struct client_target *target;
	const char *host; /* borrowed from target */
	struct redact secrets;
	struct plan plan;
	struct budget budget;
	struct probe probe;

	_Atomic(enum upstream_state) state;
	atomic_bool probed_once, is_dev;
	bool pin_checked;   /* has shown the pinned block (pin.c) */
	uint64_t chain_id;  /* as last probed */
	uint64_t proved_us; /* last sign of the one that was probed (upstream_proved) */
	uint64_t disabled_us;
	char disabled_why[FAILURE_WHY_BYTES];

	/* The capability ladder. */
	struct ability storage_values, account_info;
	struct ability block_hash; /* {"blockHash"} as the block parameter */
	/* Items it takes in one request, as learned from refusals. Twice as many are tried
	 * after the wait, which is longer after each refusal of that. */
	atomic_uint batch_limit;
	unsigned batch_strikes; /* batches in a row that brought nothing usable */
	uint64_t batch_strike_us;
	bool limit_raised;
	uint64_t limit_wait_us, limit_again_us;

	unsigned burst, window;
	unsigned failures_in_row;
	bool wants_probe; /* while others are used: is it well again? */
	uint64_t nursed_us;
	uint64_t failed_us, backoff_until_us;
	uint64_t told_until_us;	 /* what part of the back-off it has asked for (Retry-After) */
	atomic_uint error_share; /* of 65,536 */
	struct {
		uint64_t number, until_us;
	} lacks[UPSTREAM_LACKS];

	atomic_ullong rtt_us, in_flight, requests, items, bytes_in, bytes_out, rate_limited,
		failures;
};

enum err upstream_init(struct upstream *upstream, struct fork *fork, unsigned index,
		       const struct fork_upstream_config *config,
		       struct err_detail *detail) WARN_UNUSED;
void upstream_release(struct upstream *upstream);

/* The upstream to ask next: the first in order of preference that is well, was not tried
 * in this round and is not known to lack the block, nor has too much to do; at the start of
 * a round the least bad one if none is well. NULL: none is left (in this round, or at all). */
struct upstream *upstream_choose(struct flight *flight);
/* May be used at all: not disabled (any more). */
bool upstream_usable(struct upstream *upstream);

void upstream_succeeded(struct upstream *upstream, uint64_t sent_us, uint64_t elapsed_us,
			bool measures);
/* items: how many questions the request held. retry_after_ms: -1 when not said. */
void upstream_failed(struct upstream *upstream, const struct failure *failure, size_t items,
		     int64_t retry_after_ms);
/* A probe went well. */
void upstream_recovered(struct upstream *upstream);
/* The connection broke: who answers next must say again which chain it is. */
void upstream_distrust(struct upstream *upstream);
/*
 * Whether a reply is of whom the probe looked at: no connection was opened since the last
 * reply of which that is known, or so shortly after it that nobody can have taken the
 * address over. A node that was restarted has broken all its connections, and libcurl makes
 * new ones without a word.
 */
bool upstream_proved(struct upstream *upstream, uint64_t opened_us);
void upstream_disable(struct upstream *upstream, const char *why);
void upstream_note_lack(struct upstream *upstream, uint64_t block_number);
/* It does not take that many items in one request. */
void upstream_lower_limit(struct upstream *upstream, size_t limit);
/* It has answered a batch of so many. */
void upstream_took_batch(struct upstream *upstream, size_t items);
/* What was refused long ago may be tried again. */
void upstream_renew(struct upstream *upstream);
/* Items that one request may hold now. */
size_t upstream_items_max(const struct upstream *upstream);
void upstream_stats(struct upstream *upstream, struct fork_upstream_stats *out);
