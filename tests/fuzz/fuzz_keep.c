/* SPDX-License-Identifier: MIT */
/*
 * An upstream's answer to a call, checked and kept (rpc/keep.h). The first three bytes say
 * what it answers: the kind of the row, what is known of the block, and how many transactions
 * there are; the rest is the answer. Checked, by a second reading:
 *  - a check that passes has seen what the kind promises: number, hash, index, count,
 *    transaction, keccak256, address and slots;
 *  - what is kept under the key is the answer, byte for byte, and only what its kind allows:
 *    no null, empty list or "0x", nothing that is not of one block for ever, no transaction
 *    above the finalized block, no list of another length than the block's;
 *  - a null is kept of a transaction only, under the final pinned block's key;
 *  - a receipt, a fact, a block's binding that comes along is one that stands in the answer.
 */
#include "../json_oracle.h"
#include "request_node.h"
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NUMBER	   100
#define B100	   "0000000000000000000000000000000000000000000000000000000000000064"
#define SLOTS	   "[\"0x" ZEROS_62 "00\",\"0x" ZEROS_62 "01\"]"
#define ZEROS_62   ZEROS_58 "0000"
#define KEY_PLAIN  "1:some_method[\"0x" B100 "\"]"
#define KEY_PROOF  "1:eth_getProof[\"" ADDRESS "\"," SLOTS ",\"0x" B100 "\"]"
#define KEY_BLOCK  "1:eth_getBlockByHash[\"0x" ZEROS_62 "00\",false]"
#define KEY_TX	   "1:eth_getTransactionByHash[\"0x" B100 "\"]"
#define TOP_NUMBER 950 /* above the finalized block */

enum { HIGH = 32, PIN_FINAL = 64, DIGEST = 128 }; /* of the byte that has the flags, too */

struct scene {
	struct keep keep;
	struct span key, json;
	struct fork_question question;
	bool pin_final;
};

/* ---- a second reading ---- */

/* The text of a member that is a string without escapes; else empty. */
static struct span text_of(struct span object, const char *name)
{
	struct span value, text;

	return json_member(object, name, &value) && json_string_plain(value, &text)
		       ? text
		       : (struct span){"", 0};
}

static struct span list_of(struct span object, const char *name)
{
	struct span value;

	return json_member(object, name, &value) ? value : SPAN("null");
}

static size_t length(struct span list)
{
	struct json_iter iter = json_iter(list);
	struct span element;
	size_t n = 0;

	while (json_type(list) == JSON_ARRAY && json_next_element(&iter, &element))
		n++;
	return n;
}

static struct span element_at(struct span list, size_t i)
{
	struct json_iter iter = json_iter(list);
	struct span element = SPAN("null");

	for (size_t n = 0; n <= i; n++)
		if (json_type(list) != JSON_ARRAY || !json_next_element(&iter, &element))
			return SPAN("null");
	return element;
}

static bool is_text(struct span text, const char *wanted)
{
	return text.len == strlen(wanted) && strncasecmp(text.ptr, wanted, text.len) == 0;
}

static bool is_hash(struct span text, const struct eth_bytes32 *hash)
{
	char hex[2 + 64 + 1] = "0x";

	eth_hex(hash->bytes, 32, hex + 2);
	hex[66] = '\0';
	return is_text(text, hex);
}

static bool is_number(struct span text, uint64_t number)
{
	char hex[24];

	snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)number);
	return is_text(text, hex);
}

static bool is_nothing(struct span json)
{
	return span_is(json, "null") || (json_type(json) == JSON_ARRAY && length(json) == 0) ||
	       span_is(json, "\"0x\"");
}

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
	const struct span slots = list_of(s->json, "storageProof");
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

/* What a check that has passed has seen; null is the question's own business. */
static bool is_what_was_asked(const struct scene *s)
{
	switch ((enum keep_kind)s->keep.kind) {
	case KEEP_BLOCK:
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
	case KEEP_NOTHING:
	case KEEP_PLAIN:
		return true;
	}
	return true;
}

/* Whether the answer may stand under the key. */
static bool may_be_kept(const struct scene *s)
{
	const bool fixed = (s->keep.flags & KEEP_FIXED) != 0;
	uint64_t number;

	switch ((enum keep_kind)s->keep.kind) {
	case KEEP_NOTHING:
		return false;
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
		return !is_nothing(s->json);
	}
	return false;
}

/* ---- what has been kept ---- */

static bool kept(struct span key, struct span *json)
{
	struct reply reply = {0};
	const bool found = stack_get_reply(rig.view, key, &reply) == HIT;

	if (found)
		*json = reply.json; /* borrowed until the turn ends */
	reply_release(&reply);
	return found;
}

static void check_reply(const struct scene *s, bool checked)
{
	struct arena arena;
	struct span json;

	if (kept(s->key, &json)) {
		REQUIRE(checked && span_equal(json, s->json));
		REQUIRE(may_be_kept(s));
	}
	arena_init(&arena, 65536);
	if (kept(absent_key(&arena, s->key, &rig.chain), &json))
		REQUIRE(s->keep.kind == KEEP_TX && s->pin_final && span_is(json, "null"));
	arena_release(&arena);
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
			REQUIRE(s->keep.kind == KEEP_BLOCK && number <= FINAL &&
				(s->keep.flags & KEEP_CANONICAL) &&
				(is_hash(text_of(s->json, "hash"), &hash)));
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
	const struct span slots = list_of(s->json, "storageProof");
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

static void scene_of(struct scene *s, const uint8_t head[3], struct span json)
{
	const uint8_t flags = head[1];

	*s = (struct scene){.json = json, .pin_final = (flags & PIN_FINAL) != 0};
	s->keep.kind = head[0] % (KEEP_FEES + 1);
	s->keep.flags = flags & (KEEP_HAS_NUMBER | KEEP_HAS_HASH | KEEP_CANONICAL |
				 KEEP_HAS_COUNT | KEEP_FIXED);
	s->keep.number = flags & HIGH ? TOP_NUMBER : NUMBER;
	s->keep.count = head[2];
	s->keep.hash = hash_of(NUMBER);
	REQUIRE(eth_address_parse(SPAN(ADDRESS), &s->keep.address) == OK);
	if (flags & DIGEST)
		know_digest(&s->keep, json);
	s->key = SPAN(KEY_PLAIN);
	if (s->keep.kind == KEEP_PROOF)
		s->key = SPAN(KEY_PROOF);
	else if (s->keep.kind == KEEP_TX)
		s->key = SPAN(KEY_TX);
	else if (s->keep.kind == KEEP_BLOCK && !(s->keep.flags & KEEP_HAS_HASH))
		s->key = SPAN(KEY_BLOCK);
	s->keep.hash_at = block_key_hash_at(&rig.chain);
}

static void run(struct scene *s, struct arena *arena)
{
	struct err_detail detail = {""}, again = {""};

	s->question = (struct fork_question){.kind = FORK_CALL,
					     .tag = keep_tag(arena, &s->keep, s->key)};
	const enum err err = keep_check(&s->question, s->json, &detail);
	REQUIRE(keep_check(&s->question, s->json, &again) == err);
	REQUIRE(strcmp(detail.text, again.text) == 0 && (err == OK || detail.text[0] != '\0'));
	if (err == OK) {
		REQUIRE(span_is(s->json, "null") || is_what_was_asked(s));
		struct fork_answer answer = {.blob = blob_copy(s->json.ptr, s->json.len),
					     .detail = ""};
		REQUIRE(answer.blob != NULL);
		keep_store(&rig.chain, rig.stack, &s->question, &answer);
		blob_put(&answer.blob);
	}
	check_reply(s, err == OK);
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
	node_start(NODE_ABSENT, NULL);
	arena_init(&arena, 1u << 20);
	scene_of(&scene, data, copy);
	node_pin_final(scene.pin_final);
	run(&scene, &arena);
	arena_release(&arena);
	node_stop();
	exact_free(copy);
	return 0;
}
