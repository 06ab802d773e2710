/* SPDX-License-Identifier: MIT */
/* Resumable reads, feeding; and the three ways to wait say the same. */
#include "api_fixture.h"

#define RESUME_TEST(name) API_TEST_ON(set_up_resumable, name)

static enum fc_err get_slot(struct fc_state *s, unsigned n, uint64_t k, uint64_t *out)
{
	const struct fc_address address = address_of(n);
	const struct fc_bytes32 slot = word_of(k);
	struct fc_bytes32 value;
	const enum fc_err err = fc_get_storage(s, &address, &slot, &value);
	if (err == FC_OK)
		*out = number_of(&value);
	return err;
}

static void assert_need(const struct fc_need *need, enum fc_need_kind kind, unsigned n)
{
	const struct fc_address address = address_of(n);
	assert_int_equal(need->kind, kind);
	assert_memory_equal(&need->address, &address, sizeof address);
}

static void a_miss_is_noted_once_in_order(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	struct fc_account account;
	struct fc_code *code;
	uint64_t got = 0;
	size_t n;
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_int_equal(fc_get_account(handle, &two, FC_BALANCE | FC_NONCE, &account),
			 FC_PENDING);
	assert_int_equal(fc_get_code(handle, &two, &code), FC_PENDING);
	assert_int_equal(fc_get_account(handle, &two, FC_STORAGE_ROOT, &account), FC_PENDING);
	assert_int_equal(fake_source_fetched(), 0);
	assert_string_equal(fc_detail(handle), "");
	const struct fc_need *needs = fc_needed(handle, &n);
	assert_int_equal(n, 5);
	assert_need(&needs[0], FC_NEED_STORAGE, 1);
	assert_int_equal(number_of(&needs[0].slot), 1);
	assert_need(&needs[1], FC_NEED_BALANCE, 2);
	assert_need(&needs[2], FC_NEED_NONCE, 2);
	assert_need(&needs[3], FC_NEED_CODE, 2);
	assert_need(&needs[4], FC_NEED_PROOF, 2);
	assert_ok(fc_fetch_needed(handle));
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 0);
	assert_int_equal(fake_source_fetched(), 5);
	assert_ok(get_slot(handle, 1, 1, &got));
	assert_int_equal(got, 101);
	assert_ok(fc_get_account(handle, &two, FC_BALANCE | FC_NONCE | FC_STORAGE_ROOT,
				 &account));
	assert_int_equal(account.nonce, 2);
	assert_ok(fc_get_code(handle, &two, &code));
	fc_code_put(&code);
	assert_int_equal(fake_source_fetched(), 5);
}

static void a_list_may_be_dropped(void **state)
{
	(void)state;
	uint64_t got = 0;
	size_t n;
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	fc_drop_needed(handle);
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 0);
	assert_ok(fc_fetch_needed(handle));
	assert_int_equal(fake_source_fetched(), 0);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 1);
	(void)fc_needed(handle, NULL);
	assert_null(fc_needed(NULL, &n));
	fc_drop_needed(NULL);
}

static void values_may_be_fed(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2), three = address_of(3);
	const struct fc_bytes32 slot = word_of(1), value = word_of(42);
	struct fc_account account;
	struct fc_code *code;
	uint64_t got = 0;
	size_t n;
	assert_int_equal(get_slot(handle, 2, 1, &got), FC_PENDING);
	assert_int_equal(fc_get_account(handle, &two, FC_BALANCE | FC_NONCE, &account),
			 FC_PENDING);
	assert_int_equal(fc_get_code(handle, &two, &code), FC_PENDING);
	assert_int_equal(get_slot(handle, 3, 1, &got), FC_PENDING);
	assert_ok(fc_feed_storage(handle, &two, &slot, &value));
	assert_ok(fc_feed_balance(handle, &two, &value));
	assert_ok(fc_feed_nonce(handle, &two, UINT64_C(0x0102030405060708)));
	assert_ok(fc_feed_code(handle, &two, (const uint8_t *)"fed", 3));
	const struct fc_need *needs = fc_needed(handle, &n);
	assert_int_equal(n, 1); /* what was fed is needed no more */
	assert_need(&needs[0], FC_NEED_STORAGE, 3);
	assert_ok(get_slot(handle, 2, 1, &got));
	assert_int_equal(got, 42);
	assert_ok(fc_get_account(handle, &two, FC_BALANCE | FC_NONCE, &account));
	assert_true(account.nonce == UINT64_C(0x0102030405060708));
	assert_int_equal(number_of(&account.balance), 42);
	assert_ok(fc_get_code(handle, &two, &code));
	assert_memory_equal(fc_code_bytes(code), "fed", 3);
	fc_code_put(&code);
	assert_ok(fc_feed_code(handle, &three, NULL, 0));
	assert_ok(fc_get_code(handle, &three, &code));
	assert_int_equal(fc_code_length(code), 0);
	fc_code_put(&code);
	assert_int_equal(fake_source_fetched(), 0);

	struct fc_state *other = new_handle(FC_RESUMABLE, 0, 0);
	assert_int_equal(get_slot(other, 2, 1, &got), FC_PENDING); /* for that handle only */
	fc_state_free(&other);
	assert_ok(fc_clear_cache(handle));
	assert_int_equal(get_slot(handle, 2, 1, &got), FC_PENDING);
}

static void what_was_fed_stays_on_a_blocking_handle(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	const struct fc_bytes32 slot = word_of(1), value = word_of(42);
	uint64_t got = 0;
	fake_source_caching(false);
	assert_ok(fc_set_wait(handle, FC_BLOCKING));
	assert_ok(get_slot(handle, 5, 1, &got));
	assert_int_equal(fake_source_fed(handle->fetches.view), 0); /* it has been read */
	assert_ok(fc_feed_storage(handle, &two, &slot, &value));
	assert_ok(get_slot(handle, 5, 1, &got));
	assert_ok(get_slot(handle, 2, 1, &got));
	assert_int_equal(got, 42);
	assert_ok(fc_clear_cache(handle));
	assert_ok(get_slot(handle, 2, 1, &got));
	assert_int_equal(got, 201);
}

static void without_a_cache_a_resumable_run_still_ends(void **state)
{
	(void)state;
	uint64_t got = 0;
	fake_source_caching(false);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_int_equal(get_slot(handle, 1, 2, &got), FC_PENDING);
	assert_ok(fc_fetch_needed(handle));
	assert_ok(get_slot(handle, 1, 1, &got));
	assert_ok(get_slot(handle, 1, 2, &got));
	assert_int_equal(got, 102);
	assert_int_equal(fake_source_fetched(), 2);
}

static void a_fetch_of_the_list_may_fail(void **state)
{
	(void)state;
	uint64_t got = 0;
	size_t n;
	assert_int_equal(get_slot(handle, 0x1000 + ERR_RATE_LIMITED, 1, &got), FC_PENDING);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_int_equal(fc_fetch_needed(handle), FC_ERR_RATE_LIMITED);
	assert_detail("slot 0x00");
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 0);
	assert_ok(get_slot(handle, 1, 1, &got)); /* the others have come */
}

static void the_list_may_be_fetched_as_an_operation(void **state)
{
	(void)state;
	struct fc_op *op, *again;
	uint64_t got = 0;
	size_t n;
	fake_source_hold(true);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_ok(fc_fetch_needed_start(handle, NULL, &op));
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 0);
	assert_int_equal(get_slot(handle, 1, 1, &got), FC_PENDING);
	assert_ok(fc_fetch_needed_start(handle, NULL, &again)); /* shares the fetch */
	assert_int_equal(fake_source_fetched(), 1);
	fake_source_release(handle->fetches.view, 1);
	assert_ok(fc_op_wait(op, -1));
	assert_ok(fc_op_wait(again, -1));
	assert_ok(fc_op_result(again));
	assert_ok(get_slot(handle, 1, 1, &got));
	fc_op_free(&op);
	fc_op_free(&again);
}

static void other_calls_that_read_are_pending_too(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	struct fc_read reads[] = {slot_read(1, 1),
				  slot_read(0x1000 + ERR_TIMEOUT, 1),
				  {.kind = (enum fc_read_kind)0}};
	bool exists;
	size_t n;
	assert_int_equal(fc_exists(handle, &two, &exists), FC_PENDING);
	assert_int_equal(fc_delete_account(handle, &two), FC_PENDING);
	(void)fc_needed(handle, &n);
	assert_int_equal(n, 3);
	assert_ok(fc_fetch_needed(handle));
	assert_ok(fc_delete_account(handle, &two));
	assert_int_equal(fc_read_many(handle, reads, 2), FC_PENDING);
	assert_int_equal(reads[0].err, FC_PENDING);
	assert_int_equal(reads[1].err, FC_PENDING);
	assert_int_equal(fc_read_many(handle, reads, 3), FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_fetch_needed(handle), FC_ERR_TIMEOUT);
	assert_ok(fc_read_many(handle, reads, 1));
	assert_int_equal(number_of(&reads[0].value), 101);
}

static void nothing_is_fed_where_nothing_can_miss(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	const struct fc_bytes32 w = word_of(1);
	assert_int_equal(fc_feed_balance(handle, &two, &w), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_feed_nonce(handle, &two, 1), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_feed_code(handle, &two, NULL, 0), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_feed_storage(handle, &two, &w, &w), FC_ERR_UNSUPPORTED);
	assert_detail("nothing below can miss");
	assert_int_equal(fc_feed_balance(handle, NULL, &w), FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_feed_nonce(NULL, &two, 1), FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_feed_code(handle, &two, NULL, 1), FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_feed_storage(handle, &two, NULL, &w), FC_ERR_INVALID_ARGUMENT);
}

/* ---- the same answers ---- */

static uint64_t seed;

static unsigned chance(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static struct fc_read random_read(void)
{
	static const unsigned accounts[] = {1, 2, 3, 4, 0x1000 + ERR_TIMEOUT, 0x2001};
	const unsigned n = accounts[chance(6)];
	switch (chance(3)) {
	case 0:
		return account_read(n, chance(32) & ~8u);
	case 1:
		return slot_read(n, chance(8));
	default:
		return code_read(n);
	}
}

static enum fc_err read_sync(struct fc_read *read)
{
	enum fc_err err;
	switch (read->kind) {
	case FC_READ_ACCOUNT:
		return fc_get_account(handle, &read->address, read->wanted, &read->account);
	case FC_READ_STORAGE:
		return fc_get_storage(handle, &read->address, &read->slot, &read->value);
	case FC_READ_CODE:
		err = fc_get_code(handle, &read->address, &read->code);
		return err;
	}
	return FC_ERR_INVALID_ARGUMENT;
}

static enum fc_err read_async(struct fc_read *read)
{
	struct fc_op *op;
	assert_ok(fc_read_start(handle, read, 1, NULL, &op));
	assert_ok(fc_op_wait(op, -1));
	const enum fc_err err = fc_op_result(op);
	if (err == FC_OK) {
		*read = *fc_op_reads(op, NULL);
		fc_op_reads(op, NULL)->code = NULL;
	}
	fc_op_free(&op);
	return err;
}

static enum fc_err read_resumable(struct fc_read *read)
{
	assert_ok(fc_set_wait(handle, FC_RESUMABLE));
	enum fc_err err = read_sync(read), fetched = FC_OK;
	if (err == FC_PENDING) {
		fetched = fc_fetch_needed(handle);
		err = fetched == FC_OK ? read_sync(read) : fetched;
	}
	fc_drop_needed(handle);
	assert_ok(fc_set_wait(handle, FC_BLOCKING));
	return err;
}

static void assert_same(const struct fc_read *a, enum fc_err a_err, const struct fc_read *b,
			enum fc_err b_err)
{
	assert_int_equal(a_err, b_err);
	if (a_err != FC_OK)
		return;
	assert_int_equal(a->account.mask, b->account.mask);
	assert_int_equal(a->account.nonce, b->account.nonce);
	assert_int_equal(a->account.exists, b->account.exists);
	assert_memory_equal(&a->account.balance, &b->account.balance, 32);
	assert_memory_equal(&a->account.code_hash, &b->account.code_hash, 32);
	assert_memory_equal(&a->value, &b->value, 32);
	assert_int_equal(fc_code_length(a->code), fc_code_length(b->code));
	if (fc_code_length(a->code) > 0)
		assert_memory_equal(fc_code_bytes(a->code), fc_code_bytes(b->code),
				    fc_code_length(a->code));
}

static void write_something(void)
{
	const struct fc_address address = address_of(1 + chance(4));
	const struct fc_bytes32 slot = word_of(chance(8)), value = word_of(chance(4));
	const struct fc_account account = {.mask = FC_NONCE, .nonce = chance(4)};
	switch (chance(4)) {
	case 0:
		assert_ok(fc_set_account(handle, &address, &account));
		break;
	case 1:
		assert_ok(fc_set_code(handle, &address, (const uint8_t *)"abc", chance(4)));
		break;
	case 2:
		assert_ok(fc_set_storage(handle, &address, &slot, &value));
		break;
	default:
		assert_ok(fc_clear_storage(handle, &address));
		break;
	}
}

static void the_three_ways_say_the_same(void **state)
{
	typedef enum fc_err way_fn(struct fc_read *);
	static way_fn *const ways[] = {read_sync, read_async, read_resumable};
	(void)state;
	for (seed = 1; seed < 12; seed++) {
		const uint64_t run = seed;
		fake_source_caching(run % 2 == 0);
		for (unsigned i = 0; i < 300; i++) {
			const struct fc_read asked = random_read();
			const unsigned first = chance(3);
			struct fc_read got[3] = {asked, asked, asked};
			enum fc_err errs[3];
			if (chance(10) == 0)
				write_something();
			for (unsigned k = 0; k < 3; k++) {
				/* Each is the one that finds nothing cached, now and then. */
				if (k == 0 || chance(2))
					assert_ok(fc_clear_cache(handle));
				errs[k] = ways[(first + k) % 3](&got[k]);
			}
			assert_same(&got[0], errs[0], &got[1], errs[1]);
			assert_same(&got[0], errs[0], &got[2], errs[2]);
			fc_reads_release(got, 3);
		}
		seed = run;
	}
}

static void operations_in_mixed_order_say_the_same(void **state)
{
	enum { ALL = 40 };
	(void)state;
	for (uint64_t run = 1; run < 30; run++) {
		struct fc_read asked[ALL], expected[ALL];
		struct fc_op *ops[ALL];
		enum fc_err errs[ALL];
		seed = run;
		fake_source_hold(true);
		for (unsigned i = 0; i < ALL; i++) {
			asked[i] = expected[i] = random_read();
			assert_ok(fc_read_start(handle, &asked[i], 1, NULL, &ops[i]));
			fake_source_release(handle->fetches.view, chance(3));
			if (chance(5) == 0)
				(void)fc_op_ready(ops[chance(i + 1)]);
		}
		fake_source_hold(false);
		fake_source_release(handle->fetches.view, 0);
		for (unsigned i = 0; i < ALL; i++)
			errs[i] = read_sync(&expected[i]);
		for (unsigned i = 0; i < ALL; i++) {
			const unsigned at = (i * 7) % ALL;
			if (chance(8) == 0) {
				fc_op_cancel(ops[at]);
				fc_op_free(&ops[at]);
				continue;
			}
			assert_ok(fc_op_wait(ops[at], -1));
			assert_same(fc_op_reads(ops[at], NULL), fc_op_result(ops[at]),
				    &expected[at], errs[at]);
			fc_op_free(&ops[at]);
		}
		fc_reads_release(expected, ALL);
		assert_ok(fc_clear_cache(handle));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESUME_TEST(a_miss_is_noted_once_in_order),
		RESUME_TEST(a_list_may_be_dropped),
		RESUME_TEST(values_may_be_fed),
		RESUME_TEST(what_was_fed_stays_on_a_blocking_handle),
		RESUME_TEST(without_a_cache_a_resumable_run_still_ends),
		RESUME_TEST(a_fetch_of_the_list_may_fail),
		RESUME_TEST(the_list_may_be_fetched_as_an_operation),
		RESUME_TEST(other_calls_that_read_are_pending_too),
		API_TEST_ON(set_up_memory, nothing_is_fed_where_nothing_can_miss),
		API_TEST(the_three_ways_say_the_same),
		API_TEST(operations_in_mixed_order_say_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
