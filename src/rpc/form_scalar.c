/* SPDX-License-Identifier: MIT */
/* Scalars of canonical forms, and the lists in which order means nothing. */
#include "rpc/call.h"
#include "rpc/form_impl.h"
#include <stdlib.h>

static enum err refuse(struct err_detail *why, const char *text)
{
	return err_set(why, ERR_INVALID, "%s", text);
}

enum err form_put_json(struct span value, struct buf *out, struct err_detail *why)
{
	enum err err = json_sorted(value, out);

	return err == ERR_INVALID ? refuse(why, "an object has one name twice, or a name with "
						"an escape")
				  : err;
}

/* Digits behind a prefix: what no node takes for anything else. */
static bool has_hex_prefix(struct span text)
{
	return text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x';
}

static bool all_hex(struct span digits)
{
	for (size_t i = 0; i < digits.len; i++) {
		char c = digits.ptr[i];
		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')))
			return false;
	}
	return true;
}

/* The same without escapes, where they only hide what could be written plainly. */
static enum err put_plain(struct span value, form_put_fn *put, struct buf *out,
			  struct err_detail *why)
{
	struct span text;
	struct buf plain;

	buf_init(&plain, SIZE_MAX);
	enum err err = json_canonical(value, &plain);
	if (err == OK)
		err = json_string_plain(buf_as_span(&plain), &text)
			      ? put(buf_as_span(&plain), out, why)
			      : form_put_json(value, out, why);
	buf_release(&plain);
	return err;
}

/* A value that is not of the form of put: an error when no node can read it, else kept as it
 * is. */
static enum err put_odd(struct span value, size_t digits_max, const char *what,
			form_put_fn *put, struct buf *out, struct err_detail *why)
{
	enum json_type type = json_type(value);
	struct span text;

	if (type == JSON_STRING && !json_string_plain(value, &text))
		return put_plain(value, put, out, why);
	if (type != JSON_STRING && type != JSON_NUMBER)
		return err_set(why, ERR_INVALID, "not %s", what);
	if (json_string_plain(value, &text) && has_hex_prefix(text)) {
		struct span digits = {text.ptr + 2, text.len - 2};
		if (!all_hex(digits))
			return err_set(why, ERR_INVALID, "not %s: invalid hex", what);
		if (digits.len > digits_max)
			return err_set(why, ERR_INVALID, "not %s: too long", what);
	}
	return form_put_json(value, out, why);
}

static void put_bytes(struct buf *out, const void *bytes, size_t n)
{
	buf_char(out, '"');
	buf_hex(out, bytes, n);
	buf_char(out, '"');
}

enum err form_put_address(struct span value, struct buf *out, struct err_detail *why)
{
	struct eth_address address;
	struct span text;

	if (!json_string_plain(value, &text) || eth_address_parse(text, &address) != OK)
		return put_odd(value, 40, "an address", form_put_address, out, why);
	put_bytes(out, address.bytes, sizeof address.bytes);
	return OK;
}

enum err form_put_hash(struct span value, struct buf *out, struct err_detail *why)
{
	struct eth_bytes32 hash;
	struct span text;

	if (!json_string_plain(value, &text) || eth_data_parse(text, hash.bytes, 32) != OK)
		return put_odd(value, 64, "a hash", form_put_hash, out, why);
	put_bytes(out, hash.bytes, 32);
	return OK;
}

enum err form_put_word(struct span value, struct buf *out, struct err_detail *why)
{
	struct eth_bytes32 word;
	struct span text;

	if (!json_string_plain(value, &text) || !has_hex_prefix(text) || text.len == 2 ||
	    eth_slot_parse(text, &word) != OK)
		return put_odd(value, 64, "32 bytes", form_put_word, out, why);
	put_bytes(out, word.bytes, 32);
	return OK;
}

enum err form_put_quantity(struct span value, struct buf *out, struct err_detail *why)
{
	struct eth_u256 number;
	struct span text;

	if (!json_string_plain(value, &text) || eth_quantity_lenient(text, &number) != OK)
		return put_odd(value, 64, "a quantity", form_put_quantity, out, why);
	buf_char(out, '"');
	char *at = buf_reserve(out, 66);
	if (at == NULL)
		return buf_err(out);
	out->len += eth_quantity_format(number.bytes, 32, at);
	buf_char(out, '"');
	return OK;
}

enum err form_put_data(struct span value, struct buf *out, struct err_detail *why)
{
	struct span text;
	size_t n;

	if (!json_string_plain(value, &text) || eth_data_length(text, &n) != OK)
		return put_odd(value, SIZE_MAX, "data", form_put_data, out, why);
	buf_text(out, "\"0x");
	char *at = buf_reserve(out, text.len);
	if (at == NULL)
		return buf_err(out);
	for (size_t i = 2; i < text.len; i++)
		at[i - 2] = text.ptr[i] <= '9' ? text.ptr[i] : (char)(text.ptr[i] | 0x20);
	out->len += text.len - 2;
	buf_char(out, '"');
	return OK;
}

/* ---- sets ---- */

/* The elements' forms, to be put in order. */
struct set {
	struct span *all;
	size_t n;
	struct buf text;
};

static void set_release(struct set *set)
{
	free(set->all);
	buf_release(&set->text);
}

static int by_text(const void *one, const void *other)
{
	return span_order(*(const struct span *)one, *(const struct span *)other);
}

static enum err set_read(struct set *set, struct span list, form_put_fn *put,
			 struct err_detail *why)
{
	struct json_iter iter = json_iter(list);
	struct span element;
	size_t n = json_length(list);

	buf_init(&set->text, SIZE_MAX);
	set->n = 0;
	set->all = malloc((n > 0 ? n : 1) * sizeof *set->all);
	if (set->all == NULL)
		return ERR_NOMEM;
	while (json_next_element(&iter, &element)) {
		size_t start = set->text.len;
		enum err err = put(element, &set->text, why);
		if (err != OK)
			return err;
		/* The text may yet move. */
		set->all[set->n++] = (struct span){NULL, set->text.len - start};
	}
	if (buf_err(&set->text) != OK)
		return buf_err(&set->text);
	size_t at = 0;
	for (size_t i = 0; i < set->n; i++) {
		set->all[i].ptr = set->text.ptr + at;
		at += set->all[i].len;
	}
	qsort(set->all, set->n, sizeof *set->all, by_text);
	return OK;
}

/* A list as a set, each element once. */
static enum err put_set(struct span list, form_put_fn *put, struct buf *out,
			struct err_detail *why)
{
	struct set set;
	enum err err = set_read(&set, list, put, why);

	if (err == OK) {
		buf_char(out, '[');
		for (size_t i = 0; i < set.n; i++) {
			if (i > 0 && span_equal(set.all[i - 1], set.all[i]))
				continue;
			if (i > 0)
				buf_char(out, ',');
			buf_span(out, set.all[i]);
		}
		buf_char(out, ']');
	}
	set_release(&set);
	return err;
}

enum err form_put_addresses(struct span value, struct buf *out, struct err_detail *why)
{
	if (json_type(value) == JSON_ARRAY)
		return put_set(value, form_put_address, out, why);
	buf_char(out, '[');
	enum err err = form_put_address(value, out, why);
	buf_char(out, ']');
	return err;
}

enum err form_put_types(struct span value, struct buf *out, struct err_detail *why)
{
	if (json_type(value) == JSON_ARRAY)
		return put_set(value, form_put_json, out, why);
	return form_put_json(value, out, why);
}

static bool holds_null(struct span list)
{
	struct json_iter iter = json_iter(list);
	struct span element;

	while (json_next_element(&iter, &element))
		if (json_type(element) == JSON_NULL)
			return true;
	return false;
}

/* No alternatives are any. One that is null is any for some nodes, and an error for others:
 * kept. */
static enum err put_position(struct span value, struct buf *out, struct err_detail *why)
{
	if (json_type(value) == JSON_NULL ||
	    (json_type(value) == JSON_ARRAY && json_length(value) == 0)) {
		buf_text(out, "null");
		return OK;
	}
	if (json_type(value) == JSON_ARRAY)
		return holds_null(value) ? form_put_json(value, out, why)
					 : put_set(value, form_put_hash, out, why);
	buf_char(out, '[');
	enum err err = form_put_hash(value, out, why);
	buf_char(out, ']');
	return err;
}

enum err form_put_topics(struct span value, struct buf *out, struct err_detail *why)
{
	struct json_iter iter = json_iter(value);
	struct span position;
	enum err err = OK;
	char separator = '[';

	if (json_type(value) != JSON_ARRAY)
		return refuse(why, "the topics are not a list");
	while (err == OK && json_next_element(&iter, &position)) {
		buf_char(out, separator);
		separator = ',';
		err = put_position(position, out, why);
	}
	buf_text(out, separator == '[' ? "[]" : "]");
	return err;
}
