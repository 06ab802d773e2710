/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Says what the memory cache uses, to the eviction of the disk cache (store_set_in_use).
 *
 * A hit in memory never reaches the disk, so what every run needs would be the first to go
 * there, and the next start would be a cold one. A record is in use if memory holds one of
 * its facts and has had a hit on it lately (its CLOCK bit is set).
 */
#include "cache/memcache.h"
#include "cache/store.h"

/* A memory over a store, of which there may be several; embedded in its owner. */
struct in_use {
	struct store *store;
	struct memcache *memory;
	struct in_use *next;
};

/* Any thread. */
void in_use_add(struct in_use *user, struct store *store, struct memcache *memory);
/* When it returns the memory is not looked at any more. Allowed on zeroed memory. */
void in_use_remove(struct in_use *user);
