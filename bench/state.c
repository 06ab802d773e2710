/* SPDX-License-Identifier: MIT */
/*
 * build/bench/state [--slots 100000] [--reads 1000000] [--rounds 9]
 *
 * A handle of a database in memory that holds so many slots (256 to an account), in
 * nanoseconds, medians over rounds:
 *
 *   read           fc_get_storage in random order, names ready in an array
 *   publish        fc_set_storage outside of everything: one publication
 *   batch          fc_set_storage in a batch of 1,000, for each, with its begin and commit
 *   snapshot       fc_snapshot, within another
 *   write          fc_set_storage after a snapshot, over slots that are there: 1,000 at random
 *   revert         fc_revert of these, for each
 *   revert_many    the same of 100,000 at random: more than the processor's caches hold
 *   mark, undo     snapshot and revert of the overlay by itself (of 1,000, for each), which
 *                  fc_snapshot and fc_revert call
 *   fill           writing all of them first, in batches of 10,000
 *
 * And the bytes for a slot: as the changes count them, and of resident memory.
 */
#include "handle.h"
#include "store_fixture.h"

#define ROUNDS_MAX 99
#define NAMES_MAX  1000000
#define FILL_BATCH 10000
#define FEW	   1000
#define MANY	   100000

enum { READ, PUBLISH, BATCH, SNAPSHOT, WRITE, REVERT, REVERT_MANY, MARK, UNDO, TIMES };
static const char *const times[TIMES] = {"read",   "publish",	  "batch", "snapshot", "write",
					 "revert", "revert_many", "mark",  "undo"};

struct scene {
	struct handle handle;
	uint32_t slots, names_n;
	uint64_t reads;
	struct slot_name *names; /* some of them, or all, at random */
	struct random random;
	uint64_t written; /* so that no value is written twice */
	double fill_ns, counted_bytes, resident_bytes;
	double rounds[TIMES][ROUNDS_MAX];
};

static void scene_init(struct scene *s)
{
	handle_open(&s->handle, "memory://", "", "");
	const uint64_t before = resident_bytes(), start = own_ns();
	handle_fill(&s->handle, s->slots, FILL_BATCH, NULL);
	s->fill_ns = (double)(own_ns() - start) / s->slots;
	s->resident_bytes = (double)(resident_bytes() - before) / s->slots;
	s->counted_bytes = (double)changes_bytes(handle_published(&s->handle)) / s->slots;
	s->names_n = s->slots < NAMES_MAX ? s->slots : NAMES_MAX;
	s->names = slot_names(&s->random, s->slots, s->names_n);
}

static const struct slot_name *any_name(struct scene *s)
{
	return &s->names[random_below(&s->random, s->names_n)];
}

static struct fc_bytes32 new_value(struct scene *s)
{
	const struct eth_bytes32 word = fixture_word(++s->written);
	struct fc_bytes32 value;
	memcpy(&value, &word, sizeof word);
	return value;
}

static void write_any(struct scene *s)
{
	const struct slot_name *name = any_name(s);
	const struct fc_bytes32 value = new_value(s);
	const enum fc_err err =
		fc_set_storage(s->handle.state, &name->address, &name->slot, &value);
	if (err != FC_OK)
		handle_must(&s->handle, err);
}

static uint64_t snapshot(struct scene *s)
{
	uint64_t id;
	handle_must(&s->handle, fc_snapshot(s->handle.state, &id));
	return id;
}

static double time_publishing(struct scene *s)
{
	const uint64_t n = s->reads / 10 + 1, start = own_ns();
	for (uint64_t i = 0; i < n; i++)
		write_any(s);
	return (double)(own_ns() - start) / (double)n;
}

static double time_batches(struct scene *s)
{
	const uint64_t n = s->reads / 10 / FEW + 1, start = own_ns();
	for (uint64_t i = 0; i < n; i++) {
		handle_must(&s->handle, fc_batch_begin(s->handle.state));
		for (uint32_t k = 0; k < FEW; k++)
			write_any(s);
		handle_must(&s->handle, fc_batch_commit(s->handle.state));
	}
	return (double)(own_ns() - start) / (double)(n * FEW);
}

static double time_snapshots(struct scene *s)
{
	uint64_t outer = snapshot(s);
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++)
		USED(snapshot(s));
	const uint64_t took = own_ns() - start;
	handle_must(&s->handle, fc_revert(s->handle.state, outer));
	return (double)took / (double)s->reads;
}

static double time_marks(struct scene *s)
{
	struct overlay *overlay = state_overlay(s->handle.state->state);
	uint64_t outer = snapshot(s);
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		overlay_mark mark;
		if (overlay_take_mark(overlay, &mark) != OK)
			die("no memory for a mark");
		USED(mark);
	}
	const uint64_t took = own_ns() - start;
	handle_must(&s->handle, fc_revert(s->handle.state, outer));
	return (double)took / (double)s->reads;
}

struct changing {
	uint64_t writing, undoing;
};

/* So many changes after a snapshot, undone through the handle, or through its overlay. */
static struct changing change(struct scene *s, uint32_t changes, bool through)
{
	struct overlay *overlay = state_overlay(s->handle.state->state);
	const uint64_t id = snapshot(s);
	overlay_mark mark;
	if (overlay_take_mark(overlay, &mark) != OK)
		die("no memory for a mark");
	const uint64_t start = own_ns();
	for (uint32_t k = 0; k < changes; k++)
		write_any(s);
	const uint64_t middle = own_ns();
	if (overlay_since(overlay, mark) != changes)
		die("a change is not in the journal");
	if (through)
		handle_must(&s->handle, fc_revert(s->handle.state, id));
	else
		overlay_revert(overlay, mark);
	const struct changing took = {middle - start, own_ns() - middle};
	if (!through)
		handle_must(&s->handle, fc_revert(s->handle.state, id));
	return took;
}

/* Within a snapshot, as the calls of a transaction are. */
static void time_changes(struct scene *s, uint64_t round)
{
	const uint64_t outer = snapshot(s), n = s->reads / 10 / FEW + 1;
	struct changing few = {0, 0}, direct = {0, 0};
	for (uint64_t i = 0; i < n; i++) {
		const struct changing through = change(s, FEW, true);
		few.writing += through.writing;
		few.undoing += through.undoing;
		direct.undoing += change(s, FEW, false).undoing;
	}
	s->rounds[WRITE][round] = (double)few.writing / (double)(n * FEW);
	s->rounds[REVERT][round] = (double)few.undoing / (double)(n * FEW);
	s->rounds[UNDO][round] = (double)direct.undoing / (double)(n * FEW);
	s->rounds[REVERT_MANY][round] = (double)change(s, MANY, true).undoing / MANY;
	handle_must(&s->handle, fc_revert(s->handle.state, outer));
}

static void time_round(struct scene *s, uint64_t round)
{
	s->rounds[READ][round] = handle_time_reads(&s->handle, s->names, s->names_n, s->reads);
	s->rounds[PUBLISH][round] = time_publishing(s);
	s->rounds[BATCH][round] = time_batches(s);
	s->rounds[SNAPSHOT][round] = time_snapshots(s);
	s->rounds[MARK][round] = time_marks(s);
	time_changes(s, round);
}

int main(int argc, char **argv)
{
	const uint64_t slots = arg_number(argc, argv, "--slots", 100000);
	const uint64_t reads = arg_number(argc, argv, "--reads", 1000000);
	const uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static struct scene s = {.random = {12345}};
	if (slots < 1 || slots > 100000000 || !reads || !rounds || rounds > ROUNDS_MAX)
		die("a number is out of range");
	s.slots = (uint32_t)slots;
	s.reads = reads;
	scene_init(&s);
	for (uint64_t round = 0; round < rounds; round++)
		time_round(&s, round);
	printf("{\"slots\": %u", s.slots);
	for (int i = 0; i < TIMES; i++)
		printf(", \"%s_ns\": %.2f", times[i], median(s.rounds[i], rounds));
	printf(", \"fill_ns\": %.1f, \"counted_bytes\": %.1f, \"resident_bytes\": %.1f}\n",
	       s.fill_ns, s.counted_bytes, s.resident_bytes);
	handle_close(&s.handle);
	free(s.names);
	return 0;
}
