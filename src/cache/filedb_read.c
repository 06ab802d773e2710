/* SPDX-License-Identifier: MIT */
/* Readers: snapshots, and the gets. */
#include "cache/filedb_impl.h"

enum err filedb_reader_new(struct filedb *db, struct filedb_reader **out)
{
	struct filedb_reader *reader = calloc(1, sizeof *reader);
	*out = NULL;
	if (!reader)
		return ERR_NOMEM;
	reader->db = db;
	reader->codec = record_codec_new();
	if (!reader->codec) {
		free(reader);
		return ERR_NOMEM;
	}
	pthread_mutex_lock(&db->readers_lock);
	reader->next = db->readers;
	db->readers = reader;
	pthread_mutex_unlock(&db->readers_lock);
	*out = reader;
	return OK;
}

void filedb_reader_free(struct filedb_reader **reader)
{
	struct filedb_reader *r = *reader;
	if (!r)
		return;
	struct filedb *db = r->db;
	if (r->txn)
		mdb_txn_abort(r->txn);
	pthread_mutex_lock(&db->readers_lock);
	for (struct filedb_reader **at = &db->readers; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			break;
		}
	db->gone_reads += atomic_load_explicit(&r->reads, memory_order_relaxed);
	db->gone_misses += atomic_load_explicit(&r->misses, memory_order_relaxed);
	pthread_mutex_unlock(&db->readers_lock);
	record_codec_free(&r->codec);
	free(r);
	*reader = NULL;
}

void filedb_reader_rest(struct filedb_reader *reader)
{
	if (!reader->live)
		return;
	mdb_txn_reset(reader->txn);
	reader->live = false;
}

enum err filedb_begin(struct filedb_reader *reader, struct err_detail *detail)
{
	if (reader->live)
		return OK;
	int rc = env_snapshot(&reader->db->env, &reader->txn);
	reader->live = rc == 0;
	return err_from_lmdb(rc, "reading", &reader->db->env, detail);
}

enum err filedb_damaged(const struct filedb *db, enum table table, struct span key,
			struct err_detail *detail)
{
	char name[FILEDB_NAME_MAX];
	filedb_name(table, key, name);
	return err_set(detail, ERR_CORRUPT, "%s is damaged in the database folder %s", name,
		       db->env.folder);
}

/* Only the owner writes them. */
static void count(atomic_uint_fast64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* The value, borrowed from the snapshot. */
static enum lookup find(struct filedb_reader *reader, enum table table,
			const struct record_key *key, struct span *value, enum err *err,
			struct err_detail *detail)
{
	MDB_val k = key_val(key), v;
	count(&reader->reads);
	*err = filedb_begin(reader, detail);
	if (*err != OK)
		return FAILED;
	int rc = mdb_get(reader->txn, reader->db->env.tables[table], &k, &v);
	if (rc == 0) {
		*value = val_span(v);
		return HIT;
	}
	if (rc == MDB_NOTFOUND) {
		count(&reader->misses);
		return MISS;
	}
	*err = err_from_lmdb(rc, "reading", &reader->db->env, detail);
	return FAILED;
}

/* After decoding. */
static enum lookup judge(const struct filedb_reader *reader, enum table table,
			 const struct record_key *key, bool good, enum err *err,
			 struct err_detail *detail)
{
	if (good)
		return HIT;
	*err = filedb_damaged(reader->db, table,
			      (struct span){(const char *)key->bytes, key->len}, detail);
	return FAILED;
}

enum lookup filedb_get_account(struct filedb_reader *reader, const struct eth_address *address,
			       struct filedb_account *out, enum err *err,
			       struct err_detail *detail)
{
	struct record_key key;
	struct span value;
	record_key_state(&key, address);
	enum lookup found = find(reader, TABLE_ACCOUNTS, &key, &value, err, detail);
	if (found != HIT)
		return found;
	bool good =
		record_state_decode(filedb_hash(reader->db, TABLE_ACCOUNTS, &key), value, out);
	return judge(reader, TABLE_ACCOUNTS, &key, good, err, detail);
}

enum lookup filedb_get_slot(struct filedb_reader *reader, const struct eth_address *address,
			    uint32_t generation, const struct eth_bytes32 *slot,
			    struct eth_bytes32 *value, enum err *err, struct err_detail *detail)
{
	struct record_key key;
	struct span in;
	record_key_state_slot(&key, address, generation, slot);
	enum lookup found = find(reader, TABLE_SLOTS, &key, &in, err, detail);
	if (found != HIT)
		return found;
	bool good = record_slot_decode(filedb_hash(reader->db, TABLE_SLOTS, &key), in, value);
	return judge(reader, TABLE_SLOTS, &key, good, err, detail);
}

enum err filedb_code(struct filedb_reader *reader, uint64_t key_hash, struct span value,
		     struct blob **code)
{
	struct record_image image;
	*code = NULL;
	if (!record_image_open(key_hash, value, &image) || image.request.len != 0)
		return ERR_CORRUPT;
	return record_image_body(reader->codec, &image, code);
}

enum lookup filedb_get_code(struct filedb_reader *reader, const struct eth_bytes32 *code_hash,
			    struct blob **code, enum err *err, struct err_detail *detail)
{
	struct record_key key;
	struct span value;
	*code = NULL;
	record_key_digest(&key, code_hash);
	enum lookup found = find(reader, TABLE_CODE, &key, &value, err, detail);
	if (found != HIT)
		return found;
	*err = filedb_code(reader, filedb_hash(reader->db, TABLE_CODE, &key), value, code);
	if (*err == ERR_NOMEM) {
		err_set(detail, *err, "no memory for code of the database");
		return FAILED;
	}
	return judge(reader, TABLE_CODE, &key, *err == OK, err, detail);
}

enum lookup filedb_get_root(struct filedb_reader *reader, struct eth_bytes32 *root,
			    enum err *err, struct err_detail *detail)
{
	struct record_key key;
	struct span value;
	record_key_meta(&key, "root");
	enum lookup found = find(reader, TABLE_META, &key, &value, err, detail);
	if (found != HIT)
		return found;
	bool good = record_hash_decode(filedb_hash(reader->db, TABLE_META, &key), value, root);
	return judge(reader, TABLE_META, &key, good, err, detail);
}
