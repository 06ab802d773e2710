/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Nodes of tries, for the files of trie.h and for proof.c.
 *
 * In memory a node is one of
 *   leaf       path, value
 *   extension  path, one child, which is a branch (or not resolved)
 *   branch     17 children, two of them there at least; the last is its own value, as a leaf
 *              with an empty path, so that it is moved and merged like any other
 *   hashed     not resolved: its reference, and whether it is known to be a branch
 *
 * A path is kept as it is encoded (hex-prefix, appendix C), which is what hashing needs.
 *
 * In RLP, where nothing is allocated, a node is a struct trie_view, whose children are
 * references as their parents encode them: 32 bytes of hash, the RLP itself if it is shorter,
 * or nothing.
 */
#include "base/trie.h"
#include <stdatomic.h>

enum {
	TRIE_WIDTH = 17,
	TRIE_VALUE = 16, /* the child of a branch that is its value */
	TRIE_HASH_BYTES = 32,
	TRIE_PATH_BYTES = 1 + TRIE_NIBBLES / 2,
};

enum trie_kind { TRIE_LEAF, TRIE_EXTENSION, TRIE_BRANCH, TRIE_HASHED };

/* What a parent has of its child. Bytes are written by whoever moves the state from NONE to
 * BUSY, and read by anybody who sees READY. */
enum { REF_NONE, REF_BUSY, REF_READY };

struct trie_node {
	atomic_uint owners;
	unsigned char kind;
	union {
		unsigned char path_bytes; /* of a leaf or an extension */
		bool is_branch; /* of a hashed one: it is, since an extension leads to it */
	};
	atomic_uchar ref_state;
	unsigned char ref_bytes;
	unsigned char ref[TRIE_HASH_BYTES];
};

struct trie_leaf {
	struct trie_node node;
	uint16_t value_bytes;
	unsigned char bytes[]; /* path, value */
};

struct trie_extension {
	struct trie_node node;
	struct trie_node *child;
	unsigned char path[];
};

struct trie_branch {
	struct trie_node node;
	struct trie_node *child[TRIE_WIDTH];
};

/* Hex-prefix: the high nibble of the first byte says leaf (2) and odd (1). */
struct trie_path {
	const unsigned char *bytes;
	unsigned n; /* nibbles */
};

static inline struct trie_path trie_path_open(const unsigned char *bytes, unsigned n_bytes)
{
	return (struct trie_path){bytes, 2 * (n_bytes - 1) + (bytes[0] >> 4 & 1)};
}

static inline unsigned trie_path_nibble(struct trie_path path, unsigned i)
{
	const unsigned at = i + 2 - (path.n & 1);

	return at & 1 ? path.bytes[at / 2] & 0x0f : path.bytes[at / 2] >> 4;
}

/* How many nibbles of the path the key has at its place. */
unsigned trie_path_common(struct trie_path path, const unsigned char *key, unsigned n);
/* Writes n / 2 + 1 bytes. */
void trie_path_write(unsigned char *out, const unsigned char *nibbles, unsigned n,
		     bool is_leaf);
/* Writes path.n nibbles. */
void trie_path_nibbles(struct trie_path path, unsigned char *out);

static inline struct trie_leaf *trie_as_leaf(struct trie_node *node)
{
	return (struct trie_leaf *)node;
}
static inline struct trie_extension *trie_as_extension(struct trie_node *node)
{
	return (struct trie_extension *)node;
}
static inline struct trie_branch *trie_as_branch(struct trie_node *node)
{
	return (struct trie_branch *)node;
}

/* Of a leaf or an extension. */
struct trie_path trie_node_path(const struct trie_node *node);
struct span trie_leaf_value(const struct trie_node *leaf);

/* New nodes with one owner and no reference yet; NULL when memory is refused. */
struct trie_node *trie_leaf_new(const unsigned char *nibbles, unsigned n, struct span value);
/* Takes the child, unless it returns NULL. */
struct trie_node *trie_extension_new(const unsigned char *nibbles, unsigned n,
				     struct trie_node *child);
struct trie_node *trie_branch_new(void);
struct trie_node *trie_hashed_new(const unsigned char *hash);

/* ---- RLP ---- */

struct trie_view {
	enum trie_kind kind;
	struct trie_path path; /* leaf, extension */
	struct span value;     /* leaf, branch (may be empty) */
	struct span child[16]; /* references: of an extension the first */
};

/* ERR_CORRUPT when it is no node in canonical RLP; what it contains of its children is not
 * looked into. Borrows from rlp. */
enum err trie_view_open(struct span rlp, struct trie_view *view) WARN_UNUSED;

enum trie_step { STEP_VALUE, STEP_ABSENT, STEP_CHILD };
/* From a node, the key's nibbles before *at behind, towards the key: *next is the value, or the
 * child's reference, and *at is moved to it. */
enum trie_step trie_view_step(const struct trie_view *view, const unsigned char *key,
			      unsigned n, unsigned *at, struct span *next);

/* The node that the RLP says, with its embedded children; others are not resolved. room: the
 * nibbles that keys can still have here, which bounds how deep a trie gets. hash: of the text,
 * if it is one that others refer to by it. ERR_CORRUPT, ERR_NOMEM. */
enum err trie_node_decode(struct span rlp, unsigned room, const unsigned char *hash,
			  struct trie_node **node) WARN_UNUSED;

/* A reference, copied: one that others are about to publish may be computed twice. */
struct trie_ref {
	unsigned n;
	unsigned char bytes[TRIE_HASH_BYTES];
};
void trie_node_ref(struct trie_node *node, struct trie_ref *ref);
/* Publishes what is known to be the node's reference. */
void trie_ref_set(struct trie_node *node, const unsigned char *bytes, unsigned n);
/* The node's RLP, in out. Not of a hashed one. */
struct span trie_node_encode(struct trie_node *node, unsigned char out[TRIE_NODE_BYTES]);

/* ---- keys ---- */

/* Two nibbles a byte; returns how many. key.len is at most TRIE_KEY_BYTES. */
unsigned trie_key_nibbles(struct span key, unsigned char nibbles[TRIE_NIBBLES]);
/* *prefix (NULL allowed) becomes the first n nibbles. */
void trie_prefix_set(struct trie_prefix *prefix, const unsigned char *nibbles, unsigned n,
		     bool is_sibling);
/* NULL resolver: nothing can be resolved. */
bool trie_resolve(const struct trie_resolver *resolver, const unsigned char *hash,
		  struct span *rlp);
