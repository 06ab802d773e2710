/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A bounded cache in memory over any layer, with its own bound and statistics for accounts,
 * slots and code. (Over a fork use the caches of the fork's own stack: source.h.)
 *
 * What it holds is what the layer below says now: values, empty ones too, never a MISS. The
 * shared layer below, if there is one, tells it what is published while nobody reads
 * (shared_listen): the values that were written take the place of those that are here; a wiped
 * storage raises an epoch, which is part of the keys of slots, so that what was is not found
 * any more (one for each of CACHED_EPOCHS groups of accounts: a wipe empties its group). A
 * read is inside of that layer's gate from the look here to the put, so that nothing old comes
 * after something new, and a publication is seen whole. Reads of a pinned view pass it by.
 *
 * An account's fields are cells of their own, and counted so in the statistics.
 */
#include "layers/layer.h"

#define CACHED_EPOCHS	 4096
#define CACHED_MIN_BYTES ((size_t)512 << 10) /* of each kind; less becomes this */

struct cached_config {
	size_t accounts_bytes, slots_bytes, code_bytes;
};

/* Takes below, also on failure. */
enum err cached_new(struct layer *below, const struct cached_config *config,
		    struct layer **out) WARN_UNUSED;
bool cached_is(const struct layer *layer);
/* Whether reads of this view pass it by: what they find is for this view only. */
void cached_pass_by(struct layer_view *view, bool passes);
