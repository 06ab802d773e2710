/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What becomes of an upstream's answer: is it about what was asked, and is it kept?
 *
 * A question that goes to the fork back end as a FORK_CALL carries a tag: a struct keep and
 * the canonical request. On the fork thread keep_check looks at the answer before it is
 * believed (a failure is that upstream's fault: it is asked again, or another is), and
 * keep_store hands what is worth keeping to the stack. The rules: enum keep_kind
 * (method.h), one a row of methods.def.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "rpc/key.h"
#include "rpc/method.h"

enum keep_flags {
	KEEP_HAS_NUMBER = 1, /* number was asked for, or is known */
	KEEP_HAS_HASH = 2,   /* so with hash */
	KEEP_CANONICAL = 4,  /* asked by number: what comes is on the chain */
	KEEP_HAS_COUNT = 8,  /* count is known */
	KEEP_FIXED = 16,     /* the question means one block for ever: by hash, or final */
	KEEP_ABSENT = 64,    /* KEEP_TX: the node has the pinned block, so null is the truth */
	KEEP_BY_CLIENT = 32, /* kept only if the client that answered is of the key's kind */
};

/* Copied into the tag as it stands, and compared as bytes: it must have no padding. */
struct keep {
	uint32_t kind, flags; /* enum keep_kind (method.h: what the answer is), keep_flags */
	uint64_t number;
	uint64_t count; /* KEEP_PER_TX, KEEP_RECEIPTS: the block's transactions; KEEP_TX_AT:
			   the index; KEEP_LOGS, KEEP_TRACES: the first block of the range
			   whose last one is number */
	/* KEEP_BLOCK of a number that is not final: the epoch of the head around which it was
	 * asked for (struct head); 0: none. */
	uint64_t epoch;
	struct eth_bytes32 hash; /* of the block; KEEP_TX, KEEP_RAW_TX: of the transaction */
	struct eth_address address;
	/* KEEP_BLOCK without a hash: where in the key the 64 digits of the answer's go. */
	uint32_t hash_at;
};

/* The tag in the arena: borrowed until it is cleared. ptr NULL: no memory. */
struct span keep_tag(struct arena *arena, const struct keep *keep, struct span key);

/* fork_config's check, and the stack's keep function, whose cookie is the struct chain. */
enum err keep_check(const struct fork_question *question, struct span json,
		    struct err_detail *detail) WARN_UNUSED;
stack_keep_fn keep_store;

/* The blockNumber of a transaction or receipt object; false when it has none (pending). */
bool tx_block_number(struct span json, uint64_t *number);
bool tx_block_hash(struct span json, struct eth_bytes32 *hash);

/* The number of elements of a block object's list of transactions; false: it has none. */
bool block_tx_count(struct span json, uint64_t *count);
