/* SPDX-License-Identifier: MIT */
/*
 * How many pages of the data file are in use, and how many of the others can be written.
 *
 * Pages in use are the file's pages less those on LMDB's list of free pages. That list can
 * be read in a snapshot only. A process that is refused one (its lock table is full, or two
 * containers have the same process number) adds up the pages of the tables instead, which
 * a write transaction may do: if it took every page of the file for one in use, it would
 * evict until nothing is left, since the file never shrinks.
 */
#include "cache/store_impl.h"
#include <stdio.h>

static uint64_t file_ceiling(const struct store *store)
{
	return store->bound_pages + store->bound_pages / 4;
}

/* LMDB says which snapshots are read only as text: "pid thread txnid" a line. */
struct oldest {
	size_t latest, snapshot;
};

static int note_oldest(const char *line, void *cookie)
{
	struct oldest *oldest = cookie;
	size_t snapshot;
	if (sscanf(line, "%*d %*x %zu", &snapshot) == 1 && snapshot < oldest->latest &&
	    snapshot < oldest->snapshot)
		oldest->snapshot = snapshot;
	return 0;
}

static int glance(struct store *store)
{
	struct evict *evict = &store->evict;
	if (evict->glance)
		return mdb_txn_renew(evict->glance);
	int rc = mdb_txn_begin(store->env.mdb, NULL, MDB_RDONLY, &evict->glance);
	if (rc != 0)
		evict->glance = NULL;
	return rc;
}

/* Table 0 is LMDB's list of free pages: the transaction that freed them -> how many, which.
 * A writer takes them from transactions before every snapshot that is still read. Readers
 * of the latest snapshot count as none: they hold up nothing beyond the next commit. */
static int count_free(struct store *store, MDB_txn *txn, struct pages *pages)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	struct oldest oldest = {.latest = mdb_txn_id(txn), .snapshot = SIZE_MAX};
	size_t freed_in, n;
	mdb_reader_list(store->env.mdb, note_oldest, &oldest);
	int rc = mdb_cursor_open(txn, 0, &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		memcpy(&freed_in, k.mv_data, sizeof freed_in);
		memcpy(&n, v.mv_data, sizeof n);
		pages->free += n;
		if (freed_in < oldest.snapshot)
			pages->reusable += n;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* By the list of free pages, in a snapshot. */
static bool by_free_list(struct store *store, struct pages *pages)
{
	if (glance(store) != 0)
		return false;
	int rc = count_free(store, store->evict.glance, pages);
	mdb_txn_reset(store->evict.glance);
	pages->used = pages->file - pages->free;
	return rc == 0;
}

static int add_table(MDB_txn *txn, MDB_dbi dbi, uint64_t *used)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, dbi, &stat);
	if (rc == 0)
		*used += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	return rc;
}

/* By the pages of all tables, in a write transaction; the list of free pages is table 0, the
 * names of the tables stand in table 1, and two pages are the roots of it all. */
static bool by_tables(struct store *store, MDB_txn *txn, struct pages *pages)
{
	struct oldest oldest = {.latest = mdb_txn_id(txn) - 1, .snapshot = SIZE_MAX};
	uint64_t used = 2;
	int rc = add_table(txn, 0, &used);
	if (rc == 0)
		rc = add_table(txn, 1, &used);
	for (unsigned i = 0; rc == 0 && i < TABLE_COUNT; i++)
		rc = add_table(txn, store->env.tables[i], &used);
	if (rc != 0 || used > pages->file)
		return false;
	pages->used = used;
	pages->free = pages->file - used;
	mdb_reader_list(store->env.mdb, note_oldest, &oldest);
	pages->reusable = oldest.snapshot == SIZE_MAX ? pages->free : 0;
	return true;
}

bool pages_measure(struct store *store, MDB_txn *txn, struct pages *out)
{
	MDB_envinfo info;
	if (atomic_load(&store->dead))
		return false;
	mdb_env_info(store->env.mdb, &info);
	*out = (struct pages){.file = info.me_last_pgno + 1};
	if (!by_free_list(store, out)) {
		*out = (struct pages){.file = info.me_last_pgno + 1};
		if (!txn || !by_tables(store, txn, out))
			return false;
	}
	atomic_store_explicit(&store->used_bytes, out->used * store->env.page_bytes,
			      memory_order_relaxed);
	atomic_store_explicit(&store->file_bytes, out->file * store->env.page_bytes,
			      memory_order_relaxed);
	return true;
}

bool pages_stuck(struct store *store, MDB_txn *txn, struct pages *pages, uint64_t need)
{
	int dead;
	if (pages->file + need <= file_ceiling(store) || pages->reusable >= need)
		return false;
	if (mdb_reader_check(store->env.mdb, &dead) == 0 && dead > 0 &&
	    !pages_measure(store, txn, pages))
		return true;
	return pages->reusable < need;
}
