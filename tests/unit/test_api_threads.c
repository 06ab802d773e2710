/* SPDX-License-Identifier: MIT */
/* Eight threads, a handle each, on one database: as the header says they may. */
#include "unit.h"
#include "forkcache.h"
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 60 };

static struct fc_db *db;
static pthread_barrier_t all_ready;

static struct fc_bytes32 word(unsigned n)
{
	return (struct fc_bytes32){.bytes = {[30] = (uint8_t)(n >> 8), [31] = (uint8_t)n}};
}

static unsigned number(const struct fc_bytes32 *word)
{
	return (unsigned)word->bytes[30] << 8 | word->bytes[31];
}

static const struct fc_address shared = {.bytes = {[19] = 0xcc}};

/* cmocka's asserts are the main thread's: a thread returns the line that failed. */
struct worker {
	pthread_t thread;
	unsigned id;
	struct fc_state *state;
	int failed_at;
	unsigned conflicts;
};
#define EXPECT(worker, truth)                           \
	do {                                            \
		if (!(truth)) {                         \
			(worker)->failed_at = __LINE__; \
			return;                         \
		}                                       \
	} while (0)

/* Counts one more, among all; begins again when another was first. */
static void count_one(struct worker *w)
{
	const struct fc_bytes32 slot = word(1);
	for (enum fc_err err = FC_ERR_CONFLICT; err == FC_ERR_CONFLICT;) {
		struct fc_bytes32 value;
		uint64_t tx;
		EXPECT(w, fc_tx_begin(w->state, &tx) == FC_OK);
		EXPECT(w, fc_get_storage(w->state, &shared, &slot, &value) == FC_OK);
		value = word(number(&value) + 1);
		EXPECT(w, fc_set_storage(w->state, &shared, &slot, &value) == FC_OK);
		err = fc_tx_commit(w->state, tx);
		w->conflicts += err == FC_ERR_CONFLICT;
		EXPECT(w, err == FC_OK || err == FC_ERR_CONFLICT);
	}
}

static void work_on_own_account(struct worker *w, unsigned round)
{
	const struct fc_address own = {.bytes = {[0] = 1, [19] = (uint8_t)w->id}};
	const struct fc_bytes32 slot = word(round % 16), value = word(round + 1);
	const struct fc_account account = {
		.mask = FC_NONCE | FC_BALANCE, .nonce = round + 1, .balance = value};
	struct fc_bytes32 got, root;
	struct fc_account read;
	uint64_t id;
	EXPECT(w, fc_set_account(w->state, &own, &account) == FC_OK);
	EXPECT(w, fc_set_storage(w->state, &own, &slot, &value) == FC_OK);
	EXPECT(w, fc_snapshot(w->state, &id) == FC_OK);
	EXPECT(w, fc_clear_storage(w->state, &own) == FC_OK);
	EXPECT(w, fc_get_storage(w->state, &own, &slot, &got) == FC_OK && number(&got) == 0);
	EXPECT(w, fc_revert(w->state, id) == FC_OK);
	EXPECT(w, fc_get_storage(w->state, &own, &slot, &got) == FC_OK);
	EXPECT(w, number(&got) == round + 1);
	EXPECT(w, fc_get_account(w->state, &own, FC_NONCE | FC_EXISTS, &read) == FC_OK);
	EXPECT(w, read.nonce == round + 1 && read.exists);
	EXPECT(w, fc_set_code(w->state, &own, own.bytes, 1 + round % 20) == FC_OK);
	if (round % 8 == 0)
		EXPECT(w, fc_state_root(w->state, &root) == FC_OK);
	if (round % 16 == 0)
		EXPECT(w, fc_clear_cache(w->state) == FC_OK);
}

static void read_the_others(struct worker *w)
{
	struct fc_read reads[THREADS];
	memset(reads, 0, sizeof reads);
	for (unsigned i = 0; i < THREADS; i++) {
		reads[i].kind = i % 2 ? FC_READ_CODE : FC_READ_ACCOUNT;
		reads[i].wanted = FC_NONCE | FC_BALANCE | FC_CODE_HASH;
		reads[i].address = (struct fc_address){.bytes = {[0] = 1, [19] = (uint8_t)i}};
	}
	EXPECT(w, fc_read_many(w->state, reads, THREADS) == FC_OK);
	for (unsigned i = 0; i < THREADS; i += 2) /* of one publication, both */
		EXPECT(w, number(&reads[i].account.balance) == reads[i].account.nonce);
	fc_reads_release(reads, THREADS);
}

static void *work(void *cookie)
{
	struct worker *w = cookie;
	pthread_barrier_wait(&all_ready);
	for (unsigned round = 0; round < ROUNDS && !w->failed_at; round++) {
		work_on_own_account(w, round);
		if (!w->failed_at)
			read_the_others(w);
		if (!w->failed_at)
			count_one(w);
	}
	return NULL;
}

static void run_over(const char *urls)
{
	struct worker workers[THREADS];
	struct fc_error why;
	struct fc_state *state;
	struct fc_stats stats = {.size = sizeof stats};
	struct fc_bytes32 value, slot = word(1);
	unsigned conflicts = 0;
	if (fc_open(urls, &db, &why) != FC_OK)
		fail_msg("%s: %s", urls, why.detail);
	pthread_barrier_init(&all_ready, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.id = i};
		assert_ok(
			fc_state_new(db, NULL, &workers[i].state)); /* it moves to its thread */
		assert_ok(pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_ok(pthread_join(workers[i].thread, NULL));
		if (workers[i].failed_at)
			fail_msg("%s: thread %u, line %d: %s", urls, i, workers[i].failed_at,
				 fc_detail(workers[i].state));
		conflicts += workers[i].conflicts;
		fc_state_free(&workers[i].state);
	}
	assert_ok(fc_state_new(db, NULL, &state));
	assert_ok(fc_get_storage(state, &shared, &slot, &value));
	assert_int_equal(number(&value), THREADS * ROUNDS); /* no increment is lost */
	assert_ok(fc_stats(db, &stats));
	assert_true(stats.transactions == THREADS * ROUNDS);
	assert_true(stats.conflicts == conflicts);
	fc_state_free(&state);
	assert_ok(fc_close(&db, &why));
	pthread_barrier_destroy(&all_ready);
}

static void in_memory(void **state)
{
	(void)state;
	run_over("memory://");
}

static void behind_a_cache(void **state)
{
	(void)state;
	run_over("memory://,memory://");
}

static void over_another(void **state)
{
	(void)state;
	run_over("overlay://,memory://,memory://");
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_ok(rmdir(folder));
}

static void in_a_file(void **state)
{
	(void)state;
	const char *base = getenv("TMPDIR");
	char folder[128], urls[160];
	snprintf(folder, sizeof folder, "%s/forkcache-threads-XXXXXX", base ? base : P_tmpdir);
	assert_non_null(mkdtemp(folder));
	snprintf(urls, sizeof urls, "lmdb://%s", folder);
	run_over(urls);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory),
		cmocka_unit_test(behind_a_cache),
		cmocka_unit_test(over_another),
		cmocka_unit_test(in_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
