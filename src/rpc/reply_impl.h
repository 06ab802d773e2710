/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the reply classes share: reply.c (chain data, at a block, forwarded),
 * exec.c (executions), tx.c (by transaction), range.c (filters), compose.c (composed of
 * others), proof.c (how it is rendered), slow.c, send.c.
 *
 * A reply is JSON text, looked up under the canonical request, else asked for. A class
 * differs in how the block is found, in how the canonical request and the question to the
 * upstream are written, and in what is done with the answer: what belongs to a block above
 * the pinned one does not exist here.
 */
#include "base/buf.h"
#include "rpc/begin.h"
#include "rpc/call.h"
#include "rpc/keep.h"

void put_hash(struct buf *out, const struct eth_bytes32 *hash); /* quoted */
void put_number(struct buf *out, uint64_t number);		/* quoted QUANTITY */
/* call->block as an upstream is asked for it; notes where {"blockHash"} stands. */
void put_block(struct call *call, enum param_kind kind, struct buf *out);
/* The parameters as an upstream is asked, or (for_key) as the canonical request has them. */
enum err put_params(struct call *call, bool for_key, struct buf *out) WARN_UNUSED;

/* The buffer's text in the call's arena; ptr NULL when the buffer failed or memory did. */
struct span in_arena(struct call *call, const struct buf *text);

/* Gives the parameters of an execution their forms; other kinds of parameters stay. False: the
 * call is answered. Twice is as once. */
bool set_forms(struct call *call);
/* call->key: "CHAIN:method[params]", the block by its hash, the method by its by_hash name.
 * *hash_at: where the digits of a leading hash begin. Errors: see compose_failed. */
enum err make_key(struct call *call, uint32_t *hash_at) WARN_UNUSED;
/* The error of json_canonical as a client's. */
enum lookup compose_failed(struct call *call, enum err err);
/* Looks key up; true: call->reply is set. */
bool use_reply(struct call *call, struct span key);

/* Asks an upstream; what comes is kept under call->key as keep says. */
enum lookup fetch(struct call *call, const struct keep *keep, struct span method,
		  struct span params, bool null_ok, fork_done_fn *done);
/* What becomes of the answer, by the call's row, its parameters and its block. */
struct keep keep_of(const struct call *call, uint32_t hash_at);
/* What is asked by number of a block that is not final is true as long as a block stays on the
 * chain: this one, or, where its hash is not known, the head. twin: it is asked by hash. */
void guard(struct call *call, bool twin);
/* Whether call->reply is of a block above the pinned one, as it says itself. */
bool reply_is_above(struct call *call);
/* eth_getProof: the answer with its keys as go-ethereum writes them for this caller's. */
call_render_fn render_proof;
/* The same for call->method at call->block, answered as it comes. */
enum lookup ask(struct call *call, uint32_t hash_at);
/* The callback that takes the answer as the call's. */
fork_done_fn on_reply;
