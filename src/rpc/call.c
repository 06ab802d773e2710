/* SPDX-License-Identifier: MIT */
#include "rpc/call.h"
#include "base/buf.h"
#include "base/recent.h"
#include <stdarg.h>

static void render_text(const struct call *call, struct buf *out)
{
	buf_span(out, call->text);
}

static void render_error_json(const struct call *call, struct buf *out)
{
	buf_span(out, blob_span(call->error_json));
}

enum lookup call_text(struct call *call, struct span json)
{
	call->text = json;
	call->render = render_text;
	return HIT;
}

void call_give_up(struct call *call)
{
	if (call->op == NULL && call->reads_left == 0 && call->parts == NULL)
		return;
	fork_cancel(&call->op);
	for (unsigned i = 0; i < call->reads_n; i++)
		fork_cancel(&call->reads[i].op);
	for (unsigned i = 0; call->parts != NULL && i < call->parts->n; i++)
		fork_cancel(&call->parts->part[i].op);
	call->reads_left = 0;
}

enum lookup call_error(struct call *call, int code, const char *format, ...)
{
	char text[ERR_DETAIL_BYTES + 256];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	call->text = arena_span(call_arena(call), (struct span){text, len});
	if (call->text.ptr == NULL)
		call->text = SPAN("out of memory");
	call->code = code;
	call->is_error = true;
	call->render = render_text;
	return FAILED;
}

enum lookup call_no_method(struct call *call, const char *why)
{
	const struct span name = call->in.method;
	size_t shown = name.len < METHOD_NAME_MAX ? name.len : METHOD_NAME_MAX;

	return call_error(call, RPC_METHOD_NOT_FOUND,
			  "the method %.*s does not exist/is not available%s%s", (int)shown,
			  name.ptr, why != NULL ? ": " : "", why != NULL ? why : "");
}

enum lookup call_failed(struct call *call, enum err err, const char *detail)
{
	if (err != ERR_NOMEM && err != ERR_OFFLINE)
		recent_add("%s: %s", call->method->name,
			   *detail != '\0' ? detail : err_name(err));
	switch (err) {
	case ERR_RATE_LIMITED:
		return call_error(call, RPC_LIMIT, "%s",
				  *detail != '\0' ? detail : "the upstream's rate is used up");
	case ERR_LIMIT:
		return call_error(call, RPC_LIMIT, "%s",
				  *detail != '\0' ? detail
						  : "too many requests wait for the upstream: "
						    "try again");
	case ERR_NOMEM:
		return call_error(call, RPC_INTERNAL, "out of memory");
	case ERR_OFFLINE:
		return call_error(call, RPC_OFFLINE_MISS, "not in the cache (offline)");
	case OK:
	case ERR_INVALID:
	case ERR_CONFIG:
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_NETWORK:
	case ERR_TIMEOUT:
	case ERR_BAD_ANSWER:
	case ERR_UPSTREAM:
	case ERR_NOT_FOUND:
	case ERR_UNSUPPORTED:
	case ERR_CANCELLED:
	case ERR_CONFLICT:
		break;
	}
	return call_error(call, RPC_INTERNAL, "%s", *detail != '\0' ? detail : err_name(err));
}

enum lookup call_take_failure(struct call *call, const struct fork_answer *answer)
{
	if (answer->lacks)
		call_suspect_head(call);
	if ((answer->err != ERR_UPSTREAM && answer->err != ERR_UNSUPPORTED) ||
	    answer->blob == NULL)
		return call_failed(call, answer->err, answer->detail);
	blob_put(&call->error_json);
	call->error_json = blob_get(answer->blob);
	call->is_error = true;
	call->render = render_error_json;
	return FAILED;
}

void call_take_blob(struct call *call, const struct fork_answer *answer)
{
	call->reply.blob = call->reply.blob_ref = blob_get(answer->blob);
	call->reply.json = blob_span(answer->blob);
}

enum lookup call_error_object(struct call *call, struct span json)
{
	blob_put(&call->error_json);
	call->error_json = blob_copy(json.ptr, json.len);
	if (call->error_json == NULL)
		return call_failed(call, ERR_NOMEM, "");
	call->is_error = true;
	call->render = render_error_json;
	return FAILED;
}

static void put_block_name(const struct call *call, struct buf *out)
{
	const struct block_param *param = &call->params.block;

	if (call->hash_known || param->kind == BLOCK_NUMBER) {
		buf_u64(out, call->hash_known ? call->block.at.number : param->number);
	} else if (param->kind == BLOCK_HASH) {
		buf_hex(out, param->hash.bytes, 32);
	} else if (!call_follows(call)) {
		buf_u64(out, call_head(call)->block.at.number);
	}
}

static void put_slot_name(const struct eth_bytes32 *slot, struct buf *out)
{
	buf_text(out, " slot ");
	buf_hex(out, slot->bytes, 32);
}

/* What the parameters name, as far as one line shows it. */
static void put_param_names(const struct call *call, struct buf *out)
{
	const struct method *m = call->method;

	for (unsigned i = 0; i < m->params_n; i++) {
		if (m->kinds[i] == PARAM_SLOT) {
			put_slot_name(&call->params.slot, out);
		} else if (m->kinds[i] == PARAM_ADDRESS) {
			buf_char(out, ' ');
			buf_hex(out, call->params.address.bytes, 20);
		} else if (m->kinds[i] == PARAM_HASH) {
			buf_char(out, ' ');
			buf_hex(out, call->params.hash.bytes, 32);
		}
	}
}

enum lookup call_offline_miss(struct call *call, const struct fact *fact)
{
	struct buf what;

	buf_init(&what, ERR_DETAIL_BYTES);
	buf_span(&what, call->in.method);
	if (fact != NULL) {
		buf_char(&what, ' ');
		buf_hex(&what, fact->address.bytes, 20);
		if (fact->kind == FACT_SLOT)
			put_slot_name(&fact->slot, &what);
	} else {
		put_param_names(call, &what);
		buf_span(&what, call->about);
	}
	if (call->method->block_at >= 0) {
		buf_text(&what, " at block ");
		put_block_name(call, &what);
	}
	call_error(call, RPC_OFFLINE_MISS, "not in the cache (offline): %.*s", (int)what.len,
		   what.ptr != NULL ? what.ptr : "");
	buf_release(&what);
	return FAILED;
}

bool call_is_pending(const struct call *call)
{
	return call->method->block_at >= 0 && call->params.block.kind == BLOCK_TAG &&
	       call->params.block.tag == TAG_PENDING && call_follows(call);
}

bool call_is_above(const struct call *call, uint64_t number)
{
	return !call_follows(call) && number > call_chain(call)->pinned.block.at.number;
}

/* go-ethereum's words. */
static enum lookup no_such_block(struct call *call)
{
	const struct block_param *param = &call->params.block;
	char hex[64];

	if (param->kind == BLOCK_NUMBER)
		return call_error(call, RPC_SERVER_ERROR, "block #%llu not found",
				  (unsigned long long)param->number);
	eth_hex(param->hash.bytes, 32, hex);
	return call_error(call, RPC_SERVER_ERROR, "block 0x%.64s not found", hex);
}

enum lookup call_above_head(struct call *call)
{
	if (call->method->flags & UNKNOWN_FAILS)
		return no_such_block(call);
	switch (call->method->class) {
	case METHOD_BLOCK:
	case METHOD_TX:
	case METHOD_TX_OF:
		return call_text(call, SPAN("null"));
	case METHOD_FACT:
	case METHOD_COMPOSED:
	case METHOD_AT:
	case METHOD_RANGE:
	case METHOD_SLOW:
	case METHOD_LOCAL:
	case METHOD_SEND:
	case METHOD_REFUSED:
	case METHOD_FORWARD:
		break;
	}
	return call_error(call, RPC_SERVER_ERROR, "header not found");
}

void call_pin(struct call *call)
{
	if (call->reply.blob != NULL)
		reply_pin(&call->reply);
	for (unsigned i = 0; i < call->reads_n; i++)
		fact_pin(&call->reads[i].fact);
	for (unsigned i = 0; call->parts != NULL && i < call->parts->n; i++)
		reply_pin(&call->parts->part[i].reply);
}

void call_release(struct call *call)
{
	call_give_up(call);
	for (unsigned i = 0; i < call->reads_n; i++)
		if (call->reads[i].fact.code_ref != NULL)
			fact_release(&call->reads[i].fact);
	for (unsigned i = 0; call->parts != NULL && i < call->parts->n; i++)
		reply_release(&call->parts->part[i].reply);
	call->parts = NULL;
	if (call->reply.blob_ref != NULL)
		reply_release(&call->reply);
	if (call->error_json != NULL)
		blob_put(&call->error_json);
}
