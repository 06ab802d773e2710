/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The chain as clients see it.
 *
 * Pinned, one block is its head for ever: what is above it does not exist here. Following,
 * the head is what the upstreams say it is (heads.h), and every HTTP body sees one: its
 * struct head. struct chain is made at start from what the upstreams agree on (or, offline,
 * from the disk), then read by all threads.
 */
#include "layers/anchor.h"
#include <stdatomic.h>

#define CHAIN_CLIENT_BYTES 160

struct heads;

/* The block that "latest" means. */
struct head {
	struct stack_block block;
	struct block_header header;
	bool is_prague; /* its header has a requestsHash (EIP-7685) */
	/* Following: the numbers below it that are known to be of its branch are bound in
	 * this epoch (stack_get_near). */
	uint64_t epoch;
};

struct chain {
	uint64_t chain_id;
	struct heads *heads;			 /* following; NULL: pinned */
	struct head pinned;			 /* pinned: the head */
	atomic_ullong finalized;		 /* blocks up to this number are final */
	bool keep_nothing;			 /* an untrusted development node */
	bool allow_send;			 /* raw transactions are forwarded, following */
	char client_version[CHAIN_CLIENT_BYTES]; /* our own web3_clientVersion */
	/* What the first upstream is: what depends on it is kept under it. Empty: unknown. */
	char client_kind[ANCHOR_KIND_BYTES];
};

/* Whether a block number is final, and so bound to its hash for ever. */
static inline bool chain_is_final(const struct chain *chain, uint64_t number)
{
	return number <= atomic_load_explicit(&chain->finalized, memory_order_relaxed);
}

/* Never lowers it. */
void chain_raise_finalized(struct chain *chain, uint64_t number);

/* wei. baseFeePerGas + 1 gwei; 1 gwei where there is no base fee. */
struct eth_u256 head_gas_price(const struct head *head);
/* wei: the base fee of the block after the head, by EIP-1559's formula over the head's gasUsed,
 * gasLimit and baseFeePerGas, with mainnet's parameters: chains that have others (OP Stack's
 * denominators, for one) have another. A head without a base fee: 0; one of 2^64 and more: as
 * it is. */
struct eth_u256 head_next_base_fee(const struct head *head);
/* wei per blob gas at the head: EIP-4844's fake_exponential over excessBlobGas, with
 * the update fraction of Cancun (EIP-4844), Prague (EIP-7691) or, of the public chains, the
 * later forks of blob parameters (EIP-7892). 1 where there is none;
 * UINT64_MAX when it is more. */
uint64_t head_blob_base_fee(const struct head *head, uint64_t chain_id);
