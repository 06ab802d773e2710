/* SPDX-License-Identifier: MIT */
/* Nodes as RLP, and their hashes: from the leaves up, several at once. */
#include "base/keccak.h"
#include "base/keccak_wide.h"
#include "base/trie_impl.h"

enum {
	STRING = 0x80, /* base of the headers of strings, and of lists */
	LIST = 0xc0,
	SHORT_MAX = 55, /* longest payload whose length stands in the header's first byte */
	HEAD_ROOM = 3,	/* header of a list of at most 64 KiB */
};

void trie_ref_set(struct trie_node *node, const unsigned char *bytes, unsigned n)
{
	unsigned char none = REF_NONE;

	if (!atomic_compare_exchange_strong_explicit(&node->ref_state, &none, REF_BUSY,
						     memory_order_acquire,
						     memory_order_relaxed))
		return; /* somebody else writes the same */
	memcpy(node->ref, bytes, n);
	node->ref_bytes = (unsigned char)n;
	atomic_store_explicit(&node->ref_state, REF_READY, memory_order_release);
}

static bool ref_is_ready(const struct trie_node *node)
{
	return atomic_load_explicit(&node->ref_state, memory_order_acquire) == REF_READY;
}

/* ---- RLP into memory that is large enough ---- */

static unsigned char *put_head(unsigned char *out, unsigned base, size_t n)
{
	if (n <= SHORT_MAX) {
		*out++ = (unsigned char)(base + n);
	} else if (n < 256) {
		*out++ = (unsigned char)(base + SHORT_MAX + 1);
		*out++ = (unsigned char)n;
	} else {
		*out++ = (unsigned char)(base + SHORT_MAX + 2);
		*out++ = (unsigned char)(n >> 8);
		*out++ = (unsigned char)n;
	}
	return out;
}

static unsigned char *put_string(unsigned char *out, const void *bytes, size_t n)
{
	if (n != 1 || *(const unsigned char *)bytes >= STRING)
		out = put_head(out, STRING, n);
	if (n > 0)
		memcpy(out, bytes, n);
	return out + n;
}

/* A hash is a string; the RLP of a node stands as it is. */
static unsigned char *put_ref(unsigned char *out, const unsigned char *ref, size_t n)
{
	if (n == TRIE_HASH_BYTES)
		*out++ = STRING + TRIE_HASH_BYTES;
	memcpy(out, ref, n);
	return out + n;
}

static unsigned char *put_child(unsigned char *out, struct trie_node *child)
{
	struct trie_ref ref;

	if (!child) {
		*out++ = STRING;
		return out;
	}
	if (ref_is_ready(child))
		return put_ref(out, child->ref, child->ref_bytes);
	trie_node_ref(child, &ref);
	return put_ref(out, ref.bytes, ref.n);
}

static unsigned char *put_value(unsigned char *out, const struct trie_node *leaf)
{
	const struct span value = leaf ? trie_leaf_value(leaf) : (struct span){NULL, 0};

	return put_string(out, value.ptr, value.len);
}

static unsigned char *put_items(unsigned char *out, struct trie_node *node)
{
	if (node->kind == TRIE_BRANCH) {
		for (unsigned i = 0; i < TRIE_VALUE; i++)
			out = put_child(out, trie_as_branch(node)->child[i]);
		return put_value(out, trie_as_branch(node)->child[TRIE_VALUE]);
	}
	out = put_string(out, trie_node_path(node).bytes, node->path_bytes);
	return node->kind == TRIE_LEAF ? put_value(out, node)
				       : put_child(out, trie_as_extension(node)->child);
}

struct span trie_node_encode(struct trie_node *node, unsigned char out[TRIE_NODE_BYTES])
{
	unsigned char head[HEAD_ROOM];
	const unsigned char *end = put_items(out + HEAD_ROOM, node);
	const size_t n = (size_t)(end - out) - HEAD_ROOM;
	const size_t head_bytes = (size_t)(put_head(head, LIST, n) - head);
	unsigned char *begin = out + HEAD_ROOM - head_bytes;

	memcpy(begin, head, head_bytes);
	return (struct span){(const char *)begin, head_bytes + n};
}

/* ---- references ---- */

static void ref_of_text(struct trie_ref *ref, struct span rlp, const struct eth_bytes32 *hash)
{
	const bool embedded = rlp.len < TRIE_HASH_BYTES;

	ref->n = embedded ? (unsigned)rlp.len : TRIE_HASH_BYTES;
	memcpy(ref->bytes, embedded ? (const unsigned char *)rlp.ptr : hash->bytes, ref->n);
}

void trie_node_ref(struct trie_node *node, struct trie_ref *ref)
{
	unsigned char out[TRIE_NODE_BYTES];
	struct eth_bytes32 hash;

	if (ref_is_ready(node)) {
		ref->n = node->ref_bytes;
		memcpy(ref->bytes, node->ref, ref->n);
		return;
	}
	const struct span rlp = trie_node_encode(node, out);
	if (rlp.len >= TRIE_HASH_BYTES)
		keccak256(rlp.ptr, rlp.len, &hash);
	ref_of_text(ref, rlp, &hash);
	trie_ref_set(node, ref->bytes, ref->n);
}

/* Nodes that wait to be hashed together, by how deep they are: those of one level do not
 * contain each other, and when a level is hashed, those below it have been. */
enum { LEVELS = TRIE_NIBBLES + 1 };
struct waiting {
	struct trie_node *node[LEVELS][KECCAK_WIDE];
	unsigned char n[LEVELS];
};

/* Of at most KECCAK_WIDE nodes. Not inlined: its buffers are no part of what recurses. */
__attribute__((noinline)) static void hash_group(struct trie_node *const *nodes, unsigned n)
{
	unsigned char out[KECCAK_WIDE][TRIE_NODE_BYTES];
	struct span rlp[KECCAK_WIDE] = {{NULL, 0}};
	struct eth_bytes32 hash[KECCAK_WIDE];
	struct trie_ref ref;

	for (unsigned i = 0; i < n; i++)
		rlp[i] = trie_node_encode(nodes[i], out[i]);
	keccak256_many(rlp, n, hash);
	for (unsigned i = 0; i < n; i++) {
		ref_of_text(&ref, rlp[i], &hash[i]);
		trie_ref_set(nodes[i], ref.bytes, ref.n);
	}
}

static void hash_level(struct waiting *waiting, unsigned level)
{
	if (level + 1 < LEVELS && waiting->n[level + 1] > 0)
		hash_level(waiting, level + 1);
	hash_group(waiting->node[level], waiting->n[level]);
	waiting->n[level] = 0;
}

static void wait_in_level(struct waiting *waiting, struct trie_node *node, unsigned level);

static void wait_below(struct waiting *waiting, struct trie_node *node, unsigned level)
{
	struct trie_node *const *child = trie_as_branch(node)->child;

	if (node->kind == TRIE_EXTENSION)
		wait_in_level(waiting, trie_as_extension(node)->child, level + 1);
	if (node->kind != TRIE_BRANCH)
		return;
	/* They lie anywhere in memory: all are fetched while the first is waited for. */
	for (unsigned i = 0; i < TRIE_VALUE; i++)
		__builtin_prefetch(child[i]);
	for (unsigned i = 0; i < TRIE_VALUE; i++)
		if (child[i])
			wait_in_level(waiting, child[i], level + 1);
}

static void wait_in_level(struct waiting *waiting, struct trie_node *node, unsigned level)
{
	if (ref_is_ready(node))
		return;
	wait_below(waiting, node, level);
	waiting->node[level][waiting->n[level]++] = node;
	if (waiting->n[level] == KECCAK_WIDE)
		hash_level(waiting, level);
}

/* Everything below gets its reference. */
static void settle(struct trie_node *node)
{
	struct waiting waiting;

	memset(waiting.n, 0, sizeof waiting.n);
	wait_below(&waiting, node, 0);
	hash_level(&waiting, 1);
}

void trie_root_hash(struct trie_node *root, struct eth_bytes32 *hash)
{
	struct trie_ref ref;

	if (!root) {
		*hash = eth_empty_trie_root;
		return;
	}
	if (!ref_is_ready(root))
		settle(root);
	trie_node_ref(root, &ref);
	if (ref.n == TRIE_HASH_BYTES)
		memcpy(hash->bytes, ref.bytes, TRIE_HASH_BYTES);
	else /* the root stands alone, however short it is */
		keccak256(ref.bytes, ref.n, hash);
}
