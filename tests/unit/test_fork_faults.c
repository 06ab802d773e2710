/* SPDX-License-Identifier: MIT */
/* Every fault of an upstream: passing it is absorbed, lasting it is one clear error inside
 * the deadline that names the host and nothing else; failover; Retry-After; rate limits. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

struct fault_case {
	const char *name;
	enum fake_fault fault;
	unsigned status;
	int code;
	const char *message;
	bool harmless; /* answered in spite of it, at once */
	enum err lasting;
};

static const struct fault_case cases[] = {
	{"429", FAULT_STATUS, 429, 0, NULL, false, ERR_RATE_LIMITED},
	{"500", FAULT_STATUS, 500, 0, NULL, false, ERR_BAD_ANSWER},
	{"502", FAULT_STATUS, 502, 0, NULL, false, ERR_BAD_ANSWER},
	{"503", FAULT_STATUS, 503, 0, NULL, false, ERR_BAD_ANSWER},
	{"504", FAULT_STATUS, 504, 0, NULL, false, ERR_BAD_ANSWER},
	{"400", FAULT_STATUS, 400, 0, NULL, false, ERR_BAD_ANSWER},
	{"403", FAULT_STATUS, 403, 0, NULL, false, ERR_BAD_ANSWER},
	{"404", FAULT_STATUS, 404, 0, NULL, false, ERR_BAD_ANSWER},
	{"429 with an error", FAULT_STATUS_RPC, 429, -32005, "slow", false, ERR_RATE_LIMITED},
	{"500 with an error", FAULT_STATUS_RPC, 500, -32603, "oops", false, ERR_BAD_ANSWER},
	{"-32005", FAULT_RPC, 200, -32005, "request rate", false, ERR_RATE_LIMITED},
	{"429 inside", FAULT_RPC, 200, 429, "throughput", false, ERR_RATE_LIMITED},
	{"-32016", FAULT_RPC, 200, -32016, "over rate limit", false, ERR_RATE_LIMITED},
	{"-32007", FAULT_RPC, 200, -32007, "x", false, ERR_RATE_LIMITED},
	{"-32012", FAULT_RPC, 200, -32012, "credits", false, ERR_RATE_LIMITED},
	{"by words", FAULT_RPC, 200, -32000, "Too Many Requests", false, ERR_RATE_LIMITED},
	{"trie node", FAULT_RPC, 200, -32000, "missing trie node 12ab", false, ERR_NOT_FOUND},
	{"header", FAULT_RPC, 200, -32000, "header not found", false, ERR_NOT_FOUND},
	{"-32603", FAULT_RPC, 200, -32603, "internal", false, ERR_BAD_ANSWER},
	{"reset", FAULT_RESET, 0, 0, NULL, false, ERR_NETWORK},
	{"refused", FAULT_REFUSED, 0, 0, NULL, false, ERR_NETWORK},
	{"hang", FAULT_HANG, 0, 0, NULL, false, ERR_TIMEOUT},
	{"truncated", FAULT_TRUNCATED, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"html", FAULT_HTML, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"empty", FAULT_EMPTY_BODY, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"null", FAULT_NULL, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"0x", FAULT_EMPTY_HEX, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"no message", FAULT_NO_MESSAGE, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"wrong id", FAULT_WRONG_ID, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"null id", FAULT_NULL_ID, 0, 0, NULL, false, ERR_BAD_ANSWER},
	{"string id", FAULT_STRING_ID, 0, 0, NULL, true, OK},
	{"no version", FAULT_NO_VERSION, 0, 0, NULL, true, OK},
	{"error null", FAULT_ERROR_NULL, 0, 0, NULL, true, OK},
};

static void set_fault(struct fake_node *node, const struct fault_case *c, unsigned times)
{
	node->fault = c->fault;
	node->fault_left = times;
	node->fault_status = c->status;
	node->fault_code = c->code;
	node->fault_message = c->message;
	node->fault_retry_after_ms = -1;
}

static void test_passing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (unsigned times = 1; times <= 2; times++)
			for (size_t n = 1; n <= 3; n += 2) { /* one, and a batch */
				struct rig rig;
				struct asked asked[3];
				rig_init(&rig, 1);
				rig_start(&rig);
				rig_warm(&rig);
				set_fault(&fake_nodes[0], &cases[i], times);
				for (unsigned k = 0; k < n; k++)
					rig_ask_slot(&rig, &asked[k], 1, k);
				rig_advance_ms(&rig, 8900);
				for (unsigned k = 0; k < n; k++) {
					if (asked[k].err != OK || !asked[k].done)
						print_error("%s x%u\n", cases[i].name, times);
					rig_expect_slot(&asked[k], 1, k);
				}
				if (cases[i].harmless)
					assert_int_equal(fake_nodes[0].requests, 1);
				assert_int_equal(rig.learned, n);
				rig_end(&rig);
			}
}

static void lasts(const struct fault_case *c, unsigned n)
{
	struct rig rig;
	struct asked asked[3];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	uint64_t start = loop_now_us(rig.loop);
	set_fault(&fake_nodes[0], c, UINT_MAX);
	for (unsigned k = 0; k < n; k++)
		rig_ask_slot(&rig, &asked[k], 1, k);
	rig_advance_ms(&rig, 9000);
	for (unsigned k = 0; k < n; k++) {
		if (!asked[k].done || asked[k].err != c->lasting ||
		    !strstr(asked[k].detail, "upstream n0:1: no answer in"))
			fail_msg("%s: %s \"%s\"", c->name, err_name(asked[k].err),
				 asked[k].detail);
		assert_null(strstr(asked[k].detail, "SECRETKEY"));
		assert_true(asked[k].at_us <= start + 9000 * RIG_MS);
	}
	assert_int_equal(rig.learned, 0);
	/* and nothing goes on behind their backs */
	size_t requests = fake_nodes[0].requests;
	rig_advance_ms(&rig, 20000);
	assert_int_equal(fake_nodes[0].requests, requests);
	assert_true(requests < 60); /* three questions, and never in a spin */
	rig_end(&rig);
}

static void test_lasting(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (!cases[i].harmless) {
			lasts(&cases[i], 1);
			lasts(&cases[i], 3);
		}
}

static void test_detail(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_HANG}, 2);
	rig_ask_slot(&rig, &asked, 1, 1);
	rig_advance_ms(&rig, 6300);
	rig_expect_slot(&asked, 1, 1); /* hung twice, and still answered */
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_STATUS, .status = 503},
		  UINT_MAX);
	rig_ask_slot(&rig, &asked, 1, 2);
	rig_advance_ms(&rig, 9000);
	int attempts = 0;
	assert_int_equal(
		sscanf(asked.detail,
		       "upstream n0:1: no answer in 9.0 s (%d attempts; last: HTTP 503)",
		       &attempts),
		1);
	assert_in_range(attempts, 6, 16);
	rig_end(&rig);
}

static void test_batch_frames(void **state)
{
	(void)state;
	static const enum fake_fault faults[] = {FAULT_MISSING_ITEM, FAULT_EXTRA_ITEM,
						 FAULT_REVERSED, FAULT_TWICE,
						 FAULT_TWO_ANSWERS};
	for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
		struct rig rig;
		struct asked asked[9];
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].fault = faults[f];
		fake_nodes[0].fault_left = UINT_MAX;
		for (unsigned k = 0; k < 9; k++)
			rig_ask_slot(&rig, &asked[k], 1, k);
		rig_advance_ms(&rig, 8000);
		for (unsigned k = 0; k < 9; k++)
			rig_expect_slot(&asked[k], 1, k);
		const bool again =
			faults[f] == FAULT_MISSING_ITEM || faults[f] == FAULT_TWO_ANSWERS;
		assert_int_equal(fake_nodes[0].requests, again ? 2 : 1);
		assert_int_equal(rig.learned, 9);
		rig_end(&rig);
	}
}

static void test_retry_after(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	uint64_t start = loop_now_us(rig.loop);
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_STATUS, .status = 429},
		  1);
	fake_nodes[0].fault_retry_after_ms = 3000;
	rig_ask_slot(&rig, &asked, 1, 1);
	rig_advance_ms(&rig, 3040);
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_advance_ms(&rig, 100);
	rig_expect_slot(&asked, 1, 1);
	assert_int_equal(fake_nodes[0].requests, 2);
	assert_int_equal(fake_nodes[0].at_us[1], start + 3050 * RIG_MS);
	rig_end(&rig);
}

static void tell_to_wait(int64_t retry_after_ms)
{
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_STATUS, .status = 429},
		  1);
	fake_nodes[0].fault_retry_after_ms = retry_after_ms;
}

static void expect_told(const struct asked *asked, const char *seconds)
{
	assert_true(asked->done);
	assert_int_equal(asked->err, ERR_RATE_LIMITED);
	if (!strstr(asked->detail, "upstream n0:1: no answer in") ||
	    !strstr(asked->detail, seconds))
		fail_msg("%s", asked->detail);
}

/* Beyond the deadline: an error at once, and nobody is asked before the time is over. */
static void test_retry_after_beyond_the_deadline(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked, late;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	tell_to_wait(60000);
	rig_ask_slot(&rig, &asked, 1, 2);
	rig_advance_ms(&rig, 60);
	expect_told(&asked, "asked for 60 s");
	for (unsigned s = 0; s < 50; s++) {
		rig_ask_slot(&rig, &late, 1, 3 + s);
		rig_advance_ms(&rig, 1000);
		expect_told(&late, "Retry-After");
	}
	assert_int_equal(fake_nodes[0].requests, 1);
	/* what is left of the time now fits into the deadline */
	rig_advance_ms(&rig, 2000);
	rig_ask_slot(&rig, &late, 1, 2);
	rig_advance_ms(&rig, 7800);
	assert_false(late.done);
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_advance_ms(&rig, 300);
	rig_expect_slot(&late, 1, 2);
	/* a day is not waited for */
	tell_to_wait(INT64_C(86400) * 1000);
	rig_ask_slot(&rig, &asked, 1, 4);
	rig_advance_ms(&rig, 60);
	expect_told(&asked, "asked for 3600 s");
	rig_end(&rig);
}

/* Also what was waiting to be sent: it goes to the other one. */
static void test_retry_after_with_another_upstream(void **state)
{
	(void)state;
	enum { CALLS = PLAN_ALONE_MAX + 8 };
	struct rig rig;
	struct asked asked[CALLS];
	rig_init(&rig, 2);
	rig_start(&rig);
	rig_warm(&rig);
	tell_to_wait(60000);
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.method = SPAN("test_echo");
	q.params = SPAN("[1]");
	q.class = FORK_CLASS_CALL;
	for (unsigned i = 0; i < CALLS; i++)
		rig_ask(&rig, &asked[i], &q);
	rig_advance_ms(&rig, 2000);
	for (unsigned i = 0; i < CALLS; i++) {
		assert_true(asked[i].done);
		assert_int_equal(asked[i].err, OK);
		blob_put(&asked[i].blob);
	}
	assert_int_equal(fake_nodes[0].requests, PLAN_ALONE_MAX);
	assert_int_equal(fake_nodes[1].requests, 8 + 1);
	rig_end(&rig);
}

static void test_rate_limited_by_items(void **state)
{
	(void)state;
	struct rig rig;
	static struct asked asked[200];
	rig_init(&rig, 1);
	fake_nodes[0].items_per_request_limit = 30;
	rig_start(&rig);
	for (unsigned k = 0; k < 200; k++)
		rig_ask_slot(&rig, &asked[k], 1, k);
	rig_advance_ms(&rig, 9000);
	for (unsigned k = 0; k < 200; k++)
		rig_expect_slot(&asked[k], 1, k);
	rig_end(&rig);
}

/* ---- several upstreams ---- */

static void test_failover(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig rig;
		struct asked asked[2];
		if (cases[i].harmless)
			continue;
		rig_init(&rig, 2);
		fake_nodes[1].latency_us = 20000;
		rig_start(&rig);
		rig_warm(&rig);
		set_fault(&fake_nodes[0], &cases[i], UINT_MAX);
		rig_ask_slot(&rig, &asked[0], 1, 0);
		rig_ask_slot(&rig, &asked[1], 1, 1);
		/* what hangs costs a third of the deadline, anything else two round trips */
		rig_advance_ms(&rig, cases[i].fault == FAULT_HANG ? 3200 : 400);
		if (!asked[0].done || asked[0].err != OK)
			print_error("%s: %s\n", cases[i].name, asked[0].detail);
		rig_expect_slot(&asked[0], 1, 0);
		rig_expect_slot(&asked[1], 1, 1);
		struct fork_stats stats;
		fork_stats(rig.fork, &stats, NULL, 0);
		assert_true(stats.failovers >= 2);
		rig_end(&rig);
	}
}

static void test_all_fail_names_all(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 3);
	for (size_t i = 0; i < 3; i++)
		fake_nodes[i].down = true;
	rig_start(&rig);
	rig_ask_slot(&rig, &asked, 1, 1);
	rig_advance_ms(&rig, 9000);
	assert_true(asked.done);
	assert_int_equal(asked.err, ERR_NETWORK);
	assert_non_null(
		strstr(asked.detail, "upstreams n0:1, n1:1, n2:1: no answer in 9.0 s ("));
	assert_non_null(strstr(asked.detail, ": connection refused)"));
	rig_end(&rig);
}

static void test_sick_is_passed_over_and_comes_back(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 2);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].down = true;
	rig_ask_slot(&rig, &asked, 1, 0);
	rig_advance_ms(&rig, 1000);
	rig_expect_slot(&asked, 1, 0);
	size_t before = fake_nodes[0].requests;
	for (unsigned k = 1; k < 20; k++) {
		rig_ask_slot(&rig, &asked, 1, k);
		rig_advance_ms(&rig, 100);
		rig_expect_slot(&asked, 1, k);
	}
	assert_int_equal(fake_nodes[0].requests, before); /* only probes */
	fake_nodes[0].down = false;
	for (unsigned k = 20; k < 35; k++) {
		rig_ask_slot(&rig, &asked, 1, k);
		rig_advance_ms(&rig, 1000);
		rig_expect_slot(&asked, 1, k);
	}
	assert_true(fake_nodes[0].requests > before);
	rig_end(&rig);
}

static void test_lacking_block_is_remembered(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 2);
	rig_start(&rig);
	rig_warm(&rig);
	set_fault(&fake_nodes[0],
		  &(struct fault_case){
			  .fault = FAULT_RPC, .code = -32000, .message = "missing trie node"},
		  UINT_MAX);
	for (unsigned k = 0; k < 5; k++) {
		rig_ask_slot(&rig, &asked, 1, k);
		rig_advance_ms(&rig, 300);
		rig_expect_slot(&asked, 1, k);
	}
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_end(&rig);
}

static void test_restarted_on_another_chain(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].chain_id = 5;
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_RESET}, 1);
	rig_ask_slot(&rig, &asked, 1, 1);
	rig_advance_ms(&rig, 2000);
	assert_true(asked.done);
	assert_int_equal(asked.err, ERR_BAD_ANSWER);
	assert_non_null(strstr(asked.detail, "it is on chain 5, not 1"));
	assert_int_equal(rig.learned, 0);
	assert_int_equal(fake_nodes[0].requests, 1);
	rig_end(&rig);
}

/* Who joins late waits as long as anybody else. */
static void test_deadlines_are_per_question(void **state)
{
	(void)state;
	struct rig rig;
	struct asked first, second;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	set_fault(&fake_nodes[0], &(struct fault_case){.fault = FAULT_STATUS, .status = 503},
		  UINT_MAX);
	rig_ask_slot(&rig, &first, 1, 1);
	rig_advance_ms(&rig, 5000);
	rig_ask_slot(&rig, &second, 1, 1);
	rig_advance_ms(&rig, 4000);
	assert_true(first.done);
	assert_false(second.done);
	rig_advance_ms(&rig, 4999);
	assert_false(second.done);
	rig_advance_ms(&rig, 1);
	assert_true(second.done);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passing),
		cmocka_unit_test(test_lasting),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_batch_frames),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_retry_after_beyond_the_deadline),
		cmocka_unit_test(test_retry_after_with_another_upstream),
		cmocka_unit_test(test_rate_limited_by_items),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_all_fail_names_all),
		cmocka_unit_test(test_sick_is_passed_over_and_comes_back),
		cmocka_unit_test(test_lacking_block_is_remembered),
		cmocka_unit_test(test_restarted_on_another_chain),
		cmocka_unit_test(test_deadlines_are_per_question),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
