/* SPDX-License-Identifier: MIT */
/*
 * eth_getBlockReceipts where no upstream has it: the transactions' hashes from the block, then
 * a receipt each, of which those that are kept need not be asked for. The fork back end puts
 * the others into batches.
 */
#include "rpc/compose.h"
#include "base/log.h"
#include "rpc/keep_impl.h"

/* Most receipts of one block; those of the fullest real ones are a tenth. */
#define RECEIPTS_MAX 10000
/* As large as an upstream's reply may be. */
#define RECEIPTS_BYTES_MAX (64u << 20)

/* ---- the answer ---- */

static void render_receipts(const struct call *call, struct buf *out)
{
	const struct parts *parts = call->parts;

	buf_char(out, '[');
	for (unsigned i = 0; i < parts->n; i++) {
		if (i > 0)
			buf_char(out, ',');
		buf_span(out, parts->part[i].reply.json);
	}
	buf_char(out, ']');
}

static bool is_of_block(const struct call *call, struct span receipt)
{
	struct eth_bytes32 hash;

	return tx_block_hash(receipt, &hash) && eth_bytes32_equal(&hash, &call->block.at.hash);
}

/* Each is of this block, and stands at its place: between two questions the transactions
 * may have moved. */
static bool are_of_block(const struct call *call)
{
	const struct parts *parts = call->parts;
	uint64_t index;

	for (unsigned i = 0; i < parts->n; i++) {
		const struct span json = parts->part[i].reply.json;
		if (!is_of_block(call, json) || !member_u64(json, "transactionIndex", &index) ||
		    index != i)
			return false;
	}
	return true;
}

/* As the answer to eth_getBlockReceipts would be: with the number of the block's transactions
 * there is no doubt that it is whole. */
static void keep_receipts(struct call *call)
{
	struct buf text;
	uint32_t hash_at;

	if (call->parts->do_not_store || call_chain(call)->keep_nothing)
		return;
	buf_init(&text, RECEIPTS_BYTES_MAX);
	render_receipts(call, &text);
	enum err err = buf_err(&text);
	if (err == OK)
		err = make_key(call, &hash_at);
	if (err == OK)
		stack_keep_reply(stack_of(call_view(call)), call->key, call->block.at.number,
				 buf_as_span(&text));
	else
		log_warn("receipts not kept", LOG_S("cause", err_name(err)));
	buf_release(&text);
}

static enum lookup receipts_done(struct call *call)
{
	if (!are_of_block(call)) {
		call_suspect_head(call);
		return call_failed(call, ERR_BAD_ANSWER,
				   "a receipt is not of the block that was asked for");
	}
	keep_receipts(call);
	call->render = render_receipts;
	return HIT;
}

/* ---- the parts ---- */

static enum lookup step_receipts(struct call *call)
{
	return call->render != NULL ? FAILED : receipts_done(call);
}

static void on_receipt(void *cookie, const struct fork_answer *answer)
{
	struct part *part = cookie;
	struct call *call = part->call;

	part->op = NULL;
	if (answer->err == OK) {
		part->reply.blob = part->reply.blob_ref = blob_get(answer->blob);
		part->reply.json = blob_span(answer->blob);
		call->parts->do_not_store |= answer->do_not_store;
	} else if (call->render == NULL) {
		/* Nodes have no receipt of a transaction that has left the chain. */
		call_suspect_head(call);
		call_take_failure(call, answer);
	}
	if (--call->parts->left == 0)
		call_resume(call);
}

static enum lookup ask_receipt(struct call *call, struct part *part,
			       const struct eth_bytes32 *hash, struct span key)
{
	const struct keep keep = {.kind = KEEP_TX, .hash = *hash};
	struct span tag = keep_tag(call_arena(call), &keep, key);
	struct buf *params = call_scratch(call);
	enum err err = ERR_NOMEM;

	buf_char(params, '[');
	put_hash(params, hash);
	buf_char(params, ']');
	if (tag.ptr == NULL || buf_err(params) != OK)
		return call_failed(call, ERR_NOMEM, "");
	const struct fork_question question = {
		.kind = FORK_CALL,
		.class = FORK_CLASS_STATE,
		.block = call->block.at,
		.method = SPAN("eth_getTransactionReceipt"),
		.params = buf_as_span(params),
		.may_join = true,
		.tag = tag,
	};
	if (stack_fetch_call(call_view(call), &question, on_receipt, part, &part->op, &err) !=
	    PENDING)
		return call_failed(call, err, "");
	call->parts->left++;
	return PENDING;
}

/* HIT, PENDING or FAILED. */
static enum lookup get_receipt(struct call *call, struct part *part,
			       const struct eth_bytes32 *hash)
{
	struct buf *text = call_scratch(call);

	part->call = call;
	tx_key(call_chain(call), "eth_getTransactionReceipt", hash, text);
	struct span key = in_arena(call, text);
	if (key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	if (stack_get_reply(call_view(call), key, &part->reply) == HIT) {
		/* It may be of a block that was replaced. */
		if (is_of_block(call, part->reply.json))
			return HIT;
		reply_release(&part->reply);
	}
	return ask_receipt(call, part, hash, key);
}

/* An element of a block's list, in either form. */
static bool tx_hash(struct span element, struct eth_bytes32 *hash)
{
	struct span text;

	if (json_type(element) == JSON_OBJECT)
		return member_hash(element, "hash", hash);
	return json_string_plain(element, &text) && eth_data_parse(text, hash->bytes, 32) == OK;
}

static enum lookup get_receipts(struct call *call, struct span list)
{
	struct json_iter iter = json_iter(list);
	struct eth_bytes32 hash;
	struct span element;

	for (unsigned i = 0; json_next_element(&iter, &element); i++) {
		if (!tx_hash(element, &hash))
			return call_failed(call, ERR_BAD_ANSWER,
					   "the block's list of transactions is none");
		if (get_receipt(call, &call->parts->part[i], &hash) == FAILED)
			return FAILED;
	}
	call->step = step_receipts;
	return call->parts->left > 0 ? PENDING : receipts_done(call);
}

static enum lookup receipts_of_block(struct call *call)
{
	struct span list;
	uint64_t n;

	if (!block_tx_count(call->reply.json, &n) ||
	    !json_member(call->reply.json, "transactions", &list))
		return MISS;
	if (n > RECEIPTS_MAX)
		return call_error(call, RPC_LIMIT, "the block has %llu transactions: too many",
				  (unsigned long long)n);
	call->parts = arena_calloc(call_arena(call), 1,
				   sizeof *call->parts + n * sizeof call->parts->part[0]);
	if (call->parts == NULL)
		return call_failed(call, ERR_NOMEM, "");
	call->parts->n = (unsigned)n;
	return get_receipts(call, list);
}

enum lookup begin_receipts(struct call *call)
{
	static const struct composition receipts = {.last_resort = true,
						    .of_block = receipts_of_block};

	call->composition = &receipts;
	return begin_block(call);
}
