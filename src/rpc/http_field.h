/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The smallest parts of HTTP/1.1: a header line, and a list inside a header's value.
 * Strict (RFC 9110 section 5, RFC 9112 section 5): used for heads and for trailers, so that
 * the two cannot disagree about what a header is.
 */
#include "base/span.h"
#include "rpc/http_problem.h"

/* RFC 9110, 5.6.2: the characters of methods and header names. */
bool http_is_token_char(char c);

/* One line without its CR LF: name, and value without the white space around it, both
 * inside the line. */
enum http_problem http_field_parse(struct span line, struct span *name, struct span *value);

/* Compares without regard to ASCII case; lower is in lower case. */
bool http_text_is(struct span text, const char *lower);
/* The same for two texts of any case. */
bool http_text_equal(struct span a, struct span b);

struct span http_trim(struct span text);

/* Takes the next element off a comma-separated list, trimmed; empty ones are skipped.
 * False at the end. */
bool http_list_next(struct span *rest, struct span *element);
