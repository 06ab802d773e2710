/* SPDX-License-Identifier: MIT */
/* The fake keeps the real loop's promises: what test_loop.c shows of the one is shown here of
 * the other, as far as tests of modules lean on it. */
#include "unit.h"
#include "fake_loop.h"
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static char trace[64];

static void note(char c)
{
	size_t n = strlen(trace);
	assert_true(n + 1 < sizeof trace);
	trace[n] = c;
}

static int set_up(void **state)
{
	(void)state;
	memset(trace, 0, sizeof trace);
	return loop_new(&loop) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_free(&loop);
	return 0;
}

static void note_char(void *cookie)
{
	note(*(const char *)cookie);
}

static void time_moves_only_by_hand(void **state)
{
	(void)state;
	struct loop_timer a, b, c;
	char names[] = "abc";
	loop_timer_init(&a, note_char, &names[0]);
	loop_timer_init(&b, note_char, &names[1]);
	loop_timer_init(&c, note_char, &names[2]);
	assert_ok(loop_timer_start(loop, &c, 300));
	assert_ok(loop_timer_start(loop, &a, 100));
	assert_ok(loop_timer_start(loop, &b, 100));
	assert_int_equal(fake_loop_run_until_idle(loop), 0);
	assert_true(fake_loop_next_timer_us(loop) == 100);
	assert_int_equal(fake_loop_advance(loop, 99), 0);
	assert_int_equal(fake_loop_advance(loop, 1), 2);
	assert_string_equal(trace, "ab");
	assert_true(loop_now_us(loop) == FAKE_LOOP_START_US + 100);
	assert_true(loop_timer_running(&c));
	loop_timer_cancel(loop, &c);
	loop_timer_cancel(loop, &c);
	assert_int_equal(fake_loop_advance(loop, 1000), 0);
	assert_int_equal(fake_loop_timer_count(loop), 0);
	assert_true(fake_loop_next_timer_us(loop) == UINT64_MAX);
}

struct periodic {
	struct loop_timer timer;
	uint64_t at[8];
	int runs;
};

static void run_periodic(void *cookie)
{
	struct periodic *p = cookie;
	p->at[p->runs++] = loop_now_us(loop);
	if (p->runs < 3)
		assert_ok(loop_timer_start(loop, &p->timer, 10));
}

static void advance_stops_at_every_timer(void **state)
{
	(void)state;
	struct periodic p = {0};
	loop_timer_init(&p.timer, run_periodic, &p);
	assert_ok(loop_timer_start(loop, &p.timer, 10));
	assert_int_equal(fake_loop_advance(loop, 1000), 3);
	for (int i = 0; i < 3; i++)
		assert_true(p.at[i] == FAKE_LOOP_START_US + 10 * (uint64_t)(i + 1));
}

struct watched {
	struct loop_fd lfd;
	unsigned got;
	int calls;
};

static void watched_ready(void *cookie, unsigned events)
{
	struct watched *w = cookie;
	note('f');
	w->got = events;
	w->calls++;
}

static void readiness_is_delivered_once_and_when_wanted(void **state)
{
	(void)state;
	struct watched w = {0};
	assert_ok(loop_fd_add(loop, &w.lfd, 1000, LOOP_READ, watched_ready, &w));
	assert_int_equal(loop_fd_add(loop, &(struct loop_fd){0}, 1000, 0, watched_ready, &w),
			 ERR_IO);
	fake_loop_ready(loop, 1000, LOOP_READ | LOOP_WRITE);
	assert_int_equal(w.calls, 0);
	assert_int_equal(fake_loop_run_until_idle(loop), 1);
	assert_int_equal(w.got, LOOP_READ);
	loop_fd_want(loop, &w.lfd, LOOP_WRITE);
	assert_int_equal(fake_loop_wanted(loop, 1000), LOOP_WRITE);
	assert_int_equal(fake_loop_run_until_idle(loop), 1);
	assert_int_equal(w.got, LOOP_WRITE);
	assert_int_equal(fake_loop_run_until_idle(loop), 0);
	fake_loop_ready(loop, 1000, LOOP_WRITE);
	loop_fd_remove(loop, &w.lfd);
	loop_fd_remove(loop, &w.lfd);
	assert_false(fake_loop_registered(loop, 1000));
	assert_int_equal(fake_loop_fd_count(loop), 0);
	assert_ok(loop_fd_add(loop, &w.lfd, 1000, LOOP_WRITE, watched_ready, &w));
	assert_int_equal(fake_loop_run_until_idle(loop), 0); /* not its predecessor's */
}

static void real_descriptors_can_be_asked(void **state)
{
	(void)state;
	int fds[2];
	struct watched w = {0};
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(loop_fd_add(loop, &w.lfd, fds[0], LOOP_READ, watched_ready, &w));
	assert_int_equal(fake_loop_poll(loop, 0), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(fake_loop_poll(loop, 0), 1);
	assert_int_equal(fake_loop_run_until_idle(loop), 1);
	assert_int_equal(w.got, LOOP_READ);
	loop_fd_remove(loop, &w.lfd);
	close(fds[0]);
	close(fds[1]);
}

static struct loop_wake from_hook;
static bool armed;
static void signal_once(void *cookie)
{
	(void)cookie;
	note('h');
	if (armed)
		loop_wake_signal(&from_hook);
	armed = false;
}

static void a_turn_has_the_real_order(void **state)
{
	(void)state;
	struct watched w = {0};
	struct loop_timer timer;
	struct loop_hook hook;
	char t = 't', k = 'w';
	assert_ok(loop_wake_init(loop, &from_hook, note_char, &k));
	loop_wake_signal(&from_hook);
	loop_wake_signal(&from_hook);
	loop_timer_init(&timer, note_char, &t);
	assert_ok(loop_timer_start(loop, &timer, 0));
	assert_ok(loop_fd_add(loop, &w.lfd, 5, LOOP_READ, watched_ready, &w));
	fake_loop_ready(loop, 5, LOOP_READ);
	loop_hook_add(loop, &hook, signal_once, NULL);
	armed = false;
	assert_int_equal(fake_loop_turn(loop), 3);
	assert_string_equal(trace, "fwth");
	armed = true; /* what a hook arms runs before the loop counts as idle */
	assert_int_equal(fake_loop_run_until_idle(loop), 1);
	assert_string_equal(trace, "fwthhwh");
	loop_wake_release(loop, &from_hook);
}

static void stop_it(void *cookie)
{
	(void)cookie;
	loop_stop(loop);
}

static void run_jumps_from_timer_to_timer(void **state)
{
	(void)state;
	struct loop_timer day;
	loop_timer_init(&day, stop_it, NULL);
	const uint64_t day_us = UINT64_C(86400000000);
	assert_ok(loop_timer_start(loop, &day, day_us));
	assert_ok(loop_run(loop));
	assert_true(loop_now_us(loop) == FAKE_LOOP_START_US + day_us);
}

static void a_turn_jumps_as_far_as_it_may_wait(void **state)
{
	(void)state;
	struct loop_timer a;
	char name = 'a';
	loop_timer_init(&a, note_char, &name);
	assert_ok(loop_timer_start(loop, &a, 100));
	assert_ok(loop_turn(loop, 0));
	assert_ok(loop_turn(loop, 60));
	assert_string_equal(trace, "");
	assert_ok(loop_turn(loop, -1));
	assert_string_equal(trace, "a");
	assert_true(loop_now_us(loop) == FAKE_LOOP_START_US + 100);
	assert_int_equal(loop_poll_fd(loop), -1);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(time_moves_only_by_hand),
		LOOP_TEST(advance_stops_at_every_timer),
		LOOP_TEST(readiness_is_delivered_once_and_when_wanted),
		LOOP_TEST(real_descriptors_can_be_asked),
		LOOP_TEST(a_turn_has_the_real_order),
		LOOP_TEST(run_jumps_from_timer_to_timer),
		LOOP_TEST(a_turn_jumps_as_far_as_it_may_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
