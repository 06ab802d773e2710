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

static enum lookup use_tag(struct call *call, enum block_tag tag)
{
	enum lookup found = call_need_head(call, tag);

	if (found != HIT)
		return found;
	call->block = call_tag(call, tag)->block;
	call->hash_known = true;
	return HIT;
}

/* The call is answered: that block does not exist here. */
static enum lookup is_above(struct call *call)
{
	call_above_head(call);
	return FAILED;
}

enum lookup block_canonical(struct call *call, uint64_t number, struct eth_bytes32 *hash)
{
	if (!call_follows(call) || chain_is_final(call_chain(call), number))
		return stack_get_binding(call_view(call), number, hash);
	enum lookup found = call_need_head(call, TAG_LATEST);
	if (found != HIT)
		return found;
	const struct head *head = call_head(call);
	if (number != head->block.at.number)
		return stack_get_near(call_view(call), head->epoch, number, hash);
	*hash = head->block.at.hash;
	return HIT;
}

static enum lookup resolve_number(struct call *call, uint64_t number)
{
	struct eth_bytes32 hash;

	/* Pinned, the head is known without a look into the cache. */
	if (call_is_above(call, number))
		return is_above(call);
	if (!call_follows(call) && number == call_head(call)->block.at.number)
		return use_tag(call, TAG_LATEST);
	enum lookup found = block_canonical(call, number, &hash);
	if (found == PENDING || found == FAILED)
		return found;
	/* What is final needs no head. */
	if (call_follows(call) && !chain_is_final(call_chain(call), number)) {
		if (number > call_head(call)->block.at.number)
			return is_above(call);
		if (number == call_head(call)->block.at.number)
			return use_tag(call, TAG_LATEST);
	}
	return found == HIT ? use(call, number, &hash, true) : MISS;
}

static enum lookup not_canonical(struct call *call)
{
	return call_error(call, RPC_SERVER_ERROR, "hash is not currently canonical");
}

/* The hash is of a block with that number. MISS: whether it is canonical must be asked. */
static enum lookup use_hash(struct call *call, uint64_t number)
{
	const struct block_param *param = &call->params.block;
	enum lookup known = MISS;
	struct eth_bytes32 bound;

	if (call_is_above(call, number))
		return is_above(call);
	/* What a hash means does not depend on the head. */
	if (!call_follows(call) || param->require_canonical ||
	    chain_is_final(call_chain(call), number))
		known = block_canonical(call, number, &bound);
	if (known == PENDING || known == FAILED)
		return known;
	bool canonical = known == HIT && eth_bytes32_equal(&bound, &param->hash);
	if (param->require_canonical && known == HIT && !canonical)
		return not_canonical(call);
	if (param->require_canonical && call_follows(call) &&
	    !chain_is_final(call_chain(call), number) &&
	    number > call_head(call)->block.at.number)
		return not_canonical(call);
	use(call, number, &param->hash, canonical);
	return param->require_canonical && known != HIT ? MISS : HIT;
}

enum lookup block_resolve(struct call *call)
{
	const struct block_param *param = &call->params.block;
	uint64_t number;

	if (param->kind == BLOCK_TAG)
		return use_tag(call, param->tag);
	if (param->kind == BLOCK_NUMBER)
		return resolve_number(call, param->number);
	if (!call_follows(call) &&
	    eth_bytes32_equal(&param->hash, &call_head(call)->block.at.hash))
		return use_tag(call, TAG_LATEST);
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
		.block = keep->epoch != 0 ? call_head(call)->block.at : (struct fork_block){0},
		.guarded = keep->epoch != 0,
	};
	if (stack_fetch_call(call_view(call), &question, done, call, &call->op, &err) ==
	    PENDING)
		return PENDING;
	return call_failed(call, err, "");
}

/* A number that is not final is asked for between two reads of the head that the call sees, and
 * bound for as long as that one's epoch lasts. 0: not so. */
uint64_t call_epoch(const struct call *call, uint64_t number)
{
	if (!call_follows(call) || chain_is_final(call_chain(call), number))
		return 0;
	return call_head(call)->epoch;
}

static enum lookup ask_number(struct call *call, uint64_t number, fork_done_fn *done)
{
	struct keep keep = {.kind = KEEP_BLOCK,
			    .flags = KEEP_HAS_NUMBER | KEEP_CANONICAL,
			    .number = number,
			    .epoch = call_epoch(call, number),
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
	struct eth_bytes32 hash;

	enum lookup found = block_canonical(call, call->block.at.number, &hash);
	if (found == PENDING || found == FAILED)
		return found;
	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	return ask_number(call, call->block.at.number, on_canonical);
}

static enum lookup step_hash_known(struct call *call)
{
	enum lookup found = use_hash(call, call->block.at.number);

	if (found == MISS)
		call->step = step_canonical;
	else if (found == HIT)
		call->step = call->after;
	return found == HIT ? MISS : found;
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
		call_above_head(call); /* unknown and later blocks look the same from here */
	} else if (block_header_parse(blob_span(answer->blob), &header, &prague, &detail) !=
		   OK) {
		call_failed(call, ERR_BAD_ANSWER, detail.text);
	} else if (call->params.block.kind == BLOCK_NUMBER) {
		use(call, header.number, &header.hash, true);
	} else {
		call->block.at.number = header.number;
		call->step = step_hash_known;
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
