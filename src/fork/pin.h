/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Pinning: which block the fork stands on (fork.h, fork_pin), on the fork thread.
 *
 * In turn: probe every upstream; take the first that can be reached, in order of
 * preference; resolve the block there; ask for what is final; check the block on the
 * others: that of the fork, or, of a fork that follows the chain, the highest final one,
 * which no reorganisation can take from them. What cannot be reached is passed over here and
 * checked before its first use (probe.h). A transient failure is repeated a few times, inside
 * PIN_DEADLINE_MS.
 */
#include "fork/fork.h"
#include "fork/probe.h"

#define PIN_DEADLINE_MS 30000

typedef void pin_fn(void *cookie, enum err err);
struct pin {
	bool running;
	struct fork *fork;
	struct fork_pin *out;
	struct err_detail *detail;
	pin_fn *fn;
	void *cookie;
	struct exchange exchange;
	struct loop_timer timer;
	struct upstream *first, *at;
	const char *method, *spec;
	char params[128];
	bool by_hash, by_number, follows;
	struct fork_block agreed; /* the upstreams must have it */
	uint64_t number;
	struct eth_bytes32 hash;
	unsigned tries;
	uint64_t until_us;
};

/* Starts; spec NULL: follow. spec, out and detail are borrowed until fn has run. ERR_INVALID:
 * spec names no block; fn never runs. */
enum err pin_start(struct fork *fork, const char *spec, struct fork_pin *out,
		   struct err_detail *detail, pin_fn *fn, void *cookie) WARN_UNUSED;
/* A probe has ended, one way or the other. */
void pin_probed(struct fork *fork);
void pin_cancel(struct fork *fork);
