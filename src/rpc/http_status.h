/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The head of an HTTP reply, and what the status codes that the server uses mean.
 *
 * The usual head (200, application/json, connection kept) has a fixed size, so the body can
 * be written behind the room for it before its length is known: the length is right-aligned
 * in a field of fixed width (white space before a value is no part of it, RFC 9112, 5).
 * All other heads are as long as they are, up to HTTP_REPLY_HEAD_MAX.
 */
#include "base/span.h"
#include <stdint.h>

enum {
	HTTP_REPLY_HEAD_ROOM = 114, /* of the usual head; http_status.c checks it */
	HTTP_DATE_LEN = 29,	    /* "Sun, 06 Nov 1994 08:49:37 GMT" */
	HTTP_REPLY_HEAD_MAX = 1024,
	HTTP_CONTENT_TYPE_MAX = 127,
	HTTP_EXTRA_MAX = 512, /* both extras together */
};

struct http_reply_head {
	unsigned status;
	const char *content_type;
	const char *date;     /* HTTP_DATE_LEN bytes and a NUL (RFC 9110, 6.6.1) */
	const char *extra;    /* whole header lines with their CR LF, or NULL */
	const char *cors;     /* the same */
	unsigned retry_after; /* seconds; 0: 1 where the status wants it (429, 503) */
	uint64_t length;
	bool close;	 /* Connection: close */
	bool keep_alive; /* Connection: keep-alive (HTTP/1.0 has to be told) */
	bool gzip;	 /* Content-Encoding: gzip */
};

/* Whether out got the usual head, of exactly HTTP_REPLY_HEAD_ROOM bytes; if not, nothing
 * was written, and http_reply_head_write must be used. */
bool http_reply_head_usual(const struct http_reply_head *head, char out[HTTP_REPLY_HEAD_ROOM]);
/* Any head; returns its length. */
size_t http_reply_head_write(const struct http_reply_head *head, char out[HTTP_REPLY_HEAD_MAX]);
