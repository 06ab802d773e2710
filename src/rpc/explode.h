/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Answers within answers: what a whole block says of its transactions is kept as the answer
 * to the question about each.
 *
 * Such a question does not name its block, so only final blocks on the chain may come here;
 * and of their elements only those that say themselves that they are of the block.
 */
#include "rpc/chain.h"

/* json: of eth_getBlockReceipts; each element is eth_getTransactionReceipt's answer. */
void explode_receipts(const struct chain *chain, struct stack *stack, uint64_t number,
		      struct span json);
/* json: a block; where its transactions are objects, each is eth_getTransactionByHash's. */
void explode_transactions(const struct chain *chain, struct stack *stack,
			  const struct block_header *header, struct span json);
