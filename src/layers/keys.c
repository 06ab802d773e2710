/* SPDX-License-Identifier: MIT */
#include "layers/keys.h"

static void key_add(struct cell_key *key, const void *bytes, size_t n)
{
	memcpy(key->bytes + key->len, bytes, n);
	key->len = (uint8_t)(key->len + n);
}

void key_number(struct cell_key *key, uint64_t number)
{
	unsigned char bytes[8];

	be64_put(bytes, number);
	*key = (struct cell_key){.kind = CELL_BINDING};
	key_add(key, bytes, sizeof bytes);
}

void key_near(struct cell_key *key, uint64_t epoch, uint64_t number)
{
	unsigned char bytes[16];

	be64_put(bytes, epoch);
	be64_put(bytes + 8, number);
	*key = (struct cell_key){.kind = CELL_NEAR};
	key_add(key, bytes, sizeof bytes);
}

void key_hash(struct cell_key *key, const struct eth_bytes32 *hash)
{
	*key = (struct cell_key){.kind = CELL_NUMBER};
	key_add(key, hash->bytes, 32);
}

void key_rooted(struct cell_key *key, enum cell_kind kind, const struct eth_bytes32 *root,
		struct span name)
{
	*key = (struct cell_key){.kind = (uint8_t)kind};
	key_add(key, root->bytes, KEY_ROOT_BYTES);
	key_add(key, name.ptr, name.len);
}
