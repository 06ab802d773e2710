/* SPDX-License-Identifier: MIT */
#pragma once
/* Storage tries by account. Embedded; zeroed memory is an empty map. */
#include "base/trie.h"

struct storage {
	struct eth_address address;
	uint32_t generation; /* of the overlay's account that it goes with */
	uint64_t sequence;   /* the publication that it is of */
	struct trie_node *root;
};

struct storages {
	struct storage **table;
	size_t n, size;
};

/* NULL: none. */
struct storage *storages_find(const struct storages *map, const struct eth_address *address);
/* Finds or makes, with an empty trie; NULL: no memory. */
struct storage *storages_add(struct storages *map, const struct eth_address *address);
/* Copies all tries of from, as of that publication, over those of into. ERR_NOMEM: into has
 * some of them. */
enum err storages_copy(struct storages *into, const struct storages *from,
		       uint64_t sequence) WARN_UNUSED;
void storages_release(struct storages *map);
