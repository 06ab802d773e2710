/* SPDX-License-Identifier: MIT */
/* Filters over ranges of blocks: asked once where the range is settled. */
#include "request_fixture.h"

#define BB	  "0x00000000000000000000000000000000000000bb"
#define W(d)	  "0x" ZEROS_58 "0000" d
#define LOGS(f)	  CALL("eth_getLogs", "[{" f "}]")
#define TRACES(f) CALL("trace_filter", "[{" f "}]")
#define SETTLED	  "\"fromBlock\":\"0x1\",\"toBlock\":\"0x64\""
#define LOG(block)                                                                      \
	"{\"address\":\"" ADDRESS                                                       \
	"\",\"topics\":[\"" W("0a") "\"],\"data\":\"0x\","                              \
				    "\"blockNumber\":\"" block "\",\"blockHash\":\"" W( \
					    "32") "\",\"logIndex\":\"0x0\","            \
						  "\"transactionIndex\":\"0x0\"}"

static const char *said;

static void node(const struct fork_question *q, struct fork_answer *a)
{
	good_node(q, a);
	if (said != NULL && q->kind == FORK_CALL &&
	    (span_is(q->method, "eth_getLogs") || span_is(q->method, "trace_filter"))) {
		blob_put(&a->blob);
		a->blob = blob_copy(said, strlen(said));
	}
}

static int setup(void **state)
{
	(void)state;
	said = NULL;
	rig_start(node);
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void a_settled_range_is_asked_once(void **state)
{
	static const char *const spellings[] = {
		LOGS(SETTLED ",\"address\":[\"" ADDRESS "\",\"" BB
			     "\"],\"topics\":[\"" W("0a") "\"]"),
		LOGS("\"topics\":[[\"" W(
			"0A") "\"]],\"address\":[\"" BB "\",\"" ADDRESS "\",\"" BB
			      "\"],\"toBlock\":\"0x064\",\"fromBlock\":\"0x01\""),
	};

	(void)state;
	said = "[" LOG("0x32") "]";
	assert_int_equal(expect(spellings[0], RESULT("[" LOG("0x32") "]")), 1);
	assert_string_equal(last_params, "[{" SETTLED ",\"address\":[\"" ADDRESS "\",\"" BB
					 "\"],\"topics\":[[\"" W("0a") "\"]]}]");
	said = NULL;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(expect(spellings[i], RESULT("[" LOG("0x32") "]")), 0);
	/* Nothing is an answer, too. */
	assert_int_equal(expect(LOGS(SETTLED), RESULT("[]")), 1);
	assert_int_equal(expect(LOGS(SETTLED ",\"address\":[],\"topics\":[]"), RESULT("[]")),
			 0);
}

static void filters_that_differ(void **state)
{
	static const char *const apart[] = {
		LOGS(SETTLED ",\"topics\":[[\"" W("0a") "\",\"" W("0b") "\"]]"),
		LOGS(SETTLED ",\"topics\":[\"" W("0a") "\",\"" W("0b") "\"]"),
		LOGS(SETTLED ",\"topics\":[\"" W("0a") "\"]"),
		LOGS(SETTLED ",\"topics\":[\"" W("0a") "\",null]"),
		LOGS(SETTLED ",\"topics\":[null,\"" W("0a") "\"]"),
		LOGS(SETTLED ",\"address\":\"" ADDRESS "\""),
		LOGS(SETTLED ",\"x\":1"),
		LOGS("\"fromBlock\":\"0x2\",\"toBlock\":\"0x64\""),
		LOGS("\"fromBlock\":\"earliest\",\"toBlock\":\"0x64\""),
		TRACES(SETTLED),
		TRACES(SETTLED ",\"fromAddress\":[\"" BB "\"]"),
		TRACES(SETTLED ",\"after\":1"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		assert_int_equal(expect(apart[i], RESULT("[]")), 1);
	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		assert_int_equal(expect(apart[i], RESULT("[]")), 0);
}

static void what_is_not_settled_is_asked_again(void **state)
{
	static const char *const again[] = {
		LOGS("\"fromBlock\":\"0x1\""),
		LOGS("\"fromBlock\":\"0x1\",\"toBlock\":\"0x385\""), /* FINAL + 1 */
		LOGS("\"fromBlock\":\"0x1\",\"toBlock\":\"latest\""),
		/* The first block is the node's choice. */
		TRACES("\"toBlock\":\"0x64\""),
		TRACES("\"fromBlock\":\"latest\""),
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		for (size_t k = 0; k < sizeof again / sizeof again[0]; k++)
			assert_int_equal(expect(again[k], RESULT("[]")), 1);
	assert_int_equal(
		expect(LOGS("\"fromBlock\":\"0x1\",\"toBlock\":\"0x384\""), RESULT("[]")), 1);
	assert_int_equal(
		expect(LOGS("\"fromBlock\":\"0x1\",\"toBlock\":\"0x384\""), RESULT("[]")), 0);
	/* The pinned block is final: so is what ends with it. */
	rig.chain.finalized = PIN;
	rig.chain.pinned.block.final = true;
	assert_int_equal(expect(LOGS("\"fromBlock\":\"0x1\""), RESULT("[]")), 1);
	assert_int_equal(
		expect(LOGS("\"fromBlock\":\"0x1\",\"toBlock\":\"0xffff\""), RESULT("[]")), 0);
}

static void one_block_by_its_hash(void **state)
{
	(void)state;
	assert_int_equal(expect(LOGS("\"blockHash\":\"" HASH_1000 "\""), RESULT("[]")), 1);
	assert_string_equal(last_params, "[{\"blockHash\":\"" HASH_1000 "\"}]");
	/* The head by number is that block. */
	assert_int_equal(expect(LOGS("\"blockHash\":\"" HASH_1000 "\""), RESULT("[]")), 0);
	assert_int_equal(expect(LOGS(""), RESULT("[]")), 0);
	assert_int_equal(
		expect(LOGS("\"fromBlock\":\"0x3e8\",\"toBlock\":\"0x3e8\""), RESULT("[]")), 0);
	/* Another one: its header is asked for, too. */
	assert_int_equal(expect(LOGS("\"blockHash\":\"" W("bb") "\""), RESULT("[]")), 2);
	assert_int_equal(expect(LOGS("\"blockHash\":\"" W("bb") "\""), RESULT("[]")), 0);
	said = "[" LOG("0xbb") "]";
	expect(LOGS("\"blockHash\":\"" W("bb") "\",\"address\":\"" ADDRESS "\""),
	       ERROR(-32603, "the answer is of another block"));
}

static void what_was_not_asked_for_is_no_answer(void **state)
{
	static const struct {
		const char *body, *answer, *why;
	} wrong[] = {
		{LOGS(SETTLED), "{\"logs\":[]}", ERROR(-32603, "the answer is not a list")},
		{LOGS(SETTLED), "[" LOG("0x65") "]",
		 ERROR(-32603, "block 101 is not in the range that was asked for")},
		{LOGS(SETTLED ",\"address\":\"" BB "\""), "[" LOG("0x32") "]",
		 ERROR(-32603, "a log is of another address")},
		{LOGS(SETTLED ",\"topics\":[\"" W("0b") "\"]"), "[" LOG("0x32") "]",
		 ERROR(-32603, "a log has other topics")},
		{LOGS(SETTLED), "[" LOG("0x32") "," LOG("0x31") "]",
		 ERROR(-32603, "the answer is not in order")},
		/* Not settled is no excuse. */
		{LOGS("\"fromBlock\":\"0x64\""), "[" LOG("0x32") "]",
		 ERROR(-32603, "block 50 is not in the range that was asked for")},
		{TRACES(SETTLED), "[" LOG("0x0") "]",
		 ERROR(-32603, "block 0 is not in the range that was asked for")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		said = wrong[i].answer;
		assert_int_equal(expect(wrong[i].body, wrong[i].why), 1);
		said = "[]";
		assert_int_equal(expect(wrong[i].body, RESULT("[]")), 1);
		teardown(state);
		setup(state);
	}
}

static void ranges_that_cannot_be(void **state)
{
	(void)state;
	assert_int_equal(expect(LOGS("\"fromBlock\":\"0x32\",\"toBlock\":\"0x2f\""),
				ERROR(-32602, "invalid block range params")),
			 0);
	assert_int_equal(expect(LOGS("\"toBlock\":\"0x2f\""),
				ERROR(-32602, "invalid block range params")),
			 0);
	assert_int_equal(expect(LOGS("\"fromBlock\":\"0x3e9\""),
				ERROR(-32000, "block range extends beyond current head block")),
			 0);
	assert_int_equal(
		expect(LOGS("\"address\":\"0xzz\""),
		       ERROR(-32602, "invalid argument 0: not an address: invalid hex")),
		0);
	assert_int_equal(expect(LOGS("\"topics\":{}"),
				ERROR(-32602, "invalid argument 0: the topics are not a list")),
			 0);
}

static void offline_misses_name_the_range(void **state)
{
	(void)state;
	expect(LOGS(SETTLED ",\"address\":\"" ADDRESS "\""),
	       ERROR(-32001,
		     "not in the cache (offline): eth_getLogs of blocks 1 to 100, " ADDRESS));
	expect(TRACES("\"fromBlock\":\"0x5\""),
	       ERROR(-32001, "not in the cache (offline): trace_filter of blocks 5 to 1000"));
	expect(LOGS("\"blockHash\":\"" HASH_1000 "\""),
	       ERROR(-32001, "not in the cache (offline): eth_getLogs of block 1000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_settled_range_is_asked_once),	   TEST(filters_that_differ),
		TEST(what_is_not_settled_is_asked_again),  TEST(one_block_by_its_hash),
		TEST(what_was_not_asked_for_is_no_answer), TEST(ranges_that_cannot_be),
		OFFLINE(offline_misses_name_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
