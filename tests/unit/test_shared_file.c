/* SPDX-License-Identifier: MIT */
/* The shared layer with a file behind it: what waits, what is durable, what fails, and reads of
 * the past while the file moves on. */
#include "state_rig.h"
#include "layers/shared_impl.h"
#include <sched.h>

static uint64_t records(struct rig *rig)
{
	struct filedb *file = rig_open_file(rig);
	struct filedb_stats stats;
	filedb_stats(file, &stats);
	filedb_close(&file);
	return stats.records;
}

static void reopen(struct rig *rig, struct state **s)
{
	state_free(s);
	rig_free_layers(rig);
	rig_build(rig, RIG_FILE);
	*s = rig_state(rig);
}

static void what_was_written_is_there_again(void **state)
{
	struct rig rig;
	(void)state;
	rig_open(&rig, RIG_FILE, false);
	struct state *s = rig_state(&rig);
	assert_ok(set_slot(s, 1, 1, 11));
	assert_ok(set_slot(s, 1, 2, 12));
	assert_ok(set_balance(s, 1, 5));
	assert_ok(set_code(s, 1, 9));
	reopen(&rig, &s); /* the end writes what waits */
	assert_int_equal(slot_of(s, 1, 1), 11);
	assert_int_equal(balance_of(s, 1), 5);
	assert_int_equal(code_length_of(s, 1), 9);
	assert_ok(wipe(s, 1));
	assert_ok(set_nonce(s, 1, 3));
	assert_int_equal(slot_of(s, 1, 1), 0);
	assert_ok(set_slot(s, 1, 2, 22));
	reopen(&rig, &s);
	assert_int_equal(slot_of(s, 1, 1), 0);
	assert_int_equal(slot_of(s, 1, 2), 22);
	assert_int_equal(balance_of(s, 1), 5); /* fields are merged */
	assert_int_equal(account_of(s, 1).fields.nonce, 3);
	assert_ok(destroy(s, 1));
	reopen(&rig, &s);
	assert_false(account_of(s, 1).exists);
	assert_int_equal(code_length_of(s, 1), 0);
	assert_int_equal(slot_of(s, 1, 2), 0);
	state_free(&s);
	rig_close(&rig);
}

static void sweep(bool by_batch)
{
	struct rig rig;
	struct err_detail detail;
	rig_open(&rig, RIG_FILE, false);
	struct state *s = rig_state(&rig);
	for (unsigned i = 0; i < 100; i++)
		assert_ok(set_slot(s, 1, i, 1));
	assert_ok(shared_flush(rig.db.writable, true, &detail));
	if (by_batch)
		assert_ok(state_batch_begin(s, NULL));
	assert_ok(wipe(s, 1));
	if (by_batch)
		assert_ok(state_batch_commit(s, NULL));
	else
		assert_ok(shared_flush(rig.db.writable, false, &detail));
	state_free(&s);
	rig_free_layers(&rig);
	assert_int_equal(records(&rig), 1); /* the account's */
	rig_remove_folder(&rig);
}

static void old_slots_are_swept(void **state)
{
	(void)state;
	sweep(false);
	sweep(true);
}

static void past_so_many_changes_are_written(void **state)
{
	struct rig rig;
	(void)state;
	rig_open(&rig, RIG_FILE, false);
	struct state *s = rig_state(&rig);
	struct layer_view *view = state_writable_view(s);
	/* an account and a slot each time */
	for (unsigned i = 0; i < SHARED_PENDING_MAX / 2; i++)
		assert_ok(set_slot(s, i % 100, i, i + 1));
	const struct eth_address address = address_of(1);
	assert_non_null(changes_find_account(shared_enter(view), &address));
	shared_leave(view);
	assert_ok(set_slot(s, 1, 1, 77));
	assert_null(changes_find_account(shared_enter(view), &address));
	shared_leave(view);
	assert_int_equal(slot_of(s, 1, 1), 77);
	assert_int_equal(slot_of(s, 1, 101), 102);
	state_free(&s);
	rig_close(&rig);
}

/* A transaction reads the past while the file is written under it: values that were in memory,
 * in the file, in storage that was wiped. */
static void pinned_reads_survive_commits(void **state)
{
	struct rig rig;
	struct err_detail detail;
	uint64_t tx;
	(void)state;
	rig_open(&rig, RIG_FILE, false);
	struct state *a = rig_state(&rig), *b = rig_state(&rig);
	assert_ok(set_slot(b, 1, 1, 11));
	assert_ok(set_slot(b, 1, 2, 12));
	assert_ok(set_code(b, 1, 4));
	assert_ok(set_balance(b, 2, 20));
	assert_ok(shared_flush(rig.db.writable, false, &detail));
	assert_ok(set_slot(b, 1, 3, 13)); /* waits */
	assert_ok(set_code(b, 3, 6));
	assert_ok(state_tx_begin(a, &tx, NULL));
	for (unsigned round = 0; round < 3; round++) {
		assert_ok(set_slot(b, 1, 1, 100 + round));
		assert_ok(destroy(b, 1));
		assert_ok(set_slot(b, 1, 2, 200 + round));
		assert_ok(set_balance(b, 2, 300 + round));
		assert_ok(set_code(b, 3, 0));
		assert_ok(shared_flush(rig.db.writable, false, &detail));
		assert_int_equal(slot_of(a, 1, 1), 11);
		assert_int_equal(slot_of(a, 1, 2), 12);
		assert_int_equal(slot_of(a, 1, 3), 13);
		assert_int_equal(slot_of(a, 1, 4), 0);
		assert_int_equal(code_length_of(a, 1), 4);
		assert_int_equal(code_length_of(a, 3), 6);
		assert_int_equal(balance_of(a, 2), 20);
		assert_true(account_of(a, 1).exists);
	}
	assert_ok(state_tx_rollback(a, tx, NULL));
	assert_int_equal(slot_of(a, 1, 1), 0);
	assert_int_equal(slot_of(a, 1, 2), 202);
	assert_int_equal(balance_of(a, 2), 302);
	state_free(&a);
	state_free(&b);
	rig_close(&rig);
}

/* ---- while the file is being committed ---- */

struct late {
	struct rig *rig;
	atomic_bool started, released, wrong;
};

static void *read_late(void *cookie)
{
	struct late *late = cookie;
	struct err_detail detail;
	struct state *s;
	if (state_new(&late->rig->db, NULL, &s, &detail) != OK) {
		atomic_store(&late->wrong, true);
		return NULL;
	}
	atomic_store(&late->started, true);
	if (slot_of(s, 1, 1) != 5 || !atomic_load(&late->released))
		atomic_store(&late->wrong, true);
	state_free(&s);
	return NULL;
}

static void commit_for_ever(struct shared *shared, bool committing)
{
	gate_shut(&shared->gate, NULL);
	shared->committing = committing;
	gate_open(&shared->gate);
}

/* Who has a snapshot goes on by it; who has none would see what is not published yet. */
static void a_reader_without_a_snapshot_waits(void **state)
{
	struct rig rig;
	struct err_detail detail;
	struct late late = {.rig = &rig};
	pthread_t thread;
	(void)state;
	rig_open(&rig, RIG_FILE, false);
	struct shared *shared = (struct shared *)rig.db.writable;
	struct state *s = rig_state(&rig);
	assert_ok(set_slot(s, 1, 1, 5));
	assert_ok(shared_flush(rig.db.writable, false, &detail));
	assert_int_equal(slot_of(s, 1, 1), 5);
	assert_int_equal(pthread_create(&thread, NULL, read_late, &late), 0);
	while (!atomic_load(&late.started) && !atomic_load(&late.wrong))
		sched_yield();
	pthread_join(thread, NULL);
	assert_true(atomic_load(&late.wrong)); /* nothing is being committed: it is not late */
	late = (struct late){.rig = &rig};
	commit_for_ever(shared, true);
	assert_int_equal(slot_of(s, 1, 1), 5);
	assert_int_equal(pthread_create(&thread, NULL, read_late, &late), 0);
	while (!atomic_load(&late.started))
		sched_yield();
	pthread_mutex_lock(&shared->turn);
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&late.released, true);
	commit_for_ever(shared, false);
	pthread_mutex_unlock(&shared->turn);
	pthread_join(thread, NULL);
	assert_false(atomic_load(&late.wrong));
	state_free(&s);
	rig_close(&rig);
}

/* A file that cannot grow: nothing is half done, and less fits afterwards. */
static struct rig small_file(void)
{
	struct rig rig = {.bottom = NULL};
	struct filedb *file;
	struct err_detail detail;
	rig_make_folder(&rig);
	const struct filedb_config config = {.folder = rig.folder, .map_bytes = 1 << 20};
	if (filedb_open(&config, &file, &detail) != OK)
		fail_msg("%s", detail.text);
	assert_ok(shared_new(NULL, file, false, &rig.db.writable));
	rig.db.top = rig.db.writable;
	return rig;
}

static void a_batch_that_does_not_fit_is_not_published(void **state)
{
	struct rig rig = small_file();
	struct state *s = rig_state(&rig), *b = rig_state(&rig);
	struct err_detail detail = {""};
	(void)state;
	assert_ok(set_slot(s, 1, 1, 1));
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 1, 2));
	for (unsigned i = 0; i < 30000; i++)
		assert_ok(set_slot(s, 2, i, i + 1));
	assert_int_equal(state_batch_commit(s, &detail), ERR_LIMIT);
	assert_true(detail.text[0] != '\0');
	assert_int_equal(slot_of(s, 1, 1), 2); /* still open */
	assert_int_equal(slot_of(b, 1, 1), 1);
	assert_int_equal(slot_of(b, 2, 1), 0);
	assert_ok(state_batch_rollback(s, NULL));
	assert_int_equal(slot_of(s, 1, 1), 1);
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 1, 3));
	assert_ok(state_batch_commit(s, &detail));
	assert_int_equal(slot_of(b, 1, 1), 3);
	state_free(&s);
	state_free(&b);
	rig_close(&rig);
}

static void a_transaction_that_does_not_fit_is_over(void **state)
{
	struct rig rig = small_file();
	struct state *s = rig_state(&rig);
	uint64_t tx;
	(void)state;
	assert_ok(state_tx_begin(s, &tx, NULL));
	for (unsigned i = 0; i < 30000; i++)
		assert_ok(set_slot(s, 2, i, i + 1));
	assert_int_equal(state_tx_commit(s, tx, NULL), ERR_LIMIT);
	assert_int_equal(slot_of(s, 2, 1), 0);
	assert_int_equal(state_tx_rollback(s, tx, NULL), ERR_INVALID);
	state_free(&s);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_there_again),
		cmocka_unit_test(old_slots_are_swept),
		cmocka_unit_test(past_so_many_changes_are_written),
		cmocka_unit_test(pinned_reads_survive_commits),
		cmocka_unit_test(a_reader_without_a_snapshot_waits),
		cmocka_unit_test(a_batch_that_does_not_fit_is_not_published),
		cmocka_unit_test(a_transaction_that_does_not_fit_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
