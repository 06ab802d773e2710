/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What happens to a flight when an attempt brought nothing.
 *
 * It goes to the next usable upstream at once. When all were tried, a round is over: the
 * flight waits 50 ms, doubling up to 2 s, with jitter, and starts again, until every
 * follower's deadline has passed (the class's row) or the rounds that the kind of failure
 * is worth are used up. An attempt is given a third of the class's deadline, so that an
 * upstream that hangs is left for another one, or asked again, inside it; a long call that
 * was cut off so is given all the rest (post.c).
 *
 * Where the best upstream there is has asked for more time than the flight has left
 * (Retry-After), it fails at once: nobody is asked before, and the client knows sooner.
 *
 * A question that may be sent only once (fork_question.once) has one attempt, with all of the
 * deadline; another upstream is tried only where the request certainly went to nobody.
 */
#include "fork/failure.h"
#include "fork/fork.h"

struct flight;
struct upstream;

uint32_t retry_deadline_ms(const struct fork *fork, enum fork_class class);
uint32_t retry_attempt_ms(const struct fork *fork, enum fork_class class);

/* Delay of the nth wait (from 1), between half and the whole of the step. */
uint64_t retry_backoff_us(unsigned n, uint32_t jitter);

/* Gives the flight to an upstream's plan. */
void retry_dispatch(struct flight *flight);
/* An attempt at upstream has failed: fail over, wait, or give up. Consumes the flight. */
void retry_flight(struct flight *flight, struct upstream *upstream,
		  const struct failure *failure);
/* The line for a person: who was asked, for how long, what happened last. */
void retry_detail(const struct flight *flight, uint64_t waited_us, struct err_detail *detail);
/* The cause that goes with it. */
enum err retry_err(const struct flight *flight);
