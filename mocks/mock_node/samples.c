/* SPDX-License-Identifier: MIT */
#include "mock_node/samples.h"
#include "mock_node/history.h"

static void address(struct buf *out, const struct node *node, const char *name,
		    enum world_kind kind, unsigned index)
{
	json_data(out, name, world_nth(&node->world, kind, index)->address.bytes, 20);
	buf_char(out, ',');
}

/* The first small slot (after 0) of the first reader that has a value, or has none. */
static void sample_slot(struct buf *out, const struct node *node, const char *name,
			bool with_value)
{
	const struct block *head = chain_head(&node->chain);
	const struct eth_address *reader = &world_nth(&node->world, WORLD_READER, 0)->address;
	struct eth_bytes32 slot = {{0}}, value, zero = {{0}};

	for (unsigned char i = 1; i < 255; i++) {
		slot.bytes[31] = i;
		history_slot(&node->chain, head, reader, &slot, &value);
		if (eth_bytes32_equal(&value, &zero) == with_value)
			continue;
		json_data(out, name, slot.bytes, sizeof slot.bytes);
		buf_char(out, ',');
		if (with_value) {
			json_data(out, "slot_value_at_head", value.bytes, sizeof value.bytes);
			buf_char(out, ',');
		}
		return;
	}
}

static void sample_tx(struct buf *out, const struct node *node)
{
	const struct block *block = chain_head(&node->chain);

	while (block && block->tx_count == 0)
		block = block->parent;
	if (!block)
		return;
	json_data(out, "transaction", block->txs[0].hash.bytes, 32);
	buf_char(out, ',');
	json_quantity(out, "transaction_block", block->header.number);
	buf_char(out, ',');
}

void samples_json(struct buf *out, const struct node *node)
{
	const struct block *head = chain_head(&node->chain);
	const struct eth_address *eoa = &world_nth(&node->world, WORLD_EOA, 3)->address;
	struct eth_bytes32 balance_slot = world_mapping_slot(eoa, 0);

	buf_printf(out, "{\"chain_id\":%d,", CHAIN_ID);
	json_quantity(out, "head", head->header.number);
	buf_char(out, ',');
	json_data(out, "head_hash", head->hash.bytes, 32);
	buf_char(out, ',');
	json_data(out, "genesis_hash", chain_by_number(&node->chain, 0)->hash.bytes, 32);
	buf_char(out, ',');
	address(out, node, "eoa", WORLD_EOA, 3);
	address(out, node, "eoa_without_nonce", WORLD_EOA, 70);
	address(out, node, "eoa_empty", WORLD_EOA, WORLD_EOAS - 1);
	address(out, node, "reader", WORLD_READER, 0);
	address(out, node, "reader_2", WORLD_READER, 1);
	address(out, node, "summer", WORLD_SUMMER, 0);
	address(out, node, "token", WORLD_TOKEN, 0);
	json_data(out, "token_balance_slot_of_eoa", balance_slot.bytes, 32);
	buf_char(out, ',');
	address(out, node, "proxy", WORLD_PROXY, 0);
	address(out, node, "reverter", WORLD_REVERTER, 0);
	address(out, node, "large", WORLD_LARGE, 0);
	address(out, node, "delegated", WORLD_DELEGATED, 0);
	address(out, node, "history", WORLD_HISTORY, 0);
	address(out, node, "mover", WORLD_MOVER, 0);
	address(out, node, "mover_at_times", WORLD_MOVER, 1);
	sample_slot(out, node, "slot", true);
	sample_slot(out, node, "slot_zero", false);
	sample_tx(out, node);
	buf_printf(out, "\"slots\":%d}", WORLD_SLOTS);
}
