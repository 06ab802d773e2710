/* SPDX-License-Identifier: MIT */
#include "base/trie_impl.h"

static void node_init(struct trie_node *node, enum trie_kind kind, unsigned path_bytes)
{
	atomic_init(&node->owners, 1);
	atomic_init(&node->ref_state, REF_NONE);
	node->kind = (unsigned char)kind;
	node->path_bytes = (unsigned char)path_bytes;
	node->ref_bytes = 0;
}

struct trie_node *trie_leaf_new(const unsigned char *nibbles, unsigned n, struct span value)
{
	const unsigned path_bytes = n / 2 + 1;
	struct trie_leaf *leaf =
		malloc(offsetof(struct trie_leaf, bytes) + path_bytes + value.len);

	if (!leaf)
		return NULL;
	node_init(&leaf->node, TRIE_LEAF, path_bytes);
	leaf->value_bytes = (uint16_t)value.len;
	trie_path_write(leaf->bytes, nibbles, n, true);
	memcpy(leaf->bytes + path_bytes, value.ptr, value.len);
	return &leaf->node;
}

struct trie_node *trie_extension_new(const unsigned char *nibbles, unsigned n,
				     struct trie_node *child)
{
	const unsigned path_bytes = n / 2 + 1;
	struct trie_extension *extension = malloc(sizeof *extension + path_bytes);

	if (!extension)
		return NULL;
	node_init(&extension->node, TRIE_EXTENSION, path_bytes);
	trie_path_write(extension->path, nibbles, n, false);
	extension->child = child;
	return &extension->node;
}

struct trie_node *trie_branch_new(void)
{
	struct trie_branch *branch = calloc(1, sizeof *branch);

	if (!branch)
		return NULL;
	node_init(&branch->node, TRIE_BRANCH, 0);
	return &branch->node;
}

struct trie_node *trie_hashed_new(const unsigned char *hash)
{
	struct trie_node *node = malloc(sizeof *node);

	if (!node)
		return NULL;
	node_init(node, TRIE_HASHED, 0);
	trie_ref_set(node, hash, TRIE_HASH_BYTES);
	return node;
}

struct trie_path trie_node_path(const struct trie_node *node)
{
	const unsigned char *bytes = node->kind == TRIE_LEAF
					     ? ((const struct trie_leaf *)node)->bytes
					     : ((const struct trie_extension *)node)->path;

	return trie_path_open(bytes, node->path_bytes);
}

struct span trie_leaf_value(const struct trie_node *node)
{
	const struct trie_leaf *leaf = (const struct trie_leaf *)node;

	return (struct span){(const char *)leaf->bytes + node->path_bytes, leaf->value_bytes};
}

enum err trie_from_root(const struct eth_bytes32 *hash, struct trie_node **root)
{
	*root = NULL;
	if (eth_bytes32_equal(hash, &eth_empty_trie_root))
		return OK;
	*root = trie_hashed_new(hash->bytes);
	return *root ? OK : ERR_NOMEM;
}

struct trie_node *trie_get(struct trie_node *root)
{
	if (root)
		atomic_fetch_add_explicit(&root->owners, 1, memory_order_relaxed);
	return root;
}

void trie_put(struct trie_node **root)
{
	struct trie_node *node = *root;

	*root = NULL;
	if (!node)
		return;
	/* Release: our reads happen before the free. Acquire: so do the other owners'. */
	const unsigned before =
		atomic_fetch_sub_explicit(&node->owners, 1, memory_order_acq_rel);
	REQUIRE(before > 0);
	if (before > 1)
		return;
	if (node->kind == TRIE_BRANCH)
		for (unsigned i = 0; i < TRIE_WIDTH; i++)
			trie_put(&trie_as_branch(node)->child[i]);
	else if (node->kind == TRIE_EXTENSION)
		trie_put(&trie_as_extension(node)->child);
	free(node);
}

void trie_prefix_set(struct trie_prefix *prefix, const unsigned char *nibbles, unsigned n,
		     bool is_sibling)
{
	if (!prefix)
		return;
	prefix->n = n;
	prefix->is_sibling = is_sibling;
	memcpy(prefix->nibbles, nibbles, n);
}

bool trie_resolve(const struct trie_resolver *resolver, const unsigned char *hash,
		  struct span *rlp)
{
	struct eth_bytes32 wanted;

	memcpy(wanted.bytes, hash, sizeof wanted.bytes);
	return resolver && resolver->resolve(resolver->cookie, &wanted, rlp);
}

/* ---- walking ---- */

/* On the way to a key: first over nodes, then, from the first that is not resolved, over texts.
 */
struct walk {
	unsigned char key[TRIE_NIBBLES];
	unsigned n, at;
	const struct trie_resolver *resolver;
	trie_emit_fn *emit; /* NULL: nothing is emitted */
	void *cookie;
	enum err err; /* of emit */
};

static void walk_init(struct walk *walk, struct span key, const struct trie_resolver *resolver)
{
	walk->n = trie_key_nibbles(key, walk->key);
	walk->at = 0;
	walk->resolver = resolver;
	walk->emit = NULL;
	walk->cookie = NULL;
	walk->err = OK;
}

/* From a reference on. */
static enum trie_found walk_texts(struct walk *walk, struct span ref, struct span *value)
{
	struct trie_view view = {.kind = TRIE_LEAF};

	for (;;) {
		struct span text = ref;
		const bool embedded = ref.len < TRIE_HASH_BYTES;
		if (!embedded &&
		    !trie_resolve(walk->resolver, (const unsigned char *)ref.ptr, &text))
			return TRIE_UNRESOLVED;
		if (trie_view_open(text, &view) != OK ||
		    (!embedded && text.len < TRIE_HASH_BYTES && walk->at > 0))
			return TRIE_CORRUPT;
		if (walk->emit && !embedded)
			walk->err = walk->emit(walk->cookie, text);
		if (walk->err != OK)
			return TRIE_UNRESOLVED;
		switch (trie_view_step(&view, walk->key, walk->n, &walk->at, &ref)) {
		case STEP_VALUE:
			*value = ref;
			return TRIE_FOUND;
		case STEP_ABSENT:
			return TRIE_ABSENT;
		case STEP_CHILD:
			break;
		}
	}
}

/* The child of a node that is no leaf, towards a key that does not end here; NULL: there is
 * none. */
static struct trie_node *walk_down(struct walk *walk, struct trie_node *node)
{
	if (node->kind == TRIE_BRANCH)
		return trie_as_branch(node)->child[walk->key[walk->at++]];
	const struct trie_path path = trie_node_path(node);
	if (trie_path_common(path, walk->key + walk->at, walk->n - walk->at) < path.n)
		return NULL;
	walk->at += path.n;
	return trie_as_extension(node)->child;
}

static bool leaf_is_at(const struct walk *walk, const struct trie_node *leaf)
{
	const struct trie_path path = trie_node_path(leaf);

	return path.n == walk->n - walk->at &&
	       trie_path_common(path, walk->key + walk->at, path.n) == path.n;
}

static enum err emit_node(struct walk *walk, struct trie_node *node, bool is_root)
{
	unsigned char out[TRIE_NODE_BYTES];
	const struct span rlp = trie_node_encode(node, out);

	return rlp.len >= TRIE_HASH_BYTES || is_root ? walk->emit(walk->cookie, rlp) : OK;
}

static enum trie_found walk_nodes(struct walk *walk, struct trie_node *root, struct span *value)
{
	for (struct trie_node *node = root; node; node = walk_down(walk, node)) {
		if (node->kind == TRIE_HASHED)
			return walk_texts(
				walk, (struct span){(const char *)node->ref, TRIE_HASH_BYTES},
				value);
		if (walk->emit)
			walk->err = emit_node(walk, node, node == root);
		if (walk->err != OK)
			return TRIE_UNRESOLVED;
		const struct trie_node *end = node->kind == TRIE_LEAF ? node : NULL;
		if (node->kind == TRIE_BRANCH && walk->at == walk->n)
			end = trie_as_branch(node)->child[TRIE_VALUE];
		else if (!end)
			continue;
		if (!end || !leaf_is_at(walk, end))
			return TRIE_ABSENT;
		*value = trie_leaf_value(end);
		return TRIE_FOUND;
	}
	return TRIE_ABSENT;
}

enum trie_found trie_lookup(struct trie_node *root, struct span key,
			    const struct trie_resolver *resolver, struct span *value,
			    struct trie_prefix *unresolved)
{
	struct walk walk;

	walk_init(&walk, key, resolver);
	const enum trie_found found = walk_nodes(&walk, root, value);
	if (found == TRIE_UNRESOLVED)
		trie_prefix_set(unresolved, walk.key, walk.at, false);
	return found;
}

enum err trie_prove(struct trie_node *root, struct span key,
		    const struct trie_resolver *resolver, trie_emit_fn *emit, void *cookie,
		    struct trie_prefix *unresolved)
{
	struct walk walk;
	struct span value;

	walk_init(&walk, key, resolver);
	walk.emit = emit;
	walk.cookie = cookie;
	const enum trie_found found = walk_nodes(&walk, root, &value);
	if (walk.err != OK)
		return walk.err;
	if (found == TRIE_CORRUPT)
		return ERR_CORRUPT;
	if (found != TRIE_UNRESOLVED)
		return OK;
	trie_prefix_set(unresolved, walk.key, walk.at, false);
	return ERR_NOT_FOUND;
}
