/* SPDX-License-Identifier: MIT */
/* What is kept of the block that a fork stands on, and found again without an upstream. */
#include "unit.h"
#include "base/loop.h"
#include "layers/anchor.h"
#include "store_fixture.h"

#define HEADER                                                                          \
	"{\"number\":\"0x64\",\"hash\":\"0x" H32 "\",\"parentHash\":\"0x" H32           \
	"\",\"stateRoot\":\"0x" H32 "\",\"timestamp\":\"0x5\",\"gasLimit\":\"0x1000\"," \
	"\"requestsHash\":\"0x" H32 "\"}"
#define H32 "1234567890123456789012345678901234567890123456789012345678901234"

static struct {
	char folder[256];
	struct store *store;
	struct stack *stack;
	struct anchor anchor;
} rig;

static void keep_nothing(void *cookie, struct stack *stack, const struct fork_question *q,
			 const struct fork_answer *answer)
{
	(void)cookie;
	(void)stack;
	(void)q;
	(void)answer;
}

static int setup(void **state)
{
	(void)state;
	fixture_folder(rig.folder);
	rig.store = fixture_open(rig.folder, 16u << 20);
	const struct stack_config config = {
		.memory_bytes = 4u << 20, .store = rig.store, .keep = keep_nothing};
	assert_ok(stack_new(&config, &rig.stack));
	struct fork_pin pin = {.chain_id = FIXTURE_CHAIN,
			       .finalized = 100,
			       .header_json = blob_copy(HEADER, strlen(HEADER)),
			       .client_version = "Geth/v1.14"};
	struct err_detail detail;
	assert_ok(block_header_parse(SPAN(HEADER), &rig.anchor.header, &rig.anchor.is_prague,
				     &detail));
	pin.block.number = 100;
	pin.block.hash = rig.anchor.header.hash;
	assert_ok(anchor_from_pin(&pin, &rig.anchor, &detail));
	blob_put(&pin.header_json);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stack_free(&rig.stack);
	store_close(&rig.store);
	fixture_remove(rig.folder);
	return 0;
}

static void expect_refusal(const char *block, enum err want, const char *word)
{
	struct err_detail detail = {{0}};
	struct anchor found;

	assert_int_equal(anchor_from_disk(rig.store, FIXTURE_CHAIN, block, &found, &detail),
			 want);
	if (strstr(detail.text, word) == NULL)
		fail_msg("%s", detail.text);
}

static void what_was_kept_is_found(void **state)
{
	const char *names[] = {"100", "0x64", ("0x" H32)};
	struct err_detail detail;
	uint64_t chain_id;

	(void)state;
	anchor_keep(&rig.anchor, rig.stack, rig.store, SPAN(HEADER));
	store_flush(rig.store);
	assert_ok(anchor_chain_on_disk(rig.store, 0, &chain_id, &detail));
	assert_int_equal(chain_id, FIXTURE_CHAIN);
	for (size_t i = 0; i < 3; i++) {
		struct anchor found;
		assert_ok(anchor_from_disk(rig.store, chain_id, names[i], &found, &detail));
		assert_int_equal(found.block.at.number, 100);
		assert_true(found.block.final);
		assert_false(found.block.at.by_hash);
		assert_true(found.is_prague);
		assert_int_equal(found.header.timestamp, 5);
		assert_string_equal(found.client_kind, "Geth");
		assert_memory_equal(&found.header.state_root, &rig.anchor.header.state_root,
				    32);
	}
}

static void what_is_missing_is_named(void **state)
{
	struct err_detail detail = {{0}};
	uint64_t chain_id;

	(void)state;
	assert_int_equal(anchor_chain_on_disk(rig.store, 0, &chain_id, &detail), ERR_OFFLINE);
	assert_non_null(strstr(detail.text, "empty"));
	assert_ok(anchor_chain_on_disk(rig.store, 5, &chain_id, &detail));
	assert_int_equal(chain_id, 5);
	expect_refusal("101", ERR_OFFLINE, "block 101 of chain 1");
	expect_refusal("0x" H32, ERR_OFFLINE, "does not know block 0x1234");
	expect_refusal("latest", ERR_CONFIG, "\"latest\"");
	expect_refusal(NULL, ERR_CONFIG, "by number or hash");
}

static void a_block_that_was_not_final_is_found_by_its_hash(void **state)
{
	struct err_detail detail;
	struct anchor found;

	(void)state;
	rig.anchor.finalized = 50;
	rig.anchor.block.final = false;
	anchor_keep(&rig.anchor, rig.stack, rig.store, SPAN(HEADER));
	store_flush(rig.store);
	expect_refusal("100", ERR_OFFLINE, "not in the cache as a final block");
	assert_ok(anchor_from_disk(rig.store, FIXTURE_CHAIN, "0x" H32, &found, &detail));
	assert_false(found.block.final);
	assert_true(found.block.at.by_hash);
}

static void the_header_is_kept_without_a_disk(void **state)
{
	const struct stack_config config = {.memory_bytes = 4u << 20, .keep = keep_nothing};
	struct reply reply = {0};
	struct stack_view *view;
	struct eth_bytes32 hash;
	struct stack *stack;
	struct loop *loop;

	(void)state;
	assert_ok(loop_new(&loop));
	assert_ok(stack_new(&config, &stack));
	assert_ok(stack_view_new(stack, NULL, loop, 1, &view));
	anchor_keep(&rig.anchor, stack, NULL, SPAN("{}"));
	assert_int_equal(stack_get_binding(view, 100, &hash), HIT);
	assert_int_equal(stack_get_reply(view,
					 SPAN("1:eth_getBlockByHash[\"0x" H32 "\",false]"),
					 &reply),
			 HIT);
	assert_true(span_is(reply.json, "{}"));
	reply_release(&reply);
	stack_view_free(&view);
	stack_free(&stack);
	loop_free(&loop);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_kept_is_found),
		TEST(what_is_missing_is_named),
		TEST(a_block_that_was_not_final_is_found_by_its_hash),
		TEST(the_header_is_kept_without_a_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
