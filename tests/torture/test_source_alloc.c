/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation fails, for every N, while a database is opened, read, fetched for, fed and
 * closed: each step succeeds, and is right, or says so; nothing leaks, and the next run is
 * whole. The fork back end is faked, as is its start.
 */
#include "../unit/unit.h"
#include "fake_fork.h"
#include "fake_loop.h"
#include "alloc.h"
#include "api/db_impl.h"
#include "base/log.h"
#include "layers/source.h"
#include <limits.h>
#include <stdio.h>

static bool is_spared(void)
{
	return fake_fork_at_work;
}

/* ---- the fork's start ---- */

#define H32   "0x1234567890123456789012345678901234567890123456789012345678901234"
#define ROOT  "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
#define EMPTY "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
#define HEADER                                                           \
	"{\"number\":\"0x2\",\"hash\":\"" H32 "\",\"parentHash\":\"" H32 \
	"\",\"stateRoot\":\"" ROOT "\",\"timestamp\":\"0x5\",\"gasLimit\":\"0x1000\"}"

static char the_fork;
static fork_check_fn *check;
static fork_answer_fn *on_answer;
static void *on_answer_cookie;

enum err fork_start(const struct fork_config *config, struct fork **out,
		    struct err_detail *detail)
{
	(void)detail;
	check = config->check;
	on_answer = config->on_answer;
	on_answer_cookie = config->cookie;
	*out = (struct fork *)&the_fork;
	return OK;
}

enum err fork_pin(struct fork *fork, const char *spec, struct fork_pin *out,
		  struct err_detail *detail)
{
	(void)fork, (void)spec;
	*out = (struct fork_pin){.chain_id = 1,
				 .finalized = 2,
				 .header_json = blob_copy(HEADER, strlen(HEADER)),
				 .client_version = "Geth/v1"};
	out->block.number = 2;
	memset(out->block.hash.bytes, 0x12, 32);
	return out->header_json != NULL ? OK : err_set(detail, ERR_NOMEM, "out of memory");
}

void fork_stop(struct fork **fork)
{
	*fork = NULL;
}

size_t fork_stats(struct fork *fork, struct fork_stats *out,
		  struct fork_upstream_stats *upstreams, size_t max)
{
	(void)fork, (void)upstreams, (void)max;
	*out = (struct fork_stats){0};
	return 0;
}

struct span fork_client_kind(const char *version)
{
	return (struct span){version, 4};
}

/* ---- a chain of which the state is empty, and its code is not ---- */

static const struct eth_address address = {{7}};
static const struct eth_bytes32 slot = {{9}};

static void node(const struct fork_question *q, struct fork_answer *answer)
{
	static const char proof[] =
		"{\"address\":\"0x0700000000000000000000000000000000000000\",\"accountProof\":["
		"],"
		"\"balance\":\"0x0\",\"codeHash\":\"" EMPTY
		"\",\"nonce\":\"0x0\",\"storageHash\":\"" ROOT "\",\"storageProof\":[%s]}";
	static const char of_slot[] =
		"{\"key\":"
		"\"0x0900000000000000000000000000000000000000000000000000000000000000\","
		"\"value\":\"0x0\",\"proof\":[]}";
	char text[1024];

	switch (q->kind) {
	case FORK_BALANCE:
	case FORK_NONCE:
	case FORK_SLOT:
		answer->value.bytes[31] = 42;
		return;
	case FORK_CODE:
		answer->blob = blob_copy("\x60\x01", 2);
		return;
	case FORK_CALL:
		break;
	}
	if (span_is(q->method, "debug_executionWitness")) {
		snprintf(text, sizeof text, "{\"state\":[\"0xc20102\",\"0x8203e8\"]}");
	} else {
		/* The slot stands in the parameters. */
		const bool asked = memmem(q->params.ptr, q->params.len, "0x09", 4) != NULL;
		snprintf(text, sizeof text, proof, asked ? of_slot : "");
	}
	answer->blob = blob_copy(text, strlen(text));
}

struct landing {
	struct source_op *op;
	bool done;
	enum err err;
};

static void on_done(void *cookie, enum err err, const char *detail)
{
	struct landing *landing = cookie;

	landing->op = NULL;
	landing->done = true;
	landing->err = err;
	assert_true(err == OK || strlen(detail) > 0);
}

/* OK, ERR_NOMEM; anything else fails the test. */
static enum err expect(enum err err)
{
	if (err != OK && err != ERR_NOMEM)
		fail_msg("%s", err_name(err));
	return err;
}

static enum err land(struct landing *landing)
{
	while (fake_fork_deliver_one())
		;
	assert_true(landing->done);
	return expect(landing->err);
}

static enum err fetch(struct layer_view *view, const struct need *need)
{
	struct landing landing = {0};
	struct fault fault = {0};

	if (source_fetch(view, need, on_done, &landing, &landing.op, &fault) == FAILED)
		return expect(fault.err);
	return land(&landing);
}

static enum err witness(struct layer_view *view)
{
	struct landing landing = {0};
	struct fault fault = {0};

	if (source_fetch_witness(view, on_done, &landing, &landing.op, &fault) == FAILED)
		return expect(fault.err);
	return land(&landing);
}

static bool verify;

/* What has landed hits, and is right. */
static void check_reads(struct layer_view *view)
{
	struct account_state account;
	struct eth_bytes32 value;
	struct blob *code = NULL;
	struct fault fault;

	assert_int_equal(layer_slot(view, &address, &slot, &value, NULL, &fault), HIT);
	assert_int_equal(value.bytes[31], verify ? 0 : 42);
	assert_int_equal(layer_account(view, &address, ACCOUNT_NONCE | ACCOUNT_EXISTENCE,
				       &account, NULL, &fault),
			 HIT);
	assert_int_equal(account.fields.nonce, verify ? 0 : 42);
	assert_int_equal(account.exists, !verify);
	assert_int_equal(layer_code(view, &address, &code, NULL, &fault), HIT);
	assert_int_equal(code != NULL ? code->len : 0, verify ? 0 : 2);
	blob_put(&code);
}

static enum err fetch_all(struct layer_view *view)
{
	struct need need = {.address = address, .slot = slot};
	enum err err = OK;

	for (enum need_kind kind = NEED_BALANCE; err == OK && kind <= NEED_SLOT; kind++) {
		need.kind = kind;
		err = fetch(view, &need);
	}
	if (err == OK)
		check_reads(view);
	need = (struct need){
		.kind = NEED_PROOF, .address = address, .slots = &slot, .slots_n = 1};
	if (err == OK)
		err = fetch(view, &need);
	return err == OK ? witness(view) : err;
}

static enum err try_needs(struct layer_view *view)
{
	struct needs needs = {0};
	struct account_state account;
	struct fault fault = {0};
	enum err err = OK;

	for (unsigned char i = 0; err == OK && i < 40; i++) {
		const struct eth_address who = {{100, i}};
		if (layer_account(view, &who, ACCOUNT_ALL, &account, &needs, &fault) == FAILED)
			err = expect(fault.err);
	}
	needs_release(&needs);
	return err;
}

static enum err feed(struct layer_view *view)
{
	const struct eth_bytes32 value = {{3}};
	struct need need = {.kind = NEED_SLOT};
	enum err err = OK;

	for (unsigned char i = 0; err == OK && i < 100; i++) {
		need.slot.bytes[0] = i;
		err = source_feed(view, &need, &value, NULL);
	}
	need.kind = NEED_CODE;
	return expect(err == OK ? source_feed(view, &need, NULL, NULL) : err);
}

/* Whether the allocation has failed; from now on none does. */
static bool settled, struck;

static void settle(void)
{
	if (!settled)
		struck = has_failed();
	settled = true;
}

static enum err work(struct layer *layer, struct loop *loop)
{
	struct layer_view *view = NULL;
	struct err_detail detail;
	enum err err = expect(layer->ops->view_new(layer, loop, &view, &detail));

	if (err != OK)
		return err;
	fake_fork_set(node, check, on_answer, on_answer_cookie);
	err = fetch_all(view);
	if (err == OK)
		err = try_needs(view);
	if (err == OK)
		err = feed(view);
	/* The view stays usable. */
	settle();
	assert_ok(fetch_all(view));
	source_fed_clear(view);
	layer->ops->view_free(&view);
	return err;
}

static enum err source_run(void)
{
	struct secret *url = secret_new(SPAN("http://h"));
	const struct source_config config = {
		.urls = &url, .urls_n = 1, .memory_bytes = 1 << 20, .verify = verify};
	struct err_detail detail;
	struct layer *layer = NULL;
	struct loop *loop = NULL;
	enum err err = ERR_NOMEM;

	if (url != NULL && loop_new(&loop) == OK)
		err = expect(source_new(&config, &layer, &detail));
	if (err == OK) {
		err = work(layer, loop);
		layer->ops->free(&layer);
	}
	assert_null(layer);
	loop_free(&loop);
	secret_free(&url);
	return err;
}

static const char *urls;

static enum err open_run(void)
{
	struct fc_error why = {0};
	struct fc_db *db = NULL;
	const enum fc_err err = fc_open(urls, &db, &why);

	assert_int_equal(err, why.err);
	if (err == FC_ERR_NO_MEMORY) {
		assert_null(db);
		assert_true(strlen(why.detail) > 0);
		return ERR_NOMEM;
	}
	if (err != FC_OK)
		fail_msg("%s", why.detail);
	assert_int_equal(fc_close(&db, &why), FC_OK);
	return OK;
}

static void every_allocation(enum err (*run)(void), unsigned long at_least)
{
	unsigned long n = 1, refused_runs = 0;
	bool failed = true;

	log_set_level(LOG_OFF);
	assert_ok(run()); /* what is made once, for ever */
	long before = live;
	assert_ok(run());
	const long balance = live - before;
	for (; failed; n++) {
		before = live;
		settled = false;
		fail_at(n);
		const enum err err = run();
		settle();
		failed = struck;
		refused_runs += err != OK;
		if (live - before != balance)
			fail_msg("allocation %lu: %ld left", n, live - before - balance);
		assert_true(n < 100000);
	}
	assert_true(n > at_least);
	assert_true(refused_runs >= at_least / 2);
	assert_ok(run());
}

static void a_source(void **state)
{
	(void)state;
	verify = false;
	every_allocation(source_run, 30);
}

static void a_source_that_verifies(void **state)
{
	(void)state;
	verify = true;
	every_allocation(source_run, 30);
}

static void databases(void **state)
{
	static const char *const lists[] = {
		"memory://", "overlay://,memory://#bytes=2MiB,overlay://#keep-empty,memory://",
		"overlay://,memory://#bytes=1MiB,fork+http://h#header=a%3Ab&url=http%3A//c",
		"memory://#bytes=1MiB,forkcache://token@h"};

	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		urls = lists[i];
		every_allocation(open_run, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source),
		cmocka_unit_test(a_source_that_verifies),
		cmocka_unit_test(databases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
