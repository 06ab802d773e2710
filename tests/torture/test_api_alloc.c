/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of a call of the library fails, for every N: it returns FC_ERR_NO_MEMORY
 * or succeeds, nothing leaks, nothing aborts, and the same call on the same handle succeeds
 * afterwards.
 */
#include "../unit/api_fixture.h"
#include "alloc.h"

/* Each is a whole use, on a database and a handle of its own; it may end early with the error
 * that it met, and frees what it made. */
typedef enum fc_err scene_fn(struct fc_state *s);

/* The fake source is a part of the test. */
static bool is_spared(void)
{
	return fake_source_at_work;
}

static enum fc_err sync_reads(struct fc_state *s)
{
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1);
	struct fc_bytes32 value;
	struct fc_account account;
	struct fc_code *code = NULL;
	enum fc_err err = fc_get_account(s, &one, FC_BALANCE | FC_NONCE, &account);
	if (err == FC_OK)
		err = fc_get_storage(s, &one, &slot, &value);
	if (err == FC_OK)
		err = fc_get_code(s, &one, &code);
	fc_code_put(&code);
	return err;
}

static enum fc_err many_reads(struct fc_state *s)
{
	struct fc_read reads[24];
	for (unsigned i = 0; i < 24; i++)
		reads[i] = i % 3 == 0	? slot_read(i, 1)
			   : i % 3 == 1 ? account_read(i, FC_EXISTS)
					: code_read(i);
	const enum fc_err err = fc_read_many(s, reads, 24);
	for (unsigned i = 0; i < 24; i++)
		assert_true(reads[i].err == FC_OK || reads[i].err == FC_ERR_NO_MEMORY);
	fc_reads_release(reads, 24);
	return err;
}

static unsigned called;

static void count(void *cookie, struct fc_op *op)
{
	(void)cookie;
	(void)op;
	called++;
}

static enum fc_err operations(struct fc_state *s)
{
	struct fc_op *ops[4] = {NULL};
	enum fc_err err = FC_OK;
	called = 0;
	for (unsigned i = 0; i < 4 && err == FC_OK; i++) {
		const struct fc_read reads[] = {slot_read(i, 1), code_read(i)};
		err = fc_read_start(s, reads, 2, NULL, &ops[i]);
		if (err == FC_OK)
			err = fc_op_on_done(ops[i], count, NULL);
	}
	for (unsigned i = 0; i < 4; i++) {
		if (i == 1)
			fc_op_cancel(ops[i]);
		if (ops[i])
			assert_ok(fc_op_wait(ops[i], -1));
		if (err == FC_OK && i != 1)
			err = fc_op_result(ops[i]);
	}
	(void)fc_dispatch(s);
	if (err == FC_OK)
		assert_int_equal(called, 3);
	for (unsigned i = 0; i < 4; i++)
		fc_op_free(&ops[i]);
	return err;
}

static enum fc_err resumable(struct fc_state *s)
{
	const struct fc_bytes32 value = word_of(3);
	const struct fc_address nine = address_of(9);
	enum fc_err err = FC_PENDING;
	assert_ok(fc_set_wait(s, FC_RESUMABLE));
	for (unsigned k = 1; k < 40 && err == FC_PENDING; k++) {
		const struct fc_bytes32 slot = word_of(k);
		struct fc_bytes32 got;
		err = fc_get_storage(s, &nine, &slot, &got);
	}
	if (err == FC_PENDING) {
		const struct fc_bytes32 slot = word_of(1);
		err = fc_feed_storage(s, &nine, &slot, &value);
	}
	if (err == FC_OK)
		err = fc_feed_code(s, &nine, (const uint8_t *)"fed", 3);
	if (err == FC_OK)
		err = fc_fetch_needed(s);
	fc_drop_needed(s);
	assert_ok(fc_set_wait(s, FC_BLOCKING));
	assert_ok(fc_clear_cache(s));
	return err;
}

/* A read without a proof beside one that wants it. */
static enum fc_err proofs(struct fc_state *s)
{
	struct fc_read reads[] = {slot_read(0x2000, 1), slot_read(0x2001, 1),
				  account_read(0x2001, FC_STORAGE_ROOT)};
	reads[1].prove = reads[2].prove = true;
	const enum fc_err err = fc_read_many(s, reads, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(reads[i].err == FC_OK || reads[i].err == FC_ERR_NO_MEMORY);
	fc_reads_release(reads, 3);
	return err;
}

static enum fc_err prefetched(struct fc_state *s)
{
	const struct fc_bytes32 slots[] = {word_of(1), word_of(2)};
	const struct fc_access list[] = {
		{.address = address_of(1), .slots = slots, .slots_n = 2},
		{.address = address_of(2)}};
	return fc_prefetch(s, list, 2);
}

static int swallow(void *cookie, const void *bytes, size_t n)
{
	(void)cookie;
	(void)bytes;
	(void)n;
	return 0;
}

static enum fc_err writes(struct fc_state *s)
{
	static const char text[] =
		"{\"storage\":[],\"balances\":[{\"address\":\"0x0000000000000000"
		"000000000000000000000001\",\"balance\":\"0x1\"}],\"nonces\":[],"
		"\"codes\":[],\"selfDestructs\":[]}";
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1), value = word_of(2);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 5};
	uint64_t id = 0;
	enum fc_err err = fc_snapshot(s, &id);
	if (err != FC_OK)
		return err;
	err = fc_set_account(s, &one, &account);
	if (err == FC_OK)
		err = fc_set_storage(s, &one, &slot, &value);
	if (err == FC_OK)
		err = fc_set_code(s, &one, (const uint8_t *)"abc", 3);
	if (err == FC_OK)
		err = fc_dump_changes(s, swallow, NULL);
	if (err == FC_OK)
		err = fc_load_changes(s, text, sizeof text - 1);
	assert_ok(fc_revert(s, id));
	return err;
}

/* A commit that fails ends the transaction, and nothing of it is there. */
static enum fc_err transaction(struct fc_state *s)
{
	const struct fc_address nine = address_of(9);
	struct fc_bytes32 got;
	uint64_t tx;
	enum fc_err err = fc_tx_begin(s, &tx);
	if (err != FC_OK)
		return err;
	for (unsigned k = 1; k < 20 && err == FC_OK; k++) {
		const struct fc_bytes32 slot = word_of(k), value = word_of(1000 + k);
		err = fc_set_storage(s, &nine, &slot, &value);
	}
	if (err != FC_OK) {
		assert_ok(fc_tx_rollback(s, tx));
		return err;
	}
	err = fc_tx_commit(s, tx);
	if (err == FC_OK) {
		assert_ok(fc_clear_storage(s, &nine));
		return FC_OK;
	}
	assert_int_equal(err, FC_ERR_TRANSACTION_FAILED);
	assert_true(strlen(fc_detail(s)) > 0);
	assert_int_equal(fc_tx_rollback(s, tx), FC_ERR_INVALID_TRANSACTION);
	for (unsigned k = 1; k < 20; k++) {
		const struct fc_bytes32 slot = word_of(k);
		assert_ok(fc_get_storage(s, &nine, &slot, &got));
		assert_int_equal(number_of(&got), 0);
	}
	return FC_ERR_NO_MEMORY;
}

static enum fc_err roots(struct fc_state *s)
{
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1), value = word_of(2);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 5};
	struct fc_bytes32 root;
	struct fc_read read = slot_read(1, 1);
	uint64_t id = 0;
	enum fc_err err = fc_snapshot(s, &id);
	if (err != FC_OK)
		return err;
	err = fc_set_account(s, &one, &account);
	if (err == FC_OK)
		err = fc_set_storage(s, &one, &slot, &value);
	if (err == FC_OK)
		err = fc_state_root(s, &root);
	read.prove = true;
	if (err == FC_OK)
		err = fc_read_many(s, &read, 1);
	if (err == FC_OK)
		fc_reads_release(&read, 1);
	assert_ok(fc_revert(s, id));
	return err;
}

/* Whether an allocation has failed. */
static bool play(scene_fn *scene, unsigned long n)
{
	enum fc_err err = FC_ERR_NO_MEMORY;
	fail_at(n);
	if (fc_state_new(&db, NULL, &handle) == FC_OK)
		err = scene(handle);
	const bool failed = has_failed();
	if (err != FC_OK && err != FC_ERR_NO_MEMORY)
		fail_msg("allocation %lu: %s (%s)", n, fc_strerror(err), fc_detail(handle));
	if (!failed)
		assert_ok(err);
	if (!handle)
		assert_ok(fc_state_new(&db, NULL, &handle));
	assert_ok(scene(handle)); /* the handle stays usable */
	fc_state_free(&handle);
	return failed;
}

static void test_scene(scene_fn *scene, bool over, unsigned long least)
{
	bool failed = true;
	unsigned long n;
	for (n = 1; failed; n++) {
		const long before = live;
		if (over)
			open_db(true);
		else
			open_memory();
		failed = play(scene, n);
		close_db();
		fake_source_reset(chain);
		assert_int_equal(live, before);
	}
	assert_true(n > least);
}

#define SCENE(name, scene, over, least)               \
	static void name(void **state)                \
	{                                             \
		(void)state;                          \
		test_scene((scene), (over), (least)); \
	}
SCENE(test_sync_reads, sync_reads, true, 12)
SCENE(test_many_reads, many_reads, true, 40)
SCENE(test_operations, operations, true, 30)
SCENE(test_resumable, resumable, true, 40)
SCENE(test_prefetch, prefetched, true, 15)
SCENE(test_writes, writes, true, 15)
SCENE(test_roots, roots, false, 15)
SCENE(test_transaction, transaction, false, 15)
SCENE(test_proofs, proofs, false, 15)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_reads), cmocka_unit_test(test_many_reads),
		cmocka_unit_test(test_operations), cmocka_unit_test(test_resumable),
		cmocka_unit_test(test_prefetch),   cmocka_unit_test(test_writes),
		cmocka_unit_test(test_roots),	   cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_proofs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
