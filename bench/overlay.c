/* SPDX-License-Identifier: MIT */
/*
 * build/bench/overlay [--slots 100000] [--reads 1000000] [--rounds 9]
 *
 * An overlay that holds so many written slots (256 to an account), in nanoseconds, medians over
 * rounds:
 *
 *   read           changes_read_slot in random order, names ready in an array
 *   snapshot       overlay_take_mark
 *   write          overlay_set_slot over slots that are there, after a mark: 1,000 at random
 *   revert         undoing these, for each
 *   revert_many    the same of 100,000 at random: more than the processor's caches hold
 *   fill           writing all of them first, without a mark
 *
 * And the bytes for a slot: as the changes count them, and of resident memory.
 */
#include "measure.h"
#include "store_fixture.h"
#include "layers/overlay.h"

#define ROUNDS_MAX  99
#define PER_ACCOUNT 256
#define NAMES_MAX   1000000
#define FEW	    1000
#define MANY	    100000

struct slot_name {
	struct eth_address address;
	struct eth_bytes32 slot;
};

struct scene {
	uint32_t slots, names_n;
	uint64_t reads;
	struct overlay *overlay;
	struct slot_name *names; /* some of them, or all, at random */
	struct random random;
	uint64_t written; /* so that no value is written twice */
	double fill_ns, counted_bytes, resident_bytes;
};

static void must(enum err err)
{
	if (err != OK)
		die("an overlay says: %s", err_name(err));
}

static void write_slot(struct scene *s, const struct slot_name *name)
{
	const struct eth_bytes32 value = fixture_word(++s->written);
	must(overlay_set_slot(s->overlay, &name->address, &name->slot, &value));
}

static struct slot_name name_of(uint64_t n)
{
	return (struct slot_name){fixture_address(n / PER_ACCOUNT), fixture_word(n)};
}

static void scene_init(struct scene *s, uint32_t slots, uint64_t reads)
{
	*s = (struct scene){.slots = slots, .reads = reads, .random = {12345}};
	const uint64_t before = resident_bytes();
	must(overlay_new(&s->overlay));
	const uint64_t start = own_ns();
	for (uint32_t n = 0; n < slots; n++) {
		const struct slot_name name = name_of(n);
		write_slot(s, &name);
	}
	s->fill_ns = (double)(own_ns() - start) / slots;
	s->resident_bytes = (double)(resident_bytes() - before) / slots;
	s->counted_bytes = (double)changes_bytes(overlay_changes(s->overlay)) / slots;
	s->names_n = slots < NAMES_MAX ? slots : NAMES_MAX;
	s->names = must_alloc(s->names_n, sizeof *s->names);
	uint32_t *order = random_order(&s->random, slots);
	for (uint32_t i = 0; i < s->names_n; i++)
		s->names[i] = name_of(order[i]);
	free(order);
}

static double time_read(struct scene *s)
{
	const struct changes *changes = overlay_changes(s->overlay);
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct slot_name *name = &s->names[i % s->names_n];
		struct eth_bytes32 value;
		if (changes_read_slot(changes, &name->address, &name->slot, &value) != HIT)
			die("a slot is gone");
		USED(value.bytes[31]);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

static double time_snapshot(struct scene *s)
{
	const uint64_t start = own_ns();
	for (uint64_t i = 0; i < s->reads; i++) {
		overlay_mark mark;
		must(overlay_take_mark(s->overlay, &mark));
		USED(mark);
	}
	return (double)(own_ns() - start) / (double)s->reads;
}

struct times {
	double write, revert;
};

/* So many changes, undone at once, often enough to be timed. */
static struct times time_changes(struct scene *s, uint32_t changes)
{
	const uint64_t times = s->reads / changes > 0 ? s->reads / changes : 1;
	uint64_t writing = 0, reverting = 0;
	for (uint64_t i = 0; i < times; i++) {
		overlay_mark mark;
		must(overlay_take_mark(s->overlay, &mark));
		const uint64_t start = own_ns();
		for (uint32_t k = 0; k < changes; k++)
			write_slot(s, &s->names[random_below(&s->random, s->names_n)]);
		const uint64_t middle = own_ns();
		if (overlay_since(s->overlay, mark) != changes)
			die("a change is not in the journal");
		overlay_revert(s->overlay, mark);
		reverting += own_ns() - middle;
		writing += middle - start;
	}
	const double n = (double)(times * changes);
	return (struct times){(double)writing / n, (double)reverting / n};
}

int main(int argc, char **argv)
{
	const uint64_t slots = arg_number(argc, argv, "--slots", 100000);
	const uint64_t reads = arg_number(argc, argv, "--reads", 1000000);
	const uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static double read[ROUNDS_MAX], snapshot[ROUNDS_MAX], write[ROUNDS_MAX],
		revert[ROUNDS_MAX], many[ROUNDS_MAX];
	struct scene s;
	if (slots < 1 || slots > 100000000 || !reads || !rounds || rounds > ROUNDS_MAX)
		die("a number is out of range");
	scene_init(&s, (uint32_t)slots, reads);
	for (uint64_t round = 0; round < rounds; round++) {
		read[round] = time_read(&s);
		snapshot[round] = time_snapshot(&s);
		const struct times few = time_changes(&s, FEW);
		write[round] = few.write;
		revert[round] = few.revert;
		many[round] = time_changes(&s, MANY).revert;
	}
	printf("{\"slots\": %u, \"read_ns\": %.2f, \"snapshot_ns\": %.2f, \"write_ns\": %.2f, "
	       "\"revert_ns\": %.2f, \"revert_many_ns\": %.2f, \"fill_ns\": %.1f, "
	       "\"counted_bytes\": %.1f, \"resident_bytes\": %.1f}\n",
	       s.slots, median(read, rounds), median(snapshot, rounds), median(write, rounds),
	       median(revert, rounds), median(many, rounds), s.fill_ns, s.counted_bytes,
	       s.resident_bytes);
	overlay_free(&s.overlay);
	free(s.names);
	return 0;
}
