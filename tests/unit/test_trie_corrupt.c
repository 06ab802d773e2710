/* SPDX-License-Identifier: MIT */
/* Texts of nodes that are none. */
#include "trie_fixture.h"

enum { NODES_LIMIT = 1 << 22 };

static bool one_resolve(void *cookie, const struct eth_bytes32 *hash, struct span *rlp)
{
	(void)hash;
	*rlp = *(const struct span *)cookie;
	return true;
}

static void assert_corrupt(struct span rlp)
{
	const struct trie_resolver resolver = {one_resolve, &rlp};
	const struct eth_bytes32 hash = {{1}};
	struct trie_node *root;
	struct span value;

	assert_ok(trie_from_root(&hash, &root));
	assert_int_equal(trie_lookup(root, SPAN("\x11\x11"), &resolver, &value, NULL),
			 TRIE_CORRUPT);
	assert_int_equal(trie_set(&root, SPAN("\x11\x11"), SPAN("v"), &resolver, NULL),
			 ERR_CORRUPT);
	assert_int_equal(trie_set(&root, SPAN("\x11\x11"), SPAN(""), &resolver, NULL),
			 ERR_CORRUPT);
	assert_root(root, &hash);
	trie_put(&root);
}

#define HASH "01234567890123456789012345678901"

static void refuses_what_is_no_node(void **state)
{
	(void)state;
	assert_corrupt(SPAN(""));
	assert_corrupt(SPAN("\x80"));
	assert_corrupt(SPAN("\xc0"));
	assert_corrupt(SPAN("\xc2\x20"));      /* cut */
	assert_corrupt(SPAN("\xc2\x20v."));    /* something after it */
	assert_corrupt(SPAN("\xc3\x20vv"));    /* three items */
	assert_corrupt(SPAN("\xc2\x20\x80"));  /* an empty value */
	assert_corrupt(SPAN("\xc2\x20\xc0"));  /* a list for a value */
	assert_corrupt(SPAN("\xc2\x80v"));     /* no path */
	assert_corrupt(SPAN("\xc2\xc0v"));     /* a list for a path */
	assert_corrupt(SPAN("\xc2\x21v"));     /* padding that is not zero */
	assert_corrupt(SPAN("\xc2\x40v"));     /* a flag that there is not */
	assert_corrupt(SPAN("\xc3\x81\x20v")); /* not the shortest form */
	assert_corrupt(SPAN("\xc2\x11v"));     /* an extension to no node */
	assert_corrupt(SPAN("\xc2\x11\x80"));
	assert_corrupt(SPAN("\xe2\x00\xa0" HASH)); /* of no nibbles */
	assert_corrupt(SPAN("\xd1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
			    "\x80v")); /* a branch with one child */
	assert_corrupt(SPAN("\xd1vv\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
			    "\x80")); /* children that are bytes */
	assert_corrupt(SPAN("\xd0vv\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
	/* A path of 66 nibbles. */
	assert_corrupt(SPAN("\xe4\xa2\x20" HASH "4v"));
}

/* What is embedded is looked into when it is needed, or becomes part of nodes. */
static void refuses_what_is_embedded_wrongly(void **state)
{
	(void)state;
	/* An extension to a leaf. */
	struct span leaf = SPAN("\xc4\x11\xc2\x20v");
	const struct trie_resolver resolver = {one_resolve, &leaf};
	const struct eth_bytes32 hash = {{1}};
	struct trie_node *root;

	assert_ok(trie_from_root(&hash, &root));
	assert_int_equal(trie_set(&root, SPAN("\x11"), SPAN("v"), &resolver, NULL),
			 ERR_CORRUPT);
	/* One whose leaf, behind 60 nibbles and a branch, has 8 more. */
	leaf = SPAN("\xf8\x3b\x9f\x00"
		    "\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11"
		    "\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11"
		    "\xda\xc2\x20v\xc7\x85\x20\x11\x11\x11\x11v"
		    "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80");
	assert_int_equal(trie_set(&root, SPAN("\x22"), SPAN("v"), &resolver, NULL),
			 ERR_CORRUPT);
	/* One that has 40 bytes, and would have to be hashed. */
	leaf = SPAN("\xea\x11\xe8\x20\xa6" HASH "123456");
	assert_int_equal(trie_set(&root, SPAN("\x11"), SPAN("v"), &resolver, NULL),
			 ERR_CORRUPT);
	assert_root(root, &hash);
	trie_put(&root);
}

/* A branch whose children at 1 and 2 are these, under their hashes. */
static struct trie_node *branch_of(struct trie_nodes *nodes, struct span one, struct span two)
{
	struct eth_bytes32 hash[3];
	struct trie_node *root;
	struct buf top;

	assert_ok(trie_nodes_add(nodes, one));
	assert_ok(trie_nodes_add(nodes, two));
	keccak256(one.ptr, one.len, &hash[1]);
	keccak256(two.ptr, two.len, &hash[2]);
	buf_init(&top, 100);
	const size_t mark = rlp_list_open(&top);
	for (int i = 0; i < 17; i++)
		rlp_string(&top, hash[i % 3].bytes, i == 1 || i == 2 ? 32 : 0);
	rlp_list_close(&top, mark);
	assert_ok(trie_nodes_add(nodes, buf_as_span(&top)));
	keccak256(top.ptr, top.len, &hash[0]);
	buf_release(&top);
	assert_ok(trie_from_root(&hash[0], &root));
	return root;
}

/* A node below the root that is too short to have been hashed: on the way, or as a sibling. */
static void refuses_a_hash_of_a_short_node(void **state)
{
	(void)state;
	struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	const struct span brief = SPAN("\xc2\x31v"), whole = SPAN("\xe2\x31\xa0" HASH);
	struct trie_node *root = branch_of(nodes, brief, whole);
	struct span value;

	assert_int_equal(trie_lookup(root, SPAN("\x21"), &resolver, &value, NULL), TRIE_FOUND);
	assert_int_equal(trie_lookup(root, SPAN("\x11"), &resolver, &value, NULL),
			 TRIE_CORRUPT);
	assert_int_equal(trie_set(&root, SPAN("\x11"), SPAN("w"), &resolver, NULL),
			 ERR_CORRUPT);
	assert_int_equal(trie_set(&root, SPAN("\x21"), SPAN(""), &resolver, NULL), ERR_CORRUPT);
	trie_put(&root);
	trie_nodes_free(&nodes);
}

/* Which is known when it is needed, and would be merged. */
static void refuses_a_leaf_below_an_extension(void **state)
{
	(void)state;
	struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	const struct span leaf = SPAN("\xe4\x31\xa2" HASH "vv");
	struct eth_bytes32 hash;
	struct trie_node *root;
	struct buf top;

	assert_ok(trie_nodes_add(nodes, leaf));
	keccak256(leaf.ptr, leaf.len, &hash);
	buf_init(&top, 100);
	const size_t mark = rlp_list_open(&top);
	rlp_string(&top, "\x11", 1);
	rlp_string(&top, hash.bytes, 32);
	rlp_list_close(&top, mark);
	assert_ok(trie_nodes_add(nodes, buf_as_span(&top)));
	keccak256(top.ptr, top.len, &hash);
	assert_ok(trie_from_root(&hash, &root));
	assert_int_equal(trie_set(&root, SPAN("\x11"), SPAN(""), &resolver, NULL), ERR_CORRUPT);
	assert_int_equal(trie_set(&root, SPAN("\x11"), SPAN("w"), &resolver, NULL),
			 ERR_CORRUPT);
	assert_root(root, &hash);
	trie_put(&root);
	trie_nodes_free(&nodes);
	buf_release(&top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_node),
		cmocka_unit_test(refuses_what_is_embedded_wrongly),
		cmocka_unit_test(refuses_a_hash_of_a_short_node),
		cmocka_unit_test(refuses_a_leaf_below_an_extension),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
