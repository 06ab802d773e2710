/* SPDX-License-Identifier: MIT */
#include "layers/block_header.h"
#include "base/json.h"

static bool text_member(struct span object, const char *name, struct span *text)
{
	struct span value;

	return json_member(object, name, &value) && json_string_plain(value, text);
}

static bool hash_member(struct span object, const char *name, struct eth_bytes32 *out)
{
	struct span text;

	return text_member(object, name, &text) && eth_data_parse(text, out->bytes, 32) == OK;
}

static bool u64_member(struct span object, const char *name, uint64_t *out)
{
	struct span text;

	return text_member(object, name, &text) && eth_quantity_u64(text, out) == OK;
}

enum err block_header_parse(struct span json, struct block_header *out, bool *is_prague,
			    struct err_detail *detail)
{
	struct eth_bytes32 requests;
	const char *missing = NULL;
	struct span text;

	memset(out, 0, sizeof *out);
	if (json.len == 0 || json_type(json) != JSON_OBJECT)
		return err_set(detail, ERR_BAD_ANSWER, "the block is not an object");
	if (!u64_member(json, "number", &out->number))
		missing = "number";
	else if (!hash_member(json, "hash", &out->hash))
		missing = "hash";
	else if (!hash_member(json, "parentHash", &out->parent_hash))
		missing = "parentHash";
	else if (!hash_member(json, "stateRoot", &out->state_root))
		missing = "stateRoot";
	else if (!u64_member(json, "timestamp", &out->timestamp))
		missing = "timestamp";
	else if (!u64_member(json, "gasLimit", &out->gas_limit))
		missing = "gasLimit";
	if (missing != NULL)
		return err_set(detail, ERR_BAD_ANSWER, "the block has no valid %s", missing);
	if (!u64_member(json, "gasUsed", &out->gas_used))
		out->gas_used = 0;
	if (text_member(json, "baseFeePerGas", &text) &&
	    eth_quantity_lenient(text, &out->base_fee) == OK)
		out->has |= HEADER_BASE_FEE;
	if (u64_member(json, "excessBlobGas", &out->excess_blob_gas))
		out->has |= HEADER_EXCESS_BLOB_GAS;
	*is_prague = hash_member(json, "requestsHash", &requests);
	return OK;
}

void block_key_of(uint64_t chain_id, const struct eth_bytes32 *hash, bool full, struct buf *out)
{
	buf_u64(out, chain_id);
	buf_text(out, ":eth_getBlockByHash[\"");
	buf_hex(out, hash->bytes, 32);
	buf_text(out, full ? "\",true]" : "\",false]");
}
