/* SPDX-License-Identifier: MIT */
#include "fork/pin.h"
#include "base/json.h"
#include "fork/block_spec.h"
#include "fork/finality.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include <stdio.h>

enum {
	TRIES_MAX = 5,
};

static void resolve(void *cookie);
static void finality(void *cookie);
static void final_hash(void *cookie);
static void head(void *cookie);
static void verify(void *cookie);

/* ---- the specification ---- */

static void params_number(struct pin *pin, uint64_t number)
{
	char text[18];
	size_t n = eth_quantity_format_u64(number, text);
	int length =
		snprintf(pin->params, sizeof pin->params, "[\"%.*s\",false]", (int)n, text);
	REQUIRE(length > 0);
}

static void params_text(struct pin *pin, const char *text)
{
	int length = snprintf(pin->params, sizeof pin->params, "[\"%s\",false]", text);
	REQUIRE(length > 0 && (size_t)length < sizeof pin->params);
}

static enum err parse_spec(struct pin *pin, const char *text)
{
	struct block_spec spec;
	if (block_spec_parse(text, &spec) != OK)
		return err_set(
			pin->detail, ERR_INVALID,
			"\"%s\" is not a block: a number, a 32-byte hash, latest, safe or "
			"finalized",
			text);
	pin->by_hash = spec.kind == BLOCK_SPEC_HASH;
	pin->by_number = spec.kind == BLOCK_SPEC_NUMBER;
	pin->number = spec.number;
	pin->hash = spec.hash;
	pin->method = pin->by_hash ? "eth_getBlockByHash" : "eth_getBlockByNumber";
	if (pin->by_number)
		params_number(pin, pin->number);
	else
		params_text(pin, text);
	return OK;
}

/* ---- steps ---- */

static void end(struct pin *pin, enum err err)
{
	struct fork *fork = pin->fork;
	loop_timer_cancel(fork->loop, &pin->timer);
	pin->running = false;
	if (err == OK) {
		fork->pinned_block = pin->agreed;
		fork->pinned = true;
	} else {
		blob_put(&pin->out->header_json);
	}
	pin->fn(pin->cookie, err);
}

static void ask(struct pin *pin, struct upstream *upstream, const char *method, exchange_fn *fn)
{
	pin->at = upstream;
	if (exchange_start(&pin->exchange, upstream, method, span_of(pin->params), fn, pin) !=
	    OK)
		end(pin, err_set(pin->detail, ERR_NOMEM, "out of memory"));
}

/* Runs the step again after a wait; false when it is not worth it. */
static bool repeat(struct pin *pin, loop_fn *step, const struct failure *failure)
{
	if (++pin->tries >= TRIES_MAX || loop_now_us(pin->fork->loop) >= pin->until_us)
		return false;
	loop_timer_init(&pin->timer, step, pin);
	return loop_timer_start(pin->fork->loop, &pin->timer,
				retry_backoff_us(pin->tries, failure->jitter)) == OK;
}

static void end_failed(struct pin *pin, const struct failure *failure)
{
	/* A name that does not resolve and a wrong chain are both the user's to see. */
	end(pin, err_set(pin->detail, failure->err == OK ? ERR_BAD_ANSWER : failure->err,
			 "upstream %s: %s", pin->at->host, failure->why));
}

static void done(struct pin *pin)
{
	struct fork *fork = pin->fork;
	struct fork_pin *out = pin->out;
	const struct upstream *first = pin->first;
	out->chain_id = fork->chain_id;
	out->is_dev = atomic_load(&first->is_dev);
	memcpy(out->client_version, first->probe.client_version, sizeof out->client_version);
	out->block.by_hash = out->block.number > out->finalized;
	/* Others are looked at again before they are used, now with the block. */
	for (size_t i = 0; i < fork->upstreams_n; i++)
		if (!fork->upstreams[i].pin_checked)
			upstream_distrust(&fork->upstreams[i]);
	end(pin, OK);
}

static void got_verified(void *cookie, struct span result, const struct failure *failure)
{
	struct pin *pin = cookie;
	struct eth_bytes32 hash;
	uint64_t number;
	if (failure->verdict != VERDICT_OK && repeat(pin, verify, failure))
		return;
	if (failure->verdict == VERDICT_OK && probe_block(result, &number, &hash) &&
	    number == pin->agreed.number) {
		if (!eth_bytes32_equal(&hash, &pin->agreed.hash)) {
			end(pin, err_set(pin->detail, ERR_CONFIG,
					 "upstreams %s and %s do not agree on block %llu: "
					 "different hashes",
					 pin->first->host, pin->at->host,
					 (unsigned long long)number));
			return;
		}
		pin->at->pin_checked = true;
	}
	pin->tries = 0;
	pin->at++;
	verify(pin);
}

static void verify(void *cookie)
{
	struct pin *pin = cookie;
	struct fork *fork = pin->fork;
	struct upstream *u = pin->at;
	while (u < fork->upstreams + fork->upstreams_n &&
	       (u == pin->first || u->state != UPSTREAM_READY))
		u++;
	if (u == fork->upstreams + fork->upstreams_n) {
		done(pin);
		return;
	}
	params_number(pin, pin->agreed.number);
	ask(pin, u, "eth_getBlockByNumber", got_verified);
}

/* What is final is known. */
static void agree(struct pin *pin)
{
	pin->tries = 0;
	pin->at = pin->fork->upstreams;
	if (pin->follows) {
		final_hash(pin);
		return;
	}
	pin->agreed = pin->out->block;
	verify(pin);
}

static void got_final_hash(void *cookie, struct span result, const struct failure *failure)
{
	struct pin *pin = cookie;
	if (failure->verdict != VERDICT_OK) {
		if (!repeat(pin, final_hash, failure))
			end_failed(pin, failure);
		return;
	}
	if (!probe_block(result, &pin->agreed.number, &pin->agreed.hash) ||
	    pin->agreed.number != pin->out->finalized) {
		end(pin, err_set(pin->detail, ERR_BAD_ANSWER,
				 "upstream %s answered with another block than asked for",
				 pin->first->host));
		return;
	}
	pin->tries = 0;
	pin->at = pin->fork->upstreams;
	verify(pin);
}

static void final_hash(void *cookie)
{
	struct pin *pin = cookie;
	params_number(pin, pin->out->finalized);
	ask(pin, pin->first, "eth_getBlockByNumber", got_final_hash);
}

static void got_head(void *cookie, struct span result, const struct failure *failure)
{
	struct pin *pin = cookie;
	struct span text;
	uint64_t number;
	if (failure->verdict != VERDICT_OK && repeat(pin, head, failure))
		return;
	if (failure->verdict == VERDICT_OK && json_string_plain(result, &text) &&
	    eth_quantity_u64(text, &number) == OK) {
		uint64_t depth = finality_depth(pin->fork->chain_id);
		pin->out->finalized = number > depth ? number - depth : 0;
	}
	agree(pin);
}

static void head(void *cookie)
{
	struct pin *pin = cookie;
	int length = snprintf(pin->params, sizeof pin->params, "[]");
	REQUIRE(length == 2);
	ask(pin, pin->first, "eth_blockNumber", got_head);
}

static void got_finality(void *cookie, struct span result, const struct failure *failure)
{
	struct pin *pin = cookie;
	struct eth_bytes32 hash;
	uint64_t number;
	const bool is_error =
		failure->verdict == VERDICT_UNSUPPORTED || failure->verdict == VERDICT_LACKS;
	if (failure->verdict != VERDICT_OK && !is_error && repeat(pin, finality, failure))
		return;
	if (failure->verdict == VERDICT_OK && probe_block(result, &number, &hash)) {
		/* Another node behind that name may be ahead, or wrong. */
		if (pin->follows && number > pin->out->block.number)
			number = pin->out->block.number;
		pin->out->finalized = number;
		agree(pin);
		return;
	}
	pin->tries = 0;
	head(pin);
}

static void finality(void *cookie)
{
	struct pin *pin = cookie;
	params_text(pin, "finalized");
	ask(pin, pin->first, "eth_getBlockByNumber", got_finality);
}

static void got_block(void *cookie, struct span result, const struct failure *failure)
{
	struct pin *pin = cookie;
	struct fork_block *block = &pin->out->block;
	if (failure->verdict != VERDICT_OK) {
		if (!repeat(pin, resolve, failure))
			end_failed(pin, failure);
		return;
	}
	if (json_type(result) == JSON_NULL) {
		end(pin, err_set(pin->detail, ERR_NOT_FOUND, "upstream %s has no block %s",
				 pin->first->host, pin->spec));
		return;
	}
	if (!probe_block(result, &block->number, &block->hash) ||
	    (pin->by_number && block->number != pin->number) ||
	    (pin->by_hash && !eth_bytes32_equal(&block->hash, &pin->hash))) {
		end(pin, err_set(pin->detail, ERR_BAD_ANSWER,
				 "upstream %s answered with another block than asked for",
				 pin->first->host));
		return;
	}
	pin->out->header_json = blob_copy(result.ptr, result.len);
	if (!pin->out->header_json) {
		end(pin, err_set(pin->detail, ERR_NOMEM, "out of memory"));
		return;
	}
	pin->tries = 0;
	pin->first->pin_checked = true;
	finality(pin);
}

static void resolve(void *cookie)
{
	struct pin *pin = cookie;
	ask(pin, pin->first, pin->method, got_block);
}

/* ---- reaching them ---- */

static void probe_all(void *cookie)
{
	struct pin *pin = cookie;
	struct fork *fork = pin->fork;
	for (size_t i = 0; i < fork->upstreams_n; i++)
		if (fork->upstreams[i].state == UPSTREAM_UNPROBED)
			probe_start(&fork->upstreams[i]);
	pin_probed(fork);
}

static bool chains_agree(struct pin *pin)
{
	const struct fork *fork = pin->fork;
	const struct upstream *known = NULL;
	for (size_t i = 0; i < fork->upstreams_n; i++) {
		const struct upstream *u = &fork->upstreams[i];
		if (u->chain_id == 0)
			continue;
		if (fork->required_chain_id && u->chain_id != fork->required_chain_id)
			return err_set(pin->detail, ERR_CONFIG,
				       "upstream %s is on chain %llu, and %llu is required",
				       u->host, (unsigned long long)u->chain_id,
				       (unsigned long long)fork->required_chain_id) == OK;
		if (known && known->chain_id != u->chain_id)
			return err_set(pin->detail, ERR_CONFIG,
				       "upstreams %s (chain %llu) and %s (chain %llu) do not "
				       "agree",
				       known->host, (unsigned long long)known->chain_id,
				       u->host, (unsigned long long)u->chain_id) == OK;
		known = known ? known : u;
	}
	return true;
}

void pin_probed(struct fork *fork)
{
	struct pin *pin = &fork->pin;
	if (!pin->running || pin->first || loop_timer_running(&pin->timer))
		return;
	struct upstream *ready = NULL;
	for (size_t i = 0; i < fork->upstreams_n; i++) {
		struct upstream *u = &fork->upstreams[i];
		if (u->state == UPSTREAM_PROBING)
			return;
		if (u->state == UPSTREAM_READY && !ready)
			ready = u;
	}
	if (!chains_agree(pin)) {
		end(pin, ERR_CONFIG);
		return;
	}
	pin->at = &fork->upstreams[0];
	if (!ready) {
		if (!repeat(pin, probe_all, &pin->at->probe.failure))
			end_failed(pin, &pin->at->probe.failure);
		return;
	}
	pin->tries = 0;
	pin->first = ready;
	resolve(pin);
}

enum err pin_start(struct fork *fork, const char *spec, struct fork_pin *out,
		   struct err_detail *detail, pin_fn *fn, void *cookie)
{
	struct pin *pin = &fork->pin;
	REQUIRE(!pin->running);
	*out = (struct fork_pin){0};
	*pin = (struct pin){.fork = fork,
			    .spec = spec,
			    .out = out,
			    .detail = detail,
			    .fn = fn,
			    .cookie = cookie};
	pin->until_us = loop_now_us(fork->loop) + (uint64_t)PIN_DEADLINE_MS * 1000;
	pin->follows = spec == NULL;
	if (pin->follows)
		pin->spec = "latest";
	enum err err = parse_spec(pin, pin->spec);
	if (err != OK)
		return err;
	for (size_t i = 0; i < fork->upstreams_n; i++)
		fork->upstreams[i].pin_checked = false;
	pin->running = true;
	fork->pinned = false;
	/* After this call has returned, whatever probes there are. */
	loop_timer_init(&pin->timer, probe_all, pin);
	err = loop_timer_start(fork->loop, &pin->timer, 0);
	pin->running = err == OK;
	return err;
}

void pin_cancel(struct fork *fork)
{
	exchange_cancel(&fork->pin.exchange);
	if (fork->pin.running)
		loop_timer_cancel(fork->loop, &fork->pin.timer);
	fork->pin.running = false;
}
