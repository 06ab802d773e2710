/* SPDX-License-Identifier: MIT */
/*
 * Two writers and three readers on one small memory cache that evicts and replaces all the
 * time. Every value says whose it is, in which version, and that it is whole; what is wrong
 * is counted and must be nothing. The sanitizers see the rest (VARIANT=tsan, asan).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include "cache/memcache.h"

#define WRITERS 2
#define READERS 3

#define CELL_TURNS 20000 /* of TURN_GETS gets or puts each */
#define BLOB_TURNS 8000
#define TURN_GETS  32

/* Several times what fits in 1 MiB, but for the hot ones, where threads meet. */
#define CELL_KEYS 16384
#define BLOB_KEYS 1024
#define HOT_KEYS  4

struct shared {
	struct memcache *cache;
	uint64_t keys; /* how many there are */
	atomic_uint wrong;
	atomic_uint hits;
	atomic_uint versions; /* bit v % 32: a version v was seen */
	atomic_uint reading;  /* readers that go on */
};

/* The threads have met: a run in which they did not says nothing, so that it goes on. */
static bool have_met(struct shared *shared)
{
	return atomic_load(&shared->hits) > 1000 &&
	       __builtin_popcount(atomic_load(&shared->versions)) > 16;
}

struct worker {
	pthread_t thread;
	struct shared *shared;
	uint64_t rng;
};

static uint64_t next_random(struct worker *worker)
{
	worker->rng = worker->rng * 6364136223846793005U + 1442695040888963407U;
	return worker->rng >> 33;
}

static uint64_t pick_key(struct worker *worker)
{
	uint64_t r = next_random(worker), keys = worker->shared->keys;
	return r % 4 == 0 ? (r / 4) % HOT_KEYS % keys : (r / 4) % keys;
}

static uint64_t seal(uint64_t n, uint64_t version)
{
	uint64_t x = (n * 0x9e3779b97f4a7c15U) ^ (version * 0xbf58476d1ce4e5b9U);
	return (x ^ (x >> 29)) * 0x94d049bb133111ebU;
}

static void worker_reads_version(struct worker *worker, uint64_t version)
{
	atomic_fetch_or(&worker->shared->versions, 1U << (version % 32));
	atomic_fetch_add(&worker->shared->hits, 1);
}

static void expect(struct worker *worker, bool right)
{
	if (!right)
		atomic_fetch_add(&worker->shared->wrong, 1);
}

/* Writers write as long as anybody reads. */
static bool goes_on(struct worker *worker, uint64_t i, uint64_t least)
{
	return i < least || atomic_load(&worker->shared->reading) > 0;
}

/* Readers read until they have met writers; if they never do, the run fails. */
static bool is_needed(struct worker *worker, uint64_t turn, uint64_t least)
{
	return turn < least || (turn < 100 * least && !have_met(worker->shared));
}

/* --- cells --- */

static struct cell_key cell_key_of(uint64_t n)
{
	struct cell_key key = {.kind = 2, .len = 60};
	uint64_t s = seal(n, 0);
	memcpy(key.bytes, &n, sizeof(n));
	memcpy(key.bytes + 52, &s, sizeof(s));
	return key;
}

static void *cell_writer(void *cookie)
{
	struct worker *worker = cookie;
	for (uint64_t i = 0; goes_on(worker, i, CELL_TURNS * TURN_GETS); i++) {
		uint64_t n = pick_key(worker);
		uint64_t words[4] = {n, i, seal(n, i), ~seal(n, i)};
		struct cell_key key = cell_key_of(n);
		struct eth_bytes32 value;
		memcpy(value.bytes, words, sizeof(words));
		memcache_cell_put(worker->shared->cache, &key, &value);
	}
	return NULL;
}

static void cell_turn(struct worker *worker, struct memcache_reader *reader)
{
	struct memcache *cache = worker->shared->cache;
	struct cell_key keys[TURN_GETS];
	uint64_t numbers[TURN_GETS], hashes[TURN_GETS], words[4];
	for (unsigned i = 0; i < TURN_GETS; i++) {
		numbers[i] = pick_key(worker);
		keys[i] = cell_key_of(numbers[i]);
		hashes[i] = memcache_cell_hash(cache, &keys[i]);
		memcache_cell_prefetch(cache, hashes[i]);
	}
	for (unsigned i = 0; i < TURN_GETS; i++)
		memcache_cell_prefetch_entry(cache, hashes[i]);
	for (unsigned i = 0; i < TURN_GETS; i++) {
		struct eth_bytes32 value;
		if (memcache_cell_get(reader, &keys[i], hashes[i], &value) != HIT)
			continue;
		memcpy(words, value.bytes, sizeof(words));
		expect(worker, words[0] == numbers[i]);
		expect(worker, words[2] == seal(numbers[i], words[1]));
		expect(worker, words[3] == ~words[2]);
		worker_reads_version(worker, words[1]);
	}
}

static void *cell_reader(void *cookie)
{
	struct worker *worker = cookie;
	struct memcache_reader *reader = NULL;
	for (unsigned turn = 0; is_needed(worker, turn, CELL_TURNS); turn++) {
		if (!reader && memcache_reader_new(worker->shared->cache, &reader)) {
			expect(worker, false);
			break;
		}
		cell_turn(worker, reader);
		if (turn % 500 == 499)
			memcache_reader_free(&reader);
	}
	memcache_reader_free(&reader);
	atomic_fetch_sub(&worker->shared->reading, 1);
	return NULL;
}

/* --- blobs --- */

struct blob_text {
	uint64_t n, version, seal;
	unsigned char tail[]; /* all of one byte */
};

static struct span blob_key_of(uint64_t n, char buffer[32])
{
	int len = snprintf(buffer, 32, "key of blob %llu", (unsigned long long)n);
	return (struct span){buffer, (size_t)len};
}

static struct blob *blob_make(uint64_t n, uint64_t version)
{
	size_t tail = seal(version, n) % 3000;
	struct blob *blob = blob_new(sizeof(struct blob_text) + tail);
	if (!blob)
		return NULL;
	struct blob_text text = {n, version, seal(n, version)};
	memcpy(blob->bytes, &text, sizeof(text));
	memset(blob->bytes + sizeof(text), (int)(text.seal & 0xff), tail);
	return blob;
}

static bool blob_whole(const struct blob *blob, uint64_t n, uint64_t *version)
{
	struct blob_text text;
	memcpy(&text, blob->bytes, sizeof(text));
	*version = text.version;
	if (text.n != n || text.seal != seal(n, text.version))
		return false;
	for (size_t i = sizeof(text); i < blob->len; i++)
		if (blob->bytes[i] != (text.seal & 0xff))
			return false;
	return true;
}

static void *blob_writer(void *cookie)
{
	struct worker *worker = cookie;
	char buffer[32];
	for (uint64_t i = 0; goes_on(worker, i, BLOB_TURNS * TURN_GETS); i++) {
		uint64_t n = pick_key(worker);
		struct blob *blob = blob_make(n, i);
		expect(worker, blob);
		if (!blob)
			return NULL;
		memcache_blob_put(worker->shared->cache, blob_key_of(n, buffer), blob);
		blob_put(&blob);
		if (i % 1024 == 0) {
			struct memcache_stats stats;
			memcache_stats(worker->shared->cache, &stats);
			expect(worker, stats.blob_bytes <= stats.blob_capacity_bytes);
		}
	}
	return NULL;
}

/* What was borrowed in a turn is read again at its end: nothing of it may be gone. */
static void blob_turn(struct worker *worker, struct memcache_reader *reader)
{
	struct blob *held[TURN_GETS];
	uint64_t numbers[TURN_GETS], version;
	char buffer[32];
	for (unsigned i = 0; i < TURN_GETS; i++) {
		numbers[i] = pick_key(worker);
		struct span key = blob_key_of(numbers[i], buffer);
		if (memcache_blob_get(reader, key, &held[i]) == HIT)
			expect(worker, blob_whole(held[i], numbers[i], &version));
	}
	for (unsigned i = 0; i < TURN_GETS; i++) {
		if (!held[i])
			continue;
		expect(worker, blob_whole(held[i], numbers[i], &version));
		worker_reads_version(worker, version);
	}
}

static void *blob_reader(void *cookie)
{
	struct worker *worker = cookie;
	struct memcache_reader *reader = NULL;
	struct blob *kept = NULL;
	char buffer[32];
	for (unsigned turn = 0; is_needed(worker, turn, BLOB_TURNS); turn++) {
		if (!reader && memcache_reader_new(worker->shared->cache, &reader)) {
			expect(worker, false);
			break;
		}
		blob_turn(worker, reader);
		/* One reference of its own, over many turns. */
		struct blob *got;
		uint64_t version;
		if (!kept && memcache_blob_get(reader, blob_key_of(1, buffer), &got) == HIT)
			kept = blob_get(got);
		if (turn % 7 != 0) /* else it stays awake over two turns */
			memcache_park(reader);
		if (turn % 100 == 99)
			memcache_reader_free(&reader);
		if (kept && turn % 20 == 0) {
			expect(worker, blob_whole(kept, 1, &version));
			blob_put(&kept);
		}
	}
	blob_put(&kept);
	memcache_reader_free(&reader);
	atomic_fetch_sub(&worker->shared->reading, 1);
	return NULL;
}

/* --- */

static struct memcache_stats run(uint64_t keys, void *(*writer)(void *),
				 void *(*reader)(void *))
{
	struct shared shared = {.keys = keys, .reading = READERS};
	struct worker workers[WRITERS + READERS];
	assert_int_equal(memcache_new((size_t)1 << 20, &shared.cache), OK);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		workers[i].shared = &shared;
		workers[i].rng = i + 1;
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						i < WRITERS ? writer : reader, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		pthread_join(workers[i].thread, NULL);
	struct memcache_stats stats;
	memcache_stats(shared.cache, &stats);
	memcache_free(&shared.cache);
	assert_int_equal(atomic_load(&shared.wrong), 0);
	assert_true(have_met(&shared));
	return stats;
}

static void test_cells(void **state)
{
	(void)state;
	struct memcache_stats stats = run(CELL_KEYS, cell_writer, cell_reader);
	assert_true(stats.cell_evictions > 10000);
	assert_true(stats.cell_hits + stats.cell_misses >=
		    (uint64_t)READERS * CELL_TURNS * TURN_GETS);
	assert_int_equal(stats.cells, stats.cell_capacity);
}

/* Everybody in one cell: the sequence number is all that keeps a read whole. */
static void test_one_cell(void **state)
{
	(void)state;
	struct memcache_stats stats = run(1, cell_writer, cell_reader);
	assert_int_equal(stats.cells, 1);
	assert_int_equal(stats.cell_evictions, 0);
}

static void test_blobs(void **state)
{
	(void)state;
	struct memcache_stats stats = run(BLOB_KEYS, blob_writer, blob_reader);
	assert_true(stats.blob_evictions > 1000);
	assert_true(stats.blob_hits + stats.blob_misses >=
		    (uint64_t)READERS * BLOB_TURNS * TURN_GETS);
	assert_true(stats.blob_bytes <= stats.blob_capacity_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_one_cell),
		cmocka_unit_test(test_blobs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
