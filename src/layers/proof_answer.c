/* SPDX-License-Identifier: MIT */
#include "layers/proof_answer.h"
#include "base/json.h"
#include "base/member.h"

/* An answer is at most as large as what the fork takes; its bytes are half of its hex. */
#define ARENA_BYTES ((size_t)256 << 20)

static bool list_member(struct span object, const char *name, struct span *list)
{
	return json_member(object, name, list) && json_type(*list) == JSON_ARRAY;
}

static enum err bad(struct err_detail *detail, const char *what)
{
	return err_set(detail, ERR_BAD_ANSWER, "the answer to eth_getProof %s", what);
}

/* Hex to bytes: the next nodes of the answer. */
static enum err read_nodes(struct proof_answer *out, struct span list, struct proof_list *proof,
			   struct err_detail *detail)
{
	struct json_iter iter = json_iter(list);
	struct span element, text;

	proof->nodes = out->nodes + out->nodes_n;
	proof->n = 0;
	while (json_next_element(&iter, &element)) {
		size_t n;
		if (!json_string_plain(element, &text) || eth_data_length(text, &n) != OK)
			return bad(detail, "has a node that is not DATA");
		char *bytes = arena_alloc(&out->arena, n + 1);
		if (bytes == NULL)
			return err_set(detail, ERR_NOMEM, "out of memory");
		if (eth_data_parse(text, bytes, n) != OK)
			return bad(detail, "has a node that is not DATA");
		out->nodes[out->nodes_n++] = (struct span){bytes, n};
		proof->n++;
	}
	return OK;
}

static enum err read_account(struct proof_answer *out, struct span json,
			     const struct eth_address *address, struct err_detail *detail)
{
	struct eth_address named;
	struct span text;

	if (json_type(json) != JSON_OBJECT)
		return bad(detail, "is not an object");
	if (member_text(json, "address", &text) && (eth_address_parse(text, &named) != OK ||
						    memcmp(&named, address, sizeof named) != 0))
		return bad(detail, "is about another account");
	if (!member_text(json, "balance", &text) ||
	    eth_quantity_lenient(text, &out->claimed.balance) != OK)
		return bad(detail, "has no valid balance");
	if (!member_text(json, "nonce", &text) ||
	    eth_quantity_u64(text, &out->claimed.nonce) != OK)
		return bad(detail, "has no valid nonce");
	if (!member_hash(json, "codeHash", &out->claimed.code_hash))
		return bad(detail, "has no valid codeHash");
	if (!member_hash(json, "storageHash", &out->claimed.storage_root))
		return bad(detail, "has no valid storageHash");
	return OK;
}

/* Nodes that the whole answer holds. */
static size_t count_nodes(struct span account, struct span storage)
{
	struct json_iter iter = json_iter(storage);
	size_t n = json_length(account);
	struct span entry, list;

	while (json_next_element(&iter, &entry))
		if (list_member(entry, "proof", &list))
			n += json_length(list);
	return n;
}

static enum err read_slots(struct proof_answer *out, struct span storage,
			   const struct eth_bytes32 *slots, size_t n, struct err_detail *detail)
{
	struct json_iter iter = json_iter(storage);
	struct span entry, text, list;
	struct eth_bytes32 key;

	while (json_next_element(&iter, &entry)) {
		const size_t i = out->slots_n;
		if (i == n || !member_text(entry, "key", &text) ||
		    eth_slot_parse(text, &key) != OK || !eth_bytes32_equal(&key, &slots[i]))
			return bad(detail, "is about other slots");
		if (!member_text(entry, "value", &text) ||
		    eth_slot_value_parse(text, &out->values[i]) != OK)
			return bad(detail, "has a slot without a valid value");
		if (!list_member(entry, "proof", &list))
			return bad(detail, "has a slot without a proof");
		enum err err = read_nodes(out, list, &out->slots[i], detail);
		if (err != OK)
			return err;
		out->slots_n++;
	}
	return out->slots_n == n ? OK : bad(detail, "is about other slots");
}

enum err proof_answer_read(struct proof_answer *out, struct span json,
			   const struct eth_address *address, const struct eth_bytes32 *slots,
			   size_t n, struct err_detail *detail)
{
	struct span account, storage;

	*out = (struct proof_answer){0};
	arena_init(&out->arena, ARENA_BYTES);
	enum err err = read_account(out, json, address, detail);
	if (err != OK)
		return err;
	if (!list_member(json, "accountProof", &account))
		return bad(detail, "has no accountProof");
	if (!list_member(json, "storageProof", &storage))
		return bad(detail, "has no storageProof");
	out->nodes = arena_calloc(&out->arena, count_nodes(account, storage) + 1,
				  sizeof *out->nodes);
	out->values = arena_calloc(&out->arena, n + 1, sizeof *out->values);
	out->slots = arena_calloc(&out->arena, n + 1, sizeof *out->slots);
	if (out->nodes == NULL || out->values == NULL || out->slots == NULL)
		return err_set(detail, ERR_NOMEM, "out of memory");
	err = read_nodes(out, account, &out->account, detail);
	return err == OK ? read_slots(out, storage, slots, n, detail) : err;
}

void proof_answer_release(struct proof_answer *answer)
{
	arena_release(&answer->arena);
}

enum err proof_answer_verify(struct proof_answer *answer, const struct eth_bytes32 *state_root,
			     const struct eth_address *address, const struct eth_bytes32 *slots,
			     struct err_detail *detail)
{
	struct trie_account proved;
	struct eth_bytes32 value;
	enum err err = proof_account_verify(state_root, address, answer->account,
					    &answer->claimed, &proved, &answer->exists, detail);

	if (err != OK)
		return err;
	answer->claimed = proved;
	for (size_t i = 0; err == OK && i < answer->slots_n; i++)
		err = proof_slot_verify(&proved.storage_root, &slots[i], answer->slots[i],
					&answer->values[i], &value, detail);
	return err;
}

struct account_fields proof_answer_fields(const struct proof_answer *answer)
{
	static const struct eth_bytes32 zero;
	struct account_fields fields = {
		.mask = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH |
			ACCOUNT_STORAGE_ROOT,
		.nonce = answer->claimed.nonce,
		.balance = answer->claimed.balance,
		.code_hash = answer->claimed.code_hash,
		.storage_root = answer->claimed.storage_root,
	};

	if (eth_bytes32_equal(&fields.code_hash, &zero))
		fields.code_hash = eth_empty_code_hash;
	if (eth_bytes32_equal(&fields.storage_root, &zero))
		fields.storage_root = eth_empty_trie_root;
	return fields;
}
