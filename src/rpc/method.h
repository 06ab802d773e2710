/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The method table: one row of methods.def is the whole truth about a JSON-RPC method.
 *
 * From a row come dispatch, the reading of parameters, the canonical key, what is stored,
 * the deadline, and the documentation. A method without a row is forwarded to one upstream
 * and not stored.
 */
#include "base/err.h"
#include "base/span.h"
#include "fork/fork.h"

struct call;

/* Longest method name that is looked at; all real ones are far below. */
#define METHOD_NAME_MAX 96

enum method_class {
	METHOD_FACT,	 /* facts of a state */
	METHOD_COMPOSED, /* of a state, kept as the reply and as the facts in it */
	METHOD_BLOCK,	 /* chain data of one block, kept under the block's hash */
	METHOD_TX,	 /* by transaction hash */
	METHOD_TX_OF,	 /* by transaction; the answer does not say which block it is of */
	METHOD_AT,	 /* computed at a block */
	METHOD_RANGE,	 /* over blocks: a filter object */
	METHOD_SLOW,	 /* changes with the head, and otherwise hardly: kept under its hash */
	METHOD_LOCAL,	 /* answered here */
	METHOD_SEND,	 /* a transaction to the real chain: forwarded once, if it is allowed */
	METHOD_REFUSED,
	METHOD_FORWARD, /* to one upstream, as it is */
};

enum param_kind {
	PARAM_ADDRESS,
	PARAM_SLOT,
	PARAM_SLOTS,	/* a list of slots, at most 1,024 */
	PARAM_BLOCK,	/* number, tag, 32-byte hash or EIP-1898 object */
	PARAM_NUMBER,	/* number or tag */
	PARAM_HASH,	/* 32 bytes: of a block or a transaction */
	PARAM_INDEX,	/* QUANTITY */
	PARAM_COUNT,	/* QUANTITY, a JSON integer, or decimal digits in a string */
	PARAM_PERCENTS, /* a list of numbers */
	PARAM_FLAG,	/* boolean */
	PARAM_DATA,	/* bytes */
	/* Of executions; forms.h says how each is written. */
	PARAM_CALL,	  /* transaction object; no sender is the zero address */
	PARAM_TX,	  /* transaction object */
	PARAM_STATE,	  /* state overrides */
	PARAM_OVERRIDES,  /* block overrides */
	PARAM_CONFIG,	  /* tracer options */
	PARAM_TYPES,	  /* kinds of traces; clients exchange it with a block behind it */
	PARAM_PAIRS,	  /* a list of [transaction, kinds of traces] */
	PARAM_BUNDLES,	  /* a list of {transactions, blockOverride} */
	PARAM_CONTEXT,	  /* {blockNumber, transactionIndex}, or as PARAM_BLOCK */
	PARAM_SIMULATION, /* eth_simulateV1's first */
	PARAM_ANY,	  /* any JSON */
};
#define PARAMS_MAX 6

/*
 * What the upstream's answer is, by which keep.c knows how to check it against what was asked
 * and what to store of it. null, [] and "0x" are never stored, except as said here.
 */
enum keep_kind {
	KEEP_NOTHING,  /* not stored, not checked */
	KEEP_PLAIN,    /* cannot be compared with anything: stored if the question named its
			  block by hash, or the block is final */
	KEEP_BLOCK,    /* a block or header object: number and hash */
	KEEP_OF_BLOCK, /* an object or a list of objects, each with its blockHash */
	KEEP_TX_AT,    /* a transaction object: blockHash and transactionIndex */
	KEEP_PER_TX,   /* a list with one element for each of the block's transactions: stored,
			  empty or not, when their number is known and fits */
	KEEP_RECEIPTS, /* both of a list; its elements are eth_getTransactionReceipt's, too */
	KEEP_TX,       /* a transaction or receipt by hash: stored if its block is final; null
			  under the pinned block, if that is final and the node has it */
	KEEP_RAW_TX,   /* DATA whose keccak256 is the transaction's hash */
	KEEP_RAW_HEADER, /* DATA whose keccak256 is the block's hash */
	KEEP_RAW_BLOCK,	 /* DATA, an RLP list that begins with such a header */
	KEEP_ACCOUNT,	 /* eth_getAccount's object: stored, and the facts in it */
	KEEP_PROOF,	 /* eth_getProof's: address and slots; stored, and the facts in it */
	KEEP_HEAD,	 /* the block that a tag means (heads.h; count: which) */
	KEEP_FEES,	 /* eth_feeHistory's: oldestBlock; stored as KEEP_PLAIN */
	KEEP_SLOW,	 /* true of the head only: stored in memory, not on disk */
	KEEP_SENT,	 /* a transaction's hash, or its receipt: not stored */
	/* Executions are stored as KEEP_PLAIN, "0x" included, and so is the error of one that
	 * reverts (code 3, with data); not what a limit of the node's has touched. */
	KEEP_CALL,   /* DATA */
	KEEP_GAS,    /* QUANTITY */
	KEEP_RUN,    /* an object or a list */
	KEEP_TRACER, /* anything: a tracer answers what it likes */
	KEEP_LOGS,   /* a list of logs, each as the filter wants them; stored, empty or not,
			of one block by hash, or when the last block is final */
	KEEP_TRACES, /* the same of traces, of which only the blocks are checked */
};

enum method_flags {
	NULL_OK = 1,	   /* null is an answer, not a fault of the upstream */
	UNKNOWN_FAILS = 4, /* a block that is not there is an error, not null */
	BY_CLIENT = 2,	   /* the answer depends on the kind of client: it is in the key */
};

/*
 * Begins a call whose parameters are read: HIT (the result is set), MISS (call->step is
 * set: go on with it), FAILED (the error is set), PENDING (the upstream has been asked).
 */
typedef enum lookup method_begin_fn(struct call *call);

struct method {
	const char *name;
	enum method_class class;
	const char *params; /* "address slot block?": kinds by name, ? if optional, ... rest */
	enum keep_kind keep;
	unsigned flags;
	enum fork_class wait;
	const char *by_hash; /* METHOD_BLOCK: the method that takes the block's hash instead */
	method_begin_fn *begin;
	const char *summary;

	/* By method_table_init, from name and params. */
	size_t name_len;
	enum param_kind kinds[PARAMS_MAX];
	unsigned params_n, required_n;
	bool rest;    /* further arguments of any kind are passed on */
	int block_at; /* index of the block parameter, or -1 */
};

/* Once, before any other thread runs. REQUIREs that the rows are well formed. */
void method_table_init(void);
/* The row of that very name (a star is a star); NULL when there is none. */
const struct method *method_find_row(struct span name);
/* The row of that name, else the longest of those whose stars fit it (admin_*, debug_*File);
 * NULL when there is neither. */
const struct method *method_find(struct span name);
/* The row that stands for all methods without one. */
const struct method *method_unknown(void);

/* For metrics and documentation: the rows in order. */
size_t method_count(void);
const struct method *method_at(size_t i);
size_t method_index(const struct method *method);
