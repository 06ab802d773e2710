/* SPDX-License-Identifier: MIT */
/* State roots, storage roots and proofs through the library, and how they fail. */
#include "api_fixture.h"

static void roots_may_be_waited_for_in_any_way(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), value = word_of(77);
	const struct fc_account account = {
		.mask = FC_NONCE | FC_BALANCE | FC_CODE_HASH,
		.nonce = 1,
		.code_hash = *(const struct fc_bytes32 *)(const void *)&eth_empty_code_hash};
	struct fc_bytes32 root, again;
	struct fc_op *op;
	assert_ok(fc_state_root(handle, &root));
	assert_memory_equal(&root, &eth_empty_trie_root, 32);
	assert_ok(fc_set_account(handle, &one, &account));
	assert_ok(fc_set_storage(handle, &one, &slot, &value));
	assert_ok(fc_state_root(handle, &root));
	assert_memory_not_equal(&root, &eth_empty_trie_root, 32);
	assert_ok(fc_state_root_start(handle, NULL, &op));
	assert_ok(fc_op_wait(op, -1));
	assert_ok(fc_op_root(op, &again));
	assert_memory_equal(&root, &again, 32);
	fc_op_free(&op);

	struct fc_read reads[] = {slot_read(1, 5), account_read(1, FC_STORAGE_ROOT | FC_NONCE),
				  slot_read(2, 1)};
	for (int i = 0; i < 3; i++)
		reads[i].prove = true;
	assert_ok(fc_read_many(handle, reads, 3));
	assert_int_equal(number_of(&reads[0].value), 77);
	assert_memory_not_equal(&reads[1].account.storage_root, &eth_empty_trie_root, 32);
	const struct fc_proof *proof = reads[0].proof;
	const uint8_t *nodes[2];
	size_t lens[2];
	assert_int_equal(fc_proof_account_nodes(proof), 1);
	assert_int_equal(fc_proof_storage_nodes(proof), 1);
	for (size_t i = 0; i < 2; i++)
		nodes[i] = fc_proof_node(proof, i, &lens[i]);
	assert_null(fc_proof_node(proof, 2, NULL));
	/* The account comes with the proof, whatever was read. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(reads[i].account.mask, FC_BALANCE | FC_NONCE | FC_CODE_HASH |
								FC_STORAGE_ROOT | FC_EXISTS);
	assert_true(reads[0].account.exists);
	assert_int_equal(reads[0].account.nonce, 1);
	assert_memory_equal(&reads[0].account, &reads[1].account, sizeof account);
	assert_false(reads[2].account.exists);
	assert_memory_equal(&reads[2].account.storage_root, &eth_empty_trie_root, 32);
	assert_memory_equal(&reads[2].account.code_hash, &eth_empty_code_hash, 32);
	struct fc_account claimed = reads[0].account;
	struct fc_error why;
	assert_ok(fc_proof_verify(&root, &one, nodes, lens, 1, &claimed, &slot, &value,
				  nodes + 1, lens + 1, 1, &why));
	claimed.nonce = 2;
	assert_int_equal(fc_proof_verify(&root, &one, nodes, lens, 1, &claimed, NULL, NULL,
					 NULL, NULL, 0, &why),
			 FC_ERR_CORRUPTED);
	assert_true(strlen(why.detail) > 0);
	assert_int_equal(fc_proof_verify(NULL, &one, nodes, lens, 1, &claimed, NULL, NULL, NULL,
					 NULL, 0, NULL),
			 FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(number_of(&reads[2].value), 0);
	assert_int_equal(fc_proof_storage_nodes(reads[2].proof), 0);
	fc_reads_release(reads, 3);
	assert_null(reads[0].proof);
}

static void a_read_that_fails_has_no_proof(void **state)
{
	(void)state;
	struct fc_read reads[] = {slot_read(0x1000 + ERR_TIMEOUT, 1), slot_read(1, 1)};
	reads[0].prove = true;
	reads[1].prove = true;
	assert_int_equal(fc_read_many(handle, reads, 2), FC_ERR_TIMEOUT);
	assert_null(reads[0].proof);
	assert_ok(reads[1].err);
	assert_non_null(reads[1].proof);
	fc_reads_release(reads, 2);
}

static void a_root_whose_proofs_fail_says_why(void **state)
{
	(void)state;
	const struct fc_address bad = address_of(0x1000 + ERR_UPSTREAM);
	const struct fc_bytes32 slot = word_of(1);
	struct eth_bytes32 unknown = {{7}};
	struct fc_read read = slot_read(0x1000 + ERR_UPSTREAM, 1);
	struct fc_bytes32 root;
	struct fc_op *op;
	struct layer *source;
	fc_state_free(&handle);
	assert_ok(fake_source_new(&unknown, &source)); /* the same one, of another root */
	root_cache_free(&db.roots);
	handle = new_handle(FC_BLOCKING, 0, 0);
	assert_ok(fc_set_storage(handle, &bad, &slot, &slot));
	assert_int_equal(fc_state_root(handle, &root), FC_ERR_QUERY_FAILED);
	assert_detail("upstream node.example");
	assert_ok(fc_state_root_start(handle, NULL, &op));
	assert_ok(fc_op_wait(op, -1));
	assert_int_equal(fc_op_result(op), FC_ERR_QUERY_FAILED);
	assert_int_equal(fc_op_root(op, &root), FC_ERR_QUERY_FAILED);
	fc_op_free(&op);
	read.prove = true;
	assert_int_equal(fc_read_many(handle, &read, 1), FC_ERR_QUERY_FAILED);
	assert_int_equal(fc_commit(handle, &root), FC_ERR_QUERY_FAILED);
	assert_ok(fc_commit(handle, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST_ON(set_up_memory, roots_may_be_waited_for_in_any_way),
		API_TEST(a_read_that_fails_has_no_proof),
		API_TEST(a_root_whose_proofs_fail_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
