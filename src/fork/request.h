/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A request: one HTTP POST to an upstream, the JSON-RPC calls in it, the flights of each.
 *
 * It lands exactly once (unless the fork is stopped): its reply is read (answer.h), its
 * flights are settled (settle.h), and it is freed. Once sent
 * it is never aborted: the answer is paid for.
 */
#include "base/buf.h"
#include "fork/answer.h"
#include "fork/client.h"
#include "fork/flights.h"
#include "fork/probe.h"

/* A reply larger than this is refused (traces of a block are the largest real ones). */
#define REQUEST_REPLY_MAX ((size_t)64 << 20)
/* The largest body that we write: 1,024 slots are 70 KiB; calls carry what clients sent. */
#define REQUEST_BODY_MAX ((size_t)32 << 20)

/* Reads of the block around questions that go by number (ladder.h). */
#define REQUEST_GUARDS 2

enum call_kind { CALL_ONE, CALL_VALUES, CALL_INFO, CALL_GUARD };
struct call {
	enum call_kind kind;
	struct flight **flights;
	size_t flights_n;
	struct outcome outcome;
};

struct request {
	struct upstream *upstream;
	struct client_op *op;
	struct request *next, *prev; /* the plan's list of what is in flight */
	bool alone;
	bool batch;	       /* written as an array */
	struct ability *trial; /* what it tries that is not known to be there, or NULL */
	uint64_t first_id;     /* call i has id first_id + i */
	uint64_t sent_us;
	/* A reply that waits for the probe: who sent it has to say again who it is. */
	bool parked;
	struct client_reply reply; /* while it waits for that, or for the guard */
	struct blob *body;
	struct fork_block guarded; /* with CALL_GUARD, or: */
	bool guarded_after;	   /* the block is read once the reply is there */
	struct exchange guard;
	size_t calls_n, flights_n;
	struct flight **flights; /* sorted; calls point into it */
	struct call *calls;
};

/* The composite method that the call uses, or NULL. */
struct ability *call_ability(struct upstream *upstream, const struct call *call);

/* Room for n flights and n + 2 calls; NULL when memory is refused. */
struct request *request_new(struct upstream *upstream, size_t n);
void request_free(struct request **request);

typedef void flight_each_fn(struct flight *flight, void *cookie);
void request_each(struct request *request, flight_each_fn *fn, void *cookie);

static inline bool request_is_guarded(const struct request *request)
{
	return request->guarded_after || request->calls[0].kind == CALL_GUARD;
}

/* Sends it. Takes the request and the body's bytes. */
void request_send(struct request *request, struct buf *body);
/* A probe has ended: looks at the replies that wait for it. */
void request_unpark(struct upstream *upstream, bool proved, const struct failure *failure);
/* Stopping: gives up the transfer and drops the flights. */
void request_abandon(struct request *request);
