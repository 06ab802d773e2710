/* SPDX-License-Identifier: MIT */
/* Executions at a block: their parameters get their forms, then they are as any other method
 * at a block. */
#include "rpc/forms.h"
#include "rpc/reply_impl.h"

/* An object without members is the same as none. */
static bool is_optional_object(enum param_kind kind)
{
	return kind == PARAM_STATE || kind == PARAM_OVERRIDES || kind == PARAM_CONFIG;
}

/* What PARAM_CONTEXT's argument becomes: an object, of which the block is left out; or this,
 * when it was a block and nothing else. */
#define ONLY_A_BLOCK SPAN("\"\"")

static bool set_form(struct call *call, unsigned i)
{
	const enum param_kind kind = call->method->kinds[i];
	struct span *raw = &call->params.raw[i];
	struct buf *text = call_scratch(call);
	struct err_detail why;

	enum err err = form_put(form_of(kind), *raw, text, &why);
	if (err == ERR_INVALID) {
		call_error(call, RPC_INVALID_PARAMS, "invalid argument %u: %s", i, why.text);
		return false;
	}
	if (err == OK && is_optional_object(kind) && span_is(buf_as_span(text), "{}")) {
		*raw = (struct span){0};
		return true;
	}
	struct span form = err == OK ? in_arena(call, text) : (struct span){0};
	if (form.ptr == NULL) {
		compose_failed(call, err == OK ? ERR_NOMEM : err);
		return false;
	}
	*raw = form;
	return true;
}

/* " to 0x...", of the first transaction object. */
static bool name_target(struct call *call)
{
	struct span to, text;
	struct buf *about = call_scratch(call);

	if (!json_member(call->params.raw[0], "to", &to) || !json_string_plain(to, &text))
		return true;
	buf_text(about, " to ");
	buf_span(about, text);
	call->about = in_arena(call, about);
	return call->about.ptr != NULL;
}

static bool set_context(struct call *call, unsigned i)
{
	struct span *raw = &call->params.raw[i], hash;
	bool is_block = false;

	if (raw->ptr == NULL) {
		*raw = SPAN("{}");
	} else if (json_type(*raw) != JSON_OBJECT) {
		is_block = true;
	} else {
		is_block = json_member(*raw, "blockHash", &hash);
		if (!set_form(call, i))
			return false;
		is_block &= span_is(*raw, "{}");
	}
	if (is_block)
		*raw = ONLY_A_BLOCK;
	return true;
}

bool set_forms(struct call *call)
{
	const struct method *m = call->method;

	for (unsigned i = 0; i < m->params_n; i++) {
		struct span *raw = &call->params.raw[i];
		if (m->kinds[i] == PARAM_CONTEXT) {
			if (!set_context(call, i))
				return false;
		} else if (form_of(m->kinds[i]) != NULL && raw->ptr != NULL &&
			   !set_form(call, i)) {
			return false;
		}
	}
	return true;
}

enum lookup begin_exec(struct call *call)
{
	if (!set_forms(call))
		return FAILED;
	if (stack_is_offline(call_view(call)) && !name_target(call))
		return call_failed(call, ERR_NOMEM, "");
	return begin_at(call);
}
