/* SPDX-License-Identifier: MIT */
/* Timers, wake-ups, stopping, turns; descriptors are in test_loop_fd.c. */
#include "loop_fixture.h"
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- timers ---- */

struct step {
	struct loop_timer timer;
	char name;
	struct loop_timer *cancels, *starts;
	uint64_t delay_us;
	struct step *frees;
};

static void step_run(void *cookie)
{
	struct step *step = cookie;
	note(step->name);
	if (step->cancels)
		loop_timer_cancel(loop, step->cancels);
	if (step->starts)
		assert_ok(loop_timer_start(loop, step->starts, step->delay_us));
	free(step->frees);
}

static void step_start(struct step *step, char name, uint64_t delay_us)
{
	*step = (struct step){.name = name};
	loop_timer_init(&step->timer, step_run, step);
	assert_ok(loop_timer_start(loop, &step->timer, delay_us));
}

static void timers_run_in_the_order_of_their_times(void **state)
{
	(void)state;
	struct step a, b, c, d, e;
	step_start(&c, 'c', 300);
	step_start(&a, 'a', 100);
	step_start(&d, 'd', 300);
	step_start(&b, 'b', 200);
	step_start(&e, 'e', 50000);
	loop_timer_cancel(loop, &e.timer);
	loop_timer_cancel(loop, &e.timer);
	assert_true(loop_timer_running(&a.timer));
	run_for(1000);
	assert_string_equal(trace, "abcd.");
	assert_false(loop_timer_running(&a.timer));
}

static void a_timer_does_not_run_early(void **state)
{
	(void)state;
	for (uint64_t delay = 0; delay < 3000; delay += 700) {
		uint64_t start = loop_now_us(loop);
		run_for(delay);
		assert_true(loop_now_us(loop) >= start + delay);
	}
}

static void starting_a_running_timer_moves_it(void **state)
{
	(void)state;
	struct step a, b;
	step_start(&a, 'a', 100);
	step_start(&b, 'b', 200);
	assert_ok(loop_timer_start(loop, &a.timer, 300));
	run_for(400);
	assert_string_equal(trace, "ba.");
	memset(trace, 0, sizeof trace);
	step_start(&a, 'a', 300);
	step_start(&b, 'b', 200);
	assert_ok(loop_timer_start(loop, &a.timer, 100));
	run_for(400);
	assert_string_equal(trace, "ab.");
}

static void a_callback_may_cancel_one_that_is_due(void **state)
{
	(void)state;
	struct step a, b, c;
	step_start(&a, 'a', 0);
	step_start(&b, 'b', 0);
	step_start(&c, 'c', 0);
	a.cancels = &b.timer;
	run_for(0);
	assert_string_equal(trace, "ac.");
}

static void a_callback_may_free_its_owner(void **state)
{
	(void)state;
	struct step *mine = malloc(sizeof *mine);
	assert_non_null(mine);
	step_start(mine, 'f', 0);
	mine->frees = mine;
	run_for(100);
	assert_string_equal(trace, "f.");
}

static void a_timer_that_restarts_itself_does_not_starve_the_loop(void **state)
{
	(void)state;
	struct loop_hook hook;
	struct step again;
	turns = 0;
	loop_hook_add(loop, &hook, count_turn, NULL);
	step_start(&again, 'x', 0);
	again.starts = &again.timer; /* at once, every turn */
	struct step end;
	step_start(&end, '-', 0);
	end.starts = &end.timer;
	run_for(0);
	/* One run each in the turn that stops, although all are due again at once. */
	assert_string_equal(trace, "x-.");
	assert_int_equal(turns, 2); /* before the first wait, and the turn's own */
	loop_timer_cancel(loop, &again.timer);
	loop_timer_cancel(loop, &end.timer);
}

static unsigned random_state = 1;
static unsigned random_below(unsigned n)
{
	random_state = random_state * 1103515245 + 12345;
	return random_state / 65536 % n;
}

static uint64_t last_due;
static unsigned timers_ran;
static void check_order(void *cookie)
{
	const struct loop_timer *timer = cookie;
	assert_true(timer->due_us >= last_due);
	last_due = timer->due_us;
	timers_ran++;
}

/* The heap against what it promises, with starts, moves and cancels in every place of it. */
static void many_random_timers(void **state)
{
	(void)state;
	enum { N = 1000 };
	static struct loop_timer timers[N];
	last_due = 0;
	timers_ran = 0;
	for (int i = 0; i < N; i++)
		loop_timer_init(&timers[i], check_order, &timers[i]);
	for (int i = 0; i < 20 * N; i++) {
		struct loop_timer *timer = &timers[random_below(N)];
		if (random_below(3) == 0)
			loop_timer_cancel(loop, timer);
		else
			assert_ok(loop_timer_start(loop, timer, random_below(500)));
	}
	unsigned running = 0;
	for (int i = 0; i < N; i++)
		running += loop_timer_running(&timers[i]);
	assert_true(running > N / 4);
	run_for(1000);
	assert_int_equal(timers_ran, running);
}

static void far_timers_do_not_overflow(void **state)
{
	(void)state;
	struct step far;
	step_start(&far, 'x', UINT64_MAX);
	assert_true(far.timer.due_us == UINT64_MAX);
	run_for(10);
	assert_string_equal(trace, ".");
	loop_timer_cancel(loop, &far.timer);
}

/* ---- wake-ups, stopping, turns ---- */

struct waking {
	struct loop_wake wake;
	int runs, stops_at; /* the run that ends the loop's, if any */
	bool releases, signals_again;
};

static void wake_ran(void *cookie)
{
	struct waking *waking = cookie;
	waking->runs++;
	note('w');
	if (waking->signals_again)
		loop_wake_signal(&waking->wake);
	waking->signals_again = false;
	if (waking->releases)
		loop_wake_release(loop, &waking->wake);
	if (waking->runs == waking->stops_at)
		loop_stop(loop);
}

static void several_signals_are_one_run(void **state)
{
	(void)state;
	struct waking w = {0};
	assert_ok(loop_wake_init(loop, &w.wake, wake_ran, &w));
	for (int i = 0; i < 5; i++)
		loop_wake_signal(&w.wake);
	run_for(500);
	assert_int_equal(w.runs, 1);
	loop_wake_signal(&w.wake);
	run_for(500);
	assert_int_equal(w.runs, 2);
	w.releases = true;
	loop_wake_signal(&w.wake);
	run_for(500);
	assert_int_equal(w.runs, 3);
	loop_wake_release(loop, &w.wake);
}

static void a_signal_while_it_runs_makes_it_run_again(void **state)
{
	(void)state;
	struct waking w = {.signals_again = true, .stops_at = 2};
	assert_ok(loop_wake_init(loop, &w.wake, wake_ran, &w));
	loop_wake_signal(&w.wake);
	run_for(10000000);
	assert_int_equal(w.runs, 2);
	loop_wake_release(loop, &w.wake);
}

static void note_hook(void *cookie)
{
	(void)cookie;
	note('h');
}

static void note_fd_and_stop(void *cookie, unsigned events)
{
	(void)cookie;
	(void)events;
	note('a');
	loop_stop(loop);
}

static void the_order_of_a_turn(void **state)
{
	(void)state;
	int fds[2];
	struct loop_fd lfd;
	struct waking w = {0};
	struct step t;
	struct loop_hook one, two;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_ok(loop_wake_init(loop, &w.wake, wake_ran, &w));
	loop_wake_signal(&w.wake); /* before the descriptor is ready, and yet after it */
	assert_ok(loop_fd_add(loop, &lfd, fds[0], LOOP_WRITE, note_fd_and_stop, NULL));
	step_start(&t, 't', 0);
	loop_hook_add(loop, &one, note_hook, NULL);
	loop_hook_add(loop, &two, count_turn, NULL);
	turns = 0;
	assert_ok(loop_run(loop));
	assert_string_equal(trace, "hawth");
	assert_int_equal(turns, 2);
	loop_wake_release(loop, &w.wake);
	loop_fd_remove(loop, &lfd);
	close(fds[0]);
	close(fds[1]);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
	(void)state;
	loop_stop(loop);
	assert_ok(loop_run(loop));
	loop_stop(loop);
	loop_stop(loop);
	assert_ok(loop_run(loop));
	run_for(100); /* and is not remembered longer */
	assert_string_equal(trace, ".");
}

static void *stop_from_thread(void *cookie)
{
	(void)cookie;
	loop_stop(loop);
	return NULL;
}

static void another_thread_stops_it(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		assert_ok(pthread_create(&thread, NULL, stop_from_thread, NULL));
		assert_ok(loop_run(loop));
		assert_ok(pthread_join(thread, NULL));
	}
}

enum { SIGNALS = 20000 };
static int shared_sum; /* written before a signal, read after the wake-up */
static atomic_int published, seen;

static void *signal_many(void *cookie)
{
	struct loop_wake *wake = cookie;
	for (int i = 1; i <= SIGNALS; i++) {
		atomic_store_explicit(&published, i, memory_order_relaxed);
		if (i == SIGNALS)
			shared_sum = 42;
		loop_wake_signal(wake);
	}
	return NULL;
}

static void catch_up(void *cookie)
{
	(void)cookie;
	int now = atomic_load_explicit(&published, memory_order_relaxed);
	atomic_store(&seen, now);
	if (now == SIGNALS && shared_sum == 42)
		loop_stop(loop);
}

static void no_signal_of_another_thread_is_lost(void **state)
{
	(void)state;
	struct loop_wake wake;
	pthread_t thread;
	assert_ok(loop_wake_init(loop, &wake, catch_up, NULL));
	assert_ok(pthread_create(&thread, NULL, signal_many, &wake));
	assert_ok(loop_run(loop)); /* hangs if the last signal is lost */
	assert_ok(pthread_join(thread, NULL));
	assert_int_equal(atomic_load(&seen), SIGNALS);
	loop_wake_release(loop, &wake);
}

static void on_signal(int number)
{
	(void)number;
	loop_stop(loop);
}

static pthread_t main_thread;
static void *kill_main(void *cookie)
{
	(void)cookie;
	pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

static void a_signal_handler_may_stop_it(void **state)
{
	(void)state;
	struct sigaction action = {.sa_handler = on_signal}, before;
	assert_ok(sigaction(SIGUSR1, &action, &before)); /* no SA_RESTART: waits get EINTR */
	main_thread = pthread_self();
	for (int i = 0; i < 50; i++) {
		pthread_t thread;
		assert_ok(pthread_create(&thread, NULL, kill_main, NULL));
		assert_ok(loop_run(loop));
		assert_ok(pthread_join(thread, NULL));
	}
	assert_ok(sigaction(SIGUSR1, &before, NULL));
}

static void free_accepts_nothing(void **state)
{
	(void)state;
	struct loop *none = NULL;
	loop_free(&none);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(timers_run_in_the_order_of_their_times),
		LOOP_TEST(a_timer_does_not_run_early),
		LOOP_TEST(starting_a_running_timer_moves_it),
		LOOP_TEST(a_callback_may_cancel_one_that_is_due),
		LOOP_TEST(a_callback_may_free_its_owner),
		LOOP_TEST(a_timer_that_restarts_itself_does_not_starve_the_loop),
		LOOP_TEST(many_random_timers),
		LOOP_TEST(far_timers_do_not_overflow),
		LOOP_TEST(several_signals_are_one_run),
		LOOP_TEST(a_signal_while_it_runs_makes_it_run_again),
		LOOP_TEST(the_order_of_a_turn),
		LOOP_TEST(a_stop_before_the_run_is_not_lost),
		LOOP_TEST(another_thread_stops_it),
		LOOP_TEST(no_signal_of_another_thread_is_lost),
		LOOP_TEST(a_signal_handler_may_stop_it),
		LOOP_TEST(free_accepts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
