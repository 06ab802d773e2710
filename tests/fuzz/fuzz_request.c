/* SPDX-License-Identifier: MIT */
/*
 * A JSON-RPC body on its whole way: scanned, its parameters read, looked up, asked for,
 * answered, kept, rendered. The first byte chooses how the remote node behaves, whether its
 * chain is followed, and when that is reorganised. Checked:
 *  - there is one reply, and it is JSON; to what is no JSON one -32700, to a batch one element
 *    for each call that is no notification, in order, with its id as it stands, a version,
 *    and either a result or an error with a code and a message;
 *  - a slot, block, transaction, receipt or proof is the one that was asked for;
 *  - a question to the node is in canonical form, of a method that is neither refused nor
 *    local, about no block above the head, and names its block by number or hash, never by a
 *    tag (but for the head itself, and pending, of which nothing is kept); its key differs
 *    from it in nothing but how the block is named, and has the kind of client where the
 *    method's row says so;
 *  - what is sent must neither be joined nor kept;
 *  - the same body again gets the same reply, and asks no more than before; in another
 *    spelling (respell.h) it asks and gets exactly that (but for what is said to be wrong where
 *    two things are), and asks the same questions under the same keys where nothing is known
 *    yet;
 *  - followed, all that a body says of the head is of one block, whatever happens meanwhile;
 *  - json_canonical is a fixed point, and is the same for another spelling.
 */
#include "../json_oracle.h"
#include "request_questions.h"
#include "respell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODY_MAX  4096
#define BATCH_MAX 5 /* the rig's */

/* ---- replies ---- */

static bool is_call(const struct json_request *in)
{
	return in->is_object && !in->duplicate && in->version_ok && in->method_is_string &&
	       in->method.len > 0 && in->id_ok;
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

/* ---- one head ---- */

/* What a body has said of the head so far; 0: nothing. */
static struct {
	uint64_t number;
	unsigned branch;
} said;

static void says_number(uint64_t number)
{
	REQUIRE(said.number == 0 || said.number == number);
	said.number = number;
}

static void says_branch(unsigned branch)
{
	REQUIRE(said.branch == 0 || said.branch == branch);
	said.branch = branch;
}

static void says_block(struct span hash)
{
	struct eth_bytes32 bytes;
	struct span text;

	if (json_string_plain(hash, &text) && eth_data_parse(text, bytes.bytes, 32) == OK) {
		says_branch(bytes.bytes[8]);
		says_number(be64_get(bytes.bytes + 24));
	}
}

/* One reorganisation is not seen by who asks for the latest block. */
static void check_latest(struct span request, struct span answer)
{
	struct span params, error, message;

	if (json_member(answer, "error", &error) && json_member(error, "message", &message) &&
	    json_member(request, "params", &params) && json_type(params) == JSON_ARRAY &&
	    span_is(element_at(params, 1), "\"latest\""))
		REQUIRE(!span_is(message, "\"" NODE_LACKS "\""));
}

/* A good node's balances tell their branch, its calls their block. */
static void check_head(struct span request, struct span answer)
{
	struct span method, params, result, value;
	struct eth_u256 number;

	if (node.heads == NULL || node_mood != NODE_GOOD)
		return;
	check_latest(request, answer);
	if (!json_member(answer, "result", &result) || !json_member(request, "method", &method))
		return;
	if (span_is(method, "\"eth_blockNumber\"") && json_string_plain(result, &value) &&
	    eth_quantity_lenient(value, &number) == OK)
		says_number(be64_get(number.bytes + 24));
	if (!json_member(request, "params", &params) || json_type(params) != JSON_ARRAY)
		return;
	const bool first = span_is(element_at(params, 0), "\"latest\""),
		   second = span_is(element_at(params, 1), "\"latest\"");
	if (second && span_is(method, "\"eth_getBalance\"") &&
	    json_string_plain(result, &value) && eth_quantity_lenient(value, &number) == OK)
		says_branch(number.bytes[30]);
	if (second && span_is(method, "\"eth_call\""))
		says_block(result);
	if (first && span_is(method, "\"eth_getBlockByNumber\"") &&
	    json_type(result) == JSON_OBJECT && json_member(result, "hash", &value))
		says_block(value);
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
			check_head(element, element_at(reply, answered));
			check_meaning(element, element_at(reply, answered++));
		}
	REQUIRE(answered == 0 ? reply.len == 0 : count(reply) == answered);
}

static void check_reply(struct span body, struct span reply)
{
	struct span value, id;
	const char *code;
	size_t at;

	memset(&said, 0, sizeof said);
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

static unsigned gone_after; /* NODE_GONE: so many answers */

/* Returns how many questions were asked; reply: own. */
static unsigned post(const char *body, struct buf *reply)
{
	const unsigned before = fake_fork_asked();
	struct http_exchange *x = fake_http_post(request_start, rig.pool, body);

	stack_turn_end(rig.view);
	buf_init(reply, 1u << 24);
	asked_digest = 0;
	for (unsigned i = gone_after; node_mood == NODE_GONE && i > 0; i--)
		fake_fork_deliver_one();
	if (node_mood == NODE_GONE && fake_http_reply(x) == NULL) {
		fake_http_abort(x);
		/* Heads are heard for whoever comes next. */
		REQUIRE(fake_fork_queued() <= (node.heads != NULL ? HEADS_TAGS : 0));
		fake_fork_deliver();
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

/* One element: of a refusal the id alone, as of two faults either may be named. */
static void put_outcome(struct span answer, struct buf *out)
{
	struct span error, code, id;

	if (json_type(answer) == JSON_OBJECT && json_member(answer, "error", &error) &&
	    json_member(error, "code", &code) && span_is(code, "-32602") &&
	    json_member(answer, "id", &id))
		buf_span(out, id);
	else
		buf_span(out, answer);
	buf_char(out, '\n');
}

static bool same_outcome(struct span one, struct span other)
{
	const struct span replies[2] = {one, other};
	struct buf texts[2];
	struct span element;

	for (int i = 0; i < 2; i++) {
		buf_init(&texts[i], 1u << 24);
		if (replies[i].len > 0 && json_type(replies[i]) == JSON_ARRAY) {
			struct json_iter iter = json_iter(replies[i]);
			while (json_next_element(&iter, &element))
				put_outcome(element, &texts[i]);
		} else if (replies[i].len > 0) {
			put_outcome(replies[i], &texts[i]);
		}
	}
	const bool same = span_equal(buf_as_span(&texts[0]), buf_as_span(&texts[1]));
	buf_release(&texts[0]);
	buf_release(&texts[1]);
	return same;
}

/* exactly: refusals word for word, too. */
static unsigned expect_same(const char *body, const struct buf *wanted, bool exactly)
{
	struct buf reply;
	const unsigned asked = post(body, &reply);

	REQUIRE(exactly ? span_equal(buf_as_span(&reply), buf_as_span(wanted))
			: same_outcome(buf_as_span(&reply), buf_as_span(wanted)));
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

/* What the input has chosen. */
struct choice {
	enum node_mood mood;
	bool follow;
	unsigned answers; /* until the chain is reorganised, or the client goes */
};

static void start(const struct choice *choice)
{
	gone_after = choice->answers;
	node_start(choice->mood, choice->follow, choice->answers, check_question);
}

/* Where nothing is known, another spelling asks for the same things under the same keys. */
static void check_fresh(const struct choice *choice, const char *respelled,
			const struct buf *wanted, uint64_t wanted_digest)
{
	node_stop();
	start(choice);
	expect_same(respelled, wanted, false);
	REQUIRE(asked_digest == wanted_digest);
}

static void run_again(const struct choice *choice, const char *body, struct buf *first,
		      unsigned asked)
{
	const uint64_t first_digest = asked_digest;
	struct buf respelled, later;
	struct span value;
	size_t at;

	buf_init(&respelled, 1u << 20);
	const bool valid = json_document(span_of(body), 64, &value, &at) == OK;
	if (valid)
		respell_body(value, &respelled);
	buf_char(&respelled, '\0');
	if (node.heads != NULL) {
		/* Behind the reorganisation, which may have come behind the reply. */
		node.left = 0;
		fake_loop_advance(rig.loop, 2 * HEADS_AGE_US);
		asked = post(body, &later);
	} else {
		buf_init(&later, first->len);
		buf_span(&later, buf_as_span(first));
	}
	const unsigned again = expect_same(body, &later, true);
	REQUIRE(again <= asked);
	if (valid) {
		REQUIRE(expect_same(respelled.ptr, &later, false) == again);
		check_fresh(choice, respelled.ptr, first, first_digest);
	}
	buf_release(&later);
	buf_release(&respelled);
}

static void run(const struct choice *choice, const char *body)
{
	struct span value;
	struct buf first;
	size_t at;

	if (json_document(span_of(body), 64, &value, &at) == OK)
		check_canonical(value);
	const unsigned asked = post(body, &first);
	/* Then the port has been full, and is not any more; or there was no reply. */
	if (node_mood != NODE_FULL && node_mood != NODE_GONE)
		run_again(choice, body, &first, asked);
	buf_release(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char body[BODY_MAX + 1];

	if (size < 1 || size - 1 > BODY_MAX || memchr(data + 1, '\0', size - 1) != NULL)
		return 0;
	const struct choice choice = {.mood = data[0] % NODE_MOODS,
				      .follow = (data[0] & 8) != 0,
				      .answers = data[0] >> 5};
	memcpy(body, data + 1, size - 1);
	body[size - 1] = '\0';
	start(&choice);
	run(&choice, body);
	node_stop();
	return 0;
}
