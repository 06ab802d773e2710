/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an upstream was seen to do or not to do: a composite method, a form of parameter.
 *
 *   unknown   to be tried
 *   yes       it has answered so
 *   no        it has refused, or struck ABILITY_STRIKES times in a row; unknown again after
 *             a minute, twice as long after each refusal in a row, at most an hour
 *
 * Nothing is given up for good: behind one URL stand many machines, and they are replaced.
 */
#include <stdatomic.h>
#include <stdint.h>

enum capability { CAPABILITY_UNKNOWN, CAPABILITY_YES, CAPABILITY_NO };

/* Unusable answers in a row before it is taken for a refusal. */
#define ABILITY_STRIKES	    3
#define ABILITY_WAIT_MIN_US (UINT64_C(60) * 1000000)
#define ABILITY_WAIT_MAX_US (UINT64_C(3600) * 1000000)

struct ability {
	_Atomic(enum capability) state; /* any thread reads it */
	unsigned strikes;
	unsigned trials; /* requests in flight that try it while it is unknown */
	uint64_t wait_us, again_us;
};

void ability_seen(struct ability *ability);
void ability_refused(struct ability *ability, uint64_t now_us);
void ability_strike(struct ability *ability, uint64_t now_us);
/* Lets a refusal of long ago be tried again. */
void ability_renew(struct ability *ability, uint64_t now_us);
/* The longer wait after another refusal in a row; 0: the first. */
uint64_t ability_longer_us(uint64_t wait_us);
