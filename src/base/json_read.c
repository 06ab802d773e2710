/* SPDX-License-Identifier: MIT */
#include "base/json_impl.h"

/* Reading what has been validated: nothing is checked again but the bounds. */

/* Reads \uXXXX at p, if that is what stands there. */
static bool read_unit(const char *p, const char *end, uint32_t *unit)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return false;
	*unit = 0;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(p[i]);
		if (digit < 0)
			return false;
		*unit = *unit << 4 | (uint32_t)digit;
	}
	return true;
}

static size_t encode_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((len == 2 ? 0xc0u : len == 3 ? 0xe0u : 0xf0u) | c);
	return len;
}

/* Decodes the escape at *at (a backslash with at least one byte behind it), moves *at past
 * it and returns how many bytes it stands for. */
static size_t decode_escape(const char **at, const char *end, char out[4])
{
	const char *p = *at;
	uint32_t unit, low;
	if (read_unit(p, end, &unit)) {
		p += 6;
		if (unit >= 0xd800 && unit < 0xdc00 && read_unit(p, end, &low) &&
		    low >= 0xdc00 && low < 0xe000) {
			p += 6;
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
		} else if (unit >= 0xd800 && unit < 0xe000) {
			unit = 0xfffd;
		}
		*at = p;
		return encode_utf8(unit, out);
	}
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	const char *letter = memchr(letters, p[1], sizeof(letters) - 1);
	out[0] = letter ? meanings[letter - letters] : p[1];
	*at = p + 2;
	return 1;
}

/* Whether the inside of a string, escapes decoded, is `name`. */
bool json_raw_is(struct span raw, struct span name)
{
	const char *p = raw.ptr, *end = raw.ptr + raw.len;
	while (p < end) {
		char bytes[4];
		size_t len = 1;
		if (*p == '\\' && end - p >= 2)
			len = decode_escape(&p, end, bytes);
		else
			bytes[0] = *p++;
		if (len > name.len || memcmp(name.ptr, bytes, len) != 0)
			return false;
		name.ptr += len;
		name.len -= len;
	}
	return name.len == 0;
}

enum json_type json_type(struct span value)
{
	REQUIRE(value.len > 0);
	switch (value.ptr[0]) {
	case 'n':
		return JSON_NULL;
	case 'f':
		return JSON_FALSE;
	case 't':
		return JSON_TRUE;
	case '"':
		return JSON_STRING;
	case '[':
		return JSON_ARRAY;
	case '{':
		return JSON_OBJECT;
	default:
		return JSON_NUMBER;
	}
}

struct span json_string_raw(struct span string)
{
	REQUIRE(string.len >= 2 && string.ptr[0] == '"');
	return (struct span){string.ptr + 1, string.len - 2};
}

bool json_string_plain(struct span value, struct span *text)
{
	if (value.len < 2 || value.ptr[0] != '"')
		return false;
	struct span raw = json_string_raw(value);
	if (memchr(raw.ptr, '\\', raw.len))
		return false;
	*text = raw;
	return true;
}

size_t json_string_decode(struct span string, char *out)
{
	struct span raw = json_string_raw(string);
	const char *p = raw.ptr, *end = raw.ptr + raw.len;
	char *start = out;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((escape ? escape : end) - p);
		memcpy(out, p, plain);
		out += plain;
		p += plain;
		if (p < end) {
			char bytes[4];
			size_t len = decode_escape(&p, end, bytes);
			memcpy(out, bytes, len);
			out += len;
		}
	}
	return (size_t)(out - start);
}

static const char *pass_string(const char *p, const char *end)
{
	for (p++;;) {
		p = unquoted_run(p, end);
		if (p == end)
			return end;
		if (*p == '"')
			return p + 1;
		p = end - p > 2 ? p + 2 : end;
	}
}

/* p: the first byte of a value; returns the byte behind its last. */
static const char *pass_value(const char *p, const char *end)
{
	size_t level = 0;
	while (p < end) {
		switch (*p) {
		case '"':
			p = pass_string(p, end);
			if (level == 0)
				return p;
			continue;
		case '{':
		case '[':
			level++;
			break;
		case '}':
		case ']':
			if (level == 0) /* closes what the number or word stands in */
				return p;
			if (--level == 0)
				return p + 1;
			break;
		default:
			if (level == 0 && (*p == ',' || byte_is_space(*p)))
				return p;
		}
		p++;
	}
	return p;
}

struct json_iter json_iter(struct span array_or_object)
{
	struct span in = array_or_object;
	if (in.len < 2 || (in.ptr[0] != '[' && in.ptr[0] != '{'))
		return (struct json_iter){NULL, NULL, true};
	return (struct json_iter){in.ptr + 1, in.ptr + in.len - 1, true};
}

/* Moves to the first byte of the next element or name. */
static bool iter_advance(struct json_iter *iter)
{
	if (iter->at == iter->end)
		return false;
	const char *p = skip_space(iter->at, iter->end);
	if (!iter->first && p < iter->end)
		p = *p == ',' ? skip_space(p + 1, iter->end) : iter->end;
	iter->first = false;
	iter->at = p;
	return p < iter->end;
}

bool json_next_element(struct json_iter *iter, struct span *value)
{
	if (!iter_advance(iter))
		return false;
	const char *start = iter->at;
	iter->at = pass_value(start, iter->end);
	*value = span_between(start, iter->at);
	return true;
}

bool json_next_member(struct json_iter *iter, struct span *key, struct span *value)
{
	struct span name;
	if (!json_next_element(iter, &name) || name.len < 2 || name.ptr[0] != '"')
		return false;
	const char *p = skip_space(iter->at, iter->end);
	if (p == iter->end || *p != ':')
		return false;
	p = skip_space(p + 1, iter->end);
	*key = json_string_raw(name);
	iter->at = pass_value(p, iter->end);
	*value = span_between(p, iter->at);
	return true;
}

size_t json_length(struct span array)
{
	struct json_iter iter = json_iter(array);
	struct span element;
	size_t n = 0;
	while (json_next_element(&iter, &element))
		n++;
	return n;
}

bool json_member(struct span object, const char *name, struct span *value)
{
	if (object.len == 0 || object.ptr[0] != '{')
		return false;
	struct json_iter iter = json_iter(object);
	struct span key, wanted = span_of(name), found;
	while (json_next_member(&iter, &key, &found)) {
		if (json_raw_is(key, wanted)) {
			*value = found;
			return true;
		}
	}
	return false;
}
