/* SPDX-License-Identifier: MIT */
#include "layers/copy.h"
#include <stdint.h>

struct copy {
	struct state *from, *to;
	copy_progress_fn *progress;
	void *cookie;
	struct copy_progress done;
	size_t pending; /* writes of the batch */
	bool open;	/* a batch is */
	struct err_detail *detail;
};

static enum err begin_batch(struct copy *copy)
{
	const enum err err = state_batch_begin(copy->to, copy->detail);
	copy->open = err == OK;
	return err;
}

/* One that cannot be committed stays open. */
static enum err end_batch(struct copy *copy)
{
	const enum err err = state_batch_commit(copy->to, copy->detail);
	copy->pending = 0;
	copy->open = err != OK;
	return err == OK ? copy->progress(copy->cookie, &copy->done) : err;
}

static enum err wrote(struct copy *copy, uint64_t *count, enum err err)
{
	if (err != OK)
		return err;
	++*count;
	if (++copy->pending < COPY_BATCH)
		return OK;
	err = end_batch(copy);
	return err == OK ? begin_batch(copy) : err;
}

/* The code itself: the target may not know it by its hash. MISS: nor is it known here. */
static enum err copy_code(struct copy *copy, const struct eth_address *address,
			  struct blob *known)
{
	struct blob *code = known ? blob_get(known) : NULL;
	struct fault fault;
	enum err err = OK;
	const enum lookup found =
		known ? HIT : state_code(copy->from, address, &code, NULL, &fault);
	if (found == FAILED)
		err = err_set(copy->detail, fault.err, "%s", fault.detail.text);
	else if (found == HIT)
		err = wrote(copy, &copy->done.codes,
			    state_set_code(copy->to, address, code, copy->detail));
	blob_put(&code);
	return err;
}

static enum err copy_fields(struct copy *copy, const struct eth_address *address,
			    const struct account_fields *known, struct blob *code)
{
	struct account_fields fields = *known;
	enum err err = OK;
	if (fields.mask & ACCOUNT_CODE_HASH)
		err = copy_code(copy, address, code);
	fields.mask &= ACCOUNT_BALANCE | ACCOUNT_NONCE;
	if (err == OK)
		err = wrote(copy, &copy->done.accounts,
			    state_set_account(copy->to, address, &fields, copy->detail));
	return err;
}

static enum err on_account(void *cookie, const struct eth_address *address,
			   const struct account_state *account)
{
	return copy_fields(cookie, address, &account->fields, NULL);
}

static enum err on_slot(void *cookie, const struct eth_address *address,
			const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct copy *copy = cookie;
	return wrote(copy, &copy->done.slots,
		     state_set_slot(copy->to, address, slot, value, copy->detail));
}

/* What the handle itself has written, and not published, on top of that. */
static enum err copy_own_account(struct copy *copy, const struct change_account *account)
{
	const bool gone = (account->fields.mask & ACCOUNT_EXISTENCE) && !account->exists;
	enum err err = OK;
	if (account->destructed)
		err = state_destroy(copy->to, &account->address, copy->detail);
	else if (account->generation > 0)
		err = state_wipe(copy->to, &account->address, copy->detail);
	if (err == OK && account->fields.mask && !(account->destructed && gone))
		err = copy_fields(copy, &account->address, &account->fields, account->code);
	for (const struct change_slot *slot = account->slots; slot && err == OK;
	     slot = slot->next)
		if (change_slot_holds(slot))
			err = on_slot(copy, &account->address, &slot->slot, &slot->value);
	return err;
}

static enum err copy_own(struct copy *copy)
{
	const struct changes *own = overlay_changes(state_overlay(copy->from));
	enum err err = OK;
	for (const struct change_account *account = changes_next(own, NULL);
	     account && err == OK; account = changes_next(own, account))
		err = copy_own_account(copy, account);
	return err;
}

enum err copy_state(struct state *from, struct state *to, copy_progress_fn *progress,
		    void *cookie, struct err_detail *detail)
{
	static const struct layer_walk walk = {.account = on_account, .slot = on_slot};
	struct copy copy = {.from = from,
			    .to = to,
			    .progress = progress,
			    .cookie = cookie,
			    .detail = detail};
	struct layer_view *top = state_top_view(from);
	enum err err = begin_batch(&copy);
	if (err != OK)
		return err;
	err = top->layer->ops->walk(top, &walk, &copy, detail);
	if (err == OK)
		err = copy_own(&copy);
	if (err == OK)
		err = end_batch(&copy);
	if (copy.open)
		(void)CHECK(state_batch_rollback(to, NULL) == OK);
	state_rest(from);
	state_rest(to);
	return err;
}
