/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An event loop: epoll, level-triggered to its users, a timer heap, wake-ups from other
 * threads, hooks.
 *
 * One thread owns a loop and everything registered with it; only loop_wake_signal and
 * loop_stop may be called from elsewhere. A turn is: wait; file descriptors; wake-ups; due
 * timers; then the turn hooks, in the order of their registration. All registrations are
 * structs that the owner embeds; a callback may cancel, restart, remove or free any of them,
 * its own included. A loop is never re-entered.
 *
 * A change of interest (loop_fd_want) is recorded and given to the kernel just before the
 * wait; one that is undone before that costs nothing. Adding and removing go to the kernel at
 * once: the owner may close the descriptor right after, and the next one may have the same
 * number. So whoever wants nothing of an open descriptor for a while (libcurl's
 * CURL_POLL_REMOVE, twice a request) calls loop_fd_want(…, 0), and loop_fd_remove only before
 * the close. Timers due at the same time run in the order in which they were started.
 *
 * mocks/fake_loop.c defines the same functions on virtual time: unit tests link it instead.
 */
#include "base/err.h"
#include <stdatomic.h>
#include <stdint.h>

struct loop;

/* LOOP_EDGE, for loop_fd_add only: the callback may call loop_fd_drained. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_EDGE = 4 };

struct loop_fd;
/* events: LOOP_READ | LOOP_WRITE; an error or hang-up shows as both of those wanted. */
typedef void loop_fd_fn(void *cookie, unsigned events);
struct loop_fd {
	int fd;			 /* -1: not registered */
	unsigned wanted, actual; /* actual: what the kernel knows, or LOOP_STALE */
	unsigned armed;		 /* edge: actual, if the callback has drained it */
	bool edge, ends;	 /* ends: an end or an error has been seen */
	loop_fd_fn *fn;
	void *cookie;
	/* Internal: the row of the loop's table, and which of its tenants this is, so that a
	 * stale event of a removed descriptor is dropped. generation is 0 when not registered.
	 */
	uint32_t slot, generation;
};

typedef void loop_fn(void *cookie);
struct loop_timer {
	loop_fn *fn;
	void *cookie;
	uint64_t due_us;
	size_t heap_index; /* 0: not running */
};

struct loop_wake {
	struct loop_fd lfd;
	atomic_bool pending;
	loop_fn *fn;
	void *cookie;
};

struct loop_hook {
	loop_fn *fn;
	void *cookie;
	struct loop_hook *next;
};

enum err loop_new(struct loop **out) WARN_UNUSED;
/* Everything must have been removed, or is forgotten; accepts NULL. */
void loop_free(struct loop **loop);

/* Monotonic microseconds, read once a turn. */
uint64_t loop_now_us(const struct loop *loop);

/* Runs until loop_stop. ERR_IO if epoll itself fails. */
enum err loop_run(struct loop *loop) WARN_UNUSED;
/* Any thread, and async-signal-safe: loop_run returns after the present turn (or, when it is
 * not running, after the first turn of its next run). */
void loop_stop(struct loop *loop);

/* One turn, for an owner that drives its loop from elsewhere: the hooks, then a turn that waits
 * timeout_us at most (-1: until something happens). Not within a run or another turn. ERR_IO.
 */
enum err loop_turn(struct loop *loop, int64_t timeout_us) WARN_UNUSED;
/* For the owner's poll(2): readable when loop_turn would find something to do, a due timer
 * included. Of interest and timers it knows what was so at the end of the last loop_turn, or
 * in this call. The same number every time; the loop's. -1: the kernel refused (ERR_IO). */
int loop_poll_fd(struct loop *loop);

/* wanted may be 0. ERR_IO when the kernel refuses the descriptor, ERR_NOMEM. */
enum err loop_fd_add(struct loop *loop, struct loop_fd *lfd, int fd, unsigned wanted,
		     loop_fd_fn *fn, void *cookie) WARN_UNUSED;
void loop_fd_want(struct loop *loop, struct loop_fd *lfd, unsigned wanted);
/* With LOOP_EDGE, within its callback: all that had come has been read, by a read that was
 * given less than it had room for (epoll(7)). It is reported again when more comes. Without
 * this call, and after an end or an error, the loop asks the kernel again, as for any other
 * descriptor, but by a system call of its own. */
void loop_fd_drained(struct loop_fd *lfd);
/* Before close(fd). Allowed when not registered (zeroed memory included). */
void loop_fd_remove(struct loop *loop, struct loop_fd *lfd);

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *cookie);
/* Starts or moves it; runs once, not before delay_us from loop_now_us, and never inside this
 * call. What a timer's callback starts does not run in this turn, what others start with no
 * delay does. ERR_NOMEM. */
enum err loop_timer_start(struct loop *loop, struct loop_timer *timer,
			  uint64_t delay_us) WARN_UNUSED;
/* Allowed when not running. */
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
static inline bool loop_timer_running(const struct loop_timer *timer)
{
	return timer->heap_index != 0;
}

/* fn runs on the loop's thread once for any number of signals since its last run. ERR_IO,
 * ERR_NOMEM. */
enum err loop_wake_init(struct loop *loop, struct loop_wake *wake, loop_fn *fn,
			void *cookie) WARN_UNUSED;
void loop_wake_signal(struct loop_wake *wake); /* any thread */
void loop_wake_release(struct loop *loop, struct loop_wake *wake);

/* fn runs at the end of every turn, just before the wait, and before the first wait of a run.
 * Never removed. */
void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_fn *fn, void *cookie);
