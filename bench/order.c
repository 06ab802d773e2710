/* SPDX-License-Identifier: MIT */
/*
 * build/bench/order --file FILE --memory BYTES
 *
 * Replays an order of accesses through the memory cache's cells, and through an exact LRU of as
 * many entries; prints the hit ratios of both. The file holds one 32-bit number for each
 * access, in this machine's byte order: the thing accessed, numbered from 0. A miss is followed
 * by a put. never_evicted is the ratio of a cache that is large enough: no cache can have more.
 */
#include "measure.h"
#include "cache/memcache.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order {
	uint32_t *accesses;
	size_t n;
	uint32_t things;
};

static void order_read(struct order *order, const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END) != 0)
		die("%s: %s", path, strerror(errno));
	order->n = (size_t)ftell(file) / sizeof *order->accesses;
	order->things = 0;
	rewind(file);
	if (!order->n)
		die("%s is empty", path);
	order->accesses = must_alloc(order->n, sizeof *order->accesses);
	if (fread(order->accesses, sizeof *order->accesses, order->n, file) != order->n)
		die("%s: %s", path, strerror(errno));
	fclose(file);
	for (size_t i = 0; i < order->n; i++)
		if (order->accesses[i] >= order->things)
			order->things = order->accesses[i] + 1;
}

static size_t memcache_hits(const struct order *order, size_t bytes, uint64_t *cells)
{
	struct memcache *cache;
	struct memcache_reader *reader;
	struct memcache_stats stats;
	const struct eth_bytes32 value = {{1}};
	size_t hits = 0;
	if (memcache_new(bytes, &cache) != OK || memcache_reader_new(cache, &reader) != OK)
		die("a cache of %zu bytes cannot be made", bytes);
	for (size_t i = 0; i < order->n; i++) {
		struct cell_key key = {.kind = 1, .len = sizeof order->accesses[i]};
		struct eth_bytes32 out;
		memcpy(key.bytes, &order->accesses[i], sizeof order->accesses[i]);
		if (memcache_cell_get(reader, &key, memcache_cell_hash(cache, &key), &out) ==
		    HIT)
			hits++;
		else
			memcache_cell_put(cache, &key, &value);
	}
	memcache_stats(cache, &stats);
	*cells = stats.cell_capacity;
	memcache_reader_free(&reader);
	memcache_free(&cache);
	return hits;
}

/* A ring through a head; things that are not cached have no neighbours. */
struct lru {
	struct {
		uint32_t newer, older;
		bool cached;
	} * things;
	uint32_t head; /* whose older is the newest, and whose newer is the oldest */
	uint64_t n;
};

static void lru_remove(struct lru *lru, uint32_t thing)
{
	uint32_t newer = lru->things[thing].newer, older = lru->things[thing].older;
	lru->things[newer].older = older;
	lru->things[older].newer = newer;
	lru->things[thing].cached = false;
	lru->n--;
}

static void lru_add(struct lru *lru, uint32_t thing)
{
	uint32_t newest = lru->things[lru->head].older;
	lru->things[thing].newer = lru->head;
	lru->things[thing].older = newest;
	lru->things[newest].newer = thing;
	lru->things[lru->head].older = thing;
	lru->things[thing].cached = true;
	lru->n++;
}

static size_t lru_hits(const struct order *order, uint64_t capacity)
{
	struct lru lru = {.things = must_alloc(order->things + 1u, sizeof *lru.things),
			  .head = order->things};
	size_t hits = 0;
	lru.things[lru.head].newer = lru.things[lru.head].older = lru.head;
	for (size_t i = 0; i < order->n; i++) {
		uint32_t thing = order->accesses[i];
		if (lru.things[thing].cached) {
			hits++;
			lru_remove(&lru, thing);
		} else if (lru.n == capacity) {
			lru_remove(&lru, lru.things[lru.head].newer);
		}
		lru_add(&lru, thing);
	}
	free(lru.things);
	return hits;
}

int main(int argc, char **argv)
{
	const char *path = arg_text(argc, argv, "--file", NULL);
	struct order order;
	uint64_t cells;
	if (!path)
		die("--file FILE is missing");
	order_read(&order, path);
	size_t ours =
		memcache_hits(&order, arg_number(argc, argv, "--memory", 1 << 20), &cells);
	size_t lru = lru_hits(&order, cells);
	size_t most = lru_hits(&order, UINT64_MAX);
	double n = (double)order.n;
	printf("{\"accesses\": %zu, \"things\": %u, \"cells\": %llu, \"ours\": %.4f, "
	       "\"lru\": %.4f, \"never_evicted\": %.4f}\n",
	       order.n, order.things, (unsigned long long)cells, (double)ours / n,
	       (double)lru / n, (double)most / n);
	free(order.accesses);
	return 0;
}
