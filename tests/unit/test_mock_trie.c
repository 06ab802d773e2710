/* SPDX-License-Identifier: MIT */
/*
 * Tries of the mock node: what is built is what the Yellow Paper says, by hand for the small
 * ones, and a walk finds what is there, proves what is not, and says what it misses.
 */
#include "mock_node/trie.h"
#include "base/keccak.h"
#include "base/rlp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static struct eth_bytes32 hash_of(const struct buf *rlp)
{
	struct eth_bytes32 hash;

	assert_int_equal(buf_err(rlp), OK);
	keccak256(rlp->ptr, rlp->len, &hash);
	return hash;
}

static void assert_hash(const struct eth_bytes32 *a, const struct eth_bytes32 *b)
{
	assert_memory_equal(a->bytes, b->bytes, sizeof a->bytes);
}

/* A key that is `fill` throughout but for its last byte. */
static struct trie_pair pair_of(unsigned fill, unsigned last, const char *value)
{
	struct trie_pair pair = {.value_len = strlen(value)};

	memset(pair.key.bytes, (int)fill, sizeof pair.key.bytes);
	pair.key.bytes[31] = (unsigned char)last;
	memcpy(pair.value, value, pair.value_len);
	return pair;
}

static struct eth_bytes32 build(struct trie_pair *pairs, size_t count, struct nodes *nodes)
{
	struct eth_bytes32 root, kept_root;

	assert_int_equal(trie_build(pairs, count, NULL, &root), OK);
	assert_int_equal(trie_build(pairs, count, nodes, &kept_root), OK);
	assert_hash(&root, &kept_root);
	return root;
}

static void nothing_has_the_root_of_the_empty_string(void **state)
{
	struct nodes nodes;
	struct walk walk;
	struct trie_pair none = pair_of(1, 1, "");
	(void)state;

	nodes_init(&nodes);
	struct eth_bytes32 root = build(&none, 0, &nodes);
	assert_hash(&root, &eth_empty_trie_root);
	assert_null(nodes.first);
	assert_int_equal(nodes_walk(&nodes, &root, &none.key, &walk), WALK_ABSENT);
	assert_int_equal(walk.depth, 0);
	nodes_release(&nodes);
}

static void one_pair_is_a_leaf(void **state)
{
	struct trie_pair pair = pair_of(0x11, 0x22, "value");
	unsigned char path[33] = {0x20}; /* even, a leaf */
	struct nodes nodes;
	struct walk walk;
	struct buf rlp;
	(void)state;

	nodes_init(&nodes);
	struct eth_bytes32 root = build(&pair, 1, &nodes);
	memcpy(path + 1, pair.key.bytes, 32);
	buf_init(&rlp, 4096);
	size_t list = rlp_list_open(&rlp);
	rlp_string(&rlp, path, sizeof path);
	rlp_string(&rlp, "value", 5);
	rlp_list_close(&rlp, list);
	struct eth_bytes32 wanted = hash_of(&rlp);
	assert_hash(&root, &wanted);
	assert_int_equal(nodes_walk(&nodes, &root, &pair.key, &walk), WALK_FOUND);
	assert_true(span_is(walk.value, "value"));
	assert_int_equal(walk.depth, 1);
	assert_true(span_equal(walk.path[0], buf_as_span(&rlp)));
	pair.key.bytes[5] ^= 1;
	assert_int_equal(nodes_walk(&nodes, &root, &pair.key, &walk), WALK_ABSENT);
	assert_int_equal(walk.depth, 1);
	buf_release(&rlp);
	nodes_release(&nodes);
}

/* [hex-prefix encoded path, value]: a leaf, or an extension. */
static void put_two(struct buf *rlp, const char *path, size_t n, const char *value)
{
	size_t list = rlp_list_open(rlp);
	rlp_string(rlp, path, n);
	rlp_string(rlp, value, strlen(value));
	rlp_list_close(rlp, list);
}

/* Two keys that part at the last nibble but one, with values so small that their leaves stand
 * in the branch, and the branch in the extension of 62 nibbles. */
static void small_nodes_stand_in_the_one_above(void **state)
{
	struct trie_pair pairs[] = {pair_of(0xaa, 0x7c, "2"), pair_of(0xaa, 0x3b, "1")};
	unsigned char path[32] = {0x00}; /* even, an extension */
	struct nodes nodes;
	struct walk walk;
	struct buf rlp;
	(void)state;

	nodes_init(&nodes);
	struct eth_bytes32 root = build(pairs, 2, &nodes);
	memset(path + 1, 0xaa, 31);
	buf_init(&rlp, 4096);
	size_t list = rlp_list_open(&rlp);
	rlp_string(&rlp, path, sizeof path);
	size_t branch = rlp_list_open(&rlp);
	for (int digit = 0; digit < 17; digit++) {
		if (digit == 3)
			put_two(&rlp, "\x3b", 1, "1");
		else if (digit == 7)
			put_two(&rlp, "\x3c", 1, "2");
		else
			rlp_string(&rlp, "", 0);
	}
	rlp_list_close(&rlp, branch);
	rlp_list_close(&rlp, list);
	struct eth_bytes32 wanted = hash_of(&rlp);
	assert_hash(&root, &wanted);
	assert_ptr_equal(nodes.first->next, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nodes_walk(&nodes, &root, &pairs[i].key, &walk), WALK_FOUND);
		assert_int_equal(walk.value.ptr[0], pairs[i].value[0]);
		assert_int_equal(walk.depth, 1);
	}
	static const unsigned others[] = {0x4b, 0x3c, 0x7b};
	for (int i = 0; i < 3; i++) {
		pairs[0].key.bytes[31] = (unsigned char)others[i];
		assert_int_equal(nodes_walk(&nodes, &root, &pairs[0].key, &walk), WALK_ABSENT);
	}
	buf_release(&rlp);
	nodes_release(&nodes);
}

/* Leaves of 31 bytes stand in the branch, of 32 do not. */
static void nodes_of_32_bytes_have_a_hash(void **state)
{
	static const char *const values[] = {"a value of 28 bytes, no more",
					     "a value of 29 bytes, one more"};
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct trie_pair pairs[] = {pair_of(0xaa, 0x7c, values[i]),
					    pair_of(0xaa, 0x3b, values[i])};
		struct nodes nodes;
		struct walk walk;
		assert_int_equal(pairs[0].value_len, 28 + i);
		nodes_init(&nodes);
		struct eth_bytes32 root = build(pairs, 2, &nodes);
		assert_int_equal(nodes_walk(&nodes, &root, &pairs[0].key, &walk), WALK_FOUND);
		assert_int_equal(walk.depth, 2 + i);
		nodes_release(&nodes);
	}
}

#define MANY 3000

/* splitmix64's step is enough to spread keys. */
static void many_pairs(struct trie_pair *pairs)
{
	for (uint64_t i = 0; i < MANY; i++) {
		struct eth_bytes32 slot = {{0}}, value = {{0}};
		be64_put(slot.bytes + 24, i);
		be64_put(value.bytes + (i % 4) * 8, i + 1);
		trie_put_slot(&pairs[i], &slot, &value);
	}
}

static void what_is_built_is_found(void **state)
{
	struct trie_pair *pairs = calloc(MANY, sizeof *pairs);
	struct eth_bytes32 value, absent;
	struct nodes nodes;
	struct walk walk;
	(void)state;

	assert_non_null(pairs);
	nodes_init(&nodes);
	many_pairs(pairs);
	struct eth_bytes32 root = build(pairs, MANY, &nodes);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(nodes_walk(&nodes, &root, &pairs[i].key, &walk), WALK_FOUND);
		assert_true(walk.depth > 2);
		assert_int_equal(walk.value.len, pairs[i].value_len);
		assert_memory_equal(walk.value.ptr, pairs[i].value, walk.value.len);
		assert_int_equal(trie_read_slot(walk.value, &value), OK);
		keccak256(&i, sizeof i, &absent);
		assert_int_equal(nodes_walk(&nodes, &root, &absent, &walk), WALK_ABSENT);
	}
	/* In another order, and with one value that is another. */
	struct trie_pair first = pairs[0];
	struct eth_bytes32 again;
	pairs[0] = pairs[MANY - 1];
	pairs[MANY - 1] = first;
	assert_int_equal(trie_build(pairs, MANY, NULL, &again), OK);
	assert_hash(&again, &root);
	pairs[17].value[0] ^= 1;
	assert_int_equal(trie_build(pairs, MANY, NULL, &again), OK);
	assert_memory_not_equal(again.bytes, root.bytes, 32);
	pairs[17].key = pairs[18].key;
	assert_int_equal(trie_build(pairs, MANY, NULL, &again), ERR_INVALID);
	nodes_release(&nodes);
	free(pairs);
}

/* All nodes but one: the keys below it are missed, by its hash, and no others. */
static void what_is_left_out_is_missed(void **state)
{
	struct trie_pair *pairs = calloc(MANY, sizeof *pairs);
	struct nodes nodes, fewer;
	struct walk whole, walk;
	struct eth_bytes32 hash;
	size_t missed = 0;
	(void)state;

	assert_non_null(pairs);
	nodes_init(&nodes);
	nodes_init(&fewer);
	many_pairs(pairs);
	struct eth_bytes32 root = build(pairs, MANY, &nodes);
	assert_int_equal(nodes_walk(&nodes, &root, &pairs[7].key, &whole), WALK_FOUND);
	struct span left_out = whole.path[1];
	for (const struct node_rlp *node = nodes.first; node; node = node->next) {
		if (!span_equal(node->rlp, left_out))
			assert_int_equal(nodes_add(&fewer, node->rlp, &hash), OK);
	}
	keccak256(left_out.ptr, left_out.len, &hash);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(nodes_walk(&nodes, &root, &pairs[i].key, &whole), WALK_FOUND);
		bool below = span_equal(whole.path[1], left_out);
		assert_int_equal(nodes_walk(&fewer, &root, &pairs[i].key, &walk),
				 below ? WALK_MISSING : WALK_FOUND);
		if (below)
			assert_hash(&walk.missing, &hash);
		missed += below;
	}
	assert_in_range(missed, 100, MANY / 4);
	nodes_release(&nodes);
	nodes_release(&fewer);
	free(pairs);
}

static void assert_broken(const struct buf *rlp)
{
	struct eth_bytes32 root, key = {{0xaa}};
	struct nodes nodes;
	struct walk walk;

	nodes_init(&nodes);
	assert_int_equal(nodes_add(&nodes, buf_as_span(rlp), &root), OK);
	assert_int_equal(nodes_walk(&nodes, &root, &key, &walk), WALK_BROKEN);
	nodes_release(&nodes);
}

static void what_is_no_node_is_refused(void **state)
{
	struct buf rlp;
	(void)state;

	buf_init(&rlp, 4096);
	rlp_string(&rlp, "a string", 8);
	assert_broken(&rlp);
	for (int items = 0; items < 20; items++) {
		if (items == 2 || items == 17)
			continue;
		buf_clear(&rlp);
		size_t list = rlp_list_open(&rlp);
		for (int i = 0; i < items; i++)
			rlp_string(&rlp, "", 0);
		rlp_list_close(&rlp, list);
		assert_broken(&rlp);
	}
	/* A path of no kind, one that is too long, a leaf that ends early, bytes behind. */
	static const char *const paths[] = {"\x40", "\x3a", "\x20", "\x2a"};
	for (int i = 0; i < 4; i++) {
		buf_clear(&rlp);
		put_two(&rlp, paths[i], 1, "value");
		assert_broken(&rlp);
	}
	buf_clear(&rlp);
	put_two(&rlp, "", 0, "value");
	assert_broken(&rlp);
	/* A reference that is neither a hash nor a node nor nothing. */
	buf_clear(&rlp);
	put_two(&rlp, "\x1a", 1, "value");
	assert_broken(&rlp);
	buf_release(&rlp);
}

static void accounts_are_read_as_they_were_written(void **state)
{
	static const uint64_t nonces[] = {0, 1, 0x80, UINT64_MAX};
	struct eth_address address = {{1, 2, 3}};
	(void)state;

	for (int i = 0; i < 4; i++) {
		struct trie_account account = {nonces[i], {{0}}, {{4}}, {{5}}}, read;
		struct trie_pair pair;
		memset(account.balance.bytes + 8 * i, 0xff, 32 - 8 * (size_t)i);
		trie_put_account(&pair, &address, &account);
		struct span value = {(const char *)pair.value, pair.value_len};
		assert_int_equal(trie_read_account(value, &read), OK);
		assert_int_equal(read.nonce, account.nonce);
		assert_memory_equal(read.balance.bytes, account.balance.bytes, 32);
		assert_hash(&read.storage_root, &account.storage_root);
		assert_hash(&read.code_hash, &account.code_hash);
		for (value.len = 0; value.len < pair.value_len; value.len++)
			assert_int_equal(trie_read_account(value, &read), ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_has_the_root_of_the_empty_string),
		cmocka_unit_test(one_pair_is_a_leaf),
		cmocka_unit_test(small_nodes_stand_in_the_one_above),
		cmocka_unit_test(nodes_of_32_bytes_have_a_hash),
		cmocka_unit_test(what_is_built_is_found),
		cmocka_unit_test(what_is_left_out_is_missed),
		cmocka_unit_test(what_is_no_node_is_refused),
		cmocka_unit_test(accounts_are_read_as_they_were_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
