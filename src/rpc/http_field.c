/* SPDX-License-Identifier: MIT */
#include "rpc/http_field.h"
#include <stdint.h>

/* One bit a character, of 0..63 and of 64..127. */
static const uint64_t token_low = UINT64_C(0x03ff6cfa00000000);
static const uint64_t token_high = UINT64_C(0x57ffffffc7fffffe);

bool http_is_token_char(char c)
{
	const unsigned char u = (unsigned char)c;

	if (u >= 128)
		return false;
	return ((u < 64 ? token_low : token_high) >> (u & 63)) & 1;
}

static bool is_control(char c)
{
	const unsigned char u = (unsigned char)c;

	return (u < 0x20 && u != '\t') || u == 0x7f;
}

struct span http_trim(struct span text)
{
	while (text.len != 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
		text.ptr++;
		text.len--;
	}
	while (text.len != 0 &&
	       (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static enum http_problem name_problem(struct span line, size_t at)
{
	if (at == line.len)
		return HTTP_NO_COLON;
	if (line.ptr[at] == ' ' || line.ptr[at] == '\t')
		return memchr(line.ptr, ':', line.len) ? HTTP_SPACE_BEFORE_COLON
						       : HTTP_NO_COLON;
	return HTTP_BAD_NAME;
}

enum http_problem http_field_parse(struct span line, struct span *name, struct span *value)
{
	size_t at = 0;
	bool control = false;

	if (line.len != 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
		return HTTP_OBS_FOLD;
	while (at < line.len && http_is_token_char(line.ptr[at]))
		at++;
	if (at == 0 || at == line.len || line.ptr[at] != ':')
		return name_problem(line, at);
	*name = (struct span){line.ptr, at};
	at++;
	*value = http_trim((struct span){line.ptr + at, line.len - at});
	for (size_t i = 0; i < value->len; i++)
		control |= is_control(value->ptr[i]);
	return control ? HTTP_CONTROL_CHARACTER : HTTP_FINE;
}

static unsigned char lower_of(char c)
{
	const unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool http_text_equal(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower_of(a.ptr[i]) != lower_of(b.ptr[i]))
			return false;
	}
	return true;
}

bool http_text_is(struct span text, const char *lower)
{
	return http_text_equal(text, span_of(lower));
}

bool http_list_next(struct span *rest, struct span *element)
{
	while (rest->len != 0) {
		const char *comma = memchr(rest->ptr, ',', rest->len);
		const size_t n = comma ? (size_t)(comma - rest->ptr) : rest->len;
		const size_t taken = comma ? n + 1 : n;

		*element = http_trim((struct span){rest->ptr, n});
		rest->ptr += taken;
		rest->len -= taken;
		if (element->len != 0)
			return true;
	}
	return false;
}
