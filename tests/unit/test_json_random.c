/* SPDX-License-Identifier: MIT */
/*
 * Random documents and random damage to them, judged by the oracle. The seed is fixed: a
 * failure prints the text, and the next run finds it again.
 */
#include "../json_oracle.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define DAMAGED_CASES 300000
#define GROWN_CASES   60000
#define TEXT_BYTES    512

static uint64_t state = 0x666f726b63616368;

/* splitmix64 */
static uint32_t below(uint32_t n)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

static void judge(struct span text, unsigned depth)
{
	struct span copy = exact_copy(text);
	const char *wrong = json_disagreement(copy, depth);
	exact_free(copy);
	if (wrong)
		fail_msg("%s, depth %u: %.*s", wrong, depth, (int)text.len, text.ptr);
}

static const char *const seeds[] = {
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getStorageAt\",\"params\":["
	"\"0xc02aaa39b2"
	"23fe8d0a0e5c4f27ead9083c756cc2\",\"0x0\",\"latest\"]}",
	"{\"m\\u0065thod\":\"a\\\\b\",\"id\":\"\\ud83d\\ude00\",\"j\\u0073onrpc\":\"2.0\","
	"\"id\""
	":null,\"params\":{}}",
	"[{\"id\":-0.5e+10},{\"id\":[true,false,null]},[[],[{}]],\"\\\"\\\\\\/"
	"\\b\\f\\n\\r\\t\"]",
	" {\n\t\"jsonrpc\" : \"2.0\" ,\r\n                    \"method\" : \"x\" ,  \"id\" : 7 "
	"} ",
	"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf\"",
	"[0,-0,1.5,1e9,1E-9,123456789012345678901234567890,\"\\u0000\",\"\\ud800\"]",
	"{\"a\":{\"b\":{\"c\":{\"d\":[[[[\"0123456789abcdef0123456789abcdef\"]]]]}}}}",
};

/* What damage is made of: the grammar's bytes, and bytes at the borders of its classes. */
static char random_byte(void)
{
	static const char likely[] =
		"{}[]\",:\\u/0123456789eE+-.ntfabdr \n\t\x1f\x20\x7f\x80\xbf"
		"\xc0\xc1\xc2\xe0\xed\xf0\xf4\xf5\xff\0";
	return below(8) ? likely[below(sizeof(likely))] : (char)below(256);
}

static size_t damage(char *text, size_t len)
{
	size_t at = below((uint32_t)len + 1), n;
	switch (below(5)) {
	case 0: /* replace */
		if (at < len)
			text[at] = random_byte();
		return len;
	case 1: /* insert */
		if (len == TEXT_BYTES)
			return len;
		memmove(text + at + 1, text + at, len - at);
		text[at] = random_byte();
		return len + 1;
	case 2: /* cut out */
		n = below(4) + 1;
		if (at + n > len)
			return len;
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 3: /* truncate, seldom: little is left to test */
		return below(8) ? len : at;
	default: /* copy a piece to elsewhere */
		n = below(12) + 1;
		if (at + n <= len) {
			size_t to = below((uint32_t)(len - n) + 1);
			memmove(text + to, text + at, n);
		}
		return len;
	}
}

static void test_damaged_documents(void **unused)
{
	(void)unused;
	static const unsigned depths[] = {64, 64, 64, 1, 2, 5, 0, JSON_DEPTH_MAX};
	for (int i = 0; i < DAMAGED_CASES; i++) {
		char text[TEXT_BYTES];
		const char *seed = seeds[below(sizeof(seeds) / sizeof(seeds[0]))];
		size_t len = strlen(seed);
		memcpy(text, seed, len);
		for (uint32_t n = below(4); n > 0; n--)
			len = damage(text, len);
		judge((struct span){text, len}, depths[below(8)]);
	}
}

struct grower {
	char text[TEXT_BYTES];
	size_t len;
};

static void put(struct grower *g, const char *text)
{
	size_t len = strlen(text);
	if (g->len + len <= TEXT_BYTES) {
		memcpy(g->text + g->len, text, len);
		g->len += len;
	}
}

static void grow_space(struct grower *g)
{
	static const char *const spaces[] = {"",  "",	"",
					     " ", "\n", "\t  \r\n                  "};
	put(g, spaces[below(6)]);
}

static void grow_string(struct grower *g)
{
	static const char *const parts[] = {
		"a",	    "0123456789abcdef", "\\n", "\\u0069", "\\ud83d", "\\ude00",
		"\xc3\xa9", "\xf0\x9f\x98\x80", "]",   "}",	  "\\\"",    "\\\\"};
	put(g, "\"");
	for (uint32_t n = below(5); n > 0; n--)
		put(g, parts[below(12)]);
	put(g, "\"");
}

static void grow_name(struct grower *g)
{
	static const char *const names[] = {"\"id\"",	       "\"method\"",   "\"params\"",
					    "\"jsonrpc\"",     "\"\\u0069d\"", "\"ids\"",
					    "\"param\\u0073\""};
	if (below(3))
		put(g, names[below(7)]);
	else
		grow_string(g);
}

static void grow(struct grower *g, unsigned level)
{
	static const char *const scalars[] = {"null", "true", "false",	 "0",
					      "-12",  "3.25", "\"2.0\"", "6e-7"};
	uint32_t kind = below(level < 5 ? 4 : 2);
	if (kind == 0)
		put(g, scalars[below(8)]);
	if (kind == 1)
		grow_string(g);
	if (kind < 2)
		return;
	put(g, kind == 2 ? "[" : "{");
	for (uint32_t n = below(5); n > 0; n--) {
		grow_space(g);
		if (kind == 3) {
			grow_name(g);
			grow_space(g);
			put(g, ":");
			grow_space(g);
		}
		grow(g, level + 1);
		grow_space(g);
		if (n > 1)
			put(g, ",");
	}
	put(g, kind == 2 ? "]" : "}");
}

/* Grown by the grammar, so mostly valid (some run out of room): the iterators' turn. */
static void test_grown_documents(void **unused)
{
	(void)unused;
	int accepted = 0;
	for (int i = 0; i < GROWN_CASES; i++) {
		struct grower g = {.len = 0};
		struct span value, text;
		size_t at;
		grow_space(&g);
		grow(&g, 0);
		grow_space(&g);
		text = (struct span){g.text, g.len};
		judge(text, 64);
		accepted += json_document(text, 64, &value, &at) == OK;
	}
	assert_true(accepted > GROWN_CASES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_documents),
		cmocka_unit_test(test_grown_documents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
