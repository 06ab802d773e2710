/* SPDX-License-Identifier: MIT */
#include "rpc/params.h"
#include <math.h>

static enum err bad(struct err_detail *message, const char *why)
{
	return err_set(message, ERR_INVALID, "%s", why);
}

static bool is_tag(struct span text, enum block_tag *tag)
{
	static const struct {
		struct span name;
		enum block_tag tag;
	} tags[] = {{{"latest", 6}, TAG_LATEST},
		    {{"safe", 4}, TAG_SAFE},
		    {{"finalized", 9}, TAG_FINALIZED},
		    {{"pending", 7}, TAG_PENDING}};

	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		if (span_equal(text, tags[i].name)) {
			*tag = tags[i].tag;
			return true;
		}
	}
	return false;
}

static enum err block_text(struct span text, struct block_param *out,
			   struct err_detail *message)
{
	struct eth_u256 number;

	if (is_tag(text, &out->tag))
		return OK;
	if (span_is(text, "earliest")) {
		out->kind = BLOCK_NUMBER;
		return OK;
	}
	if (text.len == 66 && eth_data_parse(text, out->hash.bytes, 32) == OK) {
		out->kind = BLOCK_HASH;
		return OK;
	}
	if (text.len < 2 || text.ptr[0] != '0' || (text.ptr[1] | 0x20) != 'x')
		return bad(message, "hex string without 0x prefix, and not a block tag");
	if (eth_quantity_lenient(text, &number) != OK)
		return bad(message, "invalid hex string for a block number");
	if (!eth_u256_to_u64(&number, &out->number) || out->number > INT64_MAX)
		return bad(message, "block number larger than int64");
	out->kind = BLOCK_NUMBER;
	return OK;
}

/* EIP-1898: {"blockNumber": ...} or {"blockHash": ..., "requireCanonical": bool}. */
static enum err block_object(struct span object, struct block_param *out,
			     struct err_detail *message)
{
	struct span number, hash, canonical, text;
	bool has_number =
		json_member(object, "blockNumber", &number) && json_type(number) != JSON_NULL;
	bool has_hash = json_member(object, "blockHash", &hash) && json_type(hash) != JSON_NULL;

	if (has_number == has_hash)
		return bad(message, has_hash ? "cannot specify both BlockHash and BlockNumber"
					     : "neither BlockHash nor BlockNumber is given");
	if (has_number) {
		if (!json_string_plain(number, &text) || text.len == 66)
			return bad(message, "blockNumber is not a number or a tag");
		return block_text(text, out, message);
	}
	if (!json_string_plain(hash, &text) || eth_data_parse(text, out->hash.bytes, 32) != OK)
		return bad(message, "blockHash is not 32 bytes of hex");
	out->kind = BLOCK_HASH;
	if (json_member(object, "requireCanonical", &canonical) &&
	    json_type(canonical) != JSON_NULL) {
		if (json_type(canonical) != JSON_TRUE && json_type(canonical) != JSON_FALSE)
			return bad(message, "requireCanonical is not a boolean");
		out->require_canonical = json_type(canonical) == JSON_TRUE;
	}
	return OK;
}

enum err block_param_parse(struct span value, struct block_param *out,
			   struct err_detail *message)
{
	struct span text;

	*out = (struct block_param){.kind = BLOCK_TAG};
	if (value.ptr == NULL || json_type(value) == JSON_NULL)
		return OK;
	if (json_type(value) == JSON_OBJECT)
		return block_object(value, out, message);
	if (!json_string_plain(value, &text))
		return bad(message, "a block is a number, a tag, a hash or an EIP-1898 object");
	return block_text(text, out, message);
}

static enum err parse_flag(struct span value, struct params *out, struct err_detail *message)
{
	enum json_type type = json_type(value);

	if (type != JSON_TRUE && type != JSON_FALSE)
		return bad(message, "not a boolean");
	out->flag = type == JSON_TRUE;
	return OK;
}

enum err slot_param_parse(struct span value, struct eth_bytes32 *out)
{
	struct span text;

	if (!json_string_plain(value, &text) || text.len == 0 || span_is(text, "0x") ||
	    span_is(text, "0X"))
		return ERR_INVALID;
	return eth_slot_parse(text, out);
}

static enum err parse_slots(struct span value, struct err_detail *message)
{
	struct json_iter iter = json_iter(value);
	struct eth_bytes32 slot;
	struct span element;
	unsigned n = 0;

	if (json_type(value) != JSON_ARRAY)
		return bad(message, "not a list of storage keys");
	while (json_next_element(&iter, &element)) {
		if (++n > PARAM_SLOTS_MAX)
			return bad(message, "more than 1024 storage keys");
		if (slot_param_parse(element, &slot) != OK)
			return bad(message, "not a storage key: want at most 32 bytes of hex");
	}
	return OK;
}

enum err percent_parse(struct span value, double *out)
{
	char text[64];
	char *end;

	if (json_type(value) != JSON_NUMBER || value.len >= sizeof text)
		return ERR_INVALID;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	*out = strtod(text, &end);
	/* 1e999 is a JSON number, and no double. */
	return *end == '\0' && isfinite(*out) ? OK : ERR_INVALID;
}

static enum err parse_percents(struct span value, struct err_detail *message)
{
	struct json_iter iter = json_iter(value);
	struct span element;
	double number;

	if (json_type(value) != JSON_ARRAY)
		return bad(message, "not a list of percentiles");
	while (json_next_element(&iter, &element))
		if (percent_parse(element, &number) != OK)
			return bad(message, "not a percentile: want a number");
	return OK;
}

/* As go-ethereum's HexOrDecimal64. */
static enum err parse_count(struct span value, struct params *out, struct err_detail *message)
{
	struct eth_u256 wide;
	struct span text = value;

	if (json_type(value) == JSON_NUMBER || json_string_plain(value, &text)) {
		if (eth_decimal_u64(text, &out->index) == OK)
			return OK;
		if (eth_quantity_lenient(text, &wide) == OK &&
		    eth_u256_to_u64(&wide, &out->index))
			return OK;
	}
	return bad(message, "not a number of at most 64 bits");
}

static enum err parse_text(enum param_kind kind, struct span text, struct params *out,
			   struct err_detail *message)
{
	size_t bytes;

	switch (kind) {
	case PARAM_ADDRESS:
		if (eth_address_parse(text, &out->address) != OK)
			return bad(message, "not an address: want 20 bytes of hex");
		return OK;
	case PARAM_SLOT:
		if (eth_slot_parse(text, &out->slot) != OK)
			return bad(message, "not a storage key: want at most 32 bytes of hex");
		return OK;
	case PARAM_HASH:
		if (eth_data_parse(text, out->hash.bytes, 32) != OK)
			return bad(message, "not a hash: want 0x and 32 bytes of hex");
		return OK;
	case PARAM_INDEX:
		if (eth_quantity_u64(text, &out->index) != OK)
			return bad(message, "not a QUANTITY of at most 64 bits");
		return OK;
	case PARAM_DATA:
		if (eth_data_length(text, &bytes) != OK)
			return bad(message, "not DATA: want 0x and an even number of digits");
		out->data = text;
		return OK;
	case PARAM_SLOTS:
	case PARAM_BLOCK:
	case PARAM_NUMBER:
	case PARAM_COUNT:
	case PARAM_PERCENTS:
	case PARAM_FLAG:
	case PARAM_ANY:
	case PARAM_CALL:
	case PARAM_TX:
	case PARAM_STATE:
	case PARAM_OVERRIDES:
	case PARAM_CONFIG:
	case PARAM_TYPES:
	case PARAM_PAIRS:
	case PARAM_BUNDLES:
	case PARAM_CONTEXT:
	case PARAM_SIMULATION:
		break;
	}
	return ERR_INVALID;
}

/* {"blockNumber": BLOCK, ...}, of which BLOCK may be left out; else a block. */
static enum err parse_context(struct span value, struct params *out, struct err_detail *message)
{
	struct span block = value, other;

	if (json_type(value) == JSON_OBJECT && !json_member(value, "blockHash", &other) &&
	    !json_member(value, "blockNumber", &block))
		block = SPAN("null");
	return block_param_parse(block, &out->block, message);
}

static enum err parse_one(enum param_kind kind, struct span value, struct params *out,
			  struct err_detail *message)
{
	struct span text;

	switch (kind) {
	case PARAM_ANY:
	case PARAM_CALL:
	case PARAM_TX:
	case PARAM_STATE:
	case PARAM_OVERRIDES:
	case PARAM_CONFIG:
	case PARAM_TYPES:
	case PARAM_PAIRS:
	case PARAM_BUNDLES:
	case PARAM_SIMULATION:
		return OK; /* their forms are made by who begins the call */
	case PARAM_CONTEXT:
		return parse_context(value, out, message);
	case PARAM_FLAG:
		return parse_flag(value, out, message);
	case PARAM_SLOTS:
		return parse_slots(value, message);
	case PARAM_COUNT:
		return parse_count(value, out, message);
	case PARAM_PERCENTS:
		return parse_percents(value, message);
	case PARAM_NUMBER:
		if (json_type(value) == JSON_OBJECT)
			return bad(message, "a block number or a tag is wanted here");
		if (block_param_parse(value, &out->block, message) != OK)
			return ERR_INVALID;
		if (out->block.kind == BLOCK_HASH)
			return bad(message, "a block number is wanted here, not a hash");
		return OK;
	case PARAM_BLOCK:
		return block_param_parse(value, &out->block, message);
	case PARAM_ADDRESS:
	case PARAM_SLOT:
	case PARAM_HASH:
	case PARAM_INDEX:
	case PARAM_DATA:
		if (!json_string_plain(value, &text))
			return bad(message, "want a string of hex");
		return parse_text(kind, text, out, message);
	}
	return ERR_INVALID;
}

static enum err missing(struct err_detail *message, unsigned i)
{
	return err_set(message, ERR_INVALID, "missing value for required argument %u", i);
}

/* A block where kinds of traces are expected, which come behind it then. */
static bool is_exchanged(const struct method *method, unsigned i, struct span value)
{
	enum json_type type = json_type(value);

	return method->kinds[i] == PARAM_TYPES && i + 1 < method->params_n &&
	       method->kinds[i + 1] == PARAM_BLOCK &&
	       (type == JSON_STRING || type == JSON_OBJECT);
}

enum err params_parse(const struct method *method, struct span params, struct params *out,
		      struct err_detail *message)
{
	struct json_iter iter;
	struct span value;
	struct err_detail why;
	unsigned exchanged = PARAMS_MAX;

	memset(out, 0, sizeof *out);
	if (params.ptr == NULL || json_type(params) == JSON_NULL)
		params = SPAN("[]");
	if (json_type(params) != JSON_ARRAY)
		return bad(message, "non-array args");
	iter = json_iter(params);
	while (json_next_element(&iter, &value)) {
		if (out->n >= method->params_n) {
			if (!method->rest)
				return err_set(message, ERR_INVALID,
					       "too many arguments, want at most %u",
					       method->params_n);
			if (out->tail.ptr == NULL)
				out->tail.ptr = value.ptr;
			out->tail.len = (size_t)(value.ptr + value.len - out->tail.ptr);
			continue;
		}
		unsigned i = out->n++;
		if (is_exchanged(method, i, value))
			exchanged = i;
		if (i == exchanged)
			i++;
		else if (exchanged < PARAMS_MAX && i == exchanged + 1)
			i--;
		out->raw[i] = value;
		if (json_type(value) == JSON_NULL) {
			out->raw[i].ptr = NULL;
			if (i < method->required_n)
				return missing(message, i);
			continue;
		}
		if (parse_one(method->kinds[i], value, out, &why) != OK)
			return err_set(message, ERR_INVALID, "invalid argument %u: %s", i,
				       why.text);
	}
	for (unsigned i = 0; i < method->required_n; i++)
		if (out->raw[i].ptr == NULL)
			return missing(message, i);
	return OK;
}

static bool take_block(struct span text, struct block_param *out)
{
	struct err_detail unused;

	return block_text(text, out, &unused) == OK;
}

static inline bool take_arg(enum param_kind kind, struct span text, struct params *out)
{
	if (kind == PARAM_ADDRESS)
		return eth_address_parse(text, &out->address) == OK;
	if (kind == PARAM_SLOT)
		return eth_slot_parse(text, &out->slot) == OK;
	if (kind == PARAM_BLOCK)
		return span_equal(text, SPAN("latest")) || take_block(text, &out->block);
	return false;
}

/* A fact's arguments, as nearly all requests have them. False leaves it to params_parse, which
 * also knows what is wrong. */
static bool take_args(const struct method *method, const struct json_request *in,
		      struct params *out)
{
	memset(&out->n, 0, offsetof(struct params, block) - offsetof(struct params, n));
	out->block = (struct block_param){.kind = BLOCK_TAG};
	for (unsigned i = 0; i < in->args_n; i++) {
		const struct span text = in->args[i];
		if (!take_arg(method->kinds[i], text, out))
			return false;
		out->raw[i] = (struct span){text.ptr - 1, text.len + 2};
	}
	for (unsigned i = in->args_n; i < method->params_n; i++)
		out->raw[i].ptr = NULL;
	out->n = in->args_n;
	return true;
}

enum err params_of_request(const struct method *method, const struct json_request *in,
			   struct params *out, struct err_detail *message)
{
	if (method->class == METHOD_FACT && in->args_n >= method->required_n &&
	    in->args_n > 0 && in->args_n <= method->params_n && take_args(method, in, out))
		return OK;
	return params_parse(method, in->params, out, message);
}
