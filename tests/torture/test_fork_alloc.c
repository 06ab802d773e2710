/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of the fork engine fails, for every N: nothing aborts or leaks, every
 * question ends, right or with an error, inside its deadline, and the next one is answered.
 */
#include "../unit/fork_rig.h"
#include "alloc.h"

static bool is_spared(void)
{
	return fake_client_in_script;
}

static void test_start(void **state)
{
	(void)state;
	bool failed = true;
	unsigned long n;
	for (n = 1; failed; n++) {
		struct rig rig;
		struct err_detail detail;
		const long before = live;
		rig_init(&rig, 2);
		assert_int_equal(loop_new(&rig.loop), OK);
		fail_at(n);
		enum err err = engine_new(rig.loop, &rig.config, &rig.fork, &detail);
		if (err == OK)
			err = fork_port_open(rig.fork, rig.loop, 10, &rig.port);
		failed = has_failed();
		assert_int_equal(err, failed ? ERR_NOMEM : OK);
		rig_end(&rig);
		assert_int_equal(live, before);
	}
	assert_true(n > 10);
}

enum { SLOTS = 3, QUESTIONS = SLOTS + 4 };

static void ask(struct rig *rig, struct asked *asked, const struct fork_question *question)
{
	enum err err;
	*asked = (struct asked){.rig = rig};
	if (fork_ask(rig->port, question, rig_done, asked, &asked->op, &err) == PENDING)
		return;
	assert_int_equal(err, ERR_NOMEM);
	asked->done = true;
	asked->err = err;
}

static void ask_all(struct rig *rig, struct asked *asked, bool by_hash)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct fork_question q = rig_question(FORK_SLOT, 1, i);
		q.block.by_hash = by_hash;
		ask(rig, &asked[i], &q);
	}
	for (int kind = FORK_BALANCE; kind <= FORK_CODE; kind++) {
		struct fork_question q = rig_question((enum fork_kind)kind, 2, 0);
		q.block.by_hash = by_hash;
		ask(rig, &asked[SLOTS + kind], &q);
	}
	struct fork_question call = rig_question(FORK_CALL, 0, 0);
	call.method = SPAN("test_echo");
	call.params = SPAN("[1]");
	call.tag = SPAN("key");
	call.class = FORK_CLASS_STATE;
	ask(rig, &asked[QUESTIONS - 1], &call);
}

enum node_kind {
	NODE_PLAIN,
	NODE_COMPOSITE,
	NODE_GUARDED,
	NODE_SINGLE,
	NODE_FAILING,
	NODE_RECONNECTED
};

static void set_node(struct rig *rig, enum node_kind kind)
{
	struct fake_node *node = &fake_nodes[0];
	node->has_values = node->has_info = kind == NODE_COMPOSITE;
	node->refuses_block_hash = kind == NODE_GUARDED || kind == NODE_SINGLE;
	if (kind == NODE_FAILING) {
		node->fault = FAULT_RPC;
		node->fault_left = 2;
		node->fault_code = -32603;
		node->fault_message = "internal http://n0:1/v2/SECRETKEY";
	}
	if (kind == NODE_RECONNECTED) {
		struct asked asked;
		rig_ask_slot(rig, &asked, 3, 3);
		rig_advance_ms(rig, 3000);
		rig_expect_slot(&asked, 3, 3);
		node->opened_us = loop_now_us(rig->loop);
	}
}

/* One round with the nth allocation failing; false when there were not so many. */
static bool read_with_failure(enum node_kind kind, unsigned long n)
{
	struct rig rig;
	struct asked asked[QUESTIONS], after;
	rig_init(&rig, 1);
	if (kind == NODE_SINGLE)
		rig.config.batch_items = 1;
	rig_start(&rig);
	set_node(&rig, kind);
	fail_at(n);
	ask_all(&rig, asked, kind == NODE_GUARDED || kind == NODE_SINGLE);
	rig_advance_ms(&rig, 9001);
	const bool failed = has_failed();
	for (unsigned i = 0; i < QUESTIONS; i++) {
		if (!asked[i].done || (asked[i].err != OK && !failed))
			fail_msg("allocation %lu: question %u: %s", n, i, asked[i].detail);
		if (i < SLOTS && asked[i].err == OK)
			rig_expect_slot(&asked[i], 1, i);
		blob_put(&asked[i].blob);
	}
	rig_ask_slot(&rig, &after, 1, 77);
	rig_advance_ms(&rig, 2000);
	rig_expect_slot(&after, 1, 77);
	rig_end(&rig);
	return failed;
}

static void test_cold_reads(void **state)
{
	(void)state;
	for (int kind = NODE_PLAIN; kind <= NODE_RECONNECTED; kind++) {
		unsigned long n = 1;
		bool failed = true;
		for (; failed; n++) {
			const long before = live;
			failed = read_with_failure((enum node_kind)kind, n);
			if (live != before)
				fail_msg("node %d, allocation %lu: %ld left", kind, n,
					 live - before);
		}
		assert_in_range(n, 40, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_cold_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
