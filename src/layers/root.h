/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The state root of a handle's view of the state (Yellow Paper 4.1, appendix D).
 *
 * Incremental: the trie of what is published is kept with the database (struct root_cache),
 * with the storage tries that were needed, as persistent nodes that all handles share; a
 * publication leaves a list of what it touched; only that is set and hashed again. A handle
 * keeps its own version for what its overlay holds, and goes on from it.
 *
 * Over a fork tries begin as unresolved nodes below the block's state root. What an edit needs
 * is fetched with eth_getProof: for each account that was written, with its written slots. A
 * deletion that collapses a branch needs the sibling that stays: it is looked for among the
 * keys that this database knows, then ground (base/grind.h), then in debug_executionWitness;
 * else ERR_UNSUPPORTED, and the detail names the prefix.
 *
 * A computation is a state machine that never waits: root_step returns HIT, PENDING with needs
 * to fetch, or FAILED.
 */
#include "base/trie.h"
#include "layers/state.h"

struct root_cache;
/* One a database; protected by a lock of its own. */
enum err root_cache_new(struct db *db, struct root_cache **out) WARN_UNUSED;
void root_cache_free(struct root_cache **cache);

/* One a handle: its version of the tries. */
struct root_view;
enum err root_view_new(struct root_cache *cache, struct state *state,
		       struct root_view **out) WARN_UNUSED;
void root_view_free(struct root_view **view);

struct root_job;
enum err root_job_new(struct root_view *view, struct root_job **out) WARN_UNUSED;
void root_job_free(struct root_job **job);
/* HIT: *root. PENDING: fetch what root_job_needs says (and the witness, if it wants that),
 * then step again. FAILED: fault. */
enum lookup root_step(struct root_job *job, struct eth_bytes32 *root, struct fault *fault);
const struct needs *root_job_needs(const struct root_job *job, bool *wants_witness);
