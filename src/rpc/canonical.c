/* SPDX-License-Identifier: MIT */
/*
 * json_canonical, json_sorted: one spelling for a JSON value, so that what is keyed and what
 * is sent to an upstream are the same, whatever white space and escapes the client chose.
 */
#include "base/buf.h"
#include "rpc/call.h"

/* Up to this many names of one object are compared pairwise; more are sorted. */
#define NAMES_FEW 16

struct member {
	struct span name, value;
};

/* The members of one object, to see whether a name stands twice. */
struct names {
	struct member few[NAMES_FEW];
	struct member *all; /* few, or the heap */
	size_t n, capacity;
};

static enum err canonical(struct span value, unsigned depth, bool sorted, struct buf *out);

static enum err canonical_string(struct span string, struct buf *out)
{
	struct span plain;

	/* DEL may stand in a string as it is, but is written as an escape. */
	if (json_string_plain(string, &plain) && memchr(plain.ptr, 0x7f, plain.len) == NULL) {
		buf_span(out, string);
		return buf_err(out);
	}
	struct buf decoded;
	buf_init(&decoded, string.len);
	char *at = buf_reserve(&decoded, string.len);
	if (at == NULL)
		return ERR_NOMEM;
	decoded.len = json_string_decode(string, at);
	buf_json_string(out, buf_as_span(&decoded));
	buf_release(&decoded);
	return buf_err(out);
}

static enum err canonical_array(struct span value, unsigned depth, bool sorted, struct buf *out)
{
	struct json_iter iter = json_iter(value);
	struct span element;
	const char *separator = "[";

	while (json_next_element(&iter, &element)) {
		buf_text(out, separator);
		separator = ",";
		enum err err = canonical(element, depth + 1, sorted, out);
		if (err != OK)
			return err;
	}
	buf_text(out, *separator == '[' ? "[]" : "]");
	return buf_err(out);
}

static bool names_add(struct names *names, struct span name, struct span value)
{
	if (names->n == names->capacity) {
		size_t capacity = names->capacity * 4;
		bool was_few = names->all == names->few;
		struct member *all =
			realloc(was_few ? NULL : names->all, capacity * sizeof *all);
		if (all == NULL)
			return false;
		if (was_few)
			memcpy(all, names->few, sizeof names->few);
		names->all = all;
		names->capacity = capacity;
	}
	names->all[names->n++] = (struct member){name, value};
	return true;
}

static int by_name(const void *one, const void *other)
{
	return span_order(((const struct member *)one)->name,
			  ((const struct member *)other)->name);
}

static bool one_twice(struct names *names)
{
	if (names->n > NAMES_FEW) {
		qsort(names->all, names->n, sizeof *names->all, by_name);
		for (size_t i = 1; i < names->n; i++)
			if (span_equal(names->all[i - 1].name, names->all[i].name))
				return true;
		return false;
	}
	for (size_t i = 1; i < names->n; i++)
		for (size_t j = 0; j < i; j++)
			if (span_equal(names->all[i].name, names->all[j].name))
				return true;
	return false;
}

static enum err canonical_members(struct span object, unsigned depth, struct names *names,
				  struct buf *out)
{
	struct json_iter iter = json_iter(object);
	struct span name, value;

	while (json_next_member(&iter, &name, &value)) {
		if (memchr(name.ptr, '\\', name.len) != NULL)
			return ERR_INVALID;
		buf_text(out, names->n == 0 ? "{\"" : ",\"");
		buf_span(out, name);
		buf_text(out, "\":");
		if (!names_add(names, name, value))
			return ERR_NOMEM;
		enum err err = canonical(value, depth + 1, false, out);
		if (err != OK)
			return err;
	}
	buf_text(out, names->n == 0 ? "{}" : "}");
	return one_twice(names) ? ERR_INVALID : buf_err(out);
}

/* The same in order of the names. */
static enum err sorted_members(struct span object, unsigned depth, struct names *names,
			       struct buf *out)
{
	struct json_iter iter = json_iter(object);
	struct span name, value;

	while (json_next_member(&iter, &name, &value)) {
		if (memchr(name.ptr, '\\', name.len) != NULL)
			return ERR_INVALID;
		if (!names_add(names, name, value))
			return ERR_NOMEM;
	}
	qsort(names->all, names->n, sizeof *names->all, by_name);
	for (size_t i = 0; i < names->n; i++) {
		if (i > 0 && span_equal(names->all[i - 1].name, names->all[i].name))
			return ERR_INVALID;
		buf_text(out, i == 0 ? "{\"" : ",\"");
		buf_span(out, names->all[i].name);
		buf_text(out, "\":");
		enum err err = canonical(names->all[i].value, depth + 1, true, out);
		if (err != OK)
			return err;
	}
	buf_text(out, names->n == 0 ? "{}" : "}");
	return buf_err(out);
}

static enum err canonical_object(struct span object, unsigned depth, bool sorted,
				 struct buf *out)
{
	struct names names = {.all = names.few, .capacity = NAMES_FEW};
	enum err err = sorted ? sorted_members(object, depth, &names, out)
			      : canonical_members(object, depth, &names, out);

	if (names.all != names.few)
		free(names.all);
	return err;
}

/* Requests nest at most 64 levels (the scanner refuses deeper ones), so recursion is bounded.
 */
static enum err canonical(struct span value, unsigned depth, bool sorted, struct buf *out)
{
	if (!CHECK(depth <= 64))
		return ERR_LIMIT;
	switch (json_type(value)) {
	case JSON_STRING:
		return canonical_string(value, out);
	case JSON_ARRAY:
		return canonical_array(value, depth, sorted, out);
	case JSON_OBJECT:
		return canonical_object(value, depth, sorted, out);
	case JSON_NULL:
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
		buf_span(out, value);
		return buf_err(out);
	}
	return ERR_INVALID;
}

enum err json_canonical(struct span value, struct buf *out)
{
	return canonical(value, 0, false, out);
}

enum err json_sorted(struct span value, struct buf *out)
{
	return canonical(value, 0, true, out);
}
