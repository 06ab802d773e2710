/* SPDX-License-Identifier: MIT */
#include "base/keccak.h"
#include "base/trie_account.h"
#include "layers/root_impl.h"
#include <stdlib.h>

static bool resolve(void *cookie, const struct eth_bytes32 *hash, struct span *rlp)
{
	return cookie != NULL && source_node(cookie, hash, rlp);
}

struct trie_resolver root_resolver(const struct root_cache *cache)
{
	return (struct trie_resolver){resolve, cache->db->source};
}

void work_release(struct work *work)
{
	trie_put(&work->accounts);
	storages_release(&work->own);
	touched_release(&work->gone);
}

static enum err fail(struct work *work, enum err err, const char *what,
		     const struct eth_address *address)
{
	char hex[40];

	eth_hex(address->bytes, 20, hex);
	work->fault->err = err;
	return err_set(&work->fault->detail, err, "state root: %s of 0x%.40s: %s", what, hex,
		       err_name(err));
}

enum err root_lack(struct work *work, const struct eth_address *address,
		   const struct eth_bytes32 *slot)
{
	const bool again = touched_has(&work->job->fetched, address, slot);

	if (again)
		return fail(work, ERR_BAD_ANSWER,
			    "a node is missing although the remote has proved a key", address);
	enum err err = touched_add(&work->job->lacks, address, slot, false, 0);
	return err == OK ? OK : fail(work, err, "what is needed", address);
}

enum err root_unresolved(struct work *work, enum err err, const struct eth_address *owner,
			 const struct eth_address *address, const struct eth_bytes32 *slot,
			 const struct trie_prefix *prefix)
{
	if (err != ERR_NOT_FOUND)
		return fail(work, err, slot != NULL ? "the storage" : "the leaf", address);
	if (prefix->is_sibling)
		return root_sibling(work, owner, prefix);
	return root_lack(work, address, slot);
}

enum err root_leaf(struct work *work, struct trie_node *accounts,
		   const struct eth_address *address, struct trie_account *leaf, bool *found,
		   bool *known)
{
	const struct trie_resolver resolver = root_resolver(work->cache);
	struct eth_bytes32 key;
	struct span value;

	*found = false;
	*known = true;
	keccak256(address->bytes, 20, &key);
	switch (trie_lookup(accounts, key_span(&key), &resolver, &value, NULL)) {
	case TRIE_ABSENT:
		return OK;
	case TRIE_UNRESOLVED:
		*known = false;
		return root_lack(work, address, NULL);
	case TRIE_FOUND:
		*found = trie_account_decode(value, leaf) == OK;
		if (*found)
			return OK;
		break;
	case TRIE_CORRUPT:
		break;
	}
	return fail(work, ERR_CORRUPT, "the leaf", address);
}

/* ---- storage ---- */

/* What is set first, and what is removed afterwards. */
enum pass { PASS_SET, PASS_REMOVE, PASSES };

/* A slot is set to what it reads as, in the pass that this is for. */
static enum err set_slot(struct work *work, struct storage *storage,
			 const struct eth_bytes32 *slot, enum pass pass)
{
	const struct trie_resolver resolver = root_resolver(work->cache);
	unsigned char encoded[TRIE_WORD_BYTES];
	struct trie_prefix prefix;
	struct eth_bytes32 value, key;
	enum lookup got = work->overlay ? state_slot(work->job->view->state, &storage->address,
						     slot, &value, NULL, work->fault)
					: layer_slot(work->top, &storage->address, slot, &value,
						     NULL, work->fault);
	if (got == FAILED)
		return work->fault->err;
	if (got != HIT)
		return root_lack(work, &storage->address, slot);
	const struct span leaf = trie_word_encode(&value, encoded);
	if ((leaf.len == 0) != (pass == PASS_REMOVE))
		return OK;
	keccak256(slot->bytes, 32, &key);
	enum err err = trie_set(&storage->root, key_span(&key), leaf, &resolver, &prefix);
	return err == OK ? OK
			 : root_unresolved(work, err, &storage->address, &storage->address,
					   slot, &prefix);
}

/* The slots of an account that were written. */
struct names {
	struct eth_bytes32 *slots;
	size_t n, capacity;
};

static enum err add_name(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct names *names = cookie;

	(void)address;
	(void)value;
	if (names->n == names->capacity) {
		const size_t capacity = names->capacity != 0 ? 2 * names->capacity : 16;
		struct eth_bytes32 *slots =
			realloc(names->slots, capacity * sizeof *names->slots);
		if (slots == NULL)
			return ERR_NOMEM;
		names->slots = slots;
		names->capacity = capacity;
	}
	names->slots[names->n++] = *slot;
	return OK;
}

/* Not from within the walk, which keeps publications away: a key may have to be ground. */
static enum err set_names(struct work *work, struct storage *storage, const struct names *names)
{
	enum err err = OK;

	for (enum pass pass = PASS_SET; err == OK && pass < PASSES; pass++)
		for (size_t i = 0; err == OK && i < names->n; i++)
			err = set_slot(work, storage, &names->slots[i], pass);
	return err;
}

/* The trie of what is published: what the source proves, if it is seen through, and what was
 * written. *lacking: the source's leaf is not known yet. */
static enum err load(struct work *work, struct storage *storage, bool *lacking)
{
	const struct layer_walk walk = {.written_only = true, .slot = add_name};
	struct names names = {NULL, 0, 0};
	struct trie_account leaf;
	bool through = false, found = false, known = true;
	enum err err = work->top->layer->ops->walk_slots(
		work->top, &storage->address, &walk, &names, &through, &work->fault->detail);

	*lacking = false;
	trie_put(&storage->root);
	if (err == OK && through && work->cache->origin != NULL) {
		err = root_leaf(work, work->cache->origin, &storage->address, &leaf, &found,
				&known);
		*lacking = !known;
		if (err == OK && found)
			err = trie_from_root(&leaf.storage_root, &storage->root);
	}
	if (err == OK && known)
		err = set_names(work, storage, &names);
	free(names.slots);
	if (err != OK && work->fault->detail.text[0] == '\0')
		return fail(work, err, "the storage", &storage->address);
	if (err != OK)
		work->fault->err = err;
	return err;
}

/* A copy of the trie that the version below, or the cache, has; false: neither has. */
static bool inherit(struct work *work, struct storage *storage)
{
	struct root_cache *cache = work->cache;
	bool known = false;

	pthread_mutex_lock(&cache->lock);
	const struct storage *from = storages_find(&cache->storages, &storage->address);
	if (from != NULL && cache->built && from->sequence <= work->base &&
	    work->base <= cache->sequence) {
		trie_put(&storage->root);
		storage->root = trie_get(from->root);
		known = true;
	}
	pthread_mutex_unlock(&cache->lock);
	return known;
}

enum err root_storage(struct work *work, const struct eth_address *address, bool reload,
		      struct storage **out)
{
	struct storage *storage = storages_find(&work->own, address);
	bool lacking = false;
	enum err err = OK;

	*out = storage;
	if (storage != NULL && !reload)
		return OK;
	if (storage == NULL)
		storage = storages_add(&work->own, address);
	if (storage == NULL)
		return fail(work, ERR_NOMEM, "the storage", address);
	if (work->below != NULL) {
		struct storage *from;
		err = root_storage(work->below, address, false, &from);
		lacking = err == OK && from == NULL;
		if (err == OK && from != NULL) {
			trie_put(&storage->root);
			storage->root = trie_get(from->root);
		}
	} else if (reload || !inherit(work, storage)) {
		err = load(work, storage, &lacking);
	}
	*out = err != OK || lacking ? NULL : storage;
	return err;
}

/* ---- accounts ---- */

/* storage NULL: it is lacking, and so are they. */
static enum err edit_slots(struct work *work, const struct edit *edit, struct storage *storage,
			   enum pass pass)
{
	enum err err = OK;

	for (size_t i = 0; err == OK && i < edit->n; i++) {
		const struct eth_bytes32 *slot = &edit->rows[i].slot;
		if (!edit->rows[i].has_slot)
			continue;
		if (storage != NULL)
			err = set_slot(work, storage, slot, pass);
		else if (pass == PASS_SET)
			err = root_lack(work, &edit->address, slot);
	}
	return err;
}

static enum err edit_storage(struct work *work, const struct edit *edit,
			     struct eth_bytes32 *root, bool *lacking)
{
	struct storage *storage;
	enum err err = OK;

	if (work->overlay && edit->generation != 0 && edit->reload) {
		/* Wiped by the handle: nothing below is seen. */
		storage = storages_add(&work->own, &edit->address);
		if (storage == NULL)
			return fail(work, ERR_NOMEM, "the storage", &edit->address);
		trie_put(&storage->root);
	} else {
		err = root_storage(work, &edit->address, edit->reload, &storage);
	}
	*lacking = err == OK && storage == NULL;
	if (err == OK && storage != NULL)
		storage->generation = edit->generation;
	for (enum pass pass = PASS_SET; err == OK && pass < PASSES; pass++)
		err = edit_slots(work, edit, storage, pass);
	if (err == OK && storage != NULL)
		trie_root_hash(storage->root, root);
	return err;
}

/* What the leaf has to say; *gone: it is to be removed. *lacking: not known yet. */
static enum err read_fields(struct work *work, const struct eth_address *address,
			    struct trie_account *leaf, bool *gone, bool *lacking)
{
	const bool keep_empty = work->cache->db->keep_empty;
	const unsigned wanted = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH |
				(keep_empty ? ACCOUNT_EXISTENCE : 0);
	struct account_state account = {0};
	enum lookup got = work->overlay ? state_account(work->job->view->state, address, wanted,
							&account, NULL, work->fault)
					: layer_account(work->top, address, wanted, &account,
							NULL, work->fault);
	static const struct eth_u256 zero;

	if (got == FAILED)
		return work->fault->err;
	*lacking = got != HIT;
	if (*lacking)
		return root_lack(work, address, NULL);
	leaf->nonce = account.fields.nonce;
	leaf->balance = account.fields.balance;
	leaf->code_hash = account.fields.code_hash;
	*gone = leaf->nonce == 0 && memcmp(&leaf->balance, &zero, sizeof zero) == 0 &&
		eth_bytes32_equal(&leaf->code_hash, &eth_empty_code_hash) &&
		!(keep_empty && account.exists);
	return OK;
}

enum err root_edit(struct work *work, const struct edit *edit)
{
	const struct trie_resolver resolver = root_resolver(work->cache);
	unsigned char encoded[TRIE_ACCOUNT_BYTES];
	struct trie_account leaf = trie_account_empty;
	struct trie_prefix prefix;
	struct eth_bytes32 key;
	bool found, known, gone = false, unread = false, no_storage = false;
	enum err err = root_leaf(work, work->accounts, &edit->address, &leaf, &found, &known);

	/* One that was empty, and so had no leaf, may have had slots all the same. */
	if (err == OK && (edit->has_slots || edit->reload || (known && !found)))
		err = edit_storage(work, edit, &leaf.storage_root, &no_storage);
	if (err == OK)
		err = read_fields(work, &edit->address, &leaf, &gone, &unread);
	if (err != OK || !known || unread || no_storage)
		return err;
	if (gone) {
		err = touched_add(&work->gone, &edit->address, NULL, false, 0);
		return err == OK ? OK : fail(work, err, "the removal", &edit->address);
	}
	keccak256(edit->address.bytes, 20, &key);
	err = trie_set(&work->accounts, key_span(&key), trie_account_encode(&leaf, encoded),
		       &resolver, &prefix);
	return err == OK ? OK : root_unresolved(work, err, NULL, &edit->address, NULL, &prefix);
}

enum err root_remove(struct work *work)
{
	const struct trie_resolver resolver = root_resolver(work->cache);
	struct trie_prefix prefix;
	struct eth_bytes32 key;
	enum err err = OK;

	for (size_t i = 0; err == OK && i < work->gone.n; i++) {
		const struct eth_address *address = &work->gone.rows[i].address;
		keccak256(address->bytes, 20, &key);
		err = trie_set(&work->accounts, key_span(&key), (struct span){"", 0}, &resolver,
			       &prefix);
		if (err != OK)
			err = root_unresolved(work, err, NULL, address, NULL, &prefix);
	}
	touched_clear(&work->gone);
	return err;
}
