/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The source of layers/source.h without a remote: the test says what the chain holds, and when
 * an answer comes. A test that includes this file is linked with fake_source.c.
 *
 * One source at a time; its knobs are global. A try hits what has landed (in the cache of all
 * views, or, without one, in the view's fed values), and what was fed. Fetches wait until they
 * are released, then land in the next turn of their view's loop, oldest first.
 */
#include "layers/source.h"

/* What the chain says of a need. err: the fetch fails so, with detail. */
struct fake_answer {
	enum err err;
	const char *detail;
	struct eth_bytes32 value; /* a proof: the storage root */
	const char *code;	  /* NUL-terminated; NULL: none */
};
typedef void fake_source_fn(const struct need *need, struct fake_answer *answer);

/* It runs, or the test's answer does: tests that let allocations fail spare it. */
extern bool fake_source_at_work;
/* Forgets everything: nothing cached, all fetches land by themselves. */
void fake_source_reset(fake_source_fn *chain);
/* The layer, with a block of this state root. ERR_NOMEM. */
enum err fake_source_new(const struct eth_bytes32 *state_root, struct layer **out) WARN_UNUSED;

/* Fetches land as soon as the loop turns; or only so many as are released. */
void fake_source_hold(bool hold);
void fake_source_release(struct layer_view *view, unsigned n);
/* What lands is cached for all views (the default), or only fed to the one that asked. */
void fake_source_caching(bool caching);
/* The next n fetches are refused at once, with this error. */
void fake_source_refuse(unsigned n, enum err err, const char *detail);
/* All tries of this address fail; NULL: none. */
void fake_source_break(const struct eth_address *address);

/* What was fetched since the reset, in order (cancelled ones too); how many have not landed;
 * the most there ever were; views. */
size_t fake_source_fetched(void);
const struct need *fake_source_fetch_at(size_t i);
unsigned fake_source_in_flight(void);
unsigned fake_source_in_flight_most(void);
unsigned fake_source_views(void);
size_t fake_source_fed(struct layer_view *view);
