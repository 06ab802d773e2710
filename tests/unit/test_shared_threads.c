/* SPDX-License-Identifier: MIT */
/*
 * Several threads on one database, each with a handle of its own: transfers between slots in
 * transactions and batches, and readers that look for a sum that every publication keeps. The
 * sanitizers see the rest (VARIANT=tsan, asan).
 */
#include "state_rig.h"
#include <pthread.h>

enum { CELLS = 16, EACH = 1000, WRITERS = 3, READERS = 3, ROUNDS = 400, MOVES = 50 };

struct arena {
	struct rig rig;
	atomic_uint wrong, conflicts, committed, reading;
};

struct worker {
	pthread_t thread;
	struct arena *arena;
	uint64_t rng;
	bool transactions;
};

static unsigned pick(struct worker *w, unsigned n)
{
	w->rng = w->rng * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)((w->rng >> 33) % n);
}

static void expect(struct arena *arena, bool right)
{
	if (!right)
		atomic_fetch_add(&arena->wrong, 1);
}

/* Of another thread nothing may fail a test: it is counted. */
static uint64_t read_cell(struct worker *w, struct state *s, unsigned cell)
{
	const struct eth_address a = address_of(cell % 4);
	const struct eth_bytes32 slot = word_of(cell);
	struct eth_bytes32 value = {{0}};
	struct fault fault;
	expect(w->arena, state_slot(s, &a, &slot, &value, NULL, &fault) == HIT);
	return be64_get(value.bytes + 24);
}

static void write_cell(struct worker *w, struct state *s, unsigned cell, uint64_t value)
{
	expect(w->arena, set_slot(s, cell % 4, cell, value) == OK);
}

static uint64_t sum_of(struct worker *w, struct state *s)
{
	uint64_t sum = 0;
	for (unsigned cell = 0; cell < CELLS; cell++)
		sum += read_cell(w, s, cell);
	return sum;
}

/* From one to another; the account's storage is now and then wiped and written again. */
static void transfer(struct worker *w, struct state *s)
{
	const unsigned from = pick(w, CELLS), to = pick(w, CELLS);
	const uint64_t has = read_cell(w, s, from);
	uint64_t cells[CELLS];
	if (from == to || has == 0)
		return;
	if (pick(w, 16) == 0) {
		for (unsigned c = from % 4; c < CELLS; c += 4)
			cells[c] = read_cell(w, s, c);
		expect(w->arena, wipe(s, from % 4) == OK);
		for (unsigned c = from % 4; c < CELLS; c += 4)
			write_cell(w, s, c, cells[c]);
	}
	write_cell(w, s, from, has - 1);
	write_cell(w, s, to, read_cell(w, s, to) + 1);
}

static struct state *open_state(struct worker *w)
{
	struct err_detail detail;
	struct state *s = NULL;
	expect(w->arena, state_new(&w->arena->rig.db, NULL, &s, &detail) == OK);
	return s;
}

/* Until readers have seen enough: however they and the writers take turns. */
static bool goes_on(struct worker *w, unsigned round)
{
	return round < ROUNDS || atomic_load(&w->arena->reading) > 0;
}

static void *write_in_transactions(void *cookie)
{
	struct worker *w = cookie;
	struct state *s = open_state(w);
	for (unsigned round = 0; goes_on(w, round); round++) {
		uint64_t tx, id;
		expect(w->arena, state_tx_begin(s, &tx, NULL) == OK);
		transfer(w, s);
		expect(w->arena, state_snapshot(s, &id, NULL) == OK);
		transfer(w, s);
		if (pick(w, 2))
			expect(w->arena, state_revert(s, id, NULL) == OK);
		expect(w->arena, sum_of(w, s) == CELLS * EACH);
		const enum err err = state_tx_commit(s, tx, NULL);
		expect(w->arena, err == OK || err == ERR_CONFLICT);
		atomic_fetch_add(err ? &w->arena->conflicts : &w->arena->committed, 1);
		state_rest(s);
	}
	state_free(&s);
	return NULL;
}

/* A transaction sees one state, however many publications pass. */
static void read_pinned(struct worker *w, struct state *s)
{
	uint64_t tx, cells[CELLS];
	expect(w->arena, state_tx_begin(s, &tx, NULL) == OK);
	for (unsigned c = 0; c < CELLS; c++)
		cells[c] = read_cell(w, s, c);
	uint64_t sum = 0;
	for (unsigned c = 0; c < CELLS; c++) {
		expect(w->arena, read_cell(w, s, c) == cells[c]);
		sum += cells[c];
	}
	expect(w->arena, sum == CELLS * EACH);
	expect(w->arena, state_tx_rollback(s, tx, NULL) == OK);
}

/* Without one each read is of the newest; inside of the gate nothing moves. */
static void read_newest(struct worker *w, struct state *s)
{
	struct layer_view *view = state_writable_view(s);
	shared_enter(view);
	expect(w->arena, sum_of(w, s) == CELLS * EACH);
	shared_leave(view);
}

static void *read_sums(void *cookie)
{
	struct worker *w = cookie;
	struct state *s = open_state(w);
	struct layer_view *view = state_writable_view(s);
	uint64_t last = 0;
	unsigned moved = 0;
	for (unsigned round = 0; round < ROUNDS || moved < MOVES; round++) {
		if (w->transactions)
			read_pinned(w, s);
		else
			read_newest(w, s);
		const uint64_t sequence = shared_sequence(view);
		expect(w->arena, sequence >= last);
		moved += sequence > last;
		last = sequence;
		state_rest(s);
	}
	atomic_fetch_sub(&w->arena->reading, 1);
	state_free(&s);
	return NULL;
}

static void fill(struct arena *arena)
{
	struct state *s = rig_state(&arena->rig);
	assert_ok(state_batch_begin(s, NULL));
	for (unsigned cell = 0; cell < CELLS; cell++)
		assert_ok(set_slot(s, cell % 4, cell, EACH));
	assert_ok(state_batch_commit(s, NULL));
	state_free(&s);
}

static void run(enum rig_kind kind)
{
	struct worker workers[WRITERS + READERS];
	struct arena arena = {.reading = READERS};
	rig_open(&arena.rig, kind, false);
	fill(&arena);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		workers[i] = (struct worker){
			.arena = &arena, .rng = i + 1, .transactions = i % 2 == 0};
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						i < WRITERS ? write_in_transactions : read_sums,
						&workers[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(atomic_load(&arena.wrong), 0);
	assert_true(atomic_load(&arena.committed) > 0);
	rig_close(&arena.rig);
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

static void test_cached(void **state)
{
	(void)state;
	run(RIG_CACHED);
}

static void test_overlay(void **state)
{
	(void)state;
	run(RIG_OVERLAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_cached),
		cmocka_unit_test(test_overlay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
