/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every layer of a state database offers, and what a read lacks when it misses.
 *
 * A struct layer is shared by all handles of a database; a struct layer_view is one handle's
 * way into it and into all layers below (each view owns the view below it). A read is a try
 * that never waits: HIT, possibly empty; MISS, and what has to be fetched has been added to
 * needs; FAILED, and fault says why. Only the source at the bottom (source.h) can miss: a
 * database in memory or in a file knows that what it does not hold is empty.
 *
 * Two layers are written to (shared.h); the topmost of them takes a database's writes.
 */
#include "base/blob.h"
#include "base/err.h"
#include "layers/changes.h"

/* What a read lacks. A proof brings balance, nonce, code hash and storage root of an account,
 * and the slots asked for with it. */
enum need_kind { NEED_BALANCE, NEED_NONCE, NEED_CODE, NEED_SLOT, NEED_PROOF };
struct need {
	enum need_kind kind;
	struct eth_address address;
	struct eth_bytes32 slot;	 /* NEED_SLOT */
	const struct eth_bytes32 *slots; /* NEED_PROOF: any number; borrowed for the call */
	size_t slots_n;
};

/* A set of needs in the order of asking (proofs without slots). Embedded; zeroed memory is an
 * empty one. */
#define NEEDS_MAX ((size_t)1 << 20) /* as many as a resumable run may note */
struct needs {
	struct need *rows;
	size_t n, capacity;
	uint32_t *index; /* open addressing over rows, +1 */
	size_t index_size;
};
/* ERR_NOMEM, ERR_LIMIT. What is in it already is not added again. */
enum err needs_add(struct needs *needs, const struct need *need) WARN_UNUSED;
bool needs_have(const struct needs *needs, const struct need *need);
void needs_clear(struct needs *needs); /* keeps the memory */
void needs_release(struct needs *needs);

struct fault {
	enum err err;
	struct err_detail detail;
};

/* mask says which fields are known; exists is with ACCOUNT_EXISTENCE. */
struct account_state {
	struct account_fields fields;
	bool exists;
};

struct layer;
struct layer_view;
struct loop;

/* All that a layer holds, as the view sees it: each account (its mask may be 0), then its
 * slots; code at any time. What two layers hold may come twice: the later one is the newer. */
struct layer_walk {
	bool written_only; /* not what a source has cached */
	enum err (*account)(void *cookie, const struct eth_address *address,
			    const struct account_state *account);
	enum err (*slot)(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
	enum err (*code)(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code);
};

struct layer_cache_stats {
	uint64_t hits, misses, evicted, bytes, capacity_bytes;
};
struct layer_stats {
	struct layer_cache_stats accounts, slots, code, disk;
};

struct layer_ops {
	const char *name; /* "overlay", for details */
	enum err (*view_new)(struct layer *layer, struct loop *loop, struct layer_view **out,
			     struct err_detail *detail);
	void (*view_free)(struct layer_view **view);
	/* Fills the fields of wanted (never ACCOUNT_STORAGE_ROOT but from a source). needs
	 * NULL: a peek. A FAILED read fills *fault. */
	enum lookup (*account)(struct layer_view *view, const struct eth_address *address,
			       unsigned wanted, struct account_state *out, struct needs *needs,
			       struct fault *fault);
	enum lookup (*slot)(struct layer_view *view, const struct eth_address *address,
			    const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			    struct needs *needs, struct fault *fault);
	/* *code: one reference, or NULL for code of no bytes. */
	enum lookup (*code)(struct layer_view *view, const struct eth_address *address,
			    struct blob **code, struct needs *needs, struct fault *fault);
	/* MISS: nobody here has it; it cannot be fetched. */
	enum lookup (*code_by_hash)(struct layer_view *view,
				    const struct eth_bytes32 *code_hash, struct blob **code,
				    struct fault *fault);
	/* End of a call of the handle: gives back what is borrowed (cheap when nothing is). */
	void (*rest)(struct layer_view *view);
	/* What it and the layers below hold; ends early with what a function returns. */
	enum err (*walk)(struct layer_view *view, const struct layer_walk *walk, void *cookie,
			 struct err_detail *detail);
	/* The slots of one account, in the same way; no source's. *through: what the source
	 * says of other slots holds; false: they are zero. */
	enum err (*walk_slots)(struct layer_view *view, const struct eth_address *address,
			       const struct layer_walk *walk, void *cookie, bool *through,
			       struct err_detail *detail);
	/* Forgets what a cache holds in memory, here and below. */
	void (*forget)(struct layer_view *view);
	/* Adds its own and those below. */
	void (*stats)(struct layer *layer, struct layer_stats *stats);
	/* Frees the layers below, too. All views must be gone. */
	void (*free)(struct layer **layer);
};

/* Embedded first in every layer and view. */
struct layer {
	const struct layer_ops *ops;
	struct layer *below; /* owned; NULL at the bottom */
};
struct layer_view {
	struct layer *layer;
	struct layer_view *below; /* owned */
};

static inline enum lookup layer_account(struct layer_view *view,
					const struct eth_address *address, unsigned wanted,
					struct account_state *out, struct needs *needs,
					struct fault *fault)
{
	return view->layer->ops->account(view, address, wanted, out, needs, fault);
}
static inline enum lookup layer_slot(struct layer_view *view, const struct eth_address *address,
				     const struct eth_bytes32 *slot, struct eth_bytes32 *value,
				     struct needs *needs, struct fault *fault)
{
	return view->layer->ops->slot(view, address, slot, value, needs, fault);
}
static inline enum lookup layer_code(struct layer_view *view, const struct eth_address *address,
				     struct blob **code, struct needs *needs,
				     struct fault *fault)
{
	return view->layer->ops->code(view, address, code, needs, fault);
}
static inline enum lookup layer_code_by_hash(struct layer_view *view,
					     const struct eth_bytes32 *code_hash,
					     struct blob **code, struct fault *fault)
{
	return view->layer->ops->code_by_hash(view, code_hash, code, fault);
}
