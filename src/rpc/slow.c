/* SPDX-License-Identifier: MIT */
/*
 * What changes with the head, and otherwise hardly: asked once for each head, however many
 * clients ask, and kept in memory under the head's hash.
 */
#include "rpc/reply_impl.h"

static enum lookup step_slow(struct call *call)
{
	const struct keep keep = {.kind = KEEP_SLOW};
	enum lookup head = call_need_head(call, TAG_LATEST);
	struct buf *key = call_scratch(call);

	if (head != HIT)
		return head;
	buf_u64(key, call_chain(call)->chain_id);
	buf_char(key, ':');
	buf_text(key, call->method->name);
	buf_text(key, "[]@");
	buf_hex(key, call_head(call)->block.at.hash.bytes, 32);
	call->key = in_arena(call, key);
	if (call->key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	if (use_reply(call, call->key))
		return call_text(call, call->reply.json);
	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	return fetch(call, &keep, span_of(call->method->name), SPAN("[]"), false, on_reply);
}

enum lookup begin_slow(struct call *call)
{
	call->step = step_slow;
	return MISS;
}
