/* SPDX-License-Identifier: MIT */
/* Transactions to the real chain, and what is asked once for each head. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"
#include "rpc/heads.h"

/* keccak256 of the bytes 01 02 03. */
#define RAW	 "\"0x010203\""
#define HASH	 "\"0xf1885eda54b7a053318cd41e2093220dab15d65381b1157a3633a83bfd5c9239\""
#define UNKNOWN	 "it is unknown whether the transaction was accepted"
#define NOT_SENT "the transaction was not sent"

static struct {
	const char *json; /* the result */
	struct fork_answer fails;
	uint64_t head;
	unsigned calls; /* that are not about the head */
} node;

static void answer(const struct fork_question *q, struct fork_answer *a)
{
	if (span_is(q->method, "eth_getBlockByNumber")) {
		a->blob = block_json(node.head, node.head);
		return;
	}
	node.calls++;
	remember(q);
	/* To be sent once; the flights join nothing that may not join. */
	assert_int_equal(q->once, strncmp(last_method, "eth_send", 8) == 0);
	if (q->once)
		assert_true(!q->may_join && !q->null_allowed && q->class == FORK_CLASS_CALL);
	*a = node.fails;
	if (a->err == OK)
		a->blob = json_blob("%s", node.json);
	else if (a->err == ERR_UPSTREAM)
		a->blob = json_blob("{\"code\":-32000,\"message\":\"already known\"}");
	if (a->detail == NULL)
		a->detail = "";
}

static struct heads *heads;

static void follow(bool allow_send)
{
	struct head head = {.header.number = PIN};
	const struct request_limits limits = {0};

	request_pool_free(&rig.pool);
	head.block = rig.chain.pinned.block;
	rig.chain.pinned.block = (struct stack_block){0};
	rig.chain.allow_send = allow_send;
	assert_ok(heads_new(&rig.chain, HEADS_AGE_US, &heads));
	heads_begin(heads, &head);
	rig.chain.heads = heads;
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
}

static int setup(void **state)
{
	(void)state;
	memset(&node, 0, sizeof node);
	node.json = HASH;
	node.head = PIN;
	rig_start(answer);
	return 0;
}

static int teardown_heads(void **state)
{
	teardown(state);
	heads_free(&heads);
	return 0;
}

#define NO_METHOD                                                                       \
	ERROR(-32601,                                                                   \
	      "the method eth_sendRawTransaction does not exist/is not available: it "  \
	      "writes to the real chain, for which this server needs --allow-send and " \
	      "no --fork-block")

static void only_where_it_is_allowed(void **state)
{
	(void)state;
	const char *body = CALL("eth_sendRawTransaction", "[" RAW "]");
	assert_int_equal(expect(body, NO_METHOD), 0);
	rig.chain.allow_send = true; /* pinned */
	assert_int_equal(expect(body, NO_METHOD), 0);
	follow(false);
	assert_int_equal(expect(body, NO_METHOD), 0);
	rig.chain.allow_send = true;
	assert_int_equal(expect(body, RESULT(HASH)), 1);
	assert_string_equal(last_method, "eth_sendRawTransaction");
	assert_string_equal(last_params, "[" RAW "]");
	/* Never stored: each is sent. */
	assert_int_equal(expect(body, RESULT(HASH)), 1);
	/* Methods that would use a node's keys stay refused. */
	assert_int_equal(
		expect(CALL("eth_sendTransaction", "[{}]"),
		       ERROR(-32601, "the method eth_sendTransaction does not exist/is not "
				     "available: it writes to the real chain")),
		0);
}

static void what_is_no_transaction(void **state)
{
	static const struct {
		const char *params, *message;
	} rows[] = {
		{"[]", "missing value for required argument 0"},
		{"[1]", "invalid argument 0: want a string of hex"},
		{"[\"010203\"]",
		 "invalid argument 0: not DATA: want 0x and an even number of digits"},
		{"[\"0x1\"]",
		 "invalid argument 0: not DATA: want 0x and an even number of digits"},
		{"[\"0x0g\"]",
		 "invalid argument 0: not DATA: want 0x and an even number of digits"},
		{"[\"0x\"]", "invalid argument 0: not the bytes of a transaction"},
		{"[" RAW ",1]", "too many arguments, want at most 1"},
	};
	char body[256], reply[256];

	(void)state;
	follow(true);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(body, sizeof body, CALL("eth_sendRawTransaction", "%s"),
			 rows[i].params);
		snprintf(reply, sizeof reply, ERROR(-32602, "%s"), rows[i].message);
		assert_int_equal(expect(body, reply), 0);
	}
}

/* A transaction with blobs is sent as more than its hash is of. */
static void the_hash_of_a_transaction_with_blobs(void **state)
{
	static const char *const alone =
		"\"0x5a376340e79d11eedd46fa987fde419bac97ae1bb12bd9ffbb9a2171208171c2\"";
	static const struct {
		const char *raw, *hash;
	} rows[] = {
		{"0x03c20102", NULL},	      /* without them */
		{"0x03c6c20102c0c0c0", NULL}, /* of the list's first element */
		{"0x03c7c2010201c0c0c0", NULL},
		{"0x03",
		 "\"0x69c322e3248a5dfc29d73c5b0553b0185a35cd5bb6386747517ef7e53b15e287\""},
		{"0x02c6c20102c0c0c0",
		 "\"0x792b650e439b59c67946ac642b8e419208173a088aae8c3e5a3d9dd9e234b991\""},
	};
	char body[256], reply[256];

	(void)state;
	follow(true);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		node.json = rows[i].hash != NULL ? rows[i].hash : alone;
		snprintf(body, sizeof body, CALL("eth_sendRawTransaction", "[\"%s\"]"),
			 rows[i].raw);
		snprintf(reply, sizeof reply, RESULT("%s"), node.json);
		assert_int_equal(expect(body, reply), 1);
	}
}

static void the_answer_is_checked(void **state)
{
	static const struct {
		const char *json, *why;
	} bad[] = {
		{"\"0xf1885eda54b7a053318cd41e2093220dab15d65381b1157a3633a83bfd5c9238\"",
		 "about another transaction"},
		{"\"0x\"", "not a transaction"},
		{"true", "not a transaction"},
		{"[]", "not a transaction"},
	};
	char reply[256];

	(void)state;
	follow(true);
	node.fails.may_have_arrived = true;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		node.json = bad[i].json;
		snprintf(reply, sizeof reply, ERROR(-32603, "the answer is %s; " UNKNOWN),
			 bad[i].why);
		expect(CALL("eth_sendRawTransaction", "[" RAW "]"), reply);
	}
	node.json = "{\"transactionHash\":" HASH "}";
	expect(CALL("eth_sendRawTransactionSync", "[" RAW ",\"0x10\"]"),
	       RESULT("{\"transactionHash\":" HASH "}"));
	assert_string_equal(last_params, "[" RAW ",\"0x10\"]");
	node.json = "{\"transactionHash\":"
		    "\"" HASH_1000 "\""
		    "}";
	expect(CALL("eth_sendRawTransactionSync", "[" RAW "]"),
	       ERROR(-32603, "the answer is about another transaction; " UNKNOWN));
	node.json = HASH;
	expect(CALL("eth_sendRawTransactionConditional", "[" RAW ",{\"knownAccounts\":{}}]"),
	       RESULT(HASH));
	assert_string_equal(last_params, "[" RAW ",{\"knownAccounts\":{}}]");
}

static void failures_say_what_became_of_it(void **state)
{
	(void)state;
	const char *body = CALL("eth_sendRawTransaction", "[" RAW "]");
	follow(true);
	node.fails = (struct fork_answer){
		.err = ERR_UPSTREAM, .detail = "", .may_have_arrived = true};
	expect(body, ERROR(-32000, "already known"));
	node.fails = (struct fork_answer){
		.err = ERR_TIMEOUT, .detail = "no answer in 30 s", .may_have_arrived = true};
	expect(body, ERROR(-32603, "no answer in 30 s; " UNKNOWN));
	node.fails = (struct fork_answer){.err = ERR_NETWORK, .detail = "connection refused"};
	expect(body, ERROR(-32603, "connection refused; " NOT_SENT));
	node.fails = (struct fork_answer){
		.err = ERR_RATE_LIMITED, .detail = "", .may_have_arrived = true};
	expect(body, ERROR(-32005, "rate_limited; " UNKNOWN));
	fake_fork_refuse(1);
	expect(body, ERROR(-32005, "too many requests wait for the upstream: try again"));
}

static void two_of_a_batch_are_two(void **state)
{
	(void)state;
	follow(true);
	assert_int_equal(expect("[" CALL("eth_sendRawTransaction", "[" RAW "]") "," CALL(
					"eth_sendRawTransaction", "[" RAW "]") "]",
				"[" RESULT(HASH) "," RESULT(HASH) "]"),
			 2);
	/* A client that has gone before it was sent has it not sent. */
	struct http_exchange *x = fake_http_post(request_start, rig.pool,
						 CALL("eth_sendRawTransaction", "[" RAW "]"));
	assert_int_equal(fake_fork_queued(), 1);
	fake_http_abort(x);
	assert_int_equal(fake_fork_queued(), 0);
	fake_http_free(&x);
}

/* ---- slow-moving facts ---- */

static void pinned_they_are_computed(void **state)
{
	(void)state;
	assert_int_equal(expect(CALL("eth_gasPrice", "[]"), RESULT("\"0x3b9aca10\"")), 0);
	assert_int_equal(
		expect(CALL("eth_maxPriorityFeePerGas", "[]"), RESULT("\"0x3b9aca00\"")), 0);
	assert_int_equal(expect(CALL("eth_baseFee", "[]"), RESULT("\"0x10\"")), 0);
	assert_int_equal(expect(CALL("eth_blobBaseFee", "[]"), RESULT("\"0x1\"")), 0);
	assert_int_equal(expect(CALL("eth_syncing", "[]"), RESULT("false")), 0);
	/* Nobody but a node knows these. */
	node.json = "{\"current\":{}}";
	assert_int_equal(expect(CALL("eth_config", "[]"), RESULT("{\"current\":{}}")), 1);
	assert_int_equal(expect(CALL("eth_config", "[]"), RESULT("{\"current\":{}}")), 0);
	assert_int_equal(expect(CALL("eth_capabilities", "[]"), RESULT("{\"current\":{}}")), 1);
	assert_int_equal(expect(CALL("eth_config", "[1]"),
				ERROR(-32602, "too many arguments, want at most 0")),
			 0);
}

static void following_they_are_asked_once_a_head(void **state)
{
	static const char *const methods[] = {"eth_gasPrice", "eth_maxPriorityFeePerGas",
					      "eth_baseFee",  "eth_blobBaseFee",
					      "eth_syncing",  "eth_config"};
	char body[256];

	(void)state;
	follow(false);
	for (unsigned round = 0; round < 2; round++) {
		const char *reply = round == 0 ? RESULT("\"0x5\"") : RESULT("\"0x6\"");
		node.head = PIN + round;
		node.json = round == 0 ? "\"0x5\"" : "\"0x6\"";
		node.calls = 0;
		fake_loop_advance(rig.loop, HEADS_AGE_US + 1);
		for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
			snprintf(body, sizeof body, CALL("%s", "[]"), methods[i]);
			expect(body, reply);
			assert_int_equal(node.calls, i + 1);
			assert_string_equal(last_method, methods[i]);
			assert_string_equal(last_params, "[]");
			assert_int_equal(expect(body, reply), 0);
		}
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown_heads)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_where_it_is_allowed),
		T(what_is_no_transaction),
		T(the_hash_of_a_transaction_with_blobs),
		T(the_answer_is_checked),
		T(failures_say_what_became_of_it),
		T(two_of_a_batch_are_two),
		T(pinned_they_are_computed),
		T(following_they_are_asked_once_a_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
