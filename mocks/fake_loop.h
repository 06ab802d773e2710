/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The loop of base/loop.h on virtual time. A test that includes this file is linked with
 * fake_loop.c instead of loop.c; the module under test sees the same functions.
 *
 * Nothing runs by itself. Time stands still at FAKE_LOOP_START_US until the test moves it.
 * A turn is as in the real loop: descriptors, wake-ups, due timers, hooks. Descriptors are
 * only numbers, which need not exist: the test says when one is ready (fake_loop_ready), or,
 * if they are real sockets, has them asked with poll(2) (fake_loop_poll). Several threads may
 * signal wake-ups, as with the real loop; everything else is one thread's.
 * loop_run works too: it jumps from timer to timer until loop_stop; loop_turn jumps as far as
 * it may wait, and aborts instead of waiting for ever. There is nothing to poll: loop_poll_fd
 * is -1.
 */
#include "base/loop.h"

#define FAKE_LOOP_START_US UINT64_C(1000000)

/* One turn at the present time. Returns how many callbacks of descriptors, wake-ups and timers
 * have run. */
unsigned fake_loop_turn(struct loop *loop);

/* Turns at the present time, at least one, until nothing is ready, signalled or due. Returns
 * how many callbacks have run. Aborts after 100,000 turns: something re-arms itself for ever.
 */
unsigned fake_loop_run_until_idle(struct loop *loop);

/* Moves time forward by us, stopping at the due time of every timer on the way; runs until
 * idle before the first step and after each. Returns how many callbacks have run. */
unsigned fake_loop_advance(struct loop *loop, uint64_t us);

/* events (LOOP_READ | LOOP_WRITE) will be delivered once each, in the next turn in which they
 * are wanted. Aborts if fd is not registered. */
void fake_loop_ready(struct loop *loop, int fd, unsigned events);

/* Asks the registered descriptors, which must all exist, with poll(2) and marks those that are
 * ready. timeout_ms is real time. Returns how many are ready. */
unsigned fake_loop_poll(struct loop *loop, int timeout_ms);

/* What is wanted of fd now; 0 also when it is not registered. */
unsigned fake_loop_wanted(const struct loop *loop, int fd);
bool fake_loop_registered(const struct loop *loop, int fd);

/* What is still registered: a test's last look for leaks. */
size_t fake_loop_timer_count(const struct loop *loop);
size_t fake_loop_fd_count(const struct loop *loop);

/* The delay until the earliest timer, in us; UINT64_MAX when none runs. */
uint64_t fake_loop_next_timer_us(const struct loop *loop);
