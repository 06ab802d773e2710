/* SPDX-License-Identifier: MIT */
#include "base/proof.h"
#include "base/keccak.h"
#include "base/trie_impl.h"

/* Where a verification is: at a node's place, whose nibbles are key[0 .. at). */
struct proof_walk {
	unsigned char key[TRIE_NIBBLES];
	unsigned n, at;
	struct proof_list proof;
	size_t used; /* nodes */
	struct err_detail *detail;
};

#define REFUSE(detail, ...) err_set((detail), ERR_BAD_ANSWER, __VA_ARGS__)

/* The next node of the list, which the reference must be the hash of. */
static enum err next_node(struct proof_walk *walk, struct span hash, struct span *rlp)
{
	struct eth_bytes32 digest;

	if (walk->used == walk->proof.n)
		return REFUSE(
			walk->detail,
			"the proof ends after %zu nodes, before its key does: the next one is "
			"missing",
			walk->used);
	*rlp = walk->proof.nodes[walk->used];
	keccak256(rlp->ptr, rlp->len, &digest);
	if (memcmp(digest.bytes, hash.ptr, sizeof digest.bytes) != 0)
		return REFUSE(
			walk->detail,
			walk->used == 0
				? "node %zu of the proof does not hash to the root"
				: "node %zu of the proof does not hash to what its parent "
				  "has at this key",
			walk->used);
	walk->used++;
	if (rlp->len < TRIE_HASH_BYTES && walk->used > 1)
		return REFUSE(
			walk->detail,
			"node %zu of the proof is so short that its parent must contain it",
			walk->used - 1);
	return OK;
}

/* From the root's reference to the key's end. */
static enum err follow(struct proof_walk *walk, struct span ref, struct span *value)
{
	for (;;) {
		struct trie_view view = {.kind = TRIE_LEAF};
		struct span rlp = ref;
		enum err err = OK;
		if (ref.len == TRIE_HASH_BYTES)
			err = next_node(walk, ref, &rlp);
		if (err != OK)
			return err;
		if (trie_view_open(rlp, &view) != OK)
			return REFUSE(walk->detail,
				      "node %zu of the proof is no trie node in canonical RLP",
				      walk->used - 1);
		switch (trie_view_step(&view, walk->key, walk->n, &walk->at, &ref)) {
		case STEP_VALUE:
			*value = ref;
			return OK;
		case STEP_ABSENT:
			*value = (struct span){NULL, 0};
			return OK;
		case STEP_CHILD:
			break;
		}
	}
}

/* Nothing, or the RLP of nothing. */
static bool is_empty_list(struct proof_list proof)
{
	return proof.n == 0 || (proof.n == 1 && span_equal(proof.nodes[0], SPAN("\x80")));
}

enum err proof_verify(const struct eth_bytes32 *root, struct span key, struct proof_list proof,
		      struct span *value, struct err_detail *detail)
{
	struct proof_walk walk = {.proof = proof, .detail = detail};
	const bool is_empty_trie = eth_bytes32_equal(root, &eth_empty_trie_root);

	*value = (struct span){NULL, 0};
	if (is_empty_trie && is_empty_list(proof))
		return OK;
	if (is_empty_trie)
		return REFUSE(detail, "the proof has nodes, and the root is the empty trie's");
	if (proof.n == 0)
		return REFUSE(detail,
			      "the proof is empty, and the root is not the empty trie's");
	walk.n = trie_key_nibbles(key, walk.key);
	enum err err = follow(
		&walk, (struct span){(const char *)root->bytes, sizeof root->bytes}, value);
	if (err == OK && walk.used < proof.n)
		err = REFUSE(detail,
			     "the proof goes on for %zu more after the node where its key "
			     "ends: it is "
			     "another key's, or padded",
			     proof.n - walk.used);
	if (err != OK)
		*value = (struct span){NULL, 0};
	return err;
}

/* ---- accounts and slots ---- */

static struct span hashed(const void *bytes, size_t n, struct eth_bytes32 *digest)
{
	keccak256(bytes, n, digest);
	return (struct span){(const char *)digest->bytes, sizeof digest->bytes};
}

static bool is_zero(const struct eth_bytes32 *hash)
{
	static const struct eth_bytes32 zero;

	return eth_bytes32_equal(hash, &zero);
}

/* The same, or zero for an account that is absent. */
static bool hash_fits(const struct eth_bytes32 *claimed, const struct eth_bytes32 *proved,
		      bool exists)
{
	return eth_bytes32_equal(claimed, proved) || (!exists && is_zero(claimed));
}

static enum err account_fits(const struct trie_account *claimed,
			     const struct trie_account *proved, bool exists,
			     struct err_detail *detail)
{
	const char *what = NULL;

	if (claimed->nonce != proved->nonce)
		what = "nonce";
	else if (memcmp(claimed->balance.bytes, proved->balance.bytes, 32) != 0)
		what = "balance";
	else if (!hash_fits(&claimed->storage_root, &proved->storage_root, exists))
		what = "storage root";
	else if (!hash_fits(&claimed->code_hash, &proved->code_hash, exists))
		what = "code hash";
	if (!what)
		return OK;
	return REFUSE(detail,
		      exists ? "the %s is not the one that the proof shows"
			     : "the %s is not that of an absent account, which the proof shows",
		      what);
}

enum err proof_account_verify(const struct eth_bytes32 *state_root,
			      const struct eth_address *address, struct proof_list proof,
			      const struct trie_account *claimed, struct trie_account *account,
			      bool *exists, struct err_detail *detail)
{
	struct trie_account proved = trie_account_empty;
	struct eth_bytes32 key;
	struct span value;
	enum err err = proof_verify(state_root, hashed(address->bytes, sizeof *address, &key),
				    proof, &value, detail);

	if (err != OK)
		return err;
	const bool there = value.len > 0;
	if (there && trie_account_decode(value, &proved) != OK)
		return REFUSE(detail, "what the proof shows is no account in canonical RLP");
	if (claimed)
		err = account_fits(claimed, &proved, there, detail);
	if (err != OK)
		return err;
	*account = proved;
	if (exists)
		*exists = there;
	return OK;
}

enum err proof_slot_verify(const struct eth_bytes32 *storage_root,
			   const struct eth_bytes32 *slot, struct proof_list proof,
			   const struct eth_bytes32 *claimed, struct eth_bytes32 *value,
			   struct err_detail *detail)
{
	struct eth_bytes32 key, proved;
	struct span leaf;
	const enum err err = proof_verify(storage_root, hashed(slot->bytes, sizeof *slot, &key),
					  proof, &leaf, detail);

	if (err != OK)
		return err;
	if (trie_word_decode(leaf, &proved) != OK)
		return REFUSE(detail,
			      "what the proof shows is no storage value in canonical RLP");
	if (claimed && !eth_bytes32_equal(claimed, &proved))
		return REFUSE(detail, "the value is not the one that the proof shows");
	*value = proved;
	return OK;
}
