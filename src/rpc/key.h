/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Canonical requests: the keys of replies that other code than their method's looks up.
 *
 * A key is text, "CHAIN:method[params]", with the method that names its block by hash and
 * with parameters in one spelling (json_canonical, forms.h), so that it is unambiguous and two
 * spellings of one question share it. What depends on the kind of client that answers is
 * "CHAIN:method@KIND[params]". make_key (reply_impl.h) writes that of a call.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "rpc/chain.h"

/* The canonical request of a method whose only parameter is a transaction's hash. */
void tx_key(const struct chain *chain, const char *method, const struct eth_bytes32 *hash,
	    struct buf *out);
/* The key under which "there is no such transaction" is kept: only for this pinned block. */
struct span absent_key(struct arena *arena, struct span key, const struct chain *chain);
/* Of a block object, with transactions as hashes or (full) as objects. */
void block_key(const struct chain *chain, const struct eth_bytes32 *hash, bool full,
	       struct buf *out);
/* Where in it the digits of the hash begin. */
uint32_t block_key_hash_at(const struct chain *chain);
