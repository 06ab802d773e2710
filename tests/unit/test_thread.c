/* SPDX-License-Identifier: MIT */
#include "base/thread.h"
#include "unit.h"
#include <signal.h>
#include <unistd.h>

static int pipes[2];

/* Nobody reads: without a mask this ends the program. */
static void *write_to_nobody(void *cookie)
{
	*(bool *)cookie = write(pipes[1], "x", 1) < 0;
	return NULL;
}

static void a_thread_of_ours_gets_no_signals(void **state)
{
	(void)state;
	pthread_t thread;
	sigset_t before, after;
	bool failed = false;
	assert_int_equal(pipe(pipes), 0);
	close(pipes[0]);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_ok(thread_start(&thread, write_to_nobody, &failed));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(failed);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int signal = 1; signal < 32; signal++)
		assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_of_ours_gets_no_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
