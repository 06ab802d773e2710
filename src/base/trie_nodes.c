/* SPDX-License-Identifier: MIT */
#include "base/trie_nodes.h"
#include "base/arena.h"
#include "base/keccak.h"

enum { FIRST_SLOTS = 64 }; /* a proof of an account and some slots; a power of two */

/* In the arena. */
struct text {
	struct eth_bytes32 hash;
	size_t len;
	char rlp[];
};

/* Open addressing: at most half of the slots are used. The hash is its own hash. */
struct trie_nodes {
	struct arena arena;
	struct text **slots;
	size_t n_slots, count;
};

struct trie_nodes *trie_nodes_new(size_t limit_bytes)
{
	struct trie_nodes *nodes = calloc(1, sizeof *nodes);

	if (!nodes)
		return NULL;
	nodes->slots = calloc(FIRST_SLOTS, sizeof *nodes->slots);
	if (!nodes->slots) {
		free(nodes);
		return NULL;
	}
	nodes->n_slots = FIRST_SLOTS;
	arena_init(&nodes->arena, limit_bytes);
	return nodes;
}

void trie_nodes_free(struct trie_nodes **nodes)
{
	struct trie_nodes *n = *nodes;

	*nodes = NULL;
	if (!n)
		return;
	arena_release(&n->arena);
	free(n->slots);
	free(n);
}

/* Where the hash is, or would be. */
static struct text **place(struct text **slots, size_t n_slots, const struct eth_bytes32 *hash)
{
	size_t at = be64_get(hash->bytes) & (n_slots - 1);

	while (slots[at] && !eth_bytes32_equal(&slots[at]->hash, hash))
		at = (at + 1) & (n_slots - 1);
	return &slots[at];
}

static enum err grow(struct trie_nodes *nodes)
{
	const size_t n = 2 * nodes->n_slots;
	struct text **slots = calloc(n, sizeof *slots);

	if (!slots)
		return ERR_NOMEM;
	for (size_t i = 0; i < nodes->n_slots; i++)
		if (nodes->slots[i])
			*place(slots, n, &nodes->slots[i]->hash) = nodes->slots[i];
	free(nodes->slots);
	nodes->slots = slots;
	nodes->n_slots = n;
	return OK;
}

static enum err keep(struct trie_nodes *nodes, const struct eth_bytes32 *hash, struct span rlp)
{
	const struct arena *arena = &nodes->arena;
	const size_t bytes = sizeof(struct text) + rlp.len;
	const bool is_full = bytes + _Alignof(max_align_t) > arena->limit_bytes - arena->used;
	struct text *text = arena_alloc(&nodes->arena, bytes);

	if (!text)
		return is_full ? ERR_LIMIT : ERR_NOMEM;
	text->hash = *hash;
	text->len = rlp.len;
	memcpy(text->rlp, rlp.ptr, rlp.len);
	*place(nodes->slots, nodes->n_slots, hash) = text;
	nodes->count++;
	return OK;
}

enum err trie_nodes_add(struct trie_nodes *nodes, struct span rlp)
{
	struct eth_bytes32 hash;
	struct span there;

	if (rlp.len == 0 || rlp.len > TRIE_NODE_BYTES)
		return ERR_LIMIT;
	keccak256(rlp.ptr, rlp.len, &hash);
	if (trie_nodes_find(nodes, &hash, &there))
		return OK;
	if (2 * (nodes->count + 1) > nodes->n_slots && grow(nodes) != OK)
		return ERR_NOMEM;
	return keep(nodes, &hash, rlp);
}

enum err trie_nodes_add_all(struct trie_nodes *nodes, const struct span *rlp, size_t n)
{
	enum err err = OK;

	for (size_t i = 0; i < n && err == OK; i++)
		err = trie_nodes_add(nodes, rlp[i]);
	return err;
}

bool trie_nodes_find(const struct trie_nodes *nodes, const struct eth_bytes32 *hash,
		     struct span *rlp)
{
	const struct text *text = *place(nodes->slots, nodes->n_slots, hash);

	if (text)
		*rlp = (struct span){text->rlp, text->len};
	return text != NULL;
}

size_t trie_nodes_count(const struct trie_nodes *nodes)
{
	return nodes->count;
}

static bool resolve(void *cookie, const struct eth_bytes32 *hash, struct span *rlp)
{
	return trie_nodes_find(cookie, hash, rlp);
}

struct trie_resolver trie_nodes_resolver(const struct trie_nodes *nodes)
{
	return (struct trie_resolver){resolve, (void *)(uintptr_t)nodes};
}
