/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Tries as a list of pairs, whose root is computed the slow way, from the Yellow Paper's
 * definition (appendix D, c and n): what tests hold base/trie.h against.
 */
#include "unit.h"
#include "base/keccak.h"
#include "base/rlp.h"
#include "base/trie_account.h"
#include "base/trie_nodes.h"

enum { PAIR_KEY_MAX = 32, PAIR_VALUE_MAX = 128 };

struct pair {
	unsigned char key[PAIR_KEY_MAX], value[PAIR_VALUE_MAX];
	unsigned key_bytes, value_bytes;
};

static inline struct span pair_key(const struct pair *pair)
{
	return (struct span){(const char *)pair->key, pair->key_bytes};
}

static inline struct span pair_value(const struct pair *pair)
{
	return (struct span){(const char *)pair->value, pair->value_bytes};
}

static inline int pair_order(const void *a, const void *b)
{
	return span_order(pair_key(a), pair_key(b));
}

static inline unsigned pair_nibble(const struct pair *pair, unsigned i)
{
	return i % 2 == 0 ? pair->key[i / 2] >> 4 : pair->key[i / 2] & 0x0f;
}

static inline void naive_path(struct buf *out, const struct pair *pair, unsigned from,
			      unsigned to, bool is_leaf)
{
	unsigned char hp[PAIR_KEY_MAX + 1] = {0};
	unsigned at = (to - from) % 2 == 0 ? 2 : 1; /* nibble of hp */

	hp[0] = (unsigned char)((is_leaf ? 0x20 : 0) | (at == 1 ? 0x10 : 0));
	for (unsigned i = from; i < to; i++, at++)
		hp[at / 2] |= (unsigned char)(pair_nibble(pair, i) << (at % 2 == 0 ? 4 : 0));
	rlp_string(out, hp, at / 2);
}

static inline void naive_node(struct buf *out, const struct pair *pairs, size_t n,
			      unsigned depth, struct trie_nodes *all);

/* What a parent has of the node of the pairs; all (NULL allowed) gets the text. */
static inline void naive_ref(struct buf *out, const struct pair *pairs, size_t n,
			     unsigned depth, struct trie_nodes *all)
{
	struct buf node;
	struct eth_bytes32 hash;

	buf_init(&node, 4096);
	naive_node(&node, pairs, n, depth, all);
	assert_ok(buf_err(&node));
	if (n > 0 && node.len >= 32) {
		keccak256(node.ptr, node.len, &hash);
		rlp_string(out, hash.bytes, 32);
		if (all)
			assert_ok(trie_nodes_add(all, buf_as_span(&node)));
	} else {
		buf_span(out, buf_as_span(&node));
	}
	buf_release(&node);
}

static inline void naive_branch(struct buf *out, const struct pair *pairs, size_t n,
				unsigned depth, struct trie_nodes *all)
{
	const bool has_value = pairs[0].key_bytes * 2 == depth;
	size_t at = has_value;

	for (unsigned nibble = 0; nibble < 16; nibble++) {
		size_t end = at;
		while (end < n && pair_nibble(&pairs[end], depth) == nibble)
			end++;
		naive_ref(out, pairs + at, end - at, depth + 1, all);
		at = end;
	}
	rlp_string(out, pairs[0].value, has_value ? pairs[0].value_bytes : 0);
}

/* Sorted pairs, which share the first `depth` nibbles. */
static inline void naive_node(struct buf *out, const struct pair *pairs, size_t n,
			      unsigned depth, struct trie_nodes *all)
{
	if (n == 0) {
		rlp_string(out, "", 0);
		return;
	}
	const struct pair *first = &pairs[0], *last = &pairs[n - 1];
	const size_t mark = rlp_list_open(out);
	unsigned common = depth;
	while (n > 1 && common < 2 * first->key_bytes && common < 2 * last->key_bytes &&
	       pair_nibble(first, common) == pair_nibble(last, common))
		common++;
	if (n == 1) {
		naive_path(out, first, depth, 2 * first->key_bytes, true);
		rlp_string(out, first->value, first->value_bytes);
	} else if (common > depth) {
		naive_path(out, first, depth, common, false);
		naive_ref(out, pairs, n, common, all);
	} else {
		naive_branch(out, pairs, n, depth, all);
	}
	rlp_list_close(out, mark);
}

/* Of pairs in any order, which are sorted for it. all (NULL allowed) gets every node. */
static inline void naive_root(struct pair *pairs, size_t n, struct trie_nodes *all,
			      struct eth_bytes32 *root)
{
	struct buf node;

	qsort(pairs, n, sizeof *pairs, pair_order);
	buf_init(&node, 4096);
	naive_node(&node, pairs, n, 0, all);
	assert_ok(buf_err(&node));
	keccak256(node.ptr, node.len, root);
	if (all)
		assert_ok(trie_nodes_add(all, buf_as_span(&node)));
	buf_release(&node);
}

static inline void assert_root(struct trie_node *root, const struct eth_bytes32 *want)
{
	struct eth_bytes32 got;

	trie_root_hash(root, &got);
	assert_memory_equal(got.bytes, want->bytes, sizeof got.bytes);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t fixture_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}
