/* SPDX-License-Identifier: MIT */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "cache/keyhash.h"

/* Flattened: what is known of the length reaches the hash only if it is inlined as a whole. */
__attribute__((flatten)) uint64_t keyhash_cell(const struct cell_key *key, uint64_t seed)
{
	return XXH3_64bits_withSeed(key, sizeof(*key), seed);
}

uint64_t keyhash_bytes(struct span bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

__attribute__((flatten)) uint64_t keyhash_word(const struct eth_bytes32 *word, uint64_t seed)
{
	return XXH3_64bits_withSeed(word, sizeof(*word), seed);
}

__attribute__((flatten)) uint64_t keyhash_address(const struct eth_address *address,
						  uint64_t seed)
{
	return XXH3_64bits_withSeed(address, sizeof(*address), seed);
}
