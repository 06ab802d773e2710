/* SPDX-License-Identifier: MIT */
/* Batches, and the sweep of what wiping left behind. */
#include "cache/filedb_impl.h"
#include "base/log.h"
#include <errno.h>

struct filedb_batch {
	struct filedb *db;
	MDB_txn *txn;
	bool keep_zeros;
	bool changed;	 /* an account or a slot */
	bool root_given; /* even if it is none */
	enum err err;	 /* of the first step that failed */
	struct err_detail detail;
};

static const char doing[] = "writing to";

static enum err begin(struct filedb *db, MDB_txn **txn, struct err_detail *detail)
{
	REQUIRE(!db->writing);
	int rc = mdb_txn_begin(db->env.mdb, NULL, 0, txn);
	db->writing = rc == 0;
	return err_from_lmdb(rc, doing, &db->env, detail);
}

static void give_up(struct filedb *db, MDB_txn *txn)
{
	mdb_txn_abort(txn);
	db->writing = false;
}

static enum err commit(struct filedb *db, MDB_txn *txn, struct err_detail *detail)
{
	struct filedb_size size = filedb_measure(db, txn);
	int rc = mdb_txn_commit(txn);
	db->writing = false;
	if (rc == 0)
		filedb_note(db, size);
	return err_from_lmdb(rc, doing, &db->env, detail);
}

enum err filedb_batch_begin(struct filedb *db, bool keep_zeros, struct filedb_batch **out,
			    struct err_detail *detail)
{
	struct filedb_batch *batch = malloc(sizeof *batch);
	*out = NULL;
	if (!batch)
		return err_set(detail, ERR_NOMEM, "no memory for a batch");
	*batch = (struct filedb_batch){.db = db, .keep_zeros = keep_zeros};
	enum err err = begin(db, &batch->txn, detail);
	if (err != OK) {
		free(batch);
		return err;
	}
	*out = batch;
	return OK;
}

static enum err step(struct filedb_batch *batch, int rc)
{
	batch->err = err_from_lmdb(rc, doing, &batch->db->env, &batch->detail);
	return batch->err;
}

static int put(struct filedb_batch *batch, enum table table, const struct record_key *key,
	       const void *value, size_t n)
{
	MDB_val k = key_val(key), v = val(value, n);
	return mdb_put(batch->txn, batch->db->env.tables[table], &k, &v, 0);
}

static int del(struct filedb_batch *batch, enum table table, const struct record_key *key)
{
	MDB_val k = key_val(key);
	int rc = mdb_del(batch->txn, batch->db->env.tables[table], &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The generation that the stored record has; *known: it can be told. No record: 0. */
static int read_generation(struct filedb *db, MDB_txn *txn, const struct record_key *key,
			   uint32_t *generation, bool *known)
{
	struct filedb_account stored = {0};
	MDB_val k = key_val(key), v;
	int rc = mdb_get(txn, db->env.tables[TABLE_ACCOUNTS], &k, &v);
	*known = rc == MDB_NOTFOUND ||
		 (rc == 0 && record_state_decode(filedb_hash(db, TABLE_ACCOUNTS, key),
						 val_span(v), &stored));
	*generation = stored.generation;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err filedb_batch_account(struct filedb_batch *batch, const struct eth_address *address,
			      const struct filedb_account *account)
{
	struct record_key key, wiped;
	unsigned char out[RECORD_STATE_MAX];
	uint32_t before;
	bool known;
	if (batch->err != OK)
		return batch->err;
	batch->changed = true;
	record_key_state(&key, address);
	int rc = read_generation(batch->db, batch->txn, &key, &before, &known);
	if (rc == 0 && known && account->generation < before) {
		batch->err = err_set(&batch->detail, ERR_INVALID,
				     "generations of an account only rise: %u after %u",
				     account->generation, before);
		return batch->err;
	}
	if (rc == 0 && (!known || account->generation != before)) {
		record_key_wiped(&wiped, address);
		rc = put(batch, TABLE_META, &wiped, "", 0);
	}
	if (rc == 0)
		rc = put(batch, TABLE_ACCOUNTS, &key, out,
			 record_state_encode(filedb_hash(batch->db, TABLE_ACCOUNTS, &key),
					     account, out));
	return step(batch, rc);
}

enum err filedb_batch_slot(struct filedb_batch *batch, const struct eth_address *address,
			   uint32_t generation, const struct eth_bytes32 *slot,
			   const struct eth_bytes32 *value)
{
	static const struct eth_bytes32 zero;
	struct record_key key;
	unsigned char out[RECORD_SLOT_MAX];
	if (batch->err != OK)
		return batch->err;
	batch->changed = true;
	record_key_state_slot(&key, address, generation, slot);
	if (eth_bytes32_equal(value, &zero) && !(batch->keep_zeros && generation == 0))
		return step(batch, del(batch, TABLE_SLOTS, &key));
	size_t n = record_slot_encode(filedb_hash(batch->db, TABLE_SLOTS, &key), value, out);
	return step(batch, put(batch, TABLE_SLOTS, &key, out, n));
}

/* The hash says what it is: one that is there and whole is left alone. */
static bool has_code(const struct filedb_batch *batch, const struct record_key *key,
		     uint64_t key_hash)
{
	struct record_image image;
	MDB_val k = key_val(key), v;
	return mdb_get(batch->txn, batch->db->env.tables[TABLE_CODE], &k, &v) == 0 &&
	       record_image_open(key_hash, val_span(v), &image);
}

enum err filedb_batch_code(struct filedb_batch *batch, const struct eth_bytes32 *code_hash,
			   struct blob *code)
{
	struct record_key key;
	size_t len;
	if (batch->err != OK)
		return batch->err;
	record_key_digest(&key, code_hash);
	uint64_t key_hash = filedb_hash(batch->db, TABLE_CODE, &key);
	if (has_code(batch, &key, key_hash))
		return OK;
	if (code->len > RECORD_BODY_MAX) {
		batch->err = err_set(&batch->detail, ERR_LIMIT,
				     "code of %zu bytes: at most %u can be stored", code->len,
				     RECORD_BODY_MAX);
		return batch->err;
	}
	unsigned char *image = record_image_build(batch->db->codec, key_hash, (struct span){0},
						  blob_span(code), SIZE_MAX, &len);
	int rc = image ? put(batch, TABLE_CODE, &key, image, len) : ENOMEM;
	free(image);
	return step(batch, rc);
}

enum err filedb_batch_root(struct filedb_batch *batch, const struct eth_bytes32 *root)
{
	struct record_key key;
	unsigned char out[RECORD_HASH_BYTES];
	if (batch->err != OK)
		return batch->err;
	batch->root_given = true;
	record_key_meta(&key, "root");
	if (!root)
		return step(batch, del(batch, TABLE_META, &key));
	size_t n = record_hash_encode(filedb_hash(batch->db, TABLE_META, &key), root, out);
	return step(batch, put(batch, TABLE_META, &key, out, n));
}

static enum err finish(struct filedb_batch *batch, struct err_detail *detail)
{
	/* a root is that of the state that it was given with */
	if (batch->err == OK && batch->changed && !batch->root_given)
		batch->err = filedb_batch_root(batch, NULL);
	if (batch->err != OK) {
		give_up(batch->db, batch->txn);
		return err_set(detail, batch->err, "%s", batch->detail.text);
	}
	return commit(batch->db, batch->txn, detail);
}

enum err filedb_batch_commit(struct filedb_batch **batch, struct err_detail *detail)
{
	struct filedb *db = (*batch)->db;
	enum err err = finish(*batch, detail);
	if (err == OK)
		atomic_fetch_add_explicit(&db->commits, 1, memory_order_relaxed);
	free(*batch);
	*batch = NULL;
	return err;
}

void filedb_batch_abort(struct filedb_batch **batch)
{
	if (!*batch)
		return;
	give_up((*batch)->db, (*batch)->txn);
	free(*batch);
	*batch = NULL;
}

/* ---- the sweep ---- */

/* What one sweep does; left: slots that it may still remove. */
struct sweep {
	struct filedb *db;
	MDB_txn *txn;
	size_t left;
	bool more;
};

/* The first slot at or after key, if it is the account's. */
static int seek_slot(MDB_cursor *cursor, const struct record_key *from,
		     const struct eth_address *address, MDB_val *k)
{
	MDB_val v;
	*k = key_val(from);
	int rc = mdb_cursor_get(cursor, k, &v, MDB_SET_RANGE);
	if (rc == 0 && (k->mv_size < 20 || memcmp(k->mv_data, address->bytes, 20) != 0))
		rc = MDB_NOTFOUND;
	return rc;
}

/* MDB_NOTFOUND when there are no more. */
static int sweep_slots(struct sweep *sweep, MDB_cursor *cursor,
		       const struct eth_address *address, uint32_t current)
{
	struct record_key from;
	struct eth_address same;
	struct eth_bytes32 slot;
	uint32_t generation;
	MDB_val k;
	int rc;
	record_key_state(&from, address);
	while ((rc = seek_slot(cursor, &from, address, &k)) == 0) {
		bool ours = record_key_state_open(val_span(k), &same, &generation, &slot);
		if (ours && generation == current) {
			if (current == UINT32_MAX)
				return MDB_NOTFOUND;
			record_key_state_slots(&from, address, current + 1);
			continue;
		}
		if (sweep->left == 0) {
			sweep->more = true;
			return 0;
		}
		rc = mdb_cursor_del(cursor, 0);
		if (rc != 0)
			return rc;
		sweep->left--;
	}
	return rc;
}

/* 0: all slots of old generations are gone, or there are more of them. */
static int sweep_account(struct sweep *sweep, const struct eth_address *address)
{
	struct record_key key;
	MDB_cursor *cursor;
	uint32_t current;
	bool known;
	record_key_state(&key, address);
	int rc = read_generation(sweep->db, sweep->txn, &key, &current, &known);
	if (rc != 0 || !known)
		return rc; /* a damaged account keeps all it has */
	rc = mdb_cursor_open(sweep->txn, sweep->db->env.tables[TABLE_SLOTS], &cursor);
	if (rc != 0)
		return rc;
	rc = sweep_slots(sweep, cursor, address, current);
	mdb_cursor_close(cursor);
	if (rc != MDB_NOTFOUND)
		return rc;
	record_key_wiped(&key, address);
	MDB_val k = key_val(&key);
	return mdb_del(sweep->txn, sweep->db->env.tables[TABLE_META], &k, NULL);
}

/* The first account at or after *address that was wiped. */
static int next_wiped(const struct sweep *sweep, struct eth_address *address)
{
	struct record_key key;
	MDB_cursor *cursor;
	MDB_val v;
	record_key_wiped(&key, address);
	MDB_val k = key_val(&key);
	int rc = mdb_cursor_open(sweep->txn, sweep->db->env.tables[TABLE_META], &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	if (rc == 0 && !record_key_wiped_open(val_span(k), address))
		rc = MDB_NOTFOUND;
	mdb_cursor_close(cursor);
	return rc;
}

static int sweep_all(struct sweep *sweep)
{
	struct eth_address address = {{0}};
	int rc;
	while (!sweep->more && (rc = next_wiped(sweep, &address)) == 0) {
		rc = sweep_account(sweep, &address);
		if (rc != 0)
			return rc;
		if (!filedb_next_address(&address))
			return 0;
	}
	return sweep->more || rc == MDB_NOTFOUND ? 0 : rc;
}

bool filedb_sweep(struct filedb *db, size_t slots)
{
	struct sweep sweep = {.db = db, .left = slots};
	struct err_detail detail;
	enum err err = begin(db, &sweep.txn, &detail);
	if (err == OK) {
		err = err_from_lmdb(sweep_all(&sweep), doing, &db->env, &detail);
		if (err == OK)
			err = commit(db, sweep.txn, &detail);
		else
			give_up(db, sweep.txn);
	}
	if (err == OK)
		return sweep.more;
	log_warn("what was wiped stays in the file for now", LOG_S("reason", detail.text));
	return false;
}
