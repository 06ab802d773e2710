/* SPDX-License-Identifier: MIT */
/* The capability ladder: the richest form that an upstream takes. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

#define MANY 1000
static struct asked many[MANY];

static void ask_many(struct rig *rig)
{
	for (unsigned i = 0; i < MANY; i++)
		rig_ask_slot(rig, &many[i], (unsigned char)(i % 7), i);
}

static void expect_many(void)
{
	for (unsigned i = 0; i < MANY; i++)
		rig_expect_slot(&many[i], (unsigned char)(i % 7), i);
}

static void test_thousand_with_batches(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	ask_many(&rig);
	rig_advance_ms(&rig, 150); /* identity, the attempt at the composite call, a batch */
	expect_many();
	assert_true(fake_nodes[0].requests + fake_nodes[0].probes <= 8);
	assert_int_equal(fake_nodes[0].largest_batch, MANY);
	assert_int_equal(rig.learned, MANY);
	assert_false(fake_nodes[0].id_repeated);
	rig_end(&rig);
}

static void test_thousand_with_values(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	fake_nodes[0].has_values = true;
	rig_start(&rig);
	ask_many(&rig);
	rig_advance_ms(&rig, 100);
	expect_many();
	assert_int_equal(fake_nodes[0].requests, 1);
	assert_int_equal(fake_nodes[0].values_calls, 1);
	struct fork_stats stats;
	struct fork_upstream_stats upstream;
	assert_int_equal(fork_stats(rig.fork, &stats, &upstream, 1), 1);
	assert_true(upstream.has_storage_values);
	assert_string_equal(upstream.host, "n0:1");
	assert_int_equal(stats.answered, MANY);
	rig_end(&rig);
}

static void test_values_with_a_missing_entry(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	fake_nodes[0].has_values = true;
	fake_nodes[0].fault = FAULT_SHORT;
	fake_nodes[0].fault_left = UINT_MAX;
	rig_start(&rig);
	ask_many(&rig);
	rig_advance_ms(&rig, 400);
	expect_many(); /* what was cut short is asked for one by one */
	rig_end(&rig);
}

static void learned_limit(bool array, bool status_413)
{
	struct rig rig;
	rig_init(&rig, 1);
	fake_nodes[0].batch_limit = 100;
	fake_nodes[0].refuses_with_array = array;
	fake_nodes[0].refuses_with_413 = status_413;
	rig_start(&rig);
	ask_many(&rig);
	rig_advance_ms(&rig, 2000);
	expect_many();
	struct fork_stats stats;
	struct fork_upstream_stats upstream;
	fork_stats(rig.fork, &stats, &upstream, 1);
	assert_in_range(upstream.batch_limit, 50, 100);
	assert_int_equal(stats.retries, 0); /* asked in another form, not again */
	/* remembered */
	size_t before = fake_nodes[0].requests;
	for (unsigned i = 0; i < MANY; i++)
		rig_ask_slot(&rig, &many[i], 9, i);
	rig_advance_ms(&rig, 2000);
	for (unsigned i = 0; i < MANY; i++)
		rig_expect_slot(&many[i], 9, i);
	assert_int_equal(fake_nodes[0].requests - before,
			 (MANY + upstream.batch_limit - 1) / upstream.batch_limit);
	rig_end(&rig);
}

static void test_batch_limit_is_learned(void **state)
{
	(void)state;
	learned_limit(false, false);
	learned_limit(true, false);
	learned_limit(false, true);
}

static void test_no_batches_at_all(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[20];
	rig_init(&rig, 1);
	fake_nodes[0].fault = FAULT_ONE_OBJECT;
	fake_nodes[0].fault_left = UINT_MAX;
	fake_nodes[0].fault_code = -32600;
	fake_nodes[0].fault_message = "invalid request";
	rig_start(&rig);
	for (unsigned i = 0; i < 20; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	rig_advance_ms(&rig, 1000);
	for (unsigned i = 0; i < 20; i++)
		rig_expect_slot(&asked[i], 1, i);
	assert_int_equal(fake_nodes[0].batches, 1);
	rig_end(&rig);
}

/* A thousand codes are expected to be larger than one reply should be. */
static void test_large_plan_is_split(void **state)
{
	(void)state;
	struct rig rig;
	static struct asked codes[MANY];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	for (unsigned i = 0; i < MANY; i++) {
		struct fork_question q = rig_question(FORK_CODE, (unsigned char)i, 0);
		be64_put(q.address.bytes, i);
		rig_ask(&rig, &codes[i], &q);
	}
	rig_advance_ms(&rig, 60);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(codes[i].err, OK);
		assert_int_equal(be64_get(codes[i].blob->bytes), i);
		blob_put(&codes[i].blob);
	}
	assert_int_equal(fake_nodes[0].requests, 4);
	assert_int_equal(fake_nodes[0].largest_batch, PLAN_REPLY_BYTES / 16384);
	rig_end(&rig);
}

/* Single calls do not wait for a batch that can never be. */
static void test_single_calls_run_side_by_side(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	fake_nodes[0].batch_limit = 1;
	rig_start(&rig);
	rig_warm(&rig);
	ask_many(&rig);
	rig_advance_ms(&rig, 1000); /* 1,000 / 64 round trips, and those that learned */
	expect_many();
	rig_end(&rig);
}

static void test_account_info(void **state)
{
	(void)state;
	for (int mode = 0; mode < 3; mode++) { /* has it, lacks it, cuts it short */
		struct rig rig;
		struct asked asked[3];
		rig_init(&rig, 1);
		fake_nodes[0].has_info = mode != 1;
		fake_nodes[0].fault = mode == 2 ? FAULT_SHORT : FAULT_NONE;
		fake_nodes[0].fault_left = UINT_MAX;
		rig_start(&rig);
		for (int kind = FORK_BALANCE; kind <= FORK_CODE; kind++) {
			struct fork_question q = rig_question((enum fork_kind)kind, 9, 0);
			rig_ask(&rig, &asked[kind], &q);
		}
		rig_advance_ms(&rig, 300);
		assert_int_equal(asked[FORK_BALANCE].err, OK);
		assert_int_equal(be64_get(asked[FORK_BALANCE].value.bytes + 24), 63);
		assert_int_equal(be64_get(asked[FORK_NONCE].value.bytes + 24), 5);
		assert_int_equal(asked[FORK_CODE].blob->len, 20);
		blob_put(&asked[FORK_CODE].blob);
		assert_int_equal(fake_nodes[0].requests, mode ? 2 : 1);
		assert_int_equal(fake_nodes[0].account_calls, mode == 0	  ? 0
							      : mode == 1 ? 3
									  : 1);
		rig_end(&rig);
	}
}

static void test_block_hash_refused(void **state)
{
	(void)state;
	for (int mode = 0; mode < 2; mode++) { /* the same block there, another one */
		struct rig rig;
		struct asked asked[3];
		rig_init(&rig, 1);
		fake_nodes[0].refuses_block_hash = true;
		rig_start(&rig);
		for (unsigned i = 0; i < 3; i++) {
			struct fork_question q = rig_question(FORK_SLOT, 1, i);
			q.block.number = 950;
			q.block.by_hash = true;
			q.block.hash = fake_node_hash(&fake_nodes[0], 950);
			q.block.hash.bytes[0] ^= (unsigned char)mode;
			rig_ask(&rig, &asked[i], &q);
		}
		rig_advance_ms(&rig, 8000);
		for (unsigned i = 0; i < 3; i++)
			if (mode == 0)
				rig_expect_slot(&asked[i], 1, i);
			else
				assert_int_equal(asked[i].err, ERR_NOT_FOUND);
		assert_true(fake_nodes[0].block_calls >= 2);
		rig_end(&rig);
	}
}

static void test_by_hash(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	struct fork_question q = rig_question(FORK_SLOT, 1, 1);
	q.block.by_hash = true;
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 200);
	rig_expect_slot(&asked, 1, 1);
	assert_int_equal(fake_nodes[0].block_calls, 0);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thousand_with_batches),
		cmocka_unit_test(test_thousand_with_values),
		cmocka_unit_test(test_values_with_a_missing_entry),
		cmocka_unit_test(test_batch_limit_is_learned),
		cmocka_unit_test(test_no_batches_at_all),
		cmocka_unit_test(test_large_plan_is_split),
		cmocka_unit_test(test_single_calls_run_side_by_side),
		cmocka_unit_test(test_account_info),
		cmocka_unit_test(test_block_hash_refused),
		cmocka_unit_test(test_by_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
