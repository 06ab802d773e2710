/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/check.h"
#include <stdalign.h>
#include <stdint.h>

enum {
	CHUNK_MIN_BYTES = 4096,	 /* a typical request with its answer */
	CHUNK_MAX_BYTES = 65536, /* doubling stops; larger allocations get their own chunk */
};

/* The head of the list is the chunk being filled; full ones and oversized ones follow. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t used, capacity;
	alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
	*arena = (struct arena){.limit_bytes = limit_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
	while (chunk) {
		struct arena_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
}

void arena_release(struct arena *arena)
{
	free_chunks(arena->chunks);
	arena_init(arena, arena->limit_bytes);
}

void arena_clear(struct arena *arena)
{
	struct arena_chunk *kept = arena->chunks;
	if (kept && kept->capacity <= CHUNK_MAX_BYTES) {
		free_chunks(kept->next);
		kept->next = NULL;
		kept->used = 0;
	} else {
		free_chunks(kept);
		arena->chunks = NULL;
	}
	arena->used = 0;
}

static struct arena_chunk *chunk_new(size_t capacity)
{
	if (capacity > SIZE_MAX - sizeof(struct arena_chunk))
		return NULL;
	struct arena_chunk *chunk = malloc(sizeof *chunk + capacity);
	if (chunk)
		*chunk = (struct arena_chunk){.capacity = capacity};
	return chunk;
}

/* A chunk with room for bytes, linked in; NULL when memory is refused. */
static struct arena_chunk *chunk_add(struct arena *arena, size_t bytes)
{
	struct arena_chunk *head = arena->chunks;
	size_t capacity = head ? head->capacity * 2 : CHUNK_MIN_BYTES;
	if (capacity > CHUNK_MAX_BYTES)
		capacity = CHUNK_MAX_BYTES;
	bool oversized = bytes > capacity / 2;
	if (oversized)
		capacity = bytes;
	struct arena_chunk *chunk = chunk_new(capacity);
	if (!chunk)
		return NULL;
	if (oversized && head) {
		/* The head has room left for smaller ones. */
		chunk->next = head->next;
		head->next = chunk;
	} else {
		chunk->next = head;
		arena->chunks = chunk;
	}
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	const size_t align = alignof(max_align_t);
	if (bytes > SIZE_MAX - align)
		return NULL;
	bytes = bytes ? (bytes + align - 1) / align * align : align;
	if (bytes > arena->limit_bytes - arena->used)
		return NULL;
	struct arena_chunk *chunk = arena->chunks;
	if (!chunk || bytes > chunk->capacity - chunk->used)
		chunk = chunk_add(arena, bytes);
	if (!chunk)
		return NULL;
	void *ptr = chunk->bytes + chunk->used;
	chunk->used += bytes;
	arena->used += bytes;
	return ptr;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	void *ptr = arena_alloc(arena, bytes);
	return ptr ? memset(ptr, 0, bytes) : NULL;
}

struct span arena_span(struct arena *arena, struct span span)
{
	if (span.len == 0)
		return (struct span){"", 0};
	char *ptr = arena_alloc(arena, span.len);
	if (!ptr)
		return (struct span){NULL, span.len};
	memcpy(ptr, span.ptr, span.len);
	return (struct span){ptr, span.len};
}
