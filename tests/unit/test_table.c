/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "layers/table.h"

struct entry {
	uint64_t key, unused;
};

enum { N = 500 };

static unsigned hashed;

/* how: from the worst to a good one. */
static uint64_t hash_of_key(uint64_t key, uint64_t how)
{
	switch (how) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX; /* the last place: the walk goes on at the first */
	case 2:
		return key << 48 | (key & 0xf); /* few tags, crowded places */
	default:
		return key * UINT64_C(0x9e3779b97f4a7c15);
	}
}

static uint64_t hash_of_entry(const void *cookie, const void *entry)
{
	hashed++;
	return hash_of_key(((const struct entry *)entry)->key, *(const uint64_t *)cookie);
}

static struct entry *find(const struct table *table, uint64_t key, uint64_t how)
{
	struct table_probe probe = table_probe(table, hash_of_key(key, how));
	struct entry *entry;
	do {
		entry = table_next(table, &probe);
	} while (entry && entry->key != key);
	return entry;
}

static void all_are_found_however_they_collide(void **state)
{
	(void)state;
	for (uint64_t how = 0; how < 4; how++) {
		static struct entry *made[N];
		struct table table;
		table_init(&table, sizeof(struct entry));
		assert_null(find(&table, 0, how));
		for (uint64_t key = 0; key < N; key++) {
			made[key] =
				table_add(&table, hash_of_key(key, how), hash_of_entry, &how);
			assert_int_equal(made[key]->key, 0);
			made[key]->key = key;
		}
		for (uint64_t key = 0; key < N; key++)
			assert_ptr_equal(find(&table, key, how), made[key]);
		assert_null(find(&table, N, how));
		assert_int_equal(table.entries_n, N);
		table_release(&table);
		assert_int_equal(table.bytes, 0);
		assert_null(find(&table, 0, how));
	}
}

static void growing_is_rare(void **state)
{
	(void)state;
	const uint64_t how = 3;
	struct table table;
	table_init(&table, sizeof(struct entry));
	hashed = 0;
	for (uint64_t key = 0; key < 100000; key++) {
		struct entry *entry =
			table_add(&table, hash_of_key(key, how), hash_of_entry, &how);
		entry->key = key;
	}
	/* By a half each time: every entry moves twice, on the average, or three times. */
	assert_true(hashed <= 300000);
	assert_true(table.places_n * 3 >= table.entries_n * 4);
	assert_true(table.places_n <= table.entries_n * 2);
	table_release(&table);
}

static uint64_t next_key;

static void is_next(void *entry)
{
	assert_int_equal(((struct entry *)entry)->key, next_key++);
}

static void each_is_in_the_order_of_making(void **state)
{
	(void)state;
	const uint64_t how = 3;
	struct table table;
	table_init(&table, sizeof(struct entry));
	for (uint64_t key = 0; key < 10000; key++) {
		struct entry *entry =
			table_add(&table, hash_of_key(key, how), hash_of_entry, &how);
		entry->key = key;
	}
	next_key = 0;
	table_each(&table, is_next);
	assert_int_equal(next_key, 10000);
	table_release(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found_however_they_collide),
		cmocka_unit_test(growing_is_rare),
		cmocka_unit_test(each_is_in_the_order_of_making),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
