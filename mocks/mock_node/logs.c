/* SPDX-License-Identifier: MIT */
#include "mock_node/logs.h"
#include "mock_node/blocks.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

#define MAX_TOPICS 4 /* of a log: LOG4 is the widest instruction */

struct filter {
	const json_t *address; /* a string, an array of strings, or nothing */
	const json_t *topics;
	bool first;
};

static bool hex_equals(const json_t *text, const void *bytes, size_t n)
{
	unsigned char wanted[32];
	return n <= sizeof wanted && eth_data_parse(json_text(text), wanted, n) == OK &&
	       memcmp(wanted, bytes, n) == 0;
}

/* null and [] match anything, a string itself, an array any of its members. */
static bool matches(const json_t *pattern, const void *bytes, size_t n)
{
	size_t i;
	const json_t *item;

	if (!pattern || json_is_null(pattern))
		return true;
	if (json_is_string(pattern))
		return hex_equals(pattern, bytes, n);
	json_array_foreach(pattern, i, item)
	{
		if (json_is_null(item) || hex_equals(item, bytes, n))
			return true;
	}
	return json_array_size(pattern) == 0;
}

static bool wants(const struct filter *filter, const struct tx *tx)
{
	struct eth_bytes32 topics[3];
	size_t count = json_array_size(filter->topics);

	if (!tx->has_log || count > 3 ||
	    !matches(filter->address, tx->to.bytes, sizeof tx->to.bytes))
		return false;
	tx_log_topics(tx, topics);
	for (size_t i = 0; i < count; i++) {
		if (!matches(json_array_get(filter->topics, i), topics[i].bytes, 32))
			return false;
	}
	return true;
}

static void logs_of(struct filter *filter, const struct block *block, struct buf *out)
{
	for (unsigned i = 0; i < block->tx_count; i++) {
		const struct tx *tx = &block->txs[i];
		if (!wants(filter, tx))
			continue;
		if (!filter->first)
			buf_char(out, ',');
		filter->first = false;
		log_json(out, tx);
	}
}

static void by_block_hash(struct node *node, const json_t *object, struct filter *filter,
			  struct answer *answer)
{
	struct eth_bytes32 hash;

	if (json_object_get(object, "fromBlock") || json_object_get(object, "toBlock")) {
		answer_error(answer, RPC_INVALID_PARAMS,
			     "invalid argument 0: cannot specify both BlockHash and "
			     "FromBlock/ToBlock, choose one or the other");
		return;
	}
	const struct block *block = NULL;
	if (eth_data_parse(json_text(json_object_get(object, "blockHash")), hash.bytes, 32) ==
	    OK)
		block = node_block_by_hash(node, &hash);
	if (!block) {
		answer_error(answer, RPC_SERVER_ERROR, "unknown block");
		return;
	}
	buf_char(&answer->json, '[');
	logs_of(filter, block, &answer->json);
	buf_char(&answer->json, ']');
}

static bool bound(struct node *node, const json_t *object, const char *name, uint64_t *number,
		  struct answer *answer)
{
	const json_t *value = json_object_get(object, name);
	const struct block *block = node_head(node);

	if (value && !json_is_null(value) &&
	    !node_block_by_text(node, json_text(value), &block))
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument 0: hex string without 0x prefix");
	*number = block ? block->header.number : UINT64_MAX;
	return true;
}

static void by_range(struct node *node, const json_t *object, struct filter *filter,
		     struct answer *answer)
{
	uint64_t from, to, head = node_head(node)->header.number;

	if (!bound(node, object, "fromBlock", &from, answer) ||
	    !bound(node, object, "toBlock", &to, answer))
		return;
	if (from > to) {
		answer_error(answer, RPC_INVALID_PARAMS, "invalid block range params");
		return;
	}
	if (to > head && to != UINT64_MAX)
		to = head;
	if (from > head || to > head) {
		answer_error(answer, RPC_INVALID_PARAMS,
			     "block range extends beyond current head block");
		return;
	}
	buf_char(&answer->json, '[');
	for (uint64_t n = from; n <= to; n++)
		logs_of(filter, chain_by_number(&node->chain, n), &answer->json);
	buf_char(&answer->json, ']');
}

void logs_get(struct node *node, const json_t *params, struct answer *answer)
{
	const json_t *object = json_array_get(params, 0);
	struct filter filter = {json_object_get(object, "address"),
				json_object_get(object, "topics"), true};

	if (json_array_size(filter.topics) > MAX_TOPICS)
		answer_error(answer, RPC_INVALID_PARAMS, "exceed max topics");
	else if (json_object_get(object, "blockHash"))
		by_block_hash(node, object, &filter, answer);
	else
		by_range(node, object, &filter, answer);
}
