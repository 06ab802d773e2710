/* SPDX-License-Identifier: MIT */
/* State roots, storage roots and proofs of a handle while other things go on. */
#include "api_fixture.h"

static int set_up_held(void **state)
{
	(void)set_up(state);
	fake_source_hold(true);
	return 0;
}

#define HELD_TEST(name) API_TEST_ON(set_up_held, name)

static void let_land(unsigned n)
{
	fake_source_release(handle->fetches.view, n);
}

/* All but the storage root of account n is here, for every handle. */
static void know_fields(unsigned n)
{
	const struct fc_address address = address_of(n);
	struct fc_account account;
	fake_source_hold(false);
	assert_ok(fc_get_account(handle, &address, FC_BALANCE | FC_NONCE | FC_CODE_HASH,
				 &account));
	fake_source_hold(true);
}

static void a_storage_root_is_waited_for_while_the_account_is_written(void **state)
{
	(void)state;
	const struct fc_address two = address_of(2);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 9};
	const struct fc_read reads[] = {account_read(2, FC_STORAGE_ROOT), slot_read(3, 1)};
	struct fc_state *second = new_handle(FC_BLOCKING, 0, 0);
	struct fc_op *op = NULL;
	know_fields(2);
	assert_ok(fc_read_start(handle, reads, 2, NULL, &op));
	assert_false(fc_op_ready(op));
	assert_ok(fc_set_account(second, &two, &account));
	fake_source_hold(false);
	let_land(2);
	assert_ok(fc_op_wait(op, -1));
	assert_ok(fc_op_result(op));
	/* The chain's trie is empty here: what is computed has no storage. */
	assert_memory_equal(&fc_op_reads(op, NULL)[0].account.storage_root,
			    &eth_empty_trie_root, 32);
	fc_op_free(&op);
	fc_state_free(&second);
}

static void a_root_that_failed_is_none_of_a_reverted_write(void **state)
{
	(void)state;
	const unsigned failing = 0x1000 + ERR_TIMEOUT;
	const struct fc_address address = address_of(failing);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 9};
	const struct fc_read read = account_read(failing, FC_STORAGE_ROOT);
	struct fc_op *op = NULL;
	uint64_t id;
	assert_ok(fc_snapshot(handle, &id));
	assert_ok(fc_set_account(handle, &address, &account));
	assert_ok(fc_read_start(handle, &read, 1, NULL, &op));
	assert_false(fc_op_ready(op));
	assert_ok(fc_revert(handle, id));
	let_land(1);
	assert_ok(fc_op_wait(op, -1));
	assert_int_equal(fc_op_result(op), FC_ERR_TIMEOUT);
	fc_op_free(&op);
}

/* What lands between is forgotten with the rest: it is fetched again, by whoever waits. */
static void a_cleared_cache_fails_no_read_that_is_under_way(void **state)
{
	(void)state;
	const struct fc_read reads[] = {slot_read(1, 1), slot_read(1, 2), code_read(3)};
	struct fc_op *op = NULL;
	assert_ok(fc_read_start(handle, reads, 3, NULL, &op));
	let_land(2);
	assert_false(fc_op_ready(op));
	assert_ok(fc_clear_cache(handle));
	let_land(1);
	assert_false(fc_op_ready(op));
	let_land(2);
	assert_ok(fc_op_wait(op, -1));
	assert_ok(fc_op_result(op));
	assert_int_equal(number_of(&fc_op_reads(op, NULL)[1].value), 102);
	assert_int_equal(fake_source_fetched(), 5);
	fc_op_free(&op);
}

static void set_nonce(struct fc_state *s, unsigned n, uint64_t nonce)
{
	const struct fc_address address = address_of(n);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = nonce};
	assert_ok(fc_set_account(s, &address, &account));
}

static void what_is_fed_reaches_no_root_of_another_handle(void **state)
{
	(void)state;
	const struct fc_address nobody = address_of(0x2005);
	const struct fc_bytes32 balance = word_of(5);
	struct fc_bytes32 mine, theirs, again;
	struct fc_state *second = new_handle(FC_BLOCKING, 0, 0);
	know_fields(0x2005);
	assert_ok(fc_feed_balance(handle, &nobody, &balance));
	set_nonce(second, 0x2005, 1);
	assert_ok(fc_state_root(handle, &mine));
	assert_ok(fc_state_root(second, &theirs));
	set_nonce(second, 0x2005, 2);
	set_nonce(second, 0x2005, 1);
	assert_ok(fc_state_root(second, &again));
	assert_memory_equal(&theirs, &again, sizeof again);
	assert_memory_not_equal(&mine, &theirs, sizeof mine);
	fc_state_free(&second);
}

static void what_was_fed_is_in_no_root_after_it_was_cleared(void **state)
{
	(void)state;
	const struct fc_address nobody = address_of(0x2005);
	const struct fc_bytes32 balance = word_of(5);
	struct fc_bytes32 fed, cleared, fresh;
	uint64_t tx;
	know_fields(0x2005);
	assert_ok(fc_feed_balance(handle, &nobody, &balance));
	assert_ok(fc_tx_begin(handle, &tx));
	set_nonce(handle, 0x2005, 1);
	assert_ok(fc_state_root(handle, &fed));
	assert_ok(fc_clear_cache(handle));
	know_fields(0x2005);
	assert_ok(fc_state_root(handle, &cleared));
	assert_ok(fc_tx_rollback(handle, tx));
	assert_ok(fc_tx_begin(handle, &tx));
	set_nonce(handle, 0x2005, 1);
	assert_ok(fc_state_root(handle, &fresh));
	assert_memory_equal(&cleared, &fresh, sizeof fresh);
	assert_memory_not_equal(&fed, &fresh, sizeof fed);
	assert_ok(fc_tx_rollback(handle, tx));
}

static void a_proof_with_a_node_that_is_null_is_refused(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 root = word_of(1);
	const struct fc_account account = {.mask = 0};
	const uint8_t *nodes[] = {NULL};
	const size_t some[] = {32}, none[] = {0};
	struct fc_error why;
	assert_int_equal(fc_proof_verify(&root, &one, nodes, some, 1, &account, NULL, NULL,
					 NULL, NULL, 0, &why),
			 FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_proof_verify(&root, &one, nodes, none, 1, &account, &root, &root,
					 nodes, some, 1, &why),
			 FC_ERR_INVALID_ARGUMENT);
	assert_int_equal(fc_proof_verify(&root, &one, nodes, none, 1, &account, NULL, NULL,
					 NULL, NULL, 0, &why),
			 FC_ERR_CORRUPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HELD_TEST(a_storage_root_is_waited_for_while_the_account_is_written),
		HELD_TEST(a_root_that_failed_is_none_of_a_reverted_write),
		HELD_TEST(a_cleared_cache_fails_no_read_that_is_under_way),
		HELD_TEST(what_is_fed_reaches_no_root_of_another_handle),
		HELD_TEST(a_proof_with_a_node_that_is_null_is_refused),
		HELD_TEST(what_was_fed_is_in_no_root_after_it_was_cleared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
