/* SPDX-License-Identifier: MIT */
#pragma once
/* Block objects, as nodes answer them and as replies are kept. */
#include "base/buf.h"
#include "cache/store.h" /* struct block_header */

/* Reads a block object of eth_getBlockBy*. ERR_BAD_ANSWER, with a detail, when a field that
 * every chain has is missing or malformed. number, hash, parentHash, stateRoot, timestamp
 * and gasLimit are required. is_prague: it has a requestsHash (EIP-7685). */
enum err block_header_parse(struct span json, struct block_header *out, bool *is_prague,
			    struct err_detail *detail) WARN_UNUSED;

/* The key (rpc/key.h says what that is) under which a block object is kept, with transactions
 * as hashes or (full) as objects. */
void block_key_of(uint64_t chain_id, const struct eth_bytes32 *hash, bool full,
		  struct buf *out);
