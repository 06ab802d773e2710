/* SPDX-License-Identifier: MIT */
/* Keys whose hashes are the same, in each cache: one's value is never given for another. */
#include "store_scene.h"
#include "fake_collide.h"

enum { KEYS = 40 };

static struct blob *value_of(unsigned i)
{
	char text[32];
	const int n = snprintf(text, sizeof text, "value %u", i);

	return blob_copy(text, (size_t)n);
}

static struct span key_of(unsigned i, char text[32])
{
	const int n = snprintf(text, 32, "key %u", i);

	return (struct span){text, (size_t)n};
}

static void assert_is_its_own(unsigned i, struct blob *got)
{
	struct blob *want = value_of(i);

	assert_true(span_equal(blob_span(got), blob_span(want)));
	blob_put(&want);
}

static void in_memory(void **state)
{
	struct memcache *cache;
	struct memcache_reader *reader;
	struct blob *got;
	char text[32];
	unsigned cells = 0, blobs = 0;

	(void)state;
	assert_int_equal(memcache_new(2 << 20, &cache), OK);
	assert_int_equal(memcache_reader_new(cache, &reader), OK);
	for (unsigned i = 0; i < KEYS; i++) {
		const struct cell_key key = {.kind = 1, .len = 1, .bytes = {(uint8_t)i}};
		const struct eth_bytes32 word = fixture_word(i);
		struct blob *value = value_of(i);
		memcache_cell_put(cache, &key, &word);
		memcache_blob_put(cache, key_of(i, text), value);
		blob_put(&value);
	}
	for (unsigned i = 0; i < 2 * KEYS; i++) {
		const struct cell_key key = {.kind = 1, .len = 1, .bytes = {(uint8_t)i}};
		const struct eth_bytes32 want = fixture_word(i);
		struct eth_bytes32 word;
		const uint64_t hash = memcache_cell_hash(cache, &key);
		if (memcache_cell_get(reader, &key, hash, &word) == HIT) {
			assert_memory_equal(word.bytes, want.bytes, 32);
			assert_true(i < KEYS);
			cells++;
		}
		if (memcache_blob_get(reader, key_of(i, text), &got) == HIT) {
			assert_is_its_own(i, got);
			assert_true(i < KEYS);
			blobs++;
		}
		memcache_park(reader);
	}
	assert_true(cells > 0); /* those for which a line of the index has room */
	assert_int_equal(blobs, KEYS);
	memcache_reader_free(&reader);
	memcache_free(&cache);
}

/* Replies that wait to be committed, then those on the disk, where a digest has one place. */
static void on_disk(void **state)
{
	struct scene *scene = *state;
	struct blob *got;
	char text[32];

	for (unsigned i = 0; i < KEYS; i++) {
		struct blob *value = value_of(i);
		store_put_reply(scene->store, key_of(i, text), value);
		blob_put(&value);
	}
	for (int round = 0; round < 2; round++) {
		unsigned hits = 0;
		for (unsigned i = 0; i < 2 * KEYS; i++) {
			if (store_get_reply(scene->reader, key_of(i, text), &got) != HIT)
				continue;
			assert_is_its_own(i, got);
			blob_put(&got);
			hits++;
		}
		assert_in_range(hits, 1, KEYS);
		settle(scene);
	}
	assert_int_equal(stats(scene).corrupt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory),
		cmocka_unit_test_setup_teardown(on_disk, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
