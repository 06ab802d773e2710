/* SPDX-License-Identifier: MIT */
/* Answers by transaction hash: bound to the block that they name. */
#include "rpc/reply_impl.h"

/* Whether the reply found is still true: HIT; MISS: it is not, or nobody here knows. */
static enum lookup is_settled(struct call *call)
{
	struct eth_bytes32 named, bound;

	if (!call->reply.unsettled)
		return HIT;
	enum lookup known = block_canonical(call, call->reply.block_number, &bound);
	if (known == HIT &&
	    (!tx_block_hash(call->reply.json, &named) || !eth_bytes32_equal(&named, &bound)))
		known = MISS;
	if (known != HIT)
		reply_release(&call->reply);
	return known;
}

/* HIT: the reply under the key, of a block that is on the chain; MISS; PENDING, FAILED: as
 * call_need_head. */
static enum lookup find_tx(struct call *call)
{
	return use_reply(call, call->key) ? is_settled(call) : MISS;
}

/* "There is no such transaction" is true for ever under a pinned block that is final. */
static bool is_known_absent(struct call *call)
{
	struct span absent;

	if (call_follows(call) || !call_head(call)->block.final)
		return false;
	absent = absent_key(call_arena(call), call->key, call_chain(call));
	return use_reply(call, absent);
}

/* Which block a transaction is in is asked between two reads of the head, if the other calls of
 * the body are answered under that: HIT; PENDING, FAILED: as call_need_head. */
static enum lookup tie_to_head(struct call *call)
{
	if (!call_follows(call) || !call_has_company(call))
		return HIT;
	enum lookup found = call_need_head(call, TAG_LATEST);
	if (found == HIT) {
		call->guarded = true;
		call->guard = call_head(call)->block.at;
	}
	return found;
}

/* null of a node that has not shown the pinned block may be of one that is behind it: it is
 * asked again between two reads of that. */
static bool doubt_null(struct call *call, const struct fork_answer *answer)
{
	if (call_follows(call) || call->guarded || !call_head(call)->block.final ||
	    answer->err != OK || json_type(blob_span(answer->blob)) != JSON_NULL)
		return false;
	call->guarded = true;
	call->guard = call_head(call)->block.at;
	return true;
}

static struct keep keep_of_tx(const struct call *call)
{
	struct keep keep = {.kind = KEEP_TX, .hash = call->params.hash};

	if (call->guarded && !call_follows(call))
		keep.flags = KEEP_ABSENT;
	return keep;
}

static call_step_fn step_tx;

static void on_tx_reply(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	if (!doubt_null(call, answer)) {
		on_reply(call, answer);
		return;
	}
	call->op = NULL;
	call->step = step_tx;
	call_resume(call);
}

static enum lookup ask_tx(struct call *call)
{
	const struct keep keep = keep_of_tx(call);
	struct buf *params = call_scratch(call);
	enum err err = put_params(call, false, params);

	if (err != OK)
		return compose_failed(call, err);
	return fetch(call, &keep, span_of(call->method->name), buf_as_span(params), true,
		     on_tx_reply);
}

static enum lookup step_tx(struct call *call)
{
	uint32_t hash_at = 0;

	enum err err = make_key(call, &hash_at);
	if (err != OK)
		return compose_failed(call, err);
	enum lookup found = find_tx(call);
	if (found == PENDING || found == FAILED)
		return found;
	if (found == MISS && !is_known_absent(call)) {
		/* To a node, null means "not known here". Offline that is the truth, and it is
		 * what fork nodes need: they ask for the hashes of the transactions that they
		 * were just sent, and nobody can have asked for those before. */
		if (stack_is_offline(call_view(call)))
			return call_text(call, SPAN("null"));
		found = tie_to_head(call);
		return found == HIT ? ask_tx(call) : found;
	}
	if (call_is_above(call, call->reply.block_number))
		return call_above_head(call);
	return call_text(call, call->reply.json);
}

enum lookup begin_tx(struct call *call)
{
	call->step = step_tx;
	return MISS;
}

/* ---- of a transaction: which block is it in? ---- */

static enum lookup tx_absent(struct call *call)
{
	if (call->method->flags & NULL_OK)
		return call_text(call, SPAN("null"));
	return call_error(call, RPC_SERVER_ERROR, "transaction not found");
}

/* json: of eth_getTransactionByHash. */
static enum lookup use_tx(struct call *call, struct span json)
{
	uint64_t number;

	if (json_type(json) != JSON_OBJECT || !tx_block_number(json, &number) ||
	    call_is_above(call, number))
		return tx_absent(call);
	call->block.at.number = number;
	call->block.final = chain_is_final(call_chain(call), number);
	reply_release(&call->reply);
	if (!call_follows(call))
		call->guarded = false; /* its null was doubted */
	call->step = step_reply;
	return MISS;
}

static enum lookup step_tx_known(struct call *call)
{
	if (call->render != NULL)
		return call->is_error ? FAILED : HIT;
	return use_tx(call, call->reply.json);
}

static call_step_fn step_tx_of;

static void on_tx(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	call->op = NULL;
	call->step = step_tx_known;
	if (doubt_null(call, answer)) {
		call->step = step_tx_of;
	} else if (answer->err != OK) {
		call_take_failure(call, answer);
	} else {
		call_take_blob(call, answer);
	}
	call_resume(call);
}

static enum lookup step_tx_of(struct call *call)
{
	const struct keep keep = keep_of_tx(call);
	struct buf *scratch = call_scratch(call);

	tx_key(call_chain(call), "eth_getTransactionByHash", &call->params.hash, scratch);
	call->key = in_arena(call, scratch);
	if (call->key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	enum lookup found = find_tx(call);
	if (found == PENDING || found == FAILED)
		return found;
	if (found == HIT)
		return use_tx(call, call->reply.json);
	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	found = tie_to_head(call);
	if (found != HIT)
		return found;
	buf_clear(scratch);
	buf_char(scratch, '[');
	put_hash(scratch, &call->params.hash);
	buf_char(scratch, ']');
	if (buf_err(scratch) != OK)
		return call_failed(call, buf_err(scratch), "");
	return fetch(call, &keep, SPAN("eth_getTransactionByHash"), buf_as_span(scratch), true,
		     on_tx);
}

enum lookup begin_tx_of(struct call *call)
{
	call->step = step_tx_of;
	return MISS;
}
