/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Answers that are composed of other methods' answers.
 *
 *   eth_getHeaderBy*            the block, without what is not its header
 *   counts of transactions      the block
 *   and uncles
 *   eth_getTransactionByBlock*  the block with its transactions
 *   eth_getAccount              the account's stored facts, else eth_getProof of no slot
 *   eth_getBlockReceipts        the block's transaction hashes, then each receipt
 *
 * What is kept here answers first (compose_kept). Else the upstream is asked for the method
 * itself; where no upstream has it (ERR_UNSUPPORTED), for what it is composed of
 * (compose_ask). That is remembered for a while (fork/ability.h), by each worker, so that the
 * next question does not try again.
 */
#include "rpc/reply_impl.h"

struct composition {
	/* From the JSON of the block, which call->reply holds. MISS: it does not say. NULL:
	 * not of a block. */
	call_step_fn *of_block;
	bool full;	  /* the block's transactions are needed as objects */
	bool last_resort; /* it asks a lot: only where no upstream has the method */
	/* Not of a block: compose_kept and compose_ask. */
	call_step_fn *kept, *ask;
};

/* HIT, or MISS: what is kept here is not enough. Asks nobody. */
enum lookup compose_kept(struct call *call);
/* A step: asks for what the answer is composed of. */
call_step_fn compose_ask;

/* The upstreams have been seen to lack the method, not long ago. */
bool compose_is_lacking(struct call *call);
/* What the answer to the method itself says about that. */
void compose_learn(struct call *call, enum err err);
