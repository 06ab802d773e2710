/* SPDX-License-Identifier: MIT */
#include "cache/reclaim.h"
#include "base/check.h"
#include <stddef.h>

void reclaim_init(struct reclaim *reclaim)
{
	atomic_init(&reclaim->epoch, 1);
	reclaim->readers = NULL;
	reclaim->oldest = reclaim->newest = NULL;
}

void reclaim_join(struct reclaim *reclaim, struct reclaim_reader *reader)
{
	atomic_init(&reader->seen, 0);
	reader->next = reclaim->readers;
	reclaim->readers = reader;
}

void reclaim_leave(struct reclaim *reclaim, struct reclaim_reader *reader)
{
	struct reclaim_reader **link = &reclaim->readers;
	while (*link != reader) {
		REQUIRE(*link);
		link = &(*link)->next;
	}
	*link = reader->next;
}

void reclaim_park(struct reclaim_reader *reader)
{
	atomic_store_explicit(&reader->seen, 0, memory_order_release);
}

void reclaim_retire(struct reclaim *reclaim, struct reclaim_item *item)
{
	item->next = NULL;
	item->stamp = atomic_fetch_add(&reclaim->epoch, 1);
	if (reclaim->newest)
		reclaim->newest->next = item;
	else
		reclaim->oldest = item;
	reclaim->newest = item;
}

uint64_t reclaim_horizon(struct reclaim *reclaim)
{
	uint64_t horizon = UINT64_MAX;
	for (struct reclaim_reader *r = reclaim->readers; r; r = r->next) {
		uint64_t seen = atomic_load(&r->seen);
		if (seen != 0 && seen < horizon)
			horizon = seen;
	}
	return horizon;
}

struct reclaim_item *reclaim_take(struct reclaim *reclaim, uint64_t horizon)
{
	struct reclaim_item *item = reclaim->oldest;
	if (!item || item->stamp >= horizon)
		return NULL;
	reclaim->oldest = item->next;
	if (!reclaim->oldest)
		reclaim->newest = NULL;
	return item;
}
