/* SPDX-License-Identifier: MIT */
/*
 * build/bench/floor --request-bytes N --body-bytes N
 *
 * The least that a server can do: epoll, read, write. It parses nothing: all requests have
 * one length, so it counts bytes, and every so many get the same answer, whose head is
 * forkcache's. No server of this kind, on this machine, can use less of a processor for a
 * request.
 */
#include "measure.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define EVENTS		256 /* as many as forkcache's loop takes at a time */
#define READ_BYTES	65536

static size_t got[CONNECTIONS_MAX]; /* of the request that is being read, by descriptor */

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
	    listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		die("listening: %s", strerror(errno));
	*port = ntohs(at.sin_port);
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

static void on_connection(int epoll, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (fd >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	got[fd] = 0;
	watch(epoll, fd);
}

static void on_readable(int fd, size_t request_bytes, const char *reply, size_t reply_bytes)
{
	static char in[READ_BYTES];
	ssize_t n = recv(fd, in, sizeof in, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(fd);
		return;
	}
	got[fd] += (size_t)n;
	for (; got[fd] >= request_bytes; got[fd] -= request_bytes)
		if (send(fd, reply, reply_bytes, MSG_NOSIGNAL) != (ssize_t)reply_bytes)
			die("sending: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	size_t request_bytes = arg_number(argc, argv, "--request-bytes", 0);
	size_t body_bytes = arg_number(argc, argv, "--body-bytes", 0);
	if (!request_bytes || !body_bytes)
		die("--request-bytes and --body-bytes say how much is read and answered");
	char *reply = must_alloc(1, body_bytes + 256);
	int head = snprintf(reply, 256,
			    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			    "Content-Length: %zu\r\n\r\n",
			    body_bytes);
	size_t reply_bytes = (size_t)head + body_bytes;
	memset(reply + head, 'x', body_bytes);

	uint16_t port;
	int listener = listen_somewhere(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, listener);
	printf("floor listening on 127.0.0.1:%u\n", port);
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == listener)
				on_connection(epoll, listener);
			else
				on_readable(events[i].data.fd, request_bytes, reply,
					    reply_bytes);
	}
}
