/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A block header of the Prague fork and its hash: keccak256 of the RLP list of its fields,
 * in the order of the Yellow Paper (4.3) as extended by EIP-1559, 4895, 4844, 4788 and 7685.
 *
 * Fields that are the same in every block of the mock chain (no uncles, no difficulty, no
 * blobs, no withdrawals, no requests) are not members but constants.
 */
#include "base/buf.h"
#include "base/eth.h"

#define HEADER_EXTRA "mock-node"

struct header {
	struct eth_bytes32 parent_hash, state_root, transactions_root, receipts_root;
	struct eth_bytes32 mix_hash, parent_beacon_root;
	struct eth_address miner;
	unsigned char bloom[256];
	uint64_t number, gas_limit, gas_used, timestamp, base_fee;
};

extern const struct eth_bytes32 header_empty_uncles;   /* keccak256(rlp([])) */
extern const struct eth_bytes32 header_empty_requests; /* sha256(""), EIP-7685 */

/* Appends the RLP of the header. */
void header_rlp(struct buf *out, const struct header *header);
/* ERR_NOMEM; *rlp_bytes (NULL allowed) gets the length of the RLP. */
enum err header_hash(const struct header *header, struct eth_bytes32 *hash,
		     size_t *rlp_bytes) WARN_UNUSED;
/* Appends the members of the JSON object that come from the header, each followed by a
 * comma; hash and nonce are the caller's. */
void header_json(struct buf *out, const struct header *header);
/* The base fee that EIP-1559 prescribes after this block. */
uint64_t header_next_base_fee(const struct header *header);

/* ,"name":"0x..." without the comma. */
void json_quantity(struct buf *out, const char *name, uint64_t value);
void json_data(struct buf *out, const char *name, const void *bytes, size_t n);
