/* SPDX-License-Identifier: MIT */
#include "layers/layer.h"
#include "cache/keyhash.h"

#define ROWS_FIRST ((size_t)16)

/* Places of the index hold a row's number + 1; half of them are free at least. A hash without
 * a secret: whoever asks chooses the keys of his own table only. */
static size_t place_of(const struct needs *needs, const struct need *need)
{
	unsigned char key[1 + 20 + 32] = {(unsigned char)need->kind};
	size_t n = 21;
	memcpy(key + 1, need->address.bytes, 20);
	if (need->kind == NEED_SLOT) {
		memcpy(key + 21, need->slot.bytes, 32);
		n = sizeof key;
	}
	return keyhash_bytes((struct span){(const char *)key, n}, 0) & (needs->index_size - 1);
}

static bool is_same(const struct need *a, const struct need *b)
{
	return a->kind == b->kind && memcmp(&a->address, &b->address, sizeof a->address) == 0 &&
	       (a->kind != NEED_SLOT || eth_bytes32_equal(&a->slot, &b->slot));
}

/* Where it stands, or the free place where it belongs. */
static uint32_t *find(const struct needs *needs, const struct need *need)
{
	size_t at = place_of(needs, need);
	while (needs->index[at] && !is_same(&needs->rows[needs->index[at] - 1], need))
		at = (at + 1) & (needs->index_size - 1);
	return &needs->index[at];
}

static enum err grow(struct needs *needs)
{
	const size_t capacity = needs->capacity ? 2 * needs->capacity : ROWS_FIRST;
	if (needs->n >= NEEDS_MAX)
		return ERR_LIMIT;
	uint32_t *index = calloc(2 * capacity, sizeof *index);
	struct need *rows = index ? realloc(needs->rows, capacity * sizeof *rows) : NULL;
	if (!rows) {
		free(index);
		return ERR_NOMEM;
	}
	free(needs->index);
	needs->rows = rows;
	needs->index = index;
	needs->capacity = capacity;
	needs->index_size = 2 * capacity;
	for (size_t i = 0; i < needs->n; i++)
		*find(needs, &rows[i]) = (uint32_t)(i + 1);
	return OK;
}

bool needs_have(const struct needs *needs, const struct need *need)
{
	return needs->n > 0 && *find(needs, need) != 0;
}

enum err needs_add(struct needs *needs, const struct need *need)
{
	if (needs_have(needs, need))
		return OK;
	if (needs->n == needs->capacity) {
		const enum err err = grow(needs);
		if (err)
			return err;
	}
	struct need *row = &needs->rows[needs->n];
	*row = *need;
	row->slots = NULL;
	row->slots_n = 0;
	*find(needs, need) = (uint32_t)++needs->n;
	return OK;
}

void needs_clear(struct needs *needs)
{
	if (needs->n > 0)
		memset(needs->index, 0, needs->index_size * sizeof *needs->index);
	needs->n = 0;
}

void needs_release(struct needs *needs)
{
	free(needs->rows);
	free(needs->index);
	*needs = (struct needs){0};
}
