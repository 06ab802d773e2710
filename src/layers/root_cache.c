/* SPDX-License-Identifier: MIT */
#include "base/keccak.h"
#include "base/log.h"
#include "base/trie_account.h"
#include "layers/root_impl.h"
#include <stdlib.h>

static enum err add_touched(struct touched *touched, uint64_t sequence,
			    const struct change_account *account)
{
	enum err err = touched_add(touched, &account->address, NULL, account->generation > 0,
				   sequence);

	for (const struct change_slot *slot = account->slots; slot != NULL && err == OK;
	     slot = slot->next)
		if (change_slot_holds(slot))
			err = touched_add(touched, &account->address, &slot->slot, false,
					  sequence);
	return err;
}

/* Every publication passes here, before and after the first root; before it there is nothing to
 * be kept in step. */
static void heard(void *cookie, uint64_t sequence, const struct change_account *account)
{
	struct root_cache *cache = cookie;

	pthread_mutex_lock(&cache->lock);
	if (cache->listens && !cache->lost &&
	    add_touched(&cache->touched, sequence, account) != OK) {
		log_warn("too much was written since the last state root: the next one is made "
			 "of everything");
		cache->lost = true;
		touched_release(&cache->touched);
	}
	pthread_mutex_unlock(&cache->lock);
}

enum err root_cache_new(struct db *db, struct root_cache **out)
{
	struct root_cache *cache = calloc(1, sizeof *cache);
	struct source_block block;

	*out = NULL;
	if (cache == NULL)
		return ERR_NOMEM;
	cache->db = db;
	cache->listener = (struct shared_listener){.changed = heard, .cookie = cache};
	pthread_mutex_init(&cache->lock, NULL);
	if (db->source != NULL) {
		source_block(db->source, &block);
		if (trie_from_root(&block.state_root, &cache->origin) != OK) {
			root_cache_free(&cache);
			return ERR_NOMEM;
		}
	}
	if (db->writable != NULL)
		shared_listen(db->writable, &cache->listener);
	*out = cache;
	return OK;
}

void root_cache_free(struct root_cache **out)
{
	struct root_cache *cache = *out;

	*out = NULL;
	if (cache == NULL)
		return;
	if (cache->db->writable != NULL)
		shared_unlisten(cache->db->writable, &cache->listener);
	trie_put(&cache->accounts);
	trie_put(&cache->origin);
	storages_release(&cache->storages);
	touched_release(&cache->touched);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

/* ---- edits of what was touched ---- */

static enum err edit_rows(struct work *work, struct touched *rows, bool reload_all)
{
	enum err err = OK;

	touched_sort(rows);
	for (size_t i = 0, n; err == OK && i < rows->n; i += n) {
		n = touched_group(rows, i);
		const struct edit edit = {
			.address = rows->rows[i].address,
			.reload = rows->rows[i].wiped ||
				  (reload_all && rows->rows[i + n - 1].has_slot),
			.has_slots = rows->rows[i + n - 1].has_slot,
			.rows = rows->rows + i,
			.n = n,
		};
		err = root_edit(work, &edit);
	}
	return err == OK ? root_remove(work) : err;
}

struct collecting {
	struct touched rows;
};

static enum err collect_account(void *cookie, const struct eth_address *address,
				const struct account_state *account)
{
	struct collecting *collecting = cookie;

	(void)account;
	return touched_add(&collecting->rows, address, NULL, false, 0);
}

static enum err collect_slot(void *cookie, const struct eth_address *address,
			     const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct collecting *collecting = cookie;

	(void)value;
	return touched_add(&collecting->rows, address, slot, false, 0);
}

/* Above a source, or of several layers that are written to: what they hold is collected, then
 * read through the layers. */
static enum err build_layered(struct work *work)
{
	const struct layer_walk walk = {
		.written_only = true, .account = collect_account, .slot = collect_slot};
	struct collecting collecting = {0};
	enum err err = work->top->layer->ops->walk(work->top, &walk, &collecting,
						   &work->fault->detail);

	if (err != OK)
		work->fault->err = err;
	else
		err = edit_rows(work, &collecting.rows, true);
	touched_release(&collecting.rows);
	return err;
}

/* ---- one layer that holds everything: as it is walked ---- */

struct building {
	struct work *work;
	bool open;
	struct eth_address address;
	struct trie_account leaf;
	bool exists;
	struct trie_node *storage;
};

static enum err finish_account(struct building *b)
{
	unsigned char encoded[TRIE_ACCOUNT_BYTES];
	struct eth_bytes32 key;
	enum err err = OK;

	if (!b->open)
		return OK;
	b->open = false;
	struct trie_account bare = b->leaf;
	bare.storage_root = eth_empty_trie_root;
	trie_root_hash(b->storage, &b->leaf.storage_root);
	trie_put(&b->storage);
	const bool empty = memcmp(&bare, &trie_account_empty, sizeof bare) == 0;
	if (!empty || (b->exists && b->work->cache->db->keep_empty)) {
		keccak256(b->address.bytes, 20, &key);
		err = trie_set(&b->work->accounts, key_span(&key),
			       trie_account_encode(&b->leaf, encoded), NULL, NULL);
	}
	return err;
}

static enum err build_account(void *cookie, const struct eth_address *address,
			      const struct account_state *account)
{
	struct building *b = cookie;
	const unsigned mask = account->fields.mask;
	enum err err = finish_account(b);

	b->open = true;
	b->address = *address;
	b->leaf = trie_account_empty;
	b->exists = (mask & ACCOUNT_EXISTENCE) != 0 && account->exists;
	if ((mask & ACCOUNT_NONCE) != 0)
		b->leaf.nonce = account->fields.nonce;
	if ((mask & ACCOUNT_BALANCE) != 0)
		b->leaf.balance = account->fields.balance;
	if ((mask & ACCOUNT_CODE_HASH) != 0)
		b->leaf.code_hash = account->fields.code_hash;
	return err;
}

static enum err build_slot(void *cookie, const struct eth_address *address,
			   const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct building *b = cookie;
	unsigned char encoded[TRIE_WORD_BYTES];
	struct eth_bytes32 key;

	REQUIRE(b->open && memcmp(address->bytes, b->address.bytes, 20) == 0);
	keccak256(slot->bytes, 32, &key);
	return trie_set(&b->storage, key_span(&key), trie_word_encode(value, encoded), NULL,
			NULL);
}

static enum err build_single(struct work *work)
{
	const struct layer_walk walk = {
		.written_only = true, .account = build_account, .slot = build_slot};
	struct building b = {.work = work};
	enum err err = work->top->layer->ops->walk(work->top, &walk, &b, &work->fault->detail);

	if (err == OK)
		err = finish_account(&b);
	trie_put(&b.storage);
	if (err != OK) {
		work->fault->err = err;
		if (work->fault->detail.text[0] == '\0')
			err_set(&work->fault->detail, err, "state root: %s", err_name(err));
	}
	return err;
}

/* ---- the published version ---- */

static bool is_layered(const struct db *db)
{
	return db->source != NULL || db->writable == NULL || db->writable->below != NULL;
}

/* What there is to begin with, and what was touched since. *all: begin with nothing. */
static enum err begin(struct work *work, uint64_t sequence, struct touched *rows, bool *all)
{
	struct root_cache *cache = work->cache;
	enum err err = OK;

	pthread_mutex_lock(&cache->lock);
	*all = !cache->built || cache->lost || cache->sequence > sequence;
	work->base = *all ? sequence : cache->sequence;
	trie_put(&work->accounts);
	work->accounts = trie_get(*all ? cache->origin : cache->accounts);
	for (size_t i = 0; !*all && err == OK && i < cache->touched.n; i++) {
		const struct touched_row *row = &cache->touched.rows[i];
		err = touched_add(rows, &row->address, row->has_slot ? &row->slot : NULL,
				  row->wiped, row->sequence);
	}
	pthread_mutex_unlock(&cache->lock);
	if (err != OK) {
		work->fault->err = err;
		err_set(&work->fault->detail, err, "state root: %s", err_name(err));
	}
	return err;
}

/* This version is the newest there is, and all that came after it has been heard of: others go
 * on from it. all: it was not made from the last one, whose storage tries know nothing of what
 * was not touched on the way to this one. */
static void install(struct work *work, uint64_t sequence, bool all)
{
	struct root_cache *cache = work->cache;

	pthread_mutex_lock(&cache->lock);
	if (!cache->lost && sequence >= cache->since &&
	    (!cache->built || cache->sequence <= sequence)) {
		if (all)
			storages_release(&cache->storages);
		trie_put(&cache->accounts);
		cache->accounts = trie_get(work->accounts);
		cache->sequence = sequence;
		cache->built = true;
		touched_drop(&cache->touched, sequence);
		if (storages_copy(&cache->storages, &work->own, sequence) != OK)
			cache->lost = true;
	}
	pthread_mutex_unlock(&cache->lock);
}

void root_listen(struct root_cache *cache, struct layer_view *writable)
{
	/* Inside, nothing is being published: what is heard of is whole. */
	if (writable != NULL)
		shared_enter(writable);
	pthread_mutex_lock(&cache->lock);
	if (cache->lost || !cache->listens) {
		cache->listens = true;
		cache->lost = cache->built = false;
		cache->since = writable != NULL ? shared_newest(writable) : 0;
		touched_clear(&cache->touched);
	}
	pthread_mutex_unlock(&cache->lock);
	if (writable != NULL)
		shared_leave(writable);
}

enum err root_published(struct work *work, uint64_t sequence)
{
	struct touched rows = {0};
	bool all;
	enum err err = begin(work, sequence, &rows, &all);

	if (err == OK && !all)
		err = edit_rows(work, &rows, false);
	else if (err == OK && is_layered(work->cache->db))
		err = build_layered(work);
	else if (err == OK)
		err = build_single(work);
	if (err == OK && work->job->lacks.n == 0 && !work->job->wants_witness) {
		struct eth_bytes32 hash;
		/* Once, before it is shared. */
		trie_root_hash(work->accounts, &hash);
		install(work, sequence, all);
	}
	touched_release(&rows);
	return err;
}
