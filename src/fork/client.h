/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTP requests to upstreams: libcurl's multi_socket in a loop, names resolved by c-ares.
 *
 * A struct client belongs to one loop thread. A struct client_target is one upstream URL:
 * its host, its secrets, the addresses that its name resolves to and for how long. A POST
 * waits until the name is resolved (all waiters share one resolution), then goes out on a
 * pooled easy handle; every address of the name is tried. TTLs are clamped to 5..300 s and
 * honoured (a literal address and "localhost" resolve at once); a connection is not reused
 * beyond a maximum age, so that a moved name is followed. HTTP/2 over TLS, HTTP/1.1 in the
 * clear; certificates are verified; "Expect:" is never sent; redirects are not followed (an
 * API key must not travel to another host); HTTP_PROXY and friends are ignored.
 *
 * It knows nothing of JSON. It does not retry beyond trying the addresses, but for one case:
 * a kept-alive connection that breaks before the first byte of the reply was closed by the
 * peer's idle timer, as far as anybody can tell, and libcurl sends the request again.
 */
#include "base/err.h"
#include "base/loop.h"
#include "base/secret.h"
#include "base/span.h"
#include <stdint.h>

struct client;
struct client_target;
struct client_op;

struct client_reply {
	/* OK: an HTTP reply arrived whole, whatever its status. ERR_NETWORK (name, connect,
	 * TLS, reset, cut short), ERR_TIMEOUT, ERR_LIMIT (reply larger than allowed),
	 * ERR_NOMEM. */
	enum err err;
	unsigned status;
	struct span body;	/* borrowed until the callback returns; decoded (gzip) */
	int64_t retry_after_ms; /* from Retry-After (seconds or a date), -1: none */
	uint64_t bytes_in;	/* head and body, as they came (gzip) */
	uint64_t bytes_out;	/* of the body */
	uint64_t elapsed_us;
	/* When the last connection to this target was opened (loop_now_us), 0: never. The
	 * reply may have come over it, or over an older one. */
	uint64_t opened_us;
	bool connected;	    /* false: it certainly never reached the peer */
	const char *detail; /* "connection refused", ...; no URL, no secret; "" when OK */
};
/* Runs once, on the loop's thread, never before client_post has returned. */
typedef void client_done_fn(void *cookie, const struct client_reply *reply);

struct client_stats {
	uint64_t requests, connections, resolutions, in_flight;
};

/* ca_file: a PEM bundle instead of the system's, or NULL. */
enum err client_new(struct loop *loop, const char *ca_file, struct client **out) WARN_UNUSED;
/* The same, asking the name servers of a list ("192.0.2.53,127.0.0.1:5353") instead of the
 * system's. Both: ERR_CONFIG (the CA file cannot be read, or the list cannot), ERR_NOMEM. */
enum err client_new_dns(struct loop *loop, const char *ca_file, const char *dns_servers,
			struct client **out) WARN_UNUSED;
/* All ops must have ended or been cancelled and all targets freed. Not from within done. */
void client_free(struct client **client);
void client_stats(const struct client *client, struct client_stats *out);

/* Parses and checks the URL (http or https, a host, optional user:password, path, query);
 * ERR_CONFIG with a detail that does not repeat it. Headers are "Name: value". Copies all. */
enum err client_target_new(struct client *client, const struct secret *url,
			   struct secret *const *headers, size_t headers_n,
			   struct client_target **out, struct err_detail *detail) WARN_UNUSED;
void client_target_free(struct client_target **target);
/* "name:port"; all that may be shown of the URL. Borrowed until the target is freed. */
const char *client_target_host(const struct client_target *target);

/*
 * POSTs body as application/json. Takes body_bytes (malloc'd) at once, on failure, too.
 * PENDING: done will run. FAILED: *err is ERR_NOMEM.
 * timeout_ms covers everything, resolution included; max_reply bounds the decoded body.
 */
typedef enum lookup client_post_fn(struct client_target *target, char *body_bytes,
				   size_t body_len, uint32_t timeout_ms, size_t max_reply,
				   client_done_fn *done, void *cookie, struct client_op **op,
				   enum err *err);
client_post_fn client_post;
/* The same over a new connection, so that libcurl never sends the request again. */
client_post_fn client_post_once;
/* done will not run; the transfer is abandoned. Nulls the caller's pointer; accepts NULL. */
void client_cancel(struct client_op **op);
