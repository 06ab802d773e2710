/* SPDX-License-Identifier: MIT */
#include "cache/cells.h"
#include "cache/keyhash.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SHARD_BITS 4
#define SHARDS	   (1U << SHARD_BITS)
#define CACHE_LINE 64

#define PAGE_BYTES	((size_t)4096)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* So many cells of one shard stand together, then as many of the next: all shards fill the same
 * pages, and few of them. */
#define RUN_CELLS 32

/* An index begins with a page for each shard, if there are to be more. */
#define FIRST_SLOTS 512
/* Sizes of an index, of which the largest has fewer than 2^32 slots. */
#define LEVELS_MAX 32

/* How often a read starts again because a writer was in its cell. A write takes some 20 ns;
 * a writer that is still there after this many looks has lost its CPU, and waiting for it
 * costs more than a miss. */
#define READ_TRIES 32

/* How far the hand goes in one put, which holds the shard's mutex: when nearly everything is
 * in use, any victim is as good as another. */
#define SWEEP_MAX 512

#define KEY_WORDS   9
#define VALUE_WORDS 4

struct cell {
	atomic_uint seq;
	atomic_uint used;
	_Atomic uint64_t key[KEY_WORDS];
	_Atomic uint64_t value[VALUE_WORDS];
};

_Static_assert(sizeof(struct cell) == CELL_BYTES, "drawn in cells.h");
_Static_assert(sizeof(struct cell_key) == KEY_WORDS * 8, "copied by words");

struct shard {
	/* Constant but for an index that grows: readers share these lines with nobody who
	 * writes. */
	_Alignas(CACHE_LINE) _Atomic uintptr_t index; /* where the slots are | level */
	struct cell *cells;
	uint64_t n_slots; /* of level 0 */
	uint32_t n_cells;
	/* Writers, under the mutex. */
	_Alignas(CACHE_LINE) pthread_mutex_t mutex;
	uint32_t filled;
	uint32_t hand;
	uint64_t evictions;
};

struct level {
	char *at; /* one shard's slots after the other's */
	size_t shard_bytes;
	atomic_uint left; /* how many shards have grown out of it */
};

struct cells {
	struct shard shards[SHARDS];
	struct level levels[LEVELS_MAX];
	uint64_t seed;
	void *map;
	size_t map_bytes;
};

/* A shard's index, as whoever looked saw it. */
struct index {
	_Atomic uint64_t *slots;
	uint64_t n_slots;
	unsigned shift; /* from the product of a tag and level 0's size to its home */
};

/* A key seen as nine words. */
static inline uint64_t key_word(const struct cell_key *key, size_t i)
{
	uint64_t word;
	memcpy(&word, (const char *)key + 8 * i, 8);
	return word;
}

static inline uint32_t hash_tag(uint64_t hash)
{
	return (uint32_t)hash;
}

static inline size_t hash_shard(uint64_t hash)
{
	return hash >> (64 - SHARD_BITS);
}

static inline uint64_t level_slots(const struct shard *shard, unsigned level)
{
	return (shard->n_slots >> level) + 1;
}

/* The slots are aligned to a line: the bits below hold the level. */
static inline struct index index_of(const struct shard *shard)
{
	const uintptr_t word = atomic_load_explicit(&shard->index, memory_order_acquire);
	const unsigned level = word % CACHE_LINE;
	return (struct index){.slots = (_Atomic uint64_t *)(word - level),
			      .n_slots = level_slots(shard, level),
			      .shift = 32 + level};
}

static inline uint64_t tag_home(const struct shard *shard, const struct index *index,
				uint32_t tag)
{
	return (tag * shard->n_slots) >> index->shift;
}

static inline uint64_t slot_next(const struct index *index, uint64_t at)
{
	return at + 1 == index->n_slots ? 0 : at + 1;
}

static inline uint64_t slot_make(uint32_t tag, uint32_t cell)
{
	return ((uint64_t)tag << 32) | (cell + 1);
}

static inline uint32_t slot_tag(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static inline struct cell *cell_at(const struct shard *shard, uint32_t number)
{
	const size_t in_run = number % RUN_CELLS;
	return &shard->cells[(size_t)(number - in_run) * SHARDS + in_run];
}

static inline struct cell *slot_cell(const struct shard *shard, uint64_t slot)
{
	return cell_at(shard, (uint32_t)slot - 1);
}

/* --- life --- */

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* What is large begins with a huge page. */
static size_t align_for(size_t bytes)
{
	return bytes >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PAGE_BYTES;
}

static unsigned first_level(uint64_t n_slots)
{
	unsigned level = 0;
	while (n_slots >> level > FIRST_SLOTS)
		level++;
	return level;
}

/* Reads go anywhere: with pages of 4 KiB each would miss the TLB twice or thrice. Where the
 * kernel has no huge pages, reads are slower, no more. */
static void use_huge_pages(char *at, size_t bytes)
{
	if (bytes >= HUGE_PAGE_BYTES)
		(void)madvise(at, bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
}

/* The place of `bytes` behind `end`, which moves. base NULL only counts. */
static char *place(char *base, size_t *end, size_t bytes)
{
	const size_t at = round_up(*end, align_for(bytes));
	*end = at + round_up(bytes, PAGE_BYTES);
	if (base == NULL)
		return NULL;
	use_huge_pages(base + at, bytes);
	return base + at;
}

/* The cells, then an index of each size. Returns the bytes. */
static size_t lay_out(struct cells *cells, char *base)
{
	const uint64_t n_slots = cells->shards[0].n_slots;
	const size_t n_cells = round_up(cells->shards[0].n_cells, RUN_CELLS);
	const unsigned last = first_level(n_slots);
	size_t end = 0;

	struct cell *first =
		(struct cell *)(void *)place(base, &end, SHARDS * n_cells * CELL_BYTES);
	for (size_t i = 0; base != NULL && i < SHARDS; i++)
		cells->shards[i].cells = first + i * RUN_CELLS;
	for (unsigned i = 0; i <= last; i++) {
		struct level *level = &cells->levels[i];
		level->shard_bytes = round_up(
			level_slots(&cells->shards[0], i) * sizeof(uint64_t), CACHE_LINE);
		level->at = place(base, &end, SHARDS * level->shard_bytes);
	}
	for (size_t i = 0; base != NULL && i < SHARDS; i++)
		atomic_init(&cells->shards[i].index,
			    (uintptr_t)(cells->levels[last].at +
					i * cells->levels[last].shard_bytes) |
				    last);
	return end;
}

enum err cells_new(size_t share_bytes, uint64_t seed, struct cells **out)
{
	*out = NULL;
	struct cells *cells = aligned_alloc(CACHE_LINE, sizeof(*cells));
	if (!cells)
		return ERR_NOMEM;
	memset(cells, 0, sizeof(*cells));

	const size_t n_cells = (share_bytes - sizeof(*cells)) / SHARDS / CELL_COST_BYTES;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cells->shards[i];
		shard->n_slots = n_cells * (CELL_COST_BYTES - CELL_BYTES) / sizeof(uint64_t);
		shard->n_cells = (uint32_t)n_cells;
	}
	cells->seed = seed;
	cells->map_bytes = lay_out(cells, NULL) + HUGE_PAGE_BYTES;
	cells->map = mmap(NULL, cells->map_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cells->map == MAP_FAILED) {
		free(cells);
		return ERR_NOMEM;
	}
	lay_out(cells, (char *)round_up((uintptr_t)cells->map, HUGE_PAGE_BYTES));
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&cells->shards[i].mutex, NULL);
	*out = cells;
	return OK;
}

void cells_free(struct cells **cells)
{
	struct cells *c = *cells;
	if (!c)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&c->shards[i].mutex);
	munmap(c->map, c->map_bytes);
	free(c);
	*cells = NULL;
}

/* --- readers --- */

void cells_prefetch_index(const struct cells *cells, uint64_t hash)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	const struct index index = index_of(shard);
	__builtin_prefetch(&index.slots[tag_home(shard, &index, hash_tag(hash))]);
}

void cells_prefetch_entry(const struct cells *cells, uint64_t hash)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	const struct index index = index_of(shard);
	uint64_t at = tag_home(shard, &index, hash_tag(hash));
	/* As many slots as a line holds: further ones are rare, and not prefetched either. */
	for (size_t i = 0; i < CACHE_LINE / sizeof(uint64_t); i++) {
		uint64_t slot = atomic_load_explicit(&index.slots[at], memory_order_relaxed);
		if (slot == 0)
			return;
		if (slot_tag(slot) == hash_tag(hash)) {
			const char *cell = (const char *)slot_cell(shard, slot);
			__builtin_prefetch(cell);
			__builtin_prefetch(cell + CACHE_LINE);
			__builtin_prefetch(cell + CELL_BYTES - 1);
			return;
		}
		at = slot_next(&index, at);
	}
}

enum view { SAME_KEY, OTHER_KEY, BUSY };

/* One consistent look at the cell; writes *value only for SAME_KEY. */
static inline enum view cell_view(struct cell *cell, const struct cell_key *want,
				  struct eth_bytes32 *value)
{
	unsigned seq = atomic_load_explicit(&cell->seq, memory_order_acquire);
	if (seq & 1)
		return BUSY;
	/* Unrolled, so that the words stay in registers: gcc does not at -O2, and a value
	 * that goes through the stack by halves stalls the copy to the caller. */
	uint64_t differs = 0;
#pragma GCC unroll 9
	for (size_t i = 0; i < KEY_WORDS; i++)
		differs |= key_word(want, i) ^
			   atomic_load_explicit(&cell->key[i], memory_order_acquire);
	uint64_t words[VALUE_WORDS];
#pragma GCC unroll 4
	for (size_t i = 0; i < VALUE_WORDS; i++)
		words[i] = atomic_load_explicit(&cell->value[i], memory_order_acquire);
	/* 32 bits suffice: they come round after two thousand million writes to this cell. */
	if (atomic_load_explicit(&cell->seq, memory_order_relaxed) != seq)
		return BUSY;
	if (differs != 0)
		return OTHER_KEY;
#pragma GCC unroll 4
	for (size_t i = 0; i < VALUE_WORDS; i++)
		memcpy(value->bytes + 8 * i, &words[i], 8);
	return SAME_KEY;
}

static inline void cell_touch(struct cell *cell)
{
	/* Looking first keeps the line shared among the readers of a hot entry. */
	if (!atomic_load_explicit(&cell->used, memory_order_relaxed))
		atomic_store_explicit(&cell->used, 1, memory_order_relaxed);
}

bool cells_get(const struct cells *cells, const struct cell_key *key, uint64_t hash,
	       struct eth_bytes32 *value)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	const struct index index = index_of(shard);
	uint64_t at = tag_home(shard, &index, hash_tag(hash));
	unsigned tries = 0;
	for (uint64_t probes = 0; probes < index.n_slots; probes++) {
		uint64_t slot = atomic_load_explicit(&index.slots[at], memory_order_acquire);
		if (slot == 0)
			return false;
		if (slot_tag(slot) == hash_tag(hash)) {
			struct cell *cell = slot_cell(shard, slot);
			enum view view = cell_view(cell, key, value);
			while (view == BUSY && ++tries < READ_TRIES)
				view = cell_view(cell, key, value);
			if (view == SAME_KEY) {
				cell_touch(cell);
				return true;
			}
			if (view == BUSY)
				return false;
		}
		at = slot_next(&index, at);
	}
	return false;
}

/* Walks by itself: one walk for both costs each hit 5 ns. */
bool cells_peek(const struct cells *cells, const struct cell_key *key, uint64_t hash)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	const struct index index = index_of(shard);
	uint64_t at = tag_home(shard, &index, hash_tag(hash)), slot;
	struct eth_bytes32 value;
	for (uint64_t probes = 0; probes < index.n_slots; probes++) {
		slot = atomic_load_explicit(&index.slots[at], memory_order_acquire);
		if (slot == 0)
			return false;
		struct cell *cell = slot_cell(shard, slot);
		if (slot_tag(slot) == hash_tag(hash) &&
		    cell_view(cell, key, &value) == SAME_KEY)
			return atomic_load_explicit(&cell->used, memory_order_relaxed) != 0;
		at = slot_next(&index, at);
	}
	return false;
}

/* --- writers: all under the shard's mutex --- */

static inline uint64_t slot_load(const struct index *index, uint64_t at)
{
	return atomic_load_explicit(&index->slots[at], memory_order_relaxed);
}

static inline void slot_store(const struct index *index, uint64_t at, uint64_t slot)
{
	atomic_store_explicit(&index->slots[at], slot, memory_order_release);
}

static bool cell_holds(struct cell *cell, const struct cell_key *key)
{
	for (size_t i = 0; i < KEY_WORDS; i++)
		if (atomic_load_explicit(&cell->key[i], memory_order_relaxed) !=
		    key_word(key, i))
			return false;
	return true;
}

static void cell_key_of(struct cell *cell, struct cell_key *key)
{
	uint64_t word;
	for (size_t i = 0; i < KEY_WORDS; i++) {
		word = atomic_load_explicit(&cell->key[i], memory_order_relaxed);
		memcpy((char *)key + 8 * i, &word, 8);
	}
}

static void cell_write(struct cell *cell, const struct cell_key *key,
		       const struct eth_bytes32 *value)
{
	uint64_t words[VALUE_WORDS];
	memcpy(words, value->bytes, sizeof(words));
	unsigned seq = atomic_load_explicit(&cell->seq, memory_order_relaxed);
	atomic_store_explicit(&cell->seq, seq + 1, memory_order_relaxed);
	for (size_t i = 0; i < KEY_WORDS; i++)
		atomic_store_explicit(&cell->key[i], key_word(key, i), memory_order_release);
	for (size_t i = 0; i < VALUE_WORDS; i++)
		atomic_store_explicit(&cell->value[i], words[i], memory_order_release);
	atomic_store_explicit(&cell->seq, seq + 2, memory_order_release);
}

static struct cell *shard_find(const struct shard *shard, const struct cell_key *key,
			       uint32_t tag)
{
	const struct index index = index_of(shard);
	uint64_t at = tag_home(shard, &index, tag), slot;
	for (; (slot = slot_load(&index, at)) != 0; at = slot_next(&index, at))
		if (slot_tag(slot) == tag && cell_holds(slot_cell(shard, slot), key))
			return slot_cell(shard, slot);
	return NULL;
}

static void index_insert(const struct shard *shard, const struct index *index, uint64_t slot)
{
	uint64_t at = tag_home(shard, index, slot_tag(slot));
	while (slot_load(index, at) != 0)
		at = slot_next(index, at);
	slot_store(index, at, slot);
}

/* Moves back what the freed slot kept from its home, so that no probe stops too early. */
static void index_close_gap(const struct shard *shard, const struct index *index, uint64_t gap)
{
	uint64_t at = slot_next(index, gap), slot;
	for (; (slot = slot_load(index, at)) != 0; at = slot_next(index, at)) {
		uint64_t home = tag_home(shard, index, slot_tag(slot));
		bool stays = gap <= at ? gap < home && home <= at : gap < home || home <= at;
		if (stays)
			continue;
		slot_store(index, gap, slot);
		gap = at;
	}
	slot_store(index, gap, 0);
}

static void index_remove(const struct shard *shard, uint64_t slot)
{
	const struct index index = index_of(shard);
	uint64_t at = tag_home(shard, &index, slot_tag(slot));
	while (slot_load(&index, at) != slot) {
		REQUIRE(slot_load(&index, at) != 0);
		at = slot_next(&index, at);
	}
	index_close_gap(shard, &index, at);
}

/* The last shard to leave gives the memory back. A reader that is still there finds nothing:
 * a miss. */
static void level_leave(struct level *level)
{
	if (atomic_fetch_add_explicit(&level->left, 1, memory_order_relaxed) + 1 == SHARDS)
		(void)madvise(level->at, SHARDS * level->shard_bytes, MADV_DONTNEED);
}

/* Twice the slots, elsewhere: readers see the one or the other. */
static void index_grow(struct cells *cells, struct shard *shard)
{
	const struct index old = index_of(shard);
	const unsigned from = old.shift - 32, to = from - 1;
	struct level *level = &cells->levels[to];
	char *at = level->at + (size_t)(shard - cells->shards) * level->shard_bytes;
	const struct index new = {.slots = (_Atomic uint64_t *)(void *)at,
				  .n_slots = level_slots(shard, to),
				  .shift = 32 + to};

	for (uint64_t i = 0; i < old.n_slots; i++)
		if (slot_load(&old, i) != 0)
			index_insert(shard, &new, slot_load(&old, i));
	atomic_store_explicit(&shard->index, (uintptr_t)at | to, memory_order_release);
	level_leave(&cells->levels[from]);
}

/* Room for one more, at a load of at most 4/7. */
static void index_make_room(struct cells *cells, struct shard *shard)
{
	const struct index index = index_of(shard);
	if (index.shift > 32 && (uint64_t)shard->filled * 7 >= index.n_slots * 4)
		index_grow(cells, shard);
}

static uint32_t clock_victim(struct shard *shard)
{
	for (unsigned steps = 0;; steps++) {
		uint32_t at = shard->hand;
		struct cell *cell = cell_at(shard, at);
		shard->hand = at + 1 == shard->n_cells ? 0 : at + 1;
		if (steps == SWEEP_MAX ||
		    !atomic_load_explicit(&cell->used, memory_order_relaxed))
			return at;
		atomic_store_explicit(&cell->used, 0, memory_order_relaxed);
	}
}

/* A cell that no slot leads to. */
static uint32_t shard_take_cell(struct shard *shard, uint64_t seed)
{
	if (shard->filled < shard->n_cells)
		return shard->filled++;
	uint32_t victim = clock_victim(shard);
	struct cell_key key;
	struct cell *cell = cell_at(shard, victim);
	cell_key_of(cell, &key);
	index_remove(shard, slot_make(hash_tag(keyhash_cell(&key, seed)), victim));
	atomic_store_explicit(&cell->used, 0, memory_order_relaxed);
	shard->evictions++;
	return victim;
}

void cells_put(struct cells *cells, const struct cell_key *key, const struct eth_bytes32 *value)
{
	REQUIRE(key->len <= MEMCACHE_KEY_MAX);
	const uint64_t hash = keyhash_cell(key, cells->seed);
	struct shard *shard = &cells->shards[hash_shard(hash)];

	pthread_mutex_lock(&shard->mutex);
	struct cell *cell = shard_find(shard, key, hash_tag(hash));
	if (cell) {
		cell_write(cell, key, value);
	} else {
		uint32_t at = shard_take_cell(shard, cells->seed);
		cell_write(cell_at(shard, at), key, value);
		index_make_room(cells, shard);
		const struct index index = index_of(shard);
		index_insert(shard, &index, slot_make(hash_tag(hash), at));
	}
	pthread_mutex_unlock(&shard->mutex);
}

/* Cells are filled again from the first; a reader that is on one compares its key as ever. */
void cells_clear(struct cells *cells)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cells->shards[i];
		pthread_mutex_lock(&shard->mutex);
		const struct index index = index_of(shard);
		for (uint64_t at = 0; at < index.n_slots; at++)
			if (slot_load(&index, at) != 0)
				slot_store(&index, at, 0);
		for (uint32_t at = 0; at < shard->filled; at++)
			atomic_store_explicit(&cell_at(shard, at)->used, 0,
					      memory_order_relaxed);
		shard->filled = shard->hand = 0;
		pthread_mutex_unlock(&shard->mutex);
	}
}

void cells_stats(struct cells *cells, struct memcache_stats *out)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cells->shards[i];
		pthread_mutex_lock(&shard->mutex);
		out->cells += shard->filled;
		out->cell_capacity += shard->n_cells;
		out->cell_evictions += shard->evictions;
		pthread_mutex_unlock(&shard->mutex);
	}
}
