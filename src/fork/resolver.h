/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names to addresses: c-ares in a loop, so that nothing waits for a name server but those
 * who asked (Debian's libcurl would start a thread for every name).
 *
 * A struct resolver_name is one host, shared and counted: all who want it get the same one,
 * and all who wait for it share one resolution, A and AAAA together, /etc/hosts included.
 * The set is fresh for its smallest TTL, clamped to 5..300 s: 0 would ask before every
 * request, a day would follow no move. Literals, "localhost" and "*.localhost" (RFC 6761
 * section 6.3: both loopback addresses) are known at once and for ever.
 *
 * When a refresh fails, or takes longer than 1.8 s, an expired set serves for at most an
 * hour (RFC 8767), said in the log once; a name that is said not to exist (NXDOMAIN, no
 * data) loses its set at once. A failure without such a set is remembered for a second.
 * After a failure the system's configuration is read again: laptops change networks.
 *
 * Owned by one loop thread.
 */
#include "base/err.h"
#include "base/loop.h"
#include <sys/queue.h>

struct resolver;
struct resolver_name;

#define RESOLVER_TTL_MIN_S   5
#define RESOLVER_TTL_MAX_S   300
#define RESOLVER_STALE_S     3600 /* past the TTL; RFC 8767 allows days */
#define RESOLVER_PATIENCE_MS 1800 /* client response timer of RFC 8767 section 5 */
#define RESOLVER_HOLD_S	     30	  /* failure recheck timer of the same section */
#define RESOLVER_RETRY_MS    1000 /* a failure, or a suspicion, is not asked about sooner */
#define RESOLVER_ADDRESSES   16	  /* of one name; more are not used */

struct resolver_answer {
	enum err err;	       /* OK, ERR_NETWORK, ERR_NOMEM */
	const char *addresses; /* "192.0.2.1,[2001:db8::1]", in order of preference */
	bool loopback;	       /* every one of them is on this machine */
	const char *detail;    /* "name not found", ...: static; "" when OK */
};
/* Runs once, on the loop's thread, never inside c-ares; the answer is borrowed until it
 * returns. */
typedef void resolver_done_fn(void *cookie, const struct resolver_answer *answer);

/* Embedded by who waits; zeroed before its first use. */
struct resolver_wait {
	struct resolver_name *name;
	resolver_done_fn *done;
	void *cookie;
	TAILQ_ENTRY(resolver_wait) link;
	bool waiting, ready;
};

/* servers: "192.0.2.53,127.0.0.1:5353" instead of the system's, or NULL. ERR_CONFIG: that
 * list cannot be read; ERR_NOMEM. Borrows servers until resolver_free. */
enum err resolver_new(struct loop *loop, const char *servers,
		      struct resolver **out) WARN_UNUSED;
/* Every name has been put. Not from within a callback of its own; accepts NULL. */
void resolver_free(struct resolver **resolver);
/* Resolutions that were started, since resolver_new. */
uint64_t resolver_started(const struct resolver *resolver);

/* host: a name or an address without brackets, lower case. Asks nothing yet. Returns a
 * counted reference, give up with resolver_name_put; NULL: out of memory. */
struct resolver_name *resolver_name_get(struct resolver *resolver, const char *host);
/* Nobody who came by this reference waits any more. Nulls the pointer; accepts NULL. */
void resolver_name_put(struct resolver_name **name);

/* HIT, FAILED: *out is filled (borrowed for this loop turn) and done never runs.
 * PENDING: done will run. */
enum lookup resolver_lookup(struct resolver_name *name, struct resolver_answer *out,
			    struct resolver_wait *wait, resolver_done_fn *done,
			    void *cookie) WARN_UNUSED;
/* done will not run. Allowed when not waiting. */
void resolver_cancel(struct resolver_wait *wait);

/* Nothing at the name's addresses could be reached: the next lookup asks again, unless the
 * last resolution is younger than a second. */
void resolver_suspect(struct resolver_name *name);
