/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation fails, for every N, while handles write, take snapshots, commit batches
 * and transactions over each kind of database: what failed has changed nothing and can be done
 * again, a transaction that reads the past goes on reading it, nothing leaks.
 */
#include "../unit/state_rig.h"
#include "alloc.h"

enum { SLOTS = 40, CODE = 7 };

static bool is_spared(void)
{
	return false;
}

static struct rig rig;
static struct state *writer, *reader;
static uint64_t values[SLOTS]; /* what is published */

/* OK, or refused memory. */
static bool done(enum err err)
{
	if (err != OK && err != ERR_NOMEM)
		fail_msg("%s", err_name(err));
	return err == OK;
}

/* ---- steps: each leaves values as what is published ---- */

static void write_at_once(unsigned slot, uint64_t value)
{
	if (done(set_slot(writer, slot % 3, slot, value)))
		values[slot] = value;
}

static bool write_many(uint64_t value)
{
	bool all = true;
	for (unsigned slot = 0; slot < SLOTS && all; slot++)
		all = done(set_slot(writer, slot % 3, slot, value + slot));
	return all;
}

static void published_many(uint64_t value)
{
	for (unsigned slot = 0; slot < SLOTS; slot++)
		values[slot] = value + slot;
}

/* A commit that failed leaves the batch open. */
static void commit_batch(uint64_t value)
{
	if (!done(state_batch_begin(writer, NULL)))
		return;
	if (write_many(value) && done(state_batch_commit(writer, NULL)))
		published_many(value);
	else
		assert_ok(state_batch_rollback(writer, NULL));
}

static void commit_snapshots(uint64_t value)
{
	uint64_t outer, inner;
	if (!done(state_snapshot(writer, &outer, NULL)))
		return;
	bool all = write_many(value);
	if (all && done(state_snapshot(writer, &inner, NULL))) {
		(void)write_many(value + 500);
		assert_ok(state_revert(writer, inner, NULL));
	}
	if (all && done(state_snapshot_commit(writer, outer, NULL)))
		published_many(value);
	else
		assert_ok(state_revert(writer, outer, NULL));
}

/* A commit that failed ends the transaction. */
static void commit_transaction(uint64_t value)
{
	uint64_t tx;
	if (!done(state_tx_begin(writer, &tx, NULL)))
		return;
	if (!write_many(value))
		assert_ok(state_tx_rollback(writer, tx, NULL));
	else if (done(state_tx_commit(writer, tx, NULL)))
		published_many(value);
}

static void wipe_one(void)
{
	if (!done(wipe(writer, 1)))
		return;
	for (unsigned slot = 1; slot < SLOTS; slot += 3)
		values[slot] = 0;
}

/* Code is found by a handle that is made meanwhile, or memory was refused. */
static void read_code(void)
{
	const struct eth_address address = address_of(2);
	struct err_detail detail;
	struct state *s;
	struct blob *code;
	struct fault fault;
	if (!done(state_new(&rig.db, NULL, &s, &detail)))
		return;
	const enum lookup got = state_code(s, &address, &code, NULL, &fault);
	if (got == FAILED)
		assert_int_equal(fault.err, ERR_NOMEM);
	else
		assert_true(code == NULL || code->len == CODE);
	blob_put(&code);
	state_free(&s);
}

static void flush(void)
{
	struct err_detail detail;
	(void)done(shared_flush(rig.db.writable, false, &detail));
}

static void do_all(void)
{
	write_at_once(1, 11);
	(void)done(set_code(writer, 2, CODE));
	(void)done(set_balance(writer, 2, 5));
	commit_batch(100);
	read_code();
	commit_snapshots(1000);
	write_at_once(2, 22);
	wipe_one();
	write_at_once(4, 44);
	flush();
	commit_transaction(10000);
	read_code();
}

static void expect_values(struct state *s, const uint64_t *expected)
{
	for (unsigned slot = 0; slot < SLOTS; slot++)
		assert_int_equal(slot_of(s, slot % 3, slot), expected[slot]);
	state_rest(s);
}

/* One round with the nth allocation failing; false when there were not so many. */
static bool run_with_failure(enum rig_kind kind, unsigned long n)
{
	uint64_t tx, before[SLOTS];
	rig_open(&rig, kind, false);
	writer = rig_state(&rig);
	reader = rig_state(&rig);
	memset(values, 0, sizeof values);
	commit_batch(7);
	memcpy(before, values, sizeof before);
	assert_ok(state_tx_begin(reader, &tx, NULL));
	fail_at(n);
	do_all();
	const bool failed = has_failed();
	expect_values(writer, values);
	expect_values(reader, before);
	assert_ok(state_tx_rollback(reader, tx, NULL));
	expect_values(reader, values);
	commit_batch(77); /* all is usable */
	expect_values(reader, values);
	assert_int_equal(values[0], 77);
	state_free(&writer);
	state_free(&reader);
	rig_close(&rig);
	return failed;
}

static void run(enum rig_kind kind)
{
	unsigned long n = 1;
	for (bool failed = true; failed; n++) {
		const long before = live;
		failed = run_with_failure(kind, n);
		if (live != before)
			fail_msg("kind %d, allocation %lu: %ld left", (int)kind, n,
				 live - before);
	}
	assert_in_range(n, 20, 5000);
}

static void test_memory(void **state)
{
	(void)state;
	run(RIG_MEMORY);
}

static void test_file(void **state)
{
	(void)state;
	run(RIG_FILE);
}

static void test_overlay(void **state)
{
	(void)state;
	run(RIG_OVERLAY);
}

static void test_cached(void **state)
{
	(void)state;
	run(RIG_CACHED);
}

/* Making a database fails, too, and takes what it was given with it. */
static void test_open(void **state)
{
	(void)state;
	unsigned long n = 1;
	for (bool failed = true; failed; n++) {
		const long before = live;
		const struct cached_config config = {.accounts_bytes = 1};
		struct layer *layer = NULL;
		fail_at(n);
		enum err err = shared_new(NULL, NULL, false, &layer);
		if (!err)
			err = cached_new(layer, &config, &layer);
		if (!err)
			err = shared_new(layer, NULL, false, &layer);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		if (!err)
			layer->ops->free(&layer);
		assert_int_equal(live, before);
	}
	assert_in_range(n, 8, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),   cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),   cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_cached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
