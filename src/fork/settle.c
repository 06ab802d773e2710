/* SPDX-License-Identifier: MIT */
#include "fork/settle.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"

enum {
	/* Unusable answers to batches in a row before smaller ones are tried. */
	BATCH_STRIKES = 2,
	INVALID_PARAMS = -32602,
};

/* ---- one flight ---- */

struct fault {
	struct upstream *upstream;
	const struct failure *failure;
};

static void retry_each(struct flight *flight, void *cookie)
{
	const struct fault *fault = cookie;
	retry_flight(flight, fault->upstream, fault->failure);
}

void settle_retry(struct post *r, const struct failure *failure)
{
	post_each(r, retry_each, &(struct fault){r->upstream, failure});
}

static void again_each(struct flight *flight, void *cookie)
{
	plan_again(cookie, flight);
}

/* Takes the blob in answer. */
static void deliver(struct upstream *u, struct flight *flight, struct fork_answer *answer)
{
	answer->detail = "";
	answer->do_not_store = u->is_dev && !u->fork->trust_dev_upstream;
	answer->client = fork_client_kind(u->probe.client_version);
	flight_answer(flight, answer);
	blob_put(&answer->blob);
}

/* One that says more, or surely, replaces one that is likely. */
static void remember_error(const struct upstream *u, struct flight *flight,
			   const struct outcome *outcome)
{
	const enum verdict verdict = outcome->failure.verdict;
	if (flight->likely && verdict != VERDICT_ERROR &&
	    (verdict != VERDICT_LIKELY || outcome->code == CLASSIFY_METHOD_NOT_FOUND))
		return;
	flight->likely = verdict == VERDICT_LIKELY;
	flight->no_method = outcome->no_method;
	blob_put(&flight->last_error);
	flight->last_error = blob_copy(outcome->error.ptr, outcome->error.len);
	if (flight->last_error)
		redact_text(&u->secrets, flight->last_error->bytes, flight->last_error->len);
}

/* Whether the error may be of {"blockHash"}, which this upstream has not been seen to take. Of
 * a call only JSON-RPC's "invalid params" is; a number is worth a try whoever is to blame. */
static bool refuses_form(const struct upstream *u, const struct flight *flight,
			 const struct outcome *outcome, bool by_hash)
{
	if (!by_hash || u->block_hash.state == CAPABILITY_YES)
		return false;
	if (flight->question.kind == FORK_CALL)
		return outcome->code == INVALID_PARAMS;
	return outcome->failure.verdict == VERDICT_UNSUPPORTED;
}

/* by_hash: this question named its block by hash in this request. */
static void settle_error(struct upstream *u, struct flight *flight,
			 const struct outcome *outcome, bool by_hash)
{
	const enum verdict verdict = outcome->failure.verdict;
	if (flight->question.kind == FORK_CALL && outcome->error.ptr) {
		remember_error(u, flight, outcome);
		if (!flight->last_error) {
			flight_fail(flight, ERR_NOMEM);
			return;
		}
	}
	if (refuses_form(u, flight, outcome, by_hash)) {
		ability_refused(&u->block_hash, loop_now_us(u->fork->loop));
		flight->likely = false; /* it was about the form */
		plan_again(u, flight);
	} else if (verdict == VERDICT_ERROR || (flight->question.once && flight->last_error)) {
		struct fork_answer answer = {.err = ERR_UPSTREAM,
					     .blob = blob_get(flight->last_error)};
		deliver(u, flight, &answer);
	} else {
		retry_flight(flight, u, &outcome->failure);
	}
}

/* The caller's own look at a call's result (fork_config.check). */
static enum err check_item(const struct upstream *u, const struct flight *flight,
			   struct outcome *outcome)
{
	struct err_detail detail = {{0}};
	if (flight->question.kind != FORK_CALL || !u->fork->check)
		return OK;
	enum err err = u->fork->check(&flight->question, outcome->result, &detail);
	if (err != OK)
		failure_set(&outcome->failure, VERDICT_BAD, err, "%s", detail.text);
	return err;
}

/* Fills found and have, or the outcome's failure. */
static void read_one(const struct upstream *u, struct flight *flight, struct outcome *outcome)
{
	flight->have = false;
	if (outcome->failure.verdict != VERDICT_OK)
		return;
	enum err err = answer_value(&flight->question, outcome->result, &flight->found,
				    &outcome->failure);
	if (err == OK) {
		err = check_item(u, flight, outcome);
		if (err != OK)
			blob_put(&flight->found.blob);
	}
	flight->have = err == OK;
	if (err == ERR_NOMEM) /* nobody's fault there */
		failure_set(&outcome->failure, VERDICT_INTERNAL, ERR_NOMEM, "out of memory");
}

static void deliver_found(struct upstream *u, struct flight *flight)
{
	struct fork_answer found = flight->found;
	deliver(u, flight, &found);
}

static void settle_one(struct post *r, struct flight *flight, struct outcome *outcome)
{
	struct upstream *u = r->upstream;
	const bool by_hash = question_by_hash(&flight->question) && !post_is_guarded(r);
	if (flight->have && by_hash)
		ability_seen(&u->block_hash);
	if (flight->have)
		deliver_found(u, flight);
	else if (outcome->failure.err == ERR_NOMEM)
		flight_fail(flight, ERR_NOMEM);
	else
		settle_error(u, flight, outcome, by_hash);
}

/* ---- composite items ---- */

static void composite_refused(struct upstream *u, struct item *item)
{
	ability_refused(item_ability(u, item), loop_now_us(u->fork->loop));
	for (size_t i = 0; i < item->flights_n; i++)
		plan_again(u, item->flights[i]);
}

static void composite_read(struct upstream *u, struct item *item)
{
	if (item->kind == ITEM_VALUES ? answer_values(item) : answer_info(item))
		ability_seen(item_ability(u, item));
	else
		ability_strike(item_ability(u, item), loop_now_us(u->fork->loop));
	for (size_t i = 0; i < item->flights_n; i++) {
		struct flight *flight = item->flights[i];
		if (flight->have) {
			deliver_found(u, flight);
		} else {
			flight->plain = true;
			plan_again(u, flight);
		}
	}
}

/* A failure that may be of the method alone: the next attempt goes without it. */
static void composite_failed(struct upstream *u, struct item *item,
			     const struct failure *failure)
{
	for (size_t i = 0; i < item->flights_n; i++) {
		item->flights[i]->plain = true;
		retry_flight(item->flights[i], u, failure);
	}
}

static void settle_composite(struct upstream *u, struct item *item)
{
	const struct failure *failure = &item->outcome.failure;
	switch (failure->verdict) {
	case VERDICT_OK:
		composite_read(u, item);
		break;
	case VERDICT_UNSUPPORTED:
	case VERDICT_REFUSED:
		composite_refused(u, item);
		break;
	case VERDICT_RATE:
	case VERDICT_LACKS:
		for (size_t i = 0; i < item->flights_n; i++)
			retry_flight(item->flights[i], u, failure);
		break;
	case VERDICT_TRANSIENT:
	case VERDICT_BAD:
	case VERDICT_INTERNAL:
	case VERDICT_LIKELY:
	case VERDICT_ERROR:
	case VERDICTS:
		ability_strike(item_ability(u, item), loop_now_us(u->fork->loop));
		composite_failed(u, item, failure);
		break;
	}
}

/* ---- the whole reply ---- */

bool settle_guard(const struct post *r, struct span block, struct failure *failure)
{
	uint64_t number;
	struct eth_bytes32 hash;
	if (failure->verdict != VERDICT_OK)
		return false;
	if (probe_block(block, &number, &hash) && number == r->guarded.number &&
	    eth_bytes32_equal(&hash, &r->guarded.hash))
		return true;
	failure_set(failure, VERDICT_LACKS, ERR_NOT_FOUND, "block %llu is another one there",
		    (unsigned long long)r->guarded.number);
	return false;
}

/* Both reads show the block that was asked about; else *failure says what they show. */
static bool guards_hold(const struct post *r, struct failure *failure)
{
	const struct item *guards[POST_GUARDS] = {&r->items[0], &r->items[r->items_n - 1]};
	for (size_t i = 0; i < POST_GUARDS; i++) {
		*failure = guards[i]->outcome.failure;
		if (!settle_guard(r, guards[i]->outcome.result, failure))
			return false;
	}
	return true;
}

static size_t questions_in(const struct post *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->items_n; i++)
		n += r->items[i].flights_n;
	return n;
}

/* What a client asked to call may be what is wrong with its answer. */
static bool says_something(const struct item *item)
{
	return item->outcome.failure.verdict != VERDICT_BAD || item->kind != ITEM_ONE ||
	       item->flights[0]->question.kind != FORK_CALL;
}

/* Health from the items: one that is rate limited slows us down; all bad is a failure. */
static void judge(struct post *r, uint64_t elapsed_us)
{
	struct upstream *u = r->upstream;
	const struct failure *rate = NULL;
	size_t faults = 0, limited = 0, all = questions_in(r);
	for (size_t i = 0; i < r->items_n; i++) {
		const struct outcome *outcome = &r->items[i].outcome;
		faults += failure_is_fault(&outcome->failure) && says_something(&r->items[i]);
		if (outcome->failure.verdict == VERDICT_RATE) {
			rate = &outcome->failure;
			limited += r->items[i].flights_n;
		}
	}
	if (rate)
		upstream_failed(u, rate, limited && all > limited ? 2 * (all - limited) : all,
				-1);
	else if (faults == r->items_n && !r->alone)
		upstream_failed(u, &r->items[0].outcome.failure, 1, -1);
	else
		upstream_succeeded(u, r->sent_us, elapsed_us, !r->alone);
}

static void settle(struct post *r, uint64_t elapsed_us)
{
	struct upstream *u = r->upstream;
	const uint32_t jitter = fork_random(u->fork);
	struct failure failure;
	const bool holds = r->items[0].kind != ITEM_GUARD || guards_hold(r, &failure);
	for (size_t i = 0; i < r->items_n; i++) {
		struct item *item = &r->items[i];
		if (item->kind == ITEM_ONE && holds)
			read_one(u, item->flights[0], &item->outcome);
		item->outcome.failure.jitter = jitter;
	}
	judge(r, elapsed_us);
	if (!holds) {
		failure.jitter = jitter;
		settle_retry(r, &failure);
		return;
	}
	for (size_t i = 0; i < r->items_n; i++) {
		struct item *item = &r->items[i];
		switch (item->kind) {
		case ITEM_ONE:
			settle_one(r, item->flights[0], &item->outcome);
			break;
		case ITEM_VALUES:
		case ITEM_INFO:
			settle_composite(u, item);
			break;
		case ITEM_GUARD:
			break;
		}
	}
}

static void lower_limit(struct post *r, size_t limit)
{
	upstream_lower_limit(r->upstream, limit);
	post_each(r, again_each, r->upstream);
}

static void failed(struct post *r, const struct client_reply *reply, struct failure *failure)
{
	struct upstream *u = r->upstream;
	struct item *item = &r->items[0];
	struct ability *ability = r->items_n == 1 ? item_ability(u, item) : NULL;
	failure->jitter = fork_random(u->fork);
	failure->unsent = !reply->connected;
	/* A long call may fail for its own reasons. */
	if (!r->alone || failure->verdict == VERDICT_RATE || failure->err == ERR_NETWORK)
		upstream_failed(u, failure, questions_in(r), reply->retry_after_ms);
	if (failure->err == ERR_NETWORK)
		upstream_distrust(u);
	const bool unknown = ability && ability->state == CAPABILITY_UNKNOWN;
	if (ability && failure->verdict == VERDICT_REFUSED) {
		composite_refused(u, item);
	} else if (ability && failure->verdict != VERDICT_RATE && reply->connected &&
		   (unknown || failure->err != ERR_NETWORK)) {
		/* Gateways answer a method that they do not know with a page, or not at all. */
		if (unknown)
			ability_strike(ability, loop_now_us(u->fork->loop));
		composite_failed(u, item, failure);
	} else {
		settle_retry(r, failure);
	}
}

/* Nothing usable for a whole batch: its size may be why, or chance. */
static void doubt_batch(struct post *r, const struct client_reply *reply,
			struct failure *failure)
{
	struct upstream *u = r->upstream;
	/* What was sent before the last strike has failed with it. */
	const bool counts = r->sent_us >= u->batch_strike_us;
	if (counts) {
		u->batch_strike_us = loop_now_us(u->fork->loop);
		u->batch_strikes++;
	}
	if (!counts || u->batch_strikes < BATCH_STRIKES) {
		failed(r, reply, failure);
		return;
	}
	if (failure->err == ERR_NETWORK)
		upstream_distrust(u);
	lower_limit(r, r->items_n / 2);
}

void settle_reply(struct post *r, const struct client_reply *reply)
{
	struct upstream *u = r->upstream;
	struct failure failure;
	switch (answer_reply(r, reply, &failure)) {
	case REPLY_ITEMS:
		if (r->batch)
			upstream_took_batch(u, r->items_n);
		settle(r, reply->elapsed_us);
		break;
	case REPLY_BATCH_TOO_BIG:
		lower_limit(r, r->items_n / 2);
		break;
	case REPLY_BATCH_DOUBTFUL:
		doubt_batch(r, reply, &failure);
		break;
	case REPLY_NO_BATCH:
		lower_limit(r, 1);
		break;
	case REPLY_FAILED:
		failed(r, reply, &failure);
		break;
	}
}
