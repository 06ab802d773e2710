/* SPDX-License-Identifier: MIT */
#include "fork/ability.h"

void ability_seen(struct ability *ability)
{
	ability->state = CAPABILITY_YES;
	ability->strikes = 0;
	ability->wait_us = 0;
}

uint64_t ability_longer_us(uint64_t wait_us)
{
	if (wait_us < ABILITY_WAIT_MIN_US)
		return ABILITY_WAIT_MIN_US;
	return wait_us < ABILITY_WAIT_MAX_US / 2 ? 2 * wait_us : ABILITY_WAIT_MAX_US;
}

void ability_refused(struct ability *ability, uint64_t now_us)
{
	/* Several requests that are refused together are one refusal. */
	if (ability->state == CAPABILITY_NO)
		return;
	ability->state = CAPABILITY_NO;
	ability->wait_us = ability_longer_us(ability->wait_us);
	ability->again_us = now_us + ability->wait_us;
}

void ability_strike(struct ability *ability, uint64_t now_us)
{
	if (++ability->strikes >= ABILITY_STRIKES)
		ability_refused(ability, now_us);
}

void ability_renew(struct ability *ability, uint64_t now_us)
{
	if (ability->state != CAPABILITY_NO || now_us < ability->again_us)
		return;
	ability->state = CAPABILITY_UNKNOWN;
	/* One more is then enough: what it costs is paid by a client that waits. */
	ability->strikes = ABILITY_STRIKES - 1;
}
