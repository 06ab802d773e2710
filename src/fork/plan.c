/* SPDX-License-Identifier: MIT */
#include "fork/plan.h"
#include "base/log.h"
#include "fork/fork_impl.h"
#include "fork/ladder.h"
#include "fork/retry.h"

enum {
	GATHER_MIN_US = 1000,
	GATHER_RTT_SHARE = 16,
	NOMEM_WAIT_US = 10000,
};

static bool travels_alone(const struct fork_question *question)
{
	return question->kind == FORK_CALL && question->class != FORK_CLASS_STATE;
}

size_t plan_expected_bytes(const struct fork_question *question)
{
	switch (question->kind) {
	case FORK_BALANCE:
	case FORK_NONCE:
		return 100;
	case FORK_SLOT:
		return 130;
	case FORK_CODE:
		return 16384; /* the median contract of real forks is 7.8 kB, in hex */
	case FORK_CALL:
		return 8192;
	}
	return 0;
}

static bool may_leave(const struct upstream *u, uint64_t now)
{
	const struct plan *plan = &u->plan;
	if (plan->busy < u->window)
		return true;
	if (u->window < UPSTREAM_WINDOW || plan->busy >= PLAN_BUSY_MAX)
		return false;
	/* With many slots to an item it is not the number of items that fills a request. */
	const size_t full =
		u->storage_values.state == CAPABILITY_YES ? u->burst : upstream_items_max(u);
	if (plan->gathering.n >= full || plan->gathering.expected_bytes >= PLAN_REPLY_BYTES)
		return true;
	uint64_t window = atomic_load(&u->rtt_us) / GATHER_RTT_SHARE;
	window = window < GATHER_MIN_US ? GATHER_MIN_US : window;
	return now >= plan->gathering.first->queued_us + window;
}

/* A provider that says "slow down" means calls, too. */
static unsigned alone_max(const struct upstream *u)
{
	return u->window < UPSTREAM_WINDOW ? u->window : PLAN_ALONE_MAX;
}

/* Sends one request of the queue's front; false when memory was refused. */
static bool leave(struct upstream *u, struct flight_queue *queue, bool alone)
{
	struct buf body;
	enum err err;
	buf_init(&body, POST_BODY_MAX);
	struct post *post = ladder_take(u, queue, alone, &body, &err);
	if (post) {
		post_send(post, &body);
		return true;
	}
	buf_release(&body);
	return err == OK;
}

static void wait_until(struct upstream *u, uint64_t due_us)
{
	const uint64_t now = loop_now_us(u->fork->loop);
	/* Without memory the next question or reply touches the plan again. */
	if (loop_timer_start(u->fork->loop, &u->plan.window, due_us > now ? due_us - now : 0) !=
	    OK)
		log_warn("no memory for a timer", LOG_S("host", u->host));
}

/* The queue whose front has waited longest of those that may send; NULL: none may. */
static struct flight_queue *next_to_leave(struct upstream *u, uint64_t now)
{
	struct plan *plan = &u->plan;
	if (budget_wait_us(&u->budget, now) > 0)
		return NULL;
	const bool alone = plan->alone.n && plan->alone_busy < alone_max(u);
	const bool gathering = plan->gathering.n && may_leave(u, now);
	if (alone && gathering)
		return plan->gathering.first->queued_us < plan->alone.first->queued_us
			       ? &plan->gathering
			       : &plan->alone;
	return alone ? &plan->alone : gathering ? &plan->gathering : NULL;
}

/* Sends what may leave now, and sets the timer for the rest. */
static void send_all(struct upstream *u, uint64_t now)
{
	struct plan *plan = &u->plan;
	struct flight_queue *queue;
	bool memory = true;
	while (memory && (queue = next_to_leave(u, now)))
		memory = leave(u, queue, queue == &plan->alone);
	const uint64_t wait = budget_wait_us(&u->budget, now);
	if (!memory) {
		wait_until(u, now + NOMEM_WAIT_US);
	} else if (wait > 0 && plan->gathering.n + plan->alone.n > 0) {
		wait_until(u, now + wait);
	} else if (plan->gathering.n && u->window == UPSTREAM_WINDOW &&
		   plan->busy < PLAN_BUSY_MAX) {
		uint64_t window = atomic_load(&u->rtt_us) / GATHER_RTT_SHARE;
		wait_until(u, plan->gathering.first->queued_us +
				      (window < GATHER_MIN_US ? GATHER_MIN_US : window));
	}
}

static void turn_over(void *cookie)
{
	struct upstream *u = cookie;
	struct plan *plan = &u->plan;
	struct fork *fork = u->fork;
	const uint64_t now = loop_now_us(fork->loop);
	if (fork->stopping)
		return;
	if (u->wants_probe) {
		u->wants_probe = false;
		probe_start(u);
	}
	if (!plan->gathering.n && !plan->alone.n)
		return;
	if (u->backoff_until_us > now) {
		wait_until(u, u->backoff_until_us);
		return;
	}
	if (!upstream_usable(u)) {
		/* It was disabled while these were on their way. */
		struct failure failure;
		failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s", u->disabled_why);
		plan_fail(u, &failure);
		ports_signal(fork);
		return;
	}
	if (u->state != UPSTREAM_READY) {
		probe_start(u);
		return;
	}
	upstream_renew(u);
	send_all(u, now);
	ports_signal(fork);
}

void plan_init(struct upstream *upstream)
{
	loop_timer_init(&upstream->plan.turn, turn_over, upstream);
	loop_timer_init(&upstream->plan.window, turn_over, upstream);
}

static void drop_all(struct flight_queue *queue)
{
	struct flight *flight;
	while ((flight = queue->first))
		flight_drop(flight);
}

void plan_release(struct upstream *upstream)
{
	struct plan *plan = &upstream->plan;
	while (plan->sent)
		post_abandon(plan->sent);
	drop_all(&plan->gathering);
	drop_all(&plan->alone);
	loop_timer_cancel(upstream->fork->loop, &plan->turn);
	loop_timer_cancel(upstream->fork->loop, &plan->window);
}

void plan_touch(struct upstream *upstream)
{
	if (loop_timer_running(&upstream->plan.turn))
		return;
	/* Without memory the deadlines end what stays behind. */
	if (loop_timer_start(upstream->fork->loop, &upstream->plan.turn, 0) != OK)
		log_warn("no memory for a timer", LOG_S("host", upstream->host));
}

static struct flight_queue *queue_of(struct upstream *upstream, const struct flight *flight)
{
	return travels_alone(&flight->question) ? &upstream->plan.alone
						: &upstream->plan.gathering;
}

void plan_add(struct upstream *upstream, struct flight *flight)
{
	flight->state = FLIGHT_PLANNED;
	flight->upstream = upstream;
	flight->queued_us = loop_now_us(upstream->fork->loop);
	queue_append(queue_of(upstream, flight), flight);
	plan_touch(upstream);
}

void plan_again(struct upstream *upstream, struct flight *flight)
{
	if (!flight->followers || upstream->fork->stopping) {
		flight_drop(flight);
		return;
	}
	flight->state = FLIGHT_PLANNED;
	queue_prepend(queue_of(upstream, flight), flight);
	plan_touch(upstream);
}

static void fail_queue(struct upstream *upstream, struct flight_queue *queue,
		       const struct failure *failure)
{
	/* What comes back to this queue meanwhile waits for the next probe. */
	for (size_t n = queue->n; n > 0 && queue->first; n--) {
		struct flight *flight = queue->first;
		queue_remove(flight);
		retry_flight(flight, upstream, failure);
	}
}

void plan_fail(struct upstream *upstream, const struct failure *failure)
{
	fail_queue(upstream, &upstream->plan.gathering, failure);
	fail_queue(upstream, &upstream->plan.alone, failure);
}
