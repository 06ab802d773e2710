/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/eth.h"
#include "base/utf8.h"

enum {
	FIRST_CAPACITY = 256, /* holds a JSON-RPC answer with one 32-byte value */
	U64_DIGITS = 20,
};

void buf_init(struct buf *buf, size_t limit)
{
	*buf = (struct buf){.limit = limit};
}

void buf_release(struct buf *buf)
{
	free(buf->ptr);
	buf_init(buf, buf->limit);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->err = OK;
}

/* Grows to hold at least need bytes, which is within the limit. */
static bool grow(struct buf *buf, size_t need)
{
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
	while (capacity < need) {
		if (capacity > SIZE_MAX / 2) {
			capacity = need;
			break;
		}
		capacity *= 2;
	}
	if (capacity > buf->limit && need <= buf->limit && buf->limit > FIRST_CAPACITY)
		capacity = buf->limit;
	char *ptr = realloc(buf->ptr, capacity);
	if (!ptr) {
		buf->err = ERR_NOMEM;
		return false;
	}
	buf->ptr = ptr;
	buf->capacity = capacity;
	return true;
}

char *buf_make_room(struct buf *buf, size_t n)
{
	if (buf->err != OK)
		return NULL;
	if (n > buf->limit - buf->len) {
		buf->err = ERR_LIMIT;
		return NULL;
	}
	if ((!buf->ptr || n > buf->capacity - buf->len) && !grow(buf, buf->len + n))
		return NULL;
	return buf->ptr + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t n)
{
	char *out = n > 0 ? buf_reserve(buf, n) : NULL;
	if (!out)
		return;
	memcpy(out, bytes, n);
	buf->len += n;
}

void buf_span(struct buf *buf, struct span span)
{
	buf_append(buf, span.ptr, span.len);
}

void buf_text(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 && buf->err == OK)
		buf->err = ERR_LIMIT; /* text above INT_MAX bytes */
	/* vsnprintf ends its text with a NUL, which may lie above the limit. */
	char *out = n > 0 && buf_reserve(buf, (size_t)n) ? buf->ptr : NULL;
	if (out && buf->capacity - buf->len == (size_t)n && !grow(buf, buf->capacity + 1))
		out = NULL;
	if (out) {
		vsnprintf(buf->ptr + buf->len, (size_t)n + 1, format, again);
		buf->len += (size_t)n;
	}
	va_end(again);
}

void buf_u64(struct buf *buf, uint64_t decimal)
{
	char digits[U64_DIGITS];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + decimal % 10);
		decimal /= 10;
	} while (decimal > 0);
	buf_append(buf, digits + at, sizeof digits - at);
}

void buf_hex(struct buf *buf, const void *bytes, size_t n)
{
	if (n > (SIZE_MAX - 2) / 2) {
		if (buf->err == OK)
			buf->err = ERR_LIMIT;
		return;
	}
	char *out = buf_reserve(buf, 2 + 2 * n);
	if (!out)
		return;
	out[0] = '0';
	out[1] = 'x';
	eth_hex(bytes, n, out + 2);
	buf->len += 2 + 2 * n;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void json_control(struct buf *buf, unsigned char c)
{
	static const char short_form[0x80] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
	if (short_form[c]) {
		buf_append(buf, (const char[]){'\\', short_form[c]}, 2);
		return;
	}
	char out[6] = "\\u00";
	eth_hex(&c, 1, out + 4);
	buf_append(buf, out, sizeof out);
}

void buf_json_string(struct buf *buf, struct span text)
{
	buf_char(buf, '"');
	size_t at = 0, plain = 0; /* text[plain..at) waits to be appended as it is */
	while (at < text.len && buf->err == OK) {
		unsigned char c = (unsigned char)text.ptr[at];
		if (is_plain(c)) {
			at++;
			continue;
		}
		size_t n =
			c < 0x80 ? 0 : utf8_length((struct span){text.ptr + at, text.len - at});
		if (n > 0) {
			at += n;
			continue;
		}
		buf_append(buf, text.ptr + plain, at - plain);
		if (c < 0x80)
			json_control(buf, c);
		else
			buf_text(buf, "\xef\xbf\xbd");
		plain = ++at;
	}
	buf_append(buf, text.ptr + plain, at - plain);
	buf_char(buf, '"');
}
