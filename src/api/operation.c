/* SPDX-License-Identifier: MIT */
/* Operations as the caller sees them; the engine is op.c. */
#include "api/many.h"

#define OPTIONS_SIZE_MIN offsetof(struct fc_op_options, try_only) + sizeof(bool)

static bool options_are_valid(const struct fc_op_options *options)
{
	return !options ||
	       (options->size >= OPTIONS_SIZE_MIN && options->priority >= FC_PRIORITY_LOW &&
		options->priority <= FC_PRIORITY_CRITICAL);
}

/* Back pressure: a place among those that may be in flight. */
static enum fc_err wait_for_place(struct fc_state *s, const struct fc_op_options *options)
{
	while (s->in_flight >= s->operations_max) {
		if (options && options->try_only)
			return state_fail(s, FC_ERR_EXHAUSTED,
					  "starting an operation: %u are in flight",
					  (unsigned)s->in_flight);
		if (engine_turn(s, -1) != OK)
			return state_fail_err(s, ERR_IO, "starting an operation", NULL);
	}
	return FC_OK;
}

static enum fc_err op_new(struct fc_state *s, enum op_kind kind,
			  const struct fc_op_options *options, struct fc_op **out)
{
	if (!options_are_valid(options))
		return state_refuse(s, "options of an operation");
	const enum fc_err err = wait_for_place(s, options);
	if (err != FC_OK)
		return err;
	struct fc_op *op = malloc(sizeof *op);
	if (!op)
		return state_fail_err(s, ERR_NOMEM, "starting an operation", NULL);
	op_init(op, s, kind, options ? options->priority : FC_PRIORITY_NORMAL);
	op->next = s->ops;
	if (s->ops)
		s->ops->prev = op;
	s->ops = op;
	*out = op;
	return FC_OK;
}

/* What it asks leaves now, or gathers with what is asked next if many are under way. */
static void op_leave(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	op_start(op);
	if (!op->ended)
		(void)engine_turn(s, 0); /* an error shows again where it is waited for */
	engine_rest(s);
}

void fc_op_free(struct fc_op **op)
{
	struct fc_op *o = op ? *op : NULL;
	if (!o)
		return;
	*op = NULL;
	struct fc_state *s = o->handle;
	op_release(o);
	if (s) {
		if (o->next)
			o->next->prev = o->prev;
		*(o->prev ? &o->prev->next : &s->ops) = o->next;
		engine_run(s); /* there may be room now */
	}
	free(o);
}

enum fc_err fc_read_start(struct fc_state *state, const struct fc_read *reads, size_t n,
			  const struct fc_op_options *options, struct fc_op **out)
{
	struct fc_op *op = NULL;
	if (!state || !reads || n == 0 || !out)
		return state_refuse(state, "reads, or where the operation goes");
	const enum fc_err err = op_new(state, OP_READS, options, &op);
	if (err != FC_OK)
		return err;
	struct fc_read *copy = calloc(n, sizeof *copy);
	if (!copy) {
		fc_op_free(&op);
		return state_fail_err(state, ERR_NOMEM, "starting an operation", NULL);
	}
	memcpy(copy, reads, n * sizeof *copy);
	op->owns_reads = true;
	op_set_reads(op, copy, n);
	op_leave(op);
	*out = op;
	return FC_OK;
}

/* list NULL: of what was noted. */
static enum fc_err start_needs(struct fc_state *s, const struct fc_access *list, size_t n,
			       const struct fc_op_options *options, struct fc_op **out)
{
	struct fc_op *op = NULL;
	enum fc_err err = op_new(s, OP_NEEDS, options, &op);
	if (err != FC_OK)
		return err;
	err = list ? op_want_list(op, list, n) : op_want_noted(op);
	if (err != FC_OK) {
		fc_op_free(&op);
		return err;
	}
	op_leave(op);
	*out = op;
	return FC_OK;
}

enum fc_err fc_prefetch_start(struct fc_state *state, const struct fc_access *list, size_t n,
			      const struct fc_op_options *options, struct fc_op **op)
{
	static const struct fc_access none;
	if (!state || !op || !access_is_valid(list, n))
		return state_refuse(state, "an access list, or where the operation goes");
	return start_needs(state, list ? list : &none, n, options, op);
}

enum fc_err fc_fetch_needed_start(struct fc_state *state, const struct fc_op_options *options,
				  struct fc_op **op)
{
	if (!state || !op)
		return state_refuse(state, "a pointer is NULL");
	return start_needs(state, NULL, 0, options, op);
}

enum fc_err fc_state_root_start(struct fc_state *state, const struct fc_op_options *options,
				struct fc_op **out)
{
	struct fc_op *op = NULL;
	if (!state || !out)
		return state_refuse(state, "a pointer is NULL");
	const enum fc_err err = op_new(state, OP_ROOT, options, &op);
	if (err != FC_OK)
		return err;
	op_leave(op);
	*out = op;
	return FC_OK;
}

/* ---- how it is ---- */

bool fc_op_ready(struct fc_op *op)
{
	if (!op)
		return false;
	if (!op->ended) {
		(void)engine_turn(op->handle, 0);
		engine_rest(op->handle);
	}
	return op->ended;
}

bool fc_op_failed(const struct fc_op *op)
{
	return op && op->ended && op->err != FC_OK;
}

enum fc_err fc_op_wait(struct fc_op *op, int64_t timeout_ms)
{
	if (!op)
		return FC_ERR_INVALID_ARGUMENT;
	if (fc_op_ready(op))
		return FC_OK;
	struct fc_state *s = op->handle;
	const int64_t most_ms = INT64_MAX / 1000 / 2;
	const bool limited = timeout_ms >= 0 && timeout_ms < most_ms;
	const uint64_t end_us =
		loop_now_us(s->loop) + (limited ? (uint64_t)timeout_ms * 1000 : 0);
	enum err err = OK;
	while (!op->ended && err == OK) {
		const uint64_t now_us = loop_now_us(s->loop);
		if (limited && now_us >= end_us)
			break;
		err = engine_turn(s, limited ? (int64_t)(end_us - now_us) : -1);
	}
	engine_rest(s);
	if (err != OK)
		return state_fail_err(s, err, "waiting for an operation", NULL);
	return op->ended ? FC_OK : FC_ERR_TIMEOUT;
}

enum fc_err fc_op_result(const struct fc_op *op)
{
	return !op ? FC_ERR_INVALID_ARGUMENT : op->ended ? op->err : FC_PENDING;
}

const char *fc_op_detail(const struct fc_op *op)
{
	return op && op->ended ? op->detail : "";
}

struct fc_read *fc_op_reads(struct fc_op *op, size_t *n)
{
	const bool has = op && op->ended && op->reads;
	if (n)
		*n = has ? op->n : 0;
	return has ? op->reads : NULL;
}

enum fc_err fc_op_root(const struct fc_op *op, struct fc_bytes32 *root)
{
	if (!op || !root || op->kind != OP_ROOT)
		return FC_ERR_INVALID_ARGUMENT;
	if (!op->ended || op->err != FC_OK)
		return fc_op_result(op);
	memcpy(root, &op->root, sizeof *root);
	return FC_OK;
}

enum fc_err fc_op_on_done(struct fc_op *op, fc_op_fn *fn, void *cookie)
{
	if (!op || !fn)
		return FC_ERR_INVALID_ARGUMENT;
	if (op->cancelled || !op->handle)
		return FC_ERR_CANCELLED;
	struct op_callback *callback = calloc(1, sizeof *callback);
	if (!callback)
		return state_fail_err(op->handle, ERR_NOMEM, "adding a callback", NULL);
	*callback = (struct op_callback){.fn = fn, .cookie = cookie, .op = op};
	*op->callbacks_end = callback;
	op->callbacks_end = &callback->next;
	if (op->ended)
		callback_make_ready(op->handle, callback);
	return FC_OK;
}

void fc_op_cancel(struct fc_op *op)
{
	if (!op || !op->handle)
		return;
	op->cancelled = true;
	op_drop_callbacks(op);
	op_abort(op, FC_ERR_CANCELLED);
	engine_run(op->handle); /* there may be room now */
}

/* ---- dispatch ---- */

/* Out of both lists: it may free its operation. */
static void callback_run(struct fc_state *s, struct op_callback *callback)
{
	struct fc_op *op = callback->op;
	struct op_callback **at = &op->callbacks;
	const struct op_callback run = *callback;
	callback_unready(s, callback);
	while (*at != callback)
		at = &(*at)->next;
	*at = callback->next;
	if (!*at)
		op->callbacks_end = at;
	free(callback);
	run.fn(run.cookie, op);
}

size_t fc_dispatch(struct fc_state *state)
{
	size_t ran = 0;
	if (!state || state->dispatching)
		return 0;
	state->dispatching = true;
	(void)engine_turn(state, 0); /* an error of epoll is logged, and shows in waits */
	/* Those that become ready meanwhile are for the next time. */
	for (const uint64_t end = state->ready_order; state->ready && state->ready->order < end;
	     ran++)
		callback_run(state, state->ready);
	state->dispatching = false;
	engine_rest(state);
	return ran;
}
