/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What eth_getProof answers (EIP-1186): read from JSON, then checked against a state root.
 *
 * Embedded: read, then release, also after an error. What it holds lives in its arena.
 */
#include "base/arena.h"
#include "base/proof.h"
#include "cache/store.h" /* struct account_fields */

struct proof_answer {
	struct arena arena;
	struct trie_account claimed; /* what the fields say; proof_answer_verify: is proved */
	bool exists;		     /* after proof_answer_verify */
	struct proof_list account;
	size_t slots_n;
	struct eth_bytes32 *values; /* of the slots, in the order of asking */
	struct proof_list *slots;
	struct span *nodes; /* of all of these, as they stand in the answer */
	size_t nodes_n;
};

/* Of this account with these slots, in their order. ERR_BAD_ANSWER: it is something else;
 * ERR_NOMEM. */
enum err proof_answer_read(struct proof_answer *out, struct span json,
			   const struct eth_address *address, const struct eth_bytes32 *slots,
			   size_t n, struct err_detail *detail) WARN_UNUSED;
void proof_answer_release(struct proof_answer *answer);

/* ERR_BAD_ANSWER, and which part of it shows something else, or nothing. */
enum err proof_answer_verify(struct proof_answer *answer, const struct eth_bytes32 *state_root,
			     const struct eth_address *address, const struct eth_bytes32 *slots,
			     struct err_detail *detail) WARN_UNUSED;

/* The account's fields, all of them; hashes of zero, which some nodes answer of an absent
 * account, are those of nothing. */
struct account_fields proof_answer_fields(const struct proof_answer *answer);
