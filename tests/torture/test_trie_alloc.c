/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of an edit fails, for every N: the trie has the contents it had, nothing
 * leaks, and the same edit can be made afterwards.
 */
#include "../unit/trie_fixture.h"
#include "alloc.h"

enum { PAIRS = 40, LIMIT = 1 << 20 };

static bool is_spared(void)
{
	return false;
}

/* Keys of up to two bytes of few nibbles (values in branches, extensions), values of two
 * lengths. */
static struct pair pair_of(unsigned i)
{
	struct pair pair = {.key_bytes = i % 5 == 0 ? 1 : 2};

	pair.key[0] = (unsigned char)(i * 7 % 3 * 0x11 + (i % 2 == 0 ? 0x20 : 0));
	pair.key[1] = (unsigned char)(pair.key_bytes == 2 ? i * 5 % 4 * 0x10 + i % 3 : 0);
	pair.value_bytes = i % 3 == 0 ? 3 : 50;
	memset(pair.value, (int)i + 1, pair.value_bytes);
	return pair;
}

static struct trie_node *first_pairs(unsigned n)
{
	struct trie_node *root = NULL;

	for (unsigned i = 0; i < n; i++) {
		const struct pair pair = pair_of(i);
		assert_ok(trie_set(&root, pair_key(&pair), pair_value(&pair), NULL, NULL));
	}
	return root;
}

/* One edit of the trie, shared or not, known or not. */
struct edit {
	struct pair pair;
	bool deletes;
	struct trie_node *kept; /* another owner, or NULL */
	const struct trie_resolver *resolver;
};

/* Returns how often it failed before it did not. */
static unsigned long try_edit(struct trie_node **root, const struct edit *edit)
{
	struct eth_bytes32 before, after;
	const struct span value = edit->deletes ? SPAN("") : pair_value(&edit->pair);

	for (unsigned long n = 1;; n++) {
		trie_root_hash(*root, &before);
		fail_at(n);
		const enum err err =
			trie_set(root, pair_key(&edit->pair), value, edit->resolver, NULL);
		if (!has_failed()) {
			assert_ok(err);
			return n - 1;
		}
		assert_int_equal(err, ERR_NOMEM);
		trie_root_hash(*root, &after);
		assert_memory_equal(after.bytes, before.bytes, sizeof after.bytes);
		if (edit->kept)
			assert_root(edit->kept, &before);
	}
}

static void assert_is(struct trie_node *root, unsigned n, unsigned without)
{
	struct trie_node *want = first_pairs(n);
	struct eth_bytes32 hash;
	const struct pair pair = pair_of(without);

	if (without < n)
		assert_ok(trie_set(&want, pair_key(&pair), SPAN(""), NULL, NULL));
	trie_root_hash(want, &hash);
	assert_root(root, &hash);
	trie_put(&want);
}

static void inserting(void **state)
{
	(void)state;
	unsigned long failures = 0;

	for (unsigned i = 0; i < PAIRS; i++) {
		for (int shared = 0; shared < 2; shared++) {
			const long before = live;
			struct trie_node *root = first_pairs(i);
			struct edit edit = {.pair = pair_of(i),
					    .kept = shared ? trie_get(root) : NULL};
			failures += try_edit(&root, &edit);
			assert_is(root, i + 1, PAIRS);
			trie_put(&root);
			trie_put(&edit.kept);
			assert_int_equal(live, before);
		}
	}
	assert_in_range(failures, PAIRS, 20 * PAIRS);
}

static void deleting(void **state)
{
	(void)state;
	unsigned long failures = 0;

	for (unsigned n = 1; n < PAIRS; n++) {
		for (unsigned i = 0; i < n; i += 1 + n / 8) {
			const long before = live;
			struct trie_node *root = first_pairs(n);
			struct edit edit = {.pair = pair_of(i),
					    .deletes = true,
					    .kept = i % 2 == 0 ? trie_get(root) : NULL};
			failures += try_edit(&root, &edit);
			assert_is(root, n, i);
			trie_put(&root);
			trie_put(&edit.kept);
			assert_int_equal(live, before);
		}
	}
	assert_in_range(failures, PAIRS, 2000);
}

/* The same of tries that are resolved on the way. */
static void resolving(void **state)
{
	(void)state;
	struct pair pairs[PAIRS];
	struct trie_nodes *nodes = trie_nodes_new(LIMIT);
	const struct trie_resolver resolver = trie_nodes_resolver(nodes);
	struct trie_node *full = first_pairs(PAIRS);
	struct eth_bytes32 hash;
	size_t n = 0;
	struct span value;

	for (unsigned i = PAIRS; i-- > 0;) { /* of two with one key the later is there */
		const struct pair pair = pair_of(i);
		assert_int_equal(trie_lookup(full, pair_key(&pair), NULL, &value, NULL),
				 TRIE_FOUND);
		if (span_equal(value, pair_value(&pair)))
			pairs[n++] = pair;
	}
	naive_root(pairs, n, nodes, &hash);
	assert_root(full, &hash);
	for (unsigned i = 0; i < n; i++) {
		const long before = live;
		struct trie_node *root;
		struct edit edit = {.pair = pairs[i], .deletes = true, .resolver = &resolver};
		assert_ok(trie_from_root(&hash, &root));
		assert_in_range(try_edit(&root, &edit), 1, 60);
		trie_put(&root);
		assert_int_equal(live, before);
	}
	trie_put(&full);
	trie_nodes_free(&nodes);
}

static void nodes_by_hash(void **state)
{
	(void)state;
	const long before = live;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		fail_at(n);
		struct trie_nodes *nodes = trie_nodes_new(LIMIT);
		enum err err = nodes ? OK : ERR_NOMEM;
		for (int i = 0; i < 200 && err == OK; i++)
			err = trie_nodes_add(nodes, (struct span){(const char *)&i, sizeof i});
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		for (int i = 0; i < 200 && nodes; i++)
			assert_ok(trie_nodes_add(nodes,
						 (struct span){(const char *)&i, sizeof i}));
		trie_nodes_free(&nodes);
		assert_int_equal(live, before);
	}
}

static void roots(void **state)
{
	(void)state;
	struct trie_node *root;

	fail_at(1);
	assert_int_equal(trie_from_root(&eth_empty_code_hash, &root), ERR_NOMEM);
	assert_true(has_failed());
	assert_null(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inserting), cmocka_unit_test(deleting),
		cmocka_unit_test(resolving), cmocka_unit_test(nodes_by_hash),
		cmocka_unit_test(roots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
