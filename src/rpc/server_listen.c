/* SPDX-License-Identifier: MIT */
#include "rpc/server_impl.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* "[::1]:8545" into "::1" and "8545". */
struct endpoint {
	char host[256];
	char port[6];
};

static bool split(const char *address, struct endpoint *out)
{
	const char *colon = strrchr(address, ':');
	const char *host = address;
	size_t host_len, port_len;

	if (!colon)
		return false;
	host_len = (size_t)(colon - address);
	port_len = strlen(colon + 1);
	if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
		host++;
		host_len -= 2;
	} else if (memchr(host, ':', host_len)) {
		return false; /* an IPv6 address without its brackets */
	}
	if (host_len == 0 || host_len >= sizeof out->host || port_len == 0 ||
	    port_len >= sizeof out->port || strspn(colon + 1, "0123456789") != port_len ||
	    strtoul(colon + 1, NULL, 10) > 65535)
		return false;
	memcpy(out->host, host, host_len);
	out->host[host_len] = 0;
	memcpy(out->port, colon + 1, port_len + 1);
	return true;
}

/* Only literals and localhost: listening on what a resolver says would be a surprise. */
static enum err resolve(const char *address, struct addrinfo **info, struct err_detail *detail)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	struct endpoint endpoint;

	if (split(address, &endpoint)) {
		const char *host =
			strcmp(endpoint.host, "localhost") == 0 ? "127.0.0.1" : endpoint.host;
		if (getaddrinfo(host, endpoint.port, &hints, info) == 0)
			return OK;
	}
	return err_set(
		detail, ERR_INVALID,
		"cannot listen on \"%s\": want an IP address or localhost, a colon and a "
		"port",
		address);
}

static bool set_options(int fd, int family, bool share)
{
	const int on = 1;

	/* TCP_NODELAY is inherited by the accepted sockets; each reply is one send. */
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	       (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
	       (family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
}

static bool local_address(int fd, struct sockaddr_storage *address)
{
	socklen_t length = sizeof *address;

	return getsockname(fd, (struct sockaddr *)address, &length) == 0;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

enum err server_listen(const char *address, bool share, int *fd, unsigned *port,
		       struct err_detail *detail)
{
	struct sockaddr_storage bound;
	struct addrinfo *info = NULL;
	enum err err = resolve(address, &info, detail);

	*fd = -1;
	if (err != OK)
		return err;
	int s = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0 || !set_options(s, info->ai_family, share) ||
	    bind(s, info->ai_addr, info->ai_addrlen) != 0 || listen(s, SOMAXCONN) != 0 ||
	    !local_address(s, &bound))
		goto fail;
	freeaddrinfo(info);
	*fd = s;
	*port = port_of(&bound);
	return OK;
fail:
	err = err_set(detail, ERR_IO, "cannot listen on %s: %s", address, strerror(errno));
	freeaddrinfo(info);
	if (s >= 0)
		close(s);
	return err;
}

bool address_is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->ss_family == AF_INET6) {
		const struct in6_addr *v6 =
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(v6) ||
		       (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
	}
	return address->ss_family == AF_UNIX;
}

enum err server_is_loopback(const char *address, bool *loopback, struct err_detail *detail)
{
	struct sockaddr_storage read = {0};
	struct addrinfo *info = NULL;
	enum err err = resolve(address, &info, detail);

	if (err != OK)
		return err;
	memcpy(&read, info->ai_addr, info->ai_addrlen);
	*loopback = address_is_loopback(&read);
	freeaddrinfo(info);
	return OK;
}
