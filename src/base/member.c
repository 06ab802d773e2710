/* SPDX-License-Identifier: MIT */
#include "base/member.h"
#include "base/json.h"

bool member_text(struct span object, const char *name, struct span *out)
{
	struct span value;

	return json_member(object, name, &value) && json_string_plain(value, out);
}

bool member_hash(struct span object, const char *name, struct eth_bytes32 *out)
{
	struct span text;

	return member_text(object, name, &text) &&
	       eth_data_parse(text, out->bytes, sizeof out->bytes) == OK;
}

bool member_u64(struct span object, const char *name, uint64_t *out)
{
	struct span text;

	return member_text(object, name, &text) && eth_quantity_u64(text, out) == OK;
}
