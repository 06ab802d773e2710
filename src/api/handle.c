/* SPDX-License-Identifier: MIT */
#include "api/root.h"
#include "layers/cached.h"

enum { OPERATIONS_DEFAULT = 1024, READS_DEFAULT = 4096 };
/* The first version's: what callers of it say. */
#define OPTIONS_SIZE_MIN sizeof(struct fc_state_options)

static void on_turn_end(void *cookie)
{
	struct fc_state *s = cookie;
	engine_run(s);
	state_rest(s->state);
}

/* A poke only makes the loop's descriptor readable. */
static void on_poke(void *cookie)
{
	(void)cookie;
}

static bool options_are_valid(const struct fc_state_options *options)
{
	return !options || (options->size >= OPTIONS_SIZE_MIN &&
			    (options->wait == FC_BLOCKING || options->wait == FC_RESUMABLE));
}

static void set_options(struct fc_state *s, const struct fc_state_options *options)
{
	static const struct fc_state_options defaults = {.wait = FC_BLOCKING};
	const struct fc_state_options *o = options ? options : &defaults;
	s->wait = o->wait;
	s->operations_max = o->operations_max ? o->operations_max : OPERATIONS_DEFAULT;
	s->fetches.in_flight_max = o->reads_max ? o->reads_max : READS_DEFAULT;
	if (s->fetches.in_flight_max > SOURCE_IN_FLIGHT)
		s->fetches.in_flight_max = SOURCE_IN_FLIGHT;
}

/* Before the first handle: it hears of every publication. */
static enum err make_roots(struct fc_db *db)
{
	enum err err = OK;
	pthread_mutex_lock(&db->roots_lock);
	if (!db->roots)
		err = root_cache_new(&db->db, &db->roots);
	pthread_mutex_unlock(&db->roots_lock);
	return err;
}

static void drop_fed_roots(struct fc_state *s)
{
	root_view_free(&s->fed_view);
	root_cache_free(&s->fed_roots);
}

enum fc_err fc_state_new(struct fc_db *db, const struct fc_state_options *options,
			 struct fc_state **out)
{
	if (!out)
		return FC_ERR_INVALID_ARGUMENT;
	*out = NULL;
	if (!db || !options_are_valid(options))
		return FC_ERR_INVALID_ARGUMENT;
	struct err_detail detail = {.text[0] = '\0'};
	struct fc_state *s = calloc(1, sizeof *s);
	if (!s)
		return FC_ERR_NO_MEMORY;
	s->db = db;
	s->runnable_end = &s->runnable;
	set_options(s, options);
	enum err err = make_roots(db);
	if (err == OK)
		err = loop_new(&s->loop);
	if (err == OK)
		err = loop_wake_init(s->loop, &s->poke, on_poke, s);
	if (err != OK)
		goto fail;
	err = state_new(&db->db, s->loop, &s->state, &detail);
	if (err != OK) {
		loop_wake_release(s->loop, &s->poke);
		goto fail;
	}
	s->fetches.view = state_source_view(s->state);
	loop_hook_add(s->loop, &s->turn_end, on_turn_end, s);
	atomic_fetch_add(&db->handles, 1);
	*out = s;
	return FC_OK;
fail:
	loop_free(&s->loop);
	free(s);
	return fc_err_explain(err, detail.text);
}

void fc_state_free(struct fc_state **state)
{
	struct fc_state *s = state ? *state : NULL;
	if (!s)
		return;
	*state = NULL;
	engine_detach(s);
	notes_clear(&s->notes);
	needs_release(&s->scratch);
	root_view_free(&s->roots);
	drop_fed_roots(s);
	state_free(&s->state);
	loop_wake_release(s->loop, &s->poke);
	loop_free(&s->loop);
	atomic_fetch_sub(&s->db->handles, 1);
	free(s);
}

const char *fc_detail(const struct fc_state *state)
{
	return state ? state->detail : "";
}

enum fc_err fc_set_wait(struct fc_state *state, enum fc_wait wait)
{
	if (!state || (wait != FC_BLOCKING && wait != FC_RESUMABLE))
		return state_refuse(state, "how to wait");
	state->wait = wait;
	return FC_OK;
}

/* What is fed is for this handle only: neither a cache nor a root of all handles is to have it.
 */
void handle_set_fed(struct fc_state *s, bool fed)
{
	if (s->fed == fed)
		return;
	s->fed = fed;
	for (struct layer_view *view = state_top_view(s->state); view; view = view->below)
		if (cached_is(view->layer))
			cached_pass_by(view, fed);
	for (struct fc_op *op = s->ops; op; op = op->next)
		op_forget_root(op);
}

enum fc_err fc_clear_cache(struct fc_state *state)
{
	if (!state)
		return FC_ERR_INVALID_ARGUMENT;
	struct layer_view *top = state_top_view(state->state);
	if (top->layer->ops->forget)
		top->layer->ops->forget(top);
	if (state->fetches.view)
		source_fed_clear(state->fetches.view);
	handle_set_fed(state, false);
	state->fetches.landed = false;
	for (struct fc_op *op = state->ops; op; op = op->next)
		op_forget_landed(op);
	drop_fed_roots(state);
	engine_rest(state);
	return FC_OK;
}

int fc_fd(const struct fc_state *state)
{
	return state ? loop_poll_fd(state->loop) : -1;
}
