/* SPDX-License-Identifier: MIT */
/* Life, views, pins. */
#include "base/log.h"
#include "layers/shared_impl.h"
#include <sys/random.h>

static void *aligned_zeroed(size_t n)
{
	void *got = aligned_alloc(GATE_LINE, n);
	return got ? memset(got, 0, n) : NULL;
}

/* ---- views ---- */

static void view_free(struct layer_view **view)
{
	if (!*view)
		return;
	struct shared_view *v = shared_view_of(*view);
	struct shared *shared = shared_of(*view);
	if (v->pinned)
		shared_unpin(*view);
	gate_part(&shared->gate, &v->place);
	pthread_mutex_lock(&shared->turn);
	*v->link = v->next;
	if (v->next)
		v->next->link = v->link;
	pthread_mutex_unlock(&shared->turn);
	filedb_reader_free(&v->reader);
	if (v->view.below)
		v->view.below->layer->ops->view_free(&v->view.below);
	free(v);
	*view = NULL;
}

static enum err view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			 struct err_detail *detail)
{
	struct shared *shared = (struct shared *)layer;
	*out = NULL;
	struct shared_view *v = aligned_zeroed(sizeof *v);
	if (!v)
		return err_set(detail, ERR_NOMEM, "memory for a view was refused");
	v->view.layer = layer;
	v->snapshot = 1;
	enum err err = shared->file ? filedb_reader_new(shared->file, &v->reader) : OK;
	if (err)
		err_set(detail, err, "a reader of the file: %s", err_name(err));
	else if (layer->below)
		err = layer->below->ops->view_new(layer->below, loop, &v->view.below, detail);
	if (err) {
		filedb_reader_free(&v->reader);
		free(v);
		return err;
	}
	gate_join(&shared->gate, &v->place);
	pthread_mutex_lock(&shared->turn);
	v->next = shared->views;
	v->link = &shared->views;
	if (v->next)
		v->next->link = &v->next;
	shared->views = v;
	pthread_mutex_unlock(&shared->turn);
	*out = &v->view;
	return OK;
}

/* state_rest relies on it: there is nothing of its own to be given back. */
static void rest(struct layer_view *view)
{
	if (view->below)
		view->below->layer->ops->rest(view->below);
}

static void forget(struct layer_view *view)
{
	if (view->below)
		view->below->layer->ops->forget(view->below);
}

static void stats(struct layer *layer, struct layer_stats *out)
{
	if (layer->below)
		layer->below->ops->stats(layer->below, out);
}

/* ---- the layer ---- */

static void layer_free(struct layer **layer)
{
	if (!*layer)
		return;
	struct shared *shared = (struct shared *)*layer;
	struct err_detail detail;
	REQUIRE(!shared->views);
	if (shared->changes && shared_flush(*layer, false, &detail) != OK)
		log_error("changes were not written", LOG_S("why", detail.text));
	filedb_reader_free(&shared->reader);
	filedb_close(&shared->file);
	history_release(&shared->history);
	changes_free(&shared->changes);
	free(shared->rows.accounts);
	free(shared->rows.slots);
	gate_release(&shared->gate);
	pthread_mutex_destroy(&shared->turn);
	if (shared->layer.below)
		shared->layer.below->ops->free(&shared->layer.below);
	free(shared);
	*layer = NULL;
}

static const struct layer_ops ops = {
	.name = "overlay",
	.view_new = view_new,
	.view_free = view_free,
	.account = shared_account,
	.slot = shared_slot,
	.code = shared_code,
	.code_by_hash = shared_code_by_hash,
	.rest = rest,
	.walk = shared_walk,
	.walk_slots = shared_walk_slots,
	.forget = forget,
	.stats = stats,
	.free = layer_free,
};

bool shared_is(const struct layer *layer)
{
	return layer->ops == &ops;
}

bool shared_has_file(const struct layer *layer)
{
	return shared_is(layer) && ((const struct shared *)layer)->file != NULL;
}

static enum err parts_new(struct shared *shared)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return ERR_IO;
	history_init(&shared->history, seed);
	enum err err = changes_new(&shared->changes);
	if (!err && shared->file)
		err = filedb_reader_new(shared->file, &shared->reader);
	return err;
}

enum err shared_new(struct layer *below, struct filedb *file, bool keep_empty,
		    struct layer **out)
{
	*out = NULL;
	struct shared *shared = aligned_zeroed(sizeof *shared);
	if (!shared) {
		if (below)
			below->ops->free(&below);
		filedb_close(&file);
		return ERR_NOMEM;
	}
	shared->layer = (struct layer){&ops, below};
	shared->file = file;
	shared->keep_empty = keep_empty;
	shared->has_garbage = true;
	gate_init(&shared->gate);
	pthread_mutex_init(&shared->turn, NULL);
	struct layer *layer = &shared->layer;
	const enum err err = parts_new(shared);
	if (err)
		layer_free(&layer);
	*out = layer;
	return err;
}

enum err shared_flush(struct layer *layer, bool sync, struct err_detail *detail)
{
	struct shared *shared = (struct shared *)layer;
	struct changes *old = NULL;
	enum err err = OK;
	if (!shared->file)
		return OK;
	pthread_mutex_lock(&shared->turn);
	if (shared->pending > 0) {
		err = shared_write(shared, NULL, &old, detail);
		if (!err)
			gate_open(&shared->gate);
		changes_free(&old);
		shared_sweep(shared);
	}
	if (!err && sync)
		err = filedb_sync(shared->file, detail);
	pthread_mutex_unlock(&shared->turn);
	return err;
}

void shared_listen(struct layer *layer, struct shared_listener *listener)
{
	struct shared *shared = (struct shared *)layer;
	pthread_mutex_lock(&shared->turn);
	listener->next = shared->listeners;
	shared->listeners = listener;
	pthread_mutex_unlock(&shared->turn);
}

void shared_unlisten(struct layer *layer, struct shared_listener *listener)
{
	struct shared *shared = (struct shared *)layer;
	pthread_mutex_lock(&shared->turn);
	struct shared_listener **link = &shared->listeners;
	while (*link && *link != listener)
		link = &(*link)->next;
	if (*link)
		*link = listener->next;
	pthread_mutex_unlock(&shared->turn);
}

/* ---- pins ---- */

void shared_link_pin(struct shared *shared, struct shared_view *v)
{
	v->pin = shared->sequence;
	v->next_pin = NULL;
	v->prev_pin = shared->last_pin;
	*(v->prev_pin ? &v->prev_pin->next_pin : &shared->first_pin) = v;
	shared->last_pin = v;
}

void shared_unlink_pin(struct shared *shared, struct shared_view *v)
{
	*(v->prev_pin ? &v->prev_pin->next_pin : &shared->first_pin) = v->next_pin;
	*(v->next_pin ? &v->next_pin->prev_pin : &shared->last_pin) = v->prev_pin;
}

struct history_record *shared_drop_history(struct shared *shared, const struct shared_view *v)
{
	const uint64_t until = shared->first_pin ? shared->first_pin->pin : shared->sequence;
	struct history_record *gone;
	if (!shared->history.first)
		return NULL;
	gate_shut(&shared->gate, &v->place);
	gone = history_drop(&shared->history, until);
	gate_open(&shared->gate);
	return gone;
}

enum err shared_pin(struct layer_view *view)
{
	struct shared *shared = shared_of(view);
	struct shared_view *v = shared_view_of(view);
	REQUIRE(!v->pinned);
	pthread_mutex_lock(&shared->turn);
	v->pinned = true;
	shared_link_pin(shared, v);
	pthread_mutex_unlock(&shared->turn);
	return OK;
}

void shared_unpin(struct layer_view *view)
{
	struct shared *shared = shared_of(view);
	struct shared_view *v = shared_view_of(view);
	REQUIRE(v->pinned && v->place.depth == 0);
	pthread_mutex_lock(&shared->turn);
	const bool was_oldest = !v->prev_pin;
	shared_unlink_pin(shared, v);
	v->pinned = false;
	struct history_record *gone = was_oldest ? shared_drop_history(shared, v) : NULL;
	pthread_mutex_unlock(&shared->turn);
	history_record_free(&gone);
}

bool shared_is_pinned(const struct layer_view *view)
{
	return ((const struct shared_view *)view)->pinned;
}

uint64_t shared_sequence(struct layer_view *view)
{
	struct shared_view *v = shared_view_of(view);
	if (v->pinned)
		return v->pin;
	shared_enter(view);
	const uint64_t sequence = shared_of(view)->sequence;
	shared_leave(view);
	return sequence;
}

uint64_t shared_newest(const struct layer_view *view)
{
	return ((const struct shared *)view->layer)->sequence;
}

/* ---- inside ---- */

void shared_wait_for_file(struct shared *shared, struct shared_view *view)
{
	do {
		gate_leave(&view->place);
		pthread_mutex_lock(&shared->turn);
		pthread_mutex_unlock(&shared->turn);
		gate_enter(&shared->gate, &view->place);
	} while (shared->committing);
}

struct changes *shared_enter(struct layer_view *view)
{
	shared_go_in(shared_of(view), shared_view_of(view));
	return shared_of(view)->changes;
}

void shared_leave(struct layer_view *view)
{
	gate_leave(&shared_view_of(view)->place);
}
