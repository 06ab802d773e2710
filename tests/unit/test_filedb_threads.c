/* SPDX-License-Identifier: MIT */
/*
 * Readers beside a writer: a snapshot holds whole batches, never goes back, and can be given
 * up by the writer while its owner is in no call. For the thread sanitizer, too.
 */
#include "filedb_scene.h"
#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 4, BATCHES = 150, SLOTS = 40 };

struct owner {
	pthread_t thread;
	pthread_mutex_t lock; /* while in a call, or between those of one snapshot */
	struct filedb_reader *reader;
	bool rests; /* by itself */
};

/* What all slots hold in one snapshot. */
static uint64_t read_batch(struct filedb_reader *reader)
{
	struct eth_bytes32 first = {{0}}, value;
	enum err err;
	for (uint64_t n = 0; n < SLOTS; n++) {
		struct eth_address address = fixture_address(n % 3);
		struct eth_bytes32 slot = word(n);
		REQUIRE(filedb_get_slot(reader, &address, 0, &slot, &value, &err, NULL) == HIT);
		if (n == 0)
			first = value;
		REQUIRE(eth_bytes32_equal(&first, &value));
	}
	return be64_get(first.bytes + 24);
}

static void *read_on(void *cookie)
{
	struct owner *owner = cookie;
	uint64_t last = 0;
	while (last < BATCHES) {
		pthread_mutex_lock(&owner->lock);
		uint64_t now = read_batch(owner->reader);
		if (owner->rests)
			filedb_reader_rest(owner->reader);
		pthread_mutex_unlock(&owner->lock);
		REQUIRE(now >= last);
		last = now;
	}
	return NULL;
}

static void write_batch(struct filedb *db, uint64_t value)
{
	struct filedb_batch *batch = fixture_batch(db, false);
	for (uint64_t n = 0; n < SLOTS; n++)
		put_slot(batch, n % 3, 0, n, value);
	fixture_commit(batch);
}

static void snapshots_hold_whole_batches(void **state)
{
	struct scene *scene = *state;
	struct owner owners[READERS];
	struct filedb_stats stats;
	write_batch(scene->db, 1);
	for (int i = 0; i < READERS; i++) {
		owners[i].rests = i % 2 == 0;
		assert_ok(pthread_mutex_init(&owners[i].lock, NULL));
		assert_ok(filedb_reader_new(scene->db, &owners[i].reader));
		assert_ok(pthread_create(&owners[i].thread, NULL, read_on, &owners[i]));
	}
	for (uint64_t value = 2; value <= BATCHES; value++) {
		write_batch(scene->db, value);
		filedb_stats(scene->db, &stats);
		for (int i = 0; i < READERS; i++) {
			if (owners[i].rests && value < BATCHES)
				continue;
			pthread_mutex_lock(&owners[i].lock);
			filedb_reader_rest(owners[i].reader);
			pthread_mutex_unlock(&owners[i].lock);
		}
	}
	for (int i = 0; i < READERS; i++) {
		assert_ok(pthread_join(owners[i].thread, NULL));
		filedb_reader_free(&owners[i].reader);
		pthread_mutex_destroy(&owners[i].lock);
	}
	filedb_stats(scene->db, &stats);
	assert_int_equal(stats.commits, BATCHES);
	assert_int_equal(stats.misses, 0);
	assert_int_equal(stats.reads % SLOTS, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(snapshots_hold_whole_batches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
