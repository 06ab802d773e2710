/* SPDX-License-Identifier: MIT */
/* The classes of methods, each against a node that answers as the test says. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"
#include "base/keccak.h"

#define H(digits) "\"0x" ZEROS_58 digits "\""
#define NOT_FOUND ERROR(-32000, "header not found")

/* What the node answers to a method, if it is not good_node's. */
static struct {
	const char *method, *json;
} says[4];

static void saying_node(const struct fork_question *q, struct fork_answer *a)
{
	if (q->kind == FORK_CALL) {
		for (size_t i = 0; i < 4 && says[i].method != NULL; i++) {
			if (!span_is(q->method, says[i].method))
				continue;
			remember(q);
			a->blob = json_blob("%s", says[i].json);
			return;
		}
	}
	good_node(q, a);
}

static int setup(void **state)
{
	(void)state;
	memset(says, 0, sizeof says);
	rig_start(saying_node);
	return 0;
}

static void say(size_t i, const char *method, const char *json)
{
	says[i].method = method;
	says[i].json = json;
}

#define BLOCK_WITH(number, transactions)                                                    \
	"{\"number\":\"0x" number                                                           \
	"\",\"hash\":" H("0000" number) ",\"parentHash\":" H("000001") ",\"stateRoot\":" H( \
		"000002") ",\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\","                    \
			  "\"transactions\":" transactions "}"

/* ---- above the pinned block ---- */

static void every_class_ends_at_the_pinned_block(void **state)
{
	static const struct {
		const char *body, *reply;
	} rows[] = {
		{CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_getTransactionCount",
		      "[\"" ADDRESS "\",{\"blockNumber\":\"0x3e9\"}]"),
		 NOT_FOUND},
		{CALL("eth_getCode", "[\"" ADDRESS "\",\"0xffffffff\"]"), NOT_FOUND},
		{CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x0\",\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_getStorageValues", "[{\"" ADDRESS "\":[\"0x0\"]},\"0x3e9\"]"),
		 NOT_FOUND},
		{CALL("eth_getAccountInfo", "[\"" ADDRESS "\",\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_getAccount", "[\"" ADDRESS "\",\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_getProof", "[\"" ADDRESS "\",[],\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_call", "[{},\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_estimateGas", "[{},\"0x3e9\"]"), NOT_FOUND},
		{CALL("debug_traceCall", "[{},\"0x3e9\",{}]"), NOT_FOUND},
		{CALL("trace_call", "[{},[],\"0x3e9\"]"), NOT_FOUND},
		{CALL("eth_feeHistory", "[1,\"0x3e9\",[]]"), NOT_FOUND},
		{CALL("eth_getBlockByNumber", "[\"0x3e9\",true]"), RESULT("null")},
		{CALL("eth_getHeaderByNumber", "[\"0x3e9\"]"), RESULT("null")},
		{CALL("eth_getBlockTransactionCountByNumber", "[\"0x3e9\"]"), RESULT("null")},
		{CALL("eth_getUncleByBlockNumberAndIndex", "[\"0x3e9\",\"0x0\"]"),
		 RESULT("null")},
		{CALL("eth_getTransactionByBlockNumberAndIndex", "[\"0x3e9\",\"0x0\"]"),
		 RESULT("null")},
		{CALL("eth_getBlockReceipts", "[\"0x3e9\"]"), RESULT("null")},
		{CALL("debug_getRawHeader", "[\"0x3e9\"]"), RESULT("null")},
		{CALL("debug_traceBlockByNumber", "[\"0x3e9\"]"),
		 ERROR(-32000, "block #1001 not found")},
		{CALL("trace_block", "[\"0x3e9\"]"), RESULT("null")},
		{CALL("eth_getLogs", "[{\"fromBlock\":\"0x3e9\"}]"),
		 ERROR(-32000, "block range extends beyond current head block")},
		{CALL("trace_filter", "[{\"fromBlock\":\"0x3e9\"}]"),
		 ERROR(-32000, "block range extends beyond current head block")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(expect(rows[i].body, rows[i].reply), 0);
	/* By hash its number must be asked for, once. */
	assert_int_equal(expect(CALL("eth_getBlockTransactionCountByHash", "[" H("0003e9") "]"),
				RESULT("null")),
			 1);
	assert_int_equal(
		expect(CALL("eth_getBlockByHash", "[" H("0003e9") ",true]"), RESULT("null")),
		0);
	assert_int_equal(
		expect(CALL("eth_getLogs", "[{\"blockHash\":" H("0003e9") "}]"), NOT_FOUND), 0);
	/* And what nobody knows is as if it were later. */
	assert_int_equal(
		expect(CALL("eth_getBalance", "[\"" ADDRESS "\"," H("00dead") "]"), NOT_FOUND),
		1);
	assert_int_equal(
		expect(CALL("eth_getBlockByHash", "[" H("00dead") ",false]"), RESULT("null")),
		1);
	assert_int_equal(expect(CALL("debug_traceBlockByHash", "[" H("00dead") "]"),
				ERROR(-32000, "block 0x" ZEROS_58 "00dead not found")),
			 1);
}

/* ---- which block ---- */

static void a_hash_that_is_not_canonical(void **state)
{
	(void)state;
	/* Block 100 of the chain has the hash 0x64; 0xbb is another block 100. */
	say(0, "eth_getBlockByHash",
	    "{\"number\":\"0x64\",\"hash\":" H("0000bb") ",\"parentHash\":" H(
		    "000001") ",\"stateRoot\":" H("000002") ",\"timestamp\":\"0x1\","
							    "\"gasLimit\":\"0x1\","
							    "\"transactions\":[]}");
#define OTHER(canonical) \
	"[\"" ADDRESS "\",{\"blockHash\":" H("0000bb") ",\"requireCanonical\":" canonical "}]"
	assert_int_equal(expect(CALL("eth_getBalance", OTHER("false")), RESULT("\"0x7\"")), 2);
	/* The number's hash must be asked for; then it is known, and a hit is refused, too. */
	const char *refused = ERROR(-32000, "hash is not currently canonical");
	assert_int_equal(expect(CALL("eth_getBalance", OTHER("true")), refused), 1);
	assert_int_equal(expect(CALL("eth_getBalance", OTHER("true")), refused), 0);
	assert_int_equal(expect(CALL("eth_getBalance", OTHER("false")), RESULT("\"0x7\"")), 0);
	/* It is asked for by hash, though its number is final, and its receipts are of it. */
	say(1, "debug_getRawReceipts", "[\"0x01\"]");
	expect(CALL("debug_getRawReceipts", "[" H("0000bb") "]"), RESULT("[\"0x01\"]"));
	assert_string_equal(last_params, "[" H("0000bb") "]");
	expect(CALL("eth_call", "[{}," H("0000bb") "]"), RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER "},{\"blockHash\":" H("0000bb") "}]");
}

static void a_canonical_hash_may_be_required(void **state)
{
	(void)state;
#define CANONICAL(hash) "[\"" ADDRESS "\",{\"blockHash\":" hash ",\"requireCanonical\":true}]"
	assert_int_equal(
		expect(CALL("eth_getBalance", CANONICAL(H("0003e8"))), RESULT("\"0x7\"")), 1);
	/* Its number, its canonical hash, the balance. */
	assert_int_equal(
		expect(CALL("eth_getCode", CANONICAL(H("000064"))), RESULT("\"0x6001\"")), 3);
	assert_int_equal(
		expect(CALL("eth_getCode", CANONICAL(H("000064"))), RESULT("\"0x6001\"")), 0);
}

static void duplicates_in_a_block_object_mean_the_first(void **state)
{
	(void)state;
	/* What is asked is written anew, so client and upstream cannot differ about it. */
	expect(CALL("eth_call", "[{},{\"blockNumber\":\"0x64\",\"blockNumber\":\"0x65\"}]"),
	       RESULT("\"0xca11\""));
	assert_string_equal(last_params, "[{" SENDER "},\"0x64\"]");
}

static void duplicates_in_parameters_are_refused(void **state)
{
	const char *twice = ERROR(-32602, "invalid argument 0: an object has one name twice, "
					  "or a name with an escape");

	(void)state;
	assert_int_equal(expect(CALL("eth_call", "[{\"to\":1,\"to\":2}]"), twice), 0);
	assert_int_equal(
		expect(CALL("eth_call", "[{},\"latest\",{\"a\":{\"b\":1,\"b\":2}}]"),
		       ERROR(-32602, "invalid argument 2: an object has one name twice, or a "
				     "name with an escape")),
		0);
	assert_int_equal(expect(CALL("eth_getLogs", "[{\"topics\":[],\"topics\":[1]}]"), twice),
			 0);
	assert_int_equal(expect(CALL("eth_getLogs", "[{\"t\\u006fBlock\":\"latest\"}]"), twice),
			 0);
	assert_int_equal(
		expect(CALL("debug_traceBlockByNumber", "[\"latest\",{\"a\":1,\"a\":1}]"),
		       ERROR(-32602, "an object in the parameters has one name twice, or a "
				     "name with an escape")),
		0);
}

/* ---- eth_getStorageValues ---- */

static void slots_in_three_characters(void **state)
{
	char body[16 * 1024], *at = body;

	(void)state;
	/* An empty string is no slot; 1,000 of them take less room than 1,000 reads do. */
	at += snprintf(at, sizeof body,
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getStorageValues\","
		       "\"params\":[{\"00000000000000000000000000000000000000aa\":[\"\"");
	for (unsigned i = 1; i < 1000; i++)
		at += snprintf(at, 8, ",\"\"");
	snprintf(at, 16, "]}]}");
	assert_int_equal(expect(body, ERROR(-32602, "invalid argument 0: a slot is not at most "
						    "32 bytes of hex")),
			 0);
}

static void lists_of_slots_may_be_empty(void **state)
{
#define BB "0x00000000000000000000000000000000000000bb"
#define CC "0x00000000000000000000000000000000000000cc"
#define WORD(last) \
	"\"0x00000000000003e800000000000000000000000000000000000000000000000" last "\""
	(void)state;
	expect(CALL("eth_getStorageValues",
		    "[{\"" CC "\":[],\"" ADDRESS "\":[\"0x1\",\"1\"],\"" BB "\":[]}]"),
	       RESULT("{\"" CC "\":[],\"" ADDRESS "\":[" WORD("1") "," WORD("1") "],\"" BB
										 "\":[]}"));
	expect(CALL("eth_getStorageValues", "[{\"" CC "\":[]}]"),
	       ERROR(-32602, "invalid argument 0: empty request"));
	expect(CALL("eth_getStorageValues", "[{}]"),
	       ERROR(-32602, "invalid argument 0: empty request"));
	expect(CALL("eth_getStorageValues", "[[]]"),
	       ERROR(-32602,
		     "invalid argument 0: not an object of addresses with lists of slots"));
	expect(CALL("eth_getStorageValues", "[{\"" CC "\":1}]"),
	       ERROR(-32602, "invalid argument 0: an address does not have a list of slots"));
	expect(CALL("eth_getStorageValues",
		    "[{\"0x00000000000000000000000000000000000000CC\":[\"1\"],\"" BB
		    "\":[\"1\"],\"" CC "\":[\"2\"]}]"),
	       ERROR(-32602, "invalid argument 0: an address stands twice"));
	expect(CALL("eth_getStorageValues", "[{\"0xcc\":[\"1\"]}]"),
	       ERROR(-32602, "invalid argument 0: a name is not an address"));
}

/* ---- eth_getProof, eth_getAccount ---- */

#define FIELDS(root)                                                                 \
	"\"balance\":\"0x9\",\"nonce\":\"0x5\",\"codeHash\":" H("000001") ",\"" root \
									  "\":" H("000002")
#define PROOF_WITH(a, b)                                                                   \
	"{\"address\":\"" ADDRESS                                                          \
	"\"," FIELDS("storageHash") ",\"storageProof\":[{\"key\":" a                       \
				    ",\"value\":\"0x1\",\"proof\":[]},{\"value\":\"0x2\"," \
				    "\"key\":" b ",\"proof\":[]}]}"

static void proofs_have_the_callers_keys(void **state)
{
	(void)state;
	say(0, "eth_getProof", PROOF_WITH(H("000001"), H("000002")));
	assert_int_equal(
		expect(CALL("eth_getProof", "[\"" ADDRESS "\",[\"0x01\",\"2\"],\"latest\"]"),
		       RESULT(PROOF_WITH("\"0x1\"", "\"0x2\""))),
		1);
	assert_string_equal(last_params,
			    "[\"" ADDRESS "\",[" H("000001") "," H(
				    "000002") "],{\"blockHash\":" H("0003e8") "}]");
	/* All spellings are one question. */
	assert_int_equal(
		expect(CALL("eth_getProof", "[\"" ADDRESS "\",[" H("000001") ",\"0x002\"]]"),
		       RESULT(PROOF_WITH(H("000001"), "\"0x2\""))),
		0);
	/* Another order is another. */
	say(0, "eth_getProof", PROOF_WITH(H("000002"), H("000001")));
	assert_int_equal(expect(CALL("eth_getProof", "[\"" ADDRESS "\",[\"0x2\",\"0x1\"]]"),
				RESULT(PROOF_WITH("\"0x2\"", "\"0x1\""))),
			 1);
	/* The facts in it are known now. */
	assert_int_equal(expect(CALL("eth_getBalance", "[\"" ADDRESS "\"]"), RESULT("\"0x9\"")),
			 0);
	assert_int_equal(expect(CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x2\"]"),
				RESULT("\"0x000000000000000000000000000000000000000000000000000"
				       "00000000000"
				       "01\"")),
			 0);
}

/* One slot may stand twice, and each time as the caller has written it there. */
static void a_proof_of_one_slot_twice(void **state)
{
	(void)state;
	say(0, "eth_getProof", PROOF_WITH(H("000001"), H("000001")));
	assert_int_equal(
		expect(CALL("eth_getProof", "[\"" ADDRESS "\",[\"0x01\"," H("000001") "]]"),
		       RESULT(PROOF_WITH("\"0x1\"", H("000001")))),
		1);
	assert_int_equal(
		expect(CALL("eth_getProof", "[\"" ADDRESS "\",[" H("000001") ",\"0x1\"]]"),
		       RESULT(PROOF_WITH(H("000001"), "\"0x1\""))),
		0);
}

static void proofs_of_other_slots_are_no_answer(void **state)
{
	(void)state;
	say(0, "eth_getProof", PROOF_WITH(H("000001"), H("000003")));
	const char *body = CALL("eth_getProof", "[\"" ADDRESS "\",[\"0x1\",\"0x2\"]]");
	assert_int_equal(expect(body, ERROR(-32603, "the proof is of other slots")), 1);
	assert_int_equal(expect(body, ERROR(-32603, "the proof is of other slots")), 1);
}

static void an_account_may_be_absent(void **state)
{
	(void)state;
	say(0, "eth_getAccount", "null");
	const char *body = CALL("eth_getAccount", "[\"" ADDRESS "\"]");
	assert_int_equal(expect(body, RESULT("null")), 1);
	assert_int_equal(expect(body, RESULT("null")), 1);
	say(0, "eth_getAccount", "{" FIELDS("storageRoot") "}");
	assert_int_equal(expect(body, RESULT("{" FIELDS("storageRoot") "}")), 1);
	assert_int_equal(expect(body, RESULT("{" FIELDS("storageRoot") "}")), 0);
	assert_int_equal(
		expect(CALL("eth_getTransactionCount", "[\"" ADDRESS "\"]"), RESULT("\"0x5\"")),
		0);
}

/* ---- receipts ---- */

#define RECEIPT_OF(tx) "{\"transactionHash\":" H(tx) ",\"blockHash\":" H("000064") "}"

static void receipts_are_counted_and_exploded(void **state)
{
	const char *body = CALL("eth_getBlockReceipts", "[\"0x64\"]");

	(void)state;
	say(0, "eth_getBlockByNumber", BLOCK_WITH("64", "[" H("0000a1") "," H("0000a2") "]"));
	/* A node that has the block and not its receipts. */
	say(1, "eth_getBlockReceipts", "[]");
	assert_int_equal(
		expect(body,
		       ERROR(-32603, "nothing was answered for a block with 2 transactions")),
		2);
	/* One that leaves some out is believed, and not remembered. */
	say(1, "eth_getBlockReceipts", "[" RECEIPT_OF("0000a1") "]");
	assert_int_equal(expect(body, RESULT("[" RECEIPT_OF("0000a1") "]")), 1);
	say(1, "eth_getBlockReceipts", "[" RECEIPT_OF("0000a1") "," RECEIPT_OF("0000a2") "]");
	const char *both = RESULT("[" RECEIPT_OF("0000a1") "," RECEIPT_OF("0000a2") "]");
	assert_int_equal(expect(body, both), 1);
	assert_int_equal(expect(body, both), 0);
	assert_int_equal(expect(CALL("eth_getBlockReceipts", "[" H("000064") "]"), both), 0);
	assert_int_equal(expect(CALL("eth_getTransactionReceipt", "[" H("0000a2") "]"),
				RESULT(RECEIPT_OF("0000a2"))),
			 0);
}

static void no_receipts_of_no_transactions(void **state)
{
	const char *body = CALL("eth_getBlockReceipts", "[\"0x64\"]");

	(void)state;
	say(0, "eth_getBlockReceipts", "[]");
	assert_int_equal(expect(body, RESULT("[]")), 2); /* good_node's blocks are empty */
	assert_int_equal(expect(body, RESULT("[]")), 0);
	/* The pinned block's number of transactions is not known here. */
	body = CALL("eth_getBlockReceipts", "[\"latest\"]");
	assert_int_equal(expect(body, RESULT("[]")), 1);
	assert_int_equal(expect(body, RESULT("[]")), 1);
	assert_string_equal(last_params, "[" H("0003e8") "]");
}

static void receipts_are_polled(void **state)
{
	const char *body = CALL("eth_getTransactionReceipt", "[" H("0000a1") "]");

	(void)state;
	rig.chain.pinned.block.final = true;
	say(0, "eth_getTransactionReceipt", "null");
	assert_int_equal(expect(body, RESULT("null")), 2); /* test_request_absent.c */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(expect(body, RESULT("null")), 0);
	/* Under another pinned block it is asked for again. */
	rig.chain.pinned.block.at.hash = hash_of(PIN + 1);
	assert_int_equal(expect(body, RESULT("null")), 2);
}

/* ---- by transaction ---- */

static void pending_transactions_are_not_here(void **state)
{
	(void)state;
	say(0, "eth_getTransactionByHash",
	    "{\"hash\":" H("0000a1") ",\"blockNumber\":null,\"blockHash\":null}");
	const char *body = CALL("eth_getTransactionByHash", "[" H("0000a1") "]");
	assert_int_equal(expect(body, RESULT("null")), 1);
	assert_int_equal(expect(body, RESULT("null")), 1);
	assert_int_equal(expect(CALL("eth_getRawTransactionByHash", "[" H("0000a1") "]"),
				RESULT("null")),
			 1);
}

static void what_is_of_an_absent_transaction(void **state)
{
	const char *none = ERROR(-32000, "transaction not found");

	(void)state;
	expect(CALL("eth_getRawTransactionByHash", "[" H("00dead") "]"), RESULT("null"));
	expect(CALL("debug_getRawTransaction", "[" H("00dead") "]"), RESULT("null"));
	expect(CALL("trace_transaction", "[" H("00dead") "]"), RESULT("null"));
	expect(CALL("debug_traceTransaction", "[" H("00dead") "]"), none);
	expect(CALL("trace_replayTransaction", "[" H("00dead") ",[]]"), none);
	/* Of a later block: the same. */
	expect(CALL("debug_traceTransaction", "[" H("0003e9") "]"), none);
	expect(CALL("trace_transaction", "[" H("0003e9") "]"), RESULT("null"));
}

static void traces_are_kept_when_final(void **state)
{
	const char *body = CALL("debug_traceTransaction", "[" H("000064") ",{\"a\": 1}]");

	(void)state;
	assert_int_equal(expect(body, RESULT("\"debug_traceTransaction\"")), 2);
	assert_string_equal(last_params, "[" H("000064") ",{\"a\":1}]");
	assert_int_equal(expect(body, RESULT("\"debug_traceTransaction\"")), 0);
	assert_int_equal(expect(CALL("debug_traceTransaction", "[" H("000064") ",{\"a\":2}]"),
				RESULT("\"debug_traceTransaction\"")),
			 1);
	body = CALL("debug_traceTransaction", "[" H("0003b6") "]");
	assert_int_equal(expect(body, RESULT("\"debug_traceTransaction\"")), 2);
	assert_int_equal(expect(body, RESULT("\"debug_traceTransaction\"")), 2);
}

static void raw_transactions_hash_to_their_name(void **state)
{
	static const unsigned char bytes[] = {0xc2, 0x80, 0x80};
	struct eth_bytes32 digest;
	char hex[65] = {0}, body[256], tx[256];

	(void)state;
	keccak256(bytes, sizeof bytes, &digest);
	eth_hex(digest.bytes, 32, hex);
	snprintf(tx, sizeof tx, "{\"hash\":\"0x%s\",\"blockNumber\":\"0x3b6\"}", hex);
	snprintf(body, sizeof body, CALL("eth_getRawTransactionByHash", "[\"0x%s\"]"), hex);
	say(0, "eth_getTransactionByHash", tx);
	say(1, "eth_getRawTransactionByHash", "\"0xc28081\"");
	expect(body, ERROR(-32603, "the answer's bytes have another hash"));
	say(1, "eth_getRawTransactionByHash", "\"0xc28080\"");
	assert_int_equal(expect(body, RESULT("\"0xc28080\"")), 2);
	/* Not final: whether it is on the chain is asked again, its bytes are not. */
	assert_int_equal(expect(body, RESULT("\"0xc28080\"")), 1);
}

/* ---- fee history ---- */

static void fee_histories_have_one_key(void **state)
{
	(void)state;
	const char *fees = "{\"oldestBlock\":\"0x5b\",\"gasUsedRatio\":[1,1,1,1,1,1,1,1,1,1]}";
	char reply[256];
	snprintf(reply, sizeof reply, RESULT("%s"), fees);
	say(0, "eth_feeHistory", fees);
	assert_int_equal(
		expect(CALL("eth_feeHistory", "[10,\"0x64\",[25.0, 5e1, 99.9]]"), reply), 2);
	assert_string_equal(last_params, "[\"0xa\",\"0x64\",[25,50,99.9]]");
	assert_int_equal(
		expect(CALL("eth_feeHistory", "[\"0xa\",\"0x64\",[25,50,99.90]]"), reply), 0);
	assert_int_equal(
		expect(CALL("eth_feeHistory", "[\"10\",\"0x0064\",[2.5e1,50,99.9]]"), reply),
		0);
	assert_int_equal(expect(CALL("eth_feeHistory", "[10,\"0x64\",[25,50]]"), reply), 1);
	assert_int_equal(expect(CALL("eth_feeHistory", "[10,\"0x64\"]"), reply), 1);
	assert_string_equal(last_params, "[\"0xa\",\"0x64\"]");
	/* The pinned block is not final here. */
	say(0, "eth_feeHistory", "{\"oldestBlock\":\"0x3e8\",\"gasUsedRatio\":[1]}");
	const char *latest = CALL("eth_feeHistory", "[1,\"latest\",[]]");
	expect(latest, RESULT("{\"oldestBlock\":\"0x3e8\",\"gasUsedRatio\":[1]}"));
	assert_int_equal(
		expect(latest, RESULT("{\"oldestBlock\":\"0x3e8\",\"gasUsedRatio\":[1]}")), 1);
	say(0, "eth_feeHistory", "{\"oldestBlock\":\"0x3e9\",\"gasUsedRatio\":[1]}");
	expect(latest, ERROR(-32603, "the fee history does not end with the block that was "
				     "asked for"));
}

/* ---- filters ---- */

static void filter_is(const char *filter, const char *asked)
{
	char body[1024];

	snprintf(body, sizeof body, CALL("eth_getLogs", "[%s]"), filter);
	expect(body, RESULT("[]"));
	assert_string_equal(last_params, asked);
}

static void all_forms_of_a_filter(void **state)
{
	(void)state;
	/* One block whose hash is known is asked for by it, unless its number is as good. */
	filter_is("{}", "[{\"blockHash\":" H("0003e8") "}]");
	rig.chain.pinned.block.final = true;
	filter_is("{}", "[{\"fromBlock\":\"0x3e8\",\"toBlock\":\"0x3e8\"}]");
	filter_is("{\"fromBlock\":\"earliest\",\"toBlock\":\"latest\"}",
		  "[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x3e8\"}]");
	filter_is("{\"fromBlock\":null,\"toBlock\":\"0x3e9\",\"blockHash\":null}",
		  "[{\"fromBlock\":\"0x3e8\",\"toBlock\":\"0x3e8\"}]");
	filter_is("{\"topics\" : [ [\"A\",\"B\"] ],\"fromBlock\":\"0x01\"}",
		  "[{\"fromBlock\":\"0x1\",\"toBlock\":\"0x3e8\",\"topics\":[[\"A\",\"B\"]]}]");
	/* As the first one. */
	assert_int_equal(expect(CALL("eth_getLogs",
				     "[{\"blockHash\":" H("0003e8") ",\"fromBlock\":null}]"),
				RESULT("[]")),
			 0);
	expect(CALL("eth_getLogs", "[{\"blockHash\":" H("0003e8") ",\"toBlock\":\"latest\"}]"),
	       ERROR(-32602, "cannot specify both BlockHash and FromBlock/ToBlock, choose one "
			     "or the other"));
	expect(CALL("eth_getLogs", "[{\"blockHash\":\"0x1\"}]"),
	       ERROR(-32602, "invalid argument 0: blockHash is not 32 bytes of hex"));
	expect(CALL("eth_getLogs", "[{\"blockHash\":{\"blockHash\":" H("0003e8") "}}]"),
	       ERROR(-32602, "invalid argument 0: blockHash is not 32 bytes of hex"));
	expect(CALL("eth_getLogs", "[{\"fromBlock\":{\"blockNumber\":\"0x1\"}}]"),
	       ERROR(-32602, "invalid argument 0: fromBlock: not a number or a tag"));
	expect(CALL("eth_getLogs", "[{\"toBlock\":" H("0003e8") "}]"),
	       ERROR(-32602, "invalid argument 0: toBlock: not a number or a tag"));
	expect(CALL("eth_getLogs", "[{\"toBlock\":\"1\"}]"),
	       ERROR(-32602, "invalid argument 0: toBlock: hex string without 0x prefix, and "
			     "not a block tag"));
	expect(CALL("eth_getLogs", "[[]]"),
	       ERROR(-32602, "invalid argument 0: not a filter object"));
	/* What an absent first block means to trace_filter depends on the node. */
	expect(CALL("trace_filter", "[{\"count\":1}]"), RESULT("[]"));
	assert_string_equal(last_params, "[{\"toBlock\":\"0x3e8\",\"count\":1}]");
	expect(CALL("trace_filter", "[{\"fromBlock\":\"0x1\"}]"), RESULT("[]"));
	assert_string_equal(last_params, "[{\"fromBlock\":\"0x1\",\"toBlock\":\"0x3e8\"}]");
}

/* ---- a node of which nothing is kept ---- */

static void nothing_of_a_development_node_is_kept(void **state)
{
	(void)state;
	stack_set_bypass(rig.stack, true);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			expect(CALL("eth_getBalance", "[\"" ADDRESS "\"]"), RESULT("\"0x7\"")),
			1);
		assert_int_equal(expect(CALL("eth_getBalance", "[\"" ADDRESS "\",\"0x64\"]"),
					RESULT("\"0x7\"")),
				 2);
		assert_int_equal(expect(CALL("debug_traceTransaction", "[" H("000064") "]"),
					RESULT("\"debug_traceTransaction\"")),
				 2);
	}
}

static void offline_unknown_methods_name_no_address(void **state)
{
	(void)state;
	expect(CALL("foo_bar", "[1]"), ERROR(-32001, "not in the cache (offline): foo_bar"));
	expect(CALL("eth_getLogs", "[{}]"),
	       ERROR(-32001, "not in the cache (offline): eth_getLogs of block 1000"));
	expect(CALL("eth_getProof", "[\"" ADDRESS "\",[]]"),
	       ERROR(-32001,
		     "not in the cache (offline): eth_getProof " ADDRESS " at block 1000"));
	expect(CALL("eth_getBlockByHash", "[" H("000064") "]"),
	       ERROR(-32001,
		     "not in the cache (offline): eth_getBlockByHash 0x" ZEROS_58 "000064"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_class_ends_at_the_pinned_block),
		TEST(a_hash_that_is_not_canonical),
		TEST(a_canonical_hash_may_be_required),
		TEST(duplicates_in_a_block_object_mean_the_first),
		TEST(duplicates_in_parameters_are_refused),
		TEST(slots_in_three_characters),
		TEST(lists_of_slots_may_be_empty),
		TEST(proofs_have_the_callers_keys),
		TEST(a_proof_of_one_slot_twice),
		TEST(proofs_of_other_slots_are_no_answer),
		TEST(an_account_may_be_absent),
		TEST(receipts_are_counted_and_exploded),
		TEST(no_receipts_of_no_transactions),
		TEST(receipts_are_polled),
		TEST(pending_transactions_are_not_here),
		TEST(what_is_of_an_absent_transaction),
		TEST(traces_are_kept_when_final),
		TEST(raw_transactions_hash_to_their_name),
		TEST(fee_histories_have_one_key),
		TEST(all_forms_of_a_filter),
		TEST(nothing_of_a_development_node_is_kept),
		OFFLINE(offline_unknown_methods_name_no_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
