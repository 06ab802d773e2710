/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the single-threaded tests of the memory cache share: a cache with one reader, and
 * cells made from numbers, so that every value found says whose it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>
#include "cache/memcache.h"

#define MIB ((size_t)1 << 20)

struct fixture {
	struct memcache *cache;
	struct memcache_reader *reader;
};

static inline struct fixture fixture_new(size_t capacity_bytes)
{
	struct fixture f;
	assert_int_equal(memcache_new(capacity_bytes, &f.cache), OK);
	assert_int_equal(memcache_reader_new(f.cache, &f.reader), OK);
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	memcache_reader_free(&f->reader);
	memcache_free(&f->cache);
	assert_null(f->reader);
	assert_null(f->cache);
}

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
	return x ^ (x >> 31);
}

static inline struct cell_key key_of(uint64_t n)
{
	struct cell_key key = {.kind = 1, .len = 60};
	uint64_t m = mix(n);
	memcpy(key.bytes + 20, &n, sizeof(n));
	memcpy(key.bytes + 52, &m, sizeof(m));
	return key;
}

static inline struct eth_bytes32 value_of(uint64_t n)
{
	struct eth_bytes32 value = {{0}};
	uint64_t m = mix(n + 1);
	memcpy(value.bytes, &n, sizeof(n));
	memcpy(value.bytes + 24, &m, sizeof(m));
	return value;
}

static inline enum lookup cell_get(struct fixture *f, const struct cell_key *key,
				   struct eth_bytes32 *value)
{
	return memcache_cell_get(f->reader, key, memcache_cell_hash(f->cache, key), value);
}

static inline void put_number(struct fixture *f, uint64_t n)
{
	struct cell_key key = key_of(n);
	struct eth_bytes32 value = value_of(n);
	memcache_cell_put(f->cache, &key, &value);
}

/* Whether it is there; if so, the value must be its own. */
static inline bool has_number(struct fixture *f, uint64_t n)
{
	struct cell_key key = key_of(n);
	struct eth_bytes32 value, expected = value_of(n);
	if (cell_get(f, &key, &value) != HIT)
		return false;
	assert_memory_equal(&value, &expected, sizeof(value));
	return true;
}

static inline struct memcache_stats stats_of(struct fixture *f)
{
	struct memcache_stats stats;
	memcache_stats(f->cache, &stats);
	return stats;
}

struct memory {
	size_t mapped_bytes, resident_bytes;
};

static inline struct memory memory_now(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	unsigned long mapped, resident;
	assert_int_equal(fscanf(file, "%lu %lu", &mapped, &resident), 2);
	fclose(file);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (struct memory){mapped * page, resident * page};
}

static inline double random_unit(uint64_t *rng)
{
	*rng = *rng * 6364136223846793005U + 1442695040888963407U;
	return (double)(*rng >> 11) / 9007199254740992.0;
}
