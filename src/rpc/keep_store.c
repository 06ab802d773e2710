/* SPDX-License-Identifier: MIT */
/* What of an answer is kept. */
#include "rpc/explode.h"
#include "rpc/heads.h"
#include "rpc/keep_impl.h"
#include "rpc/params.h"

static void store_block(const struct chain *chain, struct stack *stack, const struct keep *keep,
			struct span key, struct span json)
{
	struct block_header header;
	struct err_detail detail;
	bool prague;

	if (!CHECK(block_header_parse(json, &header, &prague, &detail) == OK))
		return;
	bool final = chain_is_final(chain, header.number);
	stack_keep_header(stack, &header, (keep->flags & KEEP_CANONICAL) != 0, final);
	if (keep->epoch != 0)
		stack_keep_near(stack, keep->epoch, header.number, &header.hash);
	if (final && (keep->flags & KEEP_CANONICAL))
		explode_transactions(chain, stack, &header, json);
	if (keep->flags & KEEP_HAS_HASH) {
		stack_keep_reply(stack, key, header.number, json);
		return;
	}
	struct arena arena;
	arena_init(&arena, 65536);
	char *copy = arena_alloc(&arena, key.len);
	if (copy != NULL && keep->hash_at + 64 <= key.len) {
		memcpy(copy, key.ptr, key.len);
		eth_hex(header.hash.bytes, 32, copy + keep->hash_at);
		stack_keep_reply(stack, (struct span){copy, key.len}, header.number, json);
	}
	arena_release(&arena);
}

/* Kept as what eth_getBlockByHash would answer. */
static void store_head(const struct chain *chain, struct stack *stack, const struct keep *keep,
		       struct span json)
{
	struct block_header header;
	struct err_detail detail;
	struct buf key;
	bool prague;

	if (!CHECK(block_header_parse(json, &header, &prague, &detail) == OK))
		return;
	if (keep->count == TAG_FINALIZED && chain->heads != NULL)
		stack_keep_finalized(stack, heads_raise_finalized(chain->heads, header.number));
	stack_keep_header(stack, &header, true, chain_is_final(chain, header.number));
	buf_init(&key, 256);
	block_key(chain, &header.hash, false, &key);
	if (buf_err(&key) == OK)
		stack_keep_reply(stack, buf_as_span(&key), header.number, json);
	buf_release(&key);
}

static void store_tx(const struct chain *chain, struct stack *stack, const struct keep *keep,
		     struct span key, struct span json)
{
	uint64_t number;

	if (json_type(json) != JSON_NULL) {
		/* Above the finalized block a transaction may still move to another: who
		 * follows the chain sees whether it did. */
		if (!tx_block_number(json, &number))
			return;
		if (chain_is_final(chain, number))
			stack_keep_reply(stack, key, number, json);
		else if (chain->heads != NULL)
			stack_keep_reply(stack, key, number | REPLY_UNSETTLED, json);
		return;
	}
	if (!(keep->flags & KEEP_ABSENT) || !chain->pinned.block.final)
		return;
	struct arena arena;
	arena_init(&arena, 65536);
	struct span absent = absent_key(&arena, key, chain);
	if (absent.ptr != NULL)
		stack_keep_reply(stack, absent, 0, json);
	arena_release(&arena);
}

static void store_account(struct stack *stack, const struct keep *keep, struct span json)
{
	struct account_fields fields;
	const char *root = keep->kind == KEEP_PROOF ? "storageHash" : "storageRoot";

	if (keep_account_parse(json, root, &fields))
		stack_keep_account(stack, &keep->hash, &keep->address, &fields);
}

static void store_proof_slots(struct stack *stack, const struct keep *keep, struct span json)
{
	struct span list, entry, value, text;
	struct eth_bytes32 slot;
	struct eth_u256 number;
	struct json_iter iter;

	if (!json_member(json, "storageProof", &list) || json_type(list) != JSON_ARRAY)
		return;
	iter = json_iter(list);
	while (json_next_element(&iter, &entry)) {
		if (json_type(entry) != JSON_OBJECT || !json_member(entry, "key", &value) ||
		    !json_string_plain(value, &text) || eth_slot_parse(text, &slot) != OK ||
		    !json_member(entry, "value", &value) || !json_string_plain(value, &text) ||
		    eth_quantity_lenient(text, &number) != OK)
			continue;
		struct eth_bytes32 word;
		memcpy(word.bytes, number.bytes, 32);
		stack_keep_slot(stack, &keep->hash, &keep->address, &slot, &word);
	}
}

/* What proves nothing: null, an empty list, no bytes. */
static bool is_nothing(struct span json)
{
	switch (json_type(json)) {
	case JSON_NULL:
		return true;
	case JSON_ARRAY:
		return json_length(json) == 0;
	case JSON_STRING:
		return span_is(json_string_raw(json), "0x");
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
	case JSON_OBJECT:
		break;
	}
	return false;
}

/* One for each transaction, and none that says that it could not be computed. */
static bool is_per_tx(const struct keep *keep, struct span json)
{
	struct json_iter iter = json_iter(json);
	struct span element, error;
	uint64_t n = 0;

	for (; json_next_element(&iter, &element); n++)
		if (json_member(element, "error", &error))
			return false;
	return json_type(json) == JSON_ARRAY && (keep->flags & KEEP_HAS_COUNT) &&
	       n == keep->count;
}

static void store_per_tx(const struct chain *chain, struct stack *stack,
			 const struct keep *keep, struct span key, struct span json)
{
	if (!(keep->flags & KEEP_FIXED) || !is_per_tx(keep, json))
		return;
	stack_keep_reply(stack, key, keep->number, json);
	/* A receipt alone is asked for without its block: final ones only. */
	if (keep->kind == KEEP_RECEIPTS && (keep->flags & KEEP_CANONICAL) &&
	    chain_is_final(chain, keep->number))
		explode_receipts(chain, stack, keep->number, json);
}

static void store_proof(struct stack *stack, const struct keep *keep, struct span key,
			struct span json)
{
	store_account(stack, keep, json);
	if (keep->kind == KEEP_PROOF)
		store_proof_slots(stack, keep, json);
	stack_keep_reply(stack, key, keep->number, json);
}

void keep_store(void *cookie, struct stack *stack, const struct fork_question *question,
		const struct fork_answer *answer)
{
	const struct chain *chain = cookie;
	struct keep keep;
	struct span key;

	if (!keep_tag_open(question->tag, &keep, &key))
		return;
	const struct span json = blob_span(answer->blob);
	if (answer->err != OK) {
		keep_store_error(stack, &keep, key, answer);
		return;
	}
	bool nothing = is_nothing(json);
	switch ((enum keep_kind)keep.kind) {
	case KEEP_NOTHING:
	case KEEP_SENT:
		return;
	case KEEP_SLOW:
		if (!nothing)
			stack_keep_reply_memory(stack, key, 0, json);
		return;
	case KEEP_BLOCK:
		if (!nothing)
			store_block(chain, stack, &keep, key, json);
		return;
	case KEEP_HEAD:
		if (!nothing)
			store_head(chain, stack, &keep, json);
		return;
	case KEEP_PLAIN:
	case KEEP_FEES:
		if (!nothing && (keep.flags & KEEP_FIXED))
			stack_keep_reply(stack, key, keep.number, json);
		return;
	case KEEP_OF_BLOCK:
	case KEEP_TX_AT:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
		if (!nothing)
			stack_keep_reply(stack, key, keep.number, json);
		return;
	case KEEP_RAW_TX:
		/* True of whatever block it is in: of none. */
		if (!nothing)
			stack_keep_reply(stack, key, 0, json);
		return;
	case KEEP_PER_TX:
	case KEEP_RECEIPTS:
		store_per_tx(chain, stack, &keep, key, json);
		return;
	case KEEP_TX:
		store_tx(chain, stack, &keep, key, json);
		return;
	case KEEP_PROOF:
	case KEEP_ACCOUNT:
		if (!nothing)
			store_proof(stack, &keep, key, json);
		return;
	case KEEP_CALL:
	case KEEP_GAS:
	case KEEP_RUN:
	case KEEP_TRACER:
		keep_store_run(stack, &keep, key, answer);
		return;
	case KEEP_LOGS:
	case KEEP_TRACES:
		/* Of a final range, an empty list is an answer. */
		if ((keep.flags & KEEP_FIXED) && json_type(json) == JSON_ARRAY)
			stack_keep_reply(stack, key, keep.number, json);
		return;
	}
}
