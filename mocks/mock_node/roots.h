/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * State roots and proofs of the mock chain, for a chain that is made with state_roots: all that
 * history.h says at a block, in tries that are built from nothing for each block (some 80,000
 * slots). A proof builds two of them again: the state's, from the storage roots that the block
 * keeps, and one account's storage.
 */
#include "mock_node/chain.h"
#include "mock_node/answer.h"
#include <jansson.h>

/* Gives a block the storage roots of its contracts and its header the state root, when all
 * that its state depends on is set. ERR_NOMEM. */
enum err roots_fill(const struct chain *chain, struct block *block) WARN_UNUSED;
/* Answers eth_getProof; `keys` is an array of slots. */
void roots_proof(const struct chain *chain, const struct block *block,
		 const struct eth_address *address, const json_t *keys, struct answer *answer);
