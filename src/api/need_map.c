/* SPDX-License-Identifier: MIT */
#include "api/need_map.h"

enum { BUCKETS_FIRST = 16 };

/* Addresses and slots are the caller's own: nobody aims them at a bucket but to their harm. */
static uint64_t hash(const struct need *need)
{
	uint64_t words[7] = {(uint64_t)need->kind};
	memcpy(words + 1, need->address.bytes, sizeof need->address.bytes);
	uint64_t h = words[0];
	for (int i = 1; i < 4; i++)
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	if (need->kind == NEED_SLOT) {
		memcpy(words, need->slot.bytes, sizeof need->slot.bytes);
		for (int i = 0; i < 4; i++)
			h = ((h >> 29 ^ h) ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return h >> 32 ^ h;
}

static bool same(const struct need *a, const struct need *b)
{
	return a->kind == b->kind && memcmp(&a->address, &b->address, sizeof a->address) == 0 &&
	       (a->kind != NEED_SLOT || eth_bytes32_equal(&a->slot, &b->slot));
}

static struct need_node **bucket_of(const struct need_map *map, const struct need *need)
{
	return &map->buckets[hash(need) & (map->buckets_n - 1)];
}

void need_map_release(struct need_map *map)
{
	free(map->buckets);
	*map = (struct need_map){0};
}

struct need_node *need_map_find(const struct need_map *map, const struct need *need)
{
	if (map->n == 0)
		return NULL;
	for (struct need_node *node = *bucket_of(map, need); node; node = node->next)
		if (same(&node->need, need))
			return node;
	return NULL;
}

static void put(struct need_map *map, struct need_node *node)
{
	struct need_node **bucket = bucket_of(map, &node->need);
	node->next = *bucket;
	*bucket = node;
}

static bool grow(struct need_map *map)
{
	struct need_map wider = {.buckets_n =
					 map->buckets_n ? map->buckets_n * 2 : BUCKETS_FIRST};
	wider.buckets = calloc(wider.buckets_n, sizeof(struct need_node *));
	if (!wider.buckets)
		return false;
	for (size_t i = 0; i < map->buckets_n; i++)
		for (struct need_node *node = map->buckets[i], *next; node; node = next) {
			next = node->next;
			put(&wider, node);
		}
	free(map->buckets);
	map->buckets = wider.buckets;
	map->buckets_n = wider.buckets_n;
	return true;
}

enum err need_map_add(struct need_map *map, struct need_node *node)
{
	/* One that cannot grow is slower, and still right. */
	if (map->n >= map->buckets_n && !grow(map) && map->buckets_n == 0)
		return ERR_NOMEM;
	put(map, node);
	map->n++;
	return OK;
}

void need_map_remove(struct need_map *map, struct need_node *node)
{
	struct need_node **at = bucket_of(map, &node->need);
	while (*at != node) {
		REQUIRE(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	map->n--;
}
