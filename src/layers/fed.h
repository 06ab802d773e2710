/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A table of facts of one block that one handle has been given: what has landed for it, or what
 * its caller feeds in. Embedded; zeroed memory is an empty one. One thread.
 */
#include "base/blob.h"
#include "base/err.h"
#include "base/eth.h"
#include <stdint.h>

enum fed_kind {
	FED_BALANCE,
	FED_NONCE,
	FED_CODE_HASH,
	FED_STORAGE_ROOT,
	FED_SLOT,
	FED_CODE /* by its hash, which stands in slot; code */
};

struct fed_key {
	enum fed_kind kind;
	struct eth_address address;
	struct eth_bytes32 slot;
};

struct fed_entry;
struct fed {
	struct fed_entry *rows;
	size_t n, capacity;
	uint32_t *index; /* open addressing over rows, +1 */
	size_t index_size;
};

/* As many as a handle may hold before its table is cleared: some 120 MB. */
#define FED_MAX ((size_t)1 << 20)

/* Replaces what is there. value: NULL for FED_CODE; code: a reference is taken. ERR_NOMEM,
 * ERR_LIMIT. */
enum err fed_put(struct fed *fed, const struct fed_key *key, const struct eth_bytes32 *value,
		 struct blob *code) WARN_UNUSED;
/* value or code may be NULL; code: borrowed until the next put or clear. */
bool fed_get(const struct fed *fed, const struct fed_key *key, struct eth_bytes32 *value,
	     struct blob **code);
/* The row at i, in the order of the first puts; false: there are not so many. */
bool fed_row(const struct fed *fed, size_t i, struct fed_key *key, struct eth_bytes32 *value);
void fed_clear(struct fed *fed); /* gives the memory back */
