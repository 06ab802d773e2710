/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the accounts of world.h hold at a block of chain.h: balances, nonces, storage, as
 * functions of (address, slot, block). Nothing is stored; no EVM has run.
 *
 * Storage of a contract in slots 0 .. 4095, by a class that address and slot decide:
 *
 *   4 of 10  zero, always
 *   3 of 10  one value, always
 *   2 of 10  a new value every 16 blocks; zero in every other of these periods
 *   1 of 10  a new value every 4 blocks
 *
 * except slot 0 of everything but tokens: the block's number. A token has besides, at
 * keccak256(address . 0), the balance of each EOA (zero for every fifth), which changes
 * every 8 blocks. Values come in three shapes: small numbers, addresses of EOAs, 32
 * arbitrary bytes. A reorganised block gives other values than the one that it replaced,
 * wherever something changes at all in that block. All that a mover has follows from the
 * block's seed, but for slot 0; a quarter of its slots is zero.
 */
#include "mock_node/chain.h"

struct history_account {
	struct eth_u256 balance;
	uint64_t nonce;
	struct span code; /* borrowed from the world or the block; ptr is NULL: a fork that does
			   * not know it */
};

/* An unknown address has nothing: all zero. */
void history_account(const struct chain *chain, const struct block *block,
		     const struct eth_address *address, struct history_account *out);
void history_slot(const struct chain *chain, const struct block *block,
		  const struct eth_address *address, const struct eth_bytes32 *slot,
		  struct eth_bytes32 *value);

/* Slots in which an account may have something at a block, each once; those that are not among
 * them are zero. A new array of *count, free with free; NULL: none, or no memory (ERR_NOMEM).
 */
enum err history_slots(const struct chain *chain, const struct block *block,
		       const struct world_account *account, struct eth_bytes32 **slots,
		       size_t *count) WARN_UNUSED;
