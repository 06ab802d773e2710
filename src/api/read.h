/* SPDX-License-Identifier: MIT */
#pragma once
/* One read: tried, waited for, or noted. All functions of the header that read end here. */
#include "api/api_impl.h"

bool read_is_valid(const struct fc_read *read);
/* Whether it needs the state root of now first: proofs, and storage roots that are computed
 * here because something has been written. */
bool read_wants_root(struct fc_state *s, const struct fc_read *read);
/* Never waits. HIT: the results are in *read; MISS: needs say what is lacking; FAILED: fault.
 * needs NULL: a peek. storage_root: where it has been computed here, else NULL. */
enum lookup read_try(struct fc_state *s, struct fc_read *read,
		     const struct eth_bytes32 *storage_root, struct needs *needs,
		     struct fault *fault);

/* The functions below end a public call: the error's detail is the handle's. */

/* In the way of the handle: waits, or notes what it lacks. */
enum fc_err read_one(struct fc_state *s, struct fc_read *read);
/* The same of one that was tried already, with the handle's scratch as its needs. */
enum fc_err read_finish(struct fc_state *s, struct fc_read *read, enum lookup found,
			const struct fault *fault);
/* Waits, whatever the way of the handle. */
enum fc_err read_wait(struct fc_state *s, struct fc_read *read);
enum fc_err read_peek(struct fc_state *s, struct fc_read *read);

void account_fill(struct fc_account *out, uint32_t mask, const struct account_state *got);
/* Takes a reference; NULL: code of no bytes. */
struct fc_code *code_new(struct blob *blob);
