/* SPDX-License-Identifier: MIT */
/* The trie tests of github.com/ethereum/tests: TrieTests/. */
#include "trie_corpus.h"

enum { KEY_MAX = 32 };

static int vectors;

/* "0x…" is hex, anything else is text. */
static struct span bytes_of(struct arena *arena, const char *text)
{
	return strncmp(text, "0x", 2) == 0 ? hex_bytes(arena, text) : span_of(text);
}

static void put(struct trie_node **root, bool is_secure, const char *key, const char *value)
{
	struct arena arena;
	struct eth_bytes32 digest;

	arena_init(&arena, 1 << 20);
	struct span key_bytes = bytes_of(&arena, key);
	if (is_secure)
		key_bytes = key_of(key_bytes.ptr, key_bytes.len, &digest);
	const struct span leaf = value ? bytes_of(&arena, value) : SPAN("");
	assert_true(key_bytes.len <= KEY_MAX);
	assert_ok(trie_set(root, key_bytes, leaf, NULL, NULL));
	arena_release(&arena);
}

/* [[key, value or null], …] */
static void put_list(struct trie_node **root, bool is_secure, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		put(root, is_secure, json_string_value(json_array_get(pair, 0)),
		    json_string_value(json_array_get(pair, 1)));
	}
}

static void run_vector(const char *name, bool is_secure, json_t *vector)
{
	json_t *in = json_object_get(vector, "in");
	uint64_t seed = 1;

	for (int round = 0; round < (json_is_object(in) ? 20 : 1); round++) {
		struct trie_node *root = NULL;
		if (json_is_object(in)) {
			const char **keys = shuffled_keys(in, &seed);
			for (size_t i = 0; keys[i]; i++)
				put(&root, is_secure, keys[i], text_at(in, keys[i]));
			free(keys);
		} else {
			put_list(&root, is_secure, in);
		}
		assert_trie(name, root, text_at(vector, "root"));
		trie_put(&root);
	}
	vectors++;
}

static void run_file(const char *path)
{
	const bool is_secure = strstr(path, "secure") || strstr(path, "Secure");
	json_t *file = corpus_json(path), *vector;
	const char *name;

	json_object_foreach(file, name, vector)
	{
		/* trietestnextprev.json is about an order of keys that nothing here has. */
		if (json_object_get(vector, "root"))
			run_vector(name, is_secure, vector);
	}
	json_decref(file);
}

static void ethereum_tests(void **state)
{
	(void)state;
	const int files = corpus_each("ethereum-tests/TrieTests", ".json", run_file);
	print_message("%d files, %d roots\n", files, vectors);
	assert_true(vectors >= 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethereum_tests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
