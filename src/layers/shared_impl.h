/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the shared layer have in common: shared.c, shared_read.c, shared_publish.c,
 * shared_file.c, shared_walk.c. */
#include "layers/gate.h"
#include "layers/history.h"
#include "layers/shared.h"

/* What one publication consists of: written by the publisher, and where it goes. */
struct account_row {
	struct change_account *from, *to;
	struct filedb_account before; /* with a file: all that the layer knew */
	size_t slots_n;		      /* how many rows of slots are its own */
};
struct slot_row {
	struct change_slot *from, *to;
};
struct rows {
	struct account_row *accounts;
	struct slot_row *slots;
	size_t accounts_n, slots_n, accounts_capacity, slots_capacity;
};

struct shared_view;
struct shared {
	struct layer layer;
	struct filedb *file;	      /* owned; NULL: none */
	struct filedb_reader *reader; /* the publisher's */
	bool keep_empty;

	/* Read from inside the gate or under turn; written with both. */
	struct changes *changes;
	struct history history;
	uint64_t sequence;
	bool committing; /* the file: a reader without a snapshot of it waits */

	pthread_mutex_t turn; /* of publishers, pins, and for what follows */
	struct shared_view *views;
	struct shared_view *first_pin, *last_pin; /* in the order of their numbers */
	struct rows rows;
	size_t pending;	  /* changes that the file does not have, at most */
	bool has_garbage; /* slots of old generations in the file */
	struct shared_listener *listeners;

	struct gate gate;
};

/* Generations of accounts in the file, as of the view's snapshot. */
#define GENERATIONS 64
struct known_generation {
	struct eth_address address;
	uint32_t generation, snapshot;
};

struct shared_view {
	struct layer_view view;
	struct filedb_reader *reader;
	uint32_t snapshot; /* numbers the snapshots, from 1; 0 is none */
	bool reading;	   /* the reader has a snapshot */
	bool pinned;
	uint64_t pin;
	struct shared_view *next, **link;	 /* by turn */
	struct shared_view *next_pin, *prev_pin; /* by turn */
	struct known_generation generations[GENERATIONS];
	struct gate_place place;
};

static inline struct shared *shared_of(const struct layer_view *view)
{
	return (struct shared *)view->layer;
}

static inline struct shared_view *shared_view_of(struct layer_view *view)
{
	return (struct shared_view *)view;
}

void shared_wait_for_file(struct shared *shared, struct shared_view *view);

static inline void shared_go_in(struct shared *shared, struct shared_view *view)
{
	if (gate_enter(&shared->gate, &view->place) && shared->committing && !view->reading)
		shared_wait_for_file(shared, view);
}

/* All of what file and memory say together of an account; mask 0 and generation 0: nothing. */
void shared_merge(struct filedb_account *record, const struct change_account *entry);

/* shared_read.c */
enum lookup shared_account(struct layer_view *view, const struct eth_address *address,
			   unsigned wanted, struct account_state *out, struct needs *needs,
			   struct fault *fault);
enum lookup shared_slot(struct layer_view *view, const struct eth_address *address,
			const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			struct needs *needs, struct fault *fault);
enum lookup shared_code(struct layer_view *view, const struct eth_address *address,
			struct blob **code, struct needs *needs, struct fault *fault);
enum lookup shared_code_by_hash(struct layer_view *view, const struct eth_bytes32 *code_hash,
				struct blob **code, struct fault *fault);
/* What this layer says of a slot, from inside; MISS: nothing, see below. */
enum lookup shared_local_slot(struct shared_view *view, const struct eth_address *address,
			      const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			      struct fault *fault);
/* The same of an account: at least what it has of wanted. MISS: nothing was ever written. */
enum lookup shared_local_account(struct shared_view *view, const struct eth_address *address,
				 unsigned wanted, struct filedb_account *record,
				 struct fault *fault);

/* shared.c: under turn, the gate open; v: of the caller, outside. What nobody needs any more,
 * to be freed later. */
struct history_record *shared_drop_history(struct shared *shared, const struct shared_view *v);
void shared_unlink_pin(struct shared *shared, struct shared_view *view);
void shared_link_pin(struct shared *shared, struct shared_view *view);

/* shared_file.c: under turn */
/* Writes what waits, and the rows (NULL: none) after it, to the file, and leaves the gate shut
 * with a new, empty shared->changes; the caller opens it. The old one is *old, to be freed
 * then. An error: the gate is open, nothing has changed. */
enum err shared_write(struct shared *shared, const struct rows *rows, struct changes **old,
		      struct err_detail *detail) WARN_UNUSED;
enum err shared_read_before(struct shared *shared, const struct eth_address *address,
			    struct filedb_account *record,
			    struct err_detail *detail) WARN_UNUSED;
void shared_sweep(struct shared *shared);

/* shared_walk.c */
enum err shared_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail);
enum err shared_walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *walk, void *cookie, bool *through,
			   struct err_detail *detail);
