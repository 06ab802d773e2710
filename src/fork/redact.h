/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What of an upstream's address must not be repeated to clients.
 *
 * An upstream's JSON-RPC error passes through unchanged, and some gateways quote the key or
 * the URL in it. The secret parts are: user and password; every segment of the path and
 * every value of the query of at least REDACT_PART_BYTES (shorter ones, "v2" or "rpc", are
 * no keys, and would blank innocent words); and the values of the extra headers, whole and
 * word by word ("Bearer KEY").
 *
 * Occurrences are overwritten where they stand, with asterisks, and with ones where a number
 * stands: the text keeps its length and stays JSON. Quotes, escapes' backslashes, and what is
 * no string and no number (a password "true") stay as they are. Forms that a node would have to
 * work for (another percent-encoding, base64) are not looked for.
 */
#include "base/err.h"
#include "base/secret.h"
#include "base/span.h"

#define REDACT_PART_BYTES 8
/* User, password, header value: secret whatever they are, but one letter would blank all. */
#define REDACT_SHORT_BYTES 4

struct redact {
	struct secret **parts;
	size_t n, capacity;
};

/* Collects the parts; release with redact_release, also after ERR_NOMEM. */
enum err redact_init(struct redact *redact, const struct secret *url,
		     struct secret *const *headers, size_t headers_n) WARN_UNUSED;
void redact_release(struct redact *redact);
/* Overwrites every occurrence in text, a valid JSON value. */
void redact_text(const struct redact *redact, unsigned char *text, size_t length);
