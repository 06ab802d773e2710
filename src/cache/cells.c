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

/* From here on huge pages: 16 shards touch 32 MiB of them, besides the index. */
#define HUGE_FROM_BYTES ((size_t)64 << 20)

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
	/* Constant after cells_new: readers share these lines with nobody who writes. */
	_Alignas(CACHE_LINE) _Atomic uint64_t *slots;
	struct cell *cells;
	uint64_t n_slots;
	uint32_t n_cells;
	/* Writers, under the mutex. */
	_Alignas(CACHE_LINE) pthread_mutex_t mutex;
	uint32_t filled;
	uint32_t hand;
	uint64_t evictions;
};

struct cells {
	struct shard shards[SHARDS];
	uint64_t seed;
	void *map;
	size_t map_bytes;
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

static inline uint64_t tag_home(const struct shard *shard, uint32_t tag)
{
	return (tag * shard->n_slots) >> 32;
}

static inline uint64_t slot_next(const struct shard *shard, uint64_t at)
{
	return at + 1 == shard->n_slots ? 0 : at + 1;
}

static inline uint64_t slot_make(uint32_t tag, uint32_t cell)
{
	return ((uint64_t)tag << 32) | (cell + 1);
}

static inline uint32_t slot_tag(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static inline struct cell *slot_cell(const struct shard *shard, uint64_t slot)
{
	return &shard->cells[(uint32_t)slot - 1];
}

/* --- life --- */

static void shards_init(struct cells *cells, uint64_t n_slots, uint32_t n_cells)
{
	char *slots = cells->map;
	char *first_cell = slots + SHARDS * n_slots * sizeof(uint64_t);
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *shard = &cells->shards[i];
		shard->slots = (_Atomic uint64_t *)(void *)slots + i * n_slots;
		shard->cells = (struct cell *)(void *)first_cell + i * n_cells;
		shard->n_slots = n_slots;
		shard->n_cells = n_cells;
		pthread_mutex_init(&shard->mutex, NULL);
	}
}

/* Reads go anywhere: with pages of 4 KiB each would miss the TLB twice or thrice. Where the
 * kernel has no huge pages, reads are slower, no more. A small cache shall stay small: its
 * shards would touch much of it with their first entries. */
static void use_huge_pages(void *map, size_t bytes)
{
	if (bytes >= HUGE_FROM_BYTES)
		(void)madvise(map, bytes, MADV_HUGEPAGE);
}

enum err cells_new(size_t share_bytes, uint64_t seed, struct cells **out)
{
	*out = NULL;
	struct cells *cells = aligned_alloc(CACHE_LINE, sizeof(*cells));
	if (!cells)
		return ERR_NOMEM;
	memset(cells, 0, sizeof(*cells));

	size_t n_cells = (share_bytes - sizeof(*cells)) / SHARDS / CELL_COST_BYTES;
	size_t n_slots = n_cells * (CELL_COST_BYTES - CELL_BYTES) / sizeof(uint64_t);
	cells->seed = seed;
	cells->map_bytes = SHARDS * (n_slots * sizeof(uint64_t) + n_cells * CELL_BYTES);
	cells->map = mmap(NULL, cells->map_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cells->map == MAP_FAILED) {
		free(cells);
		return ERR_NOMEM;
	}
	use_huge_pages(cells->map, cells->map_bytes);
	shards_init(cells, n_slots, (uint32_t)n_cells);
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
	__builtin_prefetch(&shard->slots[tag_home(shard, hash_tag(hash))]);
}

void cells_prefetch_entry(const struct cells *cells, uint64_t hash)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	uint64_t at = tag_home(shard, hash_tag(hash));
	/* As many slots as a line holds: further ones are rare, and not prefetched either. */
	for (size_t i = 0; i < CACHE_LINE / sizeof(uint64_t); i++) {
		uint64_t slot = atomic_load_explicit(&shard->slots[at], memory_order_relaxed);
		if (slot == 0)
			return;
		if (slot_tag(slot) == hash_tag(hash)) {
			const char *cell = (const char *)slot_cell(shard, slot);
			__builtin_prefetch(cell);
			__builtin_prefetch(cell + CACHE_LINE);
			__builtin_prefetch(cell + CELL_BYTES - 1);
			return;
		}
		at = slot_next(shard, at);
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
	uint64_t at = tag_home(shard, hash_tag(hash));
	unsigned tries = 0;
	for (uint64_t probes = 0; probes < shard->n_slots; probes++) {
		uint64_t slot = atomic_load_explicit(&shard->slots[at], memory_order_acquire);
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
		at = slot_next(shard, at);
	}
	return false;
}

/* Walks by itself: one walk for both costs each hit 5 ns. */
bool cells_peek(const struct cells *cells, const struct cell_key *key, uint64_t hash)
{
	const struct shard *shard = &cells->shards[hash_shard(hash)];
	uint64_t at = tag_home(shard, hash_tag(hash)), slot;
	struct eth_bytes32 value;
	for (uint64_t probes = 0; probes < shard->n_slots; probes++) {
		slot = atomic_load_explicit(&shard->slots[at], memory_order_acquire);
		if (slot == 0)
			return false;
		struct cell *cell = slot_cell(shard, slot);
		if (slot_tag(slot) == hash_tag(hash) &&
		    cell_view(cell, key, &value) == SAME_KEY)
			return atomic_load_explicit(&cell->used, memory_order_relaxed) != 0;
		at = slot_next(shard, at);
	}
	return false;
}

/* --- writers: all under the shard's mutex --- */

static inline uint64_t slot_load(const struct shard *shard, uint64_t at)
{
	return atomic_load_explicit(&shard->slots[at], memory_order_relaxed);
}

static inline void slot_store(struct shard *shard, uint64_t at, uint64_t slot)
{
	atomic_store_explicit(&shard->slots[at], slot, memory_order_release);
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
	uint64_t at = tag_home(shard, tag), slot;
	for (; (slot = slot_load(shard, at)) != 0; at = slot_next(shard, at))
		if (slot_tag(slot) == tag && cell_holds(slot_cell(shard, slot), key))
			return slot_cell(shard, slot);
	return NULL;
}

static void index_insert(struct shard *shard, uint64_t slot)
{
	uint64_t at = tag_home(shard, slot_tag(slot));
	while (slot_load(shard, at) != 0)
		at = slot_next(shard, at);
	slot_store(shard, at, slot);
}

/* Moves back what the freed slot kept from its home, so that no probe stops too early. */
static void index_close_gap(struct shard *shard, uint64_t gap)
{
	uint64_t at = slot_next(shard, gap), slot;
	for (; (slot = slot_load(shard, at)) != 0; at = slot_next(shard, at)) {
		uint64_t home = tag_home(shard, slot_tag(slot));
		bool stays = gap <= at ? gap < home && home <= at : gap < home || home <= at;
		if (stays)
			continue;
		slot_store(shard, gap, slot);
		gap = at;
	}
	slot_store(shard, gap, 0);
}

static void index_remove(struct shard *shard, uint64_t slot)
{
	uint64_t at = tag_home(shard, slot_tag(slot));
	while (slot_load(shard, at) != slot) {
		REQUIRE(slot_load(shard, at) != 0);
		at = slot_next(shard, at);
	}
	index_close_gap(shard, at);
}

static uint32_t clock_victim(struct shard *shard)
{
	for (unsigned steps = 0;; steps++) {
		uint32_t at = shard->hand;
		struct cell *cell = &shard->cells[at];
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
	cell_key_of(&shard->cells[victim], &key);
	index_remove(shard, slot_make(hash_tag(keyhash_cell(&key, seed)), victim));
	atomic_store_explicit(&shard->cells[victim].used, 0, memory_order_relaxed);
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
		cell_write(&shard->cells[at], key, value);
		index_insert(shard, slot_make(hash_tag(hash), at));
	}
	pthread_mutex_unlock(&shard->mutex);
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
