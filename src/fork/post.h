/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One HTTP POST to an upstream, the JSON-RPC requests in it (items), the flights of each.
 *
 * It lands exactly once (unless the fork is stopped): its reply is read (answer.h), its
 * flights are settled (settle.h), and it is freed. Once sent it is never aborted: the answer
 * is paid for.
 */
#include "base/buf.h"
#include "fork/answer.h"
#include "fork/client.h"
#include "fork/flights.h"
#include "fork/probe.h"

/* A reply larger than this is refused (traces of a block are the largest real ones). */
#define POST_REPLY_MAX ((size_t)64 << 20)
/* The largest body that we write: 1,024 slots are 70 KiB; others carry what clients sent. */
#define POST_BODY_MAX ((size_t)32 << 20)

/* Reads of the block around questions that go by number (ladder.h). */
#define POST_GUARDS 2

enum item_kind { ITEM_ONE, ITEM_VALUES, ITEM_INFO, ITEM_GUARD };
struct item {
	enum item_kind kind;
	struct flight **flights;
	size_t flights_n;
	struct outcome outcome;
};

struct post {
	struct upstream *upstream;
	struct client_op *op;
	struct post *next, *prev; /* the plan's list of what is in flight */
	bool alone;
	bool batch;	       /* written as an array */
	struct ability *trial; /* what it tries that is not known to be there, or NULL */
	uint64_t first_id;     /* item i has id first_id + i */
	uint64_t sent_us;
	/* A reply that waits for the probe: who sent it has to say again who it is. */
	bool parked;
	struct client_reply reply; /* while it waits for that, or for the guard */
	struct blob *body;
	struct fork_block guarded; /* with ITEM_GUARD, or: */
	bool guarded_after;	   /* the block is read once the reply is there */
	struct exchange guard;
	size_t items_n, flights_n;
	struct flight **flights; /* sorted; items point into it */
	struct item *items;
};

/* The composite method that the item uses, or NULL. */
struct ability *item_ability(struct upstream *upstream, const struct item *item);

/* Room for n flights and n + 2 items; NULL when memory is refused. */
struct post *post_new(struct upstream *upstream, size_t n);
void post_free(struct post **post);

typedef void flight_each_fn(struct flight *flight, void *cookie);
void post_each(struct post *post, flight_each_fn *fn, void *cookie);

static inline bool post_is_guarded(const struct post *post)
{
	return post->guarded_after || post->items[0].kind == ITEM_GUARD;
}

/* Sends it. Takes the post and the body's bytes. */
void post_send(struct post *post, struct buf *body);
/* A probe has ended: looks at the replies that wait for it. */
void post_unpark(struct upstream *upstream, bool proved, const struct failure *failure);
/* Stopping: gives up the transfer and drops the flights. */
void post_abandon(struct post *post);
