/* SPDX-License-Identifier: MIT */
#include "fork/probe.h"
#include "base/json.h"
#include "base/member.h"
#include "base/log.h"
#include "fork/fork_impl.h"
#include "fork/post.h"
#include "fork/retry.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A header with the hashes of its transactions stays far below this. */
#define EXCHANGE_REPLY_MAX ((size_t)4 << 20)
#define EXCHANGE_BODY_MAX  ((size_t)4096)
#define VERSION_TRIES	   3

/* ---- exchanges ---- */

static void exchanged(void *cookie, const struct client_reply *reply)
{
	struct exchange *exchange = cookie;
	exchange->op = NULL;
	struct upstream *u = exchange->upstream;
	struct outcome outcome = {0};
	struct failure failure;
	struct span value;
	size_t at;
	fork_count(&u->bytes_in, reply->bytes_in);
	fork_count(&u->bytes_out, reply->bytes_out);
	answer_status(reply, &failure);
	if (failure.verdict == VERDICT_OK &&
	    json_document(reply->body, JSON_DEPTH_MAX, &value, &at) != OK)
		failure_set(&failure, VERDICT_TRANSIENT, ERR_BAD_ANSWER,
			    "the answer is not JSON");
	if (failure.verdict == VERDICT_OK) {
		answer_object(value, exchange->id, SUBJECT_STATE, &outcome);
		failure = outcome.failure;
	}
	if (failure.err == ERR_NETWORK)
		upstream_distrust(u);
	failure.jitter = fork_random(u->fork);
	exchange->fn(exchange->cookie, outcome.result, &failure);
}

enum err exchange_start(struct exchange *exchange, struct upstream *upstream,
			const char *method, struct span params, exchange_fn *fn, void *cookie)
{
	struct fork *fork = upstream->fork;
	struct buf body;
	enum err err;
	*exchange = (struct exchange){
		.upstream = upstream, .fn = fn, .cookie = cookie, .id = fork->next_id++};
	buf_init(&body, EXCHANGE_BODY_MAX);
	buf_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"%s\",\"params\":",
		   (unsigned long long)exchange->id, method);
	buf_span(&body, params);
	buf_char(&body, '}');
	if ((err = buf_err(&body)) != OK) {
		buf_release(&body);
		return err;
	}
	fork_count(&upstream->requests, 1);
	fork_count(&upstream->items, 1);
	budget_spend(&upstream->budget, loop_now_us(fork->loop), 1);
	if (client_post(upstream->target, body.ptr, body.len,
			retry_attempt_ms(fork, FORK_CLASS_STATE), EXCHANGE_REPLY_MAX, exchanged,
			exchange, &exchange->op, &err) == PENDING)
		return OK;
	return err;
}

void exchange_cancel(struct exchange *exchange)
{
	client_cancel(&exchange->op);
}

bool probe_block(struct span block, uint64_t *number, struct eth_bytes32 *hash)
{
	return member_u64(block, "number", number) && member_hash(block, "hash", hash);
}

/* ---- the probe ---- */

static bool contains(struct span text, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= text.len; i++)
		if (strncasecmp(text.ptr + i, word, n) == 0)
			return true;
	return false;
}

/* They change state under one block hash and borrow other chains' ids. */
static bool is_dev_node(struct span version)
{
	static const char *const names[] = {"anvil",
					    "hardhatnetwork",
					    "ethereumjs testrpc",
					    "ethereumjs-testrpc",
					    "ganache",
					    "edr/"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (contains(version, names[i]))
			return true;
	return false;
}

static void ready(struct upstream *u)
{
	struct probe *probe = &u->probe;
	if (!atomic_load(&u->probed_once))
		log_info("upstream ready", LOG_S("host", u->host), LOG_U("chain", u->chain_id),
			 LOG_S("client", probe->client_version));
	atomic_store(&u->probed_once, true);
	/* Pinned meanwhile: it has yet to show the block. */
	u->state = u->fork->pinned && !probe->with_block ? UPSTREAM_UNPROBED : UPSTREAM_READY;
	u->proved_us = loop_now_us(u->fork->loop);
	upstream_recovered(u);
	if (u->state == UPSTREAM_READY)
		post_unpark(u, true, NULL);
	else
		probe_start(u);
	plan_touch(u);
}

static void finish(struct upstream *u)
{
	struct probe *probe = &u->probe;
	struct failure failure;
	if (probe->mismatch) {
		upstream_disable(u, probe->why);
		failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s", probe->why);
		post_unpark(u, false, &failure);
	} else if (probe->failed) {
		failure = probe->failure;
		u->state = UPSTREAM_UNPROBED;
		upstream_failed(u, &failure, 1, -1);
		post_unpark(u, false, &failure);
		plan_fail(u, &failure);
	} else {
		ready(u);
	}
	struct fork *fork = u->fork;
	pin_probed(fork);
	ports_signal(fork);
	fork_landed(fork);
}

static void part_done(struct upstream *u)
{
	if (--u->probe.waiting == 0)
		finish(u);
}

static void part_failed(struct upstream *u, const struct failure *failure)
{
	u->probe.failed = true;
	u->probe.failure = *failure;
}

static void part_unreadable(struct upstream *u, const char *what)
{
	struct failure failure;
	failure_set(&failure, VERDICT_BAD, ERR_BAD_ANSWER, "%s", what);
	failure.jitter = fork_random(u->fork);
	part_failed(u, &failure);
}

static void part_mismatch(struct upstream *u, const char *format, unsigned long long found,
			  unsigned long long wanted)
{
	struct failure failure;
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")
		failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, format, found, wanted);
	_Pragma("GCC diagnostic pop") u->probe.mismatch = true;
	memcpy(u->probe.why, failure.why, sizeof failure.why);
}

static void got_chain(void *cookie, struct span result, const struct failure *failure)
{
	struct upstream *u = cookie;
	struct fork *fork = u->fork;
	struct span text;
	uint64_t id;
	if (failure->verdict != VERDICT_OK) {
		part_failed(u, failure);
	} else if (!json_string_plain(result, &text) || eth_quantity_u64(text, &id) != OK) {
		part_unreadable(u, "eth_chainId is not a quantity");
	} else {
		u->chain_id = id;
		if (fork->chain_id == 0)
			fork->chain_id = id;
		if (id != fork->chain_id)
			part_mismatch(u, "it is on chain %llu, not %llu", id, fork->chain_id);
	}
	part_done(u);
}

/* Who cannot be told from a development node now must be asked again; but a gateway that
 * fails at this method whenever it is asked hides it, and development nodes do not. */
static bool version_unclear(struct probe *probe, const struct failure *failure)
{
	return failure_is_fault(failure) &&
	       (failure->err == ERR_NETWORK || failure->err == ERR_TIMEOUT ||
		++probe->version_tries < VERSION_TRIES);
}

static void got_version(void *cookie, struct span result, const struct failure *failure)
{
	struct upstream *u = cookie;
	struct probe *probe = &u->probe;
	struct span text = {0};
	/* Gateways that hide it are not development nodes; what it was before stays. */
	if (failure->verdict == VERDICT_OK && json_string_plain(result, &text)) {
		size_t n = text.len < sizeof probe->client_version - 1
				   ? text.len
				   : sizeof probe->client_version - 1;
		memcpy(probe->client_version, text.ptr, n);
		probe->client_version[n] = '\0';
		probe->version_tries = 0;
		atomic_store(&u->is_dev, is_dev_node(text));
	} else if (version_unclear(probe, failure)) {
		part_failed(u, failure);
	}
	part_done(u);
}

static void got_block(void *cookie, struct span result, const struct failure *failure)
{
	struct upstream *u = cookie;
	const struct fork_block *pin = &u->fork->pinned_block;
	struct eth_bytes32 hash;
	uint64_t number;
	if (failure->verdict != VERDICT_OK)
		part_failed(u, failure);
	else if (!probe_block(result, &number, &hash) || number != pin->number)
		part_unreadable(u, "it does not have the pinned block");
	else if (!eth_bytes32_equal(&hash, &pin->hash))
		part_mismatch(u, "block %llu has another hash there", pin->number, 0);
	part_done(u);
}

static void start_part(struct upstream *u, struct exchange *exchange, const char *method,
		       struct span params, exchange_fn *fn)
{
	u->probe.waiting++;
	if (exchange_start(exchange, u, method, params, fn, u) == OK)
		return;
	struct failure failure;
	failure_set(&failure, VERDICT_TRANSIENT, ERR_NOMEM, "out of memory");
	part_failed(u, &failure);
	u->probe.waiting--;
}

void probe_start(struct upstream *u)
{
	struct probe *probe = &u->probe;
	if (probe->waiting > 0 || u->state == UPSTREAM_DISABLED)
		return;
	u->state = UPSTREAM_PROBING;
	probe->failed = probe->mismatch = false;
	probe->with_block = u->fork->pinned;
	start_part(u, &probe->chain, "eth_chainId", SPAN("[]"), got_chain);
	start_part(u, &probe->version, "web3_clientVersion", SPAN("[]"), got_version);
	if (u->fork->pinned) {
		char params[40];
		char number[18];
		size_t n = eth_quantity_format_u64(u->fork->pinned_block.number, number);
		int length =
			snprintf(params, sizeof params, "[\"%.*s\",false]", (int)n, number);
		start_part(u, &probe->block, "eth_getBlockByNumber",
			   (struct span){params, (size_t)length}, got_block);
	}
	if (probe->waiting == 0)
		finish(u);
}

void probe_cancel(struct upstream *u)
{
	exchange_cancel(&u->probe.chain);
	exchange_cancel(&u->probe.version);
	exchange_cancel(&u->probe.block);
	u->probe.waiting = 0;
}
