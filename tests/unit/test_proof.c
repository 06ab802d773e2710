/* SPDX-License-Identifier: MIT */
#include "trie_fixture.h"
#include "base/proof.h"

enum { PAIRS = 60, NODES_MAX = TRIE_NIBBLES + 2 };

struct shown {
	unsigned char bytes[NODES_MAX][TRIE_NODE_BYTES];
	struct span nodes[NODES_MAX];
	size_t n;
};

static enum err show(void *cookie, struct span rlp)
{
	struct shown *shown = cookie;

	if (shown->n == NODES_MAX - 1)
		return ERR_LIMIT;
	memcpy(shown->bytes[shown->n], rlp.ptr, rlp.len);
	shown->nodes[shown->n] = (struct span){(const char *)shown->bytes[shown->n], rlp.len};
	shown->n++;
	return OK;
}

static struct proof_list list_of(const struct shown *shown)
{
	return (struct proof_list){shown->nodes, shown->n};
}

static void prove(struct trie_node *root, struct span key, struct shown *shown)
{
	shown->n = 0;
	assert_ok(trie_prove(root, key, NULL, show, shown, NULL));
}

static void assert_refused(const struct eth_bytes32 *root, struct span key,
			   const struct shown *shown, const char *reason)
{
	struct err_detail detail = {""};
	struct span value = SPAN("?");

	assert_int_equal(proof_verify(root, key, list_of(shown), &value, &detail),
			 ERR_BAD_ANSWER);
	if (!strstr(detail.text, reason))
		fail_msg("\"%s\" instead of \"%s\"", detail.text, reason);
	assert_int_equal(value.len, 0);
	assert_int_equal(proof_verify(root, key, list_of(shown), &value, NULL), ERR_BAD_ANSWER);
}

/* Keys of one length, so that nobody's value stands in a branch; short: embedded nodes. */
static struct trie_node *random_trie(uint64_t *seed, unsigned key_bytes, struct pair *pairs)
{
	struct trie_node *root = NULL;

	for (size_t i = 0; i < PAIRS; i++) {
		struct eth_bytes32 hash;
		const uint64_t r = fixture_random(seed);
		keccak256(&r, sizeof r, &hash);
		pairs[i] = (struct pair){.key_bytes = key_bytes};
		memcpy(pairs[i].key, hash.bytes, key_bytes);
		pairs[i].value_bytes = key_bytes < 32 ? 1 + (unsigned)i % 5 : 40;
		memset(pairs[i].value, (int)i + 1, pairs[i].value_bytes);
		assert_ok(trie_set(&root, pair_key(&pairs[i]), pair_value(&pairs[i]), NULL,
				   NULL));
	}
	return root;
}

/* What trie_prove shows, proof_verify believes; and nothing that is changed of it. */
static void shows_what_is_there_and_what_is_not(void **state)
{
	(void)state;
	uint64_t seed = 3;
	static struct pair pairs[PAIRS];
	static struct shown shown;

	for (unsigned key_bytes = 1; key_bytes <= 32; key_bytes += key_bytes < 4 ? 1 : 28) {
		struct trie_node *root = random_trie(&seed, key_bytes, pairs);
		struct eth_bytes32 hash;
		trie_root_hash(root, &hash);
		for (int i = 0; i < 400; i++) {
			struct pair pair = pairs[fixture_random(&seed) % PAIRS];
			if (i % 2 == 1)
				pair.key[fixture_random(&seed) % key_bytes] ^=
					(unsigned char)fixture_random(&seed);
			struct span want, got;
			const enum trie_found found =
				trie_lookup(root, pair_key(&pair), NULL, &want, NULL);
			prove(root, pair_key(&pair), &shown);
			assert_ok(proof_verify(&hash, pair_key(&pair), list_of(&shown), &got,
					       NULL));
			assert_true(span_equal(got, found == TRIE_FOUND ? want : SPAN("")));

			const size_t at = fixture_random(&seed) % shown.n;
			const size_t byte = fixture_random(&seed) % shown.nodes[at].len;
			shown.bytes[at][byte] ^=
				(unsigned char)(1 + fixture_random(&seed) % 255);
			assert_refused(&hash, pair_key(&pair), &shown, "does not hash");
		}
		trie_put(&root);
	}
}

static void names_the_reason(void **state)
{
	(void)state;
	uint64_t seed = 9;
	static struct pair pairs[PAIRS];
	static struct shown shown, other;
	struct trie_node *root = random_trie(&seed, 32, pairs);
	struct eth_bytes32 hash;

	trie_root_hash(root, &hash);
	prove(root, pair_key(&pairs[0]), &shown);
	assert_in_range(shown.n, 2, 4);
	/* Of another root, of another key. */
	assert_refused(&eth_empty_code_hash, pair_key(&pairs[0]), &shown,
		       "node 0 of the proof does not hash to the root");
	assert_refused(&eth_empty_trie_root, pair_key(&pairs[0]), &shown,
		       "the root is the empty trie's");
	size_t k = 1;
	while (pairs[k].key[0] >> 4 == pairs[0].key[0] >> 4)
		k++;
	assert_refused(&hash, pair_key(&pairs[k]), &shown,
		       "node 1 of the proof does not hash to what its parent has at this key");
	/* Longer, shorter, none. */
	prove(root, pair_key(&pairs[k]), &other);
	shown.nodes[shown.n++] = other.nodes[1];
	assert_refused(&hash, pair_key(&pairs[0]), &shown, "goes on for 1 more");
	shown.n -= 2;
	assert_refused(&hash, pair_key(&pairs[0]), &shown, "before its key does");
	shown.n = 0;
	assert_refused(&hash, pair_key(&pairs[0]), &shown, "the proof is empty");
	trie_put(&root);
}

static void the_empty_trie_has_no_nodes(void **state)
{
	(void)state;
	static struct shown shown;
	struct span value = SPAN("?");

	prove(NULL, SPAN("key"), &shown);
	assert_int_equal(shown.n, 0);
	assert_ok(
		proof_verify(&eth_empty_trie_root, SPAN("key"), list_of(&shown), &value, NULL));
	assert_int_equal(value.len, 0);
	/* Some nodes send its RLP. */
	assert_ok(show(&shown, SPAN("\x80")));
	assert_ok(
		proof_verify(&eth_empty_trie_root, SPAN("key"), list_of(&shown), &value, NULL));
	assert_int_equal(value.len, 0);
	assert_ok(show(&shown, SPAN("\x80")));
	assert_refused(&eth_empty_trie_root, SPAN("key"), &shown, "the proof has nodes");
}

/* Nodes that hash to what they should and are none. */
static void refuses_what_is_no_node(void **state)
{
	(void)state;
	static const struct span texts[] = {
		{"\xc2\x20v.", 4},   /* something after it */
		{"\xc2\x21v", 3},    /* hex-prefix padding */
		{"\xc3\x81\x20v", 4} /* not the shortest form */
	};
	static struct shown shown;
	struct eth_bytes32 hash;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		shown.n = 0;
		assert_ok(show(&shown, texts[i]));
		keccak256(texts[i].ptr, texts[i].len, &hash);
		assert_refused(&hash, SPAN(""), &shown, "no trie node in canonical RLP");
	}
	shown.n = 0;
	assert_ok(show(&shown, SPAN("\xc2\x20v")));
	keccak256("\xc2\x20v", 3, &hash);
	struct span value;
	assert_ok(proof_verify(&hash, SPAN(""), list_of(&shown), &value, NULL));
	assert_span(value, "v");
}

/* A node that its parent would contain, and refers to by its hash. */
static void refuses_a_hash_of_a_short_node(void **state)
{
	(void)state;
	static struct shown shown;
	struct eth_bytes32 hash;
	struct buf top;

	keccak256("\xc2\x31v", 3, &hash);
	buf_init(&top, 100);
	const size_t mark = rlp_list_open(&top);
	for (int i = 0; i < 17; i++)
		rlp_string(&top, hash.bytes, i == 1 || i == 2 ? 32 : 0);
	rlp_list_close(&top, mark);
	keccak256(top.ptr, top.len, &hash);
	assert_ok(show(&shown, buf_as_span(&top)));
	assert_ok(show(&shown, SPAN("\xc2\x31v")));
	assert_refused(&hash, SPAN("\x11"), &shown, "so short that its parent must contain it");
	buf_release(&top);
}

/* ---- accounts and slots ---- */

struct scene {
	struct trie_node *state, *storage;
	struct eth_bytes32 state_root, storage_root;
	struct eth_address address;
	struct eth_bytes32 slot, word;
	struct trie_account account;
	struct shown of_account, of_slot;
};

static void put_hashed(struct trie_node **root, const void *bytes, size_t n, struct span value)
{
	struct eth_bytes32 key;

	keccak256(bytes, n, &key);
	assert_ok(
		trie_set(root, (struct span){(const char *)key.bytes, 32}, value, NULL, NULL));
}

static void prove_hashed(struct trie_node *root, const void *bytes, size_t n,
			 struct shown *shown)
{
	struct eth_bytes32 key;

	keccak256(bytes, n, &key);
	prove(root, (struct span){(const char *)key.bytes, 32}, shown);
}

/* A contract with one slot, among others. */
static void scene_init(struct scene *scene)
{
	unsigned char leaf[TRIE_ACCOUNT_BYTES], word[TRIE_WORD_BYTES];

	*scene = (struct scene){.address = {{0xaa, 1}}, .slot = {{5}}, .word = {{0}}};
	scene->word.bytes[30] = 0x12;
	for (unsigned char i = 0; i < 9; i++) {
		put_hashed(&scene->storage, &i, 1, SPAN("\x07"));
		put_hashed(&scene->state, &i, 1,
			   trie_account_encode(&trie_account_empty, leaf));
	}
	put_hashed(&scene->storage, scene->slot.bytes, 32,
		   trie_word_encode(&scene->word, word));
	trie_root_hash(scene->storage, &scene->storage_root);
	scene->account = (struct trie_account){
		.nonce = 3, .balance = {{1, 2}}, .storage_root = scene->storage_root};
	scene->account.code_hash = eth_empty_code_hash;
	put_hashed(&scene->state, scene->address.bytes, 20,
		   trie_account_encode(&scene->account, leaf));
	trie_root_hash(scene->state, &scene->state_root);
	prove_hashed(scene->state, scene->address.bytes, 20, &scene->of_account);
	prove_hashed(scene->storage, scene->slot.bytes, 32, &scene->of_slot);
}

static void scene_release(struct scene *scene)
{
	trie_put(&scene->state);
	trie_put(&scene->storage);
}

static enum err verify(const struct scene *scene, const struct trie_account *claimed,
		       bool *exists, const char *reason)
{
	struct trie_account account;
	struct err_detail detail = {""};
	const enum err err = proof_account_verify(&scene->state_root, &scene->address,
						  list_of(&scene->of_account), claimed,
						  &account, exists, &detail);

	if (!strstr(detail.text, reason))
		fail_msg("\"%s\" instead of \"%s\"", detail.text, reason);
	if (err == OK && *exists)
		assert_memory_equal(&account, &scene->account, sizeof account);
	else if (err == OK)
		assert_memory_equal(&account, &trie_account_empty, sizeof account);
	return err;
}

static void accounts(void **state)
{
	(void)state;
	static struct scene scene;
	struct trie_account claimed;
	bool exists = false;

	scene_init(&scene);
	assert_ok(verify(&scene, NULL, &exists, ""));
	assert_true(exists);
	assert_ok(verify(&scene, &scene.account, &exists, ""));
	claimed = scene.account;
	claimed.nonce++;
	assert_int_equal(verify(&scene, &claimed, NULL, "the nonce is not"), ERR_BAD_ANSWER);
	claimed = scene.account;
	claimed.balance.bytes[0]++;
	assert_int_equal(verify(&scene, &claimed, NULL, "the balance is not"), ERR_BAD_ANSWER);
	claimed = scene.account;
	memset(&claimed.storage_root, 0, 32);
	assert_int_equal(verify(&scene, &claimed, NULL, "the storage root is not"),
			 ERR_BAD_ANSWER);
	claimed = scene.account;
	memset(&claimed.code_hash, 0, 32);
	assert_int_equal(verify(&scene, &claimed, NULL, "the code hash is not"),
			 ERR_BAD_ANSWER);
	scene_release(&scene);
}

static void absent_accounts(void **state)
{
	(void)state;
	static struct scene scene;
	struct trie_account claimed = trie_account_empty;
	bool exists = true;

	scene_init(&scene);
	scene.address.bytes[7] = 0x77;
	prove_hashed(scene.state, scene.address.bytes, 20, &scene.of_account);
	assert_ok(verify(&scene, &claimed, &exists, ""));
	assert_false(exists);
	/* As some nodes have it: no hashes at all. */
	memset(&claimed.code_hash, 0, 32);
	memset(&claimed.storage_root, 0, 32);
	assert_ok(verify(&scene, &claimed, &exists, ""));
	claimed.balance.bytes[31] = 1;
	assert_int_equal(verify(&scene, &claimed, NULL, "not that of an absent account"),
			 ERR_BAD_ANSWER);
	claimed = trie_account_empty;
	claimed.code_hash.bytes[3] ^= 1;
	assert_int_equal(verify(&scene, &claimed, NULL, "not that of an absent account"),
			 ERR_BAD_ANSWER);
	scene_release(&scene);
}

static enum err verify_slot(const struct scene *scene, const struct eth_bytes32 *claimed,
			    const char *reason, struct eth_bytes32 *value)
{
	struct err_detail detail = {""};
	const enum err err =
		proof_slot_verify(&scene->storage_root, &scene->slot, list_of(&scene->of_slot),
				  claimed, value, &detail);

	if (!strstr(detail.text, reason))
		fail_msg("\"%s\" instead of \"%s\"", detail.text, reason);
	return err;
}

static void slots(void **state)
{
	(void)state;
	static struct scene scene;
	struct eth_bytes32 value, zero = {{0}};

	scene_init(&scene);
	assert_ok(verify_slot(&scene, &scene.word, "", &value));
	assert_memory_equal(value.bytes, scene.word.bytes, 32);
	assert_int_equal(verify_slot(&scene, &zero, "the value is not", &value),
			 ERR_BAD_ANSWER);
	scene.slot.bytes[9] = 0x99;
	prove_hashed(scene.storage, scene.slot.bytes, 32, &scene.of_slot);
	assert_ok(verify_slot(&scene, &zero, "", &value));
	assert_memory_equal(value.bytes, zero.bytes, 32);
	assert_int_equal(verify_slot(&scene, &scene.word, "the value is not", &value),
			 ERR_BAD_ANSWER);
	/* A leaf that is no word. */
	put_hashed(&scene.storage, scene.slot.bytes, 32, SPAN("\x82\x00\x01"));
	trie_root_hash(scene.storage, &scene.storage_root);
	prove_hashed(scene.storage, scene.slot.bytes, 32, &scene.of_slot);
	assert_int_equal(verify_slot(&scene, NULL, "no storage value", &value), ERR_BAD_ANSWER);
	put_hashed(&scene.state, scene.address.bytes, 20, SPAN("\xc1\x80"));
	trie_root_hash(scene.state, &scene.state_root);
	prove_hashed(scene.state, scene.address.bytes, 20, &scene.of_account);
	assert_int_equal(verify(&scene, NULL, NULL, "no account"), ERR_BAD_ANSWER);
	scene_release(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_what_is_there_and_what_is_not),
		cmocka_unit_test(names_the_reason),
		cmocka_unit_test(the_empty_trie_has_no_nodes),
		cmocka_unit_test(refuses_what_is_no_node),
		cmocka_unit_test(refuses_a_hash_of_a_short_node),
		cmocka_unit_test(accounts),
		cmocka_unit_test(absent_accounts),
		cmocka_unit_test(slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
