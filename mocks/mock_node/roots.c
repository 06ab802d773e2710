/* SPDX-License-Identifier: MIT */
#include "mock_node/roots.h"
#include "mock_node/history.h"
#include "mock_node/proof.h"
#include "mock_node/trie.h"
#include "base/keccak.h"
#include <stdlib.h>

/* What is at a block in the slots of one account; *pairs is new, free with free. */
static enum err pairs_of(const struct chain *chain, const struct block *block,
			 const struct world_account *account, struct trie_pair **pairs,
			 size_t *count)
{
	static const struct eth_bytes32 zero;
	struct eth_bytes32 *slots;
	size_t slot_count;
	enum err err = history_slots(chain, block, account, &slots, &slot_count);

	*count = 0;
	*pairs = calloc(slot_count + 1, sizeof **pairs);
	if (!*pairs)
		err = ERR_NOMEM;
	for (size_t i = 0; err == OK && i < slot_count; i++) {
		struct eth_bytes32 value;
		history_slot(chain, block, &account->address, &slots[i], &value);
		if (!eth_bytes32_equal(&value, &zero))
			trie_put_slot(&(*pairs)[(*count)++], &slots[i], &value);
	}
	free(slots);
	return err;
}

static enum err build_storage(const struct chain *chain, const struct block *block,
			      const struct world_account *account, struct nodes *keep,
			      struct eth_bytes32 *root)
{
	struct trie_pair *pairs;
	size_t count;
	enum err err = pairs_of(chain, block, account, &pairs, &count);

	if (err == OK)
		err = trie_build(pairs, count, keep, root);
	free(pairs);
	return err;
}

/* Who is empty is not in the trie (EIP-161). */
static bool is_there(const struct history_account *state)
{
	static const struct eth_u256 zero;

	return state->nonce || state->code.len ||
	       memcmp(&state->balance, &zero, sizeof zero) != 0;
}

static bool put_account(const struct chain *chain, const struct block *block, size_t i,
			struct trie_pair *pair)
{
	const struct world_account *account = &chain->world->accounts[i];
	struct trie_account in_trie = {.storage_root = eth_empty_trie_root};
	struct history_account state;

	history_account(chain, block, &account->address, &state);
	if (!is_there(&state))
		return false;
	in_trie.nonce = state.nonce;
	in_trie.balance = state.balance;
	keccak256(state.code.ptr, state.code.len, &in_trie.code_hash);
	if (i >= WORLD_EOAS)
		in_trie.storage_root = block->storage_roots[i - WORLD_EOAS];
	trie_put_account(pair, &account->address, &in_trie);
	return true;
}

static enum err build_state(const struct chain *chain, const struct block *block,
			    struct nodes *keep, struct eth_bytes32 *root)
{
	struct trie_pair *pairs = calloc(chain->world->count, sizeof *pairs);
	size_t count = 0;

	if (!pairs)
		return ERR_NOMEM;
	for (size_t i = 0; i < chain->world->count; i++)
		count += put_account(chain, block, i, &pairs[count]);
	enum err err = trie_build(pairs, count, keep, root);
	free(pairs);
	return err;
}

enum err roots_fill(const struct chain *chain, struct block *block)
{
	const struct world *world = chain->world;
	enum err err = OK;

	block->storage_roots = calloc(world->count - WORLD_EOAS, sizeof *block->storage_roots);
	if (!block->storage_roots)
		return ERR_NOMEM;
	for (size_t i = WORLD_EOAS; err == OK && i < world->count; i++)
		err = build_storage(chain, block, &world->accounts[i], NULL,
				    &block->storage_roots[i - WORLD_EOAS]);
	return err == OK ? build_state(chain, block, NULL, &block->header.state_root) : err;
}

void roots_proof(const struct chain *chain, const struct block *block,
		 const struct eth_address *address, const json_t *keys, struct answer *answer)
{
	const struct world_account *account = world_find(chain->world, address);
	struct eth_bytes32 state_root, storage_root;
	struct nodes nodes;

	nodes_init(&nodes);
	enum err err = build_state(chain, block, &nodes, &state_root);
	if (err == OK && account && json_array_size(keys) > 0)
		err = build_storage(chain, block, account, &nodes, &storage_root);
	if (err == OK)
		proof_answer(&nodes, &state_root, address, keys, answer);
	else
		answer_error(answer, RPC_INTERNAL, "mock-node: out of memory");
	nodes_release(&nodes);
}
