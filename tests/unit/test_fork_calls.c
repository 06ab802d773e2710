/* SPDX-License-Identifier: MIT */
/* Calls: whose errors are answers, whose results the caller checks, and that take long. */
#include "fake_client.h"
#include "fake_loop.h"
#include "fork_rig.h"

static void limit_rate(unsigned times)
{
	fake_nodes[0].fault = FAULT_STATUS;
	fake_nodes[0].fault_status = 429;
	fake_nodes[0].fault_left = times;
}

static void ask(struct rig *rig, struct asked *asked, bool null_allowed, bool computed)
{
	struct fork_question q = rig_question(FORK_CALL, 0, 0);
	q.method = SPAN("test_echo");
	q.params = SPAN("[{\"a\":[1]}]");
	q.class = FORK_CLASS_CALL;
	q.null_allowed = null_allowed;
	q.computed = computed;
	rig_ask(rig, asked, &q);
}

static void ask_call(struct rig *rig, struct asked *asked, bool null_allowed)
{
	ask(rig, asked, null_allowed, true);
}

static void test_call_errors(void **state)
{
	(void)state;
	static const struct {
		int code;
		const char *message;
		enum err err;
		size_t requests;
		bool sure; /* and so may be stored */
	} errors[] = {
		{3, "execution reverted", ERR_UPSTREAM, 1, true},
		{-32000, "execution reverted: nope", ERR_UPSTREAM, 1, true},
		{-32602, "invalid argument 0", ERR_UPSTREAM, 1, false},
		{-32601, "the method x does not exist/is not available", ERR_UNSUPPORTED, 1,
		 false},
		{-32005, "query returned more than 10000 results", ERR_UPSTREAM, 1, true},
		{-32603, "internal", ERR_UPSTREAM, 3, false},
		{-32000, "header not found", ERR_UPSTREAM, 4, false},
		{-32000, "something new", ERR_UPSTREAM, 1, false},
	};
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].fault = FAULT_RPC;
		fake_nodes[0].fault_left = UINT_MAX;
		fake_nodes[0].fault_code = errors[i].code;
		fake_nodes[0].fault_message = errors[i].message;
		ask_call(&rig, &asked, false);
		rig_advance_ms(&rig, 20000);
		assert_true(asked.done);
		assert_int_equal(asked.err, errors[i].err);
		assert_int_equal(fake_nodes[0].requests, errors[i].requests);
		assert_non_null(memmem(asked.blob->bytes, asked.blob->len, errors[i].message,
				       strlen(errors[i].message)));
		assert_int_equal(rig.learned, 0);
		assert_int_equal(rig.learned_errors, errors[i].err == ERR_UPSTREAM);
		if (errors[i].err == ERR_UPSTREAM)
			assert_int_equal(rig.learned_to_store, errors[i].sure);
		blob_put(&asked.blob);
		rig_end(&rig);
	}
}

static void test_the_kind_of_client_is_told(void **state)
{
	static const struct {
		const char *version, *kind;
	} clients[] = {
		{"Geth/v1.16.2/linux-amd64", "Geth"},
		{"erigon/3.0.4/linux-amd64/go1.24", "erigon"},
		{"Nethermind/v1.31", "Nethermind"},
		{"Parity-Ethereum//v2.7.2", "Parity-Ethereum"},
		{"reth", "reth"},
		{"bor v1", "bor"},
		{"k[ind", "k"},
		{"/v1", ""},
		{"", ""},
		{"a123456789b123456789c123456789d123456789", "a123456789b123456789c123456789d"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
		struct span kind = fork_client_kind(clients[i].version);
		assert_true(span_is(kind, clients[i].kind));
	}
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	fake_nodes[0].version = "Besu/v24.1/x";
	rig_start(&rig);
	rig_warm(&rig);
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 1000);
	assert_true(asked.done);
	assert_int_equal(asked.err, OK);
	assert_string_equal(rig.learned_client, "Besu");
	blob_put(&asked.blob);
	rig_end(&rig);
}

/* What cannot fail is asked for again, before an error that is not clear is believed. */
static void test_errors_for_chain_data(void **state)
{
	(void)state;
	for (unsigned times = 1; times <= 3; times++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, 1);
		rig_start(&rig);
		rig_warm(&rig);
		fake_nodes[0].fault = FAULT_RPC;
		fake_nodes[0].fault_left = times;
		fake_nodes[0].fault_code = -32000;
		fake_nodes[0].fault_message = "something new";
		ask(&rig, &asked, false, false);
		rig_advance_ms(&rig, 2000);
		assert_true(asked.done);
		assert_int_equal(asked.err, times < 3 ? OK : ERR_UPSTREAM);
		assert_int_equal(fake_nodes[0].requests, times < 3 ? times + 1 : 3);
		blob_put(&asked.blob);
		rig_end(&rig);
	}
}

struct opinion {
	enum fake_fault fault;
	int code;
	const char *message;
};

static void set_opinion(struct fake_node *node, const struct opinion *opinion)
{
	node->fault = opinion->fault;
	node->fault_left = opinion->fault ? UINT_MAX : 0;
	node->fault_code = opinion->code;
	node->fault_message = opinion->message;
	node->fault_status = 429;
}

/* An error that is likely the answer is, unless the other upstream has a better one. */
static void test_second_opinion(void **state)
{
	(void)state;
	static const struct opinion none = {FAULT_RPC, -32601, "no such method"},
				    some = {FAULT_RPC, -32000, "something new"},
				    sure = {FAULT_RPC, 3, "execution reverted"},
				    rate = {FAULT_RPC, -32005, "slow"},
				    reset = {FAULT_RESET, 0, NULL},
				    hang = {FAULT_HANG, 0, NULL},
				    limit = {FAULT_STATUS, 0, NULL},
				    right = {FAULT_NONE, 0, NULL};
	static const struct {
		const struct opinion *nodes[2];
		const struct opinion *answer; /* whose error; NULL: the right one */
		size_t requests[2];
	} cases[] = {
		{{&none, &right}, NULL, {1, 1}},  {{&some, &right}, NULL, {1, 1}},
		{{&none, &none}, &none, {1, 1}},  {{&none, &some}, &some, {1, 1}},
		{{&some, &none}, &some, {1, 1}},  {{&some, &sure}, &sure, {1, 1}},
		{{&sure, &right}, &sure, {1, 0}}, {{&some, &rate}, &some, {1, 1}},
		{{&none, &reset}, &none, {1, 1}}, {{&none, &limit}, &none, {1, 1}},
		{{&none, &hang}, &none, {1, 1}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, 2);
		rig.config.deadline_ms[FORK_CLASS_CALL] = 240; /* the hanging one ends it */
		rig_start(&rig);
		rig_warm(&rig);
		for (size_t n = 0; n < 2; n++)
			set_opinion(&fake_nodes[n], cases[i].nodes[n]);
		ask_call(&rig, &asked, false);
		rig_advance_ms(&rig, 1000);
		assert_true(asked.done);
		const char *text = cases[i].answer ? cases[i].answer->message : "[{\"a\":[1]}]";
		enum err err = cases[i].answer == NULL	  ? OK
			       : cases[i].answer == &none ? ERR_UNSUPPORTED
							  : ERR_UPSTREAM;
		if (asked.err != err ||
		    !memmem(asked.blob->bytes, asked.blob->len, text, strlen(text)))
			fail_msg("case %zu: %s %s", i, err_name(asked.err), asked.detail);
		for (size_t n = 0; n < 2; n++)
			assert_int_equal(fake_nodes[n].requests, cases[i].requests[n]);
		blob_put(&asked.blob);
		rig_end(&rig);
	}
}

/* The error passes as it came, but for the key, which this gateway quotes. */
static void test_call_error_that_quotes_the_key(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_RPC;
	fake_nodes[0].fault_left = UINT_MAX;
	fake_nodes[0].fault_code = 3;
	fake_nodes[0].fault_message = "execution reverted at http://n0:1/v2/SECRETKEY";
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 1000);
	assert_int_equal(asked.err, ERR_UPSTREAM);
	static const char wanted[] =
		"{\"code\":3,\"message\":\"execution reverted at http://n0:1/v2/*********\"}";
	assert_int_equal(asked.blob->len, sizeof wanted - 1);
	assert_memory_equal(asked.blob->bytes, wanted, sizeof wanted - 1);
	blob_put(&asked.blob);
	rig_end(&rig);
}

static void test_call_null(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].fault = FAULT_NULL;
	fake_nodes[0].fault_left = UINT_MAX;
	ask_call(&rig, &asked, true);
	rig_advance_ms(&rig, 100);
	assert_int_equal(asked.err, OK);
	assert_memory_equal(asked.blob->bytes, "null", 4);
	blob_put(&asked.blob);
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 30000);
	assert_int_equal(asked.err, ERR_BAD_ANSWER);
	fake_nodes[0].fault_left = 1;
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 3000);
	assert_int_equal(asked.err, OK);
	assert_memory_equal(asked.blob->bytes, "[{\"a\":[1]}]", 11);
	blob_put(&asked.blob);
	rig_end(&rig);
}

static unsigned bad_results; /* that the check will still refuse */

static enum err refuse_some(const struct fork_question *question, struct span json,
			    struct err_detail *detail)
{
	assert_int_equal(question->kind, FORK_CALL);
	assert_memory_equal(json.ptr, "[{\"a\":[1]}]", json.len);
	if (bad_results == 0)
		return OK;
	bad_results -= bad_results < UINT_MAX;
	return err_set(detail, ERR_BAD_ANSWER, "the block is another one");
}

static void learn_calls_only_when_good(void *cookie, const struct fork_question *question,
				       const struct fork_answer *answer)
{
	if (question->kind == FORK_CALL)
		assert_int_equal(bad_results, 0);
	rig_learned(cookie, question, answer);
}

/* fork_config.check: what it refuses is asked again, or elsewhere, and never learned. */
static void test_call_check(void **state)
{
	(void)state;
	for (size_t upstreams = 1; upstreams <= 2; upstreams++)
		for (unsigned bad = 0; bad <= 2; bad++) {
			struct rig rig;
			struct asked asked;
			rig_init(&rig, upstreams);
			rig.config.check = refuse_some;
			rig.config.on_answer = learn_calls_only_when_good;
			bad_results = 0;
			rig_start(&rig);
			rig_warm(&rig);
			bad_results = bad;
			ask_call(&rig, &asked, true);
			rig_advance_ms(&rig, 1000);
			assert_true(asked.done);
			assert_int_equal(asked.err, OK);
			assert_int_equal(rig.learned, 1);
			size_t requests = fake_nodes[0].requests + fake_nodes[1].requests;
			assert_int_equal(requests, bad + 1);
			assert_int_equal(fake_nodes[1].requests, upstreams == 2 && bad > 0);
			blob_put(&asked.blob);
			rig_end(&rig);
		}
}

static void test_call_check_that_always_fails(void **state)
{
	(void)state;
	for (size_t upstreams = 1; upstreams <= 2; upstreams++) {
		struct rig rig;
		struct asked asked;
		rig_init(&rig, upstreams);
		rig.config.check = refuse_some;
		bad_results = 0;
		rig_start(&rig);
		rig_warm(&rig);
		bad_results = UINT_MAX;
		ask_call(&rig, &asked, true);
		rig_advance_ms(&rig, 10000); /* long before the deadline of a call */
		assert_true(asked.done);
		assert_int_equal(asked.err, ERR_BAD_ANSWER);
		assert_non_null(strstr(asked.detail, "the block is another one"));
		assert_null(asked.blob);
		assert_int_equal(rig.learned, 0);
		assert_int_equal(fake_nodes[0].requests, 7);
		rig_end(&rig);
	}
}

static void test_call_rate_limited_to_the_end(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	limit_rate(UINT_MAX);
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 29999);
	assert_false(asked.done);
	rig_advance_ms(&rig, 1);
	assert_int_equal(asked.err, ERR_RATE_LIMITED);
	rig_end(&rig);
}

/* Longer than an attempt is given at first, and shorter than its deadline. */
static void test_slow_call(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked;
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	fake_nodes[0].latency_us = 15000000;
	ask_call(&rig, &asked, false);
	rig_advance_ms(&rig, 26000);
	assert_true(asked.done);
	assert_int_equal(asked.err, OK);
	assert_int_equal(fake_nodes[0].requests, 2);
	blob_put(&asked.blob);
	rig_end(&rig);
}

/* Calls that are rate limited do not all come back at once. */
static void test_calls_slow_down(void **state)
{
	(void)state;
	struct rig rig;
	struct asked asked[30];
	char params[30][8];
	rig_init(&rig, 1);
	rig_start(&rig);
	rig_warm(&rig);
	limit_rate(30);
	for (unsigned i = 0; i < 30; i++) {
		struct fork_question q = rig_question(FORK_CALL, 0, 0);
		snprintf(params[i], sizeof params[i], "[%u]", i);
		q.method = SPAN("test_echo");
		q.params = span_of(params[i]);
		q.class = FORK_CLASS_CALL;
		rig_ask(&rig, &asked[i], &q);
	}
	rig_advance_ms(&rig, 105); /* 50 ms until the refusals, and a first wait */
	assert_in_range(fake_nodes[0].requests, 31, 34);
	rig_advance_ms(&rig, 10000);
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(asked[i].err, OK);
		blob_put(&asked[i].blob);
	}
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_errors),
		cmocka_unit_test(test_the_kind_of_client_is_told),
		cmocka_unit_test(test_errors_for_chain_data),
		cmocka_unit_test(test_second_opinion),
		cmocka_unit_test(test_call_error_that_quotes_the_key),
		cmocka_unit_test(test_call_null),
		cmocka_unit_test(test_call_check),
		cmocka_unit_test(test_call_check_that_always_fails),
		cmocka_unit_test(test_call_rate_limited_to_the_end),
		cmocka_unit_test(test_slow_call),
		cmocka_unit_test(test_calls_slow_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
