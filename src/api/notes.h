/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What reads of a resumable handle have missed: each need once, in the order of asking, until
 * it is fetched, fed or dropped. Embedded; zeroed memory is an empty list; one thread.
 */
#include "api/need_map.h"
#include "forkcache.h"

struct note {
	struct need_node node;
	struct note *next, *prev;
};
struct notes {
	struct need_map map;
	struct note *first, *last;
	struct fc_need *rows; /* room for all, filled when somebody looks */
	size_t capacity;
	bool stale; /* rows are not what the list says */
};

void notes_clear(struct notes *notes); /* gives the memory back */
/* Already there: OK. ERR_NOMEM, ERR_LIMIT (NEEDS_MAX). */
enum err notes_add(struct notes *notes, const struct need *need) WARN_UNUSED;
/* If it is there. */
void notes_remove(struct notes *notes, const struct need *need);
/* Borrowed until the next change. */
const struct fc_need *notes_rows(struct notes *notes, size_t *n);
