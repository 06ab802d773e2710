/* SPDX-License-Identifier: MIT */
/* Fetches of a source: one or several questions to the fork, of which the last ends it. */
#include "base/json.h"
#include "base/keccak.h"
#include "layers/source_impl.h"
#include <stdlib.h>

/* A question of an operation. */
struct part {
	struct source_op *op;
	struct fork_op *asked;
	size_t from, n; /* slots of a proof */
};

struct source_op {
	struct source_view *view;
	struct source_op *next, **prev; /* of the view */
	source_done_fn *done;
	void *cookie;
	struct need need; /* its slots are the operation's own */
	struct eth_bytes32 *slots;
	bool witness;
	bool code_asked; /* with verify: the proof has come before */
	struct eth_bytes32 code_hash;
	enum err err; /* the first of its parts' */
	struct err_detail detail;
	size_t left, parts_n;
	struct part parts[];
};

/* ---- life ---- */

static struct source_op *op_new(struct source_view *view, const struct need *need, size_t parts,
				source_done_fn *done, void *cookie)
{
	struct source_op *op = calloc(1, sizeof *op + parts * sizeof op->parts[0]);

	if (op == NULL)
		return NULL;
	op->need = *need;
	op->need.slots = NULL;
	if (need->kind == NEED_PROOF && need->slots_n > 0) {
		op->slots = malloc(need->slots_n * sizeof *op->slots);
		if (op->slots == NULL) {
			free(op);
			return NULL;
		}
		memcpy(op->slots, need->slots, need->slots_n * sizeof *op->slots);
	}
	op->view = view;
	op->done = done;
	op->cookie = cookie;
	op->parts_n = parts;
	for (size_t i = 0; i < parts; i++)
		op->parts[i].op = op;
	op->next = view->ops;
	op->prev = &view->ops;
	if (op->next != NULL)
		op->next->prev = &op->next;
	view->ops = op;
	return op;
}

static void op_free(struct source_op *op)
{
	for (size_t i = 0; i < op->parts_n; i++)
		fork_cancel(&op->parts[i].asked);
	*op->prev = op->next;
	if (op->next != NULL)
		op->next->prev = op->prev;
	free(op->slots);
	free(op);
}

void source_ops_free(struct source_view *view)
{
	while (view->ops != NULL)
		op_free(view->ops);
}

void source_cancel(struct source_op **op)
{
	if (*op != NULL)
		op_free(*op);
	*op = NULL;
}

/* The last thing that happens to it. */
static void op_end(struct source_op *op)
{
	source_done_fn *done = op->done;
	void *cookie = op->cookie;
	const enum err err = op->err;
	const struct err_detail detail = op->detail;

	op_free(op);
	done(cookie, err, detail.text);
}

static void op_fail(struct source_op *op, enum err err, const char *why)
{
	if (op->err != OK)
		return;
	op->err = err;
	err_set(&op->detail, err, "%.500s", why);
}

/* ---- what has come ---- */

/* The code of a JSON-RPC error object; its text is the remote's, and may hold anything. */
static void say_error(struct source_op *op, enum err err, const struct blob *error)
{
	struct span code = SPAN("?");

	if (error == NULL || !json_member(blob_span(error), "code", &code) || code.len > 20)
		code = SPAN("?");
	if (op->err != OK)
		return;
	op->err = err;
	if (op->witness)
		op->err = ERR_UNSUPPORTED;
	err_set(&op->detail, err, "%s %s (error %.*s)",
		err == ERR_UNSUPPORTED ? "no upstream knows" : "an upstream refused",
		op->witness		      ? "debug_executionWitness"
		: op->need.kind == NEED_PROOF ? "eth_getProof"
		: op->view->source->verify    ? "eth_getProof, by which reads are verified"
					      : "a read",
		(int)code.len, code.ptr);
}

static enum err feed_code(struct source_view *view, const struct eth_address *address,
			  struct blob *code, const struct eth_bytes32 *known_hash)
{
	struct fed_key key = {.kind = FED_CODE_HASH, .address = *address};
	struct eth_bytes32 hash;

	if (known_hash != NULL)
		hash = *known_hash;
	else
		keccak256(code->bytes, code->len, &hash);
	enum err err = fed_put(&view->fed, &key, &hash, NULL);
	key = (struct fed_key){.kind = FED_CODE, .slot = hash};
	return err == OK ? fed_put(&view->fed, &key, NULL, code) : err;
}

static enum err take_fact(struct source_op *op, const struct fork_answer *answer)
{
	struct fed_key key = {.address = op->need.address, .slot = op->need.slot};

	if (op->need.kind == NEED_CODE)
		return feed_code(op->view, &op->need.address, answer->blob, NULL);
	key.kind = op->need.kind == NEED_BALANCE ? FED_BALANCE
		   : op->need.kind == NEED_NONCE ? FED_NONCE
						 : FED_SLOT;
	if (key.kind != FED_SLOT)
		key.slot = (struct eth_bytes32){{0}};
	return fed_put(&op->view->fed, &key, &answer->value, NULL);
}

/* The slots that a part's proof is of. */
static const struct eth_bytes32 *slots_of(const struct part *part, size_t *n)
{
	const struct source_op *op = part->op;

	*n = op->need.kind == NEED_SLOT ? 1 : part->n;
	if (op->need.kind == NEED_SLOT)
		return &op->need.slot;
	return *n > 0 ? op->slots + part->from : NULL;
}

static enum err take_proof(struct source_op *op, const struct part *part, struct span json)
{
	size_t n;
	const struct eth_bytes32 *slots = slots_of(part, &n);

	return source_take_proof(op->view, &op->need.address, slots, n, json,
				 op->need.kind == NEED_PROOF);
}

static enum err take_code(struct source_op *op, struct span json)
{
	struct blob *code;
	enum err err = source_data(json, &code);

	if (err != OK)
		return err;
	err = feed_code(op->view, &op->need.address, code, &op->code_hash);
	blob_put(&code);
	return err;
}

static bool is_fact(const struct source_op *op)
{
	return !op->witness && !op->view->source->verify && op->need.kind != NEED_PROOF;
}

static enum err take(struct source_op *op, const struct part *part,
		     const struct fork_answer *answer)
{
	if (is_fact(op))
		return take_fact(op, answer);
	const struct span json = blob_span(answer->blob);
	if (op->witness)
		return source_take_witness(op->view->source, json);
	return op->code_asked ? take_code(op, json) : take_proof(op, part, json);
}

/* With verify: the proof of an account has come, and its code is wanted. */
static bool goes_on(struct source_op *op);

static void on_answer(void *cookie, const struct fork_answer *answer)
{
	struct part *part = cookie;
	part->asked = NULL;
	struct source_op *op = part->op;

	op->left--;
	if (answer->err == ERR_UPSTREAM || answer->err == ERR_UNSUPPORTED) {
		say_error(op, answer->err, answer->blob);
	} else if (answer->err != OK) {
		op_fail(op, answer->err, answer->detail);
	} else {
		const enum err err = take(op, part, answer);
		/* The view's table is full: the caches may have room. */
		if (err != OK &&
		    (err != ERR_LIMIT || op->witness || !source_has(op->view, &op->need)))
			op_fail(op, err,
				err == ERR_LIMIT ? "more trie nodes or values than may be held"
						 : err_name(err));
	}
	if (op->left == 0 && !goes_on(op))
		op_end(op);
}

/* ---- asking ---- */

static enum lookup ask(struct part *part, struct source_question *question, enum err *err)
{
	struct source_op *op = part->op;
	enum lookup found = FAILED;

	if (*err == OK)
		found = stack_fetch_call(op->view->stack, &question->question, on_answer, part,
					 &part->asked, err);
	source_question_release(question);
	if (found == PENDING)
		op->left++;
	return found;
}

static enum lookup ask_proof(struct part *part, enum err *err)
{
	struct source_op *op = part->op;
	struct source_question question;
	size_t n;
	const struct eth_bytes32 *slots = slots_of(part, &n);

	*err = source_ask_proof(op->view->source, &op->need.address, slots, n, &question);
	return ask(part, &question, err);
}

static enum lookup ask_code(struct source_op *op, enum err *err)
{
	struct source_question question;

	op->code_asked = true;
	*err = source_ask_code(op->view->source, &op->need.address, &op->code_hash, &question);
	return ask(&op->parts[0], &question, err);
}

static bool goes_on(struct source_op *op)
{
	enum err err = OK;

	if (op->err != OK || op->witness || op->need.kind != NEED_CODE || is_fact(op) ||
	    op->code_asked || source_has(op->view, &op->need))
		return false;
	if (!CHECK(source_code_hash(op->view, &op->need.address, &op->code_hash)))
		err = ERR_BAD_ANSWER;
	if (err == OK && ask_code(op, &err) == PENDING)
		return true;
	op_fail(op, err, err_name(err));
	return false;
}

static enum lookup ask_fact(struct source_op *op, enum err *err)
{
	static const enum fact_kind kinds[] = {[NEED_BALANCE] = FACT_BALANCE,
					       [NEED_NONCE] = FACT_NONCE,
					       [NEED_CODE] = FACT_CODE,
					       [NEED_SLOT] = FACT_SLOT};
	const struct fact fact = {.kind = kinds[op->need.kind],
				  .address = op->need.address,
				  .slot = op->need.slot,
				  .block = op->view->source->anchor.block};
	const enum lookup found = stack_fetch_fact(op->view->stack, &fact, on_answer,
						   &op->parts[0], &op->parts[0].asked, err);

	if (found == PENDING)
		op->left++;
	return found;
}

static enum lookup ask_proofs(struct source_op *op, enum err *err)
{
	enum lookup found = PENDING;

	for (size_t i = 0; i < op->parts_n && found == PENDING; i++) {
		struct part *part = &op->parts[i];
		const size_t rest = op->need.slots_n - i * PROOF_SLOTS_MAX;
		part->from = i * PROOF_SLOTS_MAX;
		if (op->need.kind == NEED_PROOF)
			part->n = rest < PROOF_SLOTS_MAX ? rest : PROOF_SLOTS_MAX;
		found = ask_proof(part, err);
	}
	return found;
}

static enum lookup failed(struct source_op *op, enum err err, struct fault *fault)
{
	if (op != NULL)
		op_free(op);
	fault->err = err;
	if (err == ERR_OFFLINE)
		err_set(&fault->detail, err,
			"not in the cache, and there is no upstream to ask (offline)");
	else
		err_set(&fault->detail, err, "%s",
			err == ERR_LIMIT ? "too many reads are in flight: wait for some"
					 : err_name(err));
	return FAILED;
}

enum lookup source_fetch(struct layer_view *layer_view, const struct need *need,
			 source_done_fn *done, void *cookie, struct source_op **out,
			 struct fault *fault)
{
	struct source_view *view = source_view_of(layer_view);
	const bool proof = need->kind == NEED_PROOF;
	const size_t parts = proof && need->slots_n > 0
				     ? (need->slots_n + PROOF_SLOTS_MAX - 1) / PROOF_SLOTS_MAX
				     : 1;
	enum lookup found;
	enum err err = OK;

	if (stack_is_offline(view->stack))
		return failed(NULL, ERR_OFFLINE, fault);
	struct source_op *op = op_new(view, need, parts, done, cookie);
	if (op == NULL)
		return failed(NULL, ERR_NOMEM, fault);
	if (!proof)
		op->need.slots_n = 0;
	if (is_fact(op))
		found = ask_fact(op, &err);
	else if (need->kind == NEED_CODE &&
		 source_code_hash(view, &need->address, &op->code_hash) &&
		 !source_has(view, need))
		found = ask_code(op, &err);
	else
		found = ask_proofs(op, &err);
	if (found != PENDING)
		return failed(op, err, fault);
	*out = op;
	return PENDING;
}

enum lookup source_fetch_witness(struct layer_view *layer_view, source_done_fn *done,
				 void *cookie, struct source_op **out, struct fault *fault)
{
	struct source_view *view = source_view_of(layer_view);
	const struct need none = {.kind = NEED_PROOF};
	struct source_question question;

	if (stack_is_offline(view->stack))
		return failed(NULL, ERR_OFFLINE, fault);
	struct source_op *op = op_new(view, &none, 1, done, cookie);
	if (op == NULL)
		return failed(NULL, ERR_NOMEM, fault);
	op->witness = true;
	enum err err = source_ask_witness(view->source, &question);
	if (ask(&op->parts[0], &question, &err) != PENDING)
		return failed(op, err, fault);
	*out = op;
	return PENDING;
}

/* ---- fed by the caller ---- */

enum err source_feed(struct layer_view *layer_view, const struct need *need,
		     const struct eth_bytes32 *value, struct blob *code)
{
	struct source_view *view = source_view_of(layer_view);
	struct fed_key key = {.address = need->address};
	struct blob *none;

	switch (need->kind) {
	case NEED_BALANCE:
		key.kind = FED_BALANCE;
		return fed_put(&view->fed, &key, value, NULL);
	case NEED_NONCE:
		key.kind = FED_NONCE;
		return fed_put(&view->fed, &key, value, NULL);
	case NEED_SLOT:
		key.kind = FED_SLOT;
		key.slot = need->slot;
		return fed_put(&view->fed, &key, value, NULL);
	case NEED_CODE:
		if (code != NULL)
			return feed_code(view, &need->address, code, NULL);
		none = blob_new(0);
		if (none == NULL)
			return ERR_NOMEM;
		const enum err err = feed_code(view, &need->address, none, NULL);
		blob_put(&none);
		return err;
	case NEED_PROOF:
		break;
	}
	return ERR_UNSUPPORTED;
}

void source_fed_clear(struct layer_view *view)
{
	fed_clear(&source_view_of(view)->fed);
}
