/* SPDX-License-Identifier: MIT */
#include "base/trie_account.h"
#include "base/keccak.h"
#include "layers/root_impl.h"
#include "layers/shared.h"
#include <stdlib.h>

/* ---- views and jobs ---- */

enum err root_view_new(struct root_cache *cache, struct state *state, struct root_view **out)
{
	struct root_view *view = calloc(1, sizeof *view);

	*out = view;
	if (view == NULL)
		return ERR_NOMEM;
	view->cache = cache;
	view->state = state;
	return OK;
}

static void forget(struct root_view *view)
{
	view->valid = false;
	trie_put(&view->accounts);
	storages_release(&view->own);
}

void root_view_free(struct root_view **out)
{
	if (*out == NULL)
		return;
	forget(*out);
	free(*out);
	*out = NULL;
}

enum err root_job_new(struct root_view *view, struct root_job **out)
{
	struct root_job *job = calloc(1, sizeof *job);

	*out = job;
	if (job == NULL)
		return ERR_NOMEM;
	job->view = view;
	return OK;
}

static void clear_needs(struct root_job *job)
{
	free(job->needs);
	free(job->slots);
	job->needs = NULL;
	job->slots = NULL;
	touched_clear(&job->lacks);
	job->needs_n = 0;
	job->wants_witness = false;
}

void root_job_free(struct root_job **out)
{
	struct root_job *job = *out;

	*out = NULL;
	if (job == NULL)
		return;
	clear_needs(job);
	touched_release(&job->lacks);
	touched_release(&job->fetched);
	for (size_t i = 0; i < job->asks_n; i++)
		trie_put(&job->asks[i].storage);
	free(job->asks);
	trie_put(&job->accounts);
	free(job);
}

enum err root_job_ask(struct root_job *job, const struct eth_address *address,
		      const struct eth_bytes32 *slot, size_t *i)
{
	struct root_ask *asks = realloc(job->asks, (job->asks_n + 1) * sizeof *asks);

	if (asks == NULL)
		return ERR_NOMEM;
	job->asks = asks;
	asks[job->asks_n] = (struct root_ask){.address = *address, .has_slot = slot != NULL};
	if (slot != NULL)
		asks[job->asks_n].slot = *slot;
	*i = job->asks_n++;
	return OK;
}

/* ---- the handle's own version ---- */

/* One account of the overlay: its slots that may have changed since the last version. */
static enum err edit_own(struct work *work, const struct change_account *account, bool all)
{
	const struct storage *own = storages_find(&work->own, &account->address);
	const bool other =
		own == NULL ? account->generation != 0 : own->generation != account->generation;
	struct touched rows = {0};
	enum err err = OK;

	const bool every = all || other;
	const struct change_slot *s = every ? account->slots : account->dirty_slots;
	for (; err == OK && s != NULL; s = every ? s->next : s->next_dirty)
		if (s->dirty || s->present)
			err = touched_add(&rows, &account->address, &s->slot, false, 0);
	const bool undone = account->fields.mask == 0 && rows.n == 0 && !other;
	if (err != OK) {
		work->fault->err = err;
		err_set(&work->fault->detail, err, "state root: %s", err_name(err));
	} else if (!(all && undone)) {
		const struct edit edit = {.address = account->address,
					  .reload = other,
					  .has_slots = rows.n != 0,
					  .generation = account->generation,
					  .rows = rows.rows,
					  .n = rows.n};
		err = root_edit(work, &edit);
	}
	touched_release(&rows);
	return err;
}

static enum err edit_overlay(struct work *work, bool all)
{
	struct changes *changes = overlay_changes(state_overlay(work->job->view->state));
	struct change_account *dirty = changes_take_dirty(changes);
	enum err err = OK;

	for (struct change_account *a = dirty, *next; !all && a != NULL; a = next) {
		next = a->next_dirty;
		if (err == OK)
			err = edit_own(work, a, false);
		changes_cleaned(a);
	}
	for (struct change_account *a = dirty, *next; all && a != NULL; a = next) {
		next = a->next_dirty;
		changes_cleaned(a);
	}
	for (struct change_account *a = all ? changes_next(changes, NULL) : NULL;
	     err == OK && a != NULL; a = changes_next(changes, a))
		err = edit_own(work, a, true);
	return err == OK ? root_remove(work) : err;
}

/* On top of the published version: anew, or from where the last one was. */
static enum err own_version(struct work *own, struct work *published, uint64_t sequence)
{
	struct root_view *view = own->job->view;
	const struct changes *changes = overlay_changes(state_overlay(view->state));
	const bool again = view->valid && view->base == sequence &&
			   view->clears == changes_clears(changes);

	own->below = published;
	own->overlay = true;
	if (again) {
		own->accounts = view->accounts;
		own->own = view->own;
		view->accounts = NULL;
		view->own = (struct storages){0};
	} else {
		own->accounts = trie_get(published->accounts);
	}
	forget(view);
	return edit_overlay(own, !again);
}

static void keep_version(struct work *own, uint64_t sequence)
{
	struct root_view *view = own->job->view;

	view->valid = true;
	view->base = sequence;
	view->clears = changes_clears(overlay_changes(state_overlay(view->state)));
	view->accounts = trie_get(own->accounts);
	view->own = own->own;
	own->own = (struct storages){0};
}

/* ---- what was asked for besides ---- */

static enum err no_node(void *cookie, struct span rlp)
{
	(void)cookie;
	(void)rlp;
	return OK;
}

static enum err prove(struct root_cache *cache, struct trie_node *trie, const void *key,
		      size_t len, trie_emit_fn *emit, void *cookie)
{
	const struct trie_resolver resolver = root_resolver(cache);
	struct trie_prefix prefix;
	struct eth_bytes32 hash;

	keccak256(key, len, &hash);
	return trie_prove(trie, key_span(&hash), &resolver, emit, cookie, &prefix);
}

static enum err prepare_slot(struct work *work, struct root_ask *ask)
{
	struct storage *storage;
	enum err err = root_storage(work, &ask->address, false, &storage);

	if (err != OK)
		return err;
	if (storage == NULL)
		return root_lack(work, &ask->address, &ask->slot);
	trie_put(&ask->storage);
	ask->storage = trie_get(storage->root);
	err = prove(work->cache, ask->storage, ask->slot.bytes, 32, no_node, NULL);
	const struct trie_prefix none = {0};
	return err == OK ? OK
			 : root_unresolved(work, err, &ask->address, &ask->address, &ask->slot,
					   &none);
}

static enum err prepare(struct work *work, struct root_ask *ask)
{
	bool known;
	enum err err = root_leaf(work, work->accounts, &ask->address, &ask->account,
				 &ask->found, &known);

	if (err == OK && !ask->found)
		ask->account = trie_account_empty;
	if (err == OK && ask->has_slot && (!known || ask->found))
		err = prepare_slot(work, ask);
	if (err != OK || !known)
		return err;
	err = prove(work->cache, work->accounts, ask->address.bytes, 20, no_node, NULL);
	const struct trie_prefix none = {0};
	return err == OK ? OK : root_unresolved(work, err, NULL, &ask->address, NULL, &none);
}

bool root_job_account(const struct root_job *job, size_t i, struct trie_account *account)
{
	REQUIRE(i < job->asks_n);
	*account = job->asks[i].account;
	return job->asks[i].found;
}

struct counting {
	trie_emit_fn *emit;
	void *cookie;
	size_t n;
};

static enum err count(void *cookie, struct span rlp)
{
	struct counting *counting = cookie;

	counting->n++;
	return counting->emit(counting->cookie, rlp);
}

enum err root_job_prove(struct root_job *job, size_t i, trie_emit_fn *emit, void *cookie,
			size_t *storage_at)
{
	struct counting counting = {emit, cookie, 0};
	const struct root_ask *ask = &job->asks[i];

	REQUIRE(i < job->asks_n);
	enum err err = prove(job->view->cache, job->accounts, ask->address.bytes, 20, count,
			     &counting);
	*storage_at = counting.n;
	if (err == OK && ask->has_slot)
		err = prove(job->view->cache, ask->storage, ask->slot.bytes, 32, emit, cookie);
	return err;
}

/* ---- a step ---- */

static enum err versions(struct root_job *job, struct fault *fault, struct eth_bytes32 *root)
{
	struct root_cache *cache = job->view->cache;
	struct layer_view *writable = state_writable_view(job->view->state);
	const uint64_t sequence = writable != NULL ? shared_sequence(writable) : 0;
	struct work published = {.job = job,
				 .cache = cache,
				 .top = state_top_view(job->view->state),
				 .fault = fault};
	struct work own = published;
	enum err err = root_published(&published, sequence);

	own.base = published.base;
	if (err == OK)
		err = own_version(&own, &published, sequence);
	for (size_t i = 0; err == OK && i < job->asks_n; i++)
		err = prepare(&own, &job->asks[i]);
	if (err == OK && job->lacks.n == 0 && !job->wants_witness) {
		trie_root_hash(own.accounts, root);
		trie_put(&job->accounts);
		job->accounts = trie_get(own.accounts);
		keep_version(&own, sequence);
	}
	work_release(&own);
	work_release(&published);
	return err;
}

/* Rows become needs, one an account, and are remembered. */
static enum err list_needs(struct root_job *job)
{
	struct touched *lacks = &job->lacks;
	size_t n = 0, slots = 0;

	touched_sort(lacks);
	job->needs = calloc(lacks->n, sizeof *job->needs);
	job->slots = calloc(lacks->n, sizeof *job->slots);
	if (lacks->n != 0 && (job->needs == NULL || job->slots == NULL))
		return ERR_NOMEM;
	for (size_t i = 0, group; i < lacks->n; i += group) {
		struct need *need = &job->needs[n++];
		group = touched_group(lacks, i);
		*need = (struct need){.kind = NEED_PROOF, .address = lacks->rows[i].address};
		need->slots = job->slots + slots;
		for (size_t k = i; k < i + group; k++) {
			const struct touched_row *row = &lacks->rows[k];
			const struct eth_bytes32 *slot = row->has_slot ? &row->slot : NULL;
			enum err err =
				touched_add(&job->fetched, &row->address, slot, false, 0);
			if (err != OK)
				return err;
			if (row->has_slot)
				job->slots[slots++] = row->slot;
		}
		need->slots_n = (size_t)(job->slots + slots - need->slots);
	}
	job->needs_n = n;
	job->witness_asked |= job->wants_witness;
	return OK;
}

enum lookup root_step(struct root_job *job, struct eth_bytes32 *root, struct fault *fault)
{
	struct layer_view *writable = state_writable_view(job->view->state);
	enum err err = OK;
	bool pinned = false;

	clear_needs(job);
	*fault = (struct fault){0};
	root_listen(job->view->cache, writable);
	if (writable != NULL && !shared_is_pinned(writable)) {
		err = shared_pin(writable);
		pinned = err == OK;
	}
	if (err == OK)
		err = versions(job, fault, root);
	if (pinned)
		shared_unpin(writable);
	state_rest(job->view->state);
	if (err == OK && job->lacks.n == 0 && !job->wants_witness)
		return HIT;
	if (err == OK)
		err = list_needs(job);
	if (err == OK)
		return PENDING;
	if (fault->err == OK) {
		fault->err = err;
		err_set(&fault->detail, err, "state root: %s", err_name(err));
	}
	return FAILED;
}

const struct need *root_job_needs(const struct root_job *job, size_t *n, bool *witness)
{
	*n = job->needs_n;
	*witness = job->wants_witness;
	return job->needs;
}

void root_job_no_witness(struct root_job *job)
{
	job->no_witness = true;
}
