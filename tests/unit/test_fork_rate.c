/* SPDX-License-Identifier: MIT */
/* The budget of an upstream: it is kept, all of it is used, and nobody is forgotten. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

enum { RATE = 20, HELD = RATE / 4, CALLS = 60 };

static struct asked calls[CALLS];

static void start(struct rig *rig, size_t upstreams, uint32_t rate)
{
	rig_init(rig, upstreams);
	rig->config.upstream_rate = rate;
	rig_start(rig);
	rig_warm(rig);
	rig_advance_ms(rig, 2000);
}

static void ask_calls(struct rig *rig, unsigned n)
{
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.method = SPAN("test_echo");
	q.params = SPAN("[1]");
	q.class = FORK_CLASS_CALL;
	for (unsigned i = 0; i < n; i++)
		rig_ask(rig, &calls[i], &q);
}

static void expect_calls(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(calls[i].done);
		assert_int_equal(calls[i].err, OK);
		blob_put(&calls[i].blob);
	}
}

static void test_calls_keep_to_it(void **state)
{
	(void)state;
	struct rig rig;
	start(&rig, 1, RATE);
	const uint64_t begin = loop_now_us(rig.loop);
	ask_calls(&rig, CALLS);
	rig_advance_ms(&rig, 4000);
	expect_calls(CALLS);
	assert_int_equal(fake_nodes[0].requests, CALLS);
	for (unsigned i = 0; i < CALLS; i++) {
		const uint64_t due =
			begin + (i < HELD ? 0 : (i - HELD + 1) * RIG_MS * 1000 / RATE);
		assert_in_range(fake_nodes[0].at_us[i], due, due + RIG_MS);
	}
	rig_end(&rig);
}

static void test_batches_keep_to_it(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[40];
	start(&rig, 1, RATE);
	for (unsigned i = 0; i < 40; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	rig_advance_ms(&rig, 1000);
	assert_in_range(fake_nodes[0].items, RATE, RATE + HELD + 1);
	assert_in_range(fake_nodes[0].largest_batch, 2, HELD);
	rig_advance_ms(&rig, 1000);
	for (unsigned i = 0; i < 40; i++)
		rig_expect_slot(&asked[i], 1, i);
	assert_int_equal(fake_nodes[0].items, 40);
	rig_end(&rig);
}

/* One request that asks for many slots is one. */
static void test_a_composite_is_one(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[100];
	rig_init(&rig, 1);
	rig.config.upstream_rate = 4;
	fake_nodes[0].has_values = true;
	rig_start(&rig);
	rig_warm(&rig);
	rig_advance_ms(&rig, 2000);
	for (unsigned i = 0; i < 100; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	rig_advance_ms(&rig, 60);
	for (unsigned i = 0; i < 100; i++)
		rig_expect_slot(&asked[i], 1, i);
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_end(&rig);
}

/* Calls do not pass a read that has waited longer. */
static void test_the_oldest_first(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	start(&rig, 1, RATE);
	ask_calls(&rig, 30);
	rig_advance_ms(&rig, 10);
	rig_ask_slot(&rig, &asked, 1, 1);
	rig_advance_ms(&rig, 10);
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.method = SPAN("test_echo");
	q.class = FORK_CLASS_CALL;
	q.params = SPAN("[2]");
	for (unsigned i = 30; i < CALLS; i++)
		rig_ask(&rig, &calls[i], &q);
	rig_advance_ms(&rig,
		       1400); /* 30 calls and the read: 26 tokens to wait for, and 50 ms */
	rig_expect_slot(&asked, 1, 1);
	assert_in_range(fake_nodes[0].requests, 31, 34);
	rig_advance_ms(&rig, 3000);
	expect_calls(CALLS);
	rig_end(&rig);
}

static void test_who_never_gets_a_turn_is_told_why(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[10];
	rig_init(&rig, 1);
	rig.config.deadline_ms[FORK_CLASS_STATE] = 1200;
	rig.config.upstream_rate = 2;
	rig_start(&rig);
	for (unsigned i = 0; i < 10; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	rig_advance_ms(&rig, 5000);
	assert_int_equal(asked[9].err, ERR_RATE_LIMITED);
	assert_non_null(strstr(asked[9].detail, "upstream n0:1: no answer in 1.2 s"));
	assert_non_null(strstr(asked[9].detail, "no turn within 2 requests a second"));
	rig_end(&rig);
}

/* A second's worth waits at the first; what comes beyond goes to the other. */
static void test_another_upstream_helps(void **state)
{
	(void)state;
	struct rig rig;
	start(&rig, 2, RATE);
	ask_calls(&rig, CALLS);
	rig_advance_ms(&rig, 2200);
	expect_calls(CALLS);
	assert_in_range(fake_nodes[0].requests, RATE, CALLS - RATE);
	assert_in_range(fake_nodes[1].requests, RATE, CALLS - RATE);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_keep_to_it),
		cmocka_unit_test(test_batches_keep_to_it),
		cmocka_unit_test(test_a_composite_is_one),
		cmocka_unit_test(test_the_oldest_first),
		cmocka_unit_test(test_who_never_gets_a_turn_is_told_why),
		cmocka_unit_test(test_another_upstream_helps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
