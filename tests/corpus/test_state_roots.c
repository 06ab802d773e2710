/* SPDX-License-Identifier: MIT */
/* States whose roots are known: test vectors, the geneses of public networks, and the first
 * thousand blocks of mainnet, in which nobody but miners got anything. */
#include "trie_corpus.h"

static uint64_t seed = 42;

/* Accounts and slots that do not belong there. */
enum { JUNK = 40 };

static void junk_set(struct trie_node **root, uint64_t first, bool is_there)
{
	for (uint64_t i = first; i < first + JUNK; i++) {
		struct eth_bytes32 digest;
		const struct span key = key_of(&i, sizeof i, &digest);
		const size_t len = is_there ? 1 + i % 60 : 0;
		assert_ok(trie_set(root, key,
				   (struct span){(const char *)digest.bytes, len % 33}, NULL,
				   NULL));
	}
}

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

static void storage_root(json_t *storage, bool with_junk, struct eth_bytes32 *hash)
{
	struct trie_node *root = NULL;
	const char **slots = shuffled_keys(storage, &seed);
	const uint64_t junk = corpus_random(&seed);

	if (with_junk)
		junk_set(&root, junk, true);
	for (size_t i = 0; slots[i]; i++)
		assert_ok(slot_put(&root, slots[i], text_at(storage, slots[i]), NULL));
	if (with_junk)
		junk_set(&root, junk, false);
	trie_root_hash(root, hash);
	trie_put(&root);
	free(slots);
}

/* bare_hex: numbers are hex without 0x. */
static struct eth_u256 balance_of(const json_t *entry, bool bare_hex)
{
	const char *text = text_or(entry, "balance", "0");
	struct eth_bytes32 word;
	struct eth_u256 number;

	if (!bare_hex)
		return number_of(text);
	word = word_of(text);
	memcpy(number.bytes, word.bytes, sizeof number.bytes);
	return number;
}

static void put_entry(struct trie_node **root, const char *address, const json_t *entry,
		      bool bare_hex, bool with_junk)
{
	struct trie_account account = trie_account_empty;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	const struct span code = hex_bytes(&arena, text_or(entry, "code", "0x"));
	keccak256(code.ptr, code.len, &account.code_hash);
	account.nonce = small_of(text_or(entry, "nonce", "0"));
	account.balance = balance_of(entry, bare_hex);
	storage_root(json_object_get(entry, "storage"), with_junk, &account.storage_root);
	assert_ok(account_put(root, address, &account, NULL));
	arena_release(&arena);
}

/* With junk: it is set before, deleted after one half of the accounts, and set and deleted
 * again behind the other. */
static struct trie_node *state_of(json_t *alloc, bool bare_hex, bool with_junk)
{
	struct trie_node *root = NULL;
	const char **addresses = shuffled_keys(alloc, &seed);
	const size_t half = json_object_size(alloc) / 2;

	if (with_junk)
		junk_set(&root, 0, true);
	for (size_t i = 0; addresses[i]; i++) {
		put_entry(&root, addresses[i], json_object_get(alloc, addresses[i]), bare_hex,
			  with_junk);
		if (with_junk && i == half)
			junk_set(&root, 0, false);
	}
	if (with_junk) {
		junk_set(&root, 99, true);
		junk_set(&root, 0, false); /* of an alloc without accounts */
		junk_set(&root, 99, false);
	}
	free(addresses);
	return root;
}

static void check_alloc(const char *name, json_t *alloc, bool bare_hex, const char *want)
{
	for (int junk = 0; junk < 2; junk++) {
		struct trie_node *root = state_of(alloc, bare_hex, junk);
		assert_trie(name, root, want);
		trie_put(&root);
	}
}

static void vectors(void **state)
{
	(void)state;
	struct buf file;
	size_t n = 0, accounts = 0, slots = 0;

	corpus_read("alloc-state-roots/alloc-roots.jsonl", &file);
	for (char *line = file.ptr, *end; *line; line = end + 1, n++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
		assert_non_null(json);
		check_alloc(text_at(json, "src"), json_object_get(json, "alloc"), false,
			    text_at(json, "stateRoot"));
		accounts += (size_t)json_integer_value(json_object_get(json, "accounts"));
		slots += (size_t)json_integer_value(json_object_get(json, "slots"));
		json_decref(json);
	}
	buf_release(&file);
	print_message("%zu states, %zu accounts, %zu slots\n", n, accounts, slots);
	assert_true(n >= 400);
}

/* ---- geneses ---- */

/* One balance in hex without 0x: they all are. */
static bool is_bare_hex(json_t *alloc)
{
	const char *address;
	json_t *entry;

	json_object_foreach(alloc, address, entry)
	{
		const char *text = text_or(entry, "balance", "0");
		if (strncmp(text, "0x", 2) != 0 && strpbrk(text, "abcdefABCDEF"))
			return true;
	}
	return false;
}

static json_t *alloc_of(const json_t *genesis)
{
	json_t *alloc = json_object_get(genesis, "alloc");

	assert_true(json_is_object(alloc));
	return alloc;
}

static void geneses(void **state)
{
	(void)state;
	json_t *expected = corpus_json("genesis-state-roots/expected.json"), *row;
	const char *name;

	json_object_foreach(expected, name, row)
	{
		char path[256];
		snprintf(path, sizeof path, "genesis-state-roots/%s", name);
		json_t *genesis = corpus_json(path), *alloc = alloc_of(genesis);
		assert_int_equal(json_object_size(alloc),
				 json_integer_value(json_object_get(row, "accounts")));
		check_alloc(name, alloc, is_bare_hex(alloc), text_at(row, "stateRoot"));
		print_message("%s: %zu accounts\n", name, json_object_size(alloc));
		json_decref(genesis);
	}
	json_decref(expected);
}

/* ---- mainnet, block by block ---- */

enum { BLOCKS_MAX = 8192, LINE_MAX_BYTES = 4096 };

struct chain {
	struct buf file;
	char *lines[BLOCKS_MAX]; /* "number root address:balance …" */
	struct trie_node *roots[BLOCKS_MAX];
	size_t n;
};

/* What the line adds to the state before it. */
static struct trie_node *after_line(struct trie_node *before, const char *line)
{
	struct trie_node *root = trie_get(before);
	char text[LINE_MAX_BYTES], *rest = text;

	assert_true(strlen(line) < sizeof text);
	memcpy(text, line, strlen(line) + 1);
	for (int field = 0; rest; field++) {
		char *word = strsep(&rest, " ");
		if (field < 2 || !*word)
			continue;
		struct trie_account account = trie_account_empty;
		const char *address = strsep(&word, ":");
		account.balance = number_of(word);
		assert_ok(account_put(&root, address, &account, NULL));
	}
	return root;
}

static void assert_block(const struct chain *chain, size_t number)
{
	char want[67];

	const char *at = strchr(chain->lines[number], ' ') + 1;
	memcpy(want, at, 66);
	want[66] = '\0';
	assert_trie(chain->lines[number], chain->roots[number], want);
}

static void chain_open(struct chain *chain)
{
	corpus_read("mainnet-first-blocks/blocks-0-999.txt", &chain->file);
	char *rest = chain->file.ptr;
	while (rest && *rest && chain->n < BLOCKS_MAX)
		chain->lines[chain->n++] = strsep(&rest, "\n");
	json_t *genesis = corpus_json("genesis-state-roots/mainnet-genesis.json");
	chain->roots[0] = state_of(alloc_of(genesis), false, false);
	json_decref(genesis);
}

/* Every block's root is kept; now and then an old one is built upon again. */
static void first_blocks(void **state)
{
	(void)state;
	static struct chain chain;
	size_t again = 0;

	chain_open(&chain);
	assert_block(&chain, 0);
	for (size_t i = 1; i < chain.n; i++) {
		chain.roots[i] = after_line(chain.roots[i - 1], chain.lines[i]);
		assert_block(&chain, i);
		if (i % 50 != 0)
			continue;
		const size_t from = corpus_random(&seed) % i;
		struct trie_node *fork = trie_get(chain.roots[from]);
		for (size_t k = from + 1; k <= i && k < from + 20; k++, again++) {
			struct trie_node *next = after_line(fork, chain.lines[k]);
			trie_put(&fork);
			fork = next;
			trie_put(&chain.roots[k]);
			chain.roots[k] = trie_get(next);
			assert_block(&chain, k);
		}
		trie_put(&fork);
	}
	print_message("%zu roots, %zu of them again from old ones\n", chain.n, again);
	assert_true(chain.n >= 1000 && again >= 100);
	for (size_t i = 0; i < chain.n; i++) {
		assert_block(&chain, i);
		trie_put(&chain.roots[i]);
	}
	buf_release(&chain.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(geneses),
		cmocka_unit_test(first_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
