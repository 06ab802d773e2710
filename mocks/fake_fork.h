/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The fork back end without a network: unit tests link it instead of src/fork/port.c.
 *
 * fork_ask queues the question; fake_fork_deliver answers all that are queued, in order, by
 * asking the test's answer function, hands each OK answer, and each error object of a call, to
 * on_answer as the real one does (after the check), and runs the callbacks. fork is any pointer
 * but NULL.
 */
#include "fork/fork.h"

/* Fills *answer (zeroed; err OK). A blob's reference is taken over. */
typedef void fake_fork_answer_fn(const struct fork_question *question,
				 struct fork_answer *answer);

/* It runs, or the test's answer does: tests that let allocations fail spare it. */
extern bool fake_fork_at_work;
void fake_fork_set(fake_fork_answer_fn *answer, fork_check_fn *check, fork_answer_fn *on_answer,
		   void *cookie);
/* Returns how many questions were answered. */
unsigned fake_fork_deliver(void);
/* The first that is queued; false: none is. */
bool fake_fork_deliver_one(void);
/* Questions asked since fake_fork_set. */
unsigned fake_fork_asked(void);
unsigned fake_fork_queued(void);
/* The next n fork_ask fail with ERR_LIMIT. */
void fake_fork_refuse(unsigned n);
/* So does the one after the next n. */
void fake_fork_refuse_after(unsigned n);
