/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the disk cache share: store.c (opening), store_read.c (readers),
 * store_list.c (all of a block), store_put.c (puts), store_write.c (the store's thread),
 * store_parts.c (long values), evict.c (the bound), evict_pages.c (pages in use), evict_spare.c
 * (what is used in memory).
 *
 * Threads. The store's thread is the only one of this process that writes to LMDB, and owns
 * struct evict and the codec of struct store. A reader belongs to its thread. What both
 * touch is atomic, or under the lock that stands above it.
 */
#include "cache/env.h"
#include "cache/pending.h"
#include "cache/use.h"

#define STORE_FORMAT 1

/* Where the sweep stands, and what it thinks is cold. See evict.c. */
struct evict {
	bool active, wrapped;
	unsigned percent, threshold, idle_cycles;
	uint64_t target_pages;
	enum table table;
	size_t at_len; /* 0: the table's beginning */
	unsigned char at[RECORD_KEY_MAX + 1];
	bool group_evicted; /* the verdict over the digest that at begins with */
	struct sweep *sweep;
	MDB_txn *glance; /* reads LMDB's list of free pages; reset between uses */
	struct block_name *names;
	bool names_read;    /* in this round */
	size_t spares_left; /* of this round */
};

struct store {
	struct env env;
	uint64_t capacity_bytes, bound_pages;
	size_t image_max;
	atomic_uint_fast64_t chain;
	struct use use;
	struct pending pending;

	pthread_t thread;
	bool thread_runs;
	struct record_codec *codec;
	struct evict evict;
	pthread_mutex_t in_use_lock;
	store_in_use_fn *in_use;
	void *in_use_cookie;
	int64_t checked_ms; /* when stale readers were last looked for */
	bool failing;	    /* the last group was dropped */
	int64_t warned_ms;

	/* Readers, and the gate that keeps them at rest while the map is replaced. */
	pthread_mutex_t readers_lock;
	pthread_cond_t rested;
	struct store_reader *readers;
	uint64_t gone_hits, gone_misses; /* of freed readers */
	atomic_bool gate, resize_wanted, dead, read_failing;

	atomic_uint_fast64_t corrupt, puts, dropped, commits, failures, evicted, used_bytes,
		file_bytes;
};

#define STORE_BLOCK_CACHE 4

struct store_reader {
	struct store *store;
	struct store_reader *next;
	MDB_txn *txn;
	atomic_bool active; /* a snapshot is open; the gate waits for its end */
	bool live, refused; /* refused: not tried again before the next rest */
	uint64_t retired;   /* pending_retired before the snapshot */
	size_t snapshot;
	struct {
		struct eth_bytes32 hash;
		uint64_t chain, id;
		size_t snapshot; /* the id was looked up in it; 0: none */
	} blocks[STORE_BLOCK_CACHE];
	unsigned next_block;
	struct record_codec *codec;
	atomic_uint_fast64_t hits, misses; /* written by the owner only */
};

/* Adopts the map that another process has made larger. The store's thread, without a
 * transaction. Readers that do not rest soon are left alone, and it is tried again later. */
void store_resize(struct store *store);

static inline void count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Fields of from that into lacks; false when there were none. */
bool account_merge(struct account_fields *into, const struct account_fields *from);

/* store_parts.c: images in parts. All return LMDB's codes. */
struct parts {
	struct span image; /* borrowed from the snapshot, or owned */
	char *owned;	   /* free() */
};
/* MDB_NOTFOUND; EBADMSG when parts are missing; ENOMEM. */
int parts_get(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, struct parts *out);
int parts_put(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest,
	      const unsigned char *image, size_t len);
int parts_remove(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, unsigned from);

/* store_read.c: for store_list.c. False: nothing committed can be read now, or not of it. */
bool reader_begin(struct store_reader *reader);
bool reader_block_id(struct store_reader *reader, const struct eth_bytes32 *hash, uint64_t *id);

/* store_put.c */
/* Queues the removal of a record that failed its checksum. */
void store_put_remove(struct store *store, enum table table, struct span key);

/* store_write.c */
enum err store_writer_start(struct store *store) WARN_UNUSED;
void store_writer_stop(struct store *store);
/* The store's thread warns of failing writes once a minute. */
bool store_may_warn(struct store *store);

/* evict_pages.c; the store's thread only. */
struct pages {
	uint64_t file, used, free;
	uint64_t reusable; /* free, and in no snapshot that is still read */
};
/* Exact while the caller holds a write transaction (else txn is NULL). False: not known. */
bool pages_measure(struct store *store, MDB_txn *txn, struct pages *out);
/* The file would grow past its ceiling although pages are free: somebody reads old ones. */
bool pages_stuck(struct store *store, MDB_txn *txn, struct pages *pages, uint64_t need);

/* evict_spare.c; the store's thread only. */
/* A round begins: so many records may be spared in it. */
#define SPARES_MAX ((size_t)1 << 19)
void spare_begin(struct store *store, size_t spares);
void spare_release(struct store *store);
/* Whether somebody above uses the record; then it has been touched. key_hash names it in the
 * record of use; value is its value, or its first part. */
bool spare(struct store *store, MDB_txn *txn, enum table table, struct span key,
	   uint64_t key_hash, struct span value);

/* evict.c; the store's thread only. */
enum err evict_init(struct store *store) WARN_UNUSED;
void evict_release(struct store *store);
struct pending_limits evict_limits(uint64_t bound_pages, uint64_t capacity_bytes);
enum admission { ADMITTED, EVICT_FIRST, FILE_STUCK };
/* May need pages be written in the write transaction that the caller holds? */
enum admission evict_admit(struct store *store, MDB_txn *txn, uint64_t need);
/* Looks at the pages in use, and begins a round of eviction when they are too many. */
void evict_check(struct store *store);
/* One transaction of a round; false when nothing could be done. */
bool evict_step(struct store *store);
/* Begins a round, unless one goes on. */
void evict_begin(struct store *store);
/* Begins a round even if the bound is kept, to free a sixteenth: the disk is full. */
void evict_force(struct store *store);
