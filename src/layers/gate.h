/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where readers and a writer of the same memory meet without a lock on the readers' way.
 *
 * A reader has a place of its own (a cache line that it alone writes): it says there that it
 * is inside, and looks whether the gate is shut. A writer shuts the gate and waits until all
 * places are empty. Either the reader sees the gate shut or the writer sees the reader inside:
 * between its store and its load each needs a full barrier. A reader's would keep the
 * processor from beginning the next read before this one is through, which costs more than the
 * read; so the writer has the kernel make it on all processors that run this process
 * (membarrier(2), a microsecond). Where the kernel has or allows no such call, both fence; a
 * process must not forbid it to itself later.
 *
 * Readers stay inside for a lookup, rarely for long; a writer polls, first yielding, then
 * sleeping for GATE_NAP_US, so that leaving costs readers one plain store. Writers take turns
 * by the gate's mutex, which a reader before a shut gate waits for, too.
 *
 * Both are embedded: init/release, join/part.
 */
#include "base/check.h"
#include <pthread.h>
#include <stdatomic.h>

#define GATE_LINE   128 /* neighbouring lines are fetched in pairs */
#define GATE_YIELDS 100
#define GATE_NAP_US 20

struct gate_place {
	_Alignas(GATE_LINE) atomic_bool inside; /* stored by its owner only */
	unsigned depth;				/* the owner's: gate_enter may be nested */
	struct gate_place *next, **link;	/* by the gate's mutex */
};

struct gate {
	_Alignas(GATE_LINE) atomic_bool shut;
	bool fenced; /* readers fence for themselves; from gate_init on */
	_Alignas(GATE_LINE) pthread_mutex_t mutex;
	struct gate_place *places;
};

void gate_init(struct gate *gate);
void gate_release(struct gate *gate); /* no place may be left */
void gate_join(struct gate *gate, struct gate_place *place);
void gate_part(struct gate *gate, struct gate_place *place); /* not from inside */

/* Waits until the gate opens, and is inside. */
void gate_enter_slowly(struct gate *gate, struct gate_place *place);

/* True: it came from outside. */
static inline bool gate_enter(struct gate *gate, struct gate_place *place)
{
	if (place->depth++ > 0)
		return false;
	if (gate->fenced) {
		atomic_store(&place->inside, true);
	} else {
		atomic_store_explicit(&place->inside, true, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
	}
	if (atomic_load(&gate->shut))
		gate_enter_slowly(gate, place);
	return true;
}

static inline void gate_leave(struct gate_place *place)
{
	if (--place->depth == 0)
		atomic_store_explicit(&place->inside, false, memory_order_release);
}

/* The caller is not inside by any place: it would wait for itself. own: its place, which nobody
 * else uses meanwhile; NULL: it has none. */
void gate_shut(struct gate *gate, const struct gate_place *own);
void gate_open(struct gate *gate);
