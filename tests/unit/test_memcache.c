/* SPDX-License-Identifier: MIT */
/*
 * The cells of the memory cache in one thread: what is a hit, what is kept, what it may take.
 */
#include "memcache_fixture.h"
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

/* --- cells --- */

static void test_capacity_limits(void **state)
{
	(void)state;
	struct memcache *cache;
	assert_int_equal(memcache_new(MIB - 1, &cache), ERR_INVALID);
	assert_null(cache);
	assert_int_equal(memcache_new(SIZE_MAX / 2, &cache), ERR_INVALID);
	assert_null(cache);
	memcache_free(&cache);
	struct memcache_reader *none = NULL;
	memcache_reader_free(&none);
}

static void test_refused_memory_is_an_error(void **state)
{
	(void)state;
	struct rlimit old;
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	struct rlimit tight = {memory_now().mapped_bytes + 64 * MIB, old.rlim_max};
	struct memcache *cache;
	assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
	enum err cells = memcache_new((size_t)8 << 30, &cache);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_int_equal(cells, ERR_NOMEM);
	assert_null(cache);
}

static void test_miss_put_hit_replace(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct cell_key key = key_of(1);
	struct eth_bytes32 value = value_of(7), got;
	assert_int_equal(cell_get(&f, &key, &got), MISS);
	memcache_cell_put(f.cache, &key, &value);
	assert_int_equal(cell_get(&f, &key, &got), HIT);
	assert_memory_equal(&got, &value, sizeof(got));
	value = (struct eth_bytes32){{0}}; /* zero is a value like any other */
	memcache_cell_put(f.cache, &key, &value);
	assert_int_equal(cell_get(&f, &key, &got), HIT);
	assert_memory_equal(&got, &value, sizeof(got));
	struct memcache_stats stats = stats_of(&f);
	assert_int_equal(stats.cells, 1);
	assert_int_equal(stats.cell_hits, 2);
	assert_int_equal(stats.cell_misses, 1);
	fixture_free(&f);
}

static void test_counters_outlive_their_reader(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	put_number(&f, 1);
	assert_true(has_number(&f, 1));
	assert_false(has_number(&f, 2));
	memcache_reader_free(&f.reader);
	assert_int_equal(memcache_reader_new(f.cache, &f.reader), OK);
	assert_true(has_number(&f, 1));
	struct memcache_stats stats = stats_of(&f);
	assert_int_equal(stats.cell_hits, 2);
	assert_int_equal(stats.cell_misses, 1);
	fixture_free(&f);
}

/* Every byte of a key counts: kind, length, and each of the 68. */
static void test_all_of_the_key_is_compared(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct cell_key key = {.kind = 1, .len = MEMCACHE_KEY_MAX}, other;
	struct eth_bytes32 value = value_of(1), got;
	memcache_cell_put(f.cache, &key, &value);
	uint64_t hash = memcache_cell_hash(f.cache, &key);
	for (size_t i = 0; i < sizeof(key); i++) {
		other = key;
		((unsigned char *)&other)[i] ^= 0x10;
		assert_int_not_equal(memcache_cell_hash(f.cache, &other), hash);
		/* Asked with the hash of the entry, it is led to the entry's cell. */
		assert_int_equal(memcache_cell_get(f.reader, &other, hash, &got), MISS);
	}
	assert_int_equal(memcache_cell_get(f.reader, &key, hash, &got), HIT);
	fixture_free(&f);
}

struct hashed {
	uint64_t
		place; /* what decides shard, home and tag: the upper 4 and the lower 32 bits */
	uint64_t number;
};

static int hashed_compare(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* Among so many keys some pairs share 36 bits (2^20: on average 8 pairs). */
#define BIRTHDAYS ((size_t)1 << 20)

static void test_colliding_keys_are_kept_apart(void **state)
{
	(void)state;
	struct fixture f = fixture_new(8 * MIB);
	struct hashed *all = malloc(BIRTHDAYS * sizeof(*all));
	assert_non_null(all);
	for (size_t i = 0; i < BIRTHDAYS; i++) {
		struct cell_key key = key_of(i);
		uint64_t hash = memcache_cell_hash(f.cache, &key);
		all[i] = (struct hashed){(hash >> 60 << 32) | (uint32_t)hash, i};
	}
	qsort(all, BIRTHDAYS, sizeof(*all), hashed_compare);
	unsigned pairs = 0;
	for (size_t i = 1; i < BIRTHDAYS; i++) {
		if (all[i].place != all[i - 1].place)
			continue;
		uint64_t a = all[i - 1].number, b = all[i].number;
		put_number(&f, a);
		assert_false(has_number(&f, b));
		put_number(&f, b);
		assert_true(has_number(&f, a));
		assert_true(has_number(&f, b));
		pairs++;
	}
	free(all);
	fixture_free(&f);
	if (pairs == 0) /* once in some 3,000 runs: the seed is random */
		skip();
}

static void test_prefetch_changes_nothing(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	for (uint64_t n = 0; n < 3000; n++)
		put_number(&f, n);
	struct memcache_stats before = stats_of(&f);
	for (uint64_t n = 0; n < 6000; n++) {
		struct cell_key key = key_of(n);
		uint64_t hash = memcache_cell_hash(f.cache, &key);
		memcache_cell_prefetch(f.cache, hash);
		memcache_cell_prefetch_entry(f.cache, hash);
	}
	struct memcache_stats after = stats_of(&f);
	assert_memory_equal(&before, &after, sizeof(before));
	fixture_free(&f);
}

/* Twenty times more keys than places: the count stays, every find is right, and what the
 * figures say is what can be found (an index that loses entries would not find them). */
static void fill(size_t capacity_bytes)
{
	struct fixture f = fixture_new(capacity_bytes);
	const uint64_t capacity = stats_of(&f).cell_capacity, keys = 20 * capacity;
	assert_true(capacity * 128 >= capacity_bytes / 2 - 20000);
	assert_true(capacity * 126 <= capacity_bytes / 2);
	for (uint64_t n = 0; n < keys; n++)
		put_number(&f, n);
	uint64_t found = 0;
	for (uint64_t n = 0; n < keys; n++)
		found += has_number(&f, n);
	struct memcache_stats stats = stats_of(&f);
	assert_int_equal(stats.cells, capacity);
	assert_int_equal(stats.cell_evictions, keys - capacity);
	assert_int_equal(found, capacity);
	fixture_free(&f);
}

static void test_bound_in_cells(void **state)
{
	(void)state;
	fill(MIB);
	fill(8 * MIB);
}

/* While the index grows, what is there is found. */
static void test_index_grows(void **state)
{
	(void)state;
	struct fixture f = fixture_new(256 * MIB);
	const uint64_t last = 100000;
	for (uint64_t n = 0; n < last; n++) {
		put_number(&f, n);
		for (uint64_t back = 0; back <= n; back = 2 * back + 1)
			assert_true(has_number(&f, n - back));
		if (n % (last / 8) == 0)
			for (uint64_t old = 0; old <= n; old++)
				assert_true(has_number(&f, old));
	}
	assert_int_equal(stats_of(&f).cells, last);
	assert_false(has_number(&f, last));
	fixture_free(&f);
}

static void test_clock_keeps_what_is_used(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	const uint64_t capacity = stats_of(&f).cell_capacity;
	const uint64_t hot = capacity / 4;
	for (uint64_t n = 0; n < hot; n++)
		put_number(&f, n);
	/* A long scan, while the hot ones are asked for now and then. */
	for (uint64_t n = hot; n < 10 * capacity; n++) {
		if (n % (capacity / 4) == 0)
			for (uint64_t h = 0; h < hot; h++)
				(void)has_number(&f, h);
		put_number(&f, n);
	}
	uint64_t kept = 0;
	for (uint64_t n = 0; n < hot; n++)
		kept += has_number(&f, n);
	assert_int_equal(kept, hot);
	fixture_free(&f);
}

/* --- hit ratio against exact LRU --- */

#define TRACE_KEYS  60000
#define TRACE_READS 600000

/* Zipf with exponent 0.9, by bisection in the cumulative weights. */
static uint32_t *zipf_trace(void)
{
	double *sum = malloc(TRACE_KEYS * sizeof(*sum));
	uint32_t *trace = malloc(TRACE_READS * sizeof(*trace));
	assert_true(sum && trace);
	double total = 0;
	for (size_t i = 0; i < TRACE_KEYS; i++)
		sum[i] = total += 1 / pow((double)(i + 1), 0.9);
	uint64_t rng = 2024;
	for (size_t i = 0; i < TRACE_READS; i++) {
		double x = random_unit(&rng) * total;
		size_t low = 0, high = TRACE_KEYS - 1;
		while (low < high) {
			size_t middle = (low + high) / 2;
			if (sum[middle] < x)
				low = middle + 1;
			else
				high = middle;
		}
		trace[i] = (uint32_t)low;
	}
	free(sum);
	return trace;
}

/* Exact LRU: a key is a hit when fewer than `capacity` different ones were read since; a
 * doubly linked list of all keys by last use, of which the first `capacity` are inside. */
static double lru_ratio(const uint32_t *trace, uint64_t capacity)
{
	uint32_t *next = calloc(TRACE_KEYS + 1, sizeof(*next));
	uint32_t *prev = calloc(TRACE_KEYS + 1, sizeof(*prev));
	bool *inside = calloc(TRACE_KEYS + 1, sizeof(*inside));
	assert_true(next && prev && inside);
	uint64_t count = 0, hits = 0;
	for (size_t i = 0; i < TRACE_READS; i++) {
		uint32_t at = trace[i] + 1; /* 0 is the head */
		if (inside[at]) {
			hits++;
			next[prev[at]] = next[at];
			prev[next[at]] = prev[at];
		} else if (count == capacity) {
			uint32_t last = prev[0];
			inside[last] = false;
			next[prev[last]] = 0;
			prev[0] = prev[last];
		} else {
			count++;
		}
		inside[at] = true;
		next[at] = next[0];
		prev[at] = 0;
		prev[next[0]] = at;
		next[0] = at;
	}
	free(next);
	free(prev);
	free(inside);
	return (double)hits / TRACE_READS;
}

static void test_hit_ratio_near_lru(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	uint32_t *trace = zipf_trace();
	uint64_t hits = 0;
	for (size_t i = 0; i < TRACE_READS; i++) {
		if (has_number(&f, trace[i]))
			hits++;
		else
			put_number(&f, trace[i]);
	}
	double ours = (double)hits / TRACE_READS;
	double lru = lru_ratio(trace, stats_of(&f).cell_capacity);
	print_message("hit ratio: %.4f, exact LRU %.4f\n", ours, lru);
	assert_true(lru > 0.3 && lru < 0.9); /* the trace says something */
	assert_true(ours > lru - 0.02);
	free(trace);
	fixture_free(&f);
}

/* A look from aside finds what has been hit, counts nothing, and is no hit itself. */
static void test_peek(void **state)
{
	struct fixture f = fixture_new(MIB);
	struct memcache_stats before, after;
	struct cell_key key = key_of(1), other = key_of(2);
	struct eth_bytes32 value = value_of(1);
	struct blob *blob = blob_copy("x", 1), *got;

	(void)state;
	assert_non_null(blob);
	memcache_cell_put(f.cache, &key, &value);
	memcache_blob_put(f.cache, SPAN("k"), blob);
	memcache_stats(f.cache, &before);
	for (int i = 0; i < 2; i++) {
		assert_false(memcache_cell_peek(f.cache, &key));
		assert_false(memcache_blob_peek(f.cache, SPAN("k")));
	}
	memcache_stats(f.cache, &after);
	assert_memory_equal(&before, &after, sizeof before);
	assert_int_equal(
		memcache_cell_get(f.reader, &key, memcache_cell_hash(f.cache, &key), &value),
		HIT);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &got), HIT);
	assert_true(memcache_cell_peek(f.cache, &key));
	assert_true(memcache_blob_peek(f.cache, SPAN("k")));
	assert_false(memcache_cell_peek(f.cache, &other));
	assert_false(memcache_blob_peek(f.cache, SPAN("l")));
	blob_put(&blob);
	fixture_free(&f);
}

/* Twice over, so that what was cleared is filled again. */
static void test_clear(void **state)
{
	enum { CELLS = 5000, BLOBS = 50 };
	struct fixture f = fixture_new(4 * MIB);
	struct memcache_stats stats;
	struct blob *got, *borrowed;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint64_t n = 0; n < CELLS; n++) {
			struct cell_key key = key_of(n);
			struct eth_bytes32 value = value_of(n + (uint64_t)round);
			memcache_cell_put(f.cache, &key, &value);
		}
		for (char n = 0; n < BLOBS; n++) {
			struct blob *blob = blob_copy(&n, 1);
			assert_non_null(blob);
			memcache_blob_put(f.cache, (struct span){&n, 1}, blob);
			blob_put(&blob);
		}
		for (uint64_t n = 0; n < CELLS; n++) {
			struct cell_key key = key_of(n);
			struct eth_bytes32 value, want = value_of(n + (uint64_t)round);
			assert_int_equal(memcache_cell_get(f.reader, &key,
							   memcache_cell_hash(f.cache, &key),
							   &value),
					 HIT);
			assert_memory_equal(&value, &want, sizeof want);
		}
		assert_int_equal(memcache_blob_get(f.reader, SPAN("\7"), &borrowed), HIT);
		memcache_clear(f.cache);
		assert_int_equal(borrowed->bytes[0], 7);
		for (uint64_t n = 0; n < CELLS; n++) {
			struct cell_key key = key_of(n);
			struct eth_bytes32 value;
			assert_int_equal(memcache_cell_get(f.reader, &key,
							   memcache_cell_hash(f.cache, &key),
							   &value),
					 MISS);
			assert_false(memcache_cell_peek(f.cache, &key));
		}
		for (char n = 0; n < BLOBS; n++)
			assert_int_equal(
				memcache_blob_get(f.reader, (struct span){&n, 1}, &got), MISS);
		memcache_park(f.reader);
		memcache_stats(f.cache, &stats);
		assert_int_equal(stats.cells, 0);
		assert_int_equal(stats.blobs, 0);
		assert_int_equal(stats.blob_bytes, 0);
		assert_int_equal(stats.cell_evictions + stats.blob_evictions, 0);
	}
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capacity_limits),
		cmocka_unit_test(test_refused_memory_is_an_error),
		cmocka_unit_test(test_miss_put_hit_replace),
		cmocka_unit_test(test_counters_outlive_their_reader),
		cmocka_unit_test(test_all_of_the_key_is_compared),
		cmocka_unit_test(test_colliding_keys_are_kept_apart),
		cmocka_unit_test(test_prefetch_changes_nothing),
		cmocka_unit_test(test_bound_in_cells),
		cmocka_unit_test(test_index_grows),
		cmocka_unit_test(test_clock_keeps_what_is_used),
		cmocka_unit_test(test_hit_ratio_near_lru),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
