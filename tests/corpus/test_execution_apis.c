/* SPDX-License-Identifier: MIT */
/*
 * The executions and ranges of the execution-apis corpus (recorded from go-ethereum), through
 * the server's request handling in front of a node that answers as recorded: what comes out is
 * what was recorded, and the second time it comes from the cache. Not kept are errors other
 * than reverts; what cannot be at all is refused here, with the recorded code.
 */
#include "corpus.h"
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "base/json.h"
#include "rpc/keep.h"
#include "rpc/request.h"
#include <dirent.h>

#define HEAD 1000

static const char *const folders[] = {"eth_call", "eth_createAccessList", "eth_estimateGas",
				      "eth_getLogs", "eth_simulateV1"};

static struct {
	struct chain chain;
	struct loop *loop;
	struct stack *stack;
	struct stack_view *view;
	struct request_pool *pool;
	struct span response; /* recorded */
	unsigned pairs, kept, asked_again, refused;
} run;

/* A header for a block that is named by hash, of a number low enough to be final, or by number.
 */
static void answer_header(const struct fork_question *q, struct fork_answer *a)
{
	bool by_hash = span_is(q->method, "eth_getBlockByHash");
	unsigned long number = 4;
	char hash[80], text[1024];

	if (!by_hash)
		number = strtoul(q->params.ptr + 4, NULL, 16); /* ["0x */
	snprintf(hash, sizeof hash, "\"0x%064lx\"", number);
	int n = snprintf(
		text, sizeof text,
		"{\"number\":\"0x%lx\",\"hash\":%.68s,\"parentHash\":\"0x%064x\","
		"\"stateRoot\":\"0x%064x\",\"timestamp\":\"0x1\",\"gasLimit\":\"0x1\"}",
		number, by_hash ? q->params.ptr + 1 : hash, 1, 1);
	a->blob = blob_copy(text, (size_t)n);
}

static void recorded_node(const struct fork_question *q, struct fork_answer *a)
{
	struct span value;

	a->client = SPAN("Geth");
	if (span_is(q->method, "eth_getBlockByHash") ||
	    span_is(q->method, "eth_getBlockByNumber")) {
		answer_header(q, a);
		return;
	}
	if (!json_member(run.response, "result", &value)) {
		assert_true(json_member(run.response, "error", &value));
		a->err = ERR_UPSTREAM;
	}
	a->blob = blob_copy(value.ptr, value.len);
}

static void start(void)
{
	const struct stack_config config = {
		.memory_bytes = 64u << 20, .keep = keep_store, .cookie = &run.chain};
	const struct request_limits limits = {0};

	memset(&run, 0, sizeof run);
	run.chain.chain_id = 1;
	run.chain.finalized = HEAD;
	run.chain.pinned.block.at.number = HEAD;
	run.chain.pinned.block.final = true;
	snprintf(run.chain.client_kind, sizeof run.chain.client_kind, "Geth");
	method_table_init();
	assert_ok(loop_new(&run.loop));
	assert_ok(stack_new(&config, &run.stack));
	assert_ok(stack_view_new(run.stack, (struct fork *)&run, run.loop, 8, &run.view));
	assert_ok(request_pool_new(run.view, &run.chain, &limits, &run.pool));
	fake_fork_set(recorded_node, keep_check, stack_on_answer, run.stack);
}

static void end(void)
{
	request_pool_free(&run.pool);
	stack_view_free(&run.view);
	stack_free(&run.stack);
	loop_free(&run.loop);
}

/* How many questions that took. */
static unsigned post(const char *request, struct buf *reply)
{
	unsigned before = fake_fork_asked();
	struct http_exchange *x = fake_http_post(request_start, run.pool, request);

	fake_fork_deliver();
	assert_non_null(fake_http_reply(x));
	buf_clear(reply);
	buf_text(reply, fake_http_reply(x));
	assert_ok(buf_err(reply));
	fake_http_free(&x);
	stack_turn_end(run.view);
	return fake_fork_asked() - before;
}

static bool has_code(struct span response, const char *code)
{
	struct span error, value;

	return json_member(response, "error", &error) && json_member(error, "code", &value) &&
	       span_is(value, code);
}

/* An error is asked for again, but a revert; so are several calls of which one ran out of gas,
 * as it may have been the node's own cap. */
static bool to_be_kept(const char *request, const char *response)
{
	struct span error;

	if (strstr(request, "eth_simulateV1") != NULL && strstr(response, "out of gas") != NULL)
		return false;
	return !json_member(run.response, "error", &error) || has_code(run.response, "3");
}

static void pair(const char *name, const char *request, const char *response)
{
	struct span again;
	struct buf reply;
	size_t at;

	buf_init(&reply, CORPUS_FILE_MAX);
	assert_ok(json_document(span_of(response), JSON_DEPTH_MAX, &run.response, &at));
	run.pairs++;
	if (post(request, &reply) == 0) {
		/* Equal to one before, or refused here. */
		assert_ok(json_document(buf_as_span(&reply), 64, &again, &at));
		run.refused += has_code(again, "-32602");
		if (!has_code(again, "-32602") || !has_code(run.response, "-32602"))
			assert_true(span_equal(again, run.response));
	} else {
		if (!span_equal(buf_as_span(&reply), run.response))
			fail_msg("%s: %.*s", name, (int)reply.len, reply.ptr);
		bool kept = to_be_kept(request, response);
		if ((post(request, &reply) == 0) != kept)
			fail_msg("%s: kept: %d", name, !kept);
		assert_true(span_equal(buf_as_span(&reply), run.response));
		run.kept += kept;
		run.asked_again += !kept;
	}
	buf_release(&reply);
}

/* Lines ">> request" and "<< response". */
static void file(const char *folder, const char *name)
{
	char path[512];
	char *request = NULL;
	struct buf text;

	snprintf(path, sizeof path, "execution-apis/%s/%s", folder, name);
	corpus_read(path, &text);
	for (char *line = text.ptr, *next; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (strncmp(line, ">> ", 3) == 0)
			request = line + 3;
		else if (strncmp(line, "<< ", 3) == 0 && request != NULL)
			pair(path, request, line + 3);
	}
	buf_release(&text);
}

static void recorded_answers_come_out_and_are_kept(void **state)
{
	const char *corpus = getenv("CORPUS_DIR");

	(void)state;
	start();
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/execution-apis/%s", corpus ? corpus : ".",
			 folders[i]);
		DIR *folder = opendir(path);
		if (folder == NULL) {
			print_message("skipped: no %s (set CORPUS_DIR)\n", path);
			end();
			skip();
		}
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
			if (entry->d_name[0] != '.')
				file(folders[i], entry->d_name);
		closedir(folder);
	}
	print_message("%u pairs: %u kept, %u asked again, %u refused here\n", run.pairs,
		      run.kept, run.asked_again, run.refused);
	assert_true(run.kept > run.pairs / 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_answers_come_out_and_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
