/* SPDX-License-Identifier: MIT */
/* Answers that are composed of others: of what is kept, and where no upstream has the method.
 */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"
#include "rpc/heads.h"

#define H(digits) "\"0x" ZEROS_58 digits "\""
#define MINUTE_US UINT64_C(61000000)

/* ---- a node ---- */

static struct {
	const char *lacks[3]; /* methods that it does not have */
	const char *fails;    /* a method of which every question fails */
	unsigned moved;	      /* receipts that are of another block */
	bool guarded;	      /* the last question was */
	bool do_not_store;    /* it is a development node */
	bool uncles_hidden;   /* blocks without a list of them */
	bool astray;	      /* transactions that are of another block */
} node;

static bool is_lacking(struct span method)
{
	for (size_t i = 0; i < 3 && node.lacks[i] != NULL; i++)
		if (span_is(method, node.lacks[i]))
			return true;
	return false;
}

#define TX_HASH "\"0x%064llx\""

/* Block n has the transactions 16n and 16n + 1. */
static void put_txs(struct buf *out, unsigned long long number, bool full)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned long long hash = 16 * number + i;
		buf_text(out, i > 0 ? "," : "");
		if (full)
			buf_printf(out,
				   "{\"hash\":" TX_HASH ",\"blockHash\":" TX_HASH
				   ",\"blockNumber\":\"0x%llx\",\"transactionIndex\":\"0x%x\"}",
				   hash, number + node.astray, number, i);
		else
			buf_printf(out, TX_HASH, hash);
	}
}

static struct blob *full_block(unsigned long long number, bool full)
{
	struct buf out;

	buf_init(&out, 8192);
	buf_printf(&out,
		   "{\"number\":\"0x%llx\",\"hash\":" TX_HASH ",\"parentHash\":" TX_HASH
		   ",\"stateRoot\":" TX_HASH ",\"size\":\"0x200\",\"timestamp\":\"0x1\","
		   "\"totalDifficulty\":\"0x0\",\"gasLimit\":\"0x1\",\"withdrawals\":[],"
		   "\"transactions\":[",
		   number, number, 1ull, 2ull);
	put_txs(&out, number, full);
	buf_text(&out, node.uncles_hidden ? "]}" : "],\"uncles\":[" H("000777") "]}");
	assert_ok(buf_err(&out));
	struct blob *blob = blob_copy(out.ptr, out.len);
	buf_release(&out);
	return blob;
}

#define HEADER(number, hash)                                                                   \
	"{\"number\":\"0x" number "\",\"hash\":" H(hash) ",\"parentHash\":" H(                 \
		"000001") ",\"stateRoot\":" H("000002") ",\"timestamp\":\"0x1\",\"gasLimit\":" \
							"\"0x1\"}"

static struct blob *receipt(const char *params)
{
	unsigned long long hash = strtoull(params + 2 + 66 - 8, NULL, 16);

	if (node.moved > 0) {
		node.moved--;
		return json_blob("{\"transactionHash\":" TX_HASH ",\"blockHash\":" TX_HASH
				 ",\"blockNumber\":\"0x3e7\",\"transactionIndex\":\"0x0\"}",
				 hash, 1ull);
	}
	return json_blob("{\"transactionHash\":" TX_HASH ",\"blockHash\":" TX_HASH
			 ",\"blockNumber\":\"0x%llx\",\"transactionIndex\":\"0x%llx\"}",
			 hash, hash / 16, hash / 16, hash % 16);
}

#define CODE_HASH    "\"0x" ZEROS_58 "c0de00\""
#define STORAGE_ROOT "\"0x" ZEROS_58 "500700\""

static void answer_call(const struct fork_question *q, struct fork_answer *a)
{
	unsigned long long number = 0;
	bool full;

	remember(q);
	node.guarded = q->guarded;
	full = strstr(last_params, "true") != NULL;
	if (strcmp(last_method, "eth_getBlockByNumber") == 0) {
		if (strstr(last_params, "latest") != NULL)
			number = PIN;
		else if (strstr(last_params, "finalized") != NULL)
			number = FINAL;
		else
			assert_int_equal(sscanf(last_params, "[\"0x%llx\"", &number), 1);
		a->blob = full_block(number, full);
	} else if (strcmp(last_method, "eth_getBlockByHash") == 0) {
		number = strtoull(strchr(last_params, ',') - 9, NULL, 16);
		a->blob = number == 0xdead ? json_blob("null") : full_block(number, full);
	} else if (strcmp(last_method, "eth_getTransactionReceipt") == 0) {
		a->blob = receipt(last_params);
	} else if (strcmp(last_method, "eth_getProof") == 0) {
		a->blob = json_blob("{\"address\":\"" ADDRESS "\",\"balance\":\"0x7\","
				    "\"codeHash\":" CODE_HASH ",\"nonce\":\"0x3\","
				    "\"storageHash\":" STORAGE_ROOT ",\"storageProof\":[]}");
	} else {
		good_node(q, a);
	}
}

static void answer(const struct fork_question *q, struct fork_answer *a)
{
	a->do_not_store = node.do_not_store;
	if (q->kind != FORK_CALL) {
		good_node(q, a);
	} else if (is_lacking(q->method)) {
		a->err = ERR_UNSUPPORTED;
		a->blob = json_blob("{\"code\":-32601,\"message\":\"not here\"}");
	} else if (node.fails != NULL && span_is(q->method, node.fails)) {
		a->err = ERR_TIMEOUT;
		a->detail = "it took too long";
	} else {
		answer_call(q, a);
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&node, 0, sizeof node);
	rig_start(answer);
	return 0;
}

static void lack(const char *method)
{
	node.lacks[0] = method;
	node.lacks[1] = NULL;
}

#define NONE(body, reply)    assert_int_equal(expect(body, reply), 0)
#define ASKS(n, body, reply) assert_int_equal(expect(body, reply), n)

/* ---- of a block that is kept ---- */

static void what_a_kept_block_says(void **state)
{
	(void)state;
	ASKS(1, CALL("eth_getUncleCountByBlockNumber", "[\"0x64\"]"), RESULT("\"0x1\""));
	assert_string_equal(last_method, "eth_getBlockByNumber");
	/* Its transactions' hashes are enough. */
	NONE(CALL("eth_getUncleCountByBlockHash", "[" H("000064") "]"), RESULT("\"0x1\""));
	NONE(CALL("eth_getBlockTransactionCountByNumber", "[\"0x64\"]"), RESULT("\"0x2\""));
	NONE(CALL("eth_getBlockTransactionCountByHash", "[" H("000064") "]"),
	     RESULT("\"0x2\""));
	NONE(CALL("eth_getHeaderByNumber", "[\"0x64\"]"), RESULT(HEADER("64", "000064")));
	NONE(CALL("eth_getHeaderByHash", "[" H("000064") "]"), RESULT(HEADER("64", "000064")));
	/* Not for a transaction. */
	ASKS(1, CALL("eth_getBlockReceipts", "[\"0x64\"]"),
	     ERROR(-32603, "the answer is not a list"));
	assert_string_equal(last_method, "eth_getBlockReceipts");
}

static void what_a_kept_full_block_says(void **state)
{
	char first[512];
	struct buf text;

	(void)state;
	struct http_exchange *x = fake_http_post(
		request_start, rig.pool, CALL("eth_getBlockByNumber", "[\"0x64\",true]"));
	fake_fork_deliver();
	fake_http_free(&x);
	NONE(CALL("eth_getHeaderByNumber", "[\"0x64\"]"), RESULT(HEADER("64", "000064")));
	NONE(CALL("eth_getBlockTransactionCountByNumber", "[\"0x64\"]"), RESULT("\"0x2\""));
	buf_init(&text, 4096);
	put_txs(&text, 100, true);
	buf_char(&text, '\0');
	char *second = strstr(text.ptr, ",{") + 1;
	snprintf(first, sizeof first, RESULT("%.*s"), (int)(second - 1 - text.ptr), text.ptr);
	NONE(CALL("eth_getTransactionByBlockNumberAndIndex", "[\"0x64\",\"0x0\"]"), first);
	NONE(CALL("eth_getTransactionByHash", "[" H("000640") "]"), first);
	snprintf(first, sizeof first, RESULT("%s"), second);
	NONE(CALL("eth_getTransactionByBlockHashAndIndex", "[" H("000064") ",\"0x1\"]"), first);
	NONE(CALL("eth_getTransactionByHash", "[" H("000641") "]"), first);
	NONE(CALL("eth_getTransactionByBlockNumberAndIndex", "[\"0x64\",\"0x2\"]"),
	     RESULT("null"));
	buf_release(&text);
}

/* A transaction is asked for without its block: only a final one is certain. */
static void transactions_that_are_not_kept(void **state)
{
	(void)state;
	struct http_exchange *x = fake_http_post(
		request_start, rig.pool, CALL("eth_getBlockByNumber", "[\"latest\",true]"));
	fake_fork_deliver();
	fake_http_free(&x);
	ASKS(1, CALL("eth_getTransactionByHash", "[" H("003e80") "]"), RESULT("null"));
	/* Those of a final block that say that they are of another one. */
	node.astray = true;
	x = fake_http_post(request_start, rig.pool,
			   CALL("eth_getBlockByNumber", "[\"0x64\",true]"));
	fake_fork_deliver();
	fake_http_free(&x);
	ASKS(1, CALL("eth_getTransactionByHash", "[" H("000640") "]"), RESULT("null"));
}

static void a_block_that_does_not_say_is_not_enough(void **state)
{
	(void)state;
	node.uncles_hidden = true;
	ASKS(2, CALL("eth_getUncleCountByBlockNumber", "[\"0x64\"]"),
	     RESULT("\"eth_getUncleCountByBlockNumber\""));
	lack("eth_getUncleCountByBlockNumber");
	ASKS(3, CALL("eth_getUncleCountByBlockNumber", "[\"0x65\"]"),
	     ERROR(-32603, "the upstream lacks the method, and its block does not say"));
}

/* ---- where the method is lacking ---- */

static void a_header_of_its_block(void **state)
{
	(void)state;
	lack("eth_getHeaderByNumber");
	ASKS(2, CALL("eth_getHeaderByNumber", "[\"0x064\"]"), RESULT(HEADER("64", "000064")));
	assert_string_equal(last_method, "eth_getBlockByNumber");
	assert_string_equal(last_params, "[\"0x64\",false]");
	/* The block is kept, in the same words as ever. */
	NONE(CALL("eth_getBlockTransactionCountByNumber", "[\"0x64\"]"), RESULT("\"0x2\""));
	/* It is not tried again: for a minute, then for two. */
	ASKS(1, CALL("eth_getHeaderByNumber", "[\"0x65\"]"), RESULT(HEADER("65", "000065")));
	fake_loop_advance(rig.loop, MINUTE_US);
	ASKS(2, CALL("eth_getHeaderByNumber", "[\"0x66\"]"), RESULT(HEADER("66", "000066")));
	fake_loop_advance(rig.loop, MINUTE_US);
	ASKS(1, CALL("eth_getHeaderByNumber", "[\"0x67\"]"), RESULT(HEADER("67", "000067")));
	/* It has been upgraded. */
	lack(NULL);
	fake_loop_advance(rig.loop, MINUTE_US);
	ASKS(1, CALL("eth_getHeaderByNumber", "[\"0x68\"]"),
	     ERROR(-32603, "the block is not an object"));
	assert_string_equal(last_method, "eth_getHeaderByNumber");
}

static void a_header_by_hash_of_its_block(void **state)
{
	(void)state;
	lack("eth_getHeaderByHash");
	ASKS(2, CALL("eth_getHeaderByHash", "[" H("000064") "]"),
	     RESULT(HEADER("64", "000064")));
	assert_string_equal(last_method, "eth_getBlockByHash");
	/* What nobody knows, and what is above the pinned block. */
	ASKS(1, CALL("eth_getHeaderByHash", "[" H("00dead") "]"), RESULT("null"));
	ASKS(1, CALL("eth_getHeaderByHash", "[" H("0003e9") "]"), RESULT("null"));
	/* The pinned block is not final: by its hash. */
	ASKS(1, CALL("eth_getHeaderByNumber", "[\"latest\"]"), RESULT(HEADER("3e8", "0003e8")));
	assert_string_equal(last_params, "["
					 "\"" HASH_1000 "\""
					 ",false]");
}

static void counts_of_their_block(void **state)
{
	(void)state;
	node.lacks[0] = "eth_getBlockTransactionCountByHash";
	node.lacks[1] = "eth_getUncleCountByBlockHash";
	/* The pinned block's number is known, so that nothing else asks for the block. */
	ASKS(2, CALL("eth_getBlockTransactionCountByNumber", "[\"latest\"]"),
	     RESULT("\"0x2\""));
	assert_string_equal(last_params, "["
					 "\"" HASH_1000 "\""
					 ",false]");
	NONE(CALL("eth_getUncleCountByBlockNumber", "[\"latest\"]"), RESULT("\"0x1\""));
}

static void a_transaction_of_its_block(void **state)
{
	(void)state;
	lack("eth_getTransactionByBlockNumberAndIndex");
	const char *second = RESULT("{\"hash\":" H("000641") ",\"blockHash\":" H(
		"000064") ",\"blockNumber\":\"0x64\",\"transactionIndex\":\"0x1\"}");
	/* Its hash; the method; the block. */
	ASKS(3, CALL("eth_getTransactionByBlockNumberAndIndex", "[\"0x64\",\"0x1\"]"), second);
	assert_string_equal(last_method, "eth_getBlockByHash");
	assert_string_equal(last_params, "[" H("000064") ",true]");
	NONE(CALL("eth_getTransactionByHash", "[" H("000641") "]"), second);
}

/* ---- following ---- */

static struct heads *heads;

static int setup_following(void **state)
{
	struct head head = {.header.number = PIN};
	const struct request_limits limits = {0};

	setup(state);
	request_pool_free(&rig.pool);
	head.block = rig.chain.pinned.block;
	rig.chain.pinned.block = (struct stack_block){0};
	assert_ok(heads_new(&rig.chain, HEADS_AGE_US, &heads));
	heads_begin(heads, &head);
	rig.chain.heads = heads;
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
	return 0;
}

static int teardown_following(void **state)
{
	teardown(state);
	heads_free(&heads);
	return 0;
}

/* A number near the head is asked for as the method itself would be: between two looks at
 * the head. */
static void a_header_near_the_head(void **state)
{
	(void)state;
	lack("eth_getHeaderByNumber");
	expect(CALL("eth_getHeaderByNumber", "[\"0x3e0\"]"), RESULT(HEADER("3e0", "0003e0")));
	assert_string_equal(last_params, "[\"0x3e0\",false]");
	assert_true(node.guarded);
	NONE(CALL("eth_getHeaderByNumber", "[\"0x3e0\"]"), RESULT(HEADER("3e0", "0003e0")));
	/* By hash nothing needs a guard; nor does what is final. */
	ASKS(1, CALL("eth_getHeaderByHash", "[" H("0003df") "]"),
	     RESULT(HEADER("3df", "0003df")));
	assert_false(node.guarded);
	ASKS(1, CALL("eth_getHeaderByNumber", "[\"0x64\"]"), RESULT(HEADER("64", "000064")));
	assert_false(node.guarded);
}

/* ---- receipts ---- */

#define RECEIPT(hash, block, number, index)                                                \
	"{\"transactionHash\":" H(hash) ",\"blockHash\":" H(                               \
		block) ",\"blockNumber\":\"0x" number "\",\"transactionIndex\":\"0x" index \
		       "\"}"
#define FIRST  RECEIPT("000640", "000064", "64", "0")
#define SECOND RECEIPT("000641", "000064", "64", "1")

static void receipts_one_by_one(void **state)
{
	const char *both = RESULT("[" FIRST "," SECOND "]");

	(void)state;
	lack("eth_getBlockReceipts");
	/* The block, the method, two receipts: of which one is known. */
	ASKS(1, CALL("eth_getTransactionReceipt", "[" H("000641") "]"), RESULT(SECOND));
	ASKS(3, CALL("eth_getBlockReceipts", "[\"0x64\"]"), both);
	assert_string_equal(last_method, "eth_getTransactionReceipt");
	/* All of it is kept, in either form. */
	NONE(CALL("eth_getBlockReceipts", "[\"0x64\"]"), both);
	NONE(CALL("eth_getBlockReceipts", "[" H("000064") "]"), both);
	NONE(CALL("eth_getTransactionReceipt", "[" H("000640") "]"), RESULT(FIRST));
	/* The method is not tried again. */
	const unsigned before = fake_fork_asked();
	struct http_exchange *x = fake_http_post(request_start, rig.pool,
						 CALL("eth_getBlockReceipts", "[\"0x65\"]"));
	fake_fork_deliver();
	assert_null(strstr(fake_http_reply(x), "error"));
	assert_int_equal(fake_fork_asked() - before, 3);
	fake_http_free(&x);
}

/* A block that is not final is kept under its hash, its receipts alone are not. */
static void receipts_of_a_block_that_is_not_final(void **state)
{
	(void)state;
	lack("eth_getBlockReceipts");
	for (unsigned round = 0; round < 2; round++) {
		const unsigned before = fake_fork_asked();
		struct http_exchange *x = fake_http_post(
			request_start, rig.pool, CALL("eth_getBlockReceipts", "[\"latest\"]"));
		fake_fork_deliver();
		assert_non_null(strstr(fake_http_reply(x), "\"transactionIndex\":\"0x1\""));
		assert_int_equal(fake_fork_asked() - before, round == 0 ? 4 : 0);
		fake_http_free(&x);
		stack_turn_end(rig.view);
	}
	/* So is the block that brought their hashes. */
	NONE(CALL("eth_getBlockTransactionCountByNumber", "[\"latest\"]"), RESULT("\"0x2\""));
	ASKS(1, CALL("eth_getTransactionReceipt", "[" H("003e80") "]"),
	     RESULT("{\"transactionHash\":" H("003e80") ",\"blockHash\":" H(
		     "0003e8") ",\"blockNumber\":\"0x3e8\",\"transactionIndex\":\"0x0\"}"));
}

static void receipts_that_have_moved(void **state)
{
	(void)state;
	lack("eth_getBlockReceipts");
	for (unsigned moved = 1; moved <= 2; moved++) {
		node.moved = moved;
		expect(CALL("eth_getBlockReceipts", "[\"latest\"]"),
		       ERROR(-32603, "a receipt is not of the block that was asked for"));
	}
	node.moved = 0;
	node.fails = "eth_getTransactionReceipt";
	expect(CALL("eth_getBlockReceipts", "[\"latest\"]"), ERROR(-32603, "it took too long"));
	node.fails = NULL;
	/* Nothing of that was kept. */
	struct http_exchange *x = fake_http_post(request_start, rig.pool,
						 CALL("eth_getBlockReceipts", "[\"latest\"]"));
	fake_fork_deliver();
	assert_null(strstr(fake_http_reply(x), "error"));
	fake_http_free(&x);
}

static void receipts_of_a_development_node(void **state)
{
	(void)state;
	lack("eth_getBlockReceipts");
	node.do_not_store = true;
	for (unsigned round = 0; round < 2; round++) {
		const unsigned before = fake_fork_asked();
		struct http_exchange *x = fake_http_post(
			request_start, rig.pool, CALL("eth_getBlockReceipts", "[\"latest\"]"));
		fake_fork_deliver();
		assert_null(strstr(fake_http_reply(x), "error"));
		assert_int_equal(fake_fork_asked() - before, round == 0 ? 4 : 3);
		fake_http_free(&x);
	}
}

/* ---- steps ---- */

static const struct {
	const char *method, *params;
	unsigned asked; /* questions, of which some are asked together */
} walks[] = {
	{"eth_getHeaderByNumber", "[\"0x64\"]", 2},
	{"eth_getUncleCountByBlockHash",
	 "["
	 "\"" HASH_1000 "\""
	 "]",
	 2},
	{"eth_getTransactionByBlockNumberAndIndex", "[\"latest\",\"0x0\"]", 2},
	{"eth_getBlockReceipts", "[\"latest\"]", 4},
	{"eth_getAccount", "[\"" ADDRESS "\"]", 2},
};

static struct http_exchange *walk(void **state, size_t i)
{
	char body[512];

	teardown(state);
	setup(state);
	lack(strcmp(walks[i].method, "eth_getTransactionByBlockNumberAndIndex") == 0
		     ? "eth_getTransactionByBlockHashAndIndex"
		     : walks[i].method);
	snprintf(body, sizeof body, CALL("%s", "%s"), walks[i].method, walks[i].params);
	return fake_http_post(request_start, rig.pool, body);
}

static void a_client_may_go_at_each_step(void **state)
{
	for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
		for (unsigned stop = 0; stop <= walks[i].asked; stop++) {
			struct http_exchange *x = walk(state, i);
			for (unsigned step = 0; step < stop; step++) {
				assert_null(fake_http_reply(x));
				assert_true(fake_fork_deliver_one());
				stack_turn_end(rig.view);
			}
			assert_int_equal(fake_http_reply(x) != NULL, stop == walks[i].asked);
			if (stop < walks[i].asked)
				fake_http_abort(x);
			assert_int_equal(fake_fork_queued(), 0);
			fake_http_free(&x);
		}
	}
}

static void each_step_may_find_the_port_full(void **state)
{
	for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++) {
		for (unsigned stop = 1; stop < walks[i].asked; stop++) {
			struct http_exchange *x = walk(state, i);
			fake_fork_refuse_after(stop - 1);
			fake_fork_deliver();
			assert_string_equal(fake_http_reply(x),
					    ERROR(-32005, "too many requests wait for the "
							  "upstream: try again"));
			assert_int_equal(fake_fork_queued(), 0);
			fake_http_free(&x);
			fake_fork_refuse(0);
		}
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_a_kept_block_says),
		T(what_a_kept_full_block_says),
		T(transactions_that_are_not_kept),
		T(a_block_that_does_not_say_is_not_enough),
		T(a_header_of_its_block),
		T(a_header_by_hash_of_its_block),
		T(counts_of_their_block),
		T(a_transaction_of_its_block),
		cmocka_unit_test_setup_teardown(a_header_near_the_head, setup_following,
						teardown_following),
		T(receipts_one_by_one),
		T(receipts_of_a_block_that_is_not_final),
		T(receipts_that_have_moved),
		T(receipts_of_a_development_node),
		T(a_client_may_go_at_each_step),
		T(each_step_may_find_the_port_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
