/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mock node's HTTP/1.1 server: any path is the JSON-RPC endpoint, but for /control.
 *
 * It is written with libhttp-parser and shares no code with the server that it tests against.
 * A connection serves one request after the other; pipelined ones wait their turn. A reply
 * passes, in this order: the barrier (hold), the delay (a timer), the transfer (in slices of
 * a hundredth of a second where the script limits the bandwidth).
 *
 * The barrier: with hold_requests or hold_items set, replies are kept until so many requests
 * or items have gathered, or http_release is called; then it is gone. A waiter is a control
 * request (POST /control/wait) that is answered when the counters it names have been reached.
 *
 * One thread, the loop's.
 */
#include "mock_node/node.h"
#include "base/loop.h"

struct http_server;

/* Listens on host:port (an address literal; port 0 is any free one); *port gets the port.
 * Borrows loop and node. ERR_CONFIG, ERR_IO, ERR_NOMEM. */
enum err http_start(struct loop *loop, struct node *node, const char *listen_on,
		    struct http_server **out, unsigned *port,
		    struct err_detail *detail) WARN_UNUSED;
/* Closes everything. Accepts NULL. */
void http_free(struct http_server **server);

/* Sets the barrier; both 0: as http_release. */
void http_hold(struct http_server *server, uint64_t requests, uint64_t items);
void http_release(struct http_server *server);
