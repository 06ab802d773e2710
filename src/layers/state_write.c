/* SPDX-License-Identifier: MIT */
/* Writes: into the overlay of an open scope, or published at once. */
#include "base/keccak.h"
#include "layers/state_impl.h"

static enum err check_writable(const struct state *state, struct err_detail *detail)
{
	return state->writable
		       ? OK
		       : err_set(detail, ERR_UNSUPPORTED, "%s", state->db->read_only_why);
}

/* Of an overlay. */
static enum err explain(enum err err, struct err_detail *detail)
{
	return err ? err_set(detail, err,
			     err == ERR_LIMIT ? "a storage was wiped 2^32 - 1 times"
					      : "memory for a write was refused")
		   : OK;
}

/* code: borrowed; NULL: it has not changed, or there is none. */
static enum err write_account(struct state *state, const struct eth_address *address,
			      const struct account_fields *fields, struct blob *code,
			      struct err_detail *detail)
{
	struct account_fields written = *fields;
	written.mask |= ACCOUNT_EXISTENCE;
	if (state_has_scope(state))
		return explain(overlay_set_account(state->overlay, address, &written, code),
			       detail);
	struct change_account one = {
		.address = *address, .fields = written, .exists = true, .code = code};
	return shared_publish_one(state->writable, &one, detail);
}

static enum err find_code(struct state *state, const struct eth_bytes32 *hash,
			  struct blob **code, struct err_detail *detail)
{
	struct fault fault;
	char hex[64];
	*code = NULL;
	if (eth_bytes32_equal(hash, &eth_empty_code_hash))
		return OK;
	const enum lookup got = state_code_by_hash(state, hash, code, &fault);
	if (got == HIT)
		return OK;
	if (got == FAILED)
		return err_set(detail, fault.err, "%s", fault.detail.text);
	eth_hex(hash->bytes, 32, hex);
	return err_set(detail, ERR_NOT_FOUND, "no code with hash 0x%.64s is known", hex);
}

enum err state_set_account(struct state *state, const struct eth_address *address,
			   const struct account_fields *fields, struct err_detail *detail)
{
	struct blob *code = NULL;
	enum err err = check_writable(state, detail);
	if (!err && (fields->mask & ACCOUNT_CODE_HASH))
		err = find_code(state, &fields->code_hash, &code, detail);
	if (!err)
		err = write_account(state, address, fields, code, detail);
	blob_put(&code);
	return err;
}

enum err state_set_code(struct state *state, const struct eth_address *address,
			struct blob *code, struct err_detail *detail)
{
	struct account_fields fields = {.mask = ACCOUNT_CODE_HASH,
					.code_hash = eth_empty_code_hash};
	const enum err err = check_writable(state, detail);
	if (err)
		return err;
	if (code && code->len == 0)
		code = NULL;
	if (code)
		keccak256(code->bytes, code->len, &fields.code_hash);
	return write_account(state, address, &fields, code, detail);
}

enum err state_set_slot(struct state *state, const struct eth_address *address,
			const struct eth_bytes32 *slot, const struct eth_bytes32 *value,
			struct err_detail *detail)
{
	const enum err err = check_writable(state, detail);
	if (err)
		return err;
	if (state_has_scope(state))
		return explain(overlay_set_slot(state->overlay, address, slot, value), detail);
	struct change_account one = {.address = *address};
	struct change_slot written = {
		.slot = *slot, .value = *value, .account = &one, .present = true};
	one.slots = &written;
	return shared_publish_one(state->writable, &one, detail);
}

enum err state_destroy(struct state *state, const struct eth_address *address,
		       struct err_detail *detail)
{
	const enum err err = check_writable(state, detail);
	if (err)
		return err;
	if (state_has_scope(state))
		return explain(overlay_destroy(state->overlay, address), detail);
	struct change_account one = {
		.address = *address,
		.generation = 1,
		.fields = {.mask = ACCOUNT_ALL, .code_hash = eth_empty_code_hash},
		.destructed = true};
	return shared_publish_one(state->writable, &one, detail);
}

enum err state_wipe(struct state *state, const struct eth_address *address,
		    struct err_detail *detail)
{
	const enum err err = check_writable(state, detail);
	if (err)
		return err;
	if (state_has_scope(state))
		return explain(overlay_wipe(state->overlay, address), detail);
	struct change_account one = {.address = *address, .generation = 1};
	return shared_publish_one(state->writable, &one, detail);
}
