/* SPDX-License-Identifier: MIT */
/* Answers to filters: all of what was asked for, and nothing else. */
#include "keep_fixture.h"

#define AA   "0x00000000000000000000000000000000000000aa"
#define BB   "0x00000000000000000000000000000000000000bb"
#define W(d) "0x00000000000000000000000000000000000000000000000000000000000000" d

/* A log of a block, at a place in it. */
#define LOG_OF(number, hash, tx, index, address, topics)                                \
	"{\"address\":\"" address "\",\"topics\":[" topics "],\"data\":\"0x\","         \
	"\"blockNumber\":\"" number "\",\"transactionIndex\":\"" tx "\",\"blockHash\":" \
	"\"" W(hash) "\",\"logIndex\":\"" index "\",\"removed\":false}"
#define LOG(number, tx, index) LOG_OF("0x" number, number, tx, index, AA, "\"" W("01") "\"")
#define WITH(address, topics)  LOG_OF("0x64", "64", "0x0", "0x0", address, topics)
#define KEY_OF(filter)	       "1:eth_getLogs[{\"fromBlock\":\"0x60\",\"toBlock\":\"0x70\"" filter "}]"
#define KEY		       KEY_OF("")
#define TRACE(number, hash)    "{\"blockNumber\":" number ",\"blockHash\":\"" W(hash) "\"}"

static struct keep range(enum keep_kind kind, unsigned flags)
{
	return (struct keep){
		.kind = kind, .flags = KEEP_HAS_NUMBER | flags, .count = 0x60, .number = 0x70};
}

static void a_list_is_an_answer(void **state)
{
	struct keep keep = range(KEEP_LOGS, KEEP_FIXED), loose = range(KEEP_LOGS, 0);

	(void)state;
	accepted(&keep, KEY_OF(",\"address\":[]"), "null", false); /* the row refuses it, too */
	accepted(&loose, KEY, "[]", false);
	accepted(&keep, KEY, "[]", true);
	accepted(&keep, KEY, "[" LOG("64", "0x0", "0x0") "," LOG("64", "0x0", "0x1") "]", true);
	refused(&keep, KEY, "{\"logs\":[],\"truncated\":true}", "the answer is not a list");
	refused(&keep, KEY, "\"0x\"", "the answer is not a list");
	refused(&keep, KEY, "[" LOG("64", "0x0", "0x0") ",{\"truncated\":true}]",
		"an element does not name its block");
	refused(&keep, KEY, "[null]", "an element does not name its block");
	refused(&keep, KEY, "[{\"blockNumber\":null,\"blockHash\":null}]",
		"an element does not name its block");
}

static void blocks_are_in_the_range(void **state)
{
	struct keep keep = range(KEEP_LOGS, KEEP_FIXED);

	(void)state;
	accepted(&keep, KEY, "[" LOG("60", "0x0", "0x0") "," LOG("70", "0x0", "0x0") "]", true);
	refused(&keep, KEY, "[" LOG("5f", "0x0", "0x0") "]",
		"block 95 is not in the range that was asked for");
	refused(&keep, KEY, "[" LOG("71", "0x0", "0x0") "]",
		"block 113 is not in the range that was asked for");
	keep.flags |= KEEP_HAS_HASH;
	keep.hash = hash_of(0x64);
	accepted(&keep, KEY, "[" LOG("64", "0x0", "0x0") "]", true);
	refused(&keep, KEY, "[" LOG("65", "0x0", "0x0") "]", "the answer is of another block");
}

static void logs_are_in_order(void **state)
{
	struct keep keep = range(KEEP_LOGS, KEEP_FIXED);

	(void)state;
	accepted(&keep, KEY,
		 "[" LOG("64", "0x0", "0x1") "," LOG("64", "0x1", "0x2") "," LOG("65", "0x0",
										 "0x0") "]",
		 true);
	/* Some chains count logs by transaction. */
	accepted(&keep, KEY, "[" LOG("64", "0x0", "0x1") "," LOG("64", "0x1", "0x0") "]", true);
	refused(&keep, KEY, "[" LOG("65", "0x0", "0x0") "," LOG("64", "0x0", "0x0") "]",
		"the answer is not in order");
	refused(&keep, KEY, "[" LOG("64", "0x1", "0x0") "," LOG("64", "0x0", "0x1") "]",
		"the answer is not in order");
	refused(&keep, KEY, "[" LOG("64", "0x0", "0x0") "," LOG("64", "0x0", "0x0") "]",
		"the answer is not in order");
	refused(&keep, KEY,
		"[" LOG("64", "0x0", "0x0") "," LOG_OF("0x64", "65", "0x0", "0x1", AA, "") "]",
		"the answer is of two blocks of one number");
}

static void logs_are_of_the_filter(void **state)
{
	struct keep keep = range(KEEP_LOGS, KEEP_FIXED);

	(void)state;
#define ADDRESSES KEY_OF(",\"address\":[\"" AA "\"]")
	accepted(&keep, ADDRESSES, "[" WITH(AA, "") "]", true);
	refused(&keep, ADDRESSES, "[" WITH(BB, "") "]", "a log is of another address");
	accepted(&keep, KEY_OF(",\"address\":[\"" AA "\",\"" BB "\"]"), "[" WITH(BB, "") "]",
		 true);
#define TOPIC(d) "\"" W(d) "\""
#define EITHER	 KEY_OF(",\"topics\":[[" TOPIC("01") "," TOPIC("02") "]]")
	accepted(&keep, EITHER, "[" WITH(AA, TOPIC("02")) "]", true);
	accepted(&keep, EITHER, "[" WITH(AA, TOPIC("01") "," TOPIC("09")) "]", true);
	refused(&keep, EITHER, "[" WITH(AA, TOPIC("03")) "]", "a log has other topics");
	refused(&keep, EITHER, "[" WITH(AA, "") "]", "a log has other topics");
#define SECOND KEY_OF(",\"topics\":[null,[" TOPIC("02") "]]")
	accepted(&keep, SECOND, "[" WITH(AA, TOPIC("07") "," TOPIC("02")) "]", true);
	refused(&keep, SECOND, "[" WITH(AA, TOPIC("02")) "]", "a log has other topics");
	/* A null at the end wants a topic there, whichever. */
#define TWO KEY_OF(",\"topics\":[[" TOPIC("01") "],null]")
	accepted(&keep, TWO, "[" WITH(AA, TOPIC("01") "," TOPIC("05")) "]", true);
	refused(&keep, TWO, "[" WITH(AA, TOPIC("01")) "]", "a log has other topics");
	/* What only the node can read is left to it. */
	accepted(&keep, KEY_OF(",\"address\":[\"0xaa\"],\"topics\":[[null," TOPIC("01") "]]"),
		 "[" WITH(BB, TOPIC("06")) "]", true);
	refused(&keep, KEY, "[{\"blockNumber\":\"0x64\",\"blockHash\":" TOPIC("64") "}]",
		"a log is of another address");
	refused(&keep, KEY,
		"[{\"address\":\"" AA
		"\",\"topics\":[],\"blockNumber\":\"0x64\",\"blockHash\":" TOPIC(
			"64") ",\"removed\":true}]",
		"a log is one that was removed");
	refused(&keep, KEY,
		"[{\"address\":\"" AA
		"\",\"blockNumber\":\"0x64\",\"blockHash\":" TOPIC("64") "}]",
		"a log has other topics");
}

static void traces_are_of_the_range(void **state)
{
	struct keep keep = range(KEEP_TRACES, KEEP_FIXED);

	(void)state;
	accepted(&keep, KEY,
		 "[" TRACE("100", "64") "," TRACE("100", "64") "," TRACE("101", "65") "]",
		 true);
	accepted(&keep, KEY, "[" TRACE("\"0x64\"", "64") "]", true);
	refused(&keep, KEY, "[" TRACE("101", "65") "," TRACE("100", "64") "]",
		"the answer is not in order");
	refused(&keep, KEY, "[" TRACE("113", "71") "]",
		"block 113 is not in the range that was asked for");
	refused(&keep, KEY, "[" TRACE("1.5", "64") "]", "an element does not name its block");
	refused(&keep, KEY, "[" TRACE("99999999999999999999999", "64") "]",
		"an element does not name its block");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEP_TEST(a_list_is_an_answer),	    KEEP_TEST(blocks_are_in_the_range),
		KEEP_TEST(logs_are_in_order),	    KEEP_TEST(logs_are_of_the_filter),
		KEEP_TEST(traces_are_of_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
