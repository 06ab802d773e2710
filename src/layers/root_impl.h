/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of root.h share.
 *
 * A version of the state is an account trie, and the storage tries that were touched on the way
 * to it. A step makes the published version (root_cache.c: from the last one and what was
 * touched since), then the handle's on top of it (root.c: from its overlay). Both are made by
 * edits (root_edit.c): which accounts and slots may have changed; what they are now is read
 * through the layers. What cannot be edited for lack of a node becomes a need; the step goes on
 * with the rest, so that one round fetches all, and is done again from the beginning.
 */
#include "layers/root.h"
#include "layers/shared.h"
#include "layers/source.h"
#include "layers/storages.h"
#include "layers/touched.h"
#include <pthread.h>

struct root_cache {
	pthread_mutex_t lock; /* of all below */
	struct db *db;
	bool built, listens, lost;
	uint64_t sequence;
	uint64_t since; /* publications after this one are heard */
	struct trie_node *accounts;
	struct trie_node
		*origin; /* the source's block's, unresolved; NULL: none. Never edited */
	struct storages storages;
	struct touched touched; /* since sequence */
	struct shared_listener listener;
};

/* A handle's last version. base: the published one that it stands on. */
struct root_view {
	struct root_cache *cache;
	struct state *state;
	bool valid;
	uint64_t base, clears; /* clears: of the overlay's changes */
	struct trie_node *accounts;
	struct storages own;
};

struct root_ask {
	struct eth_address address;
	bool has_slot;
	struct eth_bytes32 slot;
	bool found; /* else account is the empty one */
	struct trie_account account;
	struct trie_node *storage;
};

struct root_job {
	struct root_view *view;
	struct root_ask *asks;
	size_t asks_n;
	/* What this step lacks; the same as needs; all that earlier steps have asked for. */
	struct touched lacks, fetched;
	struct need *needs;
	size_t needs_n;
	struct eth_bytes32 *slots;
	bool wants_witness, witness_asked, no_witness;
	struct trie_node *accounts; /* after HIT, for proofs */
};

/* A version that is being made. */
struct work {
	struct root_job *job;
	struct root_cache *cache;
	struct layer_view *top;
	struct trie_node *accounts;
	struct storages own;
	/* The version below, of whose storage tries these are edits; NULL: the cache's. */
	struct work *below;
	uint64_t base;	     /* the cache's tries up to this publication are of this version */
	bool overlay;	     /* read through the handle's overlay */
	struct touched gone; /* leaves that go, after all others have been set */
	struct fault *fault;
};

static inline struct span key_span(const struct eth_bytes32 *key)
{
	return (struct span){(const char *)key->bytes, sizeof key->bytes};
}

/* root_edit.c */
/* Nodes of proofs; cookie: the source, or NULL. */
struct trie_resolver root_resolver(const struct root_cache *cache);
/* One account with slots that may have changed. reload: its storage trie may not be gone on
 * from. generation: of the overlay's account. */
struct edit {
	struct eth_address address;
	bool reload, has_slots;
	uint32_t generation;
	const struct touched_row *rows; /* those without a slot are passed over */
	size_t n;
};
/* OK also if something was lacking (job->lacks). What is removed from a trie is removed after
 * all else was set, so that no branch collapses that another key keeps: leaves by root_remove.
 */
enum err root_edit(struct work *work, const struct edit *edit) WARN_UNUSED;
enum err root_remove(struct work *work) WARN_UNUSED;
/* The account's storage trie in this version; NULL without an error: it is lacking. */
enum err root_storage(struct work *work, const struct eth_address *address, bool reload,
		      struct storage **storage) WARN_UNUSED;
/* Its leaf; *found false: absent, or lacking (*known false). */
enum err root_leaf(struct work *work, struct trie_node *accounts,
		   const struct eth_address *address, struct trie_account *leaf, bool *found,
		   bool *known) WARN_UNUSED;
enum err root_lack(struct work *work, const struct eth_address *address,
		   const struct eth_bytes32 *slot) WARN_UNUSED;
/* An error of the trie while editing: becomes a need, or a fault. address: of the storage
 * trie's account, NULL: of the account trie. key, slot: what was edited. */
enum err root_unresolved(struct work *work, enum err err, const struct eth_address *owner,
			 const struct eth_address *address, const struct eth_bytes32 *slot,
			 const struct trie_prefix *prefix) WARN_UNUSED;
void work_release(struct work *work);

/* root_sibling.c: finds a key below the prefix, and makes its proof a need. */
enum err root_sibling(struct work *work, const struct eth_address *owner,
		      const struct trie_prefix *prefix) WARN_UNUSED;

/* root_cache.c: from now on publications are heard; before the sequence number is read. */
void root_listen(struct root_cache *cache, struct layer_view *writable);
/* The published version, as this work's. */
enum err root_published(struct work *work, uint64_t sequence) WARN_UNUSED;
