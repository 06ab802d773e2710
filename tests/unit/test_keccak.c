/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "base/keccak.h"

static void assert_digest(const void *bytes, size_t n, const char *hex)
{
	struct eth_bytes32 digest, want;
	assert_ok(eth_data_parse(span_of(hex), want.bytes, 32));
	keccak256(bytes, n, &digest);
	assert_memory_equal(digest.bytes, want.bytes, 32);
}

static void nothing_hashes_to_the_empty_code_hash(void **state)
{
	(void)state;
	struct eth_bytes32 digest;
	keccak256(NULL, 0, &digest);
	assert_true(eth_bytes32_equal(&digest, &eth_empty_code_hash));
	/* The RLP of nothing. */
	keccak256("\x80", 1, &digest);
	assert_true(eth_bytes32_equal(&digest, &eth_empty_trie_root));
}

/* Digests of 'a' repeated, on both sides of the 136-byte rate. */
static void around_the_rate(void **state)
{
	(void)state;
	char text[300];
	memset(text, 'a', sizeof text);
	assert_digest("abc", 3,
		      "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
	assert_digest(text, 135,
		      "0x34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446");
	assert_digest(text, 136,
		      "0xa6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e");
	assert_digest(text, 137,
		      "0xd869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39");
}

/* The transfer event that every ERC-20 token emits (EIP-20). */
static void a_well_known_topic(void **state)
{
	(void)state;
	const char *event = "Transfer(address,address,uint256)";
	assert_digest(event, strlen(event),
		      "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_hashes_to_the_empty_code_hash),
		cmocka_unit_test(around_the_rate),
		cmocka_unit_test(a_well_known_topic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
