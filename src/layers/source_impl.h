/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of source.h share: source.c (making and closing), source_read.c (tries),
 * source_fetch.c (fetches), source_proof.c (questions for proofs, what becomes of their
 * answers), source_walk.c (copies).
 */
#include "base/trie_nodes.h"
#include "layers/anchor.h"
#include "layers/fed.h"
#include "layers/proof_answer.h"
#include "layers/source.h"
#include <pthread.h>

/* Most slots in one eth_getProof: go-ethereum's limit. */
#define PROOF_SLOTS_MAX 1024

/* Hits and misses of tries, by what was asked for: each view counts its own. */
enum source_count {
	SOURCE_ACCOUNT_HITS,
	SOURCE_ACCOUNT_MISSES,
	SOURCE_SLOT_HITS,
	SOURCE_SLOT_MISSES,
	SOURCE_CODE_HITS,
	SOURCE_CODE_MISSES,
	SOURCE_COUNTS
};

struct source {
	struct layer layer;
	struct store *store; /* of the pool; NULL: no disk */
	struct stack *stack;
	struct fork *fork; /* NULL: offline */
	struct anchor anchor;
	bool verify, bypass;
	pthread_mutex_t nodes_lock; /* nodes; a text that was found is read without it */
	struct trie_nodes *nodes;
	pthread_mutex_t views_lock; /* of all below */
	struct source_view *views;
	unsigned long long gone[SOURCE_COUNTS]; /* of views that are gone */
};

struct source_view {
	struct layer_view view;
	struct source *source;
	struct stack_view *stack;
	struct fed fed;
	struct source_op *ops; /* all that have not ended */
	atomic_ullong counts[SOURCE_COUNTS];
	struct source_view *next, **link; /* by the source's views_lock */
};

static inline struct source *source_of(struct layer *layer)
{
	return (struct source *)layer;
}

static inline struct source_view *source_view_of(struct layer_view *view)
{
	return (struct source_view *)view;
}

/* ---- source_read.c ---- */

enum lookup source_account(struct layer_view *view, const struct eth_address *address,
			   unsigned wanted, struct account_state *out, struct needs *needs,
			   struct fault *fault);
enum lookup source_slot(struct layer_view *view, const struct eth_address *address,
			const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			struct needs *needs, struct fault *fault);
enum lookup source_code(struct layer_view *view, const struct eth_address *address,
			struct blob **code, struct needs *needs, struct fault *fault);
enum lookup source_code_by_hash(struct layer_view *view, const struct eth_bytes32 *code_hash,
				struct blob **code, struct fault *fault);
/* Whether a try of it hits; counts nothing. */
bool source_has(struct source_view *view, const struct need *need);
/* The account's code hash, if it is known (with verify: proved). */
bool source_code_hash(struct source_view *view, const struct eth_address *address,
		      struct eth_bytes32 *code_hash);

/* ---- source_fetch.c ---- */

void source_ops_free(struct source_view *view);

/* ---- source_proof.c ---- */

/* fork_config's check and the stack's keep function, whose cookie is the struct source. */
enum err source_check(const struct fork_question *question, struct span json,
		      struct err_detail *detail);
stack_keep_fn source_keep;

/* A question of this source to its upstreams; the texts that it borrows are in the buffers. */
struct source_question {
	struct fork_question question;
	struct buf params, tag;
};
/* Release it in any case. ERR_NOMEM. */
enum err source_ask_proof(const struct source *source, const struct eth_address *address,
			  const struct eth_bytes32 *slots, size_t n,
			  struct source_question *out) WARN_UNUSED;
enum err source_ask_code(const struct source *source, const struct eth_address *address,
			 const struct eth_bytes32 *code_hash,
			 struct source_question *out) WARN_UNUSED;
enum err source_ask_witness(const struct source *source,
			    struct source_question *out) WARN_UNUSED;
void source_question_release(struct source_question *question);

/* What an answer that was checked brings to the view that asked. nodes: these are wanted, too:
 * ERR_LIMIT when there is no room for them. */
enum err source_take_proof(struct source_view *view, const struct eth_address *address,
			   const struct eth_bytes32 *slots, size_t n, struct span json,
			   bool nodes) WARN_UNUSED;
enum err source_take_witness(struct source *source, struct span json) WARN_UNUSED;
/* The bytes that a JSON string of DATA holds; one reference. ERR_BAD_ANSWER: it is none;
 * ERR_NOMEM. */
enum err source_data(struct span json, struct blob **out) WARN_UNUSED;

/* ---- source_walk.c ---- */

enum err source_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail);
enum err source_walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *walk, void *cookie, bool *through,
			   struct err_detail *detail);
