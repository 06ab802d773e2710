/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether what a handle's state holds fits together: checksums of records, code against its
 * hash, accounts whose code is lost, storage without an account.
 *
 * A record that fails its checksum ends the walk of its layer: what lies behind it in the file
 * is not looked at. Over a source nothing is missed that is merely not cached,
 * and what it holds in memory only is not looked at.
 */
#include "layers/state.h"

/* One finding: what is wrong, in words. */
typedef void verify_finding_fn(void *cookie, enum err err, const char *what);

/* OK: nothing was found. ERR_CORRUPT: finding was called, once or more often; other errors:
 * it could not be looked at, and detail says why. */
enum err verify_state(struct state *state, verify_finding_fn *finding, void *cookie,
		      struct err_detail *detail) WARN_UNUSED;
