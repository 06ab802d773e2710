/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Flights: one question that is being asked, once, whoever asks; and the table of them.
 *
 * The key of a state question is (kind, block, address, slot); that of a FORK_CALL is the
 * method and the caller's tag (method and params where the tag is empty). Later askers join
 * as followers. A flight owns its memory, since the first follower may leave.
 *
 *   planned   in a queue of an upstream's plan
 *   sent      in a request; lands, whether or not somebody still waits
 *   waiting   between two attempts (its timer runs)
 *
 * A flight that loses its last follower is dropped unless it has been sent; one that was
 * sent lands, goes to on_answer, and is freed. Every follower has a deadline of its own,
 * counted from its submission: who joins late waits as long as anybody else. Deadlines of a
 * class are equally long, so each class has one list in order of submission, and one timer
 * watches the three heads.
 *
 * All of it belongs to the fork thread.
 */
#include "base/loop.h"
#include "fork/failure.h"
#include "fork/fork.h"
#include <stdatomic.h>

struct fork_op;
struct upstream;
struct flight;

struct flight_queue {
	struct flight *first, *last;
	size_t n;
	size_t expected_bytes; /* of the answers to all that is queued */
};

enum flight_state { FLIGHT_NEW, FLIGHT_PLANNED, FLIGHT_SENT, FLIGHT_WAITING };

struct flight {
	struct fork *fork;
	enum flight_state state;
	struct flight *hash_next;
	uint64_t hash;
	bool in_table;
	struct flight_queue *queue; /* planned: where */
	struct flight *next, *prev;
	uint64_t queued_us;
	struct upstream *upstream; /* planned at or sent to */
	struct fork_op *followers;
	struct loop_timer timer;
	uint64_t tried;	   /* bit per upstream asked in this round */
	uint64_t asked;	   /* and ever */
	unsigned attempts; /* requests that brought nothing */
	unsigned rounds;   /* times that all upstreams were tried */
	bool plain;	   /* a composite answer failed it: ask it by a call of its own */
	bool likely;	   /* last_error is likely to be the answer */
	bool no_method;	   /* and it says that the method is not there */
	bool sent;	   /* the last upstream that it was sent to may have got it */
	bool have;	   /* composite answers: value was filled in by this answer */
	bool named;	   /* eth_getStorageValues: so with the address, of its first flight */
	struct failure last;
	struct blob *last_error;       /* FORK_CALL: the error object that came last; own */
	struct fork_answer found;      /* of a composite answer, with have */
	struct fork_question question; /* spans into bytes */
	char bytes[];
};

/* What goes with last_error as an answer. */
static inline enum err flight_error(const struct flight *flight)
{
	return flight->likely && flight->no_method ? ERR_UNSUPPORTED : ERR_UPSTREAM;
}

/* Whether the question names its block by hash, in a form that an upstream may refuse. */
static inline bool question_by_hash(const struct fork_question *q)
{
	return q->block.by_hash && (q->kind != FORK_CALL || q->by_hash_len > 0);
}

struct flights {
	struct flight **buckets;
	size_t mask;
	atomic_size_t n; /* any thread reads it */
	uint64_t seed;
	struct {
		struct fork_op *first, *last;
	} due[FORK_CLASSES];
	struct loop_timer timer;
};

enum err flights_init(struct fork *fork) WARN_UNUSED;
/* Frees every flight that is left; nobody may wait for one. */
void flights_release(struct fork *fork);

/* Joins op to the flight of its question, or starts one and dispatches it. An op that
 * cannot be taken is answered ERR_NOMEM. */
void flights_submit(struct fork *fork, struct fork_op *op);
/* Takes op off its flight, which is dropped if it was the last and nothing was sent. */
void flights_leave(struct fork *fork, struct fork_op *op);

/* The last of its followers' deadlines; 0: nobody waits. */
uint64_t flight_due_us(const struct flight *flight);

/* Ends a flight: on_answer (for OK and the errors of calls), then every follower; frees it. */
void flight_answer(struct flight *flight, const struct fork_answer *answer);
/* Ends a flight that nobody got an answer from: says what was tried. */
void flight_fail(struct flight *flight, enum err err);
/* Ends it without a word; it has no followers. */
void flight_drop(struct flight *flight);

void queue_append(struct flight_queue *queue, struct flight *flight);
/* At the front, keeping its place in time: for what was taken and could not leave. */
void queue_prepend(struct flight_queue *queue, struct flight *flight);
void queue_remove(struct flight *flight);
