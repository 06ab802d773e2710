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
#include "base/trie_account.h"
#include "layers/layer.h"
#include "layers/state.h"

struct root_cache;
/* One a database, before its first handle; protected by a lock of its own. A handle that reads
 * what others do not (source_feed) has one of its own. */
enum err root_cache_new(struct db *db, struct root_cache **out) WARN_UNUSED;
void root_cache_free(struct root_cache **cache);

/* One a handle: its version of the tries. */
struct root_view;
enum err root_view_new(struct root_cache *cache, struct state *state,
		       struct root_view **out) WARN_UNUSED;
void root_view_free(struct root_view **view);

/* The root of the state at some moment between the first step and the last. */
struct root_job;
enum err root_job_new(struct root_view *view, struct root_job **out) WARN_UNUSED;
void root_job_free(struct root_job **job);
/* More than the root: an account, its proof, and a slot's (slot NULL: none).
 * Before the first step; *i names it afterwards. */
enum err root_job_ask(struct root_job *job, const struct eth_address *address,
		      const struct eth_bytes32 *slot, size_t *i) WARN_UNUSED;
/* HIT: *root. PENDING: fetch what root_job_needs says, then step again. FAILED: fault. It may
 * take seconds, when a key has to be ground. */
enum lookup root_step(struct root_job *job, struct eth_bytes32 *root, struct fault *fault);
/* All are NEED_PROOFs; borrowed until the next step. witness: debug_executionWitness, too; say
 * so to root_job_no_witness if there is none. */
const struct need *root_job_needs(const struct root_job *job, size_t *n, bool *witness);
void root_job_no_witness(struct root_job *job);
/* After HIT. What the account's leaf holds; false: there is none, and *account is empty. */
bool root_job_account(const struct root_job *job, size_t i, struct trie_account *account);
/* After HIT. The proof's nodes are given to emit: the account's, then the slot's, which begin
 * at *storage_at. */
enum err root_job_prove(struct root_job *job, size_t i, trie_emit_fn *emit, void *cookie,
			size_t *storage_at) WARN_UNUSED;
