/* SPDX-License-Identifier: MIT */
#include "cache/blobs.h"
#include <pthread.h>
#include <stdlib.h>

/* One bucket for so many bytes of the share. The smallest entry takes some 170, so chains are
 * 3 to 6 long at the very worst, and shorter than 1 with code and replies of a few KiB. */
#define BUCKET_SHARE_BYTES 512
#define LIVE_EIGHTHS	   7
#define CACHE_LINE	   64

/* How far the hand goes for one victim: see cells.c. */
#define SWEEP_MAX 256

/* The allocator's: a header of 8, steps of 16; a map of its own and whole pages from 128 KiB
 * (glibc's malloc.c, MMAP_THRESHOLD). */
#define HEAP_MAP_BYTES ((size_t)128 << 10)
#define PAGE_BYTES     ((size_t)4096)

struct entry;
typedef _Atomic(struct entry *) entry_link;

struct entry {
	struct reclaim_item retired; /* first, so that an item is its entry */
	entry_link chain;
	struct entry *newer, *older; /* the ring; writers only */
	struct blob *blob;
	uint64_t hash;
	size_t charge;
	size_t key_len;
	atomic_uint used;
	char key[];
};

struct blobs {
	/* Constant after blobs_new: readers share this line with nobody who writes. */
	_Alignas(CACHE_LINE) entry_link *buckets;
	uint64_t bucket_mask;
	size_t share_bytes, held_max, live_max, largest;

	_Alignas(CACHE_LINE) struct reclaim reclaim; /* its epoch is read by all readers */
	_Atomic size_t waiting; /* bytes retired and not yet freed; stored under the mutex */

	_Alignas(CACHE_LINE)
		pthread_mutex_t mutex; /* for all that follows, the links' stores and reclaim */
	size_t live;		       /* bytes */
	uint64_t count, evictions;
	struct entry *hand; /* the next candidate; NULL when there are none */
};

static size_t heap_bytes(size_t size)
{
	if (size >= HEAP_MAP_BYTES)
		return (size + 16 + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	return (size + 8 + 15) & ~(size_t)15;
}

static entry_link *bucket_of(const struct blobs *blobs, uint64_t hash)
{
	return &blobs->buckets[hash & blobs->bucket_mask];
}

static bool entry_is(const struct entry *entry, struct span key, uint64_t hash)
{
	return entry->hash == hash &&
	       span_equal((struct span){entry->key, entry->key_len}, key);
}

/* --- entries --- */

static struct entry *entry_new(struct span key, uint64_t hash, struct blob *blob, size_t charge)
{
	struct entry *entry = malloc(sizeof(*entry) + key.len);
	if (!entry)
		return NULL;
	atomic_init(&entry->chain, NULL);
	atomic_init(&entry->used, 0);
	entry->blob = blob_get(blob);
	entry->hash = hash;
	entry->charge = charge;
	entry->key_len = key.len;
	if (key.len > 0)
		memcpy(entry->key, key.ptr, key.len);
	return entry;
}

static void entry_free(struct entry *entry)
{
	blob_put(&entry->blob);
	free(entry);
}

/* --- life --- */

enum err blobs_new(size_t share_bytes, struct blobs **out)
{
	*out = NULL;
	uint64_t n_buckets = 1;
	while (2 * n_buckets * BUCKET_SHARE_BYTES <= share_bytes)
		n_buckets *= 2;
	struct blobs *blobs = aligned_alloc(CACHE_LINE, sizeof(*blobs));
	if (!blobs)
		return ERR_NOMEM;
	memset(blobs, 0, sizeof(*blobs));
	blobs->buckets = calloc(n_buckets, sizeof(*blobs->buckets));
	if (!blobs->buckets) {
		free(blobs);
		return ERR_NOMEM;
	}
	blobs->bucket_mask = n_buckets - 1;
	blobs->share_bytes = share_bytes;
	blobs->held_max = share_bytes - heap_bytes(n_buckets * sizeof(*blobs->buckets)) -
			  heap_bytes(sizeof(*blobs));
	blobs->live_max = blobs->held_max / 8 * LIVE_EIGHTHS;
	blobs->largest = share_bytes / 4;
	reclaim_init(&blobs->reclaim);
	atomic_init(&blobs->waiting, 0);
	pthread_mutex_init(&blobs->mutex, NULL);
	*out = blobs;
	return OK;
}

/* Frees what no reader can be on any more; true if that was anything. */
static bool collect(struct blobs *blobs)
{
	size_t waiting = atomic_load_explicit(&blobs->waiting, memory_order_relaxed);
	if (waiting == 0)
		return false;
	uint64_t horizon = reclaim_horizon(&blobs->reclaim);
	struct reclaim_item *item;
	bool any = false;
	for (; (item = reclaim_take(&blobs->reclaim, horizon)); any = true) {
		struct entry *entry = (struct entry *)item;
		waiting -= entry->charge;
		entry_free(entry);
	}
	atomic_store_explicit(&blobs->waiting, waiting, memory_order_relaxed);
	return any;
}

void blobs_free(struct blobs **blobs)
{
	struct blobs *b = *blobs;
	if (!b)
		return;
	REQUIRE(!b->reclaim.readers);
	collect(b);
	for (uint64_t i = 0; i <= b->bucket_mask; i++) {
		struct entry *entry = atomic_load(&b->buckets[i]);
		while (entry) {
			struct entry *next = atomic_load(&entry->chain);
			entry_free(entry);
			entry = next;
		}
	}
	pthread_mutex_destroy(&b->mutex);
	free(b->buckets);
	free(b);
	*blobs = NULL;
}

/* --- readers --- */

void blobs_join(struct blobs *blobs, struct reclaim_reader *reader)
{
	pthread_mutex_lock(&blobs->mutex);
	reclaim_join(&blobs->reclaim, reader);
	pthread_mutex_unlock(&blobs->mutex);
}

void blobs_leave(struct blobs *blobs, struct reclaim_reader *reader)
{
	pthread_mutex_lock(&blobs->mutex);
	reclaim_leave(&blobs->reclaim, reader);
	collect(blobs);
	pthread_mutex_unlock(&blobs->mutex);
}

static void collect_if_idle(struct blobs *blobs)
{
	if (atomic_load_explicit(&blobs->waiting, memory_order_relaxed) == 0 ||
	    pthread_mutex_trylock(&blobs->mutex) != 0)
		return;
	collect(blobs);
	pthread_mutex_unlock(&blobs->mutex);
}

void blobs_park(struct blobs *blobs, struct reclaim_reader *reader)
{
	reclaim_park(reader);
	collect_if_idle(blobs);
}

struct blob *blobs_get(struct blobs *blobs, struct reclaim_reader *reader, struct span key,
		       uint64_t hash)
{
	reclaim_enter(&blobs->reclaim, reader);
	struct entry *entry = atomic_load(bucket_of(blobs, hash));
	while (entry && !entry_is(entry, key, hash))
		entry = atomic_load(&entry->chain);
	if (!entry)
		return NULL;
	if (!atomic_load_explicit(&entry->used, memory_order_relaxed))
		atomic_store_explicit(&entry->used, 1, memory_order_relaxed);
	return entry->blob;
}

/* --- writers: all under the mutex --- */

static void ring_insert(struct blobs *blobs, struct entry *entry)
{
	struct entry *hand = blobs->hand;
	if (!hand) {
		entry->newer = entry->older = entry;
		blobs->hand = entry;
		return;
	}
	entry->newer = hand;
	entry->older = hand->older;
	entry->older->newer = entry;
	hand->older = entry;
}

static void ring_remove(struct blobs *blobs, struct entry *entry)
{
	if (blobs->hand == entry)
		blobs->hand = entry->newer == entry ? NULL : entry->newer;
	entry->older->newer = entry->newer;
	entry->newer->older = entry->older;
}

/* The link that leads to the entry of this key at or after `link`; one to NULL if none. */
static entry_link *link_find(entry_link *link, struct span key, uint64_t hash)
{
	struct entry *entry;
	while ((entry = atomic_load(link)) && !entry_is(entry, key, hash))
		link = &entry->chain;
	return link;
}

/* Unlinks and retires the entry that the link leads to. Its own link stays for readers that
 * are on it. */
static void drop(struct blobs *blobs, entry_link *link)
{
	struct entry *entry = atomic_load(link);
	atomic_store(link, atomic_load(&entry->chain));
	ring_remove(blobs, entry);
	blobs->live -= entry->charge;
	blobs->count--;
	size_t waiting = atomic_load_explicit(&blobs->waiting, memory_order_relaxed);
	atomic_store_explicit(&blobs->waiting, waiting + entry->charge, memory_order_relaxed);
	reclaim_retire(&blobs->reclaim, &entry->retired);
}

static void evict(struct blobs *blobs)
{
	struct entry *victim = blobs->hand;
	for (unsigned steps = 0; steps < SWEEP_MAX; steps++) {
		if (!atomic_load_explicit(&victim->used, memory_order_relaxed))
			break;
		atomic_store_explicit(&victim->used, 0, memory_order_relaxed);
		victim = victim->newer;
	}
	blobs->hand = victim;
	entry_link *link = bucket_of(blobs, victim->hash);
	while (atomic_load(link) != victim)
		link = &atomic_load(link)->chain;
	drop(blobs, link);
	blobs->evictions++;
}

void blobs_clear(struct blobs *blobs)
{
	pthread_mutex_lock(&blobs->mutex);
	while (blobs->hand) {
		entry_link *link = bucket_of(blobs, blobs->hand->hash);
		while (atomic_load(link) != blobs->hand)
			link = &atomic_load(link)->chain;
		drop(blobs, link);
	}
	collect(blobs);
	pthread_mutex_unlock(&blobs->mutex);
}

static bool make_room(struct blobs *blobs, size_t charge)
{
	const size_t slack = blobs->held_max - blobs->live_max;
	collect(blobs);
	while (blobs->live + charge > blobs->live_max) {
		if (atomic_load_explicit(&blobs->waiting, memory_order_relaxed) >= slack &&
		    !collect(blobs))
			break;
		evict(blobs);
	}
	collect(blobs);
	size_t waiting = atomic_load_explicit(&blobs->waiting, memory_order_relaxed);
	return blobs->live + waiting + charge <= blobs->held_max;
}

/* Also makes room; NULL when there is none, or no memory. */
static struct entry *admit(struct blobs *blobs, struct span key, uint64_t hash,
			   struct blob *blob)
{
	size_t key_max = blobs->largest - sizeof(struct entry);
	if (blob->len > blobs->largest || key.len > key_max)
		return NULL;
	size_t charge = heap_bytes(sizeof(struct entry) + key.len) +
			heap_bytes(sizeof(*blob) + blob->len);
	if (charge > blobs->largest || !make_room(blobs, charge))
		return NULL;
	return entry_new(key, hash, blob, charge);
}

static void insert(struct blobs *blobs, struct entry *entry)
{
	entry_link *bucket = bucket_of(blobs, entry->hash);
	atomic_store(&entry->chain, atomic_load(bucket));
	atomic_store(bucket, entry);
	ring_insert(blobs, entry);
	blobs->live += entry->charge;
	blobs->count++;
}

static bool same_bytes(const struct blob *a, const struct blob *b)
{
	return a == b || span_equal(blob_span(a), blob_span(b));
}

void blobs_put(struct blobs *blobs, struct span key, uint64_t hash, struct blob *blob)
{
	pthread_mutex_lock(&blobs->mutex);
	entry_link *bucket = bucket_of(blobs, hash);
	struct entry *old = atomic_load(link_find(bucket, key, hash));
	/* Two threads that met the same miss: nothing to replace. */
	if (old && same_bytes(old->blob, blob)) {
		pthread_mutex_unlock(&blobs->mutex);
		return;
	}
	struct entry *entry = admit(blobs, key, hash, blob);
	/* Making room may have evicted the old one. The new one goes in before the old one
	 * goes out, so that readers find one of them. */
	entry_link *from = bucket;
	if (entry) {
		insert(blobs, entry);
		from = &entry->chain;
	}
	entry_link *stale = link_find(from, key, hash);
	if (atomic_load(stale))
		drop(blobs, stale);
	pthread_mutex_unlock(&blobs->mutex);
}

bool blobs_peek(struct blobs *blobs, struct span key, uint64_t hash)
{
	pthread_mutex_lock(&blobs->mutex);
	const struct entry *entry = atomic_load(link_find(bucket_of(blobs, hash), key, hash));
	bool used = entry && atomic_load_explicit(&entry->used, memory_order_relaxed);
	pthread_mutex_unlock(&blobs->mutex);
	return used;
}

void blobs_stats(struct blobs *blobs, struct memcache_stats *out)
{
	pthread_mutex_lock(&blobs->mutex);
	out->blobs = blobs->count;
	out->blob_bytes =
		blobs->live + atomic_load_explicit(&blobs->waiting, memory_order_relaxed);
	out->blob_capacity_bytes = blobs->share_bytes;
	out->blob_evictions = blobs->evictions;
	pthread_mutex_unlock(&blobs->mutex);
}
