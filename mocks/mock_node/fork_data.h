/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded fork (fork.h) from the state that a fork-mode tool fetched at one block, in the
 * format of Foundry's fork cache (foundry-fork-db), with the block that it forked from.
 *
 * The directory holds foundry/rpc/CHAIN/BLOCK (a file, or a folder with storage.json in it)
 * and blocks/CHAINID/BLOCK/block.json or block-txhashes.json (the recorded JSON-RPC answer).
 * The block's number is the one in its path: on Arbitrum the number inside the cache is L1's.
 * A fork without a recorded block gets one made from the cache's meta.block_env.
 *
 * An account that was recorded with nothing in it is empty; what is not in the record is
 * answered with an error that says so, and never as zero.
 */
#include "mock_node/fork.h"

/* `which` is CHAIN/BLOCK, or NULL if the path is a fork's own. ERR_IO, ERR_INVALID,
 * ERR_NOMEM; the detail says what is wrong. Free with fork_free. */
enum err fork_data_load(const char *path, const char *which, struct fork **out,
			struct err_detail *detail) WARN_UNUSED;

/* The chain id of a network's short name; 0: not known. */
uint64_t fork_data_chain_id_of(struct span name);
