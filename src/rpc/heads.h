/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The head of a chain that is followed, and what is safe and final on it.
 *
 * On demand: a worker asks when a client needs a tag, or a block that is not final, and what
 * was last heard is older than max_age_us. A server without clients asks nothing. All
 * workers share what was heard (struct heads, under a lock that is taken when something new
 * was heard, never on a hit); each has a view of it that its requests hold on to, so that
 * one HTTP body sees one chain from its first call to its last.
 *
 * The published head never goes backwards. One that is lower, of a node that lags or of a
 * chain that was reorganised, is passed over until HEADS_HELD_US have gone by without a
 * higher one; then it is believed, and logged. An epoch is a time in which every head was
 * the child of the one before: the hashes of numbers below the head that were learned in it
 * stay true (stack_get_near). A reorganisation, or a head that nobody saw the parent of,
 * begins the next one, in which numbers above the finalized one are asked for again.
 *
 * What is final is heard at most every HEADS_FINALITY_US, together with a head; of a chain
 * without the tag it is what lies finality_depth below the lower one of the last two heads.
 *
 * struct heads: any thread. struct heads_view and waits: the worker's.
 */
#include "rpc/chain.h"
#include "rpc/params.h"

struct heads;
struct heads_view;

#define HEADS_AGE_US	  UINT64_C(1000000)
#define HEADS_HELD_US	  UINT64_C(30000000)
#define HEADS_FINALITY_US UINT64_C(60000000)
#define HEADS_TAGS	  3 /* TAG_LATEST, TAG_SAFE, TAG_FINALIZED */

/* chain is borrowed until heads_free; its finalized is kept here from now on. max_age_us: 0
 * asks for every body (a development node's clients expect to see what they just did). */
enum err heads_new(struct chain *chain, uint64_t max_age_us, struct heads **out) WARN_UNUSED;
void heads_free(struct heads **heads);
/* The head at start. */
void heads_begin(struct heads *heads, const struct head *head);
/* A copy of the published head. */
void heads_latest(struct heads *heads, struct head *out);
/* An upstream says that blocks up to number are final, which is never taken back: so are those
 * up to the published head, at most. Returns the number that counts. */
uint64_t heads_raise_finalized(struct heads *heads, uint64_t number);

/* What the tags meant at one time; immutable. */
struct heads_seen {
	struct head tags[HEADS_TAGS];
	unsigned refs;
};

enum err heads_view_new(struct heads *heads, struct stack_view *stack,
			struct heads_view **out) WARN_UNUSED;
/* Nobody may wait any more. */
void heads_view_free(struct heads_view **view);

/* Takes a reference to what the tag means now, if that is fresh; else NULL: wait for it. */
struct heads_seen *heads_see(struct heads_view *view, enum block_tag tag);
void heads_seen_put(struct heads_seen **seen);

/*
 * Waits for what the tags mean now; embedded in whoever waits. told runs once a tag, on the
 * worker's thread, never before heads_wait has returned: seen is a reference to be given
 * back, or NULL with the answer that failed. All who wait on a worker share one question.
 */
struct heads_wait;
typedef void heads_told_fn(struct heads_wait *wait, enum block_tag tag, struct heads_seen *seen,
			   const struct fork_answer *answer);
struct heads_wait {
	heads_told_fn *told;
	unsigned tags; /* a bit a tag */
	uint64_t serial;
	struct heads_wait *next, *prev;
};
/* Asks anew, or joins who waits on this worker; adds to what wait waits for already.
 * ERR_LIMIT, ERR_NOMEM: told does not run for the tags that could not be asked for, whose
 * bits are clear. */
enum err heads_wait(struct heads_view *view, struct heads_wait *wait,
		    unsigned tags) WARN_UNUSED;
/* Accepts one that does not wait. */
void heads_wait_cancel(struct heads_view *view, struct heads_wait *wait);
/* A block above the published head was seen: the next who asks shall hear it. */
void heads_outdated(struct heads_view *view);
