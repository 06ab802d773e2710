/* SPDX-License-Identifier: MIT */
/* What an upstream can do is learned from evidence, and never held against it for ever;
 * what is wrong with one form of a question does not keep the question from being answered. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

#define MINUTE_MS UINT64_C(60000)
#define MANY	  200

static struct asked many[MANY];

static void ask_many(struct rig *rig, unsigned char account)
{
	for (unsigned i = 0; i < MANY; i++)
		rig_ask_slot(rig, &many[i], account, i);
}

static void expect_many(unsigned char account)
{
	for (unsigned i = 0; i < MANY; i++)
		rig_expect_slot(&many[i], account, i);
}

static struct fork_upstream_stats stats_of(struct rig *rig, size_t at)
{
	struct fork_stats stats;
	struct fork_upstream_stats upstreams[FAKE_NODES];
	fork_stats(rig->fork, &stats, upstreams, FAKE_NODES);
	return upstreams[at];
}

/* One machine of many behind the URL does not know the method, and is replaced. */
static void test_a_refused_method_is_tried_again(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].has_values = true;
	ask_many(&rig, 1);
	rig_advance_ms(&rig, 1000);
	expect_many(1);
	assert_int_equal(fake_nodes[0].values_calls, 0);
	rig_advance_ms(&rig, MINUTE_MS);
	ask_many(&rig, 2);
	rig_advance_ms(&rig, 1000);
	expect_many(2);
	assert_int_equal(fake_nodes[0].values_calls, 1);
	assert_true(stats_of(&rig, 0).has_storage_values);
	/* refused again and again: a minute, two, four */
	fake_nodes[0].has_values = false;
	size_t asked = 0;
	for (unsigned char i = 3; i < 20; i++) {
		size_t before = fake_nodes[0].requests;
		ask_many(&rig, i);
		rig_advance_ms(&rig, MINUTE_MS + 1000);
		expect_many(i);
		asked += fake_nodes[0].requests - before - 1;
	}
	assert_in_range(asked, 3, 5);
	rig_end(&rig);
}

static void test_the_batch_limit_recovers(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].batch_limit = 30;
	ask_many(&rig, 1);
	rig_advance_ms(&rig, 2000);
	expect_many(1);
	unsigned learned = stats_of(&rig, 0).batch_limit;
	assert_in_range(learned, 15, 30);
	fake_nodes[0].batch_limit = 0;
	for (unsigned char i = 2; i < 10; i++) {
		rig_advance_ms(&rig, MINUTE_MS);
		ask_many(&rig, i);
		rig_advance_ms(&rig, 2000);
		expect_many(i);
	}
	assert_int_equal(stats_of(&rig, 0).batch_limit, 1000);
	rig_end(&rig);
}

/* A gateway that has trouble says so in one object: that is not about batches. */
static void test_one_bad_minute_is_not_about_batches(void **state)
{
	(void)state;
	static const struct {
		int code;
		const char *message;
	} errors[] = {{-32000, "service temporarily unavailable"},
		      {-32000, "header not found"},
		      {-32603, "internal error"},
		      {-32001, "Unauthorized"}};
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct rig rig;
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].fault = FAULT_ONE_OBJECT;
		fake_nodes[0].fault_left = 1;
		fake_nodes[0].fault_code = errors[i].code;
		fake_nodes[0].fault_message = errors[i].message;
		ask_many(&rig, 1);
		rig_advance_ms(&rig, 1000);
		expect_many(1);
		assert_int_equal(stats_of(&rig, 0).batch_limit, 1000);
		assert_int_equal(fake_nodes[0].requests, 2);
		/* lasting, it is */
		fake_nodes[0].fault_left = UINT_MAX;
		ask_many(&rig, 2);
		rig_advance_ms(&rig, 9000);
		if (errors[i].code == -32603)
			expect_many(2);
		rig_end(&rig);
	}
}

/* Nor is a restart: all that was in flight breaks together. */
static void test_a_restart_is_not_about_batches(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_RESET;
	fake_nodes[0].fault_left = 3;
	for (unsigned i = 0; i < MANY; i++) {
		rig_ask_slot(&rig, &many[i], 1, i);
		if (i % (MANY / 3) == 1)
			fake_loop_run_until_idle(rig.loop);
	}
	rig_advance_ms(&rig, 2000);
	expect_many(1);
	assert_int_equal(stats_of(&rig, 0).batch_limit, 1000);
	rig_end(&rig);
}

/* But who breaks every large batch, and takes small ones, has a limit. */
static void test_a_limit_told_by_resets(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].batch_limit = 30;
	fake_nodes[0].refuses_with_reset = true;
	ask_many(&rig, 1);
	rig_advance_ms(&rig, 1500);
	expect_many(1);
	assert_in_range(stats_of(&rig, 0).batch_limit, 15, 30);
	rig_end(&rig);
}

static void test_a_refusal_in_an_array(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_ONE_ITEM;
	fake_nodes[0].fault_left = UINT_MAX;
	fake_nodes[0].fault_code = -32600;
	fake_nodes[0].fault_message = "invalid request";
	ask_many(&rig, 1);
	rig_advance_ms(&rig, 2000);
	expect_many(1);
	assert_int_equal(fake_nodes[0].batches, 1);
	rig_end(&rig);
}

/* A gateway answers a method that it does not know with a page, a reset, or not at all. */
static void test_a_method_that_breaks_the_request(void **state)
{
	(void)state;
	static const enum fake_fault faults[] = {FAULT_STATUS, FAULT_RESET, FAULT_HANG};
	for (size_t f = 0; f < 3; f++)
		for (int info = 0; info < 2; info++) {
			struct rig rig;
			struct asked asked[3];
			rig_init(&rig, 1);
			fake_nodes[0].composite_fault = faults[f];
			rig_start(&rig);
			for (unsigned i = 0; i < 3; i++) {
				struct fork_question q = rig_question(
					info ? (enum fork_kind)i : FORK_SLOT, 1, i);
				rig_ask(&rig, &asked[i], &q);
			}
			rig_advance_ms(&rig, faults[f] == FAULT_HANG ? 3500 : 500);
			for (unsigned i = 0; i < 3; i++) {
				assert_true(asked[i].done);
				assert_int_equal(asked[i].err, OK);
				blob_put(&asked[i].blob);
			}
			rig_end(&rig);
		}
}

/* Known to be there, and too slow for many slots at a time. */
static void test_large_composites_time_out(void **state)
{
	(void)state;
	struct rig rig;
	rig_init(&rig, 1);
	fake_nodes[0].has_values = true;
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].composite_fault = FAULT_HANG;
	fake_nodes[0].composite_slots = 60;
	ask_many(&rig, 1);
	rig_advance_ms(&rig, 3500);
	expect_many(1);
	assert_true(stats_of(&rig, 0).has_storage_values);
	assert_true(rig.fork->upstreams[0].burst < 1000);
	rig_end(&rig);
}

/* The accounts of a node that starts: what is not known to be there is tried once. */
static void test_one_trial_at_a_time(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[20][3];
	rig_init(&rig, 1);
	rig_start(&rig);
	for (unsigned char a = 0; a < 20; a++)
		for (int kind = FORK_BALANCE; kind <= FORK_CODE; kind++) {
			struct fork_question q = rig_question((enum fork_kind)kind, a, 0);
			rig_ask(&rig, &asked[a][kind], &q);
		}
	rig_advance_ms(&rig, 200);
	for (size_t a = 0; a < 20; a++)
		for (size_t kind = 0; kind < 3; kind++) {
			assert_true(asked[a][kind].done);
			assert_int_equal(asked[a][kind].err, OK);
			blob_put(&asked[a][kind].blob);
		}
	assert_int_equal(fake_nodes[0].requests, 3); /* the trial, the others, the trial's */
	rig_end(&rig);
}

static void test_a_guard_that_is_rate_limited(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	fake_nodes[0].refuses_block_hash = true;
	rig_start(&rig);
	fake_nodes[0].limits_blocks = true;
	struct fork_question q = rig_question(FORK_SLOT, 1, 1);
	q.block.by_hash = true;
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 2000);
	assert_false(asked.done); /* "lacks the block" would have given up */
	fake_nodes[0].limits_blocks = false;
	rig_advance_ms(&rig, 3000);
	rig_expect_slot(&asked, 1, 1);
	rig_end(&rig);
}

/* Nulls for state count against an upstream: after a few it is not the first choice. */
static void test_unusable_values_are_failures(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 2);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_NULL;
	fake_nodes[0].fault_left = UINT_MAX;
	for (unsigned i = 0; i < 20; i++) {
		rig_ask_slot(&rig, &asked, 1, i);
		rig_advance_ms(&rig, 200);
		rig_expect_slot(&asked, 1, i);
	}
	assert_true(fake_nodes[0].requests < 10);
	rig_end(&rig);
}

static struct fork_question call_question(enum fork_class class)
{
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.block = (struct fork_block){0};
	q.method = SPAN("test_echo");
	q.params = SPAN("[1]");
	q.class = class;
	return q;
}

/* What cannot get better is not repeated until the deadline. */
static void test_deterministic_failures_of_calls(void **state)
{
	(void)state;
	static const struct {
		enum fake_fault fault;
		enum err err;
		size_t requests;
	} rows[] = {{FAULT_TOO_LARGE, ERR_LIMIT, 1},
		    {FAULT_TRUNCATED, ERR_BAD_ANSWER, 7},
		    {FAULT_NULL, ERR_BAD_ANSWER, 7}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].fault = rows[i].fault;
		fake_nodes[0].fault_left = UINT_MAX;
		struct fork_question q = call_question(FORK_CLASS_TRACE);
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 10000);
		assert_true(asked.done);
		assert_int_equal(asked.err, rows[i].err);
		assert_int_equal(fake_nodes[0].requests, rows[i].requests);
		rig_end(&rig);
	}
}

/* Ten questions of 4 MiB are not one request of 40. */
static void test_large_questions_do_not_share(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[10];
	const size_t length = (size_t)4 << 20;
	char *params = malloc(length);
	assert_non_null(params);
	memset(params, 'a', length);
	memcpy(params, "[\"", 2);
	memcpy(params + length - 2, "\"]", 2);
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	struct fork_question q = call_question(FORK_CLASS_STATE);
	q.params = (struct span){params, length};
	for (size_t i = 0; i < 10; i++)
		rig_ask(&rig, &asked[i], &q);
	rig_advance_ms(&rig, 1000);
	for (size_t i = 0; i < 10; i++) {
		assert_true(asked[i].done);
		assert_int_equal(asked[i].err, OK);
		blob_put(&asked[i].blob);
	}
	rig_end(&rig);
	free(params);
}

/* A client's question that no node can answer does not make a node sick for all. */
static void test_a_call_without_an_answer_is_no_fault(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked, slot;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_NULL;
	fake_nodes[0].fault_left = 1;
	struct fork_question q = call_question(FORK_CLASS_STATE);
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 51);
	rig_ask_slot(&rig, &slot, 1, 1);
	rig_advance_ms(&rig, 50);
	rig_expect_slot(&slot, 1, 1);
	rig_advance_ms(&rig, 1000);
	blob_put(&asked.blob);
	rig_end(&rig);
}

/* "header not found" about no block that we know says nothing of other questions. */
static void test_a_lack_of_no_known_block(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 2);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_RPC;
	fake_nodes[0].fault_left = 1;
	fake_nodes[0].fault_code = -32000;
	fake_nodes[0].fault_message = "header not found";
	struct fork_question q = call_question(FORK_CLASS_CALL);
	for (size_t i = 0; i < 2; i++) {
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 1000);
		assert_int_equal(asked.err, OK);
		blob_put(&asked.blob);
	}
	assert_int_equal(fake_nodes[0].requests, 2);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_refused_method_is_tried_again),
		cmocka_unit_test(test_the_batch_limit_recovers),
		cmocka_unit_test(test_one_bad_minute_is_not_about_batches),
		cmocka_unit_test(test_a_restart_is_not_about_batches),
		cmocka_unit_test(test_a_limit_told_by_resets),
		cmocka_unit_test(test_a_refusal_in_an_array),
		cmocka_unit_test(test_a_method_that_breaks_the_request),
		cmocka_unit_test(test_large_composites_time_out),
		cmocka_unit_test(test_one_trial_at_a_time),
		cmocka_unit_test(test_a_guard_that_is_rate_limited),
		cmocka_unit_test(test_unusable_values_are_failures),
		cmocka_unit_test(test_deterministic_failures_of_calls),
		cmocka_unit_test(test_large_questions_do_not_share),
		cmocka_unit_test(test_a_call_without_an_answer_is_no_fault),
		cmocka_unit_test(test_a_lack_of_no_known_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
