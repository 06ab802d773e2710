/* SPDX-License-Identifier: MIT */
/*
 * build/bench/disk --folder FOLDER --copy FOLDER [--reads 500000] [--rounds 9]
 *
 * A hit in the disk cache beside a bare mdb_get of the same records (bare.h), in nanoseconds,
 * medians over interleaved rounds. The folder is one of build/bench/fill.
 */
#include "bare.h"
#include "store_fixture.h"

#define ROUNDS_MAX 99

struct slot_name {
	struct eth_address address;
	struct eth_bytes32 slot;
};

struct scene {
	uint64_t reads;
	struct bare bare;
	struct store *store;
	struct store_reader *reader;
	struct eth_bytes32 block;
	struct slot_name *names; /* in the order of the bare keys */
};

/* Keys are the table's, and the store is asked for what they name: both sides read the same. */
static void read_names(struct scene *s)
{
	s->names = must_alloc(s->bare.entries, sizeof *s->names);
	for (uint32_t i = 0; i < s->bare.entries; i++) {
		const struct record_key *key = &s->bare.keys[i];
		uint64_t id;
		if (!record_key_open((struct span){(const char *)key->bytes, key->len}, &id,
				     &s->names[i].address, &s->names[i].slot))
			die("a key that is none");
	}
}

static void scene_init(struct scene *s, const char *folder, const char *copy, uint64_t reads)
{
	*s = (struct scene){.reads = reads, .block = fixture_header(BENCH_BLOCK).hash};
	bare_init(&s->bare, folder, copy);
	read_names(s);
	s->store = fixture_open(folder, UINT64_C(1) << 30);
	if (store_reader_new(s->store, &s->reader) != OK)
		die("no reader");
}

static void scene_release(struct scene *s)
{
	store_reader_free(&s->reader);
	store_close(&s->store);
	bare_release(&s->bare);
	free(s->names);
}

static double time_store(struct scene *s)
{
	uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->bare.entries];
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
	bare_time(&s.bare, s.reads);
	time_store(&s);
	for (uint64_t round = 0; round < rounds; round++) {
		bare[round] = bare_time(&s.bare, s.reads);
		store[round] = time_store(&s);
	}
	printf("{\"entries\": %u, \"bare_ns\": %.1f, \"store_ns\": %.1f}\n", s.bare.entries,
	       median(bare, rounds), median(store, rounds));
	scene_release(&s);
	return 0;
}
