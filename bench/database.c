/* SPDX-License-Identifier: MIT */
/*
 * build/bench/database --folder FOLDER --copy FOLDER [--entries 100000] [--reads 500000]
 *                      [--rounds 9]
 *
 * A hit in the file database beside a bare mdb_get of the same records (bare.h), in
 * nanoseconds, medians over interleaved rounds; what a slot takes on disk; and what writing
 * costs, in batches of 1,000. The folder, a new one, is filled here with the slots of
 * mocks/filedb_fixture.h: 256 an account, in random order, numbers and values of full length.
 */
#include "bare.h"
#include "filedb_fixture.h"

#define ROUNDS_MAX 99
#define BATCH	   1000

struct slot_name {
	struct eth_address address;
	struct eth_bytes32 slot;
	uint32_t generation;
};

struct scene {
	uint64_t reads;
	struct bare bare;
	struct filedb *db;
	struct filedb_reader *reader;
	struct slot_name *names; /* in the order of the bare keys */
	double write_ns, slot_bytes;
};

static void fill(struct scene *s, const char *folder, uint32_t entries)
{
	struct random random = {6789};
	struct filedb_stats stats;
	uint32_t *order = random_order(&random, entries);
	struct filedb *db = fixture_filedb(folder, 0);
	uint64_t start = now_ns();
	for (uint32_t i = 0; i < entries;) {
		struct filedb_batch *batch = fixture_batch(db, false);
		for (uint32_t end = i + BATCH; i < end && i < entries; i++)
			if (fixture_batch_slot(batch, order[i]) != OK)
				die("a slot cannot be written");
		fixture_commit(batch);
	}
	s->write_ns = (double)(now_ns() - start) / entries;
	filedb_stats(db, &stats);
	s->slot_bytes = (double)stats.used_bytes / entries;
	filedb_close(&db);
	free(order);
}

/* Keys are the table's, and the database is asked for what they name. */
static void read_names(struct scene *s)
{
	s->names = must_alloc(s->bare.entries, sizeof *s->names);
	for (uint32_t i = 0; i < s->bare.entries; i++) {
		const struct record_key *key = &s->bare.keys[i];
		struct slot_name *name = &s->names[i];
		if (!record_key_state_open((struct span){(const char *)key->bytes, key->len},
					   &name->address, &name->generation, &name->slot))
			die("a key that is none");
	}
}

static void scene_init(struct scene *s, const char *folder, const char *copy, uint32_t entries)
{
	fill(s, folder, entries);
	bare_init(&s->bare, folder, copy);
	read_names(s);
	s->db = fixture_filedb(folder, 0);
	if (filedb_reader_new(s->db, &s->reader) != OK)
		die("no reader");
}

static void scene_release(struct scene *s)
{
	filedb_reader_free(&s->reader);
	filedb_close(&s->db);
	bare_release(&s->bare);
	free(s->names);
}

static double time_database(struct scene *s)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->bare.entries];
		struct eth_bytes32 value;
		enum err err;
		if (filedb_get_slot(s->reader, &name->address, name->generation, &name->slot,
				    &value, &err, NULL) != HIT)
			die("a slot is gone");
		USED(value.bytes[31]);
		if (i % READS_PER_TURN == READS_PER_TURN - 1)
			filedb_reader_rest(s->reader);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

int main(int argc, char **argv)
{
	const char *folder = arg_text(argc, argv, "--folder", NULL);
	const char *copy = arg_text(argc, argv, "--copy", NULL);
	uint64_t entries = arg_number(argc, argv, "--entries", 100000);
	uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static double bare[ROUNDS_MAX], database[ROUNDS_MAX];
	struct scene s = {.reads = arg_number(argc, argv, "--reads", 500000)};
	if (!folder || !copy || !rounds || rounds > ROUNDS_MAX || !entries ||
	    entries > UINT32_MAX / 2)
		die("--folder or --copy is missing, or a number is out of range");
	scene_init(&s, folder, copy, (uint32_t)entries);
	/* Once before, so that both find their pages and their processor caches as warm. */
	bare_time(&s.bare, s.reads);
	time_database(&s);
	for (uint64_t round = 0; round < rounds; round++) {
		bare[round] = bare_time(&s.bare, s.reads);
		database[round] = time_database(&s);
	}
	printf("{\"entries\": %u, \"bare_ns\": %.1f, \"database_ns\": %.1f, \"write_ns\": "
	       "%.1f, "
	       "\"slot_bytes\": %.1f}\n",
	       s.bare.entries, median(bare, rounds), median(database, rounds), s.write_ns,
	       s.slot_bytes);
	scene_release(&s);
	return 0;
}
