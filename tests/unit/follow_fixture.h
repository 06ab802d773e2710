/* SPDX-License-Identifier: MIT */
#pragma once
/* A request pool that follows a scripted node: what the tests of following share. */
#include "request_fixture.h"
#include "rpc/heads.h"

#define NO_HEAD	       "{\"code\":-32000,\"message\":\"unknown block\"}"
#define SECOND_US      UINT64_C(1000000)
#define BALANCE(block) CALL("eth_getBalance", "[\"" ADDRESS "\"," block "]")
#define LATEST	       BALANCE("\"latest\"")
#define BLOCK_NUMBER   CALL("eth_blockNumber", "[]")
#define BLOCK(number)  CALL("eth_getBlockByNumber", "[" number ",false]")

/* A node whose blocks above `stem` are of a branch. A balance is branch * 4096 + number. */
static struct {
	uint64_t head, stem, finalized;
	unsigned branch;
	bool no_safe, no_finalized;
	bool lacks_state; /* of blocks that are not on its branch now */
	unsigned reorgs; /* so many questions about state are each followed by another branch */
	unsigned lacks;	 /* so many are not answered */
	uint64_t alias;	 /* a number that the head says it has, instead of its own */
	bool no_head;	 /* it says so when it is asked for "latest" */
	bool composed; /* blocks have two transactions, and eth_getBlockReceipts is not there */
	const char *receipt; /* the block that has the transaction, in hex */
	char asked[512];     /* what was asked, in short */
} node;

static inline struct eth_bytes32 node_hash(uint64_t number)
{
	struct eth_bytes32 hash = {{0}};

	be64_put(hash.bytes, number);
	hash.bytes[8] = (unsigned char)(number > node.stem ? node.branch : 0);
	return hash;
}

/* Of a block: its hash, but for the last byte. */
static inline struct eth_bytes32 node_tx(uint64_t number, unsigned index)
{
	struct eth_bytes32 hash = node_hash(number);

	hash.bytes[31] = (unsigned char)(index + 1);
	return hash;
}

/* said: the number that it says it has. */
static inline struct blob *node_block(uint64_t number, uint64_t said)
{
	struct eth_bytes32 hash = node_hash(number), parent = node_hash(number - 1);
	char hex[64], parent_hex[64], txs[256] = "";

	eth_hex(hash.bytes, 32, hex);
	eth_hex(parent.bytes, 32, parent_hex);
	for (unsigned i = 0; i < (node.composed ? 2u : 0u); i++) {
		struct eth_bytes32 tx = node_tx(number, i);
		char tx_hex[64];
		eth_hex(tx.bytes, 32, tx_hex);
		snprintf(txs + strlen(txs), sizeof txs - strlen(txs), "%s\"0x%.64s\"",
			 i > 0 ? "," : "", tx_hex);
	}
	return json_blob(
		"{\"number\":\"0x%llx\",\"hash\":\"0x%.64s\",\"parentHash\":\"0x%.64s\","
		"\"stateRoot\":\"0x%064x\",\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\","
		"\"transactions\":[%s]}",
		(unsigned long long)said, hex, parent_hex, 2, txs);
}

static inline void note(const char *what)
{
	size_t len = strlen(node.asked);

	snprintf(node.asked + len, sizeof node.asked - len, "%s%s", len > 0 ? " " : "", what);
}

static inline void lacking(struct fork_answer *a)
{
	a->err = ERR_NOT_FOUND;
	a->lacks = true;
	a->detail = "it does not have the block";
}

static inline void answer_state(const struct fork_question *q, struct fork_answer *a)
{
	struct eth_bytes32 now = node_hash(q->block.number);

	note(q->block.by_hash ? "state@hash" : "state@number");
	if (node.reorgs > 0) {
		node.reorgs--;
		node.branch++;
		now = node_hash(q->block.number);
	}
	if (node.lacks > 0) {
		node.lacks--;
		lacking(a);
		return;
	}
	if (node.lacks_state && !eth_bytes32_equal(&q->block.hash, &now)) {
		lacking(a);
		return;
	}
	be64_put(a->value.bytes + 24, q->block.hash.bytes[8] * 4096u + q->block.number);
}

static inline void note_guard(const struct fork_question *q, struct fork_answer *a)
{
	struct eth_bytes32 now = node_hash(q->block.number);

	if (!q->guarded)
		return;
	note("guarded");
	if (q->block.number > node.head || !eth_bytes32_equal(&now, &q->block.hash))
		lacking(a);
}

static inline void answer_block(const struct fork_question *q, struct fork_answer *a)
{
	char params[64];
	unsigned long long number = 0, said = 0, most = node.head;

	snprintf(params, sizeof params, "%.*s", (int)q->params.len, q->params.ptr);
	if (strstr(params, "latest") != NULL) {
		number = node.head;
		said = node.alias;
	} else if (strstr(params, "finalized") != NULL) {
		number = most = node.no_finalized ? 0 : node.finalized;
	} else if (strstr(params, "safe") != NULL) {
		number = node.no_safe ? 0 : node.finalized + 5;
	} else {
		assert_int_equal(sscanf(params, "[\"0x%llx\"", &number), 1);
	}
	params[strcspn(params + 2, "\"") + 2] = '\0';
	note(params + 2);
	note_guard(q, a);
	if (node.no_head && number == node.head) {
		a->err = ERR_UPSTREAM;
		a->lacks = true;
		a->blob = json_blob(NO_HEAD);
	} else if (a->err == OK)
		a->blob = number == 0 || number > most
				  ? json_blob("null")
				  : node_block(number, said != 0 ? said : number);
}

static inline void answer_receipt(const struct fork_question *q, struct fork_answer *a)
{
	char hex[64];
	struct eth_bytes32 hash = node_hash(strtoull(node.receipt, NULL, 16));

	note("receipt");
	eth_hex(hash.bytes, 32, hex);
	a->blob = json_blob("{\"transactionHash\":%.*s,\"blockNumber\":\"0x%s\","
			    "\"blockHash\":\"0x%.64s\"}",
			    (int)q->params.len - 2, q->params.ptr + 1, node.receipt, hex);
}

/* By hash: null unless it is on the branch of now. */
static inline void answer_composed(const struct fork_question *q, struct fork_answer *a)
{
	struct eth_bytes32 asked, block;
	char hex[64];

	assert_ok(eth_data_parse((struct span){q->params.ptr + 2, 66}, asked.bytes, 32));
	const unsigned long long number = be64_get(asked.bytes);
	const unsigned index = asked.bytes[31];
	if (index > 0 && node.reorgs > 0) {
		node.reorgs--;
		node.branch++;
	}
	asked.bytes[31] = 0;
	block = node_hash(number);
	const bool is_there = number <= node.head && eth_bytes32_equal(&asked, &block);
	eth_hex(block.bytes, 32, hex);
	if (!is_there && !q->null_allowed)
		lacking(a);
	else if (!is_there)
		a->blob = json_blob("null");
	else if (index == 0)
		a->blob = node_block(number, number);
	else
		a->blob = json_blob("{\"transactionHash\":%.*s,\"blockNumber\":\"0x%llx\","
				    "\"blockHash\":\"0x%.64s\",\"transactionIndex\":\"0x%x\"}",
				    (int)q->params.len - 2, q->params.ptr + 1, number, hex,
				    index - 1);
}

static inline void following_node(const struct fork_question *q, struct fork_answer *a)
{
	if (q->kind == FORK_BALANCE || q->kind == FORK_SLOT) {
		answer_state(q, a);
	} else if (span_is(q->method, "eth_getBlockByNumber")) {
		answer_block(q, a);
	} else if (node.composed && span_is(q->method, "eth_getBlockReceipts")) {
		a->err = ERR_UNSUPPORTED;
		a->blob = json_blob("{\"code\":-32601,\"message\":\"not here\"}");
	} else if (node.composed) {
		answer_composed(q, a);
	} else if (span_is(q->method, "eth_getTransactionReceipt")) {
		answer_receipt(q, a);
	} else if (span_is(q->method, "eth_getLogs")) {
		char params[128];
		snprintf(params, sizeof params, "%.*s", (int)q->params.len, q->params.ptr);
		note(params);
		note_guard(q, a);
		a->blob = a->err == OK ? json_blob("[]") : NULL;
	} else {
		note("call");
		a->blob = json_blob("%.*s", (int)q->params.len, q->params.ptr);
	}
}

static struct heads *heads;

static inline int setup(void **state)
{
	struct head head = {.header.number = 1000};

	(void)state;
	memset(&node, 0, sizeof node);
	node.head = 1000;
	node.stem = 950;
	node.finalized = 900;
	node.branch = 1;
	rig_start(following_node);
	request_pool_free(&rig.pool);
	rig.chain.pinned.block = (struct stack_block){0};
	assert_ok(heads_new(&rig.chain, HEADS_AGE_US, &heads));
	head.block.at.number = 1000;
	head.block.at.hash = node_hash(1000);
	head.block.at.by_hash = true;
	heads_begin(heads, &head);
	rig.chain.heads = heads;
	const struct request_limits limits = {0};
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
	return 0;
}

static inline int teardown_following(void **state)
{
	teardown(state);
	heads_free(&heads);
	return 0;
}

/* The reply, and what was asked for it. */
static inline void follow(const char *body, const char *reply, const char *asked)
{
	node.asked[0] = '\0';
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);
	stack_turn_end(rig.view);
	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	assert_string_equal(fake_http_reply(x), reply);
	assert_string_equal(node.asked, asked);
	fake_http_free(&x);
	stack_turn_end(rig.view);
}

/* ---- bodies that are disturbed at every point ---- */

#define RECEIPTS(block) CALL("eth_getBlockReceipts", "[" block "]")

static const struct {
	const char *body;
	bool composed, reorganised;
} scenes[] = {
	{"[" LATEST "," BLOCK_NUMBER "," BALANCE("\"safe\"") "," BALANCE("\"0x3de\"") "," LATEST
										      "]",
	 false, false},
	{"[" LATEST "," BLOCK_NUMBER "," BALANCE("\"0x3de\"") "," BALANCE("\"0x64\"") "]",
	 false, true},
	{"[" RECEIPTS("\"latest\"") "," RECEIPTS("\"0x3de\"") "," RECEIPTS("\"latest\"") "]",
	 true, false},
	{"[" RECEIPTS("\"latest\"") "," BLOCK_NUMBER "]", true, true},
};

/* On a fresh node. */
static inline void scene_set(size_t i)
{
	node.composed = scenes[i].composed;
	node.lacks_state = scenes[i].reorganised;
	node.reorgs = scenes[i].reorganised ? 1 : 0;
}

static inline void pass(uint64_t us)
{
	fake_loop_advance(rig.loop, us);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown_following)
