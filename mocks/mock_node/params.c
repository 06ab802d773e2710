/* SPDX-License-Identifier: MIT */
#include "mock_node/params.h"
#include "mock_node/fork.h"
#include "mock_node/node.h"

struct span json_text(const json_t *value)
{
	if (!json_is_string(value))
		return SPAN("");
	return (struct span){json_string_value(value), json_string_length(value)};
}

uint64_t json_uint(const json_t *value)
{
	json_int_t number = json_integer_value(value);
	return number > 0 ? (uint64_t)number : 0;
}

static bool has_prefix(struct span text)
{
	return text.len >= 2 && text.ptr[0] == '0' &&
	       (text.ptr[1] == 'x' || text.ptr[1] == 'X');
}

/* The error that go-ethereum's hexutil gives for DATA of a fixed size. */
static bool fixed_data(const json_t *params, size_t i, void *bytes, size_t n,
		       const char *go_type, struct answer *answer)
{
	const json_t *value = json_array_get(params, i);
	struct span text = json_text(value);

	if (!json_is_string(value))
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument %zu: json: cannot unmarshal non-string "
				    "into Go value of type %s",
				    i, go_type);
	if (!has_prefix(text))
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument %zu: json: cannot unmarshal hex string "
				    "without 0x prefix into Go value of type %s",
				    i, go_type);
	if (text.len != 2 + 2 * n)
		return answer_error(
			answer, RPC_INVALID_PARAMS,
			"invalid argument %zu: json: cannot unmarshal hex string of "
			"%s into Go value of type %s",
			i, text.len % 2 ? "odd length" : "wrong length", go_type);
	if (eth_data_parse(text, bytes, n) != OK)
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument %zu: json: cannot unmarshal invalid hex "
				    "string into Go value of type %s",
				    i, go_type);
	return true;
}

bool param_address(const json_t *params, size_t i, struct eth_address *out,
		   struct answer *answer)
{
	return fixed_data(params, i, out->bytes, sizeof out->bytes, "common.Address", answer);
}

bool param_hash(const json_t *params, size_t i, struct eth_bytes32 *out, struct answer *answer)
{
	return fixed_data(params, i, out->bytes, sizeof out->bytes, "common.Hash", answer);
}

bool param_index(const json_t *params, size_t i, uint64_t *out, struct answer *answer)
{
	if (eth_quantity_u64(json_text(json_array_get(params, i)), out) == OK)
		return true;
	return answer_error(answer, RPC_INVALID_PARAMS,
			    "invalid argument %zu: json: cannot unmarshal invalid hex string "
			    "into Go value of type hexutil.Uint",
			    i);
}

bool param_flag(const json_t *params, size_t i, bool *out, struct answer *answer)
{
	const json_t *value = json_array_get(params, i);

	if (!json_is_boolean(value))
		return answer_error(
			answer, RPC_INVALID_PARAMS,
			"invalid argument %zu: json: cannot unmarshal value into Go "
			"value of type bool",
			i);
	*out = json_is_true(value);
	return true;
}

bool param_slot_text(const json_t *value, struct eth_bytes32 *out, struct answer *answer)
{
	struct span text = json_text(value);

	if (text.len > 2 + 64)
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "storage key too long (want at most 32 bytes): \"%.*s\"",
				    (int)(text.len < 200 ? text.len : 200), text.ptr);
	if (json_is_string(value) && eth_slot_parse(text, out) == OK)
		return true;
	return answer_error(answer, RPC_INVALID_PARAMS, "invalid hex in storage key: \"%.*s\"",
			    (int)text.len, text.ptr);
}

const struct block *node_head(struct node *node)
{
	const struct block *newest = chain_head(&node->chain);
	uint64_t lag = script_lag(&node->script);

	if (lag > newest->header.number)
		lag = newest->header.number;
	return chain_by_number(&node->chain, newest->header.number - lag);
}

const struct block *node_block_by_hash(struct node *node, const struct eth_bytes32 *hash)
{
	const struct block *block = chain_by_hash(&node->chain, hash);

	if (!block || (node->script.without_side_blocks && !block->canonical))
		return NULL;
	/* A side block may be above the head, if the node has seen it. */
	if (script_lag(&node->script) && block->header.number > node_head(node)->header.number)
		return NULL;
	return block;
}

static bool tagged(struct node *node, const struct script_tag *tag, const struct block **out)
{
	uint64_t head = node_head(node)->header.number;

	*out = NULL;
	if (tag->style == TAG_KNOWN)
		*out = chain_by_number(&node->chain, tag->depth < head ? head - tag->depth : 0);
	return tag->style == TAG_KNOWN || tag->style == TAG_NULL;
}

bool node_block_by_text(struct node *node, struct span text, const struct block **out)
{
	uint64_t number;

	if (span_is(text, "latest") || span_is(text, "pending"))
		*out = node_head(node);
	else if (span_is(text, "safe"))
		return tagged(node, &node->script.safe, out);
	else if (span_is(text, "finalized"))
		return tagged(node, &node->script.finalized, out);
	else if (span_is(text, "earliest"))
		*out = chain_by_number(&node->chain, 0);
	else if (eth_quantity_u64(text, &number) == OK)
		*out = number > node_head(node)->header.number
			       ? NULL
			       : chain_by_number(&node->chain, number);
	else
		return false;
	return true;
}

static bool bad_block(struct node *node, struct answer *answer, size_t i, struct span text)
{
	const struct script *script = &node->script;
	const char *why = "invalid hex string";

	if ((span_is(text, "safe") && script->safe.style == TAG_ERROR) ||
	    (span_is(text, "finalized") && script->finalized.style == TAG_ERROR))
		return answer_error(answer, RPC_SERVER_ERROR, "%.*s block not found",
				    (int)text.len, text.ptr);
	if (text.len > 2 + 16)
		why = "hex number > 64 bits";
	else if (!has_prefix(text))
		why = "hex string without 0x prefix";
	else if (text.len > 3 && text.ptr[2] == '0')
		why = "hex number with leading zero digits";
	else if (text.len == 2)
		why = "hex string \"0x\"";
	return answer_error(answer, RPC_INVALID_PARAMS, "invalid argument %zu: %s", i, why);
}

bool param_block_number(struct node *node, const json_t *params, size_t i,
			const struct block **out, struct answer *answer)
{
	struct span text = json_text(json_array_get(params, i));

	if (node_block_by_text(node, text, out))
		return true;
	return bad_block(node, answer, i, text);
}

static bool state_by_hash(struct node *node, struct span text, bool require_canonical,
			  const struct block **out, struct answer *answer)
{
	struct eth_bytes32 hash;

	if (eth_data_parse(text, hash.bytes, sizeof hash.bytes) != OK)
		return answer_error(answer, RPC_INVALID_PARAMS, "invalid argument: block hash");
	*out = node_block_by_hash(node, &hash);
	if (!*out)
		return answer_error(answer, RPC_SERVER_ERROR, "header for hash not found");
	if (require_canonical && !(*out)->canonical)
		return answer_error(answer, RPC_SERVER_ERROR,
				    "hash is not currently canonical");
	return true;
}

static bool state_by_object(struct node *node, const json_t *object, size_t i,
			    const struct block **out, struct answer *answer)
{
	const json_t *hash = json_object_get(object, "blockHash");
	const json_t *number = json_object_get(object, "blockNumber");

	if (hash && number)
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument %zu: cannot specify both BlockHash and "
				    "BlockNumber, choose one or the other",
				    i);
	if (hash)
		return state_by_hash(node, json_text(hash),
				     json_is_true(json_object_get(object, "requireCanonical")),
				     out, answer);
	if (!node_block_by_text(node, json_text(number), out))
		return bad_block(node, answer, i, json_text(number));
	return true;
}

static bool still_stored(struct node *node, const struct block *block, struct answer *answer)
{
	char root[65] = {0};

	if (!node->script.pruning ||
	    block->header.number + node->script.prune >= node_head(node)->header.number)
		return true;
	eth_hex(block->header.state_root.bytes, 32, root);
	return answer_error(answer, RPC_SERVER_ERROR,
			    "missing trie node %s (path ) state 0x%s is not available, not "
			    "found",
			    root, root);
}

bool param_state_block(struct node *node, const json_t *params, size_t i,
		       const struct block **out, struct answer *answer)
{
	const json_t *value = json_array_get(params, i);
	bool by_hash = !node->script.without_eip1898;
	bool known;

	if (node->fork)
		return fork_is_block(node->fork, value, answer);
	if (json_is_object(value) && !by_hash)
		return answer_error(answer, RPC_INVALID_PARAMS,
				    "invalid argument %zu: json: cannot unmarshal object into "
				    "Go value of type rpc.BlockNumber",
				    i);
	if (!value || json_is_null(value)) {
		*out = node_head(node);
		known = true;
	} else if (json_is_object(value)) {
		known = state_by_object(node, value, i, out, answer);
	} else if (by_hash && json_string_length(value) == 66) {
		known = state_by_hash(node, json_text(value), false, out, answer);
	} else {
		known = param_block_number(node, params, i, out, answer);
	}
	if (!known)
		return false;
	if (!*out)
		return answer_error(answer, RPC_SERVER_ERROR, "header not found");
	return still_stored(node, *out, answer);
}
