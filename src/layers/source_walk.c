/* SPDX-License-Identifier: MIT */
/*
 * What the disk cache holds of the source's block: under the block, and under its roots.
 *
 * A fact may lie in both places: it is told once. With verify only what was proved is told.
 */
#include "layers/source_impl.h"
#include <stdlib.h>

#define ROWS 512 /* at once; then the reader rests, so that no page is held */

struct walker {
	const struct source *source;
	const struct layer_walk *walk;
	void *cookie;
	struct store_reader *reader;
	struct fed codes; /* the hashes that accounts had: a set */
	struct store_row rows[ROWS];
	struct fed roots; /* the accounts that were proved, and their storage roots */
};

static enum err tell_account(struct walker *w, const struct store_row *row)
{
	struct account_state account = {.fields = row->fields};
	const struct account_fields *f = &row->fields;
	static const struct eth_u256 zero;
	const unsigned three = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	enum err err = OK;

	account.fields.mask &= three;
	if ((f->mask & three) == three) {
		account.fields.mask |= ACCOUNT_EXISTENCE;
		account.exists = f->nonce != 0 || memcmp(&f->balance, &zero, 32) != 0 ||
				 !eth_bytes32_equal(&f->code_hash, &eth_empty_code_hash);
	}
	if ((f->mask & ACCOUNT_CODE_HASH) &&
	    !eth_bytes32_equal(&f->code_hash, &eth_empty_code_hash)) {
		const struct fed_key key = {.kind = FED_CODE, .slot = f->code_hash};
		err = fed_put(&w->codes, &key, &f->code_hash, NULL);
	}
	if (err == OK && w->walk->account != NULL && account.fields.mask != 0)
		err = w->walk->account(w->cookie, &row->address, &account);
	return err;
}

/* Told under the block already? */
static bool account_told(struct walker *w, const struct store_row *row)
{
	const unsigned three = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	struct account_fields fields;

	return !w->source->verify &&
	       store_get_account(w->reader, &w->source->anchor.block.at.hash, &row->address,
				 three, &fields) == HIT &&
	       (fields.mask & three) == three;
}

static bool slot_told(struct walker *w, const struct eth_address *address,
		      const struct eth_bytes32 *slot)
{
	struct eth_bytes32 value;

	return !w->source->verify && store_get_slot(w->reader, &w->source->anchor.block.at.hash,
						    address, slot, &value) == HIT;
}

static enum err walk_accounts(struct walker *w, bool by_root)
{
	struct store_list list = {.kind = STORE_LIST_ACCOUNTS, .by_root = by_root};
	enum err err = OK;
	size_t n;

	list.of =
		by_root ? w->source->anchor.header.state_root : w->source->anchor.block.at.hash;
	while (err == OK && (n = store_list_next(w->reader, &list, w->rows, ROWS)) > 0) {
		for (size_t i = 0; err == OK && i < n; i++) {
			const struct store_row *row = &w->rows[i];
			const struct fed_key key = {.kind = FED_STORAGE_ROOT,
						    .address = row->address};
			if (by_root)
				err = fed_put(&w->roots, &key, &row->fields.storage_root, NULL);
			if (err == OK && (!by_root || !account_told(w, row)))
				err = tell_account(w, row);
		}
		store_reader_rest(w->reader);
	}
	return err;
}

/* address: of the storage root. */
static enum err walk_slots(struct walker *w, const struct eth_address *address,
			   const struct eth_bytes32 *root)
{
	struct store_list list = {.kind = STORE_LIST_SLOTS,
				  .of = w->source->anchor.block.at.hash};
	enum err err = OK;
	size_t n;

	if (address != NULL)
		list = (struct store_list){
			.kind = STORE_LIST_SLOTS_OF_STORAGE, .by_root = true, .of = *root};
	while (err == OK && (n = store_list_next(w->reader, &list, w->rows, ROWS)) > 0) {
		for (size_t i = 0; err == OK && i < n; i++) {
			const struct store_row *row = &w->rows[i];
			if (address == NULL || !slot_told(w, address, &row->slot))
				err = w->walk->slot(w->cookie,
						    address != NULL ? address : &row->address,
						    &row->slot, &row->value);
		}
		store_reader_rest(w->reader);
	}
	return err;
}

static enum err walk_storages(struct walker *w)
{
	struct fed_key key;
	struct eth_bytes32 root;
	enum err err = OK;

	for (size_t i = 0; err == OK && fed_row(&w->roots, i, &key, &root); i++)
		err = walk_slots(w, &key.address, &root);
	return err;
}

static enum err walk_code(struct walker *w)
{
	struct fed_key key;
	struct eth_bytes32 hash;
	enum err err = OK;

	for (size_t i = 0; err == OK && fed_row(&w->codes, i, &key, &hash); i++) {
		struct blob *code = NULL;
		if (store_get_code(w->reader, &hash, &code) == HIT)
			err = w->walk->code(w->cookie, &hash, code);
		blob_put(&code);
		store_reader_rest(w->reader);
	}
	return err;
}

static enum err walk_all(struct walker *w)
{
	enum err err = w->source->verify ? OK : walk_accounts(w, false);

	if (err == OK)
		err = walk_accounts(w, true);
	if (err == OK && w->walk->slot != NULL && !w->source->verify)
		err = walk_slots(w, NULL, NULL);
	if (err == OK && w->walk->slot != NULL)
		err = walk_storages(w);
	if (err == OK && w->walk->code != NULL)
		err = walk_code(w);
	return err;
}

enum err source_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail)
{
	const struct source *source = source_view_of(view)->source;

	if (walk->written_only)
		return OK;
	if (source->store == NULL)
		return err_set(detail, ERR_UNSUPPORTED,
			       "what a fork has cached can be listed only where it has a disk "
			       "cache (lmdb:// above it)");
	struct walker *w = calloc(1, sizeof *w);
	enum err err = w != NULL ? store_reader_new(source->store, &w->reader) : ERR_NOMEM;
	if (err != OK) {
		free(w);
		return err_set(detail, err, "the disk cache cannot be read: %s", err_name(err));
	}
	w->source = source;
	w->walk = walk;
	w->cookie = cookie;
	store_flush(source->store);
	if (!source->bypass)
		err = walk_all(w);
	store_reader_free(&w->reader);
	fed_clear(&w->codes);
	fed_clear(&w->roots);
	free(w);
	return err;
}

/* None of them is written, and all of them show through. */
enum err source_walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *walk, void *cookie, bool *through,
			   struct err_detail *detail)
{
	(void)view, (void)address, (void)walk, (void)cookie, (void)detail;
	*through = true;
	return OK;
}
