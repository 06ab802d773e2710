/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The accounts of the mock chain: who exists, and which code they have. Nothing here depends
 * on a block; history.h says what an account holds at one.
 *
 * Addresses are the low 20 bytes of keccak256("mock-node " kind index), except for the two
 * system contracts, whose addresses and code are those of EIP-2935 and EIP-4788.
 *
 *   EOA         1,024; the first 64 send the chain's transactions, the last is empty of funds
 *   READER      16, same code: returns storage[calldata word 0]
 *   SUMMER      2: returns the sum of storage[start .. start + count) for two calldata words
 *   TOKEN       2: balanceOf (mapping at slot 0), totalSupply (slot 2), decimals
 *   PROXY       2: EIP-1167 minimal proxies, each before the reader of the same index
 *   REVERTER    1: reverts with Error("mock")
 *   LARGE       1: a reader with 24,063 bytes of code
 *   DELEGATED   1: an EOA with an EIP-7702 delegation to the first reader
 *   HISTORY, BEACON  EIP-2935 block hashes, EIP-4788 beacon roots
 *   MOVER       4 readers, of which balance, nonce, storage and code are new in every block;
 *               the second is there in about every other block only
 *
 * Made once at start, then read-only.
 */
#include "mock_node/dict.h"
#include "base/eth.h"

#define WORLD_EOAS    1024
#define WORLD_SENDERS 64
/* Every contract but the system's has values in its slots 0 .. WORLD_SLOTS - 1. */
#define WORLD_SLOTS 4096

enum world_kind {
	WORLD_EOA,
	WORLD_READER,
	WORLD_SUMMER,
	WORLD_TOKEN,
	WORLD_PROXY,
	WORLD_REVERTER,
	WORLD_LARGE,
	WORLD_DELEGATED,
	WORLD_HISTORY,
	WORLD_BEACON,
	WORLD_MOVER,
	WORLD_KINDS,
};

#define WORLD_READER_CODE_BYTES 9
extern const unsigned char world_reader_code[WORLD_READER_CODE_BYTES];

struct world_account {
	struct eth_address address;
	enum world_kind kind;
	unsigned index;	  /* among its kind */
	struct span code; /* empty for a MOVER: chain.h's blocks have it */
};

struct world {
	struct world_account *accounts; /* in the order of enum world_kind */
	size_t count;
	size_t first[WORLD_KINDS]; /* index of a kind's first account */
	unsigned char *code_bytes; /* what account codes point into */
	struct dict by_address;
	/* keccak256(address . 0), the token's mapping slot of each EOA, -> that account */
	struct eth_bytes32 *balance_slots;
	struct dict by_balance_slot;
};

/* ERR_NOMEM: nothing is left to release. */
enum err world_init(struct world *world) WARN_UNUSED;
void world_release(struct world *world);

/* NULL: nobody has heard of it (an empty account). */
const struct world_account *world_find(const struct world *world,
				       const struct eth_address *address);
const struct world_account *world_nth(const struct world *world, enum world_kind kind,
				      unsigned index);
/* Where Solidity keeps mapping(address => ...) at `position` for an address. */
struct eth_bytes32 world_mapping_slot(const struct eth_address *address, uint64_t position);
