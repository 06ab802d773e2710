/* SPDX-License-Identifier: MIT */
/*
 * build/bench/disk --folder FOLDER --copy FOLDER [--reads 500000] [--rounds 9]
 *
 * A hit in the disk cache beside a bare mdb_get of the same records, in nanoseconds, medians
 * over interleaved rounds. The folder is one of build/bench/fill; the copy is made here, since
 * a process may open an environment only once. Both read all records in one random order, from
 * arrays of keys that are ready, give up their snapshot every 64 reads as a worker does at
 * the end of a loop turn, and copy the value out.
 */
#include "measure.h"
#include "store_fixture.h"
#include "cache/record.h"
#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>

#define READS_PER_TURN 64
#define ROUNDS_MAX     99
#define TABLES_MAX     16

struct bare {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi slots;
	struct record_key *keys; /* in random order */
};

struct slot_name {
	struct eth_address address;
	struct eth_bytes32 slot;
};

struct scene {
	uint32_t entries;
	uint64_t reads;
	struct bare bare;
	struct store *store;
	struct store_reader *reader;
	struct eth_bytes32 block;
	struct slot_name *names; /* in the same order */
};

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

/* Keys are the table's, and the store is asked for what they name: both sides read the same. */
static void read_keys(struct scene *s)
{
	struct random random = {12345};
	MDB_stat stat;
	MDB_cursor *cursor;
	MDB_val key, value;
	must(mdb_stat(s->bare.txn, s->bare.slots, &stat), "mdb_stat");
	s->entries = (uint32_t)stat.ms_entries;
	if (!s->entries)
		die("there are no slots");
	s->bare.keys = must_alloc(s->entries, sizeof *s->bare.keys);
	s->names = must_alloc(s->entries, sizeof *s->names);
	uint32_t *order = random_order(&random, s->entries);
	must(mdb_cursor_open(s->bare.txn, s->bare.slots, &cursor), "mdb_cursor_open");
	for (uint32_t i = 0; i < s->entries; i++) {
		uint64_t id;
		struct record_key *k = &s->bare.keys[order[i]];
		struct slot_name *name = &s->names[order[i]];
		must(mdb_cursor_get(cursor, &key, &value, i ? MDB_NEXT : MDB_FIRST),
		     "mdb_cursor_get");
		k->len = key.mv_size;
		memcpy(k->bytes, key.mv_data, key.mv_size);
		if (!record_key_open((struct span){key.mv_data, key.mv_size}, &id,
				     &name->address, &name->slot))
			die("a key that is none");
	}
	mdb_cursor_close(cursor);
	free(order);
}

static void scene_init(struct scene *s, const char *folder, const char *copy, uint64_t reads)
{
	*s = (struct scene){.reads = reads, .block = fixture_header(BENCH_BLOCK).hash};
	copy_folder(folder, copy);
	s->bare.env = open_env(copy);
	must(mdb_txn_begin(s->bare.env, NULL, MDB_RDONLY, &s->bare.txn), "mdb_txn_begin");
	must(mdb_dbi_open(s->bare.txn, "slots", 0, &s->bare.slots),
	     "opening the table of slots");
	/* A handle is the transaction's own until it is committed. */
	must(mdb_txn_commit(s->bare.txn), "mdb_txn_commit");
	must(mdb_txn_begin(s->bare.env, NULL, MDB_RDONLY, &s->bare.txn), "mdb_txn_begin");
	read_keys(s);
	s->store = fixture_open(folder, UINT64_C(1) << 30);
	if (store_reader_new(s->store, &s->reader) != OK)
		die("no reader");
}

static void scene_release(struct scene *s)
{
	store_reader_free(&s->reader);
	store_close(&s->store);
	mdb_txn_abort(s->bare.txn);
	mdb_env_close(s->bare.env);
	free(s->bare.keys);
	free(s->names);
}

static double time_bare(struct scene *s)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		struct record_key *k = &s->bare.keys[i % s->entries];
		MDB_val key = {k->len, k->bytes}, value;
		unsigned char out[RECORD_SLOT_MAX];
		if (mdb_get(s->bare.txn, s->bare.slots, &key, &value) != 0 ||
		    value.mv_size > sizeof out)
			die("a record is gone");
		memcpy(out, value.mv_data, value.mv_size);
		USED(out[0]);
		if (i % READS_PER_TURN == READS_PER_TURN - 1) {
			mdb_txn_reset(s->bare.txn);
			must(mdb_txn_renew(s->bare.txn), "mdb_txn_renew");
		}
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

static double time_store(struct scene *s)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->entries];
		struct eth_bytes32 value;
		if (store_get_slot(s->reader, &s->block, &name->address, &name->slot, &value) !=
		    HIT)
			die("a slot is gone");
		USED(value.bytes[31]);
		if (i % READS_PER_TURN == READS_PER_TURN - 1)
			store_reader_rest(s->reader);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

int main(int argc, char **argv)
{
	const char *folder = arg_text(argc, argv, "--folder", NULL);
	const char *copy = arg_text(argc, argv, "--copy", NULL);
	uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static double bare[ROUNDS_MAX], store[ROUNDS_MAX];
	struct scene s;
	if (!folder || !copy || !rounds || rounds > ROUNDS_MAX)
		die("--folder or --copy is missing, or --rounds is out of range");
	scene_init(&s, folder, copy, arg_number(argc, argv, "--reads", 500000));
	/* Once before, so that both find their pages and their processor caches as warm. */
	time_bare(&s);
	time_store(&s);
	for (uint64_t round = 0; round < rounds; round++) {
		bare[round] = time_bare(&s);
		store[round] = time_store(&s);
	}
	printf("{\"entries\": %u, \"bare_ns\": %.1f, \"store_ns\": %.1f}\n", s.entries,
	       median(bare, rounds), median(store, rounds));
	scene_release(&s);
	return 0;
}
