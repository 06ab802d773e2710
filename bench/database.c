/* SPDX-License-Identifier: MIT */
/*
 * build/bench/database --folder FOLDER --copy FOLDER [--entries 100000] [--reads 500000]
 *                      [--rounds 9]
 *
 * A hit in the file database (lmdb://) through a handle, beside the file database by itself and
 * a bare mdb_get of the same records (bare.h), in nanoseconds, medians over interleaved rounds;
 * what a slot takes on disk; and what writing costs, in batches of 1,000. The folder, a new
 * one, is filled here: 256 slots an account, in random order, numbers and values of full
 * length.
 */
#include "bare.h"
#include "handle.h"
#include "layers/shared_impl.h"

#define ROUNDS_MAX 99
#define BATCH	   1000

struct scene {
	uint64_t reads;
	struct bare bare;
	struct handle handle;
	struct filedb_reader *reader; /* the handle's */
	struct slot_name *names;      /* in the order of the bare keys */
	double write_ns, slot_bytes;
};

static struct layer_view *file_view(const struct scene *s)
{
	return state_writable_view(s->handle.state->state);
}

static void fill(struct scene *s, const char *folder, uint32_t entries)
{
	struct random random = {6789};
	struct filedb_stats stats;
	handle_open(&s->handle, "lmdb://", folder, "");
	const uint64_t start = now_ns();
	handle_fill(&s->handle, entries, BATCH, &random);
	s->write_ns = (double)(now_ns() - start) / entries;
	filedb_stats(shared_of(file_view(s))->file, &stats);
	s->slot_bytes = (double)stats.used_bytes / entries;
	handle_close(&s->handle);
}

/* Keys are the table's, and the database is asked for what they name. */
static void read_names(struct scene *s)
{
	s->names = must_alloc(s->bare.entries, sizeof *s->names);
	for (uint32_t i = 0; i < s->bare.entries; i++) {
		const struct record_key *key = &s->bare.keys[i];
		struct eth_address address;
		struct eth_bytes32 slot;
		uint32_t generation;
		if (!record_key_state_open((struct span){(const char *)key->bytes, key->len},
					   &address, &generation, &slot) ||
		    generation != 0)
			die("a key that is none");
		memcpy(&s->names[i].address, &address, sizeof address);
		memcpy(&s->names[i].slot, &slot, sizeof slot);
	}
}

static void scene_init(struct scene *s, const char *folder, const char *copy, uint32_t entries)
{
	fill(s, folder, entries);
	bare_init(&s->bare, folder, copy);
	read_names(s);
	handle_open(&s->handle, "lmdb://", folder, "");
	s->reader = shared_view_of(file_view(s))->reader;
}

static void scene_release(struct scene *s)
{
	handle_close(&s->handle);
	bare_release(&s->bare);
	free(s->names);
}

/* Through the handle the snapshot stays open, until somebody publishes. */
static double time_handle(struct scene *s)
{
	return handle_time_reads(&s->handle, s->names, s->bare.entries, s->reads);
}

static double time_database(struct scene *s)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->bare.entries];
		struct eth_bytes32 value;
		enum err err;
		if (filedb_get_slot(s->reader, in_address(&name->address), 0,
				    in_bytes32(&name->slot), &value, &err, NULL) != HIT)
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
	static double bare[ROUNDS_MAX], database[ROUNDS_MAX], handle[ROUNDS_MAX];
	struct scene s = {.reads = arg_number(argc, argv, "--reads", 500000)};
	if (!folder || !copy || !rounds || rounds > ROUNDS_MAX || !entries ||
	    entries > UINT32_MAX / 2)
		die("--folder or --copy is missing, or a number is out of range");
	scene_init(&s, folder, copy, (uint32_t)entries);
	/* Once before, so that both find their pages and their processor caches as warm. */
	bare_time(&s.bare, s.reads);
	time_database(&s);
	time_handle(&s);
	for (uint64_t round = 0; round < rounds; round++) {
		bare[round] = bare_time(&s.bare, s.reads);
		database[round] = time_database(&s);
		handle[round] = time_handle(&s);
	}
	printf("{\"entries\": %u, \"bare_ns\": %.1f, \"database_ns\": %.1f, \"handle_ns\": "
	       "%.1f, \"write_ns\": %.1f, \"slot_bytes\": %.1f}\n",
	       s.bare.entries, median(bare, rounds), median(database, rounds),
	       median(handle, rounds), s.write_ns, s.slot_bytes);
	scene_release(&s);
	return 0;
}
