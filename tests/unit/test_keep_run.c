/* SPDX-License-Identifier: MIT */
/* Answers of executions: believed or not, kept or not. */
#include "keep_fixture.h"

#define KEY  "1:eth_call[{},\"0x64\"]"
#define GETH "1:eth_estimateGas@Geth[{},\"0x64\"]"

static struct keep run(enum keep_kind kind, unsigned flags)
{
	return (struct keep){.kind = kind,
			     .flags = KEEP_HAS_HASH | KEEP_HAS_NUMBER | flags,
			     .number = 100,
			     .hash = hash_of(100)};
}

static void calls_are_data(void **state)
{
	static const char *const bad[] = {"1", "{}", "\"0xabc\"", "\"abcd\"", "\"0x0g\"", "[]"};
	struct keep fixed = run(KEEP_CALL, KEEP_FIXED), loose = run(KEEP_CALL, 0);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused(&fixed, KEY, bad[i], "the answer is not data");
	accepted(&loose, KEY, "\"0x01\"", false);
	accepted(&fixed, KEY, "\"0x01\"", true);
	/* A call that returns nothing is an answer, too. */
	accepted(&fixed, "1:eth_call[1]", "\"0x\"", true);
}

static void gas_is_a_quantity(void **state)
{
	struct keep keep = run(KEEP_GAS, KEEP_FIXED);

	(void)state;
	refused(&keep, KEY, "\"0x\"", "the answer is not a quantity");
	refused(&keep, KEY, "21000", "the answer is not a quantity");
	accepted(&keep, KEY, "\"0x5208\"", true);
}

static void what_a_limit_has_touched_is_not_kept(void **state)
{
	static const char *const limited[] = {
		"{\"error\":\"execution timeout\"}",
		"{\"gas\":1,\"error\" : \"Execution aborted (Timeout = 5s)\"}",
		"[{\"calls\":[{\"error\":{\"code\":-38026,\"message\":\"limit\"}}]}]",
		"[{\"calls\":[{\"error\":{\"message\":\"x\",\"code\":-32016}}]}]",
		"[{\"calls\":[{\"error\":null},{\"error\":{\"message\":\"gas cap\"}}]}]",
		"{\"error\":\"context deadline exceeded\"}",
		"{\"errorMessage\":\"header not found\"}",
		"{\"error\":{\"message\":\"missing trie node 12\"}}",
		"{\"error\":\"execution aborted: canceled\"}",
	};
	struct keep keep = run(KEEP_RUN, KEEP_FIXED);

	(void)state;
	for (size_t i = 0; i < sizeof limited / sizeof limited[0]; i++)
		accepted(&keep, KEY, limited[i], false);
	accepted(&keep, KEY, "null", false);
	refused(&keep, KEY, "\"0x\"", "the answer is not an object or a list");
	refused(&keep, KEY, "7", "the answer is not an object or a list");
	accepted(&keep, "1:a[]",
		 "[{\"calls\":[{\"error\":{\"code\":3,\"message\":\"execution reverted\"}}]}]",
		 true);
	/* Of the caller's gas, or of the node's. */
	accepted(&keep, "1:b[{\"gas\":\"0x1\"}]", "{\"error\":\"out of gas\"}", true);
	/* Another transaction of the bundle may not. */
	accepted(&keep, "1:eth_callMany@Geth[{\"gas\":\"0x1\"}]", "{\"error\":\"out of gas\"}",
		 false);
	accepted(&keep, "1:eth_simulateV1@Geth[{\"gas\":\"0x1\"}]",
		 "{\"error\":\"out of gas\"}", false);
	accepted(&keep, "1:b[{\"gasLimit\":\"0x1\"}]", "{\"error\":\"Out of gas\"}", true);
	accepted(&keep, "1:b[{\"gasPrice\":\"0x1\"}]", "{\"error\":\"Out of gas\"}", false);
	/* Only errors count. */
	accepted(&keep, "1:c[]", "{\"output\":\"timeout\"}", true);
	accepted(&keep, "1:d[]", "[]", true);
}

/* The last bytes of a result are read, and none behind them. */
static void an_error_at_the_very_end(void **state)
{
	struct keep keep = run(KEEP_RUN, KEEP_FIXED);

	(void)state;
	accepted(&keep, "1:a[]", "[\"error\"]", true);
	accepted(&keep, "1:b[]", "{\"error\":\"timeout\"}", false);
}

/* Results with many errors are read once, and what stands between two of them is not lost. */
static void every_error_is_read(void **state)
{
	struct keep keep = run(KEEP_RUN, KEEP_FIXED);
	char key[32];

	(void)state;
	for (size_t gap = 0; gap < 600; gap++) {
		struct buf json;
		buf_init(&json, 1 << 20);
		buf_text(&json, "[{\"error\":\"x\"},\"");
		for (size_t i = 0; i < gap; i++)
			buf_char(&json, 'a');
		buf_text(&json, "\",{\"error\":\"y\"},{\"error\":\"execution timeout\"}]");
		buf_char(&json, '\0');
		snprintf(key, sizeof key, "1:a[%zu]", gap);
		accepted(&keep, key, json.ptr, false);
		buf_release(&json);
	}
}

static void a_tracer_answers_what_it_likes(void **state)
{
	struct keep keep = run(KEEP_TRACER, KEEP_FIXED);

	(void)state;
	accepted(&keep, "1:a[]", "\"0x\"", true);
	accepted(&keep, "1:b[]", "7", true);
	accepted(&keep, "1:c[]", "{\"error\":\"execution timeout\"}", false);
}

static void it_depends_on_the_client(void **state)
{
	struct keep keep = run(KEEP_GAS, KEEP_FIXED | KEEP_BY_CLIENT);

	(void)state;
	answered_by("");
	accepted(&keep, GETH, "\"0x1\"", false);
	accepted(&keep, "1:eth_estimateGas@[{}]", "\"0x1\"", false);
	answered_by("erigon");
	accepted(&keep, GETH, "\"0x1\"", false);
	answered_by("Get");
	accepted(&keep, GETH, "\"0x1\"", false);
	/* Of the parameters nothing is read. */
	answered_by("x");
	accepted(&keep, "1:eth_estimateGas[\"@x[\"]", "\"0x1\"", false);
	answered_by("Geth");
	accepted(&keep, "1:eth_estimateGas[{}]", "\"0x1\"", false);
	accepted(&keep, GETH, "\"0x1\"", true);
}

#define REVERT(code, message, data) "{\"code\":" code ",\"message\":\"" message "\"" data "}"
#define DATA			    ",\"data\":\"0x08c3\""

static void reverts_are_kept(void **state)
{
	struct keep keep = run(KEEP_CALL, KEEP_FIXED);
	struct reply reply = {0};

	(void)state;
	failed(&keep, KEY, REVERT("3", "execution reverted: x", DATA), true);
	assert_int_equal(stack_get_reply(rig.view, SPAN(KEY), &reply), HIT);
	assert_true(reply.is_error);
	assert_int_equal(reply.block_number, 100);
	reply_release(&reply);
	failed(&keep, "1:a[]", REVERT("3", "execution reverted", ",\"data\":\"0x\""), true);
	keep = run(KEEP_RUN, KEEP_FIXED);
	failed(&keep, "1:b[]", REVERT("3", "execution reverted", DATA), true);
}

static void other_errors_are_not(void **state)
{
	static const char *const errors[] = {
		REVERT("-32000", "execution reverted", DATA),
		REVERT("3", "execution reverted", ""),
		REVERT("3", "execution reverted", ",\"data\":\"Reverted\""),
		REVERT("3", "execution reverted", ",\"data\":{}"),
		REVERT("3", "execution timeout", DATA),
		REVERT("3", "request timed out", DATA),
		REVERT("30", "execution reverted", DATA),
		REVERT("\"3\"", "execution reverted", DATA),
		REVERT("-32005", "rate limit", DATA),
		REVERT("-32000", "out of gas", ""),
		REVERT("-32000", "header not found", ""),
		"{\"code\":3,\"data\":\"0x\"}",
	};
	struct keep keep = run(KEEP_CALL, KEEP_FIXED), loose = run(KEEP_CALL, 0);

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		failed(&keep, KEY, errors[i], false);
	failed(&loose, KEY, REVERT("3", "execution reverted", DATA), false);
	keep = run(KEEP_PLAIN, KEEP_FIXED);
	failed(&keep, KEY, REVERT("3", "execution reverted", DATA), false);
	keep = run(KEEP_GAS, KEEP_FIXED | KEEP_BY_CLIENT);
	answered_by("erigon");
	failed(&keep, GETH, REVERT("3", "execution reverted", DATA), false);
	answered_by("Geth");
	failed(&keep, GETH, REVERT("3", "execution reverted", DATA), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEP_TEST(calls_are_data),
		KEEP_TEST(gas_is_a_quantity),
		KEEP_TEST(what_a_limit_has_touched_is_not_kept),
		KEEP_TEST(an_error_at_the_very_end),
		KEEP_TEST(every_error_is_read),
		KEEP_TEST(a_tracer_answers_what_it_likes),
		KEEP_TEST(it_depends_on_the_client),
		KEEP_TEST(reverts_are_kept),
		KEEP_TEST(other_errors_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
