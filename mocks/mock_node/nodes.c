/* SPDX-License-Identifier: MIT */
#include "mock_node/nodes.h"
#include "base/keccak.h"
#include "base/rlp.h"

#define MEMORY_LIMIT (512u << 20)
#define NIBBLES	     64

static struct span key_of(const struct eth_bytes32 *hash)
{
	return (struct span){(const char *)hash->bytes, sizeof hash->bytes};
}

void nodes_init(struct nodes *nodes)
{
	*nodes = (struct nodes){0};
	arena_init(&nodes->arena, MEMORY_LIMIT);
	nodes->end = &nodes->first;
}

void nodes_release(struct nodes *nodes)
{
	dict_release(&nodes->by_hash);
	arena_release(&nodes->arena);
	nodes->first = NULL;
	nodes->end = &nodes->first;
}

enum err nodes_add(struct nodes *nodes, struct span rlp, struct eth_bytes32 *hash)
{
	keccak256(rlp.ptr, rlp.len, hash);
	if (dict_get(&nodes->by_hash, key_of(hash)))
		return OK;
	struct node_rlp *node = arena_calloc(&nodes->arena, 1, sizeof *node);
	if (!node)
		return ERR_NOMEM;
	node->hash = *hash;
	node->rlp = arena_span(&nodes->arena, rlp);
	if (!node->rlp.ptr || dict_put(&nodes->by_hash, key_of(&node->hash), node) != OK)
		return ERR_NOMEM;
	*nodes->end = node;
	nodes->end = &node->next;
	return OK;
}

static unsigned nibble(const void *bytes, size_t i)
{
	unsigned byte = ((const unsigned char *)bytes)[i / 2];
	return i % 2 ? byte & 15 : byte >> 4;
}

/* What a walk is at: `list` is the payload of a node, `at` the nibbles behind it. */
struct place {
	struct span list;
	size_t at;
};

/* Takes the node of that hash for the next one of the path. */
static enum walk_end enter(const struct nodes *nodes, struct span hash, struct walk *walk,
			   struct span *list)
{
	const struct node_rlp *node = dict_get(&nodes->by_hash, hash);
	struct rlp_item item;

	if (!node) {
		memcpy(walk->missing.bytes, hash.ptr, sizeof walk->missing.bytes);
		return WALK_MISSING;
	}
	struct span rlp = node->rlp;
	if (walk->depth == WALK_DEPTH_MAX || rlp_next(&rlp, &item) != OK || !item.is_list ||
	    rlp.len)
		return WALK_BROKEN;
	walk->path[walk->depth++] = node->rlp;
	*list = item.payload;
	return WALK_FOUND;
}

/* A reference from one node to the next: nothing, a hash, or the node itself. */
static enum walk_end follow(const struct nodes *nodes, const struct rlp_item *reference,
			    struct walk *walk, struct span *list)
{
	if (reference->is_list) {
		*list = reference->payload;
		return WALK_FOUND;
	}
	if (reference->payload.len == 0)
		return WALK_ABSENT;
	if (reference->payload.len != sizeof(struct eth_bytes32))
		return WALK_BROKEN;
	return enter(nodes, reference->payload, walk, list);
}

static enum walk_end from_branch(const struct nodes *nodes, const struct rlp_item *items,
				 const struct eth_bytes32 *key, struct walk *walk,
				 struct place *place)
{
	if (place->at == NIBBLES)
		return WALK_BROKEN; /* all keys are as long as this one */
	unsigned digit = nibble(key->bytes, place->at++);
	return follow(nodes, &items[digit], walk, &place->list);
}

/* A leaf or an extension, whose first item is the hex-prefix encoding of its nibbles (Yellow
 * Paper, appendix C). *done is set by a leaf. */
static enum walk_end from_short(const struct nodes *nodes, const struct rlp_item *items,
				const struct eth_bytes32 *key, struct walk *walk,
				struct place *place, bool *done)
{
	struct span prefix = items[0].payload;

	if (items[0].is_list || prefix.len == 0 || nibble(prefix.ptr, 0) > 3)
		return WALK_BROKEN;
	bool odd = nibble(prefix.ptr, 0) & 1;
	bool leaf = nibble(prefix.ptr, 0) & 2;
	size_t count = 2 * prefix.len - (odd ? 1 : 2);
	if (count > NIBBLES - place->at || (leaf && count != NIBBLES - place->at))
		return WALK_BROKEN;
	for (size_t i = 0; i < count; i++) {
		if (nibble(prefix.ptr, i + (odd ? 1 : 2)) != nibble(key->bytes, place->at++))
			return WALK_ABSENT;
	}
	if (!leaf)
		return follow(nodes, &items[1], walk, &place->list);
	*done = true;
	walk->value = items[1].payload;
	return items[1].is_list ? WALK_BROKEN : WALK_FOUND;
}

static enum walk_end step(const struct nodes *nodes, const struct eth_bytes32 *key,
			  struct walk *walk, struct place *place, bool *done)
{
	struct rlp_item items[17];
	struct span rest = place->list;
	size_t count = 0;

	while (rest.len > 0) {
		if (count == 17 || rlp_next(&rest, &items[count]) != OK)
			return WALK_BROKEN;
		count++;
	}
	if (count == 17)
		return from_branch(nodes, items, key, walk, place);
	if (count == 2)
		return from_short(nodes, items, key, walk, place, done);
	return WALK_BROKEN;
}

enum walk_end nodes_walk(const struct nodes *nodes, const struct eth_bytes32 *root,
			 const struct eth_bytes32 *key, struct walk *walk)
{
	struct place place = {.at = 0};
	bool done = false;

	walk->depth = 0;
	if (eth_bytes32_equal(root, &eth_empty_trie_root))
		return WALK_ABSENT;
	enum walk_end end = enter(nodes, key_of(root), walk, &place.list);
	while (end == WALK_FOUND && !done)
		end = step(nodes, key, walk, &place, &done);
	return end;
}
