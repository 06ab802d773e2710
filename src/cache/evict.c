/* SPDX-License-Identifier: MIT */
/*
 * The bound of the disk cache: pages in use, and what goes when they are too many.
 *
 * Pages in use are counted in evict_pages.c. A round of
 * eviction begins when they pass a high mark (the bound less the room of one group) and ends
 * at a low mark (nine tenths of the bound, or a little below the high mark when the bound is
 * tiny). Every group of puts asks inside its own write transaction, where no other process
 * can write, so the bound holds however many processes share the folder. LMDB's file never
 * shrinks, and free pages can be used again two transactions later, so the file is larger
 * than the pages in use; a group that would make it pass 1.25 times the bound is dropped
 * when the free pages are those of a snapshot that somebody still reads. That is what a
 * reader that never rests costs.
 *
 * A round sweeps the tables in order, from where the last one stopped, in windows of some
 * hundred neighbouring records and transactions of bounded size. It removes what is older
 * (use.h) than the age that the oldest quarter of all buckets have reached; a sweep that
 * comes round without reaching its mark takes twice that share. So for each record that
 * goes about four are looked at, and what was used lately stays.
 *
 * Removing a quarter of the records of every page frees no page: LMDB joins pages only when
 * they are three quarters empty. A window whose survivors would fit into three quarters of
 * its pages is therefore written anew, side by side: all its records are removed and the
 * survivors inserted in order, which fills pages to the brim.
 *
 * Hits of the memory cache never reach the store, so what is hot there looks cold here. Each
 * record that is about to go is therefore offered to whoever sits above (evict_spare.c).
 *
 * Code whose last account has gone goes at once, other code when it is old; a block's record
 * stays while any fact lies under its id.
 */
#include "cache/store_impl.h"
#include "base/log.h"
#include <stdlib.h>

#define WINDOW_RECORDS 256
#define WINDOW_BYTES   (128u << 10)
/* LMDB keeps larger values on pages of their own: not worth a rewrite. */
#define INLINE_MAX 1024
/* Records looked at in one transaction: others may write after some 10 ms. */
#define WINDOWS_PER_STEP 64
#define FIRST_PERCENT	 25
/* A node's header and its entry in the page's table; a page's header. */
#define NODE_BYTES	10
#define PAGE_HEAD_BYTES 16
/* Code just fetched may be stored before its account is. */
#define CODE_GRACE_TICKS 2
/* Sweeps that removed nothing, before a round gives up. */
#define IDLE_CYCLES_MAX 8

struct node {
	unsigned char key[RECORD_KEY_MAX + 1];
	size_t key_len;
	size_t value_at, value_len; /* in values, unless longer than INLINE_MAX */
	uint64_t hash;
	bool evict, fat;
};

struct sweep {
	struct node nodes[WINDOW_RECORDS];
	unsigned char values[WINDOW_BYTES];
	size_t count, values_len, evicted_bytes;
	size_t evicted, fat, kept_bytes, leaf_pages; /* fat: of those kept */
};

static uint64_t clamp(uint64_t n, uint64_t low, uint64_t high)
{
	return n < low ? low : n > high ? high : n;
}

struct pending_limits evict_limits(uint64_t bound_pages, uint64_t capacity_bytes)
{
	/* one group may change a sixteenth of the pages, and copies what it changes */
	return (struct pending_limits){
		.puts = 65536,
		.bytes = (size_t)clamp(capacity_bytes / 4, 0, 64u << 20),
		.group_puts = (size_t)clamp(bound_pages / 16, 16, 1000),
		.group_bytes = (size_t)clamp(capacity_bytes / 16, 0, 64u << 20),
	};
}

static uint64_t group_pages(const struct store *store)
{
	return clamp(store->bound_pages / 16, 16, 1000) + 64;
}

static uint64_t high_mark(const struct store *store)
{
	return store->bound_pages - group_pages(store);
}

static uint64_t low_mark(const struct store *store)
{
	uint64_t low = high_mark(store) - store->bound_pages / 32;
	uint64_t nine_tenths = store->bound_pages / 10 * 9;
	return low < nine_tenths ? low : nine_tenths;
}

enum err evict_init(struct store *store)
{
	store->evict.sweep = malloc(sizeof *store->evict.sweep);
	if (!store->evict.sweep)
		return ERR_NOMEM;
	evict_check(store);
	return OK;
}

void evict_release(struct store *store)
{
	free(store->evict.sweep);
	spare_release(store);
	if (store->evict.glance)
		mdb_txn_abort(store->evict.glance);
}

enum admission evict_admit(struct store *store, MDB_txn *txn, uint64_t need)
{
	struct pages pages;
	if (!pages_measure(store, txn, &pages))
		return FILE_STUCK;
	if (pages.used + need > store->bound_pages)
		return EVICT_FIRST;
	return pages_stuck(store, txn, &pages, need) ? FILE_STUCK : ADMITTED;
}

static void begin_round(struct store *store, uint64_t target_pages, size_t spares)
{
	struct evict *evict = &store->evict;
	evict->active = true;
	evict->target_pages = target_pages;
	spare_begin(store, spares);
	evict->idle_cycles = 0;
	evict->wrapped = false;
	evict->percent = FIRST_PERCENT;
	evict->threshold = use_threshold(&store->use, FIRST_PERCENT);
}

void evict_check(struct store *store)
{
	struct pages pages;
	if (!store->evict.active && pages_measure(store, NULL, &pages) &&
	    pages.used > high_mark(store))
		begin_round(store, low_mark(store), SPARES_MAX);
}

void evict_begin(struct store *store)
{
	if (!store->evict.active)
		begin_round(store, low_mark(store), SPARES_MAX);
}

void evict_force(struct store *store)
{
	struct pages pages;
	uint64_t target = low_mark(store);
	if (pages_measure(store, NULL, &pages) && pages.used - pages.used / 16 < target)
		target = pages.used - pages.used / 16;
	begin_round(store, target, 0);
}

static bool in_parts(enum table table)
{
	return table == TABLE_CODE || table == TABLE_REPLIES;
}

/* Does the table hold any key that begins so? */
static bool any_key(const struct store *store, MDB_txn *txn, enum table table,
		    const void *prefix, size_t len)
{
	MDB_cursor *cursor;
	MDB_val k = val(prefix, len), v;
	if (mdb_cursor_open(txn, store->env.tables[table], &cursor) != 0)
		return true;
	bool any = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == 0 && k.mv_size >= len &&
		   memcmp(k.mv_data, prefix, len) == 0;
	mdb_cursor_close(cursor);
	return any;
}

static bool block_in_use(const struct store *store, MDB_txn *txn, const struct node *node)
{
	struct block_header header;
	struct record_key facts;
	uint64_t id;
	struct span value = {(const char *)store->evict.sweep->values + node->value_at,
			     node->value_len};
	if (node->fat || !record_block_decode(node->hash, value, &id, &header))
		return false;
	record_key_facts(&facts, id);
	return any_key(store, txn, TABLE_SLOTS, facts.bytes, facts.len) ||
	       any_key(store, txn, TABLE_ACCOUNTS, facts.bytes, facts.len);
}

static bool coderef_in_use(const struct store *store, MDB_txn *txn, const struct node *node)
{
	struct span account;
	if (!record_coderef_account((struct span){(const char *)node->key, node->key_len},
				    &account))
		return false;
	MDB_val k = val(account.ptr, account.len), v;
	return mdb_get(txn, store->env.tables[TABLE_ACCOUNTS], &k, &v) == 0;
}

static bool goes(const struct store *store, MDB_txn *txn, const struct node *node)
{
	unsigned age = use_age(&store->use, node->hash);
	bool old = age >= store->evict.threshold;
	switch (store->evict.table) {
	case TABLE_SLOTS:
	case TABLE_ACCOUNTS:
	case TABLE_REPLIES:
	case TABLE_BINDINGS:
		return old;
	case TABLE_CODE:
		return old || (age >= CODE_GRACE_TICKS &&
			       !any_key(store, txn, TABLE_CODEREF, node->key, 32));
	case TABLE_CODEREF:
		return !coderef_in_use(store, txn, node);
	case TABLE_BLOCKS:
		return old && !block_in_use(store, txn, node);
	case TABLE_META:
	case TABLE_COUNT:
		break;
	}
	return false;
}

/* All parts of an image share the verdict over the first, across windows too. */
static bool verdict(struct store *store, MDB_txn *txn, const struct node *node, MDB_val value,
		    const unsigned char *before, size_t before_len)
{
	struct evict *evict = &store->evict;
	struct span key = {(const char *)node->key, node->key_len};
	if (in_parts(evict->table) && before_len >= 32 && memcmp(before, node->key, 32) == 0)
		return evict->group_evicted;
	evict->group_evicted = goes(store, txn, node) && !spare(store, txn, evict->table, key,
								node->hash, val_span(value));
	return evict->group_evicted;
}

static void copy_node(const struct store *store, struct sweep *sweep, struct node *node,
		      MDB_val k, MDB_val v)
{
	enum table table = store->evict.table;
	*node = (struct node){.key_len = k.mv_size, .value_len = v.mv_size};
	memcpy(node->key, k.mv_data, k.mv_size);
	node->hash = record_key_hash(store->env.seed, table, node->key,
				     in_parts(table) ? 32 : node->key_len);
	node->fat = v.mv_size > INLINE_MAX;
	node->value_at = sweep->values_len;
	if (!node->fat && v.mv_size > 0) {
		memcpy(sweep->values + sweep->values_len, v.mv_data, v.mv_size);
		sweep->values_len += v.mv_size;
	}
}

static void account_for(struct sweep *sweep, const struct node *node)
{
	if (node->evict) {
		sweep->evicted++;
		sweep->evicted_bytes += NODE_BYTES + node->key_len + node->value_len;
		return;
	}
	sweep->kept_bytes +=
		NODE_BYTES + node->key_len + (node->fat ? sizeof(uint64_t) : node->value_len);
	sweep->fat += node->fat;
}

/* Fills the window from where the sweep stands. MDB_NOTFOUND: the table ends in it. */
static int fill_window(struct store *store, MDB_txn *txn)
{
	struct evict *evict = &store->evict;
	struct sweep *sweep = evict->sweep;
	MDB_cursor *cursor;
	uintptr_t page = 0;
	const unsigned char *before = evict->at;
	size_t before_len = evict->at_len;
	MDB_val k = val(evict->at, evict->at_len), v;
	sweep->count = sweep->values_len = sweep->evicted_bytes = 0;
	sweep->evicted = sweep->fat = sweep->kept_bytes = sweep->leaf_pages = 0;
	int rc = mdb_cursor_open(txn, store->env.tables[evict->table], &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &k, &v, evict->at_len ? MDB_SET_RANGE : MDB_FIRST);
	while (rc == 0 && k.mv_size <= RECORD_KEY_MAX) {
		struct node *node = &sweep->nodes[sweep->count++];
		copy_node(store, sweep, node, k, v);
		node->evict = verdict(store, txn, node, v, before, before_len);
		account_for(sweep, node);
		before = node->key;
		before_len = node->key_len;
		/* keys lie in the leaf: another page number is another leaf */
		sweep->leaf_pages += (uintptr_t)k.mv_data / store->env.page_bytes != page;
		page = (uintptr_t)k.mv_data / store->env.page_bytes;
		if (sweep->count == WINDOW_RECORDS ||
		    sweep->values_len + INLINE_MAX > WINDOW_BYTES)
			break;
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	/* no key of ours is that long: a damaged page */
	return rc == 0 && sweep->count == 0 ? MDB_CORRUPTED : rc;
}

static bool worth_rewriting(const struct store *store)
{
	const struct sweep *sweep = store->evict.sweep;
	size_t room = store->env.page_bytes - PAGE_HEAD_BYTES;
	size_t packed = sweep->kept_bytes / room + 1;
	return sweep->fat == 0 && sweep->evicted * 8 >= sweep->count &&
	       packed * 4 <= sweep->leaf_pages * 3;
}

/* The account's reference to its code goes with it. */
static int drop_coderef(struct store *store, MDB_txn *txn, const struct node *node)
{
	struct account_fields fields;
	struct span value = {(const char *)store->evict.sweep->values + node->value_at,
			     node->value_len};
	unsigned char key[32 + RECORD_KEY_MAX];
	if (!record_account_decode(node->hash, value, &fields) ||
	    !(fields.mask & ACCOUNT_CODE_HASH))
		return 0;
	memcpy(key, fields.code_hash.bytes, 32);
	memcpy(key + 32, node->key, node->key_len);
	MDB_val k = val(key, 32 + node->key_len);
	int rc = mdb_del(txn, store->env.tables[TABLE_CODEREF], &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int remove_nodes(struct store *store, MDB_txn *txn, bool all)
{
	struct sweep *sweep = store->evict.sweep;
	MDB_dbi dbi = store->env.tables[store->evict.table];
	for (size_t i = 0; i < sweep->count; i++) {
		const struct node *node = &sweep->nodes[i];
		if (!node->evict && !all)
			continue;
		MDB_val k = val(node->key, node->key_len);
		int rc = mdb_del(txn, dbi, &k, NULL);
		if (rc == 0 && node->evict && store->evict.table == TABLE_ACCOUNTS)
			rc = drop_coderef(store, txn, node);
		if (rc != 0)
			return rc;
		/* references have no record of use of their own */
		if (node->evict && store->evict.table != TABLE_CODEREF)
			use_forget(&store->use, node->hash);
	}
	return 0;
}

static int insert_survivors(struct store *store, MDB_txn *txn)
{
	const struct sweep *sweep = store->evict.sweep;
	for (size_t i = 0; i < sweep->count; i++) {
		const struct node *node = &sweep->nodes[i];
		if (node->evict)
			continue;
		MDB_val k = val(node->key, node->key_len),
			v = val(sweep->values + node->value_at, node->value_len);
		int rc = mdb_put(txn, store->env.tables[store->evict.table], &k, &v, 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Moves on behind the window; at a table's end to the next table. */
static void advance(struct store *store, bool table_ends)
{
	struct evict *evict = &store->evict;
	const struct sweep *sweep = evict->sweep;
	if (!table_ends) {
		/* the next key above the last one is that with a zero byte more */
		const struct node *last = &sweep->nodes[sweep->count - 1];
		memcpy(evict->at, last->key, last->key_len);
		evict->at[last->key_len] = 0;
		evict->at_len = last->key_len + 1;
		return;
	}
	evict->at_len = 0;
	evict->table++;
	if (evict->table != TABLE_META)
		return;
	evict->table = TABLE_SLOTS;
	/* the first end is that of a sweep which began in the middle */
	if (!evict->wrapped) {
		evict->wrapped = true;
		return;
	}
	/* once round, and still too much */
	evict->spares_left = 0;
	evict->idle_cycles++;
	evict->percent = evict->percent >= 50 ? 100 : evict->percent * 2;
	evict->threshold =
		evict->percent == 100 ? 0 : use_threshold(&store->use, evict->percent);
}

/* *dirty: about how many pages it has changed. */
static int sweep_window(struct store *store, MDB_txn *txn, uint64_t *dirty)
{
	struct sweep *sweep = store->evict.sweep;
	int rc = fill_window(store, txn);
	bool table_ends = rc == MDB_NOTFOUND;
	if (rc != 0 && !table_ends)
		return rc;
	rc = 0;
	if (sweep->evicted > 0) {
		bool rewrite = worth_rewriting(store);
		rc = remove_nodes(store, txn, rewrite);
		if (rc == 0 && rewrite)
			rc = insert_survivors(store, txn);
		*dirty += sweep->leaf_pages + 4;
		if (store->evict.table == TABLE_ACCOUNTS)
			*dirty += sweep->evicted;
		store->evict.idle_cycles = 0;
	}
	if (rc == 0)
		advance(store, table_ends);
	return rc;
}

/* Until enough bytes have gone for so many pages, or enough was done for one transaction. */
static int sweep_some(struct store *store, MDB_txn *txn, uint64_t pages, uint64_t *evicted)
{
	const struct sweep *sweep = store->evict.sweep;
	uint64_t dirty = 0, bytes = 0, budget = clamp(store->bound_pages / 16, 32, 2048);
	int rc = 0;
	for (int i = 0; rc == 0 && i < WINDOWS_PER_STEP && dirty < budget; i++) {
		rc = sweep_window(store, txn, &dirty);
		*evicted += sweep->evicted;
		bytes += sweep->evicted_bytes;
		if (bytes > pages * store->env.page_bytes)
			break;
	}
	return rc;
}

static bool step_failed(struct store *store, int rc)
{
	struct err_detail detail;
	if (store_may_warn(store)) {
		err_from_lmdb(rc, "evicting from", &store->env, &detail);
		log_warn("the cache cannot be evicted from", LOG_S("reason", detail.text));
	}
	store->evict.active = false;
	return false;
}

bool evict_step(struct store *store)
{
	MDB_txn *txn;
	uint64_t evicted = 0, need = group_pages(store);
	if (atomic_load(&store->dead))
		return false;
	int rc = mdb_txn_begin(store->env.mdb, NULL, 0, &txn);
	if (rc != 0)
		return step_failed(store, rc);
	struct pages pages;
	if (!pages_measure(store, txn, &pages)) {
		mdb_txn_abort(txn);
		return step_failed(store, MDB_READERS_FULL);
	}
	/* a file of a larger bound has no free pages yet: that one may grow a little */
	bool blocked = pages.free >= need && pages_stuck(store, txn, &pages, need);
	if (pages.used <= store->evict.target_pages || blocked) {
		mdb_txn_abort(txn);
		store->evict.active = false;
		return !blocked;
	}
	rc = sweep_some(store, txn, pages.used - store->evict.target_pages, &evicted);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return step_failed(store, rc);
	}
	rc = mdb_txn_commit(txn);
	if (rc != 0)
		return step_failed(store, rc);
	count(&store->evicted, evicted);
	if (store->evict.idle_cycles > IDLE_CYCLES_MAX)
		store->evict.active = false;
	return store->evict.active;
}
