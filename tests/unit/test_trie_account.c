/* SPDX-License-Identifier: MIT */
#include "trie_fixture.h"

#define EMPTY_ROOT                                                         \
	"\xa0\x56\xe8\x1f\x17\x1b\xcc\x55\xa6\xff\x83\x45\xe6\x92\xc0\xf8" \
	"\x6e\x5b\x48\xe0\x1b\x99\x6c\xad\xc0\x01\x62\x2f\xb5\xe3\x63\xb4\x21"
#define EMPTY_CODE                                                         \
	"\xa0\xc5\xd2\x46\x01\x86\xf7\x23\x3c\x92\x7e\x7d\xb2\xdc\xc7\x03" \
	"\xc0\xe5\x00\xb6\x53\xca\x82\x27\x3b\x7b\xfa\xd8\x04\x5d\x85\xa4\x70"

static void assert_account(uint64_t nonce, unsigned balance_bytes)
{
	struct trie_account account = trie_account_empty, again;
	unsigned char out[TRIE_ACCOUNT_BYTES];
	struct buf want;

	account.nonce = nonce;
	for (unsigned i = 0; i < balance_bytes; i++)
		account.balance.bytes[31 - i] = (unsigned char)(0x7f + i);
	buf_init(&want, 1024);
	const size_t mark = rlp_list_open(&want);
	rlp_u64(&want, nonce);
	rlp_u256(&want, &account.balance);
	rlp_string(&want, account.storage_root.bytes, 32);
	rlp_string(&want, account.code_hash.bytes, 32);
	rlp_list_close(&want, mark);
	const struct span leaf = trie_account_encode(&account, out);
	assert_true(span_equal(leaf, buf_as_span(&want)));
	assert_ok(trie_account_decode(leaf, &again));
	assert_memory_equal(&again, &account, sizeof account);
	buf_release(&want);
}

static void accounts(void **state)
{
	(void)state;
	static const uint64_t nonces[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, UINT64_MAX - 1};

	assert_memory_equal(trie_account_empty.storage_root.bytes, eth_empty_trie_root.bytes,
			    32);
	assert_memory_equal(trie_account_empty.code_hash.bytes, eth_empty_code_hash.bytes, 32);
	for (size_t i = 0; i < sizeof nonces / sizeof *nonces; i++)
		for (unsigned n = 0; n <= 32; n++)
			assert_account(nonces[i], n);
}

static void assert_refused(struct span leaf)
{
	struct trie_account account;

	assert_int_equal(trie_account_decode(leaf, &account), ERR_CORRUPT);
}

static void what_is_no_account(void **state)
{
	(void)state;
	struct trie_account account;

	assert_ok(
		trie_account_decode(SPAN("\xf8\x44\x80\x80" EMPTY_ROOT EMPTY_CODE), &account));
	assert_refused(SPAN(""));
	assert_refused(SPAN("\x80"));
	assert_refused(SPAN("\xc0"));
	assert_refused(SPAN("\xf8\x44\x80\x80" EMPTY_ROOT EMPTY_CODE "\x80")); /* behind it */
	assert_refused(
		SPAN("\xf8\x45\x80\x80" EMPTY_ROOT EMPTY_CODE "\x80")); /* a fifth field */
	assert_refused(SPAN("\xf8\x44\x00\x80" EMPTY_ROOT EMPTY_CODE)); /* zeros that lead */
	assert_refused(SPAN("\xf8\x46\x80\x82\x00\x01" EMPTY_ROOT EMPTY_CODE));
	assert_refused(SPAN("\xf8\x44\xc0\x80" EMPTY_ROOT EMPTY_CODE)); /* a list */
	assert_refused(SPAN("\xe3\x80\x80" EMPTY_ROOT));		/* a field is missing */
	assert_refused(SPAN("\xe4\x80\x80" EMPTY_ROOT "\x80"));		/* not 32 bytes */
	/* Nine bytes of nonce, 33 of balance. */
	assert_refused(SPAN(
		"\xf8\x4d\x89\x01\x02\x03\x04\x05\x06\x07\x08\x09\x80" EMPTY_ROOT EMPTY_CODE));
	assert_refused(SPAN("\xf8\x65\x80\xa1\x01" EMPTY_ROOT EMPTY_ROOT EMPTY_CODE));
}

static void words(void **state)
{
	(void)state;
	unsigned char out[TRIE_WORD_BYTES];
	struct eth_bytes32 word = {{0}}, again;

	assert_span(trie_word_encode(&word, out), "");
	for (int bit = 0; bit < 256; bit++) {
		struct buf want;
		word = (struct eth_bytes32){{0}};
		word.bytes[31 - bit / 8] = (unsigned char)(1u << bit % 8);
		buf_init(&want, 64);
		rlp_string(&want, word.bytes + 31 - bit / 8, (size_t)bit / 8 + 1);
		assert_true(span_equal(trie_word_encode(&word, out), buf_as_span(&want)));
		assert_ok(trie_word_decode(buf_as_span(&want), &again));
		assert_memory_equal(again.bytes, word.bytes, 32);
		buf_release(&want);
	}
	assert_ok(trie_word_decode(SPAN(""), &word));
	assert_memory_equal(word.bytes, (struct eth_bytes32){{0}}.bytes, 32);
	assert_int_equal(trie_word_decode(SPAN("\x80"), &word), ERR_CORRUPT);
	assert_int_equal(trie_word_decode(SPAN("\x00"), &word), ERR_CORRUPT);
	assert_int_equal(trie_word_decode(SPAN("\x82\x00\x01"), &word), ERR_CORRUPT);
	assert_int_equal(trie_word_decode(SPAN("\x01\x01"), &word), ERR_CORRUPT);
	assert_int_equal(trie_word_decode(SPAN("\xc1\x01"), &word), ERR_CORRUPT);
	assert_int_equal(trie_word_decode(SPAN("\xa1\x01" EMPTY_ROOT), &word), ERR_CORRUPT);
}

/* ---- nodes by hash ---- */

static void nodes_are_found_by_hash(void **state)
{
	(void)state;
	enum { TEXTS = 3000 };
	struct trie_nodes *nodes = trie_nodes_new(1 << 20);
	char text[64];
	struct span found, first = {NULL, 0};
	struct eth_bytes32 hash;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < TEXTS; i++) {
			const int n = snprintf(text, sizeof text, "node %d", i);
			assert_ok(trie_nodes_add(nodes, (struct span){text, (size_t)n}));
		}
		assert_int_equal(trie_nodes_count(nodes), TEXTS);
		keccak256("node 0", 6, &hash);
		assert_true(trie_nodes_find(nodes, &hash, &found));
		assert_span(found, "node 0");
		assert_true(!first.ptr || first.ptr == found.ptr);
		first = found;
	}
	for (int i = 0; i < TEXTS; i++) {
		const int n = snprintf(text, sizeof text, "node %d", i);
		keccak256(text, (size_t)n, &hash);
		assert_true(trie_nodes_find(nodes, &hash, &found));
		assert_true(span_equal(found, (struct span){text, (size_t)n}));
	}
	hash.bytes[31] ^= 1;
	assert_false(trie_nodes_find(nodes, &hash, &found));
	trie_nodes_free(&nodes);
	assert_null(nodes);
	trie_nodes_free(&nodes);
}

static void nodes_have_limits(void **state)
{
	(void)state;
	struct trie_nodes *nodes = trie_nodes_new(3 * (TRIE_NODE_BYTES + 64));
	static char text[TRIE_NODE_BYTES + 1];
	const struct span two[] = {{text, 1}, {text, 2}};
	enum err err = OK;

	assert_int_equal(trie_nodes_add(nodes, (struct span){text, sizeof text}), ERR_LIMIT);
	assert_int_equal(trie_nodes_add(nodes, SPAN("")), ERR_LIMIT);
	assert_ok(trie_nodes_add_all(nodes, two, 2));
	for (size_t n = TRIE_NODE_BYTES; err == OK && n > TRIE_NODE_BYTES - 9; n--)
		err = trie_nodes_add(nodes, (struct span){text, n});
	assert_int_equal(err, ERR_LIMIT);
	assert_in_range(trie_nodes_count(nodes), 4, 5);
	trie_nodes_free(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts),
		cmocka_unit_test(what_is_no_account),
		cmocka_unit_test(words),
		cmocka_unit_test(nodes_are_found_by_hash),
		cmocka_unit_test(nodes_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
