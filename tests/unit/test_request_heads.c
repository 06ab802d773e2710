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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tags_are_ends_of_a_range),
		TEST(a_range_to_a_tag_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
