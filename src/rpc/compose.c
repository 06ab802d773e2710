/* SPDX-License-Identifier: MIT */
#include "rpc/compose.h"
#include "fork/ability.h"
#include "rpc/keep_impl.h"

/* ---- what the upstreams have ---- */

bool compose_is_lacking(struct call *call)
{
	struct ability *ability = call_method_ability(call);

	ability_renew(ability, stack_now_us(call_view(call)));
	return ability->state == CAPABILITY_NO;
}

void compose_learn(struct call *call, enum err err)
{
	struct ability *ability = call_method_ability(call);

	if (err == ERR_UNSUPPORTED)
		ability_refused(ability, stack_now_us(call_view(call)));
	else if (err == OK)
		ability_seen(ability);
}

/* ---- of a block ---- */

static bool kept_block(struct call *call, bool full)
{
	struct buf *key = call_scratch(call);

	block_key(call_chain(call), &call->block.at.hash, full, key);
	return buf_err(key) == OK && use_reply(call, buf_as_span(key));
}

static enum lookup kept_of_block(struct call *call)
{
	for (int full = call->composition->full; full <= 1 && call->hash_known; full++) {
		if (!kept_block(call, full != 0))
			continue;
		enum lookup made = call->composition->of_block(call);
		if (made != MISS)
			return made;
		reply_release(&call->reply);
	}
	return MISS;
}

static enum lookup step_of_block(struct call *call)
{
	if (call->render != NULL)
		return call->is_error ? FAILED : HIT;
	enum lookup made = call->composition->of_block(call);
	if (made == MISS)
		return call_failed(call, ERR_BAD_ANSWER,
				   "the upstream lacks the method, and its block does not say");
	return made;
}

/* The block, which keep_check has compared with what was asked for, or null. */
static void on_block(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	call->op = NULL;
	call->step = step_of_block;
	if (answer->err != OK) {
		call_take_failure(call, answer);
	} else if (json_type(blob_span(answer->blob)) == JSON_NULL) {
		call_suspect_head(call);
		call_above_head(call);
	} else {
		call_take_blob(call, answer);
		if (reply_is_above(call))
			call_above_head(call);
	}
	call_resume(call);
}

/* By its hash where that is known or was asked for; else by its number. */
static enum lookup ask_block(struct call *call)
{
	const bool by_hash = call->hash_known || call->params.block.kind == BLOCK_HASH;
	const struct eth_bytes32 *hash =
		call->hash_known ? &call->block.at.hash : &call->params.block.hash;
	const bool full = call->composition->full;
	struct keep keep = keep_of(call, block_key_hash_at(call_chain(call)));
	struct buf *text = call_scratch(call);

	keep.kind = KEEP_BLOCK;
	keep.flags &= ~(uint32_t)KEEP_HAS_COUNT;
	keep.count = 0;
	block_key(call_chain(call), by_hash ? hash : &call->block.at.hash, full, text);
	call->key = in_arena(call, text);
	if (call->key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	buf_clear(text);
	buf_char(text, '[');
	if (by_hash)
		put_hash(text, hash);
	else
		put_number(text, call->block.at.number);
	buf_text(text, full ? ",true]" : ",false]");
	if (buf_err(text) != OK)
		return call_failed(call, buf_err(text), "");
	/* As it was for the method itself. */
	call->by_hash_at = call->by_hash_len = 0;
	call->guarded = false;
	guard(call, by_hash);
	return fetch(call, &keep,
		     span_of(by_hash ? "eth_getBlockByHash" : "eth_getBlockByNumber"),
		     buf_as_span(text), by_hash && !call->block.final, on_block);
}

enum lookup compose_kept(struct call *call)
{
	const struct composition *composition = call->composition;

	if (composition->of_block == NULL)
		return composition->kept(call);
	return composition->last_resort ? MISS : kept_of_block(call);
}

enum lookup compose_ask(struct call *call)
{
	const struct composition *composition = call->composition;

	if (composition->of_block == NULL)
		return composition->ask(call);
	enum lookup kept = kept_of_block(call);
	return kept == MISS ? ask_block(call) : kept;
}

/* ---- a header ---- */

/* What go-ethereum's RPCMarshalBlock adds to RPCMarshalHeader, now or in the past. */
static bool is_of_body(struct span name)
{
	static const char *const names[] = {"transactions", "uncles", "size", "withdrawals",
					    "totalDifficulty"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_is(name, names[i]))
			return true;
	return false;
}

static void render_header(const struct call *call, struct buf *out)
{
	struct json_iter iter = json_iter(call->reply.json);
	struct span name, value;
	char separator = '{';

	while (json_next_member(&iter, &name, &value)) {
		if (is_of_body(name))
			continue;
		buf_char(out, separator);
		buf_char(out, '"');
		buf_span(out, name);
		buf_text(out, "\":");
		buf_span(out, value);
		separator = ',';
	}
	buf_char(out, '}');
}

static enum lookup header_of_block(struct call *call)
{
	call->render = render_header;
	return HIT;
}

enum lookup begin_header(struct call *call)
{
	static const struct composition header = {.of_block = header_of_block};

	call->composition = &header;
	return begin_block(call);
}

/* ---- counts ---- */

static bool list_of(const struct call *call, const char *name, struct span *list)
{
	return json_member(call->reply.json, name, list) && json_type(*list) == JSON_ARRAY;
}

static enum lookup count_of(struct call *call, const char *name)
{
	struct buf *text = call_scratch(call);
	struct span list;

	if (!list_of(call, name, &list))
		return MISS;
	put_number(text, json_length(list));
	struct span number = in_arena(call, text);
	if (number.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	return call_text(call, number);
}

static enum lookup tx_count_of_block(struct call *call)
{
	return count_of(call, "transactions");
}

static enum lookup uncle_count_of_block(struct call *call)
{
	return count_of(call, "uncles");
}

enum lookup begin_tx_count(struct call *call)
{
	static const struct composition tx_count = {.of_block = tx_count_of_block};

	call->composition = &tx_count;
	return begin_block(call);
}

enum lookup begin_uncle_count(struct call *call)
{
	static const struct composition uncle_count = {.of_block = uncle_count_of_block};

	call->composition = &uncle_count;
	return begin_block(call);
}

/* ---- a transaction by its place ---- */

static enum lookup tx_at_of_block(struct call *call)
{
	struct span list, element;

	if (!list_of(call, "transactions", &list))
		return MISS;
	struct json_iter iter = json_iter(list);
	for (uint64_t i = 0; json_next_element(&iter, &element); i++)
		if (i == call->params.index)
			return json_type(element) == JSON_OBJECT ? call_text(call, element)
								 : MISS;
	return call_text(call, SPAN("null"));
}

enum lookup begin_tx_at(struct call *call)
{
	static const struct composition tx_at = {.full = true, .of_block = tx_at_of_block};

	call->composition = &tx_at;
	return begin_block(call);
}

/* ---- eth_getAccount ---- */

static enum lookup account_text(struct call *call, struct buf *text)
{
	struct span account = in_arena(call, text);

	return account.ptr != NULL ? call_text(call, account)
				   : call_failed(call, ERR_NOMEM, "");
}

static bool kept_field(struct call *call, enum fact_kind kind, struct eth_bytes32 *value)
{
	struct fact fact = {
		.kind = kind, .address = call->params.address, .block = call->block};

	fact_prepare(call_view(call), &fact);
	if (stack_get_fact(call_view(call), &fact) != HIT)
		return false;
	*value = fact.value;
	return true;
}

/* An account without anything, which no state has since EIP-161: to nodes there is none. Some
 * say that its hashes are zero. (Before that one may exist, and facts do not tell.) */
static bool is_absent(const struct account_fields *account)
{
	static const struct eth_bytes32 zero;

	return account->nonce == 0 &&
	       memcmp(account->balance.bytes, zero.bytes, sizeof zero.bytes) == 0 &&
	       (eth_bytes32_equal(&account->code_hash, &zero) ||
		eth_bytes32_equal(&account->code_hash, &eth_empty_code_hash)) &&
	       (eth_bytes32_equal(&account->storage_root, &zero) ||
		eth_bytes32_equal(&account->storage_root, &eth_empty_trie_root));
}

static bool kept_fields(struct call *call, struct account_fields *out)
{
	struct eth_bytes32 balance, nonce;

	/* The rarest first. */
	if (!kept_field(call, FACT_STORAGE_ROOT, &out->storage_root) ||
	    !kept_field(call, FACT_CODE_HASH, &out->code_hash) ||
	    !kept_field(call, FACT_NONCE, &nonce) || !kept_field(call, FACT_BALANCE, &balance))
		return false;
	memcpy(out->balance.bytes, balance.bytes, sizeof balance.bytes);
	out->nonce = be64_get(nonce.bytes + 24);
	return true;
}

static enum lookup kept_account(struct call *call)
{
	struct buf *text = call_scratch(call);
	struct account_fields account;
	char balance[2 + 64];

	if (!kept_fields(call, &account))
		return MISS;
	if (is_absent(&account))
		return call_text(call, SPAN("null"));
	buf_text(text, "{\"balance\":\"");
	buf_append(text, balance, eth_quantity_format(account.balance.bytes, 32, balance));
	buf_text(text, "\",\"codeHash\":");
	put_hash(text, &account.code_hash);
	buf_text(text, ",\"nonce\":");
	put_number(text, account.nonce);
	buf_text(text, ",\"storageRoot\":");
	put_hash(text, &account.storage_root);
	buf_char(text, '}');
	return account_text(call, text);
}

/* Its members have been seen to be there, by keep_check. */
static enum lookup account_of_proof(struct call *call)
{
	static const struct {
		const char *name, *proof_name;
	} members[] = {{"{\"balance\":", "balance"},
		       {",\"codeHash\":", "codeHash"},
		       {",\"nonce\":", "nonce"},
		       {",\"storageRoot\":", "storageHash"}};
	struct buf *text = call_scratch(call);
	struct account_fields account;
	struct span value;

	if (keep_account_parse(call->reply.json, "storageHash", &account) &&
	    is_absent(&account))
		return call_text(call, SPAN("null"));
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (!CHECK(json_member(call->reply.json, members[i].proof_name, &value)))
			return call_failed(call, ERR_BAD_ANSWER, "");
		buf_text(text, members[i].name);
		buf_span(text, value);
	}
	buf_char(text, '}');
	return account_text(call, text);
}

static enum lookup step_of_proof(struct call *call)
{
	return call->render != NULL ? FAILED : account_of_proof(call);
}

static void on_proof(void *cookie, const struct fork_answer *answer)
{
	struct call *call = cookie;

	call->op = NULL;
	call->step = step_of_proof;
	if (answer->err == ERR_UNSUPPORTED) {
		call_no_method(call, NULL);
	} else if (answer->err != OK) {
		call_take_failure(call, answer);
	} else {
		call_take_blob(call, answer);
	}
	call_resume(call);
}

/* block: as it is asked for, or by its hash alone for the key. */
static void put_proof_params(struct call *call, bool for_key, struct buf *out)
{
	buf_text(out, "[\"");
	buf_hex(out, call->params.address.bytes, 20);
	buf_text(out, "\",[],");
	if (for_key)
		put_hash(out, &call->block.at.hash);
	else
		put_block(call, PARAM_BLOCK, out);
	buf_char(out, ']');
}

static enum lookup ask_proof(struct call *call)
{
	struct keep keep = keep_of(call, 0);
	struct buf *text = call_scratch(call);

	keep.kind = KEEP_PROOF;
	buf_u64(text, call_chain(call)->chain_id);
	buf_text(text, ":eth_getProof");
	put_proof_params(call, true, text);
	call->key = in_arena(call, text);
	if (call->key.ptr == NULL)
		return call_failed(call, ERR_NOMEM, "");
	if (use_reply(call, call->key))
		return account_of_proof(call);
	buf_clear(text);
	put_proof_params(call, false, text);
	if (buf_err(text) != OK)
		return call_failed(call, buf_err(text), "");
	return fetch(call, &keep, SPAN("eth_getProof"), buf_as_span(text), false, on_proof);
}

enum lookup begin_account(struct call *call)
{
	static const struct composition account = {.kept = kept_account, .ask = ask_proof};

	call->composition = &account;
	return begin_at(call);
}
