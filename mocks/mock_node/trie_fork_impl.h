/* SPDX-License-Identifier: MIT */
#pragma once
/* Shared by trie_fork.c and the two loaders, witness.c and prestate.c, only. */
#include "mock_node/trie.h"
#include "mock_node/trie_fork.h"

struct trie_fork {
	struct fork base;
	struct nodes nodes;
	struct nodes codes; /* no nodes but codes, which are found by their hash as well */
	struct eth_bytes32 state_root;
};

/* NULL: no memory. Free with fork_free. */
struct trie_fork *trie_fork_new(void);
/* The bytes of a DATA text, in the arena of `codes`; ptr is NULL: no such text, no memory. */
struct span trie_fork_bytes(struct trie_fork *fork, const json_t *text);
