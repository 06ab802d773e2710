/* SPDX-License-Identifier: MIT */
/*
 * The Nth write or sync of LMDB fails, for every N of a commit: the batch is not there, what
 * was there before is, and the next batch succeeds; at once, or after opening again if the
 * error says so.
 */
#include "filedb_scene.h"
#include "../system_calls.h"
#include <errno.h>

enum fault { FULL, SHORT };
static enum fault fault;
static unsigned long countdown; /* 1: the next call fails; 0: none does */

static bool intercepted(ssize_t *result)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	errno = ENOSPC;
	*result = fault == SHORT ? 512 : -1;
	return true;
}

/* Slots in groups: a group is a batch. */
enum { GROUP = 300 };

static enum err write_group(const struct scene *scene, uint64_t group,
			    struct err_detail *detail)
{
	struct filedb_batch *batch;
	enum err err = filedb_batch_begin(scene->db, false, &batch, detail);
	if (err != OK)
		return err;
	for (uint64_t n = group * GROUP; n < (group + 1) * GROUP; n++)
		assert_ok(fixture_batch_slot(batch, n));
	return filedb_batch_commit(&batch, detail);
}

static void expect_group(const struct scene *scene, uint64_t group, enum lookup wanted)
{
	filedb_reader_rest(scene->reader);
	for (uint64_t n = group * GROUP; n < (group + 1) * GROUP; n++)
		assert_int_equal(fixture_filedb_slot(scene->reader, n), wanted);
}

/* One failure; false: there were not so many calls. */
static bool fail_once(struct scene *scene, unsigned long n, unsigned *reopened)
{
	struct err_detail detail;
	assert_int_equal(write_group(scene, 0, &detail), OK);
	expect_group(scene, 0, HIT);
	countdown = n;
	enum err err = write_group(scene, 1, &detail);
	bool failed = countdown == 0;
	countdown = 0;
	assert_int_equal(err, failed ? ERR_IO : OK);
	if (!failed)
		return false;
	assert_non_null(strstr(detail.text, scene->folder));
	enum err next = write_group(scene, 2, &detail);
	if (next != OK) {
		assert_int_equal(next, ERR_IO);
		assert_non_null(strstr(detail.text, "open it again"));
		reopen(scene);
		++*reopened;
		assert_int_equal(write_group(scene, 2, &detail), OK);
	}
	for (int again = 0; again < 2; again++, reopen(scene)) {
		expect_group(scene, 0, HIT);
		expect_group(scene, 1, MISS);
		expect_group(scene, 2, HIT);
	}
	return true;
}

static void every_call_fails_once(enum fault kind)
{
	unsigned long n = 1;
	unsigned reopened = 0;
	bool failed = true;
	fault = kind;
	for (; failed; n++) {
		struct scene scene;
		fixture_folder(scene.folder);
		open_scene(&scene, 0);
		failed = fail_once(&scene, n, &reopened);
		close_scene(&scene);
		fixture_remove(scene.folder);
	}
	assert_in_range(n, 4, 1000); /* pages, a sync, the head of the file */
	assert_int_equal(reopened, 1);
}

static void a_full_disk_fails_a_batch_whole(void **state)
{
	(void)state;
	every_call_fails_once(FULL);
}

static void so_does_a_write_that_is_cut_short(void **state)
{
	(void)state;
	every_call_fails_once(SHORT);
}

static void a_sync_that_fails_says_so(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	assert_int_equal(write_group(scene, 0, &detail), OK);
	countdown = 1;
	assert_int_equal(filedb_sync(scene->db, &detail), ERR_IO);
	assert_int_equal(countdown, 0);
	assert_ok(filedb_sync(scene->db, &detail));
}

static void a_sweep_that_fails_is_done_later(void **state)
{
	struct scene *scene = *state;
	struct filedb_stats stats;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 1);
	put_account(batch, 1, 1, 1);
	fixture_commit(batch);
	countdown = 1;
	assert_false(filedb_sweep(scene->db, 10));
	assert_int_equal(countdown, 0);
	filedb_stats(scene->db, &stats);
	assert_int_equal(stats.records, 2);
	assert_false(filedb_sweep(scene->db, 10));
	filedb_stats(scene->db, &stats);
	assert_int_equal(stats.records, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_fails_a_batch_whole),
		cmocka_unit_test(so_does_a_write_that_is_cut_short),
		SCENE(a_sync_that_fails_says_so),
		SCENE(a_sweep_that_fails_is_done_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
