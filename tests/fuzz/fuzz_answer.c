/* SPDX-License-Identifier: MIT */
/*
 * What upstreams send, as the fork back end reads it (fork/answer.h, classify.h, redact.h).
 * The first byte chooses: a whole reply to a request of several calls, one value, or an error
 * message that quotes secrets. Checked:
 *  - of a reply that is read, a call has either a result, which stands in the body under the
 *    call's id and under no other, beside no error, and is the same wherever it stands, or a
 *    failure with a reason in our words; every call that is so answered is believed;
 *  - a value is the number that its digits spell, read here digit by digit; it has digits, and
 *    not more than fit; code has as many bytes as it has pairs of digits;
 *  - of a composite answer only what stands under the asked-for address, in a list as long as
 *    asked, is taken;
 *  - an error is classified alike whatever the case of its letters;
 *  - redaction leaves a text as long as it was, JSON if it was JSON, and no secret in it.
 */
#include "../json_oracle.h"
#include "fork/answer.h"
#include "fork/classify.h"
#include "fork/client.h"
#include "fork/redact.h"
#include "fork/post.h"
#include <ctype.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MAX = 8, FLIGHTS_MAX = 4, FIRST_ID = 7 };

/* ---- values ---- */

/* Right-aligned digits behind 0x; how many, or -1. */
static int spelt(struct span json, unsigned char out[32])
{
	memset(out, 0, 32);
	if (json.len < 5 || json.ptr[1] != '0' || (json.ptr[2] | 0x20) != 'x')
		return -1;
	const struct span digits = {json.ptr + 3, json.len - 4};
	for (size_t i = 0; i < digits.len; i++) {
		const char c = digits.ptr[digits.len - 1 - i];
		const unsigned nibble =
			(unsigned)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
		if (!isxdigit((unsigned char)c))
			return -1;
		if (i < 64)
			out[31 - i / 2] |= (unsigned char)(i % 2 ? nibble << 4 : nibble);
	}
	return (int)digits.len;
}

static bool is_canonical(struct span json, int digits)
{
	return digits > 0 && digits <= 64 && json.ptr[2] == 'x' &&
	       (digits == 1 || json.ptr[3] != '0');
}

static void check_code(struct span json, const struct blob *code)
{
	unsigned char byte[32];

	REQUIRE(json.len == 4 + 2 * code->len);
	for (size_t i = 0; i < code->len; i++) {
		const char pair[] = {'"', '0', 'x', json.ptr[3 + 2 * i], json.ptr[4 + 2 * i],
				     '"'};
		REQUIRE(spelt((struct span){pair, sizeof pair}, byte) == 2);
		REQUIRE(byte[31] == code->bytes[i]);
	}
}

static void check_found(const struct fork_question *question, struct span json,
			const struct fork_answer *answer)
{
	unsigned char wanted[32];

	REQUIRE(answer->err == OK);
	if (question->kind == FORK_CALL) {
		REQUIRE(span_equal(blob_span(answer->blob), json));
		REQUIRE(question->null_allowed || !span_is(json, "null"));
	} else if (question->kind == FORK_CODE) {
		check_code(json, answer->blob);
	} else {
		const int digits = spelt(json, wanted);
		REQUIRE(digits > 0 && digits <= 64);
		REQUIRE(memcmp(wanted, answer->value.bytes, 32) == 0);
		for (int i = 0; question->kind == FORK_NONCE && i < 24; i++)
			REQUIRE(wanted[i] == 0);
	}
}

static void check_failure(const struct failure *failure)
{
	REQUIRE(failure->verdict != VERDICT_OK && failure->err != OK);
	REQUIRE(memchr(failure->why, '\0', sizeof failure->why) && failure->why[0] != '\0');
}

/* json: validated. */
static void check_value(const struct fork_question *question, struct span json)
{
	struct fork_answer answer;
	struct failure failure = {0};
	unsigned char wanted[32];
	const enum err err = answer_value(question, json, &answer, &failure);

	if (err == OK) {
		check_found(question, json, &answer);
		blob_put(&answer.blob);
		return;
	}
	check_failure(&failure);
	REQUIRE(answer.blob == NULL);
	/* Nothing that every node sends is refused. */
	REQUIRE(question->kind == FORK_CODE || question->kind == FORK_CALL ||
		json_type(json) != JSON_STRING || !is_canonical(json, spelt(json, wanted)) ||
		(question->kind == FORK_NONCE && json.len > 4 + 16));
}

static void run_value(const uint8_t *data, size_t size)
{
	const struct fork_question question = {.kind = data[0] % (FORK_CALL + 1),
					       .null_allowed = (data[0] & 0x80) != 0};
	struct span copy = exact_copy((struct span){(const char *)data + 1, size - 1}), json;
	size_t at;

	if (json_document(copy, JSON_DEPTH_MAX, &json, &at) == OK)
		check_value(&question, json);
	exact_free(copy);
}

/* ---- replies ---- */

/* A request of our own, its flights sorted by address as the ladder sorts them. */
static struct post *ask(unsigned items_n, uint8_t kinds, uint8_t flags)
{
	struct post *r = post_new(NULL, CALLS_MAX * FLIGHTS_MAX);
	REQUIRE(r != NULL);
	r->first_id = FIRST_ID;
	r->batch = items_n > 1 || (flags & 1);
	r->alone = (flags & 2) != 0;
	for (unsigned i = 0; i < items_n; i++) {
		struct item *item = &r->items[r->items_n++];
		item->kind = kinds >> i & 1 ? (flags & 4 ? ITEM_VALUES : ITEM_INFO) : ITEM_ONE;
		item->flights = r->flights + r->flights_n;
		item->flights_n = item->kind == ITEM_VALUES ? 4
				  : item->kind == ITEM_INFO ? 3
							    : 1;
		for (unsigned j = 0; j < item->flights_n; j++) {
			struct flight *flight = calloc(1, sizeof *flight);
			REQUIRE(flight != NULL);
			flight->question.kind = item->kind == ITEM_INFO	    ? (enum fork_kind)j
						: item->kind == ITEM_VALUES ? FORK_SLOT
						: flags & 8		    ? FORK_CALL
									    : FORK_SLOT;
			flight->question.address.bytes[19] = (unsigned char)(0xaa + j / 2);
			flight->question.slot.bytes[31] = (unsigned char)j;
			r->flights[r->flights_n++] = flight;
		}
	}
	return r;
}

static void forget(struct post *r)
{
	for (size_t i = 0; i < r->flights_n; i++) {
		blob_put(&r->flights[i]->found.blob);
		free(r->flights[i]);
	}
	post_free(&r);
}

/* The number or the string that spells it. */
static bool is_id(struct span value, uint64_t id)
{
	char text[24], quoted[26];

	snprintf(text, sizeof text, "%llu", (unsigned long long)id);
	snprintf(quoted, sizeof quoted, "\"%s\"", text);
	return span_is(value, text) || span_is(value, quoted);
}

static bool has_result(struct span object, struct span *result)
{
	struct span error;

	return json_member(object, "result", result) &&
	       (!json_member(object, "error", &error) || json_type(error) == JSON_NULL);
}

/* Every element of that id has the same result, and there is one. */
static bool one_result(struct span body, uint64_t id, struct span *result)
{
	struct json_iter iter = json_iter(body);
	struct span value, found, other;
	unsigned n = 0;

	while (json_next_element(&iter, &value)) {
		if (json_type(value) != JSON_OBJECT || !json_member(value, "id", &found) ||
		    !is_id(found, id))
			continue;
		if (!has_result(value, &other) || (n++ > 0 && !span_equal(other, *result)))
			return false;
		*result = other;
	}
	return n > 0;
}

/* Whether the call is answered as it must be. */
static bool is_answered(const struct post *r, size_t i, struct span body, struct span *result)
{
	const uint64_t id = FIRST_ID + i;
	struct span found;

	if (r->batch)
		return json_type(body) == JSON_ARRAY && one_result(body, id, result);
	return json_type(body) == JSON_OBJECT && json_member(body, "id", &found) &&
	       is_id(found, id) && has_result(body, result);
}

static void check_outcome(const struct post *r, size_t i, struct span body)
{
	const struct outcome *outcome = &r->items[i].outcome;
	struct span result = {0};
	const bool good = is_answered(r, i, body, &result);

	REQUIRE(good == (outcome->failure.verdict == VERDICT_OK));
	REQUIRE(outcome->error.ptr == NULL || oracle_inside(outcome->error, body));
	if (good)
		REQUIRE(outcome->answered && oracle_inside(outcome->result, body) &&
			span_equal(outcome->result, result));
	else
		check_failure(&outcome->failure);
}

/* The value of one slot of a composite answer, by position; false: the address does not stand
 * there once, or with a list of another length. */
static bool stands_at(struct span result, const struct eth_address *address, size_t position,
		      size_t length, struct span *value)
{
	struct json_iter members = json_iter(result);
	struct eth_address named;
	struct span name, list, element;
	size_t times = 0, n = 0;

	while (json_next_member(&members, &name, &list)) {
		struct json_iter iter = json_iter(list);
		if (eth_address_parse(name, &named) != OK || json_type(list) != JSON_ARRAY)
			return false;
		if (memcmp(&named, address, sizeof named) != 0)
			continue;
		for (times++; json_next_element(&iter, &element); n++)
			if (n == position)
				*value = element;
	}
	return times == 1 && n == length;
}

static void check_values(struct item *item)
{
	const bool all = answer_values(item);
	struct span value = {0};
	bool had = true;

	for (size_t i = 0; i < item->flights_n; i++) {
		const struct flight *flight = item->flights[i];
		had = had && flight->have;
		if (!flight->have)
			continue;
		REQUIRE(json_type(item->outcome.result) == JSON_OBJECT);
		REQUIRE(stands_at(item->outcome.result, &flight->question.address, i % 2, 2,
				  &value));
		check_found(&flight->question, value, &flight->found);
	}
	REQUIRE(had || !all);
}

static void check_info(struct item *item)
{
	static const char *const names[] = {
		[FORK_BALANCE] = "balance", [FORK_NONCE] = "nonce", [FORK_CODE] = "code"};
	const bool all = answer_info(item);
	struct span value;
	bool had = true;

	for (size_t i = 0; i < item->flights_n; i++) {
		const struct flight *flight = item->flights[i];
		had = had && flight->have;
		if (!flight->have)
			continue;
		REQUIRE(json_member(item->outcome.result, names[flight->question.kind],
				    &value));
		check_found(&flight->question, value, &flight->found);
	}
	REQUIRE(had == all);
}

static void check_item(struct item *item)
{
	if (item->outcome.failure.verdict != VERDICT_OK)
		return;
	if (item->kind == ITEM_VALUES)
		check_values(item);
	else if (item->kind == ITEM_INFO)
		check_info(item);
	else
		check_value(&item->flights[0]->question, item->outcome.result);
}

static void check_reply(struct post *r, const struct client_reply *reply)
{
	struct failure failure = {0};
	struct span body = {0};
	size_t at;
	const enum reply_form form = answer_reply(r, reply, &failure);
	const bool json = json_document(reply->body, JSON_DEPTH_MAX, &body, &at) == OK;

	switch (form) {
	case REPLY_ITEMS:
		REQUIRE(json && reply->err == OK);
		for (size_t i = 0; i < r->items_n; i++) {
			check_outcome(r, i, body);
			check_item(&r->items[i]);
		}
		return;
	case REPLY_FAILED:
	case REPLY_BATCH_DOUBTFUL:
		check_failure(&failure);
		break;
	case REPLY_BATCH_TOO_BIG:
	case REPLY_NO_BATCH:
		break;
	}
	REQUIRE(form == REPLY_FAILED || r->batch);
	/* Whatever was answered well is not thrown away. */
	for (size_t i = 0; reply->err == OK && reply->status == 200 && json && i < r->items_n;
	     i++)
		REQUIRE(!is_answered(r, i, body, &(struct span){0}));
}

static void run_reply(const uint8_t *data, size_t size)
{
	static const unsigned statuses[] = {200, 200, 200, 200, 400, 401, 404, 405,
					    408, 413, 415, 422, 425, 429, 500, 503};
	static const enum err errors[] = {OK,	       OK,	    OK,	       OK,
					  ERR_NETWORK, ERR_TIMEOUT, ERR_LIMIT, ERR_NOMEM};

	if (size < 3)
		return;
	struct span body = exact_copy((struct span){(const char *)data + 3, size - 3});
	const struct client_reply reply = {.err = errors[data[2] >> 5],
					   .status = statuses[data[1] >> 4],
					   .body = body,
					   .connected = (data[2] & 16) != 0,
					   .detail = data[2] & 8 ? "reset" : ""};
	struct post *r = ask(1 + (data[2] & 7), data[0], data[1] & 15);
	check_reply(r, &reply);
	forget(r);
	exact_free(body);
}

/* ---- errors ---- */

/* Letters that stand in no number, word or escape of JSON: outside of strings there are none.
 */
static bool has_own_letter(struct span part)
{
	for (size_t i = 0; i < part.len; i++)
		if (strchr("ghijkmopqvwxyzGHIJKMOPQVWXYZ_", part.ptr[i]))
			return true;
	return false;
}

static void check_redacted(const struct redact *redact, struct span text)
{
	struct span value, copy = exact_copy(text);
	unsigned char *bytes = (unsigned char *)(uintptr_t)copy.ptr;
	size_t at;
	const bool was_json = json_document(text, JSON_DEPTH_MAX, &value, &at) == OK;

	redact_text(redact, bytes, copy.len);
	REQUIRE(!was_json || json_document(copy, JSON_DEPTH_MAX, &value, &at) == OK);
	for (size_t i = 0; was_json && i < redact->n; i++) {
		const struct span part = {secret_reveal(redact->parts[i]),
					  secret_length(redact->parts[i])};
		REQUIRE(!has_own_letter(part) ||
			memmem(copy.ptr, copy.len, part.ptr, part.len) == NULL);
	}
	exact_free(copy);
}

static void check_class(struct span text, int64_t code)
{
	struct span upper = exact_copy(text);
	char *bytes = (char *)(uintptr_t)upper.ptr;

	for (size_t i = 0; i < upper.len; i++)
		bytes[i] = (char)toupper((unsigned char)bytes[i]);
	for (unsigned i = 0; i <= SUBJECT_COMPUTED; i++) {
		const enum subject subject = (enum subject)i;
		const enum verdict verdict = classify_error(code, text, subject);
		REQUIRE(verdict == classify_error(code, upper, subject));
		REQUIRE(verdict > VERDICT_OK && verdict < VERDICTS && classify_name(verdict));
		/* Of state no error is an answer. */
		REQUIRE(subject != SUBJECT_STATE || verdict != VERDICT_ERROR);
	}
	REQUIRE(classify_no_method(code, text) == classify_no_method(code, upper));
	REQUIRE(classify_batch_too_big(code, text) == classify_batch_too_big(code, upper));
	exact_free(upper);
}

/* "CODE tail-of-the-URL\nvalue-of-a-header\ntext" */
static void run_error(const uint8_t *data, size_t size)
{
	static const int64_t codes[] = {3, 429, 4444, -32000, -32005, -32600, -32601, -32603};
	const char *bytes = (const char *)data + 1;
	const char *url_end = memchr(bytes, '\n', size - 1);
	const char *header_end =
		url_end ? memchr(url_end + 1, '\n', size - 2 - (size_t)(url_end - bytes))
			: NULL;
	struct buf url, header;
	struct redact redact;

	if (!header_end || memchr(bytes, '\0', (size_t)(header_end - bytes)))
		return;
	const struct span text = {header_end + 1, size - 2 - (size_t)(header_end - bytes)};
	buf_init(&url, 8192);
	buf_init(&header, 8192);
	buf_text(&url, "https://");
	buf_append(&url, bytes, (size_t)(url_end - bytes));
	buf_text(&header, "Authorization: ");
	buf_append(&header, url_end + 1, (size_t)(header_end - url_end) - 1);
	struct secret *secret = secret_new(buf_as_span(&url));
	struct secret *headers[] = {secret_new(buf_as_span(&header))};
	REQUIRE(secret && headers[0]);
	REQUIRE(redact_init(&redact, secret, headers, 1) == OK);
	check_redacted(&redact, text);
	check_class(text, codes[data[0] % 8]);
	redact_release(&redact);
	secret_free(&headers[0]);
	secret_free(&secret);
	buf_release(&header);
	buf_release(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	switch (data[0] % 3) {
	case 0:
		run_reply(data + 1, size - 1);
		break;
	case 1:
		run_value(data + 1, size - 1);
		break;
	default:
		run_error(data + 1, size - 1);
		break;
	}
	return 0;
}
