/* SPDX-License-Identifier: MIT */
#include "rpc/explode.h"
#include "rpc/keep_impl.h"

static void keep_element(const struct chain *chain, struct stack *stack, const char *method,
			 const struct eth_bytes32 *hash, uint64_t number, struct span element)
{
	struct buf key;

	buf_init(&key, 256);
	tx_key(chain, method, hash, &key);
	if (buf_err(&key) == OK)
		stack_keep_reply(stack, buf_as_span(&key), number, element);
	buf_release(&key);
}

void explode_receipts(const struct chain *chain, struct stack *stack, uint64_t number,
		      struct span json)
{
	struct json_iter iter = json_iter(json);
	struct eth_bytes32 hash;
	struct span element;

	/* keep_check has seen that each names its block. */
	while (json_next_element(&iter, &element))
		if (member_hash(element, "transactionHash", &hash))
			keep_element(chain, stack, "eth_getTransactionReceipt", &hash, number,
				     element);
}

void explode_transactions(const struct chain *chain, struct stack *stack,
			  const struct block_header *header, struct span json)
{
	struct eth_bytes32 hash, block;
	struct span list, element;
	struct json_iter iter;
	uint64_t number;

	if (!json_member(json, "transactions", &list) || json_type(list) != JSON_ARRAY)
		return;
	iter = json_iter(list);
	while (json_next_element(&iter, &element)) {
		if (json_type(element) != JSON_OBJECT)
			return;
		if (member_hash(element, "hash", &hash) &&
		    member_hash(element, "blockHash", &block) &&
		    eth_bytes32_equal(&block, &header->hash) &&
		    tx_block_number(element, &number) && number == header->number)
			keep_element(chain, stack, "eth_getTransactionByHash", &hash, number,
				     element);
	}
}
