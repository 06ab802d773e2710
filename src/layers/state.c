/* SPDX-License-Identifier: MIT */
/* Life and reads. */
#include "layers/state_impl.h"

static struct layer_view *find_view(struct layer_view *view, const struct layer *layer)
{
	while (layer && view && view->layer != layer)
		view = view->below;
	return layer ? view : NULL;
}

enum err state_new(struct db *db, struct loop *loop, struct state **out,
		   struct err_detail *detail)
{
	*out = NULL;
	struct state *state = calloc(1, sizeof *state);
	if (!state)
		return err_set(detail, ERR_NOMEM, "memory for a handle was refused");
	state->db = db;
	enum err err = overlay_new(&state->overlay);
	if (err)
		err_set(detail, err, "an overlay: %s", err_name(err));
	else
		err = db->top->ops->view_new(db->top, loop, &state->top, detail);
	if (err) {
		overlay_free(&state->overlay);
		free(state);
		return err;
	}
	state->own = overlay_changes(state->overlay);
	state->writable = find_view(state->top, db->writable);
	state->borrows = state->top;
	while (state->borrows && shared_is(state->borrows->layer))
		state->borrows = state->borrows->below;
	state->source = find_view(state->top, db->source);
	*out = state;
	return OK;
}

void state_free(struct state **state)
{
	struct state *s = *state;
	if (!s)
		return;
	state_abandon(s);
	s->top->layer->ops->view_free(&s->top);
	overlay_free(&s->overlay);
	free(s->snapshots);
	free(s);
	*state = NULL;
}

struct layer_view *state_top_view(struct state *state)
{
	return state->top;
}

struct layer_view *state_writable_view(struct state *state)
{
	return state->writable;
}

struct layer_view *state_source_view(struct state *state)
{
	return state->source;
}

struct overlay *state_overlay(struct state *state)
{
	return state->overlay;
}

void state_rest(struct state *state)
{
	if (state->borrows)
		state->borrows->layer->ops->rest(state->borrows);
}

/* ---- reads ---- */

static const struct change_account *own_entry(struct state *state,
					      const struct eth_address *address)
{
	return state_has_scope(state) ? changes_find_account(state->own, address) : NULL;
}

/* What the handle has not written itself. */
static enum lookup add_from_below(struct state *state, const struct eth_address *address,
				  unsigned missing, struct account_state *out,
				  struct needs *needs, struct fault *fault)
{
	struct account_state below = {.exists = false};
	const enum lookup got =
		layer_account(state->top, address, missing, &below, needs, fault);
	if (got != HIT)
		return got;
	if (missing & ACCOUNT_BALANCE)
		out->fields.balance = below.fields.balance;
	if (missing & ACCOUNT_NONCE)
		out->fields.nonce = below.fields.nonce;
	if (missing & ACCOUNT_CODE_HASH)
		out->fields.code_hash = below.fields.code_hash;
	if (missing & ACCOUNT_EXISTENCE)
		out->exists = below.exists;
	out->fields.mask |= missing;
	return HIT;
}

enum lookup state_account(struct state *state, const struct eth_address *address,
			  unsigned wanted, struct account_state *out, struct needs *needs,
			  struct fault *fault)
{
	const bool by_fields = (wanted & ACCOUNT_EXISTENCE) && !state->db->keep_empty;
	enum lookup got = HIT;
	if (!own_entry(state, address))
		return layer_account(state->top, address, wanted, out, needs, fault);
	if (by_fields)
		wanted |= ACCOUNT_FIELDS;
	if (changes_read_account(state->own, address, wanted, &out->fields, &out->exists) ==
	    MISS) {
		unsigned missing = wanted & ~out->fields.mask;
		if (by_fields)
			missing &= ~ACCOUNT_EXISTENCE;
		if (missing)
			got = add_from_below(state, address, missing, out, needs, fault);
	}
	if (got == HIT && by_fields) {
		out->exists = changes_is_something(&out->fields);
		out->fields.mask |= ACCOUNT_EXISTENCE;
	}
	return got;
}

static __attribute__((noinline)) enum lookup own_slot(struct state *state,
						      const struct eth_address *address,
						      const struct eth_bytes32 *slot,
						      struct eth_bytes32 *value,
						      struct needs *needs, struct fault *fault)
{
	if (changes_read_slot(state->own, address, slot, value) == HIT)
		return HIT;
	return layer_slot(state->top, address, slot, value, needs, fault);
}

/* Both ways are jumps: nothing of this function remains on the stack. */
enum lookup state_slot(struct state *state, const struct eth_address *address,
		       const struct eth_bytes32 *slot, struct eth_bytes32 *value,
		       struct needs *needs, struct fault *fault)
{
	return state_has_scope(state)
		       ? own_slot(state, address, slot, value, needs, fault)
		       : layer_slot(state->top, address, slot, value, needs, fault);
}

static enum lookup lost(const struct eth_address *address, struct fault *fault)
{
	char hex[40];
	eth_hex(address->bytes, 20, hex);
	fault->err =
		err_set(&fault->detail, ERR_CORRUPT, "the code of 0x%.40s is not here", hex);
	return FAILED;
}

enum lookup state_code(struct state *state, const struct eth_address *address,
		       struct blob **code, struct needs *needs, struct fault *fault)
{
	const struct change_account *own = own_entry(state, address);
	*code = NULL;
	if (!own || !(own->fields.mask & ACCOUNT_CODE_HASH))
		return layer_code(state->top, address, code, needs, fault);
	if (eth_bytes32_equal(&own->fields.code_hash, &eth_empty_code_hash))
		return HIT;
	const enum lookup got = state_code_by_hash(state, &own->fields.code_hash, code, fault);
	return got == MISS ? lost(address, fault) : got;
}

enum lookup state_code_by_hash(struct state *state, const struct eth_bytes32 *code_hash,
			       struct blob **code, struct fault *fault)
{
	struct blob *own =
		state_has_scope(state) ? changes_find_code(state->own, code_hash) : NULL;
	*code = own ? blob_get(own) : NULL;
	return own ? HIT : layer_code_by_hash(state->top, code_hash, code, fault);
}
