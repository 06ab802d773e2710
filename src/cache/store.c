/* SPDX-License-Identifier: MIT */
/* Opening, closing, the map, statistics. */
#include "cache/store_impl.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define CAPACITY_MIN (UINT64_C(4) << 20)
#define MAP_TIMES    8
#define MAP_MAX	     (UINT64_C(32) << 30)
/* Opening and closing take milliseconds, unless a process was stopped in between. */
#define LOCK_TRIES    500
#define LOCK_PAUSE_MS 10
/* How long readers may keep the map from being replaced, before they are left alone. */
#define RESIZE_WAIT_MS 50

static const struct env_kind store_kind = {
	.name = "cache",
	.if_damaged = "it holds nothing that cannot be fetched again: remove the folder",
	.if_full = "what is cold could not be removed in time",
	.files = {"use", "use.new"},
	.format = STORE_FORMAT,
	.tables = {[TABLE_SLOTS] = "slots",
		   [TABLE_ACCOUNTS] = "accounts",
		   [TABLE_REPLIES] = "replies",
		   [TABLE_CODE] = "code",
		   [TABLE_CODEREF] = "coderef",
		   [TABLE_BINDINGS] = "bindings",
		   [TABLE_BLOCKS] = "blocks",
		   [TABLE_META] = "meta"},
};

/* Processes open and close one after the other: LMDB's own open may fail when another
 * process opens or closes at the same time (lmdb.h, caveats). */
static enum err lock_folder(const struct store *store, int *fd, struct err_detail *detail)
{
	*fd = open(store->env.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return env_io_error(&store->env, "opening", detail);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
			return OK;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
	}
	enum err err = env_io_error(&store->env, "locking", detail);
	close(*fd);
	*fd = -1;
	return err;
}

_Static_assert(ENV_UUID_BYTES == USE_UUID_BYTES, "the record of use names its store");

static uint64_t map_bytes(const struct store *store)
{
	uint64_t bytes = MAP_TIMES * store->capacity_bytes, file = env_file_bytes(&store->env);
	if (bytes > MAP_MAX)
		bytes = MAP_MAX;
	if (bytes < 2 * store->capacity_bytes)
		bytes = 2 * store->capacity_bytes;
	/* a file of a larger bound: eviction needs room before it frees any */
	if (bytes < file + store->capacity_bytes)
		bytes = file + store->capacity_bytes;
	return bytes;
}

/* With the folder's lock held. */
static enum err open_locked(struct store *store, struct err_detail *detail)
{
	uint64_t bytes = map_bytes(store);
	enum err err = env_check_folder(&store->env, detail);
	if (err == OK)
		err = env_open(&store->env, bytes, bytes, detail);
	if (err != OK)
		return err;
	store->bound_pages = store->capacity_bytes / store->env.page_bytes;
	err = use_open(&store->use, store->env.folder, store->env.uuid, store->capacity_bytes);
	return err == OK ? OK : err_set(detail, err, "no memory for the cache");
}

/* Under the folder's lock; without one (the folder is gone) all the same. */
static void close_env(struct store *store)
{
	struct err_detail detail;
	int fd = -1;
	if (store->env.mdb && lock_folder(store, &fd, &detail) != OK)
		log_debug("closing without the folder's lock", LOG_S("reason", detail.text));
	env_close(&store->env);
	if (fd >= 0)
		close(fd);
	env_release(&store->env);
}

static void store_free(struct store *store)
{
	evict_release(store);
	use_close(&store->use);
	close_env(store);
	pending_release(&store->pending);
	record_codec_free(&store->codec);
	pthread_mutex_destroy(&store->readers_lock);
	pthread_mutex_destroy(&store->in_use_lock);
	pthread_cond_destroy(&store->rested);
	free(store);
}

static struct store *store_alloc(const struct store_config *config)
{
	pthread_condattr_t attr;
	struct store *store = calloc(1, sizeof *store);
	if (!store)
		return NULL;
	store->codec = record_codec_new();
	if (env_init(&store->env, &store_kind, config->folder) != OK || !store->codec) {
		record_codec_free(&store->codec);
		env_release(&store->env);
		free(store);
		return NULL;
	}
	store->capacity_bytes = config->capacity_bytes;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&store->readers_lock, NULL);
	pthread_mutex_init(&store->in_use_lock, NULL);
	pthread_cond_init(&store->rested, &attr);
	pthread_condattr_destroy(&attr);
	return store;
}

static enum err start(struct store *store)
{
	struct pending_limits limits = evict_limits(store->bound_pages, store->capacity_bytes);
	store->image_max = limits.group_bytes / 2;
	enum err err = pending_init(&store->pending, store->env.seed, &limits);
	if (err == OK)
		err = evict_init(store);
	if (err == OK)
		err = store_writer_start(store);
	return err;
}

enum err store_open(const struct store_config *config, struct store **out,
		    struct err_detail *detail)
{
	int fd = -1;
	*out = NULL;
	if (config->capacity_bytes < CAPACITY_MIN)
		return err_set(detail, ERR_INVALID, "the cache needs at least 4 MiB");
	struct store *store = store_alloc(config);
	if (!store)
		return err_set(detail, ERR_NOMEM, "no memory for the cache");
	enum err err = env_make_folder(&store->env, detail);
	if (err == OK)
		err = lock_folder(store, &fd, detail);
	if (err == OK)
		err = open_locked(store, detail);
	if (fd >= 0)
		close(fd);
	if (err == OK && (err = start(store)) != OK)
		err_set(detail, err, "no memory for the cache");
	if (err != OK) {
		store_free(store);
		return err;
	}
	*out = store;
	return OK;
}

void store_close(struct store **store)
{
	if (!*store)
		return;
	REQUIRE(!(*store)->readers);
	store_writer_stop(*store);
	store_free(*store);
	*store = NULL;
}

/* Under readers_lock, the gate shut: no snapshot begins. */
static bool wait_for_rest(struct store *store)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += RESIZE_WAIT_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	const struct store_reader *reader = store->readers;
	while (reader) {
		if (!atomic_load(&reader->active)) {
			reader = reader->next;
			continue;
		}
		if (pthread_cond_timedwait(&store->rested, &store->readers_lock, &until) != 0)
			return false;
		reader = store->readers; /* the list may have changed */
	}
	return true;
}

void store_resize(struct store *store)
{
	int rc = 0;
	atomic_store(&store->gate, true);
	pthread_mutex_lock(&store->readers_lock);
	if (wait_for_rest(store)) {
		rc = mdb_env_set_mapsize(store->env.mdb, 0);
		atomic_store(&store->resize_wanted, false);
	}
	pthread_mutex_unlock(&store->readers_lock);
	if (rc != 0) {
		/* the old map is gone and there is no new one */
		atomic_store(&store->dead, true);
		log_error("the cache cannot be mapped any more: going on without it",
			  LOG_S("folder", store->env.folder),
			  LOG_S("reason", mdb_strerror(rc)));
	}
	atomic_store(&store->gate, false);
}

void store_use_chain(struct store *store, uint64_t chain_id)
{
	atomic_store_explicit(&store->chain, chain_id, memory_order_relaxed);
}

void store_set_in_use(struct store *store, store_in_use_fn *in_use, void *cookie)
{
	pthread_mutex_lock(&store->in_use_lock);
	store->in_use = in_use;
	store->in_use_cookie = cookie;
	pthread_mutex_unlock(&store->in_use_lock);
}

void store_flush(struct store *store)
{
	pending_flush(&store->pending);
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void store_stats(struct store *store, struct store_stats *out)
{
	*out = (struct store_stats){
		.corrupt = get(&store->corrupt),
		.puts = get(&store->puts),
		.puts_dropped = get(&store->dropped),
		.commits = get(&store->commits),
		.commit_failures = get(&store->failures),
		.evicted = get(&store->evicted),
		.used_bytes = get(&store->used_bytes),
		.file_bytes = get(&store->file_bytes),
		.capacity_bytes = store->capacity_bytes,
		.queued = atomic_load_explicit(&store->pending.live, memory_order_relaxed),
	};
	pthread_mutex_lock(&store->readers_lock);
	out->hits = store->gone_hits;
	out->misses = store->gone_misses;
	for (const struct store_reader *r = store->readers; r; r = r->next) {
		out->hits += get(&r->hits);
		out->misses += get(&r->misses);
	}
	pthread_mutex_unlock(&store->readers_lock);
}
