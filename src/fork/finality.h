/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * From how deep on a block counts as final, on a chain whose nodes have no "finalized" tag.
 *
 * A chain of proof of stake finalizes an epoch when the two after it are justified (Gasper,
 * consensus-specs phase0): three epochs of slots are enough, 32 a piece on Ethereum and its
 * test networks, 16 on Gnosis Chain. Of a chain that is not known, the 128 blocks that EDR,
 * Hardhat's engine, takes for safe.
 */
#include <stdint.h>

/* Blocks below the head. */
uint64_t finality_depth(uint64_t chain_id);
