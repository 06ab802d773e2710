/* SPDX-License-Identifier: MIT */
#include "layers/touched.h"
#include "cache/keyhash.h"
#include <stdlib.h>

static uint64_t row_hash(const struct touched *set, const struct eth_address *address,
			 const struct eth_bytes32 *slot)
{
	char key[20 + 32];

	memcpy(key, address->bytes, 20);
	if (slot != NULL)
		memcpy(key + 20, slot->bytes, 32);
	return keyhash_bytes((struct span){key, slot != NULL ? sizeof key : 20}, set->seed);
}

static bool row_is(const struct touched_row *row, const struct eth_address *address,
		   const struct eth_bytes32 *slot)
{
	return row->has_slot == (slot != NULL) &&
	       memcmp(row->address.bytes, address->bytes, 20) == 0 &&
	       (slot == NULL || eth_bytes32_equal(&row->slot, slot));
}

/* Where the row's number stands, or would. */
static uint32_t *place(const struct touched *set, const struct eth_address *address,
		       const struct eth_bytes32 *slot)
{
	size_t i = row_hash(set, address, slot) & (set->index_size - 1);

	while (set->index[i] != 0 && !row_is(&set->rows[set->index[i] - 1], address, slot))
		i = (i + 1) & (set->index_size - 1);
	return &set->index[i];
}

static void index_all(struct touched *set)
{
	memset(set->index, 0, set->index_size * sizeof *set->index);
	for (size_t i = 0; i < set->n; i++) {
		const struct touched_row *row = &set->rows[i];
		*place(set, &row->address, row->has_slot ? &row->slot : NULL) =
			(uint32_t)(i + 1);
	}
}

/* Room for one more row, and an index that is at most half full. */
static enum err grow(struct touched *set)
{
	if (set->n < set->capacity)
		return OK;
	if (set->n >= TOUCHED_MAX)
		return ERR_LIMIT;
	const size_t capacity = set->capacity != 0 ? 2 * set->capacity : 16;
	uint32_t *index = calloc(2 * capacity, sizeof *index);
	struct touched_row *rows = NULL;
	if (index != NULL)
		rows = realloc(set->rows, capacity * sizeof *rows);
	if (rows == NULL) {
		free(index);
		return ERR_NOMEM;
	}
	free(set->index);
	set->rows = rows;
	set->index = index;
	set->index_size = 2 * capacity;
	set->capacity = capacity;
	index_all(set);
	return OK;
}

enum err touched_add(struct touched *set, const struct eth_address *address,
		     const struct eth_bytes32 *slot, bool wiped, uint64_t sequence)
{
	enum err err = grow(set);

	if (err != OK)
		return err;
	uint32_t *at = place(set, address, slot);
	if (*at == 0) {
		struct touched_row *row = &set->rows[set->n++];
		*row = (struct touched_row){.address = *address, .has_slot = slot != NULL};
		if (slot != NULL)
			row->slot = *slot;
		*at = (uint32_t)set->n;
	}
	struct touched_row *row = &set->rows[*at - 1];
	row->wiped |= wiped;
	if (sequence > row->sequence)
		row->sequence = sequence;
	return OK;
}

bool touched_has(const struct touched *set, const struct eth_address *address,
		 const struct eth_bytes32 *slot)
{
	return set->n != 0 && *place(set, address, slot) != 0;
}

void touched_drop(struct touched *set, uint64_t sequence)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].sequence > sequence)
			set->rows[kept++] = set->rows[i];
	set->n = kept;
	if (set->index_size != 0)
		index_all(set);
}

static int order(const void *a, const void *b)
{
	const struct touched_row *x = a, *y = b;
	int by_address = memcmp(x->address.bytes, y->address.bytes, 20);

	if (by_address != 0)
		return by_address;
	if (x->has_slot != y->has_slot)
		return x->has_slot ? 1 : -1;
	return memcmp(x->slot.bytes, y->slot.bytes, 32);
}

void touched_sort(struct touched *set)
{
	if (set->n > 1)
		qsort(set->rows, set->n, sizeof *set->rows, order);
}

size_t touched_group(const struct touched *set, size_t i)
{
	size_t n = 1;

	while (i + n < set->n &&
	       memcmp(set->rows[i + n].address.bytes, set->rows[i].address.bytes, 20) == 0)
		n++;
	return n;
}

void touched_clear(struct touched *set)
{
	set->n = 0;
	if (set->index_size != 0)
		memset(set->index, 0, set->index_size * sizeof *set->index);
}

void touched_release(struct touched *set)
{
	free(set->rows);
	free(set->index);
	*set = (struct touched){0};
}
