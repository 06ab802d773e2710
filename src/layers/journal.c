/* SPDX-License-Identifier: MIT */
#include "layers/journal.h"
#include <stdalign.h>

enum {
	SMALL_BYTES = 4096,    /* of the first chunk: most transactions need no more */
	CHUNK_BYTES = 1 << 16, /* of the others */
	WORD_BYTES = 8,
	KIND_SHIFT = 56
};

static const size_t before_bytes[UNDO_KINDS] = {
	[UNDO_SLOT_ABSENT] = 0,
	[UNDO_SLOT] = sizeof(struct undo_slot),
	[UNDO_ACCOUNT] = sizeof(struct undo_account),
	[UNDO_BALANCE] = sizeof(struct eth_u256),
	[UNDO_NONCE] = sizeof(uint64_t),
	[UNDO_CODE] = sizeof(struct undo_code),
};

enum {
	ROOM_BYTES = sizeof(struct undo_slot) + sizeof(struct undo_account) +
		     sizeof(struct eth_u256) + sizeof(uint64_t) + sizeof(struct undo_code) +
		     UNDO_KINDS * WORD_BYTES
};

struct journal_chunk {
	struct journal_chunk *below;
	size_t used, capacity;
	alignas(8) unsigned char bytes[];
};

void journal_init(struct journal *journal)
{
	*journal = (struct journal){0};
}

static void free_chunk(struct journal *journal, struct journal_chunk *chunk)
{
	if (!chunk)
		return;
	journal->bytes -= sizeof *chunk + chunk->capacity;
	free(chunk);
}

void journal_clear(struct journal *journal)
{
	free_chunk(journal, journal->spare);
	journal->spare = NULL;
	while (journal->top && journal->top->below) {
		struct journal_chunk *below = journal->top->below;
		free_chunk(journal, journal->top);
		journal->top = below;
	}
	if (journal->top)
		journal->top->used = 0;
	journal->count = 0;
}

void journal_release(struct journal *journal)
{
	journal_clear(journal);
	free_chunk(journal, journal->top);
	journal_init(journal);
}

static struct journal_chunk *new_chunk(struct journal *journal)
{
	struct journal_chunk *chunk = journal->spare;
	if (chunk) {
		journal->spare = NULL;
		chunk->used = 0;
		return chunk;
	}
	const size_t capacity = (journal->top ? CHUNK_BYTES : SMALL_BYTES) - sizeof *chunk;
	chunk = malloc(sizeof *chunk + capacity);
	if (!chunk)
		return NULL;
	*chunk = (struct journal_chunk){.capacity = capacity};
	journal->bytes += sizeof *chunk + capacity;
	return chunk;
}

bool journal_reserve(struct journal *journal)
{
	struct journal_chunk *top = journal->top;
	if (top && top->capacity - top->used >= ROOM_BYTES)
		return true;
	struct journal_chunk *chunk = new_chunk(journal);
	if (!chunk)
		return false;
	chunk->below = top;
	journal->top = chunk;
	return true;
}

void journal_push(struct journal *journal, enum undo_kind kind, void *target,
		  const void *before)
{
	struct journal_chunk *top = journal->top;
	const size_t n = before_bytes[kind];
	const uint64_t word = (uint64_t)(uintptr_t)target | (uint64_t)kind << KIND_SHIFT;
	REQUIRE(top->capacity - top->used >= n + WORD_BYTES);
	if (n > 0)
		memcpy(top->bytes + top->used, before, n);
	memcpy(top->bytes + top->used + n, &word, WORD_BYTES);
	top->used += n + WORD_BYTES;
	journal->count++;
}

static uint64_t last_word(const struct journal_chunk *chunk, size_t used)
{
	uint64_t word;
	memcpy(&word, chunk->bytes + used - WORD_BYTES, WORD_BYTES);
	return word;
}

static size_t length_of(uint64_t word)
{
	return WORD_BYTES + before_bytes[word >> KIND_SHIFT];
}

static void *target_of(uint64_t word)
{
	return (void *)(uintptr_t)(word & ((UINT64_C(1) << KIND_SHIFT) - 1));
}

struct undo journal_pop(struct journal *journal)
{
	struct journal_chunk *top = journal->top;
	if (top->used == 0) {
		/* One is kept: a revert and the next writes may go to and fro over its edge. */
		free_chunk(journal, journal->spare);
		journal->spare = top;
		journal->top = top = top->below;
	}
	const uint64_t word = last_word(top, top->used);
	top->used -= length_of(word);
	journal->count--;
	return (struct undo){(enum undo_kind)(word >> KIND_SHIFT), target_of(word),
			     top->bytes + top->used};
}

struct journal_look journal_look(const struct journal *journal)
{
	return (struct journal_look){journal->top, journal->top ? journal->top->used : 0};
}

const void *journal_look_back(struct journal_look *look)
{
	if (look->used == 0) {
		look->chunk = look->chunk->below;
		look->used = look->chunk->used;
	}
	const uint64_t word = last_word(look->chunk, look->used);
	look->used -= length_of(word);
	return target_of(word);
}
