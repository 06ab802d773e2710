/* SPDX-License-Identifier: MIT */
#include "fork/ladder.h"
#include "fork/fork_impl.h"
#include "fork/retry.h"
#include <stdlib.h>

static bool is_state(const struct flight *flight)
{
	return flight->question.kind != FORK_CALL;
}

static bool takes_guards(const struct upstream *u)
{
	return atomic_load(&u->batch_limit) > POST_GUARDS;
}

/* Asked by number, and the block's hash as well. */
static bool needs_guards(const struct upstream *u, const struct flight *flight)
{
	const struct fork_question *q = &flight->question;
	return q->guarded || (question_by_hash(q) && u->block_hash.state == CAPABILITY_NO);
}

static bool same_block(const struct fork_block *a, const struct fork_block *b)
{
	return a->number == b->number && a->by_hash == b->by_hash &&
	       eth_bytes32_equal(&a->hash, &b->hash);
}

/* While one request tries what is unknown, the others go without. */
static bool may_use(const struct ability *ability)
{
	return ability->state == CAPABILITY_YES ||
	       (ability->state == CAPABILITY_UNKNOWN && ability->trials == 0);
}

static bool may_values(const struct upstream *u, const struct flight *flight)
{
	return flight->question.kind == FORK_SLOT && !flight->plain &&
	       may_use(&u->storage_values);
}

static bool may_info(const struct upstream *u, const struct flight *flight)
{
	return is_state(flight) && flight->question.kind != FORK_SLOT && !flight->plain &&
	       may_use(&u->account_info);
}

/* ---- order: what one item can hold stands together ---- */

static int compare_block(const struct fork_block *a, const struct fork_block *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	if (a->by_hash != b->by_hash)
		return a->by_hash ? 1 : -1;
	return memcmp(&a->hash, &b->hash, sizeof a->hash);
}

static int rank(const struct flight *flight)
{
	if (!is_state(flight))
		return 4;
	return (flight->question.kind == FORK_SLOT ? 0 : 2) + flight->plain;
}

static int compare(const void *left, const void *right)
{
	const struct flight *a = *(struct flight *const *)left;
	const struct flight *b = *(struct flight *const *)right;
	int order = rank(a) - rank(b);
	if (order == 0)
		order = compare_block(&a->question.block, &b->question.block);
	if (order == 0)
		order = memcmp(&a->question.address, &b->question.address,
			       sizeof a->question.address);
	if (order == 0)
		order = memcmp(&a->question.slot, &b->question.slot, sizeof a->question.slot);
	return order;
}

static int compare_newest(const void *left, const void *right)
{
	const struct flight *a = *(struct flight *const *)left;
	const struct flight *b = *(struct flight *const *)right;
	return a->queued_us < b->queued_us ? 1 : a->queued_us > b->queued_us ? -1 : 0;
}

/* ---- taking and grouping ---- */

static void take(struct post *r, struct flight_queue *queue, size_t max)
{
	const struct upstream *u = r->upstream;
	const struct flight *head = queue->first;
	const bool guarded = needs_guards(u, head);
	size_t bytes = 0, written = 0;
	struct flight *next;
	for (struct flight *f = queue->first; f && r->flights_n < max; f = next) {
		next = f->next;
		if (needs_guards(u, f) != guarded ||
		    (guarded && !same_block(&f->question.block, &head->question.block)))
			continue;
		bytes += plan_expected_bytes(&f->question);
		written += question_bytes(&f->question);
		if (r->flights_n > 0 && (bytes > PLAN_REPLY_BYTES || written > PLAN_BODY_BYTES))
			break;
		queue_remove(f);
		r->flights[r->flights_n++] = f;
	}
	if (guarded)
		r->guarded = head->question.block;
}

static bool fits(const struct upstream *u, const struct flight *first, const struct flight *f)
{
	if (!same_block(&first->question.block, &f->question.block))
		return false;
	if (may_values(u, first))
		return may_values(u, f);
	return may_info(u, first) && may_info(u, f) &&
	       memcmp(&first->question.address, &f->question.address,
		      sizeof f->question.address) == 0;
}

static void group(struct post *r)
{
	const struct upstream *u = r->upstream;
	for (size_t i = 0, n; i < r->flights_n; i += n) {
		struct item *item = &r->items[r->items_n++];
		for (n = 1; i + n < r->flights_n && n < LADDER_SLOTS_MAX; n++)
			if (!fits(u, r->flights[i], r->flights[i + n]))
				break;
		*item = (struct item){.flights = r->flights + i, .flights_n = n};
		if (n > 1)
			item->kind = may_values(u, r->flights[i]) ? ITEM_VALUES : ITEM_INFO;
	}
}

static bool is_unknown(struct upstream *u, const struct item *item)
{
	const struct ability *ability = item_ability(u, item);
	return ability && ability->state == CAPABILITY_UNKNOWN;
}

static size_t find_item(const struct post *r, const struct flight *flight)
{
	for (size_t i = 0; i < r->items_n; i++)
		for (size_t j = 0; j < r->items[i].flights_n; j++)
			if (r->items[i].flights[j] == flight)
				return i;
	return 0;
}

/* Keeps the item of the flight that waits longest and what may travel with it; the rest
 * goes back to the front of the queue, the oldest first. */
static void trim(struct post *r, struct flight_queue *queue, const struct flight *oldest,
		 size_t limit, struct flight **back)
{
	struct upstream *u = r->upstream;
	size_t first = find_item(r, oldest), kept = 1, back_n = 0;
	struct item item = r->items[first];
	r->items[first] = r->items[0];
	r->items[0] = item;
	const bool alone = is_unknown(u, &item);
	r->trial = alone ? item_ability(u, &item) : NULL;
	for (size_t i = 1; i < r->items_n; i++) {
		if (!alone && kept < limit && !is_unknown(u, &r->items[i])) {
			r->items[kept++] = r->items[i];
			continue;
		}
		for (size_t j = 0; j < r->items[i].flights_n; j++)
			back[back_n++] = r->items[i].flights[j];
	}
	r->items_n = kept;
	qsort(back, back_n, sizeof *back, compare_newest);
	for (size_t i = 0; i < back_n; i++)
		queue_prepend(queue, back[i]);
}

static void add_guards(struct post *r)
{
	memmove(r->items + 1, r->items, r->items_n * sizeof *r->items);
	r->items[0] = (struct item){.kind = ITEM_GUARD};
	r->items[r->items_n + 1] = (struct item){.kind = ITEM_GUARD};
	r->items_n += POST_GUARDS;
}

/* ---- writing ---- */

static void write_number(struct buf *body, uint64_t number)
{
	char text[18];
	buf_char(body, '"');
	buf_append(body, text, eth_quantity_format_u64(number, text));
	buf_char(body, '"');
}

static void write_hex(struct buf *body, const void *bytes, size_t n)
{
	buf_char(body, '"');
	buf_hex(body, bytes, n);
	buf_char(body, '"');
}

static void write_block(struct buf *body, const struct post *r, const struct fork_block *block)
{
	if (!block->by_hash || r->upstream->block_hash.state == CAPABILITY_NO) {
		write_number(body, block->number);
		return;
	}
	buf_text(body, "{\"blockHash\":");
	write_hex(body, block->hash.bytes, sizeof block->hash.bytes);
	buf_char(body, '}');
}

/* As they are, or with the block's number where its hash stands. */
static void write_params(struct buf *body, const struct post *r, const struct fork_question *q)
{
	const size_t from = q->by_hash_at, to = from + q->by_hash_len;
	if (!question_by_hash(q)) {
		buf_span(body, q->params);
		return;
	}
	REQUIRE(to <= q->params.len);
	buf_append(body, q->params.ptr, from);
	write_block(body, r, &q->block);
	buf_append(body, q->params.ptr + to, q->params.len - to);
}

static void write_one(struct buf *body, const struct post *r, const struct flight *flight)
{
	static const char *const methods[] = {
		[FORK_BALANCE] = "eth_getBalance",
		[FORK_NONCE] = "eth_getTransactionCount",
		[FORK_CODE] = "eth_getCode",
		[FORK_SLOT] = "eth_getStorageAt",
	};
	const struct fork_question *q = &flight->question;
	if (q->kind == FORK_CALL) {
		buf_json_string(body, q->method);
		buf_text(body, ",\"params\":");
		write_params(body, r, q);
		return;
	}
	buf_printf(body, "\"%s\",\"params\":[", methods[q->kind]);
	write_hex(body, q->address.bytes, sizeof q->address.bytes);
	buf_char(body, ',');
	if (q->kind == FORK_SLOT) {
		/* 32 bytes: every node takes this form, and some no other. */
		write_hex(body, q->slot.bytes, sizeof q->slot.bytes);
		buf_char(body, ',');
	}
	write_block(body, r, &q->block);
	buf_char(body, ']');
}

static void write_values(struct buf *body, const struct post *r, const struct item *item)
{
	buf_text(body, "\"eth_getStorageValues\",\"params\":[{");
	for (size_t i = 0; i < item->flights_n; i++) {
		const struct fork_question *q = &item->flights[i]->question;
		const struct fork_question *last = i ? &item->flights[i - 1]->question : NULL;
		if (last && memcmp(&last->address, &q->address, sizeof q->address) == 0) {
			buf_char(body, ',');
		} else {
			if (last)
				buf_text(body, "],");
			write_hex(body, q->address.bytes, sizeof q->address.bytes);
			buf_text(body, ":[");
		}
		write_hex(body, q->slot.bytes, sizeof q->slot.bytes);
	}
	buf_text(body, "]},");
	write_block(body, r, &item->flights[0]->question.block);
	buf_char(body, ']');
}

static void write_info(struct buf *body, const struct post *r, const struct item *item)
{
	const struct fork_question *q = &item->flights[0]->question;
	buf_text(body, "\"eth_getAccountInfo\",\"params\":[");
	write_hex(body, q->address.bytes, sizeof q->address.bytes);
	buf_char(body, ',');
	write_block(body, r, &q->block);
	buf_char(body, ']');
}

static void write_item(struct buf *body, const struct post *r, const struct item *item,
		       uint64_t id)
{
	buf_text(body, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_u64(body, id);
	buf_text(body, ",\"method\":");
	switch (item->kind) {
	case ITEM_ONE:
		write_one(body, r, item->flights[0]);
		break;
	case ITEM_VALUES:
		write_values(body, r, item);
		break;
	case ITEM_INFO:
		write_info(body, r, item);
		break;
	case ITEM_GUARD:
		buf_text(body, "\"eth_getBlockByNumber\",\"params\":[");
		write_number(body, r->guarded.number);
		buf_text(body, ",false]");
		break;
	}
	buf_char(body, '}');
}

static enum err write_body(struct post *r, struct buf *body)
{
	struct fork *fork = r->upstream->fork;
	r->batch = r->items_n > 1;
	r->first_id = fork->next_id;
	fork->next_id += r->items_n;
	if (r->batch)
		buf_char(body, '[');
	for (size_t i = 0; i < r->items_n; i++) {
		if (i)
			buf_char(body, ',');
		write_item(body, r, &r->items[i], r->first_id + i);
	}
	if (r->batch)
		buf_char(body, ']');
	return buf_err(body);
}

/* ---- */

static void fail_all(struct post *r, enum verdict verdict, enum err err, const char *why)
{
	struct failure failure;
	failure_set(&failure, verdict, err, "%s", why);
	failure.jitter = fork_random(r->upstream->fork);
	for (size_t i = 0; i < r->items_n; i++)
		for (size_t j = 0; j < r->items[i].flights_n; j++)
			retry_flight(r->items[i].flights[j], r->upstream, &failure);
}

/* Items that a request may hold besides its guards. */
static size_t items_beside(const struct upstream *u, bool guarded)
{
	const size_t guards = guarded ? POST_GUARDS : 0;
	const size_t tokens = budget_tokens(&u->budget, loop_now_us(u->fork->loop));
	const size_t most = upstream_items_max(u);
	const size_t items = tokens < most ? tokens : most;
	return items > guards ? items - guards : 1;
}

struct post *ladder_take(struct upstream *upstream, struct flight_queue *queue, bool alone,
			 struct buf *body, enum err *err)
{
	struct flight *oldest = queue->first;
	const bool guarded = needs_guards(upstream, oldest);
	const size_t items = alone ? 1 : items_beside(upstream, guarded);
	const bool composes =
		may_use(&upstream->storage_values) || may_use(&upstream->account_info);
	size_t max = alone ? 1 : composes ? upstream->burst : items;
	max = max < queue->n ? max : queue->n;
	*err = ERR_NOMEM;
	struct flight **back = calloc(max, sizeof *back);
	struct post *r = post_new(upstream, max);
	if (!r || !back)
		goto fail;
	take(r, queue, max);
	qsort(r->flights, r->flights_n, sizeof *r->flights, compare);
	group(r);
	r->alone = alone;
	*err = OK;
	trim(r, queue, oldest, items, back);
	r->guarded_after = guarded && !takes_guards(upstream);
	if (guarded && !r->guarded_after)
		add_guards(r);
	enum err written = write_body(r, body);
	if (written != OK) {
		fail_all(r, VERDICT_BAD, written, "the question is too large");
		goto fail;
	}
	free(back);
	return r;
fail:
	free(back);
	post_free(&r);
	return NULL;
}
