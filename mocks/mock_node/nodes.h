/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Nodes of Merkle-Patricia tries (Yellow Paper, appendix D), found by their hash: whole tries
 * that trie.h has built, or the part of a state that a recorded witness holds.
 *
 * A node here is its RLP. Those of less than 32 bytes stand inside the node above, and are no
 * nodes of their own. Made at start or for one proof, then read-only.
 */
#include "mock_node/dict.h"
#include "base/arena.h"
#include "base/eth.h"

struct nodes {
	struct arena arena;
	struct dict by_hash;
	struct node_rlp *first, **end; /* in the order in which they came */
};

struct node_rlp {
	struct eth_bytes32 hash;
	struct span rlp;
	struct node_rlp *next;
};

/* 64 nibbles, each with a branch, and a leaf. */
#define WALK_DEPTH_MAX 65

enum walk_end {
	WALK_FOUND,
	WALK_ABSENT,  /* the path proves that there is nothing */
	WALK_MISSING, /* a node of the path is not here */
	WALK_BROKEN,  /* what should be a node is none */
};

/* From the root down to where the key ends; all spans are borrowed from the nodes. */
struct walk {
	struct span path[WALK_DEPTH_MAX]; /* the nodes' RLP, without what stands inside one */
	size_t depth;
	struct span value;	    /* WALK_FOUND: the payload of the leaf's string */
	struct eth_bytes32 missing; /* WALK_MISSING: its hash */
};

void nodes_init(struct nodes *nodes);
void nodes_release(struct nodes *nodes);
/* Copies a node's RLP; one that is there already is not kept twice. ERR_NOMEM. */
enum err nodes_add(struct nodes *nodes, struct span rlp, struct eth_bytes32 *hash) WARN_UNUSED;
/* Where the key (the hash of an address or of a slot) leads to from a root. */
enum walk_end nodes_walk(const struct nodes *nodes, const struct eth_bytes32 *root,
			 const struct eth_bytes32 *key, struct walk *walk);
