/* SPDX-License-Identifier: MIT */
/* What the file database keeps: records, batches, generations, the root, walks. */
#include "filedb_scene.h"

static void expect_account(const struct scene *scene, uint64_t a,
			   const struct filedb_account *wanted)
{
	struct eth_address address = fixture_address(a);
	struct filedb_account got;
	enum err err;
	assert_int_equal(filedb_get_account(scene->reader, &address, &got, &err, NULL), HIT);
	assert_int_equal(got.fields.mask, wanted->fields.mask);
	assert_int_equal(got.fields.nonce, wanted->fields.nonce);
	assert_memory_equal(&got.fields.balance, &wanted->fields.balance, 32);
	assert_memory_equal(&got.fields.code_hash, &wanted->fields.code_hash, 32);
	assert_memory_equal(&got.fields.storage_root, &wanted->fields.storage_root, 32);
	assert_int_equal(got.generation, wanted->generation);
	assert_int_equal(got.exists, wanted->exists);
	assert_int_equal(got.has_existence, wanted->has_existence);
	assert_int_equal(got.destructed, wanted->destructed);
}

/* Bit by bit: each field alone and all together, empty and longest. */
static struct filedb_account account_number(unsigned i)
{
	struct filedb_account account = {
		.fields.mask = i & 15,
		.has_existence = i & 16,
		.exists = (i & 48) == 48,
		.destructed = i & 64,
		.generation = (i & 128) ? UINT32_MAX : 0,
	};
	if ((i & ACCOUNT_NONCE) && i & 32)
		account.fields.nonce = UINT64_MAX;
	if ((i & ACCOUNT_BALANCE) && i & 64)
		memset(account.fields.balance.bytes, 0xff, 32);
	if (i & ACCOUNT_CODE_HASH)
		account.fields.code_hash = fixture_word(i);
	if (i & ACCOUNT_STORAGE_ROOT)
		account.fields.storage_root = fixture_word(i + 1);
	return account;
}

static void accounts_come_back_as_they_were(void **state)
{
	struct scene *scene = *state;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	for (unsigned i = 0; i < 256; i++) {
		struct eth_address address = fixture_address(i);
		struct filedb_account account = account_number(i);
		assert_ok(filedb_batch_account(batch, &address, &account));
	}
	fixture_commit(batch);
	for (int again = 0; again < 2; again++, reopen(scene))
		for (unsigned i = 0; i < 256; i++) {
			struct filedb_account account = account_number(i);
			expect_account(scene, i, &account);
		}
	struct eth_address other = fixture_address(256);
	struct filedb_account got;
	enum err err;
	assert_int_equal(filedb_get_account(scene->reader, &other, &got, &err, NULL), MISS);
}

static void slots_of_every_length(void **state)
{
	struct scene *scene = *state;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 got;
	enum err err;
	for (unsigned n = 0; n <= 32; n++)
		for (unsigned m = 1; m <= 32; m++) {
			struct eth_bytes32 slot = {{0}}, value = {{0}};
			memset(slot.bytes + 32 - n, 0xa0, n);
			slot.bytes[31] = (unsigned char)(slot.bytes[31] ^ m);
			memset(value.bytes + 32 - m, (int)(n + 1), m);
			assert_ok(filedb_batch_slot(batch, &address, m, &slot, &value));
		}
	fixture_commit(batch);
	reopen(scene);
	for (unsigned n = 0; n <= 32; n++)
		for (unsigned m = 1; m <= 32; m++) {
			struct eth_bytes32 slot = {{0}}, value = {{0}};
			memset(slot.bytes + 32 - n, 0xa0, n);
			slot.bytes[31] = (unsigned char)(slot.bytes[31] ^ m);
			memset(value.bytes + 32 - m, (int)(n + 1), m);
			assert_int_equal(filedb_get_slot(scene->reader, &address, m, &slot,
							 &got, &err, NULL),
					 HIT);
			assert_memory_equal(&got, &value, 32);
			assert_int_equal(filedb_get_slot(scene->reader, &address, m + 32, &slot,
							 &got, &err, NULL),
					 MISS);
		}
}

static void code_of_every_size(void **state)
{
	struct scene *scene = *state;
	static const size_t sizes[] = {0, 1, 1024, 1025, 24576, 5000000};
	struct eth_bytes32 other = fixture_word(99);
	struct blob *got;
	enum err err;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		put_code(batch, 2 * i, sizes[i], false);
		put_code(batch, 2 * i + 1, sizes[i], true);
		put_code(batch, 2 * i + 1, sizes[i], true); /* a second time */
	}
	fixture_commit(batch);
	reopen(scene);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		expect_code(scene, 2 * i, sizes[i], false);
		expect_code(scene, 2 * i + 1, sizes[i], true);
	}
	assert_int_equal(filedb_get_code(scene->reader, &other, &got, &err, NULL), MISS);
	assert_null(got);
}

static void batches_are_seen_whole_and_after_a_rest(void **state)
{
	struct scene *scene = *state;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 11);
	expect_slot(scene, 1, 0, 1, MISS, 0);
	fixture_commit(batch);
	expect_slot(scene, 1, 0, 1, MISS, 0); /* the same snapshot */
	filedb_reader_rest(scene->reader);
	filedb_reader_rest(scene->reader);
	expect_slot(scene, 1, 0, 1, HIT, 11);
	batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 12);
	put_slot(batch, 1, 0, 2, 13);
	filedb_batch_abort(&batch);
	assert_null(batch);
	filedb_batch_abort(&batch);
	filedb_reader_rest(scene->reader);
	expect_slot(scene, 1, 0, 1, HIT, 11);
	expect_slot(scene, 1, 0, 2, MISS, 0);
}

static void zeros_are_records_only_where_something_lies_below(void **state)
{
	struct scene *scene = *state;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 5);
	put_slot(batch, 1, 0, 2, 0);
	settle(scene, batch);
	expect_slot(scene, 1, 0, 2, MISS, 0);
	batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 0);
	settle(scene, batch);
	expect_slot(scene, 1, 0, 1, MISS, 0);
	batch = fixture_batch(scene->db, true);
	put_slot(batch, 1, 0, 1, 0);
	put_slot(batch, 1, 1, 1, 7);
	put_slot(batch, 1, 1, 2, 0); /* wiped: nothing shows through */
	settle(scene, batch);
	expect_slot(scene, 1, 0, 1, HIT, 0);
	expect_slot(scene, 1, 1, 1, HIT, 7);
	expect_slot(scene, 1, 1, 2, MISS, 0);
	struct filedb_stats stats;
	filedb_stats(scene->db, &stats);
	assert_int_equal(stats.records, 2);
}

static uint64_t records(const struct scene *scene)
{
	struct filedb_stats stats;
	filedb_stats(scene->db, &stats);
	return stats.records;
}

static void old_generations_are_swept(void **state)
{
	struct scene *scene = *state;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	for (uint64_t a = 1; a <= 3; a++)
		for (uint64_t n = 0; n < 10; n++)
			put_slot(batch, a, 0, n, 1 + n);
	settle(scene, batch);
	assert_false(filedb_sweep(scene->db, 100));
	assert_int_equal(records(scene), 30);
	batch = fixture_batch(scene->db, false);
	put_account(batch, 1, 1, 1); /* wiped: it had no record, and so generation 0 */
	put_account(batch, 2, 1, 0); /* not wiped */
	put_slot(batch, 1, 1, 3, 33);
	put_slot(batch, 1, 1, 11, 44);
	settle(scene, batch);
	batch = fixture_batch(scene->db, false);
	put_account(batch, 1, 2, 70000); /* again */
	put_slot(batch, 1, 70000, 3, 55);
	put_slot(batch, 1, 70000, 1 << 20, 66);
	settle(scene, batch);
	expect_slot(scene, 1, 1, 3, HIT, 33);
	filedb_reader_rest(scene->reader);
	assert_int_equal(records(scene), 2 + 30 + 4);
	assert_true(filedb_sweep(scene->db, 0));
	assert_true(filedb_sweep(scene->db, 5));
	assert_int_equal(records(scene), 2 + 25 + 4);
	assert_true(filedb_sweep(scene->db, 6));
	assert_int_equal(records(scene), 2 + 20 + 3);
	assert_false(filedb_sweep(scene->db, 1));
	assert_int_equal(records(scene), 2 + 20 + 2);
	assert_false(filedb_sweep(scene->db, 1));
	reopen(scene);
	assert_int_equal(records(scene), 2 + 20 + 2);
	expect_slot(scene, 1, 70000, 3, HIT, 55);
	expect_slot(scene, 1, 70000, 1 << 20, HIT, 66);
	expect_slot(scene, 1, 1, 3, MISS, 0);
	for (uint64_t n = 0; n < 10; n++) {
		expect_slot(scene, 1, 0, n, MISS, 0);
		expect_slot(scene, 2, 0, n, HIT, 1 + n);
		expect_slot(scene, 3, 0, n, HIT, 1 + n);
	}
}

static void generations_only_rise(void **state)
{
	struct scene *scene = *state;
	struct err_detail detail;
	struct eth_address address = fixture_address(1);
	struct filedb_account older = account_of(9, 4);
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	put_account(batch, 1, 1, 5);
	settle(scene, batch);
	batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 5, 1, 1);
	assert_int_equal(filedb_batch_account(batch, &address, &older), ERR_INVALID);
	/* a step that failed is not forgotten */
	struct eth_bytes32 w = word(1);
	struct blob *code = pattern(1, false);
	assert_int_equal(filedb_batch_slot(batch, &address, 5, &w, &w), ERR_INVALID);
	assert_int_equal(filedb_batch_code(batch, &w, code), ERR_INVALID);
	assert_int_equal(filedb_batch_root(batch, &w), ERR_INVALID);
	blob_put(&code);
	assert_int_equal(filedb_batch_commit(&batch, &detail), ERR_INVALID);
	assert_null(batch);
	assert_non_null(strstr(detail.text, "only rise: 4 after 5"));
	expect_slot(scene, 1, 5, 1, MISS, 0);
	batch = fixture_batch(scene->db, false);
	put_account(batch, 1, 2, 5);
	settle(scene, batch);
}

static enum lookup root(const struct scene *scene, struct eth_bytes32 *out)
{
	enum err err;
	filedb_reader_rest(scene->reader);
	return filedb_get_root(scene->reader, out, &err, NULL);
}

static void a_root_is_that_of_the_last_batch(void **state)
{
	struct scene *scene = *state;
	struct eth_bytes32 got, given = fixture_word(5);
	assert_int_equal(root(scene, &got), MISS);
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	assert_ok(filedb_batch_root(batch, &given));
	put_slot(batch, 1, 0, 1, 1);
	fixture_commit(batch);
	reopen(scene);
	assert_int_equal(root(scene, &got), HIT);
	assert_true(eth_bytes32_equal(&got, &given));
	batch = fixture_batch(scene->db, false);
	put_code(batch, 1, 10, false); /* no state */
	fixture_commit(batch);
	assert_int_equal(root(scene, &got), HIT);
	batch = fixture_batch(scene->db, false);
	put_slot(batch, 1, 0, 1, 2);
	fixture_commit(batch);
	assert_int_equal(root(scene, &got), MISS);
	batch = fixture_batch(scene->db, false);
	assert_ok(filedb_batch_root(batch, &given));
	fixture_commit(batch);
	assert_int_equal(root(scene, &got), HIT);
	batch = fixture_batch(scene->db, false);
	assert_ok(filedb_batch_root(batch, NULL));
	fixture_commit(batch);
	assert_int_equal(root(scene, &got), MISS);
}

/* What a walk saw: accounts and slots in order. */
struct seen {
	struct eth_address at;
	struct eth_bytes32 last_slot;
	bool any_account, any_slot;
	size_t accounts, slots, code, stop_at;
};

static void enter(struct seen *seen, const struct eth_address *address)
{
	int order = memcmp(seen->at.bytes, address->bytes, 20);
	assert_true(!seen->any_account || order <= 0);
	if (!seen->any_account || order != 0)
		seen->any_slot = false;
	seen->any_account = true;
	seen->at = *address;
}

static enum err saw_account(void *cookie, const struct eth_address *address,
			    const struct filedb_account *account)
{
	struct seen *seen = cookie;
	assert_true(!seen->any_account || memcmp(seen->at.bytes, address->bytes, 20) < 0);
	enter(seen, address);
	assert_int_equal(account->fields.nonce, 1 + account->generation);
	return ++seen->accounts == seen->stop_at ? ERR_CANCELLED : OK;
}

static enum err saw_slot(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct seen *seen = cookie;
	enter(seen, address);
	assert_true(!seen->any_slot || memcmp(seen->last_slot.bytes, slot->bytes, 32) < 0);
	seen->any_slot = true;
	seen->last_slot = *slot;
	assert_memory_equal(slot, value, 32);
	seen->slots++;
	return OK;
}

static enum err saw_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	struct seen *seen = cookie;
	struct eth_bytes32 wanted = fixture_word(code->len);
	assert_true(eth_bytes32_equal(code_hash, &wanted));
	seen->code++;
	return OK;
}

static const struct filedb_walk everything = {saw_account, saw_slot, saw_code, NULL};

/* 30 accounts, every third without a record, every fifth in another generation; slots of
 * which numbers and their text have different orders. */
static void fill(const struct scene *scene)
{
	static const uint64_t slots[] = {1, 2, 255, 256, 257, 65535, 65536, UINT64_MAX};
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	for (uint64_t a = 0; a < 30; a++) {
		uint32_t generation = a % 5 == 0 && a % 3 != 0 ? 300 : 0;
		if (a % 3 != 0)
			put_account(batch, a, 1 + generation, generation);
		for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
			put_slot(batch, a, generation, slots[i], slots[i]);
			put_slot(batch, a, 299, slots[i], 13);
			put_slot(batch, a, 301, slots[i], 13);
		}
	}
	put_code(batch, 10, 10, false);
	put_code(batch, 5000, 5000, false);
	settle(scene, batch);
}

static void walks_go_in_order(void **state)
{
	struct scene *scene = *state;
	struct seen seen = {0};
	struct err_detail detail;
	assert_ok(filedb_walk(scene->reader, &everything, &seen, &detail));
	assert_int_equal(seen.accounts + seen.slots + seen.code, 0);
	fill(scene);
	filedb_reader_rest(scene->reader);
	assert_ok(filedb_walk(scene->reader, &everything, &seen, &detail));
	assert_int_equal(seen.accounts, 20);
	assert_int_equal(seen.slots, 30 * 8);
	assert_int_equal(seen.code, 2);
	seen = (struct seen){.stop_at = 7};
	assert_int_equal(filedb_walk(scene->reader, &everything, &seen, &detail),
			 ERR_CANCELLED);
	assert_int_equal(seen.accounts, 7);
	assert_int_equal(seen.code, 0);
}

static void walks_leave_out_what_is_not_wanted(void **state)
{
	struct scene *scene = *state;
	const struct filedb_walk slots = {.slot = saw_slot},
				 accounts = {.account = saw_account}, code = {.code = saw_code};
	struct eth_address address = fixture_address(5);
	struct seen seen = {0};
	fill(scene);
	assert_ok(filedb_walk(scene->reader, &slots, &seen, NULL));
	assert_ok(filedb_walk(scene->reader, &code, &seen, NULL));
	assert_int_equal(seen.accounts, 0);
	assert_int_equal(seen.slots, 30 * 8);
	assert_int_equal(seen.code, 2);
	seen = (struct seen){0};
	assert_ok(filedb_walk(scene->reader, &accounts, &seen, NULL));
	assert_int_equal(seen.accounts, 20);
	assert_int_equal(seen.slots + seen.code, 0);
	seen = (struct seen){0};
	assert_ok(filedb_walk_slots(scene->reader, &address, 300, &everything, &seen, NULL));
	assert_int_equal(seen.slots, 8);
	assert_int_equal(seen.accounts + seen.code, 0);
	assert_ok(filedb_walk_slots(scene->reader, &address, 298, &everything, &seen, NULL));
	assert_ok(filedb_walk_slots(scene->reader, &address, 300, &code, &seen, NULL));
	assert_int_equal(seen.slots, 8);
	memset(address.bytes, 0xff, sizeof address.bytes);
	assert_ok(filedb_walk_slots(scene->reader, &address, 0, &everything, &seen, NULL));
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	struct eth_bytes32 w = word(3);
	assert_ok(filedb_batch_slot(batch, &address, 0, &w, &w)); /* the last address */
	settle(scene, batch);
	seen = (struct seen){0};
	assert_ok(filedb_walk(scene->reader, &everything, &seen, NULL));
	assert_int_equal(seen.slots, 30 * 8 + 1);
}

static void statistics_count(void **state)
{
	struct scene *scene = *state;
	struct filedb_stats stats;
	struct filedb_batch *batch = fixture_batch(scene->db, false);
	put_account(batch, 1, 1, 0);
	put_slot(batch, 1, 0, 1, 1);
	put_code(batch, 1, 10, false);
	settle(scene, batch);
	expect_slot(scene, 1, 0, 1, HIT, 1);
	expect_slot(scene, 1, 0, 2, MISS, 0);
	filedb_reader_free(&scene->reader);
	assert_ok(filedb_reader_new(scene->db, &scene->reader));
	expect_slot(scene, 1, 0, 3, MISS, 0);
	filedb_stats(scene->db, &stats);
	assert_int_equal(stats.reads, 3);
	assert_int_equal(stats.misses, 2);
	assert_int_equal(stats.commits, 1);
	assert_int_equal(stats.records, 3);
	assert_int_equal(stats.used_bytes, 4 * sysconf(_SC_PAGESIZE));
	assert_true(stats.file_bytes >= stats.used_bytes);
	struct err_detail detail;
	assert_ok(filedb_sync(scene->db, &detail));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(accounts_come_back_as_they_were),
		SCENE(slots_of_every_length),
		SCENE(code_of_every_size),
		SCENE(batches_are_seen_whole_and_after_a_rest),
		SCENE(zeros_are_records_only_where_something_lies_below),
		SCENE(old_generations_are_swept),
		SCENE(generations_only_rise),
		SCENE(a_root_is_that_of_the_last_batch),
		SCENE(walks_go_in_order),
		SCENE(walks_leave_out_what_is_not_wanted),
		SCENE(statistics_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
