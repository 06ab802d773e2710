/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What stands behind a struct fc_state and a struct fc_op: one engine for all ways to wait.
 *
 * An operation steps: each of its reads is tried; what they lack becomes wants (fetches.h);
 * when all of those have landed it steps again, until nothing is lacking. A want that has
 * failed fails the reads that lack it. A call that waits is an operation on the stack that the
 * handle's loop is turned for; a resumable read notes what it lacks instead.
 *
 * Steps run in engine_run: after a start, and at the end of each turn of the loop, so that what
 * landed in one turn is looked at together, and what is lacking then leaves together. Callbacks
 * run in fc_dispatch only, outside of the turn: they may start operations, and wait.
 */
#include "api/db_impl.h"
#include "api/err.h"
#include "api/fetches.h"
#include "api/notes.h"
#include "api/values.h"
#include "base/loop.h"
#include "layers/root.h"

struct op_callback {
	fc_op_fn *fn;
	void *cookie;
	struct fc_op *op;
	struct op_callback *next; /* of the operation, in the order of adding */
	struct op_callback *ready_next, *ready_prev; /* of the handle, once it has ended */
	bool ready;
	uint64_t order; /* of becoming ready */
};

#define NO_ASK SIZE_MAX
enum op_kind { OP_READS, OP_NEEDS, OP_ROOT };

struct fc_op {
	enum op_kind kind;
	enum fc_priority priority;
	struct fc_state *handle; /* NULL: it is gone */
	bool started, ended, cancelled, runnable;
	enum fc_err err;
	size_t failed_at; /* the first read that has failed */
	char detail[FC_DETAIL_BYTES];

	struct fc_read *reads; /* err is FC_PENDING until a read is done */
	size_t n;
	bool owns_reads;

	struct need_map wants; /* of reads: what has been asked for, landed or not */
	struct want *first_want;
	size_t waiting; /* wants that have not landed */

	struct root_job *job; /* OP_ROOT; reads with proofs, before they are tried */
	bool rooted;	      /* of reads: it has been computed, or failed, in the last step */
	bool again;	      /* of reads: this step has to be done again */
	size_t *asks;	      /* of reads: what root_job_ask called each, or NO_ASK */
	struct eth_bytes32 root;

	struct op_callback *callbacks, **callbacks_end;
	struct fc_op *next, *prev;   /* all operations of the handle */
	struct fc_op *runnable_next; /* the queue of those that can step */
};

struct fc_state {
	struct fc_db *db;
	struct loop *loop;
	struct loop_hook turn_end;
	struct loop_wake poke; /* makes fc_fd readable while callbacks wait for fc_dispatch */
	struct state *state;
	struct root_view *roots; /* NULL until a root is wanted */
	/* The same while there are fed values, with tries that no other handle sees. */
	struct root_cache *fed_roots;
	struct root_view *fed_view;
	enum fc_wait wait;
	uint32_t operations_max, in_flight; /* operations that have not ended */
	struct fetches fetches;
	struct notes notes;
	struct needs scratch; /* empty between calls */

	struct fc_op *ops;
	struct fc_op *runnable, **runnable_end;
	struct op_callback *ready, *ready_last;
	uint64_t ready_order;
	bool running, dispatching;
	bool keeps; /* what has landed: it is read after the operation that fetched it */
	bool fed;   /* by the caller, since fc_clear_cache */
	char detail[FC_DETAIL_BYTES];
};

/* handle.c: whether there are values from the caller. */
void handle_set_fed(struct fc_state *s, bool fed);

/* ---- the engine: op.c ---- */

/* Zeroes and fills all but what is to be done. */
void op_init(struct fc_op *op, struct fc_state *handle, enum op_kind kind,
	     enum fc_priority priority);
/* Takes the array as what to read: each row is checked, and waits for its first try. */
void op_set_reads(struct fc_op *op, struct fc_read *reads, size_t n);
/* One more fetch that has to land before the next step. *out (NULL allowed) is the
 * operation's until it ends. */
enum err op_want(struct fc_op *op, const struct need *need, enum want_for purpose,
		 struct want **out) WARN_UNUSED;
/* What has landed for it may not be here any more: it is asked for again. */
void op_forget_landed(struct fc_op *op);
/* Steps it for the first time; what it lacks has left when this returns. */
void op_start(struct fc_op *op);
/* Starts it, turns the loop until it has ended, and empties it; the error, with its detail in
 * the handle's. */
enum fc_err op_run(struct fc_op *op);
/* Ends it, if it has not, with this error. */
void op_abort(struct fc_op *op, enum fc_err err);
/* Its callbacks do not run any more. */
void op_drop_callbacks(struct fc_op *op);
/* Puts the callback of an operation that has ended where fc_dispatch finds it; and away. */
void callback_make_ready(struct fc_state *s, struct op_callback *callback);
void callback_unready(struct fc_state *s, struct op_callback *callback);
/* Frees what it holds, ended or not; its owned reads, too. Not the struct. */
void op_release(struct fc_op *op);
/* Ends what is started and frees what the handle holds for it; operations stay to be freed. */
void engine_detach(struct fc_state *s);
/* Steps what can, and starts what there is room for. */
void engine_run(struct fc_state *s);
/* One turn of the loop. */
enum err engine_turn(struct fc_state *s, int64_t timeout_us);
/* The end of every public call that has read, turned or fetched. */
void engine_rest(struct fc_state *s);

/* One of its reads has failed: err and detail. */
void op_read_failed(struct fc_op *op, size_t i, enum err err, const char *why);

/* ---- details: detail.c ---- */

/* "slot 0x… of 0x… at block 19: why"; the error for the caller. */
enum fc_err detail_of_need(const struct fc_state *s, const struct need *need, enum err err,
			   const char *why, char out[FC_DETAIL_BYTES]);
enum fc_err detail_of_read(const struct fc_state *s, const struct fc_read *read, enum err err,
			   const char *why, char out[FC_DETAIL_BYTES]);
/* Into the handle's; returns err. */
enum fc_err state_fail(struct fc_state *s, enum fc_err err, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* What failed below, in the words of the header; why may be NULL. */
enum fc_err state_fail_err(struct fc_state *s, enum err err, const char *asked,
			   const char *why);
/* The same, with what was asked as "slot 0x… of 0x… at block 19"; slot may be NULL. */
enum fc_err state_fail_key(struct fc_state *s, const char *asked,
			   const struct fc_address *address, const struct fc_bytes32 *slot,
			   enum err err, const char *why);
/* An argument is wrong: names it. s may be NULL. */
enum fc_err state_refuse(struct fc_state *s, const char *why);
