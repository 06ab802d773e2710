/* SPDX-License-Identifier: MIT */
/*
 * eth_getProof: nodes echo the caller's storage keys, and one kept answer serves all callers.
 * It is asked for with keys of 32 bytes; each caller gets them in the form that go-ethereum
 * gives his (GetProof, ethapi): 32 bytes stay so, fewer become a QUANTITY.
 */
#include "rpc/reply_impl.h"

static void put_key(struct span asked, struct buf *out)
{
	struct span digits = json_string_raw(asked);
	struct eth_bytes32 slot;
	char text[2 + 64];

	if (slot_param_parse(asked, &slot) != OK)
		return;
	if (digits.len > 1 && (digits.ptr[1] | 0x20) == 'x')
		digits.len -= 2;
	if (digits.len > 62) { /* 32 bytes: an odd digit counts as one */
		put_hash(out, &slot);
		return;
	}
	buf_char(out, '"');
	buf_append(out, text, eth_quantity_format(slot.bytes, 32, text));
	buf_char(out, '"');
}

/* keep_check has seen that the proof's slots are those asked for, in their order. */
void render_proof(const struct call *call, struct buf *out)
{
	struct span json = call->reply.json, list, entry, key, asked;
	const char *done = json.ptr;

	if (json_member(json, "storageProof", &list)) {
		struct json_iter iter = json_iter(list);
		struct json_iter all = json_iter(call->params.raw[1]);
		while (json_next_element(&iter, &entry) && json_next_element(&all, &asked)) {
			if (!json_member(entry, "key", &key))
				continue;
			buf_append(out, done, (size_t)(key.ptr - done));
			put_key(asked, out);
			done = key.ptr + key.len;
		}
	}
	buf_append(out, done, (size_t)(json.ptr + json.len - done));
}
