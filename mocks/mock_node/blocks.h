/* SPDX-License-Identifier: MIT */
#pragma once
/* Blocks, transactions, receipts: their JSON forms and the methods that ask for them. */
#include "mock_node/answer.h"
#include "mock_node/chain.h"
#include "mock_node/state.h"

void block_json(struct buf *out, const struct block *block, bool full);
/* One log, with its place in block and chain. */
void log_json(struct buf *out, const struct tx *tx);

method_fn blocks_by_number, blocks_by_hash, blocks_tx_count_by_number, blocks_tx_count_by_hash,
	blocks_tx_by_hash, blocks_tx_by_block_hash, blocks_tx_by_block_number, blocks_receipt,
	blocks_receipts, blocks_uncle_count_by_number, blocks_uncle_count_by_hash;
