/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The head of an HTTP/1.1 request: an incremental, strict parser without I/O or memory.
 *
 * It is given all bytes of the request so far, again and again as they grow, and looks at
 * each line once, when its end has arrived; the bytes may move between calls, since what it
 * remembers are offsets. However the bytes are cut, the outcome is the same.
 *
 * Strict means: a request that two servers could read differently is refused (see
 * http_problem.h) instead of repaired. Lines end in CR LF; there is exactly one space
 * between the parts of the request line; Content-Length is digits, once, and never beside
 * Transfer-Encoding; the only transfer coding is "chunked"; HTTP/1.1 needs one Host. One
 * empty line before the request is allowed (RFC 9112, 2.2).
 *
 * The parser does not know limits: its caller compares http_head.length (or what it has
 * when asked for MORE) with its own.
 */
#include "base/span.h"
#include "rpc/http_problem.h"
#include <stdint.h>

enum request_method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS };

/* Bytes of the head, counted from its first one. */
struct http_range {
	uint32_t at, len;
};

struct http_head {
	uint32_t scanned; /* bytes that are known to hold no further end of line */
	uint32_t line;	  /* where the first unread line begins */
	uint32_t length;  /* of the whole head, its empty line included; 0 until DONE */
	uint16_t seen;	  /* internal: which of the known headers have come */
	uint8_t minor;	  /* HTTP/1.minor */
	uint8_t method;	  /* enum request_method */
	uint8_t problem;  /* enum http_problem, after BAD */
	bool request_line;
	bool skipped_line;
	bool has_length;
	bool chunked;
	bool close, keep_alive; /* what Connection says; see http_head_keep_alive */
	bool expect_continue;
	bool accept_gzip;
	bool has_coding; /* any Content-Encoding at all */
	uint64_t content_length;
	struct http_range method_text;
	struct http_range target;	 /* as sent */
	struct http_range path;		 /* without scheme, host and query; len 0 means "/" */
	struct http_range authority;	 /* of a target in absolute form */
	struct http_range host;		 /* has at != 0 if there is one */
	struct http_range length_text;	 /* the digits of Content-Length */
	struct http_range content_type;	 /* has at != 0 if there is one */
	struct http_range authorization; /* the same */
	struct http_range origin;	 /* the same */
};

enum http_progress { HTTP_MORE, HTTP_DONE, HTTP_BAD };

void http_head_init(struct http_head *head);
/* bytes: the request from its first byte on, len of them now; a longer prefix of the same
 * request at each call until the outcome is no longer MORE. Borrowed for the call. */
enum http_progress http_head_parse(struct http_head *head, const char *bytes, size_t len);

/* RFC 9112, 9.3: "close" wins; else HTTP/1.1 persists, and HTTP/1.0 if it says so. */
bool http_head_keep_alive(const struct http_head *head);

/* bytes as given to http_head_parse. */
static inline struct span http_range_span(struct http_range range, const char *bytes)
{
	return (struct span){bytes + range.at, range.len};
}
