/* SPDX-License-Identifier: MIT */
/* Answers of upstreams: believed or not, kept or not. */
#include "keep_fixture.h"
#include "base/keccak.h"

#define KEY	   "1:some_method[\"0x00\"]"
#define B100	   "\"0x0000000000000000000000000000000000000000000000000000000000000064\""
#define B101	   "\"0x0000000000000000000000000000000000000000000000000000000000000065\""
#define ZERO	   "\"0x0000000000000000000000000000000000000000000000000000000000000000\""
#define EMPTY_CODE "\"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470\""
#define ADDRESS	   "\"0x00000000000000000000000000000000000000aa\""

/* What is known of block 100 by its number and hash. */
static struct keep keep_as(enum keep_kind kind, unsigned flags)
{
	return (struct keep){.kind = kind,
			     .flags = KEEP_HAS_HASH | KEEP_HAS_NUMBER | flags,
			     .number = 100,
			     .hash = hash_of(100)};
}

static void nothing_is_kept_of_nothing(void **state)
{
	struct keep keep = keep_as(KEEP_NOTHING, KEEP_FIXED);

	(void)state;
	accepted(&keep, KEY, "{\"x\":1}", false);
	const struct fork_question bare = {.kind = FORK_CALL};
	assert_ok(keep_check(&bare, SPAN("1"), NULL));
	struct fork_answer answer = {.blob = blob_copy("1", 1), .detail = ""};
	keep_store(&rig.chain, rig.stack, &bare, &answer);
	blob_put(&answer.blob);
}

static void plain_answers_are_kept_of_a_fixed_block(void **state)
{
	static const char *const nothing[] = {"null", "[]", "[ ]", "\"0x\""};
	struct keep loose = keep_as(KEEP_PLAIN, 0), fixed = keep_as(KEEP_PLAIN, KEEP_FIXED);

	(void)state;
	accepted(&loose, KEY, "\"0x1\"", false);
	for (size_t i = 0; i < 4; i++)
		accepted(&fixed, KEY, nothing[i], false);
	accepted(&fixed, KEY, "\"0x0\"", true);
}

#define BLOCK(number, hash)                                                 \
	"{\"number\":\"" number "\",\"hash\":" hash ",\"parentHash\":" ZERO \
	",\"stateRoot\":" ZERO ",\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\"}"

static void blocks_say_their_number_and_hash(void **state)
{
	struct keep keep = keep_as(KEEP_BLOCK, 0);
	struct eth_bytes32 hash;
	uint64_t number;

	(void)state;
	refused(&keep, KEY, BLOCK("0x65", B100), "answered block 101 when asked for block 100");
	refused(&keep, KEY, BLOCK("0x64", B101),
		"answered another block 100 than the one known by that hash");
	refused(&keep, KEY, "{}", "the block has no valid number");
	refused(&keep, KEY, "[]", "the block is not an object");
	accepted(&keep, KEY, "null", false);
	accepted(&keep, KEY, BLOCK("0x64", B100), true);
	/* Asked for by hash: its number is known, and not that the number is its own. */
	hash = hash_of(100);
	assert_int_equal(stack_get_number(rig.view, &hash, &number), HIT);
	assert_int_equal(number, 100);
	assert_int_equal(stack_get_binding(rig.view, 100, &hash), MISS);
}

static void blocks_by_number_are_kept_under_their_hash(void **state)
{
	struct eth_bytes32 hash;
	struct buf key;

	(void)state;
	buf_init(&key, 256);
	hash = hash_of(0);
	block_key(&rig.chain, &hash, false, &key);
	buf_char(&key, '\0');
	struct keep keep = {.kind = KEEP_BLOCK,
			    .flags = KEEP_HAS_NUMBER | KEEP_CANONICAL,
			    .number = 100,
			    .hash_at = (uint32_t)(strlen(key.ptr) - strlen("\",false]") - 64)};
	accepted(&keep, key.ptr, BLOCK("0x64", B100), false);
	assert_true(is_kept("1:eth_getBlockByHash[" B100 ",false]", BLOCK("0x64", B100)));
	assert_int_equal(stack_get_binding(rig.view, 100, &hash), HIT);
	assert_int_equal(hash.bytes[31], 100);
	/* Above the final ones a number is bound to nothing. */
	keep.number = FINAL + 1;
	accepted(&keep, key.ptr, BLOCK("0x385", B101), false);
	assert_true(is_kept("1:eth_getBlockByHash[" B101 ",false]", NULL));
	assert_int_equal(stack_get_binding(rig.view, FINAL + 1, &hash), MISS);
	buf_release(&key);
}

static void parts_of_a_block_name_it(void **state)
{
	struct keep keep = keep_as(KEEP_OF_BLOCK, 0);

	(void)state;
	refused(&keep, KEY, "[{\"blockHash\":" B100 "},{\"blockHash\":" B101 "}]",
		"the answer is of another block");
	refused(&keep, KEY, "[{\"blockHash\":" B100 "},{}]",
		"the answer does not name its block");
	refused(&keep, KEY, "[1]", "the answer does not name its block");
	refused(&keep, KEY, "{\"blockHash\":null}", "the answer does not name its block");
	accepted(&keep, KEY, "[]", false);
	accepted(&keep, KEY, "null", false);
	accepted(&keep, KEY, "[{\"blockHash\":" B100 "}]", true);
}

static void a_transaction_is_at_its_place(void **state)
{
	struct keep keep = keep_as(KEEP_TX_AT, 0);

	(void)state;
	keep.count = 3;
	refused(&keep, KEY, "{\"blockHash\":" B100 ",\"transactionIndex\":\"0x2\"}",
		"the answer is not the transaction at that index");
	refused(&keep, KEY, "{\"blockHash\":" B100 "}",
		"the answer is not the transaction at that index");
	refused(&keep, KEY, "{\"blockHash\":" B101 ",\"transactionIndex\":\"0x3\"}",
		"the answer is of another block");
	accepted(&keep, KEY, "null", false);
	accepted(&keep, KEY, "{\"blockHash\":" B100 ",\"transactionIndex\":\"0x3\"}", true);
}

static void lists_have_one_element_for_each_transaction(void **state)
{
	struct keep unknown = keep_as(KEEP_PER_TX, KEEP_FIXED);
	struct keep two = keep_as(KEEP_PER_TX, KEEP_FIXED | KEEP_HAS_COUNT);
	struct keep none = two, loose = two;

	(void)state;
	two.count = loose.count = 2;
	loose.flags &= ~(uint32_t)KEEP_FIXED;
	accepted(&unknown, KEY, "[]", false);
	accepted(&unknown, KEY, "[1,2]", false);
	refused(&two, KEY, "[]", "nothing was answered for a block with 2 transactions");
	refused(&two, KEY, "{}", "the answer is not a list");
	refused(&none, KEY, "\"0x\"", "the answer is not a list");
	accepted(&two, KEY, "[1]", false);
	accepted(&two, KEY, "[1,2,3]", false);
	accepted(&two, KEY, "[{\"result\":1},{\"error\":\"execution timeout\"}]", false);
	accepted(&loose, KEY, "[{\"result\":1},{\"result\":2}]", false);
	accepted(&two, KEY, "[{\"result\":1},{\"result\":2}]", true);
	accepted(&none, KEY "0", "null", false);
	accepted(&none, KEY "0", "[]", true);
}

#define RECEIPT(hash, block) "{\"transactionHash\":" hash ",\"blockHash\":" block "}"
#define RECEIPTS	     "[" RECEIPT(B100, B100) "," RECEIPT(B101, B100) "]"
#define RECEIPT_KEY(hash)    "1:eth_getTransactionReceipt[" hash "]"

static void receipts_are_kept_one_by_one(void **state)
{
	const unsigned counted = KEEP_FIXED | KEEP_HAS_COUNT;
	struct keep keep = keep_as(KEEP_RECEIPTS, counted | KEEP_CANONICAL);

	(void)state;
	keep.count = 2;
	refused(&keep, KEY, "[]", "nothing was answered for a block with 2 transactions");
	refused(&keep, KEY, "[" RECEIPT(B100, B101) "]", "the answer is of another block");
	accepted(&keep, KEY, "[" RECEIPT(B100, B100) "]", false);
	assert_false(is_kept(RECEIPT_KEY(B100), NULL));
	/* By hash, of a block that may not be on the chain, or that is not final. */
	keep.flags &= ~(uint32_t)KEEP_CANONICAL;
	accepted(&keep, KEY "1", RECEIPTS, true);
	assert_false(is_kept(RECEIPT_KEY(B100), NULL));
	keep.flags |= KEEP_CANONICAL;
	keep.number = FINAL + 1;
	accepted(&keep, KEY "2", RECEIPTS, true);
	assert_false(is_kept(RECEIPT_KEY(B100), NULL));
	keep.number = 100;
	accepted(&keep, KEY, RECEIPTS, true);
	assert_true(is_kept(RECEIPT_KEY(B100), RECEIPT(B100, B100)));
	assert_true(is_kept(RECEIPT_KEY(B101), RECEIPT(B101, B100)));
}

static void transactions_are_kept_when_final(void **state)
{
	struct keep keep = {.kind = KEEP_TX, .hash = hash_of(100)};
	struct span absent;

	(void)state;
	refused(&keep, KEY, "{\"hash\":" B101 ",\"blockNumber\":\"0x64\"}",
		"the answer is about another transaction");
	refused(&keep, KEY, "{}", "the answer is not a transaction");
	refused(&keep, KEY, "[]", "the answer is not a transaction");
	accepted(&keep, KEY, "{\"hash\":" B100 ",\"blockNumber\":null}", false);
	accepted(&keep, KEY, "{\"hash\":" B100 ",\"blockNumber\":\"0x385\"}", false);
	accepted(&keep, KEY, "{\"hash\":" B100 ",\"blockNumber\":\"0x384\"}", true);
	accepted(&keep, KEY "r", "{\"transactionHash\":" B100 ",\"blockNumber\":\"0x1\"}",
		 true);
	/* None: of this pinned block, if it is final. */
	struct reply reply = {0};
	accepted(&keep, KEY "0", "null", false);
	absent = absent_key(&rig.arena, SPAN(KEY "0"), &rig.chain);
	assert_int_equal(stack_get_reply(rig.view, absent, &reply), MISS);
	rig.chain.pinned.block.final = true;
	accepted(&keep, KEY "0", "null", false);
	assert_int_equal(stack_get_reply(rig.view, absent, &reply), MISS);
	/* And of a node that has that block. */
	keep.flags = KEEP_ABSENT;
	accepted(&keep, KEY "0", "null", false);
	assert_int_equal(stack_get_reply(rig.view, absent, &reply), HIT);
	assert_span(reply.json, "null");
	reply_release(&reply);
	rig.chain.pinned.block.at.hash = hash_of(PIN + 1);
	absent = absent_key(&rig.arena, SPAN(KEY "0"), &rig.chain);
	assert_int_equal(stack_get_reply(rig.view, absent, &reply), MISS);
}

/* keccak256 of c2 80 c0 80 and of its parts. */
static void raw_bytes_have_their_hash(void **state)
{
	static const unsigned char tx[] = {0xc2, 0x80, 0xc0, 0x80};
	static const unsigned char header[] = {0xc2, 0x01, 0x02};
	struct keep keep = {.kind = KEEP_RAW_TX};

	(void)state;
	keccak256(tx, sizeof tx, &keep.hash);
	refused(&keep, KEY, "\"0xc280c081\"", "the answer's bytes have another hash");
	refused(&keep, KEY, "\"0x\"", "the answer's bytes have another hash");
	refused(&keep, KEY, "\"0xc280c08\"", "the answer is not data");
	refused(&keep, KEY, "{}", "the answer is not data");
	accepted(&keep, KEY, "null", false);
	accepted(&keep, KEY, "\"0xC280c080\"", true);

	keep = keep_as(KEEP_RAW_HEADER, 0);
	keccak256(header, sizeof header, &keep.hash);
	refused(&keep, KEY "h", "\"0xc20103\"", "the answer's bytes have another hash");
	accepted(&keep, KEY "h", "\"0xc20102\"", true);

	/* [[1, 2], [], []] */
	keep.kind = KEEP_RAW_BLOCK;
	refused(&keep, KEY "b", "\"0xc20102\"", "the answer's bytes have another hash");
	refused(&keep, KEY "b", "\"0x80\"", "the answer's bytes have another hash");
	refused(&keep, KEY "b", "\"0xc5c20103c0c0\"", "the answer's bytes have another hash");
	accepted(&keep, KEY "b", "\"0xc5c20102c0c0\"", true);
}

#define ACCOUNT(root, code) \
	"\"balance\":\"0x7\",\"nonce\":\"0x3\",\"codeHash\":" code ",\"" root "\":" B100

static enum lookup fact_of(enum fact_kind kind, uint64_t slot, uint64_t *value)
{
	struct fact fact = {.kind = kind, .slot = hash_of(slot)};

	fact.address.bytes[19] = 0xaa;
	fact.block.at.number = 100;
	fact.block.at.hash = hash_of(100);
	fact_prepare(rig.view, &fact);
	enum lookup found = stack_get_fact(rig.view, &fact);
	*value = be64_get(fact.value.bytes + 24);
	fact_release(&fact);
	return found;
}

static void accounts_bring_their_facts(void **state)
{
	struct keep keep = keep_as(KEEP_ACCOUNT, 0);
	uint64_t value;

	(void)state;
	keep.address.bytes[19] = 0xaa;
	refused(&keep, KEY, "{}", "the answer is not an account");
	refused(&keep, KEY, "{" ACCOUNT("storageHash", B101) "}",
		"the answer is not an account");
	accepted(&keep, KEY, "null", false);
	assert_int_equal(fact_of(FACT_BALANCE, 0, &value), MISS);
	/* A code hash of zero is none that is known. */
	accepted(&keep, KEY, "{" ACCOUNT("storageRoot", ZERO) "}", true);
	assert_int_equal(fact_of(FACT_BALANCE, 0, &value), HIT);
	assert_int_equal(value, 7);
	assert_int_equal(fact_of(FACT_NONCE, 0, &value), HIT);
	assert_int_equal(value, 3);
	assert_int_equal(fact_of(FACT_CODE, 0, &value), MISS);
	accepted(&keep, KEY "1", "{" ACCOUNT("storageRoot", EMPTY_CODE) "}", true);
	assert_int_equal(fact_of(FACT_CODE, 0, &value), HIT);
}

#define PROOF_KEY "1:eth_getProof[" ADDRESS ",[" B100 "," B101 "]," B100 "]"
#define PROOF(address, slots)   \
	"{\"address\":" address \
	"," ACCOUNT("storageHash", EMPTY_CODE) ",\"storageProof\":[" slots "]}"
#define PROVEN(key, value) "{\"key\":\"" key "\",\"value\":\"" value "\",\"proof\":[]}"

static void proofs_are_of_the_slots_asked_for(void **state)
{
	struct keep keep = keep_as(KEEP_PROOF, 0);
	uint64_t value;

	(void)state;
	keep.address.bytes[19] = 0xaa;
	refused(&keep, PROOF_KEY, PROOF("\"0x00000000000000000000000000000000000000ab\"", ""),
		"the proof is of another account");
	refused(&keep, PROOF_KEY, "{" ACCOUNT("storageHash", ZERO) "}",
		"the proof is of another account");
	refused(&keep, PROOF_KEY, "{}", "the answer is not an account's proof");
	refused(&keep, PROOF_KEY, PROOF(ADDRESS, PROVEN("0x64", "0x1")),
		"the proof is of other slots");
	refused(&keep, PROOF_KEY,
		PROOF(ADDRESS, PROVEN("0x65", "0x1") "," PROVEN("0x64", "0x1")),
		"the proof is of other slots");
	refused(&keep, PROOF_KEY,
		PROOF(ADDRESS, PROVEN("0x64", "0x1") "," PROVEN("0x65", "0x1") "," PROVEN(
				       "0x66", "0x1")),
		"the proof is of other slots");
	assert_int_equal(fact_of(FACT_SLOT, 100, &value), MISS);
	accepted(&keep, PROOF_KEY,
		 PROOF(ADDRESS, PROVEN("0x64", "0x0") "," PROVEN("0x065", "0x9")), true);
	assert_int_equal(fact_of(FACT_SLOT, 100, &value), HIT);
	assert_int_equal(value, 0);
	assert_int_equal(fact_of(FACT_SLOT, 101, &value), HIT);
	assert_int_equal(value, 9);
	assert_int_equal(fact_of(FACT_BALANCE, 0, &value), HIT);
	accepted(&keep, "1:eth_getProof[" ADDRESS ",[]," B100 "]", PROOF(ADDRESS, ""), true);
}

static void a_fee_history_ends_with_its_block(void **state)
{
	struct keep keep = keep_as(KEEP_FEES, KEEP_FIXED);

	(void)state;
	refused(&keep, KEY, "{\"gasUsedRatio\":[0.5]}", "the answer is not a fee history");
	refused(&keep, KEY, "{\"oldestBlock\":\"0x63\",\"gasUsedRatio\":[0.5]}",
		"the fee history does not end with the block that was asked for");
	refused(&keep, KEY, "{\"oldestBlock\":\"0x64\",\"gasUsedRatio\":[0.5,0.1]}",
		"the fee history does not end with the block that was asked for");
	accepted(&keep, KEY "0", "{\"oldestBlock\":\"0x0\"}", true);
	accepted(&keep, KEY, "{\"oldestBlock\":\"0x63\",\"gasUsedRatio\":[0.5,0.1]}", true);
	keep.flags &= ~(uint32_t)KEEP_FIXED;
	accepted(&keep, KEY "1", "{\"oldestBlock\":\"0x64\",\"gasUsedRatio\":[0.5]}", false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_kept_of_nothing),
		TEST(plain_answers_are_kept_of_a_fixed_block),
		TEST(blocks_say_their_number_and_hash),
		TEST(blocks_by_number_are_kept_under_their_hash),
		TEST(parts_of_a_block_name_it),
		TEST(a_transaction_is_at_its_place),
		TEST(lists_have_one_element_for_each_transaction),
		TEST(receipts_are_kept_one_by_one),
		TEST(transactions_are_kept_when_final),
		TEST(raw_bytes_have_their_hash),
		TEST(accounts_bring_their_facts),
		TEST(proofs_are_of_the_slots_asked_for),
		TEST(a_fee_history_ends_with_its_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
