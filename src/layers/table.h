/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Entries of one size that are found by a hash, stay where they are and are never removed.
 *
 * They stand in chunks, in the order of their making. The index is open addressing with linear
 * probing over words, which hold 16 bits of the hash beside the entry's address: an entry that
 * is not there is mostly not looked at either. The index is at most three quarters full and
 * grows by a half, so that it has 11 to 16 bytes for each entry.
 *
 * Embedded: init/release. One thread writes; several may read while nobody writes.
 */
#include "base/check.h"
#include <stdint.h>

#define TABLE_ADDRESS_BITS 48 /* of user space, on the machines that this runs on */

struct table_chunk;
struct table {
	uint64_t *places; /* address | 16 bits of the hash above; 0: free */
	size_t places_n, entries_n, entry_bytes, bytes;
	struct table_chunk *first, *last;
};

/* The same that was given to table_add for this entry. */
typedef uint64_t table_hash_fn(const void *cookie, const void *entry);

void table_init(struct table *table, size_t entry_bytes);
/* Gives all memory back; the table is as after table_init. */
void table_release(struct table *table);
/* A zeroed entry under this hash; NULL: memory was refused, and nothing has changed. hash_of is
 * called for the entries that are there when the index grows. */
void *table_add(struct table *table, uint64_t hash, table_hash_fn *hash_of, const void *cookie);
/* Every entry, in the order of their making. */
void table_each(const struct table *table, void (*entry_fn)(void *entry));

/* Walks the entries that may be under a hash: the caller compares. */
struct table_probe {
	uint64_t at, tag;
};

static inline uint64_t table_place(uint64_t hash, size_t places_n)
{
	__extension__ typedef unsigned __int128 wide;
	return (uint64_t)(((wide)hash * places_n) >> 64);
}

static inline struct table_probe table_probe(const struct table *table, uint64_t hash)
{
	return (struct table_probe){table_place(hash, table->places_n),
				    hash << TABLE_ADDRESS_BITS};
}

/* Fetches what a walk will look at first, while something else is waited for. */
static inline void table_prefetch(const struct table *table, uint64_t hash)
{
	if (table->places_n == 0)
		return;
	const uint64_t place = table->places[table_place(hash, table->places_n)];
	const uint64_t address = place & ((UINT64_C(1) << TABLE_ADDRESS_BITS) - 1);
	__builtin_prefetch((const void *)(uintptr_t)address);
	__builtin_prefetch((const void *)(uintptr_t)(address + 64));
}

/* NULL: there are no more. */
static inline void *table_next(const struct table *table, struct table_probe *probe)
{
	if (table->places_n == 0)
		return NULL;
	for (;;) {
		const uint64_t place = table->places[probe->at];
		if (place == 0)
			return NULL;
		probe->at = probe->at + 1 == table->places_n ? 0 : probe->at + 1;
		/* All above the address is equal. */
		if ((place ^ probe->tag) >> TABLE_ADDRESS_BITS == 0)
			return (void *)(uintptr_t)(place ^ probe->tag);
	}
}
