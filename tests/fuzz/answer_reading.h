/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A second reading of upstreams' answers, beside that of rpc/keep_*.c: slower, and written from
 * what enum keep_kind (rpc/method.h) promises. Spans are validated JSON.
 */
#include "base/eth.h"
#include "base/json.h"
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* The text of a member that is a string without escapes; else empty. */
static inline struct span text_of(struct span object, const char *name)
{
	struct span value, text;

	return json_member(object, name, &value) && json_string_plain(value, &text)
		       ? text
		       : (struct span){"", 0};
}

static inline struct span value_of(struct span object, const char *name)
{
	struct span value;

	return json_member(object, name, &value) ? value : SPAN("null");
}

static inline size_t length(struct span list)
{
	struct json_iter iter = json_iter(list);
	struct span element;
	size_t n = 0;

	while (json_type(list) == JSON_ARRAY && json_next_element(&iter, &element))
		n++;
	return n;
}

static inline struct span element_at(struct span list, size_t i)
{
	struct json_iter iter = json_iter(list);
	struct span element = SPAN("null");

	for (size_t n = 0; n <= i; n++)
		if (json_type(list) != JSON_ARRAY || !json_next_element(&iter, &element))
			return SPAN("null");
	return element;
}

static inline bool is_text(struct span text, const char *wanted)
{
	return text.len == strlen(wanted) && strncasecmp(text.ptr, wanted, text.len) == 0;
}

static inline bool is_hash(struct span text, const struct eth_bytes32 *hash)
{
	char hex[2 + 64 + 1] = "0x";

	eth_hex(hash->bytes, 32, hex + 2);
	hex[66] = '\0';
	return is_text(text, hex);
}

static inline bool is_number(struct span text, uint64_t number)
{
	char hex[24];

	snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)number);
	return is_text(text, hex);
}

static inline bool is_nothing(struct span json)
{
	return span_is(json, "null") || (json_type(json) == JSON_ARRAY && length(json) == 0) ||
	       span_is(json, "\"0x\"");
}

/* A string of 0x and whole bytes. */
static inline bool is_data(struct span json)
{
	struct span text;

	if (!json_string_plain(json, &text) || text.len < 2 || text.len % 2 != 0 ||
	    text.ptr[0] != '0' || (text.ptr[1] | 0x20) != 'x')
		return false;
	for (size_t i = 2; i < text.len; i++)
		if (!isxdigit((unsigned char)text.ptr[i]))
			return false;
	return true;
}

/* ---- places in the chain ---- */

/* A quantity, or a JSON integer, of a member of that name. */
static inline bool place_member(struct span object, const char *name, uint64_t *out)
{
	const struct span value = value_of(object, name);
	const bool is_hex = json_type(value) == JSON_STRING;
	char text[32] = "", again[32];

	if ((!is_hex && json_type(value) != JSON_NUMBER) || value.len >= sizeof text)
		return false;
	memcpy(text, value.ptr + is_hex, value.len - (is_hex ? 2 : 0));
	*out = strtoull(text, NULL, is_hex ? 16 : 10);
	/* Whatever else it read, it would be written otherwise. */
	snprintf(again, sizeof again, is_hex ? "0x%llx" : "%llu", (unsigned long long)*out);
	return strcasecmp(text, again) == 0;
}

/* Each of a list is of a block from `from` to `to`, and they stand as in the chain. */
static inline bool in_order(struct span list, uint64_t from, uint64_t to)
{
	uint64_t last[3] = {0}, next[3] = {0};
	struct span last_hash = {0};
	bool indices, last_indices = false;

	for (size_t i = 0; i < length(list); i++) {
		const struct span element = element_at(list, i);
		const struct span hash = text_of(element, "blockHash");
		if (!place_member(element, "blockNumber", &next[0]) || hash.len != 66 ||
		    next[0] < from || next[0] > to)
			return false;
		indices = place_member(element, "transactionIndex", &next[1]) &&
			  place_member(element, "logIndex", &next[2]);
		if (i > 0 && next[0] < last[0])
			return false;
		if (i > 0 && next[0] == last[0] &&
		    (strncasecmp(hash.ptr, last_hash.ptr, 66) != 0 ||
		     (indices && last_indices &&
		      (next[1] < last[1] || (next[1] == last[1] && next[2] <= last[2])))))
			return false;
		memcpy(last, next, sizeof last);
		last_hash = hash;
		last_indices = indices;
	}
	return true;
}

/* ---- limits ---- */

/* So far behind an error's name it is looked for at the least. */
#define LIMIT_WITHIN 480

static inline bool has_text(struct span text, const char *wanted)
{
	for (size_t at = 0; at + strlen(wanted) <= text.len; at++)
		if (strncasecmp(text.ptr + at, wanted, strlen(wanted)) == 0)
			return true;
	return false;
}

static inline bool has_limit(struct span text)
{
	static const char *const limits[] = {"timeout",	       "timed out", "deadline exceeded",
					     "gas cap",	       "canceled",  "rate limit",
					     "limit exceeded", "too many",  "header not found",
					     "missing trie",   "-32005",    "-38026"};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (has_text(text, limits[i]))
			return true;
	return false;
}

/* Whether what a node says of its limits stands in an error, anywhere in a result. own_gas: the
 * question names its gas, so that running out of it is not a limit of the node's. */
static inline bool shows_limit(struct span json, bool own_gas)
{
	struct json_iter iter = json_iter(json);
	struct span name, value;

	if (json_type(json) == JSON_ARRAY) {
		while (json_next_element(&iter, &value))
			if (shows_limit(value, own_gas))
				return true;
	} else if (json_type(json) == JSON_OBJECT) {
		while (json_next_member(&iter, &name, &value)) {
			const char *end = value.ptr + value.len;
			const char *stop = name.ptr + LIMIT_WITHIN;
			struct span text = {value.ptr, (size_t)(end - value.ptr)};
			if (end > stop)
				text.len = stop > value.ptr ? (size_t)(stop - value.ptr) : 0;
			if ((name.len >= 5 && strncmp(name.ptr, "error", 5) == 0 &&
			     (has_limit(text) || (!own_gas && has_text(text, "out of gas")))) ||
			    shows_limit(value, own_gas))
				return true;
		}
	}
	return false;
}
