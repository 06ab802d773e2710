/* SPDX-License-Identifier: MIT */
#pragma once
/* What state.c, state_write.c and state_scope.c have in common. */
#include "layers/shared.h"
#include "layers/state.h"

struct snapshot {
	uint64_t id;
	overlay_mark mark;
};

struct state {
	struct db *db;
	struct layer_view *top, *writable, *source;
	struct layer_view *borrows; /* the topmost that may have something to give back */
	struct overlay *overlay;    /* empty while no scope is open */
	struct changes *own;	    /* the overlay's */

	uint64_t tx; /* 0: none */
	bool in_batch, batch_has_mark;
	overlay_mark batch_mark;    /* of a batch inside of a transaction */
	struct snapshot *snapshots; /* the oldest first: by rising id */
	size_t snapshots_n, snapshots_capacity;
};

static inline bool state_has_scope(const struct state *state)
{
	return state->snapshots_n > 0 || state->in_batch || state->tx;
}

/* Gives up all that is open, with what was written in it. */
void state_abandon(struct state *state);
