/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The heads of requests that a server has accepted lately.
 *
 * A client's requests have one head, to the byte, but for the digits of Content-Length; so
 * have those of all connections of one program. A head that is known is compared, which
 * takes a twentieth of the instructions of reading and judging it: for one cached read the
 * difference is as much as everything else that is done for it outside the kernel.
 *
 * A head with Authorization is never kept: comparing it would tell how much of a secret was
 * right. Embedded; zero is empty. It belongs to one server, and so to one thread.
 */
#include "base/check.h"
#include "rpc/http_head.h"

/* Programs that talk to one worker at a time, with bodies of two lengths' digits each. */
#define HTTP_MEMO_HEADS 4
/* Real ones have 100 (scripts) to 400 (browsers). */
#define HTTP_MEMO_BYTES 512

struct http_memo {
	struct {
		struct http_head head; /* length 0: empty */
		char bytes[HTTP_MEMO_BYTES];
	} known[HTTP_MEMO_HEADS];
	unsigned oldest;
};

/* Whether bytes, of which nothing has been read yet, begin with a known head; then *head is
 * what http_head_parse would have made of it. */
bool http_memo_find(const struct http_memo *memo, const char *bytes, size_t len,
		    struct http_head *head) WARN_UNUSED;
/* A head that has been parsed and accepted. It may be left out. */
void http_memo_keep(struct http_memo *memo, const struct http_head *head, const char *bytes);
