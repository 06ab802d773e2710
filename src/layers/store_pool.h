/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The disk caches that are open in this process: one a folder, by (device, inode), shared by
 * all who ask for it, since LMDB allows no second handle. The bound is that of whoever came
 * first. A store is about one chain at a time: who comes for another is refused.
 *
 * Any thread. The last to give a store up closes it: what was put is committed then.
 */
#include "cache/store.h"

/* Finds or opens, and makes the folders above it. Errors of store_open. */
enum err store_pool_get(const struct store_config *config, struct store **out,
			struct err_detail *detail) WARN_UNUSED;
/* Accepts NULL; nulls. The caller's readers must be freed. */
void store_pool_put(struct store **store);
/* store_use_chain, once for each who has got it, before its first read or put. ERR_CONFIG:
 * somebody in this process uses it for another chain. */
enum err store_pool_use_chain(struct store *store, uint64_t chain_id,
			      struct err_detail *detail) WARN_UNUSED;
