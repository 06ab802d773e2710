/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A persistent Merkle-Patricia trie (Yellow Paper, appendix D), of which parts may be unknown.
 *
 * A trie is a pointer to its root node; NULL is the empty one. A root is a value: trie_get
 * makes another owner of it, and an edit through one pointer is not seen through the other.
 * Nodes are shared by all the tries that they are part of. An edit copies what others share of
 * the path to its key, and changes in place what nobody does: filling a trie that has one owner
 * copies nothing, and a trie that is kept costs what is changed afterwards.
 *
 * A node that is known by its hash only is unresolved. Whoever walks into one asks a resolver
 * for its RLP, which may come of eth_getProof, of a witness or of a store (trie_nodes.h):
 * nothing else of a forked state has to be here to edit it and to have the root that the chain
 * would have. What cannot be resolved is told as the prefix of the keys below it.
 *
 * Hashing is incremental: a node keeps its hash until something below it changes; eight nodes
 * are hashed at once. Measured on one core of a Xeon with AVX-512, with a million accounts in
 * random order: 0.60 us to set one, 0.41 us to hash it; of a change to one in a hundred of
 * them 1.2 us to set (2.4 while the old root is kept) and 2.9 us to hash. An account takes 243
 * bytes, a slot 158 (of a small value) to 190, with its share of the branches.
 *
 * Threads: a pointer belongs to one thread at a time, the nodes below it to all. Any number of
 * threads may read, prove, hash, copy (trie_get) and drop tries that share nodes, while others
 * edit theirs. The count of owners is atomic; a hash is published by an atomic state, and two
 * threads that hash one node at once compute the same.
 *
 * Keys have at most 32 bytes, as have all of the chain's state (the caller hashes: this knows
 * no address and no slot); they may be shorter, and one the beginning of another. Recursion is
 * bounded by the 64 nibbles of a key.
 */
#include "base/eth.h"

struct trie_node; /* opaque */

enum {
	TRIE_KEY_BYTES = 32,
	TRIE_NIBBLES = 2 * TRIE_KEY_BYTES,
	/* Longest value: an account has 110 bytes at most, a slot 33. The limit is what keeps
	 * nodes on the stack while they are encoded. */
	TRIE_VALUE_BYTES = 512,
	/* Longest RLP of a node: a branch of sixteen hashes and a value. */
	TRIE_NODE_BYTES = 3 + 16 * 33 + 3 + TRIE_VALUE_BYTES,
};

/* Where knowledge ends: all keys that begin with these nibbles lie in or below a node that is
 * unresolved. n may be 0: not even the root is known. */
struct trie_prefix {
	unsigned n;
	unsigned char nibbles[TRIE_NIBBLES];
	/* The node is not on the path of the key: it is the only one that a deletion leaves in
	 * a branch, and has to be known to be merged with it. A proof of any key that begins
	 * with the prefix shows it; see grind.h for how to find one. */
	bool is_sibling;
};

/* Gives the RLP of the node with this hash; false: not known. The text is borrowed until the
 * function that was given the resolver returns, or, from trie_lookup and trie_prove, as long
 * as its result is used. It must have this hash: that is not checked again. */
typedef bool trie_resolve_fn(void *cookie, const struct eth_bytes32 *hash, struct span *rlp);
struct trie_resolver {
	trie_resolve_fn *resolve;
	void *cookie;
};

/* A trie of which only the root's hash is known; the empty one's gives *root NULL.
 * ERR_NOMEM, *root is NULL then. Free with trie_put. */
enum err trie_from_root(const struct eth_bytes32 *hash, struct trie_node **root) WARN_UNUSED;
/* Another owner; NULL is passed through. Cost: one atomic increment. */
struct trie_node *trie_get(struct trie_node *root);
/* Gives up one owner's share; accepts NULL and nulls the caller's pointer. The last one frees
 * what no other trie shares. */
void trie_put(struct trie_node **root);

enum trie_found {
	TRIE_FOUND,
	TRIE_ABSENT,	 /* proved: no such key */
	TRIE_UNRESOLVED, /* a node on the path is not known */
	TRIE_CORRUPT,	 /* the resolver's text of a node is none (ERR_CORRUPT elsewhere) */
};

/* In all of these resolver may be NULL: there is none. key: at most TRIE_KEY_BYTES. */

/* The value of a key. FOUND sets *value, borrowed until the trie is edited or dropped (or as
 * the resolver's text is); UNRESOLVED sets *unresolved (NULL allowed). Allocates nothing. */
enum trie_found trie_lookup(struct trie_node *root, struct span key,
			    const struct trie_resolver *resolver, struct span *value,
			    struct trie_prefix *unresolved);

/*
 * Sets the value of a key, of 1 to TRIE_VALUE_BYTES bytes; an empty one deletes it (also one
 * that is not there). All or nothing: on an error the trie has the contents it had.
 *   ERR_NOT_FOUND  an unresolved node is needed: *unresolved (NULL allowed) says which
 *   ERR_CORRUPT    the resolver's text of a node is none
 *   ERR_NOMEM, ERR_LIMIT (a value that is too long)
 * What is set already costs a lookup and copies nothing; nodes that are resolved stay so.
 */
enum err trie_set(struct trie_node **root, struct span key, struct span value,
		  const struct trie_resolver *resolver,
		  struct trie_prefix *unresolved) WARN_UNUSED;

/* The root's hash (Yellow Paper, 4.1: of the empty trie eth_empty_trie_root). Hashes what has
 * changed since, and cannot fail. */
void trie_root_hash(struct trie_node *root, struct eth_bytes32 *hash);

/* Is given one node's RLP, borrowed until it returns; an error of its own ends the walk. */
typedef enum err trie_emit_fn(void *cookie, struct span rlp);
/*
 * The proof of a key, of its value or of its absence, as eth_getProof has it: the nodes from
 * the root to where the key ends. Those that their parents contain (RLP below 32 bytes) do not
 * stand alone; nothing is emitted for the empty trie. ERR_NOT_FOUND and *unresolved as above
 * (what was emitted before is right), ERR_CORRUPT, or what emit returns.
 */
enum err trie_prove(struct trie_node *root, struct span key,
		    const struct trie_resolver *resolver, trie_emit_fn *emit, void *cookie,
		    struct trie_prefix *unresolved) WARN_UNUSED;
