/* SPDX-License-Identifier: MIT */
#pragma once
/* Reading JSON of states, proofs and tries: what the corpus tests of the trie share. */
#include "corpus.h"
#include "base/arena.h"
#include "base/keccak.h"
#include "base/proof.h"
#include "base/rlp.h"
#include "base/trie_account.h"
#include "base/trie_nodes.h"
#include <dirent.h>
#include <jansson.h>

enum { CORPUS_NODES_MAX = 64 << 20, PROOF_NODES_MAX = 64 };

enum { INT64_DIGITS = 18 };

/* A copy in which integers that no int64 holds are strings: some tools write them bare. */
static inline void quote_large(struct span text, struct buf *out)
{
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		size_t digits = 0;
		while (!in_string && i + digits < text.len && text.ptr[i + digits] >= '0' &&
		       text.ptr[i + digits] <= '9')
			digits++;
		if (digits > INT64_DIGITS)
			buf_printf(out, "\"%.*s\"", (int)digits, text.ptr + i);
		else
			buf_append(out, text.ptr + i, digits + (digits == 0));
		if (digits > 0)
			i += digits - 1;
		else if (in_string && text.ptr[i] == '\\')
			buf_char(out, text.ptr[++i]);
		else if (text.ptr[i] == '"')
			in_string = !in_string;
	}
	assert_ok(buf_err(out));
}

/* Skips the running test when there is no such file. */
static inline json_t *corpus_json(const char *name)
{
	struct buf file, text;
	json_error_t error;

	corpus_read(name, &file);
	buf_init(&text, CORPUS_FILE_MAX);
	quote_large(buf_as_span(&file), &text);
	json_t *json = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s: %s", name, error.text);
	buf_release(&text);
	buf_release(&file);
	return json;
}

/* Runs each file of the folder whose name ends in `end`; how many. Skips the running test when
 * there is no such folder. */
static inline int corpus_each(const char *folder, const char *end,
			      void (*run)(const char *name))
{
	const char *root = getenv("CORPUS_DIR");
	struct dirent **entries;
	char path[4096];
	int found = 0;

	snprintf(path, sizeof path, "%s/%s", root ? root : ".", folder);
	const int n = scandir(path, &entries, NULL, alphasort);
	if (n < 0) {
		print_message("skipped: no %s (set CORPUS_DIR)\n", path);
		skip();
	}
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		const size_t len = strlen(name), end_len = strlen(end);
		if (name[0] != '.' && len >= end_len &&
		    strcmp(name + len - end_len, end) == 0) {
			snprintf(path, sizeof path, "%s/%s", folder, name);
			run(path);
			found++;
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

static inline const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text)
		fail_msg("no text %s", key);
	return text;
}

/* Hex, with or without 0x. Borrowed from the arena. */
static inline struct span hex_bytes(struct arena *arena, const char *text)
{
	const size_t n = strlen(text), skip_0x = strncmp(text, "0x", 2) == 0 ? 2 : 0;
	char *padded = arena_alloc(arena, n + 2);
	unsigned char *bytes = arena_alloc(arena, n / 2 + 1);

	assert_true(padded && bytes);
	memcpy(padded, "0x", 2);
	memcpy(padded + 2, text + skip_0x, n - skip_0x);
	const size_t len = (n - skip_0x) / 2;
	assert_ok(eth_data_parse((struct span){padded, 2 + n - skip_0x}, bytes, len));
	return (struct span){(const char *)bytes, len};
}

static inline struct eth_bytes32 word_of(const char *text)
{
	struct eth_bytes32 word;

	if (eth_slot_parse(span_of(text), &word) != OK)
		fail_msg("%s is no word", text);
	return word;
}

/* 0x and hex, or decimal digits. */
static inline struct eth_u256 number_of(const char *text)
{
	struct eth_u256 number = {{0}};

	if (strncmp(text, "0x", 2) == 0) {
		const struct eth_bytes32 word = word_of(text);
		memcpy(number.bytes, word.bytes, sizeof number.bytes);
		return number;
	}
	for (; *text; text++) {
		unsigned carry = (unsigned)(*text - '0');
		assert_true(carry <= 9);
		for (size_t i = sizeof number.bytes; i-- > 0;) {
			carry += number.bytes[i] * 10u;
			number.bytes[i] = (unsigned char)carry;
			carry >>= 8;
		}
		assert_int_equal(carry, 0);
	}
	return number;
}

static inline uint64_t small_of(const char *text)
{
	const struct eth_u256 number = number_of(text);
	uint64_t small = 0;

	assert_true(eth_u256_to_u64(&number, &small));
	return small;
}

static inline struct eth_address address_of(const char *text)
{
	struct eth_address address;

	if (eth_address_parse(span_of(text), &address) != OK)
		fail_msg("%s is no address", text);
	return address;
}

/* ---- tries ---- */

static inline struct span key_of(const void *bytes, size_t n, struct eth_bytes32 *digest)
{
	keccak256(bytes, n, digest);
	return (struct span){(const char *)digest->bytes, sizeof digest->bytes};
}

static inline struct span address_key(const char *text, struct eth_bytes32 *digest)
{
	const struct eth_address address = address_of(text);

	return key_of(address.bytes, sizeof address.bytes, digest);
}

static inline struct span slot_key(const char *text, struct eth_bytes32 *digest)
{
	const struct eth_bytes32 slot = word_of(text);

	return key_of(slot.bytes, sizeof slot.bytes, digest);
}

/* Zero deletes. */
static inline enum err slot_put(struct trie_node **root, const char *slot, const char *value,
				const struct trie_resolver *resolver)
{
	unsigned char leaf[TRIE_WORD_BYTES];
	struct eth_bytes32 key;
	const struct eth_bytes32 word = word_of(value);

	return trie_set(root, slot_key(slot, &key), trie_word_encode(&word, leaf), resolver,
			NULL);
}

static inline enum err account_put(struct trie_node **root, const char *address,
				   const struct trie_account *account,
				   const struct trie_resolver *resolver)
{
	unsigned char leaf[TRIE_ACCOUNT_BYTES];
	struct eth_bytes32 key;

	return trie_set(root, address_key(address, &key), trie_account_encode(account, leaf),
			resolver, NULL);
}

static inline void assert_trie(const char *name, struct trie_node *root, const char *want)
{
	const struct eth_bytes32 wanted = word_of(want);
	struct eth_bytes32 got;

	trie_root_hash(root, &got);
	if (!eth_bytes32_equal(&got, &wanted))
		fail_msg("%s: the root is not %s", name, want);
}

/* RLP of nodes, in a JSON array of hex. */
static inline struct trie_nodes *nodes_of(const json_t *array)
{
	struct trie_nodes *nodes = trie_nodes_new(CORPUS_NODES_MAX);
	struct arena arena;

	assert_non_null(nodes);
	arena_init(&arena, CORPUS_NODES_MAX);
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *hex = json_string_value(json_array_get(array, i));
		assert_ok(trie_nodes_add(nodes, hex_bytes(&arena, hex)));
		arena_clear(&arena);
	}
	arena_release(&arena);
	return nodes;
}

/* A proof, as it is recorded. */
struct list {
	struct span nodes[PROOF_NODES_MAX];
	size_t n;
};

static inline void list_read(struct arena *arena, const json_t *array, struct list *list)
{
	assert_true(json_is_array(array) && json_array_size(array) < PROOF_NODES_MAX);
	list->n = json_array_size(array);
	for (size_t i = 0; i < list->n; i++)
		list->nodes[i] = hex_bytes(arena, json_string_value(json_array_get(array, i)));
}

static inline struct proof_list list_of(const struct list *list)
{
	return (struct proof_list){list->nodes, list->n};
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t corpus_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The keys of an object in random order; free with free(). */
static inline const char **shuffled_keys(json_t *object, uint64_t *seed)
{
	const char **keys = calloc(json_object_size(object) + 1, sizeof *keys), *key;
	size_t n = 0;
	json_t *value;

	assert_non_null(keys);
	json_object_foreach(object, key, value)
	{
		const size_t at = corpus_random(seed) % (n + 1);
		keys[n++] = keys[at];
		keys[at] = key;
	}
	return keys;
}
