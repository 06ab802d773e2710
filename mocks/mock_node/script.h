/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How the mock node misbehaves: latency, limits, faults, a lagging or pruned chain.
 *
 * A script is set by the --control option and by POST /control, both with one JSON object of
 * which every member is optional; what is not named stays as it is.
 *
 *   latency_ms   each HTTP reply is kept so long         (replies wait side by side)
 *   item_us      and so much longer for each item in it
 *   bandwidth    bytes per second of each reply's transfer; 0 for no limit
 *   rate         N, or {"per_second": N, "burst": N, "by": "requests" | "items",
 *                "style": "429" | "rpc", "retry_after": seconds}; null for none.
 *                "rpc" is HTTP 200 with error -32005
 *   max_batch    N, or {"items": N, "style": "object" | "413" | "geth" | "close"}: one error
 *                object for the array (the default), HTTP 413, go-ethereum's array of one
 *                error with the first id, or a closed connection; null for none
 *   missing      ["method", ...] that are answered -32601
 *   answers      {"method": result, ...}: what these methods answer, whatever they are asked
 *                and whether or not the node knows them; null for none
 *   faults       [fault, ...] replaces the list; add_faults puts some after it
 *   lag          blocks by which the head is behind; above it there is nothing
 *   alternate    blocks by which it is behind for every second HTTP request besides, as
 *                with two nodes behind one name
 *   safe, finalized   blocks by which the tags are behind the head (32, 64), or what the
 *                node does in their place: "unknown" (an invalid argument), "error" ("safe
 *                block not found"), "null" (there is no such block)
 *   side_blocks  false: blocks that were reorganised away are not known by hash any more
 *   eip1898      false: a state is asked for by number or tag only
 *   prune        blocks whose state is kept; older is "missing trie node"; null for all
 *   execution_witness   true: debug_executionWitness is there, as on few real nodes
 *   fault_rate   so many of 100 HTTP requests are struck, at one of their items, by a fault of
 *                those that pass: HTTP 429 and 503, reset, truncated, slow (100 ms), a
 *                JSON-RPC internal error, null. By chance, but by the same one in every run:
 *                each request draws when it comes. The faults of the list come first
 *   fault_seed   where that chance begins (0); it begins anew there when it is set
 *   chain_id, client_version   what the node says instead; null for its own
 */
#include "base/err.h"
#include "base/span.h"
#include <jansson.h>
#include <stdint.h>

/* A fault: {"kind": K, "method": M, "match": TEXT, "count": N, "after": N, ...}. It strikes
 * the items whose method is M (any, if absent) and whose key (canon.h) contains TEXT, lets
 * `after` of them pass, then strikes `count` times (for ever, if absent), with `every`: N
 * once in N of them. The first fault of the list that strikes an item is the one. Kinds, and
 * what else they read:
 *
 *   of the HTTP reply   http (status, body, retry_after; with code, message and data the
 *                       body is a JSON-RPC error as of rpc-error), reset, fin, no-answer,
 *                       truncated, html, empty, gzip, chunked, close, slow (delay_ms)
 *   of the item         rpc-error (code, message, data), null, 0x, 0x0, value (value),
 *                       no-message, wrong-id, string-id, null-id, no-jsonrpc, error-null
 *   of the batch        batch-missing, batch-extra, batch-reversed, batch-one-error,
 *                       batch-duplicate: the struck item is left out, or sent twice; the
 *                       others concern the whole array. They strike no single request
 *   of the chain        chain: "advance" and "reorg" as in control.h happen before the item
 *                       is answered, as it would be without the fault
 */
enum fault_kind {
	FAULT_HTTP,
	FAULT_RESET,
	FAULT_FIN,
	FAULT_NO_ANSWER,
	FAULT_TRUNCATED,
	FAULT_HTML,
	FAULT_EMPTY,
	FAULT_GZIP,
	FAULT_CHUNKED,
	FAULT_CLOSE,
	FAULT_SLOW,
	FAULT_LAST_OF_HTTP = FAULT_SLOW,
	FAULT_RPC_ERROR,
	FAULT_VALUE, /* null, 0x, 0x0 and value */
	FAULT_NO_MESSAGE,
	FAULT_WRONG_ID,
	FAULT_STRING_ID,
	FAULT_NULL_ID,
	FAULT_NO_JSONRPC,
	FAULT_ERROR_NULL,
	FAULT_LAST_OF_ITEM = FAULT_ERROR_NULL,
	FAULT_BATCH_MISSING,
	FAULT_BATCH_EXTRA,
	FAULT_BATCH_REVERSED,
	FAULT_BATCH_ONE_ERROR,
	FAULT_BATCH_DUPLICATE,
	FAULT_LAST_OF_BATCH = FAULT_BATCH_DUPLICATE,
	FAULT_CHAIN,
};

struct fault {
	enum fault_kind kind;
	json_t *spec; /* owned; the texts below point into it */
	const char *method, *match;
	uint64_t after, every, struck;
	int64_t count; /* strikes left; -1: for ever */
	struct fault *next;
};

enum rate_style { RATE_HTTP_429, RATE_RPC_ERROR };
enum batch_style { BATCH_ERROR_OBJECT, BATCH_HTTP_413, BATCH_GETH, BATCH_CLOSE };

/* How far behind the head the tags are, if the script does not say otherwise. */
#define SCRIPT_SAFE_DEPTH      32
#define SCRIPT_FINALIZED_DEPTH 64

enum tag_style { TAG_KNOWN, TAG_UNKNOWN, TAG_ERROR, TAG_NULL };

struct script_tag {
	uint64_t depth;
	enum tag_style style;
};

struct script {
	uint64_t latency_us, item_us, bandwidth;
	uint64_t rate, burst; /* rate 0: no limit */
	enum rate_style rate_style;
	bool rate_by_items;
	int64_t retry_after; /* -1: the header is not sent */
	double tokens;
	uint64_t tokens_at_us;
	uint64_t max_batch; /* 0: no limit */
	enum batch_style batch_style;
	json_t *missing; /* an array, or NULL */
	json_t *answers; /* an object, or NULL */
	struct fault *faults;
	uint64_t lag, alternate, prune;
	uint64_t turn; /* HTTP requests so far */
	bool pruning, without_side_blocks, without_eip1898, execution_witness;
	uint64_t fault_rate, fault_state; /* percent; where the chance is */
	struct fault *random;		  /* what it chooses from */
	struct fault *drawn;		  /* for this request, or NULL */
	uint64_t drawn_after;		  /* its items that pass before */
	struct script_tag safe, finalized;
	uint64_t chain_id;	/* 0: the chain's own */
	json_t *client_version; /* a string, or NULL */
};

void script_init(struct script *script);
void script_release(struct script *script);
/* Reads those members of a control object that are the script's and ignores the others.
 * ERR_INVALID (the detail says which member), ERR_NOMEM; what came before the error is set. */
enum err script_apply(struct script *script, const json_t *control,
		      struct err_detail *detail) WARN_UNUSED;
/* True for the members that script_apply reads. */
bool script_knows(const char *member);

/* Takes the tokens for a request of so many items; false: over the rate. */
bool script_admit(struct script *script, uint64_t now_us, uint64_t items);
/* A request begins: the head is script_lag behind until the next one. */
void script_turn(struct script *script);
/* Draws the random fault, if any, of a request of so many items. */
void script_draw(struct script *script, uint64_t items);
uint64_t script_lag(const struct script *script);
bool script_is_missing(const struct script *script, struct span method);
/* What the method answers by the script, borrowed, or NULL. */
const json_t *script_answer(const struct script *script, struct span method);
/* The fault that strikes this item (of an array: batch) now, or NULL; uses up one of its
 * strikes. Borrowed until the next script_apply. */
const struct fault *script_strike(struct script *script, struct span method, struct span key,
				  bool batch);
/* How often each fault of the list has struck, in order; a new array, NULL without memory. */
json_t *script_struck(const struct script *script);
