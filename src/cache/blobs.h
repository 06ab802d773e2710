/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The other half of the memory cache: immutable blobs under keys of any length.
 *
 * A fixed array of buckets with chains that readers follow without locks. An entry (a copy
 * of the key and one reference to the blob) never changes but for its used bit and its link;
 * replacing or evicting unlinks it and retires it (reclaim.h), and it is freed when no
 * reader can still be on it. Writers share one mutex: a blob arrives with an answer that
 * cost a read of the disk or a round trip, so they are few, and the bound stays exact.
 *
 * Bytes. Every entry is charged what the allocator takes for it and its blob, also while it
 * waits for readers. Live entries are kept to seven eighths, so that within one loop turn an
 * eighth may be put while what it pushed out still waits. A reader that stays away longer
 * costs puts, not memory: no more than an eighth is evicted for it, then puts are refused.
 *
 * Eviction is CLOCK over a ring of entries. A new one comes behind the hand, without its
 * used bit.
 */
#include "cache/memcache.h"
#include "cache/reclaim.h"

struct blobs;

/* share_bytes bounds all that is ever held. ERR_NOMEM. Free with blobs_free, when no reader
 * is left. */
enum err blobs_new(size_t share_bytes, struct blobs **out) WARN_UNUSED;
void blobs_free(struct blobs **blobs);

/* The reader must have left before its memory goes. */
void blobs_join(struct blobs *blobs, struct reclaim_reader *reader);
void blobs_leave(struct blobs *blobs, struct reclaim_reader *reader);
/* The promise of memcache_park; frees what waited, if the mutex is to be had at once. */
void blobs_park(struct blobs *blobs, struct reclaim_reader *reader);

/* NULL for a miss. Borrowed until the reader parks or leaves. */
struct blob *blobs_get(struct blobs *blobs, struct reclaim_reader *reader, struct span key,
		       uint64_t hash);
/* Any thread: whether there is an entry with its used bit set; takes the mutex. */
bool blobs_peek(struct blobs *blobs, struct span key, uint64_t hash);
/* Any thread; takes its own reference. When the blob cannot be kept, an older one of the same
 * key is removed all the same. */
void blobs_put(struct blobs *blobs, struct span key, uint64_t hash, struct blob *blob);

/* Any thread; takes the mutex. What readers borrow stays with them. */
void blobs_clear(struct blobs *blobs);

/* Fills the blobs' part except hits and misses; takes the mutex. */
void blobs_stats(struct blobs *blobs, struct memcache_stats *out);
