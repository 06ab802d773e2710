/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Upstream URLs: a strict subset of RFC 3986, http and https only.
 *
 *	scheme "://" [user [":" password] "@"] host [":" port] [path] ["?" query]
 *
 * The whole URL is a secret: providers put keys into the user, the path and the query.
 * What may be shown is "name:port". Parsing refuses whatever two parsers could read
 * differently, since the host that we resolve must be the host that libcurl connects to:
 * a second "@", a fragment, a backslash, white space, bytes outside ASCII, octal or short
 * IPv4 forms, IPv6 zones, empty labels. The URL is then rebuilt from its parts, and only
 * that form travels on.
 */
#include "base/err.h"
#include "base/secret.h"
#include <stdint.h>

#define URL_MAX_BYTES	8192		      /* keys are long, nothing else is */
#define URL_HOST_BYTES	254		      /* RFC 1035 section 2.3.4: 253, and NUL */
#define URL_SHOWN_BYTES (URL_HOST_BYTES + 10) /* "[", "]", ":65535", and room */

struct url {
	bool tls;
	bool literal; /* host is an IPv4 or IPv6 address */
	uint16_t port;
	char host[URL_HOST_BYTES];   /* lower case, without brackets */
	char shown[URL_SHOWN_BYTES]; /* "name:port", "[::1]:8545" */
	struct secret *full;	     /* rebuilt; what is asked for */
};

/* Fills *out, release with url_release. ERR_CONFIG with a detail that does not repeat any
 * part of the URL, or ERR_NOMEM; *out is then empty. Borrows text until it returns. */
enum err url_parse(const struct secret *text, struct url *out,
		   struct err_detail *detail) WARN_UNUSED;
/* Allowed on an empty or zeroed one. */
void url_release(struct url *url);
