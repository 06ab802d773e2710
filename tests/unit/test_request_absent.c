/* SPDX-License-Identifier: MIT */
/* Pinned at a final block, "there is no such transaction" is believed of a node that has it. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"

#define HASH	    "\"0x" ZEROS_58 "0000a1\""
#define ASK(method) CALL(method, "[" HASH "]")
#define TX	    "{\"hash\":" HASH ",\"blockNumber\":\"0x64\"}"
#define LACKS	    ERROR(-32603, "it does not have the block")

/* A node that lags knows neither the transaction nor the pinned block, for so many questions.
 */
static unsigned lags, nowhere;
static unsigned guarded, plain;

static void node(const struct fork_question *q, struct fork_answer *a)
{
	const bool is_late = lags > 0;

	assert_int_equal(q->kind, FORK_CALL);
	lags -= is_late;
	guarded += q->guarded;
	plain += !q->guarded;
	remember(q);
	if (q->guarded)
		assert_int_equal(q->block.number, PIN);
	if (q->guarded && is_late) {
		a->err = ERR_NOT_FOUND;
		a->lacks = true;
		a->detail = "it does not have the block";
	} else if (is_late || nowhere) {
		a->blob = json_blob("null");
	} else if (strcmp(last_method, "eth_getTransactionByHash") == 0) {
		a->blob = json_blob(TX);
	} else if (strcmp(last_method, "eth_getTransactionReceipt") == 0) {
		a->blob = json_blob("{\"transactionHash\":" HASH ",\"blockNumber\":\"0x64\"}");
	} else {
		a->blob = json_blob("[1]");
	}
}

static int setup(void **state)
{
	(void)state;
	lags = nowhere = guarded = plain = 0;
	rig_start(node);
	rig.chain.finalized = PIN;
	rig.chain.pinned.block.final = true;
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void a_null_is_asked_for_twice_and_kept(void **state)
{
	(void)state;
	nowhere = 1;
	assert_int_equal(expect(ASK("eth_getTransactionByHash"), RESULT("null")), 2);
	assert_int_equal(guarded, 1);
	assert_int_equal(expect(ASK("eth_getTransactionByHash"), RESULT("null")), 0);
	assert_int_equal(expect(ASK("eth_getTransactionReceipt"), RESULT("null")), 2);
	assert_int_equal(expect(ASK("trace_transaction"), RESULT("null")), 2);
	nowhere = 0;
	assert_int_equal(expect(ASK("eth_getTransactionReceipt"), RESULT("null")), 0);
}

static void a_node_that_lags_a_little(void **state)
{
	(void)state;
	lags = 1;
	assert_int_equal(expect(ASK("eth_getTransactionByHash"), RESULT(TX)), 2);
	assert_int_equal(guarded, 1);
	assert_int_equal(expect(ASK("eth_getTransactionByHash"), RESULT(TX)), 0);
}

static void a_node_that_lags_is_not_believed(void **state)
{
	static const char *const methods[] = {ASK("eth_getTransactionByHash"),
					      ASK("eth_getTransactionReceipt"),
					      ASK("debug_traceTransaction")};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		lags = 2;
		assert_int_equal(expect(methods[i], LACKS), 2);
	}
	assert_int_equal(expect(methods[0], RESULT(TX)), 1);
}

/* What is asked once it is known where the transaction is needs no guard any more. */
static void what_is_of_a_transaction_that_came_late(void **state)
{
	(void)state;
	lags = 1;
	assert_int_equal(expect(ASK("debug_traceTransaction"), RESULT("[1]")), 3);
	assert_int_equal(guarded, 1);
	assert_int_equal(expect(ASK("debug_traceTransaction"), RESULT("[1]")), 0);
}

static void two_in_a_batch_and_one_who_leaves(void **state)
{
	const char *both =
		"[" ASK("eth_getTransactionByHash") "," ASK("eth_getTransactionByHash") "]";

	(void)state;
	nowhere = 1;
	for (unsigned turn = 0; turn < 4; turn++) {
		struct http_exchange *x = fake_http_post(request_start, rig.pool, both);
		for (unsigned i = 0; i < turn; i++)
			assert_true(fake_fork_deliver_one());
		fake_http_abort(x);
		fake_http_free(&x);
		assert_int_equal(fake_fork_queued(), 0);
		stack_turn_end(rig.view);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_null_is_asked_for_twice_and_kept),
		TEST(a_node_that_lags_a_little),
		TEST(a_node_that_lags_is_not_believed),
		TEST(what_is_of_a_transaction_that_came_late),
		TEST(two_in_a_batch_and_one_who_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
