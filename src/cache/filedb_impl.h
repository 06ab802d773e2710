/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the file database share: filedb.c (opening), filedb_read.c (readers),
 * filedb_write.c (batches, the sweep), filedb_walk.c (walks).
 */
#include "cache/env.h"
#include <pthread.h>
#include <stdatomic.h>

#define FILEDB_FORMAT 1

struct filedb {
	struct env env;
	int lock_fd;		    /* of the file that names the process; -1: none */
	struct record_codec *codec; /* the writer's */
	bool writing;

	pthread_mutex_t readers_lock; /* over the list, and what is gone */
	struct filedb_reader *readers;
	uint64_t gone_reads, gone_misses; /* of freed readers */

	atomic_uint_fast64_t commits, records, used_bytes;
};

struct filedb_reader {
	struct filedb *db;
	struct filedb_reader *next;
	MDB_txn *txn; /* NULL before the first read */
	bool live;    /* txn is a snapshot, and not reset */
	struct record_codec *codec;
	atomic_uint_fast64_t reads, misses; /* written by the owner only */
};

/* The next address; false: there is none. */
static inline bool filedb_next_address(struct eth_address *address)
{
	for (size_t i = sizeof address->bytes; i-- > 0;)
		if (++address->bytes[i] != 0)
			return true;
	return false;
}

static inline uint64_t filedb_hash(const struct filedb *db, enum table table,
				   const struct record_key *key)
{
	return record_key_hash(db->env.seed, table, key->bytes, key->len);
}

/* filedb.c */
struct filedb_size {
	uint64_t records, bytes;
};
struct filedb_size filedb_measure(const struct filedb *db, MDB_txn *txn);
/* What filedb_stats says from now on. */
void filedb_note(struct filedb *db, struct filedb_size size);
/* "slot 0x... of account 0x..." */
#define FILEDB_NAME_MAX 192
void filedb_name(enum table table, struct span key, char name[FILEDB_NAME_MAX]);

/* filedb_read.c */
/* Opens the snapshot; OK when it is open. */
enum err filedb_begin(struct filedb_reader *reader, struct err_detail *detail) WARN_UNUSED;
/* ERR_CORRUPT, with the name of the record. */
enum err filedb_damaged(const struct filedb *db, enum table table, struct span key,
			struct err_detail *detail);
/* The body of a code record's value. ERR_CORRUPT, ERR_NOMEM; no detail. */
enum err filedb_code(struct filedb_reader *reader, uint64_t key_hash, struct span value,
		     struct blob **code) WARN_UNUSED;
