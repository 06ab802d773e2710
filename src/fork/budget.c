/* SPDX-License-Identifier: MIT */
#include "fork/budget.h"

#define SECOND_NS UINT64_C(1000000000)
#define HELD_NS	  (SECOND_NS / 4)

void budget_init(struct budget *budget, uint32_t per_second)
{
	*budget = (struct budget){.interval_ns = per_second ? SECOND_NS / per_second : 0};
}

static uint64_t held_ns(const struct budget *budget)
{
	return budget->interval_ns > HELD_NS ? budget->interval_ns : HELD_NS;
}

/* How long it takes until the bucket is full. */
static uint64_t missing_ns(const struct budget *budget, uint64_t now_us)
{
	const uint64_t now_ns = now_us * 1000;
	return budget->full_ns > now_ns ? budget->full_ns - now_ns : 0;
}

size_t budget_tokens(const struct budget *budget, uint64_t now_us)
{
	const uint64_t missing = missing_ns(budget, now_us);
	if (!budget->interval_ns)
		return SIZE_MAX;
	return missing < held_ns(budget)
		       ? (size_t)((held_ns(budget) - missing) / budget->interval_ns)
		       : 0;
}

void budget_spend(struct budget *budget, uint64_t now_us, size_t tokens)
{
	budget->full_ns =
		now_us * 1000 + missing_ns(budget, now_us) + tokens * budget->interval_ns;
}

uint64_t budget_wait_us(const struct budget *budget, uint64_t now_us)
{
	if (budget_tokens(budget, now_us) > 0)
		return 0;
	const uint64_t missing = missing_ns(budget, now_us);
	return (missing + budget->interval_ns - held_ns(budget) + 999) / 1000;
}
