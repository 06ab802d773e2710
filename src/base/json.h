/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A strict JSON scanner (RFC 8259) that copies nothing: it validates and yields spans.
 *
 * json_document and json_request_next validate one value of any kind in a single pass,
 * without recursion and without allocation (the nesting is a stack of one byte per level, at
 * most JSON_DEPTH_MAX), and return its span; everything else below reads a span that has been
 * validated and therefore cannot fail. Spans point into the caller's text and live as long.
 * Refused: comments, trailing commas, control characters in strings, bad escapes, bad
 * UTF-8, leading zeros, a second value, anything deeper than the depth asked for. Accepted,
 * as the grammar says: any nesting up to the depth, \u0000, lone surrogates as escapes, any
 * number. Duplicate keys are the caller's business.
 */
#include "base/err.h"
#include "base/span.h"
#include <stdint.h>

#define JSON_DEPTH_MAX 1024 /* traces are deep: upstream answers are allowed this much */

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* The type of a validated value, by its first byte. */
enum json_type json_type(struct span value);

/* Validates a whole document: one value and white space around it, which *value leaves out.
 * depth: how many containers may be open at once, at most JSON_DEPTH_MAX; 0: none.
 * ERR_INVALID: *at is the offset of the first byte that cannot be, or the length of a text
 * that ends too early; ERR_LIMIT: of the bracket that is too deep. *at is set by errors only.
 */
enum err json_document(struct span text, unsigned depth, struct span *value,
		       size_t *at) WARN_UNUSED;

/* Walks an array's elements, or an object's members, of a validated value. A scalar has
 * neither, an array no members. */
struct json_iter {
	const char *at, *end;
	bool first;
};
struct json_iter json_iter(struct span array_or_object);
bool json_next_element(struct json_iter *iter, struct span *value);
size_t json_length(struct span array); /* in elements; walks them */
/* key: without its quotes, escapes as they stand. */
bool json_next_member(struct json_iter *iter, struct span *key, struct span *value);

/* The member of that name in a validated object (the first, if it stands twice; names with
 * escapes are decoded for the comparison); false when absent, or when it is no object. */
bool json_member(struct span object, const char *name, struct span *value);

/* The inside of a validated string's quotes, as it stands. */
struct span json_string_raw(struct span string);
/* A string without escapes, which is all that hex and method names need: false when it has
 * one, or is not a string. */
bool json_string_plain(struct span value, struct span *text);
/* Decodes escapes into out (at least the raw length in bytes); returns the length. A lone
 * surrogate becomes U+FFFD. */
size_t json_string_decode(struct span string, char *out);

/*
 * One JSON-RPC request object, scanned and validated in the same pass as its text: the hot
 * path's form of json_document. Members are spans into the text; ptr is NULL when absent.
 */
#define JSON_ARGS_MAX 3
struct json_request {
	struct span id;	    /* raw JSON text: a string, a number or null */
	struct span method; /* inside of the quotes (method_escaped if it holds a backslash), or
			     * raw JSON text when it is no string */
	struct span params; /* raw JSON text */
	struct span text;   /* the whole value */
	bool method_escaped;
	bool version_ok; /* "jsonrpc" is exactly "2.0" */
	bool method_is_string;
	bool id_ok;	/* absent, or a string, number or null */
	bool duplicate; /* one of the four members stands twice; all else is of the first */
	bool is_object; /* false: some other valid JSON value; only text is set besides */
	/* params as most requests have it, an array of a few strings without escapes: their
	 * number, and the inside of each; 0: it is anything else. */
	uint8_t args_n;
	struct span args[JSON_ARGS_MAX];
};
/* Scans one value at the front of *text (after white space) and moves *text past it; the white
 * space, comma or end behind it are the caller's. A request object counts as one level of the
 * depth. Errors as json_document; *at counts from text->ptr, *text stays and *out is void. */
enum err json_request_next(struct span *text, unsigned depth, struct json_request *out,
			   size_t *at) WARN_UNUSED;
