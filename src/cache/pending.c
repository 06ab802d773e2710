/* SPDX-License-Identifier: MIT */
#include "cache/pending.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define BUCKETS	 16384 /* a full queue of 65,536 puts: chains of four */
#define DELAY_US 50000 /* what kill -9 may lose, and what a commit's fsync is shared over */

static struct put_id id_of(enum put_kind kind)
{
	struct put_id id = {.len = 1};
	id.bytes[0] = (unsigned char)kind;
	return id;
}

static void id_add(struct put_id *id, const void *bytes, size_t n)
{
	memcpy(id->bytes + id->len, bytes, n);
	id->len = (unsigned char)(id->len + n);
}

struct put_id put_id_number(enum put_kind kind, uint64_t number)
{
	struct put_id id = id_of(kind);
	unsigned char be[8];
	be64_put(be, number);
	id_add(&id, be, 8);
	return id;
}

struct put_id put_id_digest(enum put_kind kind, const struct eth_bytes32 *digest)
{
	struct put_id id = id_of(kind);
	id_add(&id, digest->bytes, 32);
	return id;
}

struct put_id put_id_account(const struct eth_bytes32 *block, const struct eth_address *address)
{
	struct put_id id = put_id_digest(PUT_ACCOUNT, block);
	id_add(&id, address->bytes, 20);
	return id;
}

struct put_id put_id_slot(const struct eth_bytes32 *block, const struct eth_address *address,
			  const struct eth_bytes32 *slot)
{
	struct put_id id = put_id_digest(PUT_SLOT, block);
	id_add(&id, address->bytes, 20);
	id_add(&id, slot->bytes, 32);
	return id;
}

struct put_id put_id_rooted_account(const struct eth_bytes32 *state_root,
				    const struct eth_address *address)
{
	struct put_id id = put_id_digest(PUT_ROOTED_ACCOUNT, state_root);
	id_add(&id, address->bytes, 20);
	return id;
}

struct put_id put_id_rooted_slot(const struct eth_bytes32 *storage_root,
				 const struct eth_bytes32 *slot)
{
	static const struct eth_address none;
	struct put_id id = put_id_digest(PUT_ROOTED_SLOT, storage_root);
	id_add(&id, none.bytes, 20);
	id_add(&id, slot->bytes, 32);
	return id;
}

struct put *put_new(const struct put_id *id, struct span tail)
{
	struct put *put = calloc(1, sizeof *put + tail.len);
	if (!put)
		return NULL;
	put->id = *id;
	put->bytes = sizeof *put + tail.len;
	put->tail_len = tail.len;
	if (tail.len)
		memcpy(put->tail, tail.ptr, tail.len);
	return put;
}

void put_free(struct put **put)
{
	if (*put && (put_kind(*put) == PUT_CODE || put_kind(*put) == PUT_REPLY))
		blob_put(&(*put)->what.blob);
	free(*put);
	*put = NULL;
}

static int64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

enum err pending_init(struct pending *pending, uint64_t seed,
		      const struct pending_limits *limits)
{
	pthread_condattr_t attr;
	*pending = (struct pending){.limits = *limits, .seed = seed};
	pending->last = &pending->first;
	pending->buckets = calloc(BUCKETS, sizeof(struct put *));
	if (!pending->buckets)
		return ERR_NOMEM;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&pending->lock, NULL);
	pthread_cond_init(&pending->work, &attr);
	pthread_cond_init(&pending->done, &attr);
	pthread_condattr_destroy(&attr);
	return OK;
}

void pending_release(struct pending *pending)
{
	if (!pending->buckets)
		return;
	for (struct put *put = pending->first; put;) {
		struct put *next = put->next;
		put_free(&put);
		put = next;
	}
	pthread_mutex_destroy(&pending->lock);
	pthread_cond_destroy(&pending->work);
	pthread_cond_destroy(&pending->done);
	free(pending->buckets);
	pending->buckets = NULL;
}

static struct put **bucket(struct pending *pending, uint64_t hash)
{
	return &pending->buckets[hash % BUCKETS];
}

static uint64_t hash_of(const struct pending *pending, const struct put_id *id)
{
	return record_key_hash(pending->seed, TABLE_META, id->bytes, id->len);
}

static bool full(const struct pending *pending, const struct put *put)
{
	return atomic_load_explicit(&pending->live, memory_order_relaxed) >=
		       pending->limits.puts ||
	       pending->bytes + put->bytes > pending->limits.bytes;
}

static bool group_waits(const struct pending *pending)
{
	return pending->waiting >= pending->limits.group_puts ||
	       pending->waiting_bytes >= pending->limits.group_bytes;
}

bool pending_add(struct pending *pending, struct put *put)
{
	put->hash = hash_of(pending, &put->id);
	pthread_mutex_lock(&pending->lock);
	bool dropped = full(pending, put);
	if (!dropped) {
		struct put **head = bucket(pending, put->hash);
		put->chained = *head;
		*head = put;
		*pending->last = put;
		pending->last = &put->next;
		pending->bytes += put->bytes;
		pending->waiting_bytes += put->bytes;
		if (pending->waiting++ == 0)
			pending->first_us = now_us();
		pending->added++;
		atomic_fetch_add_explicit(&pending->live, 1, memory_order_release);
		/* the first starts the 50 ms, a full group ends them */
		if (pending->waiting == 1 || group_waits(pending))
			pthread_cond_signal(&pending->work);
	}
	pthread_mutex_unlock(&pending->lock);
	if (dropped)
		put_free(&put);
	return !dropped;
}

bool pending_find(struct pending *pending, const struct put_id *id, pending_fn *found,
		  void *cookie)
{
	bool any = false;
	if (atomic_load_explicit(&pending->live, memory_order_acquire) == 0)
		return false;
	uint64_t hash = hash_of(pending, id);
	pthread_mutex_lock(&pending->lock);
	for (const struct put *put = *bucket(pending, hash); put; put = put->chained) {
		if (put->hash != hash || put->id.len != id->len ||
		    memcmp(put->id.bytes, id->bytes, id->len) != 0)
			continue;
		found(put, cookie);
		any = true;
	}
	pthread_mutex_unlock(&pending->lock);
	return any;
}

uint64_t pending_retired(const struct pending *pending)
{
	return atomic_load_explicit(&pending->retired, memory_order_acquire);
}

void pending_flush(struct pending *pending)
{
	pthread_mutex_lock(&pending->lock);
	uint64_t target = pending->added;
	if (pending->flush_to < target)
		pending->flush_to = target;
	pthread_cond_signal(&pending->work);
	while (pending->finished < target)
		pthread_cond_wait(&pending->done, &pending->lock);
	pthread_mutex_unlock(&pending->lock);
}

static bool due(const struct pending *pending, int64_t now)
{
	return pending->waiting > 0 &&
	       (group_waits(pending) || pending->stopping ||
		pending->flush_to > pending->finished || now >= pending->first_us + DELAY_US);
}

static void wait_until(struct pending *pending, int64_t deadline_us)
{
	if (pending->waiting > 0 && pending->first_us + DELAY_US < deadline_us)
		deadline_us = pending->first_us + DELAY_US;
	struct timespec until = {.tv_sec = deadline_us / 1000000,
				 .tv_nsec = deadline_us % 1000000 * 1000};
	pthread_cond_timedwait(&pending->work, &pending->lock, &until);
}

/* Cuts the first group off the queue. */
static struct put *cut_group(struct pending *pending)
{
	struct put *group = pending->first, **end = &pending->first;
	size_t puts = 0, bytes = 0;
	do {
		bytes += (*end)->bytes;
		end = &(*end)->next;
	} while (++puts < pending->limits.group_puts && *end &&
		 bytes + (*end)->bytes <= pending->limits.group_bytes);
	pending->first = *end;
	*end = NULL;
	if (!pending->first)
		pending->last = &pending->first;
	pending->waiting -= puts;
	pending->waiting_bytes -= bytes;
	return group;
}

struct put *pending_take(struct pending *pending, int wait_ms)
{
	struct put *group = NULL;
	int64_t now = now_us(), deadline = now + (int64_t)wait_ms * 1000;
	pthread_mutex_lock(&pending->lock);
	while (!due(pending, now) && now < deadline && !pending->urgent && !pending->stopping) {
		wait_until(pending, deadline);
		now = now_us();
	}
	pending->urgent = false;
	if (due(pending, now))
		group = cut_group(pending);
	pthread_mutex_unlock(&pending->lock);
	return group;
}

static void unchain(struct pending *pending, const struct put *put)
{
	struct put **at = bucket(pending, put->hash);
	while (*at != put)
		at = &(*at)->chained;
	*at = put->chained;
}

void pending_retire(struct pending *pending, struct put *group)
{
	atomic_fetch_add_explicit(&pending->retired, 1, memory_order_release);
	pthread_mutex_lock(&pending->lock);
	for (const struct put *put = group; put; put = put->next) {
		unchain(pending, put);
		pending->bytes -= put->bytes;
		pending->finished++;
		atomic_fetch_sub_explicit(&pending->live, 1, memory_order_release);
	}
	pthread_cond_broadcast(&pending->done);
	pthread_mutex_unlock(&pending->lock);
	while (group) {
		struct put *next = group->next;
		put_free(&group);
		group = next;
	}
}

void pending_kick(struct pending *pending)
{
	pthread_mutex_lock(&pending->lock);
	pending->urgent = true;
	pthread_cond_signal(&pending->work);
	pthread_mutex_unlock(&pending->lock);
}

void pending_stop(struct pending *pending)
{
	pthread_mutex_lock(&pending->lock);
	pending->stopping = true;
	pthread_cond_signal(&pending->work);
	pthread_mutex_unlock(&pending->lock);
}

bool pending_stopping(struct pending *pending)
{
	pthread_mutex_lock(&pending->lock);
	bool stopping = pending->stopping;
	pthread_mutex_unlock(&pending->lock);
	return stopping;
}
