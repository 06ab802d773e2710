/* SPDX-License-Identifier: MIT */
#include "cache/memcache.h"
#include "cache/blobs.h"
#include "cache/cells.h"
#include "cache/keyhash.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define CAPACITY_MIN_BYTES ((size_t)1 << 20)
/* An index slot numbers the cells of a shard by 32 bits. */
#define CAPACITY_MAX_BYTES ((size_t)8 << 40)
/* Two lines: neighbouring lines are fetched in pairs. */
#define READER_ALIGN 128

struct counters {
	_Atomic uint64_t cell_hits, cell_misses, blob_hits, blob_misses;
};

struct memcache_reader {
	_Alignas(READER_ALIGN) struct memcache *cache;
	struct reclaim_reader turn;
	struct counters counters; /* stored by this reader only */
	struct memcache_reader *next;
};

struct memcache {
	struct cells *cells;
	struct blobs *blobs;
	uint64_t seed;
	pthread_mutex_t mutex; /* for the two below */
	struct memcache_reader *readers;
	struct counters gone; /* what readers that are no more had counted */
};

/* One writer: a plain load and store, without the locked read-modify-write. */
static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t sum = atomic_load_explicit(counter, memory_order_relaxed) + n;
	atomic_store_explicit(counter, sum, memory_order_relaxed);
}

static inline uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- life --- */

static enum err tables_new(struct memcache *cache, size_t capacity_bytes)
{
	if (getrandom(&cache->seed, sizeof(cache->seed), 0) != sizeof(cache->seed))
		return ERR_IO;
	size_t half = (capacity_bytes - sizeof(*cache)) / 2;
	enum err err = cells_new(half, cache->seed, &cache->cells);
	return err ? err : blobs_new(half, &cache->blobs);
}

enum err memcache_new(size_t capacity_bytes, struct memcache **out)
{
	*out = NULL;
	if (capacity_bytes < CAPACITY_MIN_BYTES || capacity_bytes > CAPACITY_MAX_BYTES)
		return ERR_INVALID;
	struct memcache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return ERR_NOMEM;
	enum err err = tables_new(cache, capacity_bytes);
	if (err) {
		cells_free(&cache->cells);
		blobs_free(&cache->blobs);
		free(cache);
		return err;
	}
	pthread_mutex_init(&cache->mutex, NULL);
	*out = cache;
	return OK;
}

void memcache_free(struct memcache **cache)
{
	struct memcache *c = *cache;
	if (!c)
		return;
	REQUIRE(!c->readers);
	cells_free(&c->cells);
	blobs_free(&c->blobs);
	pthread_mutex_destroy(&c->mutex);
	free(c);
	*cache = NULL;
}

static void counters_add(struct memcache_stats *out, const struct counters *counters)
{
	out->cell_hits += counted(&counters->cell_hits);
	out->cell_misses += counted(&counters->cell_misses);
	out->blob_hits += counted(&counters->blob_hits);
	out->blob_misses += counted(&counters->blob_misses);
}

void memcache_stats(struct memcache *cache, struct memcache_stats *out)
{
	*out = (struct memcache_stats){0};
	cells_stats(cache->cells, out);
	blobs_stats(cache->blobs, out);
	pthread_mutex_lock(&cache->mutex);
	counters_add(out, &cache->gone);
	for (struct memcache_reader *r = cache->readers; r; r = r->next)
		counters_add(out, &r->counters);
	pthread_mutex_unlock(&cache->mutex);
}

/* --- readers --- */

enum err memcache_reader_new(struct memcache *cache, struct memcache_reader **out)
{
	*out = NULL;
	struct memcache_reader *reader = aligned_alloc(READER_ALIGN, sizeof(*reader));
	if (!reader)
		return ERR_NOMEM;
	memset(reader, 0, sizeof(*reader));
	reader->cache = cache;
	blobs_join(cache->blobs, &reader->turn);
	pthread_mutex_lock(&cache->mutex);
	reader->next = cache->readers;
	cache->readers = reader;
	pthread_mutex_unlock(&cache->mutex);
	*out = reader;
	return OK;
}

void memcache_reader_free(struct memcache_reader **reader)
{
	struct memcache_reader *r = *reader;
	if (!r)
		return;
	struct memcache *cache = r->cache;
	blobs_leave(cache->blobs, &r->turn);
	pthread_mutex_lock(&cache->mutex);
	struct memcache_reader **link = &cache->readers;
	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	count(&cache->gone.cell_hits, counted(&r->counters.cell_hits));
	count(&cache->gone.cell_misses, counted(&r->counters.cell_misses));
	count(&cache->gone.blob_hits, counted(&r->counters.blob_hits));
	count(&cache->gone.blob_misses, counted(&r->counters.blob_misses));
	pthread_mutex_unlock(&cache->mutex);
	free(r);
	*reader = NULL;
}

void memcache_park(struct memcache_reader *reader)
{
	blobs_park(reader->cache->blobs, &reader->turn);
}

void memcache_clear(struct memcache *cache)
{
	cells_clear(cache->cells);
	blobs_clear(cache->blobs);
}

/* --- cells --- */

uint64_t memcache_cell_hash(const struct memcache *cache, const struct cell_key *key)
{
	return keyhash_cell(key, cache->seed);
}

void memcache_cell_prefetch(const struct memcache *cache, uint64_t hash)
{
	cells_prefetch_index(cache->cells, hash);
}

void memcache_cell_prefetch_entry(const struct memcache *cache, uint64_t hash)
{
	cells_prefetch_entry(cache->cells, hash);
}

enum lookup memcache_cell_get(struct memcache_reader *reader, const struct cell_key *key,
			      uint64_t hash, struct eth_bytes32 *value)
{
	struct counters *counters = &reader->counters;
	bool hit = cells_get(reader->cache->cells, key, hash, value);
	count(hit ? &counters->cell_hits : &counters->cell_misses, 1);
	return hit ? HIT : MISS;
}

bool memcache_cell_peek(const struct memcache *cache, const struct cell_key *key)
{
	return cells_peek(cache->cells, key, memcache_cell_hash(cache, key));
}

void memcache_cell_put(struct memcache *cache, const struct cell_key *key,
		       const struct eth_bytes32 *value)
{
	cells_put(cache->cells, key, value);
}

/* --- blobs --- */

enum lookup memcache_blob_get(struct memcache_reader *reader, struct span key,
			      struct blob **blob)
{
	struct memcache *cache = reader->cache;
	struct counters *counters = &reader->counters;
	uint64_t hash = keyhash_bytes(key, cache->seed);
	*blob = blobs_get(cache->blobs, &reader->turn, key, hash);
	count(*blob ? &counters->blob_hits : &counters->blob_misses, 1);
	return *blob ? HIT : MISS;
}

bool memcache_blob_peek(struct memcache *cache, struct span key)
{
	return blobs_peek(cache->blobs, key, keyhash_bytes(key, cache->seed));
}

void memcache_blob_put(struct memcache *cache, struct span key, struct blob *blob)
{
	blobs_put(cache->blobs, key, keyhash_bytes(key, cache->seed), blob);
}
