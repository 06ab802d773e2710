/* SPDX-License-Identifier: MIT */
#include "overlay_fixture.h"

static struct overlay *overlay;

static int set_up(void **state)
{
	(void)state;
	assert_ok(overlay_new(&overlay));
	assert_true(overlay_is_empty(overlay));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	overlay_free(&overlay);
	assert_null(overlay);
	overlay_free(&overlay);
	return 0;
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_slot(overlay, 1, 2, 0));
	assert_ok(set_balance(overlay, 1, 5));
	assert_int_equal(slot_value(overlay, 1, 1), 11);
	assert_int_equal(slot_value(overlay, 1, 2), 0);
	assert_int_equal(slot_value(overlay, 1, 3), -1);
	assert_int_equal(slot_value(overlay, 2, 1), -1);
	assert_int_equal(balance_of(overlay, 1), 5);
	assert_int_equal(balance_of(overlay, 2), -1);
	assert_false(overlay_is_empty(overlay));
}

static void reverting_undoes_what_came_since(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_balance(overlay, 1, 5));
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 12));
	assert_ok(set_slot(overlay, 1, 2, 13));
	assert_ok(set_balance(overlay, 1, 6));
	assert_ok(set_balance(overlay, 2, 7));
	assert_ok(set_nonce(overlay, 1, 8));
	assert_int_not_equal(overlay_since(overlay, mark), 0);
	overlay_revert(overlay, mark);
	struct account_fields fields;
	assert_int_equal(overlay_since(overlay, mark), 0);
	assert_int_equal(slot_value(overlay, 1, 1), 11);
	assert_int_equal(slot_value(overlay, 1, 2), -1);
	assert_int_equal(balance_of(overlay, 1), 5);
	assert_int_equal(balance_of(overlay, 2), -1);
	assert_false(read_fields(overlay, 1, &fields, NULL) & ACCOUNT_NONCE);
	assert_false(overlay_is_empty(overlay));
}

static void undone_entries_are_found_again(void **state)
{
	(void)state;
	const overlay_mark mark = take_mark(overlay);
	for (int i = 0; i < 3; i++) {
		assert_ok(set_slot(overlay, 1, 1, 11));
		const size_t bytes = changes_bytes(overlay_changes(overlay));
		overlay_revert(overlay, mark);
		assert_true(overlay_is_empty(overlay));
		assert_int_equal(slot_value(overlay, 1, 1), -1);
		assert_int_equal(changes_bytes(overlay_changes(overlay)), bytes);
	}
}

static void marks_nest(void **state)
{
	(void)state;
	overlay_mark marks[10];
	for (unsigned i = 0; i < 10; i++) {
		marks[i] = take_mark(overlay);
		assert_ok(set_slot(overlay, 1, 1, i));
		assert_ok(set_slot(overlay, 1, 10 + i, i));
	}
	overlay_revert(overlay, marks[7]);
	assert_int_equal(slot_value(overlay, 1, 1), 6);
	assert_int_equal(slot_value(overlay, 1, 17), -1);
	assert_int_equal(slot_value(overlay, 1, 16), 6);
	/* The mark stays good, and so do those before. */
	assert_ok(set_slot(overlay, 1, 1, 99));
	overlay_revert(overlay, marks[7]);
	assert_int_equal(slot_value(overlay, 1, 1), 6);
	overlay_revert(overlay, marks[1]);
	assert_int_equal(slot_value(overlay, 1, 1), 0);
	overlay_revert(overlay, marks[0]);
	assert_true(overlay_is_empty(overlay));
}

static void a_mark_costs_no_entry(void **state)
{
	(void)state;
	const overlay_mark first = take_mark(overlay);
	assert_int_equal(take_mark(overlay), first);
	assert_int_equal(overlay_since(overlay, first), 0);
}

static void the_same_again_is_no_change(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word_of(77);
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_balance(overlay, 1, 5));
	assert_ok(set_nonce(overlay, 1, 5));
	assert_ok(set_code(overlay, 1, &hash, NULL));
	struct change_account *list = changes_take_dirty(overlay_changes(overlay));
	assert_non_null(list);
	changes_cleaned(list);
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_balance(overlay, 1, 5));
	assert_ok(set_nonce(overlay, 1, 5));
	assert_ok(set_code(overlay, 1, &hash, NULL));
	assert_int_equal(overlay_since(overlay, mark), 0);
	assert_null(changes_take_dirty(overlay_changes(overlay)));
}

static void without_a_mark_nothing_is_journaled(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 1, 11));
	overlay_mark mark = take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 12));
	assert_int_equal(overlay_since(overlay, mark), 1);
	overlay_stop(overlay);
	assert_int_equal(slot_value(overlay, 1, 1), 12);
	assert_ok(set_slot(overlay, 1, 1, 13));
	mark = take_mark(overlay);
	assert_int_equal(mark, 0);
	assert_ok(set_slot(overlay, 1, 1, 14));
	overlay_revert(overlay, mark);
	assert_int_equal(slot_value(overlay, 1, 1), 13);
}

static void clearing_forgets_all(void **state)
{
	(void)state;
	const size_t bytes = changes_bytes(overlay_changes(overlay));
	take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(destroy(overlay, 2));
	overlay_clear(overlay);
	assert_true(overlay_is_empty(overlay));
	assert_int_equal(slot_value(overlay, 1, 1), -1);
	assert_int_equal(slot_value(overlay, 2, 1), -1);
	assert_int_equal(changes_bytes(overlay_changes(overlay)), bytes);
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_int_equal(take_mark(overlay), 0);
}

static void assert_destroyed(uint64_t account)
{
	struct account_fields fields;
	bool exists = true;
	assert_int_equal(read_fields(overlay, account, &fields, &exists), ACCOUNT_ALL);
	assert_false(exists);
	assert_false(changes_is_something(&fields));
	assert_int_equal(slot_value(overlay, account, 123456), 0);
}

static void destroying_removes_fields_and_storage(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word_of(77);
	struct blob *code = blob_copy("code", 4);
	assert_ok(set_code(overlay, 1, &hash, code));
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_balance(overlay, 1, 5));
	const overlay_mark mark = take_mark(overlay);
	assert_ok(destroy(overlay, 1));
	assert_destroyed(1);
	assert_int_equal(slot_value(overlay, 1, 1), 0);
	assert_ok(destroy(overlay, 9));
	assert_destroyed(9);

	overlay_revert(overlay, mark);
	struct account_fields fields;
	assert_int_equal(slot_value(overlay, 1, 1), 11);
	assert_int_equal(slot_value(overlay, 1, 2), -1);
	assert_int_equal(balance_of(overlay, 1), 5);
	(void)read_fields(overlay, 1, &fields, NULL);
	assert_memory_equal(&fields.code_hash, &hash, 32);
	const struct eth_address a = address_of(1);
	assert_ptr_equal(changes_find_account(overlay_changes(overlay), &a)->code, code);
	assert_int_equal(slot_value(overlay, 9, 1), -1);
	blob_put(&code);
}

static void destroyed_made_again_destroyed(void **state)
{
	(void)state;
	assert_ok(set_slot(overlay, 1, 1, 11));
	const overlay_mark first = take_mark(overlay);
	assert_ok(destroy(overlay, 1));
	const overlay_mark second = take_mark(overlay);
	assert_ok(destroy(overlay, 1));
	assert_destroyed(1);
	assert_ok(set_balance(overlay, 1, 5));
	assert_ok(set_slot(overlay, 1, 1, 12));
	assert_ok(set_slot(overlay, 1, 2, 22));
	struct account_fields fields;
	bool exists = false;
	(void)read_fields(overlay, 1, &fields, &exists);
	assert_true(exists);
	const overlay_mark third = take_mark(overlay);
	assert_ok(destroy(overlay, 1));
	assert_destroyed(1);
	assert_int_equal(slot_value(overlay, 1, 2), 0);

	overlay_revert(overlay, third);
	assert_int_equal(slot_value(overlay, 1, 1), 12);
	assert_int_equal(slot_value(overlay, 1, 2), 22);
	assert_int_equal(balance_of(overlay, 1), 5);
	overlay_revert(overlay, second);
	assert_destroyed(1);
	assert_int_equal(slot_value(overlay, 1, 1), 0);
	overlay_revert(overlay, first);
	assert_int_equal(slot_value(overlay, 1, 1), 11);
	assert_int_equal(slot_value(overlay, 1, 2), -1);
	assert_int_equal(balance_of(overlay, 1), -1);
}

static void wiped_set_reverted(void **state)
{
	(void)state;
	const overlay_mark empty = take_mark(overlay);
	assert_ok(set_balance(overlay, 1, 5));
	assert_ok(set_slot(overlay, 1, 1, 11));
	const overlay_mark mark = take_mark(overlay);
	assert_ok(wipe(overlay, 1));
	assert_int_equal(slot_value(overlay, 1, 1), 0);
	assert_int_equal(balance_of(overlay, 1), 5);
	assert_ok(set_slot(overlay, 1, 1, 12));
	assert_ok(set_slot(overlay, 1, 2, 13));
	assert_ok(wipe(overlay, 1));
	assert_int_equal(slot_value(overlay, 1, 2), 0);
	assert_ok(set_slot(overlay, 1, 2, 14));
	overlay_revert(overlay, mark);
	assert_int_equal(slot_value(overlay, 1, 1), 11);
	assert_int_equal(slot_value(overlay, 1, 2), -1);
	/* What was written under the generation that comes again now does not. */
	assert_ok(wipe(overlay, 1));
	assert_int_equal(slot_value(overlay, 1, 1), 0);
	assert_int_equal(slot_value(overlay, 1, 2), 0);
	overlay_revert(overlay, empty);
	assert_true(overlay_is_empty(overlay));
}

static void emptiness_knows_every_kind_of_change(void **state)
{
	(void)state;
	const struct eth_bytes32 hash = word_of(77);
	const overlay_mark mark = take_mark(overlay);
	for (int kind = 0; kind < 7; kind++) {
		assert_ok(kind == 0   ? set_slot(overlay, 1, 1, 0)
			  : kind == 1 ? set_balance(overlay, 1, 0)
			  : kind == 2 ? set_nonce(overlay, 1, 0)
			  : kind == 3 ? set_code(overlay, 1, &hash, NULL)
			  : kind == 4 ? set_there(overlay, 1)
			  : kind == 5 ? wipe(overlay, 1)
				      : destroy(overlay, 1));
		assert_false(overlay_is_empty(overlay));
		overlay_revert(overlay, mark);
		assert_true(overlay_is_empty(overlay));
	}
}

static void what_gets_something_is_there(void **state)
{
	(void)state;
	struct account_fields fields;
	bool exists = true;
	assert_ok(destroy(overlay, 1));
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_nonce(overlay, 1, 0));
	(void)read_fields(overlay, 1, &fields, &exists);
	assert_false(exists);
	assert_ok(set_there(overlay, 1));
	(void)read_fields(overlay, 1, &fields, &exists);
	assert_true(exists);
	overlay_revert(overlay, mark);
	assert_destroyed(1);
	assert_ok(set_nonce(overlay, 1, 1));
	(void)read_fields(overlay, 1, &fields, &exists);
	assert_true(exists);
}

static void code_changes_like_any_field(void **state)
{
	(void)state;
	const struct eth_bytes32 first = word_of(1), second = word_of(2);
	struct blob *code = blob_copy("one", 3), *other = blob_copy("two", 3);
	const struct eth_address a = address_of(1);
	assert_ok(set_code(overlay, 1, &first, code));
	const struct change_account *account =
		changes_find_account(overlay_changes(overlay), &a);
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_code(overlay, 1, &second, other));
	assert_ptr_equal(account->code, other);
	assert_ok(set_code(overlay, 1, &eth_empty_code_hash, NULL));
	assert_null(account->code);
	/* By its hash alone: it came before. */
	assert_ok(set_code(overlay, 1, &second, NULL));
	assert_ptr_equal(account->code, other);
	overlay_revert(overlay, mark);
	assert_ptr_equal(account->code, code);
	assert_memory_equal(&account->fields.code_hash, &first, 32);
	overlay_clear(overlay);
	assert_int_equal(code->refs, 1);
	assert_int_equal(other->refs, 1);
	blob_put(&code);
	blob_put(&other);
}

static void undoing_marks_dirty(void **state)
{
	(void)state;
	const struct eth_address a = address_of(1);
	const struct eth_bytes32 s = word_of(1);
	const overlay_mark mark = take_mark(overlay);
	assert_ok(set_slot(overlay, 1, 1, 11));
	assert_ok(set_balance(overlay, 2, 5));
	size_t n = 0;
	for (struct change_account *list = changes_take_dirty(overlay_changes(overlay)); list;
	     list = list->next_dirty, n++)
		changes_cleaned(list);
	assert_int_equal(n, 2);
	overlay_revert(overlay, mark);
	const struct change_account *account =
		changes_find_account(overlay_changes(overlay), &a);
	assert_true(account->dirty);
	assert_true(changes_find_slot(overlay_changes(overlay), account, &s)->dirty);
	n = 0;
	for (struct change_account *list = changes_take_dirty(overlay_changes(overlay)); list;
	     list = list->next_dirty, n++)
		changes_cleaned(list);
	assert_int_equal(n, 2);
}

static void generations_end(void **state)
{
	(void)state;
	const struct eth_address a = address_of(1);
	assert_ok(wipe(overlay, 1));
	/* As if it had been wiped so often. */
	changes_find_account(overlay_changes(overlay), &a)->generation = UINT32_MAX;
	assert_int_equal(wipe(overlay, 1), ERR_LIMIT);
	assert_int_equal(destroy(overlay, 1), ERR_LIMIT);
	assert_int_equal(slot_value(overlay, 1, 1), 0);
}

static void a_long_journal_is_compact_and_given_back(void **state)
{
	(void)state;
	enum { N = 100000 };
	assert_ok(set_balance(overlay, 1, 0));
	const overlay_mark mark = take_mark(overlay);
	const size_t small = overlay_journal_bytes(overlay);
	for (unsigned i = 0; i < N; i++)
		assert_ok(set_slot(overlay, i % 7, i, i + 1));
	assert_true(overlay_journal_bytes(overlay) < N * 9);
	const overlay_mark middle = take_mark(overlay);
	for (unsigned i = 0; i < N; i++)
		assert_ok(set_slot(overlay, i % 7, i, i + 2));
	assert_int_equal(overlay_since(overlay, middle), N);
	assert_true(overlay_journal_bytes(overlay) < N * (9 + 49));
	overlay_revert(overlay, middle);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(slot_value(overlay, i % 7, i), i + 1);
	overlay_revert(overlay, mark);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(slot_value(overlay, i % 7, i), -1);
	/* One chunk is kept for the next writes. */
	assert_true(overlay_journal_bytes(overlay) <= small + (1 << 16));
	overlay_stop(overlay);
	assert_int_equal(overlay_journal_bytes(overlay), small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(reverting_undoes_what_came_since),
		TEST(undone_entries_are_found_again),
		TEST(marks_nest),
		TEST(a_mark_costs_no_entry),
		TEST(the_same_again_is_no_change),
		TEST(without_a_mark_nothing_is_journaled),
		TEST(clearing_forgets_all),
		TEST(destroying_removes_fields_and_storage),
		TEST(destroyed_made_again_destroyed),
		TEST(wiped_set_reverted),
		TEST(emptiness_knows_every_kind_of_change),
		TEST(what_gets_something_is_there),
		TEST(code_changes_like_any_field),
		TEST(undoing_marks_dirty),
		TEST(generations_end),
		TEST(a_long_journal_is_compact_and_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
