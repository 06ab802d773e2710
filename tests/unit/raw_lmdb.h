/* SPDX-License-Identifier: MIT */
#pragma once
/* What a test does to a database behind its back: with LMDB alone, while nobody has it open. */
#include "unit.h"
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

/* Opens the closed folder's table with LMDB alone; visit changes values in place. */
typedef void visit_fn(MDB_txn *txn, MDB_dbi dbi);
static inline void raw(const char *folder, const char *table, visit_fn *visit)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	assert_ok(mdb_env_create(&env));
	assert_ok(mdb_env_set_maxdbs(env, 16));
	assert_ok(mdb_env_set_mapsize(env, 256 << 20));
	assert_ok(mdb_env_open(env, folder, 0, 0600));
	assert_ok(mdb_txn_begin(env, NULL, 0, &txn));
	assert_ok(mdb_dbi_open(txn, table, 0, &dbi));
	visit(txn, dbi);
	assert_ok(mdb_txn_commit(txn));
	mdb_env_close(env);
}

static size_t entries;
static inline void count_entries(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_stat stat;
	assert_ok(mdb_stat(txn, dbi, &stat));
	entries = stat.ms_entries;
}

/* Damages every value of a table. */
static inline void flip_last_bytes(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	unsigned char copy[8192], key[64]; /* LMDB moves what lies in its pages */
	assert_ok(mdb_cursor_open(txn, dbi, &cursor));
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		assert_true(v.mv_size > 0 && v.mv_size <= sizeof copy);
		memcpy(copy, v.mv_data, v.mv_size);
		copy[v.mv_size - 1] ^= 1;
		v.mv_data = copy;
		memcpy(key, k.mv_data, k.mv_size);
		k.mv_data = key;
		assert_ok(mdb_cursor_put(cursor, &k, &v, MDB_CURRENT));
	}
	mdb_cursor_close(cursor);
}

static inline void write_file(const char *folder, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_ok(fclose(file));
}
