/* SPDX-License-Identifier: MIT */
/* Snapshots, batches and transactions: state.h, in the words of the header. */
#include "api/api_impl.h"

enum scope { SCOPE_SNAPSHOT, SCOPE_BATCH, SCOPE_TX };

static enum fc_err ended(struct fc_state *s, enum scope scope, const char *asked, enum err err,
			 const struct err_detail *detail)
{
	state_rest(s->state);
	if (err == OK)
		return FC_OK;
	const enum fc_err told = state_fail_err(s, err, asked, detail->text);
	if (err == ERR_NOT_FOUND && scope == SCOPE_SNAPSHOT)
		return FC_ERR_SNAPSHOT_NOT_FOUND;
	if (err == ERR_INVALID || err == ERR_NOT_FOUND)
		return FC_ERR_INVALID_TRANSACTION;
	return told;
}

enum fc_err fc_snapshot(struct fc_state *state, uint64_t *id)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state || !id)
		return state_refuse(state, "a pointer is NULL");
	const enum err err = state_snapshot(state->state, id, &detail);
	return ended(state, SCOPE_SNAPSHOT, "taking a snapshot", err, &detail);
}

static enum fc_err about_snapshot(struct fc_state *state, const char *doing, uint64_t id,
				  enum err err, const struct err_detail *detail)
{
	char asked[64];
	asked[0] = '\0';
	if (err != OK)
		(void)snprintf(asked, sizeof asked, "%s snapshot %llu", doing,
			       (unsigned long long)id);
	return ended(state, SCOPE_SNAPSHOT, asked, err, detail);
}

enum fc_err fc_revert(struct fc_state *state, uint64_t id)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_revert(state->state, id, &detail);
	return about_snapshot(state, "reverting to", id, err, &detail);
}

enum fc_err fc_snapshot_commit(struct fc_state *state, uint64_t id)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_snapshot_commit(state->state, id, &detail);
	return about_snapshot(state, "committing", id, err, &detail);
}

enum fc_err fc_batch_begin(struct fc_state *state)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_batch_begin(state->state, &detail);
	return ended(state, SCOPE_BATCH, "beginning a batch", err, &detail);
}

enum fc_err fc_batch_commit(struct fc_state *state)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_batch_commit(state->state, &detail);
	return ended(state, SCOPE_BATCH, "committing the batch", err, &detail);
}

enum fc_err fc_batch_rollback(struct fc_state *state)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_batch_rollback(state->state, &detail);
	return ended(state, SCOPE_BATCH, "rolling the batch back", err, &detail);
}

enum fc_err fc_tx_begin(struct fc_state *state, uint64_t *tx)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state || !tx)
		return state_refuse(state, "a pointer is NULL");
	const enum err err = state_tx_begin(state->state, tx, &detail);
	return ended(state, SCOPE_TX, "beginning a transaction", err, &detail);
}

enum fc_err fc_tx_commit(struct fc_state *state, uint64_t tx)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_tx_commit(state->state, tx, &detail);
	if (err == OK)
		atomic_fetch_add_explicit(&state->db->transactions, 1, memory_order_relaxed);
	if (err == ERR_CONFLICT)
		atomic_fetch_add_explicit(&state->db->conflicts, 1, memory_order_relaxed);
	const enum fc_err told =
		ended(state, SCOPE_TX, "committing the transaction", err, &detail);
	/* It is over, whatever stopped it; the detail says what. */
	if (told != FC_OK && told != FC_ERR_CONFLICT && told != FC_ERR_INVALID_TRANSACTION)
		return FC_ERR_TRANSACTION_FAILED;
	return told;
}

enum fc_err fc_tx_rollback(struct fc_state *state, uint64_t tx)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = state_tx_rollback(state->state, tx, &detail);
	return ended(state, SCOPE_TX, "rolling the transaction back", err, &detail);
}
