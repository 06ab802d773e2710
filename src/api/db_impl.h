/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What stands behind a struct fc_db: its layers, and what all handles of it share.
 *
 * open.c makes it and closes it; handles (api_impl.h) are counted, so that a close with some
 * left is told. What is not atomic is set before fc_open returns, but for roots.
 */
#include "forkcache.h"
#include "layers/state.h"
#include <pthread.h>
#include <stdatomic.h>

struct root_cache;

struct fc_db {
	struct db db;
	/* The tries of what is published (layers/root.h): NULL until the first handle wants a
	 * root, made under the lock, freed by fc_close. */
	pthread_mutex_t roots_lock;
	struct root_cache *roots;
	atomic_size_t handles;
	atomic_ullong transactions, conflicts; /* committed; refused: for fc_stats */
};
