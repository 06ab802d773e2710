/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What publications have replaced, for as long as somebody reads the state as it was before.
 *
 * Every publication leaves a record: one entry for each account that it touched and for each
 * slot that it wrote, with what the layer held before. What a key held at a sequence number is
 * what the first entry after that number says, or, when there is none, what it holds now. The
 * index has the newest entry of each key, which leads to the others. They are searched from
 * both ends: for the oldest that is still needed, and for what is not long ago, a read costs
 * few steps, however often the key was written.
 *
 * An account's entry also says which of its fields the publication wrote: that is what two
 * transactions can be in conflict about.
 *
 * Embedded: init/release. Making a record (history_record_new, _account, _slot) changes nothing
 * that a reader sees; adding and dropping records is for while nobody reads (gate.h).
 */
#include "base/blob.h"
#include "cache/store.h"

/* What a publication did to an account, beside the fields of its mask. */
enum {
	WROTE_THERE = 32,  /* its existence: it is there */
	WROTE_GONE = 64,   /* or not */
	WROTE_WIPE = 128,  /* its storage was wiped */
	WROTE_SLOTS = 256, /* and, or, some of its slots were written */
};

struct history_entry {
	struct history_entry *next; /* in its place of the index: the newest of another key */
	struct history_entry *older, *newer; /* of this key */
	struct history_entry *oldest;	     /* of this key; the newest entry knows it */
	uint64_t sequence, hash;
	struct eth_address address;
	bool is_slot;
	unsigned wrote; /* an account's */
	/* What was before. An account's fields.mask is all that the layer knew, memory and
	 * file together. A slot: present: value was of this generation; not: nothing was
	 * written in it. */
	uint32_t generation;
	union {
		struct {
			struct account_fields fields;
			struct blob *code; /* one reference, or NULL */
			bool exists, destructed;
		};
		struct {
			struct eth_bytes32 slot, value;
			bool present;
		};
	};
};

struct history_record;
struct history {
	struct history_entry **places;
	size_t places_n, entries_n;
	struct history_record *first, *last;
	uint64_t seed;
};

/* A constant seed is as good as any for tests; the program takes a random one. */
void history_init(struct history *history, uint64_t seed);
void history_release(struct history *history);

/* Room for so many entries, and a place for each in the index. NULL: memory was refused. Give
 * it to history_add, or up with history_record_free (accepts NULL, nulls). */
struct history_record *history_record_new(const struct history *history, size_t entries);
void history_record_free(struct history_record **record);
/* Of zeroed memory but for the key; at most as many as were asked for. */
struct history_entry *history_record_account(const struct history *history,
					     struct history_record *record,
					     const struct eth_address *address);
struct history_entry *history_record_slot(const struct history *history,
					  struct history_record *record,
					  const struct eth_address *address,
					  const struct eth_bytes32 *slot);
/* Takes the record; sequence is higher than those before. */
void history_add(struct history *history, struct history_record **record, uint64_t sequence);
/* Drops all of sequence and before; the caller frees what it returns, when readers may go on,
 * with history_record_free (a list). NULL: nothing was to drop. */
struct history_record *history_drop(struct history *history, uint64_t sequence);

/* The first entry of the key after the sequence number; NULL: it has not been replaced. */
const struct history_entry *history_account(const struct history *history,
					    const struct eth_address *address, uint64_t after);
const struct history_entry *history_slot(const struct history *history,
					 const struct eth_address *address,
					 const struct eth_bytes32 *slot, uint64_t after);
/* All that was written of an account after the sequence number. */
unsigned history_wrote(const struct history *history, const struct eth_address *address,
		       uint64_t after);
/* All entries after the sequence number, of slots too; ends early with what fn returns. */
typedef enum err history_each_fn(void *cookie, const struct history_entry *entry);
enum err history_each(const struct history *history, uint64_t after, history_each_fn *fn,
		      void *cookie) WARN_UNUSED;
