/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bounded queue of pointers from one thread to one other: a ring with two atomic indices.
 * ring_push by the producer only, ring_pop by the consumer only; neither blocks.
 */
#include "base/err.h"
#include <stdatomic.h>
#include <stdint.h>

#define RING_CACHE_LINE 64

struct ring {
	void **items;
	uint32_t mask;
	/* The indices are kept on cache lines of their own by padding, not by alignment, so
	 * that malloc may be used for what embeds a ring. */
	char pad_before_head[RING_CACHE_LINE];
	atomic_uint head; /* next to pop */
	char pad_before_tail[RING_CACHE_LINE];
	atomic_uint tail; /* next to push */
	char pad_after_tail[RING_CACHE_LINE];
};

/* capacity is rounded up to a power of two. ERR_NOMEM. */
enum err ring_init(struct ring *ring, uint32_t capacity) WARN_UNUSED;
void ring_release(struct ring *ring);
bool ring_push(struct ring *ring, void *item) WARN_UNUSED; /* false: full */
void *ring_pop(struct ring *ring);			   /* NULL: empty */
