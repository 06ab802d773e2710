/* SPDX-License-Identifier: MIT */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "cache/keyhash.h"

uint64_t keyhash_cell(const struct cell_key *key, uint64_t seed)
{
	/* A constant length lets the compiler keep one branch of XXH3. */
	return XXH3_64bits_withSeed(key, sizeof(*key), seed);
}

uint64_t keyhash_bytes(struct span bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

uint64_t keyhash_word(const struct eth_bytes32 *word, uint64_t seed)
{
	return XXH3_64bits_withSeed(word, sizeof(*word), seed);
}

uint64_t keyhash_address(const struct eth_address *address, uint64_t seed)
{
	return XXH3_64bits_withSeed(address, sizeof(*address), seed);
}
