/* SPDX-License-Identifier: MIT */
/*
 * All that the layer and those below hold. Each layer's part leaves out what one above has:
 * memory, then the file, then what is below. Accounts are given whole, where they are met
 * first; what nobody here says of them is asked below, which may not know it (a fork's cache).
 */
#include "layers/shared_impl.h"

struct walk {
	struct layer_view *view;
	struct shared *shared;
	const struct layer_walk *walk;
	void *cookie;
	struct err_detail *detail;
	struct filedb_account record; /* of the file's account whose slots are walked */
};

static const struct eth_bytes32 zero;

static enum err give_account(struct walk *w, const struct eth_address *address)
{
	struct account_state account = {.exists = false};
	struct fault fault;
	if (!w->walk->account)
		return OK;
	const enum lookup got =
		shared_account(w->view, address, ACCOUNT_ALL, &account, NULL, &fault);
	if (got == FAILED)
		return err_set(w->detail, fault.err, "%s", fault.detail.text);
	if (got == HIT && !account.exists)
		return OK;
	return account.fields.mask ? w->walk->account(w->cookie, address, &account) : OK;
}

static enum err give_slot(struct walk *w, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	if (!w->walk->slot || eth_bytes32_equal(value, &zero))
		return OK;
	return w->walk->slot(w->cookie, address, slot, value);
}

/* ---- memory ---- */

static enum err walk_memory(struct walk *w)
{
	enum err err = OK;
	for (const struct change_account *a = changes_next(w->shared->changes, NULL); a && !err;
	     a = changes_next(w->shared->changes, a)) {
		err = give_account(w, &a->address);
		for (const struct change_slot *s = a->slots; s && !err; s = s->next)
			if (change_slot_holds(s))
				err = give_slot(w, &a->address, &s->slot, &s->value);
	}
	return err;
}

static enum err walk_memory_code(struct walk *w)
{
	enum err err = OK;
	for (const struct change_account *a = changes_next(w->shared->changes, NULL);
	     a && !err && w->walk->code; a = changes_next(w->shared->changes, a))
		if ((a->fields.mask & ACCOUNT_CODE_HASH) && a->code)
			err = w->walk->code(w->cookie, &a->fields.code_hash, a->code);
	return err;
}

/* ---- the file ---- */

static enum err file_account(void *cookie, const struct eth_address *address,
			     const struct filedb_account *account)
{
	struct walk *w = cookie;
	w->record = *account;
	return changes_find_account(w->shared->changes, address) ? OK
								 : give_account(w, address);
}

static enum err file_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct walk *w = cookie;
	const struct change_account *account =
		changes_find_account(w->shared->changes, address);
	struct eth_bytes32 newer;
	if (changes_read_slot(w->shared->changes, address, slot, &newer) == MISS)
		return give_slot(w, address, slot, value);
	/* Memory says it is zero if it has wiped the storage, and nothing if the file has. */
	const struct change_slot *entry = changes_find_slot(w->shared->changes, account, slot);
	if ((entry && change_slot_holds(entry)) || account->generation != w->record.generation)
		return OK;
	return give_slot(w, address, slot, value);
}

static enum err file_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	struct walk *w = cookie;
	return w->walk->code ? w->walk->code(w->cookie, code_hash, code) : OK;
}

static enum err walk_file(struct walk *w)
{
	static const struct filedb_walk functions = {
		.account = file_account, .slot = file_slot, .code = file_code};
	struct shared_view *v = shared_view_of(w->view);
	if (!w->shared->file)
		return OK;
	v->reading = true;
	return filedb_walk(v->reader, &functions, w, w->detail);
}

/* ---- below ---- */

static enum err below_account(void *cookie, const struct eth_address *address,
			      const struct account_state *account)
{
	struct walk *w = cookie;
	struct filedb_account record;
	struct fault fault;
	if (changes_find_account(w->shared->changes, address))
		return OK; /* with what is here of it */
	const enum lookup got = shared_local_account(shared_view_of(w->view), address,
						     ACCOUNT_ALL, &record, &fault);
	if (got == FAILED)
		return err_set(w->detail, fault.err, "%s", fault.detail.text);
	return got == MISS && w->walk->account ? w->walk->account(w->cookie, address, account)
					       : OK;
}

static enum err below_slot(void *cookie, const struct eth_address *address,
			   const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct walk *w = cookie;
	struct eth_bytes32 newer;
	struct fault fault;
	const enum lookup got =
		shared_local_slot(shared_view_of(w->view), address, slot, &newer, &fault);
	if (got == FAILED)
		return err_set(w->detail, fault.err, "%s", fault.detail.text);
	return got == MISS ? give_slot(w, address, slot, value) : OK;
}

static enum err walk_below(struct walk *w)
{
	static const struct layer_walk functions = {
		.account = below_account, .slot = below_slot, .code = file_code};
	struct layer_view *below = w->view->below;
	return below ? below->layer->ops->walk(below, &functions, w, w->detail) : OK;
}

enum err shared_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail)
{
	struct shared *shared = shared_of(view);
	struct walk w = {.view = view,
			 .shared = shared,
			 .walk = walk,
			 .cookie = cookie,
			 .detail = detail};
	shared_enter(view);
	enum err err =
		shared_view_of(view)->pinned && shared->sequence > shared_view_of(view)->pin
			? err_set(detail, ERR_UNSUPPORTED,
				  "another transaction was committed since this one began")
			: walk_memory(&w);
	if (!err)
		err = walk_memory_code(&w);
	if (!err)
		err = walk_file(&w);
	if (!err)
		err = walk_below(&w);
	shared_leave(view);
	return err;
}
