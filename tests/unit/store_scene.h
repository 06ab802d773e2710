/* SPDX-License-Identifier: MIT */
#pragma once
/* A folder with an open store and a reader: what the tests of the disk cache begin with. */
#include "raw_lmdb.h"
#include "cache/record.h"
#include "cache/store.h"
#include "store_fixture.h"

#define CAPACITY (UINT64_C(64) << 20)

struct scene {
	char folder[256];
	struct store *store;
	struct store_reader *reader;
};

static inline void open_scene(struct scene *scene)
{
	scene->store = fixture_open(scene->folder, CAPACITY);
	assert_ok(store_reader_new(scene->store, &scene->reader));
}

static inline void close_scene(struct scene *scene)
{
	store_reader_free(&scene->reader);
	store_close(&scene->store);
}

static inline int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	fixture_folder(scene->folder);
	open_scene(scene);
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

static inline struct store_stats stats(const struct scene *scene)
{
	struct store_stats out;
	store_stats(scene->store, &out);
	return out;
}

static inline void reopen(struct scene *scene)
{
	close_scene(scene);
	open_scene(scene);
}

/* Commits, and lets the reader see it. */
static inline void settle(struct scene *scene)
{
	store_flush(scene->store);
	store_reader_rest(scene->reader);
}

static inline struct blob *text_blob(const char *text)
{
	struct blob *blob = blob_copy(text, strlen(text));
	assert_non_null(blob);
	return blob;
}

static inline struct blob *noise(size_t n, uint64_t seed)
{
	struct blob *blob = blob_new(n);
	assert_non_null(blob);
	for (size_t i = 0; i < n; i++)
		blob->bytes[i] = (unsigned char)fixture_mix(seed + i);
	return blob;
}

static inline void put_everything(struct store *store)
{
	struct block_header header = fixture_header(5);
	struct eth_address address = fixture_address(1);
	struct account_fields fields = {.mask = ACCOUNT_BALANCE | ACCOUNT_CODE_HASH,
					.balance = eth_u256_from_u64(77),
					.code_hash = fixture_word(8)};
	struct blob *code = noise(24576, 1), *reply = text_blob("{\"result\":1}");
	store_put_header(store, &header);
	store_put_binding(store, 5, &header.hash);
	store_put_finalized(store, 5);
	store_put_finalized(store, 4);
	store_put_account(store, &header.hash, &address, &fields);
	fixture_put_slot(store, 5, 1);
	store_put_code(store, &fields.code_hash, code);
	store_put_reply(store, SPAN("eth_foo"), reply);
	blob_put(&code);
	blob_put(&reply);
}

static inline void expect_everything(struct store_reader *reader)
{
	struct block_header header = fixture_header(5), header_got;
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 word, code_hash = fixture_word(8);
	struct account_fields fields;
	struct blob *blob, *code = noise(24576, 1);
	uint64_t number;
	assert_int_equal(store_get_header(reader, &header.hash, &header_got), HIT);
	/* without the padding at the end */
	assert_memory_equal(&header_got, &header, offsetof(struct block_header, base_fee) + 32);
	assert_int_equal(store_get_binding(reader, 5, &word), HIT);
	assert_true(eth_bytes32_equal(&word, &header.hash));
	assert_int_equal(store_get_finalized(reader, &number), HIT);
	assert_int_equal(number, 5);
	assert_int_equal(store_get_account(reader, &header.hash, &address, 15, &fields), HIT);
	assert_int_equal(fields.mask, ACCOUNT_BALANCE | ACCOUNT_CODE_HASH);
	assert_int_equal(fields.balance.bytes[31], 77);
	assert_true(eth_bytes32_equal(&fields.code_hash, &code_hash));
	assert_int_equal(fixture_get_slot(reader, 5, 1), HIT);
	assert_int_equal(store_get_code(reader, &code_hash, &blob), HIT);
	assert_true(span_equal(blob_span(blob), blob_span(code)));
	blob_put(&blob);
	blob_put(&code);
	assert_int_equal(store_get_reply(reader, SPAN("eth_foo"), &blob), HIT);
	assert_span(blob_span(blob), "{\"result\":1}");
	blob_put(&blob);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
