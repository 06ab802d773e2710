/* SPDX-License-Identifier: MIT */
#include "mock_node/chain_impl.h"
#include "mock_node/roots.h"
#include "base/keccak.h"
#include <stdlib.h>

#define GENESIS_BASE_FEE 1000000000u /* 1 gwei */
#define TXS_PER_BLOCK	 5	     /* 0 to 4 */

static struct span hash_key(const struct eth_bytes32 *hash)
{
	return (struct span){(const char *)hash->bytes, sizeof hash->bytes};
}

/* What all arbitrary bytes of a block come from: parent, salt and a tag. */
static struct eth_bytes32 digest_of(const struct block *block, unsigned char tag)
{
	unsigned char text[32 + 8 + 8 + 1];
	struct eth_bytes32 digest;

	memcpy(text, block->header.parent_hash.bytes, 32);
	be64_put(text + 32, block->header.number);
	be64_put(text + 40, block->salt);
	text[48] = tag;
	keccak256(text, sizeof text, &digest);
	return digest;
}

static void fill_header(struct block *block)
{
	struct header *h = &block->header;
	const struct block *parent = block->parent;

	if (parent) {
		h->parent_hash = parent->hash;
		h->number = parent->header.number + 1;
		h->base_fee = header_next_base_fee(&parent->header);
	} else {
		h->base_fee = GENESIS_BASE_FEE;
	}
	h->timestamp = CHAIN_GENESIS_TIME + CHAIN_BLOCK_TIME * h->number;
	h->gas_limit = CHAIN_GAS_LIMIT;
	h->state_root = digest_of(block, 's');
	h->mix_hash = digest_of(block, 'm');
	h->parent_beacon_root = digest_of(block, 'b');
	h->transactions_root = eth_empty_trie_root;
	h->receipts_root = eth_empty_trie_root;
	struct eth_bytes32 miner = digest_of(block, 'f');
	memcpy(h->miner.bytes, miner.bytes + 12, sizeof h->miner.bytes);
}

/* Transaction number `running_number` of the branch that was replaced, or NULL. */
static const struct tx *replaced_tx(const struct chain *chain, uint64_t running_number)
{
	const struct block *block = chain->replaced;

	if (!block || running_number >= block->tx_total)
		return NULL;
	while (running_number < block->tx_total - block->tx_count)
		block = block->parent;
	return &block->txs[running_number - (block->tx_total - block->tx_count)];
}

static enum err make_or_move_tx(struct tx *tx, const struct chain *chain,
				const struct block *block, const struct eth_bytes32 *seed)
{
	const struct tx *old = replaced_tx(chain, block->tx_total);

	if (!old || (seed->bytes[block->tx_total % 31] & 1))
		return tx_make(tx, chain->world, block, block->tx_total, seed);
	*tx = *old;
	tx->block = block;
	return OK;
}

static enum err fill_txs(struct block *block, const struct chain *chain)
{
	struct eth_bytes32 seed = digest_of(block, 't');
	struct header *h = &block->header;
	unsigned logs = 0;

	block->tx_total = block->parent ? block->parent->tx_total : 0;
	unsigned count = block->parent ? seed.bytes[31] % TXS_PER_BLOCK : 0;
	if (count == 0)
		return OK;
	block->txs = calloc(count, sizeof(struct tx));
	if (!block->txs)
		return ERR_NOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct tx *tx = &block->txs[i];
		enum err err = make_or_move_tx(tx, chain, block, &seed);
		if (err != OK)
			return err;
		block->tx_total++;
		block->tx_count++;
		tx->index = i;
		tx->log_index = logs;
		logs += tx->has_log;
		h->gas_used += tx->gas_used;
		tx->cumulative_gas = h->gas_used;
		tx_log_bloom(tx, h->bloom);
	}
	h->transactions_root = digest_of(block, 'x');
	h->receipts_root = digest_of(block, 'r');
	return OK;
}

static size_t rlp_wrapped(size_t payload)
{
	size_t length_bytes = 0;
	for (size_t n = payload; payload >= 56 && n; n >>= 8)
		length_bytes++;
	return payload + 1 + length_bytes;
}

/* The RLP length of [header, transactions, uncles, withdrawals]; a typed transaction is
 * wrapped as a byte string. */
static size_t size_of(const struct block *block, size_t header_bytes)
{
	size_t txs = 0;
	for (unsigned i = 0; i < block->tx_count; i++)
		txs += rlp_wrapped(block->txs[i].raw_bytes);
	return rlp_wrapped(header_bytes + rlp_wrapped(txs) + 1 + 1);
}

static void seed_state(struct block *block, struct eth_bytes32 seed)
{
	unsigned char *code = block->mover_code;

	block->seed = seed;

	memcpy(code, world_reader_code, WORLD_READER_CODE_BYTES);
	code[WORLD_READER_CODE_BYTES] = 0xfe; /* INVALID */
	memcpy(code + WORLD_READER_CODE_BYTES + 1, seed.bytes, 8);
}

static void block_free(struct block *block)
{
	if (!block)
		return;
	free(block->txs);
	free(block->storage_roots);
	free(block);
}

static enum err block_new(const struct chain *chain, struct block *parent, struct block **out)
{
	size_t header_bytes;
	struct block *block = calloc(1, sizeof *block);

	if (!block)
		return ERR_NOMEM;
	block->parent = parent;
	block->salt = chain->salt;
	fill_header(block);
	enum err err = fill_txs(block, chain);
	if (err == OK && chain->state_roots) {
		seed_state(block, digest_of(block, 'v'));
		err = roots_fill(chain, block);
	}
	if (err == OK)
		err = header_hash(&block->header, &block->hash, &header_bytes);
	if (err != OK) {
		block_free(block);
		return err;
	}
	if (!chain->state_roots)
		seed_state(block, block->hash);
	block->size = size_of(block, header_bytes);
	*out = block;
	return OK;
}

static enum err index_block(struct chain *chain, struct block *block)
{
	enum err err = dict_put(&chain->by_hash, hash_key(&block->hash), block);
	for (unsigned i = 0; err == OK && i < block->tx_count; i++)
		err = dict_put(&chain->tx_by_hash, hash_key(&block->txs[i].hash),
			       &block->txs[i]);
	return err;
}

static enum err reserve_number(struct chain *chain)
{
	if (chain->count < chain->capacity)
		return OK;
	if (chain->count >= CHAIN_BLOCKS_MAX)
		return ERR_LIMIT;
	size_t capacity = chain->capacity ? chain->capacity * 2 : 512;
	struct block **bigger = realloc(chain->canonical, capacity * sizeof *bigger);
	if (!bigger)
		return ERR_NOMEM;
	chain->canonical = bigger;
	chain->capacity = capacity;
	return OK;
}

static enum err add_block(struct chain *chain)
{
	struct block *parent = chain->count ? chain->canonical[chain->count - 1] : NULL;
	struct block *block;
	enum err err = reserve_number(chain);

	if (err == OK)
		err = block_new(chain, parent, &block);
	if (err != OK)
		return err;
	block->next_made = chain->last_made;
	chain->last_made = block;
	err = index_block(chain, block);
	if (err != OK)
		return err;
	block->canonical = true;
	chain->canonical[chain->count++] = block;
	return OK;
}

enum err chain_advance(struct chain *chain, uint64_t n)
{
	enum err err = OK;
	while (err == OK && n-- > 0)
		err = add_block(chain);
	return err;
}

enum err chain_reorg(struct chain *chain, uint64_t depth, uint64_t blocks)
{
	if (depth >= chain->count)
		depth = chain->count - 1;
	chain->replaced = chain_head(chain);
	for (uint64_t i = 0; i < depth; i++)
		chain->canonical[--chain->count]->canonical = false;
	chain->salt++;
	return chain_advance(chain, blocks);
}

enum err chain_init(struct chain *chain, const struct world *world, uint64_t head,
		    bool state_roots)
{
	*chain = (struct chain){.world = world, .state_roots = state_roots};
	enum err err = chain_advance(chain, head + 1);
	if (err != OK)
		chain_release(chain);
	return err;
}

void chain_release(struct chain *chain)
{
	while (chain->last_made) {
		struct block *block = chain->last_made;
		chain->last_made = block->next_made;
		block_free(block);
	}
	dict_release(&chain->by_hash);
	dict_release(&chain->tx_by_hash);
	free(chain->canonical);
	*chain = (struct chain){0};
}

const struct block *chain_head(const struct chain *chain)
{
	return chain->canonical[chain->count - 1];
}

const struct block *chain_by_number(const struct chain *chain, uint64_t number)
{
	return number < chain->count ? chain->canonical[number] : NULL;
}

const struct block *chain_by_hash(const struct chain *chain, const struct eth_bytes32 *hash)
{
	return dict_get(&chain->by_hash, hash_key(hash));
}

const struct tx *chain_tx(const struct chain *chain, const struct eth_bytes32 *hash)
{
	const struct tx *tx = dict_get(&chain->tx_by_hash, hash_key(hash));
	return tx && tx->block->canonical ? tx : NULL;
}

const struct block *chain_ancestor(const struct chain *chain, const struct block *block,
				   uint64_t number)
{
	REQUIRE(number <= block->header.number);
	while (!block->canonical && block->header.number > number)
		block = block->parent;
	return block->canonical ? chain->canonical[number] : block;
}
