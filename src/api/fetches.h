/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a handle fetches from its source: each need once, however many operations want it, a
 * bounded number at a time, by priority.
 *
 * An operation has a struct want in each fetch that it waits for. Nothing leaves before
 * fetches_pump, so that what is asked for together is sorted first. Embedded in a handle; one
 * thread, that of the handle's loop.
 */
#include "api/need_map.h"
#include "layers/source.h"

enum { FETCH_PRIORITIES = 4 };

struct fetch;
struct want;
/* The fetch has ended: want->landed, err and detail are set. Runs in fetches_pump or in a turn
 * of the loop; must not call fetches_pump. */
typedef void want_fn(struct want *want);

enum want_for { WANT_READ, WANT_ROOT, WANT_WITNESS };

struct want {
	struct need_node node; /* for the owner's map; node.need is what was wanted */
	enum want_for purpose; /* WANT_WITNESS: the need is void, see source.h */
	want_fn *done;
	void *owner;

	bool landed;
	enum err err;
	char *detail; /* of an err, NULL: none; the owner's to free */
	struct want *next_of_owner;
	/* fetches.c's, until it has landed */
	struct fetch *fetch;
	struct want *next, *prev;
};

struct fetch_queue {
	struct fetch *first, *last;
};

struct fetches {
	struct layer_view *view; /* of the source; NULL: there is none */
	uint32_t in_flight_max, in_flight, queued;
	struct need_map map;
	struct fetch_queue queues[FETCH_PRIORITIES];
	bool landed; /* something has, since the owner last cleared this */
};

/* Nobody wants anything any more. */
void fetches_release(struct fetches *fetches);
/* The first group of want is set. Joins the fetch of the same need, else queues one. ERR_NOMEM;
 * ERR_UNSUPPORTED without a source. */
enum err fetches_want(struct fetches *fetches, struct want *want,
		      unsigned priority) WARN_UNUSED;
/* Before it has landed: done will not run. What was asked of the source and is wanted by
 * nobody else is forgotten; the source caches it all the same. Pump afterwards: there may be
 * room now. */
void fetches_leave(struct fetches *fetches, struct want *want);
/* Starts what there is room for. Returns whether a fetch has ended in here. */
bool fetches_pump(struct fetches *fetches);
static inline bool fetches_are_idle(const struct fetches *fetches)
{
	return fetches->in_flight == 0 && fetches->queued == 0;
}
