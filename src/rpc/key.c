/* SPDX-License-Identifier: MIT */
#include "rpc/key.h"

void tx_key(const struct chain *chain, const char *method, const struct eth_bytes32 *hash,
	    struct buf *out)
{
	buf_u64(out, chain->chain_id);
	buf_char(out, ':');
	buf_text(out, method);
	buf_text(out, "[\"");
	buf_hex(out, hash->bytes, 32);
	buf_text(out, "\"]");
}

struct span absent_key(struct arena *arena, struct span key, const struct chain *chain)
{
	char *bytes = arena_alloc(arena, key.len + 1 + 32);

	if (bytes == NULL)
		return (struct span){0};
	memcpy(bytes, key.ptr, key.len);
	bytes[key.len] = '@';
	memcpy(bytes + key.len + 1, chain->pinned.block.at.hash.bytes, 32);
	return (struct span){bytes, key.len + 1 + 32};
}

void block_key(const struct chain *chain, const struct eth_bytes32 *hash, bool full,
	       struct buf *out)
{
	block_key_of(chain->chain_id, hash, full, out);
}

uint32_t block_key_hash_at(const struct chain *chain)
{
	char prefix[64];
	int n = snprintf(prefix, sizeof prefix, "%llu:eth_getBlockByHash[\"0x",
			 (unsigned long long)chain->chain_id);

	return (uint32_t)n;
}
