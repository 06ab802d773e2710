/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One JSON-RPC request on its way: from its text to its answer.
 *
 * A call is a small state machine. Its method's begin function looks at the parameters and
 * either has the answer or names the first step. Steps run until one has the answer (HIT),
 * has an error (FAILED), or waits for the remote node (PENDING); a step that merely named
 * the next one returns MISS. What the call waits for runs call_resume. Nothing here blocks.
 *
 *   begin -> step_block (which block?) -> step_facts (facts of a state)
 *                                      -> step_reply (anything else)
 *
 * Following, a begin function or a step that needs the head waits for it in its place, and
 * runs again (call_need_head).
 *
 * A call belongs to a struct request (an HTTP body, single or batch; request.h), whose arena
 * holds everything it allocates, and lives on one worker's thread.
 */
#include "base/arena.h"
#include "base/json.h"
#include "layers/stack.h"
#include "rpc/chain.h"
#include "rpc/method.h"
#include "rpc/params.h"

struct ability;
struct buf;
struct composition;
struct request;

/* Longest canonical request; above the server's body limit. */
#define REQUEST_MAX_BYTES (16u << 20)

/* JSON-RPC error codes: the specification's, EIP-1474's and go-ethereum's. */
enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_SERVER_ERROR = -32000, /* "header not found" and the like */
	RPC_OFFLINE_MISS = -32001,
	RPC_TOO_LARGE = -32003,
	RPC_LIMIT = -32005,
};

typedef enum lookup call_step_fn(struct call *call);
/* Appends the result's or the error's JSON, without the envelope. */
typedef void call_render_fn(const struct call *call, struct buf *out);

/* A fact, and who waits for it. */
struct read {
	struct fact fact;
	struct fork_op *op;
	struct call *call;
};

/* The answers that a composed one is put together from (compose.h). */
struct part {
	struct reply reply;
	struct fork_op *op;
	struct call *call;
};
struct parts {
	unsigned n, left;
	bool do_not_store; /* of one of them nothing may be stored */
	struct part part[];
};

/* A batch has a thousand of them: what begins as zero stands together, and the rest is not
 * touched before it is set. */
struct call {
	struct request *request;
	struct json_request in;
	const struct method *method;

	call_step_fn *step;  /* next; from here on zero at first, but for block's hash */
	call_step_fn *after; /* step_block: next when the block is known */

	struct read *reads;
	unsigned reads_n, reads_left;

	/* How the question names its block (struct fork_question). */
	uint32_t by_hash_at, by_hash_len;
	bool guarded;	/* between two reads of guard's hash */
	bool waits;	/* begun, for something that has not come yet */
	bool uses_head; /* its answer depends on what the head is */
	unsigned wants; /* tags that it waits for, a bit each */

	const struct composition *composition; /* what it can be composed of, or NULL */
	struct parts *parts;		       /* in the arena, or NULL */

	struct span key;   /* canonical request; empty: not kept */
	struct span about; /* what an offline miss adds to the method's name, " to 0x..." */
	struct reply reply;
	struct fork_op *op;
	struct blob *error_json; /* an upstream's error object */

	call_render_fn *render; /* NULL until the answer is known */
	struct span text;	/* result's JSON text, or the error's message */
	int code;
	bool is_error;
	bool hash_known; /* block.at.hash is set */

	struct stack_block block; /* the resolved block parameter */
	struct fork_block guard;

	struct params params; /* by params_of_request */
	struct read one;      /* most methods read one fact: by begin_one */
};

/* What a call needs of its surroundings. */
const struct chain *call_chain(const struct call *call);
bool call_follows(const struct call *call);
/* Whether other calls of the same HTTP body are to agree with it. */
bool call_has_company(const struct call *call);
/*
 * What a tag means in this HTTP body (any but "pending"). HIT: call_tag may be called.
 * PENDING: it is being asked for; the step (or begin function) that this was called from
 * returns PENDING, too, and runs again when it is known. FAILED: the call is answered.
 * Pinned, it is HIT, and the pinned block.
 */
enum lookup call_need_head(struct call *call, enum block_tag tag);
const struct head *call_tag(const struct call *call, enum block_tag tag);
const struct head *call_head(const struct call *call); /* of TAG_LATEST */
/* The upstreams lack what the head that the call used says is there. */
void call_suspect_head(struct call *call);
/* An answer is about that block: the published head may be behind. */
void call_saw_block(struct call *call, uint64_t number);
/* Whether the call names the pending block of a chain that is followed. */
bool call_is_pending(const struct call *call);
/* Pinned: whether the block is above the head, so that it does not exist here. */
bool call_is_above(const struct call *call, uint64_t number);
/* The one before it in the batch; NULL: it is the first. */
const struct call *call_before(const struct call *call);
struct stack_view *call_view(const struct call *call);
struct arena *call_arena(const struct call *call);
/* Whether the upstreams have the call's method, as far as this worker has seen. */
struct ability *call_method_ability(const struct call *call);
/* An empty buffer for text in the making, so that a hit needs no allocation; for one use at a
 * time, until the function that asked for it returns. */
struct buf *call_scratch(const struct call *call);

/* Runs steps until the call is answered or waits. */
void call_run(struct call *call);
/* For callbacks: goes on with call->step; may answer the whole request. */
void call_resume(struct call *call);
/* Cancels what it still waits for. */
void call_give_up(struct call *call);
/* The same, and gives back what it holds. */
void call_release(struct call *call);
/* Makes borrowed answers outlive the loop turn. */
void call_pin(struct call *call);

/* Answers: each sets the render function and returns HIT or FAILED, to be returned. */
enum lookup call_text(struct call *call, struct span json);
enum lookup call_error(struct call *call, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* A fork's failure or an upstream's error object, as clients are to see it. */
enum lookup call_failed(struct call *call, enum err err, const char *detail);
enum lookup call_take_failure(struct call *call, const struct fork_answer *answer);
/* The upstream's result becomes the reply's text, as it is. */
void call_take_blob(struct call *call, const struct fork_answer *answer);
/* "the method X does not exist/is not available", and why (NULL: no more). */
enum lookup call_no_method(struct call *call, const char *why);
/* A kept error object. */
enum lookup call_error_object(struct call *call, struct span json);
/* "not in the cache (offline): eth_getStorageAt 0x... slot 0x... at block N" */
enum lookup call_offline_miss(struct call *call, const struct fact *fact);
/* What a node says of a block above its head. */
enum lookup call_above_head(struct call *call);

/* Steps that several classes share. */
call_step_fn step_block, step_facts, step_reply;

/* HIT sets call->block; MISS: step_block must ask; PENDING: for the head (call_need_head);
 * FAILED: the call is answered, by an error or, of chain data above the head, by null. */
enum lookup block_resolve(struct call *call);
/* The epoch in which a number is to be asked for; 0: it is final, or the chain is pinned. */
uint64_t call_epoch(const struct call *call, uint64_t number);
/* The hash that is on the chain at number: HIT, MISS: not known here, PENDING, FAILED. */
enum lookup block_canonical(struct call *call, uint64_t number, struct eth_bytes32 *hash);

/* Facts: n reads in call->reads, all at call->block. */
enum lookup facts_begin(struct call *call);
/* For batches: fetches the cache lines of a call that is about to look facts up. */
void facts_prefetch(const struct call *call);

/* Canonical JSON text of a value: no white space, strings decoded and written one way,
 * numbers as they stand. ERR_INVALID: an object has one name twice, or a name with an escape;
 * ERR_LIMIT: too large. */
enum err json_canonical(struct span value, struct buf *out) WARN_UNUSED;
/* The same, with the members of objects in order of their names. */
enum err json_sorted(struct span value, struct buf *out) WARN_UNUSED;
