/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A set of accounts and slots, each with the number of the last publication that wrote it: what
 * a trie has to be brought up to date with, or what has to be proved. Embedded; zeroed memory
 * is an empty one. Cost: some 90 bytes a row.
 */
#include "base/eth.h"

struct touched_row {
	struct eth_address address;
	bool has_slot;
	bool wiped; /* of an account: all of its storage */
	uint64_t sequence;
	struct eth_bytes32 slot;
};

struct touched {
	struct touched_row *rows; /* in the order of their first adding, until sorted */
	size_t n, capacity;
	uint32_t *index; /* open addressing, row + 1; void once the rows are sorted */
	size_t index_size;
	uint64_t seed;
};

#define TOUCHED_MAX ((size_t)1 << 22) /* rows: some 400 MB; beyond, all is read again */

/* slot NULL: the account. The higher sequence and wiped stay. ERR_NOMEM, ERR_LIMIT. */
enum err touched_add(struct touched *set, const struct eth_address *address,
		     const struct eth_bytes32 *slot, bool wiped, uint64_t sequence) WARN_UNUSED;
bool touched_has(const struct touched *set, const struct eth_address *address,
		 const struct eth_bytes32 *slot);
/* Removes the rows of publications up to this one. */
void touched_drop(struct touched *set, uint64_t sequence);
/* By address; of one account itself first, then its slots. Nothing may be added afterwards
 * before touched_clear. */
void touched_sort(struct touched *set);
/* Of sorted rows: how many from row i on are of the same account. */
size_t touched_group(const struct touched *set, size_t i);
void touched_clear(struct touched *set); /* keeps the memory */
void touched_release(struct touched *set);
