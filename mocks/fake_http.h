/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Exchanges without sockets: unit tests of what answers requests link it instead of the
 * server. fake_http_post runs the handler and returns the exchange; its reply is there at
 * once or after the fork has delivered.
 */
#include "rpc/server.h"

/* It makes an exchange: tests that let allocations fail spare it. */
extern bool fake_http_at_work;
struct http_exchange *fake_http_post(http_request_fn *handler, void *cookie, const char *body);
/* The largest reply of the exchanges to come; 64 MiB at first. */
void fake_http_limit(size_t reply_bytes);
/* NUL-terminated body; NULL while there is no reply. Borrowed until fake_http_free. */
const char *fake_http_reply(struct http_exchange *exchange);
/* The calls that http_charge was told of. */
uint32_t fake_http_charged(const struct http_exchange *exchange);
unsigned fake_http_status(const struct http_exchange *exchange);
/* The client goes: on_abort runs, if the handler set one. */
void fake_http_abort(struct http_exchange *exchange);
void fake_http_free(struct http_exchange **exchange);
