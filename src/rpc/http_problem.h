/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What can be wrong with the framing of an HTTP request: one name and one sentence each.
 *
 * Each of them is answered with 400 and the end of the connection, since after a request
 * whose limits are in doubt no byte can be attributed to the next one (RFC 9112, 11.2).
 * Several are stricter than the RFC demands; tests/unit/test_http_oracle.c lists those in
 * which http-parser would have gone on.
 */

#define HTTP_PROBLEMS(X)                                                                 \
	X(HTTP_FINE, "nothing is wrong")                                                 \
	X(HTTP_BARE_LF, "a line does not end in CR LF")                                  \
	X(HTTP_EMPTY_LINES, "more than one empty line before the request")               \
	X(HTTP_BAD_METHOD, "the request line does not begin with a method")              \
	X(HTTP_BAD_TARGET, "the request target is neither a path nor an http URL")       \
	X(HTTP_BAD_VERSION, "the request line does not end in HTTP/1.1 or HTTP/1.0")     \
	X(HTTP_OBS_FOLD, "a header is folded over several lines")                        \
	X(HTTP_NO_COLON, "a header line has no colon")                                   \
	X(HTTP_SPACE_BEFORE_COLON, "a header line has a space before its colon")         \
	X(HTTP_BAD_NAME, "a header name holds a character that names may not have")      \
	X(HTTP_CONTROL_CHARACTER, "a header value holds a control character")            \
	X(HTTP_REPEATED_HEADER, "a header that may stand only once is repeated")         \
	X(HTTP_BAD_LENGTH, "Content-Length is not a plain decimal number below 10^18")   \
	X(HTTP_LENGTH_AND_CODING, "Content-Length together with Transfer-Encoding")      \
	X(HTTP_UNKNOWN_CODING, "the only known Transfer-Encoding is chunked")            \
	X(HTTP_CODING_IN_1_0, "Transfer-Encoding in an HTTP/1.0 request")                \
	X(HTTP_NO_HOST, "an HTTP/1.1 request needs a Host header")                       \
	X(HTTP_HOST_DIFFERS, "the URL of the request line names another host than Host") \
	X(HTTP_BAD_CHUNK_SIZE, "a chunk does not begin with its size in hexadecimal")    \
	X(HTTP_BAD_CHUNK_END, "a chunk does not end in CR LF after its size")            \
	X(HTTP_LONG_CHUNK_LINE, "a chunk extension or the trailer section is too long")  \
	X(HTTP_BAD_TRAILER, "a trailer names a header that frames or routes the request")

enum http_problem {
#define HTTP_PROBLEM_NAME(name, text) name,
	HTTP_PROBLEMS(HTTP_PROBLEM_NAME)
#undef HTTP_PROBLEM_NAME
};

/* One sentence without its full stop; never NULL. */
const char *http_problem_text(enum http_problem problem);
