/* SPDX-License-Identifier: MIT */
#include "mock_node/blocks.h"
#include "mock_node/fork.h"
#include "mock_node/node.h"
#include "mock_node/params.h"

static void comma(struct buf *out)
{
	buf_char(out, ',');
}

static void hash_member(struct buf *out, const char *name, const struct eth_bytes32 *hash)
{
	json_data(out, name, hash->bytes, sizeof hash->bytes);
	comma(out);
}

static void address_member(struct buf *out, const char *name, const struct eth_address *address)
{
	json_data(out, name, address->bytes, sizeof address->bytes);
	comma(out);
}

static void quantity_member(struct buf *out, const char *name, uint64_t value)
{
	json_quantity(out, name, value);
	comma(out);
}

/* r and s are QUANTITYs in a transaction's JSON. */
static void number_member(struct buf *out, const char *name, const struct eth_bytes32 *value)
{
	char text[66];
	size_t n = eth_quantity_format(value->bytes, sizeof value->bytes, text);
	buf_printf(out, "\"%s\":\"%.*s\",", name, (int)n, text);
}

static void tx_json(struct buf *out, const struct tx *tx)
{
	buf_char(out, '{');
	hash_member(out, "blockHash", &tx->block->hash);
	quantity_member(out, "blockNumber", tx->block->header.number);
	quantity_member(out, "blockTimestamp", tx->block->header.timestamp);
	address_member(out, "from", &tx->from);
	quantity_member(out, "gas", tx->gas);
	quantity_member(out, "gasPrice", tx_effective_price(tx));
	quantity_member(out, "maxFeePerGas", tx->max_fee);
	quantity_member(out, "maxPriorityFeePerGas", tx->priority_fee);
	hash_member(out, "hash", &tx->hash);
	json_data(out, "input", tx->input, tx->input_len);
	comma(out);
	quantity_member(out, "nonce", tx->nonce);
	address_member(out, "to", &tx->to);
	quantity_member(out, "transactionIndex", tx->index);
	quantity_member(out, "value", tx->value);
	buf_text(out, "\"type\":\"0x2\",\"accessList\":[],");
	quantity_member(out, "chainId", CHAIN_ID);
	quantity_member(out, "v", tx->y_parity);
	number_member(out, "r", &tx->r);
	number_member(out, "s", &tx->s);
	json_quantity(out, "yParity", tx->y_parity);
	buf_char(out, '}');
}

void log_json(struct buf *out, const struct tx *tx)
{
	struct eth_bytes32 topics[3];

	tx_log_topics(tx, topics);
	buf_char(out, '{');
	address_member(out, "address", &tx->to);
	buf_text(out, "\"topics\":[");
	for (int i = 0; i < 3; i++) {
		buf_text(out, i ? ",\"" : "\"");
		buf_hex(out, topics[i].bytes, 32);
		buf_char(out, '"');
	}
	buf_text(out, "],");
	json_data(out, "data", tx_log_data(tx), 32);
	comma(out);
	quantity_member(out, "blockNumber", tx->block->header.number);
	hash_member(out, "transactionHash", &tx->hash);
	quantity_member(out, "transactionIndex", tx->index);
	hash_member(out, "blockHash", &tx->block->hash);
	quantity_member(out, "blockTimestamp", tx->block->header.timestamp);
	quantity_member(out, "logIndex", tx->log_index);
	buf_text(out, "\"removed\":false}");
}

static void receipt_json(struct buf *out, const struct tx *tx)
{
	unsigned char bloom[256] = {0};

	tx_log_bloom(tx, bloom);
	buf_char(out, '{');
	hash_member(out, "blockHash", &tx->block->hash);
	quantity_member(out, "blockNumber", tx->block->header.number);
	buf_text(out, "\"contractAddress\":null,");
	quantity_member(out, "cumulativeGasUsed", tx->cumulative_gas);
	quantity_member(out, "effectiveGasPrice", tx_effective_price(tx));
	address_member(out, "from", &tx->from);
	quantity_member(out, "gasUsed", tx->gas_used);
	buf_text(out, "\"logs\":[");
	if (tx->has_log)
		log_json(out, tx);
	buf_text(out, "],");
	json_data(out, "logsBloom", bloom, sizeof bloom);
	comma(out);
	quantity_member(out, "status", tx->failed ? 0 : 1);
	address_member(out, "to", &tx->to);
	hash_member(out, "transactionHash", &tx->hash);
	quantity_member(out, "transactionIndex", tx->index);
	buf_text(out, "\"type\":\"0x2\"}");
}

void block_json(struct buf *out, const struct block *block, bool full)
{
	buf_char(out, '{');
	hash_member(out, "hash", &block->hash);
	buf_text(out, "\"nonce\":\"0x0000000000000000\",");
	header_json(out, &block->header);
	quantity_member(out, "size", block->size);
	buf_text(out, "\"transactions\":[");
	for (unsigned i = 0; i < block->tx_count; i++) {
		if (i)
			comma(out);
		if (full) {
			tx_json(out, &block->txs[i]);
		} else {
			buf_char(out, '"');
			buf_hex(out, block->txs[i].hash.bytes, 32);
			buf_char(out, '"');
		}
	}
	buf_text(out, "],\"uncles\":[],\"withdrawals\":[]}");
}

/* The block that go-ethereum shows as pending: on the head, empty, not sealed. */
static void pending_json(struct buf *out, const struct block *head)
{
	struct header header = head->header;

	header.parent_hash = head->hash;
	header.number++;
	header.timestamp += CHAIN_BLOCK_TIME;
	header.base_fee = header_next_base_fee(&head->header);
	header.gas_used = 0;
	header.transactions_root = eth_empty_trie_root;
	header.receipts_root = eth_empty_trie_root;
	memset(header.bloom, 0, sizeof header.bloom);
	buf_text(out, "{\"hash\":null,\"nonce\":null,");
	header_json(out, &header);
	buf_text(out,
		 "\"size\":\"0x27d\",\"transactions\":[],\"uncles\":[],\"withdrawals\":[]}");
}

static void block_or_null(struct answer *answer, const struct block *block, bool full)
{
	if (block)
		block_json(&answer->json, block, full);
	else
		buf_text(&answer->json, "null");
}

void blocks_by_number(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	bool full;

	if (!param_flag(params, 1, &full, answer))
		return;
	if (node->fork) {
		fork_block(node->fork, json_array_get(params, 0), full, answer);
		return;
	}
	if (!param_block_number(node, params, 0, &block, answer))
		return;
	if (span_is(json_text(json_array_get(params, 0)), "pending"))
		pending_json(&answer->json, block);
	else
		block_or_null(answer, block, full);
}

/* Parameter 0 as a block hash; *out is NULL for an unknown one. */
static bool hash_param(struct node *node, const json_t *params, const struct block **out,
		       struct answer *answer)
{
	struct eth_bytes32 hash;

	if (!param_hash(params, 0, &hash, answer))
		return false;
	*out = node_block_by_hash(node, &hash);
	return true;
}

void blocks_by_hash(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	bool full;

	if (!param_flag(params, 1, &full, answer))
		return;
	if (node->fork)
		fork_block(node->fork, json_array_get(params, 0), full, answer);
	else if (hash_param(node, params, &block, answer))
		block_or_null(answer, block, full);
}

static void count_or_null(struct answer *answer, const struct block *block, uint64_t count)
{
	if (block)
		buf_printf(&answer->json, "\"0x%llx\"", (unsigned long long)count);
	else
		buf_text(&answer->json, "null");
}

void blocks_tx_count_by_number(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	if (param_block_number(node, params, 0, &block, answer))
		count_or_null(answer, block, block ? block->tx_count : 0);
}

void blocks_tx_count_by_hash(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	if (hash_param(node, params, &block, answer))
		count_or_null(answer, block, block ? block->tx_count : 0);
}

void blocks_uncle_count_by_number(struct node *node, const json_t *params,
				  struct answer *answer)
{
	const struct block *block;
	if (param_block_number(node, params, 0, &block, answer))
		count_or_null(answer, block, 0);
}

void blocks_uncle_count_by_hash(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	if (hash_param(node, params, &block, answer))
		count_or_null(answer, block, 0);
}

/* The transaction of parameter 0, if it is in a block that the script shows. */
static bool tx_param(struct node *node, const json_t *params, const struct tx **out,
		     struct answer *answer)
{
	struct eth_bytes32 hash;

	if (!param_hash(params, 0, &hash, answer))
		return false;
	*out = chain_tx(&node->chain, &hash);
	if (*out && (*out)->block->header.number > node_head(node)->header.number)
		*out = NULL;
	return true;
}

static void tx_or_null(struct answer *answer, const struct tx *tx)
{
	if (tx)
		tx_json(&answer->json, tx);
	else
		buf_text(&answer->json, "null");
}

void blocks_tx_by_hash(struct node *node, const json_t *params, struct answer *answer)
{
	const struct tx *tx;
	if (tx_param(node, params, &tx, answer))
		tx_or_null(answer, tx);
}

static void tx_at(const struct block *block, const json_t *params, struct answer *answer)
{
	uint64_t index;
	if (param_index(params, 1, &index, answer))
		tx_or_null(answer,
			   block && index < block->tx_count ? &block->txs[index] : NULL);
}

void blocks_tx_by_block_hash(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	if (hash_param(node, params, &block, answer))
		tx_at(block, params, answer);
}

void blocks_tx_by_block_number(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;
	if (param_block_number(node, params, 0, &block, answer))
		tx_at(block, params, answer);
}

void blocks_receipt(struct node *node, const json_t *params, struct answer *answer)
{
	const struct tx *tx;

	if (!tx_param(node, params, &tx, answer))
		return;
	if (tx)
		receipt_json(&answer->json, tx);
	else
		buf_text(&answer->json, "null");
}

/* The block of a number, tag, 32-byte hash or EIP-1898 object; NULL: there is none. */
static bool any_block_param(struct node *node, const json_t *params, const struct block **out,
			    struct answer *answer)
{
	const json_t *value = json_array_get(params, 0);
	const json_t *hash_text =
		json_is_object(value) ? json_object_get(value, "blockHash") : value;
	struct eth_bytes32 hash;

	if (eth_data_parse(json_text(hash_text), hash.bytes, sizeof hash.bytes) == OK) {
		*out = node_block_by_hash(node, &hash);
		return true;
	}
	if (json_is_object(value) &&
	    node_block_by_text(node, json_text(json_object_get(value, "blockNumber")), out))
		return true;
	return param_block_number(node, params, 0, out, answer);
}

void blocks_receipts(struct node *node, const json_t *params, struct answer *answer)
{
	const struct block *block;

	if (!any_block_param(node, params, &block, answer))
		return;
	if (!block) {
		buf_text(&answer->json, "null");
		return;
	}
	buf_char(&answer->json, '[');
	for (unsigned i = 0; i < block->tx_count; i++) {
		if (i)
			comma(&answer->json);
		receipt_json(&answer->json, &block->txs[i]);
	}
	buf_char(&answer->json, ']');
}
