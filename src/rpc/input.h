/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bytes that a connection has received and not yet used, in counted blocks.
 *
 * A connection holds a block only while it has unused bytes; an idle one holds nothing, so
 * ten thousand idle connections cost their structs. Blocks come from a pool of the server,
 * last in, first out, so a busy worker reuses one block that stays in the processor's cache.
 * A request that is answered later holds its block too: what has been received never moves
 * while somebody holds it, and the connection goes on in a block of its own.
 *
 *        start          end               capacity
 *          v             v                    v
 *   [ used | unused      | room for more      ]
 */
#include "base/span.h"
#include <stdint.h>

enum {
	/* Holds a batch of 150 reads; a page of it is all that a single read touches. */
	INPUT_BLOCK_BYTES = 32 * 1024,
	/* At least this much is asked for by one recv. */
	INPUT_ROOM_MIN = 4096,
	/* Blocks kept for reuse; the rest of a burst goes back to malloc. */
	INPUT_POOL_MAX = 64,
};

struct input_block {
	struct input_block *next_free;
	uint32_t refs;
	size_t capacity;
	char bytes[];
};

struct input_pool {
	struct input_block *free;
	unsigned free_n;
	size_t large_bytes; /* in blocks above INPUT_BLOCK_BYTES */
	size_t large_max;   /* no more of them than this; the pool's owner sets it */
};

struct input {
	struct input_block *block; /* NULL: no unused bytes */
	size_t start, end;
};

void input_pool_release(struct input_pool *pool);

/* Where to receive to, and how much; the caller adds to end. NULL: no memory, or the bodies
 * that are on their way together pass the pool's limit. */
char *input_room(struct input *input, struct input_pool *pool, size_t *room);
static inline char *input_bytes(const struct input *input)
{
	return input->block ? input->block->bytes + input->start : NULL;
}
static inline size_t input_len(const struct input *input)
{
	return input->end - input->start;
}
static inline void input_consume(struct input *input, size_t n)
{
	input->start += n;
}
/* Gives the block back if there are no unused bytes in it. */
void input_settle(struct input *input, struct input_pool *pool);
void input_release(struct input *input, struct input_pool *pool);

/* Keeps the present block as it is until input_put. */
struct input_block *input_hold(struct input *input);
void input_put(struct input_pool *pool, struct input_block *block); /* accepts NULL */
