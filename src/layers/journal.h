/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A run of typed undo entries, pushed at its end and popped from there.
 *
 * An entry is what was there before, whose length its kind fixes, and behind it a word: the
 * kind and the address of what it is about. So a walk back needs nothing else. Entries stand in
 * chunks and never cross from one to the next.
 *
 *      ... | value before: 0 to 40 bytes | kind: 8 bits, address: 56 bits | ...
 *
 * Embedded: init/release. One thread.
 */
#include "base/eth.h"

struct change_account;
struct change_slot;
struct blob;

enum undo_kind {
	UNDO_SLOT_ABSENT, /* it was not present: nothing before */
	UNDO_SLOT,	  /* struct undo_slot */
	UNDO_ACCOUNT,	  /* struct undo_account */
	UNDO_BALANCE,	  /* struct eth_u256 */
	UNDO_NONCE,	  /* uint64_t */
	UNDO_CODE,	  /* struct undo_code */
	UNDO_KINDS
};

struct undo_slot {
	struct eth_bytes32 value;
	uint32_t generation, unused;
};

/* All of an account but its values. */
struct undo_account {
	uint32_t generation;
	uint8_t mask;
	bool exists, destructed, unused;
};

struct undo_code {
	struct eth_bytes32 hash;
	struct blob *code;
};

struct undo {
	enum undo_kind kind;
	void *target;	    /* the slot or the account */
	const void *before; /* good until the next call */
};

struct journal_chunk;
struct journal {
	struct journal_chunk *top, *spare;
	size_t count, bytes;
};

void journal_init(struct journal *journal);
void journal_release(struct journal *journal);
/* Forgets the entries; keeps one chunk for the next ones, if it is small. */
void journal_clear(struct journal *journal);

/* Room for one entry of each kind: as much as one change can need. False: no memory. */
bool journal_reserve(struct journal *journal);
/* Into the room that was reserved. before: as long as the kind says. */
void journal_push(struct journal *journal, enum undo_kind kind, void *target,
		  const void *before);
/* The newest one, which is none any more. There has to be one. */
struct undo journal_pop(struct journal *journal);

/* Looks at entries before they are popped, newest first; keep ahead of the pops. */
struct journal_look {
	const struct journal_chunk *chunk;
	size_t used;
};
struct journal_look journal_look(const struct journal *journal);
/* What the next one is about. There has to be one. */
const void *journal_look_back(struct journal_look *look);
