/* SPDX-License-Identifier: MIT */
/*
 * The mock chain is what a verifying client would accept: hashes are computed here once more,
 * from the JSON that the mock serves and not from its structs.
 */
#include "mock_node/blocks.h"
#include "mock_node/history.h"
#include "base/keccak.h"
#include "base/rlp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HEAD 300

struct fixture {
	struct world world;
	struct chain chain;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	*state = f;
	return world_init(&f->world) != OK ||
	       chain_init(&f->chain, &f->world, HEAD, false) != OK;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	chain_release(&f->chain);
	world_release(&f->world);
	free(f);
	return 0;
}

/* Reorganisations of many depths, to heads that are lower, as high, and higher. */
static void reorganise(struct chain *chain)
{
	for (uint64_t depth = 1; depth <= 40; depth++) {
		uint64_t blocks = depth + depth % 3 - 1;
		uint64_t head = chain_head(chain)->header.number;
		assert_int_equal(chain_reorg(chain, depth, blocks), OK);
		assert_int_equal(chain_head(chain)->header.number, head - depth + blocks);
		assert_int_equal(chain_advance(chain, 2), OK);
	}
}

static json_t *json_of(const struct block *block)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	block_json(&text, block, true);
	assert_int_equal(buf_err(&text), OK);
	json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
	assert_non_null(json);
	buf_release(&text);
	return json;
}

static struct span member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	assert_true(json_is_string(value));
	return (struct span){json_string_value(value), json_string_length(value)};
}

static void put_data(struct buf *rlp, const json_t *object, const char *name)
{
	unsigned char bytes[512];
	size_t n;
	assert_int_equal(eth_data_length(member(object, name), &n), OK);
	assert_true(n <= sizeof bytes);
	assert_int_equal(eth_data_parse(member(object, name), bytes, n), OK);
	rlp_string(rlp, bytes, n);
}

static void put_quantity(struct buf *rlp, const json_t *object, const char *name)
{
	struct eth_u256 value;
	assert_int_equal(eth_quantity_u256(member(object, name), &value), OK);
	rlp_u256(rlp, &value);
}

/* 'd': DATA, 'q': QUANTITY; the order is the RLP's. */
struct field {
	const char *name;
	char form;
};

static void put_fields(struct buf *rlp, const json_t *object, const struct field *fields,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].form == 'd')
			put_data(rlp, object, fields[i].name);
		else
			put_quantity(rlp, object, fields[i].name);
	}
}

static void assert_hash(const struct buf *rlp, const json_t *object)
{
	struct eth_bytes32 hash, said;
	assert_int_equal(buf_err(rlp), OK);
	keccak256(rlp->ptr, rlp->len, &hash);
	assert_int_equal(eth_data_parse(member(object, "hash"), said.bytes, 32), OK);
	assert_memory_equal(hash.bytes, said.bytes, 32);
}

static void assert_header_hash(const json_t *block)
{
	static const struct field fields[] = {
		{"parentHash", 'd'},
		{"sha3Uncles", 'd'},
		{"miner", 'd'},
		{"stateRoot", 'd'},
		{"transactionsRoot", 'd'},
		{"receiptsRoot", 'd'},
		{"logsBloom", 'd'},
		{"difficulty", 'q'},
		{"number", 'q'},
		{"gasLimit", 'q'},
		{"gasUsed", 'q'},
		{"timestamp", 'q'},
		{"extraData", 'd'},
		{"mixHash", 'd'},
		{"nonce", 'd'},
		{"baseFeePerGas", 'q'},
		{"withdrawalsRoot", 'd'},
		{"blobGasUsed", 'q'},
		{"excessBlobGas", 'q'},
		{"parentBeaconBlockRoot", 'd'},
		{"requestsHash", 'd'},
	};
	struct buf rlp;

	buf_init(&rlp, 4096);
	size_t list = rlp_list_open(&rlp);
	put_fields(&rlp, block, fields, sizeof fields / sizeof fields[0]);
	rlp_list_close(&rlp, list);
	assert_hash(&rlp, block);
	buf_release(&rlp);
}

static void blocks_hash_to_their_hash_and_link(void **state)
{
	const struct fixture *f = *state;
	struct eth_bytes32 parent = {{0}}, said;

	for (uint64_t n = 0; n <= HEAD; n++) {
		const struct block *block = chain_by_number(&f->chain, n);
		json_t *json = json_of(block);
		assert_header_hash(json);
		assert_int_equal(eth_data_parse(member(json, "parentHash"), said.bytes, 32),
				 OK);
		assert_memory_equal(said.bytes, parent.bytes, 32);
		parent = block->hash;
		assert_ptr_equal(chain_by_hash(&f->chain, &parent), block);
		json_decref(json);
	}
	assert_null(chain_by_number(&f->chain, HEAD + 1));
}

/* All blocks that ever were, whichever branch they are on. */
static void blocks_of_all_branches_hash_and_link(void **state)
{
	struct fixture *f = *state;
	size_t seen = 0, aside = 0;

	reorganise(&f->chain);
	for (const struct block *b = f->chain.last_made; b; b = b->next_made) {
		json_t *json = json_of(b);
		assert_header_hash(json);
		assert_ptr_equal(chain_by_hash(&f->chain, &b->hash), b);
		if (b->parent)
			assert_memory_equal(b->header.parent_hash.bytes, b->parent->hash.bytes,
					    32);
		assert_int_equal(chain_by_number(&f->chain, b->header.number) == b,
				 b->canonical);
		aside += !b->canonical;
		seen++;
		json_decref(json);
	}
	assert_int_equal(seen - aside, f->chain.count);
	assert_true(aside > 40);
}

/* EIP-1559's envelope: 0x02 || rlp([chainId, nonce, ..., accessList, yParity, r, s]). */
static void put_tx(struct buf *rlp, const json_t *tx)
{
	static const struct field head[] = {
		{"chainId", 'q'},      {"nonce", 'q'}, {"maxPriorityFeePerGas", 'q'},
		{"maxFeePerGas", 'q'}, {"gas", 'q'},   {"to", 'd'},
		{"value", 'q'},	       {"input", 'd'},
	};
	static const struct field tail[] = {{"yParity", 'q'}, {"r", 'q'}, {"s", 'q'}};

	buf_char(rlp, 2);
	size_t list = rlp_list_open(rlp);
	put_fields(rlp, tx, head, sizeof head / sizeof head[0]);
	rlp_list_close(rlp, rlp_list_open(rlp));
	put_fields(rlp, tx, tail, sizeof tail / sizeof tail[0]);
	rlp_list_close(rlp, list);
}

static void transactions_hash_to_their_hash(void **state)
{
	const struct fixture *f = *state;
	size_t seen = 0, i;
	json_t *tx;

	for (uint64_t n = 0; n <= HEAD; n++) {
		json_t *block = json_of(chain_by_number(&f->chain, n));
		json_array_foreach(json_object_get(block, "transactions"), i, tx)
		{
			struct buf rlp;
			buf_init(&rlp, 4096);
			put_tx(&rlp, tx);
			assert_hash(&rlp, tx);
			buf_release(&rlp);
			seen++;
		}
		json_decref(block);
	}
	assert_true(seen > HEAD);
}

/* What a branch does to the transactions of the one that it replaces. */
struct fates {
	size_t stayed, moved, vanished;
};

static void count_fates(const struct chain *chain, const struct block *block,
			struct fates *fates)
{
	for (unsigned i = 0; i < block->tx_count; i++) {
		const struct tx *now = chain_tx(chain, &block->txs[i].hash);
		if (!now)
			fates->vanished++;
		else if (now->block->header.number == block->header.number)
			fates->stayed++;
		else
			fates->moved++;
	}
}

/* Some move, some go; a sender's nonces follow each other on every branch. */
static void transactions_move_and_vanish(void **state)
{
	struct fixture *f = *state;
	const struct block *old = chain_head(&f->chain);
	struct fates fates = {0};

	assert_int_equal(chain_reorg(&f->chain, 40, 41), OK);
	for (const struct block *b = old; !b->canonical; b = b->parent)
		count_fates(&f->chain, b, &fates);
	assert_true(fates.moved > 10);
	assert_true(fates.vanished > 10);
	for (uint64_t n = 1, total = 0; n < f->chain.count; n++) {
		const struct block *block = chain_by_number(&f->chain, n);
		uint64_t gas = 0;
		for (unsigned i = 0; i < block->tx_count; i++, total++) {
			const struct tx *tx = &block->txs[i];
			gas += tx->gas_used;
			assert_ptr_equal(chain_tx(&f->chain, &tx->hash), tx);
			assert_int_equal(tx->nonce, total / WORLD_SENDERS);
			assert_int_equal(tx->index, i);
			assert_int_equal(tx->cumulative_gas, gas);
			assert_true(tx->max_fee >= block->header.base_fee);
		}
		assert_int_equal(block->header.gas_used, gas);
	}
}

/* The RLP of header, transactions (as strings), no uncles, no withdrawals. */
static void size_is_the_length_of_the_blocks_rlp(void **state)
{
	const struct fixture *f = *state;
	size_t i;
	json_t *tx;

	for (uint64_t n = 0; n <= HEAD; n++) {
		const struct block *block = chain_by_number(&f->chain, n);
		json_t *json = json_of(block);
		struct buf rlp, raw;
		buf_init(&rlp, 1 << 16);
		buf_init(&raw, 4096);
		size_t list = rlp_list_open(&rlp);
		header_rlp(&rlp, &block->header);
		size_t txs = rlp_list_open(&rlp);
		json_array_foreach(json_object_get(json, "transactions"), i, tx)
		{
			buf_clear(&raw);
			put_tx(&raw, tx);
			rlp_string(&rlp, raw.ptr, raw.len);
		}
		rlp_list_close(&rlp, txs);
		rlp_list_close(&rlp, rlp_list_open(&rlp));
		rlp_list_close(&rlp, rlp_list_open(&rlp));
		rlp_list_close(&rlp, list);
		assert_int_equal(block->size, rlp.len);
		buf_release(&rlp);
		buf_release(&raw);
		json_decref(json);
	}
}

static bool in_bloom(const unsigned char bloom[256], const void *bytes, size_t n)
{
	struct eth_bytes32 hash;
	keccak256(bytes, n, &hash);
	for (int i = 0; i < 6; i += 2) {
		unsigned bit = ((unsigned)hash.bytes[i] << 8 | hash.bytes[i + 1]) % 2048;
		if (!(bloom[255 - bit / 8] >> bit % 8 & 1))
			return false;
	}
	return true;
}

static void blooms_hold_the_logs_and_little_else(void **state)
{
	const struct fixture *f = *state;
	size_t logs = 0, false_hits = 0;

	for (uint64_t n = 0; n <= HEAD; n++) {
		const struct block *block = chain_by_number(&f->chain, n);
		for (unsigned i = 0; i < block->tx_count; i++) {
			const struct tx *tx = &block->txs[i];
			struct eth_bytes32 topics[3];
			if (!tx->has_log)
				continue;
			logs++;
			tx_log_topics(tx, topics);
			assert_true(in_bloom(block->header.bloom, tx->to.bytes, 20));
			for (int t = 0; t < 3; t++)
				assert_true(in_bloom(block->header.bloom, topics[t].bytes, 32));
		}
		false_hits += in_bloom(block->header.bloom, &n, sizeof n);
	}
	assert_true(logs > HEAD / 2);
	assert_true(false_hits < 3);
}

/* A reorganised slot differs from the old branch's; what lies deeper does not. */
static void both_branches_keep_their_state(void **state)
{
	struct fixture *f = *state;
	const struct eth_address *reader = &world_nth(&f->world, WORLD_READER, 0)->address;
	const struct block *old_head = chain_head(&f->chain);
	struct eth_bytes32 before[WORLD_SLOTS], after, again, slot = {{0}};
	size_t changed = 0;

	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		be64_put(slot.bytes + 24, i);
		history_slot(&f->chain, old_head, reader, &slot, &before[i]);
	}
	assert_int_equal(chain_reorg(&f->chain, 1, 1), OK);
	assert_false(old_head->canonical);
	assert_int_equal(chain_head(&f->chain)->header.number, HEAD);
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		be64_put(slot.bytes + 24, i);
		history_slot(&f->chain, chain_head(&f->chain), reader, &slot, &after);
		history_slot(&f->chain, old_head, reader, &slot, &again);
		assert_memory_equal(again.bytes, before[i].bytes, 32);
		changed += memcmp(after.bytes, before[i].bytes, 32) != 0;
	}
	/* HEAD is a multiple of 4 but not of 16: a tenth of the slots changes in this block. */
	assert_in_range(changed, WORLD_SLOTS / 20, WORLD_SLOTS / 5);
}

/* What a mover has in one block of one branch it has in no other. */
static void movers_are_new_in_every_block(void **state)
{
	struct fixture *f = *state;
	const struct eth_address *mover = &world_nth(&f->world, WORLD_MOVER, 0)->address;
	const struct eth_address *second = &world_nth(&f->world, WORLD_MOVER, 1)->address;
	struct history_account a, b;
	size_t seen = 0, there = 0;

	reorganise(&f->chain);
	for (const struct block *n = f->chain.last_made; n->next_made; n = n->next_made) {
		history_account(&f->chain, n, mover, &a);
		history_account(&f->chain, n->next_made, mover, &b);
		assert_memory_not_equal(a.balance.bytes, b.balance.bytes, 32);
		assert_int_not_equal(a.nonce, b.nonce);
		assert_int_equal(a.code.len, CHAIN_MOVER_CODE_BYTES);
		assert_memory_not_equal(a.code.ptr, b.code.ptr, CHAIN_MOVER_CODE_BYTES);
		history_account(&f->chain, n, second, &b);
		there += b.code.len != 0;
		assert_int_equal(b.code.len != 0, b.nonce != 0);
		seen++;
	}
	assert_in_range(there, seen / 3, 2 * seen / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_hash_to_their_hash_and_link, setup,
						teardown),
		cmocka_unit_test_setup_teardown(transactions_hash_to_their_hash, setup,
						teardown),
		cmocka_unit_test_setup_teardown(size_is_the_length_of_the_blocks_rlp, setup,
						teardown),
		cmocka_unit_test_setup_teardown(blooms_hold_the_logs_and_little_else, setup,
						teardown),
		cmocka_unit_test_setup_teardown(blocks_of_all_branches_hash_and_link, setup,
						teardown),
		cmocka_unit_test_setup_teardown(transactions_move_and_vanish, setup, teardown),
		cmocka_unit_test_setup_teardown(both_branches_keep_their_state, setup,
						teardown),
		cmocka_unit_test_setup_teardown(movers_are_new_in_every_block, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
