/* SPDX-License-Identifier: MIT */
#include "mock_node/trie.h"
#include "base/keccak.h"
#include "base/rlp.h"
#include <stdlib.h>

#define NIBBLES 64
#define HASHED	32 /* a node of so many bytes is referred to by its hash */
/* A branch and what is open below it: at most 64 of some 600 bytes. */
#define RLP_LIMIT 65536

struct build {
	const struct trie_pair *pairs;
	struct nodes *keep;
	struct buf rlp;
	enum err err;
};

static void put_value(struct trie_pair *pair, const struct buf *rlp)
{
	REQUIRE(rlp->len <= sizeof pair->value);
	memcpy(pair->value, rlp->ptr, rlp->len);
	pair->value_len = rlp->len;
}

/* A buffer over memory of the caller, which never grows: `room` is more than is needed. */
static struct buf fixed_buf(char *room, size_t n)
{
	return (struct buf){.ptr = room, .capacity = n, .limit = n - 1};
}

void trie_put_account(struct trie_pair *pair, const struct eth_address *address,
		      const struct trie_account *account)
{
	char room[2 * TRIE_VALUE_MAX];
	struct buf rlp = fixed_buf(room, sizeof room);
	size_t list = rlp_list_open(&rlp);

	rlp_u64(&rlp, account->nonce);
	rlp_u256(&rlp, &account->balance);
	rlp_string(&rlp, account->storage_root.bytes, 32);
	rlp_string(&rlp, account->code_hash.bytes, 32);
	rlp_list_close(&rlp, list);
	put_value(pair, &rlp);
	keccak256(address->bytes, sizeof address->bytes, &pair->key);
}

void trie_put_slot(struct trie_pair *pair, const struct eth_bytes32 *slot,
		   const struct eth_bytes32 *value)
{
	char room[2 * TRIE_VALUE_MAX];
	struct buf rlp = fixed_buf(room, sizeof room);
	struct eth_u256 number;

	memcpy(number.bytes, value->bytes, sizeof number.bytes);
	rlp_u256(&rlp, &number);
	put_value(pair, &rlp);
	keccak256(slot->bytes, sizeof slot->bytes, &pair->key);
}

/* A number of at most `n` bytes without leading zeros, right-aligned. */
static enum err read_number(const struct rlp_item *item, unsigned char *out, size_t n)
{
	struct span text = item->payload;

	if (item->is_list || text.len > n || (text.len > 0 && text.ptr[0] == 0))
		return ERR_INVALID;
	memset(out, 0, n - text.len);
	memcpy(out + n - text.len, text.ptr, text.len);
	return OK;
}

static enum err read_hash(const struct rlp_item *item, struct eth_bytes32 *out)
{
	if (item->is_list || item->payload.len != sizeof out->bytes)
		return ERR_INVALID;
	memcpy(out->bytes, item->payload.ptr, sizeof out->bytes);
	return OK;
}

enum err trie_read_account(struct span value, struct trie_account *account)
{
	struct rlp_item list, items[4];
	unsigned char nonce[8];

	if (rlp_next(&value, &list) != OK || !list.is_list || value.len)
		return ERR_INVALID;
	for (int i = 0; i < 4; i++) {
		if (rlp_next(&list.payload, &items[i]) != OK)
			return ERR_INVALID;
	}
	if (list.payload.len || read_number(&items[0], nonce, sizeof nonce) != OK ||
	    read_number(&items[1], account->balance.bytes, 32) != OK ||
	    read_hash(&items[2], &account->storage_root) != OK)
		return ERR_INVALID;
	account->nonce = be64_get(nonce);
	return read_hash(&items[3], &account->code_hash);
}

enum err trie_read_slot(struct span value, struct eth_bytes32 *out)
{
	struct rlp_item item;

	if (rlp_next(&value, &item) != OK || value.len || item.payload.len == 0)
		return ERR_INVALID;
	return read_number(&item, out->bytes, sizeof out->bytes);
}

static unsigned nibble(const struct trie_pair *pair, size_t i)
{
	unsigned byte = pair->key.bytes[i / 2];
	return i % 2 ? byte & 15 : byte >> 4;
}

/* The hex-prefix encoding (Yellow Paper, appendix C) of nibbles at .. end of a key. */
static void hex_prefix(struct buf *rlp, const struct trie_pair *pair, size_t at, size_t end,
		       bool leaf)
{
	unsigned char text[1 + NIBBLES / 2];
	size_t n = 0;
	bool odd = (end - at) % 2;

	text[n++] = (unsigned char)((leaf ? 0x20 : 0) | (odd ? 0x10 | nibble(pair, at) : 0));
	for (at += odd; at < end; at += 2)
		text[n++] = (unsigned char)(nibble(pair, at) << 4 | nibble(pair, at + 1));
	rlp_string(rlp, text, n);
}

static void put_node(struct build *build, size_t first, size_t end, size_t at);

/* The node of more than 31 bytes that begins at `mark` gives way to its hash. */
static void put_hash(struct build *build, size_t mark)
{
	struct span node = {build->rlp.ptr + mark, build->rlp.len - mark};
	struct eth_bytes32 hash;

	if (build->keep && build->err == OK)
		build->err = nodes_add(build->keep, node, &hash);
	else
		keccak256(node.ptr, node.len, &hash);
	build->rlp.len = mark;
	rlp_string(&build->rlp, hash.bytes, sizeof hash.bytes);
}

static void put_reference(struct build *build, size_t first, size_t end, size_t at)
{
	size_t mark = build->rlp.len;

	put_node(build, first, end, at);
	if (build->rlp.len - mark >= HASHED)
		put_hash(build, mark);
}

static void put_branch(struct build *build, size_t first, size_t end, size_t at)
{
	size_t list = rlp_list_open(&build->rlp);

	for (unsigned digit = 0; digit < 16; digit++) {
		size_t next = first;
		while (next < end && nibble(&build->pairs[next], at) == digit)
			next++;
		if (next > first)
			put_reference(build, first, next, at + 1);
		else
			rlp_string(&build->rlp, "", 0);
		first = next;
	}
	rlp_string(&build->rlp, "", 0); /* no key ends in a branch */
	rlp_list_close(&build->rlp, list);
}

/* Appends the node of the pairs first .. end - 1, of which the first `at` nibbles are the
 * same. Recurses at most once for each nibble. */
static void put_node(struct build *build, size_t first, size_t end, size_t at)
{
	const struct trie_pair *a = &build->pairs[first], *b = &build->pairs[end - 1];
	size_t shared = at;

	while (shared < NIBBLES && nibble(a, shared) == nibble(b, shared))
		shared++;
	if (end - first > 1 && shared == at) {
		put_branch(build, first, end, at);
		return;
	}
	size_t list = rlp_list_open(&build->rlp);
	hex_prefix(&build->rlp, a, at, shared, end - first == 1);
	if (end - first == 1)
		rlp_string(&build->rlp, a->value, a->value_len);
	else
		put_reference(build, first, end, shared);
	rlp_list_close(&build->rlp, list);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct trie_pair *)a)->key.bytes,
		      ((const struct trie_pair *)b)->key.bytes, 32);
}

enum err trie_build(struct trie_pair *pairs, size_t count, struct nodes *keep,
		    struct eth_bytes32 *root)
{
	struct build build = {.pairs = pairs, .keep = keep};

	*root = eth_empty_trie_root;
	if (count == 0)
		return OK;
	qsort(pairs, count, sizeof *pairs, by_key);
	for (size_t i = 1; i < count; i++) {
		if (by_key(&pairs[i - 1], &pairs[i]) == 0)
			return ERR_INVALID;
	}
	buf_init(&build.rlp, RLP_LIMIT);
	put_node(&build, 0, count, 0);
	if (build.err == OK)
		build.err = buf_err(&build.rlp);
	if (build.err == OK && keep)
		build.err = nodes_add(keep, buf_as_span(&build.rlp), root);
	else if (build.err == OK)
		keccak256(build.rlp.ptr, build.rlp.len, root);
	buf_release(&build.rlp);
	return build.err;
}
