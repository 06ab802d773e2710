/* SPDX-License-Identifier: MIT */
#include "layers/storages.h"
#include "cache/keyhash.h"
#include <stdlib.h>

static size_t place(struct storage *const *table, size_t size,
		    const struct eth_address *address)
{
	const struct span key = {(const char *)address->bytes, sizeof address->bytes};
	size_t i = keyhash_bytes(key, 0) & (size - 1);

	while (table[i] != NULL && memcmp(table[i]->address.bytes, address->bytes, 20) != 0)
		i = (i + 1) & (size - 1);
	return i;
}

struct storage *storages_find(const struct storages *map, const struct eth_address *address)
{
	return map->n == 0 ? NULL : map->table[place(map->table, map->size, address)];
}

static enum err grow(struct storages *map)
{
	if (2 * map->n < map->size)
		return OK;
	const size_t size = map->size != 0 ? 2 * map->size : 16;
	struct storage **table = calloc(size, sizeof *table);
	if (table == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->size; i++)
		if (map->table[i] != NULL)
			table[place(table, size, &map->table[i]->address)] = map->table[i];
	free(map->table);
	map->table = table;
	map->size = size;
	return OK;
}

struct storage *storages_add(struct storages *map, const struct eth_address *address)
{
	struct storage *storage = storages_find(map, address);

	if (storage != NULL || grow(map) != OK)
		return storage;
	storage = calloc(1, sizeof *storage);
	if (storage == NULL)
		return NULL;
	storage->address = *address;
	map->table[place(map->table, map->size, address)] = storage;
	map->n++;
	return storage;
}

enum err storages_copy(struct storages *into, const struct storages *from, uint64_t sequence)
{
	for (size_t i = 0; i < from->size; i++) {
		const struct storage *one = from->table[i];
		if (one == NULL)
			continue;
		struct storage *to = storages_add(into, &one->address);
		if (to == NULL)
			return ERR_NOMEM;
		trie_put(&to->root);
		to->root = trie_get(one->root);
		to->sequence = sequence;
		to->generation = 0;
	}
	return OK;
}

void storages_release(struct storages *map)
{
	for (size_t i = 0; i < map->size; i++)
		if (map->table[i] != NULL) {
			trie_put(&map->table[i]->root);
			free(map->table[i]);
		}
	free(map->table);
	*map = (struct storages){0};
}
