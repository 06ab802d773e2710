/* SPDX-License-Identifier: MIT */
/* Methods that are answered from the chain's identity, and pinned, from the head's header. */
#include "base/buf.h"
#include "base/keccak.h"
#include "rpc/begin.h"
#include "rpc/call.h"

#define GWEI_QUANTITY "\"0x3b9aca00\""

static enum lookup quantity(struct call *call, const struct eth_u256 *value)
{
	char *text = arena_alloc(call_arena(call), 2 + 64 + 2);

	if (text == NULL)
		return call_failed(call, ERR_NOMEM, "");
	text[0] = '"';
	size_t n = eth_quantity_format(value->bytes, 32, text + 1);
	text[1 + n] = '"';
	return call_text(call, (struct span){text, n + 2});
}

static enum lookup quantity_u64(struct call *call, uint64_t value)
{
	struct eth_u256 wide = eth_u256_from_u64(value);

	return quantity(call, &wide);
}

enum lookup begin_chain_id(struct call *call)
{
	return quantity_u64(call, call_chain(call)->chain_id);
}

/* The text in the making as the answer. */
static enum lookup scratch_text(struct call *call, const struct buf *text)
{
	struct span copy = arena_span(call_arena(call), buf_as_span(text));

	if (buf_err(text) != OK || copy.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	return call_text(call, copy);
}

enum lookup begin_net_version(struct call *call)
{
	struct buf *text = call_scratch(call);

	buf_char(text, '"');
	buf_u64(text, call_chain(call)->chain_id);
	buf_char(text, '"');
	return scratch_text(call, text);
}

enum lookup begin_block_number(struct call *call)
{
	enum lookup found = call_need_head(call, TAG_LATEST);

	if (found != HIT)
		return found;
	return quantity_u64(call, call_head(call)->block.at.number);
}

enum lookup begin_gas_price(struct call *call)
{
	struct eth_u256 price;

	if (call_follows(call))
		return begin_slow(call);
	price = head_gas_price(call_head(call));
	return quantity(call, &price);
}

enum lookup begin_priority_fee(struct call *call)
{
	if (call_follows(call))
		return begin_slow(call);
	return call_text(call, SPAN(GWEI_QUANTITY));
}

enum lookup begin_base_fee(struct call *call)
{
	if (call_follows(call))
		return begin_slow(call);
	const struct eth_u256 fee = head_next_base_fee(call_head(call));
	return quantity(call, &fee);
}

enum lookup begin_blob_base_fee(struct call *call)
{
	if (call_follows(call))
		return begin_slow(call);
	return quantity_u64(call,
			    head_blob_base_fee(call_head(call), call_chain(call)->chain_id));
}

enum lookup begin_syncing(struct call *call)
{
	if (call_follows(call))
		return begin_slow(call);
	return call_text(call, SPAN("false"));
}

enum lookup begin_client_version(struct call *call)
{
	struct buf *text = call_scratch(call);

	buf_json_string(text, span_of(call_chain(call)->client_version));
	return scratch_text(call, text);
}

enum lookup begin_sha3(struct call *call)
{
	struct span hex = call->params.data;
	size_t n = (hex.len - 2) / 2;
	unsigned char *bytes = arena_alloc(call_arena(call), n + 1);
	char *text = arena_alloc(call_arena(call), 68);
	struct eth_bytes32 digest;

	if (bytes == NULL || text == NULL)
		return call_failed(call, ERR_NOMEM, "");
	if (eth_data_parse(hex, bytes, n) != OK)
		return call_error(call, RPC_INVALID_PARAMS, "invalid argument 0: not DATA");
	keccak256(bytes, n, &digest);
	memcpy(text, "\"0x", 3);
	eth_hex(digest.bytes, 32, text + 3);
	text[67] = '"';
	return call_text(call, (struct span){text, 68});
}

enum lookup begin_true(struct call *call)
{
	return call_text(call, SPAN("true"));
}

enum lookup begin_false(struct call *call)
{
	return call_text(call, SPAN("false"));
}

enum lookup begin_zero(struct call *call)
{
	return call_text(call, SPAN("\"0x0\""));
}

enum lookup begin_empty_list(struct call *call)
{
	return call_text(call, SPAN("[]"));
}

enum lookup begin_coinbase(struct call *call)
{
	return call_text(call, SPAN("\"0x0000000000000000000000000000000000000000\""));
}

enum lookup begin_protocol_version(struct call *call)
{
	return call_text(call, SPAN("\"0x44\""));
}

enum lookup begin_modules(struct call *call)
{
	return call_text(call, SPAN("{\"debug\":\"1.0\",\"eth\":\"1.0\",\"net\":\"1.0\","
				    "\"rpc\":\"1.0\",\"trace\":\"1.0\",\"web3\":\"1.0\"}"));
}
