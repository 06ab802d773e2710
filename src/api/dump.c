/* SPDX-License-Identifier: MIT */
/* The change dump (layers/dump.h) of what is published and what the handle has written. */
#include "layers/dump.h"
#include "api/many.h"
#include "layers/shared.h"

/* ---- both in one ---- */

/* Of one account, as writes on top of what is there. */
static enum err replay_account(struct overlay *to, const struct change_account *account)
{
	struct account_fields fields = account->fields;
	const bool gone = (fields.mask & ACCOUNT_EXISTENCE) && !account->exists;
	enum err err = OK;
	if (account->destructed)
		err = overlay_destroy(to, &account->address);
	else if (account->generation > 0)
		err = overlay_wipe(to, &account->address);
	if (err == OK && fields.mask && !(account->destructed && gone))
		err = overlay_set_account(to, &account->address, &fields, account->code);
	for (const struct change_slot *slot = account->slots; slot && err == OK;
	     slot = slot->next)
		if (change_slot_holds(slot))
			err = overlay_set_slot(to, &account->address, &slot->slot,
					       &slot->value);
	return err;
}

static enum err replay(struct overlay *to, const struct changes *from)
{
	enum err err = OK;
	for (const struct change_account *account = changes_next(from, NULL);
	     account && err == OK; account = changes_next(from, account))
		err = replay_account(to, account);
	return err;
}

/* A copy: nobody can publish while it is made, but while it is written to the caller. */
static enum err copy_changes(struct fc_state *s, struct overlay **out)
{
	struct layer_view *view = state_writable_view(s->state);
	struct overlay *overlay = NULL;
	enum err err = overlay_new(&overlay);
	if (err == OK && view) {
		err = replay(overlay, shared_enter(view));
		shared_leave(view);
	}
	if (err == OK)
		err = replay(overlay, overlay_changes(state_overlay(s->state)));
	if (err != OK)
		overlay_free(&overlay);
	*out = overlay;
	return err;
}

/* ---- what was there before ---- */

struct originals {
	struct fc_state *state;
	struct layer_view *below; /* NULL: there is nothing below */
};

static enum err original(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	const struct originals *originals = cookie;
	struct fault fault = {.err = OK};
	switch (layer_slot(originals->below, address, slot, value, NULL, &fault)) {
	case HIT:
		return OK;
	case FAILED:
		return fault.err;
	case MISS:
	case PENDING:
		break;
	}
	return ERR_BAD_ANSWER; /* it was fetched just now */
}

/* Of an account whose storage was cleared: what a dump has to say of it besides. */
static unsigned unwritten_fields(const struct change_account *account)
{
	const unsigned mask = account->fields.mask;
	if (account->generation == 0 || ((mask & ACCOUNT_EXISTENCE) && !account->exists))
		return 0;
	return (ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH) & ~mask;
}

/* As they are below; *code is NULL if it is not among them, or empty. */
static enum lookup fields_below(const struct originals *originals,
				const struct change_account *account, struct needs *needs,
				struct account_fields *fields, struct blob **code,
				struct fault *fault)
{
	const unsigned wanted = unwritten_fields(account);
	struct account_state below = {.exists = false};
	enum lookup got = layer_account(originals->below, &account->address, wanted, &below,
					needs, fault);
	*code = NULL;
	*fields = below.fields;
	fields->mask = wanted;
	if (got == FAILED || !(wanted & ACCOUNT_CODE_HASH))
		return got;
	const enum lookup found =
		layer_code(originals->below, &account->address, code, needs, fault);
	return found == HIT ? got : found;
}

static enum lookup lacks_of(const struct originals *originals,
			    const struct change_account *account, struct fault *fault)
{
	struct account_fields fields;
	struct eth_bytes32 value;
	struct blob *code = NULL;
	if (unwritten_fields(account) != 0 &&
	    fields_below(originals, account, &originals->state->scratch, &fields, &code,
			 fault) == FAILED)
		return FAILED;
	blob_put(&code);
	for (const struct change_slot *slot = account->slots; slot; slot = slot->next)
		if (change_slot_holds(slot) &&
		    layer_slot(originals->below, &account->address, &slot->slot, &value,
			       &originals->state->scratch, fault) == FAILED)
			return FAILED;
	return HIT;
}

static enum fc_err fetch_scratch(struct fc_state *s)
{
	struct fc_op op;
	op_init(&op, s, OP_NEEDS, FC_PRIORITY_CRITICAL);
	const enum fc_err err = op_want_scratch(&op);
	if (err == FC_OK)
		return op_run(&op);
	op_release(&op);
	return err;
}

/* Original values that are not here are fetched, whatever the way of the handle. */
static enum fc_err fetch_originals(const struct originals *originals,
				   const struct changes *changes)
{
	struct fc_state *s = originals->state;
	struct fault fault;
	if (!originals->below)
		return FC_OK;
	for (const struct change_account *account = changes_next(changes, NULL); account;
	     account = changes_next(changes, account))
		if (lacks_of(originals, account, &fault) == FAILED) {
			needs_clear(&s->scratch);
			return state_fail_err(s, fault.err, "original values",
					      fault.detail.text);
		}
	return s->scratch.n > 0 ? fetch_scratch(s) : FC_OK;
}

/* They have been fetched, and become part of the copy. */
static enum err complete(const struct originals *originals, struct overlay *copy)
{
	const struct changes *changes = overlay_changes(copy);
	enum err err = OK;
	if (!originals->below)
		return OK;
	for (const struct change_account *account = changes_next(changes, NULL);
	     account && err == OK; account = changes_next(changes, account)) {
		struct account_fields fields;
		struct fault fault = {.err = OK};
		struct blob *code = NULL;
		if (unwritten_fields(account) == 0)
			continue;
		const enum lookup got =
			fields_below(originals, account, NULL, &fields, &code, &fault);
		if (got == HIT)
			err = overlay_set_account(copy, &account->address, &fields, code);
		else
			err = got == FAILED ? fault.err : ERR_BAD_ANSWER;
		blob_put(&code);
	}
	return err;
}

/* ---- the public functions ---- */

struct writing {
	fc_write_fn *write;
	void *cookie;
	bool refused;
};

static enum err write_piece(void *cookie, const void *bytes, size_t n)
{
	struct writing *writing = cookie;
	writing->refused = writing->write(writing->cookie, bytes, n) != 0;
	return writing->refused ? ERR_CANCELLED : OK;
}

static enum fc_err dump(const struct originals *originals, struct overlay *copy,
			fc_write_fn *write, void *cookie)
{
	const struct changes *changes = overlay_changes(copy);
	struct err_detail detail = {.text[0] = '\0'};
	struct fc_state *s = originals->state;
	struct writing writing = {.write = write, .cookie = cookie};
	const enum fc_err fetched = fetch_originals(originals, changes);
	if (fetched != FC_OK)
		return fetched;
	enum err err = complete(originals, copy);
	if (err == OK)
		err = dump_changes(changes, originals->below ? original : NULL,
				   (void *)(uintptr_t)originals, write_piece, &writing,
				   &detail);
	if (writing.refused)
		return state_fail(s, FC_ERR_SERIALIZATION,
				  "change dump: the caller's function gave up");
	return err == OK ? FC_OK : state_fail_err(s, err, "change dump", detail.text);
}

enum fc_err fc_dump_changes(struct fc_state *state, fc_write_fn *write, void *cookie)
{
	struct overlay *copy = NULL;
	if (!state || !write)
		return state_refuse(state, "a pointer is NULL");
	struct layer_view *view = state_writable_view(state->state);
	if (view && shared_has_file(view->layer))
		return state_fail(state, FC_ERR_UNSUPPORTED,
				  "change dump: a file database does not know what was there "
				  "before: put overlay:// above it");
	const struct originals originals = {.state = state, .below = view ? view->below : NULL};
	const enum err err = copy_changes(state, &copy);
	state->keeps = true;
	const enum fc_err told = err == OK ? dump(&originals, copy, write, cookie)
					   : state_fail_err(state, err, "change dump", NULL);
	state->keeps = false;
	overlay_free(&copy);
	engine_rest(state);
	return told;
}

static enum err load_destroy(void *cookie, const struct eth_address *address)
{
	struct fc_state *s = cookie;
	return state_destroy(s->state, address, NULL);
}

static enum err load_account(void *cookie, const struct eth_address *address,
			     const struct account_fields *fields, struct blob *code)
{
	struct fc_state *s = cookie;
	struct account_fields rest = *fields;
	enum err err = OK;
	if (fields->mask & ACCOUNT_CODE_HASH) {
		err = state_set_code(s->state, address, code, NULL);
		rest.mask &= ~(unsigned)ACCOUNT_CODE_HASH;
	}
	if (err == OK && rest.mask)
		err = state_set_account(s->state, address, &rest, NULL);
	return err;
}

static enum err load_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct fc_state *s = cookie;
	return state_set_slot(s->state, address, slot, value, NULL);
}

enum fc_err fc_load_changes(struct fc_state *state, const char *text, size_t len)
{
	static const struct dump_target target = {
		.destroy = load_destroy, .set_account = load_account, .set_slot = load_slot};
	struct err_detail detail = {.text[0] = '\0'};
	uint64_t id;
	if (!state || !text)
		return state_refuse(state, "a pointer is NULL");
	enum err err = state_snapshot(state->state, &id, &detail);
	if (err != OK)
		return state_fail_err(state, err, "loading changes", detail.text);
	err = dump_load((struct span){text, len}, &target, state, &detail);
	if (err == OK)
		err = state_snapshot_commit(state->state, id, &detail);
	const enum err undone = err != OK ? state_revert(state->state, id, NULL) : OK;
	engine_rest(state);
	if (err == OK)
		return FC_OK;
	(void)CHECK(undone == OK);
	const enum fc_err told = state_fail_err(state, err, "loading changes", detail.text);
	return err == ERR_INVALID ? FC_ERR_DESERIALIZATION : told;
}
