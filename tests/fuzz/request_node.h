/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The remote node behind the request target: the unit tests' rig (a chain pinned to block
 * 1,000), with answers that are functions of the question, so that a second reading of the
 * same question may be compared with the first. Facts do not depend on the block: the rig's
 * hashes cannot be told apart by the memory cache.
 *
 * Or a chain that is followed, whose head is reorganised once: the blocks above NODE_STEM are
 * of a branch, and those of the old one are not there any more. A balance says its branch.
 *
 * All that the target needs to know of the rig is here.
 */
#include "../unit/request_fixture.h"
#include "base/keccak.h"
#include "rpc/heads.h"

/* What the input chooses. */
enum node_mood {
	NODE_GOOD,
	NODE_ERROR,  /* a JSON-RPC error, to be passed on */
	NODE_DOWN,   /* nobody answers */
	NODE_NULL,   /* null for all but facts */
	NODE_ECHO,   /* the question's own parameters for an answer */
	NODE_FULL,   /* the port takes no question after the first */
	NODE_ABSENT, /* offline: no node at all */
	NODE_GONE,   /* the client goes before the answer */
	NODE_MOODS
};
static enum node_mood node_mood;

#define NODE_CLIENT "Geth" /* what it says that it is */
#define NODE_STEM   990
#define NODE_LACKS  "it does not have the block"

static struct {
	struct heads *heads; /* followed; NULL: pinned */
	uint64_t head;
	unsigned branch;
	unsigned left; /* answers until it is reorganised; 0: it is not */
} node;

static inline struct eth_bytes32 node_hash(uint64_t number)
{
	struct eth_bytes32 hash = hash_of(number);

	if (node.heads != NULL && number > NODE_STEM)
		hash.bytes[8] = (unsigned char)node.branch;
	return hash;
}

static const unsigned char node_code[] = {0x60, 0x01};

static inline size_t node_code_len(const struct eth_address *address)
{
	return address->bytes[19] == 0xaa ? sizeof node_code : 0;
}

static inline void node_account(const struct eth_address *address, const char *root,
				struct buf *out)
{
	struct eth_bytes32 hash;

	keccak256(node_code, node_code_len(address), &hash);
	buf_text(out, "\"balance\":\"0x7\",\"nonce\":\"0x3\",\"codeHash\":\"");
	buf_hex(out, hash.bytes, 32);
	buf_printf(out, "\",\"%s\":\"0x%064x\"", root, 1);
}

/* Slot s holds s. */
static inline void node_proof(struct json_iter params, const struct eth_address *address,
			      struct buf *out)
{
	struct span slots, slot;
	const char *separator = "";

	buf_text(out, "{\"address\":\"");
	buf_hex(out, address->bytes, 20);
	buf_text(out, "\",");
	node_account(address, "storageHash", out);
	buf_text(out, ",\"accountProof\":[],\"storageProof\":[");
	REQUIRE(json_next_element(&params, &slots));
	struct json_iter all = json_iter(slots);
	while (json_next_element(&all, &slot)) {
		struct eth_bytes32 word;
		char value[2 + 64];
		REQUIRE(eth_slot_parse(json_string_raw(slot), &word) == OK);
		buf_printf(out, "%s{\"key\":", separator);
		buf_span(out, slot);
		buf_text(out, ",\"value\":\"");
		buf_append(out, value, eth_quantity_format(word.bytes, 32, value));
		buf_text(out, "\",\"proof\":[]}");
		separator = ",";
	}
	buf_text(out, "]}");
}

/* eth_getProof and eth_getAccount. */
static inline struct blob *node_composed(struct span method, struct span text)
{
	struct json_iter params = json_iter(text);
	struct eth_address address;
	struct span first;
	struct buf out;

	buf_init(&out, 1u << 20);
	REQUIRE(json_next_element(&params, &first));
	REQUIRE(eth_address_parse(json_string_raw(first), &address) == OK);
	if (span_is(method, "eth_getProof")) {
		node_proof(params, &address, &out);
	} else {
		buf_char(&out, '{');
		node_account(&address, "storageRoot", &out);
		buf_char(&out, '}');
	}
	struct blob *blob = blob_copy(out.ptr, out.len);
	buf_release(&out);
	return blob;
}

/* ---- a chain that is followed ---- */

static inline struct blob *node_block(uint64_t number)
{
	const struct eth_bytes32 hash = node_hash(number), parent = node_hash(number - 1);
	char hex[64], parent_hex[64];

	if (number > node.head)
		return json_blob("null");
	eth_hex(hash.bytes, 32, hex);
	eth_hex(parent.bytes, 32, parent_hex);
	return json_blob("{\"number\":\"0x%llx\",\"hash\":\"0x%.64s\","
			 "\"parentHash\":\"0x%.64s\",\"stateRoot\":\"0x%064x\","
			 "\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\",\"transactions\":[]}",
			 (unsigned long long)number, hex, parent_hex, 2);
}

/* The first parameter's text, with an end. */
static inline void node_first(const struct fork_question *q, char *text, size_t n)
{
	struct json_iter iter = json_iter(q->params);
	struct span first = {0};

	REQUIRE(json_next_element(&iter, &first) && json_type(first) == JSON_STRING);
	first = json_string_raw(first);
	REQUIRE(first.len < n);
	memcpy(text, first.ptr, first.len);
	text[first.len] = '\0';
}

static inline struct blob *node_block_named(const struct fork_question *q)
{
	char text[128];
	struct eth_bytes32 hash, now;

	node_first(q, text, sizeof text);
	if (strcmp(text, "latest") == 0)
		return node_block(node.head);
	if (strcmp(text, "safe") == 0)
		return node_block(NODE_STEM + 5);
	if (strcmp(text, "finalized") == 0)
		return node_block(FINAL);
	if (span_is(q->method, "eth_getBlockByNumber"))
		return node_block(strtoull(text, NULL, 16));
	REQUIRE(eth_data_parse(span_of(text), hash.bytes, 32) == OK);
	now = node_hash(be64_get(hash.bytes + 24));
	return eth_bytes32_equal(&hash, &now) ? node_block(be64_get(hash.bytes + 24))
					      : json_blob("null");
}

static inline struct blob *node_tx(const struct fork_question *q)
{
	const char *name =
		span_is(q->method, "eth_getTransactionByHash") ? "hash" : "transactionHash";
	char text[128], hex[64];

	node_first(q, text, sizeof text);
	const uint64_t number = strtoull(text + 66 - 3, NULL, 16);
	const struct eth_bytes32 hash = node_hash(number);
	if (number > node.head)
		return json_blob("null");
	eth_hex(hash.bytes, 32, hex);
	return json_blob("{\"%s\":\"%s\",\"blockNumber\":\"0x%llx\","
			 "\"blockHash\":\"0x%.64s\"}",
			 name, text, (unsigned long long)number, hex);
}

/* keccak256 of the raw transaction. */
static inline struct blob *node_sent(const struct fork_question *q)
{
	unsigned char bytes[4096];
	char text[8192], hex[64];
	struct eth_bytes32 hash;

	node_first(q, text, sizeof text);
	const size_t n = strlen(text) / 2 - 1;
	REQUIRE(n < sizeof bytes && eth_data_parse(span_of(text), bytes, n) == OK);
	keccak256(bytes, n, &hash);
	eth_hex(hash.bytes, 32, hex);
	return json_blob("\"0x%.64s\"", hex);
}

/* What it was asked about is not there any more. */
static inline bool node_lacks(const struct fork_question *q)
{
	const bool named = q->block.by_hash || q->guarded;
	const struct eth_bytes32 now = node_hash(q->block.number);

	return (q->kind != FORK_CALL || q->by_hash_len > 0 || q->guarded) && named &&
	       !eth_bytes32_equal(&q->block.hash, &now);
}

static inline bool node_followed(const struct fork_question *q, struct fork_answer *a)
{
	const struct method *method = method_find(q->method);
	char hex[64];

	if (node_lacks(q)) {
		a->err = ERR_NOT_FOUND;
		a->lacks = true;
		a->detail = NODE_LACKS;
	} else if (q->kind == FORK_BALANCE) {
		a->value.bytes[31] = 7;
		a->value.bytes[30] = q->block.hash.bytes[8];
	} else if (q->kind != FORK_CALL) {
		return false;
	} else if (span_is(q->method, "eth_getBlockByNumber") ||
		   span_is(q->method, "eth_getBlockByHash")) {
		a->blob = node_block_named(q);
	} else if (span_is(q->method, "eth_getTransactionByHash") ||
		   span_is(q->method, "eth_getTransactionReceipt")) {
		a->blob = node_tx(q);
	} else if (method != NULL && method->class == METHOD_SEND) {
		a->blob = node_sent(q);
	} else if (span_is(q->method, "eth_call") && q->by_hash_len > 0) {
		eth_hex(q->block.hash.bytes, 32, hex);
		a->blob = json_blob("\"0x%.64s\"", hex);
	} else {
		return false;
	}
	return true;
}

/* ---- any chain ---- */

static inline bool node_call(const struct fork_question *q, struct fork_answer *a)
{
	switch (node_mood) {
	case NODE_ERROR:
		a->err = ERR_UPSTREAM;
		a->blob = json_blob("{\"code\":3,\"message\":\"execution reverted\",\"data\":"
				    "\"0x%x\"}",
				    (unsigned)q->params.len);
		return true;
	case NODE_NULL:
		a->blob = json_blob("null");
		if (!q->null_allowed) {
			a->err = ERR_BAD_ANSWER;
			a->detail = "null";
		}
		return true;
	case NODE_ECHO:
		a->blob = blob_copy(q->params.ptr, q->params.len);
		return true;
	case NODE_GOOD:
	case NODE_DOWN:
	case NODE_FULL:
	case NODE_ABSENT:
	case NODE_GONE:
	case NODE_MOODS:
		break;
	}
	if (node.heads != NULL && node_followed(q, a))
		return true;
	const struct method *method = method_find(q->method);
	if (method != NULL && method->keep == KEEP_RUN)
		a->blob = json_blob("{\"of\":\"%s\"}", method->name);
	else if (span_is(q->method, "eth_getProof") || span_is(q->method, "eth_getAccount"))
		a->blob = node_composed(q->method, q->params);
	return a->blob != NULL;
}

static inline void node_reorganise(void)
{
	if (node.left == 0 || --node.left > 0)
		return;
	node.branch++;
	node.head++;
}

static inline void node_answer(const struct fork_question *q, struct fork_answer *a)
{
	a->client = SPAN(NODE_CLIENT);
	if (node_mood == NODE_DOWN) {
		a->err = ERR_TIMEOUT;
		a->detail = "node.example:8545 did not \"answer\" in 1.0 s";
	} else if (q->kind != FORK_CALL && node.heads != NULL && node_followed(q, a)) {
		/* the balance of a branch, or none */
	} else if (q->kind == FORK_SLOT) {
		a->value = q->slot;
	} else if (q->kind != FORK_CALL || !node_call(q, a)) {
		good_node(q, a);
	}
	node_reorganise();
}

static inline void node_follow(void)
{
	const struct request_limits limits = {.batch_items = 5};
	struct head head = {0};

	request_pool_free(&rig.pool);
	rig.chain.pinned.block = (struct stack_block){0};
	rig.chain.allow_send = true;
	REQUIRE(heads_new(&rig.chain, HEADS_AGE_US, &node.heads) == OK);
	node.head = head.block.at.number = PIN;
	node.branch = 1;
	head.block.at.hash = node_hash(PIN);
	head.block.at.by_hash = true;
	heads_begin(node.heads, &head);
	rig.chain.heads = node.heads;
	REQUIRE(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool) == OK);
}

/* answer is asked for each answer; it may hand the question on to node_answer. follow: the
 * chain is followed, and reorganised after so many answers (0: never). */
static inline void node_start(enum node_mood mood, bool follow, unsigned answers,
			      fake_fork_answer_fn *answer)
{
	node_mood = mood;
	rig_start(mood == NODE_ABSENT ? NULL : answer);
	snprintf(rig.chain.client_kind, sizeof rig.chain.client_kind, NODE_CLIENT);
	memset(&node, 0, sizeof node);
	if (follow && mood != NODE_ABSENT) {
		node_follow();
		node.left = answers;
	}
	if (mood == NODE_FULL)
		fake_fork_refuse_after(1);
}

/* The pinned block counts as final, as its transactions then do. */
static inline void node_pin_final(bool final)
{
	rig.chain.pinned.block.final = final;
}

static inline void node_stop(void)
{
	teardown(NULL);
	heads_free(&node.heads);
}
