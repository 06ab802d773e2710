/* SPDX-License-Identifier: MIT */
/* Accounts and storage, one at a time. */
#include "api/read.h"
#include "layers/source.h"

#define WRITABLE      ((uint32_t)(FC_BALANCE | FC_NONCE | FC_CODE_HASH))
#define NULL_ARGUMENT "a pointer is NULL"

enum fc_err fc_get_account(struct fc_state *state, const struct fc_address *address,
			   uint32_t wanted, struct fc_account *account)
{
	struct account_state got;
	struct fault fault;
	if (!state || !address || !account || (wanted & ~WANTED_ALL))
		return state_refuse(state,
				    "a pointer is NULL, or a field of no account wanted");
	enum lookup found = MISS;
	if (!(wanted & FC_STORAGE_ROOT))
		found = state_account(state->state, in_address(address), wanted, &got,
				      &state->scratch, &fault);
	if (found == HIT) {
		account_fill(account, wanted, &got);
		state_rest(state->state);
		return FC_OK;
	}
	struct fc_read read = {.kind = FC_READ_ACCOUNT, .wanted = wanted, .address = *address};
	const enum fc_err err = wanted & FC_STORAGE_ROOT
					? read_one(state, &read)
					: read_finish(state, &read, found, &fault);
	if (err == FC_OK)
		*account = read.account;
	return err;
}

enum fc_err fc_peek_account(struct fc_state *state, const struct fc_address *address,
			    uint32_t wanted, struct fc_account *account)
{
	if (!state || !address || !account || (wanted & ~WANTED_ALL))
		return state_refuse(state,
				    "a pointer is NULL, or a field of no account wanted");
	struct fc_read read = {.kind = FC_READ_ACCOUNT, .wanted = wanted, .address = *address};
	const enum fc_err err = read_peek(state, &read);
	if (err == FC_OK)
		*account = read.account;
	return err;
}

enum fc_err fc_exists(struct fc_state *state, const struct fc_address *address, bool *exists)
{
	struct fc_account account;
	if (!state || !address || !exists)
		return state_refuse(state, NULL_ARGUMENT);
	const enum fc_err err = fc_get_account(state, address, FC_EXISTS, &account);
	if (err == FC_OK)
		*exists = account.exists;
	return err;
}

static enum fc_err written(struct fc_state *state, const char *asked,
			   const struct fc_address *address, const struct fc_bytes32 *slot,
			   enum err err, const struct err_detail *detail)
{
	state_rest(state->state);
	return err == OK ? FC_OK
			 : state_fail_key(state, asked, address, slot, err, detail->text);
}

enum fc_err fc_set_account(struct fc_state *state, const struct fc_address *address,
			   const struct fc_account *account)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state || !address || !account || (account->mask & ~WRITABLE))
		return state_refuse(state,
				    "a pointer is NULL, or a field that cannot be written");
	struct account_fields fields = {.mask = account->mask, .nonce = account->nonce};
	memcpy(&fields.balance, &account->balance, sizeof fields.balance);
	memcpy(&fields.code_hash, &account->code_hash, sizeof fields.code_hash);
	const enum err err =
		state_set_account(state->state, in_address(address), &fields, &detail);
	const enum fc_err told = written(state, "writing account", address, NULL, err, &detail);
	return err == ERR_NOT_FOUND ? FC_ERR_CODE_NOT_FOUND : told;
}

enum fc_err fc_delete_account(struct fc_state *state, const struct fc_address *address)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	bool exists = false;
	if (!state || !address)
		return state_refuse(state, NULL_ARGUMENT);
	const enum fc_err read = fc_exists(state, address, &exists);
	if (read != FC_OK)
		return read;
	if (!exists)
		return state_fail_key(state, "deleting account", address, NULL, ERR_NOT_FOUND,
				      "it is not there");
	const enum err err = state_destroy(state->state, in_address(address), &detail);
	return written(state, "deleting account", address, NULL, err, &detail);
}

enum fc_err fc_get_storage(struct fc_state *state, const struct fc_address *address,
			   const struct fc_bytes32 *slot, struct fc_bytes32 *value)
{
	struct fault fault;
	struct eth_bytes32 got;
	if (!state || !address || !slot || !value)
		return state_refuse(state, NULL_ARGUMENT);
	const enum lookup found = state_slot(state->state, in_address(address),
					     in_bytes32(slot), &got, &state->scratch, &fault);
	if (found == HIT) {
		memcpy(value, &got, sizeof got);
		state_rest(state->state);
		return FC_OK;
	}
	struct fc_read read = {.kind = FC_READ_STORAGE, .address = *address, .slot = *slot};
	const enum fc_err err = read_finish(state, &read, found, &fault);
	if (err == FC_OK)
		*value = read.value;
	return err;
}

enum fc_err fc_peek_storage(struct fc_state *state, const struct fc_address *address,
			    const struct fc_bytes32 *slot, struct fc_bytes32 *value)
{
	if (!state || !address || !slot || !value)
		return state_refuse(state, NULL_ARGUMENT);
	struct fc_read read = {.kind = FC_READ_STORAGE, .address = *address, .slot = *slot};
	const enum fc_err err = read_peek(state, &read);
	if (err == FC_OK)
		*value = read.value;
	return err;
}

enum fc_err fc_set_storage(struct fc_state *state, const struct fc_address *address,
			   const struct fc_bytes32 *slot, const struct fc_bytes32 *value)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state || !address || !slot || !value)
		return state_refuse(state, NULL_ARGUMENT);
	const enum err err = state_set_slot(state->state, in_address(address), in_bytes32(slot),
					    in_bytes32(value), &detail);
	return written(state, "writing slot", address, slot, err, &detail);
}

enum fc_err fc_clear_storage(struct fc_state *state, const struct fc_address *address)
{
	struct err_detail detail;
	detail.text[0] = '\0';
	if (!state || !address)
		return state_refuse(state, NULL_ARGUMENT);
	const enum err err = state_wipe(state->state, in_address(address), &detail);
	return written(state, "clearing the storage", address, NULL, err, &detail);
}

enum fc_err fc_get_storage_by_root(struct fc_state *state,
				   const struct fc_bytes32 *storage_root,
				   const struct fc_bytes32 *slot, struct fc_bytes32 *value)
{
	struct eth_bytes32 got = {{0}};
	enum lookup found = MISS;
	if (!state || !storage_root || !slot || !value)
		return state_refuse(state, NULL_ARGUMENT);
	if (eth_bytes32_equal(in_bytes32(storage_root), &eth_empty_trie_root))
		found = HIT;
	else if (state->fetches.view)
		found = source_slot_by_root(state->fetches.view, in_bytes32(storage_root),
					    in_bytes32(slot), &got);
	state_rest(state->state);
	if (found == HIT) {
		memcpy(value, &got, sizeof got);
		return FC_OK;
	}
	char root[65] = {0}, name[65] = {0};
	eth_hex(storage_root->bytes, sizeof storage_root->bytes, root);
	eth_hex(slot->bytes, sizeof slot->bytes, name);
	return state_fail(state, FC_ERR_STORAGE_NOT_FOUND,
			  "slot 0x%s under the storage root 0x%s: not known here", name, root);
}
