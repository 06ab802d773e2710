/* SPDX-License-Identifier: MIT */
/* Composite answers: what of them is believed. */
#include "unit.h"
#include "base/json.h"
#include "fork/answer.h"
#include "fork/post.h"

#define AA   "\"0x00000000000000000000000000000000000000aa\":"
#define AB   "\"0x00000000000000000000000000000000000000ab\":"
#define BARE "\"00000000000000000000000000000000000000AA\":"

enum { FLIGHTS = 4 };

/* Two slots of each of two addresses. */
static struct flight *flights[FLIGHTS];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLIGHTS; i++) {
		flights[i] = calloc(1, sizeof *flights[i]);
		assert_non_null(flights[i]);
		flights[i]->question.kind = FORK_SLOT;
		flights[i]->question.address.bytes[19] = (unsigned char)(0xaa + i / 2);
		flights[i]->question.slot.bytes[31] = (unsigned char)i;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLIGHTS; i++)
		free(flights[i]);
	return 0;
}

/* wanted: the values in order, '-' for one that is not believed. */
static void expect(const char *result, const char *wanted)
{
	struct item item = {.kind = ITEM_VALUES, .flights = flights, .flights_n = FLIGHTS};

	item.outcome.result = span_of(result);
	assert_int_equal(answer_values(&item), strchr(wanted, '-') == NULL);
	for (unsigned i = 0; i < FLIGHTS; i++) {
		assert_int_equal(flights[i]->have, wanted[i] != '-');
		if (flights[i]->have)
			assert_int_equal(flights[i]->found.value.bytes[31], wanted[i] - '0');
	}
}

static void values_by_address_and_place(void **state)
{
	(void)state;
	expect("{" AA "[\"0x1\",\"0x2\"]," AB "[\"0x3\",\"0x4\"]}", "1234");
	expect("{" AB "[\"0x3\",\"0x4\"]," BARE "[\"0x1\",\"0x2\"]}", "1234");
	expect("{" AB "[\"0x3\",\"0x4\"]}", "--34");
	expect("{" AA "[\"0x1\",null]," AB "[\"0x3\",\"0x4\"]}", "1-34");
	/* what is no answer at all, or not to the end */
	expect("[]", "----");
	expect("{" AA "[\"0x1\",\"0x2\"],\"x\":[]}", "----");
	expect("{" AA "[\"0x1\",\"0x2\"]," AB "{}}", "----");
}

static void a_list_of_another_length_proves_nothing(void **state)
{
	(void)state;
	expect("{" AA "[\"0x1\"]," AB "[\"0x3\",\"0x4\"]}", "--34");
	expect("{" AA "[\"0x1\",\"0x2\",\"0x3\"]," AB "[\"0x3\",\"0x4\"]}", "--34");
	expect("{" AA "[]," AB "[\"0x3\",\"0x4\"]}", "--34");
}

static void nor_does_an_address_that_stands_twice(void **state)
{
	(void)state;
	expect("{" AA "[\"0x1\",\"0x2\"]," AB "[\"0x3\",\"0x4\"]," BARE "[\"0x1\",\"0x2\"]}",
	       "--34");
	/* whatever was wrong with the first */
	expect("{" AA "[null,\"0x2\"]," AB "[\"0x3\",\"0x4\"]," BARE "[\"0x1\",\"0x2\"]}",
	       "--34");
	expect("{" AA "[\"0x1\"]," AB "[\"0x3\",\"0x4\"]," BARE "[\"0x1\",\"0x2\"]}", "--34");
	expect("{" AA "[]," AA "[]," AA "[\"0x1\",\"0x2\"]," AB "[\"0x3\",\"0x4\"]}", "--34");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_by_address_and_place, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_of_another_length_proves_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nor_does_an_address_that_stands_twice, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
