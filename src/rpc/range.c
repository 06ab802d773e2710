/* SPDX-License-Identifier: MIT */
/* Filters over a range of blocks: their ends are resolved here, then they are forwarded. */
#include "rpc/reply_impl.h"

static bool names_block(struct span name)
{
	return span_is(name, "fromBlock") || span_is(name, "toBlock") ||
	       span_is(name, "blockHash");
}

/* What the filter selects by. Both ends are resolved; the range is cut at the pinned block. */
struct range {
	bool by_hash;	/* call->block; else from and to */
	bool omit_from; /* leave the default to the upstream */
	uint64_t from, to;
};

static void put_range(const struct call *call, const struct range *range, struct buf *out)
{
	if (range->by_hash) {
		buf_text(out, "\"blockHash\":");
		put_hash(out, &call->block.at.hash);
		return;
	}
	if (!range->omit_from) {
		buf_text(out, "\"fromBlock\":");
		put_number(out, range->from);
		buf_char(out, ',');
	}
	buf_text(out, "\"toBlock\":");
	put_number(out, range->to);
}

/* The other members, canonical and behind a comma each: all of the canonical filter but its
 * blocks. */
static enum err put_others(struct span filter, struct buf *out)
{
	struct json_iter iter = json_iter(filter);
	struct span name, value;

	while (json_next_member(&iter, &name, &value)) {
		if (names_block(name))
			continue;
		buf_text(out, ",\"");
		buf_span(out, name);
		buf_text(out, "\":");
		buf_span(out, value);
	}
	return buf_err(out);
}

static enum lookup ask_range(struct call *call, const struct range *range)
{
	const struct keep keep = {.kind = KEEP_NOTHING};
	struct buf *params = call_scratch(call);
	struct buf filter;

	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	buf_init(&filter, REQUEST_MAX_BYTES);
	enum err err = json_canonical(call->params.raw[0], &filter);
	buf_text(params, "[{");
	put_range(call, range, params);
	if (err == OK)
		err = put_others(buf_as_span(&filter), params);
	buf_text(params, "}]");
	buf_release(&filter);
	if (err == OK)
		err = buf_err(params);
	if (err != OK)
		return compose_failed(call, err);
	return fetch(call, &keep, span_of(call->method->name), buf_as_span(params), false,
		     on_reply);
}

static enum lookup step_range_of_hash(struct call *call)
{
	const struct range range = {.by_hash = true};

	return ask_range(call, &range);
}

/* The member of that name, if it is not null. */
static bool is_given(const struct call *call, const char *name, struct span *value)
{
	return json_member(call->params.raw[0], name, value) && json_type(*value) != JSON_NULL;
}

/* The number that one end of the range means; false when it is refused. */
static bool range_end(struct call *call, const char *name, uint64_t *number)
{
	struct err_detail why = {"not a number or a tag"};
	struct block_param param = {.kind = BLOCK_TAG};
	struct span value;

	if (is_given(call, name, &value) &&
	    (json_type(value) == JSON_OBJECT || block_param_parse(value, &param, &why) != OK ||
	     param.kind == BLOCK_HASH)) {
		call_error(call, RPC_INVALID_PARAMS, "invalid argument 0: %s: %s", name,
			   why.text);
		return false;
	}
	*number = param.kind == BLOCK_NUMBER ? param.number : call_head(call)->block.at.number;
	return true;
}

static enum lookup range_of_hash(struct call *call, struct span hash)
{
	struct err_detail why;
	struct span other;

	if (is_given(call, "fromBlock", &other) || is_given(call, "toBlock", &other))
		return call_error(call, RPC_INVALID_PARAMS,
				  "cannot specify both BlockHash and FromBlock/ToBlock, choose "
				  "one or the other");
	if (json_type(hash) != JSON_STRING ||
	    block_param_parse(hash, &call->params.block, &why) != OK ||
	    call->params.block.kind != BLOCK_HASH)
		return call_error(call, RPC_INVALID_PARAMS,
				  "invalid argument 0: blockHash is not 32 bytes of hex");
	enum lookup found = block_resolve(call);
	if (found == FAILED || found == PENDING)
		return found;
	call->after = step_range_of_hash;
	call->step = found == HIT ? step_range_of_hash : step_block;
	return MISS;
}

static enum lookup begin_range(struct call *call, bool from_is_latest)
{
	struct range range = {0};
	struct span hash, from;

	if (json_type(call->params.raw[0]) != JSON_OBJECT)
		return call_error(call, RPC_INVALID_PARAMS,
				  "invalid argument 0: not a filter object");
	if (is_given(call, "blockHash", &hash))
		return range_of_hash(call, hash);
	enum lookup found = call_need_head(call, TAG_LATEST);
	if (found != HIT)
		return found;
	const struct head *head = call_head(call);
	uint64_t pin = head->block.at.number;
	if (!range_end(call, "fromBlock", &range.from) ||
	    !range_end(call, "toBlock", &range.to))
		return FAILED;
	if (range.from > pin)
		return call_error(call, RPC_SERVER_ERROR,
				  "block range extends beyond current head block");
	if (range.to > pin)
		range.to = pin;
	/* What is not final in it is true as long as the head stays on the chain. */
	call->guarded = call_follows(call) && !chain_is_final(call_chain(call), range.to);
	call->guard = head->block.at;
	range.omit_from = !from_is_latest && !is_given(call, "fromBlock", &from);
	return ask_range(call, &range);
}

enum lookup begin_logs(struct call *call)
{
	return begin_range(call, true);
}

/* An absent fromBlock is the latest block for some nodes, and the first for others. */
enum lookup begin_traces(struct call *call)
{
	return begin_range(call, false);
}
