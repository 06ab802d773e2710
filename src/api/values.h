/* SPDX-License-Identifier: MIT */
#pragma once
/* The public header's value types are the tree's own under other names. */
#include "base/blob.h"
#include "base/eth.h"
#include "forkcache.h"
#include "layers/layer.h"

_Static_assert(sizeof(struct fc_address) == sizeof(struct eth_address), "20 bytes");
_Static_assert(sizeof(struct fc_bytes32) == sizeof(struct eth_bytes32), "32 bytes");
_Static_assert(FC_DETAIL_BYTES == ERR_DETAIL_BYTES, "details fit");
_Static_assert((int)FC_BALANCE == (int)ACCOUNT_BALANCE && (int)FC_NONCE == (int)ACCOUNT_NONCE &&
		       (int)FC_CODE_HASH == (int)ACCOUNT_CODE_HASH &&
		       (int)FC_STORAGE_ROOT == (int)ACCOUNT_STORAGE_ROOT &&
		       (unsigned)FC_EXISTS == ACCOUNT_EXISTENCE,
	       "the masks are the same");

#define WANTED_ALL \
	((uint32_t)(FC_BALANCE | FC_NONCE | FC_CODE_HASH | FC_STORAGE_ROOT | FC_EXISTS))

static inline const struct eth_address *in_address(const struct fc_address *address)
{
	return (const struct eth_address *)(const void *)address;
}

static inline const struct eth_bytes32 *in_bytes32(const struct fc_bytes32 *value)
{
	return (const struct eth_bytes32 *)(const void *)value;
}

static inline struct eth_bytes32 *out_bytes32(struct fc_bytes32 *value)
{
	return (struct eth_bytes32 *)(void *)value;
}

/* Code is a blob; the owner's reference moves with the pointer. */
static inline struct blob *code_blob(const struct fc_code *code)
{
	return (struct blob *)(uintptr_t)code;
}
