/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * State of an account at a block, from the chain of our own making or from a recorded fork
 * (`block` is NULL then). False: an error has been answered, which only a recorded fork does,
 * for what is not in the record.
 */
#include "mock_node/answer.h"
#include "mock_node/history.h"
#include <jansson.h>

struct node;

bool state_account(struct node *node, const struct block *block,
		   const struct eth_address *address, struct history_account *out,
		   struct answer *answer);
bool state_slot(struct node *node, const struct block *block, const struct eth_address *address,
		const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		struct answer *answer);

typedef void method_fn(struct node *node, const json_t *params, struct answer *answer);
method_fn state_get_balance, state_get_transaction_count, state_get_code, state_get_storage_at,
	state_get_storage_values, state_get_account_info;
