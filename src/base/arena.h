/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bump allocator: everything that one client request needs, freed at once.
 * Embedded: init/release. One thread. The sizes asked for, rounded up to the alignment,
 * may sum to limit_bytes and no further; a refused allocation is NULL, and the arena stays
 * usable. Memory is aligned for any type and not zeroed.
 */
#include "base/span.h"
#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t used, limit_bytes;
};

void arena_init(struct arena *arena, size_t limit_bytes);
void arena_release(struct arena *arena);
/* Empties it; keeps one chunk of ordinary size for the next use, frees the others. */
void arena_clear(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t bytes);
/* count * size, zeroed; NULL also when the product overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
/* A copy; ptr is NULL when memory is refused (and span.len > 0). */
struct span arena_span(struct arena *arena, struct span span);
