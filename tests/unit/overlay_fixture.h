/* SPDX-License-Identifier: MIT */
#pragma once
/* Short names for the tests of what layers write: accounts, slots and values are numbers. */
#include "unit.h"
#include "layers/overlay.h"

static inline struct eth_address address_of(uint64_t n)
{
	struct eth_address a = {{0}};
	be64_put(a.bytes + 12, n);
	return a;
}

static inline struct eth_bytes32 word_of(uint64_t n)
{
	struct eth_bytes32 w = {{0}};
	be64_put(w.bytes + 24, n);
	return w;
}

static inline enum err set_slot(struct overlay *overlay, uint64_t account, uint64_t slot,
				uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 s = word_of(slot), v = word_of(value);
	return overlay_set_slot(overlay, &a, &s, &v);
}

static inline enum err set_balance(struct overlay *overlay, uint64_t account, uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_BALANCE,
					      .balance = eth_u256_from_u64(value)};
	return overlay_set_account(overlay, &a, &fields, NULL);
}

static inline enum err set_nonce(struct overlay *overlay, uint64_t account, uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_NONCE, .nonce = value};
	return overlay_set_account(overlay, &a, &fields, NULL);
}

/* code NULL: only its hash is known. */
static inline enum err set_code(struct overlay *overlay, uint64_t account,
				const struct eth_bytes32 *hash, struct blob *code)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_CODE_HASH, .code_hash = *hash};
	return overlay_set_account(overlay, &a, &fields, code);
}

static inline enum err set_there(struct overlay *overlay, uint64_t account)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_EXISTENCE};
	return overlay_set_account(overlay, &a, &fields, NULL);
}

static inline enum err destroy(struct overlay *overlay, uint64_t account)
{
	const struct eth_address a = address_of(account);
	return overlay_destroy(overlay, &a);
}

static inline enum err wipe(struct overlay *overlay, uint64_t account)
{
	const struct eth_address a = address_of(account);
	return overlay_wipe(overlay, &a);
}

static inline overlay_mark take_mark(struct overlay *overlay)
{
	overlay_mark mark;
	assert_ok(overlay_take_mark(overlay, &mark));
	return mark;
}

/* The value, or -1 for a miss. */
static inline long slot_value(struct overlay *overlay, uint64_t account, uint64_t slot)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 s = word_of(slot);
	struct eth_bytes32 value;
	if (changes_read_slot(overlay_changes(overlay), &a, &s, &value) != HIT)
		return -1;
	return (long)be64_get(value.bytes + 24);
}

static inline unsigned read_fields(struct overlay *overlay, uint64_t account,
				   struct account_fields *fields, bool *exists)
{
	const struct eth_address a = address_of(account);
	(void)changes_read_account(overlay_changes(overlay), &a, 0, fields, exists);
	return fields->mask;
}

static inline long balance_of(struct overlay *overlay, uint64_t account)
{
	struct account_fields fields;
	if (!(read_fields(overlay, account, &fields, NULL) & ACCOUNT_BALANCE))
		return -1;
	return (long)be64_get(fields.balance.bytes + 24);
}
