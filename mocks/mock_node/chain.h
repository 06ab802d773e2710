/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mock chain: blocks, transactions and logs, made by formula, the same in every run.
 *
 * Block hashes are real (keccak256 of the header's RLP), so are parent links, transaction
 * hashes (keccak256 of the EIP-2718 typed envelope), logs blooms, EIP-1559 base fees and
 * `size`. NOT real: transaction and receipt roots of blocks that have transactions are digests
 * and not trie roots, and the signatures recover to nobody; no EVM has run. State roots are
 * digests too, and there are no proofs, unless the chain is made with state_roots: then they
 * are those of roots.h, and every block takes the time to compute one.
 *
 * Transactions alternate between plain transfers and token transfers (one Transfer log
 * each, unless the transaction failed); transaction g of the chain is sent by EOA g mod 64
 * with nonce g / 64.
 *
 * A reorganisation makes new blocks with another salt. The old ones stay in memory, known by
 * hash, marked as not canonical; blocks live until chain_release. Of the transactions that
 * were in the old ones about half come again, mostly in a block of another number; others
 * with their senders' nonces take the place of the rest.
 */
#include "mock_node/dict.h"
#include "mock_node/header.h"
#include "mock_node/world.h"

/* In no list of networks or development nodes. */
#define CHAIN_ID	   73571
#define CHAIN_GENESIS_TIME 1700000000u
#define CHAIN_BLOCK_TIME   12
#define CHAIN_GAS_LIMIT	   36000000
#define CHAIN_BLOCKS_MAX   1000000

struct block;

struct tx {
	struct eth_bytes32 hash, r, s;
	struct eth_address from, to;
	unsigned char input[68];
	unsigned input_len; /* 0: a plain transfer */
	unsigned index;
	unsigned y_parity;
	bool failed;
	bool has_log;
	unsigned log_index; /* in its block */
	uint64_t nonce, gas, gas_used, cumulative_gas, value, max_fee, priority_fee;
	size_t raw_bytes;
	const struct block *block;
};

/* A reader's code, INVALID, and bytes of the block's seed. */
#define CHAIN_MOVER_CODE_BYTES (WORLD_READER_CODE_BYTES + 1 + 8)

struct block {
	struct eth_bytes32 hash;
	/* Of what is new in its state: the hash; with state roots, which the hash depends on, a
	 * digest of parent, number and salt. */
	struct eth_bytes32 seed;
	unsigned char mover_code[CHAIN_MOVER_CODE_BYTES]; /* which the movers have in it */
	struct eth_bytes32 *storage_roots; /* of the contracts, see roots.h; or NULL */
	struct header header;
	struct block *parent; /* NULL: genesis */
	struct block *next_made;
	bool canonical;
	unsigned salt;	   /* the number of reorganisations before it was made */
	uint64_t tx_total; /* transactions up to and including this block */
	size_t size;
	struct tx *txs;
	unsigned tx_count;
};

struct chain {
	const struct world *world;
	struct block **canonical; /* by number */
	size_t count, capacity;
	struct block *last_made;      /* all blocks, newest first */
	const struct block *replaced; /* the head before the newest reorganisation, or NULL */
	struct dict by_hash, tx_by_hash;
	unsigned salt;
	bool state_roots;
};

/* Genesis and `head` blocks on it; borrows the world. ERR_NOMEM: nothing is left. */
enum err chain_init(struct chain *chain, const struct world *world, uint64_t head,
		    bool state_roots) WARN_UNUSED;
void chain_release(struct chain *chain);

/* Puts n blocks on the head. ERR_NOMEM: fewer than n. */
enum err chain_advance(struct chain *chain, uint64_t n) WARN_UNUSED;
/* Replaces the newest `depth` blocks (never genesis) by `blocks` different ones. */
enum err chain_reorg(struct chain *chain, uint64_t depth, uint64_t blocks) WARN_UNUSED;

const struct block *chain_head(const struct chain *chain);
/* Canonical blocks only; NULL above the head. */
const struct block *chain_by_number(const struct chain *chain, uint64_t number);
/* Also blocks that were reorganised away; NULL: never made. */
const struct block *chain_by_hash(const struct chain *chain, const struct eth_bytes32 *hash);
/* Canonical transactions only. */
const struct tx *chain_tx(const struct chain *chain, const struct eth_bytes32 *hash);
/* The block of that number on the branch of `block`; number <= block's. */
const struct block *chain_ancestor(const struct chain *chain, const struct block *block,
				   uint64_t number);

/* Fee per gas that a transaction paid in its block. */
uint64_t tx_effective_price(const struct tx *tx);
/* The topics of a transaction's log: Transfer(address,address,uint256), from, to. */
void tx_log_topics(const struct tx *tx, struct eth_bytes32 topics[3]);
/* What the log's data says: the amount. */
const unsigned char *tx_log_data(const struct tx *tx);
void tx_log_bloom(const struct tx *tx, unsigned char bloom[256]);
