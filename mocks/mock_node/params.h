/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Parameters of a call, read as go-ethereum reads them, with its error texts.
 *
 * Each function answers with an error of its own and returns false when the parameter is
 * wrong. `params` is a JSON array; a missing one is null to these functions.
 */
#include "mock_node/answer.h"
#include "mock_node/chain.h"
#include "base/eth.h"
#include <jansson.h>

struct node;

bool param_address(const json_t *params, size_t i, struct eth_address *out,
		   struct answer *answer);
bool param_hash(const json_t *params, size_t i, struct eth_bytes32 *out, struct answer *answer);
bool param_index(const json_t *params, size_t i, uint64_t *out, struct answer *answer);
bool param_flag(const json_t *params, size_t i, bool *out, struct answer *answer);
/* A storage key as in go-ethereum's decodeStorageKey. */
bool param_slot_text(const json_t *value, struct eth_bytes32 *out, struct answer *answer);

/* The texts of JSON strings; an empty span for anything else. */
struct span json_text(const json_t *value);
/* 0 for anything but a positive integer. */
uint64_t json_uint(const json_t *value);

/* A block by number or tag: NULL when there is none such (yet). `pending` is the head. */
bool param_block_number(struct node *node, const json_t *params, size_t i,
			const struct block **out, struct answer *answer);
/* A block whose state is to be read: number, tag, 32-byte hash or EIP-1898 object, the
 * head if absent. "header not found" and "missing trie node" are answered here. With a
 * recorded fork there is one block, and *out is NULL. */
bool param_state_block(struct node *node, const json_t *params, size_t i,
		       const struct block **out, struct answer *answer);

/* A block by its hash, unless the script hides it. */
const struct block *node_block_by_hash(struct node *node, const struct eth_bytes32 *hash);
/* The newest block that the script shows. */
const struct block *node_head(struct node *node);
/* By number or tag text. False: neither. *out is NULL for a block that is not there. */
bool node_block_by_text(struct node *node, struct span text, const struct block **out);
