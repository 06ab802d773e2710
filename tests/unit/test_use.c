/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "cache/use.h"
#include "store_fixture.h"

#define CAPACITY (UINT64_C(4) << 20)
#define TICK	 (CAPACITY / 64)

static const unsigned char uuid[USE_UUID_BYTES] = "0123456789abcde";
static const unsigned char other[USE_UUID_BYTES] = "fedcba987654321";

struct scene {
	char folder[256];
	struct use use;
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	fixture_folder(scene->folder);
	assert_ok(use_open(&scene->use, scene->folder, uuid, CAPACITY));
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	use_close(&scene->use);
	fixture_remove(scene->folder);
	free(scene);
	return 0;
}

static void ages_grow_with_what_is_written(void **state)
{
	struct use *use = &((struct scene *)*state)->use;
	assert_int_equal(use_age(use, 5), USE_UNKNOWN);
	use_touch(use, 5);
	assert_int_equal(use_age(use, 5), 0);
	use_advance(use, TICK - 1);
	assert_int_equal(use_age(use, 5), 0);
	for (unsigned age = 1; age < 255; age++) {
		use_advance(use, TICK);
		assert_int_equal(use_age(use, 5), age);
	}
	use_touch(use, 5);
	assert_int_equal(use_age(use, 5), 0);
	use_forget(use, 5);
	assert_int_equal(use_age(use, 5), USE_UNKNOWN);
}

static void the_file_is_kept_and_belongs_to_its_store(void **state)
{
	struct scene *scene = *state;
	struct use second;
	use_touch(&scene->use, 7);
	use_advance(&scene->use, 3 * TICK);
	/* another process sees the same bytes, with a bound not much larger too */
	assert_ok(use_open(&second, scene->folder, uuid, 2 * CAPACITY));
	assert_int_equal(use_age(&second, 8), USE_UNKNOWN);
	use_touch(&second, 8);
	assert_int_not_equal(use_age(&scene->use, 8), USE_UNKNOWN);
	use_close(&second);
	assert_ok(use_open(&second, scene->folder, other, CAPACITY));
	assert_int_equal(use_age(&second, 7), USE_UNKNOWN);
	use_close(&second);
	assert_int_equal(use_age(&scene->use, 7), 3);
}

static void thresholds_split_what_is_known(void **state)
{
	struct use *use = &((struct scene *)*state)->use;
	for (uint64_t tick = 0; tick < 10; tick++) {
		for (uint64_t i = 0; i < 100; i++)
			use_touch(use, tick * 100 + i);
		use_advance(use, TICK);
	}
	/* ages 1 to 10, a tenth each */
	assert_int_equal(use_threshold(use, 10), 10);
	assert_int_equal(use_threshold(use, 25), 8);
	assert_int_equal(use_threshold(use, 100), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ages_grow_with_what_is_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_file_is_kept_and_belongs_to_its_store,
						setup, teardown),
		cmocka_unit_test_setup_teardown(thresholds_split_what_is_known, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
