/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A token bucket: how many JSON-RPC requests may be sent now, so that a provider's limit is
 * kept before it says 429. Each request of a batch is one, as providers count them.
 *
 * It holds a quarter of a second's worth, at least one: a limit "per second" may be counted in
 * whole seconds, of which two quarters can meet in one. What is spent beyond it is owed, and
 * waited for. Kept as the time at which the bucket will be full again (GCRA, ITU-T I.371), so
 * that nothing needs a timer of its own.
 *
 * It belongs to its owner's thread.
 */
#include <stddef.h>
#include <stdint.h>

struct budget {
	uint64_t interval_ns; /* of one token; 0: no limit */
	uint64_t full_ns;     /* when it is full again */
};

/* Full. per_second 0: no limit. */
void budget_init(struct budget *budget, uint32_t per_second);
/* Tokens that may be spent now; SIZE_MAX without a limit. */
size_t budget_tokens(const struct budget *budget, uint64_t now_us);
void budget_spend(struct budget *budget, uint64_t now_us, size_t tokens);
/* Until there is a token; 0: there is. */
uint64_t budget_wait_us(const struct budget *budget, uint64_t now_us);
