/* SPDX-License-Identifier: MIT */
#include "mock_node/history.h"
#include "base/keccak.h"
#include <stdlib.h>

#define HISTORY_RING	  8191 /* HISTORY_SERVE_WINDOW, EIP-2935, and EIP-4788's buffer */
#define MILLIETHER	  1000000000000000u
#define FEW_BLOCKS	  8 /* how often what moves slowly moves */
#define TOTAL_SUPPLY_SLOT 2

__extension__ typedef unsigned __int128 wide;

static void put_wide(unsigned char out[32], wide v)
{
	memset(out, 0, 16);
	be64_put(out + 16, (uint64_t)(v >> 64));
	be64_put(out + 24, (uint64_t)v);
}

/* splitmix64: a cheap way to spread a counter over all bits. */
static uint64_t spread(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The salt of the block at which something that changes every `period` blocks last did. */
static unsigned salt_at(const struct chain *chain, const struct block *block, uint64_t period)
{
	uint64_t number = block->header.number;
	return chain_ancestor(chain, block, number - number % period)->salt;
}

static wide slow_amount(const struct chain *chain, const struct block *block, uint64_t step)
{
	uint64_t epoch = block->header.number / FEW_BLOCKS;
	return (wide)step * epoch + salt_at(chain, block, FEW_BLOCKS);
}

static void eoa(const struct chain *chain, const struct block *block, unsigned index,
		struct history_account *out)
{
	wide balance = (wide)MILLIETHER * 100 * index;

	if (index < WORLD_SENDERS) {
		out->nonce = (block->tx_total + WORLD_SENDERS - 1 - index) / WORLD_SENDERS;
		balance = (wide)MILLIETHER * 1000000 - (wide)MILLIETHER * out->nonce;
	} else if (index == WORLD_EOAS - 1) {
		balance = 0;
	} else {
		out->nonce = index % 7;
		if (index % 4 == 0)
			balance += slow_amount(chain, block, 1000000007);
	}
	put_wide(out->balance.bytes, balance);
}

/* Everybody is, but the second mover comes and goes. */
static bool mover_is_there(const struct block *block, const struct world_account *account)
{
	return account->kind != WORLD_MOVER || account->index != 1 ||
	       block->seed.bytes[0] % 2 == 0;
}

static void mover(const struct block *block, const struct world_account *account,
		  struct history_account *out)
{
	if (!mover_is_there(block, account))
		return;
	out->code = (struct span){(const char *)block->mover_code, sizeof block->mover_code};
	put_wide(out->balance.bytes, be64_get(block->seed.bytes + 8) + (wide)account->index);
	out->nonce = 1 + (be64_get(block->seed.bytes + 16) >> 40) + account->index;
}

void history_account(const struct chain *chain, const struct block *block,
		     const struct eth_address *address, struct history_account *out)
{
	const struct world_account *account = world_find(chain->world, address);

	*out = (struct history_account){.code = SPAN("")};
	if (!account)
		return;
	out->code = account->code;
	if (account->kind == WORLD_EOA) {
		eoa(chain, block, account->index, out);
		return;
	}
	if (account->kind == WORLD_MOVER) {
		mover(block, account, out);
		return;
	}
	out->nonce = 1;
	if (account->kind == WORLD_READER || account->kind == WORLD_DELEGATED)
		put_wide(out->balance.bytes, (wide)MILLIETHER * (account->index + 1));
}

/* True when the slot is a number below `limit`. */
static bool small_slot(const struct eth_bytes32 *slot, uint64_t limit, uint64_t *number)
{
	for (int i = 0; i < 24; i++) {
		if (slot->bytes[i])
			return false;
	}
	*number = be64_get(slot->bytes + 24);
	return *number < limit;
}

/* Ring entry s holds the hash of the newest block before this one that is s mod 8191. */
static void block_hash_slot(const struct chain *chain, const struct block *block, uint64_t slot,
			    struct eth_bytes32 *value)
{
	uint64_t number = block->header.number;

	if (number == 0 || slot > number - 1)
		return;
	uint64_t newest = number - 1 - (number - 1 - slot) % HISTORY_RING;
	*value = chain_ancestor(chain, block, newest)->hash;
}

/* EIP-4788: timestamps in one ring, roots in the next, both at timestamp mod 8191. */
static void beacon_slot(const struct chain *chain, const struct block *block, uint64_t slot,
			struct eth_bytes32 *value)
{
	uint64_t number = block->header.number;

	for (uint64_t back = 0; back < HISTORY_RING && back <= number; back++) {
		uint64_t timestamp = block->header.timestamp - back * CHAIN_BLOCK_TIME;
		if (timestamp % HISTORY_RING != slot % HISTORY_RING)
			continue;
		if (slot < HISTORY_RING)
			be64_put(value->bytes + 24, timestamp);
		else
			*value = chain_ancestor(chain, block, number - back)
					 ->header.parent_beacon_root;
		return;
	}
}

static void shaped_value(const struct world *world, const struct eth_bytes32 *digest,
			 struct eth_bytes32 *value)
{
	switch (digest->bytes[0] % 3) {
	case 0:
		memcpy(value->bytes + 26, digest->bytes + 1, 6);
		break;
	case 1: {
		unsigned index =
			((unsigned)digest->bytes[1] << 8 | digest->bytes[2]) % WORLD_EOAS;
		memcpy(value->bytes + 12, world_nth(world, WORLD_EOA, index)->address.bytes,
		       20);
		break;
	}
	case 2:
		*value = *digest;
		break;
	}
}

static void plain_slot(const struct chain *chain, const struct block *block,
		       const struct eth_address *address, uint64_t slot,
		       struct eth_bytes32 *value)
{
	unsigned char text[20 + 8 + 8 + 8];
	struct eth_bytes32 digest;
	uint64_t class = spread(slot ^ be64_get(address->bytes)) % 10;
	uint64_t period = class >= 9 ? 4 : class >= 7 ? 16 : 0;
	uint64_t epoch = period ? block->header.number / period : 0;

	if (class < 4 || (period == 16 && epoch % 2 == 0))
		return;
	memcpy(text, address->bytes, 20);
	be64_put(text + 20, slot);
	be64_put(text + 28, epoch);
	be64_put(text + 36, period ? salt_at(chain, block, period) : 0);
	keccak256(text, sizeof text, &digest);
	digest.bytes[31] |= 1; /* never zero by accident */
	shaped_value(chain->world, &digest, value);
}

static void mover_slot(const struct world *world, const struct block *block,
		       const struct world_account *account, uint64_t slot,
		       struct eth_bytes32 *value)
{
	unsigned char text[32 + 20 + 8];
	struct eth_bytes32 digest;

	memcpy(text, block->seed.bytes, 32);
	memcpy(text + 32, account->address.bytes, 20);
	be64_put(text + 52, slot);
	keccak256(text, sizeof text, &digest);
	if (digest.bytes[30] % 4 == 0)
		return;
	digest.bytes[31] |= 1; /* never zero by accident */
	shaped_value(world, &digest, value);
}

static void token_slot(const struct chain *chain, const struct block *block,
		       const struct eth_address *token, const struct eth_bytes32 *slot,
		       struct eth_bytes32 *value)
{
	struct span key = {(const char *)slot->bytes, sizeof slot->bytes};
	const struct world_account *holder = dict_get(&chain->world->by_balance_slot, key);
	uint64_t small;

	if (holder) {
		if (holder->index % 5)
			put_wide(value->bytes,
				 (wide)MILLIETHER * (holder->index + token->bytes[0]) +
					 slow_amount(chain, block, 11));
	} else if (small_slot(slot, WORLD_SLOTS, &small)) {
		if (small == TOTAL_SUPPLY_SLOT)
			put_wide(value->bytes, (wide)MILLIETHER * 1000 * 1000000);
		else
			plain_slot(chain, block, token, small, value);
	}
}

void history_slot(const struct chain *chain, const struct block *block,
		  const struct eth_address *address, const struct eth_bytes32 *slot,
		  struct eth_bytes32 *value)
{
	const struct world_account *account = world_find(chain->world, address);
	uint64_t small;

	*value = (struct eth_bytes32){{0}};
	if (!account || account->kind == WORLD_EOA)
		return;
	if (account->kind == WORLD_TOKEN) {
		token_slot(chain, block, address, slot, value);
		return;
	}
	if (!small_slot(slot, 2 * HISTORY_RING, &small))
		return;
	if (account->kind == WORLD_HISTORY) {
		if (small < HISTORY_RING)
			block_hash_slot(chain, block, small, value);
	} else if (account->kind == WORLD_BEACON) {
		beacon_slot(chain, block, small, value);
	} else if (small >= WORLD_SLOTS || !mover_is_there(block, account)) {
		return;
	} else if (small == 0) {
		be64_put(value->bytes + 24, block->header.number);
	} else if (account->kind == WORLD_MOVER) {
		mover_slot(chain->world, block, account, small, value);
	} else {
		plain_slot(chain, block, address, small, value);
	}
}

/* Slots 0 .. n - 1. */
static size_t first_slots(struct eth_bytes32 *slots, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		be64_put(slots[i].bytes + 24, i);
	return n;
}

/* Both rings, for each block back to the one whose place is taken again. */
static size_t beacon_slots(struct eth_bytes32 *slots, const struct block *block)
{
	size_t count = 0;

	for (uint64_t back = 0; back < HISTORY_RING && back <= block->header.number; back++) {
		uint64_t place =
			(block->header.timestamp - back * CHAIN_BLOCK_TIME) % HISTORY_RING;
		be64_put(slots[count++].bytes + 24, place);
		be64_put(slots[count++].bytes + 24, place + HISTORY_RING);
	}
	return count;
}

static size_t token_slots(struct eth_bytes32 *slots, const struct world *world)
{
	size_t count = first_slots(slots, WORLD_SLOTS);

	memcpy(slots + count, world->balance_slots, WORLD_EOAS * sizeof *slots);
	return count + WORLD_EOAS;
}

enum err history_slots(const struct chain *chain, const struct block *block,
		       const struct world_account *account, struct eth_bytes32 **slots,
		       size_t *count)
{
	uint64_t number = block->header.number;

	*count = 0;
	*slots = NULL;
	if (account->kind == WORLD_EOA)
		return OK;
	*slots = calloc(2 * HISTORY_RING, sizeof **slots);
	if (!*slots)
		return ERR_NOMEM;
	if (account->kind == WORLD_HISTORY)
		*count = first_slots(*slots, number < HISTORY_RING ? number : HISTORY_RING);
	else if (account->kind == WORLD_BEACON)
		*count = beacon_slots(*slots, block);
	else if (account->kind == WORLD_TOKEN)
		*count = token_slots(*slots, chain->world);
	else
		*count = first_slots(*slots, WORLD_SLOTS);
	return OK;
}
