/* SPDX-License-Identifier: MIT */
#include "mock_node/state.h"
#include "mock_node/fork.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

/* go-ethereum's internal/ethapi: maxGetStorageSlots, and the code of its refusal. */
#define STORAGE_VALUES_MAX    1024
#define CLIENT_LIMIT_EXCEEDED -38026

bool state_account(struct node *node, const struct block *block,
		   const struct eth_address *address, struct history_account *out,
		   struct answer *answer)
{
	if (node->fork)
		return node->fork->type->account(node->fork, address, out, answer);
	history_account(&node->chain, block, address, out);
	return true;
}

bool state_slot(struct node *node, const struct block *block, const struct eth_address *address,
		const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		struct answer *answer)
{
	if (node->fork)
		return node->fork->type->slot(node->fork, address, slot, value, answer);
	history_slot(&node->chain, block, address, slot, value);
	return true;
}

/* The account that parameters 0 (address) and 1 (block) name. */
static bool account_of(struct node *node, const json_t *params, struct history_account *out,
		       struct answer *answer)
{
	const struct block *block = NULL;
	struct eth_address address;

	return param_address(params, 0, &address, answer) &&
	       param_state_block(node, params, 1, &block, answer) &&
	       state_account(node, block, &address, out, answer);
}

static void quoted_data(struct buf *out, const void *bytes, size_t n)
{
	buf_char(out, '"');
	buf_hex(out, bytes, n);
	buf_char(out, '"');
}

static void quoted_u256(struct buf *out, const struct eth_u256 *value)
{
	char text[66];
	size_t n = eth_quantity_format(value->bytes, sizeof value->bytes, text);

	buf_char(out, '"');
	buf_append(out, text, n);
	buf_char(out, '"');
}

void state_get_balance(struct node *node, const json_t *params, struct answer *answer)
{
	struct history_account account;
	if (account_of(node, params, &account, answer))
		quoted_u256(&answer->json, &account.balance);
}

void state_get_transaction_count(struct node *node, const json_t *params, struct answer *answer)
{
	struct history_account account;
	if (account_of(node, params, &account, answer))
		buf_printf(&answer->json, "\"0x%llx\"", (unsigned long long)account.nonce);
}

/* A witness has the codes that were run, and not every other. */
static bool code_known(const struct history_account *account, struct answer *answer)
{
	return account->code.ptr ||
	       answer_error(answer, RPC_SERVER_ERROR, "mock-node: not recorded: the code");
}

void state_get_code(struct node *node, const json_t *params, struct answer *answer)
{
	struct history_account account;
	if (account_of(node, params, &account, answer) && code_known(&account, answer))
		quoted_data(&answer->json, account.code.ptr, account.code.len);
}

void state_get_account_info(struct node *node, const json_t *params, struct answer *answer)
{
	struct history_account account;

	if (!account_of(node, params, &account, answer) || !code_known(&account, answer))
		return;
	buf_text(&answer->json, "{\"balance\":");
	quoted_u256(&answer->json, &account.balance);
	buf_printf(&answer->json,
		   ",\"nonce\":\"0x%llx\",\"code\":", (unsigned long long)account.nonce);
	quoted_data(&answer->json, account.code.ptr, account.code.len);
	buf_char(&answer->json, '}');
}

void state_get_storage_at(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block = NULL;
	struct eth_address address;
	struct eth_bytes32 slot, value;

	if (param_address(params, 0, &address, answer) &&
	    param_slot_text(json_array_get(params, 1), &slot, answer) &&
	    param_state_block(node, params, 2, &block, answer) &&
	    state_slot(node, block, &address, &slot, &value, answer))
		quoted_data(&answer->json, value.bytes, sizeof value.bytes);
}

/* Appends "0x..":["0x..", ...] for one account. */
static bool values_of(struct node *node, const struct block *block, const char *name,
		      const json_t *slots, struct answer *answer)
{
	struct eth_address address;
	struct eth_bytes32 slot, value;
	size_t i;
	const json_t *item;

	if (eth_data_parse(span_of(name), address.bytes, sizeof address.bytes) != OK)
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument 0: json: cannot unmarshal invalid hex "
				    "string into Go value of type common.Address");
	quoted_data(&answer->json, address.bytes, sizeof address.bytes);
	buf_text(&answer->json, ":[");
	json_array_foreach(slots, i, item)
	{
		if (!param_slot_text(item, &slot, answer) ||
		    !state_slot(node, block, &address, &slot, &value, answer))
			return false;
		if (i)
			buf_char(&answer->json, ',');
		quoted_data(&answer->json, value.bytes, sizeof value.bytes);
	}
	buf_char(&answer->json, ']');
	return true;
}

static bool count_slots(json_t *request, struct answer *answer)
{
	const char *name;
	json_t *slots;
	size_t total = 0;

	json_object_foreach(request, name, slots) total += json_array_size(slots);
	if (total > STORAGE_VALUES_MAX)
		return answer_error(answer, CLIENT_LIMIT_EXCEEDED, "too many slots (max %d)",
				    STORAGE_VALUES_MAX);
	if (total == 0)
		return answer_error(answer, RPC_INVALID_PARAMS, "empty request");
	return true;
}

void state_get_storage_values(struct node *node, const json_t *params, struct answer *answer)
{
	json_t *request = json_array_get(params, 0);
	const struct block *block = NULL;
	const char *name;
	json_t *slots;
	bool first = true;

	if (!json_is_object(request)) {
		answer_error(answer, RPC_INVALID_PARAMS,
			     "invalid argument 0: json: cannot unmarshal into Go value of type "
			     "map[common.Address][]common.Hash");
		return;
	}
	if (!count_slots(request, answer) ||
	    !param_state_block(node, params, 1, &block, answer))
		return;
	buf_char(&answer->json, '{');
	json_object_foreach(request, name, slots)
	{
		if (!first)
			buf_char(&answer->json, ',');
		first = false;
		if (!values_of(node, block, name, slots, answer))
			return;
	}
	buf_char(&answer->json, '}');
}
