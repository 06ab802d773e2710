/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Proofs of state (EIP-1186, eth_getProof): whether nodes of a trie show what a key's value is
 * under a root that is trusted, or that the key is absent. No other party is trusted: not for
 * the nodes, nor for the fields beside them.
 *
 * A proof is the list of the nodes from the root to where the key ends. What is checked: each
 * node hashes to what its parent (the first: the root) says of it; it is a node of a trie in
 * canonical RLP (node kinds, hex-prefix, lengths, nothing after it); the path is the key's own;
 * no node is left over. Nodes that their parents contain are followed there. The list may be
 * empty for the empty trie only (some nodes send its RLP, 0x80, instead).
 *
 * A refusal is ERR_BAD_ANSWER and a line in *detail (NULL allowed) that names the reason.
 * Nothing is allocated; any thread. Cost: one hash for each node (2.2 us for a full branch).
 */
#include "base/trie_account.h"

/* RLP of nodes, from the root on. */
struct proof_list {
	const struct span *nodes;
	size_t n;
};

/* OK: *value is the key's, borrowed from the nodes; empty: the key is proved to be absent.
 * key: what the trie is keyed by, so keccak256 of an address or slot; at most 32 bytes. */
enum err proof_verify(const struct eth_bytes32 *root, struct span key, struct proof_list proof,
		      struct span *value, struct err_detail *detail) WARN_UNUSED;

/*
 * An account under a state root. OK: *account is what was proved, trie_account_empty if it is
 * absent, and *exists (NULL allowed) says whether it is there. claimed (NULL: nothing is) must
 * say the same; of an absent account it may also say that the hashes are zero, as some nodes
 * do.
 */
enum err proof_account_verify(const struct eth_bytes32 *state_root,
			      const struct eth_address *address, struct proof_list proof,
			      const struct trie_account *claimed, struct trie_account *account,
			      bool *exists, struct err_detail *detail) WARN_UNUSED;

/* A slot under the storage root of an account that was proved. claimed (NULL: nothing is) must
 * be the value. OK: *value is what was proved, zero if it is absent. */
enum err proof_slot_verify(const struct eth_bytes32 *storage_root,
			   const struct eth_bytes32 *slot, struct proof_list proof,
			   const struct eth_bytes32 *claimed, struct eth_bytes32 *value,
			   struct err_detail *detail) WARN_UNUSED;
