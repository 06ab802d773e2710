/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The keyed hash of the memory tables: XXH3 with a random seed, so that nobody who chooses
 * keys (a client chooses slots) can aim them at one bucket. It is fast, not cryptographic:
 * whoever uses it compares the key in full. Its values live no longer than the process.
 */
#include "cache/memcache.h"

/* Of kind, length and all bytes of the key. */
uint64_t keyhash_cell(const struct cell_key *key, uint64_t seed);
uint64_t keyhash_bytes(struct span bytes, uint64_t seed);
/* Of 32 and of 20 bytes: quicker, because the length is known. */
uint64_t keyhash_word(const struct eth_bytes32 *word, uint64_t seed);
uint64_t keyhash_address(const struct eth_address *address, uint64_t seed);
