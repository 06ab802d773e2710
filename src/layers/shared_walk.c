/* SPDX-License-Identifier: MIT */
/*
 * All that the layer and those below hold, as the view sees it.
 *
 * First what is below, without what this layer says better; then each account that memory, the
 * file or (for a pinned view) the history has an entry of, once, with its slots. Names come
 * from wherever they stand; values are read as of the pin.
 */
#include "layers/shared_impl.h"

struct walk {
	struct layer_view *view;
	struct shared_view *v;
	struct shared *shared;
	const struct layer_walk *walk;
	void *cookie;
	struct err_detail *detail;
	/* What is being walked: */
	struct eth_address address;
	bool has_address;
	bool skips; /* the file's slots of it: they come with another part */
};

static const struct eth_bytes32 zero;

static enum err fault_of(const struct walk *w, const struct fault *fault)
{
	return err_set(w->detail, fault->err, "%s", fault->detail.text);
}

/* Zeros are for those who ask what was written. */
static enum err give_slot(const struct walk *w, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	if (!w->walk->slot || (!w->walk->written_only && eth_bytes32_equal(value, &zero)))
		return OK;
	return w->walk->slot(w->cookie, address, slot, value);
}

static enum err read_slot(const struct walk *w, const struct eth_address *address,
			  const struct eth_bytes32 *slot)
{
	struct eth_bytes32 value;
	struct fault fault;
	const enum lookup got = shared_local_slot(w->v, address, slot, &value, &fault);
	if (got == FAILED)
		return fault_of(w, &fault);
	return got == HIT ? give_slot(w, address, slot, &value) : OK;
}

/* ---- one account ---- */

static struct account_state state_of(const struct filedb_account *record)
{
	struct account_state account = {record->fields, record->exists};
	if (record->has_existence)
		account.fields.mask |= ACCOUNT_EXISTENCE;
	return account;
}

static enum err give_account(const struct walk *w, const struct eth_address *address,
			     const struct filedb_account *record)
{
	struct account_state account = state_of(record);
	struct fault fault;
	if (!w->walk->account)
		return OK;
	if (!w->walk->written_only) {
		const enum lookup got =
			shared_account(w->view, address, ACCOUNT_ALL, &account, NULL, &fault);
		if (got == FAILED)
			return fault_of(w, &fault);
		if (got == HIT && !account.exists)
			return OK;
	}
	return w->walk->account(w->cookie, address, &account);
}

static enum err slots_of_memory(const struct walk *w, const struct change_account *account)
{
	enum err err = OK;
	for (const struct change_slot *s = account ? account->slots : NULL; s && !err;
	     s = s->next)
		if (w->v->pinned)
			err = read_slot(w, &account->address, &s->slot);
		else if (change_slot_holds(s))
			err = give_slot(w, &account->address, &s->slot, &s->value);
	return err;
}

static bool is_in_memory(const struct walk *w, const struct eth_address *address,
			 const struct eth_bytes32 *slot)
{
	const struct changes *changes = w->shared->changes;
	const struct change_account *account = changes_find_account(changes, address);
	const struct change_slot *entry =
		account ? changes_find_slot(changes, account, slot) : NULL;
	return entry && (w->v->pinned || change_slot_holds(entry));
}

static enum err slot_of_file(void *cookie, const struct eth_address *address,
			     const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	const struct walk *w = cookie;
	if (is_in_memory(w, address, slot))
		return OK;
	return w->v->pinned ? read_slot(w, address, slot) : give_slot(w, address, slot, value);
}

static enum err slots_of_file(struct walk *w, const struct eth_address *address,
			      uint32_t generation)
{
	static const struct filedb_walk functions = {.slot = slot_of_file};
	if (!w->shared->file)
		return OK;
	w->v->reading = true;
	return filedb_walk_slots(w->v->reader, address, generation, &functions, w, w->detail);
}

static enum err slot_of_history(void *cookie, const struct history_entry *entry)
{
	const struct walk *w = cookie;
	if (!entry->is_slot || memcmp(&entry->address, &w->address, sizeof w->address) != 0 ||
	    is_in_memory(w, &entry->address, &entry->slot))
		return OK;
	return read_slot(w, &entry->address, &entry->slot);
}

/* Without a file memory has the names of all slots that were ever written. */
static enum err slots_of_history(struct walk *w, const struct eth_address *address)
{
	if (!w->v->pinned || !w->shared->file)
		return OK;
	w->address = *address;
	return history_each(&w->shared->history, w->v->pin, slot_of_history, w);
}

static enum err walk_slots(struct walk *w, const struct eth_address *address,
			   uint32_t generation)
{
	enum err err = slots_of_memory(w, changes_find_account(w->shared->changes, address));
	if (!err)
		err = slots_of_file(w, address, generation);
	if (!err)
		err = slots_of_history(w, address);
	/* Whoever asks what was written hears of a wiped storage by a slot. */
	if (!err && generation > 0 && w->view->below && w->walk->written_only)
		err = read_slot(w, address, &zero);
	return err;
}

static enum err walk_account(struct walk *w, const struct eth_address *address)
{
	struct filedb_account record;
	struct fault fault;
	if (shared_local_account(w->v, address, ACCOUNT_ALL, &record, &fault) == FAILED)
		return fault_of(w, &fault);
	const enum err err = give_account(w, address, &record);
	if (err || !w->walk->slot)
		return err;
	return walk_slots(w, address, record.generation);
}

/* ---- all of memory, the file and the history ---- */

static enum err walk_memory(struct walk *w)
{
	enum err err = OK;
	for (const struct change_account *a = changes_next(w->shared->changes, NULL); a && !err;
	     a = changes_next(w->shared->changes, a))
		err = walk_account(w, &a->address);
	return err;
}

static bool is_in_history(const struct walk *w, const struct eth_address *address)
{
	return w->v->pinned && history_account(&w->shared->history, address, w->v->pin);
}

static enum err begin_of_file(struct walk *w, const struct eth_address *address,
			      const struct filedb_account *record)
{
	w->address = *address;
	w->has_address = true;
	w->skips =
		changes_find_account(w->shared->changes, address) || is_in_history(w, address);
	return w->skips ? OK : give_account(w, address, record);
}

static enum err file_account(void *cookie, const struct eth_address *address,
			     const struct filedb_account *record)
{
	return begin_of_file(cookie, address, record);
}

static enum err file_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	static const struct filedb_account none;
	struct walk *w = cookie;
	enum err err = OK;
	if (!w->has_address || memcmp(&w->address, address, sizeof *address) != 0)
		err = begin_of_file(w, address, &none);
	return err || w->skips ? err : give_slot(w, address, slot, value);
}

static enum err walk_file(struct walk *w)
{
	const struct filedb_walk functions = {.account = file_account,
					      .slot = w->walk->slot ? file_slot : NULL};
	if (!w->shared->file)
		return OK;
	w->v->reading = true;
	return filedb_walk(w->v->reader, &functions, w, w->detail);
}

/* An account's first entry stands for it. */
static enum err account_of_history(void *cookie, const struct history_entry *entry)
{
	struct walk *w = cookie;
	const struct history *history = &w->shared->history;
	if (entry->is_slot || changes_find_account(w->shared->changes, &entry->address) ||
	    history_account(history, &entry->address, w->v->pin) != entry)
		return OK;
	return walk_account(w, &entry->address);
}

static enum err walk_history(struct walk *w)
{
	if (!w->v->pinned)
		return OK;
	return history_each(&w->shared->history, w->v->pin, account_of_history, w);
}

/* ---- code ---- */

static enum err give_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	const struct walk *w = cookie;
	return w->walk->code(w->cookie, code_hash, code);
}

/* Also code that only another has or had: a hash says what it is. */
static enum err walk_code(struct walk *w)
{
	static const struct filedb_walk functions = {.code = give_code};
	enum err err = OK;
	if (!w->walk->code)
		return OK;
	for (const struct change_account *a = changes_next(w->shared->changes, NULL); a && !err;
	     a = changes_next(w->shared->changes, a))
		if ((a->fields.mask & ACCOUNT_CODE_HASH) && a->code)
			err = give_code(w, &a->fields.code_hash, a->code);
	if (!err && w->shared->file) {
		w->v->reading = true;
		err = filedb_walk(w->v->reader, &functions, w, w->detail);
	}
	return err;
}

static enum err code_of_history(void *cookie, const struct history_entry *entry)
{
	return entry->is_slot || !entry->code
		       ? OK
		       : give_code(cookie, &entry->fields.code_hash, entry->code);
}

static enum err walk_old_code(struct walk *w)
{
	if (!w->walk->code || !w->v->pinned)
		return OK;
	return history_each(&w->shared->history, w->v->pin, code_of_history, w);
}

/* ---- below ---- */

static enum err below_account(void *cookie, const struct eth_address *address,
			      const struct account_state *account)
{
	const struct walk *w = cookie;
	struct filedb_account record;
	struct fault fault;
	if (!w->walk->account)
		return OK;
	const enum lookup got =
		shared_local_account(w->v, address, ACCOUNT_ALL, &record, &fault);
	if (got == FAILED)
		return fault_of(w, &fault);
	/* With what is here of it; it comes again with the slots that are here. */
	return got == MISS ? w->walk->account(w->cookie, address, account)
			   : give_account(w, address, &record);
}

static enum err below_slot(void *cookie, const struct eth_address *address,
			   const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	const struct walk *w = cookie;
	struct eth_bytes32 newer;
	struct fault fault;
	const enum lookup got = shared_local_slot(w->v, address, slot, &newer, &fault);
	if (got == FAILED)
		return fault_of(w, &fault);
	return got == MISS ? give_slot(w, address, slot, value)
			   : give_slot(w, address, slot, &newer);
}

static enum err walk_below(struct walk *w)
{
	const struct layer_walk functions = {.written_only = w->walk->written_only,
					     .account = below_account,
					     .slot = w->walk->slot ? below_slot : NULL,
					     .code = w->walk->code ? give_code : NULL};
	struct layer_view *below = w->view->below;
	return below ? below->layer->ops->walk(below, &functions, w, w->detail) : OK;
}

/* ---- both walks ---- */

static struct walk walk_of(struct layer_view *view, const struct layer_walk *walk, void *cookie,
			   struct err_detail *detail)
{
	return (struct walk){.view = view,
			     .v = shared_view_of(view),
			     .shared = shared_of(view),
			     .walk = walk,
			     .cookie = cookie,
			     .detail = detail};
}

enum err shared_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail)
{
	static enum err (*const parts[])(struct walk *) = {
		walk_below, walk_memory, walk_file, walk_history, walk_code, walk_old_code};
	struct walk w = walk_of(view, walk, cookie, detail);
	enum err err = OK;
	shared_enter(view);
	for (size_t i = 0; i < sizeof parts / sizeof *parts && !err; i++)
		err = parts[i](&w);
	shared_leave(view);
	return err;
}

/* From inside. */
static enum err walk_slots_of(struct walk *w, const struct eth_address *address, bool *through)
{
	const struct layer_walk *walk = w->walk;
	struct layer_view *below = w->view->below;
	struct filedb_account record;
	struct fault fault;
	enum err err = OK;
	*through = false;
	if (shared_local_account(w->v, address, 0, &record, &fault) == FAILED)
		return fault_of(w, &fault);
	if (record.generation == 0 && below)
		err = below->layer->ops->walk_slots(below, address, walk, w->cookie, through,
						    w->detail);
	return err || !walk->slot ? err : walk_slots(w, address, record.generation);
}

enum err shared_walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *walk, void *cookie, bool *through,
			   struct err_detail *detail)
{
	struct walk w = walk_of(view, walk, cookie, detail);
	shared_enter(view);
	const enum err err = walk_slots_of(&w, address, through);
	shared_leave(view);
	return err;
}
