/* SPDX-License-Identifier: MIT */
#include "rpc/http_chunked.h"
#include "rpc/http_field.h"

/* 16 hexadecimal digits fill a uint64_t. */
enum { SIZE_DIGITS_MAX = 16 };

void http_chunked_init(struct http_chunked *chunked)
{
	memset(chunked, 0, sizeof *chunked);
}

static enum http_progress refuse(struct http_chunked *chunked, enum http_problem problem)
{
	chunked->problem = (uint8_t)problem;
	return HTTP_BAD;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_extension(struct span text)
{
	if (text.len != 0 && text.ptr[0] != ';')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char u = (unsigned char)text.ptr[i];

		if ((u < 0x20 && u != '\t') || u == 0x7f)
			return false;
	}
	return true;
}

static enum http_progress read_size(struct http_chunked *chunked, struct span line)
{
	uint64_t size = 0;
	size_t digits = 0;

	while (digits < line.len && hex_digit(line.ptr[digits]) >= 0) {
		if (digits == SIZE_DIGITS_MAX)
			return refuse(chunked, HTTP_BAD_CHUNK_SIZE);
		size = size << 4 | (uint64_t)hex_digit(line.ptr[digits]);
		digits++;
	}
	if (digits == 0 || !is_extension((struct span){line.ptr + digits, line.len - digits}) ||
	    size > UINT64_MAX - chunked->total)
		return refuse(chunked, HTTP_BAD_CHUNK_SIZE);
	chunked->total += size;
	chunked->left = size;
	chunked->state = size ? CHUNK_DATA : CHUNK_TRAILER;
	return HTTP_MORE;
}

static enum http_progress read_trailer(struct http_chunked *chunked, struct span line)
{
	static const char *const forbidden[] = {
		"content-length",   "transfer-encoding", "host",       "authorization",
		"content-encoding", "content-type",	 "connection", "expect",
	};
	struct span name, value;

	if (line.len == 0)
		return HTTP_DONE;
	chunked->trailer_bytes += (uint32_t)line.len;
	if (chunked->trailer_bytes > HTTP_TRAILER_BYTES_MAX)
		return refuse(chunked, HTTP_LONG_CHUNK_LINE);

	const enum http_problem problem = http_field_parse(line, &name, &value);
	if (problem != HTTP_FINE)
		return refuse(chunked, problem);
	for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
		if (http_text_is(name, forbidden[i]))
			return refuse(chunked, HTTP_BAD_TRAILER);
	}
	return HTTP_MORE;
}

/* The size line or a trailer line, if it is all there: *used is 0 if not. */
static enum http_progress read_line(struct http_chunked *chunked, const char *in, size_t len,
				    size_t *used)
{
	const size_t visible = len < HTTP_CHUNK_LINE_MAX ? len : HTTP_CHUNK_LINE_MAX;
	const char *end = visible ? memchr(in, '\n', visible) : NULL;

	*used = 0;
	if (!end)
		return len < HTTP_CHUNK_LINE_MAX ? HTTP_MORE
						 : refuse(chunked, HTTP_LONG_CHUNK_LINE);
	if (end == in || end[-1] != '\r')
		return refuse(chunked, HTTP_BARE_LF);
	*used = (size_t)(end - in) + 1;

	const struct span line = {in, *used - 2};
	return chunked->state == CHUNK_SIZE ? read_size(chunked, line)
					    : read_trailer(chunked, line);
}

static enum http_progress read_end(struct http_chunked *chunked, const char *in, size_t len,
				   size_t *used)
{
	*used = 0;
	if ((len >= 1 && in[0] != '\r') || (len >= 2 && in[1] != '\n'))
		return refuse(chunked, HTTP_BAD_CHUNK_END);
	if (len >= 2) {
		*used = 2;
		chunked->state = CHUNK_SIZE;
	}
	return HTTP_MORE;
}

static size_t move_data(struct http_chunked *chunked, char *out, const char *in, size_t len)
{
	const size_t n = len < chunked->left ? len : (size_t)chunked->left;

	if (n != 0 && out != in)
		memmove(out, in, n);
	chunked->left -= n;
	if (chunked->left == 0)
		chunked->state = CHUNK_END;
	return n;
}

enum http_progress http_chunked_decode(struct http_chunked *chunked, char *out, const char *in,
				       size_t len, size_t *consumed, size_t *produced)
{
	enum http_progress progress = HTTP_MORE;
	size_t used;

	*consumed = *produced = 0;
	do {
		const char *next = in + *consumed;
		const size_t rest = len - *consumed;

		if (chunked->state == CHUNK_DATA) {
			used = move_data(chunked, out + *produced, next, rest);
			*produced += used;
		} else if (chunked->state == CHUNK_END) {
			progress = read_end(chunked, next, rest, &used);
		} else {
			progress = read_line(chunked, next, rest, &used);
		}
		*consumed += used;
	} while (progress == HTTP_MORE && used != 0);
	return progress;
}
