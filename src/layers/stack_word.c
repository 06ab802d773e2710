/* SPDX-License-Identifier: MIT */
/* The quickest way to what is in memory. */
#include "layers/stack_impl.h"
#include "layers/keys.h"

static const uint8_t cells[] = {
	[FACT_BALANCE] = CELL_BALANCE,
	[FACT_NONCE] = CELL_NONCE,
	[FACT_CODE] = 0,
	[FACT_SLOT] = CELL_SLOT,
	[FACT_CODE_HASH] = CELL_CODE_HASH,
	[FACT_STORAGE_ROOT] = CELL_STORAGE_ROOT,
};

enum lookup stack_get_word(struct stack_view *view, enum fact_kind kind,
			   const struct eth_bytes32 *block, const struct eth_address *address,
			   const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	struct cell_key key;

	REQUIRE(kind != FACT_CODE);
	if (view->stack->bypass)
		return MISS;
	key_fact(&key, (enum cell_kind)cells[kind], block, address, slot);
	return memcache_cell_get(view->memory, &key,
				 memcache_cell_hash(view->stack->memory, &key), value);
}
