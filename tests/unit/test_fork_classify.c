/* SPDX-License-Identifier: MIT */
#include "fork/classify.h"
#include "unit.h"

/* Messages as nodes and providers send them. */
static void test_errors(void **state)
{
	(void)state;
	static const struct {
		int code;
		const char *message;
		enum verdict for_state, for_call; /* computed, at least */
	} rows[] = {
		{-32000,
		 "missing trie node 1a2b (path ) state 0x1a2b is not available, not found",
		 VERDICT_LACKS, VERDICT_LACKS},
		{-32000, "header not found", VERDICT_LACKS, VERDICT_LACKS},
		{-32001, "Unknown block number", VERDICT_LACKS, VERDICT_LACKS},
		{-32000, "required historical state unavailable (reexec=128)", VERDICT_LACKS,
		 VERDICT_LACKS},
		{4444, "no", VERDICT_LACKS, VERDICT_LACKS},
		{-32005, "daily request count exceeded, request rate limited", VERDICT_RATE,
		 VERDICT_RATE},
		{429, "Your app has exceeded its compute units per second capacity.",
		 VERDICT_RATE, VERDICT_RATE},
		{-32005, "query returned more than 10000 results", VERDICT_BAD, VERDICT_ERROR},
		{-32000, "gas required exceeds allowance (0)", VERDICT_BAD, VERDICT_ERROR},
		{3, "execution reverted: rate limit exceeded", VERDICT_BAD, VERDICT_ERROR},
		{-32601, "the method eth_x does not exist/is not available",
		 VERDICT_UNSUPPORTED, VERDICT_LIKELY},
		{-32602, "invalid 1st argument: block", VERDICT_UNSUPPORTED, VERDICT_LIKELY},
		{-32603, "Internal JSON-RPC error.", VERDICT_TRANSIENT, VERDICT_INTERNAL},
		{-32000, "execution timeout", VERDICT_TRANSIENT, VERDICT_INTERNAL},
		{-32000, "Invalid API key", VERDICT_REFUSED, VERDICT_REFUSED},
		{-32000, "something new", VERDICT_TRANSIENT, VERDICT_LIKELY},
		{-32000, "invalid opcode: INVALID", VERDICT_BAD, VERDICT_ERROR},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span message = span_of(rows[i].message);
		if (classify_error(rows[i].code, message, SUBJECT_STATE) != rows[i].for_state ||
		    classify_error(rows[i].code, message, SUBJECT_COMPUTED) != rows[i].for_call)
			fail_msg("%d %s: %d, %d", rows[i].code, rows[i].message,
				 classify_error(rows[i].code, message, SUBJECT_STATE),
				 classify_error(rows[i].code, message, SUBJECT_COMPUTED));
	}
	/* Chain data does not fail like that; a method may well be missing. */
	assert_int_equal(classify_error(-32000, SPAN("something new"), SUBJECT_CHAIN),
			 VERDICT_INTERNAL);
	assert_int_equal(classify_error(-32601, SPAN("no"), SUBJECT_CHAIN), VERDICT_LIKELY);
	assert_int_equal(classify_error(-32005, SPAN("query returned more than 10000 results"),
					SUBJECT_CHAIN),
			 VERDICT_ERROR);
}

static void test_no_method(void **state)
{
	(void)state;
	assert_true(classify_no_method(-32601, SPAN("whatever")));
	assert_true(classify_no_method(-32600, SPAN("Unsupported method: eth_getAccount")));
	assert_true(classify_no_method(-32000, SPAN("Method not found")));
	assert_true(classify_no_method(
		-32000, SPAN("the method eth_x does not exist/is not available")));
	assert_false(classify_no_method(-32602, SPAN("invalid argument 0")));
	assert_false(classify_no_method(-32000, SPAN("tracer not supported")));
}

static void test_batch_too_big(void **state)
{
	(void)state;
	assert_true(classify_batch_too_big(-32600, SPAN("batch too large")));
	assert_true(classify_batch_too_big(-32000, SPAN("Batch of 50 exceeds maximum of 10")));
	assert_true(classify_batch_too_big(-32005, SPAN("too many requests in batch")));
	assert_true(classify_batch_too_big(-32600, SPAN("Request too large")));
	assert_false(classify_batch_too_big(-32005, SPAN("too many requests")));
	assert_false(classify_batch_too_big(-32600, SPAN("batch requests are disabled")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_no_method),
		cmocka_unit_test(test_batch_too_big),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
