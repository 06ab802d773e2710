/* SPDX-License-Identifier: MIT */
#pragma once
/* Keccak-256 with the original padding (0x01), as Ethereum uses it (Yellow Paper, appendix
 * "Definitions"); the permutation is nettle's. Any thread. */
#include "base/eth.h"

void keccak256(const void *bytes, size_t n, struct eth_bytes32 *digest);
