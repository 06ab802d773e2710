/* SPDX-License-Identifier: MIT */
/* A source in front of a node: tries, fetches, proofs, what is kept and found again. */
#include "unit.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/keccak.h"
#include "layers/source.h"
#include "layers/store_pool.h"
#include "mock_node/thread.h"
#include "store_fixture.h"

#define BLOCKS 3

static struct {
	struct mock_thread *mock;
	char folder[256];
	struct secret *url;
	struct loop *loop;
	struct layer *layer;
	struct layer_view *view;
	struct source_config config;
} rig;

static struct needs needs;
static struct fault fault;

static void open_source(void)
{
	struct err_detail detail = {{0}};

	if (source_new(&rig.config, &rig.layer, &detail) != OK)
		fail_msg("%s", detail.text);
	assert_ok(loop_new(&rig.loop));
	assert_ok(rig.layer->ops->view_new(rig.layer, rig.loop, &rig.view, &detail));
}

static void close_source(void)
{
	if (rig.layer == NULL)
		return;
	rig.layer->ops->view_free(&rig.view);
	loop_free(&rig.loop);
	rig.layer->ops->free(&rig.layer);
}

static void reopen(const char *block)
{
	close_source();
	rig.config.block = block;
	open_source();
}

static int group_setup(void **state)
{
	(void)state;
	log_set_level(LOG_OFF);
	assert_ok(mock_thread_start(BLOCKS, &rig.mock));
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	mock_thread_stop(&rig.mock);
	return 0;
}

static int setup(void **state)
{
	char url[64];

	(void)state;
	int n = snprintf(url, sizeof url, "http://127.0.0.1:%u/SECRETKEY",
			 mock_thread_port(rig.mock));
	rig.url = secret_new((struct span){url, (size_t)n});
	rig.config = (struct source_config){.urls = &rig.url,
					    .urls_n = 1,
					    .memory_bytes = 4u << 20,
					    .disk_bytes = 16u << 20,
					    .timeout_ms = 3000};
	fixture_folder(rig.folder);
	mock_thread_control(rig.mock,
			    "{\"reset_counters\":true,\"faults\":[],\"client_version\":null,"
			    "\"finalized\":64,\"execution_witness\":false,\"missing\":null}");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_source();
	needs_release(&needs);
	secret_free(&rig.url);
	fixture_remove(rig.folder);
	return check_failures() == 0 ? 0 : -1;
}

/* ---- the truth ---- */

static const struct world_account *someone(enum world_kind kind)
{
	return world_nth(mock_thread_chain(rig.mock)->world, kind, 0);
}

static const struct block *at_block(uint64_t number)
{
	return chain_by_number(mock_thread_chain(rig.mock), number);
}

static struct eth_bytes32 slot_of(uint64_t n)
{
	struct eth_bytes32 slot = {{0}};

	be64_put(slot.bytes + 24, n);
	return slot;
}

static struct eth_bytes32 true_slot(uint64_t block, const struct eth_address *address,
				    const struct eth_bytes32 *slot)
{
	struct eth_bytes32 value;

	history_slot(mock_thread_chain(rig.mock), at_block(block), address, slot, &value);
	return value;
}

/* ---- fetching ---- */

struct landing {
	struct source_op *op;
	bool done;
	enum err err;
	char detail[ERR_DETAIL_BYTES];
};

static void on_done(void *cookie, enum err err, const char *detail)
{
	struct landing *landing = cookie;

	landing->op = NULL;
	assert_false(landing->done);
	landing->done = true;
	landing->err = err;
	snprintf(landing->detail, sizeof landing->detail, "%s", detail);
}

static void await(struct landing *landing)
{
	while (!landing->done)
		assert_ok(loop_turn(rig.loop, -1));
}

static struct landing fetch(const struct need *need)
{
	struct landing landing = {0};

	assert_int_equal(source_fetch(rig.view, need, on_done, &landing, &landing.op, &fault),
			 PENDING);
	assert_false(landing.done);
	await(&landing);
	return landing;
}

static void fetch_ok(const struct need *need)
{
	struct landing landing = fetch(need);

	if (landing.err != OK)
		fail_msg("%s: %s", err_name(landing.err), landing.detail);
}

/* All that is needed, together. */
static void fetch_needs(void)
{
	struct landing landings[16] = {{0}};

	assert_in_range(needs.n, 1, 16);
	for (size_t i = 0; i < needs.n; i++)
		assert_int_equal(source_fetch(rig.view, &needs.rows[i], on_done, &landings[i],
					      &landings[i].op, &fault),
				 PENDING);
	for (size_t i = 0; i < needs.n; i++) {
		await(&landings[i]);
		if (landings[i].err != OK)
			fail_msg("%s", landings[i].detail);
	}
	needs_clear(&needs);
}

static enum lookup try_slot(const struct eth_address *address, const struct eth_bytes32 *slot,
			    struct eth_bytes32 *value)
{
	const enum lookup found = layer_slot(rig.view, address, slot, value, &needs, &fault);

	rig.layer->ops->rest(rig.view);
	return found;
}

static void expect_slot(uint64_t block, const struct eth_address *address, uint64_t n)
{
	const struct eth_bytes32 slot = slot_of(n), want = true_slot(block, address, &slot);
	struct eth_bytes32 value;

	if (try_slot(address, &slot, &value) != HIT) {
		fetch_needs();
		assert_int_equal(try_slot(address, &slot, &value), HIT);
	}
	assert_memory_equal(&value, &want, 32);
}

#define EVERYTHING (ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH | ACCOUNT_EXISTENCE)

static void expect_account(uint64_t block, const struct eth_address *address)
{
	struct account_state got;
	struct history_account want;
	struct eth_bytes32 hash;

	history_account(mock_thread_chain(rig.mock), at_block(block), address, &want);
	if (layer_account(rig.view, address, EVERYTHING, &got, &needs, &fault) != HIT) {
		fetch_needs();
		assert_int_equal(
			layer_account(rig.view, address, EVERYTHING, &got, &needs, &fault),
			HIT);
	}
	rig.layer->ops->rest(rig.view);
	assert_int_equal(got.fields.mask & EVERYTHING, EVERYTHING);
	assert_int_equal(got.fields.nonce, want.nonce);
	assert_memory_equal(&got.fields.balance, &want.balance, 32);
	keccak256(want.code.ptr, want.code.len, &hash);
	assert_memory_equal(&got.fields.code_hash, &hash, 32);
	static const struct eth_u256 zero;
	assert_int_equal(got.exists, want.nonce != 0 || want.code.len != 0 ||
					     memcmp(&want.balance, &zero, 32) != 0);
}

static void expect_code(uint64_t block, const struct eth_address *address)
{
	struct history_account want;
	struct blob *code = NULL;

	history_account(mock_thread_chain(rig.mock), at_block(block), address, &want);
	if (layer_code(rig.view, address, &code, &needs, &fault) != HIT) {
		fetch_needs();
		assert_int_equal(layer_code(rig.view, address, &code, &needs, &fault), HIT);
	}
	rig.layer->ops->rest(rig.view);
	assert_int_equal(code != NULL ? code->len : 0, want.code.len);
	if (code != NULL)
		assert_memory_equal(code->bytes, want.code.ptr, code->len);
	blob_put(&code);
}

static void expect_everything(uint64_t block)
{
	static const enum world_kind kinds[] = {WORLD_EOA,   WORLD_READER,    WORLD_TOKEN,
						WORLD_LARGE, WORLD_DELEGATED, WORLD_MOVER};
	const struct eth_address nobody = {{1, 2, 3}};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const struct eth_address *address = &someone(kinds[i])->address;
		expect_account(block, address);
		expect_code(block, address);
		expect_slot(block, address, 1);
		expect_slot(block, address, 4);
	}
	expect_account(block, &nobody);
	expect_code(block, &nobody);
	expect_slot(block, &nobody, 1);
}

static void ask_nothing(void)
{
	rig.config.urls_n = 0;
}

/* ---- tests ---- */

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
	/* Without what has landed for this view: the memory has it. */
	source_fed_clear(rig.view);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	expect_everything(2);
	struct source_stats stats;
	source_stats(rig.layer, &stats);
	assert_true(stats.items > 10);
	struct layer_stats layers = {0};
	rig.layer->ops->stats(rig.layer, &layers);
	assert_int_equal(layers.slots.misses, 13);
	assert_int_equal(layers.slots.hits, 13 + 13);
	assert_int_equal(mock_thread_items(rig.mock), 0);
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

static void proofs_bring_roots_slots_and_nodes(void **state)
{
	const struct eth_address *address = &someone(WORLD_TOKEN)->address;
	const struct eth_bytes32 slots[] = {slot_of(1), slot_of(4), slot_of(99999)};
	const struct need need = {
		.kind = NEED_PROOF, .address = *address, .slots = slots, .slots_n = 3};
	struct account_state account;
	struct eth_bytes32 value, want;
	struct span rlp;

	(void)state;
	rig.config.block = "2";
	open_source();
	assert_false(source_node(rig.layer, &at_block(2)->header.state_root, &rlp));
	assert_int_equal(layer_account(rig.view, address, ACCOUNT_STORAGE_ROOT, &account,
				       &needs, &fault),
			 MISS);
	assert_int_equal(needs.n, 1);
	assert_int_equal(needs.rows[0].kind, NEED_PROOF);
	needs_clear(&needs);
	fetch_ok(&need);
	source_fed_clear(rig.view);
	assert_int_equal(layer_account(rig.view, address, EVERYTHING | ACCOUNT_STORAGE_ROOT,
				       &account, &needs, &fault),
			 HIT);
	expect_account(2, address);
	for (size_t i = 0; i < 3; i++) {
		want = true_slot(2, address, &slots[i]);
		assert_int_equal(try_slot(address, &slots[i], &value), HIT);
		assert_memory_equal(&value, &want, 32);
		assert_int_equal(source_slot_by_root(rig.view, &account.fields.storage_root,
						     &slots[i], &value),
				 HIT);
		assert_memory_equal(&value, &want, 32);
	}
	assert_true(source_node(rig.layer, &at_block(2)->header.state_root, &rlp));
	keccak256(rlp.ptr, rlp.len, &value);
	assert_memory_equal(&value, &at_block(2)->header.state_root, 32);
	assert_true(source_node(rig.layer, &account.fields.storage_root, &rlp));
}

static void more_slots_than_one_proof_holds(void **state)
{
	const struct eth_address *address = &someone(WORLD_READER)->address;
	struct eth_bytes32 slots[1500], value;
	const struct need need = {
		.kind = NEED_PROOF, .address = *address, .slots = slots, .slots_n = 1500};

	(void)state;
	for (uint64_t i = 0; i < 1500; i++)
		slots[i] = slot_of(i);
	rig.config.block = "2";
	open_source();
	fetch_ok(&need);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getProof"), 2);
	for (uint64_t i = 0; i < 1500; i += 100) {
		const struct eth_bytes32 want = true_slot(2, address, &slots[i]);
		assert_int_equal(try_slot(address, &slots[i], &value), HIT);
		assert_memory_equal(&value, &want, 32);
	}
}

/* A token of which nothing was moved between two blocks: its slots are known at the second. */
static void slots_are_known_at_a_new_block_by_their_root(void **state)
{
	const struct eth_address *address = &someone(WORLD_TOKEN)->address;
	const struct eth_bytes32 slots[] = {slot_of(1), slot_of(4)};
	struct need need = {
		.kind = NEED_PROOF, .address = *address, .slots = slots, .slots_n = 2};
	struct eth_bytes32 value;

	(void)state;
	rig.config.disk_folder = rig.folder;
	rig.config.block = "2";
	open_source();
	fetch_ok(&need);
	reopen("3");
	need.slots_n = 0;
	/* Nothing says yet that the root is the same. */
	assert_int_equal(layer_slot(rig.view, address, &slots[0], &value, NULL, &fault), MISS);
	fetch_ok(&need);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	expect_slot(3, address, 1);
	expect_slot(3, address, 4);
	assert_int_equal(mock_thread_items(rig.mock), 0);
	assert_int_equal(
		layer_slot(rig.view, address, &(struct eth_bytes32){{9}}, &value, NULL, &fault),
		MISS);
	/* And of one that changes in every block another root leads to other values. */
	need.address = someone(WORLD_MOVER)->address;
	need.slots_n = 2;
	reopen("2");
	fetch_ok(&need);
	reopen("3");
	need.slots_n = 0;
	fetch_ok(&need);
	assert_int_equal(layer_slot(rig.view, &need.address, &slots[0], &value, NULL, &fault),
			 MISS);
	expect_slot(3, &need.address, 1);
}

static void verified_reads_are_proofs(void **state)
{
	(void)state;
	rig.config.verify = true;
	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	open_source();
	expect_everything(2);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getStorageAt"), 0);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getBalance"), 0);
	assert_true(mock_thread_asked(rig.mock, "eth_getProof") > 10);
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	source_fed_clear(rig.view);
	expect_everything(2);
	reopen("2");
	expect_everything(2);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getProof"), 0);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getCode"), 0);
}

/* What was kept without being checked is not believed. */
static void verify_does_not_believe_the_disk(void **state)
{
	(void)state;
	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	open_source();
	expect_everything(2);
	rig.config.verify = true;
	reopen("2");
	mock_thread_control(rig.mock, "{\"reset_counters\":true}");
	const struct eth_address *address = &someone(WORLD_READER)->address;
	const struct eth_bytes32 slot = slot_of(1);
	struct account_state account;
	struct eth_bytes32 value;
	assert_int_equal(layer_slot(rig.view, address, &slot, &value, NULL, &fault), MISS);
	assert_int_equal(
		layer_account(rig.view, address, ACCOUNT_NONCE, &account, NULL, &fault), MISS);
	expect_slot(2, address, 1);
	expect_account(2, address);
	assert_int_equal(mock_thread_asked(rig.mock, "eth_getProof"), 1);
}

/* As a server keeps it of an eth_getProof that nobody has checked. */
static void a_storage_root_that_was_not_proved_is_none(void **state)
{
	const struct store_config config = {.folder = rig.folder, .capacity_bytes = 16u << 20};
	const struct eth_address *address = &someone(WORLD_READER)->address;
	const struct eth_bytes32 slot = slot_of(1);
	struct account_fields fields = {.mask = ACCOUNT_STORAGE_ROOT | ACCOUNT_NONCE,
					.nonce = 4242};
	struct account_state account;
	struct err_detail detail;
	struct eth_bytes32 value;
	struct store *store;

	(void)state;
	rig.config.disk_folder = rig.folder;
	rig.config.block = "2";
	open_source();
	assert_ok(store_pool_get(&config, &store, &detail));
	fields.storage_root = eth_empty_trie_root;
	store_put_account(store, &at_block(2)->hash, address, &fields);
	store_flush(store);
	store_pool_put(&store);
	assert_int_equal(
		layer_account(rig.view, address, ACCOUNT_NONCE, &account, NULL, &fault), HIT);
	assert_int_equal(account.fields.nonce, 4242);
	assert_int_equal(
		layer_account(rig.view, address, ACCOUNT_STORAGE_ROOT, &account, NULL, &fault),
		MISS);
	assert_int_equal(layer_slot(rig.view, address, &slot, &value, NULL, &fault), MISS);
}

/* Of a node that lies. */
static void what_a_proof_does_not_show_is_refused(void **state)
{
	const struct eth_address *address = &someone(WORLD_READER)->address;
	struct need need = {.kind = NEED_SLOT, .address = *address, .slot = slot_of(1)};
	struct eth_bytes32 value;

	(void)state;
	rig.config.verify = true;
	rig.config.block = "2";
	rig.config.timeout_ms = 300;
	open_source();
	/* The answer of another block: true, but under another root. */
	mock_thread_control(rig.mock,
			    "{\"faults\":[{\"kind\":\"value\",\"method\":\"eth_getProof\","
			    "\"value\":{\"balance\":\"0x0\"}}]}");
	struct landing landing = fetch(&need);
	assert_int_equal(landing.err, ERR_BAD_ANSWER);
	assert_null(strstr(landing.detail, "SECRET"));
	assert_int_equal(layer_slot(rig.view, address, &need.slot, &value, NULL, &fault), MISS);
	/* Code is what its hash says. */
	mock_thread_control(rig.mock,
			    "{\"faults\":[{\"kind\":\"value\",\"method\":\"eth_getCode\","
			    "\"value\":\"0x6001\"}]}");
	need.kind = NEED_CODE;
	landing = fetch(&need);
	assert_int_equal(landing.err, ERR_CORRUPT);
	assert_non_null(strstr(landing.detail, "hash"));
	struct blob *code;
	assert_int_equal(layer_code(rig.view, address, &code, NULL, &fault), MISS);
	mock_thread_control(rig.mock, "{\"faults\":[]}");
	fetch_ok(&need);
	expect_code(2, address);
}

static void errors_of_the_upstream_are_told(void **state)
{
	const struct need need = {.kind = NEED_PROOF,
				  .address = someone(WORLD_READER)->address};
	struct source_op *op = NULL;

	(void)state;
	rig.config.block = "2";
	rig.config.timeout_ms = 1000;
	open_source();
	mock_thread_control(rig.mock, "{\"missing\":[\"eth_getProof\"]}");
	struct landing landing = fetch(&need);
	assert_int_equal(landing.err, ERR_UNSUPPORTED);
	assert_non_null(strstr(landing.detail, "eth_getProof"));
	/* The witness of the next block: few nodes have it, and this one has no block 3's. */
	struct landing witness = {0};
	assert_int_equal(source_fetch_witness(rig.view, on_done, &witness, &op, &fault),
			 PENDING);
	await(&witness);
	assert_int_equal(witness.err, ERR_UNSUPPORTED);
	assert_non_null(strstr(witness.detail, "debug_executionWitness"));
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
		TEST(proofs_bring_roots_slots_and_nodes),
		TEST(more_slots_than_one_proof_holds),
		TEST(slots_are_known_at_a_new_block_by_their_root),
		TEST(verified_reads_are_proofs),
		TEST(verify_does_not_believe_the_disk),
		TEST(a_storage_root_that_was_not_proved_is_none),
		TEST(what_a_proof_does_not_show_is_refused),
		TEST(errors_of_the_upstream_are_told),
		TEST(a_development_node_is_not_kept),
		TEST(what_is_fed_is_of_one_view),
		TEST(cancelled_fetches_are_kept_all_the_same),
		TEST(a_walk_lists_what_is_cached),
		TEST(two_sources_share_a_folder),
		TEST(what_cannot_be_reached_is_said),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
