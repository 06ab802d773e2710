/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * LMDB by itself, on a copy of an environment: the floor of a hit on disk. The copy is made
 * here, since a process may open an environment only once. Keys are those of the table "slots",
 * in one random order, ready in an array; the snapshot is given up every READS_PER_TURN reads,
 * as a worker does at the end of a loop turn, and each value is copied out.
 */
#include "measure.h"
#include "cache/record.h"
#include <lmdb.h>

#define READS_PER_TURN 64

struct bare {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi slots;
	uint32_t entries;
	struct record_key *keys;
};

/* to: a folder that is made. */
void bare_init(struct bare *bare, const char *from, const char *to);
void bare_release(struct bare *bare);
/* Nanoseconds a read, of so many. */
double bare_time(struct bare *bare, uint64_t reads);
