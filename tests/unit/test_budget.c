/* SPDX-License-Identifier: MIT */
#include "fork/budget.h"
#include "unit.h"

#define SECOND UINT64_C(1000000)

static void test_no_limit(void **state)
{
	(void)state;
	struct budget budget;
	budget_init(&budget, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(budget_tokens(&budget, SECOND), SIZE_MAX);
		assert_int_equal(budget_wait_us(&budget, SECOND), 0);
		budget_spend(&budget, SECOND, 1000000);
	}
}

/* Takes one whenever there is one; the number taken between two times. */
static size_t take(struct budget *budget, uint64_t *now_us, uint64_t until_us)
{
	size_t n = 0;
	for (;;) {
		*now_us += budget_wait_us(budget, *now_us);
		if (*now_us >= until_us)
			return n;
		assert_true(budget_tokens(budget, *now_us) > 0);
		budget_spend(budget, *now_us, 1);
		n++;
	}
}

static void test_rate(void **state)
{
	(void)state;
	static const uint32_t rates[] = {1, 2, 3, 4, 7, 25, 1000, 30000, 1000000};
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		const uint32_t rate = rates[i];
		const size_t held = rate / 4 > 1 ? rate / 4 : 1;
		struct budget budget;
		uint64_t now = 5 * SECOND;
		budget_init(&budget, rate);
		assert_in_range(budget_tokens(&budget, now), held, held + 1);
		/* what was held, and then the rate */
		assert_in_range(take(&budget, &now, 6 * SECOND), rate + held - 1,
				rate + held + 1);
		assert_in_range(take(&budget, &now, 16 * SECOND), (size_t)10 * rate - 1,
				(size_t)10 * rate + 10);
		/* a long pause saves up no more than a full bucket */
		now = 1000 * SECOND;
		assert_in_range(budget_tokens(&budget, now), held, held + 1);
	}
}

static void test_debt(void **state)
{
	(void)state;
	struct budget budget;
	budget_init(&budget, 10);
	assert_int_equal(budget_tokens(&budget, SECOND), 2);
	budget_spend(&budget, SECOND, 12);
	assert_int_equal(budget_tokens(&budget, SECOND), 0);
	/* 12 take 1.2 s to come back, and one is held when 0.1 of 0.25 s are */
	assert_int_equal(budget_wait_us(&budget, SECOND), 1050000);
	assert_int_equal(budget_wait_us(&budget, SECOND + 1049999), 1);
	assert_int_equal(budget_tokens(&budget, SECOND + 1050000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_debt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
