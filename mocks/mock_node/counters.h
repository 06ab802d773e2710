/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the mock node has seen since it started or since the last reset.
 *
 * Besides totals there is a count per key: method and canonical parameters of each item
 * (canon.h), so that a test can say "nobody asked twice". An item of eth_getStorageValues
 * counts under its own key and, for each slot in it, under the key of the eth_getStorageAt
 * that it stands for.
 */
#include "mock_node/dict.h"
#include "base/buf.h"
#include <jansson.h>

struct counter {
	uint64_t count;
	struct counter *next;
	size_t name_bytes;
	char name[];
};

struct counter_set {
	struct dict by_name;
	struct counter *all;
	uint64_t max; /* the highest count of any */
};

#define COUNTERS_BATCH_SIZES 64 /* the newest that are kept */

struct counters {
	uint64_t http_requests, items, batches, connections, open_connections;
	uint64_t client_aborts; /* closed by the client before its answer was out */
	uint64_t refused;	/* by the rate limit or the batch limit */
	uint64_t faults, bytes_in, bytes_out, max_batch;
	uint64_t held; /* replies that the barrier holds now */
	uint64_t in_flight, max_in_flight;
	uint64_t batch_sizes[COUNTERS_BATCH_SIZES], batch_size_count;
	struct counter_set methods, keys;
	/* The newest RPC request, for tests of what is sent upstream. */
	struct buf last_head, last_body;
};

void counters_init(struct counters *counters);
void counters_release(struct counters *counters);
/* Zero, but for what is a present state and not a count: open connections, held, in flight. */
void counters_reset(struct counters *counters);

/* A counter that cannot be made for lack of memory is not counted. */
void counter_add(struct counter_set *set, struct span name);
void counters_batch(struct counters *counters, uint64_t items);

/* Returns a new object, NULL without memory; with `keys` the count of every key too. */
json_t *counters_json(const struct counters *counters, bool keys);
