/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The chain as clients see it: pinned to one block, which is its head.
 *
 * Made once at start from what the upstreams agree on (or, offline, from the disk), then
 * read by all threads. What is above the pinned block does not exist here.
 */
#include "layers/stack.h"

#define CHAIN_CLIENT_BYTES 160

struct chain {
	uint64_t chain_id;
	struct stack_block pin;
	struct block_header header;		 /* of the pinned block */
	bool is_prague;				 /* its header has a requestsHash (EIP-7685) */
	uint64_t finalized;			 /* blocks up to this number are final */
	bool keep_nothing;			 /* an untrusted development node */
	char client_version[CHAIN_CLIENT_BYTES]; /* our own web3_clientVersion */
};

/* Whether a block number is final, and so bound to its hash for ever. */
static inline bool chain_is_final(const struct chain *chain, uint64_t number)
{
	return number <= chain->finalized;
}

/* Reads a block object of eth_getBlockBy*. ERR_BAD_ANSWER, with a detail, when a field that
 * every chain has is missing or malformed. number, hash, parentHash, stateRoot, timestamp
 * and gasLimit are required. */
enum err block_header_parse(struct span json, struct block_header *out, bool *is_prague,
			    struct err_detail *detail) WARN_UNUSED;

/* wei. baseFeePerGas + 1 gwei; 1 gwei where there is no base fee. */
struct eth_u256 chain_gas_price(const struct chain *chain);
/* wei per blob gas at the pinned block: EIP-4844's fake_exponential over excessBlobGas, with
 * the update fraction of Cancun (EIP-4844), Prague (EIP-7691) or, of the public chains, the
 * later forks of blob parameters (EIP-7892). 1 where there is none;
 * UINT64_MAX when it is more. */
uint64_t chain_blob_base_fee(const struct chain *chain);
