/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A layer at the bottom that says what a test tells it: accounts and slots that it knows, and
 * what becomes of the others (a MISS that is noted, as a source's; or a failure). It counts
 * what it is asked.
 */
#include "layers/layer.h"

#define FAKE_LAYER_ROWS 64

struct fake_layer_account {
	struct eth_address address;
	struct account_state state; /* all fields */
	struct blob *code;	    /* given up with the layer */
};
struct fake_layer_slot {
	struct eth_address address;
	struct eth_bytes32 slot, value;
};

/* Zeroed memory, initialised by fake_layer_init; the test's own, freed through struct layer. */
struct fake_layer {
	struct layer layer;
	struct fake_layer_account accounts[FAKE_LAYER_ROWS];
	struct fake_layer_slot slots[FAKE_LAYER_ROWS];
	size_t accounts_n, slots_n;
	bool knows_all; /* what it was not told of is empty, not a MISS */
	enum err fails; /* every read: FAILED with this */
	unsigned asked, rests, forgets, views;
	bool freed;
};

struct layer *fake_layer_init(struct fake_layer *fake);
void fake_layer_account(struct fake_layer *fake, const struct eth_address *address,
			uint64_t balance, uint64_t nonce, struct blob *code);
void fake_layer_slot(struct fake_layer *fake, const struct eth_address *address,
		     const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
