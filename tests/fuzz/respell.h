/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The same question in another spelling: members in another order, white space, hex digits in
 * capitals where a method's row says that an argument is hex, letters of strings as escapes.
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
		if (method != NULL && i < method->params_n)
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
