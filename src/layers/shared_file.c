/* SPDX-License-Identifier: MIT */
/* What memory holds goes to the file, in one batch; all under the publishers' turn. */
#include "layers/shared_impl.h"

enum err shared_read_before(struct shared *shared, const struct eth_address *address,
			    struct filedb_account *record, struct err_detail *detail)
{
	const struct change_account *entry = changes_find_account(shared->changes, address);
	enum err err = OK;
	const enum lookup got =
		filedb_get_account(shared->reader, address, record, &err, detail);
	if (got == FAILED)
		return err;
	if (got == MISS)
		*record = (struct filedb_account){.generation = 0};
	if (entry)
		shared_merge(record, entry);
	return OK;
}

/* ---- the batch ---- */

static enum err put_code(struct filedb_batch *batch, const struct change_account *account)
{
	if (!(account->fields.mask & ACCOUNT_CODE_HASH) || !account->code)
		return OK;
	return filedb_batch_code(batch, &account->fields.code_hash, account->code);
}

static enum err put_slots(struct filedb_batch *batch, const struct change_account *account,
			  uint32_t generation)
{
	enum err err = OK;
	for (const struct change_slot *slot = account->slots; slot && !err; slot = slot->next)
		if (change_slot_holds(slot))
			err = filedb_batch_slot(batch, &account->address, generation,
						&slot->slot, &slot->value);
	return err;
}

static bool is_record(const struct change_account *account)
{
	return account->fields.mask || account->generation || account->destructed;
}

/* A batch of which a step has failed says at its commit, which fails, too, what it was. */
static enum err put(struct filedb_batch **batch, const struct change_account *account,
		    const struct filedb_account *record, struct err_detail *detail)
{
	enum err err = OK;
	if (is_record(account))
		err = filedb_batch_account(*batch, &account->address, record);
	if (!err)
		err = put_code(*batch, account);
	if (!err)
		err = put_slots(*batch, account, record->generation);
	return err ? filedb_batch_commit(batch, detail) : OK;
}

static enum err put_waiting(struct shared *shared, struct filedb_batch **batch,
			    struct err_detail *detail)
{
	enum err err = OK;
	for (const struct change_account *account = changes_next(shared->changes, NULL);
	     account && !err; account = changes_next(shared->changes, account)) {
		struct filedb_account record;
		err = shared_read_before(shared, &account->address, &record, detail);
		if (!err)
			err = put(batch, account, &record, detail);
	}
	return err;
}

/* What the publisher has written is a step on from what there was. */
static enum err put_row(struct filedb_batch **batch, const struct account_row *row,
			struct err_detail *detail)
{
	struct filedb_account record = row->before;
	shared_merge(&record, row->from);
	record.generation = row->before.generation + (row->from->generation > 0);
	if (changes_is_something(&row->from->fields))
		record.exists = true;
	return put(batch, row->from, &record, detail);
}

static enum err put_all(struct shared *shared, const struct rows *rows,
			struct filedb_batch **batch, struct err_detail *detail)
{
	enum err err = put_waiting(shared, batch, detail);
	for (size_t i = 0; rows && i < rows->accounts_n && !err; i++)
		err = put_row(batch, &rows->accounts[i], detail);
	return err;
}

/* ---- the turn of the file ---- */

static void set_committing(struct shared *shared)
{
	gate_shut(&shared->gate, NULL);
	shared->committing = true;
	gate_open(&shared->gate);
}

/* The gate is shut. */
static void rest_all(struct shared *shared)
{
	for (struct shared_view *v = shared->views; v; v = v->next) {
		filedb_reader_rest(v->reader);
		v->reading = false;
		v->snapshot++;
	}
}

static enum err fill_batch(struct shared *shared, const struct rows *rows,
			   struct filedb_batch **batch, struct err_detail *detail)
{
	enum err err =
		filedb_batch_begin(shared->file, shared->layer.below != NULL, batch, detail);
	if (!err)
		err = put_all(shared, rows, batch, detail);
	filedb_reader_rest(shared->reader);
	return err;
}

enum err shared_write(struct shared *shared, const struct rows *rows, struct changes **old,
		      struct err_detail *detail)
{
	struct changes *fresh = NULL;
	struct filedb_batch *batch = NULL;
	enum err err = changes_new(&fresh);
	if (err)
		err_set(detail, err, "memory for the next changes was refused");
	else
		err = fill_batch(shared, rows, &batch, detail);
	if (err)
		goto fail;
	set_committing(shared);
	err = filedb_batch_commit(&batch, detail);
	gate_shut(&shared->gate, NULL);
	shared->committing = false;
	if (err) {
		gate_open(&shared->gate);
		goto fail;
	}
	rest_all(shared);
	*old = shared->changes;
	shared->changes = fresh;
	shared->pending = 0;
	return OK;
fail:
	filedb_batch_abort(&batch);
	changes_free(&fresh);
	return err;
}

void shared_sweep(struct shared *shared)
{
	if (shared->has_garbage && !shared->first_pin)
		shared->has_garbage = filedb_sweep(shared->file, SHARED_SWEEP_SLOTS);
}

/* ---- the state root ---- */

enum err shared_store_root(struct layer_view *view, uint64_t sequence,
			   const struct eth_bytes32 *root, struct err_detail *detail)
{
	struct shared *shared = shared_of(view);
	struct filedb_batch *batch = NULL;
	enum err err = OK;
	if (!shared->file)
		return OK;
	pthread_mutex_lock(&shared->turn);
	if (shared->sequence == sequence && shared->pending == 0) {
		const bool keep_zeros = shared->layer.below != NULL;
		err = filedb_batch_begin(shared->file, keep_zeros, &batch, detail);
		if (!err)
			err = filedb_batch_root(batch, root);
		if (!err)
			err = filedb_batch_commit(&batch, detail);
		filedb_batch_abort(&batch);
	}
	pthread_mutex_unlock(&shared->turn);
	return err;
}

enum lookup shared_stored_root(struct layer_view *view, struct eth_bytes32 *root,
			       struct fault *fault)
{
	struct shared *shared = shared_of(view);
	const struct shared_view *v = shared_view_of(view);
	enum lookup found = MISS;
	if (!shared->file)
		return MISS;
	pthread_mutex_lock(&shared->turn);
	if (shared->pending == 0 && (!v->pinned || v->pin == shared->sequence))
		found = filedb_get_root(shared->reader, root, &fault->err, &fault->detail);
	filedb_reader_rest(shared->reader);
	pthread_mutex_unlock(&shared->turn);
	return found;
}
