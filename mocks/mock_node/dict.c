/* SPDX-License-Identifier: MIT */
#include "mock_node/dict.h"
#include <stdlib.h>
#include <xxhash.h>

#define DICT_FIRST_CAPACITY 64

void dict_release(struct dict *dict)
{
	free(dict->entries);
	*dict = (struct dict){0};
}

/* The place of the key, or the free one where it would go. */
static struct dict_entry *place_of(const struct dict *dict, struct span key, uint64_t hash)
{
	for (size_t i = hash & (dict->capacity - 1);; i = (i + 1) & (dict->capacity - 1)) {
		struct dict_entry *entry = &dict->entries[i];
		if (!entry->value || (entry->hash == hash && span_equal(entry->key, key)))
			return entry;
	}
}

void *dict_get(const struct dict *dict, struct span key)
{
	if (!dict->capacity)
		return NULL;
	return place_of(dict, key, XXH3_64bits(key.ptr, key.len))->value;
}

static enum err grow(struct dict *dict)
{
	size_t capacity = dict->capacity ? dict->capacity * 2 : DICT_FIRST_CAPACITY;
	struct dict bigger = {calloc(capacity, sizeof(struct dict_entry)), capacity,
			      dict->count};
	if (!bigger.entries)
		return ERR_NOMEM;
	for (size_t i = 0; i < dict->capacity; i++) {
		const struct dict_entry *entry = &dict->entries[i];
		if (entry->value)
			*place_of(&bigger, entry->key, entry->hash) = *entry;
	}
	free(dict->entries);
	*dict = bigger;
	return OK;
}

enum err dict_put(struct dict *dict, struct span key, void *value)
{
	REQUIRE(value != NULL);
	if (dict->count * 2 >= dict->capacity && grow(dict) != OK)
		return ERR_NOMEM;
	uint64_t hash = XXH3_64bits(key.ptr, key.len);
	struct dict_entry *entry = place_of(dict, key, hash);
	if (!entry->value)
		dict->count++;
	*entry = (struct dict_entry){key, hash, value};
	return OK;
}
