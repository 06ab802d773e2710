/* SPDX-License-Identifier: MIT */
/*
 * An upstream's answer to a call, checked and kept (rpc/keep.h). The first three bytes say
 * what it answers: the kind of the row, what is known of the block, and how many transactions
 * there are, or which block the range begins with; the rest is the answer, a result or an
 * error object. Checked, by a second reading (answer_reading.h):
 *  - a check that passes has seen what the kind promises: number, hash, index, count,
 *    transaction, keccak256, address and slots; of logs the filter, of logs and traces the
 *    range and the order;
 *  - what is kept under the key is the answer, byte for byte, and only what its kind allows:
 *    no null, empty list or "0x", nothing that is not of one block for ever, no transaction
 *    above the finalized block, no list of another length than the block's, nothing of an
 *    execution that a limit of the node's shows in, or that another kind of client computed;
 *  - an error object is kept of executions that revert only;
 *  - a null is kept of a transaction only, under the final pinned block's key;
 *  - a receipt, a fact, a block's binding, a head that comes along is one that stands in the
 *    answer.
 */
#include "../json_oracle.h"
#include "answer_reading.h"
#include "request_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NUMBER	   100
#define B100	   "0000000000000000000000000000000000000000000000000000000000000064"
#define SLOTS	   "[\"0x" ZEROS_62 "00\",\"0x" ZEROS_62 "01\"]"
#define ZEROS_62   ZEROS_58 "0000"
#define KEY_PLAIN  "1:some_method[\"0x" B100 "\"]"
#define KEY_PROOF  "1:eth_getProof[\"" ADDRESS "\"," SLOTS ",\"0x" B100 "\"]"
#define KEY_BLOCK  "1:eth_getBlockByHash[\"0x" ZEROS_62 "00\",false]"
#define KEY_TX	   "1:eth_getTransactionByHash[\"0x" B100 "\"]"
#define KEY_CLIENT "1:eth_estimateGas@Geth[{},\"0x" B100 "\"]"
#define WORD(last) "\"0x" ZEROS_62 last "\""
#define OTHER	   "0x00000000000000000000000000000000000000bb"
/* Blocks 0 to 950, two addresses; the first topic is 1, the third 0 or 100. */
#define KEY_LOGS                                                                             \
	"1:eth_getLogs[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x3b6\",\"address\":[\"" ADDRESS \
	"\",\"" OTHER                                                                        \
	"\"],\"topics\":[[" WORD("01") "],null,[" WORD("00") "," WORD("64") "]]}]"
#define KEY_GAS	   "1:debug_traceCall[{\"gas\":\"0x1\"},\"0x" B100 "\"]"
#define KEY_ALL	   "1:eth_getLogs[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x3b6\"}]"
#define TOP_NUMBER 950 /* above the finalized block */
#define EPOCH	   3   /* of a block by number, when it is the third byte */

/* The first byte: a kind (kinds), and these. */
enum { KINDS_MASK = 31, BY_KIND = 32, FAILED_SO = 64, OTHER_KIND = 128 };
/* The second byte: flags of keep.h, and these. DIGEST: the hash is that of the answer's bytes;
 * of logs: no filter; of a run: the question names its gas. */
enum { HIGH = 32, PIN_FINAL = 64, DIGEST = 128 };

static const enum keep_kind kinds[] = {
	KEEP_NOTHING,  KEEP_PLAIN, KEEP_BLOCK,	KEEP_OF_BLOCK,	 KEEP_TX_AT,	 KEEP_PER_TX,
	KEEP_RECEIPTS, KEEP_TX,	   KEEP_RAW_TX, KEEP_RAW_HEADER, KEEP_RAW_BLOCK, KEEP_ACCOUNT,
	KEEP_PROOF,    KEEP_FEES,  KEEP_HEAD,	KEEP_SLOW,	 KEEP_SENT,	 KEEP_CALL,
	KEEP_GAS,      KEEP_RUN,   KEEP_TRACER, KEEP_LOGS,	 KEEP_TRACES};

struct scene {
	struct keep keep;
	struct span key, json, client;
	struct fork_question question;
	bool pin_final, is_error, has_filter, names_gas;
};

/* ---- a second reading ---- */

static bool names_block(const struct scene *s, struct span object)
{
	const struct span hash = text_of(object, "blockHash");

	return s->keep.flags & KEEP_HAS_HASH ? is_hash(hash, &s->keep.hash) : hash.len == 66;
}

static bool all_name_block(const struct scene *s)
{
	bool good = true;

	if (json_type(s->json) != JSON_ARRAY)
		return names_block(s, s->json);
	for (size_t i = 0; i < length(s->json); i++)
		good = good && names_block(s, element_at(s->json, i));
	return good;
}

static bool is_block(const struct scene *s)
{
	return (!(s->keep.flags & KEEP_HAS_NUMBER) ||
		is_number(text_of(s->json, "number"), s->keep.number)) &&
	       (!(s->keep.flags & KEEP_HAS_HASH) ||
		is_hash(text_of(s->json, "hash"), &s->keep.hash)) &&
	       text_of(s->json, "hash").len == 66 && text_of(s->json, "stateRoot").len == 66;
}

static bool is_tx(const struct scene *s)
{
	return is_hash(text_of(s->json, "transactionHash"), &s->keep.hash) ||
	       is_hash(text_of(s->json, "hash"), &s->keep.hash);
}

static bool is_account(const struct scene *s, const char *root)
{
	return text_of(s->json, "codeHash").len == 66 && text_of(s->json, root).len == 66 &&
	       text_of(s->json, "nonce").len >= 3 && text_of(s->json, "balance").len >= 2;
}

static bool is_proof(const struct scene *s)
{
	const struct span slots = value_of(s->json, "storageProof");
	struct span address = text_of(s->json, "address");
	struct eth_bytes32 slot;

	if (address.len == 42)
		address = (struct span){address.ptr + 2, 40};
	if (!is_account(s, "storageHash") || length(slots) != 2 ||
	    !is_text(address, &ADDRESS[2]))
		return false;
	for (unsigned char i = 0; i < 2; i++) {
		const struct eth_bytes32 wanted = {{[31] = i}};
		if (eth_slot_parse(text_of(element_at(slots, i), "key"), &slot) != OK ||
		    !eth_bytes32_equal(&slot, &wanted))
			return false;
	}
	return true;
}

static bool is_sent(const struct scene *s)
{
	struct span text;

	return is_tx(s) || (json_string_plain(s->json, &text) && is_hash(text, &s->keep.hash));
}

static bool is_quantity(struct span json)
{
	struct span text;

	return json_string_plain(json, &text) && text.len >= 3 && text.len <= 66 &&
	       strspn(text.ptr + 2, "0123456789abcdefABCDEF") == text.len - 2;
}

static bool is_wanted(struct span log)
{
	const struct span address = text_of(log, "address"), topics = value_of(log, "topics");
	struct span first, third;

	return (is_text(address, ADDRESS) || is_text(address, OTHER)) && length(topics) >= 3 &&
	       json_string_plain(element_at(topics, 0), &first) &&
	       json_string_plain(element_at(topics, 2), &third) &&
	       is_text(first, "0x" ZEROS_62 "01") &&
	       (is_text(third, "0x" ZEROS_62 "00") || is_text(third, "0x" B100));
}

static bool are_logs(const struct scene *s)
{
	const bool has_range = (s->keep.flags & KEEP_HAS_NUMBER) != 0;
	bool good = json_type(s->json) == JSON_ARRAY && all_name_block(s) &&
		    in_order(s->json, has_range ? s->keep.count : 0,
			     has_range ? s->keep.number : UINT64_MAX);

	for (size_t i = 0; good && s->keep.kind == KEEP_LOGS && i < length(s->json); i++) {
		const struct span log = element_at(s->json, i);
		good = !span_is(value_of(log, "removed"), "true") &&
		       (!s->has_filter || is_wanted(log));
	}
	return good;
}

/* What a check that has passed has seen; null is the question's own business. */
static bool is_what_was_asked(const struct scene *s)
{
	switch ((enum keep_kind)s->keep.kind) {
	case KEEP_BLOCK:
	case KEEP_HEAD:
		return is_block(s);
	case KEEP_OF_BLOCK:
		return all_name_block(s);
	case KEEP_TX_AT:
		return names_block(s, s->json) &&
		       is_number(text_of(s->json, "transactionIndex"), s->keep.count);
	case KEEP_PER_TX:
		return json_type(s->json) == JSON_ARRAY;
	case KEEP_RECEIPTS:
		return json_type(s->json) == JSON_ARRAY && all_name_block(s);
	case KEEP_TX:
		return is_tx(s);
	case KEEP_FEES:
		return json_type(s->json) == JSON_OBJECT;
	case KEEP_PROOF:
		return is_proof(s);
	case KEEP_ACCOUNT:
		return is_account(s, "storageRoot");
	case KEEP_RAW_TX:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
		return json_type(s->json) == JSON_STRING;
	case KEEP_SENT:
		return is_sent(s);
	case KEEP_CALL:
		return is_data(s->json);
	case KEEP_GAS:
		return is_quantity(s->json);
	case KEEP_RUN:
		return json_type(s->json) == JSON_ARRAY || json_type(s->json) == JSON_OBJECT;
	case KEEP_LOGS:
	case KEEP_TRACES:
		return are_logs(s);
	case KEEP_NOTHING:
	case KEEP_PLAIN:
	case KEEP_SLOW:
	case KEEP_TRACER:
		return true;
	}
	return true;
}

/* Of one block for ever, and computed by a client of the key's kind. */
static bool is_settled(const struct scene *s)
{
	return (s->keep.flags & KEEP_FIXED) &&
	       (!(s->keep.flags & KEEP_BY_CLIENT) ||
		(span_is(s->key, KEY_CLIENT) && span_is(s->client, "Geth")));
}

static bool is_run(const struct scene *s)
{
	return s->keep.kind == KEEP_CALL || s->keep.kind == KEEP_GAS ||
	       s->keep.kind == KEEP_RUN || s->keep.kind == KEEP_TRACER;
}

/* Whether the error object may stand under the key. */
static bool is_kept_revert(const struct scene *s)
{
	return is_run(s) && is_settled(s) && span_is(value_of(s->json, "code"), "3") &&
	       json_type(value_of(s->json, "message")) == JSON_STRING &&
	       !has_limit(value_of(s->json, "message")) && is_data(value_of(s->json, "data"));
}

/* Whether the answer may stand under the key. */
static bool may_be_kept(const struct scene *s)
{
	const bool fixed = (s->keep.flags & KEEP_FIXED) != 0;
	uint64_t number;

	switch ((enum keep_kind)s->keep.kind) {
	case KEEP_NOTHING:
	case KEEP_HEAD:
	case KEEP_SENT:
		return false;
	case KEEP_CALL:
	case KEEP_GAS:
	case KEEP_RUN:
	case KEEP_TRACER:
		return is_settled(s) && !span_is(s->json, "null") &&
		       !shows_limit(s->json, s->names_gas);
	case KEEP_LOGS:
	case KEEP_TRACES:
		return fixed && json_type(s->json) == JSON_ARRAY;
	case KEEP_PLAIN:
	case KEEP_FEES:
		return fixed && !is_nothing(s->json);
	case KEEP_PER_TX:
	case KEEP_RECEIPTS:
		return fixed && (s->keep.flags & KEEP_HAS_COUNT) &&
		       length(s->json) == s->keep.count;
	case KEEP_TX:
		return eth_quantity_u64(text_of(s->json, "blockNumber"), &number) == OK &&
		       number <= FINAL;
	case KEEP_BLOCK:
	case KEEP_OF_BLOCK:
	case KEEP_TX_AT:
	case KEEP_RAW_TX:
	case KEEP_RAW_HEADER:
	case KEEP_RAW_BLOCK:
	case KEEP_ACCOUNT:
	case KEEP_PROOF:
	case KEEP_SLOW:
		return !is_nothing(s->json);
	}
	return false;
}

/* ---- what has been kept ---- */

static bool kept_so(struct span key, struct span *json, bool *is_error)
{
	struct reply reply = {0};
	const bool found = stack_get_reply(rig.view, key, &reply) == HIT;

	if (found)
		*json = reply.json; /* borrowed until the turn ends */
	*is_error = reply.is_error;
	reply_release(&reply);
	return found;
}

/* A result. */
static bool kept(struct span key, struct span *json)
{
	bool is_error;

	return kept_so(key, json, &is_error) && !is_error;
}

static void check_reply(const struct scene *s, bool checked)
{
	struct arena arena;
	struct span json;
	bool is_error;

	if (kept_so(s->key, &json, &is_error)) {
		REQUIRE(checked && span_equal(json, s->json) && is_error == s->is_error);
		REQUIRE(is_error ? is_kept_revert(s) : may_be_kept(s));
	} else if (s->keep.kind == KEEP_LOGS || s->keep.kind == KEEP_TRACES) {
		/* Of a range that is final, nothing is an answer, too. */
		REQUIRE(!checked || s->is_error || !may_be_kept(s));
	}
	arena_init(&arena, 65536);
	if (kept(absent_key(&arena, s->key, &rig.chain), &json))
		REQUIRE(s->keep.kind == KEEP_TX && s->pin_final && span_is(json, "null"));
	arena_release(&arena);
}

/* Under the block's own key: the head, or a block by number. */
static void check_head(const struct scene *s)
{
	const struct eth_bytes32 hash = hash_of(NUMBER);
	struct span json;
	struct buf key;

	buf_init(&key, 256);
	block_key(&rig.chain, &hash, false, &key);
	if (kept(buf_as_span(&key), &json)) {
		REQUIRE(s->keep.kind == KEEP_HEAD || s->keep.kind == KEEP_BLOCK);
		REQUIRE(is_hash(text_of(json, "hash"), &hash) && span_equal(json, s->json));
	}
	buf_release(&key);
	if (rig.chain.finalized != FINAL)
		REQUIRE(s->keep.kind == KEEP_HEAD && s->keep.count == TAG_FINALIZED &&
			rig.chain.finalized > FINAL &&
			is_number(text_of(s->json, "number"), rig.chain.finalized));
}

/* A transaction object of a block that came with them. */
static void check_transaction(const struct scene *s)
{
	const struct eth_bytes32 hash = hash_of(NUMBER);
	struct span json;

	if (s->keep.kind == KEEP_TX || !kept(SPAN(KEY_TX), &json))
		return;
	REQUIRE(s->keep.kind == KEEP_BLOCK && (s->keep.flags & KEEP_CANONICAL));
	REQUIRE(is_hash(text_of(json, "hash"), &hash) &&
		memmem(s->json.ptr, s->json.len, json.ptr, json.len) != NULL);
	REQUIRE(is_text(text_of(json, "blockNumber"), "0x64") ||
		!(s->keep.flags & KEEP_HAS_NUMBER) || s->keep.number != NUMBER);
}

static void check_receipt(const struct scene *s)
{
	const struct eth_bytes32 hash = hash_of(NUMBER);
	struct span json;
	struct buf key;

	buf_init(&key, 256);
	tx_key(&rig.chain, "eth_getTransactionReceipt", &hash, &key);
	if (kept(buf_as_span(&key), &json)) {
		REQUIRE(s->keep.kind == KEEP_RECEIPTS && (s->keep.flags & KEEP_CANONICAL) &&
			s->keep.number <= FINAL);
		REQUIRE(is_hash(text_of(json, "transactionHash"), &hash) &&
			memmem(s->json.ptr, s->json.len, json.ptr, json.len) != NULL);
	}
	buf_release(&key);
}

static void check_binding(const struct scene *s)
{
	struct eth_bytes32 hash;
	uint64_t number;

	for (number = NUMBER; number <= TOP_NUMBER; number += TOP_NUMBER - NUMBER)
		if (stack_get_binding(rig.view, number, &hash) == HIT)
			REQUIRE((s->keep.kind == KEEP_HEAD ||
				 (s->keep.kind == KEEP_BLOCK &&
				  (s->keep.flags & KEEP_CANONICAL))) &&
				number <= rig.chain.finalized &&
				(is_hash(text_of(s->json, "hash"), &hash)));
	for (number = NUMBER; number <= TOP_NUMBER; number += TOP_NUMBER - NUMBER)
		if (stack_get_near(rig.view, EPOCH, number, &hash) == HIT)
			REQUIRE(s->keep.kind == KEEP_BLOCK && s->keep.epoch == EPOCH &&
				is_hash(text_of(s->json, "hash"), &hash) &&
				is_number(text_of(s->json, "number"), number));
}

static bool has_fact(enum fact_kind kind, unsigned slot, struct eth_bytes32 *value)
{
	struct fact fact = {.kind = kind, .slot = hash_of(slot)};

	fact.block.at.number = NUMBER;
	fact.block.at.hash = hash_of(NUMBER);
	REQUIRE(eth_address_parse(SPAN(ADDRESS), &fact.address) == OK);
	fact_prepare(rig.view, &fact);
	const bool found = stack_get_fact(rig.view, &fact) == HIT;
	*value = fact.value;
	fact_release(&fact);
	return found;
}

static bool is_word(struct span text, const struct eth_bytes32 *word)
{
	struct eth_u256 value;

	return eth_quantity_lenient(text, &value) == OK &&
	       memcmp(value.bytes, word->bytes, 32) == 0;
}

static void check_facts(const struct scene *s)
{
	const bool composed = s->keep.kind == KEEP_PROOF || s->keep.kind == KEEP_ACCOUNT;
	const struct span slots = value_of(s->json, "storageProof");
	struct eth_bytes32 value;

	if (has_fact(FACT_BALANCE, 0, &value))
		REQUIRE(composed && (is_word(text_of(s->json, "balance"), &value)));
	if (has_fact(FACT_NONCE, 0, &value))
		REQUIRE(composed && (is_word(text_of(s->json, "nonce"), &value)));
	for (unsigned i = 0; i < 3; i++)
		if (has_fact(FACT_SLOT, i, &value))
			REQUIRE(s->keep.kind == KEEP_PROOF && i < 2 &&
				(is_word(text_of(element_at(slots, i), "value"), &value)));
}

/* ---- the run ---- */

/* Of the answer's bytes, where it has any: so that raw answers pass. */
static void know_digest(struct keep *keep, struct span json)
{
	unsigned char bytes[4096];
	struct span text, from;
	size_t n;

	if (!json_string_plain(json, &text) || eth_data_length(text, &n) != OK ||
	    n > sizeof bytes || eth_data_parse(text, bytes, n) != OK)
		return;
	from = (struct span){(const char *)bytes, n};
	/* The first item of a short list with a short string in it. */
	if (keep->kind == KEEP_RAW_BLOCK && n > 2 && bytes[0] > 0xc1 && bytes[1] > 0x80 &&
	    bytes[1] < 0xb8 && n >= (size_t)bytes[1] - 0x80 + 2)
		from = (struct span){from.ptr + 1, 1 + (size_t)bytes[1] - 0x80};
	keccak256(from.ptr, from.len, &keep->hash);
}

static void choose_key(struct scene *s)
{
	s->key = SPAN(KEY_PLAIN);
	if (s->keep.kind == KEEP_PROOF)
		s->key = SPAN(KEY_PROOF);
	else if (s->keep.kind == KEEP_TX)
		s->key = SPAN(KEY_TX);
	else if (s->keep.kind == KEEP_BLOCK && !(s->keep.flags & KEEP_HAS_HASH))
		s->key = SPAN(KEY_BLOCK);
	else if (s->keep.kind == KEEP_LOGS)
		s->key = s->has_filter ? SPAN(KEY_LOGS) : SPAN(KEY_ALL);
	else if (s->keep.kind == KEEP_RUN && s->names_gas)
		s->key = SPAN(KEY_GAS);
	else if (s->keep.kind == KEEP_GAS)
		s->key = SPAN(KEY_CLIENT);
}

static void scene_of(struct scene *s, const uint8_t head[3], struct span json)
{
	const uint8_t flags = head[1];

	*s = (struct scene){.json = json, .pin_final = (flags & PIN_FINAL) != 0};
	s->keep.kind = kinds[(head[0] & KINDS_MASK) % (sizeof kinds / sizeof kinds[0])];
	s->keep.flags = flags & (KEEP_HAS_NUMBER | KEEP_HAS_HASH | KEEP_CANONICAL |
				 KEEP_HAS_COUNT | KEEP_FIXED);
	s->is_error = (head[0] & FAILED_SO) != 0;
	s->client = head[0] & OTHER_KIND ? SPAN("erigon") : SPAN("Geth");
	s->has_filter = (flags & DIGEST) == 0;
	if (head[0] & BY_KIND)
		s->keep.flags |= KEEP_BY_CLIENT;
	s->keep.number = flags & HIGH ? TOP_NUMBER : NUMBER;
	s->keep.count = head[2];
	if (s->keep.kind == KEEP_BLOCK)
		s->keep.epoch = head[2];
	s->keep.hash = hash_of(NUMBER);
	REQUIRE(eth_address_parse(SPAN(ADDRESS), &s->keep.address) == OK);
	s->names_gas = s->keep.kind == KEEP_RUN && (flags & DIGEST) != 0;
	if (flags & DIGEST)
		know_digest(&s->keep, json);
	choose_key(s);
	s->keep.hash_at = block_key_hash_at(&rig.chain);
}

/* As the fork does it: results are checked, error objects are not. */
static bool check_twice(const struct scene *s)
{
	struct err_detail detail = {""}, again = {""};

	if (s->is_error)
		return true;
	const enum err err = keep_check(&s->question, s->json, &detail);
	REQUIRE(keep_check(&s->question, s->json, &again) == err);
	REQUIRE(strcmp(detail.text, again.text) == 0 && (err == OK || detail.text[0] != '\0'));
	REQUIRE(err != OK || span_is(s->json, "null") || is_what_was_asked(s));
	return err == OK;
}

static void run(struct scene *s, struct arena *arena)
{
	s->question = (struct fork_question){.kind = FORK_CALL,
					     .tag = keep_tag(arena, &s->keep, s->key)};
	const bool checked = check_twice(s);
	if (checked) {
		struct fork_answer answer = {.err = s->is_error ? ERR_UPSTREAM : OK,
					     .blob = blob_copy(s->json.ptr, s->json.len),
					     .client = s->client,
					     .detail = ""};
		REQUIRE(answer.blob != NULL);
		keep_store(&rig.chain, rig.stack, &s->question, &answer);
		blob_put(&answer.blob);
	}
	check_reply(s, checked);
	check_head(s);
	check_transaction(s);
	check_receipt(s);
	check_binding(s);
	check_facts(s);
	stack_turn_end(rig.view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene;
	struct arena arena;
	struct span json;
	size_t at;

	if (size < 3 || json_document((struct span){(const char *)data + 3, size - 3},
				      JSON_DEPTH_MAX, &json, &at) != OK)
		return 0;
	struct span copy = exact_copy(json);
	node_start(NODE_ABSENT, false, 0, NULL);
	arena_init(&arena, 1u << 20);
	scene_of(&scene, data, copy);
	node_pin_final(scene.pin_final);
	run(&scene, &arena);
	arena_release(&arena);
	node_stop();
	exact_free(copy);
	return 0;
}
