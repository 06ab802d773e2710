/* SPDX-License-Identifier: MIT */
#include "layers/block_header.h"
#include "base/json.h"
#include "base/member.h"

enum err block_header_parse(struct span json, struct block_header *out, bool *is_prague,
			    struct err_detail *detail)
{
	struct eth_bytes32 requests;
	const char *missing = NULL;
	struct span text;

	memset(out, 0, sizeof *out);
	if (json.len == 0 || json_type(json) != JSON_OBJECT)
		return err_set(detail, ERR_BAD_ANSWER, "the block is not an object");
	if (!member_u64(json, "number", &out->number))
		missing = "number";
	else if (!member_hash(json, "hash", &out->hash))
		missing = "hash";
	else if (!member_hash(json, "parentHash", &out->parent_hash))
		missing = "parentHash";
	else if (!member_hash(json, "stateRoot", &out->state_root))
		missing = "stateRoot";
	else if (!member_u64(json, "timestamp", &out->timestamp))
		missing = "timestamp";
	else if (!member_u64(json, "gasLimit", &out->gas_limit))
		missing = "gasLimit";
	if (missing != NULL)
		return err_set(detail, ERR_BAD_ANSWER, "the block has no valid %s", missing);
	if (!member_u64(json, "gasUsed", &out->gas_used))
		out->gas_used = 0;
	if (member_text(json, "baseFeePerGas", &text) &&
	    eth_quantity_lenient(text, &out->base_fee) == OK)
		out->has |= HEADER_BASE_FEE;
	if (member_u64(json, "excessBlobGas", &out->excess_blob_gas))
		out->has |= HEADER_EXCESS_BLOB_GAS;
	*is_prague = member_hash(json, "requestsHash", &requests);
	return OK;
}

void block_key_of(uint64_t chain_id, const struct eth_bytes32 *hash, bool full, struct buf *out)
{
	buf_u64(out, chain_id);
	buf_text(out, ":eth_getBlockByHash[\"");
	buf_hex(out, hash->bytes, 32);
	buf_text(out, full ? "\",true]" : "\",false]");
}
