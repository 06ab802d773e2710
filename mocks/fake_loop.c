/* SPDX-License-Identifier: MIT */
#include "fake_loop.h"
#include <errno.h>
#include <poll.h>

enum { IDLE_TURNS_MAX = 100000, FIRST_CAPACITY = 16 };

struct fd_row {
	struct loop_fd *lfd; /* NULL: free */
	unsigned ready;
};

struct timer_row {
	struct loop_timer *timer;
	uint64_t order;
};

struct loop {
	uint64_t now_us, next_order;
	bool running;
	atomic_bool stopping;
	struct fd_row *fds;
	size_t fd_count, fd_capacity;
	struct timer_row *timers; /* unsorted; timer i has heap_index i + 1 */
	size_t timer_count, timer_capacity;
	struct loop_wake **wakes;
	size_t wake_count, wake_capacity;
	struct loop_hook *hooks, **hooks_end;
};

/* Room for one more row: returns rows, moved or not; NULL when memory is refused. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t row_bytes)
{
	if (count < *capacity)
		return rows;
	size_t wider = *capacity ? *capacity * 2 : FIRST_CAPACITY;
	void *moved = realloc(rows, wider * row_bytes);
	if (moved)
		*capacity = wider;
	return moved;
}

enum err loop_new(struct loop **out)
{
	*out = calloc(1, sizeof **out);
	if (!*out)
		return ERR_NOMEM;
	(*out)->now_us = FAKE_LOOP_START_US;
	(*out)->hooks_end = &(*out)->hooks;
	return OK;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;
	*loop = NULL;
	if (!l)
		return;
	REQUIRE(!l->running);
	free(l->fds);
	free(l->timers);
	free(l->wakes);
	free(l);
}

uint64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

/* ---- descriptors ---- */

static struct fd_row *row_of(const struct loop *loop, int fd)
{
	for (size_t i = 0; i < loop->fd_count; i++)
		if (loop->fds[i].lfd && loop->fds[i].lfd->fd == fd)
			return &loop->fds[i];
	return NULL;
}

enum err loop_fd_add(struct loop *loop, struct loop_fd *lfd, int fd, unsigned wanted,
		     loop_fd_fn *fn, void *cookie)
{
	*lfd = (struct loop_fd){
		.fd = -1, .wanted = wanted & ~(unsigned)LOOP_EDGE, .fn = fn, .cookie = cookie};
	if (fd < 0 || row_of(loop, fd))
		return ERR_IO; /* as epoll says EBADF, EEXIST */
	size_t slot = 0;
	while (slot < loop->fd_count && loop->fds[slot].lfd)
		slot++;
	if (slot == loop->fd_count) {
		struct fd_row *fds =
			grow(loop->fds, loop->fd_count, &loop->fd_capacity, sizeof *fds);
		if (!fds)
			return ERR_NOMEM;
		loop->fds = fds;
		loop->fd_count++;
	}
	loop->fds[slot] = (struct fd_row){.lfd = lfd};
	lfd->fd = fd;
	lfd->slot = (uint32_t)slot;
	lfd->generation = 1;
	return OK;
}

void loop_fd_want(struct loop *loop, struct loop_fd *lfd, unsigned wanted)
{
	REQUIRE(lfd->generation != 0 && lfd->slot < loop->fd_count);
	REQUIRE(loop->fds[lfd->slot].lfd == lfd);
	lfd->wanted = wanted;
}

/* Its descriptors are polled anew in each turn. */
void loop_fd_drained(struct loop_fd *lfd)
{
	REQUIRE(lfd->generation != 0);
}

void loop_fd_remove(struct loop *loop, struct loop_fd *lfd)
{
	if (lfd->generation != 0) {
		REQUIRE(lfd->slot < loop->fd_count && loop->fds[lfd->slot].lfd == lfd);
		loop->fds[lfd->slot] = (struct fd_row){0};
	}
	lfd->fd = -1;
	lfd->generation = 0;
}

void fake_loop_ready(struct loop *loop, int fd, unsigned events)
{
	struct fd_row *row = row_of(loop, fd);
	REQUIRE(row);
	row->ready |= events;
}

static unsigned poll_mask(short revents)
{
	REQUIRE(!(revents & POLLNVAL));
	if (revents & (POLLERR | POLLHUP))
		return LOOP_READ | LOOP_WRITE;
	return (revents & POLLIN ? LOOP_READ : 0) | (revents & POLLOUT ? LOOP_WRITE : 0);
}

unsigned fake_loop_poll(struct loop *loop, int timeout_ms)
{
	struct pollfd *asked = calloc(loop->fd_count + 1, sizeof *asked);
	REQUIRE(asked);
	for (size_t i = 0; i < loop->fd_count; i++) {
		const struct loop_fd *lfd = loop->fds[i].lfd;
		/* poll leaves negative descriptors out */
		asked[i].fd = lfd && lfd->wanted ? lfd->fd : -1;
		if (lfd)
			asked[i].events = (short)((lfd->wanted & LOOP_READ ? POLLIN : 0) |
						  (lfd->wanted & LOOP_WRITE ? POLLOUT : 0));
	}
	int n;
	while ((n = poll(asked, (nfds_t)loop->fd_count, timeout_ms)) < 0)
		REQUIRE(errno == EINTR);
	for (size_t i = 0; i < loop->fd_count; i++)
		loop->fds[i].ready |= poll_mask(asked[i].revents);
	free(asked);
	return (unsigned)n;
}

unsigned fake_loop_wanted(const struct loop *loop, int fd)
{
	const struct fd_row *row = row_of(loop, fd);
	return row ? row->lfd->wanted : 0;
}

bool fake_loop_registered(const struct loop *loop, int fd)
{
	return row_of(loop, fd) != NULL;
}

size_t fake_loop_fd_count(const struct loop *loop)
{
	size_t n = 0;
	for (size_t i = 0; i < loop->fd_count; i++)
		n += loop->fds[i].lfd != NULL;
	return n;
}

static unsigned run_fds(struct loop *loop)
{
	unsigned ran = 0;
	const size_t count = loop->fd_count; /* those added now wait for the next turn */
	for (size_t i = 0; i < count; i++) {
		struct loop_fd *lfd = loop->fds[i].lfd;
		unsigned events = lfd ? loop->fds[i].ready & lfd->wanted : 0;
		if (!events)
			continue;
		loop->fds[i].ready &= ~events;
		lfd->fn(lfd->cookie, events);
		ran++;
	}
	return ran;
}

/* ---- timers ---- */

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *cookie)
{
	*timer = (struct loop_timer){.fn = fn, .cookie = cookie};
}

enum err loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_us)
{
	if (timer->heap_index == 0) {
		struct timer_row *timers = grow(loop->timers, loop->timer_count,
						&loop->timer_capacity, sizeof *timers);
		if (!timers)
			return ERR_NOMEM;
		loop->timers = timers;
		timer->heap_index = ++loop->timer_count;
	}
	uint64_t due = loop->now_us + delay_us;
	timer->due_us = due < delay_us ? UINT64_MAX : due;
	loop->timers[timer->heap_index - 1] =
		(struct timer_row){.timer = timer, .order = loop->next_order++};
	return OK;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	size_t index = timer->heap_index;
	if (index == 0)
		return;
	REQUIRE(index <= loop->timer_count && loop->timers[index - 1].timer == timer);
	struct timer_row last = loop->timers[--loop->timer_count];
	loop->timers[index - 1] = last;
	last.timer->heap_index = index;
	timer->heap_index = 0;
}

/* The earliest of those started before the given order; NULL when there is none. */
static const struct timer_row *first_timer(const struct loop *loop, uint64_t before)
{
	const struct timer_row *first = NULL;
	for (size_t i = 0; i < loop->timer_count; i++) {
		const struct timer_row *row = &loop->timers[i];
		if (row->order >= before)
			continue;
		if (!first || row->timer->due_us < first->timer->due_us ||
		    (row->timer->due_us == first->timer->due_us && row->order < first->order))
			first = row;
	}
	return first;
}

static unsigned run_timers(struct loop *loop)
{
	unsigned ran = 0;
	const uint64_t started_since = loop->next_order;
	const struct timer_row *row;
	while ((row = first_timer(loop, started_since)) && row->timer->due_us <= loop->now_us) {
		struct loop_timer *timer = row->timer;
		loop_timer_cancel(loop, timer);
		timer->fn(timer->cookie);
		ran++;
	}
	return ran;
}

size_t fake_loop_timer_count(const struct loop *loop)
{
	return loop->timer_count;
}

uint64_t fake_loop_next_timer_us(const struct loop *loop)
{
	const struct timer_row *row = first_timer(loop, UINT64_MAX);
	if (!row)
		return UINT64_MAX;
	return row->timer->due_us > loop->now_us ? row->timer->due_us - loop->now_us : 0;
}

/* ---- wake-ups ---- */

enum err loop_wake_init(struct loop *loop, struct loop_wake *wake, loop_fn *fn, void *cookie)
{
	*wake = (struct loop_wake){.lfd = {.fd = -1}, .fn = fn, .cookie = cookie};
	struct loop_wake **wakes =
		grow(loop->wakes, loop->wake_count, &loop->wake_capacity, sizeof *wakes);
	if (!wakes)
		return ERR_NOMEM;
	loop->wakes = wakes;
	loop->wakes[loop->wake_count++] = wake;
	return OK;
}

void loop_wake_signal(struct loop_wake *wake)
{
	atomic_store(&wake->pending, true);
}

void loop_wake_release(struct loop *loop, struct loop_wake *wake)
{
	for (size_t i = 0; i < loop->wake_count; i++)
		if (loop->wakes[i] == wake)
			loop->wakes[i] = NULL; /* the place stays: a callback may call this */
}

static unsigned run_wakes(struct loop *loop)
{
	unsigned ran = 0;
	const size_t count = loop->wake_count;
	for (size_t i = 0; i < count; i++) {
		struct loop_wake *wake = loop->wakes[i];
		if (!wake || !atomic_exchange(&wake->pending, false))
			continue;
		wake->fn(wake->cookie);
		ran++;
	}
	return ran;
}

/* ---- turns ---- */

void loop_hook_add(struct loop *loop, struct loop_hook *hook, loop_fn *fn, void *cookie)
{
	*hook = (struct loop_hook){.fn = fn, .cookie = cookie};
	*loop->hooks_end = hook;
	loop->hooks_end = &hook->next;
}

static void run_hooks(struct loop *loop)
{
	for (struct loop_hook *hook = loop->hooks; hook; hook = hook->next)
		hook->fn(hook->cookie);
}

static unsigned turn(struct loop *loop)
{
	unsigned ran = run_fds(loop);
	ran += run_wakes(loop);
	ran += run_timers(loop);
	run_hooks(loop);
	return ran;
}

/* Whether another turn would run a callback: a hook may have armed one. */
static bool has_work(const struct loop *loop)
{
	for (size_t i = 0; i < loop->fd_count; i++)
		if (loop->fds[i].lfd && (loop->fds[i].ready & loop->fds[i].lfd->wanted))
			return true;
	for (size_t i = 0; i < loop->wake_count; i++)
		if (loop->wakes[i] && atomic_load(&loop->wakes[i]->pending))
			return true;
	return fake_loop_next_timer_us(loop) == 0;
}

unsigned fake_loop_turn(struct loop *loop)
{
	REQUIRE(!loop->running);
	loop->running = true;
	unsigned ran = turn(loop);
	loop->running = false;
	return ran;
}

unsigned fake_loop_run_until_idle(struct loop *loop)
{
	unsigned ran = 0, turns = 0;
	do {
		ran += fake_loop_turn(loop);
		REQUIRE(++turns < IDLE_TURNS_MAX);
	} while (has_work(loop));
	return ran;
}

unsigned fake_loop_advance(struct loop *loop, uint64_t us)
{
	const uint64_t end = loop->now_us + us;
	unsigned ran = fake_loop_run_until_idle(loop);
	while (loop->now_us < end) {
		uint64_t step = fake_loop_next_timer_us(loop);
		loop->now_us += step < end - loop->now_us ? step : end - loop->now_us;
		ran += fake_loop_run_until_idle(loop);
	}
	return ran;
}

enum err loop_run(struct loop *loop)
{
	REQUIRE(!loop->running);
	loop->running = true;
	run_hooks(loop);
	do {
		turn(loop);
		if (!has_work(loop) && !atomic_load(&loop->stopping)) {
			uint64_t step = fake_loop_next_timer_us(loop);
			REQUIRE(step != UINT64_MAX); /* would wait for ever */
			loop->now_us += step;
		}
	} while (!atomic_load(&loop->stopping));
	atomic_store(&loop->stopping, false);
	loop->running = false;
	return OK;
}

enum err loop_turn(struct loop *loop, int64_t timeout_us)
{
	const uint64_t most = timeout_us < 0 ? UINT64_MAX : (uint64_t)timeout_us;
	run_hooks(loop);
	if (!has_work(loop)) {
		const uint64_t step = fake_loop_next_timer_us(loop);
		REQUIRE(step != UINT64_MAX || timeout_us >= 0); /* would wait for ever */
		loop->now_us += step < most ? step : most;
	}
	(void)fake_loop_turn(loop);
	return OK;
}

int loop_poll_fd(struct loop *loop)
{
	(void)loop;
	return -1;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
}
