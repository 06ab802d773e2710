/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The last errors, in one line each: what a person looks for first when something is wrong.
 *
 * Of the process, any thread; a lock is taken where something has gone wrong already. A line
 * that is the same as the last one is counted with it, so that one fault does not push out
 * the others. Lines hold no secret: whoever writes one uses texts that clients may see.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define RECENT_LINES	  16
#define RECENT_LINE_BYTES 320

struct recent_line {
	int64_t at_s;	/* when it came last, in seconds since 1970 */
	uint64_t times; /* in a row */
	char text[RECENT_LINE_BYTES];
};

/* Longer texts are cut. */
void recent_add(const char *format, ...) PRINTF_LIKE(1, 2);
/* Copies at most max lines, the newest first; returns how many. */
size_t recent_copy(struct recent_line *out, size_t max);
