/* SPDX-License-Identifier: MIT */
#include "fork/request.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include "fork/settle.h"
#include <stdio.h>
#include <stdlib.h>

struct ability *call_ability(struct upstream *upstream, const struct call *call)
{
	switch (call->kind) {
	case CALL_VALUES:
		return &upstream->storage_values;
	case CALL_INFO:
		return &upstream->account_info;
	case CALL_ONE:
	case CALL_GUARD:
		return NULL;
	}
	return NULL;
}

struct request *request_new(struct upstream *upstream, size_t n)
{
	struct request *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->upstream = upstream;
	r->flights = calloc(n, sizeof *r->flights);
	r->calls = calloc(n + REQUEST_GUARDS, sizeof *r->calls);
	if (!r->flights || !r->calls)
		request_free(&r);
	return r;
}

void request_free(struct request **request)
{
	struct request *r = *request;
	*request = NULL;
	if (!r)
		return;
	blob_put(&r->body);
	free(r->flights);
	free(r->calls);
	free(r);
}

static void list(struct request *r)
{
	struct plan *plan = &r->upstream->plan;
	r->next = plan->sent;
	if (r->next)
		r->next->prev = r;
	plan->sent = r;
	if (r->alone)
		plan->alone_busy++;
	else
		plan->busy++;
	if (r->trial)
		r->trial->trials++;
	fork_count(&r->upstream->in_flight, 1);
}

static void unlist(struct request *r)
{
	struct plan *plan = &r->upstream->plan;
	if (r->prev)
		r->prev->next = r->next;
	else
		plan->sent = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (r->alone)
		plan->alone_busy--;
	else
		plan->busy--;
	if (r->trial)
		r->trial->trials--;
	atomic_fetch_sub_explicit(&r->upstream->in_flight, 1, memory_order_relaxed);
}

void request_each(struct request *r, flight_each_fn *fn, void *cookie)
{
	for (size_t i = 0; i < r->calls_n; i++)
		for (size_t j = 0; j < r->calls[i].flights_n; j++)
			fn(r->calls[i].flights[j], cookie);
}

static void fail_each(struct flight *flight, void *cookie)
{
	(void)cookie; /* shape of the callback */
	flight_fail(flight, ERR_NOMEM);
}

/* Without memory it was none. */
static void keep_reply(struct request *r, const struct client_reply *reply)
{
	if (r->body) /* it has waited before */
		return;
	r->body = blob_copy(reply->body.ptr, reply->body.len);
	r->reply = *reply;
	if (r->body)
		r->reply.body = blob_span(r->body);
	else
		r->reply = (struct client_reply){.err = ERR_NOMEM,
						 .detail = "out of memory",
						 .retry_after_ms = -1,
						 .connected = true};
}

static void finish(struct request *r, const struct client_reply *reply)
{
	unlist(r);
	settle_reply(r, reply);
	request_free(&r);
}

/* The block's hash is there, which says whether the reply is believed. */
static void got_guard(void *cookie, struct span block, const struct failure *read)
{
	struct request *r = cookie;
	struct upstream *u = r->upstream;
	struct failure failure = *read;
	if (settle_guard(r, block, &failure)) {
		finish(r, &r->reply);
	} else {
		if (failure.verdict == VERDICT_RATE || failure.verdict == VERDICT_TRANSIENT)
			upstream_failed(u, &failure, 1, -1);
		failure.jitter = read->jitter;
		unlist(r);
		settle_retry(r, &failure);
		request_free(&r);
	}
	plan_touch(u);
	ports_signal(u->fork);
	fork_landed(u->fork);
}

/* Whoever brought nothing, or asks for fewer requests, is not asked for more. */
static bool wants_guard(const struct request *r, const struct client_reply *reply)
{
	struct failure failure;
	answer_status(reply, &failure);
	return r->guarded_after && reply->err == OK && failure.verdict != VERDICT_RATE;
}

static void read_guard(struct request *r)
{
	char params[40], number[18];
	size_t n = eth_quantity_format_u64(r->guarded.number, number);
	int length = snprintf(params, sizeof params, "[\"%.*s\",false]", (int)n, number);
	if (exchange_start(&r->guard, r->upstream, "eth_getBlockByNumber",
			   (struct span){params, (size_t)length}, got_guard, r) == OK)
		return;
	r->reply.err = ERR_NOMEM;
	r->reply.detail = "out of memory";
	finish(r, &r->reply);
}

static void read_reply(struct request *r, const struct client_reply *reply)
{
	if (!wants_guard(r, reply)) {
		finish(r, reply);
		return;
	}
	keep_reply(r, reply);
	read_guard(r);
}

/* Keeps the reply until the probe has ended. */
static void park(struct request *r, const struct client_reply *reply)
{
	keep_reply(r, reply);
	r->parked = true;
	upstream_distrust(r->upstream);
	probe_start(r->upstream);
}

void request_unpark(struct upstream *upstream, bool proved, const struct failure *failure)
{
	struct request *next;
	for (struct request *r = upstream->plan.sent; r; r = next) {
		next = r->next;
		if (!r->parked)
			continue;
		r->parked = false;
		if (proved) {
			read_reply(r, &r->reply);
			continue;
		}
		unlist(r);
		settle_retry(r, failure);
		request_free(&r);
	}
}

/* Of whom we would not ask any more. */
static void disbelieve(struct request *r)
{
	struct failure failure;
	failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s", r->upstream->disabled_why);
	unlist(r);
	settle_retry(r, &failure);
	request_free(&r);
}

static void landed(void *cookie, const struct client_reply *reply)
{
	struct request *r = cookie;
	r->op = NULL;
	struct upstream *u = r->upstream;
	struct fork *fork = u->fork;
	fork_count(&u->bytes_in, reply->bytes_in);
	fork_count(&u->bytes_out, reply->bytes_out);
	if (reply->err != OK || upstream_proved(u, reply->opened_us))
		read_reply(r, reply);
	else if (u->state == UPSTREAM_DISABLED)
		disbelieve(r);
	else
		park(r, reply);
	plan_touch(u);
	ports_signal(fork);
	fork_landed(fork);
}

static enum fork_class longest_class(struct request *r)
{
	enum fork_class class = FORK_CLASS_STATE;
	for (size_t i = 0; i < r->calls_n; i++)
		for (size_t j = 0; j < r->calls[i].flights_n; j++)
			if (r->calls[i].flights[j]->question.class > class)
				class = r->calls[i].flights[j]->question.class;
	return class;
}

static bool is_once(const struct request *r)
{
	return r->alone && r->flights[0]->question.once;
}

/* A call that was too slow for one attempt gets the rest of its time for the next: it is
 * more likely to be long than lost twice. */
static uint32_t attempt_ms(struct request *r)
{
	const struct fork *fork = r->upstream->fork;
	const enum fork_class class = longest_class(r);
	const uint32_t share = retry_attempt_ms(fork, class);
	const uint32_t all = retry_deadline_ms(fork, class);
	const bool cut_off = r->alone && r->flights[0]->last.err == ERR_TIMEOUT;
	if (is_once(r))
		return all;
	return cut_off && all > 2 * share ? all - share : share;
}

static void mark_sent(struct flight *flight, void *cookie)
{
	flight->state = FLIGHT_SENT;
	flight->sent = true;
	flight->upstream = cookie;
}

void request_send(struct request *request, struct buf *body)
{
	struct upstream *u = request->upstream;
	char *bytes = body->ptr;
	const size_t length = body->len;
	enum err err = OK;
	*body = (struct buf){0}; /* client_post takes the bytes */
	request_each(request, mark_sent, u);
	request->sent_us = loop_now_us(u->fork->loop);
	list(request);
	fork_count(&u->requests, 1);
	fork_count(&u->items, request->calls_n);
	budget_spend(&u->budget, request->sent_us, request->calls_n);
	client_post_fn *post = is_once(request) ? client_post_once : client_post;
	if (post(u->target, bytes, length, attempt_ms(request), REQUEST_REPLY_MAX, landed,
		 request, &request->op, &err) == PENDING)
		return;
	unlist(request);
	request_each(request, fail_each, NULL);
	request_free(&request);
}

static void abandon_each(struct flight *flight, void *cookie)
{
	struct fork_answer answer = {.err = ERR_CANCELLED, .detail = cookie};
	flight_answer(flight, &answer);
}

void request_abandon(struct request *request)
{
	char none[] = "";
	client_cancel(&request->op);
	exchange_cancel(&request->guard);
	unlist(request);
	request_each(request, abandon_each, none);
	request_free(&request);
}
