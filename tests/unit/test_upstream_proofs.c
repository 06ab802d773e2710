/* SPDX-License-Identifier: MIT */
/* Proofs of a source: what they bring, what is verified, what is refused. */
#include "source_rig.h"

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

/* A final block is asked for by its number, another by its hash. */
static void proofs_of_a_final_block_go_by_number(void **state)
{
	char body[1024];

	(void)state;
	rig.config.verify = true;
	rig.config.block = "2";
	for (int final = 0; final < 2; final++) {
		mock_thread_control(rig.mock,
				    final ? "{\"finalized\":0}" : "{\"finalized\":64}");
		reopen("2");
		expect_slot(2, &someone(WORLD_READER)->address, final ? 1 : 2);
		mock_thread_last_body(rig.mock, body, sizeof body);
		assert_non_null(strstr(body, "eth_getProof"));
		assert_true((strstr(body, "blockHash") == NULL) == (final == 1));
		expect_code(2, &someone(WORLD_READER)->address);
	}
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

static void get_witness(enum err want)
{
	struct landing landing = {0};

	assert_int_equal(source_fetch_witness(rig.view, on_done, &landing, &landing.op, &fault),
			 PENDING);
	await(&landing);
	assert_int_equal(landing.err, want);
}

/* A list, or an object by hashes: both are about. */
static void a_witness_brings_nodes(void **state)
{
	static const unsigned char nodes[] = {0xc2, 1, 2, 0xc2, 3, 4};
	struct eth_bytes32 hash[2];
	struct span rlp;

	(void)state;
	for (int i = 0; i < 2; i++)
		keccak256(nodes + i * 3, 3, &hash[i]);
	rig.config.block = "2";
	open_source();
	mock_thread_control(rig.mock, "{\"answers\":{\"debug_executionWitness\":{\"state\":"
				      "[\"0xc20102\"],\"codes\":[]}}}");
	get_witness(OK);
	assert_true(source_node(rig.layer, &hash[0], &rlp));
	assert_int_equal(rlp.len, 3);
	assert_memory_equal(rlp.ptr, nodes, 3);
	assert_false(source_node(rig.layer, &hash[1], &rlp));
	mock_thread_control(rig.mock, "{\"answers\":{\"debug_executionWitness\":{\"state\":"
				      "{\"0x00\":\"0xc20304\"}}}}");
	get_witness(OK);
	assert_true(source_node(rig.layer, &hash[1], &rlp));
	mock_thread_control(rig.mock, "{\"answers\":{\"debug_executionWitness\":{\"state\":"
				      "[\"0xz\"]}}}");
	get_witness(ERR_BAD_ANSWER);
	mock_thread_control(rig.mock, "{\"answers\":null}");
	get_witness(ERR_UNSUPPORTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(proofs_bring_roots_slots_and_nodes),
		TEST(more_slots_than_one_proof_holds),
		TEST(slots_are_known_at_a_new_block_by_their_root),
		TEST(verified_reads_are_proofs),
		TEST(proofs_of_a_final_block_go_by_number),
		TEST(verify_does_not_believe_the_disk),
		TEST(a_storage_root_that_was_not_proved_is_none),
		TEST(what_a_proof_does_not_show_is_refused),
		TEST(a_witness_brings_nodes),
		TEST(errors_of_the_upstream_are_told),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
