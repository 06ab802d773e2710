/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mock node: one process, one loop, everything in one struct.
 *
 * What it answers from is one of three: the chain of our own making (always there), a
 * recorded fork (`fork`: fork.h), or recorded request/answer pairs (`recorded`). What it does
 * to the answers on their way out is the script; what it saw is in the counters.
 */
#include "mock_node/chain.h"
#include "mock_node/counters.h"
#include "mock_node/script.h"

struct fork;
struct recorded;

struct node {
	struct world world;
	struct chain chain;
	struct fork *fork;	   /* or NULL */
	struct recorded *recorded; /* or NULL */
	struct script script;
	const json_t *start_script; /* what /control/reset goes back to; borrowed */
	struct counters counters;
};

/* What the node says its chain id and head are. */
uint64_t node_chain_id(const struct node *node);
uint64_t node_head_number(struct node *node);
