/* SPDX-License-Identifier: MIT */
#include "fork/flights.h"
#include "base/log.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include <stdlib.h>

enum { FIRST_BUCKETS = 1024 };

/* ---- queues ---- */

void queue_append(struct flight_queue *queue, struct flight *flight)
{
	flight->queue = queue;
	flight->next = NULL;
	flight->prev = queue->last;
	if (queue->last)
		queue->last->next = flight;
	else
		queue->first = flight;
	queue->last = flight;
	queue->n++;
	queue->expected_bytes += plan_expected_bytes(&flight->question);
}

void queue_prepend(struct flight_queue *queue, struct flight *flight)
{
	flight->queue = queue;
	flight->prev = NULL;
	flight->next = queue->first;
	if (queue->first)
		queue->first->prev = flight;
	else
		queue->last = flight;
	queue->first = flight;
	queue->n++;
	queue->expected_bytes += plan_expected_bytes(&flight->question);
}

void queue_remove(struct flight *flight)
{
	struct flight_queue *queue = flight->queue;
	if (!queue)
		return;
	if (flight->prev)
		flight->prev->next = flight->next;
	else
		queue->first = flight->next;
	if (flight->next)
		flight->next->prev = flight->prev;
	else
		queue->last = flight->prev;
	queue->n--;
	queue->expected_bytes -= plan_expected_bytes(&flight->question);
	flight->queue = NULL;
	flight->next = flight->prev = NULL;
}

/* ---- the table ---- */

__extension__ typedef unsigned __int128 product_t;

/* Multiply and fold, seeded: clients choose slots, and must not choose buckets. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;
	while (n > 0) {
		uint64_t word = 0;
		size_t take = n < sizeof word ? n : sizeof word;
		memcpy(&word, at, take);
		product_t product = (product_t)(hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash = (uint64_t)product ^ (uint64_t)(product >> 64) ^ take;
		at += take;
		n -= take;
	}
	return hash;
}

static uint64_t hash_question(const struct flights *flights, const struct fork_question *q)
{
	const unsigned char kind = (unsigned char)q->kind;
	uint64_t hash = mix(flights->seed, &kind, 1);
	if (q->kind == FORK_CALL) {
		struct span key = q->tag.len ? q->tag : q->params;
		hash = mix(hash, q->method.ptr, q->method.len);
		return mix(hash, key.ptr, key.len);
	}
	hash = mix(hash, q->block.hash.bytes, sizeof q->block.hash.bytes);
	hash = mix(hash, q->address.bytes, sizeof q->address.bytes);
	return q->kind == FORK_SLOT ? mix(hash, q->slot.bytes, sizeof q->slot.bytes) : hash;
}

/* Between two reads of the same hash, or both without. */
static bool same_guard(const struct fork_question *a, const struct fork_question *b)
{
	return a->guarded == b->guarded &&
	       (!a->guarded || eth_bytes32_equal(&a->block.hash, &b->block.hash));
}

static bool same_question(const struct fork_question *a, const struct fork_question *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == FORK_CALL)
		return a->may_join && b->may_join && span_equal(a->method, b->method) &&
		       span_equal(a->tag, b->tag) &&
		       (a->tag.len || span_equal(a->params, b->params)) &&
		       a->null_allowed == b->null_allowed && a->computed == b->computed &&
		       same_guard(a, b);
	return a->block.number == b->block.number && a->block.by_hash == b->block.by_hash &&
	       eth_bytes32_equal(&a->block.hash, &b->block.hash) &&
	       memcmp(&a->address, &b->address, sizeof a->address) == 0 &&
	       (a->kind != FORK_SLOT || eth_bytes32_equal(&a->slot, &b->slot));
}

enum err flights_init(struct fork *fork)
{
	struct flights *flights = &fork->flights;
	flights->buckets = calloc(FIRST_BUCKETS, sizeof *flights->buckets);
	flights->mask = FIRST_BUCKETS - 1;
	flights->seed = fork->random * UINT64_C(0xff51afd7ed558ccd);
	return flights->buckets ? OK : ERR_NOMEM;
}

static void grow(struct flights *flights)
{
	size_t n = (flights->mask + 1) * 2;
	struct flight **buckets = calloc(n, sizeof *buckets);
	if (!buckets)
		return; /* longer chains, until memory is there again */
	for (size_t i = 0; i <= flights->mask; i++) {
		struct flight *next;
		for (struct flight *f = flights->buckets[i]; f; f = next) {
			next = f->hash_next;
			f->hash_next = buckets[f->hash & (n - 1)];
			buckets[f->hash & (n - 1)] = f;
		}
	}
	free(flights->buckets);
	flights->buckets = buckets;
	flights->mask = n - 1;
}

static struct flight *find(struct flights *flights, const struct fork_question *question,
			   uint64_t hash)
{
	struct flight *flight = flights->buckets[hash & flights->mask];
	while (flight && (flight->hash != hash || !same_question(&flight->question, question)))
		flight = flight->hash_next;
	return flight;
}

static void table_add(struct flights *flights, struct flight *flight)
{
	if (flights->n > flights->mask)
		grow(flights);
	struct flight **bucket = &flights->buckets[flight->hash & flights->mask];
	flight->hash_next = *bucket;
	*bucket = flight;
	flight->in_table = true;
	flights->n++;
}

static void table_remove(struct flights *flights, struct flight *flight)
{
	if (!flight->in_table)
		return;
	struct flight **at = &flights->buckets[flight->hash & flights->mask];
	while (*at != flight)
		at = &(*at)->hash_next;
	*at = flight->hash_next;
	flight->in_table = false;
	flights->n--;
}

/* ---- deadlines ---- */

static uint64_t op_due_us(const struct fork *fork, const struct fork_op *op)
{
	return op->submitted_us + (uint64_t)retry_deadline_ms(fork, op->question.class) * 1000;
}

/* The timer runs for the earliest head; one that is gone only makes it run once too often. */
static void due_arm(struct fork *fork)
{
	const uint64_t now = loop_now_us(fork->loop);
	uint64_t first = UINT64_MAX;
	for (size_t c = 0; c < FORK_CLASSES; c++)
		if (fork->flights.due[c].first) {
			uint64_t due = op_due_us(fork, fork->flights.due[c].first);
			first = due < first ? due : first;
		}
	if (first == UINT64_MAX ||
	    (loop_timer_running(&fork->flights.timer) && fork->flights.timer.due_us <= first))
		return;
	/* Without memory: tried again with the next question. */
	if (loop_timer_start(fork->loop, &fork->flights.timer, first > now ? first - now : 0) !=
	    OK)
		log_warn("no memory for a timer", LOG_S("of", "deadlines"));
}

static void due_remove(struct fork *fork, struct fork_op *op)
{
	const enum fork_class class = op->question.class;
	if (op->due_prev)
		op->due_prev->due_next = op->due_next;
	else
		fork->flights.due[class].first = op->due_next;
	if (op->due_next)
		op->due_next->due_prev = op->due_prev;
	else
		fork->flights.due[class].last = op->due_prev;
	op->due_next = op->due_prev = NULL;
}

/* It has waited for its upstream's rate all the time. */
static void note_budget(struct flight *flight)
{
	const struct fork *fork = flight->fork;
	if (flight->state == FLIGHT_PLANNED && flight->last.verdict == VERDICT_OK &&
	    budget_wait_us(&flight->upstream->budget, loop_now_us(fork->loop)) > 0)
		failure_set(&flight->last, VERDICT_RATE, ERR_RATE_LIMITED,
			    "no turn within %u requests a second", fork->upstream_rate);
}

static void expire(struct fork *fork, struct fork_op *op)
{
	struct err_detail detail;
	struct flight *flight = op->flight;
	note_budget(flight);
	struct fork_answer answer = {.err = retry_err(flight),
				     .detail = detail.text,
				     .may_have_arrived = flight->sent};
	retry_detail(flight, loop_now_us(fork->loop) - op->submitted_us, &detail);
	struct blob *error = flight->likely ? blob_get(flight->last_error) : NULL;
	if (error)
		answer = (struct fork_answer){
			.err = flight_error(flight), .blob = error, .detail = ""};
	flights_leave(fork, op);
	op_answer(op, &answer);
	blob_put(&error);
}

static void due(void *cookie)
{
	struct fork *fork = cookie;
	const uint64_t now = loop_now_us(fork->loop);
	for (size_t c = 0; c < FORK_CLASSES; c++) {
		struct fork_op *op;
		while ((op = fork->flights.due[c].first) && op_due_us(fork, op) <= now)
			expire(fork, op);
	}
	due_arm(fork);
	ports_signal(fork);
}

static void due_add(struct fork *fork, struct fork_op *op)
{
	const enum fork_class class = op->question.class;
	op->due_next = NULL;
	op->due_prev = fork->flights.due[class].last;
	if (op->due_prev)
		op->due_prev->due_next = op;
	else
		fork->flights.due[class].first = op;
	fork->flights.due[class].last = op;
	if (!fork->flights.timer.fn)
		loop_timer_init(&fork->flights.timer, due, fork);
	due_arm(fork);
}

/* ---- flights ---- */

static struct flight *flight_new(struct fork *fork, const struct fork_question *question)
{
	struct flight *flight = malloc(sizeof *flight + question_bytes(question));
	if (!flight)
		return NULL;
	*flight = (struct flight){.fork = fork};
	question_copy(&flight->question, question, flight->bytes);
	fork_count(&fork->flights_started, 1);
	return flight;
}

static void flight_free(struct flight *flight)
{
	table_remove(&flight->fork->flights, flight);
	queue_remove(flight);
	loop_timer_cancel(flight->fork->loop, &flight->timer);
	blob_put(&flight->last_error);
	free(flight);
}

static void follow(struct fork *fork, struct flight *flight, struct fork_op *op)
{
	op->flight = flight;
	op->prev = NULL;
	op->next = flight->followers;
	if (op->next)
		op->next->prev = op;
	flight->followers = op;
	due_add(fork, op);
}

static void unfollow(struct fork *fork, struct fork_op *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		op->flight->followers = op->next;
	if (op->next)
		op->next->prev = op->prev;
	op->next = op->prev = NULL;
	op->flight = NULL;
	due_remove(fork, op);
}

uint64_t flight_due_us(const struct flight *flight)
{
	uint64_t last = 0;
	for (const struct fork_op *op = flight->followers; op; op = op->next) {
		uint64_t due = op_due_us(flight->fork, op);
		last = due > last ? due : last;
	}
	return last;
}

void flights_submit(struct fork *fork, struct fork_op *op)
{
	const struct fork_question *q = &op->question;
	uint64_t hash = hash_question(&fork->flights, q);
	struct flight *flight = find(&fork->flights, q, hash);
	fork_count(&fork->questions, 1);
	op->submitted_us = loop_now_us(fork->loop);
	if (flight) {
		fork_count(&fork->joined, 1);
		follow(fork, flight, op);
		return;
	}
	flight = flight_new(fork, q);
	if (!flight) {
		struct fork_answer refused = {.err = ERR_NOMEM, .detail = ""};
		op_answer(op, &refused);
		return;
	}
	flight->hash = hash;
	table_add(&fork->flights, flight);
	follow(fork, flight, op);
	retry_dispatch(flight);
}

void flights_leave(struct fork *fork, struct fork_op *op)
{
	struct flight *flight = op->flight;
	if (!flight)
		return;
	unfollow(fork, op);
	if (!flight->followers && flight->state != FLIGHT_SENT)
		flight_drop(flight);
}

void flight_answer(struct flight *flight, const struct fork_answer *answer)
{
	struct fork *fork = flight->fork;
	table_remove(&fork->flights, flight);
	const bool is_final_error =
		answer->err == ERR_UPSTREAM && flight->question.kind == FORK_CALL;
	if ((answer->err == OK || is_final_error) && fork->on_answer)
		fork->on_answer(fork->cookie, &flight->question, answer);
	struct fork_op *op;
	while ((op = flight->followers)) {
		unfollow(fork, op);
		op_answer(op, answer);
	}
	flight_free(flight);
}

void flight_fail(struct flight *flight, enum err err)
{
	struct fork *fork = flight->fork;
	const uint64_t now = loop_now_us(fork->loop);
	struct fork_op *op;
	table_remove(&fork->flights, flight);
	while ((op = flight->followers)) {
		struct err_detail detail;
		struct fork_answer answer = {.err = err,
					     .detail = detail.text,
					     .lacks = flight->last.verdict == VERDICT_LACKS,
					     .may_have_arrived = flight->sent};
		retry_detail(flight, now - op->submitted_us, &detail);
		unfollow(fork, op);
		op_answer(op, &answer);
	}
	flight_free(flight);
}

void flight_drop(struct flight *flight)
{
	REQUIRE(!flight->followers);
	flight_free(flight);
}

void flights_release(struct fork *fork)
{
	struct flights *flights = &fork->flights;
	loop_timer_cancel(fork->loop, &flights->timer);
	for (size_t i = 0; flights->buckets && i <= flights->mask; i++)
		while (flights->buckets[i])
			flight_drop(flights->buckets[i]);
	free(flights->buckets);
	flights->buckets = NULL;
}
