/* SPDX-License-Identifier: MIT */
/* Canonical forms: what is one question has one text, and what is two has two. */
#include "unit.h"
#include "rpc/forms.h"

#define AA   "0x00000000000000000000000000000000000000aa"
#define BB   "0x00000000000000000000000000000000000000bb"
#define ZERO "0x0000000000000000000000000000000000000000"
#define W(d) "0x000000000000000000000000000000000000000000000000000000000000000" d

static void put(const struct form *form, const char *text, const char *want)
{
	struct err_detail why = {{0}};
	struct buf out, again;

	buf_init(&out, 1 << 20);
	buf_init(&again, 1 << 20);
	if (form_put(form, span_of(text), &out, &why) != OK)
		fail_msg("%s: %s", text, why.text);
	buf_char(&out, '\0');
	assert_string_equal(out.ptr, want);
	out.len--;
	/* A form of a form is itself. */
	assert_ok(form_put(form, buf_as_span(&out), &again, &why));
	assert_int_equal(again.len, out.len);
	assert_memory_equal(again.ptr, out.ptr, out.len);
	buf_release(&out);
	buf_release(&again);
}

static void is(enum param_kind kind, const char *text, const char *want)
{
	put(form_of(kind), text, want);
}

/* All spellings of a transaction object, one text. */
static void tx(const char *text, const char *want)
{
	is(PARAM_TX, text, want);
}

static void kept(enum param_kind kind, const char *text)
{
	is(kind, text, text);
}

static void refused(enum param_kind kind, const char *text, const char *message)
{
	struct err_detail why = {{0}};
	struct buf out;

	buf_init(&out, 1 << 20);
	if (form_put(form_of(kind), span_of(text), &out, &why) != ERR_INVALID)
		fail_msg("%s is not refused", text);
	assert_string_equal(why.text, message);
	buf_release(&out);
}

static void spellings_of_a_transaction(void **state)
{
	static const char *const alike[] = {
		"{\"data\":\"0xabcd\",\"gas\":\"0x10\",\"to\":\"" AA "\"}",
		"{\"to\":\"" AA "\",\"gas\":\"0x010\",\"data\":\"0xABCD\"}",
		"{ \"to\" : \"0x00000000000000000000000000000000000000AA\" , \"gas\":\"0X10\","
		"\"input\":\"0xABcd\"}",
		"{\"to\":\"00000000000000000000000000000000000000aa\",\"gas\":\"0x10\","
		"\"data\":\"0xabcd\",\"value\":\"0x0\"}",
		"{\"to\":\"" AA "\",\"gas\":\"0x10\",\"data\":\"0xabcd\",\"input\":\"0xABCD\","
		"\"value\":\"0x000\"}",
		"{\"to\":\"" AA "\",\"gas\":\"0x10\",\"data\":null,\"input\":\"0xABCD\"}",
		"{\"from\":null,\"to\":\"" AA "\",\"gas\":\"0x10\",\"data\":\"0xABCD\","
		"\"input\":null,\"value\":null,\"gasPrice\":null,\"foo\":null}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
		tx(alike[i], alike[0]);
	tx("{\"to\":\"\\u0030x00000000000000000000000000000000000000AA\",\"gas\":"
	   "\"0x1\\u0030\","
	   "\"data\":\"0xab\\u0063d\"}",
	   alike[0]);
	tx("{}", "{}");
	tx("{\"data\":\"0x\",\"value\":\"0x0\",\"input\":\"0x\"}", "{}");
}

static void what_is_not_the_same_stays_apart(void **state)
{
	static const char *const apart[] = {
		"{}",
		"{\"accessList\":[]}",
		"{\"gas\":\"0x0\"}",
		"{\"gasPrice\":\"0x0\"}",
		"{\"maxFeePerGas\":\"0x0\"}",
		"{\"maxPriorityFeePerGas\":\"0x0\"}",
		"{\"nonce\":\"0x0\"}",
		"{\"type\":\"0x0\"}",
		"{\"chainId\":\"0x1\"}",
		"{\"from\":\"" ZERO "\"}",
		"{\"to\":\"" ZERO "\"}",
		"{\"data\":\"0x00\"}",
		"{\"value\":\"0x1\"}",
		"{\"gasLimit\":\"0x0\"}",
		"{\"foo\":{\"a\":null,\"b\":[1,2]}}",
		"{\"authorizationList\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
		kept(PARAM_TX, apart[i]);
}

static void a_call_without_a_sender_is_of_the_zero_address(void **state)
{
	(void)state;
	is(PARAM_CALL, "{}", "{\"from\":\"" ZERO "\"}");
	is(PARAM_CALL, "{\"to\":\"" AA "\",\"from\":null,\"data\":\"0x1F\"}",
	   "{\"data\":\"0x1f\",\"from\":\"" ZERO "\",\"to\":\"" AA "\"}");
	kept(PARAM_CALL, "{\"from\":\"" BB "\"}");
}

static void data_and_input_must_agree(void **state)
{
	const char *differ = "both \"data\" and \"input\" are set and not equal. Please use "
			     "\"input\" to pass transaction call data";

	(void)state;
	refused(PARAM_TX, "{\"data\":\"0x01\",\"input\":\"0x02\"}", differ);
	refused(PARAM_TX, "{\"data\":\"0x\",\"input\":\"0x02\"}", differ);
}

static void lists_of_a_transaction(void **state)
{
	(void)state;
	tx("{\"accessList\":[{\"storageKeys\":[\"0x1\",\"" W(
		   "2") "\"],\"address\":\"0x"
			"00000000000000000000000000000000000000AA\"},{\"address\":\"" BB
			"\"}]}",
	   "{\"accessList\":[{\"address\":\"" AA
	   "\",\"storageKeys\":[\"" W("1") "\",\"" W("2") "\"]},{\"address\":\"" BB "\"}]}");
	/* Warm twice costs twice: order and repetition stay. */
	kept(PARAM_TX,
	     "{\"accessList\":[{\"address\":\"" BB "\",\"storageKeys\":[]},"
	     "{\"address\":\"" AA "\",\"storageKeys\":[\"" W("2") "\",\"" W("2") "\"]}]}");
	tx("{\"authorizationList\":[{\"yParity\":\"0x00\",\"r\":\"" W(
		   "1") "\",\"s\":\"0x2\","
			"\"chainId\":\"0x1\",\"nonce\":\"0x00\",\"address\":\"" AA
			"\"}],\"type\":\"0x04\"}",
	   "{\"authorizationList\":[{\"address\":\"" AA "\",\"chainId\":\"0x1\",\"nonce\":"
	   "\"0x0\",\"r\":\"0x1\",\"s\":\"0x2\",\"yParity\":\"0x0\"}],\"type\":\"0x4\"}");
	tx("{\"blobVersionedHashes\":[\"" W("A") "\"],\"blobs\":[\"0xAA\"],\"proofs\":[]}",
	   "{\"blobVersionedHashes\":[\"" W("a") "\"],\"blobs\":[\"0xaa\"],\"proofs\":[]}");
}

static void odd_spellings_are_kept_for_the_node(void **state)
{
	(void)state;
	/* Some node reads each of these, and not all the same. */
	kept(PARAM_TX, "{\"gas\":21000}");
	kept(PARAM_TX, "{\"gas\":\"21000\",\"value\":\"0x\"}");
	kept(PARAM_TX, "{\"to\":\"0xaa\"}");
	kept(PARAM_TX, "{\"to\":\"\"}");
	kept(PARAM_TX, "{\"to\":\"vitalik.eth\"}");
	kept(PARAM_TX, "{\"data\":\"0xabc\"}");
	kept(PARAM_TX, "{\"data\":\"abcd\"}");
	kept(PARAM_TX, "{\"to\":\"a\\nb\"}");
	kept(PARAM_TX, "{\"accessList\":{\"a\":1}}");
	kept(PARAM_STATE, "[]");
	kept(PARAM_CONFIG, "\"x\"");
	kept(PARAM_TYPES, "\"trace\"");
}

static void what_no_node_reads_is_refused(void **state)
{
	(void)state;
	refused(PARAM_TX, "[]", "not a transaction object");
	refused(PARAM_CALL, "\"0x\"", "not a transaction object");
	refused(PARAM_SIMULATION, "[]", "not an object");
	refused(PARAM_TX, "{\"to\":1e3,\"from\":true}", "not an address");
	refused(PARAM_TX, "{\"to\":\"0x0g\"}", "not an address: invalid hex");
	refused(PARAM_TX, "{\"to\":\"" AA "00\"}", "not an address: too long");
	refused(PARAM_TX, "{\"gas\":\"0xzz\"}", "not a quantity: invalid hex");
	refused(PARAM_TX, "{\"gas\":[]}", "not a quantity");
	refused(PARAM_TX, "{\"gas\":\"0x\\/\"}", "not a quantity: invalid hex");
	refused(PARAM_TX, "{\"value\":\"" W("1") "0\"}", "not a quantity: too long");
	refused(PARAM_TX, "{\"data\":\"0xqq\"}", "not data: invalid hex");
	refused(PARAM_TX, "{\"data\":false}", "not data");
	refused(PARAM_PAIRS, "[[1,[]]]", "not a transaction object");
}

/* Go reads {"from":A,"From":B} as from B, and the other way round as from A. */
static void a_name_that_nodes_may_take_for_another_is_refused(void **state)
{
	static const char why[] = "a member's name is in other letters than its own";

	(void)state;
	refused(PARAM_CALL, "{\"From\":\"" AA "\"}", why);
	refused(PARAM_TX, "{\"to\":\"" AA "\",\"TO\":\"" BB "\"}", why);
	refused(PARAM_TX, "{\"Input\":\"0x\"}", why);
	refused(PARAM_TX,
		"{\"acce\xc5\xbf"
		"sList\":[]}",
		why);
	refused(PARAM_STATE, "{\"" AA "\":{\"Balance\":\"0x1\"}}", why);
	refused(PARAM_CONFIG, "{\"StateOverrides\":{}}", why);
	/* Names of a map are values. */
	is(PARAM_STATE, "{\"0X00000000000000000000000000000000000000AA\":{}}",
	   "{\"" AA "\":{}}");
	kept(PARAM_TX, "{\"Foo\":1}");
}

static void a_name_twice_is_refused(void **state)
{
	const char *twice = "an object has one name twice, or a name with an escape";

	(void)state;
	refused(PARAM_TX, "{\"to\":1,\"to\":2}", twice);
	refused(PARAM_TX, "{\"foo\":{\"a\":1,\"a\":1}}", twice);
	refused(PARAM_TX, "{\"t\\u006f\":1}", twice);
	/* Two spellings of one address, or of one slot. */
	refused(PARAM_STATE,
		"{\"" AA "\":{},\"0x00000000000000000000000000000000000000AA\":{}}", twice);
	refused(PARAM_STATE, "{\"" AA "\":{\"state\":{\"0x1\":\"0x1\",\"0x01\":\"0x2\"}}}",
		twice);
}

static void state_overrides(void **state)
{
	(void)state;
	is(PARAM_STATE,
	   "{\"" BB "\":{\"nonce\":\"0x01\",\"code\":\"0xFE\",\"balance\":\"0x00\"},"
	   "\"0x00000000000000000000000000000000000000AA\":{\"stateDiff\":{\"0x2\":\"0x0B\","
	   "\"" W("1") "\":\"" W("a") "\"},\"state\":null}}",
	   "{\"" AA "\":{\"stateDiff\":{\"" W("1") "\":\"" W("a") "\",\"" W("2") "\":\"" W(
		   "b") "\"}},\"" BB
			"\":{\"balance\":\"0x0\",\"code\":\"0xfe\",\"nonce\":\"0x1\"}}");
	kept(PARAM_STATE, "{\"" AA "\":{\"state\":{}}}");
	kept(PARAM_STATE, "{\"" AA "\":{\"stateDiff\":{}}}");
	kept(PARAM_STATE, "{\"" AA "\":{\"code\":\"0x\"}}");
	kept(PARAM_STATE, "{\"" AA "\":{\"movePrecompileToAddress\":\"" BB "\"}}");
	kept(PARAM_STATE, "{\"name.eth\":{}}");
	/* Longer than any form. */
	kept(PARAM_STATE,
	     "{\""
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "\":{}}");
}

/* More members than need no memory. */
static void many_accounts_are_put_in_order(void **state)
{
	struct buf given, want;

	(void)state;
	buf_init(&given, 1 << 20);
	buf_init(&want, 1 << 20);
	for (unsigned i = 0; i < 300; i++) {
		buf_printf(&given, "%c\"0x%040X\":{}", i == 0 ? '{' : ',', 299 - i);
		buf_printf(&want, "%c\"0x%040x\":{}", i == 0 ? '{' : ',', i);
	}
	buf_char(&given, '}');
	buf_char(&want, '}');
	buf_char(&given, '\0');
	buf_char(&want, '\0');
	is(PARAM_STATE, given.ptr, want.ptr);
	buf_release(&given);
	buf_release(&want);
}

static void block_overrides(void **state)
{
	(void)state;
	is(PARAM_OVERRIDES,
	   "{\"time\":\"0x0A\",\"number\":\"0x01\",\"feeRecipient\":"
	   "\"0x00000000000000000000000000000000000000AA\",\"baseFeePerGas\":\"0x00\","
	   "\"prevRandao\":\"" W("A") "\",\"withdrawals\":[{\"index\":\"0x00\"}]}",
	   "{\"baseFeePerGas\":\"0x0\",\"feeRecipient\":\"" AA "\",\"number\":\"0x1\","
	   "\"prevRandao\":\"" W(
		   "a") "\",\"time\":\"0xa\",\"withdrawals\":[{\"index\":\"0x0\"}]"
			"}");
	/* Names that some take for others are not merged. */
	kept(PARAM_OVERRIDES, "{\"baseFee\":\"0x0\"}");
	kept(PARAM_OVERRIDES, "{\"coinbase\":\"" AA "\"}");
}

static void tracer_options(void **state)
{
	(void)state;
	is(PARAM_CONFIG,
	   "{\"tracerConfig\":{\"withLog\":true,\"onlyTopCall\":false,\"x\":null},"
	   "\"tracer\":\"callTracer\",\"timeout\":null,\"stateOverrides\":{},"
	   "\"blockOverrides\":{\"time\":\"0x01\"}}",
	   "{\"blockOverrides\":{\"time\":\"0x1\"},\"tracer\":\"callTracer\",\"tracerConfig\":"
	   "{\"onlyTopCall\":false,\"withLog\":true,\"x\":null}}");
	kept(PARAM_CONFIG, "{\"disableStorage\":false}");
	kept(PARAM_CONFIG, "{\"timeout\":\"5s\"}");
}

static void kinds_of_traces_are_a_set(void **state)
{
	(void)state;
	is(PARAM_TYPES, "[\"vmTrace\",\"trace\",\"trace\"]", "[\"trace\",\"vmTrace\"]");
	is(PARAM_TYPES, "[ ]", "[]");
	is(PARAM_PAIRS, "[[{\"input\":\"0x01\"},[\"vmTrace\",\"trace\"]],[{},[\"trace\"]]]",
	   "[[{\"data\":\"0x01\"},[\"trace\",\"vmTrace\"]],[{},[\"trace\"]]]");
	/* The order of the calls is what they mean. */
	kept(PARAM_PAIRS, "[[{\"to\":\"" BB "\"},[]],[{\"to\":\"" AA "\"},[]]]");
}

static void bundles_and_simulations(void **state)
{
	(void)state;
	is(PARAM_BUNDLES,
	   "[{\"transactions\":[{\"input\":\"0xAB\",\"value\":\"0x0\"}],\"blockOverride\":{}}]",
	   "[{\"transactions\":[{\"data\":\"0xab\"}]}]");
	is(PARAM_SIMULATION,
	   "{\"validation\":false,\"traceTransfers\":true,\"blockStateCalls\":[{\"calls\":"
	   "[{\"input\":\"0xAB\"}],\"stateOverrides\":{\"" AA "\":{\"balance\":\"0x01\"}},"
	   "\"blockOverrides\":{}},{}],\"returnFullTransactions\":null}",
	   "{\"blockStateCalls\":[{\"calls\":[{\"data\":\"0xab\"}],\"stateOverrides\":{\"" AA
	   "\":{\"balance\":\"0x1\"}}},{}],\"traceTransfers\":true}");
	is(PARAM_CONTEXT, "{\"transactionIndex\":-1,\"blockNumber\":\"0x1\"}",
	   "{\"transactionIndex\":-1}");
}

static void filters(void **state)
{
	(void)state;
	put(&form_logs, "{}", "{}");
	put(&form_logs, "{\"address\":null,\"topics\":[],\"fromBlock\":\"0x1\"}", "{}");
	put(&form_logs, "{\"address\":[],\"topics\":null,\"toBlock\":1,\"blockHash\":2}", "{}");
	put(&form_logs, "{\"address\":\"0x00000000000000000000000000000000000000AA\"}",
	    "{\"address\":[\"" AA "\"]}");
	put(&form_logs, "{\"address\":[\"" BB "\",\"" AA "\",\"" BB "\"]}",
	    "{\"address\":[\"" AA "\",\"" BB "\"]}");
	put(&form_logs, "{\"topics\":[\"" W("A") "\"]}", "{\"topics\":[[\"" W("a") "\"]]}");
	put(&form_logs, "{\"topics\":[[\"" W("b") "\",\"" W("A") "\",\"" W("b") "\"]]}",
	    "{\"topics\":[[\"" W("a") "\",\"" W("b") "\"]]}");
	/* Either of two at the first place; one at each place. */
	put(&form_logs, "{\"topics\":[\"" W("a") "\",\"" W("b") "\"]}",
	    "{\"topics\":[[\"" W("a") "\"],[\"" W("b") "\"]]}");
	/* Anything at the first place; at least two topics. */
	put(&form_logs, "{\"topics\":[[],\"" W("b") "\"]}",
	    "{\"topics\":[null,[\"" W("b") "\"]]}");
	put(&form_logs, "{\"topics\":[\"" W("a") "\",null]}",
	    "{\"topics\":[[\"" W("a") "\"],null]}");
	put(&form_logs, "{\"topics\":[null]}", "{\"topics\":[null]}");
	put(&form_logs, "{\"topics\":[[null,\"" W("a") "\"],\"0xa\"],\"x\":1}",
	    "{\"topics\":[[null,\"" W("a") "\"],[\"0xa\"]],\"x\":1}");
	put(&form_traces, "{\"toAddress\":[\"" BB "\",\"" AA "\"],\"after\":5,\"count\":10}",
	    "{\"after\":5,\"count\":10,\"toAddress\":[\"" AA "\",\"" BB "\"]}");
	put(&form_traces, "{\"toAddress\":[]}", "{\"toAddress\":[]}");
}

static void what_has_no_form(void **state)
{
	(void)state;
	assert_null(form_of(PARAM_ANY));
	assert_null(form_of(PARAM_BLOCK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_of_a_transaction),
		cmocka_unit_test(what_is_not_the_same_stays_apart),
		cmocka_unit_test(a_call_without_a_sender_is_of_the_zero_address),
		cmocka_unit_test(data_and_input_must_agree),
		cmocka_unit_test(lists_of_a_transaction),
		cmocka_unit_test(odd_spellings_are_kept_for_the_node),
		cmocka_unit_test(what_no_node_reads_is_refused),
		cmocka_unit_test(a_name_twice_is_refused),
		cmocka_unit_test(a_name_that_nodes_may_take_for_another_is_refused),
		cmocka_unit_test(state_overrides),
		cmocka_unit_test(many_accounts_are_put_in_order),
		cmocka_unit_test(block_overrides),
		cmocka_unit_test(tracer_options),
		cmocka_unit_test(kinds_of_traces_are_a_set),
		cmocka_unit_test(bundles_and_simulations),
		cmocka_unit_test(filters),
		cmocka_unit_test(what_has_no_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
