/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A hash table from byte strings to pointers, for the mock node's indices.
 *
 * Open addressing, linear probing, at most half full; nothing is ever removed. Keys and
 * values are borrowed: whoever puts them keeps both alive until dict_release.
 */
#include "base/err.h"
#include "base/span.h"
#include <stdint.h>

struct dict_entry {
	struct span key;
	uint64_t hash;
	void *value; /* NULL: a free place */
};

struct dict {
	struct dict_entry *entries;
	size_t capacity, count;
};

/* A zeroed struct dict is an empty one. */
void dict_release(struct dict *dict);
/* NULL when there is none. */
void *dict_get(const struct dict *dict, struct span key);
/* A key that is there already gets the new value. ERR_NOMEM. */
enum err dict_put(struct dict *dict, struct span key, void *value) WARN_UNUSED;
