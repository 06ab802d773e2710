/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bounded cache in memory over any layer, with its own bound and statistics for accounts,
 * slots and code. (Over a fork use the caches of the fork's own stack: source.h.)
 *
 * What it holds is what the layer below says now. A layer below that is written to says so:
 * cached_changed is called by the publisher while no view is inside of a call. Reads of a
 * pinned view pass it by.
 */
#include "layers/layer.h"
#include "layers/overlay.h"

struct cached_config {
	size_t accounts_bytes, slots_bytes, code_bytes;
};

/* Takes below, also on failure. */
enum err cached_new(struct layer *below, const struct cached_config *config,
		    struct layer **out) WARN_UNUSED;
