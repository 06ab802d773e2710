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
 *    spelling (respell.h) it asks and gets exactly that, and asks the same questions under the
 *    same keys where nothing is known yet;
 *  - followed, all that a body says of the head is of one block, whatever happens meanwhile;
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

/* The kind of client, "CHAIN:method@KIND[params]", if the method's answers depend on it. */
static struct span check_name(const struct method *method, const struct fork_question *q,
			      struct span key)
{
	const char *open = memchr(key.ptr, '[', key.len);

	REQUIRE(open != NULL && strncmp(key.ptr, "1:", 2) == 0);
	struct span name = {key.ptr + 2, (size_t)(open - key.ptr) - 2};
	if (method->flags & BY_CLIENT) {
		const size_t n = sizeof "@" NODE_CLIENT - 1;
		REQUIRE(name.len > n &&
			memcmp(name.ptr + name.len - n, "@" NODE_CLIENT, n) == 0);
		name.len -= n;
	}
	REQUIRE(span_equal(name, q->method) ||
		(method->by_hash != NULL && span_is(name, method->by_hash)));
	return (struct span){open, key.len - (size_t)(open - key.ptr)};
}

/* A block where a key has it: by its hash. */
static void check_key_block(struct span mine, struct span theirs)
{
	struct span my_block = mine, their_block = theirs;

	if (json_type(mine) == JSON_OBJECT) {
		REQUIRE(json_member(mine, "blockNumber", &my_block) &&
			json_member(theirs, "blockNumber", &their_block));
		const char *my_rest = my_block.ptr + my_block.len,
			   *their_rest = their_block.ptr + their_block.len;
		REQUIRE(span_equal(
			(struct span){my_rest, (size_t)(mine.ptr + mine.len - my_rest)},
			(struct span){their_rest,
				      (size_t)(theirs.ptr + theirs.len - their_rest)}));
	}
	REQUIRE(json_type(my_block) == JSON_STRING && my_block.len == 68);
}

/* The key, beside the question that is kept under it. */
static void check_key(const struct method *method, const struct fork_question *q)
{
	struct span key = {q->tag.ptr + sizeof(struct keep), q->tag.len - sizeof(struct keep)};
	struct span mine, theirs;

	if (key.len == 0)
		return;
	struct span params = check_name(method, q, key);
	if (method->class == METHOD_SLOW) {
		REQUIRE(params.len == 3 + 66 && strncmp(params.ptr, "[]@0x", 5) == 0);
		return;
	}
	expect_canonical(params);
	for (unsigned i = 0;; i++) {
		mine = element_at(params, i);
		theirs = element_at(q->params, i);
		REQUIRE((mine.ptr != NULL) == (theirs.ptr != NULL));
		if (mine.ptr == NULL)
			return;
		if ((int)i == method->block_at)
			check_key_block(mine, theirs);
		else if (i > 0 || method->kinds[0] != PARAM_HASH)
			REQUIRE(span_equal(mine, theirs));
	}
}

static bool begins(struct span text, const char *with)
{
	return text.len > strlen(with) && strncmp(text.ptr, with, strlen(with)) == 0;
}

static uint64_t highest(void)
{
	return node.heads != NULL ? PIN + 1 : PIN;
}

/* Followed, what a number means is only true as long as the head stays on the chain. */
static void check_guard(const struct fork_question *q, struct span number)
{
	struct span text;
	uint64_t n;

	if (node.heads != NULL && json_string_plain(number, &text) && text.len < 66 &&
	    eth_quantity_u64(text, &n) == OK && n > rig.chain.finalized)
		REQUIRE(q->guarded);
}

/* By number or by hash. */
static void check_block(const struct method *method, const struct fork_question *q,
			const struct keep *keep)
{
	struct span block = element_at(q->params, (unsigned)method->block_at);

	if (begins(block, "{\"blockNumber\":"))
		REQUIRE(json_member(block, "blockNumber", &block));
	if (keep->kind == KEEP_HEAD)
		return;
	if (span_is(block, "\"pending\"")) {
		REQUIRE(node.heads != NULL && keep->kind == KEEP_NOTHING && !q->may_join);
		return;
	}
	REQUIRE(begins(block, "\"0x") || begins(block, "{\"blockHash\":\"0x"));
	check_guard(q, block);
}

/* A filter names a block, or numbers up to the head. */
static void check_range(const struct fork_question *q)
{
	struct span filter = element_at(q->params, 0), value, text;
	uint64_t number;

	if (json_member(filter, "blockHash", &value)) {
		REQUIRE(value.len == 68 && !json_member(filter, "toBlock", &value));
		return;
	}
	REQUIRE(json_member(filter, "toBlock", &value) && json_string_plain(value, &text) &&
		eth_quantity_u64(text, &number) == OK && number <= highest());
	check_guard(q, value);
	REQUIRE(!json_member(filter, "fromBlock", &value) ||
		(json_string_plain(value, &text) && eth_quantity_u64(text, &number) == OK));
}

/* Of all that was asked, in order. */
static uint64_t asked_digest;

static void digest(const void *bytes, size_t n)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < n; i++)
		asked_digest = (asked_digest ^ byte[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static void digest_question(const struct fork_question *q)
{
	digest(&q->kind, sizeof q->kind);
	digest(&q->block.number, sizeof q->block.number);
	/* What a question does not use need not be set. */
	if (q->block.by_hash || q->guarded)
		digest(&q->block.hash, sizeof q->block.hash);
	if (q->kind != FORK_CALL)
		digest(&q->address, sizeof q->address);
	if (q->kind == FORK_SLOT)
		digest(&q->slot, sizeof q->slot);
	digest(q->method.ptr, q->method.len);
	digest(q->params.ptr, q->params.len);
	digest(q->tag.ptr, q->tag.len);
}

static void check_call(const struct fork_question *q)
{
	const struct method *method = method_find(q->method);
	struct keep keep;

	expect_canonical(q->params);
	REQUIRE(q->block.number <= highest() && q->tag.len >= sizeof keep);
	memcpy(&keep, q->tag.ptr, sizeof keep);
	if (method == NULL)
		return;
	REQUIRE(method->class != METHOD_REFUSED && method->class != METHOD_LOCAL);
	REQUIRE((method->class == METHOD_SEND) == q->once);
	REQUIRE(!q->once || (!q->may_join && keep.kind == KEEP_SENT));
	check_key(method, q);
	if (method->block_at >= 0)
		check_block(method, q, &keep);
	if (method->class == METHOD_RANGE)
		check_range(q);
}

static void check_question(const struct fork_question *q, struct fork_answer *a)
{
	digest_question(q);
	if (q->kind == FORK_CALL)
		check_call(q);
	node_answer(q, a);
}

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
	expect_same(respelled, wanted);
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
	const unsigned again = expect_same(body, &later);
	REQUIRE(again <= asked);
	if (valid) {
		REQUIRE(expect_same(respelled.ptr, &later) == again);
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
