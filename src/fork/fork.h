/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The fork back end: asks remote nodes what nobody here knows.
 *
 * It runs on one thread of its own with one loop (curl multi, c-ares, timers). Every worker
 * has a struct fork_port: a bounded queue of questions in one direction and of answers in
 * the other; the place for the answer is reserved when the question is submitted, so
 * neither side can block the other.
 *
 * On the fork thread a question becomes, or joins, a flight: one key, asked once, whoever
 * asks (flights.c). Flights wait in a plan for their upstream and leave "batch while busy":
 * at once, with all that arrived in the same loop turn, unless four requests to that
 * upstream are in flight; then when one returns, a batch is full, or max(1 ms, a sixteenth
 * of the round trip) has passed (plan.c). A plan is written as the richest form that the
 * upstream is known to take: eth_getStorageValues, eth_getAccountInfo, a JSON-RPC batch,
 * single calls (ladder.c). Answers are checked before they are believed (answer.c); what
 * fails is retried with jittered back-off, on the next upstream where there is one, until
 * the class's deadline (retry.c).
 *
 * It knows no cache: what it learned is handed to on_answer, on the fork thread, before
 * anybody who waits is told, and also when all who waited have gone: a request that was
 * sent is paid for. It knows no JSON-RPC method but the ones that it writes itself.
 */
#include "base/blob.h"
#include "base/err.h"
#include "base/eth.h"
#include "base/loop.h"
#include "base/secret.h"
#include <stdint.h>

struct fork;
struct fork_port;
struct fork_op;

/* A block as upstreams are asked about it. by_hash: {"blockHash"} of EIP-1898, for a block
 * that is not final; else by number. */
struct fork_block {
	uint64_t number;
	struct eth_bytes32 hash;
	bool by_hash;
};

enum fork_kind {
	FORK_BALANCE, /* address                 -> value */
	FORK_NONCE,   /* address                 -> value */
	FORK_CODE,    /* address                 -> blob: the bytes of the code */
	FORK_SLOT,    /* address, slot           -> value */
	FORK_CALL,    /* method, params          -> blob: the JSON text of the result */
};

/* How long a client can wait, and how often we ask again; one row each in retry.c. */
enum fork_class { FORK_CLASS_STATE, FORK_CLASS_CALL, FORK_CLASS_TRACE, FORK_CLASSES };

struct fork_question {
	enum fork_kind kind;
	enum fork_class class;
	struct eth_address address;
	struct eth_bytes32 slot;
	/* FORK_CALL: the block that it is about; number 0 when that is not known. */
	struct fork_block block;
	/* FORK_CALL: the method's name, and the params as the JSON text of an array. */
	struct span method, params;
	/* FORK_CALL at a block that is not final (block.by_hash): {"blockHash"} stands in
	 * params, by_hash_len bytes from by_hash_at. An upstream that refuses that form is
	 * asked by number, as if guarded. */
	uint32_t by_hash_at, by_hash_len;
	/* FORK_CALL: what params say is only true as long as block is on the chain: always
	 * between two reads of its hash (of an upstream that takes no batches, before one). */
	bool guarded;
	/* FORK_CALL: false for what must not be merged with an equal question. */
	bool may_join;
	/* FORK_CALL: a result of null is an answer; else it is a fault of that upstream,
	 * to be retried or failed over. */
	bool null_allowed;
	/* FORK_CALL: it is computed (a call, a trace of one, logs), so that it may fail: an
	 * error is its answer. False: it is data of the chain, and an error that is not clear
	 * is doubted first. */
	bool computed;
	/* FORK_CALL: what must not be sent twice, such as a transaction. It goes to another
	 * upstream only when it certainly has not reached the one before; every error object
	 * is its answer. Its class is not FORK_CLASS_STATE, and may_join is false. */
	bool once;
	/* Opaque to the fork: carried to on_answer. FORK_CALL joins by it, too (compared as
	 * bytes): it is the caller's canonical key of the question. */
	struct span tag;
};

struct fork_answer {
	/* OK; ERR_UPSTREAM: blob is the upstream's JSON-RPC error object, to be passed
	 * through unchanged (secrets of its URL are blanked: redact.h); ERR_UNSUPPORTED: the
	 * same, and it says that no upstream that can be asked has the method; anything else:
	 * nobody answered, detail says why, naming hosts and nothing secret. */
	enum err err;
	struct eth_bytes32 value; /* big-endian: FORK_BALANCE, FORK_NONCE, FORK_SLOT */
	struct blob *blob;	  /* FORK_CODE, FORK_CALL; borrowed, blob_get to keep */
	const char *detail;	  /* "" when there is none; borrowed */
	/* The upstreams do not have the block, or not under that hash (any more). */
	bool lacks;
	/* Nothing of it may be stored: the answering upstream is a development node that was
	 * not declared trustworthy. */
	bool do_not_store;
	/* Nobody answered, but an upstream may have got the question. */
	bool may_have_arrived;
	/* For on_answer: the kind of client that answered (fork_client_kind); empty when it
	 * does not say. Borrowed until on_answer returns. */
	struct span client;
};

/* Runs on the fork thread: for err OK, and for the error objects of FORK_CALLs. */
typedef void fork_answer_fn(void *cookie, const struct fork_question *question,
			    const struct fork_answer *answer);
/*
 * Runs on the fork thread, on the result of a FORK_CALL, before it is believed. Anything but
 * OK is a fault of the upstream that answered: it is asked again, or another is.
 */
typedef enum err fork_check_fn(const struct fork_question *question, struct span json,
			       struct err_detail *detail);
/* Runs on the port's loop thread, once, never before fork_ask has returned. */
typedef void fork_done_fn(void *cookie, const struct fork_answer *answer);

struct fork_upstream_config {
	struct secret *url;	 /* http:// or https://, with whatever it contains */
	struct secret **headers; /* "Name: value", sent with every request */
	size_t headers_n;
};

struct fork_config {
	const struct fork_upstream_config *upstreams; /* in order of preference */
	size_t upstreams_n;
	const char *ca_file; /* PEM bundle instead of the system's; NULL: the system's */
	uint32_t deadline_ms[FORK_CLASSES]; /* 0: the default of the class */
	uint32_t batch_items;		    /* most items in a request; 0: 1,000 */
	uint32_t upstream_rate; /* JSON-RPC requests a second to each upstream; 0: any */
	uint64_t chain_id;	/* required of every upstream; 0: whatever they agree on */
	bool trust_dev_upstream;
	fork_check_fn *check;	   /* may be NULL */
	fork_answer_fn *on_answer; /* may be NULL */
	void *cookie;
};

/* What the upstreams agree on, and the block that the fork is pinned to, or the head. */
struct fork_pin {
	uint64_t chain_id;
	struct fork_block block;  /* by_hash set unless it is final */
	struct blob *header_json; /* eth_getBlockByNumber(block, false); one reference,
				     give up with blob_put */
	uint64_t finalized;	  /* highest final number; 0 when nothing is known */
	bool is_dev;		  /* the first upstream is a development node */
	char client_version[128]; /* web3_clientVersion of the first upstream that answered */
};

/* What a web3_clientVersion begins with, "Geth", "erigon": letters, digits, '-', '_', '.', at
 * most 31 of them. Borrows version. */
struct span fork_client_kind(const char *version);

/* Copies the configuration (secrets included) and starts the fork thread. An invalid URL is
 * ERR_CONFIG. Asks nothing yet. */
enum err fork_start(const struct fork_config *config, struct fork **out,
		    struct err_detail *detail) WARN_UNUSED;
/*
 * Blocks the caller (start-up only) until the pinned block is known: spec is a decimal or
 * 0x number, a 32-byte 0x hash, "latest", "safe" or "finalized". Every upstream that can be
 * reached must agree on chain id, number and hash (ERR_CONFIG names the two that do not);
 * one that cannot be reached now is checked the same way before it is first used.
 * Finality: the upstream's "finalized" tag, or, where it has none, so many blocks below its
 * head as finality.h says. ERR_IO: the fork thread's loop has failed.
 */
enum err fork_pin(struct fork *fork, const char *spec, struct fork_pin *out,
		  struct err_detail *detail) WARN_UNUSED;
/* The same for a fork that follows the chain: out has the head of now, and what the upstreams
 * have to agree on is the highest final block. */
enum err fork_follow(struct fork *fork, struct fork_pin *out,
		     struct err_detail *detail) WARN_UNUSED;
/* Ports must have been closed. Requests in flight get two seconds to land (they are paid
 * for), then the thread ends. */
void fork_stop(struct fork **fork);

/* One port a worker; belongs to the worker's thread. capacity: questions in flight; one that
 * was cancelled counts until the fork thread has let go of it, a turn or so later. */
enum err fork_port_open(struct fork *fork, struct loop *loop, uint32_t capacity,
			struct fork_port **out) WARN_UNUSED;
/* Cancels what is left: none of its callbacks runs any more. */
void fork_port_close(struct fork_port **port);
/*
 * PENDING: *op is set and done will run. FAILED: the port is full (*err is ERR_LIMIT) or
 * memory was refused (ERR_NOMEM); done never runs. The question is copied. All that is
 * asked in one loop turn reaches the fork thread together, at its end.
 */
enum lookup fork_ask(struct fork_port *port, const struct fork_question *question,
		     fork_done_fn *done, void *cookie, struct fork_op **op, enum err *err);
/* done will not run; nulls the caller's pointer; accepts NULL. */
void fork_cancel(struct fork_op **op);

#define FORK_HOST_BYTES 128
struct fork_upstream_stats {
	char host[FORK_HOST_BYTES]; /* "name:port", nothing else of the URL */
	bool healthy, probed, is_dev;
	uint64_t requests, items, bytes_in, bytes_out, rate_limited, in_flight, rtt_us;
	uint64_t failures; /* requests that brought no usable answer */
	bool has_storage_values, has_account_info;
	uint32_t batch_limit; /* as learned; 1: does not batch */
};
struct fork_stats {
	uint64_t questions, joined, flights, answered, failed, retries, failovers;
	uint64_t in_flight;		    /* flights that have no answer yet */
	uint64_t errors[ERR_CANCELLED + 1]; /* failed questions, by cause */
};
/* Any thread; relaxed figures. Returns the number of upstreams; fills at most max. */
size_t fork_stats(struct fork *fork, struct fork_stats *out,
		  struct fork_upstream_stats *upstreams, size_t max);
