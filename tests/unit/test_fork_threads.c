/* SPDX-License-Identifier: MIT */
/* The fork thread with workers on real loops: what VARIANT=tsan looks at. Nothing sleeps:
 * workers ask, cancel and count until every question has ended. */
#include "base/log.h"
#include "fake_client.h"
#include "fake_node.h"
#include "fork/fork_impl.h"
#include "unit.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { WORKERS = 2, QUESTIONS = 2000, IN_FLIGHT = 64 };

struct worker {
	struct fork *fork;
	struct loop *loop;
	struct fork_port *port;
	struct loop_timer again;
	struct item {
		struct worker *worker;
		struct fork_op *op;
		struct fork_question question;
	} items[IN_FLIGHT];
	unsigned asked, ended, cancelled, wrong;
};

static atomic_uint learned, unmasked;

static void on_learned(void *cookie, const struct fork_question *question,
		       const struct fork_answer *answer)
{
	sigset_t mask;
	if (pthread_sigmask(SIG_SETMASK, NULL, &mask) != 0 || !sigismember(&mask, SIGPIPE))
		atomic_fetch_add(&unmasked, 1);
	(void)cookie;
	(void)question;
	(void)answer;
	atomic_fetch_add(&learned, 1);
}

static void ask(struct item *item);

static void ended(struct worker *worker)
{
	worker->ended++;
	if (worker->ended == QUESTIONS)
		loop_stop(worker->loop);
}

static void answered(void *cookie, const struct fork_answer *answer)
{
	struct item *item = cookie;
	item->op = NULL;
	struct worker *worker = item->worker;
	struct eth_bytes32 value =
		fake_node_slot(&item->question.address, &item->question.slot);
	if (answer->err != OK || !eth_bytes32_equal(&answer->value, &value))
		worker->wrong++;
	ended(worker);
	ask(item);
}

static void ask(struct item *item)
{
	struct worker *worker = item->worker;
	enum err err;
	if (worker->asked == QUESTIONS)
		return;
	unsigned n = worker->asked++;
	item->question = (struct fork_question){.kind = FORK_SLOT};
	be64_put(item->question.slot.bytes + 24, n);
	item->question.block.number = 800;
	if (fork_ask(worker->port, &item->question, answered, item, &item->op, &err) != PENDING)
		abort();
}

/* Cancels one in three, wherever it is by now, and asks another. */
static void stir(void *cookie)
{
	struct worker *worker = cookie;
	for (size_t i = 0; i < IN_FLIGHT; i += 3) {
		struct item *item = &worker->items[i];
		if (!item->op || worker->asked == QUESTIONS)
			continue;
		fork_cancel(&item->op);
		worker->cancelled++;
		ended(worker);
		ask(item);
	}
	if (worker->asked < QUESTIONS &&
	    loop_timer_start(worker->loop, &worker->again, 300) != OK)
		abort();
}

static void *work(void *cookie)
{
	struct worker *worker = cookie;
	if (loop_new(&worker->loop) != OK ||
	    /* Room for all: cancelled ones keep their places while the fork thread is busy. */
	    fork_port_open(worker->fork, worker->loop, QUESTIONS, &worker->port) != OK)
		abort();
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		worker->items[i].worker = worker;
		ask(&worker->items[i]);
	}
	loop_timer_init(&worker->again, stir, worker);
	stir(worker);
	if (loop_run(worker->loop) != OK)
		abort();
	fork_port_close(&worker->port);
	loop_timer_cancel(worker->loop, &worker->again);
	loop_free(&worker->loop);
	return NULL;
}

static struct fork *start(struct secret **url)
{
	struct fork *fork;
	struct err_detail detail;
	fake_node_reset();
	fake_nodes[0].latency_us = 500;
	log_set_level(LOG_OFF);
	*url = secret_new(SPAN("http://n0:1/KEY"));
	struct fork_upstream_config upstream = {.url = *url};
	struct fork_config config = {
		.upstreams = &upstream, .upstreams_n = 1, .on_answer = on_learned};
	assert_int_equal(fork_start(&config, &fork, &detail), OK);
	return fork;
}

static void test_workers(void **state)
{
	(void)state;
	static struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	struct secret *url;
	struct fork_pin pin;
	struct fork_stats stats;
	struct err_detail detail;
	struct fork *fork = start(&url);
	assert_int_equal(fork_pin(fork, "800", &pin, &detail), OK);
	assert_int_equal(pin.block.number, 800);
	blob_put(&pin.header_json);
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i].fork = fork;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	fork_stats(fork, &stats, NULL, 0);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&unmasked), 0); /* signals are for the program's threads */
	for (size_t i = 0; i < WORKERS; i++) {
		assert_int_equal(workers[i].wrong, 0);
		assert_int_equal(workers[i].ended, QUESTIONS);
		assert_true(workers[i].cancelled > 0);
	}
	fork_stop(&fork);
	assert_null(fork);
	assert_true(atomic_load(&learned) > 0);
	secret_free(&url);
}

/* What was sent lands, although nobody waits and the fork is stopping. */
static void test_stop_lets_requests_land(void **state)
{
	(void)state;
	struct secret *url;
	struct fork_pin pin;
	struct err_detail detail;
	struct loop *loop;
	struct fork_port *port;
	struct fork_op *op;
	enum err err;
	struct fork *fork = start(&url);
	assert_int_equal(fork_pin(fork, "latest", &pin, &detail), OK);
	blob_put(&pin.header_json);
	atomic_store(&learned, 0);
	fake_nodes[0].latency_us = 100000;
	assert_int_equal(loop_new(&loop), OK);
	assert_int_equal(fork_port_open(fork, loop, 1, &port), OK);
	struct fork_question q = {.kind = FORK_SLOT};
	assert_int_equal(fork_ask(port, &q, answered, NULL, &op, &err), PENDING);
	/* one turn of the worker, to flush; then wait until the question is on its way */
	loop_stop(loop);
	assert_int_equal(loop_run(loop), OK);
	struct fork_stats stats;
	struct fork_upstream_stats upstream;
	do
		fork_stats(fork, &stats, &upstream, 1);
	while (upstream.in_flight == 0);
	fork_port_close(&port);
	fork_stop(&fork);
	assert_int_equal(atomic_load(&learned), 1);
	loop_free(&loop);
	secret_free(&url);
}

/* Nobody is left to answer: before the command was seen, or while it is carried out. */
static void test_pin_without_a_thread(void **state)
{
	(void)state;
	struct secret *url;
	struct fork_pin pin;
	struct err_detail detail;
	struct fork *fork = start(&url);
	loop_stop(fork->loop);
	assert_int_equal(fork_pin(fork, "latest", &pin, &detail), ERR_IO);
	assert_string_equal(detail.text, "the thread that asks upstreams has ended");
	assert_null(pin.header_json);
	fork_stop(&fork);
	secret_free(&url);
}

static void test_errors_at_start(void **state)
{
	(void)state;
	struct fork *fork;
	struct err_detail detail;
	struct secret *url = secret_new(SPAN("nonsense"));
	struct fork_upstream_config upstream = {.url = url};
	struct fork_config config = {.upstreams = &upstream, .upstreams_n = 1};
	assert_int_equal(fork_start(&config, &fork, &detail), ERR_CONFIG);
	assert_null(fork);
	config.upstreams_n = 0;
	assert_int_equal(fork_start(&config, &fork, &detail), ERR_CONFIG);
	secret_free(&url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_stop_lets_requests_land),
		cmocka_unit_test(test_pin_without_a_thread),
		cmocka_unit_test(test_errors_at_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
