/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded fork: the state that a fork-mode tool fetched at one block, in the format of
 * Foundry's fork cache (foundry-fork-db), with the block that it forked from.
 *
 * The directory holds foundry/rpc/CHAIN/BLOCK (a file, or a folder with storage.json in it)
 * and blocks/CHAINID/BLOCK/block.json or block-txhashes.json (the recorded JSON-RPC answer).
 * The block's number is the one in its path: on Arbitrum the number inside the cache is L1's.
 * A fork without a recorded block gets one made from the cache's meta.block_env.
 *
 * An account that was recorded with nothing in it is empty; what is not in the record is
 * answered with an error that says so, and never as zero.
 */
#include "mock_node/answer.h"
#include "mock_node/history.h"
#include <jansson.h>

struct fork_data;

/* `which` is CHAIN/BLOCK, or NULL if the path is a fork's own. ERR_IO, ERR_INVALID,
 * ERR_NOMEM; the detail says what is wrong. Free with fork_data_free. */
enum err fork_data_load(const char *path, const char *which, struct fork_data **out,
			struct err_detail *detail) WARN_UNUSED;
void fork_data_free(struct fork_data **data);

/* The chain id of a network's short name; 0: not known. */
uint64_t fork_data_chain_id_of(struct span name);
uint64_t fork_data_chain_id(const struct fork_data *data);
uint64_t fork_data_number(const struct fork_data *data);

/* The following return false when they have answered with an error. */

/* Whether a state method's block parameter names the recorded block. */
bool fork_data_is_block(const struct fork_data *data, const json_t *param,
			struct answer *answer);
bool fork_data_account(const struct fork_data *data, const struct eth_address *address,
		       struct history_account *out, struct answer *answer);
bool fork_data_slot(const struct fork_data *data, const struct eth_address *address,
		    const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		    struct answer *answer);
void fork_data_gas_price(const struct fork_data *data, struct answer *answer);
/* The block, by number, tag or hash: null for any other. */
void fork_data_block(const struct fork_data *data, const json_t *param, bool full,
		     struct answer *answer);
