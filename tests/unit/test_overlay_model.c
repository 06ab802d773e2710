/* SPDX-License-Identifier: MIT */
/*
 * Random operations on an overlay agree with a reference that copies everything at each mark:
 * what is read, what is empty, and that nothing changes without being marked dirty.
 */
#include "overlay_fixture.h"

enum { ACCOUNTS = 6, SLOTS = 10, MARKS = 12, CODES = 3, OPERATIONS = 200000 };

struct ref_account {
	unsigned mask;
	uint64_t balance, nonce, code;
	bool exists;
	bool destructed;
	uint32_t generation;
	bool present[SLOTS];
	uint64_t value[SLOTS];
};

struct ref {
	struct ref_account accounts[ACCOUNTS];
};

static struct ref now, clean, copies[MARKS];
static overlay_mark marks[MARKS];
static unsigned marks_n;
static struct overlay *overlay;
static struct blob *codes[CODES];
static uint64_t seed = 20260407;

static unsigned below(unsigned n)
{
	seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = seed;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) % n);
}

/* Code 0 is none. */
static struct eth_bytes32 code_hash(uint64_t code)
{
	return code == 0 ? eth_empty_code_hash : word_of(1000 + code);
}

static void write_fields(unsigned at)
{
	struct ref_account *account = &now.accounts[at];
	const struct eth_address address = address_of(at);
	const unsigned mask = below(ACCOUNT_ALL + 1) & ACCOUNT_ALL;
	const uint64_t balance = below(3), nonce = below(3), code = below(CODES);
	const struct account_fields fields = {.mask = mask,
					      .balance = eth_u256_from_u64(balance),
					      .nonce = nonce,
					      .code_hash = code_hash(code)};
	const bool something = ((mask & ACCOUNT_BALANCE) && balance) ||
			       ((mask & ACCOUNT_NONCE) && nonce) ||
			       ((mask & ACCOUNT_CODE_HASH) && code);
	assert_ok(overlay_set_account(overlay, &address, &fields, codes[code]));
	if (mask & ACCOUNT_BALANCE)
		account->balance = balance;
	if (mask & ACCOUNT_NONCE)
		account->nonce = nonce;
	if (mask & ACCOUNT_CODE_HASH)
		account->code = code;
	if ((mask & ACCOUNT_EXISTENCE) || ((account->mask & ACCOUNT_EXISTENCE) && something))
		account->exists = true;
	account->mask |= mask;
}

static void write_slot(unsigned at)
{
	struct ref_account *account = &now.accounts[at];
	const unsigned slot = below(SLOTS);
	account->value[slot] = below(4);
	account->present[slot] = true;
	assert_ok(set_slot(overlay, at, slot, account->value[slot]));
}

static void wipe_storage(unsigned at)
{
	struct ref_account *account = &now.accounts[at];
	assert_ok(wipe(overlay, at));
	account->generation++;
	memset(account->present, 0, sizeof account->present);
}

static void destroy_account(unsigned at)
{
	const uint32_t generation = now.accounts[at].generation + 1;
	assert_ok(destroy(overlay, at));
	now.accounts[at] = (struct ref_account){
		.mask = ACCOUNT_ALL, .destructed = true, .generation = generation};
}

static void mark_now(void)
{
	if (marks_n == MARKS)
		return;
	copies[marks_n] = now;
	marks[marks_n++] = take_mark(overlay);
}

/* Back to any mark: it stays, those after it are gone. */
static void revert(void)
{
	if (marks_n == 0)
		return;
	const unsigned to = marks_n - 1 - below(marks_n) % 3 % marks_n;
	overlay_revert(overlay, marks[to]);
	now = copies[to];
	marks_n = to + below(2);
}

static void compare_slots(unsigned at)
{
	const struct ref_account *account = &now.accounts[at];
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		const long otherwise = account->generation > 0 ? 0 : -1;
		assert_int_equal(slot_value(overlay, at, slot),
				 account->present[slot] ? (long)account->value[slot]
							: otherwise);
	}
}

static void compare_account(unsigned at)
{
	const struct ref_account *account = &now.accounts[at];
	const struct eth_address address = address_of(at);
	const struct change_account *got =
		changes_find_account(overlay_changes(overlay), &address);
	compare_slots(at);
	if (!got) {
		assert_int_equal(account->mask, 0);
		return;
	}
	const struct account_fields *fields = &got->fields;
	assert_int_equal(fields->mask, account->mask);
	assert_int_equal(got->generation, account->generation);
	assert_int_equal(got->destructed, account->destructed);
	if (account->mask & ACCOUNT_EXISTENCE)
		assert_int_equal(got->exists, account->exists);
	if (account->mask & ACCOUNT_BALANCE)
		assert_int_equal(be64_get(fields->balance.bytes + 24), account->balance);
	if (account->mask & ACCOUNT_NONCE)
		assert_int_equal(fields->nonce, account->nonce);
	if (account->mask & ACCOUNT_CODE_HASH) {
		const struct eth_bytes32 hash = code_hash(account->code);
		assert_memory_equal(&fields->code_hash, &hash, 32);
		assert_ptr_equal(got->code, codes[account->code]);
	}
}

static bool ref_is_empty(void)
{
	for (unsigned at = 0; at < ACCOUNTS; at++) {
		const struct ref_account *account = &now.accounts[at];
		if (account->mask || account->generation || account->destructed)
			return false;
		for (unsigned slot = 0; slot < SLOTS; slot++)
			if (account->present[slot])
				return false;
	}
	return true;
}

static void compare(void)
{
	for (unsigned at = 0; at < ACCOUNTS; at++)
		compare_account(at);
	assert_int_equal(overlay_is_empty(overlay), ref_is_empty());
}

static bool fields_differ(const struct ref_account *a, const struct ref_account *b)
{
	return a->mask != b->mask || a->exists != b->exists || a->destructed != b->destructed ||
	       a->generation != b->generation ||
	       ((a->mask & ACCOUNT_BALANCE) && a->balance != b->balance) ||
	       ((a->mask & ACCOUNT_NONCE) && a->nonce != b->nonce) ||
	       ((a->mask & ACCOUNT_CODE_HASH) && a->code != b->code);
}

static void check_dirty_of(unsigned at)
{
	const struct ref_account *is = &now.accounts[at], *was = &clean.accounts[at];
	const struct eth_address address = address_of(at);
	struct changes *changes = overlay_changes(overlay);
	const struct change_account *account = changes_find_account(changes, &address);
	if (fields_differ(is, was))
		assert_true(account->dirty);
	for (unsigned slot = 0; slot < SLOTS && is->generation == was->generation; slot++) {
		const struct eth_bytes32 name = word_of(slot);
		if (is->present[slot] == was->present[slot] &&
		    (!is->present[slot] || is->value[slot] == was->value[slot]))
			continue;
		assert_true(account->dirty);
		assert_true(changes_find_slot(changes, account, &name)->dirty);
	}
}

/* Whoever keeps a trie in step sees all that has changed since it last looked. */
static void take_dirty(void)
{
	for (unsigned at = 0; at < ACCOUNTS; at++)
		check_dirty_of(at);
	unsigned n = 0;
	for (struct change_account *list = changes_take_dirty(overlay_changes(overlay)); list;
	     list = list->next_dirty, n++)
		changes_cleaned(list);
	assert_true(n <= ACCOUNTS);
	clean = now;
}

static void clear(void)
{
	overlay_clear(overlay);
	memset(&now, 0, sizeof now);
	clean = now;
	marks_n = 0;
}

static void step(void)
{
	const unsigned dice = below(1000), at = below(ACCOUNTS);
	if (dice < 450)
		write_slot(at);
	else if (dice < 700)
		write_fields(at);
	else if (dice < 740)
		wipe_storage(at);
	else if (dice < 780)
		destroy_account(at);
	else if (dice < 880)
		mark_now();
	else if (dice < 970)
		revert();
	else if (dice < 990)
		take_dirty();
	else if (dice < 996) {
		overlay_stop(overlay);
		marks_n = 0;
	} else
		clear();
}

static void agrees_with_the_reference(void **state)
{
	(void)state;
	assert_ok(overlay_new(&overlay));
	for (unsigned i = 1; i < CODES; i++)
		codes[i] = blob_copy("code", 4);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		step();
		compare();
	}
	overlay_free(&overlay);
	for (unsigned i = 1; i < CODES; i++)
		blob_put(&codes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_reference)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
