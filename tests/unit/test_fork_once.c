/* SPDX-License-Identifier: MIT */
/* What may be sent only once, and methods that not every upstream has. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

struct told {
	struct asked asked;
	bool may_have_arrived;
};

static void on_told(void *cookie, const struct fork_answer *answer)
{
	struct told *told = cookie;
	told->may_have_arrived = answer->may_have_arrived;
	rig_done(&told->asked, answer);
}

static void ask(struct rig *rig, struct told *told, bool once)
{
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	enum err err;
	q.method = SPAN("test_echo");
	q.params = SPAN("[1]");
	q.class = FORK_CLASS_CALL;
	q.once = once;
	*told = (struct told){.asked = {.rig = rig}};
	assert_int_equal(fork_ask(rig->port, &q, on_told, told, &told->asked.op, &err),
			 PENDING);
}

static void start(struct rig *rig, size_t upstreams)
{
	rig_init(rig, upstreams);
	rig_start(rig);
	rig_warm(rig);
}

static void strike(enum fake_fault fault, unsigned times)
{
	fake_nodes[0].fault = fault;
	fake_nodes[0].fault_left = times;
	fake_nodes[0].fault_status = 503;
	fake_nodes[0].fault_code = -32005;
	fake_nodes[0].fault_message = "too many requests";
}

static void expect_echo(struct told *told)
{
	assert_true(told->asked.done);
	assert_int_equal(told->asked.err, OK);
	assert_memory_equal(told->asked.blob->bytes, "[1]", 3);
	blob_put(&told->asked.blob);
}

/* Each would be tried again, here or there, if it were any other question. */
static void test_never_sent_twice(void **state)
{
	(void)state;
	static const struct {
		enum fake_fault fault;
		enum err err;
	} rows[] = {
		{FAULT_RESET, ERR_NETWORK},	   {FAULT_STATUS, ERR_BAD_ANSWER},
		{FAULT_HANG, ERR_TIMEOUT},	   {FAULT_HTML, ERR_BAD_ANSWER},
		{FAULT_TRUNCATED, ERR_BAD_ANSWER}, {FAULT_EMPTY_BODY, ERR_BAD_ANSWER},
		{FAULT_NULL, ERR_BAD_ANSWER},	   {FAULT_WRONG_ID, ERR_BAD_ANSWER},
		{FAULT_RPC, ERR_UPSTREAM},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rig rig;
		struct told told;
		start(&rig, 2);
		strike(rows[i].fault, UINT_MAX);
		ask(&rig, &told, true);
		rig_advance_ms(&rig, 60000);
		assert_true(told.asked.done);
		if (told.asked.err != rows[i].err)
			fail_msg("row %zu: %s %s", i, err_name(told.asked.err),
				 told.asked.detail);
		assert_int_equal(told.may_have_arrived, rows[i].err != ERR_UPSTREAM);
		assert_int_equal(fake_nodes[0].requests, 1);
		assert_int_equal(fake_nodes[1].other_calls, 0);
		if (told.asked.blob != NULL)
			assert_non_null(memmem(told.asked.blob->bytes, told.asked.blob->len,
					       "too many requests", 17));
		blob_put(&told.asked.blob);

		ask(&rig, &told, false);
		rig_advance_ms(&rig, 60000);
		expect_echo(&told);
		assert_int_equal(fake_nodes[1].other_calls, 1);
		rig_end(&rig);
	}
}

static void test_a_refused_connection_may_fail_over(void **state)
{
	(void)state;
	struct rig rig;
	struct told told;
	start(&rig, 2);
	fake_nodes[0].down = true;
	ask(&rig, &told, true);
	rig_advance_ms(&rig, 5000);
	expect_echo(&told);
	assert_int_equal(fake_nodes[1].other_calls, 1);
	/* It reached nobody at all: that is said, too. */
	fake_nodes[1].down = true;
	ask(&rig, &told, true);
	rig_advance_ms(&rig, 60000);
	assert_true(told.asked.done);
	assert_int_not_equal(told.asked.err, OK);
	assert_false(told.may_have_arrived);
	assert_int_equal(fake_nodes[1].other_calls, 1);
	rig_end(&rig);
}

/* After a refused connection it is sent, and then it is out of our hands again. */
static void test_sent_after_a_refused_connection(void **state)
{
	(void)state;
	struct rig rig;
	struct told told;
	start(&rig, 2);
	fake_nodes[0].down = true;
	fake_nodes[1].fault = FAULT_RESET;
	fake_nodes[1].fault_left = UINT_MAX;
	ask(&rig, &told, true);
	rig_advance_ms(&rig, 5000);
	assert_true(told.asked.done);
	assert_int_equal(told.asked.err, ERR_NETWORK);
	assert_true(told.may_have_arrived);
	assert_int_equal(fake_nodes[1].requests, 1);
	rig_end(&rig);
}

/* Two equal ones are two. */
static void test_never_joined(void **state)
{
	(void)state;
	struct rig rig;
	struct told told[2];
	start(&rig, 1);
	ask(&rig, &told[0], true);
	ask(&rig, &told[1], true);
	rig_advance_ms(&rig, 1000);
	expect_echo(&told[0]);
	expect_echo(&told[1]);
	assert_int_equal(fake_nodes[0].other_calls, 2);
	assert_int_equal(fake_nodes[0].batches, 0);
	rig_end(&rig);
}

/* It has all of its deadline, not an attempt's third of it. */
static void test_a_slow_answer(void **state)
{
	(void)state;
	struct rig rig;
	struct told told;
	start(&rig, 1);
	fake_nodes[0].latency_us = 25000000;
	ask(&rig, &told, true);
	rig_advance_ms(&rig, 26000);
	expect_echo(&told);
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_end(&rig);
}

/* ---- methods that an upstream does not have ---- */

static void test_a_method_that_the_next_one_has(void **state)
{
	(void)state;
	struct rig rig;
	struct told told;
	start(&rig, 2);
	fake_nodes[0].fault = FAULT_RPC;
	fake_nodes[0].fault_left = UINT_MAX;
	fake_nodes[0].fault_code = -32601;
	fake_nodes[0].fault_message = "the method test_echo does not exist/is not available";
	ask(&rig, &told, false);
	rig_advance_ms(&rig, 1000);
	expect_echo(&told);
	assert_int_equal(fake_nodes[0].requests, 1);
	/* Nobody has it: everybody was asked, once. */
	fake_nodes[1].fault = FAULT_RPC;
	fake_nodes[1].fault_left = UINT_MAX;
	fake_nodes[1].fault_code = -32600;
	fake_nodes[1].fault_message = "Unsupported method: test_echo";
	ask(&rig, &told, false);
	rig_advance_ms(&rig, 1000);
	assert_true(told.asked.done);
	assert_int_equal(told.asked.err, ERR_UNSUPPORTED);
	assert_non_null(told.asked.blob);
	blob_put(&told.asked.blob);
	assert_int_equal(fake_nodes[0].requests, 2);
	assert_int_equal(fake_nodes[1].other_calls, 1);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_sent_twice),
		cmocka_unit_test(test_a_refused_connection_may_fail_over),
		cmocka_unit_test(test_sent_after_a_refused_connection),
		cmocka_unit_test(test_never_joined),
		cmocka_unit_test(test_a_slow_answer),
		cmocka_unit_test(test_a_method_that_the_next_one_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
