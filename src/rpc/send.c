/* SPDX-License-Identifier: MIT */
/*
 * Transactions to the real chain, where that is allowed: forwarded to one upstream, once. A
 * second sending could do what its sender has taken back by then, so what may have reached an
 * upstream is not sent again, and a failure says whether it may have.
 */
#include "base/keccak.h"
#include "base/rlp.h"
#include "rpc/reply_impl.h"

#define BLOB_TYPE 0x03 /* EIP-4844 */

static enum lookup step_sent(struct call *call)
{
	return call->is_error ? FAILED : HIT;
}

static void on_sent(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	call->op = NULL;
	call->step = step_sent;
	if (answer->err == OK) {
		call_take_blob(call, answer);
		call_text(call, call->reply.json);
	} else if (answer->err == ERR_UPSTREAM) {
		call_take_failure(call, answer);
	} else {
		call_error(call, answer->err == ERR_RATE_LIMITED ? RPC_LIMIT : RPC_INTERNAL,
			   "%s; %s",
			   *answer->detail != '\0' ? answer->detail : err_name(answer->err),
			   answer->may_have_arrived
				   ? "it is unknown whether the transaction was accepted"
				   : "the transaction was not sent");
	}
	call_resume(call);
}

/* The part of a transaction that its hash is of: all of it; but with blobs (EIP-4844, EIP-7594)
 * it is sent as 0x03 and a list of the transaction's own list and of what nodes need beside it.
 * Writes the type right before the inner list. */
static struct span hashed_part(unsigned char *bytes, size_t n)
{
	struct span rest = {(const char *)bytes + 1, n - 1};
	struct rlp_item whole, own;

	if (bytes[0] != BLOB_TYPE || rlp_next(&rest, &whole) != OK || !whole.is_list)
		return (struct span){(const char *)bytes, n};
	const size_t at = (size_t)(whole.payload.ptr - (const char *)bytes);
	rest = whole.payload;
	if (rlp_next(&rest, &own) != OK || !own.is_list)
		return (struct span){(const char *)bytes, n};
	bytes[at - 1] = BLOB_TYPE;
	return (struct span){(const char *)bytes + at - 1, 1 + whole.payload.len - rest.len};
}

/* The transaction's hash. ERR_INVALID: it is none. */
static enum err transaction_hash(struct call *call, struct eth_bytes32 *hash)
{
	const struct span hex = call->params.data;
	const size_t n = (hex.len - 2) / 2;
	unsigned char *bytes = arena_alloc(call_arena(call), n + 1);

	if (bytes == NULL)
		return ERR_NOMEM;
	if (n == 0 || eth_data_parse(hex, bytes, n) != OK)
		return ERR_INVALID;
	const struct span part = hashed_part(bytes, n);
	keccak256(part.ptr, part.len, hash);
	return OK;
}

static enum lookup step_send(struct call *call)
{
	struct keep keep = {.kind = KEEP_SENT};
	struct buf *params = call_scratch(call);
	enum err err = transaction_hash(call, &keep.hash);

	if (err == ERR_INVALID)
		return call_error(call, RPC_INVALID_PARAMS,
				  "invalid argument 0: not the bytes of a transaction");
	struct span tag = keep_tag(call_arena(call), &keep, (struct span){0});
	if (err != OK || tag.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	err = put_params(call, false, params);
	if (err != OK)
		return compose_failed(call, err);
	const struct fork_question question = {
		.kind = FORK_CALL,
		.class = FORK_CLASS_CALL,
		.method = span_of(call->method->name),
		.params = buf_as_span(params),
		.once = true,
		.tag = tag,
	};
	if (stack_fetch_call(call_view(call), &question, on_sent, call, &call->op, &err) ==
	    PENDING)
		return PENDING;
	return call_failed(call, err, "");
}

enum lookup begin_send(struct call *call)
{
	call->step = step_send;
	return MISS;
}
