/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A request pool over a stack with a scripted remote node: the whole of src/rpc but its
 * sockets. The chain is pinned to block 1,000, and final up to 900. The test includes
 * fake_fork.h, fake_http.h and fake_loop.h itself, by which it is linked with them.
 */
#include "unit.h"
#include "base/buf.h"
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "rpc/keep.h"
#include "rpc/request.h"

#define PIN	  1000
#define FINAL	  900
#define HASH_1000 "0x00000000000000000000000000000000000000000000000000000000000003e8"
#define ADDRESS	  "0x00000000000000000000000000000000000000aa"

static struct {
	struct loop *loop;
	struct stack *stack;
	struct stack_view *view;
	struct request_pool *pool;
	struct chain chain;
} rig;

/* In this chain a block's hash is its number, so that tests can name it. The memory cache keys
 * facts by a hash's first half, which is zero here: do not ask for one fact at two blocks. */
static inline struct eth_bytes32 hash_of(uint64_t number)
{
	struct eth_bytes32 hash = {{0}};

	be64_put(hash.bytes + 24, number);
	return hash;
}

static inline struct blob *json_blob(const char *format, ...) PRINTF_LIKE(1, 2);
static inline struct blob *json_blob(const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	assert_true(n > 0 && (size_t)n < sizeof text);
	return blob_copy(text, (size_t)n);
}

static inline struct blob *block_json(uint64_t number, uint64_t hash)
{
	return json_blob(
		"{\"number\":\"0x%llx\",\"hash\":\"0x%064llx\",\"parentHash\":\"0x%064x\","
		"\"stateRoot\":\"0x%064x\",\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\","
		"\"transactions\":[]}",
		(unsigned long long)number, (unsigned long long)hash, 1, 2);
}

static char last_method[64], last_params[4096];

static inline void remember(const struct fork_question *q)
{
	snprintf(last_method, sizeof last_method, "%.*s", (int)q->method.len, q->method.ptr);
	snprintf(last_params, sizeof last_params, "%.*s", (int)q->params.len, q->params.ptr);
}

/* A faithful node: block n has hash n; slot s holds s plus the block's number. */
static inline void good_node(const struct fork_question *q, struct fork_answer *a)
{
	uint64_t number = 0;

	switch (q->kind) {
	case FORK_BALANCE:
		a->value.bytes[31] = 7;
		return;
	case FORK_NONCE:
		a->value.bytes[31] = 3;
		return;
	case FORK_CODE:
		a->blob = blob_copy("\x60\x01", q->address.bytes[19] == 0xaa ? 2 : 0);
		return;
	case FORK_SLOT:
		a->value = q->slot;
		be64_put(a->value.bytes, q->block.number);
		return;
	case FORK_CALL:
		break;
	}
	remember(q);
	if (strcmp(last_method, "eth_getBlockByNumber") == 0) {
		assert_int_equal(sscanf(last_params, "[\"0x%lx\"", &number), 1);
		a->blob = block_json(number, number);
	} else if (strcmp(last_method, "eth_getBlockByHash") == 0) {
		char *end = strchr(last_params, ',');
		assert_non_null(end);
		number = strtoull(end - 9, NULL, 16); /* eight digits and a quote */
		a->blob = number == 0xdead ? json_blob("null") : block_json(number, number);
	} else if (strcmp(last_method, "eth_getTransactionByHash") == 0) {
		number = strtoull(last_params + 2 + 64 - 6, NULL, 16);
		if (number == 0xdead)
			a->blob = json_blob("null");
		else
			a->blob = json_blob("{\"hash\":%.68s,\"blockNumber\":\"0x%llx\"}",
					    last_params + 1, (unsigned long long)number);
	} else if (strcmp(last_method, "eth_getTransactionReceipt") == 0) {
		a->blob = json_blob("{\"transactionHash\":%.68s,\"blockNumber\":\"0x64\"}",
				    last_params + 1);
	} else if (strcmp(last_method, "eth_call") == 0) {
		a->blob = json_blob("\"0xca11\"");
	} else if (strcmp(last_method, "eth_estimateGas") == 0) {
		a->blob = json_blob("\"0x5208\"");
	} else if (strcmp(last_method, "eth_getLogs") == 0 ||
		   strcmp(last_method, "trace_filter") == 0) {
		a->blob = json_blob("[]");
	} else {
		a->blob = json_blob("\"%s\"", last_method);
	}
}

static inline void rig_start(fake_fork_answer_fn *node)
{
	memset(&rig, 0, sizeof rig);
	rig.chain.chain_id = 1;
	rig.chain.pinned.block.at.number = PIN;
	rig.chain.pinned.block.at.hash = hash_of(PIN);
	rig.chain.pinned.block.at.by_hash = true;
	rig.chain.finalized = FINAL;
	rig.chain.pinned.header.has = HEADER_BASE_FEE;
	rig.chain.pinned.header.base_fee = eth_u256_from_u64(0x10);
	snprintf(rig.chain.client_version, sizeof rig.chain.client_version, "forkcache/test");
	const struct stack_config config = {
		.memory_bytes = 4u << 20, .keep = keep_store, .cookie = &rig.chain};
	const struct request_limits limits = {.batch_items = 5};
	method_table_init();
	assert_ok(loop_new(&rig.loop));
	assert_ok(stack_new(&config, &rig.stack));
	assert_ok(stack_view_new(rig.stack, node != NULL ? (struct fork *)&rig : NULL, rig.loop,
				 64, &rig.view));
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
	fake_fork_set(node, keep_check, stack_on_answer, rig.stack);
}

static inline int teardown(void **state)
{
	(void)state;
	request_pool_free(&rig.pool);
	stack_view_free(&rig.view);
	stack_free(&rig.stack);
	loop_free(&rig.loop);
	return 0;
}

static inline int setup_online(void **state)
{
	(void)state;
	rig_start(good_node);
	return 0;
}

static inline int setup_offline(void **state)
{
	(void)state;
	rig_start(NULL);
	return 0;
}

/* Posts, delivers what was asked, compares the whole reply; returns how many were asked. */
static inline unsigned expect(const char *body, const char *reply)
{
	unsigned before = fake_fork_asked();
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);

	stack_turn_end(rig.view);
	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	assert_int_equal(fake_http_status(x), 200);
	assert_string_equal(fake_http_reply(x), reply);
	fake_http_free(&x);
	stack_turn_end(rig.view);
	return fake_fork_asked() - before;
}

#define CALL(method, params) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"
/* What a call without a sender is sent with. */
#define SENDER	     "\"from\":\"0x0000000000000000000000000000000000000000\""
#define RESULT(text) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" text "}"
#define ERROR(code, message)                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":" #code ",\"message\":\"" message \
	"\"}}"
#define ZEROS_58 "0000000000000000000000000000000000000000000000000000000000"
#define NULL_ID(code, message)                                        \
	"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":" #code \
	",\"message\":\"" message "\"}}"
#define ONLINE(test)  cmocka_unit_test_setup_teardown(test, setup_online, teardown)
#define OFFLINE(test) cmocka_unit_test_setup_teardown(test, setup_offline, teardown)
