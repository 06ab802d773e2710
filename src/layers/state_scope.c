/* SPDX-License-Identifier: MIT */
/* Snapshots, batches and transactions: who may contain whom, and what ends with what. */
#include "layers/state_impl.h"

/* One counter for all handles: an id of another handle is unknown here. */
static uint64_t new_id(void)
{
	static _Atomic uint64_t last;
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static enum err publish(struct state *state, bool durable, struct err_detail *detail)
{
	if (!state->writable || (!durable && overlay_is_empty(state->overlay)))
		return OK;
	return shared_publish(state->writable, state->overlay, durable, detail);
}

/* Without a scope the overlay is empty; without a mark nothing is journaled. */
static void tidy(struct state *state)
{
	if (!state_has_scope(state))
		overlay_clear(state->overlay);
	else if (state->snapshots_n == 0 && !state->batch_has_mark)
		overlay_stop(state->overlay);
}

static void end_batch(struct state *state)
{
	state->in_batch = state->batch_has_mark = false;
}

void state_abandon(struct state *state)
{
	if (state->tx && state->writable)
		shared_unpin(state->writable);
	state->tx = 0;
	state->snapshots_n = 0;
	end_batch(state);
	overlay_clear(state->overlay);
}

/* ---- snapshots ---- */

static enum err reserve(struct state *state)
{
	if (state->snapshots_n < state->snapshots_capacity)
		return OK;
	const size_t capacity = state->snapshots_capacity ? 2 * state->snapshots_capacity : 16;
	struct snapshot *rows = realloc(state->snapshots, capacity * sizeof *rows);
	if (!rows)
		return ERR_NOMEM;
	state->snapshots = rows;
	state->snapshots_capacity = capacity;
	return OK;
}

enum err state_snapshot(struct state *state, uint64_t *id, struct err_detail *detail)
{
	overlay_mark mark;
	*id = 0;
	enum err err = reserve(state);
	if (!err)
		err = overlay_take_mark(state->overlay, &mark);
	if (err)
		return err_set(detail, err, "memory for a snapshot was refused");
	*id = new_id();
	state->snapshots[state->snapshots_n++] = (struct snapshot){*id, mark};
	return OK;
}

/* Its place; ERR_NOT_FOUND. */
static enum err find(const struct state *state, uint64_t id, size_t *at,
		     struct err_detail *detail)
{
	size_t low = 0, high = state->snapshots_n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (state->snapshots[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	if (low < state->snapshots_n && state->snapshots[low].id == id)
		return OK;
	return err_set(detail, ERR_NOT_FOUND,
		       "snapshot %llu is unknown, or was dropped by a revert or commit",
		       (unsigned long long)id);
}

enum err state_revert(struct state *state, uint64_t id, struct err_detail *detail)
{
	size_t at;
	const enum err err = find(state, id, &at, detail);
	if (err)
		return err;
	overlay_revert(state->overlay, state->snapshots[at].mark);
	state->snapshots_n = at;
	tidy(state);
	return OK;
}

enum err state_snapshot_commit(struct state *state, uint64_t id, struct err_detail *detail)
{
	size_t at;
	enum err err = find(state, id, &at, detail);
	if (!err && at == 0 && !state->in_batch && !state->tx)
		err = publish(state, false, detail);
	if (err)
		return err;
	state->snapshots_n = at;
	tidy(state);
	return OK;
}

/* ---- batches ---- */

enum err state_batch_begin(struct state *state, struct err_detail *detail)
{
	if (state->in_batch)
		return err_set(detail, ERR_INVALID, "a batch is open already");
	if (state->snapshots_n > 0)
		return err_set(detail, ERR_INVALID,
			       "a batch cannot begin inside of a snapshot");
	if (state->tx) {
		const enum err err = overlay_take_mark(state->overlay, &state->batch_mark);
		if (err)
			return err_set(detail, err, "memory for a batch was refused");
		state->batch_has_mark = true;
	}
	state->in_batch = true;
	return OK;
}

static enum err check_batch(const struct state *state, struct err_detail *detail)
{
	return state->in_batch ? OK : err_set(detail, ERR_INVALID, "no batch is open");
}

enum err state_batch_commit(struct state *state, struct err_detail *detail)
{
	enum err err = check_batch(state, detail);
	if (!err && !state->tx)
		err = publish(state, true, detail);
	if (err)
		return err;
	state->snapshots_n = 0;
	end_batch(state);
	tidy(state);
	return OK;
}

enum err state_batch_rollback(struct state *state, struct err_detail *detail)
{
	const enum err err = check_batch(state, detail);
	if (err)
		return err;
	if (state->batch_has_mark)
		overlay_revert(state->overlay, state->batch_mark);
	state->snapshots_n = 0;
	end_batch(state);
	tidy(state);
	return OK;
}

/* ---- transactions ---- */

enum err state_tx_begin(struct state *state, uint64_t *tx, struct err_detail *detail)
{
	*tx = 0;
	if (state->tx)
		return err_set(detail, ERR_INVALID, "a transaction is open already");
	if (state->in_batch || state->snapshots_n > 0)
		return err_set(detail, ERR_INVALID,
			       "a transaction cannot begin inside of a batch or a snapshot");
	const enum err err = state->writable ? shared_pin(state->writable) : OK;
	if (err)
		return err_set(detail, err, "a transaction: %s", err_name(err));
	*tx = state->tx = new_id();
	return OK;
}

static enum err check_tx(const struct state *state, uint64_t tx, struct err_detail *detail)
{
	if (tx != 0 && tx == state->tx)
		return OK;
	return err_set(detail, ERR_INVALID, "transaction %llu is finished, or unknown",
		       (unsigned long long)tx);
}

enum err state_tx_commit(struct state *state, uint64_t tx, struct err_detail *detail)
{
	enum err err = check_tx(state, tx, detail);
	if (err)
		return err;
	err = publish(state, true, detail);
	state_abandon(state);
	return err;
}

enum err state_tx_rollback(struct state *state, uint64_t tx, struct err_detail *detail)
{
	const enum err err = check_tx(state, tx, detail);
	if (!err)
		state_abandon(state);
	return err;
}

enum err state_publish(struct state *state, bool durable, struct err_detail *detail)
{
	if (state->tx)
		return err_set(detail, ERR_INVALID,
			       "inside of a transaction: it has to be committed by itself");
	const enum err err = publish(state, durable, detail);
	if (err)
		return err;
	state_abandon(state);
	return OK;
}
