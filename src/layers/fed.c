/* SPDX-License-Identifier: MIT */
#include "layers/fed.h"
#include "cache/keyhash.h"
#include <stdlib.h>

#define ROWS_FIRST 64

struct fed_entry {
	struct fed_key key;
	struct eth_bytes32 value;
	struct blob *code;
};

/* Keys are of our own process's asking: no seed is needed. */
static uint64_t hash_of(const struct fed_key *key)
{
	char bytes[1 + 20 + 32];

	bytes[0] = (char)key->kind;
	memcpy(bytes + 1, key->address.bytes, 20);
	memcpy(bytes + 21, key->slot.bytes, 32);
	return keyhash_bytes((struct span){bytes, sizeof bytes}, 0);
}

static bool same_key(const struct fed_key *a, const struct fed_key *b)
{
	return a->kind == b->kind && memcmp(&a->address, &b->address, sizeof a->address) == 0 &&
	       eth_bytes32_equal(&a->slot, &b->slot);
}

/* The cell of the index that names the key's row, or is free for it. */
static uint32_t *find(const struct fed *fed, const struct fed_key *key)
{
	const size_t mask = fed->index_size - 1;
	size_t at = hash_of(key) & mask;

	while (fed->index[at] != 0 && !same_key(&fed->rows[fed->index[at] - 1].key, key))
		at = (at + 1) & mask;
	return &fed->index[at];
}

static enum err grow(struct fed *fed)
{
	const size_t capacity = fed->capacity == 0 ? ROWS_FIRST : 2 * fed->capacity;

	if (fed->n == FED_MAX)
		return ERR_LIMIT;
	struct fed_entry *rows = realloc(fed->rows, capacity * sizeof *rows);
	if (rows == NULL)
		return ERR_NOMEM;
	fed->rows = rows;
	uint32_t *index = calloc(2 * capacity, sizeof *index);
	if (index == NULL)
		return ERR_NOMEM;
	free(fed->index);
	fed->index = index;
	fed->index_size = 2 * capacity;
	fed->capacity = capacity;
	for (size_t i = 0; i < fed->n; i++)
		*find(fed, &rows[i].key) = (uint32_t)i + 1;
	return OK;
}

enum err fed_put(struct fed *fed, const struct fed_key *key, const struct eth_bytes32 *value,
		 struct blob *code)
{
	uint32_t *cell = fed->index != NULL ? find(fed, key) : NULL;

	if (cell == NULL || (*cell == 0 && fed->n == fed->capacity)) {
		enum err err = grow(fed);
		if (err != OK)
			return err;
		cell = find(fed, key);
	}
	if (*cell == 0) {
		fed->rows[fed->n] = (struct fed_entry){.key = *key};
		*cell = (uint32_t)++fed->n;
	}
	struct fed_entry *row = &fed->rows[*cell - 1];
	if (code != NULL)
		(void)blob_get(code);
	blob_put(&row->code);
	row->code = code;
	if (value != NULL)
		row->value = *value;
	return OK;
}

bool fed_get(const struct fed *fed, const struct fed_key *key, struct eth_bytes32 *value,
	     struct blob **code)
{
	if (fed->n == 0)
		return false;
	const uint32_t cell = *find(fed, key);
	if (cell == 0)
		return false;
	if (value != NULL)
		*value = fed->rows[cell - 1].value;
	if (code != NULL)
		*code = fed->rows[cell - 1].code;
	return true;
}

bool fed_row(const struct fed *fed, size_t i, struct fed_key *key, struct eth_bytes32 *value)
{
	if (i >= fed->n)
		return false;
	*key = fed->rows[i].key;
	*value = fed->rows[i].value;
	return true;
}

void fed_clear(struct fed *fed)
{
	for (size_t i = 0; i < fed->n; i++)
		blob_put(&fed->rows[i].code);
	free(fed->rows);
	free(fed->index);
	*fed = (struct fed){0};
}
