/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A small Ethereum node as a script of fake_client.h: it answers what the fork asks, from
 * figures that follow from the question (fake_node_slot and so on), with the capabilities,
 * limits and faults that a test sets. Nodes are found by host, "n0:1", "n1:1", ...
 */
#include "base/buf.h"
#include "base/eth.h"
#include "fake_client.h"

#define FAKE_NODES 3

enum fake_fault {
	FAULT_NONE,
	FAULT_STATUS,	  /* status, with Retry-After if set */
	FAULT_STATUS_RPC, /* status, and the JSON-RPC error as its body */
	FAULT_RESET,
	FAULT_REFUSED,
	FAULT_HANG,
	FAULT_TRUNCATED,
	FAULT_HTML,
	FAULT_EMPTY_BODY,
	/* of the state items; everything else is answered */
	FAULT_RPC,	  /* code and message */
	FAULT_NO_MESSAGE, /* an error without one */
	FAULT_NULL,
	FAULT_EMPTY_HEX, /* "0x" */
	FAULT_SHORT,	 /* composite: one entry is missing */
	/* of the frame */
	FAULT_WRONG_ID,
	FAULT_STRING_ID,
	FAULT_NULL_ID,
	FAULT_NO_VERSION,
	FAULT_ERROR_NULL,
	FAULT_MISSING_ITEM,
	FAULT_EXTRA_ITEM,
	FAULT_REVERSED,
	FAULT_TWICE,
	FAULT_TWO_ANSWERS, /* to one item, of which the second is false */
	FAULT_ONE_OBJECT,  /* one error object for the batch: code, message */
	FAULT_ONE_ITEM,	   /* the same, in an array, with a null id */
	FAULT_TOO_LARGE,   /* the client gives the reply up */
};

struct fake_node {
	uint64_t chain_id, head, finalized;
	bool no_finalized_tag;
	const char *version; /* NULL: the method is not there */
	unsigned char salt;  /* of block hashes */
	uint64_t latency_us;
	bool has_values, has_info, refuses_block_hash;
	bool down;	    /* connections are refused */
	size_t batch_limit; /* 0: none */
	bool refuses_with_array, refuses_with_413, refuses_with_reset;
	size_t items_per_request_limit; /* 429 above it, as rate limits by items do */
	/* FAULT_STATUS, FAULT_RESET, FAULT_HANG of requests with a composite method that asks
	 * for more than so many slots */
	enum fake_fault composite_fault;
	size_t composite_slots;
	unsigned version_fails; /* times that web3_clientVersion is an internal error */
	uint64_t opened_us;	/* of the connection that replies come over */
	bool limits_blocks;	/* reads of blocks within a batch are rate limited */

	enum fake_fault fault;
	unsigned fault_left; /* requests that it strikes; UINT_MAX: all */
	bool fault_probes;   /* identity questions, too */
	unsigned fault_status;
	int64_t fault_retry_after_ms;
	int fault_code;
	const char *fault_message;

	/* what was seen */
	bool in_batch; /* the request that is being answered */
	size_t requests, items, probes, batches, largest_batch;
	size_t values_calls, info_calls, slot_calls, account_calls, other_calls, block_calls;
	uint64_t last_us;
	uint64_t last_id;
	bool id_repeated;
	uint64_t at_us[64]; /* of the first requests that were not probes */
};
extern struct fake_node fake_nodes[FAKE_NODES];

/* Fresh nodes, all alike: chain 1, head 1000, final 900, 50 ms, batches of any size, no
 * composite method. Installs the script. */
void fake_node_reset(void);

struct eth_bytes32 fake_node_hash(const struct fake_node *node, uint64_t number);
struct eth_bytes32 fake_node_slot(const struct eth_address *address,
				  const struct eth_bytes32 *slot);
uint64_t fake_node_balance(const struct eth_address *address);
#define FAKE_NODE_NONCE UINT64_C(5)
/* The code of an account is its address. */
