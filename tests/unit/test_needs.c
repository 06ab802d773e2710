/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "layers/layer.h"

static struct need need_of(enum need_kind kind, uint64_t address, uint64_t slot)
{
	struct need need = {.kind = kind};
	be64_put(need.address.bytes + 12, address);
	be64_put(need.slot.bytes + 24, slot);
	return need;
}

static void each_is_noted_once_in_the_order_of_asking(void **state)
{
	struct needs needs = {.rows = NULL};
	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 1000; i++) {
			const struct need need = need_of(NEED_SLOT, i % 7, i);
			assert_int_equal(needs_have(&needs, &need), round == 1);
			assert_ok(needs_add(&needs, &need));
		}
	assert_int_equal(needs.n, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(be64_get(needs.rows[i].slot.bytes + 24), i);
	needs_release(&needs);
	assert_null(needs.rows);
	assert_int_equal(needs.n, 0);
}

static void kinds_are_apart_and_slots_count_for_slots_only(void **state)
{
	struct needs needs = {.rows = NULL};
	(void)state;
	for (int kind = NEED_BALANCE; kind <= NEED_PROOF; kind++) {
		const struct need a = need_of((enum need_kind)kind, 1, 1);
		const struct need b = need_of((enum need_kind)kind, 1, 2);
		assert_false(needs_have(&needs, &a));
		assert_ok(needs_add(&needs, &a));
		assert_ok(needs_add(&needs, &b));
	}
	assert_int_equal(needs.n, 6); /* only the two slots differ */
	needs_release(&needs);
}

static void a_proof_is_noted_without_its_slots(void **state)
{
	struct needs needs = {.rows = NULL};
	struct eth_bytes32 slots[2] = {{{1}}, {{2}}};
	struct need need = need_of(NEED_PROOF, 5, 0);
	(void)state;
	need.slots = slots;
	need.slots_n = 2;
	assert_ok(needs_add(&needs, &need));
	assert_null(needs.rows[0].slots);
	assert_int_equal(needs.rows[0].slots_n, 0);
	needs_release(&needs);
}

static void clearing_keeps_the_memory(void **state)
{
	struct needs needs = {.rows = NULL};
	const struct need need = need_of(NEED_NONCE, 1, 0);
	(void)state;
	needs_clear(&needs);
	assert_ok(needs_add(&needs, &need));
	const struct need *rows = needs.rows;
	needs_clear(&needs);
	assert_int_equal(needs.n, 0);
	assert_false(needs_have(&needs, &need));
	assert_ok(needs_add(&needs, &need));
	assert_int_equal(needs.n, 1);
	assert_ptr_equal(needs.rows, rows);
	needs_release(&needs);
}

static void there_is_an_end(void **state)
{
	struct needs needs = {.rows = NULL};
	(void)state;
	for (size_t i = 0; i < NEEDS_MAX; i++) {
		const struct need need = need_of(NEED_SLOT, 1, i);
		assert_ok(needs_add(&needs, &need));
	}
	const struct need more = need_of(NEED_SLOT, 2, 0), known = need_of(NEED_SLOT, 1, 7);
	assert_int_equal(needs_add(&needs, &more), ERR_LIMIT);
	assert_ok(needs_add(&needs, &known));
	assert_int_equal(needs.n, NEEDS_MAX);
	needs_release(&needs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_noted_once_in_the_order_of_asking),
		cmocka_unit_test(kinds_are_apart_and_slots_count_for_slots_only),
		cmocka_unit_test(a_proof_is_noted_without_its_slots),
		cmocka_unit_test(clearing_keeps_the_memory),
		cmocka_unit_test(there_is_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
