/* SPDX-License-Identifier: MIT */
#include "layers/copy.h"
#include "api/api_impl.h"
#include "layers/shared.h"
#include "layers/verify.h"

/* A copy keeps publications away from what it reads while it publishes what it writes: two,
 * there and back, would wait for each other. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

struct telling {
	fc_progress_fn *progress;
	void *cookie;
	bool stopped;
};

static enum err tell(void *cookie, const struct copy_progress *done)
{
	struct telling *telling = cookie;
	const struct fc_progress progress = {
		.accounts = done->accounts, .slots = done->slots, .codes = done->codes};
	if (telling->progress)
		telling->stopped = telling->progress(telling->cookie, &progress) != 0;
	return telling->stopped ? ERR_CANCELLED : OK;
}

enum fc_err fc_copy(struct fc_state *from, struct fc_state *to, fc_progress_fn *progress,
		    void *cookie)
{
	struct err_detail detail = {.text[0] = '\0'};
	struct telling telling = {.progress = progress, .cookie = cookie};
	if (!from || !to || from->db == to->db)
		return state_refuse(to, "a copy is from one database to another");
	pthread_mutex_lock(&turn);
	const enum err err = copy_state(from->state, to->state, tell, &telling, &detail);
	pthread_mutex_unlock(&turn);
	if (telling.stopped)
		return state_fail(to, FC_ERR_CANCELLED, "copying: ended by the caller");
	if (err == OK)
		return FC_OK;
	const enum fc_err told = state_fail_err(to, err, "copying", detail.text);
	return err == ERR_INVALID ? FC_ERR_INVALID_TRANSACTION : told;
}

struct finding {
	fc_finding_fn *fn;
	void *cookie;
};

static void on_finding(void *cookie, enum err err, const char *what)
{
	const struct finding *finding = cookie;
	if (finding->fn)
		finding->fn(finding->cookie, fc_err_from(err), what);
}

static enum fc_err compare_root(struct fc_state *s, struct layer_view *view,
				struct finding *finding)
{
	char expected[64], got[64];
	struct err_detail what;
	struct eth_bytes32 stored;
	struct fc_bytes32 root;
	struct fault fault;
	const enum lookup found = shared_stored_root(view, &stored, &fault);
	if (found == FAILED)
		return state_fail_err(s, fault.err, "check: the stored root",
				      fault.detail.text);
	if (found != HIT)
		return FC_OK;
	const enum fc_err err = fc_state_root(s, &root);
	if (err != FC_OK || memcmp(&root, &stored, sizeof root) == 0)
		return err;
	eth_hex(&stored, sizeof stored, expected);
	eth_hex(&root, sizeof root, got);
	(void)snprintf(what.text, sizeof what.text,
		       "the state root is 0x%.64s, and 0x%.64s was stored", got, expected);
	on_finding(finding, ERR_CORRUPT, what.text);
	return state_fail(s, FC_ERR_CORRUPTED, "check: %s", what.text);
}

/* The root that was stored with the last commit, if the state is still that one, and stays it:
 * others publish. */
static enum fc_err check_root(struct fc_state *s, struct finding *finding)
{
	struct layer_view *view = state_writable_view(s->state);
	if (!view || !overlay_is_empty(state_overlay(s->state)))
		return FC_OK;
	const bool pins = !shared_is_pinned(view);
	if (pins && shared_pin(view) != OK)
		return state_fail_err(s, ERR_NOMEM, "check", NULL);
	const enum fc_err err = compare_root(s, view, finding);
	if (pins)
		shared_unpin(view);
	return err;
}

enum fc_err fc_check(struct fc_state *state, fc_finding_fn *fn, void *cookie)
{
	struct err_detail detail = {.text[0] = '\0'};
	struct finding finding = {.fn = fn, .cookie = cookie};
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	const enum err err = verify_state(state->state, on_finding, &finding, &detail);
	return err == OK ? check_root(state, &finding)
			 : state_fail_err(state, err, "check", detail.text);
}

enum fc_err fc_flush(struct fc_state *state)
{
	struct err_detail detail = {.text[0] = '\0'};
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	struct layer *writable = state->db->db.writable;
	const enum err err = writable ? shared_flush(writable, true, &detail) : OK;
	return err == OK ? FC_OK : state_fail_err(state, err, "flushing", detail.text);
}
