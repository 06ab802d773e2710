/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What multi.c (the multi handle in the loop) and multi_transfer.c (easy handles, one
 * upstream's requests) share. Nobody else includes this, nor libcurl.
 */
#include "base/buf.h"
#include "fork/multi.h"
#include <curl/curl.h>
#include <sys/queue.h>

#define TRANSFER_MAGIC 0x6d747266u

struct multi_transfer {
	unsigned magic;
	struct multi_peer *peer;
	CURL *easy;
	multi_done_fn *done;
	void *cookie;
	struct curl_slist *resolve; /* "host:port:addresses" */
	struct buf body;
	size_t head_bytes;
	bool active; /* in the multi handle */
	bool ended;  /* in the multi's list of those to be delivered */
	struct client_reply reply;
	TAILQ_ENTRY(multi_transfer) link; /* ended, or idle in its peer */
};
TAILQ_HEAD(transfers, multi_transfer);

struct multi_peer {
	struct multi *multi;
	const struct url *url; /* NULL: freed by its owner, a last delivery is going on */
	struct curl_slist *headers;
	struct curl_slist without_gzip; /* "Accept-Encoding:", then the headers: not offered */
	unsigned refs;			/* the owner, and transfers that are not idle */
	struct transfers idle;
	unsigned idle_n;
	uint64_t opened_us; /* the last connection */
};

struct multi {
	unsigned magic;
	struct loop *loop;
	CURLM *curl;
	char *ca_file;
	struct loop_timer timer;
	struct multi_socket **sockets; /* by descriptor */
	size_t sockets_n;
	unsigned peers;
	uint64_t connections;
	bool delivering;
	struct transfers ended;
};

/* Callbacks of every easy handle; the cookie is the transfer when a connection is opened, the
 * multi, which outlives them all, when it is closed. */
curl_socket_t multi_on_open(void *cookie, curlsocktype purpose, struct curl_sockaddr *address);
int multi_on_close(void *cookie, curl_socket_t fd);

/* A transfer has ended with this code: fills its reply, takes it out of libcurl's hands. */
void multi_transfer_end(struct multi_transfer *transfer, CURLcode code);
/* After its delivery: into the pool, or freed; its peer, too, when that was the last. */
void multi_transfer_give_back(struct multi_transfer *transfer);
