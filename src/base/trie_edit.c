/* SPDX-License-Identifier: MIT */
/*
 * Editing copies on the way down and changes on the way up: a function gets the place that
 * holds a node, makes the node its own where others share it, edits below, and then drops its
 * hash. trie_set has looked the key up before: an edit that does not fail changes something,
 * and the key of one that deletes is there. Each error comes before the first change.
 */
#include "base/trie_impl.h"

struct edit {
	unsigned char key[TRIE_NIBBLES];
	unsigned n;
	struct span value;
	const struct trie_resolver *resolver;
	struct trie_prefix *unresolved;
};

/* ---- nodes of one's own ---- */

static void ref_copy(struct trie_node *to, struct trie_node *from)
{
	if (atomic_load_explicit(&from->ref_state, memory_order_acquire) == REF_READY)
		trie_ref_set(to, from->ref, from->ref_bytes);
}

static struct trie_node *extension_copy(struct trie_node *node)
{
	unsigned char nibbles[TRIE_NIBBLES];
	const struct trie_path path = trie_node_path(node);

	trie_path_nibbles(path, nibbles);
	struct trie_node *copy =
		trie_extension_new(nibbles, path.n, trie_as_extension(node)->child);
	if (copy)
		trie_get(trie_as_extension(copy)->child);
	return copy;
}

static struct trie_node *branch_copy(struct trie_node *node)
{
	struct trie_node *copy = trie_branch_new();

	for (unsigned i = 0; copy && i < TRIE_WIDTH; i++)
		trie_as_branch(copy)->child[i] = trie_get(trie_as_branch(node)->child[i]);
	return copy;
}

/* Of an extension or a branch: *slot becomes one that nobody else has. */
static enum err own(struct trie_node **slot)
{
	struct trie_node *node = *slot;

	/* Acquire: what the last other owner read, it read before we write. */
	if (atomic_load_explicit(&node->owners, memory_order_acquire) == 1)
		return OK;
	struct trie_node *copy =
		node->kind == TRIE_BRANCH ? branch_copy(node) : extension_copy(node);
	if (!copy)
		return ERR_NOMEM;
	ref_copy(copy, node);
	trie_put(slot);
	*slot = copy;
	return OK;
}

static void replace(struct trie_node **slot, struct trie_node *node)
{
	trie_put(slot);
	*slot = node;
}

/* Its reference is no longer right. */
static void touch(struct trie_node *node)
{
	atomic_store_explicit(&node->ref_state, REF_NONE, memory_order_relaxed);
}

/* A hashed node in *slot becomes what its text says. path: its place, of n nibbles. */
static enum err resolve(const struct edit *edit, struct trie_node **slot,
			const unsigned char *path, unsigned n, bool is_sibling)
{
	struct trie_node *node = NULL;
	struct span rlp;

	if (!*slot || (*slot)->kind != TRIE_HASHED)
		return OK;
	const unsigned char *hash = (*slot)->ref;
	if (!trie_resolve(edit->resolver, hash, &rlp)) {
		trie_prefix_set(edit->unresolved, path, n, is_sibling);
		return ERR_NOT_FOUND;
	}
	if (rlp.len < TRIE_HASH_BYTES && n > 0)
		return ERR_CORRUPT; /* its parent would contain it */
	const enum err err = trie_node_decode(rlp, TRIE_NIBBLES - n, hash, &node);
	if (err != OK)
		return err;
	if ((*slot)->is_branch && node->kind != TRIE_BRANCH) {
		trie_put(&node);
		return ERR_CORRUPT;
	}
	replace(slot, node);
	return OK;
}

/* ---- inserting ---- */

/* A leaf or extension without the first `from` nibbles of its path; an extension's child where
 * nothing is left of it. */
static struct trie_node *rest_of(struct trie_node *node, unsigned from)
{
	unsigned char nibbles[TRIE_NIBBLES];
	const struct trie_path path = trie_node_path(node);

	trie_path_nibbles(path, nibbles);
	if (node->kind == TRIE_LEAF)
		return trie_leaf_new(nibbles + from, path.n - from, trie_leaf_value(node));
	struct trie_node *child = trie_as_extension(node)->child;
	if (from == path.n)
		return trie_get(child);
	struct trie_node *rest = trie_extension_new(nibbles + from, path.n - from, child);
	if (rest)
		trie_get(child);
	return rest;
}

/* *branch gets the leaf of the key, whose nibbles before at lead to it. */
static bool branch_add_key(struct trie_node *branch, const struct edit *edit, unsigned at)
{
	const bool ends = at == edit->n;
	const unsigned i = ends ? TRIE_VALUE : edit->key[at];
	const unsigned from = ends ? at : at + 1;
	struct trie_node *leaf = trie_leaf_new(edit->key + from, edit->n - from, edit->value);

	trie_as_branch(branch)->child[i] = leaf;
	return leaf != NULL;
}

/* The same of what stands in the leaf or extension behind the first `common` of its path. */
static bool branch_add_rest(struct trie_node *branch, struct trie_node *node, unsigned common)
{
	const struct trie_path path = trie_node_path(node);
	const bool ends = common == path.n;
	const unsigned i = ends ? TRIE_VALUE : trie_path_nibble(path, common);
	struct trie_node *rest = rest_of(node, ends ? common : common + 1);

	trie_as_branch(branch)->child[i] = rest;
	return rest != NULL;
}

/* The leaf or extension in *slot, and the key, share the first `common` nibbles from at on and
 * no more: a branch there. */
static enum err split(struct trie_node **slot, const struct edit *edit, unsigned at,
		      unsigned common)
{
	struct trie_node *top = trie_branch_new();

	if (!top || !branch_add_rest(top, *slot, common) ||
	    !branch_add_key(top, edit, at + common))
		goto fail;
	if (common > 0) {
		struct trie_node *extension = trie_extension_new(edit->key + at, common, top);
		if (!extension)
			goto fail;
		top = extension;
	}
	replace(slot, top);
	return OK;
fail:
	trie_put(&top);
	return ERR_NOMEM;
}

static enum err plant(struct trie_node **slot, const struct edit *edit, unsigned at)
{
	struct trie_node *leaf = trie_leaf_new(edit->key + at, edit->n - at, edit->value);

	if (!leaf)
		return ERR_NOMEM;
	replace(slot, leaf);
	return OK;
}

static enum err insert(struct trie_node **slot, const struct edit *edit, unsigned at);

static enum err insert_below(struct trie_node **slot, const struct edit *edit, unsigned at)
{
	struct trie_node **child;
	enum err err = own(slot);

	if (err != OK)
		return err;
	struct trie_node *node = *slot;
	if (node->kind == TRIE_EXTENSION) {
		child = &trie_as_extension(node)->child;
		at += trie_node_path(node).n;
	} else if (at == edit->n) {
		child = &trie_as_branch(node)->child[TRIE_VALUE];
	} else {
		child = &trie_as_branch(node)->child[edit->key[at]];
		at++;
	}
	err = insert(child, edit, at);
	if (err == OK)
		touch(node);
	return err;
}

/* Of a key whose value is another one. */
static enum err insert(struct trie_node **slot, const struct edit *edit, unsigned at)
{
	const enum err err = resolve(edit, slot, edit->key, at, false);

	if (err != OK)
		return err;
	struct trie_node *node = *slot;
	if (!node)
		return plant(slot, edit, at);
	if (node->kind == TRIE_BRANCH)
		return insert_below(slot, edit, at);
	const struct trie_path path = trie_node_path(node);
	const unsigned common = trie_path_common(path, edit->key + at, edit->n - at);
	if (common == path.n && node->kind == TRIE_EXTENSION)
		return insert_below(slot, edit, at);
	if (common == path.n && common == edit->n - at)
		return plant(slot, edit, at);
	return split(slot, edit, at, common);
}

/* ---- deleting ---- */

/* The node, a hashed one only if it is a branch, with these nibbles before it; shares what is
 * below. NULL when memory is refused. */
static struct trie_node *join(const unsigned char *nibbles, unsigned n, struct trie_node *node)
{
	unsigned char all[TRIE_NIBBLES];

	if (n > 0)
		memcpy(all, nibbles, n);
	if (node->kind == TRIE_BRANCH || node->kind == TRIE_HASHED) {
		struct trie_node *top = trie_extension_new(all, n, node);
		if (top)
			trie_get(node);
		return top;
	}
	const struct trie_path path = trie_node_path(node);
	REQUIRE(n + path.n <= TRIE_NIBBLES);
	trie_path_nibbles(path, all + n);
	if (node->kind == TRIE_LEAF)
		return trie_leaf_new(all, n + path.n, trie_leaf_value(node));
	struct trie_node *child = trie_as_extension(node)->child;
	struct trie_node *joined = trie_extension_new(all, n + path.n, child);
	if (joined)
		trie_get(child);
	return joined;
}

/* The branch in *slot has one child left: the two become one node. That a child is a branch is
 * enough to know of it: where an insertion has split an extension, a deletion can join it. */
static enum err collapse(struct trie_node **slot, unsigned left, const struct edit *edit,
			 unsigned at)
{
	struct trie_node *child = trie_get(trie_as_branch(*slot)->child[left]), *joined = NULL;
	unsigned char place[TRIE_NIBBLES + 1];
	enum err err = OK;

	memcpy(place, edit->key, at);
	place[at] = (unsigned char)left;
	if (child->kind == TRIE_HASHED && !child->is_branch)
		err = resolve(edit, &child, place, at + 1, true);
	if (err == OK) {
		joined = join(place + at, left < TRIE_VALUE, child);
		err = joined ? OK : ERR_NOMEM;
	}
	trie_put(&child);
	if (err != OK)
		return err;
	replace(slot, joined);
	return OK;
}

/* The only child but one that a branch has; TRIE_WIDTH: there are more. */
static unsigned only_other(const struct trie_branch *branch, unsigned but)
{
	unsigned found = TRIE_WIDTH;

	for (unsigned i = 0; i < TRIE_WIDTH; i++) {
		if (!branch->child[i] || i == but)
			continue;
		if (found < TRIE_WIDTH)
			return TRIE_WIDTH;
		found = i;
	}
	return found;
}

static enum err erase(struct trie_node **slot, const struct edit *edit, unsigned at);

static enum err erase_in_branch(struct trie_node **slot, const struct edit *edit, unsigned at)
{
	const bool ends = at == edit->n;
	const unsigned i = ends ? TRIE_VALUE : edit->key[at];
	enum err err = own(slot);

	if (err != OK)
		return err;
	struct trie_branch *branch = trie_as_branch(*slot);
	at += !ends;
	err = resolve(edit, &branch->child[i], edit->key, at, false);
	if (err != OK)
		return err;
	/* The key is there: a leaf on its path is its own. */
	const bool vanishes = branch->child[i]->kind == TRIE_LEAF;
	const unsigned left = vanishes ? only_other(branch, i) : TRIE_WIDTH;
	if (left < TRIE_WIDTH)
		return collapse(slot, left, edit, at - !ends);
	err = erase(&branch->child[i], edit, at);
	if (err == OK)
		touch(&branch->node);
	return err;
}

/* What is below an extension may become part of it, which needs memory after it has changed: so
 * it is changed in a copy. */
static enum err erase_in_extension(struct trie_node **slot, const struct edit *edit,
				   unsigned at)
{
	unsigned char nibbles[TRIE_NIBBLES];
	const struct trie_path path = trie_node_path(*slot);
	struct trie_node *below = trie_get(trie_as_extension(*slot)->child), *joined = NULL;
	enum err err = erase(&below, edit, at + path.n);

	if (err == OK) {
		trie_path_nibbles(path, nibbles);
		joined = join(nibbles, path.n, below);
		err = joined ? OK : ERR_NOMEM;
	}
	trie_put(&below);
	if (err == OK)
		replace(slot, joined);
	return err;
}

/* Of a key that is there. */
static enum err erase(struct trie_node **slot, const struct edit *edit, unsigned at)
{
	const enum err err = resolve(edit, slot, edit->key, at, false);

	if (err != OK)
		return err;
	if ((*slot)->kind == TRIE_BRANCH)
		return erase_in_branch(slot, edit, at);
	if ((*slot)->kind == TRIE_EXTENSION)
		return erase_in_extension(slot, edit, at);
	trie_put(slot);
	return OK;
}

enum err trie_set(struct trie_node **root, struct span key, struct span value,
		  const struct trie_resolver *resolver, struct trie_prefix *unresolved)
{
	struct edit edit = {.value = value, .resolver = resolver, .unresolved = unresolved};
	struct span old = {NULL, 0};

	if (value.len > TRIE_VALUE_BYTES)
		return ERR_LIMIT;
	switch (trie_lookup(*root, key, resolver, &old, unresolved)) {
	case TRIE_CORRUPT:
		return ERR_CORRUPT;
	case TRIE_UNRESOLVED:
		return ERR_NOT_FOUND;
	case TRIE_FOUND:
	case TRIE_ABSENT:
		break;
	}
	if (span_equal(old, value))
		return OK; /* also of what is absent, and is deleted */
	edit.n = trie_key_nibbles(key, edit.key);
	return value.len > 0 ? insert(root, &edit, 0) : erase(root, &edit, 0);
}
