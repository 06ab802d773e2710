/* SPDX-License-Identifier: MIT */
#include "api/read.h"
#include "layers/shared.h"

bool read_is_valid(const struct fc_read *read)
{
	if (read->wanted & ~WANTED_ALL)
		return false;
	switch (read->kind) {
	case FC_READ_ACCOUNT:
	case FC_READ_STORAGE:
	case FC_READ_CODE:
		return true;
	}
	return false;
}

/* Over a fork the storage root of an account that nobody here has written is the chain's. */
static bool is_written(struct fc_state *s, const struct eth_address *address)
{
	struct layer_view *view = state_writable_view(s->state);
	if (!view)
		return false;
	if (changes_find_account(overlay_changes(state_overlay(s->state)), address))
		return true;
	const bool written = changes_find_account(shared_enter(view), address) != NULL;
	shared_leave(view);
	return written;
}

static bool root_is_computed(struct fc_state *s, const struct fc_read *read)
{
	return !s->fetches.view || is_written(s, in_address(&read->address));
}

static bool wants_storage_root(const struct fc_read *read)
{
	return read->kind == FC_READ_ACCOUNT && (read->wanted & FC_STORAGE_ROOT);
}

bool read_wants_root(struct fc_state *s, const struct fc_read *read)
{
	return read->prove || (wants_storage_root(read) && root_is_computed(s, read));
}

/* Field by field: to clear it first would cost as much as all else of a hit. */
void account_fill(struct fc_account *out, uint32_t mask, const struct account_state *got)
{
	static const struct eth_bytes32 zero;
	const struct account_fields *fields = &got->fields;
	out->mask = mask;
	out->exists = (mask & FC_EXISTS) && got->exists;
	out->nonce = mask & FC_NONCE ? fields->nonce : 0;
	memcpy(&out->balance, mask & FC_BALANCE ? fields->balance.bytes : zero.bytes,
	       sizeof out->balance);
	memcpy(&out->code_hash, mask & FC_CODE_HASH ? fields->code_hash.bytes : zero.bytes,
	       sizeof out->code_hash);
	memcpy(&out->storage_root, &zero, sizeof out->storage_root);
}

/* A peek computes nothing. */
static enum lookup try_storage_root(struct fc_state *s, const struct fc_read *read,
				    struct eth_bytes32 *root, struct needs *needs,
				    struct fault *fault)
{
	struct account_state got;
	if (root_is_computed(s, read))
		return MISS;
	const enum lookup found = layer_account(s->fetches.view, in_address(&read->address),
						ACCOUNT_STORAGE_ROOT, &got, needs, fault);
	if (found == HIT)
		*root = got.fields.storage_root;
	return found;
}

static enum lookup try_account(struct fc_state *s, struct fc_read *read,
			       const struct eth_bytes32 *storage_root, struct needs *needs,
			       struct fault *fault)
{
	const unsigned fields = read->wanted & ~(uint32_t)FC_STORAGE_ROOT;
	struct account_state got;
	struct eth_bytes32 root;
	enum lookup found = HIT, root_found = HIT;
	if (fields)
		found = state_account(s->state, in_address(&read->address), fields, &got, needs,
				      fault);
	if (found != FAILED && wants_storage_root(read)) {
		if (storage_root)
			root = *storage_root;
		else
			root_found = try_storage_root(s, read, &root, needs, fault);
	}
	if (found != HIT || root_found != HIT)
		return found == FAILED || root_found == FAILED ? FAILED : MISS;
	account_fill(&read->account, fields, &got);
	if (wants_storage_root(read)) {
		read->account.mask |= FC_STORAGE_ROOT;
		memcpy(&read->account.storage_root, &root, sizeof root);
	}
	return HIT;
}

static enum lookup try_code(struct fc_state *s, struct fc_read *read, struct needs *needs,
			    struct fault *fault)
{
	struct blob *code = NULL;
	const enum lookup found =
		state_code(s->state, in_address(&read->address), &code, needs, fault);
	if (found == HIT)
		read->code = code_new(code);
	return found;
}

enum lookup read_try(struct fc_state *s, struct fc_read *read,
		     const struct eth_bytes32 *storage_root, struct needs *needs,
		     struct fault *fault)
{
	enum lookup found = FAILED;
	switch (read->kind) {
	case FC_READ_ACCOUNT:
		found = try_account(s, read, storage_root, needs, fault);
		break;
	case FC_READ_STORAGE:
		found = state_slot(s->state, in_address(&read->address),
				   in_bytes32(&read->slot), out_bytes32(&read->value), needs,
				   fault);
		break;
	case FC_READ_CODE:
		found = try_code(s, read, needs, fault);
		break;
	}
	return found;
}

static enum fc_err note_needs(struct fc_state *s, const struct fc_read *read)
{
	enum err err = OK;
	for (size_t i = 0; i < s->scratch.n && err == OK; i++)
		err = notes_add(&s->notes, &s->scratch.rows[i]);
	needs_clear(&s->scratch);
	return err == OK ? FC_PENDING : detail_of_read(s, read, err, NULL, s->detail);
}

enum fc_err read_finish(struct fc_state *s, struct fc_read *read, enum lookup found,
			const struct fault *fault)
{
	enum fc_err err = FC_OK;
	if (found == MISS && s->wait == FC_BLOCKING)
		return read_wait(s, read);
	if (found == MISS)
		err = note_needs(s, read);
	else if (found != HIT)
		err = detail_of_read(s, read, fault->err, fault->detail.text, s->detail);
	state_rest(s->state);
	return err;
}

enum fc_err read_wait(struct fc_state *s, struct fc_read *read)
{
	struct fc_op op;
	needs_clear(&s->scratch);
	op_init(&op, s, OP_READS, FC_PRIORITY_CRITICAL);
	op_set_reads(&op, read, 1);
	return op_run(&op);
}

enum fc_err read_one(struct fc_state *s, struct fc_read *read)
{
	struct fault fault;
	if (read_wants_root(s, read))
		return read_wait(s, read);
	return read_finish(s, read, read_try(s, read, NULL, &s->scratch, &fault), &fault);
}

enum fc_err read_peek(struct fc_state *s, struct fc_read *read)
{
	struct fault fault;
	const enum lookup found = read_try(s, read, NULL, NULL, &fault);
	if (found == MISS) {
		state_rest(s->state);
		return FC_MISS;
	}
	return read_finish(s, read, found, &fault);
}
