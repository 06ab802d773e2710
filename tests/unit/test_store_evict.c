/* SPDX-License-Identifier: MIT */
/* What goes when a store is full, and that what stays belongs together. */
#include "store_scene.h"
#include <sys/stat.h>

#define SMALL (UINT64_C(4) << 20)

static void open_small(struct scene *scene)
{
	scene->store = fixture_open(scene->folder, SMALL);
	assert_ok(store_reader_new(scene->store, &scene->reader));
}

static int setup_small(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	fixture_folder(scene->folder);
	open_small(scene);
	*state = scene;
	return 0;
}

static void put_code_of(struct store *store, uint64_t n)
{
	struct eth_bytes32 hash = fixture_word(n ^ (UINT64_C(7) << 60));
	struct blob *code = noise(3000, n);
	store_put_code(store, &hash, code);
	blob_put(&code);
}

static enum lookup get_code_of(struct store_reader *reader, uint64_t n)
{
	struct eth_bytes32 hash = fixture_word(n ^ (UINT64_C(7) << 60));
	struct blob *code, *wanted = noise(3000, n);
	enum lookup found = store_get_code(reader, &hash, &code);
	if (found == HIT && !span_equal(blob_span(code), blob_span(wanted)))
		found = FAILED;
	blob_put(&code);
	blob_put(&wanted);
	return found;
}

static void put_contract(struct store *store, uint64_t b, uint64_t n)
{
	struct block_header header = fixture_header(b);
	struct eth_address address = fixture_address(n);
	struct account_fields fields = {.mask = ACCOUNT_CODE_HASH,
					.code_hash = fixture_word(n ^ (UINT64_C(7) << 60))};
	store_put_account(store, &header.hash, &address, &fields);
}

static void put_long_reply(struct store *store, uint64_t n)
{
	char request[32];
	snprintf(request, sizeof request, "reply %llu", (unsigned long long)n);
	struct blob *reply = noise(fixture_mix(n) % 12000, n);
	store_put_reply(store, span_of(request), reply);
	blob_put(&reply);
}

/* Everything of a block; 40 blocks fill the store. */
static void put_block(struct store *store, uint64_t b)
{
	struct block_header header = fixture_header(b);
	store_put_header(store, &header);
	store_put_binding(store, b, &header.hash);
	for (uint64_t n = 0; n < 200; n++)
		fixture_put_slot(store, b, 1000 * b + n);
	for (uint64_t n = 0; n < 10; n++) {
		put_code_of(store, 10 * b + n);
		put_contract(store, b, 10 * b + n);
		put_long_reply(store, 10 * b + n);
	}
	store_flush(store);
}

static bool exists(MDB_txn *txn, const char *table, const void *prefix, size_t len)
{
	MDB_dbi dbi;
	MDB_cursor *cursor;
	unsigned char copy[64];
	memcpy(copy, prefix, len);
	MDB_val k = {len, copy}, v;
	assert_ok(mdb_dbi_open(txn, table, 0, &dbi));
	assert_ok(mdb_cursor_open(txn, dbi, &cursor));
	bool found = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == 0 && k.mv_size >= len &&
		     memcmp(k.mv_data, prefix, len) == 0;
	mdb_cursor_close(cursor);
	return found;
}

/* A reference whose account has gone may wait for the next sweep; the bound counts it. */
static size_t orphans;
static void check_references(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	struct span account;
	assert_ok(mdb_cursor_open(txn, dbi, &cursor));
	orphans = 0;
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		assert_true(
			record_coderef_account((struct span){k.mv_data, k.mv_size}, &account));
		orphans += !exists(txn, "accounts", account.ptr, account.len);
	}
	mdb_cursor_close(cursor);
}

static uint64_t ids[512];
static size_t ids_count;
static void collect_ids(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	assert_ok(mdb_cursor_open(txn, dbi, &cursor));
	for (ids_count = 0; mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0;)
		ids[ids_count++] = be64_get((unsigned char *)v.mv_data + 4);
	mdb_cursor_close(cursor);
}

/* Every fact lies under the id of a block that is there. */
static void check_blocks(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	struct record_key facts;
	assert_ok(mdb_cursor_open(txn, dbi, &cursor));
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		bool known = false;
		for (size_t i = 0; i < ids_count && !known; i++) {
			record_key_facts(&facts, ids[i]);
			known = memcmp(k.mv_data, facts.bytes, facts.len) == 0;
		}
		assert_true(known);
	}
	mdb_cursor_close(cursor);
}

static void every_table_is_bounded(void **state)
{
	struct scene *scene = *state;
	struct stat st;
	char path[512];
	uint64_t wrong = 0, recent = 0;
	for (uint64_t b = 1; b <= 400; b++) {
		put_block(scene->store, b);
		assert_true(stats(scene).used_bytes <= SMALL);
		for (uint64_t n = 0; n < 200; n++) {
			wrong += fixture_get_slot(scene->reader, b, 1000 * b + n) == FAILED;
			recent += fixture_get_slot(scene->reader, b, 1000 * b + n) == HIT;
		}
		for (uint64_t n = 0; n < 10 * b; n += 7)
			wrong += get_code_of(scene->reader, n) == FAILED;
		store_reader_rest(scene->reader);
	}
	assert_int_equal(wrong, 0);
	assert_true(recent > 400 * 200 * 9 / 10);
	assert_true(stats(scene).evicted > 0);
	assert_int_equal(stats(scene).corrupt, 0);
	assert_int_equal(stats(scene).puts_dropped, 0);
	close_scene(scene);
	snprintf(path, sizeof path, "%s/data.mdb", scene->folder);
	assert_ok(stat(path, &st));
	assert_true((uint64_t)st.st_size <= SMALL / 2 * 3);
	raw(scene->folder, "blocks", collect_ids);
	assert_true(ids_count < 400); /* old blocks have gone with their facts */
	raw(scene->folder, "slots", check_blocks);
	raw(scene->folder, "accounts", check_blocks);
	raw(scene->folder, "coderef", check_references);
	assert_int_equal(orphans, 0);
	open_small(scene);
}

static void code_without_an_account_goes_first(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(1);
	size_t needed = 0, unneeded = 0;
	store_put_header(scene->store, &header);
	for (uint64_t n = 0; n < 60; n++) {
		put_code_of(scene->store, n);
		if (n < 30)
			put_contract(scene->store, 1, n);
	}
	for (uint64_t n = 0; n < 60000; n++) {
		fixture_put_slot(scene->store, 1, n);
		if (n % 200 != 199)
			continue;
		store_flush(scene->store);
		/* all of it is used alike, and less and less recently than the last tick */
		struct account_fields fields;
		for (uint64_t i = 0; i < 30; i++) {
			struct eth_address address = fixture_address(i);
			store_get_account(scene->reader, &header.hash, &address,
					  ACCOUNT_CODE_HASH, &fields);
		}
		for (uint64_t i = 0; n % 4000 == 3999 && i < 60; i++)
			get_code_of(scene->reader, i);
		store_reader_rest(scene->reader);
	}
	for (uint64_t n = 0; n < 60; n++)
		*(n < 30 ? &needed : &unneeded) += get_code_of(scene->reader, n) == HIT;
	assert_true(needed >= 27);
	/* All of it stands if no sweep had to reach it; else what is needed went last. */
	assert_true(unneeded <= 3 || needed == 30);
}

static void a_smaller_bound_is_reached(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(1);
	close_scene(scene);
	scene->store = fixture_open(scene->folder, 8 * SMALL);
	store_put_header(scene->store, &header);
	for (uint64_t n = 0; n < 150000; n++) {
		fixture_put_slot(scene->store, 1, n);
		if (n % 10000 == 9999)
			store_flush(scene->store);
	}
	store_close(&scene->store);
	open_small(scene);
	for (uint64_t n = 200000; n < 200100; n++) {
		store_put_header(scene->store, &header);
		fixture_put_slot(scene->store, 1, n);
		store_flush(scene->store);
	}
	assert_true(stats(scene).used_bytes <= SMALL);
	assert_int_equal(fixture_get_slot(scene->reader, 1, 200099), HIT);
}

/* Nothing can be freed then: puts are dropped, the file stays small. */
static void a_reader_that_never_rests_costs_puts(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(1);
	store_put_header(scene->store, &header);
	fixture_put_slot(scene->store, 1, 0);
	settle(scene);
	assert_int_equal(fixture_get_slot(scene->reader, 1, 0), HIT);
	for (uint64_t n = 1; n < 60000; n++) {
		fixture_put_slot(scene->store, 1, n);
		if (n % 1000 == 999)
			store_flush(scene->store);
	}
	assert_true(stats(scene).puts_dropped > 0);
	assert_true(stats(scene).file_bytes <= SMALL / 2 * 3);
	settle(scene);
	store_put_header(scene->store, &header);
	for (uint64_t n = 60000; n < 61000; n++)
		fixture_put_slot(scene->store, 1, n);
	settle(scene);
	assert_int_equal(fixture_get_slot(scene->reader, 1, 60999), HIT);
	assert_true(stats(scene).file_bytes <= SMALL / 2 * 3);
}

/* --- what somebody above uses --- */

#define USED 300 /* slots below are in use, wherever they come from */

static bool slots_in_use(void *cookie, const struct store_record *record)
{
	size_t *asked = cookie;
	struct eth_bytes32 block = fixture_header(1).hash;
	if (record->kind != STORE_SLOT || !eth_bytes32_equal(&record->hash, &block))
		return false;
	for (uint64_t n = 0; n < USED; n++) {
		struct eth_bytes32 slot = fixture_word(n);
		struct eth_address address = fixture_address(n / 256);
		if (!eth_bytes32_equal(&slot, &record->slot))
			continue;
		assert_memory_equal(&address, &record->address, sizeof address);
		++*asked;
		return true;
	}
	return false;
}

static size_t used_left(struct scene *scene)
{
	size_t left = 0;
	for (uint64_t n = 0; n < USED; n++)
		left += fixture_get_slot(scene->reader, 1, n) == HIT;
	store_reader_rest(scene->reader);
	return left;
}

/* Five times what the store holds goes through it. */
static void push_through(struct scene *scene)
{
	struct block_header old = fixture_header(1), new = fixture_header(2);
	store_put_header(scene->store, &old);
	for (uint64_t n = 0; n < USED; n++)
		fixture_put_slot(scene->store, 1, n);
	store_put_header(scene->store, &new);
	for (uint64_t n = 10000; n < 210000; n++) {
		fixture_put_slot(scene->store, 2, n);
		if (n % 500 == 499)
			store_flush(scene->store);
	}
	settle(scene);
	assert_true(stats(scene).used_bytes <= SMALL);
	assert_int_equal(stats(scene).puts_dropped, 0);
}

static void what_is_in_use_stays(void **state)
{
	struct scene *scene = *state;
	size_t asked = 0;
	push_through(scene);
	assert_true(used_left(scene) < USED / 10);
	store_set_in_use(scene->store, slots_in_use, &asked);
	push_through(scene);
	assert_int_equal(used_left(scene), USED);
	assert_true(asked >= USED);
	/* touched: not asked for at every round */
	assert_true(asked < USED * 15);
	store_set_in_use(scene->store, NULL, NULL);
	push_through(scene);
	assert_true(used_left(scene) < USED / 10);
}

static bool all_in_use(void *cookie, const struct store_record *record)
{
	(void)record;
	++*(size_t *)cookie;
	return true;
}

/* The bound is kept all the same. */
static void eviction_goes_on_when_all_is_in_use(void **state)
{
	struct scene *scene = *state;
	size_t asked = 0;
	store_set_in_use(scene->store, all_in_use, &asked);
	for (uint64_t b = 1; b <= 120; b++) {
		put_block(scene->store, b);
		assert_true(stats(scene).used_bytes <= SMALL);
	}
	assert_true(asked > 0);
	assert_true(stats(scene).evicted > 0);
	assert_int_equal(stats(scene).puts_dropped, 0);
	assert_int_equal(fixture_get_slot(scene->reader, 120, 120100), HIT);
	store_set_in_use(scene->store, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_table_is_bounded, setup_small, teardown),
		cmocka_unit_test_setup_teardown(code_without_an_account_goes_first, setup_small,
						teardown),
		cmocka_unit_test_setup_teardown(a_smaller_bound_is_reached, setup_small,
						teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_never_rests_costs_puts,
						setup_small, teardown),
		cmocka_unit_test_setup_teardown(what_is_in_use_stays, setup_small, teardown),
		cmocka_unit_test_setup_teardown(eviction_goes_on_when_all_is_in_use,
						setup_small, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
