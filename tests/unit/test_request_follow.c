/* SPDX-License-Identifier: MIT */
/* Following: what tags mean, for how long, and what happens when the chain is reorganised. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "follow_fixture.h"

/* ---- how often is asked ---- */

static void a_head_is_asked_for_once_a_second(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "");
	node.head = 1001;
	pass(SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "");
	pass(1);
	follow(BLOCK_NUMBER, RESULT("\"0x3e9\""), "latest");
	unsigned asked = fake_fork_asked();
	pass(3600 * SECOND_US);
	assert_int_equal(fake_fork_asked(), asked); /* nobody wants to know */
	follow(BLOCK_NUMBER, RESULT("\"0x3e9\""), "latest finalized");
}

static void what_does_not_depend_on_the_head_does_not_ask(void **state)
{
	(void)state;
	follow(CALL("eth_chainId", "[]"), RESULT("\"0x1\""), "");
	follow(BALANCE("\"0x64\""), RESULT("\"0x64\""), "0x64 state@number");
	follow(BALANCE("\"0x64\""), RESULT("\"0x64\""), "");
}

static void all_who_wait_share_one_question(void **state)
{
	struct http_exchange *x[20];

	(void)state;
	for (size_t i = 0; i < 20; i++)
		x[i] = fake_http_post(request_start, rig.pool, BLOCK_NUMBER);
	fake_http_abort(x[3]);
	fake_http_abort(x[19]);
	assert_int_equal(fake_fork_queued(), 2);
	fake_fork_deliver();
	for (size_t i = 0; i < 20; i++) {
		if (i != 3 && i != 19)
			assert_string_equal(fake_http_reply(x[i]), RESULT("\"0x3e8\""));
		fake_http_free(&x[i]);
	}
}

/* ---- one body, one head ---- */

static void a_body_sees_one_head(void **state)
{
	(void)state;
	follow("[" LATEST "," BLOCK_NUMBER "," BALANCE("\"finalized\"") "," LATEST "]",
	       "[" RESULT("\"0x13e8\"") "," RESULT("\"0x3e8\"") "," RESULT(
		       "\"0x384\"") "," RESULT("\"0x13e8\"") "]",
	       "latest finalized state@hash state@hash state@number");
	follow(LATEST, RESULT("\"0x13e8\""), "");
	pass(2 * SECOND_US);
	node.head = 1001;
	follow("[" BLOCK_NUMBER "," LATEST "]",
	       "[" RESULT("\"0x3e9\"") "," RESULT("\"0x13e9\"") "]", "latest state@hash");
}

static void many_slots_wait_for_the_head(void **state)
{
#define WORD "\"0x00000000000000000000000000000000000000000000000000000000000013e8\""
	(void)state;
	follow(CALL("eth_getStorageValues", "[{\"" ADDRESS "\":[\"0x1\",\"0x2\"]}]"),
	       RESULT("{\"" ADDRESS "\":[" WORD "," WORD "]}"),
	       "latest finalized state@hash state@hash");
}

static void pending_is_passed_on_and_kept_by_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		follow(BALANCE("\"pending\""), RESULT("[\"" ADDRESS "\",\"pending\"]"), "call");
	follow("[" BALANCE("\"pending\"") "," BALANCE("\"pending\"") "]",
	       "[" RESULT("[\"" ADDRESS "\",\"pending\"]") "," RESULT("[\"" ADDRESS
								      "\",\"pending\"]") "]",
	       "call call");
}

static void a_tag_that_the_chain_does_not_have(void **state)
{
	(void)state;
	node.no_safe = true;
	follow("[" BALANCE("\"safe\"") "," LATEST "]",
	       "[" ERROR(-32000, "safe block not found") "," RESULT("\"0x13e8\"") "]",
	       "safe latest finalized state@hash");
}

/* ---- numbers near the head ---- */

static void a_number_is_bound_as_long_as_the_head_grows(void **state)
{
	(void)state;
	follow(BALANCE("\"0x3de\""), RESULT("\"0x13de\""),
	       "latest finalized 0x3de guarded state@hash");
	follow(BALANCE("\"0x3de\""), RESULT("\"0x13de\""), "");
	follow(BALANCE("\"0x3e7\""), RESULT("\"0x13e7\""),
	       "state@hash"); /* the head's parent */
	pass(2 * SECOND_US);
	node.head = 1001; /* the child */
	follow(BALANCE("\"0x3de\""), RESULT("\"0x13de\""), "latest");
	follow(BALANCE("\"0x3e8\""), RESULT("\"0x13e8\""),
	       "state@hash"); /* its parent is known */
	pass(2 * SECOND_US);
	node.head = 1005; /* whose parents nobody saw */
	follow(BALANCE("\"0x3de\""), RESULT("\"0x13de\""), "latest 0x3de guarded");
	pass(2 * SECOND_US);
	node.head = 1006;
	node.branch = 2;
	follow(BALANCE("\"0x3de\""), RESULT("\"0x23de\""), "latest 0x3de guarded state@hash");
}

static void what_is_above_the_head_is_not_there(void **state)
{
	(void)state;
	follow("[" BLOCK("\"0x3e9\"") "," BALANCE("\"0x3e9\"") "]",
	       "[" RESULT("null") "," ERROR(-32000, "header not found") "]",
	       "latest finalized");
}

static void a_final_number_is_bound_for_ever(void **state)
{
	(void)state;
	follow(BALANCE("\"0x38e\""), RESULT("\"0x38e\""),
	       "latest finalized 0x38e guarded state@hash");
	node.finalized = 940;
	node.head = 1100;
	pass(61 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x44c\""), "latest finalized");
	follow(BALANCE("\"0x38f\""), RESULT("\"0x38f\""), "0x38f state@number");
	node.branch = 7;
	pass(61 * SECOND_US);
	follow(BALANCE("\"0x38f\""), RESULT("\"0x38f\""), "");
}

/* 96 below the head on chain 1. */
static void without_the_tag_depth_is_final(void **state)
{
	(void)state;
	node.no_finalized = true;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.head = 1096;
	pass(2 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x448\""), "latest");
	pass(2 * SECOND_US);
	node.head++; /* two in a row */
	follow(BLOCK_NUMBER, RESULT("\"0x449\""), "latest");
	follow(BALANCE("\"0x3e8\""), RESULT("\"0x13e8\""), "0x3e8 state@number");
	follow(BALANCE("\"0x3e9\""), RESULT("\"0x13e9\""), "0x3e9 guarded state@hash");
}

static void require_canonical_is_checked_on_the_branch_of_now(void **state)
{
	char body[512], hex[64];
	struct eth_bytes32 hash = node_hash(990);

	(void)state;
	eth_hex(hash.bytes, 32, hex);
	snprintf(body, sizeof body,
		 CALL("eth_getBalance",
		      "[\"" ADDRESS
		      "\",{\"blockHash\":\"0x%.64s\",\"requireCanonical\":true}]"),
		 hex);
	follow(BALANCE("\"0x3de\""), RESULT("\"0x13de\""),
	       "latest finalized 0x3de guarded state@hash");
	follow(body, RESULT("\"0x13de\""), "");
	node.branch = 2;
	node.head = 1001;
	pass(2 * SECOND_US);
	follow(body, ERROR(-32000, "hash is not currently canonical"), "latest 0x3de guarded");
	follow(body, ERROR(-32000, "hash is not currently canonical"), "");
}

/* ---- the head goes on ---- */

static void a_lower_head_is_held_for_a_while(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.head = 998;
	node.branch = 2;
	pass(2 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest");
	pass(29 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest");
	pass(2 * SECOND_US);
	follow("[" BLOCK_NUMBER "," LATEST "]",
	       "[" RESULT("\"0x3e6\"") "," RESULT("\"0x23e6\"") "]", "latest state@hash");
}

static void a_node_that_lags_now_and_then_is_not_followed_back(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	for (int i = 0; i < 50; i++) {
		node.head = i % 2 ? 1000 : 997;
		pass(2 * SECOND_US);
		node.asked[0] = '\0';
		struct http_exchange *x = fake_http_post(request_start, rig.pool, BLOCK_NUMBER);
		fake_fork_deliver();
		assert_string_equal(fake_http_reply(x), RESULT("\"0x3e8\""));
		fake_http_free(&x);
	}
}

/* ---- a reorganisation while a body runs ---- */

static void the_body_runs_again_under_the_new_head(void **state)
{
	(void)state;
	node.lacks_state = true;
	node.reorgs = 1;
	follow("[" BLOCK_NUMBER "," LATEST "," BALANCE("\"0x64\"") "]",
	       "[" RESULT("\"0x3e8\"") "," RESULT("\"0x23e8\"") "," RESULT("\"0x64\"") "]",
	       "latest finalized 0x64 state@hash state@number latest state@hash");
}

static void a_guard_that_fails_makes_it_run_again(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.branch = 2; /* and the head that was heard is not a second old */
	node.lacks_state = true;
	follow("[" BLOCK_NUMBER "," BALANCE("\"0x3de\"") "]",
	       "[" RESULT("\"0x3e8\"") "," RESULT("\"0x23de\"") "]",
	       "0x3de guarded latest 0x3de guarded state@hash");
}

static void what_the_same_head_lacks_is_an_error(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.lacks_state = true;
	node.stem = 2000; /* the state of 1000 is gone, and the head is told as before */
	struct eth_bytes32 hash = node_hash(1000);
	assert_int_equal(hash.bytes[8], 0);
	node.head = 990;
	follow(LATEST, ERROR(-32603, "it does not have the block"), "state@hash latest");
}

static void there_is_an_end_to_it(void **state)
{
	(void)state;
	node.lacks_state = true;
	node.reorgs = 100;
	follow(LATEST, ERROR(-32603, "it does not have the block"),
	       "latest finalized state@hash latest state@hash latest state@hash latest "
	       "state@hash latest state@hash");
}

static void a_client_that_goes_while_the_head_is_looked_at(void **state)
{
	(void)state;
	node.lacks_state = true;
	node.reorgs = 1;
	struct http_exchange *x = fake_http_post(request_start, rig.pool, LATEST);
	for (int i = 0; i < 3; i++)
		assert_true(fake_fork_deliver_one()); /* latest, finalized, state */
	assert_null(fake_http_reply(x));
	fake_http_abort(x);
	fake_http_free(&x);
	node.asked[0] = '\0';
	fake_fork_deliver();
	follow(LATEST, RESULT("\"0x23e8\""), "state@hash");
}

/* What was found in the cache in the turn in which the head was asked for again is still there
 * when that has come. */
static void an_answer_is_held_while_the_head_is_looked_at(void **state)
{
	char hex[64], said[128], key[256], reply[512];
	struct eth_bytes32 hash = node_hash(990);
	static const char uncle[] =
		CALL("eth_getUncleByBlockNumberAndIndex", "[\"0x3de\",\"0x0\"]");
	static const char body[] = "[" LATEST "," CALL("eth_getUncleByBlockNumberAndIndex",
						       "[\"0x3de\",\"0x0\"]") "]";

	(void)state;
	eth_hex(hash.bytes, 32, hex);
	snprintf(said, sizeof said, "[\"0x%.64s\",\"0x0\"]", hex);
	snprintf(reply, sizeof reply, RESULT("%s"), said);
	follow(uncle, reply, "latest finalized 0x3de guarded call");
	node.head = 1005; /* whose parents nobody saw: the number is asked for again */
	node.lacks = 1;
	pass(2 * SECOND_US);
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);
	for (int i = 0; i < 3; i++)
		assert_true(fake_fork_deliver_one()); /* latest, state, 0x3de */
	stack_turn_end(rig.view);
	assert_null(fake_http_reply(x));
	snprintf(key, sizeof key, "1:eth_getUncleByBlockHashAndIndex%s", said);
	stack_keep_reply(rig.stack, span_of(key), 990, SPAN("\"another\""));
	stack_turn_end(rig.view);
	struct blob *others[16];
	for (size_t i = 0; i < 16; i++) /* where it was */
		others[i] = blob_copy(key, strlen(said));
	fake_fork_deliver();
	snprintf(reply, sizeof reply,
		 "[" ERROR(-32603, "it does not have the block") "," RESULT("%s") "]", said);
	assert_string_equal(fake_http_reply(x), reply);
	fake_http_free(&x);
	for (size_t i = 0; i < 16; i++)
		blob_put(&others[i]);
}

/* ---- by transaction ---- */

#define RECEIPT CALL("eth_getTransactionReceipt", "[\"0x" ZEROS_58 "00beef\"]")

static void receipt_is(const char *asked)
{
	char hex[64], reply[512];
	struct eth_bytes32 hash = node_hash(strtoull(node.receipt, NULL, 16));

	eth_hex(hash.bytes, 32, hex);
	snprintf(reply, sizeof reply,
		 RESULT("{\"transactionHash\":\"0x" ZEROS_58
			"00beef\",\"blockNumber\":\"0x%s\",\"blockHash\":\"0x%.64s\"}"),
		 node.receipt, hex);
	follow(RECEIPT, reply, asked);
}

static void a_receipt_is_good_while_its_block_is_on_the_chain(void **state)
{
	(void)state;
	node.receipt = "3e7";
	receipt_is("receipt");
	/* It is here, and so is the head's parent. */
	receipt_is("latest finalized");
	receipt_is("");
	pass(2 * SECOND_US);
	node.branch = 2;
	node.head = 1001;
	receipt_is("latest receipt");
	node.receipt = "3e6";
	node.branch = 3;
	pass(2 * SECOND_US);
	receipt_is("latest receipt");
}

static void a_receipt_of_a_final_block_is_good_for_ever(void **state)
{
	(void)state;
	node.receipt = "64";
	receipt_is("receipt");
	pass(2 * SECOND_US);
	node.branch = 4;
	receipt_is("");
}

static void a_receipt_above_the_head_makes_it_ask(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.head = 1001;
	node.receipt = "3e9";
	receipt_is("receipt");
	follow(BLOCK_NUMBER, RESULT("\"0x3e9\""), "latest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_head_is_asked_for_once_a_second),
		TEST(what_does_not_depend_on_the_head_does_not_ask),
		TEST(all_who_wait_share_one_question),
		TEST(a_body_sees_one_head),
		TEST(many_slots_wait_for_the_head),
		TEST(pending_is_passed_on_and_kept_by_nobody),
		TEST(a_tag_that_the_chain_does_not_have),
		TEST(a_number_is_bound_as_long_as_the_head_grows),
		TEST(what_is_above_the_head_is_not_there),
		TEST(a_final_number_is_bound_for_ever),
		TEST(without_the_tag_depth_is_final),
		TEST(require_canonical_is_checked_on_the_branch_of_now),
		TEST(a_lower_head_is_held_for_a_while),
		TEST(a_node_that_lags_now_and_then_is_not_followed_back),
		TEST(the_body_runs_again_under_the_new_head),
		TEST(a_guard_that_fails_makes_it_run_again),
		TEST(what_the_same_head_lacks_is_an_error),
		TEST(there_is_an_end_to_it),
		TEST(a_client_that_goes_while_the_head_is_looked_at),
		TEST(an_answer_is_held_while_the_head_is_looked_at),
		TEST(a_receipt_is_good_while_its_block_is_on_the_chain),
		TEST(a_receipt_of_a_final_block_is_good_for_ever),
		TEST(a_receipt_above_the_head_makes_it_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
