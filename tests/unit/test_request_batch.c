/* SPDX-License-Identifier: MIT */
/* Bodies as a whole: batches, envelopes, what a hit costs, what remains of a failed step. */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "request_fixture.h"

/* ---- counting allocations ---- */

static unsigned long allocations;

/* Sanitizers have a malloc of their own, and call it before dlsym works. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif

#ifndef HAS_SANITIZER
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}
void *realloc(void *old, size_t n)
{
	allocations++;
	return __libc_realloc(old, n);
}
#endif

static unsigned long allocated;

static void counted_start(void *cookie, struct http_exchange *exchange)
{
	unsigned long before = allocations;

	request_start(cookie, exchange);
	allocated = allocations - before;
}

/* The allocations of a body that is answered at once; its reply must be no error. */
static unsigned long cost_of(const char *body)
{
	struct http_exchange *x = fake_http_post(counted_start, rig.pool, body);

	assert_non_null(fake_http_reply(x));
	assert_null(strstr(fake_http_reply(x), "\"error\""));
	fake_http_free(&x);
	stack_turn_end(rig.view);
	return allocated;
}

static void ask_and_deliver(const char *body)
{
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);

	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	fake_http_free(&x);
	stack_turn_end(rig.view);
}

#define AT(method, block) CALL(method, "[\"" ADDRESS "\",\"" block "\"]")

static void hits_allocate_nothing(void **state)
{
	static const char *const bodies[] = {
		AT("eth_getBalance", "latest"),
		AT("eth_getCode", "0x3e8"),
		CALL("eth_getStorageAt", "[\"" ADDRESS "\",\"0x1\",\"0x64\"]"),
		CALL("eth_getBlockByNumber", "[\"0x64\",false]"),
		CALL("eth_getTransactionReceipt", "[\"0x" ZEROS_58 "000064\"]"),
		CALL("eth_getStorageValues", "[{\"" ADDRESS "\":[\"0x1\",\"0x2\"]},\"0x64\"]"),
		CALL("eth_chainId", "[]"),
		CALL("net_version", "[]"),
		CALL("web3_clientVersion", "[]"),
		"[" AT("eth_getBalance", "latest") "," AT(
			"eth_getTransactionCount",
			"latest") "," AT("eth_getCode",
					 "latest") "," CALL("eth_blockNumber",
							    "[]") "," CALL("eth_"
									   "getBlockByN"
									   "umber",
									   "[\"0x64\","
									   "false]") "]",
	};

	(void)state;
#ifdef HAS_SANITIZER
	skip();
#endif
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		ask_and_deliver(bodies[i]);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		cost_of(bodies[i]);
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		unsigned long cost = cost_of(bodies[i]);
		if (cost > 0)
			print_error("%s\n", bodies[i]);
		assert_int_equal(cost, 0);
	}
}

/* ---- envelopes ---- */

static void every_kind_of_id(void **state)
{
	static const char *const good[] = {"0",
					   "-1",
					   "1e2",
					   "1.5",
					   "123456789012345678901234567890",
					   "\"\"",
					   "\"x\"",
					   "\"\\u0000\\n\\\"\"",
					   "null",
					   "\"\xf0\x9f\x98\x80\""};
	static const char *const bad[] = {"true", "false", "[]", "{}", "[1]"};
	char body[256], want[256];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		snprintf(body, sizeof body,
			 "{\"id\":%s,\"method\":\"eth_syncing\",\"jsonrpc\":\"2.0\"}", good[i]);
		snprintf(want, sizeof want, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":false}",
			 good[i]);
		expect(body, want);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(body, sizeof body,
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"eth_syncing\"}", bad[i]);
		expect(body, NULL_ID(-32600, "invalid request"));
	}
}

static void equal_ids_are_the_clients_business(void **state)
{
	(void)state;
	expect("[" CALL("eth_chainId", "[]") "," CALL("eth_syncing", "[]") "]",
	       "[" RESULT("\"0x1\"") "," RESULT("false") "]");
}

static void names_of_methods(void **state)
{
	char body[512], want[512], name[128];

	(void)state;
	/* Escapes are a spelling. */
	expect(CALL("eth_\\u0063hainId", "[]"), RESULT("\"0x1\""));
	expect(CALL("anvil\\u005fnodeInfo", "[]"),
	       ERROR(-32601, "the method anvil_nodeInfo does not exist/is not available: a "
			     "development method; ask your own fork node"));
	expect(CALL("foo\\u005fbar", "[]"), RESULT("\"foo_bar\""));
	expect(CALL("", "[]"), ERROR(-32600, "invalid request"));
	expect(CALL("eth chainId", "[]"),
	       ERROR(-32601, "the method eth chainId does not exist/is not available"));
	expect(CALL("a\\\"b\\n", "[]"),
	       ERROR(-32601, "the method a\\\"b\\n does not exist/is not available"));
	expect(CALL("eth_chainId\\u0000", "[]"),
	       ERROR(-32601, "the method eth_chainId does not exist/is not available"));
	/* Too long to be one: cut, and not asked for. */
	memset(name, 'x', 97);
	name[97] = '\0';
	snprintf(body, sizeof body, CALL("%s", "[]"), name);
	name[96] = '\0';
	snprintf(want, sizeof want,
		 ERROR(-32601, "the method %s does not exist/is not available"), name);
	assert_int_equal(expect(body, want), 0);
	name[63] = '\0'; /* as much as the fixture remembers */
	snprintf(body, sizeof body, CALL("%s", "[]"), name);
	snprintf(want, sizeof want, RESULT("\"%s\""), name);
	assert_int_equal(expect(body, want), 1);
}

static void deep_bodies_are_refused(void **state)
{
	char body[512], *at;

	(void)state;
	for (unsigned depth = 61; depth <= 64; depth++) {
		/* The object and its params are two levels. */
		at = body + snprintf(body, sizeof body,
				     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_syncing\","
				     "\"x\":");
		memset(at, '[', depth);
		memset(at + depth, ']', depth);
		memcpy(at + 2 * depth, "}", 2);
		expect(body, depth < 64 ? RESULT("false") : NULL_ID(-32700, "parse error"));
	}
	/* In a batch the array is one of them. */
	at = body +
	     snprintf(body, sizeof body,
		      "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_syncing\",\"x\":");
	memset(at, '[', 63);
	memset(at + 63, ']', 63);
	memcpy(at + 126, "}]", 3);
	expect(body, NULL_ID(-32700, "parse error"));
	memset(at, '[', 62);
	memset(at + 62, ']', 62);
	memcpy(at + 124, "}]", 3);
	expect(body, "[" RESULT("false") "]");
}

static void too_many_items_bear_the_first_usable_id(void **state)
{
#define TOO_LARGE(id)                                                                 \
	"[{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32600,\"message\":" \
	"\"batch too large\"}}]"
	(void)state;
	expect("[1,{\"id\":[]},{\"id\":\"a\"},4,5,6]", TOO_LARGE("\"a\""));
	expect("[1,{\"id\":3,\"id\":4},3,4,5,6]", TOO_LARGE("null"));
	expect("[1,2,3,4,5,{\"id\":1}]", TOO_LARGE("null"));
	expect("[1,2,3,4,5,6", NULL_ID(-32700, "parse error"));
}

static void a_client_pays_for_each_item(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		unsigned calls;
	} bodies[] = {{CALL("eth_chainId", "[]"), 1},
		      {"[1,2,3]", 3},
		      {"[1,2,3,4,5,6,7]", 5},
		      {"[1,2,", 3},
		      {"[]", 0},
		      {"7", 1}};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct http_exchange *x =
			fake_http_post(request_start, rig.pool, bodies[i].body);
		assert_int_equal(fake_http_charged(x), bodies[i].calls);
		fake_http_free(&x);
	}
}

/* ---- notifications ---- */

static void notifications_are_executed(void **state)
{
	(void)state;
#define NOTIFY(method, params) \
	"{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params "}"
	/* Asked for, though nobody is told; then a hit. */
	assert_int_equal(expect(NOTIFY("eth_getBalance", "[\"" ADDRESS "\"]"), ""), 1);
	assert_int_equal(expect(AT("eth_getBalance", "latest"), RESULT("\"0x7\"")), 0);
	expect("[" NOTIFY("eth_getCode", "[\"" ADDRESS "\"]") "," NOTIFY("no", "{}") "]", "");
	expect("[" NOTIFY("eth_chainId", "[]") "," CALL("eth_chainId", "[]") "," NOTIFY(
		       "anvil_x", "[]") "," CALL("eth_syncing", "[]") "," NOTIFY("a", "1") "]",
	       "[" RESULT("\"0x1\"") "," RESULT("false") "]");
	/* What is no request is no notification. */
	expect("{\"jsonrpc\":\"2.0\",\"method\":1}", NULL_ID(-32600, "invalid request"));
	expect("{\"method\":\"eth_chainId\"}", NULL_ID(-32600, "invalid request"));
}

/* ---- replies that are too large ---- */

static void big_node(const struct fork_question *q, struct fork_answer *a)
{
	(void)q;
	a->blob = blob_new(10000);
	assert_non_null(a->blob);
	memset(a->blob->bytes, 'x', 10000);
	a->blob->bytes[0] = a->blob->bytes[9999] = '"';
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

#define TOO_LARGE_ERROR ERROR(-32003, "response too large")

static void post_five(size_t reply_limit, unsigned results, unsigned errors)
{
#define FIVE(x) "[" x "," x "," x "," x "," x "]"
	fake_http_limit(reply_limit);
	struct http_exchange *x =
		fake_http_post(request_start, rig.pool, FIVE(CALL("foo_bar", "[{}]")));
	fake_http_limit(64u << 20);
	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	assert_int_equal(fake_http_status(x), 200);
	assert_int_equal(count_of(fake_http_reply(x), "\"result\":\"xxx"), results);
	assert_int_equal(count_of(fake_http_reply(x), TOO_LARGE_ERROR), errors);
	fake_http_free(&x);
}

static void a_batch_beyond_its_bound(void **state)
{
	(void)state;
	const struct request_limits limits = {.reply_bytes = 25000, .batch_items = 5};
	request_pool_free(&rig.pool);
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
	fake_fork_set(big_node, keep_check, stack_on_answer, rig.stack);
	/* The one that passes the bound is answered, those behind it are not. */
	post_five(64u << 20, 3, 2);
	/* There is not even room for the second. */
	post_five(12000, 1, 4);
}

static void a_reply_without_room_is_an_error(void **state)
{
	(void)state;
	fake_fork_set(big_node, keep_check, stack_on_answer, rig.stack);
	fake_http_limit(9000);
	struct http_exchange *x =
		fake_http_post(request_start, rig.pool, CALL("foo_bar", "[{}]"));
	fake_http_limit(64u << 20);
	fake_fork_deliver();
	assert_string_equal(fake_http_reply(x), TOO_LARGE_ERROR);
	assert_int_equal(fake_http_status(x), 200);
	fake_http_free(&x);
}

/* ---- steps ---- */

/* Bodies that take several questions, one after another. Each is of a fact of its own: the
 * fixture's blocks are one to the memory cache, which looks at 16 bytes of their hashes. */
static const struct {
	const char *body;
	unsigned steps;
} walks[] = {
	{AT("eth_getBalance", "0x64"), 2},
	{CALL("eth_getCode", "[\"" ADDRESS "\",\"0x" ZEROS_58 "000065\"]"), 2},
	{CALL("eth_getTransactionCount", "[\"" ADDRESS "\",{\"blockHash\":\"0x" ZEROS_58
					 "000066\",\"requireCanonical\":true}]"),
	 3},
	{CALL("debug_traceTransaction", "[\"0x" ZEROS_58 "000067\"]"), 2},
	{CALL("eth_getRawTransactionByBlockNumberAndIndex", "[\"0x68\",\"0x0\"]"), 2},
	{CALL("eth_getLogs", "[{\"blockHash\":\"0x" ZEROS_58 "000069\"}]"), 2},
	{CALL("eth_call", "[{},\"0x6a\"]"), 2},
};
#define WALKS (sizeof walks / sizeof walks[0])

static void steps_are_as_many_as_they_look(void **state)
{
	(void)state;
	for (size_t i = 0; i < WALKS; i++) {
		struct http_exchange *x =
			fake_http_post(request_start, rig.pool, walks[i].body);
		for (unsigned step = 0; step < walks[i].steps; step++) {
			assert_null(fake_http_reply(x));
			assert_int_equal(fake_fork_queued(), 1);
			assert_true(fake_fork_deliver_one());
			stack_turn_end(rig.view);
		}
		assert_non_null(fake_http_reply(x));
		assert_null(strstr(fake_http_reply(x), "error"));
		assert_int_equal(fake_fork_queued(), 0);
		fake_http_free(&x);
	}
}

static void a_client_may_go_at_each_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < WALKS; i++) {
		for (unsigned stop = 0; stop < walks[i].steps; stop++) {
			/* What an earlier round has kept is not asked for again. */
			teardown(state);
			setup_online(state);
			struct http_exchange *x =
				fake_http_post(request_start, rig.pool, walks[i].body);
			for (unsigned step = 0; step < stop; step++)
				assert_true(fake_fork_deliver_one());
			assert_null(fake_http_reply(x));
			assert_int_equal(fake_fork_queued(), 1);
			fake_http_abort(x);
			assert_int_equal(fake_fork_queued(), 0);
			assert_null(fake_http_reply(x));
			fake_http_free(&x);
		}
	}
}

static unsigned fail_after;
static enum err fail_as;

static void late_failing_node(const struct fork_question *q, struct fork_answer *a)
{
	if (fail_after-- > 0) {
		good_node(q, a);
		return;
	}
	a->err = fail_as;
	a->detail = "";
	if (fail_as == ERR_UPSTREAM)
		a->blob = json_blob("{\"code\":-32000,\"message\":\"no\"}");
}

static void each_step_may_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < WALKS; i++) {
		for (unsigned stop = 0; stop < walks[i].steps; stop++) {
			for (int err = ERR_NOMEM; err <= ERR_CANCELLED; err++) {
				teardown(state);
				rig_start(late_failing_node);
				fail_after = stop;
				fail_as = (enum err)err;
				struct http_exchange *x =
					fake_http_post(request_start, rig.pool, walks[i].body);
				fake_fork_deliver();
				assert_non_null(fake_http_reply(x));
				assert_non_null(
					strstr(fake_http_reply(x), "\"error\":{\"code\""));
				/* Hardhat takes an error without a message for zero. */
				assert_null(strstr(fake_http_reply(x), "\"message\":\"\""));
				assert_int_equal(fake_fork_queued(), 0);
				fake_http_free(&x);
			}
		}
	}
}

static void each_step_may_find_the_port_full(void **state)
{
	(void)state;
	for (size_t i = 0; i < WALKS; i++) {
		for (unsigned stop = 0; stop < walks[i].steps; stop++) {
			teardown(state);
			setup_online(state);
			if (stop == 0)
				fake_fork_refuse(1);
			struct http_exchange *x =
				fake_http_post(request_start, rig.pool, walks[i].body);
			for (unsigned step = 0; step < stop; step++) {
				if (step + 1 == stop)
					fake_fork_refuse(1);
				assert_true(fake_fork_deliver_one());
			}
			assert_string_equal(fake_http_reply(x),
					    ERROR(-32005, "too many requests wait for the "
							  "upstream: try again"));
			fake_http_free(&x);
		}
	}
}

/* One of several facts cannot be asked: those that were are given up. */
static void facts_fail_together(void **state)
{
	(void)state;
	for (unsigned before = 0; before < 3; before++) {
		struct http_exchange *other =
			fake_http_post(request_start, rig.pool, CALL("foo_bar", "[]"));
		fake_fork_refuse_after(before);
		struct http_exchange *x = fake_http_post(request_start, rig.pool,
							 AT("eth_getAccountInfo", "latest"));
		assert_string_equal(fake_http_reply(x),
				    ERROR(-32005, "too many requests wait for the upstream: "
						  "try again"));
		assert_int_equal(fake_fork_queued(), 1);
		fake_http_free(&x);
		fake_fork_deliver();
		assert_non_null(fake_http_reply(other));
		fake_http_free(&other);
	}
}

static void one_of_three_fails(const struct fork_question *q, struct fork_answer *a)
{
	good_node(q, a);
	if (q->kind == FORK_NONCE) {
		a->err = ERR_TIMEOUT;
		a->detail = "no answer";
	}
}

static void what_came_is_kept_though_the_rest_failed(void **state)
{
	(void)state;
	fake_fork_set(one_of_three_fails, keep_check, stack_on_answer, rig.stack);
	assert_int_equal(expect(AT("eth_getAccountInfo", "latest"), ERROR(-32603, "no answer")),
			 3);
	assert_int_equal(expect(AT("eth_getBalance", "latest"), RESULT("\"0x7\"")), 0);
	assert_int_equal(expect(AT("eth_getCode", "latest"), RESULT("\"0x6001\"")), 0);
	fake_fork_set(good_node, keep_check, stack_on_answer, rig.stack);
	expect(AT("eth_getAccountInfo", "latest"),
	       RESULT("{\"balance\":\"0x7\",\"nonce\":\"0x3\",\"code\":\"0x6001\"}"));
}

static void two_of_three_fail(const struct fork_question *q, struct fork_answer *a)
{
	good_node(q, a);
	if (q->kind == FORK_CODE)
		return;
	a->err = ERR_TIMEOUT;
	a->detail = q->kind == FORK_BALANCE ? "the first" : "the second";
}

static void the_first_failure_is_told(void **state)
{
	(void)state;
	fake_fork_set(two_of_three_fail, keep_check, stack_on_answer, rig.stack);
	expect(AT("eth_getAccountInfo", "latest"), ERROR(-32603, "the first"));
}

/* ---- one block, several items ---- */

static char tags[8][512];
static size_t tag_lens[8];
static unsigned tags_n;

static void recording_node(const struct fork_question *q, struct fork_answer *a)
{
	if (q->kind == FORK_CALL && q->may_join && tags_n < 8) {
		assert_true(q->tag.len < sizeof tags[0]);
		memcpy(tags[tags_n], q->tag.ptr, q->tag.len);
		tag_lens[tags_n++] = q->tag.len;
	}
	good_node(q, a);
}

/* The fork joins questions by their tags: all that need an unknown block carry one tag,
 * whoever asks for it first. So two upstreams cannot give one batch two blocks of a number. */
static void items_of_one_block_ask_one_question(void **state)
{
	static const char *const bodies[] = {
		"[" AT("eth_getBalance", "0x3b6") "," AT("eth_getCode", "0x3b6") "," CALL(
			"eth_getBlockByNumber", "[\"0x3b6\",false]") "]",
		"[" CALL("eth_getBalance",
			 "[\"" ADDRESS "\",\"0x" ZEROS_58
			 "000064\"]") "," CALL("eth_getBlockByHash",
					       "[\"0x" ZEROS_58 "000064\",false]") "]",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		tags_n = 0;
		fake_fork_set(recording_node, keep_check, stack_on_answer, rig.stack);
		struct http_exchange *x = fake_http_post(request_start, rig.pool, bodies[i]);
		unsigned asked = fake_fork_queued();
		assert_int_equal(asked, i == 0 ? 3 : 2);
		fake_fork_deliver();
		assert_true(tags_n >= asked);
		for (unsigned k = 1; k < asked; k++) {
			assert_int_equal(tag_lens[k], tag_lens[0]);
			assert_memory_equal(tags[k], tags[0], tag_lens[0]);
		}
		fake_http_free(&x);
	}
}

/* Different numbers never join, though their keys have the same hole for the hash. */
static void different_blocks_do_not_join(void **state)
{
	(void)state;
	tags_n = 0;
	fake_fork_set(recording_node, keep_check, stack_on_answer, rig.stack);
	ask_and_deliver("[" CALL("eth_getBlockByNumber", "[\"0x3b6\",false]") "," CALL(
		"eth_getBlockByNumber", "[\"0x3b7\",false]") "]");
	assert_int_equal(tags_n, 2);
	assert_true(tag_lens[0] != tag_lens[1] || memcmp(tags[0], tags[1], tag_lens[0]) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONLINE(hits_allocate_nothing),
		ONLINE(every_kind_of_id),
		ONLINE(equal_ids_are_the_clients_business),
		ONLINE(names_of_methods),
		ONLINE(deep_bodies_are_refused),
		ONLINE(too_many_items_bear_the_first_usable_id),
		ONLINE(a_client_pays_for_each_item),
		ONLINE(notifications_are_executed),
		ONLINE(a_batch_beyond_its_bound),
		ONLINE(a_reply_without_room_is_an_error),
		ONLINE(steps_are_as_many_as_they_look),
		ONLINE(a_client_may_go_at_each_step),
		ONLINE(each_step_may_fail),
		ONLINE(each_step_may_find_the_port_full),
		ONLINE(facts_fail_together),
		ONLINE(what_came_is_kept_though_the_rest_failed),
		ONLINE(the_first_failure_is_told),
		ONLINE(items_of_one_block_ask_one_question),
		ONLINE(different_blocks_do_not_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
