/* SPDX-License-Identifier: MIT */
#include "fork/retry.h"
#include "fork/fork_impl.h"
#include <stdio.h>

enum {
	BACKOFF_FIRST_US = 50000,
	BACKOFF_MAX_US = 2000000,
	ATTEMPT_SHARE = 3,    /* an attempt's part of the deadline */
	ATTEMPT_MIN_MS = 200, /* even for a very short deadline */
	UNTIL_DEADLINE = 0,
	/* Of nodes behind one address some are a second behind the head that another told. */
	LACKS_NEAR_HEAD = 6,
};

static const struct {
	uint32_t deadline_ms;
} classes[FORK_CLASSES] = {
	/* Below the read timeouts of clients: viem gives up after 10 s. */
	[FORK_CLASS_STATE] = {9000},
	[FORK_CLASS_CALL] = {30000},
	[FORK_CLASS_TRACE] = {120000},
};

/* Rounds that a kind of failure is worth. What lasts that long will not get better, and a
 * clear error now is better than the same one at the deadline. */
static const unsigned patience[VERDICTS] = {
	[VERDICT_TRANSIENT] = UNTIL_DEADLINE,
	[VERDICT_RATE] = UNTIL_DEADLINE,
	[VERDICT_BAD] = 7,
	[VERDICT_LACKS] = 4,
	[VERDICT_REFUSED] = 5,
	[VERDICT_INTERNAL] = 3,
	[VERDICT_UNSUPPORTED] = 3,
	[VERDICT_LIKELY] = 1,
};

static unsigned rounds_worth(const struct flight *flight, const struct failure *failure)
{
	const struct fork_question *q = &flight->question;
	/* An answer larger than allowed would only be fetched again. */
	if (failure->err == ERR_LIMIT || flight->likely)
		return 1;
	if (failure->verdict == VERDICT_LACKS && (q->guarded || q->block.by_hash))
		return LACKS_NEAR_HEAD;
	return patience[failure->verdict];
}

uint32_t retry_deadline_ms(const struct fork *fork, enum fork_class class)
{
	return fork->deadline_ms[class] ? fork->deadline_ms[class] : classes[class].deadline_ms;
}

uint32_t retry_attempt_ms(const struct fork *fork, enum fork_class class)
{
	uint32_t ms = retry_deadline_ms(fork, class) / ATTEMPT_SHARE;
	return ms < ATTEMPT_MIN_MS ? ATTEMPT_MIN_MS : ms;
}

uint64_t retry_backoff_us(unsigned n, uint32_t jitter)
{
	uint64_t step = BACKOFF_FIRST_US;
	while (--n > 0 && step < BACKOFF_MAX_US)
		step *= 2;
	if (step > BACKOFF_MAX_US)
		step = BACKOFF_MAX_US;
	return step / 2 + step / 2 * jitter / 65536;
}

static void wait_over(void *cookie)
{
	struct flight *flight = cookie;
	struct fork *fork = flight->fork;
	flight->state = FLIGHT_NEW;
	retry_dispatch(flight);
	ports_signal(fork);
}

static void wait_a_little(struct flight *flight)
{
	uint64_t delay = retry_backoff_us(flight->rounds, flight->last.jitter);
	flight->state = FLIGHT_WAITING;
	loop_timer_init(&flight->timer, wait_over, flight);
	if (loop_timer_start(flight->fork->loop, &flight->timer, delay) != OK)
		flight_fail(flight, ERR_NOMEM);
}

/* The error object itself is the best answer to a call that keeps failing with it. */
static void give_up(struct flight *flight)
{
	const enum verdict verdict = flight->last.verdict;
	if (flight->last_error &&
	    (flight->likely || (verdict != VERDICT_RATE && verdict != VERDICT_REFUSED))) {
		struct fork_answer answer = {.err = flight_error(flight),
					     .blob = flight->last_error,
					     .detail = "",
					     .do_not_store = true, /* it is doubtful */
					     .lacks = !flight->likely &&
						      verdict == VERDICT_LACKS};
		flight_answer(flight, &answer);
		return;
	}
	flight_fail(flight, retry_err(flight));
}

/* It will not be asked while anybody waits. */
static bool is_out_of_time(const struct flight *flight, const struct upstream *upstream)
{
	return upstream->told_until_us > flight_due_us(flight);
}

static void out_of_time(struct flight *flight, struct upstream *upstream)
{
	const uint64_t now = loop_now_us(flight->fork->loop);
	const uint64_t left_s = (upstream->told_until_us - now + 999999) / 1000000;
	failure_set(&flight->last, VERDICT_RATE, ERR_RATE_LIMITED,
		    "it has asked for %llu s without requests (Retry-After)",
		    (unsigned long long)left_s);
	flight->upstream = upstream;
	give_up(flight);
}

void retry_dispatch(struct flight *flight)
{
	struct upstream *upstream = upstream_choose(flight);
	if (upstream && is_out_of_time(flight, upstream)) {
		out_of_time(flight, upstream);
		return;
	}
	if (upstream) {
		plan_add(upstream, flight);
		return;
	}
	/* Only when every upstream is disabled. */
	if (flight->last.verdict == VERDICT_OK) {
		struct upstream *first = &flight->fork->upstreams[0];
		failure_set(&flight->last, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s: %s",
			    first->host, first->disabled_why);
	}
	flight_fail(flight, ERR_BAD_ANSWER);
}

void retry_flight(struct flight *flight, struct upstream *upstream,
		  const struct failure *failure)
{
	struct fork *fork = flight->fork;
	flight->attempts++;
	flight->last = *failure;
	flight->upstream = upstream;
	flight->tried |= UINT64_C(1) << upstream->index;
	flight->asked |= flight->tried;
	flight->state = FLIGHT_NEW;
	if (failure->unsent)
		flight->sent = false;
	if (!flight->followers || fork->stopping) {
		flight_drop(flight);
		return;
	}
	if (flight->question.once && flight->sent) {
		flight_fail(flight, retry_err(flight));
		return;
	}
	fork_count(&fork->retries, 1);
	if (failure->verdict == VERDICT_LACKS && flight->question.block.number)
		upstream_note_lack(upstream, flight->question.block.number);
	struct upstream *next = upstream_choose(flight);
	if (next) {
		fork_count(&fork->failovers, 1);
		plan_add(next, flight);
		return;
	}
	flight->rounds++;
	flight->tried = 0;
	const unsigned limit = rounds_worth(flight, failure);
	struct upstream *again = upstream_choose(flight);
	if (limit != UNTIL_DEADLINE && flight->rounds >= limit)
		give_up(flight);
	else if (again && is_out_of_time(flight, again))
		out_of_time(flight, again);
	else
		wait_a_little(flight);
}

enum err retry_err(const struct flight *flight)
{
	switch (flight->last.verdict) {
	case VERDICT_OK:
		return ERR_TIMEOUT;
	case VERDICT_RATE:
		return ERR_RATE_LIMITED;
	case VERDICT_LACKS:
		return ERR_NOT_FOUND;
	case VERDICT_TRANSIENT:
	case VERDICT_BAD:
	case VERDICT_REFUSED:
	case VERDICT_INTERNAL:
	case VERDICT_UNSUPPORTED:
	case VERDICT_LIKELY:
	case VERDICT_ERROR:
	case VERDICTS:
		break;
	}
	return flight->last.err == OK ? ERR_BAD_ANSWER : flight->last.err;
}

void retry_detail(const struct flight *flight, uint64_t waited_us, struct err_detail *detail)
{
	const struct fork *fork = flight->fork;
	char hosts[ERR_DETAIL_BYTES / 2] = "";
	size_t used = 0, n = 0;
	for (size_t i = 0; i < fork->upstreams_n; i++) {
		if (!(flight->asked >> i & 1) && flight->upstream != &fork->upstreams[i])
			continue;
		int more = snprintf(hosts + used, sizeof hosts - used, "%s%s", used ? ", " : "",
				    fork->upstreams[i].host);
		n++;
		if (more < 0 || (size_t)more >= sizeof hosts - used)
			break;
		used += (size_t)more;
	}
	const bool named = n > 1 && flight->upstream && flight->last.why[0];
	const unsigned tenths = (unsigned)((waited_us + 50000) / 100000);
	(void)err_set(detail, ERR_TIMEOUT,
		      "upstream%s %s: no answer in %u.%u s (%u attempt%s; last: %s%s%s)",
		      n > 1 ? "s" : "", n ? hosts : fork->upstreams[0].host, tenths / 10,
		      tenths % 10, flight->attempts, flight->attempts == 1 ? "" : "s",
		      named ? flight->upstream->host : "", named ? ": " : "",
		      flight->last.why[0] ? flight->last.why : "no reply yet");
}
