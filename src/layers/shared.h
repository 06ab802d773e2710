/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The layer that a database's writes end in: published changes, seen by all handles.
 *
 * Over nothing it is a database in memory; with a file database behind it a database on disk;
 * over another layer the overlay of a fork. Handles publish whole overlays (overlay.h), or one
 * account's writes; what is read without a pin is the newest.
 *
 * Readers and the publisher meet at a gate (gate.h) that costs a reader two stores of its own
 * and no lock. Every call of a layer is inside of it, so that a publication is seen whole or
 * not at all. Publishers take turns.
 *
 * Snapshot isolation. Every publication has a sequence number. While transactions are open,
 * what each publication replaced is kept in a history (history.h), and a view that is pinned at
 * a sequence number reads through it. First committer wins: a publication from a pinned view
 * fails if one after the pin wrote the same account field (balance, nonce, code; whether the
 * account is there, if they do not agree) or the same slot. Wiping a storage, which destroying
 * an account does, is in conflict with every write of that account's slots and with another
 * wipe. Values do not count: writing what was there is a write. The history ends with the last
 * transaction that needs it.
 *
 * Caches lie above a shared layer or below. Those below cover what it does not change; one
 * above listens to its publications, and pinned reads pass it by (cached.h).
 *
 * With a file behind, publications stay in memory until shared_flush, a durable publication,
 * SHARED_PENDING_MAX changes or the end write them in one batch. A view's snapshot of the file
 * stays open from call to call; whoever has written the file gives all of them back. Readers
 * wait for a file's commit only if they have no snapshot. A wipe leaves slots in the file that
 * are removed after later commits, when nobody is pinned.
 */
#include "cache/filedb.h"
#include "layers/layer.h"
#include "layers/overlay.h"

#define SHARED_PENDING_MAX 100000 /* changes that wait for the file: some 12 MB */
#define SHARED_SWEEP_SLOTS 10000  /* are removed after a commit, at most */

/* Takes both, also on failure; either may be NULL. keep_empty: empty accounts exist until they
 * are deleted. */
enum err shared_new(struct layer *below, struct filedb *file, bool keep_empty,
		    struct layer **out) WARN_UNUSED;
bool shared_is(const struct layer *layer);
bool shared_has_file(const struct layer *layer);
/* Writes what waits for the file; the layer stays. sync: and waits for the platter. */
enum err shared_flush(struct layer *layer, bool sync, struct err_detail *detail) WARN_UNUSED;

/* The state root of this publication goes into the file, unless there is none or something has
 * been published since. */
enum err shared_store_root(struct layer_view *view, uint64_t sequence,
			   const struct eth_bytes32 *root,
			   struct err_detail *detail) WARN_UNUSED;
/* HIT: *root is what was stored for the state that the file holds, nothing waits for it, and it
 * is the state that the view sees (if it is pinned: else for as long as nothing is published).
 * FAILED: *fault. */
enum lookup shared_stored_root(struct layer_view *view, struct eth_bytes32 *root,
			       struct fault *fault);

/* Called for each account of a publication with its sequence number, while all views are
 * outside, under the publisher's lock: quick, and no calls of layers. The entry is the
 * publisher's: fields of its mask were written, slots that hold (change_slot_holds) too; a
 * generation above 0: the storage was wiped before. Embedded in the listener; any number. */
struct shared_listener {
	void (*changed)(void *cookie, uint64_t sequence, const struct change_account *account);
	void *cookie;
	struct shared_listener *next;
};
void shared_listen(struct layer *layer, struct shared_listener *listener);
/* When it returns the listener is not running. Who lives as long as the layer need not. */
void shared_unlisten(struct layer *layer, struct shared_listener *listener);

/* The views below are of a shared layer. */

/* A transaction begins: reads of this view are of now, until shared_unpin. */
enum err shared_pin(struct layer_view *view) WARN_UNUSED;
void shared_unpin(struct layer_view *view);
bool shared_is_pinned(const struct layer_view *view);
/*
 * Publishes the overlay's changes as one: ERR_CONFLICT (the view is pinned, and another
 * publication since has written some of it; detail says what), ERR_NOMEM, ERR_IO, ERR_LIMIT,
 * ERR_CORRUPT: nothing has changed. durable: written to the file, where there is one, with all
 * that was published before. The overlay is not touched. A pinned view is pinned at its own
 * publication afterwards.
 */
enum err shared_publish(struct layer_view *view, struct overlay *overlay, bool durable,
			struct err_detail *detail) WARN_UNUSED;
/* The same for the writes of one account, in an entry of the caller's making (zeroed but for
 * address; slots by next, with account set). code: of fields.code_hash, borrowed. */
enum err shared_publish_one(struct layer_view *view, struct change_account *account,
			    struct err_detail *detail) WARN_UNUSED;
/* The number of the last publication, or of the pin. */
uint64_t shared_sequence(struct layer_view *view);
/* That of the last publication in any case. From inside (shared_enter). */
uint64_t shared_newest(const struct layer_view *view);

/* The published changes (with a file only what waits for it); between the two calls nothing is
 * published, and so nobody may publish on this thread. Any number of times in each other. */
struct changes *shared_enter(struct layer_view *view);
void shared_leave(struct layer_view *view);
