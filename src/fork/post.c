/* SPDX-License-Identifier: MIT */
#include "fork/post.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include "fork/settle.h"
#include <stdio.h>
#include <stdlib.h>

struct ability *item_ability(struct upstream *upstream, const struct item *item)
{
	switch (item->kind) {
	case ITEM_VALUES:
		return &upstream->storage_values;
	case ITEM_INFO:
		return &upstream->account_info;
	case ITEM_ONE:
	case ITEM_GUARD:
		return NULL;
	}
	return NULL;
}

struct post *post_new(struct upstream *upstream, size_t n)
{
	struct post *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->upstream = upstream;
	r->flights = calloc(n, sizeof *r->flights);
	r->items = calloc(n + POST_GUARDS, sizeof *r->items);
	if (!r->flights || !r->items)
		post_free(&r);
	return r;
}

void post_free(struct post **post)
{
	struct post *r = *post;
	*post = NULL;
	if (!r)
		return;
	blob_put(&r->body);
	free(r->flights);
	free(r->items);
	free(r);
}

static void list(struct post *r)
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

static void unlist(struct post *r)
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

void post_each(struct post *r, flight_each_fn *fn, void *cookie)
{
	for (size_t i = 0; i < r->items_n; i++)
		for (size_t j = 0; j < r->items[i].flights_n; j++)
			fn(r->items[i].flights[j], cookie);
}

static void fail_each(struct flight *flight, void *cookie)
{
	(void)cookie; /* shape of the callback */
	flight_fail(flight, ERR_NOMEM);
}

/* Without memory it was none. */
static void keep_reply(struct post *r, const struct client_reply *reply)
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

static void finish(struct post *r, const struct client_reply *reply)
{
	unlist(r);
	settle_reply(r, reply);
	post_free(&r);
}

/* The block's hash is there, which says whether the reply is believed. */
static void got_guard(void *cookie, struct span block, const struct failure *read)
{
	struct post *r = cookie;
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
		post_free(&r);
	}
	plan_touch(u);
	ports_signal(u->fork);
	fork_landed(u->fork);
}

/* Whoever brought nothing, or asks for fewer requests, is not asked for more. */
static bool wants_guard(const struct post *r, const struct client_reply *reply)
{
	struct failure failure;
	answer_status(reply, &failure);
	return r->guarded_after && reply->err == OK && failure.verdict != VERDICT_RATE;
}

static void read_guard(struct post *r)
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

static void read_reply(struct post *r, const struct client_reply *reply)
{
	if (!wants_guard(r, reply)) {
		finish(r, reply);
		return;
	}
	keep_reply(r, reply);
	read_guard(r);
}

/* Keeps the reply until the probe has ended. */
static void park(struct post *r, const struct client_reply *reply)
{
	keep_reply(r, reply);
	r->parked = true;
	upstream_distrust(r->upstream);
	probe_start(r->upstream);
}

void post_unpark(struct upstream *upstream, bool proved, const struct failure *failure)
{
	struct post *next;
	for (struct post *r = upstream->plan.sent; r; r = next) {
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
		post_free(&r);
	}
}

/* Of whom we would not ask any more. */
static void disbelieve(struct post *r)
{
	struct failure failure;
	failure_set(&failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "%s", r->upstream->disabled_why);
	unlist(r);
	settle_retry(r, &failure);
	post_free(&r);
}

static void landed(void *cookie, const struct client_reply *reply)
{
	struct post *r = cookie;
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

static enum fork_class longest_class(struct post *r)
{
	enum fork_class class = FORK_CLASS_STATE;
	for (size_t i = 0; i < r->items_n; i++)
		for (size_t j = 0; j < r->items[i].flights_n; j++)
			if (r->items[i].flights[j]->question.class > class)
				class = r->items[i].flights[j]->question.class;
	return class;
}

static bool is_once(const struct post *r)
{
	return r->alone && r->flights[0]->question.once;
}

/* A call that was too slow for one attempt gets the rest of its time for the next: it is
 * more likely to be long than lost twice. */
static uint32_t attempt_ms(struct post *r)
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

void post_send(struct post *post, struct buf *body)
{
	struct upstream *u = post->upstream;
	char *bytes = body->ptr;
	const size_t length = body->len;
	enum err err = OK;
	*body = (struct buf){0}; /* client_post takes the bytes */
	post_each(post, mark_sent, u);
	post->sent_us = loop_now_us(u->fork->loop);
	list(post);
	fork_count(&u->requests, 1);
	fork_count(&u->items, post->items_n);
	budget_spend(&u->budget, post->sent_us, post->items_n);
	client_post_fn *start = is_once(post) ? client_post_once : client_post;
	if (start(u->target, bytes, length, attempt_ms(post), POST_REPLY_MAX, landed, post,
		  &post->op, &err) == PENDING)
		return;
	unlist(post);
	post_each(post, fail_each, NULL);
	post_free(&post);
}

static void abandon_each(struct flight *flight, void *cookie)
{
	struct fork_answer answer = {.err = ERR_CANCELLED, .detail = cookie};
	flight_answer(flight, &answer);
}

void post_abandon(struct post *post)
{
	char none[] = "";
	client_cancel(&post->op);
	exchange_cancel(&post->guard);
	unlist(post);
	post_each(post, abandon_each, none);
	post_free(&post);
}
