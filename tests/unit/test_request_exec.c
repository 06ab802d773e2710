/* SPDX-License-Identifier: MIT */
/* Executions: asked once, answered from the cache in all spellings, reverts included. */
#include "request_fixture.h"

#define BB	"0x00000000000000000000000000000000000000bb"
#define GAS(tx) CALL("eth_estimateGas", "[" tx "]")

/* What the node is, and says; said NULL: as good_node. */
static const char *client = "Geth", *said;
static bool errs;

static void node(const struct fork_question *q, struct fork_answer *a)
{
	if (q->kind == FORK_CALL && said != NULL &&
	    !span_is(q->method, "eth_getBlockByNumber") &&
	    !span_is(q->method, "eth_getBlockByHash")) {
		remember(q);
		a->err = errs ? ERR_UPSTREAM : OK;
		a->blob = blob_copy(said, strlen(said));
	} else {
		good_node(q, a);
	}
	a->client = span_of(client);
}

static int setup(void **state)
{
	(void)state;
	client = "Geth";
	said = NULL;
	errs = false;
	rig_start(node);
	snprintf(rig.chain.client_kind, sizeof rig.chain.client_kind, "Geth");
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Asked upstream as text, once. */
static void asks_once(const char *body, const char *reply, const char *params)
{
	assert_int_equal(expect(body, reply), 1);
	assert_string_equal(last_params, params);
	assert_int_equal(expect(body, reply), 0);
}

static void a_call_in_all_its_spellings(void **state)
{
	static const char *const spellings[] = {
		CALL("eth_call", "[{\"data\":\"0xAB\",\"to\":\"" ADDRESS "\"},\"latest\"]"),
		CALL("eth_call", "[{\"to\":\"" ADDRESS "\",\"input\":\"0xab\"}]"),
		CALL("eth_call",
		     "[{\"to\":\"" ADDRESS "\",\"input\":\"0xab\"},\"0x3e8\",null]"),
		CALL("eth_call", "[{\"to\":\"" ADDRESS "\",\"input\":\"0xab\"},\"0x03e8\",{}]"),
		CALL("eth_call",
		     "[{\"to\":\"" ADDRESS "\",\"input\":\"0xab\",\"value\":\"0x0\"},"
		     "{\"blockHash\":\"" HASH_1000 "\"},{},{}]"),
		CALL("eth_call",
		     "[{\"to\":\"" ADDRESS "\",\"data\":\"0xab\",\"input\":\"0xab\","
		     "\"from\":\"0x0000000000000000000000000000000000000000\"},"
		     "{\"blockNumber\":\"pending\"}]"),
	};

	(void)state;
	asks_once(spellings[0], RESULT("\"0xca11\""),
		  "[{\"data\":\"0xab\"," SENDER ",\"to\":\"" ADDRESS
		  "\"},{\"blockHash\":\"" HASH_1000 "\"}]");
	for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
		assert_int_equal(expect(spellings[i], RESULT("\"0xca11\"")), 0);
}

static void every_option_is_a_question_of_its_own(void **state)
{
	static const char *const apart[] = {
		CALL("eth_call", "[{}]"),
		CALL("eth_call", "[{\"gas\":\"0x1\"}]"),
		CALL("eth_call", "[{\"gasPrice\":\"0x0\"}]"),
		CALL("eth_call", "[{\"from\":\"" BB "\"}]"),
		CALL("eth_call", "[{\"foo\":1}]"),
		CALL("eth_call", "[{},\"latest\",{\"" BB "\":{\"balance\":\"0x1\"}}]"),
		CALL("eth_call", "[{},\"latest\",{\"" BB "\":{\"state\":{}}}]"),
		CALL("eth_call", "[{},\"latest\",{\"" BB "\":{\"stateDiff\":{}}}]"),
		CALL("eth_call", "[{},\"latest\",null,{\"time\":\"0x1\"}]"),
		CALL("eth_call", "[{},\"latest\",{},{\"time\":\"0x2\"}]"),
		CALL("eth_call", "[{},\"latest\",{},{},{\"more\":1}]"),
		CALL("eth_call", "[{},\"latest\",{\"more\":1}]"),
		CALL("eth_call", "[{},\"latest\",{},{\"more\":1}]"),
		CALL("eth_call", "[{},\"latest\",{},{},null,{\"more\":1}]"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		assert_int_equal(expect(apart[i], RESULT("\"0xca11\"")), 1);
	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		assert_int_equal(expect(apart[i], RESULT("\"0xca11\"")), 0);
	assert_int_equal(expect(CALL("eth_call", "[{},\"0x64\"]"), RESULT("\"0xca11\"")), 2);
	assert_string_equal(last_params, "[{" SENDER "},\"0x64\"]");
	assert_int_equal(expect(CALL("eth_call", "[{},\"0x64\"]"), RESULT("\"0xca11\"")), 0);
	/* A hole is written as null, so that what comes behind it stands where it stood. */
	expect(CALL("eth_call", "[{},\"latest\",{},null,{\"more\":2}]"), RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER "},{\"blockHash\":\"" HASH_1000
					 "\"},null,null,{\"more\":2}]");
	expect(CALL("eth_call", "[{},\"latest\",null,{\"time\":\"0x9\"}]"),
	       RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER "},{\"blockHash\":\"" HASH_1000
					 "\"},null,{\"time\":\"0x9\"}]");
	expect(CALL("eth_call", "[{},\"latest\",{},{},9]"), RESULT("\"0xca11\""));
	assert_string_equal(last_params,
			    "[{" SENDER "},{\"blockHash\":\"" HASH_1000 "\"},null,null,9]");
}

#define REVERTED                                                                  \
	"{\"code\":3,\"message\":\"execution reverted: x\",\"data\":\"0x08c379a0" \
	"\"}"
#define FAILED_WITH(error) "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":" error "}"

static void a_revert_is_answered_from_the_cache(void **state)
{
	(void)state;
	said = REVERTED;
	errs = true;
	assert_int_equal(expect(CALL("eth_call", "[{}]"), FAILED_WITH(REVERTED)), 1);
	assert_int_equal(expect(GAS("{}"), FAILED_WITH(REVERTED)), 1);
	said = NULL;
	assert_int_equal(
		expect(CALL("eth_call", "[{\"value\":\"0x0\"}]"), FAILED_WITH(REVERTED)), 0);
	assert_int_equal(expect(GAS("{}"), FAILED_WITH(REVERTED)), 0);
	/* Among others in a batch. */
	assert_int_equal(expect("[" CALL("eth_call", "[{}]") "," CALL("eth_chainId", "[]") "]",
				"[" FAILED_WITH(REVERTED) "," RESULT("\"0x1\"") "]"),
			 0);
}

static void other_errors_are_asked_again(void **state)
{
	(void)state;
	said = "{\"code\":-32000,\"message\":\"out of gas\"}";
	errs = true;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(expect(CALL("eth_call", "[{}]"),
					FAILED_WITH("{\"code\":-32000,\"message\":"
						    "\"out of gas\"}")),
				 1);
	said = NULL;
	assert_int_equal(expect(CALL("eth_call", "[{}]"), RESULT("\"0xca11\"")), 1);
}

static void a_limit_is_passed_on_and_not_kept(void **state)
{
	const char *body =
		CALL("debug_traceCall", "[{},\"latest\",{\"tracer\":\"callTracer\"}]");

	(void)state;
	said = "{\"error\":\"execution timeout\"}";
	assert_int_equal(expect(body, RESULT("{\"error\":\"execution timeout\"}")), 1);
	said = "{\"gas\":\"0x1\"}";
	assert_int_equal(expect(body, RESULT("{\"gas\":\"0x1\"}")), 1);
	assert_int_equal(expect(body, RESULT("{\"gas\":\"0x1\"}")), 0);
}

static void kinds_of_clients_are_kept_apart(void **state)
{
	(void)state;
	/* Another kind than the first upstream's has answered. */
	client = "erigon";
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 1);
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 1);
	client = "Geth";
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 1);
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 0);
	/* And now it is the first. */
	snprintf(rig.chain.client_kind, sizeof rig.chain.client_kind, "erigon");
	client = "erigon";
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 1);
	assert_int_equal(expect(GAS("{}"), RESULT("\"0x5208\"")), 0);
	/* What a call returns is the same with all. */
	client = "Geth";
	assert_int_equal(expect(CALL("eth_call", "[{}]"), RESULT("\"0xca11\"")), 1);
	client = "besu";
	assert_int_equal(expect(CALL("eth_call", "[{}]"), RESULT("\"0xca11\"")), 0);
	/* Of a node that does not say what it is, nothing that depends on that is kept. */
	*rig.chain.client_kind = '\0';
	client = "";
	assert_int_equal(expect(GAS("{\"gas\":\"0x1\"}"), RESULT("\"0x5208\"")), 1);
	assert_int_equal(expect(GAS("{\"gas\":\"0x1\"}"), RESULT("\"0x5208\"")), 1);
}

static void each_method_is_asked_once(void **state)
{
	static const struct {
		const char *body, *params;
	} calls[] = {
#define PIN_OBJECT "{\"blockHash\":\"" HASH_1000 "\"}"
		{CALL("eth_createAccessList", "[{\"input\":\"0x01\"}]"),
		 "[{\"data\":\"0x01\"}," PIN_OBJECT "]"},
		{CALL("eth_simulateV1", "[{\"blockStateCalls\":[{}],\"validation\":false}]"),
		 "[{\"blockStateCalls\":[{}]}," PIN_OBJECT "]"},
		{CALL("eth_callMany", "[[{\"transactions\":[{\"input\":\"0x01\"}]}],"
				      "{\"blockNumber\":\"latest\",\"transactionIndex\":-1}]"),
		 "[[{\"transactions\":[{\"data\":\"0x01\"}]}],{\"blockNumber\":\"" HASH_1000
		 "\",\"transactionIndex\":-1}]"},
		{CALL("eth_callMany", "[[]]"), "[[],{\"blockNumber\":\"" HASH_1000 "\"}]"},
		/* A block by its hash, and a context that names one so. */
		{CALL("eth_callMany", "[[],{\"blockHash\":\"" HASH_1000 "\"}]"),
		 "[[]," PIN_OBJECT "]"},
		{CALL("eth_callMany", "[[],{\"blockHash\":\"" HASH_1000 "\","
				      "\"transactionIndex\":1}]"),
		 "[[],{\"blockNumber\":\"" HASH_1000 "\",\"transactionIndex\":1}]"},
		{CALL("eth_callMany", "[[],{\"blockHash\":null,\"blockNumber\":\"latest\","
				      "\"transactionIndex\":2}]"),
		 "[[],{\"blockNumber\":\"" HASH_1000 "\",\"transactionIndex\":2}]"},
		{CALL("eth_callMany", "[[],\"latest\",{\"" BB "\":{\"nonce\":\"0x01\"}},5000]"),
		 "[[]," PIN_OBJECT ",{\"" BB "\":{\"nonce\":\"0x1\"}},5000]"},
		{CALL("debug_traceCall", "[{},\"latest\",{\"stateOverrides\":{},\"tracer\":"
					 "\"callTracer\"}]"),
		 "[{}," PIN_OBJECT ",{\"tracer\":\"callTracer\"}]"},
		{CALL("debug_traceCall", "[{},\"latest\",{}]"), "[{}," PIN_OBJECT "]"},
		{CALL("debug_traceCallMany",
		      "[[],{\"blockNumber\":\"latest\"},{\"tracer\":\"x\"}]"),
		 "[[],{\"blockNumber\":\"" HASH_1000 "\"},{\"tracer\":\"x\"}]"},
		{CALL("trace_call",
		      "[{\"input\":\"0x01\"},\"latest\",[\"vmTrace\",\"trace\"]]"),
		 "[{\"data\":\"0x01\"},[\"trace\",\"vmTrace\"]," PIN_OBJECT "]"},
		{CALL("trace_callMany", "[[[{\"input\":\"0x01\"},[\"trace\"]]],\"latest\"]"),
		 "[[[{\"data\":\"0x01\"},[\"trace\"]]]," PIN_OBJECT "]"},
	};

	(void)state;
	said = "{\"x\":1}";
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		asks_once(calls[i].body, RESULT("{\"x\":1}"), calls[i].params);
	/* The other order, and none of the default. */
	assert_int_equal(
		expect(CALL("trace_call", "[{\"data\":\"0x01\"},[\"trace\",\"vmTrace\"]]"),
		       RESULT("{\"x\":1}")),
		0);
	/* At a final block a context names it by its number. */
	expect(CALL("eth_callMany", "[[],{\"blockNumber\":\"0x64\"}]"), RESULT("{\"x\":1}"));
	assert_string_equal(last_params, "[[],{\"blockNumber\":\"0x64\"}]");
}

static void nonsense_is_refused_here(void **state)
{
	(void)state;
	assert_int_equal(expect(CALL("eth_call", "[1]"),
				ERROR(-32602, "invalid argument 0: not a transaction object")),
			 0);
	assert_int_equal(
		expect(CALL("eth_call", "[{\"to\":\"0xzz\"}]"),
		       ERROR(-32602, "invalid argument 0: not an address: invalid hex")),
		0);
	assert_int_equal(expect(CALL("eth_call", "[{\"data\":\"0x01\",\"input\":\"0x02\"}]"),
				ERROR(-32602, "invalid argument 0: both \\\"data\\\" and "
					      "\\\"input\\\" are set and "
					      "not equal. Please use \\\"input\\\" to pass "
					      "transaction call data")),
			 0);
	assert_int_equal(
		expect(CALL("eth_call", "[{},\"latest\",{\"" BB "\":{\"balance\":\"0xg\"}}]"),
		       ERROR(-32602, "invalid argument 2: not a quantity: invalid hex")),
		0);
	/* What some node may read goes to the node. */
	assert_int_equal(expect(CALL("eth_call", "[{\"gas\":21000}]"), RESULT("\"0xca11\"")),
			 1);
	assert_string_equal(last_params, "[{" SENDER ",\"gas\":21000}," PIN_OBJECT "]");
}

static void an_unusable_answer_is_not_believed(void **state)
{
	(void)state;
	said = "{\"x\":1}";
	assert_int_equal(
		expect(CALL("eth_call", "[{}]"), ERROR(-32603, "the answer is not data")), 1);
	said = NULL;
	assert_int_equal(expect(CALL("eth_call", "[{}]"), RESULT("\"0xca11\"")), 1);
}

static void offline_misses_name_the_target(void **state)
{
	(void)state;
	expect(CALL("eth_call", "[{\"to\":\"0x00000000000000000000000000000000000000AA\"}]"),
	       ERROR(-32001,
		     "not in the cache (offline): eth_call to " ADDRESS " at block 1000"));
	expect(CALL("trace_call", "[{\"to\":\"" ADDRESS "\"},\"0x64\",[]]"),
	       ERROR(-32001,
		     "not in the cache (offline): trace_call to " ADDRESS " at block 100"));
	expect(CALL("eth_callMany", "[[]]"),
	       ERROR(-32001, "not in the cache (offline): eth_callMany at block 1000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_in_all_its_spellings),
		TEST(every_option_is_a_question_of_its_own),
		TEST(a_revert_is_answered_from_the_cache),
		TEST(other_errors_are_asked_again),
		TEST(a_limit_is_passed_on_and_not_kept),
		TEST(kinds_of_clients_are_kept_apart),
		TEST(each_method_is_asked_once),
		TEST(nonsense_is_refused_here),
		TEST(an_unusable_answer_is_not_believed),
		OFFLINE(offline_misses_name_the_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
