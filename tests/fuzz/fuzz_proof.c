/* SPDX-License-Identifier: MIT */
/*
 * Nodes of tries, proofs, and leaves. The first byte says which. A proof is a key (its length
 * in one byte) and nodes (their lengths in two bytes); 32 times 'H' in a node becomes the hash
 * of the one after it, or no input would get past the first. Checked:
 *  - what is decoded is what encoding writes, byte for byte: nodes, accounts, words;
 *  - a proof that verifies is, node for node, what the trie of its nodes proves, and what the
 * trie proves verifies and shows what a lookup finds;
 *  - an edit of that trie is there afterwards, or it failed and nothing has changed;
 *  - spans that are given out lie inside the input.
 */
#include "../json_oracle.h"
#include "base/keccak.h"
#include "base/proof.h"
#include "base/trie_impl.h"
#include "base/trie_nodes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { NODE, PROOF, ACCOUNT, WORD, KINDS };
enum { NODES_MAX = 8, LIMIT = 1 << 16 };

static void check_node(struct span rlp)
{
	unsigned char out[TRIE_NODE_BYTES];
	struct eth_bytes32 want, got;
	struct trie_node *node = NULL;

	if (trie_node_decode(rlp, TRIE_NIBBLES, NULL, &node) != OK)
		return;
	REQUIRE(span_equal(trie_node_encode(node, out), rlp));
	keccak256(rlp.ptr, rlp.len, &want);
	trie_root_hash(node, &got);
	REQUIRE(eth_bytes32_equal(&want, &got));
	trie_put(&node);
}

static void check_account(struct span leaf)
{
	unsigned char out[TRIE_ACCOUNT_BYTES];
	struct trie_account account;

	if (trie_account_decode(leaf, &account) == OK)
		REQUIRE(span_equal(trie_account_encode(&account, out), leaf));
}

static void check_word(struct span leaf)
{
	unsigned char out[TRIE_WORD_BYTES];
	struct eth_bytes32 word;

	if (trie_word_decode(leaf, &word) == OK)
		REQUIRE(span_equal(trie_word_encode(&word, out), leaf));
}

/* ---- proofs ---- */

struct scene {
	struct span key;
	struct span nodes[NODES_MAX];
	unsigned char texts[NODES_MAX][TRIE_NODE_BYTES];
	size_t n;
	struct eth_bytes32 root;
	struct trie_nodes *known;
	/* What the trie emits. */
	struct span shown[NODES_MAX];
	unsigned char shown_texts[NODES_MAX][TRIE_NODE_BYTES];
	size_t n_shown;
};

static struct span take(struct span *in, size_t n)
{
	const struct span taken = {in->ptr, n < in->len ? n : in->len};

	in->ptr += taken.len;
	in->len -= taken.len;
	return taken;
}

static void put_hash(struct scene *scene, size_t i)
{
	static const char mark[] = "HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH";
	unsigned char *at = memmem(scene->texts[i], scene->nodes[i].len, mark, 32);
	struct eth_bytes32 hash;

	keccak256(scene->nodes[i + 1].ptr, scene->nodes[i + 1].len, &hash);
	if (at)
		memcpy(at, hash.bytes, sizeof hash.bytes);
}

/* False: there are no nodes. */
static bool scene_read(struct scene *scene, struct span in)
{
	const struct span length = take(&in, 1);

	scene->key = take(&in, length.len ? (unsigned char)length.ptr[0] % 33 : 0);
	for (scene->n = 0; in.len > 2 && scene->n < NODES_MAX; scene->n++) {
		const struct span two = take(&in, 2);
		const size_t n =
			(size_t)(unsigned char)two.ptr[0] << 8 | (unsigned char)two.ptr[1];
		const struct span text = take(&in, n < TRIE_NODE_BYTES ? n : TRIE_NODE_BYTES);
		memcpy(scene->texts[scene->n], text.ptr, text.len);
		scene->nodes[scene->n] =
			(struct span){(const char *)scene->texts[scene->n], text.len};
	}
	if (scene->n == 0)
		return false;
	for (size_t i = scene->n - 1; i-- > 0;)
		put_hash(scene, i);
	keccak256(scene->nodes[0].ptr, scene->nodes[0].len, &scene->root);
	return true;
}

static enum err show(void *cookie, struct span rlp)
{
	struct scene *scene = cookie;

	if (scene->n_shown == NODES_MAX)
		return ERR_LIMIT;
	memcpy(scene->shown_texts[scene->n_shown], rlp.ptr, rlp.len);
	scene->shown[scene->n_shown] =
		(struct span){(const char *)scene->shown_texts[scene->n_shown], rlp.len};
	scene->n_shown++;
	return OK;
}

static void check_shown(struct scene *scene, struct trie_node *root,
			const struct trie_resolver *resolver, struct span value)
{
	const struct proof_list list = {scene->shown, scene->n_shown};
	struct span got;

	if (trie_prove(root, scene->key, resolver, show, scene, NULL) != OK)
		return;
	REQUIRE(proof_verify(&scene->root, scene->key,
			     (struct proof_list){list.nodes, scene->n_shown}, &got,
			     NULL) == OK);
	REQUIRE(span_equal(got, value));
}

static void check_edit(struct scene *scene, struct trie_node **root,
		       const struct trie_resolver *resolver, struct span value)
{
	struct eth_bytes32 after;
	struct span got = SPAN("");
	struct trie_node *before = trie_get(*root);

	if (trie_set(root, scene->key, value, resolver, NULL) == OK) {
		const enum trie_found found =
			trie_lookup(*root, scene->key, resolver, &got, NULL);
		REQUIRE(found == (value.len > 0 ? TRIE_FOUND : TRIE_ABSENT));
		REQUIRE(value.len == 0 || span_equal(got, value));
		trie_root_hash(*root, &after);
	} else {
		trie_root_hash(*root, &after);
		REQUIRE(eth_bytes32_equal(&after, &scene->root));
	}
	trie_root_hash(before, &after);
	REQUIRE(eth_bytes32_equal(&after, &scene->root));
	trie_put(root);
	*root = before;
}

static void check_trie(struct scene *scene, bool verifies, struct span proved)
{
	const struct trie_resolver resolver = trie_nodes_resolver(scene->known);
	struct trie_node *root;
	struct span value = SPAN("");

	REQUIRE(trie_from_root(&scene->root, &root) == OK);
	const enum trie_found found = trie_lookup(root, scene->key, &resolver, &value, NULL);
	if (verifies)
		REQUIRE(found == (proved.len > 0 ? TRIE_FOUND : TRIE_ABSENT));
	if (found == TRIE_FOUND || found == TRIE_ABSENT)
		check_shown(scene, root, &resolver, found == TRIE_FOUND ? value : SPAN(""));
	if (verifies) {
		REQUIRE(found == TRIE_ABSENT || span_equal(value, proved));
		REQUIRE(scene->n_shown == scene->n);
		for (size_t i = 0; i < scene->n; i++)
			REQUIRE(span_equal(scene->shown[i], scene->nodes[i]));
	}
	check_edit(scene, &root, &resolver, SPAN("another value"));
	check_edit(scene, &root, &resolver, SPAN(""));
	trie_put(&root);
}

static void check_proof(struct span in)
{
	static struct scene scene;
	struct span value;

	scene.n_shown = 0;
	if (!scene_read(&scene, in))
		return;
	const struct proof_list list = {scene.nodes, scene.n};
	const bool verifies = proof_verify(&scene.root, scene.key, list, &value, NULL) == OK;
	bool inside = value.len == 0;
	for (size_t i = 0; i < scene.n; i++)
		inside = inside || oracle_inside(value, scene.nodes[i]);
	REQUIRE(inside);
	scene.known = trie_nodes_new(LIMIT);
	REQUIRE(scene.known);
	for (size_t i = 0; i < scene.n; i++)
		if (scene.nodes[i].len > 0)
			REQUIRE(trie_nodes_add(scene.known, scene.nodes[i]) == OK);
	/* The empty trie is one that has no nodes. */
	if (!eth_bytes32_equal(&scene.root, &eth_empty_trie_root))
		check_trie(&scene, verifies, value);
	trie_nodes_free(&scene.known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct span in = exact_copy((struct span){(const char *)data + 1, size - 1});

	switch ((enum kind)(data[0] % KINDS)) {
	case NODE:
		check_node(in);
		break;
	case PROOF:
		check_proof(in);
		break;
	case ACCOUNT:
		check_account(in);
		break;
	case WORD:
		check_word(in);
		break;
	case KINDS:
		break;
	}
	exact_free(in);
	return 0;
}
