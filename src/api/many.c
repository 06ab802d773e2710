/* SPDX-License-Identifier: MIT */
/* Many reads at once, and what is fetched ahead of them. */
#include "api/many.h"
#include "api/read.h"

static bool any_wants_root(struct fc_state *s, const struct fc_read *reads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (read_is_valid(&reads[i]) && read_wants_root(s, &reads[i]))
			return true;
	return false;
}

static enum fc_err resume_one(struct fc_state *s, struct fc_read *read)
{
	read->code = NULL;
	read->proof = NULL;
	if (!read_is_valid(read))
		return state_refuse(s, "no such kind of read, or mask");
	return read_one(s, read);
}

/* The detail is of the first that has failed: a later one must not take its place. */
static enum fc_err resume_many(struct fc_state *s, struct fc_read *reads, size_t n)
{
	char detail[FC_DETAIL_BYTES];
	enum fc_err first = FC_OK;
	bool pending = false;
	for (size_t i = 0; i < n; i++) {
		reads[i].err = resume_one(s, &reads[i]);
		pending |= reads[i].err == FC_PENDING;
		if (first == FC_OK && reads[i].err != FC_OK && reads[i].err != FC_PENDING) {
			first = reads[i].err;
			memcpy(detail, s->detail, sizeof detail);
		}
	}
	if (first != FC_OK)
		memcpy(s->detail, detail, sizeof detail);
	return first != FC_OK ? first : pending ? FC_PENDING : FC_OK;
}

enum fc_err fc_read_many(struct fc_state *state, struct fc_read *reads, size_t n)
{
	struct fc_op op;
	if (!state || (!reads && n > 0))
		return state_refuse(state, "a pointer is NULL");
	if (state->wait == FC_RESUMABLE && !any_wants_root(state, reads, n))
		return resume_many(state, reads, n);
	op_init(&op, state, OP_READS, FC_PRIORITY_CRITICAL);
	op_set_reads(&op, reads, n);
	return op_run(&op);
}

void fc_reads_release(struct fc_read *reads, size_t n)
{
	for (size_t i = 0; reads && i < n; i++) {
		fc_code_put(&reads[i].code);
		fc_proof_put(&reads[i].proof);
	}
}

/* ---- lists of needs ---- */

bool access_is_valid(const struct fc_access *list, size_t n)
{
	if (!list)
		return n == 0;
	for (size_t i = 0; i < n; i++)
		if (!list[i].slots && list[i].slots_n > 0)
			return false;
	return true;
}

static enum lookup lacks_of_account(struct fc_state *s, const struct eth_address *address,
				    struct fault *fault)
{
	struct account_state account;
	struct blob *code = NULL;
	if (state_account(s->state, address, ACCOUNT_BALANCE | ACCOUNT_NONCE, &account,
			  &s->scratch, fault) == FAILED)
		return FAILED;
	const enum lookup found = state_code(s->state, address, &code, &s->scratch, fault);
	if (found == HIT)
		blob_put(&code);
	return found;
}

/* What reads of all these would miss goes to the handle's scratch. */
static enum fc_err lacks_of_list(struct fc_state *s, const struct fc_access *list, size_t n)
{
	struct fault fault;
	struct eth_bytes32 value;
	for (size_t i = 0; i < n; i++) {
		const struct fc_access *row = &list[i];
		if (lacks_of_account(s, in_address(&row->address), &fault) == FAILED)
			return state_fail_key(s, "prefetching", &row->address, NULL, fault.err,
					      fault.detail.text);
		for (size_t k = 0; k < row->slots_n; k++)
			if (state_slot(s->state, in_address(&row->address),
				       in_bytes32(&row->slots[k]), &value, &s->scratch,
				       &fault) == FAILED)
				return state_fail_key(s, "prefetching slot", &row->address,
						      &row->slots[k], fault.err,
						      fault.detail.text);
	}
	return FC_OK;
}

enum fc_err op_want_scratch(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	enum err err = OK;
	for (size_t i = 0; i < s->scratch.n && err == OK; i++)
		err = op_want(op, &s->scratch.rows[i], WANT_READ, NULL);
	needs_clear(&s->scratch);
	return err == OK ? FC_OK : state_fail_err(s, err, "fetching", NULL);
}

enum fc_err op_want_list(struct fc_op *op, const struct fc_access *list, size_t n)
{
	struct fc_state *s = op->handle;
	const enum fc_err err = lacks_of_list(s, list, n);
	if (err == FC_OK)
		return op_want_scratch(op);
	needs_clear(&s->scratch);
	return err;
}

enum fc_err op_want_noted(struct fc_op *op)
{
	struct fc_state *s = op->handle;
	enum err err = OK;
	for (struct note *note = s->notes.first; note && err == OK; note = note->next)
		err = op_want(op, &note->node.need, WANT_READ, NULL);
	if (err != OK)
		return state_fail_err(s, err, "fetching what is needed", NULL);
	notes_clear(&s->notes);
	return FC_OK;
}

enum fc_err fc_prefetch(struct fc_state *state, const struct fc_access *list, size_t n)
{
	struct fc_op op;
	if (!state || !access_is_valid(list, n))
		return state_refuse(state, "an access list");
	op_init(&op, state, OP_NEEDS, FC_PRIORITY_CRITICAL);
	const enum fc_err err = op_want_list(&op, list, n);
	if (err == FC_OK)
		return op_run(&op);
	op_release(&op);
	engine_rest(state);
	return err;
}

enum fc_err fc_fetch_needed(struct fc_state *state)
{
	struct fc_op op;
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	op_init(&op, state, OP_NEEDS, FC_PRIORITY_CRITICAL);
	const enum fc_err err = op_want_noted(&op);
	if (err == FC_OK)
		return op_run(&op);
	op_release(&op);
	engine_rest(state);
	return err;
}
