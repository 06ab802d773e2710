/* SPDX-License-Identifier: MIT */
/* Facts of a state: balance, nonce, code, slots, one or many. */
#include "base/buf.h"
#include "rpc/begin.h"
#include "rpc/call.h"

/* ---- rendering ---- */

static void render_quantity(const struct call *call, struct buf *out)
{
	char *at = buf_reserve(out, 2 + 64 + 2);

	if (at == NULL)
		return;
	at[0] = '"';
	size_t n = eth_quantity_format(call->reads[0].fact.value.bytes, 32, at + 1);
	at[1 + n] = '"';
	out->len += n + 2;
}

static void render_word(const struct eth_bytes32 *value, struct buf *out)
{
	char *at = buf_reserve(out, 68);

	if (at == NULL)
		return;
	memcpy(at, "\"0x", 3);
	eth_hex(value->bytes, 32, at + 3);
	at[67] = '"';
	out->len += 68;
}

static void render_slot(const struct call *call, struct buf *out)
{
	render_word(&call->reads[0].fact.value, out);
}

static void render_code_of(const struct fact *fact, struct buf *out)
{
	buf_char(out, '"');
	if (fact->code == NULL)
		buf_text(out, "0x");
	else
		buf_hex(out, fact->code->bytes, fact->code->len);
	buf_char(out, '"');
}

static void render_code(const struct call *call, struct buf *out)
{
	render_code_of(&call->reads[0].fact, out);
}

static void render_account_info(const struct call *call, struct buf *out)
{
	char number[2 + 64];

	buf_text(out, "{\"balance\":\"");
	buf_append(out, number,
		   eth_quantity_format(call->reads[0].fact.value.bytes, 32, number));
	buf_text(out, "\",\"nonce\":\"");
	buf_append(out, number,
		   eth_quantity_format(call->reads[1].fact.value.bytes, 32, number));
	buf_text(out, "\",\"code\":");
	render_code_of(&call->reads[2].fact, out);
	buf_char(out, '}');
}

/* The reads stand in the order of the request, which says how many each address has: none is
 * possible. */
static void render_slots(const struct call *call, struct buf *out)
{
	struct json_iter members = json_iter(call->params.raw[0]), list;
	struct span name, slots, slot;
	struct eth_address address;
	const char *separator = "{\"";
	unsigned at = 0;

	while (json_next_member(&members, &name, &slots)) {
		if (!CHECK(eth_address_parse(name, &address) == OK))
			return;
		buf_text(out, separator);
		buf_hex(out, address.bytes, 20);
		buf_text(out, "\":[");
		list = json_iter(slots);
		for (bool first = true; json_next_element(&list, &slot); first = false) {
			if (!first)
				buf_char(out, ',');
			render_word(&call->reads[at++].fact.value, out);
		}
		buf_char(out, ']');
		separator = ",\"";
	}
	buf_char(out, '}');
}

static call_render_fn *const renderers[] = {
	[FACT_BALANCE] = render_quantity,
	[FACT_NONCE] = render_quantity,
	[FACT_CODE] = render_code,
	[FACT_SLOT] = render_slot,
};

static enum lookup facts_done(struct call *call)
{
	if (call->method->begin == begin_slots)
		call->render = render_slots;
	else if (call->method->begin == begin_account_info)
		call->render = render_account_info;
	else
		call->render = renderers[call->reads[0].fact.kind];
	return HIT;
}

/* ---- reading ---- */

static void on_fact(void *cookie, const struct fork_answer *answer)
{
	struct read *read = cookie;
	struct call *call = read->call;

	read->op = NULL;
	if (answer->err == OK)
		fact_take(&read->fact, answer);
	else if (call->render == NULL)
		call_take_failure(call, answer);
	if (--call->reads_left == 0)
		call_resume(call);
}

static enum lookup step_facts_taken(struct call *call)
{
	return call->render != NULL ? FAILED : facts_done(call);
}

enum lookup step_facts(struct call *call)
{
	struct stack_view *view = call_view(call);
	enum err err = OK;

	call->reads_left = 0;
	for (unsigned i = 0; i < call->reads_n; i++) {
		struct read *read = &call->reads[i];
		if (stack_get_fact(view, &read->fact) == HIT)
			continue;
		if (stack_is_offline(view))
			return call_offline_miss(call, &read->fact);
		read->call = call;
		if (stack_fetch_fact(view, &read->fact, on_fact, read, &read->op, &err) !=
		    PENDING)
			return call_failed(call, err, "");
		call->reads_left++;
	}
	if (call->reads_left == 0)
		return facts_done(call);
	call->step = step_facts_taken;
	return PENDING;
}

static enum lookup facts_prepare(struct call *call)
{
	for (unsigned i = 0; i < call->reads_n; i++) {
		call->reads[i].fact.block = call->block;
		fact_prepare(call_view(call), &call->reads[i].fact);
	}
	call->step = step_facts;
	return MISS;
}

void facts_prefetch(const struct call *call)
{
	if (call->step != step_facts)
		return;
	for (unsigned i = 0; i < call->reads_n; i++)
		fact_prefetch(call_view(call), &call->reads[i].fact);
}

/* In a batch, most often the block of the item before: known, if that is the same by tag or
 * by number. */
static bool block_as_before(struct call *call)
{
	const struct call *before = call_before(call);
	const struct block_param *ours = &call->params.block;

	if (before == NULL || !before->hash_known || before->method->class != METHOD_FACT ||
	    ours->kind == BLOCK_HASH || before->params.block.kind != ours->kind ||
	    before->params.block.tag != ours->tag ||
	    before->params.block.number != ours->number)
		return false;
	call->block = before->block;
	call->uses_head = before->uses_head;
	call->hash_known = true;
	return true;
}

enum lookup facts_begin(struct call *call)
{
	if (block_as_before(call))
		return facts_prepare(call);
	enum lookup found = block_resolve(call);

	if (found == FAILED || found == PENDING)
		return found;
	if (found == HIT)
		return facts_prepare(call);
	call->after = facts_prepare;
	call->step = step_block;
	return MISS;
}

static enum lookup begin_one(struct call *call, enum fact_kind kind)
{
	call->one.op = NULL;
	call->one.fact.code = call->one.fact.code_ref = NULL;
	call->one.fact.kind = kind;
	call->one.fact.address = call->params.address;
	if (kind == FACT_SLOT)
		call->one.fact.slot = call->params.slot;
	call->reads = &call->one;
	call->reads_n = 1;
	return facts_begin(call);
}

enum lookup begin_balance(struct call *call)
{
	return begin_one(call, FACT_BALANCE);
}

enum lookup begin_nonce(struct call *call)
{
	return begin_one(call, FACT_NONCE);
}

enum lookup begin_code(struct call *call)
{
	return begin_one(call, FACT_CODE);
}

enum lookup begin_slot(struct call *call)
{
	return begin_one(call, FACT_SLOT);
}

static bool reads_alloc(struct call *call, unsigned n)
{
	call->reads_n = 0; /* begin may run a second time, when the head has come */
	call->reads = arena_calloc(call_arena(call), n, sizeof *call->reads);
	return call->reads != NULL;
}

enum lookup begin_account_info(struct call *call)
{
	static const enum fact_kind kinds[] = {FACT_BALANCE, FACT_NONCE, FACT_CODE};

	if (!reads_alloc(call, 3))
		return call_failed(call, ERR_NOMEM, "");
	call->reads_n = 3;
	for (unsigned i = 0; i < 3; i++) {
		call->reads[i].fact.kind = kinds[i];
		call->reads[i].fact.address = call->params.address;
	}
	return facts_begin(call);
}

/* The parameter of eth_getStorageValues: counted, then read. */
struct slot_lists {
	unsigned addresses, slots;
};

/* NULL, or what is wrong. */
static const char *count_slots(struct span object, struct slot_lists *out)
{
	struct json_iter members = json_iter(object), list;
	struct span name, slots, slot;

	*out = (struct slot_lists){0};
	if (json_type(object) != JSON_OBJECT)
		return "not an object of addresses with lists of slots";
	while (json_next_member(&members, &name, &slots)) {
		if (++out->addresses > PARAM_SLOTS_MAX)
			return "more than 1024 addresses";
		if (json_type(slots) != JSON_ARRAY)
			return "an address does not have a list of slots";
		list = json_iter(slots);
		while (json_next_element(&list, &slot))
			if (++out->slots > PARAM_SLOTS_MAX)
				return "more than 1024 slots";
	}
	return out->slots == 0 ? "empty request" : NULL;
}

static int by_address(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct eth_address));
}

static bool stands_twice(struct eth_address *addresses, unsigned n)
{
	qsort(addresses, n, sizeof *addresses, by_address);
	for (unsigned i = 1; i < n; i++)
		if (by_address(&addresses[i - 1], &addresses[i]) == 0)
			return true;
	return false;
}

/* addresses and call->reads have room for what was counted. */
static const char *read_slots(struct call *call, struct eth_address *addresses)
{
	struct json_iter members = json_iter(call->params.raw[0]), list;
	struct span name, slots, slot;
	unsigned n = 0;

	while (json_next_member(&members, &name, &slots)) {
		if (eth_address_parse(name, &addresses[n]) != OK)
			return "a name is not an address";
		list = json_iter(slots);
		while (json_next_element(&list, &slot)) {
			struct fact *fact = &call->reads[call->reads_n].fact;
			fact->kind = FACT_SLOT;
			fact->address = addresses[n];
			if (slot_param_parse(slot, &fact->slot) != OK)
				return "a slot is not at most 32 bytes of hex";
			call->reads_n++;
		}
		n++;
	}
	return stands_twice(addresses, n) ? "an address stands twice" : NULL;
}

enum lookup begin_slots(struct call *call)
{
	struct slot_lists counted;
	const char *why = count_slots(call->params.raw[0], &counted);

	if (why == NULL) {
		struct eth_address *addresses =
			arena_calloc(call_arena(call), counted.addresses, sizeof *addresses);
		if (addresses == NULL || !reads_alloc(call, counted.slots))
			return call_failed(call, ERR_NOMEM, "");
		why = read_slots(call, addresses);
	}
	if (why != NULL)
		return call_error(call, RPC_INVALID_PARAMS, "invalid argument 0: %s", why);
	return facts_begin(call);
}
