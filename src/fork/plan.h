/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The plan of one upstream: what waits to be sent there, and when it leaves.
 *
 * Batch while busy: questions leave at the end of the loop turn, with all that arrived in
 * it, unless UPSTREAM_WINDOW requests are in flight; then they gather and leave when one
 * returns, a batch is full (items, or expected bytes), or max(1 ms, a sixteenth of the
 * round trip) has passed since the oldest of them was queued. Calls and traces (FORK_CALL
 * of those classes) travel alone, are not counted, and are bounded by PLAN_ALONE_MAX (by the
 * window while the upstream is throttled).
 *
 * Nothing leaves while the upstream is not ready, backs off, or has no budget left (a batch
 * holds no more than the budget does, and the queue that has waited longest goes first). While
 * it is throttled (window below UPSTREAM_WINDOW), time alone does not make questions leave.
 */
#include "base/loop.h"
#include "fork/flights.h"

struct post;

/* Requests in flight at most, whatever the time: connections of one upstream. */
#define PLAN_BUSY_MAX  64
#define PLAN_ALONE_MAX 32
/* Expected bytes of answers in one request: a reply stays far below POST_REPLY_MAX and
 * is parsed in a few milliseconds. */
#define PLAN_REPLY_BYTES ((size_t)4 << 20)
/* Bytes of what clients sent that share a request: many large ones may not fail each other
 * by passing POST_BODY_MAX together. */
#define PLAN_BODY_BYTES ((size_t)4 << 20)

struct plan {
	struct flight_queue gathering, alone;
	unsigned busy, alone_busy;
	struct loop_timer turn;	  /* the end of this loop turn */
	struct loop_timer window; /* the gathering's time, or the end of a back-off */
	struct post *sent;	  /* all requests in flight, either kind */
};

void plan_init(struct upstream *upstream);
/* Cancels the requests in flight and drops what was in them. */
void plan_release(struct upstream *upstream);

void plan_add(struct upstream *upstream, struct flight *flight);
/* Takes the flight back, at once and in front: it was refused in this form. */
void plan_again(struct upstream *upstream, struct flight *flight);
/* Something has changed: look at it at the end of the turn. */
void plan_touch(struct upstream *upstream);
/* Fails everything that waits: the upstream cannot be reached, or was disabled. */
void plan_fail(struct upstream *upstream, const struct failure *failure);
/* Bytes that the answer to the question is expected to have. */
size_t plan_expected_bytes(const struct fork_question *question);
