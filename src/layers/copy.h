/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Copies what one handle's state holds to the database of another: migration, backup, restore.
 *
 * Of a source (source.h) only what is cached is copied, and only fields that are known. What
 * the target holds besides stays. It goes in batches of COPY_BATCH writes: after an error what
 * was committed stays. The two are handles of different databases.
 */
#include "layers/state.h"

#define COPY_BATCH 10000 /* writes: some 2 MB of an overlay */

struct copy_progress {
	uint64_t accounts, slots, codes; /* so far; what two layers hold counts twice */
};
/* After each batch, and at the end; anything but OK ends the copy with that. */
typedef enum err copy_progress_fn(void *cookie, const struct copy_progress *progress);

enum err copy_state(struct state *from, struct state *to, copy_progress_fn *progress,
		    void *cookie, struct err_detail *detail) WARN_UNUSED;
