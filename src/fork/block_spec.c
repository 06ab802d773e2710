/* SPDX-License-Identifier: MIT */
#include "fork/block_spec.h"

static bool parse_decimal(struct span text, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < text.len; i++) {
		const unsigned digit = (unsigned)text.ptr[i] - '0';
		if (digit > 9 || *number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return text.len > 0;
}

static bool parse_number(struct span text, uint64_t *number)
{
	struct eth_u256 wide;

	if (text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x')
		return eth_quantity_lenient(text, &wide) == OK &&
		       eth_u256_to_u64(&wide, number);
	return parse_decimal(text, number);
}

enum err block_spec_parse(const char *spec, struct block_spec *out)
{
	struct span text = span_of(spec);

	*out = (struct block_spec){.kind = BLOCK_SPEC_TAG};
	if (span_is(text, "latest") || span_is(text, "safe") || span_is(text, "finalized"))
		return OK;
	out->kind = text.len == 66 ? BLOCK_SPEC_HASH : BLOCK_SPEC_NUMBER;
	if (out->kind == BLOCK_SPEC_HASH)
		return eth_data_parse(text, out->hash.bytes, sizeof out->hash.bytes);
	if (!parse_number(text, &out->number) || out->number == UINT64_MAX)
		return ERR_INVALID;
	return OK;
}
