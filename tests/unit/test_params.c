/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "fake_fork.h"
#include "rpc/params.h"

#define ADDRESS "\"0x00000000000000000000000000000000000000aa\""
#define HASH_OF(digits) \
	"\"0x000000000000000000000000000000000000000000000000000000000000" digits "\""

static struct params params;
static struct err_detail message;

static int setup(void **state)
{
	(void)state;
	method_table_init();
	return 0;
}

/* The same params as a request's, which must be read alike. */
static void reads_alike(const struct method *m, const char *text, enum err want)
{
	char *body = NULL;
	struct json_request request;
	struct err_detail why = {""};
	struct params got;
	size_t at;

	assert_true(asprintf(&body, "{\"method\":\"m\",\"params\":%s}", text) > 0);
	struct span rest = span_of(body);
	assert_ok(json_request_next(&rest, 64, &request, &at));
	memset(&got, 0xa5, sizeof got);
	assert_int_equal(params_of_request(m, &request, &got, &why), want);
	if (want != OK)
		assert_string_equal(why.text, message.text);
	for (unsigned i = 0; want == OK && i < m->params_n; i++) {
		assert_int_equal(got.raw[i].ptr == NULL, params.raw[i].ptr == NULL);
		assert_true(got.raw[i].ptr == NULL || span_equal(got.raw[i], params.raw[i]));
		if (got.raw[i].ptr != NULL && m->kinds[i] == PARAM_ADDRESS)
			assert_memory_equal(&got.address, &params.address, 20);
		if (got.raw[i].ptr != NULL && m->kinds[i] == PARAM_SLOT)
			assert_memory_equal(&got.slot, &params.slot, 32);
	}
	if (want == OK) {
		assert_int_equal(got.n, params.n);
		assert_int_equal(got.block.kind, params.block.kind);
		assert_int_equal(got.block.tag, params.block.tag);
		assert_int_equal(got.block.number, params.block.number);
		assert_memory_equal(&got.block.hash, &params.block.hash, 32);
	}
	free(body);
}

static void parses(const char *method, const char *text)
{
	const struct method *m = method_find(span_of(method));

	assert_non_null(m);
	struct span span = text != NULL ? span_of(text) : (struct span){0};
	message.text[0] = '\0';
	if (params_parse(m, span, &params, &message) != OK)
		fail_msg("%s %s: %s", method, text, message.text);
	if (text != NULL)
		reads_alike(m, text, OK);
}

static void refuses(const char *method, const char *text, const char *why)
{
	const struct method *m = method_find(span_of(method));

	assert_non_null(m);
	assert_int_equal(params_parse(m, span_of(text), &params, &message), ERR_INVALID);
	assert_string_equal(message.text, why);
	reads_alike(m, text, ERR_INVALID);
}

static void nothing_is_no_arguments(void **state)
{
	static const char *const forms[] = {NULL, "null", "[]", "[ ]"};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		parses("eth_chainId", forms[i]);
		assert_int_equal(params.n, 0);
		assert_int_equal(params.block.kind, BLOCK_TAG);
	}
	refuses("eth_chainId", "{}", "non-array args");
	refuses("eth_chainId", "\"x\"", "non-array args");
	refuses("eth_chainId", "[null]", "too many arguments, want at most 0");
	refuses("eth_getBalance", "[" ADDRESS ",\"latest\",1]",
		"too many arguments, want at most 2");
}

static void absent_and_null_are_the_same(void **state)
{
	(void)state;
	refuses("eth_getStorageAt", "[]", "missing value for required argument 0");
	refuses("eth_getStorageAt", "[" ADDRESS "]", "missing value for required argument 1");
	refuses("eth_getStorageAt", "[null,\"0x0\"]", "missing value for required argument 0");
	refuses("eth_getStorageAt", "[" ADDRESS ",null,\"latest\"]",
		"missing value for required argument 1");
	parses("eth_getStorageAt", "[" ADDRESS ",\"0x1\",null]");
	assert_int_equal(params.block.kind, BLOCK_TAG);
	assert_null(params.raw[2].ptr);
	parses("eth_getBlockByNumber", "[\"0x1\",null]");
	assert_false(params.flag);
	parses("eth_getBlockByNumber", "[\"0x1\",true]");
	assert_true(params.flag);
	refuses("eth_getBlockByNumber", "[\"0x1\",1]", "invalid argument 1: not a boolean");
}

static void block_is(const char *text, enum block_param_kind kind, uint64_t number)
{
	struct block_param block;

	if (block_param_parse(span_of(text), &block, &message) != OK)
		fail_msg("%s: %s", text, message.text);
	assert_int_equal(block.kind, kind);
	assert_int_equal(block.number, kind == BLOCK_NUMBER ? number : 0);
	if (kind == BLOCK_HASH)
		assert_int_equal(be64_get(block.hash.bytes + 24), number);
}

static void block_is_not(const char *text, const char *why)
{
	struct block_param block;

	assert_int_equal(block_param_parse(span_of(text), &block, &message), ERR_INVALID);
	assert_string_equal(message.text, why);
}

static void tag_is(const char *text, enum block_tag tag)
{
	struct err_detail why;
	struct block_param block;

	assert_ok(block_param_parse(span_of(text), &block, &why));
	assert_int_equal(block.kind, BLOCK_TAG);
	assert_int_equal(block.tag, tag);
}

static void all_tags(void **state)
{
	(void)state;
	tag_is("null", TAG_LATEST);
	tag_is("\"latest\"", TAG_LATEST);
	tag_is("\"safe\"", TAG_SAFE);
	tag_is("\"finalized\"", TAG_FINALIZED);
	tag_is("\"pending\"", TAG_PENDING);
	tag_is("{\"blockNumber\":\"safe\"}", TAG_SAFE);
}

static void all_forms_of_a_block(void **state)
{
	(void)state;
	block_is("\"latest\"", BLOCK_TAG, 0);
	block_is("\"pending\"", BLOCK_TAG, 0);
	block_is("\"safe\"", BLOCK_TAG, 0);
	block_is("\"finalized\"", BLOCK_TAG, 0);
	block_is("null", BLOCK_TAG, 0);
	block_is("\"earliest\"", BLOCK_NUMBER, 0);
	block_is("\"0x0\"", BLOCK_NUMBER, 0);
	block_is("\"0x64\"", BLOCK_NUMBER, 100);
	block_is("\"0X64\"", BLOCK_NUMBER, 100);
	block_is("\"0x0064\"", BLOCK_NUMBER, 100);
	block_is("\"0x7fffffffffffffff\"", BLOCK_NUMBER, INT64_MAX);
	block_is(HASH_OF("00ff"), BLOCK_HASH, 0xff);
	block_is(HASH_OF("00FF"), BLOCK_HASH, 0xff);
	block_is("{\"blockNumber\":\"0x64\"}", BLOCK_NUMBER, 100);
	block_is("{\"blockNumber\":\"latest\"}", BLOCK_TAG, 0);
	block_is("{\"blockHash\":" HASH_OF("0064") "}", BLOCK_HASH, 100);
	block_is("{\"blockHash\":null,\"blockNumber\":\"0x1\"}", BLOCK_NUMBER, 1);
	block_is_not("\"0x8000000000000000\"", "block number larger than int64");
	block_is_not("\"0x10000000000000000\"", "block number larger than int64");
	block_is_not("\"100\"", "hex string without 0x prefix, and not a block tag");
	block_is_not("\"Latest\"", "hex string without 0x prefix, and not a block tag");
	block_is_not("\"\"", "hex string without 0x prefix, and not a block tag");
	block_is_not("\"0x\"", "invalid hex string for a block number");
	block_is_not("\"0xzz\"", "invalid hex string for a block number");
	block_is_not("100", "a block is a number, a tag, a hash or an EIP-1898 object");
	block_is_not("\"l\\u0061test\"",
		     "a block is a number, a tag, a hash or an EIP-1898 object");
	block_is_not("{}", "neither BlockHash nor BlockNumber is given");
	block_is_not("{\"blockNumber\":100}", "blockNumber is not a number or a tag");
	block_is_not("{\"blockNumber\":" HASH_OF("0064") "}",
		     "blockNumber is not a number or a tag");
	block_is_not("{\"blockHash\":\"0x64\"}", "blockHash is not 32 bytes of hex");
	block_is_not("{\"blockHash\":" HASH_OF("0064") ",\"blockNumber\":\"0x64\"}",
		     "cannot specify both BlockHash and BlockNumber");
}

static void require_canonical_is_a_boolean(void **state)
{
	struct block_param block;

	(void)state;
#define WITH(value) "{\"blockHash\":" HASH_OF("0064") ",\"requireCanonical\":" value "}"
	assert_ok(block_param_parse(SPAN(WITH("true")), &block, &message));
	assert_true(block.require_canonical);
	assert_ok(block_param_parse(SPAN(WITH("false")), &block, &message));
	assert_false(block.require_canonical);
	assert_ok(block_param_parse(SPAN(WITH("null")), &block, &message));
	assert_false(block.require_canonical);
	block_is_not(WITH("1"), "requireCanonical is not a boolean");
}

static void a_number_is_no_hash(void **state)
{
	(void)state;
	refuses("eth_getBlockByNumber", "[" HASH_OF("0064") ",false]",
		"invalid argument 0: a block number is wanted here, not a hash");
	refuses("eth_getBlockByNumber", "[{\"blockNumber\":\"0x1\"},false]",
		"invalid argument 0: a block number or a tag is wanted here");
	parses("eth_getBlockByNumber", "[\"finalized\",false]");
	assert_int_equal(params.block.kind, BLOCK_TAG);
}

static void texts_of_hex(void **state)
{
	(void)state;
	parses("eth_getBalance", "[\"0x00000000000000000000000000000000000000Aa\"]");
	assert_int_equal(params.address.bytes[19], 0xaa);
	refuses("eth_getBalance", "[\"0xaa\"]",
		"invalid argument 0: not an address: want 20 bytes of hex");
	refuses("eth_getBalance", "[170]", "invalid argument 0: want a string of hex");
	parses("eth_getStorageAt", "[" ADDRESS ",\"0x1\"]");
	assert_int_equal(params.slot.bytes[31], 1);
	refuses("eth_getStorageAt", "[" ADDRESS ",\"0xg\"]",
		"invalid argument 1: not a storage key: want at most 32 bytes of hex");
	refuses("eth_getBlockByHash", "[\"0x64\",false]",
		"invalid argument 0: not a hash: want 0x and 32 bytes of hex");
	parses("eth_getUncleByBlockHashAndIndex", "[" HASH_OF("0064") ",\"0x2\"]");
	assert_int_equal(params.index, 2);
	refuses("eth_getUncleByBlockHashAndIndex", "[" HASH_OF("0064") ",\"0x02\"]",
		"invalid argument 1: not a QUANTITY of at most 64 bits");
	parses("web3_sha3", "[\"0x\"]");
	assert_span(params.data, "0x");
	refuses("web3_sha3", "[\"0x1\"]",
		"invalid argument 0: not DATA: want 0x and an even number of digits");
}

static void lists_of_slots(void **state)
{
	char text[16 * 1024 + 128], *at = text;

	(void)state;
	parses("eth_getProof", "[" ADDRESS ",[\"0x1\",\"0x01\",\"1\"],\"latest\"]");
	parses("eth_getProof", "[" ADDRESS ",[]]");
	refuses("eth_getProof", "[" ADDRESS ",{}]",
		"invalid argument 1: not a list of storage keys");
	refuses("eth_getProof", "[" ADDRESS ",[1]]",
		"invalid argument 1: not a storage key: want at most 32 bytes of hex");
	refuses("eth_getProof", "[" ADDRESS ",[\"0x\"]]",
		"invalid argument 1: not a storage key: want at most 32 bytes of hex");
	at += snprintf(at, 128, "[" ADDRESS ",[\"0x1\"");
	for (unsigned i = 1; i < PARAM_SLOTS_MAX; i++)
		at += snprintf(at, 16, ",\"0x1\"");
	snprintf(at, 16, "]]");
	parses("eth_getProof", text);
	snprintf(at, 16, ",\"0x1\"]]");
	refuses("eth_getProof", text, "invalid argument 1: more than 1024 storage keys");
}

static void counts_and_percentiles(void **state)
{
	static const char *const tens[] = {"[10,\"latest\"]", "[\"0xa\",\"latest\"]",
					   "[\"10\",\"latest\",null]",
					   "[\"0x0A\",\"latest\",[]]"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		parses("eth_feeHistory", tens[i]);
		assert_int_equal(params.index, 10);
	}
	parses("eth_feeHistory", "[\"18446744073709551615\",\"latest\",[0,25.5,1e2]]");
	assert_true(params.index == UINT64_MAX);
	static const char *const bad[] = {"-1",
					  "1.0",
					  "1e1",
					  "\"\"",
					  "\"0x\"",
					  "true",
					  "\"18446744073709551616\"",
					  "\"0x10000000000000000\""};
	char text[64];
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "[%s,\"latest\"]", bad[i]);
		refuses("eth_feeHistory", text,
			"invalid argument 0: not a number of at most 64 bits");
	}
	refuses("eth_feeHistory", "[1,\"latest\",[\"25\"]]",
		"invalid argument 2: not a percentile: want a number");
	/* beyond doubles: it would be written as "inf" */
	refuses("eth_feeHistory", "[1,\"latest\",[1e999]]",
		"invalid argument 2: not a percentile: want a number");
	refuses("eth_feeHistory", "[1,\"latest\",25]",
		"invalid argument 2: not a list of percentiles");
}

static void the_rest_is_passed_on(void **state)
{
	(void)state;
	parses("eth_call", "[{},\"latest\",{},{}, {\"a\":[1, 2]} ,null ]");
	assert_int_equal(params.n, 4);
	assert_span(params.tail, "{\"a\":[1, 2]} ,null");
	parses("eth_call", "[{}]");
	assert_int_equal(params.tail.len, 0);
	assert_ok(params_parse(method_unknown(), SPAN("[1,\"x\"]"), &params, &message));
	assert_span(params.tail, "1,\"x\"");
}

/* The row's order is (transaction, kinds of traces, block). */
static void kinds_of_traces_and_a_block_are_taken_in_either_order(void **state)
{
	static const char *const spellings[] = {
		"[{},[\"trace\"],\"0x64\"]",
		"[{},\"0x64\",[\"trace\"]]",
		"[{},{\"blockNumber\":\"0x64\"},[\"trace\"]]",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		parses("trace_call", spellings[i]);
		assert_span(params.raw[1], "[\"trace\"]");
		assert_int_equal(params.block.kind, BLOCK_NUMBER);
		assert_int_equal(params.block.number, 100);
		assert_int_equal(params.n, 3);
	}
	parses("trace_call", "[{},[\"trace\"]]");
	assert_int_equal(params.block.kind, BLOCK_TAG);
	refuses("trace_call", "[{},\"latest\"]", "missing value for required argument 1");
	refuses("trace_call", "[{},\"latest\",null]", "missing value for required argument 1");
	refuses("trace_call", "[{},[],[]]",
		"invalid argument 2: a block is a number, a tag, a hash or an EIP-1898 object");
}

static void a_context_holds_a_block(void **state)
{
	(void)state;
	parses("eth_callMany", "[[],{\"blockNumber\":\"0x64\",\"transactionIndex\":-1}]");
	assert_int_equal(params.block.kind, BLOCK_NUMBER);
	assert_int_equal(params.block.number, 100);
	parses("eth_callMany", "[[],{\"transactionIndex\":3}]");
	assert_int_equal(params.block.kind, BLOCK_TAG);
	parses("eth_callMany", "[[],\"0x65\"]");
	assert_int_equal(params.block.number, 101);
	parses("eth_callMany", "[[],{\"blockHash\":" HASH_OF("0064") "}]");
	assert_int_equal(params.block.kind, BLOCK_HASH);
	parses("eth_callMany", "[[]]");
	assert_int_equal(params.block.kind, BLOCK_TAG);
	refuses("eth_callMany", "[[],{\"blockNumber\":\"x\"}]",
		"invalid argument 1: hex string without 0x prefix, and not a block tag");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_no_arguments),
		cmocka_unit_test(absent_and_null_are_the_same),
		cmocka_unit_test(all_tags),
		cmocka_unit_test(all_forms_of_a_block),
		cmocka_unit_test(require_canonical_is_a_boolean),
		cmocka_unit_test(a_number_is_no_hash),
		cmocka_unit_test(texts_of_hex),
		cmocka_unit_test(lists_of_slots),
		cmocka_unit_test(counts_and_percentiles),
		cmocka_unit_test(the_rest_is_passed_on),
		cmocka_unit_test(kinds_of_traces_and_a_block_are_taken_in_either_order),
		cmocka_unit_test(a_context_holds_a_block),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
