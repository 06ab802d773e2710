/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded fork: one block and its state, in place of the chain of our own making. Where
 * the state comes from is one of two: the records of a fork-mode tool (fork_data.h), which
 * know some accounts and slots, or a trie (trie_fork.h), which also proves what it says.
 */
#include "mock_node/answer.h"
#include "mock_node/history.h"
#include <jansson.h>

struct fork;

/* Functions that are bool return false when they have answered with an error. */
struct fork_type {
	bool (*account)(const struct fork *fork, const struct eth_address *address,
			struct history_account *out, struct answer *answer);
	bool (*slot)(const struct fork *fork, const struct eth_address *address,
		     const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		     struct answer *answer);
	/* eth_getProof; `keys` is an array of slots as they were asked for. NULL: the fork has
	 * no proofs. */
	void (*proof)(const struct fork *fork, const struct eth_address *address,
		      const json_t *keys, struct answer *answer);
	/* debug_executionWitness of the next block. NULL: the fork has none. */
	void (*witness)(const struct fork *fork, struct answer *answer);
	void (*free)(struct fork *fork);
};

/* The first member of every fork. */
struct fork {
	const struct fork_type *type;
	uint64_t chain_id, number;
	json_t *block;	   /* as it is answered, with hashes or objects for transactions */
	json_t *gas_price; /* NULL: the block's base fee */
	struct span hash;  /* of the block, as text; borrowed from it */
};

/* Takes the block, which has a hash and whose number is set. ERR_INVALID: it has no hash. */
enum err fork_set_block(struct fork *fork, json_t *block,
			struct err_detail *detail) WARN_UNUSED;
/* A block made of a header that has no more than the fields that are given. NULL: no memory. */
json_t *fork_make_block(const struct header *header);
void fork_free(struct fork **fork);

/* Whether a state method's block parameter names the block; false: it has been answered that
 * there is no such one. */
bool fork_is_block(const struct fork *fork, const json_t *param, struct answer *answer);
void fork_gas_price(const struct fork *fork, struct answer *answer);
/* The block, by number, tag or hash: null for any other. */
void fork_block(const struct fork *fork, const json_t *param, bool full, struct answer *answer);
