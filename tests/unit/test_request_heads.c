/* SPDX-License-Identifier: MIT */
/* Following: which tags a call waits for, and heads that cannot be. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "follow_fixture.h"

#define LOGS(from, to)	CALL("eth_getLogs", "[{\"fromBlock\":" from ",\"toBlock\":" to "}]")
#define ASKED(from, to) "[{\"fromBlock\":\"" from "\",\"toBlock\":\"" to "\"}]"

/* ---- ranges ---- */

static void tags_are_ends_of_a_range(void **state)
{
	(void)state;
	/* 905, of which only what is below 901 is final. */
	follow(LOGS("\"0x1\"", "\"safe\""), RESULT("[]"),
	       "latest finalized safe " ASKED("0x1", "0x389") " guarded");
	follow(LOGS("\"0x1\"", "\"finalized\""), RESULT("[]"), ASKED("0x1", "0x384"));
	follow(LOGS("\"0x1\"", "\"finalized\""), RESULT("[]"), "");
	follow(LOGS("\"finalized\"", "\"pending\""), RESULT("[]"),
	       ASKED("0x384", "0x3e8") " guarded");
	follow(LOGS("\"safe\"", "\"latest\""), RESULT("[]"),
	       ASKED("0x389", "0x3e8") " guarded");
	follow(LOGS("\"latest\"", "\"safe\""), ERROR(-32602, "invalid block range params"), "");
}

static void a_range_to_a_tag_that_is_not_there(void **state)
{
	(void)state;
	node.no_safe = true;
	follow("[" LOGS("\"safe\"", "\"latest\"") "," LOGS("\"0x1\"", "\"finalized\"") "]",
	       "[" ERROR(-32000, "safe block not found") "," RESULT("[]") "]",
	       "latest finalized safe " ASKED("0x1", "0x384"));
}

/* ---- heads that cannot be ---- */

static void what_is_final_is_not_above_the_head(void **state)
{
	(void)state;
	node.finalized = 5000;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized latest");
	assert_int_equal(rig.chain.finalized, 1000);
	node.head = 1100;
	pass(2 * SECOND_US);
	follow(BALANCE("\"0x3e9\""), RESULT("\"0x13e9\""), "latest 0x3e9 guarded state@hash");
	node.finalized = 1050;
	pass(61 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x44c\""), "latest finalized");
	assert_int_equal(rig.chain.finalized, 1050);
	node.finalized = 20; /* and does not go back */
	pass(61 * SECOND_US);
	follow(BALANCE("\"finalized\""), RESULT("\"0x141a\""), "finalized state@number");
	assert_int_equal(rig.chain.finalized, 1050);
}

static void who_wants_nothing_but_what_is_final(void **state)
{
	(void)state;
	node.stem = 5000;
	for (unsigned i = 1; i <= 3; i++) {
		node.head = 1000 + 1000 * i;
		node.finalized = node.head - 100;
		char reply[64];
		snprintf(reply, sizeof reply, RESULT("\"0x%llx\""),
			 (unsigned long long)node.finalized);
		pass(2 * SECOND_US);
		follow(BALANCE("\"finalized\""), reply, "finalized latest state@hash");
		pass(2 * SECOND_US);
		follow(BALANCE("\"finalized\""), reply, "finalized");
		assert_int_equal(rig.chain.finalized, node.finalized);
	}
}

static void a_head_with_two_numbers_is_the_one_that_came_first(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.alias = 4000;
	pass(2 * SECOND_US);
	follow("[" BLOCK_NUMBER "," BALANCE("\"0x3de\"") "]",
	       "[" RESULT("\"0x3e8\"") "," RESULT("\"0x13de\"") "]",
	       "latest 0x3de guarded state@hash");
}

/* One head is wrong, and nothing becomes final by it. */
static void a_huge_head_makes_nothing_final(void **state)
{
	(void)state;
	node.no_finalized = true;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.head = UINT64_MAX;
	pass(2 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0xffffffffffffffff\""), "latest");
	node.head = 1001;
	pass(2 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0xffffffffffffffff\""), "latest");
	pass(31 * SECOND_US);
	follow(BLOCK_NUMBER, RESULT("\"0x3e9\""), "latest");
	assert_int_equal(rig.chain.finalized, 1001 - 96);
}

static void a_node_without_a_head(void **state)
{
	(void)state;
	node.head = 0;
	follow("[" BLOCK_NUMBER "," LATEST "]",
	       "[" ERROR(-32000, "latest block not found") "," ERROR(
		       -32000, "latest block not found") "]",
	       "latest finalized");
	node.head = 1001;
	follow(BLOCK_NUMBER, RESULT("\"0x3e9\""), "latest");
}

/* It has been waited for long enough: nobody looks at the head again. */
static void a_head_that_nobody_has_is_waited_for_once(void **state)
{
	(void)state;
	node.no_head = true;
	follow("[" LATEST "," BALANCE("\"0x64\"") "]",
	       "["
	       "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":" NO_HEAD "}"
	       "," RESULT("\"0x64\"") "]",
	       "latest finalized 0x64 state@number");
}

enum { ITEMS = 1000 };

/* So many that wait for one tag: half of them notifications, of which the others hear nothing.
 */
static void a_thousand_wait_for_one_tag(void **state)
{
	static const char item[] = BALANCE("\"safe\"") ",";
	static const char silent[] = "{\"jsonrpc\":\"2.0\",\"method\":\"eth_getBalance\","
				     "\"params\":[\"" ADDRESS "\",\"safe\"]},";
	struct buf body;
	size_t answers = 0;

	(void)state;
	buf_init(&body, 1u << 20);
	buf_char(&body, '[');
	for (unsigned i = 0; i < ITEMS; i++)
		buf_text(&body, i % 2 ? silent : item);
	body.ptr[body.len - 1] = ']';
	buf_char(&body, '\0');
	for (int leaves = 1; leaves >= 0; leaves--) {
		struct http_exchange *x = fake_http_post(request_start, rig.pool, body.ptr);
		assert_int_equal(fake_fork_queued(), 1);
		if (leaves)
			fake_http_abort(x);
		fake_fork_deliver();
		for (const char *at = fake_http_reply(x); at != NULL;
		     at = strstr(at + 1, "\"id\":1,\"result\":\"0x389\""))
			answers++;
		fake_http_free(&x);
		pass(2 * SECOND_US);
	}
	assert_int_equal(answers, 1 + ITEMS / 2); /* and the reply itself */
	buf_release(&body);
}

static void a_body_that_saw_another_tag_begins_anew_for_another_head(void **state)
{
	const char *lacking_it = ERROR(-32603, "it does not have the block");

	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.lacks = 1;
	follow(BALANCE("\"safe\""), lacking_it, "safe state@hash latest");
	node.lacks = 1;
	node.branch = 2;
	follow(BALANCE("\"safe\""), RESULT("\"0x389\""), "state@hash latest state@hash");
}

/* Where there was a tag, its failure does not make the depth count. */
static void a_tag_that_fails_now_and_then(void **state)
{
	(void)state;
	follow(BLOCK_NUMBER, RESULT("\"0x3e8\""), "latest finalized");
	node.no_finalized = true;
	for (unsigned i = 0; i < 3; i++) {
		node.head += 1000;
		pass(61 * SECOND_US);
		node.asked[0] = '\0';
		struct http_exchange *x = fake_http_post(request_start, rig.pool, BLOCK_NUMBER);
		fake_fork_deliver();
		assert_string_equal(node.asked, "latest finalized");
		fake_http_free(&x);
	}
	assert_int_equal(rig.chain.finalized, 900);
}

/* ---- clients that go ---- */

/* After so many answers; false: it had its reply by then. */
static bool leave_after(size_t scene, unsigned answers)
{
	bool left = true;

	scene_set(scene);
	struct http_exchange *x = fake_http_post(request_start, rig.pool, scenes[scene].body);
	for (unsigned i = 0; i < answers; i++)
		fake_fork_deliver_one();
	left = fake_http_reply(x) == NULL;
	fake_http_abort(x);
	fake_http_free(&x);
	stack_turn_end(rig.view);
	assert_in_range(fake_fork_queued(), 0, 3); /* what was asked about the head */
	fake_fork_deliver();
	x = fake_http_post(request_start, rig.pool, scenes[scene].body);
	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	if (strstr(fake_http_reply(x), "error") != NULL)
		fail_msg("scene %zu, %u answers: %s", scene, answers, fake_http_reply(x));
	fake_http_free(&x);
	return left;
}

static void clients_go_at_every_point(void **state)
{
	teardown_following(state);
	for (size_t scene = 0; scene < sizeof scenes / sizeof scenes[0]; scene++) {
		bool left = true;
		unsigned n;
		for (n = 0; left; n++) {
			setup(state);
			left = leave_after(scene, n);
			teardown_following(state);
		}
		assert_in_range(n, 4, 30);
	}
	setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tags_are_ends_of_a_range),
		TEST(a_range_to_a_tag_that_is_not_there),
		TEST(what_is_final_is_not_above_the_head),
		TEST(who_wants_nothing_but_what_is_final),
		TEST(a_head_with_two_numbers_is_the_one_that_came_first),
		TEST(a_huge_head_makes_nothing_final),
		TEST(a_node_without_a_head),
		TEST(a_head_that_nobody_has_is_waited_for_once),
		TEST(a_body_that_saw_another_tag_begins_anew_for_another_head),
		TEST(a_tag_that_fails_now_and_then),
		TEST(a_thousand_wait_for_one_tag),
		TEST(clients_go_at_every_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
