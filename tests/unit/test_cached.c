/* SPDX-License-Identifier: MIT */
/* The cache: over a layer that counts what it is asked, and over one that publishes. */
#include "state_rig.h"
#include "fake_layer.h"

static struct fake_layer fake;

static struct rig over_fake(void)
{
	struct rig rig = {.bottom = NULL};
	rig.db.top = rig_cache(fake_layer_init(&fake));
	rig.db.source = &fake.layer;
	rig.db.read_only_why = "a fake takes no writes";
	return rig;
}

static struct layer_stats stats_of(struct rig *rig)
{
	struct layer_stats stats = {.disk.hits = 0};
	rig->db.top->ops->stats(rig->db.top, &stats);
	return stats;
}

static void what_was_read_is_not_asked_for_again(void **state)
{
	struct rig rig = over_fake();
	struct state *s = rig_state(&rig);
	struct blob *code = blob_copy("code", 4);
	const struct eth_address one = address_of(1);
	const struct eth_bytes32 slot = word_of(7), value = word_of(70);
	(void)state;
	fake.knows_all = true;
	fake_layer_account(&fake, &one, 10, 3, code);
	fake_layer_slot(&fake, &one, &slot, &value);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(slot_of(s, 1, 7), 70);
		assert_int_equal(slot_of(s, 1, 8), 0); /* empty is kept, too */
		assert_int_equal(balance_of(s, 1), 10);
		assert_true(account_of(s, 1).exists);
		assert_int_equal(account_of(s, 1).fields.nonce, 3);
		assert_false(account_of(s, 2).exists);
		assert_int_equal(code_length_of(s, 1), 4);
		assert_int_equal(code_length_of(s, 2), 0);
		state_rest(s);
		assert_int_equal(fake.asked, 5); /* two slots, two accounts, one code */
	}
	const struct layer_stats stats = stats_of(&rig);
	assert_int_equal(stats.slots.hits, 4);
	assert_int_equal(stats.slots.misses, 2);
	assert_int_equal(stats.accounts.misses, 8);
	assert_int_equal(stats.code.hits, 2);
	assert_int_equal(stats.code.misses, 1);
	assert_true(stats.slots.bytes > 0 && stats.slots.bytes < stats.slots.capacity_bytes);
	assert_int_equal(stats.slots.capacity_bytes, CACHED_MIN_BYTES);
	assert_int_equal(stats.disk.hits, 1); /* and those below */
	blob_put(&code);
	state_free(&s);
	rig_close(&rig);
	assert_true(fake.freed);
}

static void misses_and_failures_are_not_kept(void **state)
{
	struct rig rig = over_fake();
	struct state *s = rig_state(&rig);
	const struct eth_address one = address_of(1);
	const struct eth_bytes32 slot = word_of(7);
	struct eth_bytes32 value;
	struct account_state account;
	struct blob *code;
	struct needs needs = {.rows = NULL};
	struct fault fault;
	(void)state;
	fake.fails = ERR_TIMEOUT;
	assert_int_equal(state_slot(s, &one, &slot, &value, &needs, &fault), FAILED);
	assert_int_equal(state_code(s, &one, &code, &needs, &fault), FAILED);
	assert_int_equal(fault.err, ERR_TIMEOUT);
	fake.fails = OK;
	assert_int_equal(state_slot(s, &one, &slot, &value, &needs, &fault), MISS);
	assert_int_equal(state_account(s, &one, ACCOUNT_BALANCE, &account, &needs, &fault),
			 MISS);
	assert_int_equal(needs.n, 2);
	/* of code the account's hash is not asked for by itself */
	assert_int_equal(state_code(s, &one, &code, &needs, &fault), MISS);
	assert_int_equal(needs.n, 3);
	assert_int_equal(needs.rows[2].kind, NEED_CODE);
	fake_layer_account(&fake, &one, 5, 0, NULL);
	assert_int_equal(balance_of(s, 1), 5);
	needs_release(&needs);
	state_free(&s);
	rig_close(&rig);
}

static void forgetting_forgets_all(void **state)
{
	struct rig rig = over_fake();
	struct state *s = rig_state(&rig);
	struct layer_view *top = state_top_view(s);
	struct blob *code = blob_copy("code", 4);
	const struct eth_address one = address_of(1);
	(void)state;
	fake.knows_all = true;
	fake_layer_account(&fake, &one, 10, 3, code);
	for (unsigned round = 1; round <= 3; round++) {
		(void)slot_of(s, 1, 1);
		(void)balance_of(s, 1);
		assert_int_equal(code_length_of(s, 1), 4);
		assert_int_equal(fake.asked, 3 * round);
		top->layer->ops->forget(top);
		assert_int_equal(fake.forgets, round);
		state_rest(s);
	}
	blob_put(&code);
	state_free(&s);
	rig_close(&rig);
}

static void it_takes_no_writes_by_itself(void **state)
{
	struct rig rig = over_fake();
	struct state *s = rig_state(&rig);
	const struct eth_address one = address_of(1);
	const struct eth_bytes32 slot = word_of(7);
	struct err_detail detail;
	(void)state;
	assert_int_equal(state_set_slot(s, &one, &slot, &slot, &detail), ERR_UNSUPPORTED);
	assert_string_equal(detail.text, "a fake takes no writes");
	assert_int_equal(set_balance(s, 1, 1), ERR_UNSUPPORTED);
	assert_int_equal(set_code(s, 1, 1), ERR_UNSUPPORTED);
	assert_int_equal(destroy(s, 1), ERR_UNSUPPORTED);
	assert_int_equal(wipe(s, 1), ERR_UNSUPPORTED);
	state_free(&s);
	rig_close(&rig);
}

static void it_is_bounded(void **state)
{
	struct rig rig = over_fake();
	struct state *s = rig_state(&rig);
	(void)state;
	fake.knows_all = true;
	for (unsigned i = 0; i < 20000; i++)
		(void)slot_of(s, 1, i);
	const struct layer_stats stats = stats_of(&rig);
	assert_true(stats.slots.evicted > 0);
	assert_true(stats.slots.bytes <= stats.slots.capacity_bytes);
	state_free(&s);
	rig_close(&rig);
}

/* ---- over a layer that is written to ---- */

static void what_is_published_is_seen(void **state)
{
	struct rig rig;
	(void)state;
	rig_open(&rig, RIG_CACHED, false);
	struct state *a = rig_state(&rig), *b = rig_state(&rig);
	assert_int_equal(slot_of(a, 1, 1), 0);
	assert_false(account_of(a, 1).exists);
	assert_ok(set_slot(b, 1, 1, 5));
	assert_ok(set_balance(b, 1, 6));
	assert_ok(set_code(b, 1, 7));
	assert_int_equal(slot_of(a, 1, 1), 5);
	assert_true(account_of(a, 1).exists);
	assert_int_equal(balance_of(a, 1), 6);
	assert_int_equal(code_length_of(a, 1), 7);
	assert_ok(state_batch_begin(b, NULL));
	assert_ok(destroy(b, 1));
	assert_ok(set_slot(b, 1, 2, 9));
	assert_int_equal(slot_of(a, 1, 1), 5);
	assert_ok(state_batch_commit(b, NULL));
	assert_int_equal(slot_of(a, 1, 1), 0);
	assert_int_equal(slot_of(a, 1, 2), 9);
	assert_false(account_of(a, 1).exists);
	assert_int_equal(code_length_of(a, 1), 0);
	state_free(&a);
	state_free(&b);
	rig_close(&rig);
}

/* What a transaction reads is old: it may neither take what is here nor leave it here. */
static void the_past_passes_it_by(void **state)
{
	struct rig rig;
	uint64_t tx;
	(void)state;
	rig_open(&rig, RIG_CACHED, false);
	struct state *a = rig_state(&rig), *b = rig_state(&rig);
	assert_ok(set_slot(b, 1, 1, 5));
	assert_ok(state_tx_begin(a, &tx, NULL));
	assert_ok(set_slot(b, 1, 1, 6));
	assert_ok(set_slot(b, 1, 2, 7));
	assert_int_equal(slot_of(b, 1, 1), 6);
	assert_int_equal(slot_of(a, 1, 1), 5);
	assert_int_equal(slot_of(a, 1, 2), 0);
	assert_int_equal(slot_of(b, 1, 2), 7);
	assert_ok(state_tx_commit(a, tx, NULL));
	assert_int_equal(slot_of(a, 1, 2), 7);
	state_free(&a);
	state_free(&b);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_not_asked_for_again),
		cmocka_unit_test(misses_and_failures_are_not_kept),
		cmocka_unit_test(forgetting_forgets_all),
		cmocka_unit_test(it_takes_no_writes_by_itself),
		cmocka_unit_test(it_is_bounded),
		cmocka_unit_test(what_is_published_is_seen),
		cmocka_unit_test(the_past_passes_it_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
