/* SPDX-License-Identifier: MIT */
/* Handles: accounts, storage and code, one at a time, over a fork; errors and their details. */
#include "api_fixture.h"
#include "base/keccak.h"

static void assert_slot(unsigned n, uint64_t k, uint64_t expected)
{
	const struct fc_address address = address_of(n);
	const struct fc_bytes32 slot = word_of(k);
	struct fc_bytes32 value;
	assert_ok(fc_get_storage(handle, &address, &slot, &value));
	assert_int_equal(number_of(&value), expected);
}

static void reads_are_fetched_once(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	struct fc_account account;
	assert_ok(fc_get_account(handle, &one, FC_BALANCE | FC_NONCE, &account));
	assert_int_equal(account.mask, FC_BALANCE | FC_NONCE);
	assert_int_equal(number_of(&account.balance), 1001);
	assert_int_equal(account.nonce, 1);
	assert_int_equal(fake_source_fetched(), 2);
	assert_ok(fc_get_account(handle, &one, FC_BALANCE | FC_NONCE, &account));
	assert_int_equal(fake_source_fetched(), 2);
	assert_slot(1, 5, 105);
	assert_slot(1, 6, 0); /* empty is an answer */
	assert_slot(1, 6, 0);
	assert_int_equal(fake_source_fetched(), 4);
	assert_string_equal(fc_detail(handle), "");
}

static void an_account_that_is_not_there_is_empty(void **state)
{
	(void)state;
	const struct fc_address nobody = address_of(0x2000), somebody = address_of(2);
	struct fc_account account;
	bool exists = true;
	assert_ok(fc_exists(handle, &nobody, &exists));
	assert_false(exists);
	assert_ok(fc_exists(handle, &somebody, &exists));
	assert_true(exists);
	assert_ok(fc_get_account(handle, &nobody,
				 FC_BALANCE | FC_NONCE | FC_CODE_HASH | FC_EXISTS, &account));
	assert_int_equal(account.nonce, 0);
	assert_int_equal(number_of(&account.balance), 0);
	assert_memory_equal(&account.code_hash, &eth_empty_code_hash, 32);
	assert_false(account.exists);
	assert_int_equal(fc_delete_account(handle, &nobody), FC_ERR_ACCOUNT_NOT_FOUND);
	assert_detail(
		"0xaa00000000000000000000000000000000002000 at block 19: it is not there");
	assert_ok(fc_delete_account(handle, &somebody));
	assert_ok(fc_exists(handle, &somebody, &exists));
	assert_false(exists);
	assert_slot(2, 1, 0);
	assert_int_equal(fc_delete_account(handle, &somebody), FC_ERR_ACCOUNT_NOT_FOUND);
}

static void writes_are_read_back(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), value = word_of(77);
	struct fc_account account = {.mask = FC_NONCE, .nonce = 9};
	assert_ok(fc_set_account(handle, &one, &account));
	assert_ok(fc_get_account(handle, &one, FC_BALANCE | FC_NONCE, &account));
	assert_int_equal(account.nonce, 9);
	assert_int_equal(number_of(&account.balance), 1001);
	assert_ok(fc_set_storage(handle, &one, &slot, &value));
	assert_slot(1, 5, 77);
	assert_slot(1, 4, 104);
	assert_ok(fc_clear_storage(handle, &one));
	assert_slot(1, 4, 0);
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
	assert_int_equal(account.nonce, 9);
}

static void code_is_shared_and_counted(void **state)
{
	(void)state;
	const struct fc_address odd = address_of(1), even = address_of(2);
	struct fc_code *code = NULL, *again, *none = NULL;
	struct fc_bytes32 hash;
	assert_ok(fc_get_code(handle, &odd, &code));
	assert_int_equal(fc_code_length(code), 4);
	assert_memory_equal(fc_code_bytes(code), "code", 4);
	again = fc_code_get(code);
	assert_ptr_equal(again, code);
	fc_code_put(&code);
	assert_null(code);
	assert_memory_equal(fc_code_bytes(again), "code", 4);
	fc_code_put(&again);
	assert_ok(fc_get_code(handle, &even, &none));
	assert_int_equal(fc_code_length(none), 0);
	fc_code_put(&none);

	assert_ok(fc_set_code(handle, &even, (const uint8_t *)"\xef\x01\x00", 3));
	assert_ok(fc_get_code(handle, &even, &code));
	assert_memory_equal(fc_code_bytes(code), "\xef\x01\x00", 3);
	fc_code_put(&code);
	keccak256("\xef\x01\x00", 3, (struct eth_bytes32 *)(void *)&hash);
	assert_ok(fc_get_code_by_hash(handle, &hash, &code));
	assert_int_equal(fc_code_length(code), 3);
	fc_code_put(&code);
	assert_ok(fc_set_code(handle, &even, NULL, 0));
	assert_ok(fc_get_code(handle, &even, &none));
	assert_int_equal(fc_code_length(none), 0);
	fc_code_put(&none);

	hash = word_of(1);
	assert_int_equal(fc_get_code_by_hash(handle, &hash, &code), FC_ERR_CODE_NOT_FOUND);
	assert_detail(
		"code 0x0000000000000000000000000000000000000000000000000000000000000001: "
		"not known here");
	memcpy(&hash, &eth_empty_code_hash, 32);
	assert_ok(fc_get_code_by_hash(handle, &hash, &code));
	assert_int_equal(fc_code_length(code), 0);
	fc_code_put(&code);
	struct fc_account account = {.mask = FC_CODE_HASH, .code_hash = word_of(1)};
	assert_int_equal(fc_set_account(handle, &even, &account), FC_ERR_CODE_NOT_FOUND);
}

static void a_peek_asks_nobody(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(1);
	struct fc_bytes32 value;
	struct fc_account account;
	struct fc_code *code;
	assert_int_equal(fc_peek_account(handle, &one, FC_NONCE, &account), FC_MISS);
	assert_int_equal(fc_peek_storage(handle, &one, &slot, &value), FC_MISS);
	assert_int_equal(fc_peek_code(handle, &one, &code), FC_MISS);
	assert_int_equal(fake_source_fetched(), 0);
	assert_string_equal(fc_detail(handle), "");
	assert_slot(1, 1, 101);
	assert_ok(fc_peek_storage(handle, &one, &slot, &value));
	assert_int_equal(number_of(&value), 101);
	assert_ok(fc_clear_cache(handle));
	assert_int_equal(fc_peek_storage(handle, &one, &slot, &value), FC_MISS);
	assert_ok(fc_get_code(handle, &one, &code));
	fc_code_put(&code);
	assert_ok(fc_peek_code(handle, &one, &code));
	assert_int_equal(fc_code_length(code), 4);
	fc_code_put(&code);
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
	assert_ok(fc_peek_account(handle, &one, FC_NONCE, &account));
	assert_int_equal(account.nonce, 1);
}

static void clearing_the_cache_keeps_writes(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), value = word_of(77);
	assert_ok(fc_set_storage(handle, &one, &slot, &value));
	assert_ok(fc_clear_cache(handle));
	assert_slot(1, 5, 77);
	assert_int_equal(fake_source_fetched(), 0);
}

static void the_storage_root_of_an_unwritten_account_is_proved(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	struct fc_account account;
	assert_int_equal(fc_peek_account(handle, &one, FC_STORAGE_ROOT, &account), FC_MISS);
	assert_ok(fc_get_account(handle, &one, FC_STORAGE_ROOT | FC_NONCE, &account));
	assert_int_equal(account.mask, FC_STORAGE_ROOT | FC_NONCE);
	assert_int_equal(account.storage_root.bytes[0], 1);
	assert_int_equal(account.nonce, 1);
	assert_int_equal(fake_source_fetched(), 2);
	assert_int_equal(fake_source_fetch_at(1)->kind, NEED_PROOF);
	assert_ok(fc_peek_account(handle, &one, FC_STORAGE_ROOT, &account));
}

static void slots_by_storage_root(void **state)
{
	(void)state;
	struct fc_bytes32 root, value;
	const struct fc_bytes32 slot = word_of(5);
	memset(&root, 0xff, sizeof root);
	assert_ok(fc_get_storage_by_root(handle, &root, &slot, &value));
	assert_int_equal(number_of(&value), 5);
	root.bytes[3] = 0;
	value = word_of(4);
	assert_int_equal(fc_get_storage_by_root(handle, &root, &slot, &value),
			 FC_ERR_STORAGE_NOT_FOUND);
	assert_int_equal(number_of(&value), 4);
	assert_detail("under the storage root 0xffffff00ff");
	memcpy(&root, &eth_empty_trie_root, 32);
	assert_ok(fc_get_storage_by_root(handle, &root, &slot, &value));
	assert_int_equal(number_of(&value), 0);
}

/* ---- errors ---- */

static void causes_become_the_headers(void **state)
{
	static const enum fc_err expected[] = {
		[ERR_NOMEM] = FC_ERR_NO_MEMORY,
		[ERR_INVALID] = FC_ERR_INVALID_ARGUMENT,
		[ERR_CONFIG] = FC_ERR_INVALID_CONFIG,
		[ERR_IO] = FC_ERR_IO,
		[ERR_CORRUPT] = FC_ERR_CORRUPTED,
		[ERR_NETWORK] = FC_ERR_CONNECTION_FAILED,
		[ERR_TIMEOUT] = FC_ERR_TIMEOUT,
		[ERR_RATE_LIMITED] = FC_ERR_RATE_LIMITED,
		[ERR_BAD_ANSWER] = FC_ERR_QUERY_FAILED,
		[ERR_UPSTREAM] = FC_ERR_QUERY_FAILED,
		[ERR_NOT_FOUND] = FC_ERR_ACCOUNT_NOT_FOUND,
		[ERR_OFFLINE] = FC_ERR_OFFLINE_MISS,
		[ERR_LIMIT] = FC_ERR_EXHAUSTED,
		[ERR_UNSUPPORTED] = FC_ERR_UNSUPPORTED,
		[ERR_CANCELLED] = FC_ERR_CANCELLED,
		[ERR_CONFLICT] = FC_ERR_CONFLICT,
	};
	(void)state;
	const struct fc_bytes32 slot = word_of(1);
	for (unsigned err = ERR_NOMEM; err <= ERR_CONFLICT; err++) {
		const struct fc_address address = address_of(0x1000 + err);
		struct fc_bytes32 value = word_of(4);
		assert_int_equal(fc_get_storage(handle, &address, &slot, &value),
				 expected[err]);
		assert_int_equal(number_of(&value), 4); /* nothing has changed */
		assert_detail(
			"slot 0x0000000000000000000000000000000000000000000000000000000000"
			"000001 of 0xaa000000000000000000000000000000000010");
		assert_detail(" at block 19: upstream node.example: no answer");
	}
	assert_int_equal(fc_err_from(OK), FC_OK);
}

static void details_tell_causes_apart(void **state)
{
	(void)state;
	assert_int_equal(fc_err_explain(ERR_NETWORK, "connection lost while receiving"),
			 FC_ERR_NETWORK);
	assert_int_equal(fc_err_explain(ERR_NETWORK, NULL), FC_ERR_NETWORK);
	assert_int_equal(fc_err_explain(ERR_NETWORK, "name not found"),
			 FC_ERR_CONNECTION_FAILED);
	/* a host may be called anything */
	assert_int_equal(fc_err_explain(ERR_NETWORK, "upstream TLS:refused: no answer in 1.0 s "
						     "(1 attempt; last: reply was cut short)"),
			 FC_ERR_NETWORK);
	assert_int_equal(fc_err_explain(ERR_BAD_ANSWER, "last: HTTP 401"), FC_ERR_PERMISSION);
	assert_int_equal(fc_err_explain(ERR_BAD_ANSWER, "last: HTTP 403)"), FC_ERR_PERMISSION);
	assert_int_equal(fc_err_explain(ERR_BAD_ANSWER, "last: HTTP 404)"),
			 FC_ERR_QUERY_FAILED);
	assert_int_equal(fc_err_explain(ERR_IO, "/a/folder: Permission denied"),
			 FC_ERR_PERMISSION);
}

static void every_error_has_a_sentence(void **state)
{
	static const enum fc_err all[] = {FC_OK,
					  FC_MISS,
					  FC_PENDING,
					  FC_ERR_ACCOUNT_NOT_FOUND,
					  FC_ERR_STORAGE_NOT_FOUND,
					  FC_ERR_CODE_NOT_FOUND,
					  FC_ERR_SNAPSHOT_NOT_FOUND,
					  FC_ERR_INVALID_ADDRESS,
					  FC_ERR_INVALID_ARGUMENT,
					  FC_ERR_INVALID_CONFIG,
					  FC_ERR_PERMISSION,
					  FC_ERR_UNSUPPORTED,
					  FC_ERR_CORRUPTED,
					  FC_ERR_SERIALIZATION,
					  FC_ERR_DESERIALIZATION,
					  FC_ERR_IO,
					  FC_ERR_NETWORK,
					  FC_ERR_CONNECTION_FAILED,
					  FC_ERR_TIMEOUT,
					  FC_ERR_QUERY_FAILED,
					  FC_ERR_RATE_LIMITED,
					  FC_ERR_OFFLINE_MISS,
					  FC_ERR_NO_MEMORY,
					  FC_ERR_EXHAUSTED,
					  FC_ERR_CANCELLED,
					  FC_ERR_TRANSACTION_FAILED,
					  FC_ERR_INVALID_TRANSACTION,
					  FC_ERR_CONFLICT,
					  FC_ERR_DEADLOCK};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		assert_string_not_equal(fc_strerror(all[i]), "unknown error");
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(fc_strerror(all[i]), fc_strerror(all[k]));
	}
	assert_string_equal(fc_strerror((enum fc_err)99), "unknown error");
	assert_string_equal(fc_version(), "0.1.0");
}

static void a_fetch_that_is_refused_at_once(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	struct fc_account account;
	fake_source_refuse(1, ERR_OFFLINE, "not cached, and no upstream");
	assert_int_equal(fc_get_account(handle, &one, FC_NONCE, &account), FC_ERR_OFFLINE_MISS);
	assert_detail("account of 0xaa00000000000000000000000000000000000001 at block 19: not "
		      "cached");
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
}

static void a_try_that_fails(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	struct fc_account account;
	struct fc_code *code;
	fake_source_break((const struct eth_address *)(const void *)&one);
	assert_int_equal(fc_get_account(handle, &one, FC_NONCE, &account), FC_ERR_CORRUPTED);
	assert_detail("its record is damaged");
	assert_int_equal(fc_peek_account(handle, &one, FC_NONCE, &account), FC_ERR_CORRUPTED);
	assert_int_equal(fc_get_code(handle, &one, &code), FC_ERR_CORRUPTED);
	fake_source_break(NULL);
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
}

#define REFUSED(call) assert_int_equal((call), FC_ERR_INVALID_ARGUMENT)

static void null_is_an_invalid_argument(void **state)
{
	(void)state;
	const struct fc_address a = address_of(1);
	const struct fc_bytes32 w = word_of(1);
	struct fc_bytes32 v;
	struct fc_account account = {.mask = FC_NONCE};
	struct fc_code *code;
	bool exists;
	REFUSED(fc_get_account(NULL, &a, FC_NONCE, &account));
	REFUSED(fc_get_account(handle, NULL, FC_NONCE, &account));
	REFUSED(fc_get_account(handle, &a, FC_NONCE, NULL));
	REFUSED(fc_get_account(handle, &a, 32, &account));
	REFUSED(fc_peek_account(handle, &a, 32, &account));
	REFUSED(fc_peek_account(handle, &a, FC_NONCE, NULL));
	REFUSED(fc_exists(handle, &a, NULL));
	REFUSED(fc_exists(handle, NULL, &exists));
	REFUSED(fc_set_account(handle, &a, NULL));
	account.mask = FC_STORAGE_ROOT;
	REFUSED(fc_set_account(handle, &a, &account));
	account.mask = FC_EXISTS;
	REFUSED(fc_set_account(handle, &a, &account));
	REFUSED(fc_delete_account(handle, NULL));
	REFUSED(fc_get_storage(handle, &a, NULL, &v));
	REFUSED(fc_get_storage(handle, &a, &w, NULL));
	REFUSED(fc_peek_storage(handle, NULL, &w, &v));
	REFUSED(fc_set_storage(handle, &a, &w, NULL));
	REFUSED(fc_clear_storage(handle, NULL));
	REFUSED(fc_get_storage_by_root(handle, NULL, &w, &v));
	REFUSED(fc_get_code(handle, &a, NULL));
	REFUSED(fc_peek_code(handle, NULL, &code));
	REFUSED(fc_get_code_by_hash(handle, NULL, &code));
	REFUSED(fc_set_code(handle, &a, NULL, 1));
	REFUSED(fc_snapshot(handle, NULL));
	REFUSED(fc_revert(NULL, 1));
	REFUSED(fc_tx_begin(handle, NULL));
	REFUSED(fc_state_root(handle, NULL));
	REFUSED(fc_dump_changes(handle, NULL, NULL));
	REFUSED(fc_load_changes(handle, NULL, 0));
	REFUSED(fc_set_wait(handle, (enum fc_wait)7));
	assert_detail("invalid argument: ");
	assert_string_equal(fc_detail(NULL), "");
	assert_null(fc_code_bytes(NULL));
	assert_int_equal(fc_code_length(NULL), 0);
	fc_code_put(NULL);
	fc_state_free(NULL);
	fc_reads_release(NULL, 3);
	fc_proof_put(NULL);
	assert_int_equal(fc_fd(NULL), -1);
	assert_int_equal(fc_dispatch(NULL), 0);
}

static void options_are_checked(void **state)
{
	(void)state;
	struct fc_state *s = handle;
	struct fc_state_options options = {.size = sizeof options - 1};
	REFUSED(fc_state_new(&db, &options, &s));
	assert_null(s);
	options.size = sizeof options + 64; /* of a later version */
	options.wait = (enum fc_wait)2;
	REFUSED(fc_state_new(&db, &options, &s));
	options.wait = FC_RESUMABLE;
	assert_ok(fc_state_new(&db, &options, &s));
	fc_state_free(&s);
	assert_null(s);
	fc_state_free(&s);
	REFUSED(fc_state_new(NULL, NULL, &s));
	REFUSED(fc_state_new(&db, NULL, NULL));
	assert_ok(fc_state_new(&db, NULL, &s));
	assert_int_equal(atomic_load(&db.handles), 2);
	fc_state_free(&s);
}

static void a_fork_refuses_writes(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 w = word_of(1);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 9};
	struct fc_account got;
	assert_int_equal(fc_set_account(handle, &one, &account), FC_ERR_UNSUPPORTED);
	assert_detail("a fork takes no writes");
	assert_int_equal(fc_set_storage(handle, &one, &w, &w), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_set_code(handle, &one, (const uint8_t *)"x", 1),
			 FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_clear_storage(handle, &one), FC_ERR_UNSUPPORTED);
	assert_int_equal(fc_delete_account(handle, &one), FC_ERR_UNSUPPORTED);
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &got));
	assert_int_equal(got.nonce, 1);
}

/* ---- scopes ---- */

static void snapshots_batches_and_transactions(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), a = word_of(1), b = word_of(2);
	uint64_t outer, inner, tx;
	assert_ok(fc_set_storage(handle, &one, &slot, &a));
	assert_ok(fc_snapshot(handle, &outer));
	assert_ok(fc_set_storage(handle, &one, &slot, &b));
	assert_ok(fc_snapshot(handle, &inner));
	assert_ok(fc_revert(handle, outer));
	assert_slot(1, 5, 1);
	assert_int_equal(fc_revert(handle, inner), FC_ERR_SNAPSHOT_NOT_FOUND);
	assert_detail("reverting to snapshot ");
	assert_int_equal(fc_snapshot_commit(handle, inner), FC_ERR_SNAPSHOT_NOT_FOUND);
	assert_ok(fc_snapshot(handle, &outer));
	assert_ok(fc_set_storage(handle, &one, &slot, &b));
	assert_ok(fc_snapshot_commit(handle, outer));
	assert_slot(1, 5, 2);
	assert_ok(fc_batch_begin(handle));
	assert_int_equal(fc_batch_begin(handle), FC_ERR_INVALID_TRANSACTION);
	assert_ok(fc_set_storage(handle, &one, &slot, &a));
	assert_ok(fc_batch_rollback(handle));
	assert_int_equal(fc_batch_commit(handle), FC_ERR_INVALID_TRANSACTION);
	assert_slot(1, 5, 2);
	assert_ok(fc_tx_begin(handle, &tx));
	assert_int_equal(fc_commit(handle, NULL), FC_ERR_INVALID_TRANSACTION);
	assert_ok(fc_tx_rollback(handle, tx));
	assert_int_equal(fc_tx_commit(handle, tx), FC_ERR_INVALID_TRANSACTION);
	assert_int_equal(fc_tx_rollback(handle, tx), FC_ERR_INVALID_TRANSACTION);
	assert_ok(fc_batch_begin(handle));
	assert_ok(fc_set_storage(handle, &one, &slot, &a));
	assert_ok(fc_commit(handle, NULL));
	assert_int_equal(fc_batch_commit(handle), FC_ERR_INVALID_TRANSACTION);
	assert_slot(1, 5, 1);
}

static void the_first_committer_wins(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 slot = word_of(5), a = word_of(1), b = word_of(2);
	struct fc_state *other = new_handle(FC_BLOCKING, 0, 0);
	struct fc_bytes32 value;
	uint64_t mine, theirs;
	assert_ok(fc_tx_begin(handle, &mine));
	assert_ok(fc_tx_begin(other, &theirs));
	assert_ok(fc_set_storage(handle, &one, &slot, &a));
	assert_ok(fc_set_storage(other, &one, &slot, &b));
	assert_ok(fc_get_storage(other, &one, &slot, &value));
	assert_int_equal(number_of(&value), 2);
	assert_ok(fc_tx_commit(other, theirs));
	assert_slot(1, 5, 1);
	assert_int_equal(fc_tx_commit(handle, mine), FC_ERR_CONFLICT);
	assert_slot(1, 5, 2);
	assert_int_equal(atomic_load(&db.transactions), 1);
	assert_int_equal(atomic_load(&db.conflicts), 1);
	fc_state_free(&other);
}

/* ---- copies and checks ---- */

static char findings[256];

static void on_finding(void *cookie, enum fc_err err, const char *what)
{
	assert_string_equal(cookie, "cookie");
	assert_int_equal(err, FC_ERR_CORRUPTED);
	const size_t n = strlen(findings);
	snprintf(findings + n, sizeof findings - n, "%s\n", what);
}

static void a_check_finds_what_does_not_fit(void **state)
{
	(void)state;
	const struct fc_address one = address_of(1), two = address_of(2);
	const struct fc_bytes32 a = word_of(1), b = word_of(2);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 1};
	char cookie[] = "cookie";
	findings[0] = '\0';
	assert_ok(fc_set_account(handle, &one, &account));
	assert_ok(fc_set_storage(handle, &one, &a, &a));
	assert_ok(fc_check(handle, on_finding, cookie));
	assert_string_equal(findings, "");
	assert_ok(fc_set_storage(handle, &two, &a, &a));
	assert_ok(fc_set_storage(handle, &two, &b, &a));
	assert_int_equal(fc_check(handle, on_finding, cookie), FC_ERR_CORRUPTED);
	assert_string_equal(findings,
			    "0xaa00000000000000000000000000000000000002: it has storage, "
			    "and there is no such account\n");
	assert_int_equal(fc_check(handle, NULL, NULL), FC_ERR_CORRUPTED);
	assert_int_equal(fc_check(NULL, NULL, NULL), FC_ERR_INVALID_ARGUMENT);
}

static void a_fork_is_copied_as_far_as_it_is_cached(void **state)
{
	(void)state;
	struct layer *memory;
	struct fc_db target = {.handles = 0};
	struct fc_state *to;
	const struct fc_address one = address_of(1);
	const struct fc_bytes32 known = word_of(5), unknown = word_of(7);
	struct fc_bytes32 value;
	struct fc_account account;
	assert_ok(shared_new(NULL, NULL, false, &memory));
	target.db = (struct db){.top = memory, .writable = memory};
	pthread_mutex_init(&target.roots_lock, NULL);
	assert_ok(fc_state_new(&target, NULL, &to));
	assert_slot(1, 5, 105);
	assert_ok(fc_get_account(handle, &one, FC_BALANCE | FC_NONCE, &account));
	const size_t fetched = fake_source_fetched();
	assert_ok(fc_copy(handle, to, NULL, NULL));
	assert_int_equal(fake_source_fetched(), fetched);
	assert_ok(fc_get_storage(to, &one, &known, &value));
	assert_int_equal(number_of(&value), 105);
	assert_ok(fc_get_storage(to, &one, &unknown, &value));
	assert_int_equal(number_of(&value), 0);
	assert_ok(fc_get_account(to, &one, FC_BALANCE | FC_NONCE, &account));
	assert_int_equal(number_of(&account.balance), 1001);
	assert_int_equal(fc_copy(handle, NULL, NULL, NULL), FC_ERR_INVALID_ARGUMENT);
	fc_state_free(&to);
	root_cache_free(&target.roots);
	target.db.top->ops->free(&target.db.top);
	pthread_mutex_destroy(&target.roots_lock);
}

static void details_are_of_the_last_failure(void **state)
{
	(void)state;
	const struct fc_address bad = address_of(0x1000 + ERR_TIMEOUT), good = address_of(1);
	struct fc_account account;
	assert_int_equal(fc_get_account(handle, &bad, FC_NONCE, &account), FC_ERR_TIMEOUT);
	assert_ok(fc_get_account(handle, &good, FC_NONCE, &account));
	assert_detail("upstream node.example"); /* a success leaves it */
	assert_int_equal(fc_revert(handle, 77), FC_ERR_SNAPSHOT_NOT_FOUND);
	assert_detail("reverting to snapshot 77");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(reads_are_fetched_once),
		API_TEST(an_account_that_is_not_there_is_empty),
		API_TEST(writes_are_read_back),
		API_TEST(code_is_shared_and_counted),
		API_TEST(a_peek_asks_nobody),
		API_TEST(clearing_the_cache_keeps_writes),
		API_TEST(the_storage_root_of_an_unwritten_account_is_proved),
		API_TEST(slots_by_storage_root),
		API_TEST(causes_become_the_headers),
		API_TEST(details_tell_causes_apart),
		API_TEST(every_error_has_a_sentence),
		API_TEST(a_fetch_that_is_refused_at_once),
		API_TEST(a_try_that_fails),
		API_TEST(null_is_an_invalid_argument),
		API_TEST(options_are_checked),
		API_TEST_ON(set_up_read_only, a_fork_refuses_writes),
		API_TEST(snapshots_batches_and_transactions),
		API_TEST(the_first_committer_wins),
		API_TEST_ON(set_up_memory, a_check_finds_what_does_not_fit),
		API_TEST(a_fork_is_copied_as_far_as_it_is_cached),
		API_TEST(details_are_of_the_last_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
