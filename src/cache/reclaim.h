/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * When what was removed from a shared structure can be freed: epochs.
 *
 * Readers walk without locks, between entering and parking. A writer unlinks an item, retires
 * it here, and frees it once every reader is parked or has entered since. No reader ever
 * waits for a writer, and a reader that never parks holds back everything retired since it
 * entered: the owner bounds that.
 *
 * The owner's lock guards reclaim_join, leave, retire, horizon and take. The readers' own
 * calls (enter, park) need none and belong to the reader's thread.
 *
 * Why it is right. The epoch is one above the stamp of the last retired item. A reader that
 * enters at an epoch above an item's stamp has acquired the unlinking before it, and cannot
 * meet the item again; the writer that finds a reader parked, or at such an epoch, has
 * acquired all that the reader did before it parked. A reader that enters stores its epoch
 * before it loads any link, and the writer stores the link before it loads the reader's
 * epoch: all four are sequentially consistent, so one of the two sees the other. Hence the
 * one duty of the owner: links are stored and loaded with memory_order_seq_cst.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in what is retired. */
struct reclaim_item {
	struct reclaim_item *next;
	uint64_t stamp;
};

struct reclaim_reader {
	_Atomic uint64_t seen; /* the epoch at which it entered; 0: parked */
	struct reclaim_reader *next;
};

struct reclaim {
	_Atomic uint64_t epoch;
	struct reclaim_reader *readers;
	struct reclaim_item *oldest, *newest; /* in the order of their stamps */
};

void reclaim_init(struct reclaim *reclaim);

/* Readers start parked. */
void reclaim_join(struct reclaim *reclaim, struct reclaim_reader *reader);
void reclaim_leave(struct reclaim *reclaim, struct reclaim_reader *reader);

/* Before the reader follows any link; cheap when it is awake. */
static inline void reclaim_enter(struct reclaim *reclaim, struct reclaim_reader *reader)
{
	if (atomic_load_explicit(&reader->seen, memory_order_relaxed) == 0)
		atomic_store(&reader->seen, atomic_load(&reclaim->epoch));
}

/* The reader holds nothing from before. */
void reclaim_park(struct reclaim_reader *reader);

/* The item has been unlinked. Borrows it until reclaim_take returns it. */
void reclaim_retire(struct reclaim *reclaim, struct reclaim_item *item);
/* What was stamped below the horizon can be freed. */
uint64_t reclaim_horizon(struct reclaim *reclaim);
/* The next item below the horizon, which the caller may free; NULL when there is none. */
struct reclaim_item *reclaim_take(struct reclaim *reclaim, uint64_t horizon);
