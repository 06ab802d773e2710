/* SPDX-License-Identifier: MIT */
/* Turns that the owner asks for one by one, and the descriptor that says when. */
#include "loop_fixture.h"
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static bool readable(int timeout_ms)
{
	struct pollfd asked = {.fd = loop_poll_fd(loop), .events = POLLIN};
	assert_true(asked.fd >= 0);
	return poll(&asked, 1, timeout_ms) == 1;
}

static void note_char(void *cookie)
{
	note(*(const char *)cookie);
}

static void a_turn_does_not_wait_longer_than_told(void **state)
{
	(void)state;
	struct loop_timer timer;
	char name = 't';
	loop_timer_init(&timer, note_char, &name);
	assert_ok(loop_timer_start(loop, &timer, UINT64_C(3600000000)));
	assert_ok(loop_turn(loop, 0));
	assert_ok(loop_turn(loop, 1000));
	assert_string_equal(trace, "");
	assert_ok(loop_timer_start(loop, &timer, 1000));
	while (trace[0] == 0)
		assert_ok(loop_turn(loop, -1)); /* the timer ends the wait */
	assert_string_equal(trace, "t");
}

static void hooks_run_before_the_wait_and_after_it(void **state)
{
	(void)state;
	struct loop_hook hook;
	turns = 0;
	loop_hook_add(loop, &hook, count_turn, NULL);
	assert_ok(loop_turn(loop, 0));
	assert_int_equal(turns, 2);
}

static void *signal_it(void *wake)
{
	loop_wake_signal(wake);
	return NULL;
}

static void a_signal_makes_it_readable_and_ends_the_wait(void **state)
{
	(void)state;
	struct loop_wake wake;
	char name = 'w';
	assert_ok(loop_wake_init(loop, &wake, note_char, &name));
	assert_false(readable(0));
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		assert_ok(pthread_create(&thread, NULL, signal_it, &wake));
		assert_true(readable(-1));
		assert_ok(loop_turn(loop, -1));
		assert_false(readable(0));
		assert_ok(pthread_join(thread, NULL));
	}
	assert_string_equal(trace, "www");
	loop_wake_release(loop, &wake);
}

static void fd_ready(void *cookie, unsigned events)
{
	struct loop_fd *lfd = cookie;
	char byte;
	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(lfd->fd, &byte, 1), 1);
	note(byte);
}

static void a_descriptor_makes_it_readable_until_it_was_read(void **state)
{
	(void)state;
	struct loop_fd lfd;
	int ends[2];
	assert_ok(pipe(ends));
	assert_ok(loop_fd_add(loop, &lfd, ends[0], 0, fd_ready, &lfd));
	assert_int_equal(write(ends[1], "ab", 2), 2);
	assert_false(readable(0));
	loop_fd_want(loop, &lfd, LOOP_READ);
	assert_true(readable(0)); /* the interest was given to the kernel */
	assert_ok(loop_turn(loop, -1));
	assert_true(readable(0));
	assert_ok(loop_turn(loop, -1));
	assert_false(readable(0));
	assert_string_equal(trace, "ab");
	loop_fd_remove(loop, &lfd);
	close(ends[0]);
	close(ends[1]);
}

static void start_another(void *cookie)
{
	note('1');
	assert_ok(loop_timer_start(loop, cookie, 500));
}

static void a_due_timer_makes_it_readable(void **state)
{
	(void)state;
	struct loop_timer first, second, far;
	char name = '2', never = '3';
	loop_timer_init(&second, note_char, &name);
	loop_timer_init(&first, start_another, &second);
	loop_timer_init(&far, note_char, &never);
	assert_ok(loop_timer_start(loop, &far, UINT64_C(3600000000)));
	assert_false(readable(0));
	assert_ok(loop_timer_start(loop, &first, 500));
	while (strlen(trace) < 2) {
		struct pollfd asked = {.fd = loop_poll_fd(loop), .events = POLLIN};
		assert_int_equal(poll(&asked, 1, -1), 1);
		assert_ok(loop_turn(loop, 0));
	}
	assert_string_equal(trace, "12");
	assert_false(readable(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(a_turn_does_not_wait_longer_than_told),
		LOOP_TEST(hooks_run_before_the_wait_and_after_it),
		LOOP_TEST(a_signal_makes_it_readable_and_ends_the_wait),
		LOOP_TEST(a_descriptor_makes_it_readable_until_it_was_read),
		LOOP_TEST(a_due_timer_makes_it_readable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
