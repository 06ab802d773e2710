/* SPDX-License-Identifier: MIT */
#include "base/rlp.h"
#include "base/trie_impl.h"

unsigned trie_path_common(struct trie_path path, const unsigned char *key, unsigned n)
{
	const unsigned most = path.n < n ? path.n : n;
	unsigned i = 0;

	while (i < most && trie_path_nibble(path, i) == key[i])
		i++;
	return i;
}

void trie_path_write(unsigned char *out, const unsigned char *nibbles, unsigned n, bool is_leaf)
{
	const unsigned odd = n & 1;

	out[0] = (unsigned char)((is_leaf ? 0x20 : 0) | (odd ? 0x10 | nibbles[0] : 0));
	for (unsigned i = odd; i < n; i += 2)
		out[1 + i / 2] = (unsigned char)(nibbles[i] << 4 | nibbles[i + 1]);
}

void trie_path_nibbles(struct trie_path path, unsigned char *out)
{
	for (unsigned i = 0; i < path.n; i++)
		out[i] = (unsigned char)trie_path_nibble(path, i);
}

unsigned trie_key_nibbles(struct span key, unsigned char nibbles[TRIE_NIBBLES])
{
	REQUIRE(key.len <= TRIE_KEY_BYTES);
	for (size_t i = 0; i < key.len; i++) {
		nibbles[2 * i] = (unsigned char)key.ptr[i] >> 4;
		nibbles[2 * i + 1] = (unsigned char)key.ptr[i] & 0x0f;
	}
	return 2 * (unsigned)key.len;
}

/* ---- RLP ---- */

/* Hex-prefix: no other flags, no padding that is not zero. */
static enum err open_path(struct span bytes, struct trie_view *view)
{
	const unsigned char *hp = (const unsigned char *)bytes.ptr;

	if (bytes.len == 0 || bytes.len > TRIE_PATH_BYTES)
		return ERR_CORRUPT;
	const unsigned flags = hp[0] >> 4;
	if (flags > 3 || ((flags & 1) == 0 && (hp[0] & 0x0f) != 0))
		return ERR_CORRUPT;
	view->kind = flags & 2 ? TRIE_LEAF : TRIE_EXTENSION;
	view->path = trie_path_open(hp, (unsigned)bytes.len);
	return view->path.n <= TRIE_NIBBLES ? OK : ERR_CORRUPT;
}

/* A child as its parent has it: a hash, nothing, or a list of less than 32 bytes with its head.
 */
static enum err open_child(struct span *input, struct span *child)
{
	const char *begin = input->ptr;
	struct rlp_item item;

	if (rlp_next(input, &item) != OK)
		return ERR_CORRUPT;
	if (item.is_list) {
		*child = (struct span){begin, (size_t)(input->ptr - begin)};
		return child->len < TRIE_HASH_BYTES ? OK : ERR_CORRUPT;
	}
	*child = item.payload;
	return child->len == 0 || child->len == TRIE_HASH_BYTES ? OK : ERR_CORRUPT;
}

static enum err open_value(struct span *input, struct span *value)
{
	struct rlp_item item;

	if (rlp_next(input, &item) != OK || item.is_list || item.payload.len > TRIE_VALUE_BYTES)
		return ERR_CORRUPT;
	*value = item.payload;
	return OK;
}

static enum err open_short(struct span items, struct trie_view *view)
{
	struct rlp_item path;

	if (rlp_next(&items, &path) != OK || path.is_list ||
	    open_path(path.payload, view) != OK)
		return ERR_CORRUPT;
	if (view->kind == TRIE_LEAF)
		return open_value(&items, &view->value) == OK && view->value.len > 0
			       ? OK
			       : ERR_CORRUPT;
	if (open_child(&items, &view->child[0]) != OK || view->child[0].len == 0)
		return ERR_CORRUPT;
	return view->path.n > 0 ? OK : ERR_CORRUPT;
}

static enum err open_branch(struct span items, struct trie_view *view)
{
	unsigned there = 0;

	view->kind = TRIE_BRANCH;
	for (unsigned i = 0; i < 16; i++) {
		if (open_child(&items, &view->child[i]) != OK)
			return ERR_CORRUPT;
		there += view->child[i].len > 0;
	}
	if (open_value(&items, &view->value) != OK)
		return ERR_CORRUPT;
	return there + (view->value.len > 0) >= 2 ? OK : ERR_CORRUPT;
}

enum err trie_view_open(struct span rlp, struct trie_view *view)
{
	struct rlp_item list, item;

	if (rlp_next(&rlp, &list) != OK || !list.is_list || rlp.len > 0)
		return ERR_CORRUPT;
	struct span rest = list.payload;
	unsigned n = 0;
	for (; rest.len > 0 && n <= TRIE_WIDTH; n++)
		if (rlp_next(&rest, &item) != OK)
			return ERR_CORRUPT;
	if (n == 2)
		return open_short(list.payload, view);
	return n == TRIE_WIDTH ? open_branch(list.payload, view) : ERR_CORRUPT;
}

enum trie_step trie_view_step(const struct trie_view *view, const unsigned char *key,
			      unsigned n, unsigned *at, struct span *next)
{
	const unsigned left = n - *at;

	if (view->kind == TRIE_BRANCH) {
		*next = left == 0 ? view->value : view->child[key[*at]];
		if (next->len == 0)
			return STEP_ABSENT;
		if (left == 0)
			return STEP_VALUE;
		++*at;
		return STEP_CHILD;
	}
	if (trie_path_common(view->path, key + *at, left) < view->path.n)
		return STEP_ABSENT;
	*at += view->path.n;
	*next = view->kind == TRIE_LEAF ? view->value : view->child[0];
	if (view->kind == TRIE_EXTENSION)
		return STEP_CHILD;
	return *at == n ? STEP_VALUE : STEP_ABSENT;
}

/* ---- nodes ---- */

static enum err decode_child(struct span ref, unsigned room, struct trie_node **child)
{
	if (ref.len == 0)
		return OK;
	if (ref.len < TRIE_HASH_BYTES)
		return trie_node_decode(ref, room, NULL, child);
	*child = trie_hashed_new((const unsigned char *)ref.ptr);
	return *child ? OK : ERR_NOMEM;
}

static enum err decode_extension(const struct trie_view *view, unsigned room,
				 struct trie_node **node)
{
	unsigned char nibbles[TRIE_NIBBLES];
	struct trie_node *child = NULL;
	enum err err = decode_child(view->child[0], room - view->path.n, &child);

	if (err != OK)
		return err;
	if (child->kind != TRIE_BRANCH && child->kind != TRIE_HASHED) {
		trie_put(&child);
		return ERR_CORRUPT; /* it would be merged with this one */
	}
	if (child->kind == TRIE_HASHED)
		child->is_branch = true;
	trie_path_nibbles(view->path, nibbles);
	*node = trie_extension_new(nibbles, view->path.n, child);
	if (!*node)
		trie_put(&child);
	return *node ? OK : ERR_NOMEM;
}

static enum err decode_branch(const struct trie_view *view, unsigned room,
			      struct trie_node **node)
{
	struct trie_node *made = trie_branch_new();
	enum err err = made ? OK : ERR_NOMEM;

	for (unsigned i = 0; i < 16 && err == OK; i++)
		err = decode_child(view->child[i], room - 1, &trie_as_branch(made)->child[i]);
	if (err == OK && view->value.len > 0) {
		struct trie_node *value = trie_leaf_new(NULL, 0, view->value);
		trie_as_branch(made)->child[TRIE_VALUE] = value;
		err = value ? OK : ERR_NOMEM;
	}
	if (err == OK)
		*node = made;
	else
		trie_put(&made);
	return err;
}

static enum err decode_leaf(const struct trie_view *view, struct trie_node **node)
{
	unsigned char nibbles[TRIE_NIBBLES];

	trie_path_nibbles(view->path, nibbles);
	*node = trie_leaf_new(nibbles, view->path.n, view->value);
	return *node ? OK : ERR_NOMEM;
}

static enum err decode_view(const struct trie_view *view, unsigned room,
			    struct trie_node **node)
{
	if (view->kind == TRIE_BRANCH)
		return room > 0 ? decode_branch(view, room, node) : ERR_CORRUPT;
	if (view->path.n > room)
		return ERR_CORRUPT;
	return view->kind == TRIE_LEAF ? decode_leaf(view, node)
				       : decode_extension(view, room, node);
}

enum err trie_node_decode(struct span rlp, unsigned room, const unsigned char *hash,
			  struct trie_node **node)
{
	struct trie_view view = {.kind = TRIE_LEAF};
	enum err err = trie_view_open(rlp, &view);

	if (err == OK)
		err = decode_view(&view, room, node);
	if (err != OK)
		return err;
	if (rlp.len < TRIE_HASH_BYTES)
		trie_ref_set(*node, (const unsigned char *)rlp.ptr, (unsigned)rlp.len);
	else if (hash)
		trie_ref_set(*node, hash, TRIE_HASH_BYTES);
	return OK;
}
