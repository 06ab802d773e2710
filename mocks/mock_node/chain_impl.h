/* SPDX-License-Identifier: MIT */
#pragma once
/* Shared by chain.c and tx.c only. */
#include "mock_node/chain.h"

/* Fills a zeroed transaction: number `running_number` of its branch, in a block whose base
 * fee is set. ERR_NOMEM. */
enum err tx_make(struct tx *tx, const struct world *world, const struct block *block,
		 uint64_t running_number, const struct eth_bytes32 *block_seed) WARN_UNUSED;
