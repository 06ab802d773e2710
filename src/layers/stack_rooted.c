/* SPDX-License-Identifier: MIT */
/* Facts by root: what proofs bring, valid at every block that has the root. */
#include "layers/keys.h"
#include "layers/stack_impl.h"

static struct span name_of(const struct eth_address *address)
{
	return (struct span){(const char *)address->bytes, sizeof address->bytes};
}

static bool cell_get(struct stack_view *view, enum cell_kind kind,
		     const struct eth_bytes32 *root, struct span name,
		     struct eth_bytes32 *value)
{
	struct cell_key key;

	key_rooted(&key, kind, root, name);
	return memcache_cell_get(view->memory, &key,
				 memcache_cell_hash(view->stack->memory, &key), value) == HIT;
}

static void cell_put(struct stack *stack, enum cell_kind kind, const struct eth_bytes32 *root,
		     struct span name, const struct eth_bytes32 *value)
{
	struct cell_key key;

	key_rooted(&key, kind, root, name);
	memcache_cell_put(stack->memory, &key, value);
}

static void account_cells(struct stack *stack, const struct eth_bytes32 *state_root,
			  const struct eth_address *address,
			  const struct account_fields *fields)
{
	struct eth_bytes32 value;

	memcpy(value.bytes, fields->balance.bytes, 32);
	cell_put(stack, CELL_ROOTED_BALANCE, state_root, name_of(address), &value);
	value = (struct eth_bytes32){{0}};
	be64_put(value.bytes + 24, fields->nonce);
	cell_put(stack, CELL_ROOTED_NONCE, state_root, name_of(address), &value);
	cell_put(stack, CELL_ROOTED_CODE_HASH, state_root, name_of(address),
		 &fields->code_hash);
	cell_put(stack, CELL_ROOTED_STORAGE_ROOT, state_root, name_of(address),
		 &fields->storage_root);
}

static bool account_in_memory(struct stack_view *view, const struct eth_bytes32 *state_root,
			      const struct eth_address *address, struct account_fields *out)
{
	const struct span name = name_of(address);
	struct eth_bytes32 balance, nonce;

	if (!cell_get(view, CELL_ROOTED_STORAGE_ROOT, state_root, name, &out->storage_root) ||
	    !cell_get(view, CELL_ROOTED_CODE_HASH, state_root, name, &out->code_hash) ||
	    !cell_get(view, CELL_ROOTED_BALANCE, state_root, name, &balance) ||
	    !cell_get(view, CELL_ROOTED_NONCE, state_root, name, &nonce))
		return false;
	memcpy(out->balance.bytes, balance.bytes, 32);
	out->nonce = be64_get(nonce.bytes + 24);
	out->mask = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH | ACCOUNT_STORAGE_ROOT;
	return true;
}

enum lookup stack_get_rooted_account(struct stack_view *view,
				     const struct eth_bytes32 *state_root,
				     const struct eth_address *address,
				     struct account_fields *out)
{
	if (view->stack->bypass)
		return MISS;
	if (account_in_memory(view, state_root, address, out))
		return HIT;
	if (view->disk == NULL ||
	    store_get_rooted_account(view->disk, state_root, address, out) != HIT)
		return MISS;
	stack_count(&view->stack->disk_hits);
	account_cells(view->stack, state_root, address, out);
	return HIT;
}

enum lookup stack_get_rooted_slot(struct stack_view *view,
				  const struct eth_bytes32 *storage_root,
				  const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	const struct span name = {(const char *)slot->bytes, sizeof slot->bytes};

	if (view->stack->bypass)
		return MISS;
	if (cell_get(view, CELL_ROOTED_SLOT, storage_root, name, value))
		return HIT;
	if (view->disk == NULL ||
	    store_get_rooted_slot(view->disk, storage_root, slot, value) != HIT)
		return MISS;
	stack_count(&view->stack->disk_hits);
	cell_put(view->stack, CELL_ROOTED_SLOT, storage_root, name, value);
	return HIT;
}

void stack_keep_rooted_account(struct stack *stack, const struct eth_bytes32 *state_root,
			       const struct eth_address *address,
			       const struct account_fields *fields)
{
	account_cells(stack, state_root, address, fields);
	if (stack->store != NULL)
		store_put_rooted_account(stack->store, state_root, address, fields);
}

void stack_keep_rooted_slot(struct stack *stack, const struct eth_bytes32 *storage_root,
			    const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	cell_put(stack, CELL_ROOTED_SLOT, storage_root,
		 (struct span){(const char *)slot->bytes, sizeof slot->bytes}, value);
	if (stack->store != NULL)
		store_put_rooted_slot(stack->store, storage_root, slot, value);
}
