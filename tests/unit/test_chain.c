/* SPDX-License-Identifier: MIT */
/* Headers as upstreams write them, and the prices that are computed from the pinned one. */
#include "unit.h"
#include "rpc/chain.h"

#define H1 "\"0x1111111111111111111111111111111111111111111111111111111111111111\""
#define H2 "\"0x2222222222222222222222222222222222222222222222222222222222222222\""
#define H3 "\"0x3333333333333333333333333333333333333333333333333333333333333333\""

static const struct {
	const char *name, *member;
} required[] = {
	{"number", "\"number\":\"0x1b4\""},
	{"hash", "\"hash\":" H1},
	{"parentHash", "\"parentHash\":" H2},
	{"stateRoot", "\"stateRoot\":" H3},
	{"timestamp", "\"timestamp\":\"0x55ba467c\""},
	{"gasLimit", "\"gasLimit\":\"0x1388\""},
};
#define REQUIRED (sizeof required / sizeof required[0])

/* A header of the required members, the i-th replaced, and further ones. */
static enum err parse(size_t i, const char *instead, const char *more, struct block_header *out,
		      bool *prague, struct err_detail *detail)
{
	char text[2048] = "{", *at = text + 1;

	for (size_t k = 0; k < REQUIRED; k++)
		at += snprintf(at, (size_t)(text + sizeof text - at), "%s,",
			       k == i ? instead : required[k].member);
	snprintf(at, (size_t)(text + sizeof text - at), "\"x\":0%s}", more);
	return block_header_parse(span_of(text), out, prague, detail);
}

static void a_header_is_read(void **state)
{
	struct block_header header;
	bool prague = true;

	(void)state;
	assert_ok(parse(REQUIRED, "", "", &header, &prague, NULL));
	assert_int_equal(header.number, 0x1b4);
	assert_int_equal(header.hash.bytes[0], 0x11);
	assert_int_equal(header.parent_hash.bytes[31], 0x22);
	assert_int_equal(header.state_root.bytes[7], 0x33);
	assert_int_equal(header.timestamp, 0x55ba467c);
	assert_int_equal(header.gas_limit, 0x1388);
	assert_int_equal(header.gas_used, 0);
	assert_int_equal(header.has, 0);
	assert_false(prague);
	assert_ok(parse(
		REQUIRED, "",
		",\"gasUsed\":\"0x5\",\"baseFeePerGas\":\"0x0a\",\"excessBlobGas\":\"0x20000\","
		"\"requestsHash\":" H1,
		&header, &prague, NULL));
	assert_int_equal(header.gas_used, 5);
	assert_int_equal(header.base_fee.bytes[31], 10);
	assert_int_equal(header.excess_blob_gas, 0x20000);
	assert_int_equal(header.has, HEADER_BASE_FEE | HEADER_EXCESS_BLOB_GAS);
	assert_true(prague);
	/* Optional members that are null or malformed are absent. */
	assert_ok(parse(
		REQUIRED, "",
		",\"baseFeePerGas\":null,\"excessBlobGas\":\"20000\",\"requestsHash\":\"0x\"",
		&header, &prague, NULL));
	assert_int_equal(header.has, 0);
	assert_false(prague);
}

static void what_every_chain_has_must_be_there(void **state)
{
	struct block_header header;
	struct err_detail detail;
	char bad[64], want[64];
	bool prague;

	(void)state;
	for (size_t i = 0; i < REQUIRED; i++) {
		const char *name = required[i].name;
		snprintf(want, sizeof want, "the block has no valid %s", name);
		assert_int_equal(parse(i, "\"y\":0", "", &header, &prague, &detail),
				 ERR_BAD_ANSWER);
		assert_string_equal(detail.text, want);
		static const char *const forms[] = {"null",   "12", "\"0x\"",
						    "\"zz\"", "{}", "\"0x012\""};
		for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
			snprintf(bad, sizeof bad, "\"%s\":%s", name, forms[f]);
			assert_int_equal(parse(i, bad, "", &header, &prague, &detail),
					 ERR_BAD_ANSWER);
			assert_string_equal(detail.text, want);
		}
	}
	assert_int_equal(block_header_parse(SPAN("[]"), &header, &prague, NULL),
			 ERR_BAD_ANSWER);
	assert_int_equal(block_header_parse(SPAN(""), &header, &prague, NULL), ERR_BAD_ANSWER);
}

static void the_gas_price_is_the_base_fee_and_a_tip(void **state)
{
	struct head head = {0};

	(void)state;
	struct eth_u256 price = head_gas_price(&head);
	assert_int_equal(be64_get(price.bytes + 24), 1000000000);
	head.header.has = HEADER_BASE_FEE;
	head.header.base_fee = eth_u256_from_u64(UINT64_MAX);
	price = head_gas_price(&head);
	assert_int_equal(be64_get(price.bytes + 24), 999999999);
	assert_int_equal(be64_get(price.bytes + 16), 1);
	assert_int_equal(be64_get(price.bytes + 8), 0);
	/* 0x00ff…ff + 0x3b9aca00 */
	memset(head.header.base_fee.bytes + 1, 0xff, 31);
	head.header.base_fee.bytes[0] = 0;
	price = head_gas_price(&head);
	assert_int_equal(price.bytes[0], 1);
	assert_int_equal(price.bytes[1], 0);
	assert_int_equal(be64_get(price.bytes + 24), 0x3b9ac9ff);
}

static void the_next_base_fee_is_eip_1559s(void **state)
{
	static const struct {
		uint64_t fee, limit, used, next;
	} rows[] = {
		/* mainnet's blocks 12965000 and 12965001, the first of London */
		{1000000000, 30029122, 30025257, 1124967822},
		{1000, 20, 10, 1000}, /* the target */
		{1000, 20, 20, 1125},
		{1000, 20, 0, 875},
		{1, 20, 20, 2}, /* it grows by one at least */
		{7, 20, 0, 7},	/* and does not shrink so */
		{0, 20, 20, 1},
		{1000, 0, 0, 1000},
		{1000, 1, 1, 1000}, /* no target */
	};
	struct head head = {.header.has = HEADER_BASE_FEE};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		head.header.base_fee = eth_u256_from_u64(rows[i].fee);
		head.header.gas_limit = rows[i].limit;
		head.header.gas_used = rows[i].used;
		struct eth_u256 next = head_next_base_fee(&head);
		assert_int_equal(be64_get(next.bytes + 16), 0);
		assert_int_equal(be64_get(next.bytes + 24), rows[i].next);
	}
	/* An eighth more than 64 bits hold. */
	head.header.base_fee = eth_u256_from_u64(UINT64_MAX);
	head.header.gas_limit = 16;
	head.header.gas_used = 16;
	struct eth_u256 next = head_next_base_fee(&head);
	assert_int_equal(be64_get(next.bytes + 16), 1);
	assert_int_equal(be64_get(next.bytes + 24), UINT64_MAX / 8 - 1);
	head.header.base_fee.bytes[0] = 1;
	next = head_next_base_fee(&head);
	assert_memory_equal(&next, &head.header.base_fee, sizeof next);
}

/* EIP-4844's fake_exponential on integers of any size, and where its result passes one, two
 * and 64 bits. The first rows are go-ethereum's (TestCalcBlobFee). */
static void the_blob_fee_is_that_of_the_eip(void **state)
{
	static const struct {
		bool prague;
		uint64_t excess, fee;
	} rows[] = {
		{false, 0, 1},
		{false, 2314057, 1},
		{false, 2314058, 2},
		{false, 10485760, 23},
		{false, 100000000, UINT64_C(10203769476395)},
		{false, 146892988, UINT64_C(12851600114177966598)},
		{false, 148099578, UINT64_C(18446739238971471609)},
		{false, 148099579, UINT64_MAX},
		{false, 150231464, UINT64_MAX},
		{false, 150231465, UINT64_MAX},
		{true, 0, 1},
		{true, 2314058, 1},
		{true, 3471086, 1},
		{true, 3471087, 2},
		{true, 10485760, 8},
		{true, 100000000, 470442149},
		{true, 222149390, UINT64_C(18446742259463423153)},
		{true, 222149391, UINT64_MAX},
		/* A term times this leaves 128 bits. */
		{false, UINT64_C(1) << 52, UINT64_MAX},
		{true, UINT64_C(3) << 52, UINT64_MAX},
		{true, UINT64_MAX, UINT64_MAX},
	};
	struct head head = {0};

	(void)state;
	assert_int_equal(head_blob_base_fee(&head, 0), 1);
	head.header.excess_blob_gas = 100000000;
	assert_int_equal(head_blob_base_fee(&head, 0), 1); /* not of this header */
	head.header.has = HEADER_EXCESS_BLOB_GAS;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		head.is_prague = rows[i].prague;
		head.header.excess_blob_gas = rows[i].excess;
		assert_true(head_blob_base_fee(&head, 0) == rows[i].fee);
	}
}

/* Headers of Prague and later look alike: the time tells them apart, on chains that are known.
 */
static void the_blob_fee_knows_the_forks_of_its_chain(void **state)
{
	static const struct {
		uint64_t chain_id, timestamp, fee;
	} rows[] = {
		{1, 1765290070, 470442149},   {1, 1765290071, 159773},
		{1, 1767747670, 159773},      {1, 1767747671, 5209},
		{1, UINT64_MAX, 5209},	      {11155111, 1761607007, 159773},
		{11155111, 1761607008, 5209}, {560048, 1762955543, 159773},
		{560048, 1762955544, 5209},   {31337, 1767747671, 470442149},
	};
	struct head head = {.is_prague = true};

	(void)state;
	head.header.has = HEADER_EXCESS_BLOB_GAS;
	head.header.excess_blob_gas = 100000000;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		head.header.timestamp = rows[i].timestamp;
		assert_int_equal(head_blob_base_fee(&head, rows[i].chain_id), rows[i].fee);
	}
	head.header.excess_blob_gas = UINT64_C(45) * 11684671 - 1;
	assert_true(head_blob_base_fee(&head, 1) == UINT64_MAX);
}

static void finality_is_a_number(void **state)
{
	const struct chain chain = {.finalized = 10};

	(void)state;
	assert_true(chain_is_final(&chain, 0));
	assert_true(chain_is_final(&chain, 10));
	assert_false(chain_is_final(&chain, 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read),
		cmocka_unit_test(what_every_chain_has_must_be_there),
		cmocka_unit_test(the_next_base_fee_is_eip_1559s),
		cmocka_unit_test(the_gas_price_is_the_base_fee_and_a_tip),
		cmocka_unit_test(the_blob_fee_is_that_of_the_eip),
		cmocka_unit_test(the_blob_fee_knows_the_forks_of_its_chain),
		cmocka_unit_test(finality_is_a_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
