/* SPDX-License-Identifier: MIT */
#include "fork/url.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* The parts as they stand in the text. */
struct parts {
	struct span user; /* without "@"; ptr NULL: none */
	struct span host; /* with brackets */
	struct span port; /* ptr NULL: none */
	struct span tail; /* path and query; may be empty */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static const char *find(struct span text, const char *any)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(any, text.ptr[i]) != NULL)
			return text.ptr + i;
	return NULL;
}

static struct span after(struct span text, const char *from)
{
	return (struct span){from, text.len - (size_t)(from - text.ptr)};
}

static struct span before(struct span text, const char *end)
{
	return (struct span){text.ptr, (size_t)(end - text.ptr)};
}

/* NULL when every byte may stand in a URL of ours. */
static const char *bytes_fault(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c >= 0x80)
			return "only ASCII is allowed: write an international name in its xn-- "
			       "form and percent-encode the rest";
		if (c <= ' ' || c == 0x7f || strchr("\\\"<>", c) != NULL)
			return "white space, control characters, quotes, backslashes and angle "
			       "brackets must be percent-encoded";
		if (c == '#')
			return "a fragment (#) is not allowed; percent-encode it in a password";
		if (c == '%' &&
		    (i + 2 >= text.len || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2])))
			return "% must be followed by two hexadecimal digits";
		if (c == '%' && text.ptr[i + 1] == '0' && text.ptr[i + 2] == '0')
			return "%00 is not allowed";
	}
	return NULL;
}

/* Takes "scheme://" off the front of *text. */
static bool take_scheme(struct span *text, bool *tls)
{
	for (int i = 0; i < 2; i++) {
		struct span scheme = i == 0 ? SPAN("http://") : SPAN("https://");
		if (text->len >= scheme.len &&
		    strncasecmp(text->ptr, scheme.ptr, scheme.len) == 0) {
			*tls = i == 1;
			*text = after(*text, text->ptr + scheme.len);
			return true;
		}
	}
	return false;
}

static const char *split_fault(struct span text, struct parts *out)
{
	const char *tail = find(text, "/?");
	struct span authority = tail != NULL ? before(text, tail) : text;
	out->tail = tail != NULL ? after(text, tail) : (struct span){0};

	const char *at = find(authority, "@");
	if (at != NULL) {
		out->user = before(authority, at);
		authority = after(authority, at + 1);
		if (find(authority, "@") != NULL)
			return "more than one @ before the host: percent-encode it in a "
			       "password";
		if (find(out->user, "[]") != NULL)
			return "brackets in the user or password must be percent-encoded";
	}
	const char *host_end;
	if (authority.len > 0 && authority.ptr[0] == '[') {
		const char *close = find(authority, "]");
		if (close == NULL)
			return "an IPv6 address needs its closing bracket";
		host_end = close + 1;
	} else {
		const char *colon = find(authority, ":");
		host_end = colon != NULL ? colon : authority.ptr + authority.len;
	}
	out->host = before(authority, host_end);
	struct span rest = after(authority, host_end);
	if (rest.len > 0 && rest.ptr[0] != ':')
		return "only a port may follow the host";
	if (rest.len > 0)
		out->port = after(rest, rest.ptr + 1);
	return NULL;
}

static const char *port_fault(struct span text, struct url *out)
{
	if (text.ptr == NULL) {
		out->port = out->tls ? 443 : 80;
		return NULL;
	}
	unsigned long port = 0;
	if (text.len == 0 || text.len > 5)
		return "the port is not a number of 1 to 65535";
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.ptr[i]))
			return "the port is not a number of 1 to 65535";
		port = port * 10 + (unsigned long)(text.ptr[i] - '0');
	}
	if (port == 0 || port > 65535)
		return "the port is not a number of 1 to 65535";
	out->port = (uint16_t)port;
	return NULL;
}

static const char *ipv6_fault(struct span text, struct url *out)
{
	struct in6_addr address;
	char copy[INET6_ADDRSTRLEN];
	size_t len = text.len - 2; /* the brackets */
	if (len >= sizeof copy)
		return "the IPv6 address is not valid";
	memcpy(copy, text.ptr + 1, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, &address) != 1)
		return "the IPv6 address is not valid (zones are not supported)";
	if (inet_ntop(AF_INET6, &address, out->host, sizeof out->host) == NULL)
		return "the IPv6 address is not valid";
	out->literal = true;
	return NULL;
}

/* A host whose last label is a number is an IPv4 address or nothing (WHATWG URL standard,
 * "ends in a number"): libcurl would read 127.1 and 0x7f000001 as addresses. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *label = dot != NULL ? dot + 1 : host;
	if (label[0] == '0' && label[1] == 'x')
		return true;
	return label[strspn(label, "0123456789")] == '\0';
}

static const char *name_fault(struct span text, struct url *out)
{
	if (text.len >= sizeof out->host)
		return "the host name is too long";
	size_t label = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = lower(text.ptr[i]);
		bool plain = (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
		if (!plain && c != '.')
			return "the host name holds a character that no host name has";
		if (c == '.' && label == 0)
			return "the host name has an empty label";
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return "a label of the host name is longer than 63 characters";
		out->host[i] = c;
	}
	out->host[text.len] = '\0';
	if (label == 0)
		return "the host name has an empty label";
	struct in_addr address;
	if (inet_pton(AF_INET, out->host, &address) == 1)
		out->literal = true;
	else if (ends_in_number(out->host))
		return "the IPv4 address is not of the form a.b.c.d";
	return NULL;
}

static const char *host_fault(struct span text, struct url *out)
{
	if (text.len == 0)
		return "the host is missing";
	return text.ptr[0] == '[' ? ipv6_fault(text, out) : name_fault(text, out);
}

static enum err rebuild(const struct parts *parts, struct url *out)
{
	bool v6 = strchr(out->host, ':') != NULL;
	(void)snprintf(out->shown, sizeof out->shown, v6 ? "[%s]:%u" : "%s:%u", out->host,
		       (unsigned)out->port);
	bool slash = parts->tail.len == 0 || parts->tail.ptr[0] != '/';
	const size_t room =
		sizeof "https://@/" + parts->user.len + strlen(out->shown) + parts->tail.len;
	char *text = malloc(room);
	if (text == NULL)
		return ERR_NOMEM;
	int n = snprintf(text, room, "%s://%.*s%s%s%s%.*s", out->tls ? "https" : "http",
			 (int)parts->user.len, parts->user.len > 0 ? parts->user.ptr : "",
			 parts->user.len > 0 ? "@" : "", out->shown, slash ? "/" : "",
			 (int)parts->tail.len, parts->tail.len > 0 ? parts->tail.ptr : "");
	out->full = secret_new((struct span){text, (size_t)n});
	explicit_bzero(text, (size_t)n);
	free(text);
	return out->full != NULL ? OK : ERR_NOMEM;
}

enum err url_parse(const struct secret *text, struct url *out, struct err_detail *detail)
{
	struct span rest = {secret_reveal(text), secret_length(text)};
	struct parts parts = {0};
	const char *fault = NULL;

	*out = (struct url){0};
	if (rest.len > URL_MAX_BYTES)
		fault = "longer than 8192 bytes";
	if (fault == NULL)
		fault = bytes_fault(rest);
	if (fault == NULL && !take_scheme(&rest, &out->tls))
		fault = "must begin with http:// or https://";
	if (fault == NULL)
		fault = split_fault(rest, &parts);
	if (fault == NULL)
		fault = port_fault(parts.port, out);
	if (fault == NULL)
		fault = host_fault(parts.host, out);
	if (fault != NULL) {
		*out = (struct url){0};
		return err_set(detail, ERR_CONFIG, "upstream URL: %s", fault);
	}
	enum err err = rebuild(&parts, out);
	return err == OK ? OK : err_set(detail, err, "upstream URL: out of memory");
}

void url_release(struct url *url)
{
	secret_free(&url->full);
	*url = (struct url){0};
}
