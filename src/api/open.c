/* SPDX-License-Identifier: MIT */
/*
 * Databases: a stack of layers is checked from the top, then built from the bottom.
 *
 * A cache directly over a fork is no layer of its own: it is the memory and the disk of the
 * fork's own stack (layers/source.h). All others are.
 */
#include "api/db_impl.h"
#include "api/err.h"
#include "api/plan.h"
#include "api/urls.h"
#include "base/log.h"
#include "layers/cached.h"
#include "layers/root.h"
#include "layers/shared.h"
#include "layers/source.h"
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t log_once = PTHREAD_ONCE_INIT;

static enum fc_err answer(struct fc_error *why, enum err err, const struct err_detail *detail)
{
	/* What is not found while a database is opened is the fork's block. */
	const enum fc_err out =
		err == ERR_NOT_FOUND ? FC_ERR_QUERY_FAILED : fc_err_explain(err, detail->text);

	if (why != NULL) {
		why->err = out;
		snprintf(why->detail, sizeof why->detail, "%s", err != OK ? detail->text : "");
	}
	return out;
}

static enum fc_err refuse(struct fc_error *why, const char *text)
{
	struct err_detail detail;

	return answer(why, err_set(&detail, ERR_INVALID, "%s", text), &detail);
}

/* ---- the layers ---- */

static enum err open_file(const struct fc_layer *from, struct layer **out,
			  struct err_detail *detail)
{
	const struct filedb_config config = {.folder = from->path,
					     .map_bytes = from->capacity_bytes};
	struct filedb *file = NULL;
	enum err err = filedb_open(&config, &file, detail);

	if (err != OK)
		return err;
	err = shared_new(NULL, file, from->keep_empty_accounts, out);
	return err == OK ? OK
			 : err_set(detail, err, "the database in a file: %s", err_name(err));
}

/* The token as a header; NULL: no memory. */
static struct secret *bearer(const char *token)
{
	static const char prefix[] = "Authorization: Bearer ";
	const size_t room = sizeof prefix + strlen(token);
	char *text = malloc(room);

	if (text == NULL)
		return NULL;
	const int n = snprintf(text, room, "%s%s", prefix, token);
	struct secret *secret = secret_new((struct span){text, (size_t)n});
	explicit_bzero(text, (size_t)n);
	free(text);
	return secret;
}

static struct secret **secrets_of(const char *const *texts, size_t n, size_t room)
{
	struct secret **out = calloc(n + room + 1, sizeof *out);

	for (size_t i = 0; out != NULL && i < n; i++)
		out[i] = secret_new(span_of(texts[i]));
	return out;
}

static void secrets_free(struct secret ***secrets, size_t n)
{
	for (size_t i = 0; *secrets != NULL && i < n; i++)
		secret_free(&(*secrets)[i]);
	free(*secrets);
	*secrets = NULL;
}

static bool all_there(struct secret *const *secrets, size_t n)
{
	size_t have = 0;

	while (secrets != NULL && have < n && secrets[have] != NULL)
		have++;
	return have == n;
}

static enum err open_source(const struct open_plan *plan, struct layer **out,
			    struct err_detail *detail)
{
	const struct fc_layer *from = &plan->layers[plan->n - 1];
	const size_t urls_n = from->offline ? 0 : from->urls_n;
	const size_t headers_n = from->headers_n + (from->token != NULL);
	struct secret **urls = secrets_of(from->urls, urls_n, 0);
	struct secret **headers = secrets_of(from->headers, from->headers_n, 1);
	enum err err = ERR_NOMEM;

	if (headers != NULL && from->token != NULL)
		headers[from->headers_n] = bearer(from->token);
	if (urls == NULL || headers == NULL || !all_there(urls, urls_n) ||
	    !all_there(headers, headers_n)) {
		err_set(detail, err, "out of memory");
	} else {
		const struct source_config config = {
			.urls = urls,
			.urls_n = urls_n,
			.headers = headers,
			.headers_n = headers_n,
			.block = from->block,
			.ca_file = from->ca_file,
			.disk_folder = plan->disk_folder,
			.disk_bytes = plan->disk_bytes,
			.chain_id = from->chain_id,
			.memory_bytes = plan->memory_bytes,
			.timeout_ms = from->timeout_ms,
			.batch_items = from->batch_items,
			.verify = from->verify,
			.trust_dev = from->trust_dev_node,
		};
		err = source_new(&config, out, detail);
	}
	secrets_free(&urls, urls_n);
	secrets_free(&headers, headers_n);
	return err;
}

/* Takes below, also on failure. */
static enum err open_layer(const struct open_plan *plan, const struct fc_layer *from,
			   struct layer *below, struct layer **out, struct err_detail *detail)
{
	enum err err = OK;

	switch (from->kind) {
	case FC_FILE:
		return open_file(from, out, detail);
	case FC_FORK:
	case FC_NETWORK:
		return open_source(plan, out, detail);
	case FC_MEMORY:
	case FC_OVERLAY:
		err = shared_new(below, NULL, from->keep_empty_accounts, out);
		break;
	case FC_CACHED:
	case FC_DISK_CACHE: {
		const struct cached_config config = {.accounts_bytes =
							     (size_t)from->accounts_bytes,
						     .slots_bytes = (size_t)from->slots_bytes,
						     .code_bytes = (size_t)from->code_bytes};
		err = cached_new(below, &config, out);
		break;
	}
	}
	return err == OK ? OK : err_set(detail, err, "a layer: %s", err_name(err));
}

static enum err build(const struct open_plan *plan, struct fc_db *db, struct err_detail *detail)
{
	struct layer *top = NULL;
	enum err err = OK;

	for (size_t i = plan->n; err == OK && i-- > 0;) {
		const struct fc_layer *from = &plan->layers[i];
		struct layer *made = NULL;
		if (open_plan_is_of_source(plan, i))
			continue;
		err = open_layer(plan, from, top, &made, detail);
		top = made;
		if (err != OK)
			break;
		if (plan->has_source && i == plan->n - 1)
			db->db.source = made;
		if (shared_is(made)) {
			db->db.writable = made;
			db->db.keep_empty = from->keep_empty_accounts;
		}
	}
	db->db.top = top;
	if (db->db.writable == NULL)
		db->db.read_only_why = "a fork takes no writes: put overlay:// above it";
	return err;
}

/* ---- the public functions ---- */

/* A library says what it has to say by its results: its log is for whoever asks for it. */
static void set_log(void)
{
	const char *name = getenv("FORKCACHE_LOG_LEVEL");
	enum log_level level = LOG_OFF;

	if (name != NULL && !log_level_parse(name, &level))
		level = LOG_OFF;
	log_set_level(level);
}

static enum fc_err open_checked(const struct open_plan *plan, struct fc_db **out,
				struct fc_error *why)
{
	struct err_detail detail = {{0}};
	struct fc_db *db = calloc(1, sizeof *db);
	enum err err = ERR_NOMEM;

	pthread_once(&log_once, set_log);
	if (db == NULL) {
		err_set(&detail, err, "out of memory");
		return answer(why, err, &detail);
	}
	pthread_mutex_init(&db->roots_lock, NULL);
	err = build(plan, db, &detail);
	if (err == OK) {
		*out = db;
		return answer(why, OK, &detail);
	}
	pthread_mutex_destroy(&db->roots_lock);
	free(db);
	return answer(why, err, &detail);
}

enum fc_err fc_open_layers(const struct fc_layer *top, struct fc_db **db, struct fc_error *why)
{
	struct err_detail detail = {{0}};
	struct open_plan plan;

	if (db != NULL)
		*db = NULL;
	if (top == NULL || db == NULL)
		return refuse(why, "the layers, or where the database goes, is NULL");
	const enum err err = open_plan_make(top, &plan, &detail);
	return err == OK ? open_checked(&plan, db, why) : answer(why, err, &detail);
}

enum fc_err fc_open(const char *urls, struct fc_db **db, struct fc_error *why)
{
	struct err_detail detail = {{0}};
	struct url_list list;

	if (db != NULL)
		*db = NULL;
	if (urls == NULL || db == NULL)
		return refuse(why, "the URLs, or where the database goes, is NULL");
	const enum err err = url_list_parse(urls, &list, &detail);
	const enum fc_err out = err == OK ? fc_open_layers(&list.layers[0], db, why)
					  : answer(why, err, &detail);
	url_list_release(&list);
	return out;
}

/* Writes what waits, from the top down: a layer below has nothing of one above. */
static enum err flush_all(struct layer *top, struct err_detail *detail)
{
	enum err first = OK;

	for (struct layer *layer = top; layer != NULL; layer = layer->below) {
		struct err_detail why = {{0}};
		const enum err err = shared_is(layer) ? shared_flush(layer, true, &why) : OK;
		if (first == OK && err != OK)
			first = err_set(detail, err, "%s", why.text);
	}
	return first;
}

enum fc_err fc_close(struct fc_db **out, struct fc_error *why)
{
	struct err_detail detail = {{0}};

	if (out == NULL || *out == NULL)
		return answer(why, OK, &detail);
	struct fc_db *db = *out;
	if (atomic_load(&db->handles) > 0)
		return refuse(why, "handles of the database are left: free them first");
	const enum err err = flush_all(db->db.top, &detail);
	root_cache_free(&db->roots);
	db->db.top->ops->free(&db->db.top);
	pthread_mutex_destroy(&db->roots_lock);
	free(db);
	*out = NULL;
	return answer(why, err, &detail);
}

enum fc_err fc_block(struct fc_db *db, struct fc_block *block)
{
	struct source_block at;

	if (db == NULL || block == NULL)
		return FC_ERR_INVALID_ARGUMENT;
	if (db->db.source == NULL)
		return FC_ERR_UNSUPPORTED;
	source_block(db->db.source, &at);
	*block = (struct fc_block){
		.chain_id = at.chain_id, .number = at.number, .timestamp = at.timestamp};
	memcpy(block->hash.bytes, at.hash.bytes, 32);
	memcpy(block->state_root.bytes, at.state_root.bytes, 32);
	return FC_OK;
}

static struct fc_cache_stats cache_stats(const struct layer_cache_stats *from)
{
	return (struct fc_cache_stats){.hits = from->hits,
				       .misses = from->misses,
				       .evicted = from->evicted,
				       .bytes = from->bytes,
				       .capacity_bytes = from->capacity_bytes};
}

enum fc_err fc_stats(struct fc_db *db, struct fc_stats *stats)
{
	struct source_stats source = {0};
	struct layer_stats layers = {0};

	if (db == NULL || stats == NULL || stats->size < sizeof stats->size)
		return FC_ERR_INVALID_ARGUMENT;
	db->db.top->ops->stats(db->db.top, &layers);
	if (db->db.source != NULL)
		source_stats(db->db.source, &source);
	const struct fc_stats all = {
		.size = stats->size,
		.accounts = cache_stats(&layers.accounts),
		.slots = cache_stats(&layers.slots),
		.code = cache_stats(&layers.code),
		.disk = cache_stats(&layers.disk),
		.upstream_requests = source.requests,
		.upstream_items = source.items,
		.upstream_failures = source.failures,
		.upstream_round_trip_us = source.round_trip_us,
		.transactions = atomic_load_explicit(&db->transactions, memory_order_relaxed),
		.conflicts = atomic_load_explicit(&db->conflicts, memory_order_relaxed),
	};
	/* A caller that was compiled with a smaller or larger struct gets what both know. */
	const size_t size = stats->size;
	memset(stats, 0, size);
	memcpy(stats, &all, size < sizeof all ? size : sizeof all);
	return FC_OK;
}
