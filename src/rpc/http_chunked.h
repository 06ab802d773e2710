/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The decoder of chunked request bodies (RFC 9112, 7.1): no I/O, no memory.
 *
 * It decodes in place: the output may lie on the input, at or before it. What it consumes
 * are whole lines and whatever data has come; a line that has not ended yet is left for the
 * next call, so the caller keeps at most HTTP_CHUNK_LINE_MAX bytes of encoding around.
 * Chunk extensions and trailers are checked and dropped; trailers that would frame or route
 * the request are refused (RFC 9110, 6.5.1).
 *
 * The decoder knows no limit on the body: its caller compares `total`, which counts a
 * chunk as soon as its size is known, with its own.
 */
#include "rpc/http_head.h"

enum {
	/* The longest size line or trailer line; real ones have a dozen bytes. */
	HTTP_CHUNK_LINE_MAX = 1024,
	/* All trailer lines together. */
	HTTP_TRAILER_BYTES_MAX = 4096,
};

enum http_chunked_state { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

struct http_chunked {
	uint64_t total; /* bytes of all chunks announced so far */
	uint64_t left;	/* of the present chunk */
	uint32_t trailer_bytes;
	uint8_t state;	 /* enum http_chunked_state */
	uint8_t problem; /* enum http_problem, after BAD */
};

void http_chunked_init(struct http_chunked *chunked);
/* Decodes in[0..len) to out (out <= in, or apart); says how much of the input is used up
 * and how much output there is. DONE: the body has ended, and *consumed with it. */
enum http_progress http_chunked_decode(struct http_chunked *chunked, char *out, const char *in,
				       size_t len, size_t *consumed, size_t *produced);
