/* SPDX-License-Identifier: MIT */
/* Which block does a call mean? Resolves numbers, tags, hashes and EIP-1898 objects. */
#include "base/buf.h"
#include "rpc/call.h"
#include "rpc/keep.h"

static enum lookup use(struct call *call, uint64_t number, const struct eth_bytes32 *hash,
		       bool canonical)
{
	call->block.at.number = number;
	call->block.at.hash = *hash;
	/* A final number names one block for ever; anything else is asked for by hash. */
	call->block.final = canonical && chain_is_final(call_chain(call), number);
	call->block.at.by_hash = !call->block.final;
	call->hash_known = true;
	return HIT;
}

static enum lookup use_pin(struct call *call)
{
	call->block = call_head(call)->block;
	call->hash_known = true;
	return HIT;
}

/* The call is answered: that block does not exist here. */
static enum lookup is_above(struct call *call)
{
	call_above_pin(call);
	return FAILED;
}

static enum lookup resolve_number(struct call *call, uint64_t number)
{
	const uint64_t head = call_head(call)->block.at.number;
	struct eth_bytes32 hash;

	if (number > head)
		return is_above(call);
	if (number == head)
		return use_pin(call);
	if (stack_get_binding(call_view(call), number, &hash) == HIT)
		return use(call, number, &hash, true);
	return MISS;
}

static enum lookup not_canonical(struct call *call)
{
	return call_error(call, RPC_SERVER_ERROR, "hash is not currently canonical");
}

/* The hash is of a block with that number. MISS: whether it is canonical must be asked. */
static enum lookup use_hash(struct call *call, uint64_t number)
{
	const struct block_param *param = &call->params.block;
	struct eth_bytes32 bound;

	if (number > call_head(call)->block.at.number)
		return is_above(call);
	bool known = stack_get_binding(call_view(call), number, &bound) == HIT;
	bool canonical = known && eth_bytes32_equal(&bound, &param->hash);
	if (param->require_canonical && known && !canonical)
		return not_canonical(call);
	use(call, number, &param->hash, canonical);
	return param->require_canonical && !known ? MISS : HIT;
}

enum lookup block_resolve(struct call *call)
{
	const struct block_param *param = &call->params.block;
	uint64_t number;

	if (param->kind == BLOCK_TAG)
		return use_pin(call);
	if (param->kind == BLOCK_NUMBER)
		return resolve_number(call, param->number);
	if (eth_bytes32_equal(&param->hash, &call_head(call)->block.at.hash))
		return use_pin(call);
	if (stack_get_number(call_view(call), &param->hash, &number) == HIT)
		return use_hash(call, number);
	return MISS;
}

/* ---- asking ---- */

static enum lookup ask_header(struct call *call, const struct keep *keep, const char *method,
			      const struct buf *params, fork_done_fn *done)
{
	struct buf *key = call_scratch(call);
	enum err err = ERR_NOMEM;

	/* By number the hash is a hole in the key, to be filled from the answer. */
	block_key(call_chain(call), &keep->hash, false, key);
	struct span tag = buf_err(key) == OK
				  ? keep_tag(call_arena(call), keep, buf_as_span(key))
				  : (struct span){0};
	if (tag.ptr == NULL || buf_err(params) != OK)
		return call_failed(call, ERR_NOMEM, "");
	const struct fork_question question = {
		.kind = FORK_CALL,
		.class = FORK_CLASS_STATE,
		.method = span_of(method),
		.params = buf_as_span(params),
		.may_join = true,
		.null_allowed = (keep->flags & KEEP_HAS_HASH) != 0,
		.tag = tag,
	};
	if (stack_fetch_call(call_view(call), &question, done, call, &call->op, &err) ==
	    PENDING)
		return PENDING;
	return call_failed(call, err, "");
}

static enum lookup ask_number(struct call *call, uint64_t number, fork_done_fn *done)
{
	struct keep keep = {.kind = KEEP_BLOCK,
			    .flags = KEEP_HAS_NUMBER | KEEP_CANONICAL,
			    .number = number,
			    .hash_at = block_key_hash_at(call_chain(call))};
	struct buf params;

	buf_init(&params, 64);
	buf_printf(&params, "[\"0x%llx\",false]", (unsigned long long)number);
	enum lookup asked = ask_header(call, &keep, "eth_getBlockByNumber", &params, done);
	buf_release(&params);
	return asked;
}

static enum lookup ask_hash(struct call *call, const struct eth_bytes32 *hash,
			    fork_done_fn *done)
{
	const struct keep keep = {
		.kind = KEEP_BLOCK, .flags = KEEP_HAS_HASH | KEEP_FIXED, .hash = *hash};
	struct buf params;

	buf_init(&params, 128);
	buf_text(&params, "[\"");
	buf_hex(&params, hash->bytes, 32);
	buf_text(&params, "\",false]");
	enum lookup asked = ask_header(call, &keep, "eth_getBlockByHash", &params, done);
	buf_release(&params);
	return asked;
}

static enum lookup step_taken(struct call *call)
{
	if (call->render != NULL)
		return call->is_error ? FAILED : HIT;
	call->step = call->after;
	return MISS;
}

/* requireCanonical: the number's hash has come. */
static void on_canonical(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;
	struct block_header header;
	struct err_detail detail;
	bool prague;

	call->op = NULL;
	if (answer->err != OK)
		call_take_failure(call, answer);
	else if (block_header_parse(blob_span(answer->blob), &header, &prague, &detail) != OK)
		call_failed(call, ERR_BAD_ANSWER, detail.text);
	else if (!eth_bytes32_equal(&header.hash, &call->params.block.hash))
		not_canonical(call);
	call->step = step_taken;
	call_resume(call);
}

static enum lookup step_canonical(struct call *call)
{
	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	return ask_number(call, call->block.at.number, on_canonical);
}

/* A header of the block has come (checked by keep_check against what was asked). */
static void on_header(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;
	struct block_header header;
	struct err_detail detail;
	bool prague;

	call->op = NULL;
	call->step = step_taken;
	if (answer->err != OK) {
		call_take_failure(call, answer);
	} else if (json_type(blob_span(answer->blob)) == JSON_NULL) {
		call_above_pin(call); /* unknown and later blocks look the same from here */
	} else if (block_header_parse(blob_span(answer->blob), &header, &prague, &detail) !=
		   OK) {
		call_failed(call, ERR_BAD_ANSWER, detail.text);
	} else if (call->params.block.kind == BLOCK_NUMBER) {
		use(call, header.number, &header.hash, true);
	} else if (use_hash(call, header.number) == MISS) {
		call->step = step_canonical;
	}
	call_resume(call);
}

enum lookup step_block(struct call *call)
{
	const struct block_param *param = &call->params.block;

	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	if (call->hash_known)
		return step_canonical(call);
	if (param->kind == BLOCK_NUMBER)
		return ask_number(call, param->number, on_header);
	return ask_hash(call, &param->hash, on_header);
}
