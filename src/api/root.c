/* SPDX-License-Identifier: MIT */
#include "api/root.h"
#include "base/log.h"
#include "layers/shared.h"
#include "api/read.h"
#include "layers/shared.h"

static enum lookup fail(struct fault *fault, enum err err, const char *why)
{
	fault->err = err_set(&fault->detail, err, "%s", why ? why : err_name(err));
	return FAILED;
}

/* What the caller has fed is for this handle only: so is a root with it. */
static enum err find_view(struct fc_state *s, struct root_view **out)
{
	struct root_view **view = s->fed ? &s->fed_view : &s->roots;
	enum err err = OK;
	if (s->fed && !s->fed_roots)
		err = root_cache_new(&s->db->db, &s->fed_roots);
	if (err == OK && !*view)
		err = root_view_new(s->fed ? s->fed_roots : s->db->roots, s->state, view);
	*out = *view;
	return err;
}

static enum err begin_job(struct fc_op *op)
{
	struct root_view *view;
	const enum err err = find_view(op->handle, &view);
	return err == OK ? root_job_new(view, &op->job) : err;
}

/* What was fetched for it: a proof that failed fails it; a witness that nobody has does not. */
static const struct want *failed_want(struct fc_op *op)
{
	for (const struct want *want = op->first_want; want; want = want->next_of_owner) {
		if (want->err == OK)
			continue;
		if (want->purpose == WANT_ROOT)
			return want;
		if (want->purpose == WANT_WITNESS)
			root_job_no_witness(op->job);
	}
	return NULL;
}

static enum err want_what_it_lacks(struct fc_op *op)
{
	static const struct need none = {.kind = NEED_PROOF};
	bool witness;
	size_t n;
	enum err err = OK;
	const struct need *needs = root_job_needs(op->job, &n, &witness);
	for (size_t i = 0; i < n && err == OK; i++)
		err = op_want(op, &needs[i], WANT_ROOT, NULL);
	if (err == OK && witness)
		err = op_want(op, &none, WANT_WITNESS, NULL);
	return err;
}

static enum lookup fail_fetch(const struct fc_op *op, const struct want *want,
			      struct fault *fault)
{
	char text[FC_DETAIL_BYTES];
	(void)detail_of_need(op->handle, &want->node.need, want->err, want->detail, text);
	return fail(fault, want->err, text);
}

enum lookup op_step_root(struct fc_op *op, struct fault *fault)
{
	if (!op->job) {
		const enum err err = begin_job(op);
		if (err != OK)
			return fail(fault, err, NULL);
	}
	const struct want *failed = failed_want(op);
	if (failed)
		return fail_fetch(op, failed, fault);
	const enum lookup found = root_step(op->job, &op->root, fault);
	if (found != PENDING)
		return found;
	const enum err err = want_what_it_lacks(op);
	if (err != OK)
		return fail(fault, err, NULL);
	return op->waiting > 0 ? PENDING
			       : fail(fault, ERR_UNSUPPORTED, "nothing can be fetched");
}

/* ---- reads that want one ---- */

static bool wants_root(const struct fc_op *op, size_t i)
{
	return op->reads[i].err == FC_PENDING && read_wants_root(op->handle, &op->reads[i]);
}

static enum err ask_for_reads(struct fc_op *op)
{
	op->asks = malloc(op->n * sizeof *op->asks);
	if (!op->asks)
		return ERR_NOMEM;
	for (size_t i = 0; i < op->n; i++)
		op->asks[i] = NO_ASK;
	enum err err = begin_job(op);
	for (size_t i = 0; i < op->n && err == OK; i++) {
		const struct fc_read *read = &op->reads[i];
		const bool of_slot = read->prove && read->kind == FC_READ_STORAGE;
		if (wants_root(op, i))
			err = root_job_ask(op->job, in_address(&read->address),
					   of_slot ? in_bytes32(&read->slot) : NULL,
					   &op->asks[i]);
	}
	return err;
}

static bool has_asked(const struct fc_op *op, size_t i)
{
	return op->asks && op->asks[i] != NO_ASK;
}

/* Also those that would not want one any more: they have none. */
static void fail_those(struct fc_op *op, const struct fault *fault)
{
	for (size_t i = 0; i < op->n; i++)
		if (op->reads[i].err == FC_PENDING && (has_asked(op, i) || wants_root(op, i)))
			op_read_failed(op, i, fault->err, fault->detail.text);
}

static void prove_those(struct fc_op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		if (op->reads[i].err != FC_PENDING || !has_asked(op, i) || !op->reads[i].prove)
			continue;
		const enum err err = proof_new(op->job, op->asks[i], &op->reads[i].proof);
		if (err != OK)
			op_read_failed(op, i, err, "its proof could not be made");
	}
}

static bool any_wants_root(const struct fc_op *op)
{
	for (size_t i = 0; i < op->n; i++)
		if (wants_root(op, i))
			return true;
	return false;
}

/* Of an earlier step, or without an account that was written meanwhile. */
static bool is_stale(const struct fc_op *op)
{
	for (size_t i = 0; op->asks && !op->rooted && i < op->n; i++)
		if (wants_root(op, i) && op->asks[i] == NO_ASK)
			return true;
	return op->rooted;
}

void op_forget_root(struct fc_op *op)
{
	root_job_free(&op->job);
	free(op->asks);
	op->asks = NULL;
	op->rooted = false;
	for (size_t i = 0; i < op->n; i++)
		if (op->reads[i].err == FC_PENDING)
			fc_proof_put(&op->reads[i].proof);
}

struct layer_view *op_pin(struct fc_op *op)
{
	struct layer_view *view = state_writable_view(op->handle->state);
	if (!view || shared_is_pinned(view) || !any_wants_root(op))
		return NULL;
	return shared_pin(view) == OK ? view : NULL;
}

bool op_step_proofs(struct fc_op *op)
{
	struct fault fault = {.err = OK};
	if (is_stale(op))
		op_forget_root(op);
	if (!op->asks) {
		if (!any_wants_root(op))
			return true;
		const enum err err = ask_for_reads(op);
		if (err != OK)
			(void)fail(&fault, err, NULL);
	}
	const enum lookup found = fault.err == OK ? op_step_root(op, &fault) : FAILED;
	if (found == PENDING)
		return false;
	op->rooted = true;
	if (found == HIT)
		prove_those(op);
	else
		fail_those(op, &fault);
	return true;
}

void op_rooted_account(const struct fc_op *op, size_t i, struct fc_account *out)
{
	struct trie_account leaf;
	*out = (struct fc_account){.mask = WANTED_ALL};
	out->exists = root_job_account(op->job, op->asks[i], &leaf);
	out->nonce = leaf.nonce;
	memcpy(&out->balance, &leaf.balance, sizeof out->balance);
	memcpy(&out->code_hash, &leaf.code_hash, sizeof out->code_hash);
	memcpy(&out->storage_root, &leaf.storage_root, sizeof out->storage_root);
}

/* ---- the public functions ---- */

enum fc_err fc_state_root(struct fc_state *state, struct fc_bytes32 *root)
{
	struct fc_op op;
	if (!state || !root)
		return state_refuse(state, "a pointer is NULL");
	op_init(&op, state, OP_ROOT, FC_PRIORITY_CRITICAL);
	const enum fc_err err = op_run(&op);
	if (err == FC_OK)
		memcpy(root, &op.root, sizeof *root);
	return err;
}

/* A file keeps the root of the state that it holds, for fc_check. It is computed of what is
 * published: others may have, too. What cannot be stored is not there to be compared. */
static void store_root(struct fc_state *s)
{
	struct layer_view *view = state_writable_view(s->state);
	struct err_detail detail = {.text[0] = '\0'};
	struct fc_bytes32 root;
	const uint64_t sequence = shared_sequence(view);
	if (fc_state_root(s, &root) != FC_OK || shared_sequence(view) != sequence)
		return;
	if (shared_store_root(view, sequence, in_bytes32(&root), &detail) != OK)
		log_warn("the state root was not stored", LOG_S("why", detail.text));
}

enum fc_err fc_commit(struct fc_state *state, struct fc_bytes32 *root)
{
	struct err_detail detail = {.text[0] = '\0'};
	struct fc_bytes32 computed;
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum fc_err told = root ? fc_state_root(state, &computed) : FC_OK;
	if (told != FC_OK)
		return told;
	const enum err err = state_publish(state->state, true, &detail);
	engine_rest(state);
	if (err != OK) {
		const enum fc_err failed =
			state_fail_err(state, err, "committing", detail.text);
		return err == ERR_INVALID ? FC_ERR_INVALID_TRANSACTION : failed;
	}
	if (!root)
		return FC_OK;
	*root = computed;
	if (state->db->db.writable && shared_has_file(state->db->db.writable))
		store_root(state);
	return FC_OK;
}
