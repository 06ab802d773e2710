/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "layers/history.h"

static struct eth_address address_of(uint64_t n)
{
	struct eth_address a = {{0}};
	be64_put(a.bytes + 12, n);
	return a;
}

static struct eth_bytes32 word_of(uint64_t n)
{
	struct eth_bytes32 w = {{0}};
	be64_put(w.bytes + 24, n);
	return w;
}

/* The publication of this number replaced slot s of account a, which held the value before. */
static void publish(struct history *history, uint64_t sequence, uint64_t a, uint64_t s,
		    uint64_t value, unsigned wrote)
{
	const struct eth_address address = address_of(a);
	const struct eth_bytes32 slot = word_of(s);
	struct history_record *record = history_record_new(history, 2);
	assert_non_null(record);
	history_record_account(history, record, &address)->wrote = wrote;
	struct history_entry *entry = history_record_slot(history, record, &address, &slot);
	entry->value = word_of(value);
	entry->present = true;
	history_add(history, &record, sequence);
	assert_null(record);
}

static uint64_t value_after(const struct history *history, uint64_t a, uint64_t s,
			    uint64_t sequence)
{
	const struct eth_address address = address_of(a);
	const struct eth_bytes32 slot = word_of(s);
	const struct history_entry *entry = history_slot(history, &address, &slot, sequence);
	return entry ? be64_get(entry->value.bytes + 24) : UINT64_MAX;
}

static void the_first_entry_after_a_number_says_what_was(void **state)
{
	struct history history;
	(void)state;
	history_init(&history, 7);
	assert_int_equal(value_after(&history, 1, 1, 0), UINT64_MAX);
	publish(&history, 1, 1, 1, 100, 0);
	publish(&history, 2, 1, 2, 200, 0);
	publish(&history, 3, 1, 1, 101, 0);
	assert_int_equal(value_after(&history, 1, 1, 0), 100);
	assert_int_equal(value_after(&history, 1, 1, 1), 101);
	assert_int_equal(value_after(&history, 1, 1, 2), 101);
	assert_int_equal(value_after(&history, 1, 1, 3), UINT64_MAX);
	assert_int_equal(value_after(&history, 1, 2, 1), 200);
	assert_int_equal(value_after(&history, 2, 1, 0), UINT64_MAX);
	history_release(&history);
}

static void what_was_written_is_summed_up(void **state)
{
	struct history history;
	const struct eth_address address = address_of(1), other = address_of(2);
	(void)state;
	history_init(&history, 7);
	assert_int_equal(history_wrote(&history, &address, 0), 0);
	publish(&history, 1, 1, 1, 0, ACCOUNT_NONCE);
	publish(&history, 2, 1, 1, 0, WROTE_SLOTS);
	assert_int_equal(history_wrote(&history, &address, 0), ACCOUNT_NONCE | WROTE_SLOTS);
	assert_int_equal(history_wrote(&history, &address, 1), WROTE_SLOTS);
	assert_int_equal(history_wrote(&history, &address, 2), 0);
	assert_int_equal(history_wrote(&history, &other, 0), 0);
	history_release(&history);
}

/* Through several sizes of the index. */
static void the_oldest_are_dropped_as_the_index_grows(void **state)
{
	struct history history;
	(void)state;
	history_init(&history, 7);
	for (uint64_t n = 1; n <= 2000; n++) {
		publish(&history, n, 1, n % 10, n, 0);
		if (n % 3 || n < 600)
			continue;
		struct history_record *gone = history_drop(&history, n - 500);
		history_record_free(&gone);
		assert_in_range(history.entries_n, 1000, 1010);
	}
	for (uint64_t n = 1600; n < 1990; n++)
		assert_int_equal(value_after(&history, 1, n % 10, n), n + 10);
	assert_null(history_drop(&history, 1000));
	struct history_record *gone = history_drop(&history, 2000);
	history_record_free(&gone);
	assert_int_equal(history.entries_n, 0);
	assert_null(history.first);
	publish(&history, 2001, 1, 1, 5, 0);
	assert_int_equal(value_after(&history, 1, 1, 2000), 5);
	history_release(&history);
}

static void code_is_held_as_long(void **state)
{
	struct history history;
	const struct eth_address address = address_of(1);
	struct blob *code = blob_copy("x", 1);
	(void)state;
	history_init(&history, 7);
	struct history_record *record = history_record_new(&history, 1);
	history_record_account(&history, record, &address)->code = blob_get(code);
	history_add(&history, &record, 1);
	assert_int_equal(atomic_load(&code->refs), 2);
	history_release(&history);
	assert_int_equal(atomic_load(&code->refs), 1);
	blob_put(&code);
}

static enum err count(void *cookie, const struct history_entry *entry)
{
	unsigned *n = cookie;
	(void)entry;
	return ++*n == 3 ? ERR_CANCELLED : OK;
}

static void entries_are_walked(void **state)
{
	struct history history;
	unsigned n = 0;
	(void)state;
	history_init(&history, 7);
	publish(&history, 1, 1, 1, 0, 0);
	publish(&history, 2, 1, 1, 0, 0);
	assert_ok(history_each(&history, 1, count, &n));
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(history_each(&history, 0, count, &n), ERR_CANCELLED);
	history_release(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_entry_after_a_number_says_what_was),
		cmocka_unit_test(what_was_written_is_summed_up),
		cmocka_unit_test(the_oldest_are_dropped_as_the_index_grows),
		cmocka_unit_test(code_is_held_as_long),
		cmocka_unit_test(entries_are_walked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
