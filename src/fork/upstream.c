/* SPDX-License-Identifier: MIT */
#include "fork/upstream.h"
#include "base/log.h"
#include "base/recent.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include <stdio.h>

#define DISABLED_US (UINT64_C(60) * 1000000)
#define LACK_US	    (UINT64_C(30) * 1000000) /* a lagging node has caught up by then */
/* What a provider may ask for: then it is looked at again. */
#define RETRY_AFTER_MAX_MS (INT64_C(3600) * 1000)
#define NURSE_US	   (UINT64_C(5) * 1000000)
#define RESTART_US	   (UINT64_C(1) * 1000000)
#define SHARE_ONE	   65536u
#define SHARE_SICK	   (SHARE_ONE / 2)
#define SHARE_HALFWAY	   (SHARE_ONE / 8 * 3) /* well again, but on probation */

enum err upstream_init(struct upstream *upstream, struct fork *fork, unsigned index,
		       const struct fork_upstream_config *config, struct err_detail *detail)
{
	upstream->fork = fork;
	upstream->index = index;
	upstream->window = UPSTREAM_WINDOW;
	upstream->burst = fork->batch_items;
	atomic_store(&upstream->batch_limit, fork->batch_items);
	budget_init(&upstream->budget, fork->upstream_rate);
	plan_init(upstream);
	enum err err = redact_init(&upstream->secrets, config->url, config->headers,
				   config->headers_n);
	if (err == OK)
		err = client_target_new(fork->client, config->url, config->headers,
					config->headers_n, &upstream->target, detail);
	if (err == OK)
		upstream->host = client_target_host(upstream->target);
	return err;
}

void upstream_release(struct upstream *upstream)
{
	probe_cancel(upstream);
	plan_release(upstream);
	client_target_free(&upstream->target);
	redact_release(&upstream->secrets);
}

bool upstream_usable(struct upstream *upstream)
{
	if (upstream->state != UPSTREAM_DISABLED)
		return true;
	if (loop_now_us(upstream->fork->loop) < upstream->disabled_us + DISABLED_US)
		return false;
	upstream->state = UPSTREAM_UNPROBED;
	return true;
}

static bool lacks(const struct upstream *upstream, uint64_t number, uint64_t now)
{
	for (size_t i = 0; i < UPSTREAM_LACKS; i++)
		if (upstream->lacks[i].until_us > now && upstream->lacks[i].number == number)
			return true;
	return false;
}

static bool is_well(const struct upstream *upstream, uint64_t now)
{
	if (upstream->backoff_until_us > now)
		return false;
	if (upstream->state != UPSTREAM_READY && upstream->failures_in_row > 0)
		return false;
	return atomic_load(&upstream->error_share) < SHARE_SICK;
}

/* What waits for its rate takes a second or more. */
static bool is_laden(const struct upstream *upstream)
{
	const struct plan *plan = &upstream->plan;
	/* Slots travel many to a request where they can. */
	const bool packs = upstream->storage_values.state == CAPABILITY_YES;
	return upstream->budget.interval_ns &&
	       plan->alone.n + (packs ? 0 : plan->gathering.n) >= upstream->fork->upstream_rate;
}

/* A sick one is passed over, and would never be seen to be well again: questions that go
 * elsewhere have it looked at now and then. */
static void nurse(struct upstream *upstream, uint64_t now)
{
	if (now < upstream->backoff_until_us || now < upstream->nursed_us + NURSE_US)
		return;
	upstream->nursed_us = now;
	upstream->wants_probe = true;
	plan_touch(upstream);
}

struct upstream *upstream_choose(struct flight *flight)
{
	struct fork *fork = flight->fork;
	const uint64_t now = loop_now_us(fork->loop);
	const uint64_t number = flight->question.block.number;
	struct upstream *laden = NULL, *sick = NULL, *lacking = NULL;
	for (size_t i = 0; i < fork->upstreams_n; i++) {
		struct upstream *u = &fork->upstreams[i];
		if (flight->tried >> i & 1 || !upstream_usable(u))
			continue;
		if (lacks(u, number, now)) {
			lacking = lacking ? lacking : u;
			continue;
		}
		if (is_well(u, now)) {
			if (!is_laden(u))
				return u;
			laden = laden ? laden : u;
			continue;
		}
		nurse(u, now);
		if (!sick || u->backoff_until_us < sick->backoff_until_us)
			sick = u;
	}
	if (laden)
		return laden;
	/* Within a round only what can be asked at once: else the wait is over sooner. */
	if (flight->tried)
		return sick && sick->backoff_until_us <= now ? sick : NULL;
	return sick ? sick : lacking;
}

static void blend(atomic_uint *share, unsigned sample)
{
	unsigned old = atomic_load(share);
	atomic_store(share, old - old / 8 + sample / 8);
}

void upstream_succeeded(struct upstream *upstream, uint64_t sent_us, uint64_t elapsed_us,
			bool measures)
{
	blend(&upstream->error_share, 0);
	if (measures) {
		unsigned long long rtt = atomic_load(&upstream->rtt_us);
		atomic_store(&upstream->rtt_us,
			     rtt ? rtt - rtt / 8 + elapsed_us / 8 : elapsed_us);
	}
	/* What was sent before the failure says nothing about now. */
	if (sent_us < upstream->failed_us)
		return;
	upstream->failures_in_row = 0;
	upstream->backoff_until_us = upstream->told_until_us = 0;
	if (upstream->window < UPSTREAM_WINDOW)
		upstream->window++;
	upstream->burst += upstream->burst / 4 + 1;
	if (upstream->burst > upstream->fork->batch_items)
		upstream->burst = upstream->fork->batch_items;
}

void upstream_failed(struct upstream *upstream, const struct failure *failure, size_t items,
		     int64_t retry_after_ms)
{
	const uint64_t now = loop_now_us(upstream->fork->loop);
	blend(&upstream->error_share, SHARE_ONE);
	fork_count(&upstream->failures, 1);
	/* Several requests that fail together are one failure. */
	if (upstream->backoff_until_us <= now)
		upstream->failures_in_row++;
	uint64_t wait = retry_backoff_us(upstream->failures_in_row, failure->jitter);
	if (failure->verdict == VERDICT_RATE) {
		fork_count(&upstream->rate_limited, 1);
		upstream->window = 1;
		if (items > 1 && items / 2 < upstream->burst)
			upstream->burst = (unsigned)(items / 2);
	} else if (failure->err == ERR_TIMEOUT && items > 1 && items / 2 < upstream->burst) {
		upstream->burst = (unsigned)(items / 2);
	}
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	const bool told = retry_after_ms > 0 && (uint64_t)retry_after_ms * 1000 > wait;
	if (told)
		wait = (uint64_t)retry_after_ms * 1000;
	upstream->failed_us = now;
	if (now + wait > upstream->backoff_until_us)
		upstream->backoff_until_us = now + wait;
	recent_add("upstream %s: %s", upstream->host, failure->why);
	log_debug("upstream failed", LOG_S("host", upstream->host), LOG_S("why", failure->why),
		  LOG_U("wait_us", wait));
	if (told) {
		upstream->told_until_us = now + wait;
		plan_fail(upstream, failure);
	}
}

void upstream_recovered(struct upstream *upstream)
{
	if (atomic_load(&upstream->error_share) > SHARE_HALFWAY)
		atomic_store(&upstream->error_share, SHARE_HALFWAY);
	upstream_succeeded(upstream, loop_now_us(upstream->fork->loop), 0, false);
}

void upstream_distrust(struct upstream *upstream)
{
	if (upstream->state == UPSTREAM_READY)
		upstream->state = UPSTREAM_UNPROBED;
}

bool upstream_proved(struct upstream *upstream, uint64_t opened_us)
{
	const uint64_t patience = upstream->state == UPSTREAM_READY ? RESTART_US : 0;
	if (opened_us > upstream->proved_us + patience)
		return false;
	upstream->proved_us = loop_now_us(upstream->fork->loop);
	return true;
}

void upstream_disable(struct upstream *upstream, const char *why)
{
	struct failure failure;
	log_error("upstream disabled", LOG_S("host", upstream->host), LOG_S("why", why));
	upstream->state = UPSTREAM_DISABLED;
	upstream->disabled_us = loop_now_us(upstream->fork->loop);
	failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s", why);
	memcpy(upstream->disabled_why, failure.why, sizeof failure.why);
	plan_fail(upstream, &failure);
}

void upstream_note_lack(struct upstream *upstream, uint64_t block_number)
{
	const uint64_t now = loop_now_us(upstream->fork->loop);
	size_t oldest = 0;
	for (size_t i = 0; i < UPSTREAM_LACKS; i++) {
		if (upstream->lacks[i].number == block_number && upstream->lacks[i].until_us) {
			oldest = i;
			break;
		}
		if (upstream->lacks[i].until_us < upstream->lacks[oldest].until_us)
			oldest = i;
	}
	upstream->lacks[oldest].number = block_number;
	upstream->lacks[oldest].until_us = now + LACK_US;
}

void upstream_lower_limit(struct upstream *upstream, size_t limit)
{
	const unsigned lowered = limit > 1 ? (unsigned)limit : 1;
	if (lowered >= atomic_load(&upstream->batch_limit))
		return;
	atomic_store(&upstream->batch_limit, lowered);
	if (upstream->limit_raised || upstream->limit_wait_us == 0)
		upstream->limit_wait_us = ability_longer_us(upstream->limit_wait_us);
	upstream->limit_raised = false;
	upstream->limit_again_us = loop_now_us(upstream->fork->loop) + upstream->limit_wait_us;
}

void upstream_took_batch(struct upstream *upstream, size_t items)
{
	upstream->batch_strikes = 0;
	/* What was raised holds: on to the next step, without another wait. */
	if (upstream->limit_raised && items > atomic_load(&upstream->batch_limit) / 2)
		upstream->limit_again_us = 0;
}

void upstream_renew(struct upstream *upstream)
{
	const uint64_t now = loop_now_us(upstream->fork->loop);
	const unsigned limit = atomic_load(&upstream->batch_limit);
	ability_renew(&upstream->storage_values, now);
	ability_renew(&upstream->account_info, now);
	ability_renew(&upstream->block_hash, now);
	if (limit >= upstream->fork->batch_items || now < upstream->limit_again_us)
		return;
	atomic_store(&upstream->batch_limit, limit < upstream->fork->batch_items / 2
						     ? 2 * limit
						     : upstream->fork->batch_items);
	upstream->limit_raised = true;
	upstream->limit_again_us = now + upstream->limit_wait_us;
}

size_t upstream_items_max(const struct upstream *upstream)
{
	unsigned limit = atomic_load(&upstream->batch_limit);
	if (upstream->burst < limit)
		limit = upstream->burst;
	return limit ? limit : 1;
}

static uint64_t figure(atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void upstream_stats(struct upstream *upstream, struct fork_upstream_stats *out)
{
	*out = (struct fork_upstream_stats){
		.healthy = upstream->state != UPSTREAM_DISABLED &&
			   atomic_load(&upstream->error_share) < SHARE_SICK,
		.probed = atomic_load(&upstream->probed_once),
		.is_dev = atomic_load(&upstream->is_dev),
		.requests = figure(&upstream->requests),
		.items = figure(&upstream->items),
		.bytes_in = figure(&upstream->bytes_in),
		.bytes_out = figure(&upstream->bytes_out),
		.rate_limited = figure(&upstream->rate_limited),
		.in_flight = figure(&upstream->in_flight),
		.rtt_us = figure(&upstream->rtt_us),
		.failures = figure(&upstream->failures),
		.has_storage_values = upstream->storage_values.state == CAPABILITY_YES,
		.has_account_info = upstream->account_info.state == CAPABILITY_YES,
		.batch_limit = atomic_load(&upstream->batch_limit),
	};
	/* A longer host is cut: the field is for display. */
	int length = snprintf(out->host, sizeof out->host, "%s", upstream->host);
	REQUIRE(length >= 0);
}
