/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What tries prove (EIP-1186), and the methods that show it: eth_getProof for a fork that is
 * one of tries and for a chain with state roots, debug_executionWitness for the former, where
 * the script allows it. Elsewhere they are methods that do not exist.
 *
 * As go-ethereum answers: a storage key of 32 bytes is repeated as it came, another as a
 * QUANTITY; an empty trie has a proof without nodes. The account that is not there has the
 * hash of no code and the root of no storage.
 */
#include "mock_node/state.h"
#include "mock_node/trie.h"

/* What the path to an account ends in: an absent one is one of zeros, with the hash of no code
 * and the root of no storage. False: "missing trie node" has been answered. */
bool proof_account(const struct nodes *nodes, const struct eth_bytes32 *state_root,
		   const struct eth_address *address, struct trie_account *out,
		   struct walk *walk, struct answer *answer);
/* The same for a slot; an absent one is zero. */
bool proof_slot(const struct nodes *nodes, const struct eth_bytes32 *storage_root,
		const struct eth_bytes32 *slot, struct eth_bytes32 *value, struct walk *walk,
		struct answer *answer);
/* Answers eth_getProof from the nodes of both tries. */
void proof_answer(const struct nodes *nodes, const struct eth_bytes32 *state_root,
		  const struct eth_address *address, const json_t *keys, struct answer *answer);

method_fn proof_get, proof_execution_witness;
