/* SPDX-License-Identifier: MIT */
#include "rpc/http_host.h"
#include "rpc/http_field.h"
#include <arpa/inet.h>

static bool is_port(struct span text)
{
	if (text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	}
	return true;
}

/* Cuts ":port" off; false if what follows the name is no port. */
static bool cut_port(struct span *host)
{
	const char *after = host->ptr;
	const char *end = host->ptr + host->len;

	if (host->len != 0 && host->ptr[0] == '[') {
		after = memchr(host->ptr, ']', host->len);
		if (!after)
			return false;
		after++;
	} else {
		while (after < end && *after != ':')
			after++;
	}
	host->len = (size_t)(after - host->ptr);
	if (after == end)
		return true;
	return *after == ':' && is_port((struct span){after + 1, (size_t)(end - after - 1)});
}

static bool is_ip_literal(struct span host)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	int family = AF_INET;

	if (host.len != 0 && host.ptr[0] == '[') {
		family = AF_INET6;
		host.ptr++;
		host.len -= 2;
	}
	if (host.len >= sizeof text)
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = 0;
	return inet_pton(family, text, address) == 1;
}

bool http_host_allowed(struct span host, const char *const *names, size_t names_n)
{
	if (host.len == 0 || !cut_port(&host))
		return false;
	if (http_text_is(host, "localhost") || is_ip_literal(host))
		return true;
	for (size_t i = 0; i < names_n; i++) {
		if (http_text_equal(host, span_of(names[i])))
			return true;
	}
	return false;
}
