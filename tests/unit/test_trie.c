/* SPDX-License-Identifier: MIT */
#include "trie_fixture.h"

enum { PAIRS = 96, NODES_LIMIT = 1 << 22 };

/* A trie beside the list of what should be in it. */
struct model {
	struct pair pairs[PAIRS];
	size_t n;
	struct trie_node *root;
};

/* Keys are drawn from few, so that they meet: short ones of any length (values in branches,
 * embedded nodes), or whole ones that differ in a few nibbles (deep extensions). */
enum shape { SHORT, DEEP, SPREAD };

static void draw_key(uint64_t *seed, enum shape shape, struct pair *pair)
{
	const uint64_t r = fixture_random(seed);

	memset(pair->key, 0, sizeof pair->key);
	pair->key_bytes = 32;
	if (shape == SHORT) {
		pair->key_bytes = (unsigned)(r % 4);
		for (unsigned i = 0; i < pair->key_bytes; i++)
			pair->key[i] = (unsigned char)(r >> (8 + 8 * i) & 0x11);
	} else if (shape == DEEP) {
		pair->key[r % 3 * 12] = (unsigned char)(r >> 8 & 0x33);
		pair->key[31] = (unsigned char)(r >> 16 & 0x21);
	} else {
		pair->key[0] = (unsigned char)(r % 80);
		keccak256(pair->key, 1, (struct eth_bytes32 *)pair->key);
	}
}

static void draw_value(uint64_t *seed, struct pair *pair)
{
	const uint64_t r = fixture_random(seed);

	pair->value_bytes = r % 3 == 0 ? 1 : (unsigned)(1 + (r >> 8) % 100);
	memset(pair->value, (int)(1 + (r >> 20) % 200), pair->value_bytes);
}

static struct pair *model_find(struct model *model, const struct pair *wanted)
{
	for (size_t i = 0; i < model->n; i++)
		if (pair_order(&model->pairs[i], wanted) == 0)
			return &model->pairs[i];
	return NULL;
}

static void model_set(struct model *model, const struct pair *pair)
{
	struct pair *there = model_find(model, pair);

	if (there && pair->value_bytes > 0)
		*there = *pair;
	else if (there)
		*there = model->pairs[--model->n];
	else if (pair->value_bytes > 0)
		model->pairs[model->n++] = *pair;
}

static void model_check(struct model *model)
{
	struct eth_bytes32 want;
	struct span value;

	naive_root(model->pairs, model->n, NULL, &want);
	assert_root(model->root, &want);
	for (size_t i = 0; i < model->n; i++) {
		assert_int_equal(trie_lookup(model->root, pair_key(&model->pairs[i]), NULL,
					     &value, NULL),
				 TRIE_FOUND);
		assert_true(span_equal(value, pair_value(&model->pairs[i])));
	}
}

static void model_step(struct model *model, uint64_t *seed, enum shape shape,
		       const struct trie_resolver *resolver)
{
	struct pair pair;
	struct span value;

	draw_key(seed, shape, &pair);
	draw_value(seed, &pair);
	if (fixture_random(seed) % 5 < 2 || (model->n == PAIRS && !model_find(model, &pair)))
		pair.value_bytes = 0;
	const bool known = model_find(model, &pair) != NULL;
	assert_int_equal(trie_lookup(model->root, pair_key(&pair), resolver, &value, NULL),
			 known ? TRIE_FOUND : TRIE_ABSENT);
	assert_ok(trie_set(&model->root, pair_key(&pair), pair_value(&pair), resolver, NULL));
	model_set(model, &pair);
}

static void agrees_with_the_definition(void **state)
{
	(void)state;
	for (enum shape shape = SHORT; shape <= SPREAD; shape++) {
		uint64_t seed = 7 + shape;
		struct model *model = calloc(1, sizeof *model);
		for (int i = 0; i < 3000; i++) {
			model_step(model, &seed, shape, NULL);
			if (i % 3 == 0)
				model_check(model);
		}
		while (model->n > 0) {
			assert_ok(trie_set(&model->root, pair_key(&model->pairs[0]), SPAN(""),
					   NULL, NULL));
			model->pairs[0] = model->pairs[--model->n];
			model_check(model);
		}
		assert_null(model->root);
		free(model);
	}
}

/* Old roots stay as they were while others are derived of them, forwards and backwards. */
static void versions_do_not_disturb_each_other(void **state)
{
	(void)state;
	enum { VERSIONS = 24 };
	for (enum shape shape = SHORT; shape <= SPREAD; shape++) {
		uint64_t seed = 77 + shape;
		struct model *versions = calloc(VERSIONS, sizeof *versions);
		for (int i = 0; i < 1000; i++) {
			struct model *from = &versions[fixture_random(&seed) % VERSIONS];
			struct model *to = &versions[fixture_random(&seed) % VERSIONS];
			if (from != to) {
				trie_put(&to->root);
				*to = *from;
				trie_get(to->root);
			}
			for (uint64_t n = fixture_random(&seed) % 6; n > 0; n--)
				model_step(to, &seed, shape, NULL);
			if (i % 2 == 0)
				model_check(to);
			if (i % 20 == 0)
				for (int k = 0; k < VERSIONS; k++)
					model_check(&versions[k]);
		}
		for (int i = 0; i < VERSIONS; i++) {
			model_check(&versions[i]);
			trie_put(&versions[i].root);
		}
		free(versions);
	}
}

/* The same trie, known by its root and a resolver. */
static void resolves_what_it_needs(void **state)
{
	(void)state;
	for (enum shape shape = SHORT; shape <= SPREAD; shape++) {
		uint64_t seed = 177 + shape;
		struct model *model = calloc(1, sizeof *model);
		for (int round = 0; round < 100; round++) {
			struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
			const struct trie_resolver resolver = trie_nodes_resolver(nodes);
			struct eth_bytes32 root;
			naive_root(model->pairs, model->n, nodes, &root);
			trie_put(&model->root);
			assert_ok(trie_from_root(&root, &model->root));
			for (int i = 0; i < 12; i++) {
				struct trie_node *before = trie_get(model->root);
				trie_root_hash(before, &root);
				model_step(model, &seed, shape, &resolver);
				assert_root(before, &root);
				trie_put(&before);
				naive_root(model->pairs, model->n, NULL, &root);
				assert_root(model->root, &root);
			}
			trie_nodes_free(&nodes);
		}
		trie_put(&model->root);
		free(model);
	}
}

/* ---- what is not known ---- */

/* Says that it does not know one node, which is `hidden`. */
struct hiding {
	const struct trie_nodes *nodes;
	struct eth_bytes32 hidden;
};

static bool hiding_resolve(void *cookie, const struct eth_bytes32 *hash, struct span *rlp)
{
	const struct hiding *hiding = cookie;

	return !eth_bytes32_equal(hash, &hiding->hidden) &&
	       trie_nodes_find(hiding->nodes, hash, rlp);
}

struct emitted {
	struct eth_bytes32 hash[TRIE_NIBBLES + 1];
	size_t n;
};

static enum err emit_hash(void *cookie, struct span rlp)
{
	struct emitted *emitted = cookie;

	keccak256(rlp.ptr, rlp.len, &emitted->hash[emitted->n++]);
	return OK;
}

static bool is_prefix(const struct trie_prefix *prefix, const struct pair *pair)
{
	for (unsigned i = 0; i < prefix->n; i++)
		if (pair_nibble(pair, i) != prefix->nibbles[i])
			return false;
	return true;
}

/* The k-th node on the pair's path is not known. */
static void assert_told(struct trie_node **root, const struct pair *pair, size_t k,
			const struct trie_resolver *resolver)
{
	struct trie_prefix of_read = {.n = 99}, of_edit = {.n = 99};
	struct emitted shown = {.n = 0};
	struct eth_bytes32 before;
	struct span value;

	trie_root_hash(*root, &before);
	assert_int_equal(trie_lookup(*root, pair_key(pair), resolver, &value, &of_read),
			 TRIE_UNRESOLVED);
	assert_true(is_prefix(&of_read, pair) && !of_read.is_sibling);
	assert_true((of_read.n == 0) == (k == 0));
	assert_int_equal(trie_set(root, pair_key(pair), SPAN("x"), resolver, &of_edit),
			 ERR_NOT_FOUND);
	assert_int_equal(of_edit.n, of_read.n);
	assert_int_equal(trie_set(root, pair_key(pair), SPAN(""), resolver, NULL),
			 ERR_NOT_FOUND);
	assert_int_equal(
		trie_prove(*root, pair_key(pair), resolver, emit_hash, &shown, &of_edit),
		ERR_NOT_FOUND);
	assert_int_equal(shown.n, k);
	assert_root(*root, &before);
}

/* Each node on each key's path in turn: reads and writes name where it is, nothing changes. */
static void names_what_is_missing(void **state)
{
	(void)state;
	uint64_t seed = 5;
	struct model *model = calloc(1, sizeof *model);
	struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
	struct hiding hiding = {.nodes = nodes};
	const struct trie_resolver resolver = {hiding_resolve, &hiding};
	struct eth_bytes32 root;
	size_t tried = 0;

	while (model->n < 40)
		model_step(model, &seed, SPREAD, NULL);
	naive_root(model->pairs, model->n, nodes, &root);
	for (size_t i = 0; i < model->n; i++) {
		struct emitted path = {.n = 0};
		trie_put(&model->root);
		assert_ok(trie_from_root(&root, &model->root));
		hiding.hidden = eth_empty_trie_root;
		assert_ok(trie_prove(model->root, pair_key(&model->pairs[i]), &resolver,
				     emit_hash, &path, NULL));
		assert_memory_equal(path.hash[0].bytes, root.bytes, 32);
		for (size_t k = 0; k < path.n; k++) {
			hiding.hidden = path.hash[k];
			assert_told(&model->root, &model->pairs[i], k, &resolver);
		}
		tried += path.n;
	}
	assert_in_range(tried, 60, 400);
	trie_put(&model->root);
	trie_nodes_free(&nodes);
	free(model);
}

/* ---- collapsing ---- */

static const char *const LONG = "a value so long that no parent contains it";

/* Keys of two bytes, and almost one value for all. */
static size_t pairs_of(struct pair *pairs, const char *keys, const char *value)
{
	size_t n = 0;

	for (; *keys; keys += 4 + (keys[4] == ' ')) {
		struct pair *pair = &pairs[n++];
		*pair = (struct pair){.key_bytes = 2, .value_bytes = (unsigned)strlen(value)};
		for (unsigned i = 0; i < 4; i++) {
			const unsigned digit = (unsigned)(keys[i] - '0');
			pair->key[i / 2] |= (unsigned char)(digit << (i % 2 == 0 ? 4 : 0));
		}
		memcpy(pair->value, value, strlen(value));
		pair->value[0] ^= pair->key[1]; /* or nodes with equal rests are one */
	}
	return n;
}

/* Of the trie of the keys, the one that stands first is deleted; the nodes come from a resolver
 * which does not know the one at `unknown`, that is on another key's path. */
static void delete_first(const char *keys, const char *other_key, size_t unknown,
			 enum err expected, const char *prefix, const char *value)
{
	struct pair pairs[8], other[1];
	struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
	struct hiding hiding = {.nodes = nodes};
	const struct trie_resolver resolver = {hiding_resolve, &hiding};
	const size_t n = pairs_of(pairs, keys, value);
	const struct pair first = pairs[0];
	struct trie_prefix told = {.n = 99};
	struct emitted path = {.n = 0};
	struct trie_node *root;
	struct eth_bytes32 before, after;

	naive_root(pairs, n, nodes, &before);
	assert_ok(trie_from_root(&before, &root));
	pairs_of(other, other_key, value);
	assert_ok(trie_prove(root, pair_key(other), &resolver, emit_hash, &path, NULL));
	if (unknown < path.n)
		hiding.hidden = path.hash[unknown];
	assert_int_equal(trie_set(&root, pair_key(&first), SPAN(""), &resolver, &told),
			 expected);
	for (size_t i = 0; i < n; i++)
		if (pair_order(&pairs[i], &first) == 0)
			pairs[i] = pairs[n - 1];
	naive_root(pairs, n - 1, NULL, &after);
	assert_root(root, expected == OK ? &after : &before);
	if (expected != OK) {
		assert_true(told.is_sibling);
		assert_int_equal(told.n, strlen(prefix));
		for (unsigned i = 0; i < told.n; i++)
			assert_int_equal(told.nibbles[i], prefix[i] - '0');
	}
	trie_put(&root);
	trie_nodes_free(&nodes);
}

static void a_branch_of_one_child_collapses(void **state)
{
	(void)state;
	static const char *const values[] = {"v", "another value of some bytes", LONG};
	const size_t none = TRIE_NIBBLES;

	for (size_t i = 0; i < 3; i++) {
		const char *v = values[i];
		delete_first("1111", "1111", none, OK, "", v);		 /* to nothing */
		delete_first("1111 2222", "2222", none, OK, "", v);	 /* leaf */
		delete_first("1111 1222", "1222", none, OK, "", v);	 /* below extension */
		delete_first("1111 2221 2222", "2222", none, OK, "", v); /* extension */
		delete_first("1111 2111 2211", "2211", none, OK, "", v); /* branch */
		delete_first("1111 1121 1122 3333", "1122", none, OK, "", v);
		delete_first("1211 1221 1222", "1222", none, OK, "", v);
		delete_first("1111 2222 3333", "2222", none, OK, "", v); /* not at all */
	}
}

static void a_sibling_that_is_not_known_is_named(void **state)
{
	(void)state;
	delete_first("1111 2222", "2222", 1, ERR_NOT_FOUND, "2", LONG);
	delete_first("1111 1222", "1222", 2, ERR_NOT_FOUND, "12", LONG);
	delete_first("1111 1121 1122 3333", "1122", 3, ERR_NOT_FOUND, "112", LONG);
	delete_first("1211 1221 1222", "1222", 2, ERR_NOT_FOUND, "122", LONG);
	delete_first("1111 1112 1122", "1112", 3, ERR_NOT_FOUND, "1112", LONG);
	/* One of three siblings is not needed. */
	delete_first("1111 2222 3333", "2222", 1, OK, "", LONG);
}

/* An insertion that ends an extension leaves a branch beside it, of which nothing but its hash
 * is known: so much is enough to take the insertion back. */
static void an_extension_is_joined_again(void **state)
{
	(void)state;
	struct pair pairs[4];
	struct trie_nodes *nodes = trie_nodes_new(NODES_LIMIT);
	struct hiding hiding = {.nodes = nodes};
	const struct trie_resolver resolver = {hiding_resolve, &hiding};
	const size_t n = pairs_of(pairs, "1112 1113 2222", LONG);
	struct emitted path = {.n = 0};
	struct trie_prefix told;
	struct eth_bytes32 before;
	struct trie_node *root;

	naive_root(pairs, n, nodes, &before);
	assert_ok(trie_from_root(&before, &root));
	assert_ok(trie_prove(root, SPAN("\x11\x12"), &resolver, emit_hash, &path, NULL));
	assert_int_equal(path.n, 4);
	hiding.hidden = path.hash[2];
	for (size_t i = 0; i < 3; i++) {
		static const char *const keys[] = {"\x11\x22", "\x12\x12", "\x11\x32"};
		const struct span key = {keys[i], 2};
		assert_ok(trie_set(&root, key, SPAN("new"), &resolver, &told));
		assert_ok(trie_set(&root, key, SPAN(""), &resolver, &told));
		assert_root(root, &before);
	}
	assert_int_equal(trie_set(&root, SPAN("\x11\x12"), SPAN(""), &resolver, &told),
			 ERR_NOT_FOUND);
	hiding.hidden = before;
	assert_ok(trie_set(&root, SPAN("\x11\x12"), SPAN("new"), &resolver, &told));
	trie_put(&root);
	trie_nodes_free(&nodes);
}

static void limits(void **state)
{
	(void)state;
	unsigned char value[TRIE_VALUE_BYTES + 1] = {1};
	struct span longest = {(const char *)value, TRIE_VALUE_BYTES};
	struct trie_node *root = NULL;
	struct span got;

	/* A branch with the longest value there can be. */
	assert_ok(trie_set(&root, SPAN(""), longest, NULL, NULL));
	for (int i = 0; i < 16; i++) {
		const char key = (char)(16 * i);
		assert_ok(trie_set(&root, (struct span){&key, 1}, longest, NULL, NULL));
	}
	struct eth_bytes32 hash;
	trie_root_hash(root, &hash);
	assert_int_equal(trie_lookup(root, SPAN(""), NULL, &got, NULL), TRIE_FOUND);
	assert_true(span_equal(got, longest));
	longest.len++;
	assert_int_equal(trie_set(&root, SPAN("k"), longest, NULL, NULL), ERR_LIMIT);
	trie_put(&root);
	assert_root(NULL, &eth_empty_trie_root);
	assert_ok(trie_from_root(&eth_empty_trie_root, &root));
	assert_null(root);
	assert_ok(trie_set(&root, SPAN("k"), SPAN(""), NULL, NULL));
	assert_null(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_definition),
		cmocka_unit_test(versions_do_not_disturb_each_other),
		cmocka_unit_test(resolves_what_it_needs),
		cmocka_unit_test(names_what_is_missing),
		cmocka_unit_test(a_branch_of_one_child_collapses),
		cmocka_unit_test(a_sibling_that_is_not_known_is_named),
		cmocka_unit_test(an_extension_is_joined_again),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
