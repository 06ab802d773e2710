/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The fixed-size half of the memory cache: 16 shards by hash, each with its own mutex for
 * writers, index, cells and clock hand. Readers take no lock.
 *
 * The index is open addressing with linear probing at a load of at most 4/7: 8-byte slots,
 * 14 bytes a cell. A slot is 0 or
 *
 *      63            32 31             0
 *     +----------------+----------------+
 *     |      tag       | cell index + 1 |
 *     +----------------+----------------+
 *
 * and its home follows from the tag alone, so that removal by backward shift needs no look
 * at the cells. A reader that probes while entries are shifted may pass the one it wants:
 * that is a miss, which the header of the cache allows. It cannot be a wrong value, since
 * a cell's whole key is compared inside the copy that the cell's sequence number vouches for.
 *
 * An index begins small and doubles, so that the processor's caches hold that of a cache with
 * little in it. Address space for all sizes is reserved; a shard's new slots are filled
 * elsewhere, then named to readers by one store, while the old ones stay as they are until the
 * last shard has left that size.
 *
 * A cell is 112 bytes:
 *
 *     seq 4 | used 4 | key 9 x 8 | value 4 x 8
 *
 * seq is odd while a writer is inside. No fences: the words are stored with release and
 * loaded with acquire, so that a reader that saw any new word also sees the odd (or later)
 * sequence number when it looks again (H. Boehm, "Can seqlocks get along with programming
 * language memory models?", 2012). That is plain moves on x86, and TSan understands it.
 *
 * Cells are filled in order, 32 of one shard beside 32 of the next, then reused where the hand
 * finds one without its used bit; new entries start without it, so that a scan does not push
 * out what is used.
 */
#include "cache/memcache.h"

struct cells;

#define CELL_BYTES	112
#define CELL_COST_BYTES 126 /* with its part of the index */

/* share_bytes, half a MiB to 4 TiB, bounds cells and index together. Free with cells_free. */
enum err cells_new(size_t share_bytes, uint64_t seed, struct cells **out) WARN_UNUSED;
void cells_free(struct cells **cells);

/* What memcache_cell_prefetch and memcache_cell_prefetch_entry say. */
void cells_prefetch_index(const struct cells *cells, uint64_t hash);
void cells_prefetch_entry(const struct cells *cells, uint64_t hash);

/* Any thread, without locks. True for a hit; *value is written for nothing else. */
bool cells_get(const struct cells *cells, const struct cell_key *key, uint64_t hash,
	       struct eth_bytes32 *value);
/* Any thread, without locks: whether there is an entry with its used bit set. */
bool cells_peek(const struct cells *cells, const struct cell_key *key, uint64_t hash);
/* Any thread; takes the shard's mutex. */
void cells_put(struct cells *cells, const struct cell_key *key,
	       const struct eth_bytes32 *value);

/* Any thread; takes each shard's mutex in turn. */
void cells_clear(struct cells *cells);

/* Fills the cells' part except hits and misses; takes each shard's mutex in turn. */
void cells_stats(struct cells *cells, struct memcache_stats *out);
