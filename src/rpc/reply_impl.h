/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the reply classes share: reply.c (chain data, at a block, forwarded),
 * tx.c (by transaction), range.c (filters).
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

/* The buffer's text in the call's arena; ptr NULL when the buffer failed or memory did. */
struct span in_arena(struct call *call, const struct buf *text);

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
/* eth_getProof: the answer with its keys as go-ethereum writes them for this caller's. */
call_render_fn render_proof;
/* The same for call->method at call->block, answered as it comes. */
enum lookup ask(struct call *call, uint32_t hash_at);
/* The callback that takes the answer as the call's. */
fork_done_fn on_reply;
