/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The layer at the bottom of a fork: one block of a remote chain, through the same stack of
 * memory cache, disk cache and fork back end as the server's (stack.h).
 *
 * The source of a database is one block, pinned at the start. Each handle has a view with a
 * port of its own to the fork thread, and fetches by its own loop: source_fetch is the
 * asynchronous half of a read; what has landed is in the caches and, so that a small or
 * bypassed cache cannot make a read miss again, in the view's own table of fed values
 * (source_feed), which its owner clears when nothing is under way any more.
 *
 * With verify every account and slot is asked for with eth_getProof and checked against the
 * block's state root, code against its hash; what fails is a fault of the upstream that
 * answered, then ERR_CORRUPT, and is not kept; what was kept without being checked is not
 * believed. A NEED_PROOF is checked always. Nodes of proofs are kept for the state root
 * (source_node). What was proved is kept by root, too, and so known at every block at which
 * the account has that storage root: there one proof of the account, without slots, is enough.
 *
 * A view that forgets (layer.h) empties the memory of all. Walks list what the disk has of the
 * block, by block and by root.
 */
#include "base/secret.h"
#include "base/span.h"
#include "layers/layer.h"
#include <stdint.h>

struct source_config {
	struct secret *const *urls; /* none: offline */
	size_t urls_n;
	struct secret *const *headers;
	size_t headers_n;
	const char *block, *ca_file; /* block NULL: latest; offline: needed, no tag */
	const char *disk_folder;     /* NULL: no disk cache */
	uint64_t disk_bytes, chain_id;
	size_t memory_bytes;
	uint32_t timeout_ms, batch_items;
	bool verify, trust_dev;
};

struct source_block {
	uint64_t chain_id, number, timestamp;
	struct eth_bytes32 hash, state_root;
};

/* Blocks until the block is known. */
enum err source_new(const struct source_config *config, struct layer **out,
		    struct err_detail *detail) WARN_UNUSED;
void source_block(struct layer *layer, struct source_block *out);
struct source_stats {
	uint64_t requests, items, failures, round_trip_us;
};
void source_stats(struct layer *layer, struct source_stats *out);

/* How many questions a view may have in flight at the fork. */
#define SOURCE_IN_FLIGHT 16384

/* The views below are of a source: the bottom of a handle's views. */

struct source_op;
/* Runs once, on the loop's thread, never before source_fetch has returned. err OK: a try of
 * the same read hits now. */
typedef void source_done_fn(void *cookie, enum err err, const char *detail);
/* PENDING, or FAILED with fault (ERR_OFFLINE; ERR_LIMIT: too many in flight). Details say why,
 * not what was asked: the caller knows. An upstream's error object is told by its code only.
 * The need is copied; of more slots than one eth_getProof takes there are several, at once. */
enum lookup source_fetch(struct layer_view *view, const struct need *need, source_done_fn *done,
			 void *cookie, struct source_op **op, struct fault *fault);
/* done will not run; what comes is cached all the same. Accepts NULL; nulls. Operations that
 * are left when the view is freed are cancelled, and their pointers void. */
void source_cancel(struct source_op **op);

/* A value from the caller, as if the remote had said it, for this view only. code: a reference
 * is taken; NULL for none. ERR_UNSUPPORTED: NEED_PROOF; ERR_LIMIT, ERR_NOMEM. */
enum err source_feed(struct layer_view *view, const struct need *need,
		     const struct eth_bytes32 *value, struct blob *code) WARN_UNUSED;
void source_fed_clear(struct layer_view *view);

/* The RLP of a trie node that a proof has brought, by its hash (of any handle); false: not
 * known. Borrowed until the layer is freed. Any thread. */
bool source_node(struct layer *layer, const struct eth_bytes32 *hash, struct span *rlp);
/* debug_executionWitness of the block after the source's, where the upstream has it: its nodes
 * become known. ERR_UNSUPPORTED. Asynchronous as source_fetch. */
enum lookup source_fetch_witness(struct layer_view *view, source_done_fn *done, void *cookie,
				 struct source_op **op, struct fault *fault);
/* Slots by storage root; only of roots that were proved. */
enum lookup source_slot_by_root(struct layer_view *view, const struct eth_bytes32 *storage_root,
				const struct eth_bytes32 *slot, struct eth_bytes32 *value);
