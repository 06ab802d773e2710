/* SPDX-License-Identifier: MIT */
/* The store's thread: group commit, eviction, housekeeping. */
#include "cache/store_impl.h"
#include "base/log.h"
#include "base/thread.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Stale readers are looked for, and the pages in use counted, even if nothing is put. */
#define CHECK_EVERY_MS 60000
/* A group that finds no room evicts this many times before it is dropped. */
#define EVICT_TRIES 64
/* A disk that is full is full many times a second. */
#define WARN_EVERY_MS	60000
#define READER_WAITS	20
#define READER_PAUSE_MS 5
/* Pages that a group changes besides its records': branches and roots of the tables. */
#define GROUP_OVERHEAD_PAGES 32

/* One write transaction over one group. */
struct batch {
	struct store *store;
	MDB_txn *txn;
	struct eth_bytes32 block; /* the last looked up; id 0: none */
	uint64_t id, written, headless;
};

static uint64_t chain_of(const struct batch *batch)
{
	return atomic_load_explicit(&batch->store->chain, memory_order_relaxed);
}

static int lookup(struct batch *batch, enum table table, const struct record_key *key,
		  uint64_t *key_hash, MDB_val *v)
{
	MDB_val k = key_val(key);
	*key_hash = record_key_hash(batch->store->env.seed, table, key->bytes, key->len);
	return mdb_get(batch->txn, batch->store->env.tables[table], &k, v);
}

/* Writes unless the very same bytes are there: rewriting costs pages. */
static int write_record(struct batch *batch, enum table table, const struct record_key *key,
			uint64_t key_hash, const unsigned char *bytes, size_t n)
{
	struct store *store = batch->store;
	MDB_val k = key_val(key), v = val(bytes, n);
	int rc = mdb_put(batch->txn, store->env.tables[table], &k, &v, MDB_NOOVERWRITE);
	if (rc == MDB_KEYEXIST) {
		rc = 0;
		if (v.mv_size != n || memcmp(v.mv_data, bytes, n) != 0) {
			v = val(bytes, n);
			rc = mdb_put(batch->txn, store->env.tables[table], &k, &v, 0);
		}
	}
	if (rc == 0)
		use_touch(&store->use, key_hash);
	batch->written += key->len + n;
	return rc;
}

/* Ids are looked up in every transaction: another process may have evicted the block. */
static int find_block(struct batch *batch, const struct eth_bytes32 *hash, uint64_t *id)
{
	struct record_key key;
	struct block_header header;
	uint64_t key_hash;
	MDB_val v;
	if (batch->id == 0 || !eth_bytes32_equal(&batch->block, hash)) {
		record_key_block(&key, chain_of(batch), hash);
		int rc = lookup(batch, TABLE_BLOCKS, &key, &key_hash, &v);
		if (rc != 0)
			return rc;
		if (!record_block_decode(key_hash, val_span(v), &batch->id, &header)) {
			batch->id = 0;
			return MDB_NOTFOUND;
		}
		use_touch(&batch->store->use, key_hash);
		batch->block = *hash;
	}
	*id = batch->id;
	return 0;
}

static int next_block_id(struct batch *batch, uint64_t *id)
{
	struct record_key key;
	unsigned char out[RECORD_U64_BYTES];
	uint64_t key_hash;
	MDB_val v;
	record_key_meta(&key, "next-block");
	int rc = lookup(batch, TABLE_META, &key, &key_hash, &v);
	*id = 1;
	if (rc == 0 && !record_u64_decode(key_hash, val_span(v), id))
		return MDB_CORRUPTED; /* an id must never be given twice */
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	return write_record(batch, TABLE_META, &key, key_hash, out,
			    record_u64_encode(key_hash, *id + 1, out));
}

static int write_header(struct batch *batch, const struct put *put)
{
	const struct block_header *header = &put->what.header;
	struct record_key key;
	unsigned char out[RECORD_BLOCK_BYTES];
	uint64_t key_hash, id;
	int rc = find_block(batch, &header->hash, &id);
	if (rc == MDB_NOTFOUND)
		rc = next_block_id(batch, &id);
	if (rc != 0)
		return rc;
	batch->id = 0;
	record_key_block(&key, chain_of(batch), &header->hash);
	key_hash = record_key_hash(batch->store->env.seed, TABLE_BLOCKS, key.bytes, key.len);
	return write_record(batch, TABLE_BLOCKS, &key, key_hash, out,
			    record_block_encode(key_hash, id, header, out));
}

static int write_binding(struct batch *batch, const struct put *put)
{
	struct record_key key;
	struct eth_bytes32 bound;
	unsigned char out[RECORD_HASH_BYTES];
	uint64_t key_hash;
	MDB_val v;
	record_key_binding(&key, chain_of(batch), be64_get(put->id.bytes + 1));
	int rc = lookup(batch, TABLE_BINDINGS, &key, &key_hash, &v);
	if (rc == 0 && record_hash_decode(key_hash, val_span(v), &bound))
		return 0; /* bound once */
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	return write_record(batch, TABLE_BINDINGS, &key, key_hash, out,
			    record_hash_encode(key_hash, &put->what.word, out));
}

static int write_finalized(struct batch *batch, const struct put *put)
{
	struct record_key key;
	unsigned char out[RECORD_U64_BYTES];
	uint64_t key_hash, number = 0;
	MDB_val v;
	record_key_final(&key, chain_of(batch));
	int rc = lookup(batch, TABLE_META, &key, &key_hash, &v);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && record_u64_decode(key_hash, val_span(v), &number) &&
	    number >= put->what.number)
		return 0;
	return write_record(batch, TABLE_META, &key, key_hash, out,
			    record_u64_encode(key_hash, put->what.number, out));
}

static int write_coderef(struct batch *batch, uint64_t id, const struct eth_address *address,
			 const struct account_fields *fields)
{
	struct record_key key;
	if (!(fields->mask & ACCOUNT_CODE_HASH) ||
	    eth_bytes32_equal(&fields->code_hash, &eth_empty_code_hash))
		return 0;
	record_key_coderef(&key, &fields->code_hash, id, address);
	MDB_val k = key_val(&key), v = val("", 0);
	int rc = mdb_put(batch->txn, batch->store->env.tables[TABLE_CODEREF], &k, &v,
			 MDB_NOOVERWRITE);
	batch->written += key.len;
	return rc == MDB_KEYEXIST ? 0 : rc;
}

static int write_account(struct batch *batch, const struct put *put)
{
	struct record_key key;
	struct account_fields fields = put->what.account, known;
	unsigned char out[RECORD_ACCOUNT_MAX];
	uint64_t key_hash, id;
	MDB_val v;
	int rc = find_block(batch, put_digest(put), &id);
	if (rc != 0)
		return rc;
	record_key_account(&key, id, put_address(put));
	rc = lookup(batch, TABLE_ACCOUNTS, &key, &key_hash, &v);
	if (rc == 0 && record_account_decode(key_hash, val_span(v), &known))
		account_merge(&fields, &known);
	else if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	rc = write_record(batch, TABLE_ACCOUNTS, &key, key_hash, out,
			  record_account_encode(key_hash, &fields, out));
	return rc == 0 ? write_coderef(batch, id, put_address(put), &fields) : rc;
}

static int write_word(struct batch *batch, const struct record_key *key, const struct put *put)
{
	unsigned char out[RECORD_SLOT_MAX];
	uint64_t key_hash =
		record_key_hash(batch->store->env.seed, TABLE_SLOTS, key->bytes, key->len);
	return write_record(batch, TABLE_SLOTS, key, key_hash, out,
			    record_slot_encode(key_hash, &put->what.word, out));
}

static int write_slot(struct batch *batch, const struct put *put)
{
	struct record_key key;
	uint64_t id;
	int rc = find_block(batch, put_digest(put), &id);
	if (rc != 0)
		return rc;
	record_key_slot(&key, id, put_address(put), put_slot(put));
	return write_word(batch, &key, put);
}

static int write_rooted_account(struct batch *batch, const struct put *put)
{
	struct record_key key;
	unsigned char out[RECORD_ACCOUNT_MAX];
	record_key_rooted_account(&key, put_digest(put), put_address(put));
	uint64_t key_hash =
		record_key_hash(batch->store->env.seed, TABLE_ACCOUNTS, key.bytes, key.len);
	return write_record(batch, TABLE_ACCOUNTS, &key, key_hash, out,
			    record_account_encode(key_hash, &put->what.account, out));
}

static int write_rooted_slot(struct batch *batch, const struct put *put)
{
	struct record_key key;
	record_key_rooted_slot(&key, put_digest(put), put_slot(put));
	return write_word(batch, &key, put);
}

/* 0: the same image is there; MDB_NOTFOUND: it is to be written. */
static int same_image(struct batch *batch, MDB_dbi dbi, const struct eth_bytes32 *digest,
		      struct span image)
{
	struct parts parts;
	int rc = parts_get(batch->txn, dbi, digest, &parts);
	if (rc == EBADMSG || (rc == 0 && !span_equal(parts.image, image)))
		rc = MDB_NOTFOUND;
	free(parts.owned);
	return rc;
}

static int write_image(struct batch *batch, enum table table, const struct put *put)
{
	struct store *store = batch->store;
	MDB_dbi dbi = store->env.tables[table];
	const struct eth_bytes32 *digest = put_digest(put);
	uint64_t key_hash = record_key_hash(store->env.seed, table, digest->bytes, 32);
	size_t len;
	unsigned char *image =
		record_image_build(store->codec, key_hash, put_tail(put),
				   blob_span(put->what.blob), store->image_max, &len);
	if (!image) {
		count(&store->dropped, 1); /* too long, or no memory */
		return 0;
	}
	int rc = same_image(batch, dbi, digest, (struct span){(const char *)image, len});
	if (rc == MDB_NOTFOUND)
		rc = parts_put(batch->txn, dbi, digest, image, len);
	if (rc == 0)
		use_touch(&store->use, key_hash);
	batch->written += len;
	free(image);
	return rc;
}

static bool record_good(enum table table, uint64_t key_hash, struct span value)
{
	struct eth_bytes32 word;
	struct account_fields account;
	struct block_header header;
	struct record_image image;
	uint64_t number;
	switch (table) {
	case TABLE_SLOTS:
		return record_slot_decode(key_hash, value, &word);
	case TABLE_ACCOUNTS:
		return record_account_decode(key_hash, value, &account);
	case TABLE_BINDINGS:
		return record_hash_decode(key_hash, value, &word);
	case TABLE_BLOCKS:
		return record_block_decode(key_hash, value, &number, &header);
	case TABLE_META:
		return record_u64_decode(key_hash, value, &number);
	case TABLE_REPLIES:
	case TABLE_CODE:
		return record_image_open(key_hash, value, &image);
	case TABLE_CODEREF:
	case TABLE_COUNT:
		break;
	}
	return true;
}

static int remove_image(struct batch *batch, enum table table, struct span key)
{
	struct store *store = batch->store;
	struct eth_bytes32 digest;
	struct parts parts;
	memcpy(digest.bytes, key.ptr, 32);
	int rc = parts_get(batch->txn, store->env.tables[table], &digest, &parts);
	bool good = rc == 0 &&
		    record_good(table, record_key_hash(store->env.seed, table, key.ptr, 32),
				parts.image);
	free(parts.owned);
	if (rc != 0 && rc != EBADMSG)
		return rc == MDB_NOTFOUND ? 0 : rc;
	return good ? 0 : parts_remove(batch->txn, store->env.tables[table], &digest, 0);
}

/* Unless somebody has written it anew in the meantime. */
static int remove_damaged(struct batch *batch, const struct put *put)
{
	struct store *store = batch->store;
	enum table table = put->what.table;
	struct span key = put_tail(put);
	MDB_val k = val(key.ptr, key.len), v;
	if (table == TABLE_CODE || table == TABLE_REPLIES)
		return remove_image(batch, table, key);
	int rc = mdb_get(batch->txn, store->env.tables[table], &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0; /* two readers found it */
	if (rc != 0 ||
	    record_good(table, record_key_hash(store->env.seed, table, key.ptr, key.len),
			val_span(v)))
		return rc;
	batch->id = 0;
	return mdb_del(batch->txn, store->env.tables[table], &k, NULL);
}

static int write_put(struct batch *batch, const struct put *put)
{
	switch (put_kind(put)) {
	case PUT_HEADER:
		return write_header(batch, put);
	case PUT_BINDING:
		return write_binding(batch, put);
	case PUT_FINALIZED:
		return write_finalized(batch, put);
	case PUT_ACCOUNT:
		return write_account(batch, put);
	case PUT_SLOT:
		return write_slot(batch, put);
	case PUT_CODE:
		return write_image(batch, TABLE_CODE, put);
	case PUT_REPLY:
		return write_image(batch, TABLE_REPLIES, put);
	case PUT_REMOVE:
		return remove_damaged(batch, put);
	case PUT_ROOTED_ACCOUNT:
		return write_rooted_account(batch, put);
	case PUT_ROOTED_SLOT:
		return write_rooted_slot(batch, put);
	}
	return 0;
}

/* MDB_NOTFOUND from a put says that its block is not known: that put is dropped. */
static int write_group(struct batch *batch, const struct put *group)
{
	for (const struct put *put = group; put; put = put->next) {
		int rc = write_put(batch, put);
		if (rc == MDB_NOTFOUND)
			batch->headless++;
		else if (rc != 0)
			return rc;
	}
	return 0;
}

static uint64_t pages_needed(const struct store *store, const struct put *group)
{
	uint64_t pages = GROUP_OVERHEAD_PAGES;
	for (const struct put *put = group; put; put = put->next)
		pages += (put_kind(put) == PUT_ACCOUNT ? 2 : 1) +
			 put->bytes / store->env.page_bytes;
	return pages;
}

/* Most readers rest within milliseconds. Those that do not are waited for once a burst. */
static bool wait_for_readers(const struct store *store, int *waits)
{
	if (store->failing || (*waits)++ == READER_WAITS)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = READER_PAUSE_MS * 1000000L}, NULL);
	return true;
}

/* Begins the write transaction once there is room for the group. */
static int begin_group(struct store *store, const struct put *group, MDB_txn **txn)
{
	uint64_t need = pages_needed(store, group);
	int waits = 0;
	for (int i = 0; i < EVICT_TRIES; i++) {
		int rc = mdb_txn_begin(store->env.mdb, NULL, 0, txn);
		if (rc != 0)
			return rc;
		enum admission admission = evict_admit(store, *txn, need);
		if (admission == ADMITTED)
			return 0;
		mdb_txn_abort(*txn);
		if (admission == FILE_STUCK && !wait_for_readers(store, &waits))
			return EBUSY;
		if (admission == FILE_STUCK)
			continue;
		evict_begin(store);
		if (!evict_step(store))
			return MDB_MAP_FULL;
	}
	return MDB_MAP_FULL;
}

static int try_group(struct store *store, const struct put *group)
{
	struct batch batch = {.store = store};
	if (atomic_load(&store->dead))
		return EIO;
	int rc = begin_group(store, group, &batch.txn);
	if (rc != 0)
		return rc;
	rc = write_group(&batch, group);
	if (rc != 0) {
		mdb_txn_abort(batch.txn);
		return rc;
	}
	rc = mdb_txn_commit(batch.txn);
	if (rc == 0) {
		use_advance(&store->use, batch.written);
		count(&store->dropped, batch.headless);
	}
	return rc;
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool store_may_warn(struct store *store)
{
	int64_t now = now_ms();
	if (store->warned_ms != 0 && now < store->warned_ms + WARN_EVERY_MS)
		return false;
	store->warned_ms = now;
	return true;
}

static void group_failed(struct store *store, const struct put *group, int rc)
{
	struct err_detail detail;
	for (const struct put *put = group; put; put = put->next)
		count(&store->dropped, put_kind(put) == PUT_REMOVE ? 0 : 1);
	count(&store->failures, 1);
	store->failing = true;
	if (!store_may_warn(store))
		return;
	err_from_lmdb(rc, "writing to", &store->env, &detail);
	log_warn("the cache cannot be written: fetched again when needed",
		 LOG_S("reason", detail.text));
}

/* LMDB reports a write that was cut short as EIO. */
static bool disk_full(int rc)
{
	return rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == EIO || rc == MDB_MAP_FULL;
}

/* A full disk or map: pages that eviction frees inside the file can still be written. */
static void commit_group(struct store *store, struct put *group)
{
	int rc = try_group(store, group);
	if (rc == MDB_MAP_RESIZED) {
		store_resize(store);
		rc = try_group(store, group);
	} else if (disk_full(rc)) {
		evict_force(store);
		/* freed pages can be written two transactions later */
		if (evict_step(store) && evict_step(store))
			rc = try_group(store, group);
	}
	if (rc != 0) {
		group_failed(store, group, rc);
	} else {
		count(&store->commits, 1);
		store->failing = false;
	}
	pending_retire(&store->pending, group);
	evict_check(store);
}

static void housekeeping(struct store *store)
{
	int dead;
	int64_t now = now_ms();
	if (atomic_load(&store->resize_wanted))
		store_resize(store);
	if (now < store->checked_ms + CHECK_EVERY_MS || atomic_load(&store->dead))
		return;
	store->checked_ms = now;
	if (mdb_reader_check(store->env.mdb, &dead) == 0 && dead > 0)
		log_info("cleared readers of dead processes", LOG_I("readers", dead));
	evict_check(store);
}

/* Next look at the clock: at once while evicting, soon while readers hold up a new map. */
static int wait_ms(struct store *store)
{
	if (store->evict.active)
		return 0;
	return atomic_load(&store->resize_wanted) ? 100 : CHECK_EVERY_MS;
}

static void *run(void *cookie)
{
	struct store *store = cookie;
	for (;;) {
		housekeeping(store);
		if (store->evict.active && !evict_step(store))
			store->evict.active = false;
		struct put *group = pending_take(&store->pending, wait_ms(store));
		if (group)
			commit_group(store, group);
		else if (pending_stopping(&store->pending))
			return NULL;
	}
}

enum err store_writer_start(struct store *store)
{
	store->checked_ms = now_ms();
	const enum err err = thread_start(&store->thread, run, store);
	store->thread_runs = err == OK;
	return err;
}

void store_writer_stop(struct store *store)
{
	if (!store->thread_runs)
		return;
	pending_stop(&store->pending);
	pthread_join(store->thread, NULL);
	store->thread_runs = false;
}
