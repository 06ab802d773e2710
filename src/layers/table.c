/* SPDX-License-Identifier: MIT */
#include "layers/table.h"
#include <stdalign.h>

enum {
	FIRST_PLACES = 16,
	FIRST_ENTRIES = 4,    /* most callers' tables are tiny */
	CHUNK_BYTES = 1 << 16 /* doubling stops: no more than this is made in advance */
};

struct table_chunk {
	struct table_chunk *next;
	size_t used, capacity; /* in entries */
	alignas(8) unsigned char bytes[];
};

void table_init(struct table *table, size_t entry_bytes)
{
	*table = (struct table){.entry_bytes = entry_bytes};
}

void table_release(struct table *table)
{
	struct table_chunk *next;
	for (struct table_chunk *chunk = table->first; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(table->places);
	table_init(table, table->entry_bytes);
}

void table_each(const struct table *table, void (*entry_fn)(void *entry))
{
	for (struct table_chunk *chunk = table->first; chunk; chunk = chunk->next)
		for (size_t i = 0; i < chunk->used; i++)
			entry_fn(chunk->bytes + i * table->entry_bytes);
}

static void place(uint64_t *places, size_t n, uint64_t hash, const void *entry)
{
	uint64_t at = table_place(hash, n);
	while (places[at] != 0)
		at = at + 1 == n ? 0 : at + 1;
	places[at] = (uint64_t)(uintptr_t)entry | hash << TABLE_ADDRESS_BITS;
}

/* In the order in which they stand in memory. */
static void place_all(const struct table *table, uint64_t *places, size_t n,
		      table_hash_fn *hash_of, const void *cookie)
{
	for (struct table_chunk *chunk = table->first; chunk; chunk = chunk->next)
		for (size_t i = 0; i < chunk->used; i++) {
			const void *entry = chunk->bytes + i * table->entry_bytes;
			place(places, n, hash_of(cookie, entry), entry);
		}
}

/* Room in the index for one more. */
static bool grow(struct table *table, table_hash_fn *hash_of, const void *cookie)
{
	if (table->entries_n < table->places_n / 4 * 3)
		return true;
	const size_t n =
		table->places_n == 0 ? FIRST_PLACES : table->places_n + table->places_n / 2;
	uint64_t *places = calloc(n, sizeof *places);
	if (!places)
		return false;
	place_all(table, places, n, hash_of, cookie);
	free(table->places);
	table->bytes += (n - table->places_n) * sizeof *places;
	table->places = places;
	table->places_n = n;
	return true;
}

static bool add_chunk(struct table *table)
{
	const size_t most = CHUNK_BYTES / table->entry_bytes;
	size_t capacity = table->last ? 2 * table->last->capacity : FIRST_ENTRIES;
	if (capacity > most)
		capacity = most;
	const size_t bytes = sizeof(struct table_chunk) + capacity * table->entry_bytes;
	struct table_chunk *chunk = malloc(bytes);
	if (!chunk || !CHECK((uintptr_t)chunk >> (TABLE_ADDRESS_BITS - 1) == 0)) {
		free(chunk);
		return false;
	}
	*chunk = (struct table_chunk){.capacity = capacity};
	if (table->last)
		table->last->next = chunk;
	else
		table->first = chunk;
	table->last = chunk;
	table->bytes += bytes;
	return true;
}

void *table_add(struct table *table, uint64_t hash, table_hash_fn *hash_of, const void *cookie)
{
	struct table_chunk *last = table->last;
	if (!grow(table, hash_of, cookie))
		return NULL;
	if ((!last || last->used == last->capacity) && !add_chunk(table))
		return NULL;
	last = table->last;
	void *entry = last->bytes + last->used++ * table->entry_bytes;
	memset(entry, 0, table->entry_bytes);
	place(table->places, table->places_n, hash, entry);
	table->entries_n++;
	return entry;
}
