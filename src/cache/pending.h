/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The queue of puts in front of the store's thread, and the lookup of what is in it.
 *
 * A put is in the queue, and found by pending_find, from pending_add until pending_retire,
 * which runs after its commit. Puts are committed in order, in groups: when group_puts or
 * group_bytes are waiting, 50 ms after the first of them, or when somebody flushes. The
 * queue is bounded in puts and bytes; past the bound a put is dropped.
 *
 * A reader looks in its LMDB snapshot first and here second, so an entry could be committed
 * and retired between the two looks. It therefore notes pending_retired before it takes a
 * snapshot; when it then finds an entry in neither place and the number has changed, it
 * takes a new snapshot and looks once more. One more look suffices: what is no longer here
 * was committed before the number changed. Retiring counts first and removes second, so
 * that whoever sees the removal sees the count.
 *
 * Any thread adds, finds and flushes; one thread takes and retires. One mutex.
 */
#include "cache/record.h"
#include <pthread.h>
#include <stdatomic.h>

enum put_kind {
	PUT_HEADER,
	PUT_BINDING,
	PUT_FINALIZED,
	PUT_ACCOUNT,
	PUT_SLOT,
	PUT_CODE,
	PUT_REPLY,
	PUT_REMOVE, /* a record that failed its checksum */
	PUT_ROOTED_ACCOUNT,
	PUT_ROOTED_SLOT
};

/* Which fact: kind, then the longest: block hash, address, slot. */
#define PUT_ID_MAX (1 + 32 + 20 + 32)
struct put_id {
	unsigned char len, bytes[PUT_ID_MAX];
};
struct put_id put_id_number(enum put_kind kind, uint64_t number);
struct put_id put_id_digest(enum put_kind kind, const struct eth_bytes32 *digest);
struct put_id put_id_account(const struct eth_bytes32 *block,
			     const struct eth_address *address);
struct put_id put_id_rooted_account(const struct eth_bytes32 *state_root,
				    const struct eth_address *address);
/* The address in it is zero. */
struct put_id put_id_rooted_slot(const struct eth_bytes32 *storage_root,
				 const struct eth_bytes32 *slot);
struct put_id put_id_slot(const struct eth_bytes32 *block, const struct eth_address *address,
			  const struct eth_bytes32 *slot);

struct put {
	struct put *next, *chained;
	uint64_t hash;
	size_t bytes; /* counted against the bound */
	struct put_id id;
	union {
		struct block_header header;
		struct account_fields account;
		struct eth_bytes32 word; /* a slot's value, a bound hash */
		uint64_t number;
		struct blob *blob; /* one reference */
		enum table table;  /* of the record to remove */
	} what;
	size_t tail_len;
	char tail[]; /* a reply's request, the key to remove */
};

static inline enum put_kind put_kind(const struct put *put)
{
	return (enum put_kind)put->id.bytes[0];
}

static inline struct span put_tail(const struct put *put)
{
	return (struct span){put->tail, put->tail_len};
}

/* The digest or block hash behind the kind. */
static inline const struct eth_bytes32 *put_digest(const struct put *put)
{
	return (const struct eth_bytes32 *)(put->id.bytes + 1);
}
static inline const struct eth_address *put_address(const struct put *put)
{
	return (const struct eth_address *)(put->id.bytes + 33);
}
static inline const struct eth_bytes32 *put_slot(const struct put *put)
{
	return (const struct eth_bytes32 *)(put->id.bytes + 53);
}

/* tail is copied; NULL when memory is refused. */
struct put *put_new(const struct put_id *id, struct span tail);
void put_free(struct put **put);

struct pending_limits {
	size_t puts, bytes;		/* of the queue */
	size_t group_puts, group_bytes; /* of one commit */
};

struct pending {
	struct pending_limits limits;
	uint64_t seed;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct put **buckets;
	struct put *first, **last; /* not yet taken */
	size_t waiting, waiting_bytes, bytes;
	uint64_t added, finished, flush_to;
	int64_t first_us; /* when the first of those waiting came */
	bool urgent, stopping;
	atomic_size_t live; /* waiting or taken */
	atomic_uint_fast64_t retired;
};

enum err pending_init(struct pending *pending, uint64_t seed,
		      const struct pending_limits *limits) WARN_UNUSED;
void pending_release(struct pending *pending);

/* Takes the put; false: it was dropped. */
bool pending_add(struct pending *pending, struct put *put) WARN_UNUSED;
/* Calls found for every put of that identity, newest first, under the lock. */
typedef void pending_fn(const struct put *put, void *cookie);
bool pending_find(struct pending *pending, const struct put_id *id, pending_fn *found,
		  void *cookie);
uint64_t pending_retired(const struct pending *pending);
/* Waits until all that was added before is retired. */
void pending_flush(struct pending *pending);

/* The oldest group, in order, or NULL when none is due within wait_ms, or on a kick. */
struct put *pending_take(struct pending *pending, int wait_ms);
/* Takes a group back after its commit (or its failure). */
void pending_retire(struct pending *pending, struct put *group);
/* Makes pending_take return now. */
void pending_kick(struct pending *pending);
/* From now on every take is due at once; pending_take returns NULL when all is taken. */
void pending_stop(struct pending *pending);
bool pending_stopping(struct pending *pending);
