/* SPDX-License-Identifier: MIT */
/*
 * build/bench/memory [--entries 100000] [--reads 1000000] [--rounds 9]
 *
 * A hit in the memory cache, in nanoseconds, medians over interleaved rounds:
 *
 *   streamed  memcache_cell_get, keys in random order but ready in an array that the processor
 *             reads ahead
 *   built     the same with each key built from a random number just before
 *   building  that building alone
 *   stack     fact_prepare and stack_get_fact of facts in random order: what a worker does
 *   batched   the same facts as calls of a batch read them: prepare, prefetch and get, each for
 *             100 facts
 *   line      the limit: one cache line at a random place of as many bytes, next to others
 *   chased    the same where each place is known only when the last one has been read
 *
 * And the bytes of resident memory for each cell, in a cache that is full and in one of the
 * default size that holds the entries only.
 */
#include "measure.h"
#include "store_fixture.h"
#include "base/loop.h"
#include "cache/cells.h"
#include "layers/keys.h"
#include "layers/stack.h"

#define CAPACITY_BYTES	    ((size_t)256 << 20) /* the program's default */
#define FULL_CAPACITY_BYTES ((size_t)64 << 20)
#define ROUNDS_MAX	    99
#define LINE		    64
#define BATCH		    100

struct line {
	uint64_t next, unused[7];
};

struct slot_name {
	struct eth_address address;
	struct eth_bytes32 slot;
};

struct scene {
	uint32_t entries;
	uint64_t reads;
	struct memcache *cache;
	struct memcache_reader *reader;
	struct loop *loop;
	struct stack *stack;
	struct stack_view *view;
	struct eth_bytes32 block;
	uint32_t *order;
	struct cell_key *keys;	 /* in that order */
	struct slot_name *names; /* in that order */
	struct line *lines;	 /* one cycle through all of them */
	uint32_t lines_n;
};

static void key_of(const struct scene *s, uint64_t n, struct cell_key *key)
{
	struct eth_address address = fixture_address(n / 256);
	struct eth_bytes32 slot = fixture_word(n);
	key_fact(key, CELL_SLOT, &s->block, &address, &slot);
}

static double cell_bytes(size_t capacity, uint64_t entries, bool full)
{
	struct memcache *cache;
	struct memcache_stats stats;
	struct scene s = {.block = fixture_word(1)};
	uint64_t before = resident_bytes();
	if (memcache_new(capacity, &cache) != OK)
		die("no memory for a cache");
	/* Shards do not fill evenly. */
	memcache_stats(cache, &stats);
	uint64_t puts = full ? stats.cell_capacity * 3 / 2 : entries;
	for (uint64_t n = 0; n < puts; n++) {
		struct cell_key key;
		struct eth_bytes32 value = fixture_word(~n);
		key_of(&s, n, &key);
		memcache_cell_put(cache, &key, &value);
	}
	memcache_stats(cache, &stats);
	double bytes = (double)(resident_bytes() - before) / (double)stats.cells;
	memcache_free(&cache);
	return bytes;
}

static void make_lines(struct scene *s, struct random *random)
{
	s->lines_n = (uint32_t)((uint64_t)s->entries * CELL_COST_BYTES / LINE);
	s->lines = must_alloc(s->lines_n, sizeof *s->lines);
	uint32_t *order = random_order(random, s->lines_n);
	for (uint32_t i = 0; i < s->lines_n; i++)
		s->lines[order[i]].next = order[(i + 1) % s->lines_n];
	free(order);
}

static void fill(struct scene *s)
{
	for (uint32_t n = 0; n < s->entries; n++) {
		struct cell_key key;
		struct eth_address address = fixture_address(n / 256);
		struct eth_bytes32 slot = fixture_word(n), value = fixture_word(~(uint64_t)n);
		key_of(s, n, &key);
		memcache_cell_put(s->cache, &key, &value);
		stack_keep_slot(s->stack, &s->block, &address, &slot, &value);
	}
	for (uint32_t i = 0; i < s->entries; i++) {
		key_of(s, s->order[i], &s->keys[i]);
		s->names[i] = (struct slot_name){.address = fixture_address(s->order[i] / 256),
						 .slot = fixture_word(s->order[i])};
	}
}

static void scene_init(struct scene *s, uint32_t entries, uint64_t reads)
{
	struct random random = {12345};
	struct stack_config config = {.memory_bytes = CAPACITY_BYTES};
	*s = (struct scene){.entries = entries, .reads = reads, .block = fixture_word(1)};
	s->order = random_order(&random, entries);
	s->keys = must_alloc(entries, sizeof *s->keys);
	s->names = must_alloc(entries, sizeof *s->names);
	make_lines(s, &random);
	if (memcache_new(CAPACITY_BYTES, &s->cache) != OK ||
	    memcache_reader_new(s->cache, &s->reader) != OK || loop_new(&s->loop) != OK ||
	    stack_new(&config, &s->stack) != OK ||
	    stack_view_new(s->stack, NULL, s->loop, 0, &s->view) != OK)
		die("no memory for the caches");
	fill(s);
}

static void scene_release(struct scene *s)
{
	stack_view_free(&s->view);
	stack_free(&s->stack);
	loop_free(&s->loop);
	memcache_reader_free(&s->reader);
	memcache_free(&s->cache);
	free(s->lines);
	free(s->names);
	free(s->keys);
	free(s->order);
}

static void must_hit(enum lookup lookup)
{
	if (lookup != HIT)
		die("an entry is not in the cache");
}

static void streamed(struct scene *s)
{
	struct eth_bytes32 value;
	for (uint64_t i = 0; i < s->reads; i++) {
		const struct cell_key *key = &s->keys[i % s->entries];
		must_hit(memcache_cell_get(s->reader, key, memcache_cell_hash(s->cache, key),
					   &value));
		USED(value.bytes[31]);
	}
}

static void built(struct scene *s)
{
	struct random random = {99};
	struct eth_bytes32 value;
	for (uint64_t i = 0; i < s->reads; i++) {
		struct cell_key key;
		key_of(s, random_below(&random, s->entries), &key);
		must_hit(memcache_cell_get(s->reader, &key, memcache_cell_hash(s->cache, &key),
					   &value));
		USED(value.bytes[31]);
	}
}

static void building(struct scene *s)
{
	struct random random = {99};
	for (uint64_t i = 0; i < s->reads; i++) {
		struct cell_key key;
		key_of(s, random_below(&random, s->entries), &key);
		USED(&key);
	}
}

static void name_fact(const struct scene *s, uint64_t i, struct fact *fact)
{
	const struct slot_name *name = &s->names[i % s->entries];
	fact->kind = FACT_SLOT;
	fact->address = name->address;
	fact->slot = name->slot;
	fact->block = (struct stack_block){.at = {.number = BENCH_BLOCK, .hash = s->block},
					   .final = true};
}

static void through_stack(struct scene *s)
{
	struct fact fact = {0};
	for (uint64_t i = 0; i < s->reads; i++) {
		name_fact(s, i, &fact);
		fact_prepare(s->view, &fact);
		must_hit(stack_get_fact(s->view, &fact));
		USED(fact.value.bytes[31]);
	}
}

static void batched(struct scene *s)
{
	static struct fact facts[BATCH];
	for (uint64_t i = 0; i < s->reads; i += BATCH) {
		for (size_t j = 0; j < BATCH; j++) {
			name_fact(s, i + j, &facts[j]);
			fact_prepare(s->view, &facts[j]);
		}
		for (size_t j = 0; j < BATCH; j++)
			fact_prefetch(s->view, &facts[j]);
		for (size_t j = 0; j < BATCH; j++) {
			must_hit(stack_get_fact(s->view, &facts[j]));
			USED(facts[j].value.bytes[31]);
		}
	}
}

static void line(struct scene *s)
{
	struct random random = {99};
	uint64_t sum = 0;
	for (uint64_t i = 0; i < s->reads; i++)
		sum += s->lines[random_below(&random, s->lines_n)].next;
	USED(sum);
}

static void chased(struct scene *s)
{
	uint64_t at = 0;
	for (uint64_t i = 0; i < s->reads; i++)
		at = s->lines[at].next;
	USED(at);
}

static const struct {
	const char *name;
	void (*run)(struct scene *s);
} kinds[] = {{"streamed", streamed},   {"built", built},     {"building", building},
	     {"stack", through_stack}, {"batched", batched}, {"line", line},
	     {"chased", chased}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

int main(int argc, char **argv)
{
	uint64_t entries = arg_number(argc, argv, "--entries", 100000);
	uint64_t reads = arg_number(argc, argv, "--reads", 1000000);
	uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	static double ns[KINDS][ROUNDS_MAX];
	struct scene s;
	if (entries < BATCH || entries > 1000000 || !reads || reads % BATCH || !rounds ||
	    rounds > ROUNDS_MAX)
		die("a number is out of range");

	/* First, while no memory has been used and freed. */
	double full = cell_bytes(FULL_CAPACITY_BYTES, 0, true);
	double part = cell_bytes(CAPACITY_BYTES, entries, false);
	scene_init(&s, (uint32_t)entries, reads);
	for (uint64_t round = 0; round < rounds; round++)
		for (size_t kind = 0; kind < KINDS; kind++) {
			uint64_t start = own_ns();
			kinds[kind].run(&s);
			ns[kind][round] = (double)(own_ns() - start) / (double)reads;
		}
	printf("{\"entries\": %llu, \"full_cell_bytes\": %.1f, \"part_cell_bytes\": %.1f",
	       (unsigned long long)entries, full, part);
	for (size_t kind = 0; kind < KINDS; kind++)
		printf(", \"%s_ns\": %.2f", kinds[kind].name, median(ns[kind], rounds));
	printf("}\n");
	scene_release(&s);
	return 0;
}
