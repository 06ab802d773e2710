/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A set of trie nodes by their hashes: what proofs and witnesses have delivered, for tries to
 * resolve from. It owns copies of the texts and never drops one; nothing is decoded here. One
 * thread adds; while nobody adds, any number may look up.
 */
#include "base/trie.h"

struct trie_nodes;

/* limit_bytes: of all texts together. NULL when memory is refused. Free with trie_nodes_free.
 */
struct trie_nodes *trie_nodes_new(size_t limit_bytes);
void trie_nodes_free(struct trie_nodes **nodes);

/* Adds a copy of the text under its hash, which is computed here; one that is there already is
 * OK. ERR_NOMEM; ERR_LIMIT, also of one that is empty or longer than TRIE_NODE_BYTES. */
enum err trie_nodes_add(struct trie_nodes *nodes, struct span rlp) WARN_UNUSED;
/* The same of all nodes of a proof (in any order), to the first error. */
enum err trie_nodes_add_all(struct trie_nodes *nodes, const struct span *rlp,
			    size_t n) WARN_UNUSED;

/* False: not there. *rlp is borrowed until the set is freed: adding moves no text. */
bool trie_nodes_find(const struct trie_nodes *nodes, const struct eth_bytes32 *hash,
		     struct span *rlp);
size_t trie_nodes_count(const struct trie_nodes *nodes);

/* For the functions of trie.h. Borrows the set. */
struct trie_resolver trie_nodes_resolver(const struct trie_nodes *nodes);
