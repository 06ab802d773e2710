/* SPDX-License-Identifier: MIT */
#include "mock_node/fork.h"
#include "mock_node/blocks.h"
#include "mock_node/full_block.h"
#include "mock_node/params.h"

enum err fork_set_block(struct fork *fork, json_t *block, struct err_detail *detail)
{
	fork->block = block;
	fork->hash = json_text(json_object_get(block, "hash"));
	if (fork->hash.len != 66)
		return err_set(detail, ERR_INVALID, "block %llu has no hash",
			       (unsigned long long)fork->number);
	return OK;
}

json_t *fork_make_block(const struct header *header)
{
	struct block block = {.header = *header};
	json_t *json = NULL;
	struct buf text;

	buf_init(&text, 65536);
	if (header_hash(&block.header, &block.hash, &block.size) == OK) {
		block_json(&text, &block, true);
		json = json_loadb(text.ptr, text.len, 0, NULL);
	}
	buf_release(&text);
	return json;
}

void fork_free(struct fork **fork)
{
	if (!*fork)
		return;
	json_decref((*fork)->block);
	json_decref((*fork)->gas_price);
	(*fork)->type->free(*fork);
	*fork = NULL;
}

static bool names_block(const struct fork *fork, struct span text)
{
	static const char *const tags[] = {"latest", "pending", "safe", "finalized"};
	uint64_t number;

	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		if (span_is(text, tags[i]))
			return true;
	}
	if (text.len == fork->hash.len)
		return strncasecmp(text.ptr, fork->hash.ptr, text.len) == 0;
	return eth_quantity_u64(text, &number) == OK && number == fork->number;
}

bool fork_is_block(const struct fork *fork, const json_t *param, struct answer *answer)
{
	const json_t *hash = json_object_get(param, "blockHash");
	const json_t *named = hash ? hash : json_object_get(param, "blockNumber");

	if (!param || json_is_null(param) ||
	    names_block(fork, json_text(named ? named : param)))
		return true;
	return answer_error(answer, RPC_SERVER_ERROR, "header not found");
}

void fork_gas_price(const struct fork *fork, struct answer *answer)
{
	const json_t *price = fork->gas_price ? fork->gas_price
					      : json_object_get(fork->block, "baseFeePerGas");
	struct span text = json_text(price);

	buf_json_string(&answer->json, text.len ? text : SPAN("0x0"));
}

void fork_block(const struct fork *fork, const json_t *param, bool full, struct answer *answer)
{
	if (!names_block(fork, json_text(param)))
		buf_text(&answer->json, "null");
	else if (!full_block_answer(fork->block, full, answer))
		answer_error(answer, RPC_SERVER_ERROR,
			     "mock-node: not recorded: the transactions of block %llu",
			     (unsigned long long)fork->number);
}
