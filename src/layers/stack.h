/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The read path: memory over disk over the remote node, with write-back.
 *
 * A question is looked up with stack_get_*, which never waits: HIT, or MISS when nobody on
 * this machine knows. A MISS may be followed by stack_fetch_*, which asks the remote node
 * through the fork back end. What the remote says is written to memory and disk on the fork
 * thread, before whoever waits is told, whether or not they still wait.
 *
 * Three nothings stay apart. A zero slot, a zero balance and code of no bytes are HITs.
 * MISS is "not known here". FAILED has a cause.
 *
 * State facts are keyed by block hash. In memory the key holds its first 16 bytes: two
 * different blocks of one chain that share them would be a 128-bit collision of keccak256.
 *
 * struct stack is shared by all threads; struct stack_view is a worker's own handle.
 * Nothing of an untrusted development node is kept, nor is anything kept read for it: its
 * state changes under one block hash (stack_set_bypass).
 */
#include "cache/memcache.h"
#include "cache/store.h"
#include "fork/fork.h"

struct stack;
struct stack_view;

/* A block as the stack's keys need it. by_hash: how the remote is to be asked (EIP-1898). */
struct stack_block {
	struct fork_block at;
	bool final;
};

/* The last two are looked up only: they come along with others (stack_keep_account). */
enum fact_kind {
	FACT_BALANCE,
	FACT_NONCE,
	FACT_CODE,
	FACT_SLOT,
	FACT_CODE_HASH,
	FACT_STORAGE_ROOT
};

/* One fact of a state. Fill the first group, then call fact_prepare; the rest is its. */
struct fact {
	enum fact_kind kind;
	struct eth_address address;
	struct eth_bytes32 slot; /* FACT_SLOT */
	struct stack_block block;

	struct cell_key key;
	uint64_t hash;

	/* The answer. */
	struct eth_bytes32 value; /* big-endian; FACT_CODE: the code hash */
	struct blob *code;	  /* FACT_CODE: borrowed until stack_turn_end, unless code_ref
				      holds it; NULL for no code */
	struct blob *code_ref;
};

/* In the store: the block number, big-endian, before the JSON text. Its second highest bit
 * says that the text is a JSON-RPC error object, the answer to a call that reverts. */
#define REPLY_HEAD_BYTES 8
#define REPLY_IS_ERROR	 (UINT64_C(1) << 62)

/* In that number, of a block that was not final: whoever reads the reply has to see whether
 * its block is still on the chain. */
#define REPLY_UNSETTLED (UINT64_C(1) << 63)

/* A kept reply: the JSON text and the block that it belongs to (0: none). */
struct reply {
	uint64_t block_number;
	bool unsettled;
	bool is_error;	   /* json is an error object, else a result */
	struct span json;  /* inside blob */
	struct blob *blob; /* borrowed until stack_turn_end, unless blob_ref holds it */
	struct blob *blob_ref;
};

/*
 * Decides, on the fork thread, what becomes of the answer to a FORK_CALL (its result, or an
 * error object: err says which): calls the stack_keep_* functions for what is worth keeping.
 */
typedef void stack_keep_fn(void *cookie, struct stack *stack,
			   const struct fork_question *question,
			   const struct fork_answer *answer);

struct stack_config {
	size_t memory_bytes;
	struct store *store; /* borrowed until stack_free; NULL: no disk */
	stack_keep_fn *keep;
	void *cookie;
};

enum err stack_new(const struct stack_config *config, struct stack **out) WARN_UNUSED;
void stack_free(struct stack **stack);
/* The fork_config's on_answer; its cookie is the stack. */
fork_answer_fn stack_on_answer;
/* Keep nothing, read nothing kept. Before the first view, once it is known. */
void stack_set_bypass(struct stack *stack, bool bypass);

/* Empties the memory, for all views; any thread. */
void stack_forget(struct stack *stack);

/* Counters by layer, for metrics; relaxed. */
struct stack_stats {
	uint64_t disk_hits, misses; /* hits in memory: struct memcache_stats */
};
void stack_stats(struct stack *stack, struct stack_stats *out, struct memcache_stats *memory);

/* fork NULL: offline, every stack_fetch_* is ERR_OFFLINE. */
enum err stack_view_new(struct stack *stack, struct fork *fork, struct loop *loop,
			uint32_t in_flight, struct stack_view **out) WARN_UNUSED;
/* The loop, whose turn hook it has been, must not run any more. */
void stack_view_free(struct stack_view **view);
/* Gives back what was borrowed and rests the readers; the view calls it itself at the end
 * of every loop turn. */
void stack_turn_end(struct stack_view *view);

/* Batches go in passes, each over all facts: prepare (hashes, fetches the index's line),
 * prefetch (fetches the entry's), get. A single fact needs no prefetch. */
void fact_prepare(struct stack_view *view, struct fact *fact);
void fact_prefetch(const struct stack_view *view, const struct fact *fact);
/* HIT or MISS, from memory, else from disk. */
enum lookup stack_get_fact(struct stack_view *view, struct fact *fact);
/* A fact that is one word (not FACT_CODE), in memory only, without making a struct fact of it;
 * after a MISS ask by one. slot NULL: of the account. */
enum lookup stack_get_word(struct stack_view *view, enum fact_kind kind,
			   const struct eth_bytes32 *block, const struct eth_address *address,
			   const struct eth_bytes32 *slot, struct eth_bytes32 *value);
/* Makes a borrowed code outlive the turn. */
void fact_pin(struct fact *fact);
void fact_release(struct fact *fact);

/* HIT or MISS: code by its hash, whoever has it. *code: one reference. */
enum lookup stack_get_code(struct stack_view *view, const struct eth_bytes32 *code_hash,
			   struct blob **code);
/*
 * Facts by root: an account under a state root, a slot under a storage root. They are true at
 * every block, of any chain, that has the root, and are kept only when they were proved under
 * it. An account: HIT when all of its fields are known. Never of a development node.
 */
enum lookup stack_get_rooted_account(struct stack_view *view,
				     const struct eth_bytes32 *state_root,
				     const struct eth_address *address,
				     struct account_fields *out);
enum lookup stack_get_rooted_slot(struct stack_view *view,
				  const struct eth_bytes32 *storage_root,
				  const struct eth_bytes32 *slot, struct eth_bytes32 *value);

/* HIT or MISS; request is the canonical key. *out starts as {0} and ends in reply_release. */
enum lookup stack_get_reply(struct stack_view *view, struct span request, struct reply *out);
/* Makes a borrowed reply outlive the turn. */
void reply_pin(struct reply *reply);
void reply_release(struct reply *reply);
/* The canonical hash of a number, if it is known to be final; its header by hash. */
enum lookup stack_get_binding(struct stack_view *view, uint64_t number,
			      struct eth_bytes32 *hash);
/* The hash of a number that is not final, as far as known: an epoch is a time during which
 * the head only grew (struct head); in memory only. */
enum lookup stack_get_near(struct stack_view *view, uint64_t epoch, uint64_t number,
			   struct eth_bytes32 *hash);
enum lookup stack_get_number(struct stack_view *view, const struct eth_bytes32 *hash,
			     uint64_t *number);

/* PENDING, or FAILED with *err. fact: read for the question; the answer comes to done, which
 * fills a fact from it with fact_take. */
enum lookup stack_fetch_fact(struct stack_view *view, const struct fact *fact,
			     fork_done_fn *done, void *cookie, struct fork_op **op,
			     enum err *err);
void fact_take(struct fact *fact, const struct fork_answer *answer);
enum lookup stack_fetch_call(struct stack_view *view, const struct fork_question *question,
			     fork_done_fn *done, void *cookie, struct fork_op **op,
			     enum err *err);
bool stack_is_offline(const struct stack_view *view);
struct stack *stack_of(const struct stack_view *view);
/* loop_now_us of the view's loop. */
uint64_t stack_now_us(const struct stack_view *view);

/* What a keep function may do; any thread. block_number 0: of no block; it may bear
 * REPLY_UNSETTLED. */
void stack_keep_reply(struct stack *stack, struct span request, uint64_t block_number,
		      struct span json);
/* In memory only: for what is soon out of date. */
void stack_keep_reply_memory(struct stack *stack, struct span request, uint64_t block_number,
			     struct span json);
/* The same of an error object. */
void stack_keep_error(struct stack *stack, struct span request, uint64_t block_number,
		      struct span json);
/* canonical: the header was asked for by number, or is known to be on the chain; the
 * number is bound to its hash only then, and only when final. */
void stack_keep_header(struct stack *stack, const struct block_header *header, bool canonical,
		       bool final);
void stack_keep_near(struct stack *stack, uint64_t epoch, uint64_t number,
		     const struct eth_bytes32 *hash);
/* For a later start without an upstream. */
void stack_keep_finalized(struct stack *stack, uint64_t number);
/* Facts that came along in another method's result. */
void stack_keep_account(struct stack *stack, const struct eth_bytes32 *block,
			const struct eth_address *address, const struct account_fields *fields);
void stack_keep_slot(struct stack *stack, const struct eth_bytes32 *block,
		     const struct eth_address *address, const struct eth_bytes32 *slot,
		     const struct eth_bytes32 *value);
/* The caller has checked that this is its hash. */
void stack_keep_code(struct stack *stack, const struct eth_bytes32 *hash, struct blob *code);
/* By root (see stack_get_rooted_account); fields: all four. */
void stack_keep_rooted_account(struct stack *stack, const struct eth_bytes32 *state_root,
			       const struct eth_address *address,
			       const struct account_fields *fields);
void stack_keep_rooted_slot(struct stack *stack, const struct eth_bytes32 *storage_root,
			    const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
