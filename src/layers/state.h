/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One handle on a state database: reads through its own overlay and the layers below, writes,
 * snapshots, batches, transactions. It never waits: what misses is in needs.
 *
 * Outside of everything a write is published at once (one change, not yet on the disk).
 * Inside of a batch, a snapshot or a transaction writes stay in the handle's overlay, and are
 * published, as one, when the outermost of them is committed:
 *
 *     transaction > batch > snapshots        (> : may contain)
 *
 * A snapshot taken outside of all of them opens the scope by itself. A failed commit of a
 * transaction ends it, with nothing published; a failed commit of a batch or snapshot leaves
 * it open.
 *
 * One thread at a time; handles of one database may be used at the same time by several.
 */
#include "layers/layer.h"
#include "layers/overlay.h"

/* A database: its layers. writable: the topmost shared layer, NULL when there is none; source:
 * the bottom, NULL when there is none. */
struct db {
	struct layer *top, *writable, *source;
	bool keep_empty;
	const char *read_only_why; /* "a fork takes no writes: put overlay:// above it" */
};

struct state;

enum err state_new(struct db *db, struct loop *loop, struct state **out,
		   struct err_detail *detail) WARN_UNUSED;
void state_free(struct state **state); /* rolls back what is open */
struct layer_view *state_top_view(struct state *state);
struct layer_view *state_writable_view(struct state *state); /* NULL: none */
struct layer_view *state_source_view(struct state *state);   /* NULL: none */
struct overlay *state_overlay(struct state *state);
/* End of a call: layers give back what is borrowed. */
void state_rest(struct state *state);

/* Reads; needs NULL: a peek. wanted: no ACCOUNT_STORAGE_ROOT (root.h). With
 * ACCOUNT_EXISTENCE *out says whether it is there, by EIP-161 or as kept. */
enum lookup state_account(struct state *state, const struct eth_address *address,
			  unsigned wanted, struct account_state *out, struct needs *needs,
			  struct fault *fault);
enum lookup state_slot(struct state *state, const struct eth_address *address,
		       const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		       struct needs *needs, struct fault *fault);
enum lookup state_code(struct state *state, const struct eth_address *address,
		       struct blob **code, struct needs *needs, struct fault *fault);
enum lookup state_code_by_hash(struct state *state, const struct eth_bytes32 *code_hash,
			       struct blob **code, struct fault *fault);

/* Writes: ERR_UNSUPPORTED when the database takes none, ERR_NOMEM, ERR_IO, ERR_NOT_FOUND (a
 * code hash that nobody here knows). */
enum err state_set_account(struct state *state, const struct eth_address *address,
			   const struct account_fields *fields,
			   struct err_detail *detail) WARN_UNUSED;
/* code NULL: no code. */
enum err state_set_code(struct state *state, const struct eth_address *address,
			struct blob *code, struct err_detail *detail) WARN_UNUSED;
enum err state_set_slot(struct state *state, const struct eth_address *address,
			const struct eth_bytes32 *slot, const struct eth_bytes32 *value,
			struct err_detail *detail) WARN_UNUSED;
enum err state_destroy(struct state *state, const struct eth_address *address,
		       struct err_detail *detail) WARN_UNUSED;
enum err state_wipe(struct state *state, const struct eth_address *address,
		    struct err_detail *detail) WARN_UNUSED;

/* Snapshots. ERR_NOT_FOUND: unknown, or dropped. Ids are never 0, never reused. */
enum err state_snapshot(struct state *state, uint64_t *id,
			struct err_detail *detail) WARN_UNUSED;
enum err state_revert(struct state *state, uint64_t id, struct err_detail *detail) WARN_UNUSED;
enum err state_snapshot_commit(struct state *state, uint64_t id,
			       struct err_detail *detail) WARN_UNUSED;
/* Batches. ERR_INVALID: not allowed now, and why. */
enum err state_batch_begin(struct state *state, struct err_detail *detail) WARN_UNUSED;
enum err state_batch_commit(struct state *state, struct err_detail *detail) WARN_UNUSED;
enum err state_batch_rollback(struct state *state, struct err_detail *detail) WARN_UNUSED;
/* Transactions. ERR_INVALID: not allowed now, finished or unknown; ERR_CONFLICT. */
enum err state_tx_begin(struct state *state, uint64_t *tx,
			struct err_detail *detail) WARN_UNUSED;
enum err state_tx_commit(struct state *state, uint64_t tx,
			 struct err_detail *detail) WARN_UNUSED;
enum err state_tx_rollback(struct state *state, uint64_t tx,
			   struct err_detail *detail) WARN_UNUSED;
/* Publishes everything and ends snapshots and batch. ERR_INVALID inside of a transaction. */
enum err state_publish(struct state *state, bool durable,
		       struct err_detail *detail) WARN_UNUSED;
