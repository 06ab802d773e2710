/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/arena.h"
#include "base/check.h"
#include <stdalign.h>

static void aligned_and_not_overlapping(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1 << 20);
	enum { N = 500 };
	unsigned char *all[N];
	for (size_t i = 0; i < N; i++) {
		all[i] = arena_alloc(&arena, i);
		assert_non_null(all[i]);
		assert_int_equal((uintptr_t)all[i] % alignof(max_align_t), 0);
		memset(all[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(all[i][k], i & 0xff);
	arena_release(&arena);
	assert_null(arena.chunks);
}

static void refuses_beyond_its_limit_and_stays_usable(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 64);
	assert_non_null(arena_alloc(&arena, 48));
	assert_null(arena_alloc(&arena, 17));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 3));
	assert_non_null(arena_alloc(&arena, 16));
	assert_null(arena_alloc(&arena, 1));
	arena_clear(&arena);
	assert_non_null(arena_alloc(&arena, 64));
	arena_release(&arena);
}

static void large_ones_do_not_waste_the_chunk_in_use(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1 << 24);
	char *a = arena_alloc(&arena, 16);
	char *large = arena_alloc(&arena, 1 << 20);
	assert_non_null(large);
	memset(large, 1, 1 << 20);
	char *b = arena_alloc(&arena, 16);
	assert_ptr_equal(b, a + 16);
	arena_release(&arena);
}

static void clear_reuses_one_chunk(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1 << 24);
	void *first = arena_alloc(&arena, 100);
	assert_non_null(arena_alloc(&arena, 1 << 20));
	arena_clear(&arena);
	assert_int_equal(arena.used, 0);
	assert_ptr_equal(arena_alloc(&arena, 100), first);
	arena_release(&arena);

	/* An oversized chunk is not kept for ever. */
	arena_init(&arena, 1 << 24);
	assert_non_null(arena_alloc(&arena, 1 << 20));
	arena_clear(&arena);
	assert_null(arena.chunks);
	arena_clear(&arena);
	arena_release(&arena);
}

static void calloc_zeroes_and_checks_the_product(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1 << 20);
	memset(arena_alloc(&arena, 1000), 0xff, 1000);
	arena_clear(&arena);
	const unsigned char *zero = arena_calloc(&arena, 100, 10);
	assert_non_null(zero);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(zero[i], 0);
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_null(arena_calloc(&arena, SIZE_MAX / 8 + 2, 8));
	arena_release(&arena);
}

static void spans_are_copied(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 32);
	char text[] = "hello";
	struct span copy = arena_span(&arena, (struct span){text, 5});
	text[0] = 'j';
	assert_span(copy, "hello");
	assert_int_equal(arena_span(&arena, (struct span){NULL, 0}).len, 0);
	assert_null(arena_span(&arena, SPAN("more than there is room for")).ptr);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned_and_not_overlapping),
		cmocka_unit_test(refuses_beyond_its_limit_and_stays_usable),
		cmocka_unit_test(large_ones_do_not_waste_the_chunk_in_use),
		cmocka_unit_test(clear_reuses_one_chunk),
		cmocka_unit_test(calloc_zeroes_and_checks_the_product),
		cmocka_unit_test(spans_are_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
