/* SPDX-License-Identifier: MIT */
/* What a fork does to delete where a branch collapses: the sibling is seen in the proof of a
 * key that was ground to its place. */
#include "trie_fixture.h"
#include "base/grind.h"

enum { ACCOUNTS = 300, LIMIT = 1 << 20 };

static struct span address_key(uint64_t i, struct eth_bytes32 *hash)
{
	unsigned char address[20] = {0xac};

	memcpy(address + 12, &i, sizeof i);
	keccak256(address, sizeof address, hash);
	return (struct span){(const char *)hash->bytes, sizeof hash->bytes};
}

static enum err add(void *cookie, struct span rlp)
{
	return trie_nodes_add(cookie, rlp);
}

/* The upstream's answer: the proof of the ground address. */
static void learn_sibling(struct trie_node *full, const struct trie_prefix *prefix,
			  struct trie_nodes *nodes)
{
	unsigned char address[20];
	struct eth_bytes32 hash;

	assert_ok(grind_key(prefix->nibbles, prefix->n, sizeof address, 2, NULL, address));
	keccak256(address, sizeof address, &hash);
	const struct span key = {(const char *)hash.bytes, sizeof hash.bytes};
	assert_ok(trie_prove(full, key, NULL, add, nodes, NULL));
}

/* Deletes one account of a trie of which only its proof is known. True: a sibling was needed.
 */
static bool delete_one(struct trie_node *full, const struct eth_bytes32 *root, uint64_t i)
{
	struct trie_nodes *nodes = trie_nodes_new(LIMIT);
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	struct trie_node *partial, *want = trie_get(full);
	struct trie_prefix prefix;
	struct eth_bytes32 hash;
	const struct span key = address_key(i, &hash);

	assert_ok(trie_prove(full, key, NULL, add, nodes, NULL));
	assert_ok(trie_from_root(root, &partial));
	const enum err err = trie_set(&partial, key, SPAN(""), &resolver, &prefix);
	assert_true(err == OK || err == ERR_NOT_FOUND);
	if (err != OK) {
		assert_true(prefix.is_sibling);
		learn_sibling(full, &prefix, nodes);
		assert_ok(trie_set(&partial, key, SPAN(""), &resolver, &prefix));
	}
	assert_ok(trie_set(&want, key, SPAN(""), NULL, NULL));
	trie_root_hash(want, &hash);
	assert_root(partial, &hash);
	trie_put(&want);
	trie_put(&partial);
	trie_nodes_free(&nodes);
	return err != OK;
}

static void a_ground_key_shows_the_sibling(void **state)
{
	(void)state;
	struct trie_node *full = NULL;
	unsigned char leaf[TRIE_ACCOUNT_BYTES];
	struct eth_bytes32 hash;
	int siblings = 0;

	for (uint64_t i = 0; i < ACCOUNTS; i++) {
		struct trie_account account = trie_account_empty;
		account.nonce = i + 1;
		const struct span value = trie_account_encode(&account, leaf);
		assert_ok(trie_set(&full, address_key(i, &hash), value, NULL, NULL));
	}
	trie_root_hash(full, &hash);
	for (uint64_t i = 0; i < ACCOUNTS; i++)
		siblings += delete_one(full, &hash, i);
	assert_in_range(siblings, 50, ACCOUNTS);
	trie_put(&full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ground_key_shows_the_sibling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
