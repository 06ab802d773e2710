/* SPDX-License-Identifier: MIT */
/*
 * The examples of the JSON-RPC 2.0 specification, section 7, through the server's request
 * handling.
 *
 * They call methods that exist nowhere (subtract, sum...), and some by named parameters, which
 * Ethereum's interface has not. So responses are compared by their shape: none, one or an
 * array; as many, in order, with the ids of the example; version 2.0 and never both result and
 * error. Codes are compared where the example's error is of the protocol (-32700, -32600). Of
 * the other responses
 *   - those with positional or no parameters are forwarded, as all unknown methods are: the
 *     node here says -32601, or has the example's result: the same comes out;
 *   - those with named parameters are -32602 here, whatever the example has.
 */
#include "corpus.h"
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "rpc/keep.h"
#include "rpc/request.h"
/* jansson has the same names for its types, which are not needed here. */
#define json_type   jansson_json_type
#define JSON_OBJECT jansson_JSON_OBJECT
#define JSON_ARRAY  jansson_JSON_ARRAY
#define JSON_STRING jansson_JSON_STRING
#define JSON_TRUE   jansson_JSON_TRUE
#define JSON_FALSE  jansson_JSON_FALSE
#define JSON_NULL   jansson_JSON_NULL
#include <jansson.h>
#undef json_type
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

static struct chain chain = {.chain_id = 1};

/* Method, parameters and what the examples' server answers. */
static const struct {
	const char *method, *params, *result;
} server[] = {
	{"subtract", "[42,23]", "19"},
	{"subtract", "[23,42]", "-19"},
	{"sum", "[1,2,4]", "7"},
	{"get_data", "[]", "[\"hello\",5]"},
};

static void examples_server(const struct fork_question *q, struct fork_answer *a)
{
	static const char none[] = "{\"code\":-32601,\"message\":\"Method not found\"}";

	for (size_t i = 0; i < sizeof server / sizeof server[0]; i++) {
		if (!span_is(q->method, server[i].method) ||
		    !span_is(q->params, server[i].params))
			continue;
		a->blob = blob_copy(server[i].result, strlen(server[i].result));
		return;
	}
	a->err = ERR_UPSTREAM;
	a->blob = blob_copy(none, sizeof none - 1);
}

/* Not empty, which none of the examples' is. */
static bool is_object(const json_t *value)
{
	return json_object_size(value) > 0;
}

static bool is_array(const json_t *value)
{
	return json_array_size(value) > 0;
}

/* Whether the example's request of that id has named parameters. */
static bool is_by_name(const json_t *request, const json_t *id)
{
	const json_t *item;
	size_t i;

	if (is_object(request))
		return is_object(json_object_get(request, "params"));
	json_array_foreach(
		request, i,
		item) if (json_equal(json_object_get(item, "id"),
				     id)) return is_object(json_object_get(item, "params"));
	return false;
}

static void response_is(const json_t *got, const json_t *want, const json_t *request)
{
	const json_t *result = json_object_get(want, "result");
	const json_t *error = json_object_get(got, "error");
	const json_t *id = json_object_get(want, "id");

	assert_true(is_object(got));
	assert_int_equal(json_object_size(got), 3);
	assert_string_equal(json_string_value(json_object_get(got, "jsonrpc")), "2.0");
	assert_true(json_equal(json_object_get(got, "id"), id));
	if (is_by_name(request, id)) {
		assert_int_equal(json_integer_value(json_object_get(error, "code")), -32602);
	} else if (result != NULL) {
		assert_true(json_equal(json_object_get(got, "result"), result));
	} else {
		const json_t *code = json_object_get(json_object_get(want, "error"), "code");
		assert_true(json_equal(json_object_get(error, "code"), code));
		assert_true(json_string_value(json_object_get(error, "message")) != NULL);
	}
}

static void reply_is(const char *reply, const char *response, const char *request)
{
	json_t *got = json_loads(reply, 0, NULL);
	json_t *want = json_loads(response, 0, NULL);
	json_t *asked = json_loads(request, 0, NULL); /* NULL: that is what it is about */
	const json_t *item;
	size_t i;

	assert_non_null(got);
	assert_non_null(want);
	if (is_array(want)) {
		assert_true(is_array(got));
		assert_int_equal(json_array_size(got), json_array_size(want));
		json_array_foreach(want, i, item)
			response_is(json_array_get(got, i), item, asked);
	} else {
		response_is(got, want, asked);
	}
	json_decref(got);
	json_decref(want);
	json_decref(asked);
}

static void example(struct request_pool *pool, const char *request, const char *response)
{
	struct http_exchange *x = fake_http_post(request_start, pool, request);

	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	assert_int_equal(fake_http_status(x), 200);
	if (response == NULL)
		assert_string_equal(fake_http_reply(x), "");
	else
		reply_is(fake_http_reply(x), response, request);
	fake_http_free(&x);
}

static void run_examples(const json_t *examples)
{
	const struct stack_config config = {
		.memory_bytes = 4u << 20, .keep = keep_store, .cookie = &chain};
	const struct request_limits limits = {0};
	struct request_pool *pool;
	struct stack_view *view;
	struct stack *stack;
	struct loop *loop;
	const json_t *item;
	size_t i;

	method_table_init();
	assert_ok(loop_new(&loop));
	assert_ok(stack_new(&config, &stack));
	assert_ok(stack_view_new(stack, (struct fork *)&chain, loop, 8, &view));
	assert_ok(request_pool_new(view, &chain, &limits, &pool));
	fake_fork_set(examples_server, keep_check, stack_on_answer, stack);
	json_array_foreach(examples, i, item)
	{
		print_message("%s\n", json_string_value(json_object_get(item, "name")));
		example(pool, json_string_value(json_object_get(item, "request")),
			json_string_value(json_object_get(item, "response")));
	}
	request_pool_free(&pool);
	stack_view_free(&view);
	stack_free(&stack);
	loop_free(&loop);
}

static void the_specifications_examples(void **state)
{
	struct buf text;

	(void)state;
	corpus_read("jsonrpc/spec-examples.json", &text);
	json_t *file = json_loadb(text.ptr, text.len, 0, NULL);
	assert_non_null(file);
	const json_t *examples = json_object_get(file, "examples");
	assert_true(json_array_size(examples) >= 15);
	run_examples(examples);
	json_decref(file);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_specifications_examples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
