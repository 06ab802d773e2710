/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The layer that a database's writes end in: published changes, seen by all handles.
 *
 * Over nothing it is a database in memory; with a file database behind it a database on disk;
 * over another layer the overlay of a fork. Handles publish whole overlays (overlay.h); what
 * is read without a pin is the newest.
 *
 * Readers and the publisher meet at a gate that costs a reader two stores of its own and no
 * lock: a view says that it is inside of a call; a publisher shuts the gate and waits until
 * all are outside. Publishers take turns.
 *
 * Snapshot isolation. Every publication has a sequence number. While transactions are open,
 * what each publication replaced is kept in a history (one map of old entries a publication),
 * and a view that is pinned at a sequence number reads through it. First committer wins: a
 * publication since a pin fails if one after the pin wrote the same account field, slot or
 * generation. The history ends with the last transaction that needs it. A pinned view must
 * not use caches that hold newer values: shared layers lie above all caches of what they
 * cover, and a cache over a shared layer passes pinned reads by (layer_view's pin).
 *
 * With a file behind: changes are held in memory until shared_flush, a durable publication,
 * SHARED_PENDING_MAX changes or the close write them in one batch; the file's reader of every
 * other view is rested by the publisher (filedb_reader_rest).
 */
#include "cache/filedb.h"
#include "layers/layer.h"
#include "layers/overlay.h"

#define SHARED_PENDING_MAX 100000 /* changes that wait for the file: some 10 MB */

/* Takes both, also on failure; either may be NULL. keep_empty: empty accounts exist until they
 * are deleted. */
enum err shared_new(struct layer *below, struct filedb *file, bool keep_empty,
		    struct layer **out) WARN_UNUSED;
/* Writes what waits for the file; the layer stays. */
enum err shared_flush(struct layer *layer, bool sync, struct err_detail *detail) WARN_UNUSED;

/* The views below are of a shared layer. */

/* A transaction begins: reads of this view are of now, until shared_unpin. */
enum err shared_pin(struct layer_view *view) WARN_UNUSED;
void shared_unpin(struct layer_view *view);
bool shared_is_pinned(struct layer_view *view);
/*
 * Publishes the overlay's changes as one: ERR_CONFLICT (the view is pinned, and another
 * publication since has written some of it; detail says what), ERR_NOMEM, ERR_IO, ERR_LIMIT:
 * nothing has changed. durable: written to the file, where there is one. The overlay is not
 * touched. A pinned view stays pinned.
 */
enum err shared_publish(struct layer_view *view, struct overlay *overlay, bool durable,
			struct err_detail *detail) WARN_UNUSED;
/* The number of the last publication, or of the pin. */
uint64_t shared_sequence(struct layer_view *view);

/* Is told of every account (slot NULL) and slot that a publication writes, with its sequence
 * number, on the publisher's thread while the gate is shut: it must be quick and call nothing
 * of the layers. wiped: the account's storage was. One listener; before the first view. */
typedef void shared_listen_fn(void *cookie, uint64_t sequence,
			      const struct eth_address *address, const struct eth_bytes32 *slot,
			      bool wiped);
void shared_listen(struct layer *layer, shared_listen_fn *fn, void *cookie);

/* The published changes, while the gate is open for this view: between the two calls nothing
 * is published. For dumps and roots; not nested. */
struct changes *shared_enter(struct layer_view *view);
void shared_leave(struct layer_view *view);
