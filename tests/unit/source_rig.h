/* SPDX-License-Identifier: MIT */
#pragma once
/* A source in front of a mock node, and what the chain says, for tests named test_upstream_*.
 */
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

static inline void open_source(void)
{
	struct err_detail detail = {{0}};

	if (source_new(&rig.config, &rig.layer, &detail) != OK)
		fail_msg("%s", detail.text);
	assert_ok(loop_new(&rig.loop));
	assert_ok(rig.layer->ops->view_new(rig.layer, rig.loop, &rig.view, &detail));
}

static inline void close_source(void)
{
	if (rig.layer == NULL)
		return;
	rig.layer->ops->view_free(&rig.view);
	loop_free(&rig.loop);
	rig.layer->ops->free(&rig.layer);
}

static inline void reopen(const char *block)
{
	close_source();
	rig.config.block = block;
	open_source();
}

static inline int group_setup(void **state)
{
	(void)state;
	log_set_level(LOG_OFF);
	assert_ok(mock_thread_start(BLOCKS, &rig.mock));
	return 0;
}

static inline int group_teardown(void **state)
{
	(void)state;
	mock_thread_stop(&rig.mock);
	return 0;
}

static inline int setup(void **state)
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
					    .timeout_ms = 60000};
	fixture_folder(rig.folder);
	mock_thread_control(rig.mock,
			    "{\"reset_counters\":true,\"faults\":[],\"client_version\":null,"
			    "\"finalized\":64,\"execution_witness\":false,\"missing\":null}");
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	close_source();
	needs_release(&needs);
	secret_free(&rig.url);
	fixture_remove(rig.folder);
	return check_failures() == 0 ? 0 : -1;
}

/* ---- the truth ---- */

static inline const struct world_account *someone(enum world_kind kind)
{
	return world_nth(mock_thread_chain(rig.mock)->world, kind, 0);
}

static inline const struct block *at_block(uint64_t number)
{
	return chain_by_number(mock_thread_chain(rig.mock), number);
}

static inline struct eth_bytes32 slot_of(uint64_t n)
{
	struct eth_bytes32 slot = {{0}};

	be64_put(slot.bytes + 24, n);
	return slot;
}

static inline struct eth_bytes32 true_slot(uint64_t block, const struct eth_address *address,
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

static inline void on_done(void *cookie, enum err err, const char *detail)
{
	struct landing *landing = cookie;

	landing->op = NULL;
	assert_false(landing->done);
	landing->done = true;
	landing->err = err;
	snprintf(landing->detail, sizeof landing->detail, "%s", detail);
}

static inline void await(struct landing *landing)
{
	while (!landing->done)
		assert_ok(loop_turn(rig.loop, -1));
}

static inline struct landing fetch(const struct need *need)
{
	struct landing landing = {0};

	assert_int_equal(source_fetch(rig.view, need, on_done, &landing, &landing.op, &fault),
			 PENDING);
	assert_false(landing.done);
	await(&landing);
	return landing;
}

static inline void fetch_ok(const struct need *need)
{
	struct landing landing = fetch(need);

	if (landing.err != OK)
		fail_msg("%s: %s", err_name(landing.err), landing.detail);
}

/* All that is needed, together. */
static inline void fetch_needs(void)
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

static inline enum lookup try_slot(const struct eth_address *address,
				   const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	const enum lookup found = layer_slot(rig.view, address, slot, value, &needs, &fault);

	rig.layer->ops->rest(rig.view);
	return found;
}

static inline void expect_slot(uint64_t block, const struct eth_address *address, uint64_t n)
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

static inline void expect_account(uint64_t block, const struct eth_address *address)
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

static inline void expect_code(uint64_t block, const struct eth_address *address)
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

static inline void expect_everything(uint64_t block)
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

static inline void ask_nothing(void)
{
	rig.config.urls_n = 0;
}
