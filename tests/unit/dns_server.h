/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A name server for tests: one UDP socket on a loopback port, on the test's own loop. It
 * gives every name the same answer, as scripted in its fields.
 */
#include "base/loop.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum dns_mode { DNS_ANSWER, DNS_NXDOMAIN, DNS_SERVFAIL, DNS_SILENT };

struct dns_server {
	struct loop *loop;
	struct loop_fd lfd;
	char address[32]; /* "127.0.0.1:port" */
	enum dns_mode mode;
	uint32_t ttl;
	uint32_t cname_ttl;	     /* not 0: the name is an alias */
	const char *a[24], *aaaa[4]; /* up to the first NULL */
	unsigned queries;	     /* for A records */
};

enum { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_HEAD = 12, DNS_PACKET = 512 };

static inline void dns_u16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* Appends a record whose name is a pointer to offset `name`; returns the new length. */
static inline size_t dns_record(unsigned char *packet, size_t len, size_t name, unsigned type,
				uint32_t ttl, const void *data, size_t data_len)
{
	dns_u16(packet + len, 0xc000 | (unsigned)name);
	dns_u16(packet + len + 2, type);
	dns_u16(packet + len + 4, 1);
	dns_u16(packet + len + 6, ttl >> 16);
	dns_u16(packet + len + 8, ttl & 0xffff);
	dns_u16(packet + len + 10, (unsigned)data_len);
	memcpy(packet + len + 12, data, data_len);
	return len + 12 + data_len;
}

static inline size_t dns_answer(const struct dns_server *dns, unsigned char *packet, size_t len)
{
	unsigned type = packet[len - 3], answers = 0;
	size_t name = DNS_HEAD;
	if (dns->cname_ttl != 0) {
		const unsigned char alias[] = {1, 'x', 0xc0, DNS_HEAD};
		name = len + 12;
		len = dns_record(packet, len, DNS_HEAD, DNS_CNAME, dns->cname_ttl, alias,
				 sizeof alias);
		answers++;
	}
	const char *const *list = type == DNS_A ? dns->a : dns->aaaa;
	for (; *list != NULL; list++, answers++) {
		unsigned char bytes[16];
		REQUIRE(inet_pton(type == DNS_A ? AF_INET : AF_INET6, *list, bytes) == 1);
		len = dns_record(packet, len, name, type, dns->ttl, bytes,
				 type == DNS_A ? 4 : 16);
	}
	dns_u16(packet + 6, answers);
	return len;
}

static inline void dns_on_query(void *cookie, unsigned events)
{
	struct dns_server *dns = cookie;
	unsigned char packet[DNS_PACKET * 2];
	struct sockaddr_in from;
	socklen_t from_len = sizeof from;
	(void)events;
	ssize_t n = recvfrom(dns->lfd.fd, packet, DNS_PACKET, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
	if (n <= DNS_HEAD + 4)
		return;
	size_t len = (size_t)n;
	dns->queries += packet[len - 3] == DNS_A;
	if (dns->mode == DNS_SILENT)
		return;
	dns_u16(packet + 2, dns->mode == DNS_NXDOMAIN	? 0x8183
			    : dns->mode == DNS_SERVFAIL ? 0x8182
							: 0x8180);
	if (dns->mode == DNS_ANSWER)
		len = dns_answer(dns, packet, len);
	n = sendto(dns->lfd.fd, packet, len, 0, (struct sockaddr *)&from, from_len);
	REQUIRE(n == (ssize_t)len);
}

static inline void dns_start(struct dns_server *dns, struct loop *loop)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&in, len) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
	*dns = (struct dns_server){.loop = loop, .ttl = 60};
	REQUIRE(loop_fd_add(loop, &dns->lfd, fd, LOOP_READ, dns_on_query, dns) == OK);
	(void)snprintf(dns->address, sizeof dns->address, "127.0.0.1:%u",
		       (unsigned)ntohs(in.sin_port));
}

static inline void dns_stop(struct dns_server *dns)
{
	int fd = dns->lfd.fd;
	loop_fd_remove(dns->loop, &dns->lfd);
	close(fd);
}
