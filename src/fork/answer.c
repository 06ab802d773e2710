/* SPDX-License-Identifier: MIT */
#include "fork/answer.h"
#include "base/json.h"
#include "fork/classify.h"
#include "fork/client.h"
#include "fork/post.h"
#include <stdlib.h>

enum {
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_TIMEOUT = 408,
	HTTP_TOO_LARGE = 413,
	HTTP_TOO_EARLY = 425,
	HTTP_RATE = 429,
	HTTP_INTERNAL = 500,
	HTTP_BAD_METHOD = 405,
	HTTP_BAD_TYPE = 415,
	HTTP_UNPROCESSABLE = 422,
	INVALID_REQUEST = -32600,
};

void answer_status(const struct client_reply *reply, struct failure *failure)
{
	const unsigned status = reply->status;
	*failure = (struct failure){.verdict = VERDICT_OK};
	if (reply->err != OK)
		failure_set(failure, VERDICT_TRANSIENT, reply->err, "%s",
			    reply->detail && *reply->detail ? reply->detail
							    : err_name(reply->err));
	else if (status == HTTP_RATE)
		failure_set(failure, VERDICT_RATE, ERR_RATE_LIMITED, "HTTP %u", status);
	else if (status == HTTP_TIMEOUT || status == HTTP_TOO_EARLY || status >= HTTP_INTERNAL)
		failure_set(failure, VERDICT_TRANSIENT, ERR_BAD_ANSWER, "HTTP %u", status);
	else if (status != HTTP_OK)
		failure_set(failure, VERDICT_REFUSED, ERR_BAD_ANSWER, "HTTP %u", status);
}

/* Digits of a JSON number, or of a string that spells one; -1: neither. */
static int64_t read_id(struct span id)
{
	struct span digits = id;
	uint64_t value = 0;
	if (json_type(id) == JSON_STRING)
		digits = json_string_raw(id);
	if (digits.len == 0 || digits.len > 18)
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return -1;
		value = value * 10 + (uint64_t)(digits.ptr[i] - '0');
	}
	return (int64_t)value;
}

static int64_t read_code(struct span error)
{
	struct span code;
	if (!json_member(error, "code", &code) || json_type(code) != JSON_NUMBER)
		return 0;
	bool negative = code.ptr[0] == '-';
	int64_t value = read_id((struct span){code.ptr + negative, code.len - negative});
	return value < 0 ? 0 : negative ? -value : value;
}

/* False: it is malformed; out->failure says so. */
static bool read_error(struct span error, enum subject subject, struct outcome *out)
{
	struct span message;
	if (json_type(error) != JSON_OBJECT || !json_member(error, "message", &message) ||
	    json_type(message) != JSON_STRING) {
		failure_set(&out->failure, VERDICT_BAD, ERR_BAD_ANSWER,
			    "an error without a message");
		return false;
	}
	out->error = error;
	out->code = read_code(error);
	enum verdict verdict = classify_error(out->code, json_string_raw(message), subject);
	out->no_method = verdict == VERDICT_LIKELY &&
			 classify_no_method(out->code, json_string_raw(message));
	failure_set(&out->failure, verdict,
		    verdict == VERDICT_RATE    ? ERR_RATE_LIMITED
		    : verdict == VERDICT_LACKS ? ERR_NOT_FOUND
					       : ERR_BAD_ANSWER,
		    "%s (JSON-RPC error %lld)", classify_name(verdict), (long long)out->code);
	return true;
}

void answer_object(struct span object, uint64_t id, enum subject subject, struct outcome *out)
{
	struct span member, error;
	*out = (struct outcome){.answered = true};
	if (json_type(object) != JSON_OBJECT) {
		failure_set(&out->failure, VERDICT_BAD, ERR_BAD_ANSWER,
			    "the answer is not a JSON-RPC response");
		return;
	}
	bool has_error = json_member(object, "error", &error) && json_type(error) != JSON_NULL;
	bool has_id = json_member(object, "id", &member) && json_type(member) != JSON_NULL;
	/* An error may come without the id: the request was not understood. */
	if (has_id ? read_id(member) != (int64_t)id : !has_error)
		failure_set(&out->failure, VERDICT_BAD, ERR_BAD_ANSWER,
			    "the answer bears another id");
	else if (has_error)
		read_error(error, subject, out);
	else if (json_member(object, "result", &member))
		out->result = member;
	else
		failure_set(&out->failure, VERDICT_BAD, ERR_BAD_ANSWER,
			    "neither a result nor an error");
}

static enum subject item_subject(const struct item *item)
{
	const struct fork_question *question =
		item->kind == ITEM_ONE ? &item->flights[0]->question : NULL;
	if (!question || question->kind != FORK_CALL)
		return SUBJECT_STATE;
	return question->computed ? SUBJECT_COMPUTED : SUBJECT_CHAIN;
}

/* Word for word: some gateways send an item twice. */
static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	return a->failure.verdict == b->failure.verdict && span_equal(a->result, b->result) &&
	       span_equal(a->error, b->error);
}

static void match(struct post *post, struct span array)
{
	struct json_iter iter = json_iter(array);
	struct span element, id;
	while (json_next_element(&iter, &element)) {
		if (json_type(element) != JSON_OBJECT || !json_member(element, "id", &id))
			continue;
		int64_t number = read_id(id);
		if (number < 0 || (uint64_t)number < post->first_id ||
		    (uint64_t)number - post->first_id >= post->items_n)
			continue;
		struct item *item = &post->items[(uint64_t)number - post->first_id];
		const struct outcome first = item->outcome;
		answer_object(element, (uint64_t)number, item_subject(item), &item->outcome);
		if (first.answered && !same_outcome(&first, &item->outcome))
			failure_set(&item->outcome.failure, VERDICT_BAD, ERR_BAD_ANSWER,
				    "two different answers in one batch");
	}
	for (size_t i = 0; i < post->items_n; i++)
		if (!post->items[i].outcome.answered)
			failure_set(&post->items[i].outcome.failure, VERDICT_BAD,
				    ERR_BAD_ANSWER, "no answer in the batch");
}

/* One error for all, where a batch was sent. */
static enum reply_form batch_refused(struct span object, struct failure *failure)
{
	struct outcome outcome = {0};
	struct span error, message;
	if (!json_member(object, "error", &error) ||
	    !read_error(error, SUBJECT_STATE, &outcome)) {
		failure_set(failure, VERDICT_TRANSIENT, ERR_BAD_ANSWER,
			    "one answer to a batch of questions");
		return REPLY_BATCH_DOUBTFUL;
	}
	*failure = outcome.failure;
	if (json_member(error, "message", &message) &&
	    classify_batch_too_big(outcome.code, json_string_raw(message)))
		return REPLY_BATCH_TOO_BIG;
	switch (failure->verdict) {
	case VERDICT_RATE:
	case VERDICT_LACKS:
	case VERDICT_REFUSED:
		return REPLY_FAILED;
	case VERDICT_TRANSIENT:
		/* JSON-RPC's own "invalid request": an array is none there. */
		return outcome.code == INVALID_REQUEST ? REPLY_NO_BATCH : REPLY_BATCH_DOUBTFUL;
	case VERDICT_BAD:
	case VERDICT_INTERNAL:
	case VERDICT_UNSUPPORTED:
	case VERDICT_LIKELY:
	case VERDICT_ERROR:
	case VERDICT_OK:
	case VERDICTS:
		break;
	}
	return REPLY_NO_BATCH;
}

/* An error that names none of the items (geth: the first) stands for all of them:
 * [{"id": null, "error": "invalid request"}]. */
static bool is_one_error(const struct post *post, struct span array, struct span *out)
{
	struct json_iter iter = json_iter(array);
	struct span second, id, error, message;
	if (!json_next_element(&iter, out) || json_next_element(&iter, &second) ||
	    json_type(*out) != JSON_OBJECT || !json_member(*out, "error", &error) ||
	    json_type(error) != JSON_OBJECT || !json_member(error, "message", &message) ||
	    json_type(message) != JSON_STRING)
		return false;
	int64_t number = json_member(*out, "id", &id) ? read_id(id) : -1;
	return number < (int64_t)post->first_id ||
	       (uint64_t)number - post->first_id >= post->items_n ||
	       classify_batch_too_big(read_code(error), json_string_raw(message));
}

static enum reply_form read_batch(struct post *post, struct span value, struct failure *failure)
{
	struct span object;
	size_t answered = 0;
	if (json_type(value) == JSON_OBJECT)
		return batch_refused(value, failure);
	if (json_type(value) != JSON_ARRAY) {
		failure_set(failure, VERDICT_TRANSIENT, ERR_BAD_ANSWER,
			    "the answer is not a JSON-RPC response");
		return REPLY_BATCH_DOUBTFUL;
	}
	if (is_one_error(post, value, &object))
		return batch_refused(object, failure);
	match(post, value);
	for (size_t i = 0; i < post->items_n; i++)
		answered += post->items[i].outcome.answered;
	if (answered > 0)
		return REPLY_ITEMS;
	*failure = post->items[0].outcome.failure;
	return REPLY_BATCH_DOUBTFUL;
}

/* The node's own statuses, which may come with a JSON-RPC body; the others are a gateway's,
 * whose text may echo a key. */
static bool body_counts(unsigned status)
{
	return status == HTTP_OK || status == HTTP_BAD_REQUEST || status == HTTP_BAD_METHOD ||
	       status == HTTP_BAD_TYPE || status == HTTP_UNPROCESSABLE ||
	       status == HTTP_INTERNAL;
}

enum reply_form answer_reply(struct post *post, const struct client_reply *reply,
			     struct failure *failure)
{
	struct span value;
	size_t at;
	answer_status(reply, failure);
	if (reply->err == ERR_LIMIT || (reply->err == OK && reply->status == HTTP_TOO_LARGE))
		return post->batch ? REPLY_BATCH_TOO_BIG : REPLY_FAILED;
	/* Some drop the connection that brings too much. */
	if (reply->err == ERR_NETWORK && reply->connected && post->batch)
		return REPLY_BATCH_DOUBTFUL;
	if (reply->err != OK || !body_counts(reply->status))
		return REPLY_FAILED;
	if (json_document(reply->body, JSON_DEPTH_MAX, &value, &at) != OK) {
		if (post->batch && failure->verdict == VERDICT_REFUSED)
			return REPLY_BATCH_DOUBTFUL;
		/* A long answer that cannot be read is likely to come again. */
		if (failure->verdict == VERDICT_OK)
			failure_set(failure, post->alone ? VERDICT_BAD : VERDICT_TRANSIENT,
				    ERR_BAD_ANSWER,
				    reply->body.len ? "the answer is not JSON"
						    : "the answer is empty");
		return REPLY_FAILED;
	}
	if (post->batch)
		return read_batch(post, value, failure);
	struct outcome *outcome = &post->items[0].outcome;
	answer_object(value, post->first_id, item_subject(&post->items[0]), outcome);
	if (failure->verdict == VERDICT_OK || outcome->error.ptr)
		return REPLY_ITEMS;
	return REPLY_FAILED;
}

static enum err bad(struct failure *failure, const char *why)
{
	failure_set(failure, VERDICT_BAD, ERR_BAD_ANSWER, "%s", why);
	return ERR_BAD_ANSWER;
}

/* No answer: of a block that may have been reorganised away, that it is not there any more. */
static enum err nothing(const struct fork_question *question, struct failure *failure)
{
	failure_set(failure, question->block.by_hash ? VERDICT_LACKS : VERDICT_BAD,
		    ERR_BAD_ANSWER, "the answer is null");
	return ERR_BAD_ANSWER;
}

static enum err read_number(struct span result, size_t bits, struct eth_bytes32 *out,
			    struct failure *failure)
{
	struct span text;
	struct eth_u256 value;
	uint64_t low;
	if (!json_string_plain(result, &text) || text.len < 3 ||
	    eth_quantity_lenient(text, &value) != OK)
		return bad(failure, "not a quantity");
	if (bits == 64 && !eth_u256_to_u64(&value, &low))
		return bad(failure, "a nonce above 64 bits");
	memcpy(out->bytes, value.bytes, sizeof out->bytes);
	return OK;
}

static enum err read_code_bytes(struct span result, struct blob **out, struct failure *failure)
{
	struct span text;
	size_t n;
	if (!json_string_plain(result, &text) || eth_data_length(text, &n) != OK)
		return bad(failure, "code that is not data");
	struct blob *code = blob_new(n);
	if (!code)
		return ERR_NOMEM;
	if (eth_data_parse(text, code->bytes, n) != OK) {
		blob_put(&code);
		return bad(failure, "code that is not data");
	}
	*out = code;
	return OK;
}

enum err answer_value(const struct fork_question *question, struct span result,
		      struct fork_answer *out, struct failure *failure)
{
	struct span text;
	*out = (struct fork_answer){.err = OK, .detail = ""};
	switch (question->kind) {
	case FORK_BALANCE:
		return read_number(result, 256, &out->value, failure);
	case FORK_NONCE:
		return read_number(result, 64, &out->value, failure);
	case FORK_SLOT:
		if (!json_string_plain(result, &text) ||
		    eth_slot_value_parse(text, &out->value) != OK)
			return bad(failure, "not a storage value");
		return OK;
	case FORK_CODE:
		return read_code_bytes(result, &out->blob, failure);
	case FORK_CALL:
		if (json_type(result) == JSON_NULL && !question->null_allowed)
			return nothing(question, failure);
		out->blob = blob_copy(result.ptr, result.len);
		return out->blob ? OK : ERR_NOMEM;
	}
	return bad(failure, "no such question");
}

/* The run of the item's (sorted) flights that ask about this address. */
static struct flight **find_run(const struct item *item, const struct eth_address *address,
				size_t *n)
{
	size_t low = 0, high = item->flights_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(&item->flights[middle]->question.address, address, sizeof *address) <
		    0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < item->flights_n; (*n)++)
		if (memcmp(&item->flights[low + *n]->question.address, address,
			   sizeof *address) != 0)
			break;
	return item->flights + low;
}

static void forget_run(struct flight **run, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run[i]->have = false;
}

static bool fill_run(struct flight **run, size_t n, struct span values)
{
	struct json_iter iter = json_iter(values);
	struct span value;
	struct failure ignored;
	size_t length = 0;
	bool good = true;
	for (; json_next_element(&iter, &value); length++) {
		if (length >= n)
			continue;
		/* What is no value is asked again. */
		struct flight *flight = run[length];
		flight->have =
			answer_value(&flight->question, value, &flight->found, &ignored) == OK;
		good = good && flight->have;
	}
	/* A list that is longer or shorter than asked proves nothing of its parts. */
	if (length != n)
		forget_run(run, n);
	return good && length == n;
}

bool answer_values(struct item *item)
{
	struct span key, values;
	struct eth_address address;
	bool good = true;
	forget_run(item->flights, item->flights_n);
	for (size_t i = 0; i < item->flights_n; i++)
		item->flights[i]->named = false;
	if (json_type(item->outcome.result) != JSON_OBJECT)
		return false;
	struct json_iter iter = json_iter(item->outcome.result);
	while (json_next_member(&iter, &key, &values)) {
		size_t n;
		if (eth_address_parse(key, &address) != OK || json_type(values) != JSON_ARRAY) {
			forget_run(item->flights, item->flights_n);
			return false;
		}
		struct flight **run = find_run(item, &address, &n);
		if (n == 0)
			continue;
		/* An address that stands twice proves nothing either. */
		if (run[0]->named)
			forget_run(run, n);
		good = !run[0]->named && fill_run(run, n, values) && good;
		run[0]->named = true;
	}
	for (size_t i = 0; i < item->flights_n; i++)
		good = good && item->flights[i]->have;
	return good;
}

bool answer_info(struct item *item)
{
	static const char *const names[] = {
		[FORK_BALANCE] = "balance", [FORK_NONCE] = "nonce", [FORK_CODE] = "code"};
	struct failure ignored;
	struct span member;
	bool good = true;
	for (size_t i = 0; i < item->flights_n; i++) {
		struct flight *flight = item->flights[i];
		flight->have =
			json_type(item->outcome.result) == JSON_OBJECT &&
			json_member(item->outcome.result, names[flight->question.kind],
				    &member) &&
			answer_value(&flight->question, member, &flight->found, &ignored) == OK;
		good = good && flight->have;
	}
	return good;
}
