/* SPDX-License-Identifier: MIT */
/* JSON-RPC bodies through the whole of src/rpc and src/layers, with a scripted remote node. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"

/* ---- facts ---- */

static void facts_are_asked_once(void **state)
{
	(void)state;
	assert_int_equal(expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"latest\"]"),
				RESULT("\"0x7\"")),
			 1);
	assert_int_equal(expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x3e8\"]"),
				RESULT("\"0x7\"")),
			 0);
	assert_int_equal(expect(CALL("eth_getBalance",
				     "[\"0x00000000000000000000000000000000000000AA\"]"),
				RESULT("\"0x7\"")),
			 0);
	assert_int_equal(
		expect(CALL("eth_getBalance", "[\"" ADDRESS "\",{\"blockHash\":\"" HASH_1000
					      "\",\"requireCanonical\":true}]"),
		       RESULT("\"0x7\"")),
		0);
	assert_int_equal(
		expect(CALL("eth_getTransactionCount", "[\"" ADDRESS "\",\"pending\"]"),
		       RESULT("\"0x3\"")),
		1);
	assert_int_equal(expect(CALL("eth_getCode", "[\"" ADDRESS "\"]"), RESULT("\"0x6001\"")),
			 1);
	assert_int_equal(expect(CALL("eth_getCode", "[\"" ADDRESS "\"]"), RESULT("\"0x6001\"")),
			 0);
}

static void account_info_is_composed_of_facts(void **state)
{
	(void)state;
	const char *info =
		RESULT("{\"balance\":\"0x7\",\"nonce\":\"0x3\",\"code\":\"0x6001\"}");
	assert_int_equal(
		expect(CALL("eth_getAccountInfo", "[\"" ADDRESS "\",\"latest\"]"), info), 3);
	assert_int_equal(
		expect(CALL("eth_getAccountInfo", "[\"" ADDRESS "\",\"latest\"]"), info), 0);
	assert_int_equal(expect(CALL("eth_getCode", "[\"" ADDRESS "\"]"), RESULT("\"0x6001\"")),
			 0);
}

static void no_code_is_an_answer(void **state)
{
	(void)state;
	const char *body =
		CALL("eth_getCode", "[\"0x00000000000000000000000000000000000000bb\"]");
	assert_int_equal(expect(body, RESULT("\"0x\"")), 1);
	assert_int_equal(expect(body, RESULT("\"0x\"")), 0);
}

static void slots_share_one_entry_in_all_spellings(void **state)
{
	(void)state;
	const char *word = RESULT(
		"\"0x00000000000003e8000000000000000000000000000000000000000000000001\"");
	assert_int_equal(
		expect(CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x1\",\"latest\"]"), word),
		1);
	assert_int_equal(
		expect(CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x01\",\"0x3e8\"]"), word),
		0);
	assert_int_equal(expect(CALL("eth_getStorageAt",
				     "[\"" ADDRESS "\",\"0x" ZEROS_58 "000001\",\"safe\"]"),
				word),
			 0);
	assert_int_equal(expect(CALL("eth_getStorageValues",
				     "[{\"" ADDRESS "\":[\"0x1\",\"0x2\"]},\"latest\"]"),
				RESULT("{\"" ADDRESS "\":["
				       "\"0x00000000000003e800000000000000000000000000000000000"
				       "0000000000001\","
				       "\"0x00000000000003e800000000000000000000000000000000000"
				       "0000000000002\"]}")),
			 1);
}

static void above_the_pin_there_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x3e9\"]"),
				ERROR(-32000, "header not found")),
			 0);
	assert_int_equal(
		expect(CALL("eth_getBlockByNumber", "[\"0x3e9\",false]"), RESULT("null")), 0);
	/* A later block by its hash: the answer's number says so. */
	assert_int_equal(expect(CALL("eth_getBlockByHash", "[\"0x" ZEROS_58 "0003e9\",false]"),
				RESULT("null")),
			 1);
	assert_int_equal(
		expect(CALL("eth_getBalance",
			    "[\"" ADDRESS "\",{\"blockHash\":\"0x" ZEROS_58 "0003e9\"}]"),
		       ERROR(-32000, "header not found")),
		0);
	/* A later transaction. */
	assert_int_equal(expect(CALL("eth_getTransactionByHash", "[\"0x" ZEROS_58 "0003e9\"]"),
				RESULT("null")),
			 1);
}

static void older_blocks_are_resolved_and_bound(void **state)
{
	(void)state;
	const char *word = RESULT(
		"\"0x0000000000000064000000000000000000000000000000000000000000000001\"");
	/* The header, then the slot; then neither; the hash means the same block. */
	struct http_exchange *x =
		fake_http_post(request_start, rig.pool,
			       CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x1\",\"0x64\"]"));
	assert_int_equal(fake_fork_deliver(), 2);
	assert_string_equal(fake_http_reply(x), word);
	fake_http_free(&x);
	assert_int_equal(
		expect(CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x1\",\"0x64\"]"), word),
		0);
	assert_int_equal(expect(CALL("eth_getStorageAt",
				     "[\"" ADDRESS "\",\"0x1\",\"0x" ZEROS_58 "000064\"]"),
				word),
			 0);
}

static void blocks_are_kept_under_their_hash(void **state)
{
	(void)state;
	struct blob *json = block_json(100, 100);
	char reply[2048];
	snprintf(reply, sizeof reply, RESULT("%.*s"), (int)json->len,
		 (const char *)json->bytes);
	blob_put(&json);
	assert_int_equal(expect(CALL("eth_getBlockByNumber", "[\"0x64\",false]"), reply), 1);
	assert_int_equal(expect(CALL("eth_getBlockByNumber", "[\"0x64\"]"), reply), 0);
	assert_int_equal(
		expect(CALL("eth_getBlockByHash", "[\"0x" ZEROS_58 "000064\",false]"), reply),
		0);
	/* With transactions it is another question. */
	assert_int_equal(expect(CALL("eth_getBlockByNumber", "[\"0x64\",true]"), reply), 1);
	/* Not final: not bound to its number, so asked for again. */
	json = block_json(950, 950);
	snprintf(reply, sizeof reply, RESULT("%.*s"), (int)json->len,
		 (const char *)json->bytes);
	blob_put(&json);
	assert_int_equal(expect(CALL("eth_getBlockByNumber", "[\"0x3b6\",false]"), reply), 1);
	assert_int_equal(expect(CALL("eth_getBlockByNumber", "[\"0x3b6\",false]"), reply), 1);
}

static void transactions_are_bound_to_their_block(void **state)
{
	(void)state;
	const char *final = CALL("eth_getTransactionByHash", "[\"0x" ZEROS_58 "000064\"]");
	const char *reply =
		RESULT("{\"hash\":\"0x" ZEROS_58 "000064\",\"blockNumber\":\"0x64\"}");
	assert_int_equal(expect(final, reply), 1);
	assert_int_equal(expect(final, reply), 0);
	const char *recent = CALL("eth_getTransactionByHash", "[\"0x" ZEROS_58 "0003b6\"]");
	reply = RESULT("{\"hash\":\"0x" ZEROS_58 "0003b6\",\"blockNumber\":\"0x3b6\"}");
	assert_int_equal(expect(recent, reply), 1);
	assert_int_equal(expect(recent, reply), 1);
	/* The pinned block is not final here: an absent transaction is asked for again. */
	const char *absent = CALL("eth_getTransactionByHash", "[\"0x" ZEROS_58 "00dead\"]");
	assert_int_equal(expect(absent, RESULT("null")), 1);
	assert_int_equal(expect(absent, RESULT("null")), 1);
	rig.chain.pinned.block.final = true;
	assert_int_equal(expect(absent, RESULT("null")), 2);
	assert_int_equal(expect(absent, RESULT("null")), 0);
}

static void blocks_are_resolved_before_forwarding(void **state)
{
	(void)state;
	expect(CALL("eth_call", "[ {\"to\" : \"" ADDRESS "\"} ]"), RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER ",\"to\":\"" ADDRESS
					 "\"},{\"blockHash\":\"" HASH_1000 "\"}]");
	expect(CALL("eth_call", "[{},\"earliest\",{\"a\":1}]"), RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER "},\"0x0\",{\"a\":1}]");
	expect(CALL("eth_getLogs",
		    "[{\"address\":[],\"toBlock\":\"0xffff\",\"fromBlock\":\"0x1\"}]"),
	       RESULT("[]"));
	assert_string_equal(last_params, "[{\"fromBlock\":\"0x1\",\"toBlock\":\"0x3e8\"}]");
	assert_int_equal(expect(CALL("eth_getLogs", "[{\"fromBlock\":\"0x3e9\"}]"),
				ERROR(-32000, "block range extends beyond current head block")),
			 0);
	expect(CALL("foo_bar", "[1,{\"x\":\"\\u0041\"}]"), RESULT("\"foo_bar\""));
	assert_string_equal(last_params, "[1,{\"x\":\"A\"}]");
	assert_int_equal(
		expect(CALL("foo_bar", "[{\"x\":1,\"x\":2}]"),
		       ERROR(-32602, "an object in the parameters has one name twice, or a "
				     "name with an escape")),
		0);
}

static void equal_questions_in_one_batch_are_each_answered(void **state)
{
	(void)state;
	expect("[" CALL("eth_getBalance", "[\"" ADDRESS "\"]") "," CALL(
		       "eth_chainId", "[]") "," CALL("eth_getBalance", "[\"" ADDRESS "\"]") "]",
	       "[" RESULT("\"0x7\"") "," RESULT("\"0x1\"") "," RESULT("\"0x7\"") "]");
}

/* ---- local ---- */

static void identity_is_answered_here(void **state)
{
	(void)state;
	assert_int_equal(expect(CALL("eth_chainId", "[]"), RESULT("\"0x1\"")), 0);
	expect(CALL("net_version", "null"), RESULT("\"1\""));
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\"}",
	       RESULT("\"0x3e8\""));
	expect(CALL("eth_gasPrice", "[]"), RESULT("\"0x3b9aca10\""));
	expect(CALL("eth_syncing", "[]"), RESULT("false"));
	expect(CALL("web3_clientVersion", "[]"), RESULT("\"forkcache/test\""));
	expect(CALL("web3_sha3", "[\"0x68656c6c6f20776f726c64\"]"),
	       RESULT("\"0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad"
		      "\""));
}

static void dangerous_methods_are_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{"eth_sendRawTransaction", "it writes to the real chain, for which this "
					   "server needs --allow-send and no --fork-block"},
		{"eth_sendTransaction", "it writes to the real chain"},
		{"eth_signTransaction", "no keys are kept here"},
		{"anvil_nodeInfo", "a development method; ask your own fork node"},
		{"admin_peers", "it administers a node"},
		{"debug_setHead", "it administers a node"},
		{"debug_standardTraceBlockToFile", "it writes files on the node"},
		{"eth_newFilter", "no filters are kept here; ask eth_getLogs"},
		{"eth_subscribe", "no subscriptions over HTTP"},
	};
	char body[256], reply[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(body, sizeof body, CALL("%s", "[]"), rows[i].name);
		snprintf(reply, sizeof reply,
			 ERROR(-32601, "the method %s does not exist/is not available: %s"),
			 rows[i].name, rows[i].why);
		assert_int_equal(expect(body, reply), 0);
	}
}

/* ---- the envelope ---- */

static void requests_that_are_none(void **state)
{
	(void)state;
	expect("", NULL_ID(-32700, "parse error"));
	expect("{", NULL_ID(-32700, "parse error"));
	expect("[" CALL("eth_chainId", "[]") ",]", NULL_ID(-32700, "parse error"));
	expect(CALL("eth_chainId", "[]") " x", NULL_ID(-32700, "parse error"));
	expect("[]", NULL_ID(-32600, "empty batch"));
	expect("1", NULL_ID(-32600, "invalid request"));
	expect("[1,2]", "[" NULL_ID(-32600, "invalid request") "," NULL_ID(
				-32600, "invalid request") "]");
	expect("{\"id\":1,\"method\":\"eth_chainId\"}", ERROR(-32600, "invalid request"));
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"eth_chainId\"}",
	       NULL_ID(-32600, "invalid request: a member stands twice"));
	expect("{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"eth_chainId\"}",
	       NULL_ID(-32600, "invalid request"));
	expect("[" CALL("a", "[]") ",2,3,4,5,6]", "[" ERROR(-32600, "batch too large") "]");
}

static void ids_are_echoed_byte_for_byte(void **state)
{
	(void)state;
	expect("{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"eth_syncing\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"result\":false}");
	expect("{\"jsonrpc\":\"2.0\",\"id\":1.50,\"method\":\"eth_syncing\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":1.50,\"result\":false}");
	expect("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"eth_syncing\"}",
	       "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":false}");
}

static void notifications_get_no_answer(void **state)
{
	(void)state;
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}", "");
	expect("[{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}]", "");
	expect("[{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}," CALL("eth_syncing",
									 "[]") "]",
	       "[" RESULT("false") "]");
}

static void parameters_are_checked_as_go_ethereum_does(void **state)
{
	(void)state;
	expect(CALL("eth_getBalance", "[]"),
	       ERROR(-32602, "missing value for required argument 0"));
	expect(CALL("eth_getBalance", "{}"), ERROR(-32602, "non-array args"));
	expect(CALL("eth_chainId", "[1]"), ERROR(-32602, "too many arguments, want at most 0"));
	expect(CALL("eth_getBalance", "[\"0x12\"]"),
	       ERROR(-32602, "invalid argument 0: not an address: want 20 bytes of hex"));
	expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"100\"]"),
	       ERROR(-32602,
		     "invalid argument 1: hex string without 0x prefix, and not a block tag"));
	expect(CALL("eth_getBalance",
		    "[\"" ADDRESS "\",{\"blockNumber\":\"0x1\",\"blockHash\":\"" HASH_1000
		    "\"}]"),
	       ERROR(-32602,
		     "invalid argument 1: cannot specify both BlockHash and BlockNumber"));
}

/* ---- failures ---- */

static void failing_node(const struct fork_question *q, struct fork_answer *a)
{
	(void)q;
	a->err = ERR_TIMEOUT;
	a->detail = "upstream node.example:443: no answer in 9.0 s";
}

static void erring_node(const struct fork_question *q, struct fork_answer *a)
{
	(void)q;
	a->err = ERR_UPSTREAM;
	a->blob =
		json_blob("{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x08\"}");
}

static void lying_node(const struct fork_question *q, struct fork_answer *a)
{
	good_node(q, a);
	if (q->kind == FORK_CALL) {
		blob_put(&a->blob);
		a->blob = block_json(99, 99);
	}
}

static void failures_name_the_cause_and_are_not_kept(void **state)
{
	(void)state;
	fake_fork_set(failing_node, keep_check, stack_on_answer, rig.stack);
	const char *body = CALL("eth_getBalance", "[\"" ADDRESS "\"]");
	const char *error = ERROR(-32603, "upstream node.example:443: no answer in 9.0 s");
	assert_int_equal(expect(body, error), 1);
	assert_int_equal(expect(body, error), 1);
	fake_fork_set(good_node, keep_check, stack_on_answer, rig.stack);
	expect(body, RESULT("\"0x7\""));
}

static void an_upstreams_error_passes_unchanged(void **state)
{
	(void)state;
	fake_fork_set(erring_node, keep_check, stack_on_answer, rig.stack);
	expect(CALL("eth_call", "[{}]"),
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":3,"
	       "\"message\":\"execution reverted\",\"data\":\"0x08\"}}");
}

static void another_block_than_asked_is_no_answer(void **state)
{
	(void)state;
	fake_fork_set(lying_node, keep_check, stack_on_answer, rig.stack);
	expect(CALL("eth_getBlockByNumber", "[\"0x64\",false]"),
	       ERROR(-32603, "answered block 99 when asked for block 100"));
	expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x64\"]"),
	       ERROR(-32603, "answered block 99 when asked for block 100"));
	fake_fork_set(good_node, keep_check, stack_on_answer, rig.stack);
	expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x64\"]"), RESULT("\"0x7\""));
}

static void a_full_port_fails_the_call_alone(void **state)
{
	(void)state;
	fake_fork_refuse(1);
	expect("[" CALL("eth_getBalance",
			"[\"" ADDRESS "\"]") "," CALL("eth_getCode", "[\"" ADDRESS "\"]") "]",
	       "[" ERROR(-32005, "too many requests wait for the upstream: try again") "," RESULT(
		       "\"0x6001\"") "]");
	/* One of three facts refused: the other two are given up, the call fails once. */
	fake_fork_refuse(0);
	stack_turn_end(rig.view);
	struct http_exchange *x = fake_http_post(
		request_start, rig.pool,
		CALL("eth_getStorageValues", "[{\"" ADDRESS "\":[\"0x1\",\"0x2\"]}]"));
	assert_int_equal(fake_fork_queued(), 2);
	fake_http_abort(x);
	assert_int_equal(fake_fork_queued(), 0);
	fake_http_free(&x);
}

static void a_client_that_goes_cancels_its_questions(void **state)
{
	(void)state;
	struct http_exchange *x =
		fake_http_post(request_start, rig.pool,
			       "[" CALL("eth_getBalance",
					"[\"" ADDRESS "\"]") "," CALL("eth_call", "[{}]") "]");
	assert_int_equal(fake_fork_queued(), 2);
	fake_http_abort(x);
	assert_int_equal(fake_fork_queued(), 0);
	fake_http_free(&x);
}

static void offline_misses_name_what_is_missing(void **state)
{
	(void)state;
	expect(CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x5\",\"latest\"]"),
	       ERROR(-32001, "not in the cache (offline): eth_getStorageAt " ADDRESS
			     " slot 0x" ZEROS_58 "000005 at block 1000"));
	expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x64\"]"),
	       ERROR(-32001,
		     "not in the cache (offline): eth_getBalance " ADDRESS " at block 100"));
	/* A hash that nobody asked for is not known here: fork nodes poll their own. */
	expect(CALL("eth_getTransactionReceipt", "[\"" HASH_1000 "\"]"), RESULT("null"));
	expect(CALL("eth_chainId", "[]"), RESULT("\"0x1\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONLINE(facts_are_asked_once),
		ONLINE(account_info_is_composed_of_facts),
		ONLINE(no_code_is_an_answer),
		ONLINE(slots_share_one_entry_in_all_spellings),
		ONLINE(above_the_pin_there_is_nothing),
		ONLINE(older_blocks_are_resolved_and_bound),
		ONLINE(blocks_are_kept_under_their_hash),
		ONLINE(transactions_are_bound_to_their_block),
		ONLINE(blocks_are_resolved_before_forwarding),
		ONLINE(equal_questions_in_one_batch_are_each_answered),
		ONLINE(identity_is_answered_here),
		ONLINE(dangerous_methods_are_refused),
		ONLINE(requests_that_are_none),
		ONLINE(ids_are_echoed_byte_for_byte),
		ONLINE(notifications_get_no_answer),
		ONLINE(parameters_are_checked_as_go_ethereum_does),
		ONLINE(failures_name_the_cause_and_are_not_kept),
		ONLINE(an_upstreams_error_passes_unchanged),
		ONLINE(another_block_than_asked_is_no_answer),
		ONLINE(a_full_port_fails_the_call_alone),
		ONLINE(a_client_that_goes_cancels_its_questions),
		OFFLINE(offline_misses_name_what_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
