/* SPDX-License-Identifier: MIT */
#include "bare.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TABLES_MAX 16

static void must(int rc, const char *doing)
{
	if (rc != 0)
		die("%s: %s", doing, mdb_strerror(rc));
}

static MDB_env *open_env(const char *folder)
{
	MDB_env *env;
	must(mdb_env_create(&env), "mdb_env_create");
	must(mdb_env_set_maxdbs(env, TABLES_MAX), "mdb_env_set_maxdbs");
	must(mdb_env_open(env, folder, MDB_RDONLY | MDB_NOTLS, 0600), folder);
	return env;
}

static void copy_folder(const char *from, const char *to)
{
	if (mkdir(to, 0700) != 0)
		die("making %s: %s", to, strerror(errno));
	MDB_env *env = open_env(from);
	must(mdb_env_copy(env, to), "copying");
	mdb_env_close(env);
}

static void read_keys(struct bare *bare)
{
	struct random random = {12345};
	MDB_stat stat;
	MDB_cursor *cursor;
	MDB_val key, value;
	must(mdb_stat(bare->txn, bare->slots, &stat), "mdb_stat");
	bare->entries = (uint32_t)stat.ms_entries;
	if (!bare->entries)
		die("there are no slots");
	bare->keys = must_alloc(bare->entries, sizeof *bare->keys);
	uint32_t *order = random_order(&random, bare->entries);
	must(mdb_cursor_open(bare->txn, bare->slots, &cursor), "mdb_cursor_open");
	for (uint32_t i = 0; i < bare->entries; i++) {
		struct record_key *k = &bare->keys[order[i]];
		must(mdb_cursor_get(cursor, &key, &value, i ? MDB_NEXT : MDB_FIRST),
		     "mdb_cursor_get");
		k->len = key.mv_size;
		memcpy(k->bytes, key.mv_data, key.mv_size);
	}
	mdb_cursor_close(cursor);
	free(order);
}

void bare_init(struct bare *bare, const char *from, const char *to)
{
	copy_folder(from, to);
	bare->env = open_env(to);
	must(mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &bare->txn), "mdb_txn_begin");
	must(mdb_dbi_open(bare->txn, "slots", 0, &bare->slots), "opening the table of slots");
	/* A handle is the transaction's own until it is committed. */
	must(mdb_txn_commit(bare->txn), "mdb_txn_commit");
	must(mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &bare->txn), "mdb_txn_begin");
	read_keys(bare);
}

void bare_release(struct bare *bare)
{
	mdb_txn_abort(bare->txn);
	mdb_env_close(bare->env);
	free(bare->keys);
}

double bare_time(struct bare *bare, uint64_t reads)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < reads; i++) {
		struct record_key *k = &bare->keys[i % bare->entries];
		MDB_val key = {k->len, k->bytes}, value;
		unsigned char out[RECORD_SLOT_MAX];
		if (mdb_get(bare->txn, bare->slots, &key, &value) != 0 ||
		    value.mv_size > sizeof out)
			die("a record is gone");
		memcpy(out, value.mv_data, value.mv_size);
		USED(out[0]);
		if (i % READS_PER_TURN == READS_PER_TURN - 1) {
			mdb_txn_reset(bare->txn);
			must(mdb_txn_renew(bare->txn), "mdb_txn_renew");
		}
	}
	return (double)(own_ns() - start) / (double)reads;
}
