/* SPDX-License-Identifier: MIT */
/* Walks over all records, or over the slots of one account. */
#include "cache/filedb_impl.h"

struct walker {
	struct filedb_reader *reader;
	const struct filedb_walk *walk;
	void *cookie;
	struct err_detail *detail;
	MDB_cursor *accounts, *slots, *code;
};

static enum err damaged(struct walker *w, enum table table, struct span key)
{
	char name[FILEDB_NAME_MAX];
	if (!w->walk->corrupt)
		return filedb_damaged(w->reader->db, table, key, w->detail);
	filedb_name(table, key, name);
	return w->walk->corrupt(w->cookie, name);
}

/* LMDB's end of a table is none of a walk: the caller looks at rc for it. */
static enum err failed(const struct walker *w, int rc)
{
	return rc == MDB_NOTFOUND
		       ? OK
		       : err_from_lmdb(rc, "reading", &w->reader->db->env, w->detail);
}

static uint64_t hash_of(const struct walker *w, enum table table, MDB_val key)
{
	return record_key_hash(w->reader->db->env.seed, table, key.mv_data, key.mv_size);
}

static enum err visit_slot(struct walker *w, const struct eth_address *address, MDB_val k,
			   MDB_val v)
{
	struct eth_address same;
	struct eth_bytes32 slot, value;
	uint32_t generation;
	if (!record_key_state_open(val_span(k), &same, &generation, &slot) ||
	    !record_slot_decode(hash_of(w, TABLE_SLOTS, k), val_span(v), &value))
		return damaged(w, TABLE_SLOTS, val_span(k));
	return w->walk->slot(w->cookie, address, &slot, &value);
}

static enum err visit_slots(struct walker *w, const struct eth_address *address,
			    uint32_t generation)
{
	struct record_key prefix;
	MDB_val v;
	record_key_state_slots(&prefix, address, generation);
	MDB_val k = key_val(&prefix);
	int rc = mdb_cursor_get(w->slots, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && k.mv_size >= prefix.len &&
	       memcmp(k.mv_data, prefix.bytes, prefix.len) == 0) {
		enum err err = visit_slot(w, address, k, v);
		if (err != OK)
			return err;
		rc = mdb_cursor_get(w->slots, &k, &v, MDB_NEXT);
	}
	return failed(w, rc);
}

/* The first address in a table from *at on; false: none, or *err. */
static bool next_address(struct walker *w, MDB_cursor *cursor, const struct eth_address *at,
			 struct eth_address *out, MDB_val *k, MDB_val *v, enum err *err)
{
	if (!cursor)
		return false;
	*k = val(at->bytes, sizeof at->bytes);
	int rc = mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
	*err = failed(w, rc);
	if (rc != 0)
		return false;
	/* a key that is none of ours may be shorter */
	size_t n = k->mv_size < sizeof out->bytes ? k->mv_size : sizeof out->bytes;
	*out = (struct eth_address){{0}};
	memcpy(out->bytes, k->mv_data, n);
	return true;
}

/* *slots: they can be told from those of old generations. */
static enum err visit_account(struct walker *w, const struct eth_address *address, MDB_val k,
			      MDB_val v, uint32_t *generation, bool *slots)
{
	struct filedb_account account;
	*slots = k.mv_size == sizeof address->bytes &&
		 record_state_decode(hash_of(w, TABLE_ACCOUNTS, k), val_span(v), &account);
	if (!*slots)
		return damaged(w, TABLE_ACCOUNTS, val_span(k));
	*generation = account.generation;
	return w->walk->account ? w->walk->account(w->cookie, address, &account) : OK;
}

/* One address: its record, if there is one, and its slots. False: the walk is over. */
static bool visit_next(struct walker *w, struct eth_address *at, enum err *err)
{
	struct eth_address of_account, of_slot;
	MDB_val k, v, ignored;
	uint32_t generation = 0;
	bool slots = true;
	bool account = next_address(w, w->accounts, at, &of_account, &k, &v, err);
	bool slot =
		*err == OK && next_address(w, w->slots, at, &of_slot, &ignored, &ignored, err);
	if (*err != OK || (!account && !slot))
		return false;
	if (account && slot && memcmp(of_slot.bytes, of_account.bytes, 20) < 0)
		account = false;
	*at = account ? of_account : of_slot;
	if (account)
		*err = visit_account(w, at, k, v, &generation, &slots);
	if (*err == OK && slots && w->slots)
		*err = visit_slots(w, at, generation);
	return *err == OK && filedb_next_address(at);
}

static enum err visit_code(struct walker *w, MDB_val k, MDB_val v)
{
	struct eth_bytes32 code_hash;
	struct blob *code = NULL;
	enum err err = ERR_CORRUPT;
	if (k.mv_size == sizeof code_hash.bytes) {
		memcpy(code_hash.bytes, k.mv_data, sizeof code_hash.bytes);
		err = filedb_code(w->reader, hash_of(w, TABLE_CODE, k), val_span(v), &code);
	}
	if (err == ERR_CORRUPT)
		return damaged(w, TABLE_CODE, val_span(k));
	if (err != OK)
		return err_set(w->detail, err, "no memory for code of the database");
	err = w->walk->code(w->cookie, &code_hash, code);
	blob_put(&code);
	return err;
}

static enum err visit_all_code(struct walker *w)
{
	MDB_val k, v;
	int rc;
	while ((rc = mdb_cursor_get(w->code, &k, &v, MDB_NEXT)) == 0) {
		enum err err = visit_code(w, k, v);
		if (err != OK)
			return err;
	}
	return failed(w, rc);
}

static enum err open_cursor(struct walker *w, enum table table, MDB_cursor **cursor)
{
	return failed(
		w, mdb_cursor_open(w->reader->txn, w->reader->db->env.tables[table], cursor));
}

static void close_cursors(struct walker *w)
{
	MDB_cursor *const all[] = {w->accounts, w->slots, w->code};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i])
			mdb_cursor_close(all[i]);
}

enum err filedb_walk(struct filedb_reader *reader, const struct filedb_walk *walk, void *cookie,
		     struct err_detail *detail)
{
	struct walker w = {reader, walk, cookie, detail, NULL, NULL, NULL};
	struct eth_address at = {{0}};
	enum err err = filedb_begin(reader, detail);
	if (err == OK && (walk->account || walk->slot))
		err = open_cursor(&w, TABLE_ACCOUNTS, &w.accounts);
	if (err == OK && walk->slot)
		err = open_cursor(&w, TABLE_SLOTS, &w.slots);
	if (err == OK && walk->code)
		err = open_cursor(&w, TABLE_CODE, &w.code);
	while (err == OK && visit_next(&w, &at, &err))
		;
	if (err == OK && w.code)
		err = visit_all_code(&w);
	close_cursors(&w);
	return err;
}

enum err filedb_walk_slots(struct filedb_reader *reader, const struct eth_address *address,
			   uint32_t generation, const struct filedb_walk *walk, void *cookie,
			   struct err_detail *detail)
{
	struct walker w = {reader, walk, cookie, detail, NULL, NULL, NULL};
	enum err err = filedb_begin(reader, detail);
	if (err == OK && walk->slot)
		err = open_cursor(&w, TABLE_SLOTS, &w.slots);
	if (err == OK && w.slots)
		err = visit_slots(&w, address, generation);
	close_cursors(&w);
	return err;
}
