/* SPDX-License-Identifier: MIT */
/* Chain data of one block, what is computed at a block, and what is forwarded. */
#include "rpc/compose.h"

/* ---- the question ---- */

void put_hash(struct buf *out, const struct eth_bytes32 *hash)
{
	buf_char(out, '"');
	buf_hex(out, hash->bytes, 32);
	buf_char(out, '"');
}

void put_number(struct buf *out, uint64_t number)
{
	buf_printf(out, "\"0x%llx\"", (unsigned long long)number);
}

void put_block(struct call *call, enum param_kind kind, struct buf *out)
{
	if (call_is_pending(call)) {
		buf_text(out, "\"pending\"");
	} else if (kind == PARAM_NUMBER || !call->block.at.by_hash) {
		put_number(out, call->block.at.number);
	} else if (call->method->class == METHOD_BLOCK) {
		put_hash(out, &call->block.at.hash);
	} else {
		call->by_hash_at = (uint32_t)out->len;
		buf_text(out, "{\"blockHash\":");
		put_hash(out, &call->block.at.hash);
		buf_char(out, '}');
		call->by_hash_len = (uint32_t)out->len - call->by_hash_at;
	}
}

/* The block inside the object that eth_callMany and its like have it in, where a hash is a
 * string. context: the object's other members (begin_exec), or no object: the block alone. */
static void put_context(struct call *call, struct span context, bool for_key, struct buf *out)
{
	bool inside = json_type(context) == JSON_OBJECT;

	if (inside)
		buf_text(out, "{\"blockNumber\":");
	if (for_key || (inside && call->block.at.by_hash))
		put_hash(out, &call->block.at.hash);
	else
		put_block(call, PARAM_BLOCK, out);
	if (inside && context.len > 2)
		buf_char(out, ',');
	if (inside)
		buf_span(out, (struct span){context.ptr + 1, context.len - 1});
}

/* Slots as 32 bytes, whatever their spelling. */
static enum err put_slots(struct span list, struct buf *out)
{
	struct json_iter iter = json_iter(list);
	struct eth_bytes32 slot;
	struct span value;
	char separator = '[';

	while (json_next_element(&iter, &value)) {
		if (slot_param_parse(value, &slot) != OK)
			return ERR_INVALID;
		buf_char(out, separator);
		put_hash(out, &slot);
		separator = ',';
	}
	buf_text(out, separator == '[' ? "[]" : "]");
	return OK;
}

/* Numbers in the shortest form that reads back as the same. */
static enum err put_percents(struct span list, struct buf *out)
{
	struct json_iter iter = json_iter(list);
	struct span value;
	char separator = '[';
	char text[32];
	double number;

	while (json_next_element(&iter, &value)) {
		if (percent_parse(value, &number) != OK)
			return ERR_INVALID;
		/* 15 digits are exact in every double, 17 tell any two apart. */
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof text, "%.*g", digits, number);
			if (strtod(text, NULL) == number)
				break;
		}
		buf_char(out, separator);
		buf_text(out, text);
		separator = ',';
	}
	buf_text(out, separator == '[' ? "[]" : "]");
	return OK;
}

static enum err put_param(struct call *call, unsigned i, bool for_key, struct buf *out)
{
	const struct params *params = &call->params;

	switch (call->method->kinds[i]) {
	case PARAM_BLOCK:
	case PARAM_NUMBER:
		if (for_key)
			put_hash(out, &call->block.at.hash);
		else
			put_block(call, call->method->kinds[i], out);
		return OK;
	case PARAM_ADDRESS:
		buf_char(out, '"');
		buf_hex(out, params->address.bytes, 20);
		buf_char(out, '"');
		return OK;
	case PARAM_HASH:
		put_hash(out, &params->hash);
		return OK;
	case PARAM_INDEX:
	case PARAM_COUNT:
		put_number(out, params->index);
		return OK;
	case PARAM_SLOTS:
		return put_slots(params->raw[i], out);
	case PARAM_PERCENTS:
		if (params->raw[i].ptr == NULL) {
			buf_text(out, "null");
			return OK;
		}
		return put_percents(params->raw[i], out);
	case PARAM_FLAG:
		buf_text(out, params->flag ? "true" : "false");
		return OK;
	case PARAM_SLOT:
		put_hash(out, &params->slot);
		return OK;
	case PARAM_CONTEXT:
		put_context(call, params->raw[i], for_key, out);
		return OK;
	case PARAM_CALL:
	case PARAM_TX:
	case PARAM_STATE:
	case PARAM_OVERRIDES:
	case PARAM_CONFIG:
	case PARAM_TYPES:
	case PARAM_PAIRS:
	case PARAM_BUNDLES:
	case PARAM_SIMULATION:
		/* In its form since begin_exec. */
		buf_span(out, params->raw[i].ptr != NULL ? params->raw[i] : SPAN("null"));
		return OK;
	case PARAM_DATA:
	case PARAM_ANY:
		if (params->raw[i].ptr == NULL) {
			buf_text(out, "null");
			return OK;
		}
		return json_canonical(params->raw[i], out);
	}
	return ERR_INVALID;
}

/* How many arguments are written: to the last that was given, or that we know better. */
static unsigned params_written(const struct call *call)
{
	const struct method *m = call->method;
	unsigned n = call->params.n;

	if (call->params.tail.len > 0)
		return m->params_n; /* what comes behind them keeps its place */
	while (n > 0 && call->params.raw[n - 1].ptr == NULL)
		n--;
	if (m->block_at >= 0 && n <= (unsigned)m->block_at)
		n = (unsigned)m->block_at + 1;
	/* The flag of eth_getBlockBy* is false when it is left out. */
	if (n < m->params_n && m->kinds[n] == PARAM_FLAG)
		n++;
	return n;
}

/* The arguments behind those that the row names, "a,b", made canonical. */
static enum err put_tail(struct span tail, struct buf *out)
{
	struct buf rest;
	size_t open = out->len;

	/* The rest of a valid array is one of its own, in brackets of its own. */
	buf_init(&rest, REQUEST_MAX_BYTES);
	buf_char(&rest, '[');
	buf_span(&rest, tail);
	buf_char(&rest, ']');
	enum err err = buf_err(&rest);
	if (err == OK)
		err = json_canonical(buf_as_span(&rest), out);
	buf_release(&rest);
	if (err != OK)
		return err;
	memmove(out->ptr + open, out->ptr + open + 1, out->len - open - 1);
	out->len -= 2;
	return OK;
}

enum err put_params(struct call *call, bool for_key, struct buf *out)
{
	unsigned n = params_written(call);

	buf_char(out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_char(out, ',');
		enum err err = put_param(call, i, for_key, out);
		if (err != OK)
			return err;
	}
	if (call->params.tail.len > 0) {
		if (n > 0)
			buf_char(out, ',');
		enum err err = put_tail(call->params.tail, out);
		if (err != OK)
			return err;
	}
	buf_char(out, ']');
	return buf_err(out);
}

enum lookup compose_failed(struct call *call, enum err err)
{
	if (err == ERR_INVALID)
		return call_error(call, RPC_INVALID_PARAMS,
				  "an object in the parameters has one name twice, or a name "
				  "with an escape");
	if (err == ERR_LIMIT)
		return call_error(call, RPC_INVALID_PARAMS, "the parameters are too large");
	return call_failed(call, err, "");
}

struct span in_arena(struct call *call, const struct buf *text)
{
	return buf_err(text) == OK ? arena_span(call_arena(call), buf_as_span(text))
				   : (struct span){0};
}

/* The canonical request: "CHAIN:method[params]", the block by hash. *hash_at: where its
 * digits begin. */
enum err make_key(struct call *call, uint32_t *hash_at)
{
	const struct method *m = call->method;
	struct buf *key = call_scratch(call);

	buf_u64(key, call_chain(call)->chain_id);
	buf_char(key, ':');
	buf_text(key, m->by_hash != NULL ? m->by_hash : m->name);
	if (m->flags & BY_CLIENT) {
		buf_char(key, '@');
		buf_text(key, call_chain(call)->client_kind);
	}
	*hash_at = (uint32_t)key->len + 4; /* ["0x */
	enum err err = put_params(call, true, key);
	if (err != OK)
		return err;
	call->key = in_arena(call, key);
	return call->key.ptr != NULL ? OK : ERR_NOMEM;
}

enum lookup fetch(struct call *call, const struct keep *keep, struct span method,
		  struct span params, bool null_ok, fork_done_fn *done)
{
	const enum method_class class = call->method->class;
	struct span tag = keep_tag(call_arena(call), keep, call->key);
	enum err err = ERR_NOMEM;

	if (tag.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	const struct fork_question question = {
		.kind = FORK_CALL,
		.class = call->method->wait,
		.block = call->guarded ? call->guard : call->block.at,
		.method = method,
		.params = params,
		.may_join = call->key.len > 0,
		.null_allowed = null_ok,
		.by_hash_at = call->by_hash_at,
		.by_hash_len = call->by_hash_len,
		.guarded = call->guarded,
		.computed =
			class == METHOD_AT || class == METHOD_RANGE || class == METHOD_FORWARD,
		.tag = tag,
	};
	if (stack_fetch_call(call_view(call), &question, done, call, &call->op, &err) ==
	    PENDING)
		return PENDING;
	return call_failed(call, err, "");
}

/* ---- the answer ---- */

static enum lookup step_taken(struct call *call)
{
	return call->is_error ? FAILED : HIT;
}

bool reply_is_above(struct call *call)
{
	struct block_header header;
	uint64_t number;
	bool prague;

	if (json_type(call->reply.json) != JSON_OBJECT)
		return false;
	if (call->method->class == METHOD_TX) {
		/* One that is in no block yet is above all blocks. */
		if (!tx_block_number(call->reply.json, &number))
			return !call_follows(call);
		call_saw_block(call, number);
		return call_is_above(call, number);
	}
	if (call->method->class == METHOD_BLOCK && !call->hash_known)
		return block_header_parse(call->reply.json, &header, &prague, NULL) == OK &&
		       call_is_above(call, header.number);
	return false;
}

static enum lookup use_result(struct call *call)
{
	call_text(call, call->reply.json);
	if (call->method->keep == KEEP_PROOF)
		call->render = render_proof;
	return HIT;
}

static enum lookup reply_done(struct call *call)
{
	return reply_is_above(call) ? call_above_head(call) : use_result(call);
}

/* null about a block that the head says is there: no such thing in it, or no such block. */
static bool is_doubtful(const struct call *call)
{
	return call_follows(call) && call->hash_known && !call->block.final &&
	       json_type(call->reply.json) == JSON_NULL;
}

void on_reply(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	call->op = NULL;
	call->step = step_taken;
	if (call->composition != NULL)
		compose_learn(call, answer->err);
	if (answer->err == OK) {
		call_take_blob(call, answer);
		if (is_doubtful(call))
			call_suspect_head(call);
		reply_done(call);
	} else if (answer->err == ERR_UNSUPPORTED && call->composition != NULL) {
		call->step = compose_ask;
	} else {
		call_take_failure(call, answer);
	}
	call_resume(call);
}

/* Whether the question names its block by hash. */
static bool asked_by_hash(const struct call *call)
{
	const struct method *m = call->method;

	if (m->class == METHOD_BLOCK && m->kinds[0] == PARAM_HASH)
		return true;
	return call->hash_known && call->block.at.by_hash && m->block_at >= 0 &&
	       (m->kinds[m->block_at] == PARAM_BLOCK ||
		m->kinds[m->block_at] == PARAM_CONTEXT || m->by_hash != NULL);
}

/* How many transactions the block has, if it is kept here in either form. */
static bool tx_count(const struct call *call, uint64_t *count)
{
	bool known = false;

	for (int full = 0; full <= 1 && call->hash_known && !known; full++) {
		struct buf *key = call_scratch(call);
		struct reply block = {0};
		block_key(call_chain(call), &call->block.at.hash, full != 0, key);
		if (buf_err(key) == OK &&
		    stack_get_reply(call_view(call), buf_as_span(key), &block) == HIT)
			known = block_tx_count(block.json, count);
		reply_release(&block);
	}
	return known;
}

/* null is an answer, unless the block that is kept here says that there is such a transaction:
 * then that node does not have the block. */
static bool may_be_null(const struct call *call)
{
	uint64_t count;

	if ((call->method->flags & NULL_OK) == 0)
		return false;
	return call->method->keep != KEEP_TX_AT || !tx_count(call, &count) ||
	       call->params.index >= count;
}

struct keep keep_of(const struct call *call, uint32_t hash_at)
{
	const struct method *m = call->method;
	struct keep keep = {.kind = m->keep};

	keep.address = call->params.address;
	keep.number = call->block.at.number;
	if (call->block.final || asked_by_hash(call))
		keep.flags |= KEEP_FIXED;
	if (m->flags & BY_CLIENT)
		keep.flags |= KEEP_BY_CLIENT;
	if (m->class == METHOD_BLOCK && !call->hash_known && m->kinds[0] == PARAM_NUMBER)
		keep.epoch = call_epoch(call, call->block.at.number);
	if (m->class == METHOD_TX || m->class == METHOD_TX_OF) {
		keep.hash = call->params.hash;
	} else if (call->hash_known) {
		keep.flags |= KEEP_HAS_HASH | KEEP_HAS_NUMBER;
		keep.hash = call->block.at.hash;
		if (call->block.final && !call->block.at.by_hash)
			keep.flags |= KEEP_CANONICAL;
	} else if (call->params.block.kind == BLOCK_HASH) {
		keep.flags |= KEEP_HAS_HASH;
		keep.hash = call->params.hash;
	} else {
		keep.flags |= KEEP_HAS_NUMBER | KEEP_CANONICAL;
		keep.hash_at = hash_at;
	}
	if (m->keep == KEEP_TX_AT)
		keep.count = call->params.index;
	if ((m->keep == KEEP_PER_TX || m->keep == KEEP_RECEIPTS) && tx_count(call, &keep.count))
		keep.flags |= KEEP_HAS_COUNT;
	return keep;
}

void guard(struct call *call, bool twin)
{
	if (!call_follows(call) || call->block.final || twin || call->method->block_at < 0 ||
	    asked_by_hash(call))
		return;
	if (!call->hash_known && call_epoch(call, call->block.at.number) == 0)
		return;
	call->guarded = true;
	call->guard = call->hash_known ? call->block.at : call_head(call)->block.at;
}

/* Asks the upstream for call->method at call->block, to be kept under call->key. */
enum lookup ask(struct call *call, uint32_t hash_at)
{
	const struct method *m = call->method;
	const struct keep keep = keep_of(call, hash_at);
	const bool null_ok = may_be_null(call);
	struct buf *params = call_scratch(call);
	/* Not final: ask for exactly this block. The key's parameters are that. */
	bool twin = m->by_hash != NULL && call->hash_known && call->block.at.by_hash;
	enum err err = put_params(call, twin, params);

	if (err != OK)
		return compose_failed(call, err);
	guard(call, twin);
	return fetch(call, &keep, span_of(twin ? m->by_hash : m->name), buf_as_span(params),
		     null_ok, on_reply);
}

bool use_reply(struct call *call, struct span key)
{
	return key.len > 0 && stack_get_reply(call_view(call), key, &call->reply) == HIT;
}

enum lookup step_reply(struct call *call)
{
	uint32_t hash_at = 0;

	/* The key is also what equal questions join by. */
	enum err err = make_key(call, &hash_at);
	if (err != OK)
		return compose_failed(call, err);
	if (call->method->keep != KEEP_NOTHING && use_reply(call, call->key)) {
		if (call_is_above(call, call->reply.block_number))
			return call_above_head(call);
		return call->reply.is_error ? call_error_object(call, call->reply.json)
					    : use_result(call);
	}
	enum lookup kept = call->composition != NULL ? compose_kept(call) : MISS;
	if (kept != MISS)
		return kept;
	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	if (call->composition != NULL && compose_is_lacking(call))
		return compose_ask(call);
	return ask(call, hash_at);
}

/* ---- classes ---- */

/* A block by a number whose hash is not known here: one question answers both. */
static enum lookup step_block_direct(struct call *call)
{
	call->block.at.number = call->params.block.number;
	call->block.at.hash = (struct eth_bytes32){{0}};
	call->block.at.by_hash = false;
	return step_reply(call);
}

enum lookup begin_block(struct call *call)
{
	const struct method *m = call->method;
	bool by_hash = m->kinds[0] == PARAM_HASH;

	if (by_hash) {
		call->params.block.kind = BLOCK_HASH;
		call->params.block.hash = call->params.hash;
	}
	enum lookup found = block_resolve(call);
	if (found == FAILED || found == PENDING)
		return found;
	bool direct = m->keep == KEEP_BLOCK; /* says its own number and hash */
	if (found == HIT) {
		call->step = step_reply;
	} else if (direct && by_hash) {
		call->step = step_reply;
	} else if (direct) {
		call->step = step_block_direct;
	} else {
		call->after = step_reply;
		call->step = step_block;
	}
	return MISS;
}

/* ---- at a block ---- */

enum lookup begin_at(struct call *call)
{
	enum lookup found = block_resolve(call);

	if (found == FAILED || found == PENDING)
		return found;
	call->after = step_reply;
	call->step = found == HIT ? step_reply : step_block;
	return MISS;
}

/* ---- anything else ---- */

/* Never kept, and never the answer to somebody else's question. */
enum lookup begin_pending(struct call *call)
{
	const struct keep keep = {.kind = KEEP_NOTHING};

	if (!set_forms(call))
		return FAILED;
	struct buf *params = call_scratch(call);
	enum err err = put_params(call, false, params);
	if (err != OK)
		return compose_failed(call, err);
	return fetch(call, &keep, span_of(call->method->name), buf_as_span(params),
		     (call->method->flags & NULL_OK) != 0, on_reply);
}

enum lookup begin_forward(struct call *call)
{
	const struct keep keep = {.kind = KEEP_NOTHING};

	if (stack_is_offline(call_view(call)))
		return call_offline_miss(call, NULL);
	struct buf *params = call_scratch(call);
	enum err err = put_params(call, false, params);
	if (err != OK)
		return compose_failed(call, err);
	return fetch(call, &keep, call->in.method, buf_as_span(params), true, on_reply);
}
