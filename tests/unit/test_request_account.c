/* SPDX-License-Identifier: MIT */
/* eth_getAccount: from facts, or from a proof where no upstream has it. */
#include "request_fixture.h"

static struct {
	bool lacks_account, lacks_proof;
	const char *proof; /* what eth_getProof answers */
} node;

#define CODE_HASH    "\"0x" ZEROS_58 "c0de00\""
#define STORAGE_ROOT "\"0x" ZEROS_58 "500700\""
#define EMPTY_CODE   "\"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470\""
#define EMPTY_TRIE   "\"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421\""
#define ZERO_HASH    "\"0x" ZEROS_58 "000000\""
#define PROOF_OF(balance, nonce, code, storage)                                       \
	"{\"address\":\"" ADDRESS "\",\"balance\":\"" balance "\",\"codeHash\":" code \
	",\"nonce\":\"" nonce "\",\"storageHash\":" storage ",\"storageProof\":[]}"
#define ACCOUNT_OF(balance, nonce, code, storage)                                      \
	RESULT("{\"balance\":\"" balance "\",\"codeHash\":" code ",\"nonce\":\"" nonce \
	       "\",\"storageRoot\":" storage "}")

#define USUAL ACCOUNT_OF("0x7", "0x3", CODE_HASH, STORAGE_ROOT)

static void answer(const struct fork_question *q, struct fork_answer *a)
{
	bool account = span_is(q->method, "eth_getAccount");
	bool proof = span_is(q->method, "eth_getProof");

	if (q->kind != FORK_CALL || !(account || proof)) {
		good_node(q, a);
		return;
	}
	remember(q);
	if (account ? node.lacks_account : node.lacks_proof) {
		a->err = ERR_UNSUPPORTED;
		a->blob = json_blob("{\"code\":-32601,\"message\":\"not here\"}");
	} else {
		a->blob = json_blob("%s", account ? "null" : node.proof);
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&node, 0, sizeof node);
	node.proof = PROOF_OF("0x7", "0x3", CODE_HASH, STORAGE_ROOT);
	rig_start(answer);
	return 0;
}

#define NONE(body, reply)    assert_int_equal(expect(body, reply), 0)
#define ASKS(n, body, reply) assert_int_equal(expect(body, reply), n)

static void an_account_of_its_facts(void **state)
{
	(void)state;
	struct http_exchange *x =
		fake_http_post(request_start, rig.pool,
			       CALL("eth_getProof", "[\"" ADDRESS "\",[],\"latest\"]"));
	fake_fork_deliver();
	fake_http_free(&x);
	NONE(CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]"), USUAL);
	NONE(CALL("eth_getBalance", "[\"" ADDRESS "\"]"), RESULT("\"0x7\""));
	NONE(CALL("eth_getTransactionCount", "[\"" ADDRESS "\"]"), RESULT("\"0x3\""));
	/* The code's hash is not the code. */
	ASKS(1, CALL("eth_getCode", "[\"" ADDRESS "\"]"), RESULT("\"0x6001\""));
	NONE(CALL("eth_getAccountInfo", "[\"" ADDRESS "\"]"),
	     RESULT("{\"balance\":\"0x7\",\"nonce\":\"0x3\",\"code\":\"0x6001\"}"));
}

static void an_account_of_its_proof(void **state)
{
	(void)state;
	node.lacks_account = true;
	ASKS(2, CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]"), USUAL);
	assert_string_equal(last_method, "eth_getProof");
	assert_string_equal(last_params, "[\"" ADDRESS "\",[],{\"blockHash\":"
					 "\"" HASH_1000 "\""
					 "}]");
	NONE(CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]"), USUAL);
	NONE(CALL("eth_getBalance", "[\"" ADDRESS "\"]"), RESULT("\"0x7\""));
}

/* As nodes say it (go-ethereum, Nethermind, reth). */
static void an_account_that_does_not_exist(void **state)
{
	static const struct {
		const char *proof, *account;
	} rows[] = {
		{PROOF_OF("0x0", "0x0", EMPTY_CODE, EMPTY_TRIE), RESULT("null")},
		{PROOF_OF("0x0", "0x0", ZERO_HASH, ZERO_HASH), RESULT("null")},
		{PROOF_OF("0x0", "0x1", EMPTY_CODE, EMPTY_TRIE),
		 ACCOUNT_OF("0x0", "0x1", EMPTY_CODE, EMPTY_TRIE)},
		{PROOF_OF("0x1", "0x0", EMPTY_CODE, EMPTY_TRIE),
		 ACCOUNT_OF("0x1", "0x0", EMPTY_CODE, EMPTY_TRIE)},
		{PROOF_OF("0x0", "0x0", CODE_HASH, EMPTY_TRIE),
		 ACCOUNT_OF("0x0", "0x0", CODE_HASH, EMPTY_TRIE)},
		{PROOF_OF("0x0", "0x0", EMPTY_CODE, STORAGE_ROOT),
		 ACCOUNT_OF("0x0", "0x0", EMPTY_CODE, STORAGE_ROOT)},
	};
	const char *body = CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]");

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		node.proof = rows[i].proof;
		node.lacks_account = true;
		ASKS(2, body, rows[i].account);
		/* From its facts, or the proof. */
		NONE(body, rows[i].account);
		teardown(state);
		setup(state);
	}
}

static void an_account_that_nobody_can_tell(void **state)
{
	(void)state;
	node.lacks_account = node.lacks_proof = true;
	ASKS(2, CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]"),
	     ERROR(-32601, "the method eth_getAccount does not exist/is not available"));
	ASKS(1, CALL("eth_getAccount", "[\"" ADDRESS "\",\"latest\"]"),
	     ERROR(-32601, "the method eth_getAccount does not exist/is not available"));
	/* A method that nothing is composed of passes the upstream's words on. */
	ASKS(1, CALL("eth_getProof", "[\"" ADDRESS "\",[],\"latest\"]"),
	     ERROR(-32601, "not here"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_account_of_its_facts),
		T(an_account_of_its_proof),
		T(an_account_that_does_not_exist),
		T(an_account_that_nobody_can_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
