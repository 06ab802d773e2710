/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The memory cache: bounded in bytes, shared by all threads, read without blocking.
 *
 * Two kinds of entries, each with its own table and its own share of the bytes:
 *
 *   cells  fixed-size facts: a key of up to 68 bytes and a value of 32 (a balance, a nonce,
 *          a slot, a code hash, a block binding). 112 bytes a cell plus its index. Read
 *          under a seqlock whose words are atomics; a reader that meets a writer for too
 *          long reports a miss. No lock, no allocation, no system call.
 *   blobs  immutable struct blob by a key of any length (contract code, replies). A hit is
 *          borrowed until the reader's next memcache_park (once a loop turn), by which
 *          the writer knows when a removed blob can be freed.
 *
 * Keys are hashed by XXH3 with a random seed and compared in full on every hit. What has
 * not been used since the hand last passed goes first (CLOCK); a hit sets one bit, and only
 * when it is not set yet. Writers take a mutex (for cells one of 16); readers never wait for
 * one. The tables are reserved once and touched as they fill, in huge pages if the kernel has
 * them: an empty cache is small, and one with little in it, too.
 *
 * It knows no Ethereum: bytes in, bytes out. It is not a place to keep what must not be
 * lost: any entry may be gone at the next call.
 */
#include "base/blob.h"
#include "base/err.h"
#include "base/eth.h"
#include <stdint.h>

struct memcache;
struct memcache_reader;

#define MEMCACHE_KEY_MAX 68

/* A cell's key: nine words. Bytes past len must be zero (initialise with = {0}). */
struct cell_key {
	unsigned char bytes[MEMCACHE_KEY_MAX];
	uint8_t kind; /* caller's; different kinds are different keys */
	uint8_t len;  /* at most MEMCACHE_KEY_MAX */
	uint16_t zero;
};

struct memcache_stats {
	uint64_t cells, cell_capacity, cell_hits, cell_misses, cell_evictions;
	/* blob_bytes: with what waits for readers to be freed */
	uint64_t blobs, blob_bytes, blob_capacity_bytes, blob_hits, blob_misses, blob_evictions;
};

/* capacity_bytes bounds everything that it will ever hold: index, cells, blobs with their
 * keys, and removed blobs that wait for readers. Half of it is the cells', half the blobs'.
 * Blobs live on the heap and are charged what malloc takes for them; what malloc itself loses
 * to fragmentation and to an arena for each thread comes on top (mallopt(M_ARENA_MAX)).
 * ERR_INVALID below 1 MiB and above 8 TiB; ERR_NOMEM. Free with memcache_free. */
enum err memcache_new(size_t capacity_bytes, struct memcache **out) WARN_UNUSED;
/* No reader may be left. */
void memcache_free(struct memcache **cache);
/* Sums the readers' counters: any thread, relaxed figures. Takes the writers' mutexes. */
void memcache_stats(struct memcache *cache, struct memcache_stats *out);

/* Any thread: what is in it now is gone, as if evicted, but not counted so. */
void memcache_clear(struct memcache *cache);

/* One reader a thread; it belongs to that thread. */
enum err memcache_reader_new(struct memcache *cache, struct memcache_reader **out) WARN_UNUSED;
void memcache_reader_free(struct memcache_reader **reader);
/* Promises that no blob borrowed before this call is used any more. Cheap (no lock when
 * nothing waits to be freed). A reader must do so before it sleeps; the next get wakes it. */
void memcache_park(struct memcache_reader *reader);

/* For batches, in passes: hash and prefetch all, prefetch the entries of all, then get each
 * with its hash. The first prefetch fetches the line of the index, the second reads it and
 * fetches the cell that it names. */
uint64_t memcache_cell_hash(const struct memcache *cache, const struct cell_key *key);
void memcache_cell_prefetch(const struct memcache *cache, uint64_t hash);
void memcache_cell_prefetch_entry(const struct memcache *cache, uint64_t hash);
/* HIT or MISS; *value is written for a hit only. */
enum lookup memcache_cell_get(struct memcache_reader *reader, const struct cell_key *key,
			      uint64_t hash, struct eth_bytes32 *value);
/* Any thread, without a reader: whether there is an entry that has been hit since the hand
 * last passed. Counts nothing and is no hit. */
bool memcache_cell_peek(const struct memcache *cache, const struct cell_key *key);
/* Any thread; replaces an entry of the same key. */
void memcache_cell_put(struct memcache *cache, const struct cell_key *key,
		       const struct eth_bytes32 *value);

/* HIT or MISS (*blob is NULL then). *blob is borrowed until the reader parks; blob_get keeps
 * it longer. */
enum lookup memcache_blob_get(struct memcache_reader *reader, struct span key,
			      struct blob **blob);
/* As memcache_cell_peek; takes the writers' mutex. */
bool memcache_blob_peek(struct memcache *cache, struct span key);
/* Any thread; takes its own reference. A blob larger than a quarter of the share is not
 * kept, nor one for which there is no room until readers park; what was there under the
 * key is gone all the same. */
void memcache_blob_put(struct memcache *cache, struct span key, struct blob *blob);
