/* SPDX-License-Identifier: MIT */
/* Filters over a range of blocks: their ends are resolved here. What names one block by hash,
 * or ends with a final one, is kept. */
#include "rpc/forms.h"
#include "rpc/reply_impl.h"

/* The member of that name, if it is not null. */
static bool is_given(const struct call *call, const char *name, struct span *value)
{
	return json_member(call->params.raw[0], name, value) && json_type(*value) != JSON_NULL;
}

/* What the filter selects by. Both ends are resolved; the range is cut at the head. */
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

/* "[{BLOCKS,OTHERS}]": what the upstream is asked, and the canonical request behind its method.
 */
static enum err put_filter(const struct call *call, const struct range *range, struct buf *out,
			   struct err_detail *why)
{
	const struct form *form = call->method->keep == KEEP_LOGS ? &form_logs : &form_traces;

	buf_text(out, "[{");
	put_range(call, range, out);
	size_t open = out->len;
	enum err err = form_put(form, call->params.raw[0], out, why);
	if (err != OK || buf_err(out) != OK)
		return err == OK ? buf_err(out) : err;
	/* The form is an object of its own: its brace becomes a comma, or ends this one. */
	if (out->len - open == 2) {
		out->ptr[open] = '}';
		out->len--;
	} else {
		out->ptr[open] = ',';
	}
	buf_char(out, ']');
	return buf_err(out);
}

/* Whether the question means one history for ever. */
static bool is_fixed(const struct call *call, const struct range *range)
{
	return range->by_hash ||
	       (!range->omit_from && chain_is_final(call_chain(call), range->to));
}

static struct keep keep_of_range(const struct call *call, const struct range *range)
{
	struct keep keep = {.kind = call->method->keep, .flags = KEEP_HAS_NUMBER};

	keep.count = range->by_hash	? call->block.at.number
		     : range->omit_from ? 0
					: range->from;
	keep.number = range->by_hash ? call->block.at.number : range->to;
	if (range->by_hash) {
		keep.flags |= KEEP_HAS_HASH;
		keep.hash = call->block.at.hash;
	}
	if (is_fixed(call, range))
		keep.flags |= KEEP_FIXED;
	return keep;
}

/* " of blocks 1 to 5" for an offline miss. */
static enum lookup range_miss(struct call *call, const struct range *range)
{
	struct buf *about = call_scratch(call);
	struct span address, text;

	if (range->by_hash)
		buf_printf(about, " of block %llu", (unsigned long long)call->block.at.number);
	else
		buf_printf(about, " of blocks %llu to %llu",
			   (unsigned long long)(range->omit_from ? 0 : range->from),
			   (unsigned long long)range->to);
	if (is_given(call, "address", &address) && json_string_plain(address, &text) &&
	    text.len <= 42) {
		buf_text(about, ", ");
		buf_span(about, text);
	}
	call->about = in_arena(call, about);
	return call_offline_miss(call, NULL);
}

static enum lookup ask_range(struct call *call, const struct range *range)
{
	const struct keep keep = keep_of_range(call, range);
	struct buf *key = call_scratch(call);
	struct err_detail why;

	buf_u64(key, call_chain(call)->chain_id);
	buf_char(key, ':');
	buf_text(key, call->method->name);
	size_t open = key->len;
	enum err err = put_filter(call, range, key, &why);
	if (err == ERR_INVALID)
		return call_error(call, RPC_INVALID_PARAMS, "invalid argument 0: %s", why.text);
	if (err != OK)
		return compose_failed(call, err);
	call->key = in_arena(call, key);
	if (call->key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	if (is_fixed(call, range) && use_reply(call, call->key))
		return call_text(call, call->reply.json);
	if (stack_is_offline(call_view(call)))
		return range_miss(call, range);
	return fetch(call, &keep, span_of(call->method->name),
		     (struct span){call->key.ptr + open, call->key.len - open}, false,
		     on_reply);
}

static enum lookup step_range_of_hash(struct call *call)
{
	const struct range range = {.by_hash = true};

	return ask_range(call, &range);
}

/* The number that one end of the range means. PENDING: for what its tag means now. */
static enum lookup range_end(struct call *call, const char *name, uint64_t *number)
{
	struct err_detail why = {"not a number or a tag"};
	struct block_param param = {.kind = BLOCK_TAG};
	struct span value;

	if (is_given(call, name, &value) &&
	    (json_type(value) == JSON_OBJECT || block_param_parse(value, &param, &why) != OK ||
	     param.kind == BLOCK_HASH))
		return call_error(call, RPC_INVALID_PARAMS, "invalid argument 0: %s: %s", name,
				  why.text);
	*number = param.number;
	if (param.kind == BLOCK_NUMBER)
		return HIT;
	/* Nothing is kept of the pending block, and nodes have no logs of it. */
	const enum block_tag tag = param.tag == TAG_PENDING ? TAG_LATEST : param.tag;
	enum lookup found = call_need_head(call, tag);
	if (found == HIT)
		*number = call_tag(call, tag)->block.at.number;
	return found;
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
	struct span hash, end;

	if (json_type(call->params.raw[0]) != JSON_OBJECT)
		return call_error(call, RPC_INVALID_PARAMS,
				  "invalid argument 0: not a filter object");
	if (is_given(call, "blockHash", &hash))
		return range_of_hash(call, hash);
	enum lookup found = call_need_head(call, TAG_LATEST);
	if (found != HIT)
		return found;
	const struct head *head = call_head(call);
	const uint64_t latest = head->block.at.number;
	if ((found = range_end(call, "fromBlock", &range.from)) != HIT ||
	    (found = range_end(call, "toBlock", &range.to)) != HIT)
		return found;
	if (range.from > latest)
		return call_error(call, RPC_SERVER_ERROR,
				  "block range extends beyond current head block");
	range.omit_from = !from_is_latest && !is_given(call, "fromBlock", &end);
	if (!range.omit_from && range.from > range.to)
		return call_error(call, RPC_INVALID_PARAMS, "invalid block range params");
	if (range.to > latest)
		range.to = latest;
	if (from_is_latest && range.from == latest && !head->block.final) {
		/* One block whose hash is known. */
		call->block = head->block;
		call->hash_known = true;
		range.by_hash = true;
		return ask_range(call, &range);
	}
	/* What is not final in it is true as long as the head stays on the chain. */
	call->guarded = call_follows(call) && !chain_is_final(call_chain(call), range.to);
	call->guard = head->block.at;
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
