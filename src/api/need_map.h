/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hash map from what is needed to whatever embeds a struct need_node: what is being fetched,
 * what an operation waits for, what a resumable run has noted. Embedded; zeroed memory is an
 * empty one; one thread. Slots of a NEED_PROOF are not part of the key.
 */
#include "layers/layer.h"

struct need_node {
	struct need need;
	struct need_node *next; /* in its bucket */
};

struct need_map {
	struct need_node **buckets;
	size_t buckets_n, n;
};

/* Forgets its nodes, which are the caller's. */
void need_map_release(struct need_map *map);
struct need_node *need_map_find(const struct need_map *map, const struct need *need);
/* Not there yet. ERR_NOMEM. */
enum err need_map_add(struct need_map *map, struct need_node *node) WARN_UNUSED;
void need_map_remove(struct need_map *map, struct need_node *node); /* is there */
