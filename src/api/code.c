/* SPDX-License-Identifier: MIT */
/* A struct fc_code is a blob under another name; code of no bytes is one for all. */
#include "api/read.h"
#include "base/keccak.h"

static struct blob no_code = {.refs = 1, .len = 0};

struct fc_code *code_new(struct blob *blob)
{
	return (struct fc_code *)(void *)(blob ? blob : blob_get(&no_code));
}

const uint8_t *fc_code_bytes(const struct fc_code *code)
{
	return code ? code_blob(code)->bytes : NULL;
}

size_t fc_code_length(const struct fc_code *code)
{
	return code ? code_blob(code)->len : 0;
}

struct fc_code *fc_code_get(struct fc_code *code)
{
	return code ? (struct fc_code *)(void *)blob_get(code_blob(code)) : NULL;
}

void fc_code_put(struct fc_code **code)
{
	if (!code || !*code)
		return;
	struct blob *blob = code_blob(*code);
	*code = NULL;
	blob_put(&blob);
}

enum fc_err fc_get_code(struct fc_state *state, const struct fc_address *address,
			struct fc_code **code)
{
	if (!state || !address || !code)
		return state_refuse(state, "a pointer is NULL");
	struct fc_read read = {.kind = FC_READ_CODE, .address = *address};
	const enum fc_err err = read_one(state, &read);
	if (err == FC_OK)
		*code = read.code;
	return err;
}

enum fc_err fc_peek_code(struct fc_state *state, const struct fc_address *address,
			 struct fc_code **code)
{
	if (!state || !address || !code)
		return state_refuse(state, "a pointer is NULL");
	struct fc_read read = {.kind = FC_READ_CODE, .address = *address};
	const enum fc_err err = read_peek(state, &read);
	if (err == FC_OK)
		*code = read.code;
	return err;
}

enum fc_err fc_get_code_by_hash(struct fc_state *state, const struct fc_bytes32 *code_hash,
				struct fc_code **code)
{
	struct fault fault;
	struct blob *blob = NULL;
	enum lookup found = HIT;
	if (!state || !code_hash || !code)
		return state_refuse(state, "a pointer is NULL");
	if (!eth_bytes32_equal(in_bytes32(code_hash), &eth_empty_code_hash))
		found = state_code_by_hash(state->state, in_bytes32(code_hash), &blob, &fault);
	state_rest(state->state);
	if (found == HIT) {
		*code = code_new(blob);
		return FC_OK;
	}
	char asked[80] = "code 0x";
	eth_hex(code_hash->bytes, sizeof code_hash->bytes, asked + 7);
	asked[71] = '\0';
	if (found == FAILED)
		return state_fail_err(state, fault.err, asked, fault.detail.text);
	return state_fail(state, FC_ERR_CODE_NOT_FOUND, "%s: not known here", asked);
}

enum fc_err fc_set_code(struct fc_state *state, const struct fc_address *address,
			const uint8_t *bytes, size_t len)
{
	struct err_detail detail = {.text[0] = '\0'};
	struct blob *blob = NULL;
	enum err err = OK;
	if (!state || !address || (!bytes && len > 0))
		return state_refuse(state, "a pointer is NULL");
	if (len > 0 && !(blob = blob_copy(bytes, len)))
		err = ERR_NOMEM;
	if (err == OK)
		err = state_set_code(state->state, in_address(address), blob, &detail);
	blob_put(&blob);
	state_rest(state->state);
	return err == OK
		       ? FC_OK
		       : state_fail_key(state, "writing code", address, NULL, err, detail.text);
}
