/* SPDX-License-Identifier: MIT */
#include "capture.h"
#include "base/check.h"
#include <signal.h>
#include <sys/wait.h>

static void check_logs_counts_and_yields_false(void **state)
{
	(void)state;
	unsigned long before = check_failures();
	static struct capture out;
	int one = 1;
	capture_start(&out);
	bool held = CHECK(one == 1);
	bool broke = CHECK(one == 2);
	capture_end(&out);
	assert_true(held);
	assert_false(broke);
	assert_int_equal(check_failures(), before + 1);
	assert_non_null(strstr(out.text, "expected=\"one == 2\""));
	assert_non_null(strstr(out.text, "test_check.c"));
	assert_null(strstr(out.text, "one == 1"));
}

static void require_aborts_and_says_where(void **state)
{
	(void)state;
	int ends[2];
	assert_ok(pipe(ends));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL); /* cmocka's handler would run the next test here */
		dup2(ends[1], STDERR_FILENO);
		REQUIRE(ends[0] < 0);
		_exit(0);
	}
	close(ends[1]);
	char text[512] = "";
	assert_true(read(ends[0], text, sizeof text - 1) > 0);
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "ends[0] < 0"));
	assert_non_null(strstr(text, "test_check.c:"));
	REQUIRE(child > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_logs_counts_and_yields_false),
		cmocka_unit_test(require_aborts_and_says_where),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
