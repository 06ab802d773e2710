/* SPDX-License-Identifier: MIT */
/* The state root that a commit leaves in a file, and what fc_check makes of it. */
#include "unit.h"
#include "cache/filedb.h"
#include "store_fixture.h"
#include <forkcache.h>

static char folder[256], findings[1024];

static void on_finding(void *cookie, enum fc_err err, const char *what)
{
	(void)cookie;
	assert_int_equal(err, FC_ERR_CORRUPTED);
	strncat(findings, what, sizeof findings - strlen(findings) - 1);
}

static void open_all(struct fc_db **db, struct fc_state **state)
{
	struct fc_error why;
	char url[300];

	snprintf(url, sizeof url, "lmdb://%s", folder);
	if (fc_open(url, db, &why) != FC_OK)
		fail_msg("%s", why.detail);
	assert_ok(fc_state_new(*db, NULL, state));
	findings[0] = '\0';
}

static void close_all(struct fc_db **db, struct fc_state **state)
{
	fc_state_free(state);
	assert_ok(fc_close(db, NULL));
}

static void set_balance(struct fc_state *state, unsigned char balance)
{
	const struct fc_address address = {.bytes = {1}};
	struct fc_account account = {.mask = FC_BALANCE};

	account.balance.bytes[31] = balance;
	assert_ok(fc_set_account(state, &address, &account));
}

/* As something else, or a damaged disk, would. */
static void store_another_root(void)
{
	const struct filedb_config config = {.folder = folder};
	const struct eth_bytes32 other = {{7}};
	struct filedb_batch *batch;
	struct err_detail detail;
	struct filedb *db;

	assert_ok(filedb_open(&config, &db, &detail));
	assert_ok(filedb_batch_begin(db, false, &batch, &detail));
	assert_ok(filedb_batch_root(batch, &other));
	assert_ok(filedb_batch_commit(&batch, &detail));
	filedb_close(&db);
}

static void a_stored_root_is_compared(void **unused)
{
	struct fc_bytes32 root;
	struct fc_state *state;
	struct fc_db *db;

	(void)unused;
	fixture_folder(folder);
	open_all(&db, &state);
	set_balance(state, 1);
	assert_ok(fc_commit(state, &root));
	assert_ok(fc_check(state, on_finding, NULL));
	close_all(&db, &state);

	store_another_root();
	open_all(&db, &state);
	assert_int_equal(fc_check(state, on_finding, NULL), FC_ERR_CORRUPTED);
	assert_non_null(strstr(findings,
			       "0x0700000000000000000000000000000000000000000000000000"
			       "000000000000 was stored"));
	assert_non_null(strstr(fc_detail(state), "was stored"));
	/* It was of another state than that of now. */
	findings[0] = '\0';
	set_balance(state, 2);
	assert_ok(fc_check(state, on_finding, NULL));
	assert_ok(fc_flush(state));
	assert_ok(fc_check(state, on_finding, NULL));
	assert_string_equal(findings, "");
	/* A commit stores its own. */
	assert_ok(fc_commit(state, &root));
	close_all(&db, &state);
	open_all(&db, &state);
	struct fc_bytes32 again;
	assert_ok(fc_state_root(state, &again));
	assert_memory_equal(&again, &root, sizeof root);
	assert_ok(fc_check(state, on_finding, NULL));
	close_all(&db, &state);
	fixture_remove(folder);
}

/* What another has stored meanwhile is not of what this one sees. */
static void a_transaction_is_not_compared_with_a_later_root(void **unused)
{
	struct fc_state *state, *other;
	struct fc_bytes32 root;
	struct fc_db *db;
	uint64_t tx;

	(void)unused;
	fixture_folder(folder);
	open_all(&db, &state);
	assert_ok(fc_state_new(db, NULL, &other));
	set_balance(other, 1);
	assert_ok(fc_commit(other, &root));
	assert_ok(fc_tx_begin(state, &tx));
	assert_ok(fc_check(state, on_finding, NULL));
	set_balance(other, 2);
	assert_ok(fc_commit(other, &root));
	assert_ok(fc_check(state, on_finding, NULL));
	assert_ok(fc_check(other, on_finding, NULL));
	assert_string_equal(findings, "");
	assert_ok(fc_tx_rollback(state, tx));
	fc_state_free(&other);
	close_all(&db, &state);
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stored_root_is_compared),
		cmocka_unit_test(a_transaction_is_not_compared_with_a_later_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
