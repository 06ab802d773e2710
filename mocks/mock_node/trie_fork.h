/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded fork (fork.h) whose state is a trie: everything is found by walking nodes from a
 * state root, and what is found is proved. Two records are read so:
 *
 *   a witness    a block with the nodes that running it takes: the folder holds block.json
 *                (that block) and witness.json ({"preStateRoot", "nodes": [RLP, ...],
 *                "codes": [code, ...]}). The fork is at the block's parent, of which the
 *                number, the hash and the state root are real and the rest of the header is
 *                not: it does not hash to its hash. Where a node of a path is not in the
 *                witness the answer is the error "missing trie node HASH".
 *   a prestate   {address: {"balance", "nonce", "code", "storage"}}, as in the `alloc` of a
 *                genesis, alone or within `genesis` of a go-ethereum tracer test. This is the
 *                whole state, of which the trie is built: what is not there is empty, and
 *                who is empty is not there (but in a genesis, where Mainnet has two). The
 *                fork is at the block before the test's `context`, whose time, fee, gas
 *                limit and miner it has (at block 1 without one); its header is made of
 *                these and hashes to its hash.
 *
 * Code is found by its hash; code that is not recorded is an error for those who ask for it.
 * debug_executionWitness has all nodes and codes; `keys` is null, as real nodes have it, and
 * there are no headers, for none was recorded.
 */
#include "mock_node/fork.h"

/* ERR_IO, ERR_INVALID (the detail says what is wrong), ERR_NOMEM. Free with fork_free. */
enum err trie_fork_load_witness(const char *folder, struct fork **out,
				struct err_detail *detail) WARN_UNUSED;
enum err trie_fork_load_prestate(const char *path, struct fork **out,
				 struct err_detail *detail) WARN_UNUSED;
