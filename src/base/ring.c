/* SPDX-License-Identifier: MIT */
#include "base/ring.h"

/* The indices run freely and wrap; their difference is the number of items as long as the
 * capacity is at most half of their range. */
#define CAPACITY_MAX (UINT32_C(1) << 31)

enum err ring_init(struct ring *ring, uint32_t capacity)
{
	*ring = (struct ring){0};
	if (capacity > CAPACITY_MAX)
		return ERR_NOMEM;
	uint32_t size = 1;
	while (size < capacity)
		size *= 2;
	ring->items = calloc(size, sizeof *ring->items);
	if (!ring->items)
		return ERR_NOMEM;
	ring->mask = size - 1;
	return OK;
}

void ring_release(struct ring *ring)
{
	free(ring->items);
	*ring = (struct ring){0};
}

bool ring_push(struct ring *ring, void *item)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	/* Acquire: the consumer has read the place that we are about to write. */
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (tail - head > ring->mask)
		return false;
	ring->items[tail & ring->mask] = item;
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

void *ring_pop(struct ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (head == tail)
		return NULL;
	void *item = ring->items[head & ring->mask];
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return item;
}
