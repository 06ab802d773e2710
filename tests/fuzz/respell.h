/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The same question in another spelling: members in another order, white space, hex digits in
 * capitals where a method's row says that an argument is hex, letters of strings as escapes;
 * of transactions what nodes take for left out, and "input" for "data".
 */
#include "base/buf.h"
#include "base/json.h"
#include "rpc/method.h"
#include "rpc/params.h"

/* Hex digits behind 0x in capitals. */
static inline void respell_hex(struct span value, struct buf *out)
{
	struct span text;
	const bool hex = json_string_plain(value, &text) && text.len > 2 &&
			 text.ptr[0] == '0' && text.ptr[1] == 'x';

	for (size_t i = 0; i < value.len; i++) {
		const char c = value.ptr[i];
		buf_char(out, hex && c >= 'a' && c <= 'f' ? (char)(c - 'a' + 'A') : c);
	}
}

static inline void respell_list(struct span list, struct buf *out)
{
	struct json_iter iter = json_iter(list);
	struct span element;
	const char *separator = " [\n";

	if (json_type(list) != JSON_ARRAY) {
		buf_span(out, list);
		return;
	}
	while (json_next_element(&iter, &element)) {
		buf_text(out, separator);
		respell_hex(element, out);
		separator = "\t, ";
	}
	buf_text(out, *separator == ' ' ? "[ ]" : " ]");
}

/* ---- objects of executions and filters ---- */

static inline bool respell_has(struct span object, const char *name)
{
	struct span value;

	return json_member(object, name, &value);
}

/* Which of two members of one name counts depends on their order. */
static inline bool respell_is_plain(struct span object)
{
	struct json_iter iter = json_iter(object), others;
	struct span name, other, value;

	while (json_next_member(&iter, &name, &value)) {
		unsigned times = 0;
		others = json_iter(object);
		while (json_next_member(&others, &other, &value))
			times += span_equal(name, other);
		if (times != 1)
			return false;
	}
	return true;
}

static inline bool respell_member(struct span object, size_t i, struct span *name,
				  struct span *value)
{
	struct json_iter iter = json_iter(object);

	for (size_t n = 0; n <= i; n++)
		if (!json_next_member(&iter, name, value))
			return false;
	return true;
}

/* Members in the opposite order, all the way down. */
static inline void respell_tree(struct span value, struct buf *out)
{
	struct json_iter iter = json_iter(value);
	struct span name, item;
	size_t n = 0;

	if (json_type(value) == JSON_ARRAY) {
		buf_text(out, "[ ");
		for (; json_next_element(&iter, &item); n++) {
			buf_text(out, n > 0 ? "\n," : "");
			respell_tree(item, out);
		}
		buf_text(out, "]");
		return;
	}
	if (json_type(value) != JSON_OBJECT || !respell_is_plain(value)) {
		buf_span(out, value);
		return;
	}
	while (respell_member(value, n, &name, &item))
		n++;
	buf_text(out, "{");
	for (size_t i = n; i-- > 0 && respell_member(value, i, &name, &item);) {
		buf_printf(out, "%s \"", i + 1 < n ? " ," : "");
		buf_span(out, name);
		buf_text(out, "\"\t:");
		respell_tree(item, out);
	}
	buf_text(out, "\r}");
}

static inline bool respell_is_any(struct span name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(name, names[i]))
			return true;
	return false;
}

/* A member of a transaction. Capitals only where a form is sure to be read as hex. */
static inline void respell_tx_member(struct span name, struct span value, struct buf *out)
{
	static const char *const addresses[] = {"from", "to"}, *const datas[] = {"data",
										 "input"};
	static const char *const quantities[] = {"gas", "gasPrice", "value", "nonce",
						 "maxFeePerGas"};
	struct span text;

	if (!json_string_plain(value, &text))
		respell_tree(value, out);
	else if ((respell_is_any(name, addresses, 2) && text.len == 42) ||
		 (respell_is_any(name, datas, 2) && text.len % 2 == 0) ||
		 (respell_is_any(name, quantities, 5) && text.len > 2))
		respell_hex(value, out);
	else
		buf_span(out, value);
}

static inline void respell_tx(enum param_kind kind, struct span value, struct buf *out)
{
	const bool swaps = json_type(value) == JSON_OBJECT &&
			   respell_has(value, "data") != respell_has(value, "input");
	struct span name, item;
	size_t n = 0;

	if (json_type(value) != JSON_OBJECT || !respell_is_plain(value)) {
		buf_span(out, value);
		return;
	}
	while (respell_member(value, n, &name, &item))
		n++;
	const char *separator = respell_has(value, "accessList") ? "" : ",";
	buf_text(out, *separator == '\0' ? "{" : "{\"accessList\" : null");
	for (size_t i = n; i-- > 0 && respell_member(value, i, &name, &item);) {
		const bool is_data = span_is(name, "data") || span_is(name, "input");
		buf_printf(out, "%s \"", separator);
		separator = ",";
		buf_span(out, !is_data || !swaps      ? name
			      : span_is(name, "data") ? SPAN("input")
						      : SPAN("data"));
		buf_text(out, "\": ");
		respell_tx_member(name, item, out);
	}
	if (!respell_has(value, "value"))
		buf_printf(out, "%s\"value\":\"0x00\"", separator);
	if (kind == PARAM_CALL && !respell_has(value, "from"))
		buf_printf(out, ",\"from\":\"0x%040d\"", 0);
	buf_char(out, '}');
}

/* A list in which order means nothing. */
static inline void respell_set(struct span list, struct buf *out)
{
	struct json_iter iter;
	struct span element = {0};
	size_t n = 0;

	for (iter = json_iter(list); json_next_element(&iter, &element);)
		n++;
	buf_char(out, '[');
	for (size_t i = n; i-- > 0;) {
		iter = json_iter(list);
		for (size_t k = 0; k <= i; k++)
			if (!json_next_element(&iter, &element))
				return;
		buf_text(out, i + 1 < n ? "," : "");
		respell_tree(element, out);
	}
	buf_char(out, ']');
}

static inline void respell_param(enum param_kind kind, struct span value, struct buf *out)
{
	switch (kind) {
	case PARAM_ADDRESS:
	case PARAM_SLOT:
	case PARAM_BLOCK:
	case PARAM_NUMBER:
	case PARAM_HASH:
	case PARAM_INDEX:
	case PARAM_COUNT:
		respell_hex(value, out);
		return;
	case PARAM_SLOTS:
		respell_list(value, out);
		return;
	case PARAM_CALL:
	case PARAM_TX:
		respell_tx(kind, value, out);
		return;
	case PARAM_STATE:
	case PARAM_OVERRIDES:
	case PARAM_CONFIG:
	case PARAM_PAIRS:
	case PARAM_BUNDLES:
	case PARAM_CONTEXT:
	case PARAM_SIMULATION:
		respell_tree(value, out);
		return;
	case PARAM_TYPES:
		if (json_type(value) == JSON_ARRAY) {
			respell_set(value, out);
			return;
		}
		break;
	case PARAM_PERCENTS:
	case PARAM_FLAG:
	case PARAM_DATA:
	case PARAM_ANY:
		break;
	}
	buf_span(out, value);
}

static inline void respell_params(const struct method *method, struct span params,
				  struct buf *out)
{
	struct json_iter iter = json_iter(params);
	struct span value;
	unsigned i = 0;

	if (json_type(params) != JSON_ARRAY) {
		buf_span(out, params);
		return;
	}
	buf_char(out, '[');
	for (; json_next_element(&iter, &value); i++) {
		buf_text(out, i > 0 ? " ,\r\n" : " ");
		if (method != NULL && method->class == METHOD_RANGE && i == 0)
			respell_tree(value, out);
		else if (method != NULL && i < method->params_n)
			respell_param(method->kinds[i], value, out);
		else
			buf_span(out, value);
	}
	buf_text(out, " ]");
}

static inline void respell_request(struct span text, struct buf *out)
{
	struct json_request in;
	struct span rest = text;
	size_t at;

	REQUIRE(json_request_next(&rest, JSON_DEPTH_MAX, &in, &at) == OK);
	if (!in.is_object || in.duplicate || !in.version_ok || !in.id_ok ||
	    !in.method_is_string) {
		buf_span(out, text);
		return;
	}
	buf_text(out, "{ ");
	if (in.params.ptr != NULL) {
		buf_text(out, "\"params\" : ");
		respell_params(in.method_escaped ? NULL : method_find(in.method), in.params,
			       out);
		buf_text(out, "\n, ");
	}
	buf_text(out, "\"other\":{},\"method\":\"");
	buf_span(out, in.method);
	buf_text(out, "\" , ");
	if (in.id.ptr != NULL) {
		buf_text(out, "\"id\":\t");
		buf_span(out, in.id);
		buf_char(out, ',');
	}
	buf_text(out, "\"jsonrpc\":\"2.0\"}");
}

/* body: one valid JSON document. */
static inline void respell_body(struct span body, struct buf *out)
{
	struct json_iter iter = json_iter(body);
	struct span element;
	const char *separator = "\r\n[ ";

	if (json_type(body) != JSON_ARRAY) {
		respell_request(body, out);
		return;
	}
	while (json_next_element(&iter, &element)) {
		buf_text(out, separator);
		respell_request(element, out);
		separator = "\n,\t";
	}
	buf_text(out, *separator == '\r' ? " [ ] " : " ] ");
}

/* Letters of strings as escapes, but not those of names: a canonical request has no escapes
 * there. A name's quote is the one that a colon comes behind. */
static inline void respell_strings(struct span value, struct buf *out)
{
	struct json_iter iter = json_iter(value);
	struct span name, item;
	bool first = true;

	switch (json_type(value)) {
	case JSON_STRING:
		for (size_t i = 0; i < value.len; i++) {
			const char c = value.ptr[i];
			const bool escaped = i > 0 && value.ptr[i - 1] == '\\';
			if (!escaped && c >= 'g' && c <= 'z' && c != 'u')
				buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
			else
				buf_char(out, c);
		}
		return;
	case JSON_ARRAY:
		buf_char(out, '[');
		for (; json_next_element(&iter, &item); first = false) {
			buf_text(out, first ? " " : " , ");
			respell_strings(item, out);
		}
		buf_char(out, ']');
		return;
	case JSON_OBJECT:
		buf_char(out, '{');
		for (; json_next_member(&iter, &name, &item); first = false) {
			buf_text(out, first ? "\n\"" : " , \"");
			buf_span(out, name);
			buf_text(out, "\" :\t");
			respell_strings(item, out);
		}
		buf_char(out, '}');
		return;
	case JSON_NULL:
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
		buf_span(out, value);
		return;
	}
}
