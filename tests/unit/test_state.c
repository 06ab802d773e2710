/* SPDX-License-Identifier: MIT */
/* Scopes of one handle: what may contain what, what ends with what, what their errors say. */
#include "state_rig.h"

static struct rig rig;
static struct state *s, *other;

static int open_memory(void **state)
{
	(void)state;
	rig_open(&rig, RIG_MEMORY, false);
	s = rig_state(&rig);
	other = rig_state(&rig);
	return 0;
}

static int close_memory(void **state)
{
	(void)state;
	state_free(&s);
	state_free(&other);
	rig_close(&rig);
	return 0;
}

static uint64_t snapshot(void)
{
	uint64_t id;
	assert_ok(state_snapshot(s, &id, NULL));
	return id;
}

static void a_write_without_a_scope_is_seen_at_once(void **state)
{
	(void)state;
	assert_ok(set_slot(s, 1, 1, 5));
	assert_ok(set_balance(s, 1, 6));
	assert_int_equal(slot_of(other, 1, 1), 5);
	assert_int_equal(balance_of(other, 1), 6);
	assert_true(overlay_is_empty(state_overlay(s)));
}

static void snapshots_nest(void **state)
{
	struct err_detail detail;
	(void)state;
	assert_ok(set_slot(s, 1, 1, 1));
	const uint64_t outer = snapshot();
	assert_ok(set_slot(s, 1, 1, 2));
	const uint64_t middle = snapshot();
	assert_ok(set_slot(s, 1, 1, 3));
	const uint64_t inner = snapshot();
	assert_ok(set_slot(s, 1, 1, 4));
	assert_true(outer != 0 && outer < middle && middle < inner);
	assert_int_equal(slot_of(other, 1, 1), 1);
	assert_ok(state_revert(s, middle, NULL));
	assert_int_equal(slot_of(s, 1, 1), 2);
	assert_int_equal(state_revert(s, inner, &detail), ERR_NOT_FOUND);
	assert_non_null(
		strstr(detail.text, "is unknown, or was dropped by a revert or commit"));
	assert_int_equal(state_revert(s, middle, NULL), ERR_NOT_FOUND); /* it is used up */
	const uint64_t later = snapshot();
	assert_ok(set_slot(s, 1, 1, 5));
	assert_int_equal(state_revert(s, inner, NULL), ERR_NOT_FOUND); /* nor is it the next */
	assert_int_equal(state_snapshot_commit(s, middle, NULL), ERR_NOT_FOUND);
	assert_int_equal(slot_of(s, 1, 1), 5);
	assert_ok(state_revert(s, later, NULL));
	assert_int_equal(slot_of(s, 1, 1), 2);
	assert_ok(state_revert(s, outer, NULL));
	assert_int_equal(slot_of(s, 1, 1), 1);
	assert_int_equal(state_revert(s, 0, NULL), ERR_NOT_FOUND);
	assert_ok(set_slot(s, 1, 1, 9)); /* no scope is open any more */
	assert_int_equal(slot_of(other, 1, 1), 9);
}

static void the_last_snapshot_s_commit_publishes(void **state)
{
	(void)state;
	const uint64_t outer = snapshot();
	assert_ok(set_slot(s, 1, 1, 2));
	const uint64_t inner = snapshot();
	assert_ok(set_slot(s, 1, 2, 3));
	assert_ok(state_snapshot_commit(s, inner, NULL));
	assert_int_equal(slot_of(other, 1, 1), 0);
	assert_ok(state_snapshot_commit(s, outer, NULL));
	assert_int_equal(slot_of(other, 1, 1), 2);
	assert_int_equal(slot_of(other, 1, 2), 3);
	assert_int_equal(state_snapshot_commit(s, outer, NULL), ERR_NOT_FOUND);
}

static void an_id_is_of_one_handle(void **state)
{
	uint64_t theirs;
	(void)state;
	(void)snapshot();
	assert_ok(state_snapshot(other, &theirs, NULL));
	assert_int_equal(state_revert(s, theirs, NULL), ERR_NOT_FOUND);
}

static void a_batch_is_all_or_nothing(void **state)
{
	struct err_detail detail;
	(void)state;
	assert_int_equal(state_batch_commit(s, &detail), ERR_INVALID);
	assert_string_equal(detail.text, "no batch is open");
	assert_int_equal(state_batch_rollback(s, &detail), ERR_INVALID);
	assert_ok(state_batch_begin(s, NULL));
	assert_int_equal(state_batch_begin(s, &detail), ERR_INVALID);
	assert_string_equal(detail.text, "a batch is open already");
	assert_ok(set_slot(s, 1, 1, 2));
	assert_ok(set_code(s, 1, 3));
	assert_int_equal(code_length_of(s, 1), 3);
	assert_int_equal(slot_of(other, 1, 1), 0);
	assert_ok(state_batch_rollback(s, NULL));
	assert_int_equal(slot_of(s, 1, 1), 0);
	assert_int_equal(code_length_of(s, 1), 0);
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 1, 2));
	const uint64_t id = snapshot();
	assert_ok(set_slot(s, 1, 1, 3));
	assert_ok(state_batch_commit(s, NULL)); /* with its snapshots */
	assert_int_equal(slot_of(other, 1, 1), 3);
	assert_int_equal(state_revert(s, id, NULL), ERR_NOT_FOUND);
}

static void a_batch_does_not_begin_in_a_snapshot(void **state)
{
	struct err_detail detail;
	(void)state;
	(void)snapshot();
	assert_int_equal(state_batch_begin(s, &detail), ERR_INVALID);
	assert_string_equal(detail.text, "a batch cannot begin inside of a snapshot");
}

static void a_transaction_begins_outside_of_all(void **state)
{
	uint64_t tx;
	struct err_detail detail;
	(void)state;
	const uint64_t id = snapshot();
	assert_int_equal(state_tx_begin(s, &tx, &detail), ERR_INVALID);
	assert_ok(state_revert(s, id, NULL));
	assert_ok(state_batch_begin(s, NULL));
	assert_int_equal(state_tx_begin(s, &tx, &detail), ERR_INVALID);
	assert_int_equal(tx, 0);
	assert_ok(state_batch_rollback(s, NULL));
	assert_ok(state_tx_begin(s, &tx, NULL));
	assert_int_equal(state_tx_begin(s, &tx, &detail), ERR_INVALID);
	assert_string_equal(detail.text, "a transaction is open already");
}

static void a_transaction_holds_batches_and_snapshots(void **state)
{
	uint64_t tx;
	(void)state;
	assert_ok(state_tx_begin(s, &tx, NULL));
	assert_ok(set_slot(s, 1, 1, 1));
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 1, 2));
	assert_ok(set_slot(s, 1, 2, 2));
	assert_ok(state_batch_rollback(s, NULL)); /* only its own part */
	assert_int_equal(slot_of(s, 1, 1), 1);
	assert_int_equal(slot_of(s, 1, 2), 0);
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 2, 3));
	assert_ok(state_batch_commit(s, NULL));
	const uint64_t id = snapshot();
	assert_ok(set_slot(s, 1, 3, 4));
	assert_ok(state_revert(s, id, NULL));
	assert_int_equal(slot_of(other, 1, 2), 0);
	assert_int_equal(state_publish(s, false, NULL), ERR_INVALID);
	assert_ok(state_tx_commit(s, tx, NULL));
	assert_int_equal(slot_of(other, 1, 1), 1);
	assert_int_equal(slot_of(other, 1, 2), 3);
	assert_int_equal(slot_of(other, 1, 3), 0);
}

static void a_finished_transaction_is_unknown(void **state)
{
	uint64_t first, second;
	struct err_detail detail;
	(void)state;
	assert_ok(state_tx_begin(s, &first, NULL));
	assert_ok(state_tx_commit(s, first, NULL));
	assert_int_equal(state_tx_commit(s, first, &detail), ERR_INVALID);
	assert_non_null(strstr(detail.text, "is finished, or unknown"));
	assert_int_equal(state_tx_rollback(s, 0, NULL), ERR_INVALID);
	assert_ok(state_tx_begin(s, &second, NULL));
	assert_int_equal(state_tx_rollback(s, first, NULL), ERR_INVALID);
	assert_true(first != second);
	assert_ok(state_tx_rollback(s, second, NULL));
}

static void the_first_committer_wins(void **state)
{
	uint64_t mine, theirs;
	(void)state;
	assert_ok(set_slot(s, 1, 1, 1));
	assert_ok(state_tx_begin(s, &mine, NULL));
	assert_ok(state_tx_begin(other, &theirs, NULL));
	assert_ok(set_slot(s, 1, 1, slot_of(s, 1, 1) + 10));
	assert_ok(set_slot(other, 1, 1, slot_of(other, 1, 1) + 100));
	assert_ok(state_tx_commit(other, theirs, NULL));
	assert_int_equal(slot_of(s, 1, 1), 11);
	assert_int_equal(state_tx_commit(s, mine, NULL), ERR_CONFLICT);
	assert_int_equal(slot_of(s, 1, 1), 101); /* it is over */
	assert_ok(state_tx_begin(s, &mine, NULL));
	assert_ok(set_slot(s, 1, 1, slot_of(s, 1, 1) + 10));
	assert_ok(state_tx_commit(s, mine, NULL));
	assert_int_equal(slot_of(other, 1, 1), 111);
}

static void publishing_ends_everything(void **state)
{
	(void)state;
	assert_ok(state_batch_begin(s, NULL));
	const uint64_t id = snapshot();
	assert_ok(set_slot(s, 1, 1, 7));
	assert_ok(state_publish(s, true, NULL));
	assert_int_equal(slot_of(other, 1, 1), 7);
	assert_int_equal(state_revert(s, id, NULL), ERR_NOT_FOUND);
	assert_int_equal(state_batch_commit(s, NULL), ERR_INVALID);
	assert_ok(state_publish(s, false, NULL)); /* nothing to do */
}

static void what_is_open_is_rolled_back_at_the_end(void **state)
{
	uint64_t tx;
	(void)state;
	assert_ok(state_tx_begin(s, &tx, NULL));
	assert_ok(set_slot(s, 1, 1, 7));
	(void)snapshot();
	state_free(&s);
	s = rig_state(&rig);
	assert_int_equal(slot_of(s, 1, 1), 0);
	assert_ok(set_slot(other, 1, 1, 8)); /* nobody is pinned any more */
	assert_int_equal(slot_of(s, 1, 1), 8);
}

/* As in the chain. */
static void destroyed_and_made_again(void **state)
{
	(void)state;
	assert_ok(set_slot(s, 1, 1, 5));
	assert_ok(set_code(s, 1, 4));
	const uint64_t id = snapshot();
	assert_ok(destroy(s, 1));
	assert_ok(set_balance(s, 1, 1));
	assert_ok(set_slot(s, 1, 2, 6));
	assert_int_equal(slot_of(s, 1, 1), 0);
	assert_int_equal(slot_of(s, 1, 2), 6);
	assert_int_equal(code_length_of(s, 1), 0);
	assert_true(account_of(s, 1).exists);
	assert_ok(state_revert(s, id, NULL));
	assert_int_equal(slot_of(s, 1, 1), 5);
	assert_int_equal(slot_of(s, 1, 2), 0);
	assert_int_equal(code_length_of(s, 1), 4);
}

#define SCOPE_TEST(f) cmocka_unit_test_setup_teardown(f, open_memory, close_memory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCOPE_TEST(a_write_without_a_scope_is_seen_at_once),
		SCOPE_TEST(snapshots_nest),
		SCOPE_TEST(the_last_snapshot_s_commit_publishes),
		SCOPE_TEST(an_id_is_of_one_handle),
		SCOPE_TEST(a_batch_is_all_or_nothing),
		SCOPE_TEST(a_batch_does_not_begin_in_a_snapshot),
		SCOPE_TEST(a_transaction_begins_outside_of_all),
		SCOPE_TEST(a_transaction_holds_batches_and_snapshots),
		SCOPE_TEST(a_finished_transaction_is_unknown),
		SCOPE_TEST(the_first_committer_wins),
		SCOPE_TEST(publishing_ends_everything),
		SCOPE_TEST(what_is_open_is_rolled_back_at_the_end),
		SCOPE_TEST(destroyed_and_made_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
