/* SPDX-License-Identifier: MIT */
/*
 * A test harness: one set-up, then tests that each begin with the state as it was set up.
 *
 *     snapshot_harness
 *
 * Each test runs inside of a snapshot that is reverted afterwards, which costs what the test
 * has written, however large the state is. What a test changed is dumped when it fails.
 */
#include <forkcache.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct fc_address token = {.bytes = {[19] = 0x42}};

static struct fc_bytes32 word(uint8_t n)
{
	return (struct fc_bytes32){.bytes = {[31] = n}};
}

/* What a harness does with an error that is not a test's. */
static void must(struct fc_state *state, enum fc_err err)
{
	if (err == FC_OK)
		return;
	fprintf(stderr, "snapshot_harness: %s: %s\n", fc_strerror(err), fc_detail(state));
	exit(1);
}

static uint8_t balance_of(struct fc_state *state, uint8_t owner)
{
	const struct fc_bytes32 slot = word(owner);
	struct fc_bytes32 value;
	must(state, fc_get_storage(state, &token, &slot, &value));
	return value.bytes[31];
}

static void set_balance(struct fc_state *state, uint8_t owner, uint8_t amount)
{
	const struct fc_bytes32 slot = word(owner), value = word(amount);
	must(state, fc_set_storage(state, &token, &slot, &value));
}

static void set_up(struct fc_state *state)
{
	const uint8_t code[] = {0x60, 0x00, 0x54};
	must(state, fc_set_code(state, &token, code, sizeof code));
	set_balance(state, 1, 100);
	set_balance(state, 2, 50);
}

/* ---- the tests: 1 is a success ---- */

static int a_transfer_moves_tokens(struct fc_state *state)
{
	set_balance(state, 1, (uint8_t)(balance_of(state, 1) - 30));
	set_balance(state, 2, (uint8_t)(balance_of(state, 2) + 30));
	return balance_of(state, 1) == 70 && balance_of(state, 2) == 80;
}

static int a_call_that_reverts_changes_nothing(struct fc_state *state)
{
	uint64_t call; /* snapshots nest */
	must(state, fc_snapshot(state, &call));
	set_balance(state, 1, 0);
	must(state, fc_revert(state, call));
	return balance_of(state, 1) == 100;
}

static int self_destruct_takes_the_storage(struct fc_state *state)
{
	bool exists;
	must(state, fc_delete_account(state, &token));
	must(state, fc_exists(state, &token, &exists));
	return !exists && balance_of(state, 1) == 0;
}

static int write_out(void *cookie, const void *bytes, size_t n)
{
	return fwrite(bytes, 1, n, cookie) == n ? 0 : -1;
}

int main(void)
{
	static const struct {
		const char *name;
		int (*run)(struct fc_state *state);
	} tests[] = {
		{"a transfer moves tokens", a_transfer_moves_tokens},
		{"a call that reverts changes nothing", a_call_that_reverts_changes_nothing},
		{"self-destruct takes the storage", self_destruct_takes_the_storage},
	};
	struct fc_db *db = NULL;
	struct fc_state *state = NULL;
	struct fc_error why;
	int failed = 0;

	/* Over a fork: "overlay://,fork+https://…" */
	if (fc_open("memory://", &db, &why) != FC_OK) {
		fprintf(stderr, "snapshot_harness: %s\n", why.detail);
		return 1;
	}
	must(NULL, fc_state_new(db, NULL, &state));
	set_up(state);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		uint64_t before;
		must(state, fc_snapshot(state, &before));
		const int ok = tests[i].run(state);
		printf("%s: %s\n", ok ? "ok" : "FAILED", tests[i].name);
		if (!ok)
			must(state, fc_dump_changes(state, write_out, stderr));
		failed += !ok;
		must(state, fc_revert(state, before));
	}
	fc_state_free(&state);
	return fc_close(&db, &why) == FC_OK && !failed ? 0 : 1;
}
