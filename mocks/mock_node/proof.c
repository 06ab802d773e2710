/* SPDX-License-Identifier: MIT */
#include "mock_node/proof.h"
#include "mock_node/fork.h"
#include "mock_node/node.h"
#include "mock_node/params.h"
#include "mock_node/roots.h"
#include "base/keccak.h"

#define KEYS_MAX 1024 /* go-ethereum's maxGetStorageSlots */

/* False: the walk did not come to an end, which has been answered. */
static bool has_ended(enum walk_end end, const struct walk *walk, struct answer *answer)
{
	char hex[65] = {0};

	switch (end) {
	case WALK_FOUND:
	case WALK_ABSENT:
		return true;
	case WALK_MISSING:
		eth_hex(walk->missing.bytes, sizeof walk->missing.bytes, hex);
		return answer_error(answer, RPC_SERVER_ERROR, "missing trie node %s", hex);
	case WALK_BROKEN:
		break;
	}
	return answer_error(answer, RPC_INTERNAL, "mock-node: a broken trie node");
}

bool proof_account(const struct nodes *nodes, const struct eth_bytes32 *state_root,
		   const struct eth_address *address, struct trie_account *out,
		   struct walk *walk, struct answer *answer)
{
	struct eth_bytes32 key;

	*out = (struct trie_account){.storage_root = eth_empty_trie_root,
				     .code_hash = eth_empty_code_hash};
	keccak256(address->bytes, sizeof address->bytes, &key);
	enum walk_end end = nodes_walk(nodes, state_root, &key, walk);
	if (end == WALK_FOUND && trie_read_account(walk->value, out) != OK)
		end = WALK_BROKEN;
	return has_ended(end, walk, answer);
}

bool proof_slot(const struct nodes *nodes, const struct eth_bytes32 *storage_root,
		const struct eth_bytes32 *slot, struct eth_bytes32 *value, struct walk *walk,
		struct answer *answer)
{
	struct eth_bytes32 key;

	*value = (struct eth_bytes32){{0}};
	keccak256(slot->bytes, sizeof slot->bytes, &key);
	enum walk_end end = nodes_walk(nodes, storage_root, &key, walk);
	if (end == WALK_FOUND && trie_read_slot(walk->value, value) != OK)
		end = WALK_BROKEN;
	return has_ended(end, walk, answer);
}

static void put_path(struct buf *out, const struct walk *walk)
{
	buf_char(out, '[');
	for (size_t i = 0; i < walk->depth; i++) {
		buf_text(out, i ? ",\"" : "\"");
		buf_hex(out, walk->path[i].ptr, walk->path[i].len);
		buf_char(out, '"');
	}
	buf_char(out, ']');
}

static void put_number(struct buf *out, const char *name, const unsigned char bytes[32])
{
	char text[66];
	size_t n = eth_quantity_format(bytes, 32, text);

	buf_printf(out, "\"%s\":\"%.*s\",", name, (int)n, text);
}

static bool put_slot(const struct nodes *nodes, const struct eth_bytes32 *root,
		     const json_t *key, struct answer *answer)
{
	struct buf *out = &answer->json;
	struct eth_bytes32 slot, value;
	struct walk walk;

	if (!param_slot_text(key, &slot, answer) ||
	    !proof_slot(nodes, root, &slot, &value, &walk, answer))
		return false;
	buf_char(out, '{');
	if (json_string_length(key) == 66) {
		json_data(out, "key", slot.bytes, sizeof slot.bytes);
		buf_char(out, ',');
	} else {
		put_number(out, "key", slot.bytes);
	}
	put_number(out, "value", value.bytes);
	buf_text(out, "\"proof\":");
	put_path(out, &walk);
	buf_char(out, '}');
	return true;
}

void proof_answer(const struct nodes *nodes, const struct eth_bytes32 *state_root,
		  const struct eth_address *address, const json_t *keys, struct answer *answer)
{
	struct buf *out = &answer->json;
	struct trie_account account;
	struct walk walk;
	size_t i;
	const json_t *key;

	if (!proof_account(nodes, state_root, address, &account, &walk, answer))
		return;
	buf_char(out, '{');
	json_data(out, "address", address->bytes, sizeof address->bytes);
	buf_text(out, ",\"accountProof\":");
	put_path(out, &walk);
	buf_char(out, ',');
	put_number(out, "balance", account.balance.bytes);
	json_data(out, "codeHash", account.code_hash.bytes, 32);
	buf_char(out, ',');
	json_quantity(out, "nonce", account.nonce);
	buf_char(out, ',');
	json_data(out, "storageHash", account.storage_root.bytes, 32);
	buf_text(out, ",\"storageProof\":[");
	json_array_foreach(keys, i, key)
	{
		if (i)
			buf_char(out, ',');
		if (!put_slot(nodes, &account.storage_root, key, answer))
			return;
	}
	buf_text(out, "]}");
}

static bool keys_param(const json_t *keys, struct answer *answer)
{
	if (!json_is_array(keys))
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument 1: json: cannot unmarshal into Go value "
				    "of type []string");
	if (json_array_size(keys) > KEYS_MAX)
		return answer_error(answer, RPC_INVALID_PARAMS, "too many keys (max %d)",
				    KEYS_MAX);
	return true;
}

static bool no_method(const char *name, struct answer *answer)
{
	return answer_error(answer, RPC_NO_METHOD,
			    "the method %s does not exist/is not available", name);
}

void proof_get(struct node *node, const json_t *params, struct answer *answer)
{
	const json_t *keys = json_array_get(params, 1);
	const struct block *block = NULL;
	struct eth_address address;

	if (node->fork ? !node->fork->type->proof : !node->chain.state_roots) {
		no_method("eth_getProof", answer);
		return;
	}
	if (!param_address(params, 0, &address, answer) || !keys_param(keys, answer) ||
	    !param_state_block(node, params, 2, &block, answer))
		return;
	if (node->fork)
		node->fork->type->proof(node->fork, &address, keys, answer);
	else
		roots_proof(&node->chain, block, &address, keys, answer);
}

void proof_execution_witness(struct node *node, const json_t *params, struct answer *answer)
{
	struct span text = json_text(json_array_get(params, 0));
	const struct fork *fork = node->fork;
	uint64_t number;

	if (!node->script.execution_witness || !fork || !fork->type->witness)
		no_method("debug_executionWitness", answer);
	else if (eth_quantity_u64(text, &number) != OK)
		answer_error(answer, RPC_INVALID_PARAMS, "invalid argument 0: block number");
	else if (number != fork->number + 1)
		answer_error(answer, RPC_SERVER_ERROR, "block number %llu not found",
			     (unsigned long long)number);
	else
		fork->type->witness(fork, answer);
}
