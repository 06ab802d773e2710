/* SPDX-License-Identifier: MIT */
/* Portal's state proofs: of mainnet's WETH and its genesis, for keys that are not told but that
 * the nodes lead to. Some are cut. */
#include "trie_corpus.h"

enum { BYTES_MAX = 16 << 20 };

static struct arena arena;

/* Of a node with n items: appends the nibbles of its path, or which child has the hash; NULL:
 * the first that there is. */
static unsigned node_path(struct span items, unsigned n, const struct eth_bytes32 *next,
			  unsigned char *nibbles)
{
	struct rlp_item item;
	unsigned written = 0;

	for (unsigned i = 0; i < n; i++) {
		assert_ok(rlp_next(&items, &item));
		const unsigned char *path = (const unsigned char *)item.payload.ptr;
		if (n == 2 && i == 0)
			for (size_t k = path[0] & 0x10 ? 1 : 2; k < 2 * item.payload.len; k++)
				nibbles[written++] =
					k % 2 == 0 ? path[k / 2] >> 4 : path[k / 2] & 0x0f;
		if (n == 17 && written == 0 && item.payload.len == 32 &&
		    (!next || memcmp(path, next, 32) == 0))
			nibbles[written++] = (unsigned char)i;
	}
	return written;
}

/* The key that the nodes lead to. Returns how many nibbles it is known to have. */
static unsigned path_of(const struct list *list, unsigned char key[32])
{
	unsigned char nibbles[PROOF_NODES_MAX * 64] = {0};
	unsigned n = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct span input = list->nodes[i];
		struct rlp_item item;
		struct eth_bytes32 next;
		const bool is_last = i + 1 == list->n;
		unsigned items = 0;
		assert_ok(rlp_next(&input, &item));
		for (struct span rest = item.payload; rest.len > 0; items++) {
			struct rlp_item each;
			assert_ok(rlp_next(&rest, &each));
		}
		if (!is_last)
			keccak256(list->nodes[i + 1].ptr, list->nodes[i + 1].len, &next);
		n += node_path(item.payload, items, is_last ? NULL : &next, nibbles + n);
	}
	for (unsigned i = 0; i < 32; i++)
		key[i] = (unsigned char)(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
	return n;
}

/* Whole ones verify; those that end before a leaf do not. */
static bool follow_own_path(const struct eth_bytes32 *root, const json_t *array,
			    struct span *value)
{
	struct list list;
	struct eth_bytes32 key;
	struct err_detail detail;

	list_read(&arena, array, &list);
	const bool is_whole = path_of(&list, key.bytes) == 64;
	const enum err err = proof_verify(root, (struct span){(const char *)key.bytes, 32},
					  list_of(&list), value, &detail);
	assert_int_equal(err, is_whole ? OK : ERR_BAD_ANSWER);
	if (is_whole)
		assert_true(value->len > 0);
	else
		assert_non_null(strstr(detail.text, "before its key does"));
	return is_whole;
}

static void portal_proofs(void **state)
{
	(void)state;
	arena_init(&arena, BYTES_MAX);
	json_t *file = corpus_json("eip1186-proofs/portal-spec-tests/portal_state_proofs.json");
	int whole = 0, cut = 0;

	for (size_t i = 0; i < json_array_size(file); i++) {
		const json_t *entry = json_array_get(file, i);
		const struct eth_bytes32 root = word_of(text_at(entry, "stateRoot"));
		struct trie_account account;
		struct span value;
		const bool is_whole =
			follow_own_path(&root, json_object_get(entry, "accountProof"), &value);
		whole += is_whole;
		cut += !is_whole;
		if (!is_whole)
			continue;
		assert_ok(trie_account_decode(value, &account));
		if (json_object_get(entry, "storageProof")) {
			const bool has_slot =
				follow_own_path(&account.storage_root,
						json_object_get(entry, "storageProof"), &value);
			whole += has_slot;
			cut += !has_slot;
		}
		if (json_object_get(entry, "code")) {
			const struct span code = hex_bytes(&arena, text_at(entry, "code"));
			struct eth_bytes32 hash;
			keccak256(code.ptr, code.len, &hash);
			assert_memory_equal(hash.bytes, account.code_hash.bytes, 32);
		}
	}
	print_message("%d proofs lead to a leaf, %d end before\n", whole, cut);
	assert_true(whole >= 6 && cut >= 4);
	json_decref(file);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(portal_proofs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
