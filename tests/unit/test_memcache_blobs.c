/* SPDX-License-Identifier: MIT */
/*
 * The blobs of the memory cache in one thread: what is a hit, how long a borrowed one lives,
 * what is held; and what both tables take together.
 */
#include "memcache_fixture.h"
#include <malloc.h>
#include <stdlib.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif
#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static struct span name_of(uint64_t n, char buffer[32])
{
	int len = snprintf(buffer, 32, "blob %llu", (unsigned long long)n);
	return (struct span){buffer, (size_t)len};
}

/* size bytes that say n, with one reference. */
static struct blob *blob_of(uint64_t n, size_t size)
{
	struct blob *blob = blob_new(size);
	assert_non_null(blob);
	memset(blob->bytes, (int)(mix(n) & 0xff), size);
	return blob;
}

static void put_blob(struct fixture *f, uint64_t n, size_t size)
{
	char buffer[32];
	struct blob *blob = blob_of(n, size);
	memcache_blob_put(f->cache, name_of(n, buffer), blob);
	blob_put(&blob);
}

/* The blob of that number, or NULL; reads all of it. */
static struct blob *get_blob(struct fixture *f, uint64_t n)
{
	char buffer[32];
	struct blob *blob;
	if (memcache_blob_get(f->reader, name_of(n, buffer), &blob) != HIT) {
		assert_null(blob);
		return NULL;
	}
	for (size_t i = 0; i < blob->len; i++)
		assert_int_equal(blob->bytes[i], mix(n) & 0xff);
	return blob;
}

static void test_blob_miss_put_hit(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct blob *blob, *mine = blob_copy("code", 4);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &blob), MISS);
	assert_null(blob);
	memcache_blob_put(f.cache, SPAN("k"), mine);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &blob), HIT);
	assert_ptr_equal(blob, mine);
	assert_int_equal(atomic_load(&mine->refs), 2);
	assert_int_equal(memcache_blob_get(f.reader, SPAN(""), &blob), MISS);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("kk"), &blob), MISS);
	struct blob *empty =
		blob_copy("", 0); /* an empty blob is an answer; so is an empty key */
	memcache_blob_put(f.cache, SPAN(""), empty);
	assert_int_equal(memcache_blob_get(f.reader, SPAN(""), &blob), HIT);
	assert_ptr_equal(blob, empty);
	blob_put(&empty);
	blob_put(&mine);
	struct memcache_stats stats = stats_of(&f);
	assert_int_equal(stats.blobs, 2);
	assert_int_equal(stats.blob_hits, 2);
	assert_int_equal(stats.blob_misses, 3);
	fixture_free(&f);
}

static void test_blob_same_content_is_left(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct blob *first = blob_copy("code", 4), *second = blob_copy("code", 4), *got;
	memcache_blob_put(f.cache, SPAN("k"), first);
	memcache_blob_put(f.cache, SPAN("k"), second);
	assert_int_equal(atomic_load(&second->refs), 1);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &got), HIT);
	assert_ptr_equal(got, first);
	blob_put(&first);
	blob_put(&second);
	assert_int_equal(stats_of(&f).blobs, 1);
	fixture_free(&f);
}

/* A borrowed blob lives until the reader parks, and not longer than the next occasion. */
static void test_blob_lifetime(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct blob *old = blob_copy("old", 3), *new = blob_copy("new", 3), *got, *again;
	memcache_blob_put(f.cache, SPAN("k"), old);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &got), HIT);
	memcache_blob_put(f.cache, SPAN("k"), new);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &again), HIT);
	assert_ptr_equal(again, new);
	assert_int_equal(atomic_load(&old->refs), 2); /* the cache's own still holds */
	uint64_t held = stats_of(&f).blob_bytes;
	memcache_park(f.reader);
	assert_int_equal(atomic_load(&old->refs), 1);
	assert_true(stats_of(&f).blob_bytes < held); /* what waited had counted */
	assert_int_equal(stats_of(&f).blobs, 1);
	blob_put(&old);
	blob_put(&new);
	fixture_free(&f);
}

static void test_parked_reader_holds_nothing_back(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct memcache_reader *other;
	assert_int_equal(memcache_reader_new(f.cache, &other), OK); /* parked from the start */
	struct blob *blobs[4], *got;
	for (unsigned i = 0; i < 4; i++)
		blobs[i] = blob_of(i, 100 + i);
	memcache_blob_put(f.cache, SPAN("k"), blobs[0]);
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &got), HIT);
	memcache_park(f.reader);
	memcache_park(f.reader); /* stays parked */
	memcache_blob_put(f.cache, SPAN("k"), blobs[1]);
	memcache_blob_put(f.cache, SPAN("k"), blobs[2]);
	assert_int_equal(atomic_load(&blobs[0]->refs), 1);
	/* A get wakes it; then it holds back again, whatever the other does. */
	assert_int_equal(memcache_blob_get(f.reader, SPAN("k"), &got), HIT);
	memcache_blob_put(f.cache, SPAN("k"), blobs[3]);
	memcache_park(other);
	assert_int_equal(atomic_load(&blobs[2]->refs), 2);
	memcache_park(f.reader);
	assert_int_equal(atomic_load(&blobs[2]->refs), 1);
	assert_int_equal(atomic_load(&blobs[3]->refs), 2);
	for (unsigned i = 0; i < 4; i++)
		blob_put(&blobs[i]);
	memcache_reader_free(&other);
	fixture_free(&f);
}

static void test_leaving_reader_lets_go(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	struct memcache_reader *other;
	assert_int_equal(memcache_reader_new(f.cache, &other), OK);
	struct blob *old = blob_of(1, 100), *new = blob_of(2, 100), *got;
	memcache_blob_put(f.cache, SPAN("k"), old);
	assert_int_equal(memcache_blob_get(other, SPAN("k"), &got), HIT);
	memcache_blob_put(f.cache, SPAN("k"), new);
	assert_int_equal(atomic_load(&old->refs), 2);
	memcache_reader_free(&other);
	assert_int_equal(atomic_load(&old->refs), 1);
	blob_put(&old);
	blob_put(&new);
	fixture_free(&f);
}

static void test_large_blob_is_refused(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	const size_t quarter = stats_of(&f).blob_capacity_bytes / 4;
	put_blob(&f, 1, quarter - 8192);
	assert_non_null(get_blob(&f, 1));
	put_blob(&f, 2, quarter);
	assert_null(get_blob(&f, 2));
	/* What was there under the key is older than what could not be kept. */
	put_blob(&f, 1, quarter);
	assert_null(get_blob(&f, 1));
	struct blob *small = blob_of(3, 1);
	char *long_key = calloc(1, quarter);
	assert_non_null(long_key);
	memcache_blob_put(f.cache, (struct span){long_key, quarter}, small);
	assert_int_equal(stats_of(&f).blobs, 0);
	free(long_key);
	blob_put(&small);
	fixture_free(&f);
}

/* Mixed sizes, far more than the share: bytes held never exceed it, and what the count says
 * can be found. */
static void test_bound_in_blob_bytes(void **state)
{
	(void)state;
	struct fixture f = fixture_new(8 * MIB);
	uint64_t rng = 7;
	for (uint64_t n = 0; n < 20000; n++) {
		put_blob(&f, n, (size_t)(random_unit(&rng) * random_unit(&rng) * 24576));
		struct memcache_stats stats = stats_of(&f);
		assert_true(stats.blob_bytes <= stats.blob_capacity_bytes);
		if (n % 8 == 0)
			memcache_park(f.reader);
	}
	uint64_t found = 0;
	for (uint64_t n = 0; n < 20000; n++)
		found += get_blob(&f, n) != NULL;
	struct memcache_stats stats = stats_of(&f);
	assert_int_equal(found, stats.blobs);
	assert_true(stats.blob_bytes > stats.blob_capacity_bytes * 3 / 4); /* it is used, too */
	assert_int_equal(stats.blobs + stats.blob_evictions, 20000);
	fixture_free(&f);
}

/* Memory as the allocator and the kernel count it, both tables full. */
static void test_bound_as_measured(void **state)
{
	(void)state;
	if (SANITIZED || RUNNING_ON_VALGRIND)
		skip(); /* shadow and red zones are counted too */
	const size_t capacity = 32 * MIB;
	malloc_trim(0);
	size_t before = memory_now().resident_bytes;
	struct fixture f = fixture_new(capacity);
	assert_true(memory_now().resident_bytes - before < 512 * 1024); /* empty is small */
	uint64_t cells = stats_of(&f).cell_capacity;
	for (uint64_t n = 0; n < 2 * cells; n++)
		put_number(&f, n);
	uint64_t rng = 7;
	for (uint64_t n = 0; n < 20000; n++) {
		put_blob(&f, n, (size_t)(random_unit(&rng) * 8192));
		(void)get_blob(&f, n / 2);
		memcache_park(f.reader);
	}
	size_t grown = memory_now().resident_bytes - before;
	print_message("32 MiB: %zu KiB resident\n", grown / 1024);
	assert_true(grown < capacity + MIB);
	assert_true(grown > capacity * 3 / 4);
	fixture_free(&f);
}

/* A large cache with little in it: ten thousand cells are 1.1 MB. */
static void test_little_in_it_is_small(void **state)
{
	(void)state;
	if (SANITIZED || RUNNING_ON_VALGRIND)
		skip();
	malloc_trim(0);
	size_t before = memory_now().resident_bytes;
	struct fixture f = fixture_new(1024 * MIB);
	for (uint64_t n = 0; n < 10000; n++)
		put_number(&f, n);
	assert_true(memory_now().resident_bytes - before < 6 * MIB);
	fixture_free(&f);
}

static void test_blob_clock_keeps_what_is_used(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	for (uint64_t n = 0; n < 20; n++)
		put_blob(&f, n, 4096);
	for (uint64_t n = 20; n < 2000; n++) {
		put_blob(&f, n, 4096);
		for (uint64_t hot = 0; n % 20 == 0 && hot < 20; hot++)
			assert_non_null(get_blob(&f, hot));
		memcache_park(f.reader);
	}
	assert_true(stats_of(&f).blob_evictions > 1800);
	fixture_free(&f);
}

/* A reader that never parks costs puts, but neither the bound nor most of the entries. */
static void test_stuck_reader(void **state)
{
	(void)state;
	struct fixture f = fixture_new(MIB);
	for (uint64_t n = 0; n < 200; n++)
		put_blob(&f, n, 4096);
	memcache_park(f.reader);
	const uint64_t full = stats_of(&f).blobs;
	assert_non_null(get_blob(&f, 199));
	for (uint64_t n = 200; n < 1000; n++) {
		put_blob(&f, n, 4096);
		struct memcache_stats stats = stats_of(&f);
		assert_true(stats.blob_bytes <= stats.blob_capacity_bytes);
	}
	assert_true(stats_of(&f).blobs > full * 3 / 4);
	assert_null(get_blob(&f, 999));
	memcache_park(f.reader);
	put_blob(&f, 1000, 4096);
	assert_non_null(get_blob(&f, 1000));
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blob_miss_put_hit),
		cmocka_unit_test(test_blob_same_content_is_left),
		cmocka_unit_test(test_blob_lifetime),
		cmocka_unit_test(test_parked_reader_holds_nothing_back),
		cmocka_unit_test(test_leaving_reader_lets_go),
		cmocka_unit_test(test_large_blob_is_refused),
		cmocka_unit_test(test_bound_in_blob_bytes),
		cmocka_unit_test(test_bound_as_measured),
		cmocka_unit_test(test_little_in_it_is_small),
		cmocka_unit_test(test_blob_clock_keeps_what_is_used),
		cmocka_unit_test(test_stuck_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
