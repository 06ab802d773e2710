/* SPDX-License-Identifier: MIT */
#pragma once
/* A real loop per test, and a trace of what has run on it. */
#include "unit.h"
#include "base/loop.h"

static struct loop *loop;

/* What has run, in order. */
static char trace[256];
static inline void note(char c)
{
	size_t n = strlen(trace);
	assert_true(n + 1 < sizeof trace);
	trace[n] = c;
}

static inline int set_up(void **state)
{
	(void)state;
	memset(trace, 0, sizeof trace);
	return loop_new(&loop) == OK ? 0 : -1;
}

static inline int tear_down(void **state)
{
	(void)state;
	loop_free(&loop);
	return check_failures() == 0 ? 0 : -1;
}

static inline void stop_now(void *cookie)
{
	(void)cookie;
	note('.');
	loop_stop(loop);
}

/* Runs the loop for the given time, or until something else stops it. */
static inline void run_for(uint64_t us)
{
	struct loop_timer end;
	loop_timer_init(&end, stop_now, NULL);
	assert_ok(loop_timer_start(loop, &end, us));
	assert_ok(loop_run(loop));
	loop_timer_cancel(loop, &end);
}

static int turns;
static inline void count_turn(void *cookie)
{
	(void)cookie;
	turns++;
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
