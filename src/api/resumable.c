/* SPDX-License-Identifier: MIT */
/* What resumable reads have missed, and values from the caller. */
#include "api/api_impl.h"

const struct fc_need *fc_needed(const struct fc_state *state, size_t *n)
{
	size_t ignored = 0;
	size_t *count = n ? n : &ignored;
	*count = 0;
	return state ? notes_rows(&((struct fc_state *)(uintptr_t)state)->notes, count) : NULL;
}

void fc_drop_needed(struct fc_state *state)
{
	if (state)
		notes_clear(&state->notes);
}

static enum fc_err feed(struct fc_state *s, const struct need *need,
			const struct eth_bytes32 *value, struct blob *code)
{
	char detail[FC_DETAIL_BYTES];
	enum err err = ERR_UNSUPPORTED;
	if (s->fetches.view)
		err = source_feed(s->fetches.view, need, value, code);
	if (err != OK) {
		const enum fc_err told = detail_of_need(
			s, need, err, s->fetches.view ? NULL : "nothing below can miss",
			detail);
		memcpy(s->detail, detail, sizeof detail);
		return told;
	}
	handle_set_fed(s, true);
	notes_remove(&s->notes, need);
	return FC_OK;
}

enum fc_err fc_feed_balance(struct fc_state *state, const struct fc_address *address,
			    const struct fc_bytes32 *balance)
{
	if (!state || !address || !balance)
		return state_refuse(state, "a pointer is NULL");
	const struct need need = {.kind = NEED_BALANCE, .address = *in_address(address)};
	return feed(state, &need, in_bytes32(balance), NULL);
}

enum fc_err fc_feed_nonce(struct fc_state *state, const struct fc_address *address,
			  uint64_t nonce)
{
	if (!state || !address)
		return state_refuse(state, "a pointer is NULL");
	const struct need need = {.kind = NEED_NONCE, .address = *in_address(address)};
	struct eth_bytes32 value = {{0}};
	be64_put(value.bytes + sizeof value.bytes - sizeof nonce, nonce);
	return feed(state, &need, &value, NULL);
}

enum fc_err fc_feed_code(struct fc_state *state, const struct fc_address *address,
			 const uint8_t *bytes, size_t len)
{
	if (!state || !address || (!bytes && len > 0))
		return state_refuse(state, "a pointer is NULL");
	const struct need need = {.kind = NEED_CODE, .address = *in_address(address)};
	struct blob *code = NULL;
	if (len > 0 && !(code = blob_copy(bytes, len)))
		return state_fail_err(state, ERR_NOMEM, "feeding code", NULL);
	const enum fc_err err = feed(state, &need, NULL, code);
	blob_put(&code);
	return err;
}

enum fc_err fc_feed_storage(struct fc_state *state, const struct fc_address *address,
			    const struct fc_bytes32 *slot, const struct fc_bytes32 *value)
{
	if (!state || !address || !slot || !value)
		return state_refuse(state, "a pointer is NULL");
	const struct need need = {
		.kind = NEED_SLOT, .address = *in_address(address), .slot = *in_bytes32(slot)};
	return feed(state, &need, in_bytes32(value), NULL);
}
