/* SPDX-License-Identifier: MIT */
#include "mock_node/rpc.h"
#include "mock_node/answer.h"
#include "mock_node/canon.h"
#include "mock_node/methods.h"
#include "mock_node/moves.h"
#include "mock_node/node.h"
#include "mock_node/params.h"
#include "mock_node/recorded.h"

#define REPLY_LIMIT    (256u << 20)
#define RPC_RATE_LIMIT -32005 /* EIP-1474, "Limit exceeded" */

/* One response of the array, as bytes of the items buffer. */
struct piece {
	size_t at, len;
	const struct fault *fault;
};

struct call {
	struct node *node;
	struct answer answer;
	struct buf items; /* rendered responses, one after the other */
	struct buf key;	  /* of the item at hand */
	struct reply *reply;
	bool over_rate;
	bool batch;
	json_t *no_params; /* [] */
};

void reply_init(struct reply *reply)
{
	*reply = (struct reply){
		.status = 200, .retry_after = -1, .content_type = "application/json"};
	buf_init(&reply->body, REPLY_LIMIT);
}

void reply_release(struct reply *reply)
{
	buf_release(&reply->body);
}

static void id_text(struct buf *out, const json_t *id)
{
	if (json_is_integer(id)) {
		buf_printf(out, "%lld", (long long)json_integer_value(id));
		return;
	}
	char *text = id ? json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	buf_text(out, text ? text : "null");
	free(text);
}

static void bent_id(struct buf *out, const json_t *id, const struct fault *fault)
{
	if (fault && fault->kind == FAULT_NULL_ID) {
		buf_text(out, "null");
	} else if (fault && fault->kind == FAULT_WRONG_ID) {
		buf_printf(out, "%lld", (long long)json_integer_value(id) + 1000000);
	} else if (fault && fault->kind == FAULT_STRING_ID && !json_is_string(id)) {
		buf_char(out, '"');
		id_text(out, id);
		buf_char(out, '"');
	} else {
		id_text(out, id);
	}
}

static void render(struct buf *out, const json_t *id, const struct answer *answer,
		   const struct fault *fault)
{
	bool bare_error = fault && fault->kind == FAULT_NO_MESSAGE;

	buf_char(out, '{');
	if (!fault || fault->kind != FAULT_NO_JSONRPC)
		buf_text(out, "\"jsonrpc\":\"2.0\",");
	buf_text(out, "\"id\":");
	bent_id(out, id, fault);
	if (bare_error) {
		buf_text(out, ",\"error\":{\"code\":-32000}}");
		return;
	}
	buf_text(out, answer->is_error ? ",\"error\":" : ",\"result\":");
	buf_span(out, buf_as_span(&answer->json));
	if (fault && fault->kind == FAULT_ERROR_NULL && !answer->is_error)
		buf_text(out, ",\"error\":null");
	buf_char(out, '}');
}

static void start_answer(struct call *call)
{
	buf_clear(&call->answer.json);
	call->answer.is_error = false;
}

/* A test reads of the counters which facts were asked for, however they were asked. */
static void count_slots(struct call *call, json_t *params)
{
	const char *address;
	json_t *slots, *slot;
	json_t *block = json_array_get(params, 1);
	size_t i;

	json_object_foreach(json_array_get(params, 0), address, slots)
	{
		json_array_foreach(slots, i, slot)
		{
			json_t *single = json_pack("[s,O,O?]", address, slot, block);
			buf_clear(&call->key);
			canon_key(&call->key, SPAN("eth_getStorageAt"), single);
			counter_add(&call->node->counters.keys, buf_as_span(&call->key));
			json_decref(single);
		}
	}
}

static void count_item(struct call *call, struct span method, json_t *params)
{
	struct counters *counters = &call->node->counters;

	counters->items++;
	counter_add(&counters->methods, method);
	if (span_is(method, "eth_getStorageValues"))
		count_slots(call, params);
	buf_clear(&call->key);
	canon_key(&call->key, method, params);
	counter_add(&counters->keys, buf_as_span(&call->key));
}

static void run_method(struct call *call, const struct method *method, const json_t *params)
{
	size_t count = json_array_size(params);

	while (count > method->min_params && json_is_null(json_array_get(params, count - 1)))
		count--;
	if (count < method->min_params)
		answer_error(&call->answer, RPC_INVALID_PARAMS,
			     "missing value for required argument %zu", count);
	else if (count > method->max_params)
		answer_error(&call->answer, RPC_INVALID_PARAMS,
			     "too many arguments, want at most %u", method->max_params);
	else
		method->fn(call->node, params, &call->answer);
}

static unsigned source_of(const struct node *node)
{
	return node->fork ? FROM_FORK : node->recorded ? FROM_RECORDING : FROM_CHAIN;
}

static void put_json(struct buf *out, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	buf_text(out, text ? text : "null");
	free(text);
}

static void run(struct call *call, struct span name, const json_t *params)
{
	struct node *node = call->node;
	const struct method *method = method_find(name);
	unsigned source = source_of(node);
	bool missing = script_is_missing(&node->script, name);
	const json_t *scripted = script_answer(&node->script, name);

	if (!missing && scripted) {
		put_json(&call->answer.json, scripted);
		return;
	}
	if (!missing && source == FROM_RECORDING &&
	    recorded_answer(node->recorded, name, params, &call->answer))
		return;
	if (missing || (!method && source != FROM_RECORDING))
		answer_error(&call->answer, RPC_NO_METHOD,
			     "the method %.*s does not exist/is not available", (int)name.len,
			     name.ptr);
	else if (!method || !(method->from & source))
		answer_error(&call->answer, RPC_SERVER_ERROR, "mock-node: not recorded: %.*s",
			     (int)call->key.len, call->key.ptr);
	else
		run_method(call, method, params);
}

static void value_of_fault(struct call *call, const struct fault *fault)
{
	const char *kind = json_string_value(json_object_get(fault->spec, "kind"));

	start_answer(call);
	if (strcmp(kind, "value") != 0) {
		buf_text(&call->answer.json, strcmp(kind, "null") == 0 ? "null"
					     : strcmp(kind, "0x") == 0 ? "\"0x\""
								       : "\"0x0\"");
		return;
	}
	put_json(&call->answer.json, json_object_get(fault->spec, "value"));
}

static void error_of_fault(struct call *call, const struct fault *fault)
{
	const json_t *code = json_object_get(fault->spec, "code");
	const char *message = json_string_value(json_object_get(fault->spec, "message"));
	json_t *data = json_object_get(fault->spec, "data");
	int number = json_is_integer(code) ? (int)json_integer_value(code) : RPC_SERVER_ERROR;

	if (!message)
		message = "mock-node: scripted error";
	char *text = data ? json_dumps(data, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (text)
		answer_error_data(&call->answer, number, message, span_of(text));
	else
		answer_error(&call->answer, number, "%s", message);
	free(text);
}

/* An HTTP error whose body is a JSON-RPC error. */
static bool says_error(const struct fault *fault)
{
	return fault->kind == FAULT_HTTP && json_object_get(fault->spec, "code");
}

static void bend_status(struct reply *reply, const struct fault *fault)
{
	const json_t *retry_after = json_object_get(fault->spec, "retry_after");
	const json_t *status = json_object_get(fault->spec, "status");
	const char *body = json_string_value(json_object_get(fault->spec, "body"));

	reply->status = json_is_integer(status) ? (int)json_integer_value(status) : 500;
	if (json_is_integer(retry_after))
		reply->retry_after = json_integer_value(retry_after);
	if (says_error(fault))
		return;
	reply->content_type = "text/plain";
	buf_clear(&reply->body);
	buf_text(&reply->body, body ? body : "mock-node: scripted HTTP error\n");
}

static void bend_reply(struct reply *reply, const struct fault *fault)
{
	const json_t *delay_ms = json_object_get(fault->spec, "delay_ms");

	if (fault->kind == FAULT_SLOW) {
		reply->delay_us += 1000 * (uint64_t)json_integer_value(delay_ms);
	} else if (fault->kind == FAULT_GZIP) {
		reply->gzip = true;
	} else if (fault->kind == FAULT_CHUNKED) {
		reply->chunked = true;
	} else if (fault->kind == FAULT_CLOSE) {
		reply->close = true;
	} else if (fault->kind == FAULT_TRUNCATED) {
		reply->delivery = DELIVER_TRUNCATED;
	} else if (fault->kind == FAULT_RESET) {
		reply->delivery = DELIVER_RESET;
	} else if (fault->kind == FAULT_FIN) {
		reply->delivery = DELIVER_FIN;
	} else if (fault->kind == FAULT_NO_ANSWER) {
		reply->delivery = DELIVER_NEVER;
	} else if (fault->kind == FAULT_EMPTY) {
		buf_clear(&reply->body);
	} else if (fault->kind == FAULT_HTML) {
		buf_clear(&reply->body);
		buf_text(&reply->body, "<html><body><h1>Service busy</h1></body></html>\n");
		reply->content_type = "text/html";
	} else if (fault->kind == FAULT_HTTP) {
		bend_status(reply, fault);
	}
}

static void answer_item(struct call *call, struct span method, json_t *params,
			const struct fault *fault)
{
	if (call->over_rate)
		answer_error(&call->answer, RPC_RATE_LIMIT, "request rate limited");
	else if (fault && (fault->kind == FAULT_RPC_ERROR || says_error(fault)))
		error_of_fault(call, fault);
	else if (fault && fault->kind == FAULT_VALUE)
		value_of_fault(call, fault);
	else if (fault && fault->kind == FAULT_CHAIN &&
		 moves_apply(call->node, fault->spec) != OK)
		answer_error(&call->answer, RPC_INTERNAL, "mock-node: no room for more blocks");
	else
		run(call, method, params);
}

/* Appends the response to call->items; false: a notification, there is none. */
static bool handle_item(struct call *call, json_t *item, struct piece *piece)
{
	struct span method = json_text(json_object_get(item, "method"));
	const json_t *id = json_object_get(item, "id");
	json_t *params = json_object_get(item, "params");

	*piece = (struct piece){.at = call->items.len};
	start_answer(call);
	if (!params || json_is_null(params))
		params = call->no_params;
	if (!json_is_object(item) || method.len == 0) {
		answer_error(&call->answer, RPC_INVALID_REQUEST, "invalid request");
	} else if (!json_is_array(params)) {
		answer_error(&call->answer, RPC_INVALID_PARAMS, "non-array args");
	} else {
		count_item(call, method, params);
		piece->fault = script_strike(&call->node->script, method,
					     buf_as_span(&call->key), call->batch);
		call->node->counters.faults += piece->fault != NULL;
		answer_item(call, method, params, piece->fault);
	}
	if (json_is_object(item) && !id)
		return false;
	render(&call->items, id, &call->answer, piece->fault);
	piece->len = call->items.len - piece->at;
	return true;
}

static void handle_single(struct call *call, json_t *item)
{
	struct piece piece;

	if (handle_item(call, item, &piece))
		buf_span(&call->reply->body, buf_as_span(&call->items));
	if (piece.fault && piece.fault->kind <= FAULT_LAST_OF_HTTP)
		bend_reply(call->reply, piece.fault);
}

static void put_piece(struct call *call, const struct piece *piece, bool *first)
{
	if (piece->fault && piece->fault->kind == FAULT_BATCH_MISSING)
		return;
	for (int i = 0; i < 2; i++) {
		if (!*first)
			buf_char(&call->reply->body, ',');
		*first = false;
		buf_append(&call->reply->body, call->items.ptr + piece->at, piece->len);
		if (!piece->fault || piece->fault->kind != FAULT_BATCH_DUPLICATE)
			return;
	}
}

/* The faults of a whole reply, of which the first item to be struck decides. */
static const struct fault *fault_of_kind(const struct piece *pieces, size_t count,
					 enum fault_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].fault && pieces[i].fault->kind == kind)
			return pieces[i].fault;
	}
	return NULL;
}

static void put_array(struct call *call, const struct piece *pieces, size_t count)
{
	struct buf *body = &call->reply->body;
	bool reversed = fault_of_kind(pieces, count, FAULT_BATCH_REVERSED) != NULL;
	bool first = true;

	if (fault_of_kind(pieces, count, FAULT_BATCH_ONE_ERROR)) {
		buf_text(body, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,"
			       "\"message\":\"mock-node: scripted error\"}}");
		return;
	}
	buf_char(body, '[');
	for (size_t i = 0; i < count; i++)
		put_piece(call, &pieces[reversed ? count - 1 - i : i], &first);
	if (fault_of_kind(pieces, count, FAULT_BATCH_EXTRA))
		buf_printf(body, "%s{\"jsonrpc\":\"2.0\",\"id\":987654321,\"result\":\"0x1\"}",
			   first ? "" : ",");
	buf_char(body, ']');
}

static void handle_batch(struct call *call, json_t *batch)
{
	size_t count = 0, i;
	json_t *item;
	struct piece *pieces = calloc(json_array_size(batch), sizeof *pieces);

	if (!pieces) {
		call->reply->status = 500;
		return;
	}
	json_array_foreach(batch, i, item) count += handle_item(call, item, &pieces[count]);
	if (count)
		put_array(call, pieces, count);
	for (i = 0; i < count; i++) {
		if (pieces[i].fault && pieces[i].fault->kind <= FAULT_LAST_OF_HTTP) {
			bend_reply(call->reply, pieces[i].fault);
			break;
		}
	}
	free(pieces);
}

static void single_error(struct buf *out, int code, const char *message, const json_t *id)
{
	buf_text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
	id_text(out, id);
	buf_printf(out, ",\"error\":{\"code\":%d,\"message\":\"%s\"}}", code, message);
}

static void refuse_batch(struct call *call, const json_t *batch)
{
	struct reply *reply = call->reply;

	call->node->counters.refused++;
	switch (call->node->script.batch_style) {
	case BATCH_ERROR_OBJECT:
		single_error(&reply->body, RPC_INVALID_REQUEST, "batch limit exceeded", NULL);
		break;
	case BATCH_GETH:
		buf_char(&reply->body, '[');
		single_error(&reply->body, RPC_INVALID_REQUEST, "batch too large",
			     json_object_get(json_array_get(batch, 0), "id"));
		buf_char(&reply->body, ']');
		break;
	case BATCH_HTTP_413:
		reply->status = 413;
		reply->content_type = "text/plain";
		buf_text(&reply->body, "request entity too large\n");
		break;
	case BATCH_CLOSE:
		reply->delivery = DELIVER_FIN;
		break;
	}
}

static void refuse_rate(struct call *call)
{
	struct reply *reply = call->reply;

	reply->status = 429;
	reply->retry_after = call->node->script.retry_after;
	single_error(&reply->body, 429, "too many requests", NULL);
}

static void handle_document(struct call *call, json_t *document, uint64_t now_us)
{
	struct node *node = call->node;
	uint64_t items = json_is_array(document) ? json_array_size(document) : 1;

	call->reply->items = items;
	script_draw(&node->script, items);
	call->batch = json_is_array(document);
	if (call->batch)
		counters_batch(&node->counters, items);
	if (!script_admit(&node->script, now_us, items)) {
		node->counters.refused++;
		call->over_rate = true;
		if (node->script.rate_style == RATE_HTTP_429) {
			refuse_rate(call);
			return;
		}
	}
	if (!json_is_array(document))
		handle_single(call, document);
	else if (items == 0)
		single_error(&call->reply->body, RPC_INVALID_REQUEST, "empty batch", NULL);
	else if (node->script.max_batch && items > node->script.max_batch)
		refuse_batch(call, document);
	else
		handle_batch(call, document);
}

void rpc_handle(struct node *node, struct span body, uint64_t now_us, struct reply *reply)
{
	struct call call = {.node = node, .reply = reply, .no_params = json_array()};
	json_t *document = json_loadb(body.ptr, body.len, JSON_DECODE_ANY, NULL);

	buf_init(&call.answer.json, REPLY_LIMIT);
	buf_init(&call.items, REPLY_LIMIT);
	buf_init(&call.key, REPLY_LIMIT);
	node->counters.http_requests++;
	script_turn(&node->script);
	if (document)
		handle_document(&call, document, now_us);
	else
		single_error(&reply->body, RPC_PARSE_ERROR, "parse error", NULL);
	if (buf_err(&reply->body) != OK || buf_err(&call.items) != OK) {
		buf_clear(&reply->body);
		reply->status = 500;
	}
	json_decref(document);
	json_decref(call.no_params);
	buf_release(&call.answer.json);
	buf_release(&call.items);
	buf_release(&call.key);
}

void rpc_truth(struct node *node, struct span body, struct reply *reply)
{
	struct script script = node->script;
	struct counters counters = node->counters;

	script_init(&node->script);
	counters_init(&node->counters);
	rpc_handle(node, body, 0, reply);
	reply->items = 0;
	script_release(&node->script);
	counters_release(&node->counters);
	node->script = script;
	node->counters = counters;
}
