/* SPDX-License-Identifier: MIT */
/* A source in front of a node: tries, fetches, what is kept and found again. */
#include "source_rig.h"

static void everything_is_fetched_once(void **state)
{
	struct source_block block;

	(void)state;
	rig.config.block = "2";
	open_source();
	source_block(rig.layer, &block);
	assert_int_equal(block.number, 2);
	assert_int_equal(block.chain_id, CHAIN_ID);
	assert_memory_equal(&block.hash, &at_block(2)->hash, 32);
	assert_memory_equal(&block.state_root, at_block(2)->header.state_root.bytes, 32);
	expect_everything(2);
	/* Nobody here knows any more, after this. */
	const struct eth_address *address = &someone(WORLD_READER)->address;
	const struct eth_bytes32 slot = slot_of(1);
	struct eth_bytes32 value;
	rig.layer->ops->forget(rig.view);
	assert_int_equal(layer_slot(rig.view, address, &slot, &value, NULL, &fault), MISS);
	expect_everything(2);
	/* Without what has landed for this view: the memory has it. */
	source_fed_clear(rig.view);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	expect_everything(2);
	struct source_stats stats;
	source_stats(rig.layer, &stats);
	assert_true(stats.items > 10);
	struct layer_stats layers = {0};
	rig.layer->ops->stats(rig.layer, &layers);
	assert_int_equal(layers.slots.misses, 13 + 1 + 13);
	assert_int_equal(layers.slots.hits, 13 + 13 + 13);
	assert_int_equal(mock_thread_items(rig.mock), 0);
	/* What a view has counted stays when it goes. */
	struct layer_view *other;
	struct err_detail detail;
	assert_int_equal(rig.layer->ops->view_new(rig.layer, rig.loop, &other, &detail), OK);
	assert_int_equal(layer_slot(other, address, &slot, &value, NULL, &fault), HIT);
	other->layer->ops->view_free(&other);
	layers = (struct layer_stats){0};
	rig.layer->ops->stats(rig.layer, &layers);
	assert_int_equal(layers.slots.misses, 13 + 1 + 13);
	assert_int_equal(layers.slots.hits, 13 + 13 + 13 + 1);
}

static void the_disk_serves_later_runs_and_offline_ones(void **state)
{
	(void)state;
	rig.config.disk_folder = rig.folder;
	rig.config.block = "2";
	open_source();
	expect_everything(2);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	reopen("2");
	const uint64_t asked = mock_thread_items(rig.mock);
	expect_everything(2);
	assert_int_equal(mock_thread_items(rig.mock), asked);
	ask_nothing();
	char hash[67] = "0x";
	eth_hex(at_block(2)->hash.bytes, 32, hash + 2);
	hash[66] = '\0';
	reopen(hash);
	expect_everything(2);
	/* What is not there cannot be asked. */
	const struct eth_bytes32 slot = slot_of(77);
	const struct eth_address *address = &someone(WORLD_READER)->address;
	const struct need need = {.kind = NEED_SLOT, .address = *address, .slot = slot};
	struct eth_bytes32 value;
	struct source_op *op = NULL;
	assert_int_equal(layer_slot(rig.view, address, &slot, &value, NULL, &fault), MISS);
	assert_int_equal(source_fetch(rig.view, &need, on_done, NULL, &op, &fault), FAILED);
	assert_int_equal(fault.err, ERR_OFFLINE);
	assert_null(op);
}

static void an_offline_source_needs_a_disk_and_a_block(void **state)
{
	struct err_detail detail = {{0}};

	(void)state;
	ask_nothing();
	assert_int_equal(source_new(&rig.config, &rig.layer, &detail), ERR_CONFIG);
	rig.config.disk_folder = rig.folder;
	assert_int_equal(source_new(&rig.config, &rig.layer, &detail), ERR_OFFLINE);
	assert_non_null(strstr(detail.text, "empty"));
	rig.config.chain_id = CHAIN_ID;
	assert_int_equal(source_new(&rig.config, &rig.layer, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, "by number or hash"));
	assert_null(rig.layer);
}

static void a_development_node_is_not_kept(void **state)
{
	(void)state;
	mock_thread_control(rig.mock, "{\"client_version\":\"anvil/v1.0.0\"}");
	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	open_source();
	expect_everything(2);
	uint64_t asked = mock_thread_items(rig.mock);
	/* Its table has it, until it is cleared. */
	expect_everything(2);
	assert_int_equal(mock_thread_items(rig.mock), asked);
	source_fed_clear(rig.view);
	expect_everything(2);
	assert_true(mock_thread_items(rig.mock) >= asked + 20);
	/* Proofs work, too. */
	const struct need need = {.kind = NEED_PROOF,
				  .address = someone(WORLD_READER)->address};
	struct account_state account;
	fetch_ok(&need);
	assert_int_equal(layer_account(rig.view, &need.address, ACCOUNT_STORAGE_ROOT, &account,
				       NULL, &fault),
			 HIT);
	source_fed_clear(rig.view);
	assert_int_equal(layer_account(rig.view, &need.address, ACCOUNT_STORAGE_ROOT, &account,
				       NULL, &fault),
			 MISS);
	rig.config.trust_dev = true;
	reopen("2");
	expect_everything(2);
	source_fed_clear(rig.view);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	expect_everything(2);
	assert_int_equal(mock_thread_items(rig.mock), 0);
	/* What was kept then is not read without that trust. */
	rig.config.trust_dev = false;
	reopen("2");
	const struct eth_bytes32 slot = slot_of(1);
	struct eth_bytes32 value;
	assert_int_equal(layer_slot(rig.view, &need.address, &slot, &value, NULL, &fault),
			 MISS);
}

static void what_is_fed_is_of_one_view(void **state)
{
	const struct eth_address address = {{7}};
	struct need need = {.address = address, .slot = slot_of(5)};
	const struct eth_bytes32 value = slot_of(1234);
	struct blob *code = blob_copy("\x60\x01", 2), *got;
	struct layer_view *other;
	struct account_state account;
	struct eth_bytes32 word, hash;
	struct err_detail detail;

	(void)state;
	rig.config.block = "2";
	open_source();
	assert_ok(rig.layer->ops->view_new(rig.layer, rig.loop, &other, &detail));
	need.kind = NEED_SLOT;
	assert_ok(source_feed(rig.view, &need, &value, NULL));
	need.kind = NEED_BALANCE;
	assert_ok(source_feed(rig.view, &need, &value, NULL));
	need.kind = NEED_NONCE;
	assert_ok(source_feed(rig.view, &need, &value, NULL));
	need.kind = NEED_CODE;
	assert_ok(source_feed(rig.view, &need, NULL, code));
	need.kind = NEED_PROOF;
	assert_int_equal(source_feed(rig.view, &need, &value, NULL), ERR_UNSUPPORTED);
	assert_int_equal(try_slot(&address, &need.slot, &word), HIT);
	assert_memory_equal(&word, &value, 32);
	assert_int_equal(layer_account(rig.view, &address, EVERYTHING, &account, NULL, &fault),
			 HIT);
	assert_int_equal(account.fields.nonce, 1234);
	assert_true(account.exists);
	assert_int_equal(layer_code(rig.view, &address, &got, NULL, &fault), HIT);
	assert_ptr_equal(got, code);
	blob_put(&got);
	keccak256(code->bytes, code->len, &hash);
	assert_int_equal(layer_code_by_hash(rig.view, &hash, &got, &fault), HIT);
	blob_put(&got);
	assert_int_equal(layer_code_by_hash(other, &hash, &got, &fault), MISS);
	assert_int_equal(layer_slot(other, &address, &need.slot, &word, NULL, &fault), MISS);
	need.kind = NEED_CODE;
	assert_ok(source_feed(rig.view, &need, NULL, NULL));
	assert_int_equal(layer_code(rig.view, &address, &got, NULL, &fault), HIT);
	assert_null(got);
	source_fed_clear(rig.view);
	assert_int_equal(try_slot(&address, &need.slot, &word), MISS);
	needs_clear(&needs);
	other->layer->ops->view_free(&other);
	blob_put(&code);
}

static void cancelled_fetches_are_kept_all_the_same(void **state)
{
	const struct eth_address *address = &someone(WORLD_READER)->address;
	const struct need need = {.kind = NEED_SLOT, .address = *address, .slot = slot_of(1)};
	const struct need after = {.kind = NEED_SLOT, .address = *address, .slot = slot_of(2)};
	struct landing landing = {0};
	struct source_op *op = NULL;
	struct eth_bytes32 value;

	(void)state;
	rig.config.block = "2";
	open_source();
	/* It has been sent, and is cancelled before it comes. */
	mock_thread_control(rig.mock, "{\"hold\":{\"requests\":1000}}");
	assert_int_equal(source_fetch(rig.view, &need, on_done, &landing, &op, &fault),
			 PENDING);
	assert_ok(loop_turn(rig.loop, 0));
	while (mock_thread_asked(rig.mock, "eth_getStorageAt") == 0 &&
	       mock_thread_asked(rig.mock, "eth_getStorageValues") == 0)
		assert_ok(loop_turn(rig.loop, 1000));
	source_cancel(&op);
	assert_null(op);
	source_cancel(&op);
	mock_thread_control(rig.mock, "{\"release\":true}");
	fetch_ok(&after);
	assert_false(landing.done);
	source_fed_clear(rig.view);
	assert_int_equal(try_slot(address, &need.slot, &value), HIT);
	/* One that is under way when the view goes. */
	op = NULL;
	const struct need last = {.kind = NEED_CODE, .address = *address};
	assert_int_equal(source_fetch(rig.view, &last, on_done, &landing, &op, &fault),
			 PENDING);
	close_source();
	assert_false(landing.done);
}

/* ---- copies ---- */

struct seen {
	size_t accounts, slots, codes, wrong, twice;
	struct eth_address addresses[64];
	bool slots_before_accounts;
};

static enum err on_account(void *cookie, const struct eth_address *address,
			   const struct account_state *account)
{
	struct seen *seen = cookie;
	struct history_account want;

	history_account(mock_thread_chain(rig.mock), at_block(2), address, &want);
	if (((account->fields.mask & ACCOUNT_NONCE) && account->fields.nonce != want.nonce) ||
	    ((account->fields.mask & ACCOUNT_BALANCE) &&
	     memcmp(&account->fields.balance, &want.balance, 32) != 0))
		seen->wrong++;
	for (size_t i = 0; i < seen->accounts; i++)
		seen->twice += memcmp(&seen->addresses[i], address, 20) == 0;
	seen->slots_before_accounts |= seen->slots > 0 || seen->codes > 0;
	seen->addresses[seen->accounts++ % 64] = *address;
	return OK;
}

static enum err on_slot(void *cookie, const struct eth_address *address,
			const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct seen *seen = cookie;
	const struct eth_bytes32 want = true_slot(2, address, slot);

	seen->wrong += !eth_bytes32_equal(&want, value);
	seen->slots++;
	return OK;
}

static enum err on_code(void *cookie, const struct eth_bytes32 *hash, struct blob *code)
{
	struct seen *seen = cookie;
	struct eth_bytes32 want;

	keccak256(code->bytes, code->len, &want);
	seen->wrong += !eth_bytes32_equal(&want, hash);
	seen->codes++;
	return OK;
}

static const struct layer_walk walk_functions = {
	.account = on_account, .slot = on_slot, .code = on_code};

static enum err end_early(void *cookie, const struct eth_address *address,
			  const struct account_state *account)
{
	(void)address;
	(void)account;
	(*(unsigned *)cookie)++;
	return ERR_CANCELLED;
}

static void a_walk_lists_what_is_cached(void **state)
{
	const struct layer_walk early = {.account = end_early};
	const struct eth_bytes32 slots[] = {slot_of(1), slot_of(8)};
	const struct need need = {.kind = NEED_PROOF,
				  .address = someone(WORLD_TOKEN)->address,
				  .slots = slots,
				  .slots_n = 2};
	struct err_detail detail = {{0}};
	struct seen seen = {0};
	unsigned ended = 0;

	(void)state;
	rig.config.block = "2";
	open_source();
	assert_int_equal(rig.layer->ops->walk(rig.view, &walk_functions, &seen, &detail),
			 ERR_UNSUPPORTED);
	assert_non_null(strstr(detail.text, "disk"));
	rig.config.disk_folder = rig.folder;
	/* Of block 3 only a root is of use for block 2, later. */
	reopen("3");
	fetch_ok(&need);
	expect_slot(3, &someone(WORLD_READER)->address, 1);
	reopen("2");
	expect_everything(2);
	assert_ok(rig.layer->ops->walk(rig.view, &walk_functions, &seen, &detail));
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.accounts, 7);
	assert_int_equal(seen.slots, 13);
	assert_true(seen.codes >= 4);
	const struct need proof = {.kind = NEED_PROOF, .address = need.address};
	fetch_ok(&proof);
	seen = (struct seen){0};
	assert_ok(rig.layer->ops->walk(rig.view, &walk_functions, &seen, &detail));
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.twice, 0);
	assert_int_equal(seen.accounts, 7);
	assert_int_equal(seen.slots, 14); /* slot 8, by root */
	assert_false(seen.slots_before_accounts);
	assert_int_equal(rig.layer->ops->walk(rig.view, &early, &ended, &detail),
			 ERR_CANCELLED);
	assert_int_equal(ended, 1);
	rig.config.verify = true;
	reopen("2");
	seen = (struct seen){0};
	assert_ok(rig.layer->ops->walk(rig.view, &walk_functions, &seen, &detail));
	assert_int_equal(seen.accounts, 1);
	assert_int_equal(seen.slots, 2);
	assert_int_equal(seen.wrong, 0);
}

static void two_sources_share_a_folder(void **state)
{
	struct err_detail detail = {{0}};
	struct layer *other;

	(void)state;
	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	open_source();
	rig.config.block = "3";
	assert_ok(source_new(&rig.config, &other, &detail));
	expect_everything(2);
	other->ops->free(&other);
	expect_everything(2);
	mock_thread_control(rig.mock, "{\"chain_id\":5}");
	assert_int_equal(source_new(&rig.config, &other, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, "chain 5"));
	mock_thread_control(rig.mock, "{\"chain_id\":null}");
}

static void what_cannot_be_reached_is_said(void **state)
{
	struct err_detail detail = {{0}};

	(void)state;
	rig.config.block = "1000";
	rig.config.timeout_ms = 200;
	assert_int_not_equal(source_new(&rig.config, &rig.layer, &detail), OK);
	assert_null(rig.layer);
	assert_null(strstr(detail.text, "SECRET"));
	assert_true(strlen(detail.text) > 10);
	rig.config.block = "earliest of all";
	assert_int_not_equal(source_new(&rig.config, &rig.layer, &detail), OK);
	rig.config.block = "2";
	rig.config.chain_id = 99;
	assert_int_equal(source_new(&rig.config, &rig.layer, &detail), ERR_CONFIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(everything_is_fetched_once),
		TEST(the_disk_serves_later_runs_and_offline_ones),
		TEST(an_offline_source_needs_a_disk_and_a_block),
		TEST(a_development_node_is_not_kept),
		TEST(what_is_fed_is_of_one_view),
		TEST(cancelled_fetches_are_kept_all_the_same),
		TEST(a_walk_lists_what_is_cached),
		TEST(two_sources_share_a_folder),
		TEST(what_cannot_be_reached_is_said),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
