/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/blob.h"
#include <pthread.h>

static void copies_and_counts(void **state)
{
	(void)state;
	struct blob *blob = blob_copy("bytes", 5);
	assert_non_null(blob);
	assert_span(blob_span(blob), "bytes");
	struct blob *other = blob_get(blob);
	assert_ptr_equal(other, blob);
	blob_put(&blob);
	assert_null(blob);
	assert_span(blob_span(other), "bytes");
	blob_put(&other);
	blob_put(&other);
}

static void empty_and_absurd_sizes(void **state)
{
	(void)state;
	struct blob *blob = blob_copy(NULL, 0);
	assert_non_null(blob);
	assert_int_equal(blob->len, 0);
	blob_put(&blob);
	assert_null(blob_new(SIZE_MAX));
	assert_null(blob_copy("x", SIZE_MAX - 1));
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *hold_and_drop(void *cookie)
{
	struct blob *mine = cookie;
	size_t sum = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct blob *held = blob_get(mine);
		sum += held->bytes[0];
		blob_put(&held);
	}
	blob_put(&mine);
	return (void *)sum;
}

static void threads_share_one(void **state)
{
	(void)state;
	struct blob *blob = blob_new(1);
	assert_non_null(blob);
	blob->bytes[0] = 3;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_ok(pthread_create(&threads[i], NULL, hold_and_drop, blob_get(blob)));
	blob_put(&blob);
	for (int i = 0; i < THREADS; i++) {
		void *sum;
		assert_ok(pthread_join(threads[i], &sum));
		assert_int_equal((size_t)sum, 3 * ROUNDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_counts),
		cmocka_unit_test(empty_and_absurd_sizes),
		cmocka_unit_test(threads_share_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
