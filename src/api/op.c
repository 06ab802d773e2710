/* SPDX-License-Identifier: MIT */
#include "api/read.h"
#include "api/root.h"
#include "layers/shared.h"

void op_init(struct fc_op *op, struct fc_state *handle, enum op_kind kind,
	     enum fc_priority priority)
{
	*op = (struct fc_op){.kind = kind,
			     .priority = priority,
			     .handle = handle,
			     .err = FC_PENDING,
			     .failed_at = SIZE_MAX};
	op->callbacks_end = &op->callbacks;
}

/* ---- wants ---- */

static void make_runnable(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	if (op->runnable)
		return;
	op->runnable = true;
	op->runnable_next = NULL;
	*s->runnable_end = op;
	s->runnable_end = &op->runnable_next;
}

static struct fc_op *take_runnable(struct fc_state *s)
{
	struct fc_op *op = s->runnable;
	if (!op)
		return NULL;
	s->runnable = op->runnable_next;
	if (!s->runnable)
		s->runnable_end = &s->runnable;
	op->runnable = false;
	return op;
}

static void remove_runnable(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	struct fc_op **at = &s->runnable;
	if (!op->runnable)
		return;
	while (*at != op)
		at = &(*at)->runnable_next;
	*at = op->runnable_next;
	if (!*at)
		s->runnable_end = at;
	op->runnable = false;
}

/* Of an operation that is a list of needs, the first that fails is its error. */
static void need_failed(struct fc_op *op, const struct want *want)
{
	if (op->err == FC_PENDING)
		op->err = detail_of_need(op->handle, &want->node.need, want->err, want->detail,
					 op->detail);
}

static void on_want_landed(struct want *want)
{
	struct fc_op *op = want->owner;
	op->waiting--;
	if (want->err != OK && op->kind == OP_NEEDS)
		need_failed(op, want);
	if (op->waiting == 0)
		make_runnable(op);
}

enum err op_want(struct fc_op *op, const struct need *need, enum want_for purpose,
		 struct want **out)
{
	struct want *want = calloc(1, sizeof *want);
	if (!want)
		return ERR_NOMEM;
	*want = (struct want){
		.node.need = *need, .purpose = purpose, .done = on_want_landed, .owner = op};
	enum err err = fetches_want(&op->handle->fetches, want, op->priority);
	if (err != OK) {
		free(want);
		return err;
	}
	op->waiting++;
	want->next_of_owner = op->first_want;
	op->first_want = want;
	if (out)
		*out = want;
	return OK;
}

static void drop_wants(struct fc_op *op)
{
	for (struct want *want = op->first_want, *next; want; want = next) {
		next = want->next_of_owner;
		if (!want->landed)
			fetches_leave(&op->handle->fetches, want);
		free(want->detail);
		free(want);
	}
	op->first_want = NULL;
	op->waiting = 0;
	need_map_release(&op->wants);
}

void op_forget_landed(struct fc_op *op)
{
	struct want **at = &op->first_want, *want;
	while ((want = *at) != NULL) {
		if (!want->landed || want->err != OK) {
			at = &want->next_of_owner;
			continue;
		}
		*at = want->next_of_owner;
		if (need_map_find(&op->wants, &want->node.need) == &want->node)
			need_map_remove(&op->wants, &want->node);
		free(want);
	}
	op_forget_root(op);
}

/* ---- ends ---- */

void callback_make_ready(struct fc_state *s, struct op_callback *callback)
{
	callback->ready = true;
	callback->ready_next = NULL;
	callback->ready_prev = s->ready_last;
	*(s->ready_last ? &s->ready_last->ready_next : &s->ready) = callback;
	s->ready_last = callback;
	callback->order = s->ready_order++;
	loop_wake_signal(&s->poke);
}

void callback_unready(struct fc_state *s, struct op_callback *callback)
{
	struct op_callback *next = callback->ready_next, *prev = callback->ready_prev;
	if (!callback->ready)
		return;
	*(next ? &next->ready_prev : &s->ready_last) = prev;
	*(prev ? &prev->ready_next : &s->ready) = next;
	callback->ready = false;
}

static void op_end(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	op->ended = true;
	if (op->started)
		s->in_flight--;
	remove_runnable(op);
	drop_wants(op);
	root_job_free(&op->job);
	free(op->asks);
	op->asks = NULL;
	for (struct op_callback *callback = op->callbacks; callback; callback = callback->next)
		callback_make_ready(s, callback);
}

void op_abort(struct fc_op *op, enum fc_err err)
{
	if (op->ended)
		return;
	op->err = err;
	(void)snprintf(op->detail, sizeof op->detail, "%s", fc_strerror(err));
	for (size_t i = 0; i < op->n; i++)
		if (op->reads[i].err == FC_PENDING)
			op->reads[i].err = err;
	op_end(op);
}

/* ---- steps ---- */

void op_read_failed(struct fc_op *op, size_t i, enum err err, const char *why)
{
	char detail[FC_DETAIL_BYTES];
	struct fc_read *read = &op->reads[i];
	read->err = detail_of_read(op->handle, read, err, why, detail);
	fc_reads_release(read, 1);
	if (i < op->failed_at) {
		op->failed_at = i;
		memcpy(op->detail, detail, sizeof detail);
	}
}

/* What a read lacks is wanted once. One that has been fetched and is lacking still fails the
 * read: so no read goes round in circles. */
static bool want_for_read(struct fc_op *op, size_t i, const struct need *need)
{
	struct want *want = (struct want *)need_map_find(&op->wants, need);
	if (want && !want->landed)
		return true;
	if (want) {
		const enum err err = want->err != OK ? want->err : ERR_BAD_ANSWER;
		op_read_failed(op, i, err,
			       want->err != OK ? want->detail
					       : "it was fetched, and is not there");
		return false;
	}
	enum err err = op_want(op, need, WANT_READ, &want);
	if (err == OK)
		err = need_map_add(&op->wants, &want->node);
	if (err != OK)
		op_read_failed(op, i, err, NULL);
	return err == OK;
}

static void read_lacks(struct fc_op *op, size_t i)
{
	const struct needs *needs = &op->handle->scratch;
	if (needs->n == 0 && read_wants_root(op->handle, &op->reads[i]))
		op->again = true; /* another handle has written the account just now */
	else if (needs->n == 0)
		op_read_failed(op, i, ERR_UNSUPPORTED, "nothing below can fetch it");
	for (size_t k = 0; k < needs->n; k++)
		if (!want_for_read(op, i, &needs->rows[k]))
			break;
}

static void step_read(struct fc_op *op, size_t i)
{
	struct fc_state *s = op->handle;
	struct fc_read *read = &op->reads[i];
	struct fault fault;
	struct fc_account proved;
	const bool rooted = op->asks && op->asks[i] != NO_ASK;
	if (rooted)
		op_rooted_account(op, i, &proved);
	const enum lookup found = read_try(
		s, read, rooted ? in_bytes32(&proved.storage_root) : NULL, &s->scratch, &fault);
	if (found == HIT)
		read->err = FC_OK;
	else if (found == MISS)
		read_lacks(op, i);
	else
		op_read_failed(op, i, fault.err, fault.detail.text);
	if (found == HIT && rooted && read->prove)
		read->account = proved;
	needs_clear(&s->scratch);
}

static enum fc_err first_err(const struct fc_op *op)
{
	for (size_t i = 0; i < op->n; i++)
		if (op->reads[i].err != FC_OK)
			return op->reads[i].err;
	return FC_OK;
}

/* What is read is of the moment of its proof. False: the root has to be waited for. */
static bool step_all(struct fc_op *op)
{
	struct layer_view *pinned = op_pin(op);
	const bool rooted = op_step_proofs(op);
	for (size_t i = 0; rooted && i < op->n; i++)
		if (op->reads[i].err == FC_PENDING)
			step_read(op, i);
	if (pinned)
		shared_unpin(pinned);
	return rooted;
}

static void step_reads(struct fc_op *op)
{
	do {
		op->again = false;
		if (!step_all(op))
			return;
	} while (op->again && op->waiting == 0);
	if (op->waiting > 0)
		return;
	op->err = first_err(op);
	op_end(op);
}

static void step_needs(struct fc_op *op)
{
	if (op->waiting > 0)
		return;
	if (op->err == FC_PENDING)
		op->err = FC_OK;
	op_end(op);
}

static void step_root(struct fc_op *op)
{
	struct fault fault;
	switch (op_step_root(op, &fault)) {
	case PENDING:
		return;
	case HIT:
		op->err = FC_OK;
		break;
	case MISS:
	case FAILED:
		op->err = fc_err_explain(fault.err, fault.detail.text);
		memcpy(op->detail, fault.detail.text, sizeof op->detail);
		break;
	}
	op_end(op);
}

static void op_step(struct fc_op *op)
{
	switch (op->kind) {
	case OP_READS:
		step_reads(op);
		break;
	case OP_NEEDS:
		step_needs(op);
		break;
	case OP_ROOT:
		step_root(op);
		break;
	}
}

void op_set_reads(struct fc_op *op, struct fc_read *reads, size_t n)
{
	op->reads = reads;
	op->n = n;
	for (size_t i = 0; i < n; i++) {
		reads[i].err = FC_PENDING;
		reads[i].code = NULL;
		reads[i].proof = NULL;
		if (!read_is_valid(&reads[i]))
			op_read_failed(op, i, ERR_INVALID, "no such kind of read, or mask");
	}
}

/* ---- the engine ---- */

void engine_run(struct fc_state *s)
{
	struct fc_op *op;
	if (s->running)
		return;
	s->running = true;
	do
		while ((op = take_runnable(s)) != NULL)
			op_step(op);
	while (fetches_pump(&s->fetches) || s->runnable);
	s->running = false;
}

enum err engine_turn(struct fc_state *s, int64_t timeout_us)
{
	return loop_turn(s->loop, timeout_us);
}

void engine_rest(struct fc_state *s)
{
	state_rest(s->state);
	if (s->ready)
		loop_wake_signal(&s->poke);
	if (s->fetches.landed && s->wait == FC_BLOCKING && !s->fed && !s->keeps &&
	    s->in_flight == 0 && fetches_are_idle(&s->fetches)) {
		source_fed_clear(s->fetches.view);
		s->fetches.landed = false;
	}
}

void op_start(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	op->started = true;
	s->in_flight++;
	if (op->waiting == 0)
		make_runnable(op);
	engine_run(s);
}

enum fc_err op_run(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	op_start(op);
	while (!op->ended)
		if (engine_turn(s, -1) != OK)
			op_abort(op, FC_ERR_IO);
	const enum fc_err err = op->err;
	if (err != FC_OK)
		memcpy(s->detail, op->detail, sizeof s->detail);
	op_release(op);
	engine_rest(s);
	return err;
}

void op_drop_callbacks(struct fc_op *op)
{
	for (struct op_callback *callback = op->callbacks, *next; callback; callback = next) {
		next = callback->next;
		callback_unready(op->handle, callback);
		free(callback);
	}
	op->callbacks = NULL;
	op->callbacks_end = &op->callbacks;
}

void op_release(struct fc_op *op)
{
	if (!op->ended && op->handle)
		op_abort(op, FC_ERR_CANCELLED);
	op_drop_callbacks(op);
	if (!op->owns_reads)
		return;
	fc_reads_release(op->reads, op->n);
	free(op->reads);
	op->reads = NULL;
}

void engine_detach(struct fc_state *s)
{
	for (struct fc_op *op = s->ops, *next; op; op = next) {
		next = op->next;
		op_abort(op, FC_ERR_CANCELLED);
		op_drop_callbacks(op);
		op->handle = NULL;
		op->next = op->prev = NULL;
	}
	s->ops = NULL;
	fetches_release(&s->fetches);
}
