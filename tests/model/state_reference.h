/* SPDX-License-Identifier: MIT */
#pragma once
/* The reference of the model test: small worlds that are copied whole, and what somebody has
 * written of one. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ACCOUNTS = 4, SLOTS = 5, CODES = 4 };

struct account {
	uint8_t balance, nonce, code, exists;
	uint8_t slots[SLOTS];
};
struct world {
	struct account accounts[ACCOUNTS];
};

/* What somebody has written: which of the values above, and whether the storage was wiped
 * before. */
enum { BALANCE = 1, NONCE = 2, CODE = 4, THERE = 8, GONE = 16, WIPED = 32 };
struct writes {
	struct account_writes {
		struct account values;
		uint8_t wrote;
		uint8_t slots; /* bit each */
	} accounts[ACCOUNTS];
};

static inline void apply(struct world *world, const struct writes *writes)
{
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct account *to = &world->accounts[i];
		const struct account_writes *from = &writes->accounts[i];
		if (from->wrote & WIPED)
			memset(to->slots, 0, sizeof to->slots);
		if (from->wrote & BALANCE)
			to->balance = from->values.balance;
		if (from->wrote & NONCE)
			to->nonce = from->values.nonce;
		if (from->wrote & CODE)
			to->code = from->values.code;
		if (from->wrote & (THERE | GONE))
			to->exists = (from->wrote & THERE) != 0;
		for (unsigned s = 0; s < SLOTS; s++)
			if (from->slots & 1u << s)
				to->slots[s] = from->values.slots[s];
	}
}

/* What is written after what was. */
static inline void add_writes(struct writes *own, const struct writes *written)
{
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		const struct account_writes *from = &written->accounts[i];
		struct account_writes *to = &own->accounts[i];
		if (from->wrote & WIPED)
			to->slots = 0;
		if (from->wrote & (THERE | GONE))
			to->wrote &= (uint8_t) ~(THERE | GONE);
		to->wrote |= from->wrote;
		to->slots |= from->slots;
		if (from->wrote & BALANCE)
			to->values.balance = from->values.balance;
		if (from->wrote & NONCE)
			to->values.nonce = from->values.nonce;
		if (from->wrote & CODE)
			to->values.code = from->values.code;
		for (unsigned s = 0; s < SLOTS; s++)
			if (from->slots & 1u << s)
				to->values.slots[s] = from->values.slots[s];
	}
}

/* First committer wins: by field, slot and wiped storage. */
static inline bool clashes(const struct account_writes *mine,
			   const struct account_writes *theirs)
{
	const unsigned m = mine->wrote, t = theirs->wrote;
	return (m & t & (BALANCE | NONCE | CODE)) || ((m & THERE) && (t & GONE)) ||
	       ((m & GONE) && (t & THERE)) || (mine->slots & theirs->slots) ||
	       ((m & WIPED) && ((t & WIPED) || theirs->slots)) || ((t & WIPED) && mine->slots);
}
