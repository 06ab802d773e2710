/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A second opinion on JSON for the tests: a recursive validator, written from the grammar of
 * RFC 8259 byte by byte and without regard for speed, and json_disagreement(), which asks
 * base/json.h everything it can about one text and says where the answers differ from the
 * validator's or from each other.
 */
#include "base/json.h"
#include <stdint.h>
#include <stdlib.h>

struct oracle {
	struct span text;
	size_t pos, values; /* values: of any kind, at any level; names do not count */
	unsigned depth;
	enum err err;
};

static inline int oracle_peek(struct oracle *o)
{
	return o->pos < o->text.len ? (unsigned char)o->text.ptr[o->pos] : -1;
}

static inline bool oracle_fail(struct oracle *o, enum err err)
{
	o->err = err;
	return false;
}

static inline bool oracle_eat(struct oracle *o, int from, int to)
{
	int c = oracle_peek(o);
	if (c < from || c > to)
		return oracle_fail(o, ERR_INVALID);
	o->pos++;
	return true;
}

static inline void oracle_space(struct oracle *o)
{
	for (int c; (c = oracle_peek(o)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
		o->pos++;
}

/* By what the bytes mean, not by a table of bytes: after each one it must still be possible
 * that the code point is neither overlong nor a surrogate nor above U+10FFFF. */
static inline bool oracle_utf8(struct oracle *o)
{
	int lead = oracle_peek(o), more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
	if (lead < 0xc0 || lead >= 0xf8)
		return oracle_fail(o, ERR_INVALID);
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t code = (uint32_t)lead & (0x3fu >> more);
	for (int left = more;; left--) {
		uint32_t from = code << 6 * left, to = from | ((1u << 6 * left) - 1);
		if (to < least[more] || from > 0x10ffff || (from >= 0xd800 && to <= 0xdfff)) {
			o->pos -= left == more ? 0 : 1;
			return oracle_fail(o, ERR_INVALID);
		}
		if (left == more)
			o->pos++;
		if (left == 0)
			return true;
		if (!oracle_eat(o, 0x80, 0xbf))
			return false;
		code = code << 6 | ((unsigned char)o->text.ptr[o->pos - 1] & 0x3fu);
	}
}

static inline bool oracle_hex4(struct oracle *o)
{
	for (int i = 0; i < 4; i++, o->pos++) {
		int c = oracle_peek(o);
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		      (c >= 'A' && c <= 'F')))
			return oracle_fail(o, ERR_INVALID);
	}
	return true;
}

static inline bool oracle_string(struct oracle *o)
{
	if (!oracle_eat(o, '"', '"'))
		return false;
	for (int c; (c = oracle_peek(o)) != '"';) {
		if (c < 0x20)
			return oracle_fail(o, ERR_INVALID);
		if (c >= 0x80) {
			if (!oracle_utf8(o))
				return false;
			continue;
		}
		o->pos++;
		if (c != '\\')
			continue;
		c = oracle_peek(o);
		if (c <= 0 || !strchr("\"\\/bfnrtu", c))
			return oracle_fail(o, ERR_INVALID);
		o->pos++;
		if (c == 'u' && !oracle_hex4(o))
			return false;
	}
	o->pos++;
	return true;
}

static inline bool oracle_digits(struct oracle *o)
{
	if (!oracle_eat(o, '0', '9'))
		return false;
	for (int c; (c = oracle_peek(o)) >= '0' && c <= '9';)
		o->pos++;
	return true;
}

static inline bool oracle_number(struct oracle *o)
{
	if (oracle_peek(o) == '-')
		o->pos++;
	if (oracle_peek(o) == '0')
		o->pos++;
	else if (!oracle_digits(o))
		return false;
	if (oracle_peek(o) == '.') {
		o->pos++;
		if (!oracle_digits(o))
			return false;
	}
	if (oracle_peek(o) == 'e' || oracle_peek(o) == 'E') {
		o->pos++;
		if (oracle_peek(o) == '+' || oracle_peek(o) == '-')
			o->pos++;
		return oracle_digits(o);
	}
	return true;
}

static inline bool oracle_word(struct oracle *o, const char *word)
{
	for (; *word; word++) {
		if (!oracle_eat(o, *word, *word))
			return false;
	}
	return true;
}

static inline bool oracle_value(struct oracle *o, unsigned level);

static inline bool oracle_container(struct oracle *o, unsigned level, bool object)
{
	int close = object ? '}' : ']';
	if (level == o->depth)
		return oracle_fail(o, ERR_LIMIT);
	o->pos++;
	oracle_space(o);
	if (oracle_peek(o) == close) {
		o->pos++;
		return true;
	}
	for (;;) {
		oracle_space(o);
		if (object) {
			if (!oracle_string(o))
				return false;
			oracle_space(o);
			if (!oracle_eat(o, ':', ':'))
				return false;
			oracle_space(o);
		}
		if (!oracle_value(o, level + 1))
			return false;
		oracle_space(o);
		if (oracle_peek(o) == close) {
			o->pos++;
			return true;
		}
		if (!oracle_eat(o, ',', ','))
			return false;
	}
}

static inline bool oracle_value(struct oracle *o, unsigned level)
{
	o->values++;
	switch (oracle_peek(o)) {
	case '{':
		return oracle_container(o, level, true);
	case '[':
		return oracle_container(o, level, false);
	case '"':
		return oracle_string(o);
	case 'n':
		return oracle_word(o, "null");
	case 't':
		return oracle_word(o, "true");
	case 'f':
		return oracle_word(o, "false");
	default:
		return oracle_number(o);
	}
}

/* o->err says how it ended, o->pos where. */
static inline struct oracle oracle_document(struct span text, unsigned depth)
{
	struct oracle o = {.text = text, .depth = depth};
	oracle_space(&o);
	if (oracle_value(&o, 0)) {
		oracle_space(&o);
		if (o.pos < text.len)
			oracle_fail(&o, ERR_INVALID);
	}
	return o;
}

static inline bool oracle_inside(struct span part, struct span whole)
{
	return part.ptr >= whole.ptr && part.len <= whole.len &&
	       (size_t)(part.ptr - whole.ptr) <= whole.len - part.len;
}

/* A copy that ends where its allocation ends, so that a sanitizer sees one byte too many. */
static inline struct span exact_copy(struct span text)
{
	char *copy = malloc(text.len ? text.len : 1);
	REQUIRE(copy);
	/* an empty text has its byte in front of it */
	char *start = text.len ? copy : copy + 1;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	return (struct span){start, text.len};
}

static inline void exact_free(struct span copy)
{
	char *start = (char *)(uintptr_t)copy.ptr;
	free(copy.len ? start : start - 1);
}

/* Decodes into a buffer of exactly the size that the contract asks for. */
static inline const char *oracle_check_string(struct span string)
{
	struct span raw = json_string_raw(string), plain;
	bool escaped = memchr(raw.ptr, '\\', raw.len) != NULL;
	if (json_string_plain(string, &plain) == escaped)
		return "json_string_plain and the backslashes differ";
	struct span copy = exact_copy(raw);
	size_t len = json_string_decode(string, (char *)(uintptr_t)copy.ptr);
	bool same = len == raw.len && memcmp(raw.ptr, copy.ptr, len) == 0;
	exact_free(copy);
	if (len > raw.len || same == escaped)
		return "json_string_decode gives a wrong length or text";
	return NULL;
}

/* Each part is inside the whole and is a document by itself; counts them. */
static inline const char *oracle_walk(struct span value, struct span whole, size_t *values)
{
	struct span self, item, key = {0};
	size_t at;
	++*values;
	if (!oracle_inside(value, whole))
		return "a part lies outside of the text";
	if (json_document(value, JSON_DEPTH_MAX, &self, &at) != OK || self.ptr != value.ptr ||
	    self.len != value.len)
		return "a part is no document of its own";
	enum json_type type = json_type(value);
	if (type == JSON_STRING)
		return oracle_check_string(value);
	struct json_iter iter = json_iter(value);
	while (type == JSON_OBJECT ? json_next_member(&iter, &key, &item)
				   : json_next_element(&iter, &item)) {
		if (type == JSON_OBJECT && !oracle_inside(key, value))
			return "a name lies outside of its object";
		const char *wrong = oracle_walk(item, value, values);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* The arguments that json_request_next told apart, against the walk over params. */
static inline const char *oracle_check_args(const struct json_request *request)
{
	struct json_iter iter = json_iter(request->params);
	struct span element, text;

	if (request->args_n == 0)
		return NULL;
	if (request->params.ptr == NULL || request->params.ptr[0] != '[')
		return "there are arguments without params";
	for (unsigned i = 0; i < request->args_n; i++) {
		if (!json_next_element(&iter, &element) || !json_string_plain(element, &text) ||
		    text.ptr != request->args[i].ptr || text.len != request->args[i].len)
			return "an argument is not the element of params";
	}
	return json_next_element(&iter, &element) ? "an argument is missing" : NULL;
}

/* What json_request_next found, against json_member. */
static inline const char *oracle_check_request(const struct json_request *request)
{
	static const char *const names[] = {"jsonrpc", "id", "method", "params"};
	struct span found[4] = {{0}}, key, item;
	bool duplicate = false;
	for (int i = 0; i < 4; i++) {
		size_t count = 0, len = strlen(names[i]);
		if (!json_member(request->text, names[i], &found[i]))
			found[i] = (struct span){0};
		struct json_iter iter = json_iter(request->text);
		while (json_next_member(&iter, &key, &item)) {
			struct span quoted = {key.ptr - 1, key.len + 2},
				    copy = exact_copy(quoted);
			char *name = (char *)(uintptr_t)copy.ptr;
			if (json_string_decode(quoted, name) == len &&
			    memcmp(name, names[i], len) == 0)
				count++;
			exact_free(copy);
		}
		if ((count > 0) != (found[i].ptr != NULL))
			return "json_member misses a name, or invents one";
		duplicate |= count > 1;
	}
	bool method_string = found[2].ptr && json_type(found[2]) == JSON_STRING;
	struct span method = method_string ? json_string_raw(found[2]) : found[2], version;
	if (request->duplicate != duplicate)
		return "the duplicate flag is wrong";
	if (request->id.ptr != found[1].ptr || request->id.len != found[1].len ||
	    request->params.ptr != found[3].ptr || request->params.len != found[3].len ||
	    request->method.ptr != method.ptr || request->method.len != method.len ||
	    request->method_is_string != method_string)
		return "json_request_next and json_member differ";
	if (found[0].ptr && json_string_plain(found[0], &version) &&
	    request->version_ok != span_is(version, "2.0"))
		return "version_ok is wrong";
	if (method_string &&
	    request->method_escaped != (memchr(method.ptr, '\\', method.len) != NULL))
		return "method_escaped is wrong";
	return oracle_check_args(request);
}

/* text: borrowed until it returns; NULL, or what is wrong. */
static inline const char *json_disagreement(struct span text, unsigned depth)
{
	struct oracle o = oracle_document(text, depth);
	struct span value, rest = text;
	struct json_request request;
	size_t at = 0, request_at = 0, values = 0;
	enum err err = json_document(text, depth, &value, &at);
	if (err != o.err || (err != OK && at != o.pos))
		return "json_document and the oracle differ";
	enum err request_err = json_request_next(&rest, depth, &request, &request_at);
	if (request_err != OK)
		return request_err == err && request_at == at && rest.ptr == text.ptr
			       ? NULL
			       : "only json_request_next refuses, or elsewhere";
	while (rest.len > 0 && strchr(" \t\r\n", *rest.ptr) && *rest.ptr)
		rest.ptr++, rest.len--;
	if (err != OK)
		return rest.len == text.len - at && rest.len > 0
			       ? NULL
			       : "json_request_next accepts what json_document refuses";
	if (rest.len != 0 || request.text.ptr != value.ptr || request.text.len != value.len)
		return "json_request_next and json_document find different values";
	if (request.is_object != (json_type(value) == JSON_OBJECT))
		return "is_object is wrong";
	const char *wrong = request.is_object ? oracle_check_request(&request) : NULL;
	if (!wrong)
		wrong = oracle_walk(value, text, &values);
	if (!wrong && values != o.values)
		wrong = "the iterators pass over a value, or invent one";
	return wrong;
}
