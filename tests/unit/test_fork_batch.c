/* SPDX-License-Identifier: MIT */
/* Flights, cancel rules, and batch while busy. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

static void test_one_question(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_ask_slot(&rig, &asked, 1, 7);
	assert_false(asked.done);
	rig_advance_ms(&rig, 99);
	assert_false(asked.done); /* identity, then the question: two round trips */
	rig_advance_ms(&rig, 1);
	rig_expect_slot(&asked, 1, 7);
	assert_int_equal(fake_nodes[0].probes, 2);
	assert_int_equal(fake_nodes[0].requests, 1);
	assert_int_equal(fake_nodes[0].batches, 0);
	assert_int_equal(rig.learned, 1);
	rig_end(&rig);
}

static void test_kinds(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[4];
	rig_init(&rig, 1);
	rig_start(&rig);
	for (int kind = FORK_BALANCE; kind <= FORK_SLOT; kind++) {
		struct fork_question q = rig_question((enum fork_kind)kind, 9, 3);
		rig_ask(&rig, &asked[kind], &q);
	}
	rig_advance_ms(&rig, 200);
	assert_int_equal(be64_get(asked[FORK_BALANCE].value.bytes + 24), 63);
	assert_int_equal(be64_get(asked[FORK_NONCE].value.bytes + 24), FAKE_NODE_NONCE);
	assert_int_equal(asked[FORK_CODE].blob->len, 20);
	assert_int_equal(asked[FORK_CODE].blob->bytes[19], 9);
	rig_expect_slot(&asked[FORK_SLOT], 9, 3);
	blob_put(&asked[FORK_CODE].blob);
	rig_end(&rig);
}

static struct fork_question call_question(const char *params, const char *tag, bool may_join)
{
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.method = SPAN("test_echo");
	q.params = span_of(params);
	q.tag = span_of(tag);
	q.may_join = may_join;
	q.class = FORK_CLASS_CALL;
	return q;
}

static void test_joining(void **state)
{
	(void)state;
	struct rig rig;
	struct asked a, b, c, calls[4];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	rig_ask_slot(&rig, &a, 1, 7);
	rig_ask_slot(&rig, &b, 1, 7);
	rig_advance_ms(&rig, 20);
	rig_ask_slot(&rig, &c, 1, 7); /* it is on its way */
	rig_advance_ms(&rig, 30);
	rig_expect_slot(&a, 1, 7);
	rig_expect_slot(&b, 1, 7);
	rig_expect_slot(&c, 1, 7);
	assert_int_equal(fake_nodes[0].items, 1);
	assert_int_equal(rig.learned, 1);

	struct fork_question q[] = {
		call_question("[1]", "t", true), call_question("[ 1 ]", "t", true),
		call_question("[1]", "u", true), call_question("[1]", "t", false)};
	for (size_t i = 0; i < 4; i++)
		rig_ask(&rig, &calls[i], &q[i]);
	rig_advance_ms(&rig, 60);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(calls[i].err, OK);
		assert_memory_equal(calls[i].blob->bytes, "[1]", 3);
		blob_put(&calls[i].blob);
	}
	assert_int_equal(fake_nodes[0].other_calls, 3); /* the first two are one */
	rig_end(&rig);
}

static void test_cancel(void **state)
{
	(void)state;
	struct rig rig;
	struct asked a, b;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	/* in the same turn: never asked */
	rig_ask_slot(&rig, &a, 1, 1);
	fork_cancel(&a.op);
	assert_null(a.op);
	rig_advance_ms(&rig, 100);
	assert_false(a.done);
	assert_int_equal(fake_nodes[0].requests, 0);
	/* one of two followers */
	rig_ask_slot(&rig, &a, 1, 2);
	rig_ask_slot(&rig, &b, 1, 2);
	rig_advance_ms(&rig, 10);
	fork_cancel(&a.op);
	rig_advance_ms(&rig, 100);
	assert_false(a.done);
	rig_expect_slot(&b, 1, 2);
	/* sent: lands and is learned */
	rig.learned = 0;
	rig_ask_slot(&rig, &a, 1, 3);
	rig_advance_ms(&rig, 10);
	fork_cancel(&a.op);
	rig_advance_ms(&rig, 100);
	assert_false(a.done);
	assert_int_equal(rig.learned, 1);
	rig_end(&rig);
}

/* The worker's loop stands still while the fork answers. */
static void test_cancel_answered_but_not_delivered(void **state)
{
	(void)state;
	struct rig rig;
	struct loop *worker;
	struct fork_port *port;
	struct asked a, b;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	assert_int_equal(loop_new(&worker), OK);
	assert_int_equal(fork_port_open(rig.fork, worker, 4, &port), OK);
	struct fork_question q = rig_question(FORK_SLOT, 1, 1);
	rig_ask_on(&rig, port, &a, &q);
	rig_ask_on(&rig, port, &b, &q);
	fake_loop_run_until_idle(worker);
	rig_advance_ms(&rig, 100);
	assert_int_equal(rig.learned, 1);
	fork_cancel(&a.op);
	fake_loop_run_until_idle(worker);
	assert_false(a.done);
	assert_true(b.done);
	rig_advance_ms(&rig, 1); /* the ACK */
	/* closed with an answer in the ring */
	q = rig_question(FORK_SLOT, 1, 2);
	rig_ask_on(&rig, port, &a, &q);
	fake_loop_run_until_idle(worker);
	rig_advance_ms(&rig, 100);
	fork_port_close(&port);
	rig_advance_ms(&rig, 1);
	fake_loop_run_until_idle(worker);
	assert_false(a.done);
	loop_free(&worker);
	rig_end(&rig);
}

static void test_cancel_unsent_is_dropped(void **state)
{
	(void)state;
	struct rig rig;
	struct asked a;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_ask_slot(&rig, &a, 1, 1);
	rig_advance_ms(&rig, 10); /* waits for the probe */
	fork_cancel(&a.op);
	rig_advance_ms(&rig, 500);
	assert_int_equal(fake_nodes[0].requests, 0);
	assert_int_equal(rig.learned, 0);
	rig_end(&rig);
}

static void test_close_with_everything_open(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[5];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	rig_ask_slot(&rig, &asked[0], 1, 1); /* lands, waits in the ring */
	rig_ask_slot(&rig, &asked[1], 1, 2);
	rig_advance_ms(&rig, 10);
	rig_ask_slot(&rig, &asked[2], 1, 3); /* sent */
	fork_cancel(&asked[1].op);
	rig_advance_ms(&rig, 5);
	rig_ask_slot(&rig, &asked[3], 1, 4); /* not flushed */
	rig_ask_slot(&rig, &asked[4], 1, 5);
	fork_cancel(&asked[4].op);
	fork_cancel(&asked[2].op);
	fork_port_close(&rig.port);
	rig_advance_ms(&rig, 100);
	for (size_t i = 0; i < 5; i++)
		assert_false(asked[i].done);
	assert_int_equal(rig.learned, 3); /* paid for */
	rig_end(&rig);
}

static void close_in_callback(void *cookie, const struct fork_answer *answer)
{
	struct rig *rig = cookie;
	assert_int_equal(answer->err, OK);
	rig->callbacks++;
	fork_port_close(&rig->port);
}

static void test_callback_may_close_the_port(void **state)
{
	(void)state;
	struct rig rig;
	struct fork_op *ops[2];
	enum err err;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	for (unsigned i = 0; i < 2; i++) {
		struct fork_question q = rig_question(FORK_SLOT, 1, i);
		assert_int_equal(fork_ask(rig.port, &q, close_in_callback, &rig, &ops[i], &err),
				 PENDING);
	}
	rig_advance_ms(&rig, 200);
	assert_int_equal(rig.callbacks, 1);
	assert_null(rig.port);
	rig_end(&rig);
}

static void test_port_is_bounded(void **state)
{
	(void)state;
	struct rig rig;
	struct fork_port *small;
	struct asked asked[4];
	struct fork_op *op;
	enum err err;
	rig_init(&rig, 1);
	rig_start(&rig);
	assert_int_equal(fork_port_open(rig.fork, rig.loop, 4, &small), OK);
	for (unsigned i = 0; i < 4; i++) {
		struct fork_question q = rig_question(FORK_SLOT, 1, i);
		rig_ask_on(&rig, small, &asked[i], &q);
	}
	struct fork_question q = rig_question(FORK_SLOT, 1, 9);
	assert_int_equal(fork_ask(small, &q, rig_done, NULL, &op, &err), FAILED);
	assert_int_equal(err, ERR_LIMIT);
	/* every one cancelled while the answers of every one are on their way: both rings
	 * hold all that they may hold */
	rig_advance_ms(&rig, 10);
	for (unsigned i = 0; i < 4; i++)
		fork_cancel(&asked[i].op);
	rig_advance_ms(&rig, 500);
	rig_ask_on(&rig, small, &asked[0], &q);
	rig_advance_ms(&rig, 500);
	rig_expect_slot(&asked[0], 1, 9);
	fork_port_close(&small);
	rig_end(&rig);
}

/* Two ports that ask and never read cannot stop the fork, nor each other. */
static void test_full_queues(void **state)
{
	(void)state;
	struct rig rig;
	struct fork_port *ports[2];
	static struct asked asked[2][64];
	rig_init(&rig, 1);
	rig_start(&rig);
	for (size_t p = 0; p < 2; p++)
		assert_int_equal(fork_port_open(rig.fork, rig.loop, 64, &ports[p]), OK);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t p = 0; p < 2; p++)
			for (unsigned i = 0; i < 64; i++) {
				struct fork_question q =
					rig_question(FORK_SLOT, 1, round * 100 + i);
				rig_ask_on(&rig, ports[p], &asked[p][i], &q);
			}
		rig_advance_ms(&rig, 300);
		for (size_t p = 0; p < 2; p++)
			for (unsigned i = 0; i < 64; i++)
				rig_expect_slot(&asked[p][i], 1, round * 100 + i);
	}
	fork_port_close(&ports[0]);
	fork_port_close(&ports[1]);
	rig_end(&rig);
}

/* The fork is stopped, with everything cancelled, after every possible time: while the probe
 * runs, while the trial of a method or a batch is on its way, between two attempts, while a
 * reply waits for the probe. Sanitizers and rig_end look at what is left. */
static void test_stop_at_every_stage(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++)
		for (uint64_t ms = 0; ms < 400; ms += 5) {
			struct rig rig;
			struct asked asked[6];
			rig_init(&rig, 1);
			fake_nodes[0].fault_code = -32603;
			fake_nodes[0].fault_message = "internal";
			fake_nodes[0].fault = kind == 1 ? FAULT_RPC : FAULT_RESET;
			fake_nodes[0].fault_left = kind == 1 || kind == 2 ? UINT_MAX : 0;
			rig_start(&rig);
			if (kind == 3) {
				rig_ask_slot(&rig, &asked[0], 9, 9);
				rig_advance_ms(&rig, 3000);
				fake_nodes[0].opened_us = loop_now_us(rig.loop);
			}
			for (unsigned i = 0; i < 5; i++)
				rig_ask_slot(&rig, &asked[i], 1, i);
			struct fork_question q = call_question("[1]", "t", true);
			rig_ask(&rig, &asked[5], &q);
			rig_advance_ms(&rig, ms);
			if (ms % 2)
				fork_cancel(&asked[1].op);
			blob_put(&asked[5].blob);
			rig_end(&rig);
		}
}

/* ---- batch while busy ---- */

static void test_idle_leaves_at_once_and_together(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[3];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	uint64_t start = loop_now_us(rig.loop);
	for (unsigned i = 0; i < 3; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	rig_advance_ms(&rig, 60);
	assert_int_equal(fake_nodes[0].requests, 1);
	assert_int_equal(fake_nodes[0].items, 3);
	assert_int_equal(fake_nodes[0].at_us[0], start);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(asked[i].at_us, start + 50000);
	rig_end(&rig);
}

static void test_gathers_while_four_are_in_flight(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[12];
	rig_init(&rig, 1);
	fake_nodes[0].latency_us = 160000; /* the window is then 10 ms */
	rig_start(&rig);
	rig_warm(&rig);
	uint64_t start = loop_now_us(rig.loop);
	for (unsigned i = 0; i < 4; i++) {
		rig_ask_slot(&rig, &asked[i], 1, i);
		fake_loop_run_until_idle(rig.loop);
	}
	assert_int_equal(fake_nodes[0].requests, 4);
	rig_ask_slot(&rig, &asked[4], 1, 4);
	rig_advance_ms(&rig, 6);
	rig_ask_slot(&rig, &asked[5], 1, 5);
	rig_advance_ms(&rig, 3);
	assert_int_equal(fake_nodes[0].requests, 4);
	rig_advance_ms(&rig, 1); /* a sixteenth of the round trip after the first */
	assert_int_equal(fake_nodes[0].requests, 5);
	assert_int_equal(fake_nodes[0].items, 6);
	assert_int_equal(fake_nodes[0].at_us[4], start + 10000);
	/* one returns: what has gathered leaves with it */
	rig_advance_ms(&rig, 145);
	rig_ask_slot(&rig, &asked[6], 1, 6);
	rig_advance_ms(&rig, 4);
	assert_int_equal(fake_nodes[0].requests, 5);
	rig_advance_ms(&rig, 1);
	assert_int_equal(fake_nodes[0].requests, 6);
	assert_int_equal(fake_nodes[0].at_us[5], start + 160000);
	rig_advance_ms(&rig, 400);
	for (unsigned i = 0; i < 7; i++)
		rig_expect_slot(&asked[i], 1, i);
	rig_end(&rig);
}

struct client {
	struct rig *rig;
	struct asked asked;
	unsigned char account;
	unsigned answered;
	uint64_t asked_us, waited_us;
};

static void ask_next(struct client *client);

static void next_answered(void *cookie, const struct fork_answer *answer)
{
	struct client *client = cookie;
	client->asked.op = NULL;
	assert_int_equal(answer->err, OK);
	client->answered++;
	client->waited_us += loop_now_us(client->rig->loop) - client->asked_us;
	ask_next(client);
}

static void ask_next(struct client *client)
{
	struct fork_question q = rig_question(FORK_SLOT, client->account, client->answered);
	enum err err;
	client->asked_us = loop_now_us(client->rig->loop);
	assert_int_equal(
		fork_ask(client->rig->port, &q, next_answered, client, &client->asked.op, &err),
		PENDING);
}

/* Clients that ask one question at a time, as fork nodes do, never wait for each other:
 * each answer takes one round trip and nothing more, whoever else is asking. */
static void test_sequential_clients_do_not_wait_for_each_other(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= 4; n++) {
		struct rig rig;
		struct client clients[4] = {0};
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		for (unsigned i = 0; i < n; i++) {
			clients[i] =
				(struct client){.rig = &rig, .account = (unsigned char)(i + 1)};
			ask_next(&clients[i]);
			rig_advance_ms(&rig, 7); /* out of step */
		}
		rig_advance_ms(&rig, 1000);
		for (unsigned i = 0; i < n; i++) {
			assert_true(clients[i].answered >= 20);
			assert_int_equal(clients[i].waited_us,
					 clients[i].answered * fake_nodes[0].latency_us);
			fork_cancel(&clients[i].asked.op);
		}
		rig_end(&rig);
	}
}

static void test_full_batch_does_not_wait(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[8];
	rig_init(&rig, 1);
	fake_nodes[0].latency_us = 160000;
	rig.config.batch_items = 4;
	rig_start(&rig);
	rig_warm(&rig);
	for (unsigned i = 0; i < 4; i++) {
		rig_ask_slot(&rig, &asked[i], 1, i);
		fake_loop_run_until_idle(rig.loop);
	}
	for (unsigned i = 4; i < 8; i++)
		rig_ask_slot(&rig, &asked[i], 1, i);
	fake_loop_run_until_idle(rig.loop);
	assert_int_equal(fake_nodes[0].requests, 5);
	rig_advance_ms(&rig, 400);
	for (unsigned i = 0; i < 8; i++)
		rig_expect_slot(&asked[i], 1, i);
	rig_end(&rig);
}

static void test_calls_travel_alone_and_do_not_count(void **state)
{
	(void)state;
	struct rig rig;
	struct asked calls[6], slot;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	for (unsigned i = 0; i < 6; i++) {
		char params[16];
		snprintf(params, sizeof params, "[%u]", i);
		struct fork_question q = call_question(params, params, true);
		rig_ask(&rig, &calls[i], &q);
	}
	fake_loop_run_until_idle(rig.loop);
	assert_int_equal(fake_nodes[0].requests, 6);
	assert_int_equal(fake_nodes[0].batches, 0);
	rig_ask_slot(&rig, &slot, 1, 1);
	fake_loop_run_until_idle(rig.loop);
	assert_int_equal(fake_nodes[0].requests, 7);
	rig_advance_ms(&rig, 60);
	rig_expect_slot(&slot, 1, 1);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(calls[i].err, OK);
		blob_put(&calls[i].blob);
	}
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_question),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_joining),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_answered_but_not_delivered),
		cmocka_unit_test(test_cancel_unsent_is_dropped),
		cmocka_unit_test(test_close_with_everything_open),
		cmocka_unit_test(test_callback_may_close_the_port),
		cmocka_unit_test(test_port_is_bounded),
		cmocka_unit_test(test_full_queues),
		cmocka_unit_test(test_stop_at_every_stage),
		cmocka_unit_test(test_idle_leaves_at_once_and_together),
		cmocka_unit_test(test_gathers_while_four_are_in_flight),
		cmocka_unit_test(test_sequential_clients_do_not_wait_for_each_other),
		cmocka_unit_test(test_full_batch_does_not_wait),
		cmocka_unit_test(test_calls_travel_alone_and_do_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
