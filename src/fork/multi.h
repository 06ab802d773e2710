/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libcurl's multi_socket interface in a loop.
 *
 * A struct multi owns the connections. A struct multi_peer is what all requests to one
 * upstream have in common (URL, headers, TLS), with a pool of easy handles that are set up
 * once: one request changes only addresses, body and timeouts, so that a handle, and the
 * key in its URL, never serves another upstream. Buffers of replies are pooled with it.
 *
 * libcurl registers and forgets the same descriptor twice in every request; here it stays
 * registered from socket(2) to close(2), and the loop tells the kernel what has changed
 * just before it waits.
 *
 * Ended transfers are collected when libcurl has returned, and only then delivered: a
 * callback may start and cancel transfers and free peers. It may not free the multi.
 *
 * Owned by one loop thread.
 */
#include "fork/client.h"
#include "fork/url.h"

struct multi;
struct multi_peer;
struct multi_transfer;

#define MULTI_HEAD_LIMIT                                                     \
	65536 /* bytes of a reply's head, interim ones and trailers included \
	       */
#define MULTI_RETRY_AFTER_MAX_MS 86400000 /* a day; longer is as good as never */

/* Runs once, on the loop's thread, never inside libcurl; elapsed_us is left at 0. */
typedef void multi_done_fn(void *cookie, const struct client_reply *reply);

/* ca_file: see client_new. ERR_CONFIG: it cannot be read. ERR_NOMEM. */
enum err multi_new(struct loop *loop, const char *ca_file, struct multi **out) WARN_UNUSED;
/* All transfers have ended and all peers are freed; accepts NULL. */
void multi_free(struct multi **multi);
/* Connections that were made, since multi_new. */
uint64_t multi_connections(const struct multi *multi);

/* Borrows url until multi_peer_free, copies the headers ("Name: value"). ERR_CONFIG: one
 * of them is not valid; the detail gives its number and not its text. ERR_NOMEM. */
enum err multi_peer_new(struct multi *multi, const struct url *url,
			struct secret *const *headers, size_t headers_n,
			struct multi_peer **out, struct err_detail *detail) WARN_UNUSED;
/* Its transfers have ended, been cancelled, or are just being delivered; accepts NULL. */
void multi_peer_free(struct multi_peer **peer);

struct multi_request {
	const char *addresses; /* of the URL's host, as in struct resolver_answer */
	bool gzip;	       /* offer it */
	bool fresh;	       /* over a new connection: libcurl repeats on old ones only */
	struct span body;      /* borrowed until the transfer ends */
	size_t max_reply;      /* bytes, decoded */
	uint32_t connect_ms;   /* for all addresses together, TLS included; not 0 */
};
/* PENDING: *out is set, done will run. FAILED: out of memory. Everything but the body is
 * borrowed only until it returns. There is no limit of time but connect_ms. */
enum lookup multi_start(struct multi_peer *peer, const struct multi_request *request,
			multi_done_fn *done, void *cookie,
			struct multi_transfer **out) WARN_UNUSED;
/* done will not run. Fills bytes_in, bytes_out and connected of *so_far (NULL allowed).
 * Nulls the caller's pointer; accepts NULL. */
void multi_cancel(struct multi_transfer **transfer, struct client_reply *so_far);
