/* SPDX-License-Identifier: MIT */
#include "rpc/input.h"
#include <stdlib.h>

static struct input_block *take(struct input_pool *pool, size_t capacity)
{
	struct input_block *block = pool->free;

	if (block && capacity == INPUT_BLOCK_BYTES) {
		pool->free = block->next_free;
		pool->free_n--;
	} else {
		const bool large = capacity != INPUT_BLOCK_BYTES;

		if (large && capacity > pool->large_max - pool->large_bytes)
			return NULL;
		block = malloc(sizeof *block + capacity);
		if (!block)
			return NULL;
		block->capacity = capacity;
		pool->large_bytes += large ? capacity : 0;
	}
	block->refs = 1;
	return block;
}

void input_put(struct input_pool *pool, struct input_block *block)
{
	if (!block || --block->refs != 0)
		return;
	if (block->capacity != INPUT_BLOCK_BYTES)
		pool->large_bytes -= block->capacity;
	if (block->capacity != INPUT_BLOCK_BYTES || pool->free_n == INPUT_POOL_MAX) {
		free(block);
		return;
	}
	block->next_free = pool->free;
	pool->free = block;
	pool->free_n++;
}

void input_pool_release(struct input_pool *pool)
{
	while (pool->free) {
		struct input_block *block = pool->free;

		pool->free = block->next_free;
		free(block);
	}
	pool->free_n = 0;
}

/* Room doubles what there is, so that a long body is copied a bounded number of times. */
static size_t capacity_for(size_t len)
{
	size_t capacity = INPUT_BLOCK_BYTES;

	while (capacity - len < INPUT_ROOM_MIN || capacity / 2 < len)
		capacity *= 2;
	return capacity;
}

char *input_room(struct input *input, struct input_pool *pool, size_t *room)
{
	struct input_block *block = input->block;
	const size_t len = input_len(input);

	if (!block || block->capacity - input->end < INPUT_ROOM_MIN) {
		if (block && block->refs == 1 && len <= block->capacity / 4) {
			memmove(block->bytes, block->bytes + input->start, len);
		} else {
			block = take(pool, capacity_for(len));
			if (!block)
				return NULL;
			if (len != 0)
				memcpy(block->bytes, input->block->bytes + input->start, len);
			input_put(pool, input->block);
			input->block = block;
		}
		input->start = 0;
		input->end = len;
	}
	*room = block->capacity - input->end;
	return block->bytes + input->end;
}

void input_settle(struct input *input, struct input_pool *pool)
{
	if (input->block && input->start == input->end)
		input_release(input, pool);
}

void input_release(struct input *input, struct input_pool *pool)
{
	input_put(pool, input->block);
	*input = (struct input){0};
}

struct input_block *input_hold(struct input *input)
{
	input->block->refs++;
	return input->block;
}
