/* SPDX-License-Identifier: MIT */
#include "rpc/keep_impl.h"

_Static_assert(sizeof(struct keep) == 4 + 4 + 8 + 8 + 8 + 32 + 20 + 4,
	       "struct keep has padding");

struct span keep_tag(struct arena *arena, const struct keep *keep, struct span key)
{
	char *tag = arena_alloc(arena, sizeof *keep + key.len);

	if (tag == NULL)
		return (struct span){0};
	memcpy(tag, keep, sizeof *keep);
	if (key.len > 0)
		memcpy(tag + sizeof *keep, key.ptr, key.len);
	return (struct span){tag, sizeof *keep + key.len};
}

bool keep_tag_open(struct span tag, struct keep *keep, struct span *key)
{
	if (tag.len < sizeof *keep)
		return false;
	memcpy(keep, tag.ptr, sizeof *keep);
	*key = (struct span){tag.ptr + sizeof *keep, tag.len - sizeof *keep};
	return true;
}

bool tx_block_hash(struct span json, struct eth_bytes32 *hash)
{
	return member_hash(json, "blockHash", hash);
}

bool tx_block_number(struct span json, uint64_t *number)
{
	return member_u64(json, "blockNumber", number);
}

bool keep_account_parse(struct span json, const char *root_name, struct account_fields *out)
{
	struct span value, text;

	if (json_type(json) != JSON_OBJECT || !json_member(json, "balance", &value) ||
	    !json_string_plain(value, &text) ||
	    eth_quantity_lenient(text, &out->balance) != OK ||
	    !json_member(json, "nonce", &value) || !json_string_plain(value, &text) ||
	    eth_quantity_u64(text, &out->nonce) != OK ||
	    !member_hash(json, "codeHash", &out->code_hash) ||
	    !member_hash(json, root_name, &out->storage_root))
		return false;
	/* Of an absent account some nodes answer hashes of zero, others those of nothing: the
	 * former are not known from here. */
	static const struct eth_bytes32 zero;
	out->mask = ACCOUNT_BALANCE | ACCOUNT_NONCE;
	if (!eth_bytes32_equal(&out->storage_root, &zero))
		out->mask |= ACCOUNT_STORAGE_ROOT;
	if (!eth_bytes32_equal(&out->code_hash, &zero))
		out->mask |= ACCOUNT_CODE_HASH;
	return true;
}

bool block_tx_count(struct span json, uint64_t *count)
{
	struct span list;

	if (!json_member(json, "transactions", &list) || json_type(list) != JSON_ARRAY)
		return false;
	*count = json_length(list);
	return true;
}
