/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "layers/changes.h"

static struct changes *changes;

static int set_up(void **state)
{
	(void)state;
	assert_ok(changes_new(&changes));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	changes_free(&changes);
	assert_null(changes);
	changes_free(&changes);
	return 0;
}

static struct eth_address address(uint64_t n)
{
	struct eth_address a = {{0}};
	be64_put(a.bytes + 12, n);
	return a;
}

static struct eth_bytes32 word(uint64_t n)
{
	struct eth_bytes32 w = {{0}};
	be64_put(w.bytes + 24, n);
	return w;
}

static struct change_account *account(uint64_t n)
{
	const struct eth_address a = address(n);
	return changes_account(changes, &a);
}

static struct change_slot *slot(struct change_account *of, uint64_t n)
{
	const struct eth_bytes32 w = word(n);
	return changes_slot(changes, of, &w);
}

static void put(uint64_t a, uint64_t n, uint64_t value)
{
	struct change_slot *entry = slot(account(a), n);
	entry->value = word(value);
	entry->generation = entry->account->generation;
	entry->present = true;
}

static void assert_reads(uint64_t a, uint64_t n, enum lookup expected, uint64_t value)
{
	const struct eth_address at = address(a);
	const struct eth_bytes32 w = word(n), expected_value = word(value);
	struct eth_bytes32 got;
	assert_int_equal(changes_read_slot(changes, &at, &w, &got), expected);
	if (expected == HIT)
		assert_memory_equal(&got, &expected_value, sizeof got);
}

static void entries_stay_where_they_are(void **state)
{
	(void)state;
	enum { ACCOUNTS = 300, SLOTS = 100 };
	static struct change_account *accounts[ACCOUNTS];
	static struct change_slot *slots[ACCOUNTS][SLOTS];
	for (unsigned j = 0; j < SLOTS; j++)
		for (unsigned i = 0; i < ACCOUNTS; i++) {
			accounts[i] = account(i);
			slots[i][j] = slot(accounts[i], j);
			slots[i][j]->value = word(i * SLOTS + j);
		}
	for (unsigned i = 0; i < ACCOUNTS; i++)
		for (unsigned j = 0; j < SLOTS; j++) {
			const struct eth_address a = address(i);
			const struct eth_bytes32 w = word(j), value = word(i * SLOTS + j);
			assert_ptr_equal(changes_find_account(changes, &a), accounts[i]);
			assert_ptr_equal(changes_find_slot(changes, accounts[i], &w),
					 slots[i][j]);
			assert_ptr_equal(slots[i][j]->account, accounts[i]);
			assert_memory_equal(&slots[i][j]->value, &value, 32);
		}
	const struct eth_address nobody = address(ACCOUNTS);
	const struct eth_bytes32 nothing = word(SLOTS);
	assert_null(changes_find_account(changes, &nobody));
	assert_null(changes_find_slot(changes, accounts[0], &nothing));
}

static void new_entries_say_nothing(void **state)
{
	(void)state;
	const struct change_slot *entry = slot(account(1), 1);
	struct account_fields fields = {.mask = 99};
	const struct eth_address a = address(1);
	assert_false(entry->present);
	assert_int_equal(entry->account->fields.mask, 0);
	assert_reads(1, 1, MISS, 0);
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_BALANCE, &fields, NULL),
			 MISS);
	assert_int_equal(fields.mask, 0);
}

static void accounts_are_walked_in_the_order_of_their_making(void **state)
{
	(void)state;
	assert_null(changes_next(changes, NULL));
	for (unsigned i = 0; i < 1000; i++)
		account(i * 7919 % 1000);
	const struct change_account *at = NULL;
	for (unsigned i = 0; i < 1000; i++) {
		const struct eth_address expected = address(i * 7919 % 1000);
		at = changes_next(changes, at);
		assert_memory_equal(&at->address, &expected, 20);
	}
	assert_null(changes_next(changes, at));
}

static void an_accounts_slots_are_newest_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		slot(account(1), i);
		slot(account(2), 100 + i);
	}
	const struct change_slot *at = account(1)->slots;
	for (unsigned i = 10; i-- > 0; at = at->next) {
		const struct eth_bytes32 expected = word(i);
		assert_memory_equal(&at->slot, &expected, 32);
	}
	assert_null(at);
}

static void generations_hide_and_bring_back(void **state)
{
	(void)state;
	put(1, 1, 11);
	put(1, 2, 12);
	put(2, 1, 21);
	assert_reads(1, 1, HIT, 11);
	assert_reads(1, 3, MISS, 0);
	account(1)->generation = 1;
	assert_reads(1, 1, HIT, 0);
	assert_reads(1, 3, HIT, 0);
	assert_reads(2, 1, HIT, 21);
	put(1, 2, 13);
	assert_reads(1, 2, HIT, 13);
	account(1)->generation = 2;
	assert_reads(1, 2, HIT, 0);
	account(1)->generation = 0;
	assert_reads(1, 1, HIT, 11);
	assert_reads(1, 2, MISS, 0);
	assert_reads(1, 3, MISS, 0);
}

static void a_read_says_which_fields_are_here(void **state)
{
	(void)state;
	const struct eth_address a = address(5);
	struct account_fields got;
	bool exists = false;
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_NONCE, &got, &exists), MISS);
	assert_int_equal(got.mask, 0);

	struct change_account *entry = account(5);
	entry->fields.mask = ACCOUNT_NONCE;
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_NONCE, &got, &exists), HIT);
	assert_int_equal(got.nonce, 0);
	/* A nonce of 0 does not say that the account is there; one of 1 does. */
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_EXISTENCE, &got, &exists),
			 MISS);
	entry->fields.nonce = 1;
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_EXISTENCE | ACCOUNT_NONCE,
					      &got, &exists),
			 HIT);
	assert_true(exists);
	assert_int_equal(got.mask, ACCOUNT_EXISTENCE | ACCOUNT_NONCE);
	assert_int_equal(
		changes_read_account(changes, &a, ACCOUNT_NONCE | ACCOUNT_BALANCE, &got, NULL),
		MISS);

	entry->fields.mask = ACCOUNT_EXISTENCE;
	entry->exists = false;
	assert_int_equal(changes_read_account(changes, &a, ACCOUNT_EXISTENCE, &got, &exists),
			 HIT);
	assert_false(exists);
}

static void something_is_any_field_that_is_not_empty(void **state)
{
	(void)state;
	struct account_fields fields = {.mask = ACCOUNT_ALL, .code_hash = eth_empty_code_hash};
	assert_false(changes_is_something(&fields));
	fields.balance.bytes[0] = 1;
	assert_true(changes_is_something(&fields));
	fields.mask = ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	assert_false(changes_is_something(&fields));
	fields.code_hash = word(1);
	assert_true(changes_is_something(&fields));
}

static void code_is_shared_and_given_up_at_the_end(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word(1), other = word(2);
	struct blob *code = blob_copy("abc", 3), *again = blob_copy("abc", 3);
	assert_ok(changes_add_code(changes, &hash, code));
	assert_ok(changes_add_code(changes, &hash, again));
	assert_ptr_equal(changes_find_code(changes, &hash), code);
	assert_null(changes_find_code(changes, &other));
	assert_int_equal(code->refs, 2);
	assert_int_equal(again->refs, 1);
	for (unsigned i = 2; i < 100; i++) {
		const struct eth_bytes32 w = word(i);
		assert_ok(changes_add_code(changes, &w, code));
	}
	assert_ptr_equal(changes_find_code(changes, &hash), code);
	changes_clear(changes);
	assert_null(changes_find_code(changes, &hash));
	assert_int_equal(code->refs, 1);
	blob_put(&code);
	blob_put(&again);
}

static size_t dirty_slots(const struct change_account *entry)
{
	size_t n = 0;
	for (const struct change_slot *s = entry->dirty_slots; s; s = s->next_dirty)
		n++;
	return n;
}

static void marks_are_taken_once(void **state)
{
	(void)state;
	assert_null(changes_take_dirty(changes));
	slot(account(1), 3);
	changes_mark_slot(changes, slot(account(1), 1));
	changes_mark_slot(changes, slot(account(1), 2));
	changes_mark_slot(changes, slot(account(1), 1));
	changes_mark_account(changes, account(1));
	changes_mark_account(changes, account(2));

	struct change_account *list = changes_take_dirty(changes);
	assert_ptr_equal(list, account(2));
	assert_ptr_equal(list->next_dirty, account(1));
	assert_null(list->next_dirty->next_dirty);
	assert_int_equal(dirty_slots(account(1)), 2);
	assert_int_equal(dirty_slots(account(2)), 0);
	for (; list; list = list->next_dirty)
		changes_cleaned(list);
	assert_null(changes_take_dirty(changes));
	assert_false(slot(account(1), 1)->dirty);

	changes_mark_slot(changes, slot(account(1), 2));
	list = changes_take_dirty(changes);
	assert_ptr_equal(list, account(1));
	assert_null(list->next_dirty);
	assert_int_equal(dirty_slots(list), 1);
}

static void clearing_gives_memory_back(void **state)
{
	(void)state;
	const size_t empty = changes_bytes(changes);
	for (unsigned i = 0; i < 10000; i++)
		put(i % 10, i, i);
	changes_mark_account(changes, account(1));
	/* The budget, in steady state: the index has just grown at worst. */
	assert_true(changes_bytes(changes) - empty >= 10000 * 96);
	assert_true(changes_bytes(changes) - empty <= 10000 * 128);
	changes_clear(changes);
	assert_int_equal(changes_bytes(changes), empty);
	assert_null(changes_next(changes, NULL));
	assert_null(changes_take_dirty(changes));
	assert_reads(1, 1, MISS, 0);
	put(1, 1, 5);
	assert_reads(1, 1, HIT, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_stay_where_they_are),
		TEST(new_entries_say_nothing),
		TEST(accounts_are_walked_in_the_order_of_their_making),
		TEST(an_accounts_slots_are_newest_first),
		TEST(generations_hide_and_bring_back),
		TEST(a_read_says_which_fields_are_here),
		TEST(something_is_any_field_that_is_not_empty),
		TEST(code_is_shared_and_given_up_at_the_end),
		TEST(marks_are_taken_once),
		TEST(clearing_gives_memory_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
