/* SPDX-License-Identifier: MIT */
#include "base/loop.h"
#include "base/log.h"
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_PER_WAIT = 256, /* the kernel keeps the rest for the next turn, in order */
	FIRST_CAPACITY = 16,
};
#define STOP_SLOT    UINT32_MAX /* the stop eventfd, which has no row in the table */
#define NO_SLOT	     UINT32_MAX
#define WAIT_FOREVER UINT64_MAX
#define LOOP_STALE   UINT32_MAX /* as what the kernel knows: to be told in any case */

/* One row per registered descriptor. Events carry row and generation: a row that has been
 * given up since, or has another tenant, does not match. */
struct slot {
	struct loop_fd *lfd; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
	bool dirty; /* listed in dirty[]; stays so when the tenant leaves */
};

struct heap_entry {
	uint64_t due_us;
	uint64_t order; /* of starting: breaks ties, and marks those started this turn */
	struct loop_timer *timer;
};

struct loop {
	int epoll_fd, stop_fd;
	atomic_bool stopping;
	bool running;
	bool coarse; /* the kernel has no epoll_pwait2: waits are rounded up to 1 ms */
	uint64_t now_us;

	struct slot *slots;
	uint32_t *dirty; /* as many places as slots has */
	uint32_t slot_count, slot_capacity, first_free, dirty_count;

	struct heap_entry *heap; /* heap[0] is unused, so that index 0 can mean "none" */
	size_t heap_count, heap_capacity;
	uint64_t next_order;

	struct loop_hook *hooks, **hooks_end;
	struct loop_fd alarm; /* a timerfd, once somebody polls the loop's own descriptor */
	struct epoll_event events[EVENTS_PER_WAIT];
};

static uint64_t clock_us(void)
{
	struct timespec now;
	/* Cannot fail for this clock and a valid pointer (clock_gettime(2)). */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum err epoll_add(struct loop *loop, int fd, uint32_t events, uint32_t slot,
			  uint32_t generation)
{
	struct epoll_event event = {.events = events,
				    .data.u64 = (uint64_t)generation << 32 | slot};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return OK;
	return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
}

enum err loop_new(struct loop **out)
{
	*out = NULL;
	struct loop *loop = calloc(1, sizeof *loop);
	if (!loop)
		return ERR_NOMEM;
	enum err err = ERR_IO;
	loop->first_free = NO_SLOT;
	loop->hooks_end = &loop->hooks;
	loop->alarm.fd = -1;
	loop->now_us = clock_us();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0)
		goto fail;
	err = epoll_add(loop, loop->stop_fd, EPOLLIN | EPOLLET, STOP_SLOT, 0);
	if (err != OK)
		goto fail;
	*out = loop;
	return OK;
fail:
	loop_free(&loop);
	return err;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;
	*loop = NULL;
	if (!l)
		return;
	REQUIRE(!l->running);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->stop_fd >= 0)
		close(l->stop_fd);
	if (l->alarm.fd >= 0)
		close(l->alarm.fd);
	free(l->slots);
	free(l->dirty);
	free(l->heap);
	free(l);
}

uint64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

/* ---- descriptors ---- */

static bool slots_grow(struct loop *loop)
{
	uint32_t capacity = loop->slot_capacity ? loop->slot_capacity * 2 : FIRST_CAPACITY;
	struct slot *slots = realloc(loop->slots, capacity * sizeof *slots);
	if (!slots)
		return false;
	loop->slots = slots;
	uint32_t *dirty = realloc(loop->dirty, capacity * sizeof *dirty);
	if (!dirty)
		return false;
	loop->dirty = dirty;
	loop->slot_capacity = capacity;
	return true;
}

/* A free row, or NO_SLOT when memory is refused. */
static uint32_t slot_take(struct loop *loop)
{
	uint32_t slot = loop->first_free;
	if (slot != NO_SLOT) {
		loop->first_free = loop->slots[slot].next_free;
		return slot;
	}
	if (loop->slot_count == loop->slot_capacity && !slots_grow(loop))
		return NO_SLOT;
	slot = loop->slot_count++;
	loop->slots[slot] = (struct slot){.generation = 1};
	return slot;
}

static void slot_give_back(struct loop *loop, uint32_t slot)
{
	struct slot *s = &loop->slots[slot];
	s->lfd = NULL;
	if (++s->generation == 0)
		s->generation = 1;
	s->next_free = loop->first_free;
	loop->first_free = slot;
}

/* With EPOLLET a descriptor of which nothing is wanted reports its hang-up once, and is not
 * waited on in circles; epoll cannot be told to leave hang-ups out. */
static uint32_t epoll_mask(unsigned wanted, bool edge)
{
	return (wanted & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
	       (wanted & LOOP_READ && edge ? (uint32_t)EPOLLRDHUP : 0) |
	       (wanted & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0) |
	       (wanted == 0 || edge ? (uint32_t)EPOLLET : 0);
}

static enum err fd_add(struct loop *loop, struct loop_fd *lfd, uint32_t mask)
{
	uint32_t slot = slot_take(loop);
	if (slot == NO_SLOT)
		return ERR_NOMEM;
	struct slot *s = &loop->slots[slot];
	enum err err = epoll_add(loop, lfd->fd, mask, slot, s->generation);
	if (err != OK) {
		slot_give_back(loop, slot);
		lfd->fd = -1;
		return err;
	}
	s->lfd = lfd;
	lfd->slot = slot;
	lfd->generation = s->generation;
	return OK;
}

enum err loop_fd_add(struct loop *loop, struct loop_fd *lfd, int fd, unsigned wanted,
		     loop_fd_fn *fn, void *cookie)
{
	const bool edge = (wanted & LOOP_EDGE) != 0;
	wanted &= ~(unsigned)LOOP_EDGE;
	*lfd = (struct loop_fd){.fd = fd,
				.wanted = wanted,
				.actual = wanted,
				.edge = edge,
				.fn = fn,
				.cookie = cookie};
	return fd_add(loop, lfd, epoll_mask(wanted, edge));
}

static bool is_registered(const struct loop *loop, const struct loop_fd *lfd)
{
	return lfd->generation != 0 && CHECK(lfd->slot < loop->slot_count) &&
	       CHECK(loop->slots[lfd->slot].lfd == lfd);
}

static void slot_soil(struct loop *loop, uint32_t slot)
{
	if (loop->slots[slot].dirty)
		return;
	loop->slots[slot].dirty = true;
	loop->dirty[loop->dirty_count++] = slot;
}

void loop_fd_want(struct loop *loop, struct loop_fd *lfd, unsigned wanted)
{
	REQUIRE(is_registered(loop, lfd));
	lfd->wanted = wanted;
	if (wanted != lfd->actual)
		slot_soil(loop, lfd->slot);
}

/* The kernel has reported an edge, and does not look again by itself. Of a descriptor of which
 * nothing was wanted it can only be a hang-up, and once is enough. */
static void fd_reported(struct loop *loop, struct loop_fd *lfd, uint32_t events)
{
	if (!lfd->edge || lfd->actual == 0)
		return;
	lfd->ends = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	if (lfd->actual != LOOP_STALE)
		lfd->armed = lfd->actual;
	lfd->actual = LOOP_STALE;
	slot_soil(loop, lfd->slot);
}

void loop_fd_drained(struct loop_fd *lfd)
{
	if (lfd->actual == LOOP_STALE && !lfd->ends)
		lfd->actual = lfd->armed;
}

void loop_fd_remove(struct loop *loop, struct loop_fd *lfd)
{
	if (lfd->generation == 0) {
		lfd->fd = -1;
		return;
	}
	REQUIRE(is_registered(loop, lfd));
	/* Fails when the descriptor was closed first, against the contract. */
	int deleted = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, lfd->fd, NULL);
	(void)CHECK(deleted == 0);
	slot_give_back(loop, lfd->slot);
	lfd->fd = -1;
	lfd->generation = 0;
}

/* Tells the kernel what has changed since the last wait. */
static void flush_interest(struct loop *loop)
{
	for (uint32_t i = 0; i < loop->dirty_count; i++) {
		struct slot *s = &loop->slots[loop->dirty[i]];
		struct loop_fd *lfd = s->lfd;
		s->dirty = false;
		if (!lfd || lfd->wanted == lfd->actual)
			continue;
		struct epoll_event event = {.events = epoll_mask(lfd->wanted, lfd->edge),
					    .data.u64 = (uint64_t)lfd->generation << 32 |
							lfd->slot};
		/* Needs no memory: fails only if the descriptor was closed before removal. */
		int changed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, lfd->fd, &event);
		if (CHECK(changed == 0))
			lfd->actual = lfd->wanted;
	}
	loop->dirty_count = 0;
}

/* ---- timers: a binary heap, the earliest at 1 ---- */

static bool earlier(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_put(struct loop *loop, size_t at, struct heap_entry entry)
{
	loop->heap[at] = entry;
	entry.timer->heap_index = at;
}

/* Finds the place of entry, starting from the hole at `at`. */
static void heap_settle(struct loop *loop, size_t at, struct heap_entry entry)
{
	while (at > 1 && earlier(&entry, &loop->heap[at / 2])) {
		heap_put(loop, at, loop->heap[at / 2]);
		at /= 2;
	}
	for (;;) {
		size_t child = 2 * at;
		if (child > loop->heap_count)
			break;
		if (child < loop->heap_count &&
		    earlier(&loop->heap[child + 1], &loop->heap[child]))
			child++;
		if (!earlier(&loop->heap[child], &entry))
			break;
		heap_put(loop, at, loop->heap[child]);
		at = child;
	}
	heap_put(loop, at, entry);
}

void loop_timer_init(struct loop_timer *timer, loop_fn *fn, void *cookie)
{
	*timer = (struct loop_timer){.fn = fn, .cookie = cookie};
}

static bool heap_grow(struct loop *loop)
{
	size_t capacity = loop->heap_capacity ? loop->heap_capacity * 2 : FIRST_CAPACITY;
	struct heap_entry *heap = realloc(loop->heap, capacity * sizeof *heap);
	if (!heap)
		return false;
	loop->heap = heap;
	loop->heap_capacity = capacity;
	return true;
}

enum err loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_us)
{
	size_t at = timer->heap_index;
	if (at == 0) {
		if (loop->heap_count + 1 >= loop->heap_capacity && !heap_grow(loop))
			return ERR_NOMEM;
		at = ++loop->heap_count;
	}
	uint64_t due = loop->now_us + delay_us;
	timer->due_us = due < delay_us ? UINT64_MAX : due;
	heap_settle(loop, at,
		    (struct heap_entry){.due_us = timer->due_us,
					.order = loop->next_order++,
					.timer = timer});
	return OK;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->heap_index;
	if (at == 0)
		return;
	REQUIRE(at <= loop->heap_count && loop->heap[at].timer == timer);
	timer->heap_index = 0;
	struct heap_entry last = loop->heap[loop->heap_count--];
	if (last.timer != timer)
		heap_settle(loop, at, last);
}

static void run_timers(struct loop *loop)
{
	/* What a callback starts now waits for the next turn, however short its delay. */
	const uint64_t started_since = loop->next_order;
	while (loop->heap_count > 0 && loop->heap[1].due_us <= loop->now_us &&
	       loop->heap[1].order < started_since) {
		struct loop_timer *timer = loop->heap[1].timer;
		loop_timer_cancel(loop, timer);
		timer->fn(timer->cookie);
	}
}

/* ---- wake-ups ---- */

/* Only marks the descriptor as a wake-up's; see dispatch(). */
static void wake_run(void *cookie, unsigned events)
{
	(void)events;
	struct loop_wake *wake = cookie;
	/* Cleared first: a signal that comes while fn runs makes it run again. */
	if (atomic_exchange(&wake->pending, false))
		wake->fn(wake->cookie);
}

/* Writes to an eventfd. It is waited for edge-triggered and never read: each write is an
 * edge, and its 64-bit counter does not fill up in the life of a process. */
static void eventfd_poke(int fd)
{
	const uint64_t one = 1;
	int saved = errno;
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	errno = saved;
}

enum err loop_wake_init(struct loop *loop, struct loop_wake *wake, loop_fn *fn, void *cookie)
{
	*wake = (struct loop_wake){.fn = fn, .cookie = cookie};
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	wake->lfd = (struct loop_fd){.fd = fd,
				     .wanted = LOOP_READ,
				     .actual = LOOP_READ,
				     .fn = wake_run,
				     .cookie = wake};
	if (fd < 0)
		return ERR_IO;
	enum err err = fd_add(loop, &wake->lfd, EPOLLIN | EPOLLET);
	if (err != OK)
		close(fd);
	return err;
}

void loop_wake_signal(struct loop_wake *wake)
{
	if (!atomic_exchange(&wake->pending, true))
		eventfd_poke(wake->lfd.fd);
}

void loop_wake_release(struct loop *loop, struct loop_wake *wake)
{
	if (wake->lfd.generation == 0)
		return;
	int fd = wake->lfd.fd;
	loop_fd_remove(loop, &wake->lfd);
	close(fd);
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

static uint64_t wait_us(const struct loop *loop)
{
	if (loop->heap_count == 0)
		return WAIT_FOREVER;
	uint64_t due = loop->heap[1].due_us, now = clock_us();
	return due > now ? due - now : 0;
}

static int wait_coarse(struct loop *loop, uint64_t us)
{
	int ms = -1;
	if (us != WAIT_FOREVER)
		ms = us / 1000 >= INT_MAX ? INT_MAX : (int)((us + 999) / 1000);
	return epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_WAIT, ms);
}

/* The number of events; 0 when interrupted; -1 when epoll itself fails. */
static int wait_for_events(struct loop *loop, uint64_t most_us)
{
	uint64_t us = wait_us(loop);
	if (us > most_us)
		us = most_us;
	int n = -1;
	if (!loop->coarse) {
		struct timespec timeout = {.tv_sec = (time_t)(us / 1000000),
					   .tv_nsec = (long)(us % 1000000) * 1000};
		n = epoll_pwait2(loop->epoll_fd, loop->events, EVENTS_PER_WAIT,
				 us == WAIT_FOREVER ? NULL : &timeout, NULL);
		loop->coarse = n < 0 && errno == ENOSYS;
	}
	if (loop->coarse)
		n = wait_coarse(loop, us);
	return n < 0 && errno == EINTR ? 0 : n;
}

/* Runs the callbacks of the wake-ups among the events, or of all others. Returns whether
 * events of the other kind were passed over. */
static bool dispatch(struct loop *loop, int n, bool wakes)
{
	bool others = false;
	for (int i = 0; i < n; i++) {
		const struct epoll_event *event = &loop->events[i];
		uint32_t slot = (uint32_t)event->data.u64;
		if (slot == STOP_SLOT ||
		    loop->slots[slot].generation != (uint32_t)(event->data.u64 >> 32))
			continue;
		struct loop_fd *lfd = loop->slots[slot].lfd;
		if ((lfd->fn == wake_run) != wakes) {
			others = true;
			continue;
		}
		unsigned happened = (event->events & (EPOLLIN | EPOLLRDHUP) ? LOOP_READ : 0) |
				    (event->events & EPOLLOUT ? LOOP_WRITE : 0);
		if (event->events & (EPOLLERR | EPOLLHUP))
			happened = LOOP_READ | LOOP_WRITE;
		fd_reported(loop, lfd, event->events);
		/* Wanted may have changed since the wait. */
		if (happened & lfd->wanted)
			lfd->fn(lfd->cookie, happened & lfd->wanted);
	}
	return others;
}

static enum err turn(struct loop *loop, uint64_t most_us)
{
	flush_interest(loop);
	int n = wait_for_events(loop, most_us);
	if (n < 0) {
		log_error("epoll failed", LOG_S("error", strerror(errno)));
		return ERR_IO;
	}
	loop->now_us = clock_us();
	if (dispatch(loop, n, false))
		dispatch(loop, n, true);
	run_timers(loop);
	run_hooks(loop);
	return OK;
}

enum err loop_run(struct loop *loop)
{
	REQUIRE(!loop->running);
	loop->running = true;
	loop->now_us = clock_us();
	run_hooks(loop);
	enum err err;
	do
		err = turn(loop, WAIT_FOREVER);
	while (err == OK && !atomic_load(&loop->stopping));
	atomic_store(&loop->stopping, false);
	loop->running = false;
	return err;
}

/* ---- turns that the owner asks for ---- */

static void alarm_rang(void *cookie, unsigned events)
{
	(void)events;
	struct loop *loop = cookie;
	uint64_t times;
	ssize_t got = read(loop->alarm.fd, &times, sizeof times);
	(void)CHECK(got == sizeof times || errno == EAGAIN || errno == EINTR);
}

static void alarm_set(struct loop *loop)
{
	const uint64_t due_us = loop->heap_count > 0 ? loop->heap[1].due_us : 0; /* 0: none */
	const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due_us / 1000000),
						   .tv_nsec = (long)(due_us % 1000000) * 1000}};
	/* Fails for wrong arguments only (timerfd_settime(2)). */
	int set = timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &at, NULL);
	(void)CHECK(set == 0);
}

int loop_poll_fd(struct loop *loop)
{
	if (loop->alarm.fd < 0) {
		int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (fd < 0)
			return -1;
		if (loop_fd_add(loop, &loop->alarm, fd, LOOP_READ, alarm_rang, loop) != OK) {
			close(fd);
			loop->alarm.fd = -1;
			return -1;
		}
	}
	flush_interest(loop);
	alarm_set(loop);
	return loop->epoll_fd;
}

enum err loop_turn(struct loop *loop, int64_t timeout_us)
{
	REQUIRE(!loop->running);
	loop->running = true;
	loop->now_us = clock_us();
	run_hooks(loop);
	enum err err = turn(loop, timeout_us < 0 ? WAIT_FOREVER : (uint64_t)timeout_us);
	if (loop->alarm.fd >= 0) {
		flush_interest(loop);
		alarm_set(loop);
	}
	loop->running = false;
	return err;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	eventfd_poke(loop->stop_fd);
}
