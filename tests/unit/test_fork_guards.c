/* SPDX-License-Identifier: MIT */
/* Calls at a block that is not final: by hash, or by number between two reads of the hash. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

static struct fork_question call_at(uint64_t number)
{
	struct fork_question q = {.kind = FORK_CALL,
				  .class = FORK_CLASS_STATE,
				  .method = SPAN("test_echo"),
				  .params = SPAN("[1]")};

	q.block.number = number;
	q.block.hash = fake_node_hash(&fake_nodes[0], number);
	q.block.by_hash = true;
	return q;
}

static struct fork_question guarded_call(uint64_t number)
{
	struct fork_question q = call_at(number);

	q.guarded = true;
	return q;
}

static void expect_text(struct asked *asked, const char *text)
{
	assert_true(asked->done);
	if (asked->err != OK)
		fail_msg("%s: %s", err_name(asked->err), asked->detail);
	assert_int_equal(asked->blob->len, strlen(text));
	assert_memory_equal(asked->blob->bytes, text, asked->blob->len);
	blob_put(&asked->blob);
}

/* A call whose params name block 990 by hash. */
static struct fork_question call_by_hash(char *params, size_t room)
{
	struct fork_question q = call_at(990);
	char hex[64];

	eth_hex(q.block.hash.bytes, 32, hex);
	int n = snprintf(params, room, "[{\"to\":\"0x1\"},{\"blockHash\":\"0x%.64s\"},7]", hex);
	q.params = (struct span){params, (size_t)n};
	q.by_hash_at = 14;
	q.by_hash_len = 13 + 1 + 66 + 2;
	assert_int_equal(params[q.by_hash_at], '{');
	assert_int_equal(params[q.by_hash_at + q.by_hash_len], ',');
	return q;
}

static void fail_with(int code, const char *message)
{
	fake_nodes[0].fault = FAULT_RPC;
	fake_nodes[0].fault_code = code;
	fake_nodes[0].fault_message = message;
	fake_nodes[0].fault_left = UINT_MAX;
}

static void a_guarded_call_stands_between_two_reads(void **state)
{
	(void)state;
	static const enum fork_class classes[] = {FORK_CLASS_STATE, FORK_CLASS_CALL,
						  FORK_CLASS_TRACE};
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].block_calls = 0;
		struct fork_question q = guarded_call(990);
		q.class = classes[i];
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 200);
		expect_text(&asked, "[1]");
		assert_false(asked.do_not_store);
		assert_int_equal(fake_nodes[0].requests, 1);
		assert_int_equal(fake_nodes[0].largest_batch, 3);
		assert_int_equal(fake_nodes[0].block_calls, 2);
		rig_end(&rig);
	}
}

static void calls_of_one_block_share_their_guards(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[4];
	static const char *const params[] = {"[1]", "[2]", "[3]"};
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].block_calls = 0;
	for (size_t i = 0; i < 3; i++) {
		struct fork_question q = guarded_call(990);
		q.params = span_of(params[i]);
		rig_ask(&rig, &asked[i], &q);
	}
	struct fork_question other = guarded_call(991);
	rig_ask(&rig, &asked[3], &other);
	rig_advance_ms(&rig, 300);
	for (size_t i = 0; i < 3; i++)
		expect_text(&asked[i], params[i]);
	expect_text(&asked[3], "[1]");
	assert_int_equal(fake_nodes[0].requests, 2);
	assert_int_equal(fake_nodes[0].block_calls, 4);
	rig_end(&rig);
}

/* Another block under that number: nobody is believed, and the caller hears why. */
static void a_block_that_is_gone_is_lacking(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	struct fork_question q = guarded_call(990);
	q.block.hash.bytes[7] ^= 1;
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 5000);
	assert_true(asked.done);
	assert_int_equal(asked.err, ERR_NOT_FOUND);
	assert_true(asked.lacks);
	assert_int_equal(rig.learned, 0);
	rig_end(&rig);
}

/* Its nodes are behind one address, and most of them a second late. */
static void a_block_that_comes_late_is_waited_for(void **state)
{
	(void)state;
	for (int by_hash = 0; by_hash <= 1; by_hash++) {
		struct rig rig;
		struct asked asked;
		char params[160];
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].salt++;
		struct fork_question q =
			by_hash ? call_by_hash(params, sizeof params) : guarded_call(990);
		fake_nodes[0].salt--;
		if (by_hash)
			fail_with(-32000, "header not found");
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 900);
		assert_false(asked.done);
		if (by_hash)
			fake_nodes[0].fault_left = 0;
		else
			fake_nodes[0].salt++;
		rig_advance_ms(&rig, 1100);
		expect_text(&asked, by_hash ? params : "[1]");
		rig_end(&rig);
	}
}

/* One who saw another head asks the same: that head's failure is none of his. */
static void equal_calls_under_two_heads_are_two_questions(void **state)
{
	(void)state;
	struct rig rig;
	struct asked gone, there;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	struct fork_question q = guarded_call(990);
	q.may_join = true;
	rig_ask(&rig, &there, &q);
	q.block.hash.bytes[7] ^= 1;
	rig_ask(&rig, &gone, &q);
	rig_advance_ms(&rig, 5000);
	expect_text(&there, "[1]");
	assert_int_equal(gone.err, ERR_NOT_FOUND);
	assert_true(gone.lacks);
	rig_end(&rig);
}

/* ---- an upstream that takes no batches ---- */

static void start_without_batches(struct rig *rig)
{
	rig_init(rig, 1);
	rig->config.batch_items = 1;
	rig_start(rig);
	rig_warm(rig);
	fake_nodes[0].block_calls = 0;
}

static void without_batches_the_block_is_read_afterwards(void **state)
{
	(void)state;
	static const enum fork_class classes[] = {FORK_CLASS_STATE, FORK_CLASS_TRACE};
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		struct rig rig;
		struct asked asked;
		start_without_batches(&rig);
		struct fork_question q = guarded_call(990);
		q.class = classes[i];
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 75); /* 50 ms a question */
		assert_false(asked.done);
		assert_int_equal(fake_nodes[0].block_calls, 1);
		rig_advance_ms(&rig, 50);
		expect_text(&asked, "[1]");
		assert_false(asked.do_not_store);
		assert_int_equal(fake_nodes[0].batches, 0);
		rig_end(&rig);
	}
}

static void without_batches_a_block_that_is_gone_is_lacking(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	start_without_batches(&rig);
	struct fork_question q = guarded_call(990);
	q.block.hash.bytes[7] ^= 1;
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 9001);
	assert_true(asked.done);
	assert_int_equal(asked.err, ERR_NOT_FOUND);
	assert_true(asked.lacks);
	assert_int_equal(rig.learned, 0);
	rig_end(&rig);
}

/* The answer is the node's of now, and asked again. */
static void a_reorganisation_before_the_read(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	start_without_batches(&rig);
	struct fork_question q = guarded_call(990);
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 40);
	fake_nodes[0].salt++;
	rig_advance_ms(&rig, 75);
	assert_int_equal(fake_nodes[0].block_calls, 1);
	assert_false(asked.done);
	fake_nodes[0].salt--;
	rig_advance_ms(&rig, 1000);
	expect_text(&asked, "[1]");
	assert_int_equal(fake_nodes[0].block_calls, 2);
	rig_end(&rig);
}

static void state_without_block_hashes_and_batches(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[3];
	start_without_batches(&rig);
	fake_nodes[0].refuses_block_hash = true;
	for (unsigned i = 0; i < 3; i++) {
		struct fork_question q = rig_question(FORK_SLOT, 1, i);
		q.block.by_hash = true;
		rig_ask(&rig, &asked[i], &q);
	}
	rig_advance_ms(&rig, 1000);
	for (unsigned i = 0; i < 3; i++) {
		rig_expect_slot(&asked[i], 1, i);
		assert_false(asked[i].do_not_store);
	}
	assert_int_equal(fake_nodes[0].block_calls, 3);
	assert_int_equal(fake_nodes[0].batches, 0);
	rig_end(&rig);
}

/* The node is down between answer and read: asked again, and the deadline holds. */
static void the_read_fails(void **state)
{
	(void)state;
	for (int lasts = 0; lasts <= 1; lasts++) {
		struct rig rig;
		struct asked asked;
		start_without_batches(&rig);
		struct fork_question q = guarded_call(990);
		rig_ask(&rig, &asked, &q);
		rig_advance_ms(&rig, 49);
		fake_nodes[0].fault = FAULT_STATUS;
		fake_nodes[0].fault_status = 429;
		fake_nodes[0].fault_probes = true; /* a read of a block, alone, is like one */
		fake_nodes[0].fault_left = lasts ? UINT_MAX : 1;
		rig_advance_ms(&rig, 9001);
		assert_true(asked.done);
		if (lasts)
			assert_int_equal(asked.err, ERR_RATE_LIMITED);
		else
			expect_text(&asked, "[1]");
		rig_end(&rig);
	}
}

/* Nobody waits any more, and the fork ends: each while the block is being read. */
static void left_while_the_block_is_read(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	start_without_batches(&rig);
	struct fork_question q = guarded_call(990);
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 75);
	fork_cancel(&asked.op);
	rig_advance_ms(&rig, 75);
	assert_false(asked.done);
	assert_int_equal(rig.learned, 1); /* it is paid for */
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 75);
	assert_int_equal(fake_nodes[0].block_calls, 2);
	fork_cancel(&asked.op);
	rig_end(&rig);
}

static void the_fork_ends_while_the_block_is_read(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	start_without_batches(&rig);
	struct fork_question q = guarded_call(990);
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 75);
	assert_int_equal(fake_nodes[0].block_calls, 1);
	fork_port_close(&rig.port);
	rig_advance_ms(&rig, 1);
	engine_free(&rig.fork);
	assert_int_equal(fake_loop_timer_count(rig.loop), 0);
	loop_free(&rig.loop);
	secret_free(&rig.urls[0]);
	assert_false(asked.done);
	assert_int_equal(check_failures(), 0);
}

/* ---- {"blockHash"} ---- */

/* The form goes, the meaning stays. */
static void a_refused_block_hash_becomes_a_guarded_number(void **state)
{
	(void)state;
	for (int refuses = 0; refuses <= 1; refuses++) {
		struct rig rig;
		struct asked asked;
		char params[160];
		rig_init(&rig, 1);
		fake_nodes[0].refuses_block_hash = refuses != 0;
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].block_calls = 0;
		struct fork_question q = call_by_hash(params, sizeof params);
		for (unsigned again = 0; again <= 1; again++) {
			rig_ask(&rig, &asked, &q);
			rig_advance_ms(&rig, 500);
			expect_text(&asked,
				    refuses ? "[{\"to\":\"0x1\"},\"0x3de\",7]" : params);
			assert_false(asked.do_not_store);
		}
		assert_int_equal(fake_nodes[0].block_calls, refuses ? 4 : 0);
		rig_end(&rig);
	}
}

/* That the form was refused is not the answer when the number then meets with a fault. */
static void a_refused_block_hash_is_no_answer(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	char params[160];
	rig_init(&rig, 1);
	fake_nodes[0].refuses_block_hash = true;
	rig_start(&rig);
	rig_warm(&rig);
	struct fork_question q = call_by_hash(params, sizeof params);
	q.computed = true;
	rig_ask(&rig, &asked, &q);
	rig_advance_ms(&rig, 49);
	fake_nodes[0].fault = FAULT_STATUS;
	fake_nodes[0].fault_status = 503;
	fake_nodes[0].fault_left = 1;
	rig_advance_ms(&rig, 1000);
	assert_int_equal(fake_nodes[0].fault_left, 0);
	expect_text(&asked, "[{\"to\":\"0x1\"},\"0x3de\",7]");
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guarded_call_stands_between_two_reads),
		cmocka_unit_test(calls_of_one_block_share_their_guards),
		cmocka_unit_test(a_block_that_is_gone_is_lacking),
		cmocka_unit_test(a_block_that_comes_late_is_waited_for),
		cmocka_unit_test(equal_calls_under_two_heads_are_two_questions),
		cmocka_unit_test(without_batches_the_block_is_read_afterwards),
		cmocka_unit_test(without_batches_a_block_that_is_gone_is_lacking),
		cmocka_unit_test(a_reorganisation_before_the_read),
		cmocka_unit_test(state_without_block_hashes_and_batches),
		cmocka_unit_test(the_read_fails),
		cmocka_unit_test(left_while_the_block_is_read),
		cmocka_unit_test(the_fork_ends_while_the_block_is_read),
		cmocka_unit_test(a_refused_block_hash_becomes_a_guarded_number),
		cmocka_unit_test(a_refused_block_hash_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
