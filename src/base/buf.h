/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A growable byte buffer with a hard limit and a sticky failure.
 *
 * Appending never has to be checked one by one: the first append that would pass the
 * limit, or whose allocation is refused, marks the buffer as failed; later appends do
 * nothing; buf_err() says what happened. The text is not NUL-terminated.
 * Embedded: init/release. One thread at a time.
 */
#include "base/err.h"
#include "base/span.h"
#include <stdint.h>

struct buf {
	char *ptr;
	size_t len;
	size_t capacity;
	size_t limit; /* bytes that len may never pass */
	enum err err;
};

void buf_init(struct buf *buf, size_t limit);
void buf_release(struct buf *buf);

/* Empties it and clears a failure; keeps the memory for the next use. */
void buf_clear(struct buf *buf);

/* buf_reserve when there is no room yet. */
char *buf_make_room(struct buf *buf, size_t n);

/* Room for n more bytes, at least; returns where they go, or NULL on failure. The caller
 * writes them and adds to len. Borrowed until the next call that appends. */
static inline char *buf_reserve(struct buf *buf, size_t n)
{
	if (buf->err == OK && n < buf->capacity - buf->len && n <= buf->limit - buf->len)
		return buf->ptr + buf->len;
	return buf_make_room(buf, n);
}

void buf_append(struct buf *buf, const void *bytes, size_t n);
void buf_span(struct buf *buf, struct span span);
void buf_text(struct buf *buf, const char *text);
static inline void buf_char(struct buf *buf, char c)
{
	char *out = buf_reserve(buf, 1);
	if (!out)
		return;
	*out = c;
	buf->len++;
}
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_u64(struct buf *buf, uint64_t decimal);
/* "0x" and lower-case hex of n bytes, no quotes. */
void buf_hex(struct buf *buf, const void *bytes, size_t n);
/* A JSON string, with quotes: control characters, quote and backslash escaped, invalid
 * UTF-8 replaced by U+FFFD. */
void buf_json_string(struct buf *buf, struct span text);

/* OK, ERR_LIMIT or ERR_NOMEM. */
static inline enum err buf_err(const struct buf *buf)
{
	return buf->err;
}

static inline struct span buf_as_span(const struct buf *buf)
{
	return (struct span){buf->ptr, buf->len};
}
