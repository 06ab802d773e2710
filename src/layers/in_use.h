/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Says what the memory cache uses, to the eviction of the disk cache (store_set_in_use).
 *
 * A hit in memory never reaches the disk, so what every run needs would be the first to go
 * there, and the next start would be a cold one. A record is in use if memory holds one of
 * its facts and has had a hit on it lately (its CLOCK bit is set).
 */
#include "cache/store.h"

/* The cookie is the struct memcache. */
store_in_use_fn in_use;
