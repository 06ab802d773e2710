/* SPDX-License-Identifier: MIT */
/* Making and closing a source; its views; its figures. */
#include "layers/source_impl.h"
#include "layers/store_pool.h"
#include <stdlib.h>

/* Of all nodes that proofs and witnesses bring: some 500,000 branches. */
#define NODES_BYTES ((size_t)256 << 20)
/* An entry of the memory cache (memcache.h). */
#define CELL_BYTES    112
#define UPSTREAMS_MAX 64

/* ---- views ---- */

static void join(struct source *source, struct source_view *view)
{
	view->source = source;
	pthread_mutex_lock(&source->views_lock);
	view->next = source->views;
	view->link = &source->views;
	if (view->next != NULL)
		view->next->link = &view->next;
	source->views = view;
	pthread_mutex_unlock(&source->views_lock);
}

static void leave(struct source_view *view)
{
	struct source *source = view->source;

	pthread_mutex_lock(&source->views_lock);
	for (int i = 0; i < SOURCE_COUNTS; i++)
		source->gone[i] += atomic_load_explicit(&view->counts[i], memory_order_relaxed);
	*view->link = view->next;
	if (view->next != NULL)
		view->next->link = view->link;
	pthread_mutex_unlock(&source->views_lock);
}

static void view_free(struct layer_view **layer_view)
{
	struct source_view *view = source_view_of(*layer_view);

	if (view == NULL)
		return;
	leave(view);
	source_ops_free(view);
	stack_view_free(&view->stack);
	fed_clear(&view->fed);
	free(view);
	*layer_view = NULL;
}

static enum err view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			 struct err_detail *detail)
{
	struct source *source = source_of(layer);
	struct source_view *view = calloc(1, sizeof *view);
	enum err err = ERR_NOMEM;

	*out = NULL;
	if (view != NULL)
		err = stack_view_new(source->stack, source->fork, loop, SOURCE_IN_FLIGHT,
				     &view->stack);
	if (err != OK) {
		free(view);
		return err_set(detail, err, "a view of the fork: %s", err_name(err));
	}
	view->view.layer = layer;
	join(source, view);
	*out = &view->view;
	return OK;
}

static void rest(struct layer_view *view)
{
	stack_turn_end(source_view_of(view)->stack);
}

static void forget(struct layer_view *view)
{
	fed_clear(&source_view_of(view)->fed);
	stack_forget(source_of(view->layer)->stack);
}

/* ---- figures ---- */

static void add_counts(struct source *source, uint64_t counts[SOURCE_COUNTS])
{
	pthread_mutex_lock(&source->views_lock);
	for (int i = 0; i < SOURCE_COUNTS; i++) {
		counts[i] = source->gone[i];
		for (struct source_view *v = source->views; v != NULL; v = v->next)
			counts[i] += atomic_load_explicit(&v->counts[i], memory_order_relaxed);
	}
	pthread_mutex_unlock(&source->views_lock);
}

static void stats(struct layer *layer, struct layer_stats *out)
{
	struct source *source = source_of(layer);
	struct memcache_stats memory;
	struct store_stats disk;
	struct stack_stats stack;
	uint64_t counts[SOURCE_COUNTS];

	add_counts(source, counts);
	stack_stats(source->stack, &stack, &memory);
	out->accounts.hits += counts[SOURCE_ACCOUNT_HITS];
	out->accounts.misses += counts[SOURCE_ACCOUNT_MISSES];
	out->slots.hits += counts[SOURCE_SLOT_HITS];
	out->slots.misses += counts[SOURCE_SLOT_MISSES];
	out->slots.evicted += memory.cell_evictions;
	out->slots.bytes += memory.cells * CELL_BYTES;
	out->slots.capacity_bytes += memory.cell_capacity * CELL_BYTES;
	out->code.hits += counts[SOURCE_CODE_HITS];
	out->code.misses += counts[SOURCE_CODE_MISSES];
	out->code.evicted += memory.blob_evictions;
	out->code.bytes += memory.blob_bytes;
	out->code.capacity_bytes += memory.blob_capacity_bytes;
	if (source->store == NULL)
		return;
	store_stats(source->store, &disk);
	out->disk.hits += stack.disk_hits;
	out->disk.misses += stack.misses;
	out->disk.evicted += disk.evicted;
	out->disk.bytes += disk.used_bytes;
	out->disk.capacity_bytes += disk.capacity_bytes;
}

void source_stats(struct layer *layer, struct source_stats *out)
{
	struct fork_upstream_stats upstreams[UPSTREAMS_MAX];
	struct source *source = source_of(layer);
	struct fork_stats fork;

	*out = (struct source_stats){0};
	if (source->fork == NULL)
		return;
	const size_t n = fork_stats(source->fork, &fork, upstreams, UPSTREAMS_MAX);
	for (size_t i = 0; i < n && i < UPSTREAMS_MAX; i++) {
		out->requests += upstreams[i].requests;
		out->items += upstreams[i].items;
		out->failures += upstreams[i].failures;
		if (out->round_trip_us == 0)
			out->round_trip_us = upstreams[i].rtt_us;
	}
}

void source_block(struct layer *layer, struct source_block *out)
{
	const struct anchor *anchor = &source_of(layer)->anchor;

	*out = (struct source_block){
		.chain_id = anchor->chain_id,
		.number = anchor->header.number,
		.timestamp = anchor->header.timestamp,
		.hash = anchor->header.hash,
		.state_root = anchor->header.state_root,
	};
}

bool source_node(struct layer *layer, const struct eth_bytes32 *hash, struct span *rlp)
{
	struct source *source = source_of(layer);

	pthread_mutex_lock(&source->nodes_lock);
	const bool found = trie_nodes_find(source->nodes, hash, rlp);
	pthread_mutex_unlock(&source->nodes_lock);
	return found;
}

/* ---- making ---- */

static void source_free(struct layer **layer)
{
	struct source *source = source_of(*layer);

	if (source == NULL)
		return;
	if (source->fork != NULL)
		fork_stop(&source->fork);
	stack_free(&source->stack);
	store_pool_put(&source->store);
	trie_nodes_free(&source->nodes);
	pthread_mutex_destroy(&source->nodes_lock);
	pthread_mutex_destroy(&source->views_lock);
	free(source);
	*layer = NULL;
}

static const struct layer_ops ops = {
	.name = "fork",
	.view_new = view_new,
	.view_free = view_free,
	.account = source_account,
	.slot = source_slot,
	.code = source_code,
	.code_by_hash = source_code_by_hash,
	.rest = rest,
	.walk = source_walk,
	.walk_slots = source_walk_slots,
	.forget = forget,
	.stats = stats,
	.free = source_free,
};

static enum err start_fork(struct source *source, const struct source_config *config,
			   struct err_detail *detail)
{
	struct fork_upstream_config *upstreams = calloc(config->urls_n, sizeof *upstreams);
	struct secret **headers = calloc(config->headers_n + 1, sizeof *headers);
	enum err err = ERR_NOMEM;

	if (upstreams == NULL || headers == NULL) {
		err_set(detail, err, "out of memory");
		goto end;
	}
	for (size_t i = 0; i < config->headers_n; i++)
		headers[i] = config->headers[i];
	for (size_t i = 0; i < config->urls_n; i++)
		upstreams[i] = (struct fork_upstream_config){.url = config->urls[i],
							     .headers = headers,
							     .headers_n = config->headers_n};
	const struct fork_config with = {
		.upstreams = upstreams,
		.upstreams_n = config->urls_n,
		.ca_file = config->ca_file,
		.deadline_ms = {[FORK_CLASS_STATE] = config->timeout_ms,
				[FORK_CLASS_CALL] = config->timeout_ms},
		.batch_items = config->batch_items,
		.chain_id = config->chain_id,
		.trust_dev_upstream = config->trust_dev,
		.check = source_check,
		.on_answer = stack_on_answer,
		.cookie = source->stack,
	};
	err = fork_start(&with, &source->fork, detail);
end:
	free(upstreams);
	free(headers);
	return err;
}

static enum err stand_online(struct source *source, const struct source_config *config,
			     struct err_detail *detail)
{
	const char *block = config->block != NULL ? config->block : "latest";
	struct fork_pin pin = {0};
	enum err err = start_fork(source, config, detail);

	if (err == OK)
		err = fork_pin(source->fork, block, &pin, detail);
	if (err != OK)
		return err;
	err = anchor_from_pin(&pin, &source->anchor, detail);
	if (err == OK && source->store != NULL)
		err = store_pool_use_chain(source->store, source->anchor.chain_id, detail);
	if (err == OK) {
		source->bypass = pin.is_dev && !config->trust_dev;
		stack_set_bypass(source->stack, source->bypass);
		if (!source->bypass)
			anchor_keep(&source->anchor, source->stack, source->store,
				    blob_span(pin.header_json));
	}
	blob_put(&pin.header_json);
	return err;
}

static enum err stand_offline(struct source *source, const struct source_config *config,
			      struct err_detail *detail)
{
	uint64_t chain_id;

	if (source->store == NULL)
		return err_set(detail, ERR_CONFIG,
			       "without an upstream there must be a disk cache to read from");
	enum err err = anchor_chain_on_disk(source->store, config->chain_id, &chain_id, detail);
	if (err == OK)
		err = store_pool_use_chain(source->store, chain_id, detail);
	return err == OK ? anchor_from_disk(source->store, chain_id, config->block,
					    &source->anchor, detail)
			 : err;
}

static enum err open_caches(struct source *source, const struct source_config *config,
			    struct err_detail *detail)
{
	const struct store_config store = {.folder = config->disk_folder,
					   .capacity_bytes = config->disk_bytes};
	enum err err = OK;

	if (config->disk_folder != NULL)
		err = store_pool_get(&store, &source->store, detail);
	if (err != OK)
		return err;
	const struct stack_config stack = {.memory_bytes = config->memory_bytes,
					   .store = source->store,
					   .keep = source_keep,
					   .cookie = source};
	err = stack_new(&stack, &source->stack);
	if (err == OK && (source->nodes = trie_nodes_new(NODES_BYTES)) == NULL)
		err = ERR_NOMEM;
	return err == OK ? OK
			 : err_set(detail, err, "the memory cache cannot be made: %s",
				   err_name(err));
}

enum err source_new(const struct source_config *config, struct layer **out,
		    struct err_detail *detail)
{
	struct source *source = calloc(1, sizeof *source);

	*out = NULL;
	if (source == NULL)
		return err_set(detail, ERR_NOMEM, "out of memory");
	source->layer.ops = &ops;
	source->verify = config->verify;
	pthread_mutex_init(&source->nodes_lock, NULL);
	pthread_mutex_init(&source->views_lock, NULL);
	enum err err = open_caches(source, config, detail);
	if (err == OK)
		err = config->urls_n > 0 ? stand_online(source, config, detail)
					 : stand_offline(source, config, detail);
	struct layer *layer = &source->layer;
	if (err != OK)
		source_free(&layer);
	*out = layer;
	return err;
}
