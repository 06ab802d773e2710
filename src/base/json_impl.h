/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What json.c (which validates) and json_read.c (which walks what has been validated) share:
 * runs of bytes of one kind. Most of a request is the inside of strings, so these decide the
 * speed. Whole blocks are looked at while they fit before `end`, single bytes after that:
 * nothing at or behind `end` is ever read, since a span may end where its mapping does.
 */
#include "base/json.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE      __attribute__((noinline))

/* Whether the inside of a validated string, escapes decoded, is `name`. */
bool json_raw_is(struct span raw, struct span name);

#ifdef __SSE2__
#define BLOCK 16
typedef __m128i block;

static inline block block_load(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline block block_is(block b, char c)
{
	return _mm_cmpeq_epi8(b, _mm_set1_epi8(c));
}

/* One bit per byte of a block, the first byte's lowest: set where a run ends. They are tested
 * against zero, and `p` moves by a constant, so that the next load need not wait for them. */
static inline block not_plain(block b)
{
	/* signed, so that control characters and what is not ASCII are one comparison */
	block other = _mm_cmplt_epi8(b, _mm_set1_epi8(0x20));
	return _mm_or_si128(_mm_or_si128(block_is(b, '"'), block_is(b, '\\')), other);
}

static inline unsigned stops_plain(block b)
{
	return (unsigned)_mm_movemask_epi8(not_plain(b));
}

static inline unsigned stops_space(block b)
{
	block blank = _mm_or_si128(block_is(b, ' '), block_is(b, '\n'));
	blank = _mm_or_si128(blank, _mm_or_si128(block_is(b, '\r'), block_is(b, '\t')));
	return (unsigned)_mm_movemask_epi8(blank) ^ 0xffff;
}

static inline unsigned stops_unquoted(block b)
{
	block stop = _mm_or_si128(block_is(b, '"'), block_is(b, '\\'));
	return (unsigned)_mm_movemask_epi8(stop);
}
#else
#define BLOCK	     8
typedef uint64_t block;
#define EACH_BYTE(c) (~(uint64_t)0 / 0xff * (c))

static inline block block_load(const char *p)
{
	block b;
	memcpy(&b, p, sizeof(b));
	return b;
}

/* Zero when no byte is below n; n is at most 0x80. */
static inline block block_below(block b, unsigned char n)
{
	return (b - EACH_BYTE(n)) & ~b & EACH_BYTE(0x80);
}

/* The same questions, but the answer says only whether there is a stop, not where. */
static inline block stops_unquoted(block b)
{
	return block_below(b ^ EACH_BYTE('"'), 1) | block_below(b ^ EACH_BYTE('\\'), 1);
}

static inline block stops_plain(block b)
{
	return stops_unquoted(b) | block_below(b, 0x20) | (b & EACH_BYTE(0x80));
}
#endif

/* Neither the end of a string, nor an escape, nor refused, nor part of a longer sequence. */
static inline bool byte_is_plain(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

static inline bool byte_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *plain_run(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= BLOCK; p += BLOCK) {
		unsigned stops = stops_plain(block_load(p));
		if (stops)
			return p + __builtin_ctz(stops);
	}
#else
	while (end - p >= BLOCK && !stops_plain(block_load(p)))
		p += BLOCK;
#endif
	while (p < end && byte_is_plain(*p))
		p++;
	return p;
}

static inline const char *unquoted_run(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= BLOCK; p += BLOCK) {
		unsigned stops = stops_unquoted(block_load(p));
		if (stops)
			return p + __builtin_ctz(stops);
	}
#else
	while (end - p >= BLOCK && !stops_unquoted(block_load(p)))
		p += BLOCK;
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

static NOINLINE const char *space_run(const char *p, const char *end)
{
	if (*p == ' ' && ++p < end && !byte_is_space(*p))
		return p;
#ifdef __SSE2__
	for (; end - p >= BLOCK; p += BLOCK) {
		unsigned stops = stops_space(block_load(p));
		if (stops)
			return p + __builtin_ctz(stops);
	}
#endif
	while (p < end && byte_is_space(*p))
		p++;
	return p;
}

/* Programs write no white space, or one blank: one comparison, most of the time. */
static inline const char *skip_space(const char *p, const char *end)
{
	return p < end && (unsigned char)*p <= ' ' ? space_run(p, end) : p;
}

static inline struct span span_between(const char *from, const char *to)
{
	return (struct span){from, (size_t)(to - from)};
}

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
