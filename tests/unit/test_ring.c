/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/ring.h"
#include <pthread.h>
#include <sched.h>

static void first_in_first_out_up_to_its_capacity(void **state)
{
	(void)state;
	struct ring ring;
	int items[4];
	assert_ok(ring_init(&ring, 3)); /* rounded up to 4 */
	assert_null(ring_pop(&ring));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			assert_true(ring_push(&ring, &items[i]));
		assert_false(ring_push(&ring, &items[0]));
		for (int i = 0; i < 4; i++)
			assert_ptr_equal(ring_pop(&ring), &items[i]);
		assert_null(ring_pop(&ring));
	}
	ring_release(&ring);
}

static void indices_wrap(void **state)
{
	(void)state;
	struct ring ring;
	int item;
	assert_ok(ring_init(&ring, 2));
	atomic_store(&ring.head, UINT32_MAX - 1);
	atomic_store(&ring.tail, UINT32_MAX - 1);
	for (int i = 0; i < 5; i++) {
		assert_true(ring_push(&ring, &item));
		assert_true(ring_push(&ring, &item));
		assert_false(ring_push(&ring, &item));
		assert_ptr_equal(ring_pop(&ring), &item);
		assert_ptr_equal(ring_pop(&ring), &item);
		assert_null(ring_pop(&ring));
	}
	ring_release(&ring);
}

static void capacities(void **state)
{
	(void)state;
	struct ring ring;
	int item;
	assert_int_equal(ring_init(&ring, UINT32_MAX), ERR_NOMEM);
	ring_release(&ring);
	assert_ok(ring_init(&ring, 0));
	assert_true(ring_push(&ring, &item));
	assert_false(ring_push(&ring, &item));
	ring_release(&ring);
}

enum { ITEMS = 200000 };

static void *produce(void *cookie)
{
	struct ring *ring = cookie;
	static int values[ITEMS];
	for (int i = 0; i < ITEMS; i++) {
		values[i] = i; /* published by the push */
		while (!ring_push(ring, &values[i]))
			sched_yield();
	}
	return NULL;
}

static void one_thread_to_another(void **state)
{
	(void)state;
	struct ring ring;
	pthread_t producer;
	assert_ok(ring_init(&ring, 64));
	assert_ok(pthread_create(&producer, NULL, produce, &ring));
	for (int i = 0; i < ITEMS; i++) {
		const int *value;
		while (!(value = ring_pop(&ring)))
			sched_yield();
		if (*value != i)
			fail_msg("%d instead of %d", *value, i);
	}
	assert_ok(pthread_join(producer, NULL));
	assert_null(ring_pop(&ring));
	ring_release(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out_up_to_its_capacity),
		cmocka_unit_test(indices_wrap),
		cmocka_unit_test(capacities),
		cmocka_unit_test(one_thread_to_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
