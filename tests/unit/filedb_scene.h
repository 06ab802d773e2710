/* SPDX-License-Identifier: MIT */
#pragma once
/* A folder with an open file database and a reader, and gets that say what they expect. */
#include "raw_lmdb.h"
#include "filedb_fixture.h"

struct scene {
	char folder[256];
	struct filedb *db;
	struct filedb_reader *reader;
};

static inline void open_scene(struct scene *scene, uint64_t map_bytes)
{
	scene->db = fixture_filedb(scene->folder, map_bytes);
	assert_ok(filedb_reader_new(scene->db, &scene->reader));
}

static inline void close_scene(struct scene *scene)
{
	filedb_reader_free(&scene->reader);
	filedb_close(&scene->db);
}

static inline void reopen(struct scene *scene)
{
	close_scene(scene);
	open_scene(scene, 0);
}

static inline int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	fixture_folder(scene->folder);
	open_scene(scene, 0);
	*state = scene;
	return 0;
}

static inline int teardown(void **state)
{
	struct scene *scene = *state;
	close_scene(scene);
	fixture_remove(scene->folder);
	free(scene);
	return 0;
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* A commit, seen by the reader. */
static inline void settle(const struct scene *scene, struct filedb_batch *batch)
{
	fixture_commit(batch);
	filedb_reader_rest(scene->reader);
}

static inline struct eth_bytes32 word(uint64_t n)
{
	struct eth_u256 number = eth_u256_from_u64(n);
	struct eth_bytes32 out;
	memcpy(out.bytes, number.bytes, sizeof out.bytes);
	return out;
}

/* Slot n, a small number, of account a; 0 as value is zero. */
static inline void put_slot(struct filedb_batch *batch, uint64_t a, uint32_t generation,
			    uint64_t n, uint64_t value)
{
	struct eth_address address = fixture_address(a);
	struct eth_bytes32 slot = word(n), v = word(value);
	assert_ok(filedb_batch_slot(batch, &address, generation, &slot, &v));
}

static inline void expect_slot(const struct scene *scene, uint64_t a, uint32_t generation,
			       uint64_t n, enum lookup wanted, uint64_t value)
{
	struct eth_address address = fixture_address(a);
	struct eth_bytes32 slot = word(n), got, v = word(value);
	enum err err;
	assert_int_equal(
		filedb_get_slot(scene->reader, &address, generation, &slot, &got, &err, NULL),
		wanted);
	if (wanted == HIT)
		assert_memory_equal(&got, &v, sizeof v);
}

static inline struct filedb_account account_of(uint64_t nonce, uint32_t generation)
{
	return (struct filedb_account){.fields = {.mask = ACCOUNT_NONCE, .nonce = nonce},
				       .generation = generation};
}

static inline void put_account(struct filedb_batch *batch, uint64_t a, uint64_t nonce,
			       uint32_t generation)
{
	struct eth_address address = fixture_address(a);
	struct filedb_account account = account_of(nonce, generation);
	assert_ok(filedb_batch_account(batch, &address, &account));
}

static inline struct blob *pattern(size_t n, bool noise)
{
	struct blob *blob = blob_new(n);
	assert_non_null(blob);
	for (size_t i = 0; i < n; i++)
		blob->bytes[i] = (unsigned char)(noise ? fixture_mix(i) : i / 100);
	return blob;
}

static inline void put_code(struct filedb_batch *batch, uint64_t hash, size_t n, bool noise)
{
	struct eth_bytes32 code_hash = fixture_word(hash);
	struct blob *code = pattern(n, noise);
	assert_ok(filedb_batch_code(batch, &code_hash, code));
	blob_put(&code);
}

static inline void expect_code(const struct scene *scene, uint64_t hash, size_t n, bool noise)
{
	struct eth_bytes32 code_hash = fixture_word(hash);
	struct blob *code = pattern(n, noise), *got;
	enum err err;
	assert_int_equal(filedb_get_code(scene->reader, &code_hash, &got, &err, NULL), HIT);
	assert_true(span_equal(blob_span(got), blob_span(code)));
	blob_put(&got);
	blob_put(&code);
}
