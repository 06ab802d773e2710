/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of the file database fails, for every N: opening, readers, a batch and
 * reads say so, nothing leaks, nothing of the batch is there, and the same works afterwards.
 */
#include "../unit/filedb_scene.h"
#include "alloc.h"

static bool is_spared(void)
{
	return false;
}

static void test_open(void **state)
{
	(void)state;
	char folder[256];
	bool failed = true;
	unsigned long n;
	for (n = 1; failed; n++) {
		struct filedb *db;
		struct filedb_reader *reader = NULL;
		struct filedb_config config = {.folder = folder};
		struct err_detail detail;
		fixture_folder(folder);
		const long before = live;
		fail_at(n);
		enum err err = filedb_open(&config, &db, &detail);
		if (err == OK)
			err = filedb_reader_new(db, &reader);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		filedb_reader_free(&reader);
		filedb_close(&db);
		assert_int_equal(live, before);
		db = fixture_filedb(folder, 0); /* the lock is gone */
		filedb_close(&db);
		fixture_remove(folder);
	}
	assert_in_range(n, 6, 100);
}

static enum err write_all(struct filedb *db, struct blob *code, struct err_detail *detail)
{
	struct filedb_batch *batch;
	struct eth_address address = fixture_address(1);
	struct filedb_account account = account_of(1, 0);
	struct eth_bytes32 hash = fixture_word(1);
	enum err err = filedb_batch_begin(db, false, &batch, detail);
	if (err != OK)
		return err;
	enum err steps[] = {
		filedb_batch_account(batch, &address, &account),
		fixture_batch_slot(batch, 1),
		filedb_batch_code(batch, &hash, code),
		filedb_batch_root(batch, &hash),
	};
	err = filedb_batch_commit(&batch, detail);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		assert_true(steps[i] == OK || steps[i] == err);
	return err;
}

static enum err read_code(struct filedb_reader *reader, struct blob **code,
			  struct err_detail *detail)
{
	struct eth_bytes32 hash = fixture_word(1);
	enum err err = OK;
	enum lookup found = filedb_get_code(reader, &hash, code, &err, detail);
	assert_int_equal(found, err == OK ? HIT : FAILED);
	return err;
}

static enum err saw_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	struct eth_bytes32 hash = fixture_word(1);
	assert_true(eth_bytes32_equal(code_hash, &hash));
	*(size_t *)cookie += code->len;
	return OK;
}

/* A batch, one read of everything, a walk. False: there were not so many allocations. */
static bool round_with_failure(unsigned long n, struct blob *code)
{
	static const struct filedb_walk walk = {.code = saw_code};
	struct scene scene;
	struct err_detail detail;
	struct blob *got = NULL;
	size_t seen = 0;
	fixture_folder(scene.folder);
	open_scene(&scene, 0);
	fail_at(n);
	enum err err = write_all(scene.db, code, &detail);
	if (err != OK) {
		assert_int_equal(err, ERR_NOMEM);
		assert_true(has_failed());
		assert_int_equal(fixture_filedb_slot(scene.reader, 1), MISS);
		filedb_reader_rest(scene.reader);
		assert_ok(write_all(scene.db, code, &detail));
		fail_at(0);
	}
	enum err read = read_code(scene.reader, &got, &detail);
	blob_put(&got);
	enum err walked = filedb_walk(scene.reader, &walk, &seen, &detail);
	bool failed = has_failed();
	assert_true(err != OK || (read != OK) + (walked != OK) == failed);
	assert_true(read == OK || read == ERR_NOMEM);
	assert_true(walked == OK || walked == ERR_NOMEM);
	assert_ok(read_code(scene.reader, &got, &detail));
	assert_true(span_equal(blob_span(got), blob_span(code)));
	blob_put(&got);
	assert_int_equal(fixture_filedb_slot(scene.reader, 1), HIT);
	close_scene(&scene);
	fixture_remove(scene.folder);
	return failed || err != OK;
}

static void test_batches_and_reads(void **state)
{
	(void)state;
	static const size_t sizes[] = {10, 5000};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		unsigned long n = 1;
		bool failed = true;
		struct blob *code = pattern(sizes[i], false);
		for (; failed; n++) {
			const long before = live;
			failed = round_with_failure(n, code);
			if (live != before)
				fail_msg("allocation %lu: %ld left", n, live - before);
		}
		assert_in_range(n, 5, 100);
		blob_put(&code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_batches_and_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
