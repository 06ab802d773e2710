/* SPDX-License-Identifier: MIT */
/*
 * A JSON-RPC body on its whole way: scanned, its parameters read, looked up, asked for,
 * answered, kept, rendered. The first byte chooses how the remote node behaves. Checked:
 *  - there is one reply, and it is JSON; to what is no JSON one -32700, to a batch one element
 *    for each call that is no notification, in order, with its id as it stands, a version,
 *    and either a result or an error with a code and a message;
 *  - a slot, block, transaction, receipt or proof is the one that was asked for;
 *  - a question to the node is in canonical form, of a method that is neither refused nor
 *    local, about no block above the pinned one, and names its block by number or hash, never
 *    by a tag; its key differs from it in nothing but how the block is named;
 *  - the same body again gets the same reply, and asks no more than before; in another
 *    spelling (respell.h) it asks and gets exactly that;
 *  - json_canonical is a fixed point, and is the same for another spelling.
 */
#include "../json_oracle.h"
#include "request_node.h"
#include "respell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX  4096
#define BATCH_MAX 5 /* the rig's */

/* ---- questions ---- */

static struct span element_at(struct span array, unsigned n)
{
	struct json_iter iter = json_iter(array);
	struct span value = {0};

	for (unsigned i = 0; i <= n; i++)
		if (!json_next_element(&iter, &value))
			return (struct span){0};
	return value;
}

static void expect_json(struct span text)
{
	struct span value;
	size_t at;

	REQUIRE(json_document(text, JSON_DEPTH_MAX, &value, &at) == OK);
	REQUIRE(span_equal(text, value));
}

static void expect_canonical(struct span text)
{
	struct buf again;

	expect_json(text);
	buf_init(&again, 1u << 20);
	REQUIRE(json_canonical(text, &again) == OK);
	REQUIRE(span_equal(buf_as_span(&again), text));
	buf_release(&again);
}

/* "CHAIN:method[params]" beside the question that is kept under it. */
static void check_key(const struct method *method, const struct fork_question *q)
{
	struct span key = {q->tag.ptr + sizeof(struct keep), q->tag.len - sizeof(struct keep)};
	const char *open = key.len > 0 ? memchr(key.ptr, '[', key.len) : NULL;
	struct span mine, theirs;

	if (key.len == 0)
		return;
	REQUIRE(open != NULL && strncmp(key.ptr, "1:", 2) == 0);
	struct span name = {key.ptr + 2, (size_t)(open - key.ptr) - 2};
	REQUIRE(span_equal(name, q->method) ||
		(method->by_hash != NULL && span_is(name, method->by_hash)));
	struct span params = {open, key.len - (size_t)(open - key.ptr)};
	expect_canonical(params);
	for (unsigned i = 0;; i++) {
		mine = element_at(params, i);
		theirs = element_at(q->params, i);
		REQUIRE((mine.ptr != NULL) == (theirs.ptr != NULL));
		if (mine.ptr == NULL)
			return;
		if ((int)i != method->block_at && (i > 0 || method->kinds[0] != PARAM_HASH))
			REQUIRE(span_equal(mine, theirs));
	}
}

static void check_question(const struct fork_question *q, struct fork_answer *a)
{
	if (q->kind == FORK_CALL) {
		const struct method *method = method_find(q->method);
		expect_canonical(q->params);
		REQUIRE(q->block.number <= PIN && q->tag.len >= sizeof(struct keep));
		if (method != NULL) {
			REQUIRE(method->class != METHOD_REFUSED &&
				method->class != METHOD_LOCAL);
			check_key(method, q);
		}
		if (method != NULL && method->block_at >= 0) {
			struct span block = element_at(q->params, (unsigned)method->block_at);
			REQUIRE(block.len > 3 &&
				(strncmp(block.ptr, "\"0x", 3) == 0 ||
				 strncmp(block.ptr, "{\"blockHash\"", 12) == 0));
		}
	}
	node_answer(q, a);
}

/* ---- replies ---- */

static bool is_call(const struct json_request *in)
{
	return in->is_object && !in->duplicate && in->version_ok && in->method_is_string &&
	       in->id_ok;
}

static void check_answer(struct span answer, struct span id, const char *code)
{
	struct span value, error;

	REQUIRE(json_type(answer) == JSON_OBJECT);
	REQUIRE(json_member(answer, "jsonrpc", &value) && span_is(value, "\"2.0\""));
	REQUIRE(json_member(answer, "id", &value) && span_equal(value, id));
	const bool has_error = json_member(answer, "error", &error);
	REQUIRE(has_error != json_member(answer, "result", &value));
	REQUIRE(has_error || code == NULL);
	if (!has_error)
		return;
	REQUIRE(json_member(error, "code", &value) && json_type(value) == JSON_NUMBER);
	REQUIRE(code == NULL || span_is(value, code));
	REQUIRE(json_member(error, "message", &value) && json_type(value) == JSON_STRING);
}

/* Hex of any width, as one number. */
static bool same_word(struct span a, struct span b)
{
	struct eth_bytes32 one, other;

	return json_string_plain(a, &a) && json_string_plain(b, &b) &&
	       eth_slot_parse(a, &one) == OK && eth_slot_parse(b, &other) == OK &&
	       eth_bytes32_equal(&one, &other);
}

static void check_proof(struct span asked, struct span result)
{
	struct json_iter slots = json_iter(asked);
	struct span list, slot, value;

	REQUIRE(json_member(result, "storageProof", &list));
	for (unsigned i = 0; json_next_element(&slots, &slot); i++)
		REQUIRE(json_member(element_at(list, i), "value", &value) &&
			same_word(value, slot));
}

/* Slot s holds s, and things have the names that they were asked for by: an answer to another
 * question would show. */
static void check_meaning(struct span request, struct span answer)
{
	static const struct {
		const char *method, *member;
	} rows[] = {{"\"eth_getBlockByNumber\"", "number"},
		    {"\"eth_getBlockByHash\"", "hash"},
		    {"\"eth_getTransactionByHash\"", "hash"},
		    {"\"eth_getTransactionReceipt\"", "transactionHash"}};
	struct span method, params, result, value, first;

	if (!json_member(answer, "result", &result) || span_is(result, "null") ||
	    !json_member(request, "method", &method) ||
	    !json_member(request, "params", &params))
		return;
	first = element_at(params, 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (span_is(method, rows[i].method) && first.len > 4 && first.ptr[1] == '0')
			REQUIRE(json_member(result, rows[i].member, &value) &&
				same_word(value, first));
	if (span_is(method, "\"eth_getStorageAt\""))
		REQUIRE(result.len == 68 && same_word(result, element_at(params, 1)));
	if (span_is(method, "\"eth_getProof\""))
		check_proof(element_at(params, 1), result);
}

/* Of one element or of a single call; false: it gets no answer. */
static bool expected(struct span element, struct span *id, const char **code)
{
	struct json_request in;
	size_t at;

	*code = NULL;
	REQUIRE(json_request_next(&element, JSON_DEPTH_MAX, &in, &at) == OK);
	*id = in.id.ptr != NULL && in.is_object && in.id_ok && !in.duplicate ? in.id
									     : SPAN("null");
	if (!is_call(&in))
		*code = "-32600";
	return !is_call(&in) || in.id.ptr != NULL;
}

static unsigned count(struct span array)
{
	unsigned n = 0;

	while (element_at(array, n).ptr != NULL)
		n++;
	return n;
}

static void check_batch(struct span batch, struct span reply)
{
	struct json_iter iter = json_iter(batch);
	struct span element, id;
	const char *code;
	unsigned answered = 0;

	while (json_next_element(&iter, &element))
		if (expected(element, &id, &code)) {
			check_answer(element_at(reply, answered), id, code);
			check_meaning(element, element_at(reply, answered++));
		}
	REQUIRE(answered == 0 ? reply.len == 0 : count(reply) == answered);
}

static void check_reply(struct span body, struct span reply)
{
	struct span value, id;
	const char *code;
	size_t at;

	if (reply.len > 0)
		expect_json(reply);
	if (json_document(body, 64, &value, &at) != OK) {
		check_answer(reply, SPAN("null"), "-32700");
	} else if (json_type(value) != JSON_ARRAY) {
		if (expected(value, &id, &code)) {
			check_answer(reply, id, code);
			check_meaning(value, reply);
		} else {
			REQUIRE(reply.len == 0);
		}
	} else if (count(value) == 0) {
		check_answer(reply, SPAN("null"), "-32600");
	} else if (count(value) > BATCH_MAX) {
		REQUIRE(count(reply) == 1 && json_member(element_at(reply, 0), "id", &id));
		check_answer(element_at(reply, 0), id, "-32600");
	} else {
		check_batch(value, reply);
	}
}

/* ---- the run ---- */

/* Returns how many questions were asked; reply: own. */
static unsigned post(const char *body, struct buf *reply)
{
	const unsigned before = fake_fork_asked();
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);

	stack_turn_end(rig.view);
	buf_init(reply, 1u << 24);
	if (node_mood == NODE_GONE && fake_http_reply(x) == NULL) {
		fake_http_abort(x);
		REQUIRE(fake_fork_queued() == 0);
	} else {
		fake_fork_deliver();
		REQUIRE(fake_http_reply(x) != NULL && fake_http_status(x) == 200);
		buf_text(reply, fake_http_reply(x));
		check_reply(span_of(body), buf_as_span(reply));
	}
	fake_http_free(&x);
	stack_turn_end(rig.view);
	return fake_fork_asked() - before;
}

static unsigned expect_same(const char *body, const struct buf *wanted)
{
	struct buf reply;
	const unsigned asked = post(body, &reply);

	REQUIRE(span_equal(buf_as_span(&reply), buf_as_span(wanted)));
	buf_release(&reply);
	return asked;
}

static void check_canonical(struct span body)
{
	struct buf once, twice, respelled;

	buf_init(&once, 1u << 20);
	buf_init(&twice, 1u << 20);
	buf_init(&respelled, 1u << 20);
	respell_strings(body, &respelled);
	const enum err err = json_canonical(body, &once);
	REQUIRE(json_canonical(buf_as_span(&respelled), &twice) == err);
	REQUIRE(err != OK || span_equal(buf_as_span(&once), buf_as_span(&twice)));
	if (err == OK)
		expect_canonical(buf_as_span(&once));
	buf_release(&once);
	buf_release(&twice);
	buf_release(&respelled);
}

static void run(const char *body)
{
	struct buf first, respelled;
	struct span value;
	size_t at;
	const bool valid = json_document(span_of(body), 64, &value, &at) == OK;

	if (valid)
		check_canonical(value);
	const unsigned asked = post(body, &first);
	/* Then the port has been full, and is not any more; or there was no reply. */
	if (node_mood != NODE_FULL && node_mood != NODE_GONE) {
		const unsigned again = expect_same(body, &first);
		REQUIRE(again <= asked);
		buf_init(&respelled, 1u << 20);
		if (valid)
			respell_body(value, &respelled);
		buf_char(&respelled, '\0');
		if (valid)
			REQUIRE(expect_same(respelled.ptr, &first) == again);
		buf_release(&respelled);
	}
	buf_release(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char body[BODY_MAX + 1];

	if (size < 1 || size - 1 > BODY_MAX || memchr(data + 1, '\0', size - 1) != NULL)
		return 0;
	memcpy(body, data + 1, size - 1);
	body[size - 1] = '\0';
	node_start(data[0] % NODE_MOODS, check_question);
	run(body);
	node_stop();
	return 0;
}
