/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "fork/multi_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_CONNECTIONS \
	64L		   /* kept, of all peers; libcurl's own default follows the load down */
#define STREAMS	      100L /* of a connection: what RFC 9113 section 6.5.2 asks servers for */
#define FIRST_SOCKETS 64

/* The timer always runs, if need be this far ahead: moving a running timer cannot fail,
 * starting one can. */
#define IDLE_US ((uint64_t)3600 * 1000000)

#define MULTI_MAGIC  0x6d756c74u
#define SOCKET_MAGIC 0x6d736b74u

/* libcurl 7.88 closes a socket that lost the race between addresses, or was given up while
 * connecting, without a word to the close callback, and reports its removal only after
 * that. The loop must not hold a closed descriptor, so it gets a duplicate, which is ours to
 * close; the inode tells whether libcurl's own is still the same socket. */
struct multi_socket {
	unsigned magic;
	struct multi *multi;
	curl_socket_t fd; /* libcurl's */
	ino_t inode;
	struct loop_fd lfd; /* of the duplicate */
};

static void collect(struct multi *multi)
{
	CURLMsg *msg;
	int left;
	while ((msg = curl_multi_info_read(multi->curl, &left)) != NULL) {
		struct multi_transfer *t = NULL;
		char *private = NULL;
		CURLcode code = msg->data.result; /* msg goes with the handle */
		if (msg->msg != CURLMSG_DONE)
			continue;
		if (!CHECK(curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private) ==
			   CURLE_OK))
			continue;
		t = (void *)private;
		REQUIRE(t->magic == TRANSFER_MAGIC);
		multi_transfer_end(t, code);
		TAILQ_INSERT_TAIL(&multi->ended, t, link);
		t->ended = true;
	}
}

/* A callback may start, cancel and free whatever it likes but the multi: only the head of
 * the list is held, and its transfer keeps its peer. */
static void deliver(struct multi *multi)
{
	struct multi_transfer *t;
	multi->delivering = true;
	while ((t = TAILQ_FIRST(&multi->ended)) != NULL) {
		TAILQ_REMOVE(&multi->ended, t, link);
		t->ended = false;
		t->done(t->cookie, &t->reply);
		multi_transfer_give_back(t);
	}
	multi->delivering = false;
}

static void act(struct multi *multi, curl_socket_t fd, int mask)
{
	int running;
	CURLMcode code = curl_multi_socket_action(multi->curl, fd, mask, &running);
	if (code != CURLM_OK)
		log_error("libcurl failed", LOG_S("reason", curl_multi_strerror(code)));
	collect(multi);
	deliver(multi);
}

static void on_fd(void *cookie, unsigned events)
{
	struct multi_socket *sock = cookie;
	REQUIRE(sock->magic == SOCKET_MAGIC);
	act(sock->multi, sock->fd,
	    ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) |
		    ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void start_timer(struct multi *multi, uint64_t delay_us)
{
	enum err err = loop_timer_start(multi->loop, &multi->timer, delay_us);
	(void)CHECK(err == OK);
}

static void on_timer(void *cookie)
{
	struct multi *multi = cookie;
	REQUIRE(multi->magic == MULTI_MAGIC);
	start_timer(multi, IDLE_US);
	act(multi, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *cookie)
{
	struct multi *multi = cookie;
	REQUIRE(multi->magic == MULTI_MAGIC);
	(void)curl; /* part of libcurl's signature */
	start_timer(multi, timeout_ms < 0 ? IDLE_US : (uint64_t)timeout_ms * 1000);
	return 0;
}

static struct multi_socket *socket_of(const struct multi *multi, curl_socket_t fd)
{
	return fd >= 0 && (size_t)fd < multi->sockets_n ? multi->sockets[fd] : NULL;
}

static bool socket_inode(int fd, ino_t *out)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	*out = st.st_ino;
	return true;
}

static void socket_free(struct multi_socket *sock)
{
	int own = sock->lfd.fd;
	if (own >= 0) {
		loop_fd_remove(sock->multi->loop, &sock->lfd);
		close(own);
	}
	sock->magic = 0;
	free(sock);
}

static void socket_forget(struct multi *multi, curl_socket_t fd)
{
	socket_free(multi->sockets[fd]);
	multi->sockets[fd] = NULL;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *cookie, void *assigned)
{
	static const unsigned wanted[] = {
		[CURL_POLL_IN] = LOOP_READ,
		[CURL_POLL_OUT] = LOOP_WRITE,
		[CURL_POLL_INOUT] = LOOP_READ | LOOP_WRITE,
		[CURL_POLL_REMOVE] = 0,
	};
	struct multi *multi = cookie;
	struct multi_socket *sock = socket_of(multi, fd);
	ino_t inode;
	REQUIRE(multi->magic == MULTI_MAGIC);
	(void)easy, (void)assigned; /* part of libcurl's signature */
	if (sock == NULL)
		(void)CHECK(what == CURL_POLL_REMOVE); /* all are opened by multi_on_open */
	else if (what == CURL_POLL_REMOVE &&
		 (!socket_inode(fd, &inode) || inode != sock->inode))
		socket_forget(multi, fd);
	else if (CHECK(what >= 0 && what <= CURL_POLL_REMOVE))
		loop_fd_want(multi->loop, &sock->lfd, wanted[what]);
	return 0;
}

static bool sockets_reach(struct multi *multi, size_t fd)
{
	size_t n = multi->sockets_n != 0 ? multi->sockets_n : FIRST_SOCKETS;
	if (fd < multi->sockets_n)
		return true;
	while (n <= fd)
		n *= 2;
	struct multi_socket **grown = realloc(multi->sockets, n * sizeof *grown);
	if (grown == NULL)
		return false;
	memset(grown + multi->sockets_n, 0, (n - multi->sockets_n) * sizeof *grown);
	multi->sockets = grown;
	multi->sockets_n = n;
	return true;
}

static struct multi_socket *socket_new(struct multi *multi, int fd)
{
	struct multi_socket *sock = calloc(1, sizeof *sock);
	if (sock == NULL)
		return NULL;
	sock->magic = SOCKET_MAGIC;
	sock->multi = multi;
	sock->fd = fd;
	sock->lfd.fd = -1;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0 || !socket_inode(fd, &sock->inode) ||
	    loop_fd_add(multi->loop, &sock->lfd, own, 0, on_fd, sock) != OK) {
		if (own >= 0)
			close(own);
		free(sock);
		return NULL;
	}
	return sock;
}

curl_socket_t multi_on_open(void *cookie, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct multi_transfer *t = cookie;
	REQUIRE(t->magic == TRANSFER_MAGIC);
	struct multi *multi = t->peer->multi;
	(void)purpose; /* part of libcurl's signature */
	t->peer->opened_us = loop_now_us(multi->loop);
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (socket_of(multi, fd) != NULL) /* closed, and not yet reported */
		socket_forget(multi, fd);
	struct multi_socket *sock = socket_new(multi, fd);
	if (sock == NULL || !sockets_reach(multi, (size_t)fd)) {
		if (sock != NULL)
			socket_free(sock);
		close(fd);
		errno = ENOMEM;
		return CURL_SOCKET_BAD;
	}
	multi->sockets[fd] = sock;
	return fd;
}

int multi_on_close(void *cookie, curl_socket_t fd)
{
	struct multi *multi = cookie;
	REQUIRE(multi->magic == MULTI_MAGIC);
	if (CHECK(socket_of(multi, fd) != NULL))
		socket_forget(multi, fd);
	return close(fd);
}

/* --- life --------------------------------------------------------------------------- */

static CURLcode global_code;

static void global_init(void)
{
	global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static CURLMcode set_options(struct multi *multi)
{
	CURLMcode code = CURLM_OK;
#define SET(option, value) \
	(code = code != CURLM_OK ? code : curl_multi_setopt(multi->curl, option, value))
	SET(CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	SET(CURLMOPT_SOCKETDATA, multi);
	SET(CURLMOPT_TIMERFUNCTION, on_curl_timer);
	SET(CURLMOPT_TIMERDATA, multi);
	SET(CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
	SET(CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS);
#undef SET
	return code;
}

enum err multi_new(struct loop *loop, const char *ca_file, struct multi **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (pthread_once(&once, global_init) != 0 || global_code != CURLE_OK)
		return ERR_NOMEM;
	if (ca_file != NULL && access(ca_file, R_OK) != 0)
		return ERR_CONFIG;
	struct multi *multi = calloc(1, sizeof *multi);
	if (multi == NULL)
		return ERR_NOMEM;
	multi->magic = MULTI_MAGIC;
	multi->loop = loop;
	TAILQ_INIT(&multi->ended);
	loop_timer_init(&multi->timer, on_timer, multi);
	multi->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	if (ca_file != NULL && multi->ca_file == NULL)
		goto fail;
	if (loop_timer_start(loop, &multi->timer, IDLE_US) != OK)
		goto fail;
	multi->curl = curl_multi_init();
	if (multi->curl == NULL || set_options(multi) != CURLM_OK)
		goto fail;
	*out = multi;
	return OK;
fail:
	multi_free(&multi);
	return ERR_NOMEM;
}

void multi_free(struct multi **multi)
{
	struct multi *gone = *multi;
	*multi = NULL;
	if (gone == NULL)
		return;
	REQUIRE(gone->magic == MULTI_MAGIC && !gone->delivering && gone->peers == 0);
	if (gone->curl != NULL)
		(void)CHECK(curl_multi_cleanup(gone->curl) == CURLM_OK);
	loop_timer_cancel(gone->loop, &gone->timer);
	for (size_t fd = 0; fd < gone->sockets_n; fd++)
		(void)CHECK(gone->sockets[fd] == NULL);
	free(gone->sockets);
	free(gone->ca_file);
	gone->magic = 0;
	free(gone);
}

uint64_t multi_connections(const struct multi *multi)
{
	return multi->connections;
}
