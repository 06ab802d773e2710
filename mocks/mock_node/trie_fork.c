/* SPDX-License-Identifier: MIT */
#include "mock_node/trie_fork_impl.h"
#include "mock_node/params.h"
#include "mock_node/proof.h"

static bool find_account(const struct fork *fork, const struct eth_address *address,
			 struct trie_account *out, struct answer *answer)
{
	const struct trie_fork *self = (const struct trie_fork *)fork;
	struct walk walk;

	return proof_account(&self->nodes, &self->state_root, address, out, &walk, answer);
}

static struct span code_of(const struct trie_fork *self, const struct eth_bytes32 *hash)
{
	struct span key = {(const char *)hash->bytes, sizeof hash->bytes};
	const struct node_rlp *code = dict_get(&self->codes.by_hash, key);

	if (eth_bytes32_equal(hash, &eth_empty_code_hash))
		return SPAN("");
	return code ? code->rlp : (struct span){NULL, 0};
}

static bool trie_fork_account(const struct fork *fork, const struct eth_address *address,
			      struct history_account *out, struct answer *answer)
{
	struct trie_account account;

	if (!find_account(fork, address, &account, answer))
		return false;
	out->balance = account.balance;
	out->nonce = account.nonce;
	out->code = code_of((const struct trie_fork *)fork, &account.code_hash);
	return true;
}

static bool trie_fork_slot(const struct fork *fork, const struct eth_address *address,
			   const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			   struct answer *answer)
{
	const struct trie_fork *self = (const struct trie_fork *)fork;
	struct trie_account account;
	struct walk walk;

	return find_account(fork, address, &account, answer) &&
	       proof_slot(&self->nodes, &account.storage_root, slot, value, &walk, answer);
}

static void trie_fork_proof(const struct fork *fork, const struct eth_address *address,
			    const json_t *keys, struct answer *answer)
{
	const struct trie_fork *self = (const struct trie_fork *)fork;

	proof_answer(&self->nodes, &self->state_root, address, keys, answer);
}

static void put_all(struct buf *out, const char *name, const struct nodes *nodes)
{
	buf_printf(out, "\"%s\":[", name);
	for (const struct node_rlp *node = nodes->first; node; node = node->next) {
		buf_text(out, node == nodes->first ? "\"" : ",\"");
		buf_hex(out, node->rlp.ptr, node->rlp.len);
		buf_char(out, '"');
	}
	buf_text(out, "],");
}

static void trie_fork_witness(const struct fork *fork, struct answer *answer)
{
	const struct trie_fork *self = (const struct trie_fork *)fork;

	buf_char(&answer->json, '{');
	put_all(&answer->json, "state", &self->nodes);
	put_all(&answer->json, "codes", &self->codes);
	buf_text(&answer->json, "\"keys\":null,\"headers\":[]}");
}

static void trie_fork_free(struct fork *fork)
{
	struct trie_fork *self = (struct trie_fork *)fork;

	nodes_release(&self->nodes);
	nodes_release(&self->codes);
	free(self);
}

static const struct fork_type trie_fork_type = {
	.account = trie_fork_account,
	.slot = trie_fork_slot,
	.proof = trie_fork_proof,
	.witness = trie_fork_witness,
	.free = trie_fork_free,
};

struct trie_fork *trie_fork_new(void)
{
	struct trie_fork *fork = calloc(1, sizeof *fork);

	if (!fork)
		return NULL;
	fork->base.type = &trie_fork_type;
	nodes_init(&fork->nodes);
	nodes_init(&fork->codes);
	return fork;
}

struct span trie_fork_bytes(struct trie_fork *fork, const json_t *text)
{
	struct span none = {NULL, 0};
	size_t n;

	if (eth_data_length(json_text(text), &n) != OK)
		return none;
	char *bytes = arena_alloc(&fork->codes.arena, n + 1);
	if (!bytes || eth_data_parse(json_text(text), bytes, n) != OK)
		return none;
	return (struct span){bytes, n};
}
