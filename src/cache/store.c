/* SPDX-License-Identifier: MIT */
/* Opening and closing: the folder, its files, the environment, the format. */
#include "cache/store_impl.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
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

static const char *const table_names[TABLE_COUNT] = {
	[TABLE_SLOTS] = "slots",   [TABLE_ACCOUNTS] = "accounts", [TABLE_REPLIES] = "replies",
	[TABLE_CODE] = "code",	   [TABLE_CODEREF] = "coderef",	  [TABLE_BINDINGS] = "bindings",
	[TABLE_BLOCKS] = "blocks", [TABLE_META] = "meta",
};

/* LMDB's locks break when one process opens an environment twice. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *open_stores;

static enum err io_error(const struct store *store, const char *doing,
			 struct err_detail *detail)
{
	return err_set(detail, ERR_IO, "%s %s: %s", doing, store->folder, strerror(errno));
}

static enum err path_of(const struct store *store, const char *name, char path[4096],
			struct err_detail *detail)
{
	int n = snprintf(path, 4096, "%s/%s", store->folder, name);
	if (n < 0 || n >= 4096)
		return err_set(detail, ERR_INVALID, "the cache folder's name is too long");
	return OK;
}

/* mkdir and open obey the umask, which may be odd: the mode is set again. */
static enum err make_folder(const struct store *store, struct err_detail *detail)
{
	if (mkdir(store->folder, 0700) == 0) {
		if (chmod(store->folder, 0700) != 0)
			return io_error(store, "setting the mode of", detail);
		return OK;
	}
	if (errno != EEXIST)
		return io_error(store, "making the cache folder", detail);
	return OK;
}

/* Processes open and close one after the other: LMDB's own open may fail when another
 * process opens or closes at the same time (lmdb.h, caveats). */
static enum err lock_folder(const struct store *store, int *fd, struct err_detail *detail)
{
	*fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return io_error(store, "opening the cache folder", detail);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
			return OK;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
	}
	enum err err = io_error(store, "locking the cache folder", detail);
	close(*fd);
	*fd = -1;
	return err;
}

static bool is_foreign(const char *name)
{
	return name[0] != '.' && strcmp(name, "lost+found") != 0 &&
	       strcmp(name, "lock.mdb") != 0 && strcmp(name, "use") != 0 &&
	       strcmp(name, "use.new") != 0;
}

/* Nobody's home folder is filled with a cache because of a slip. */
static enum err check_folder(const struct store *store, const char *data_path,
			     struct err_detail *detail)
{
	struct stat st;
	const struct dirent *entry;
	enum err err = OK;
	if (stat(data_path, &st) == 0)
		return OK;
	DIR *dir = opendir(store->folder);
	if (!dir)
		return io_error(store, "reading the cache folder", detail);
	while (err == OK && (entry = readdir(dir)))
		if (is_foreign(entry->d_name))
			err = err_set(detail, ERR_CORRUPT,
				      "%s is not a cache folder: it holds other files (%s); "
				      "name an empty or a new folder",
				      store->folder, entry->d_name);
	closedir(dir);
	return err;
}

/* Only what is absent is opened: closing a descriptor of a lock file that this process
 * uses would drop its locks. */
static enum err make_file(const struct store *store, const char *path,
			  struct err_detail *detail)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? OK : io_error(store, "making files in", detail);
	enum err err = fchmod(fd, 0600) == 0 ? OK : io_error(store, "making files in", detail);
	close(fd);
	return err;
}

static enum err claim(struct store *store, const char *data_path, struct err_detail *detail)
{
	struct stat st;
	enum err err = OK;
	if (stat(data_path, &st) != 0)
		return io_error(store, "looking at", detail);
	pthread_mutex_lock(&open_lock);
	for (const struct store *other = open_stores; other; other = other->next_open)
		if (other->device == st.st_dev && other->inode == st.st_ino)
			err = err_set(detail, ERR_INVALID,
				      "the cache folder %s is already open in this process",
				      store->folder);
	if (err == OK) {
		store->device = st.st_dev;
		store->inode = st.st_ino;
		store->next_open = open_stores;
		open_stores = store;
	}
	pthread_mutex_unlock(&open_lock);
	return err;
}

static void unclaim(struct store *store)
{
	pthread_mutex_lock(&open_lock);
	for (struct store **at = &open_stores; *at; at = &(*at)->next_open)
		if (*at == store) {
			*at = store->next_open;
			break;
		}
	pthread_mutex_unlock(&open_lock);
}

static uint64_t map_bytes(const struct store *store, const char *data_path)
{
	struct stat st;
	uint64_t bytes = MAP_TIMES * store->capacity_bytes;
	if (bytes > MAP_MAX)
		bytes = MAP_MAX;
	if (bytes < 2 * store->capacity_bytes)
		bytes = 2 * store->capacity_bytes;
	/* a file of a larger bound: eviction needs room before it frees any */
	if (stat(data_path, &st) == 0 && bytes < (uint64_t)st.st_size + store->capacity_bytes)
		bytes = (uint64_t)st.st_size + store->capacity_bytes;
	return (bytes + 0xffff) & ~UINT64_C(0xffff); /* whole pages of any machine */
}

/* Read-ahead fetches 32 pages where one is wanted: good while the file fits in memory. */
static unsigned readahead_flag(const char *data_path)
{
	struct stat st;
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
	if (stat(data_path, &st) != 0 || pages <= 0 || bytes <= 0)
		return 0;
	return st.st_size / 2 > (off_t)pages * bytes / 4 ? MDB_NORDAHEAD : 0;
}

/* A file that was cut off (a copy that broke) would kill the process by SIGBUS; filled up
 * with zeros its lost pages are damaged pages, which LMDB reports. */
static void fill_up_file(const struct store *store)
{
	MDB_envinfo info;
	mdb_filehandle_t fd;
	struct stat st;
	if (mdb_env_info(store->env, &info) != 0 || mdb_env_get_fd(store->env, &fd) != 0)
		return;
	off_t wanted = (off_t)((info.me_last_pgno + 1) * store->page_bytes);
	if (fstat(fd, &st) == 0 && st.st_size < wanted &&
	    posix_fallocate(fd, wanted - 1, 1) != 0)
		log_warn("the cache file is shorter than it should be",
			 LOG_S("folder", store->folder));
}

static int open_env(struct store *store, const char *data_path)
{
	MDB_stat stat;
	int rc = mdb_env_create(&store->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(store->env, map_bytes(store, data_path));
	if (rc == 0)
		rc = mdb_env_set_maxreaders(store->env, STORE_MAX_READERS);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(store->env, TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_open(store->env, store->folder,
				  MDB_NOTLS | MDB_NOMETASYNC | readahead_flag(data_path), 0600);
	if (rc == 0)
		rc = mdb_env_stat(store->env, &stat);
	if (rc != 0)
		return rc;
	store->page_bytes = stat.ms_psize;
	store->bound_pages = store->capacity_bytes / stat.ms_psize;
	fill_up_file(store);
	return 0;
}

static uint64_t meta_hash(const struct record_key *key)
{
	return record_key_hash(0, TABLE_META, key->bytes, key->len);
}

static int write_identity(const struct store *store, MDB_txn *txn)
{
	struct record_key key;
	struct eth_bytes32 uuid;
	unsigned char out[RECORD_HASH_BYTES];
	if (getrandom(uuid.bytes, sizeof uuid.bytes, 0) != (ssize_t)sizeof uuid.bytes)
		return EIO;
	record_key_meta(&key, "uuid");
	MDB_val k = key_val(&key),
		v = val(out, record_hash_encode(meta_hash(&key), &uuid, out));
	int rc = mdb_put(txn, store->tables[TABLE_META], &k, &v, 0);
	if (rc != 0)
		return rc;
	record_key_meta(&key, "format");
	k = key_val(&key);
	v = val(out, record_u64_encode(meta_hash(&key), STORE_FORMAT, out));
	return mdb_put(txn, store->tables[TABLE_META], &k, &v, 0);
}

static enum err not_ours(const struct store *store, struct err_detail *detail)
{
	return err_set(
		detail, ERR_CORRUPT,
		"%s holds an LMDB database that is not a cache of ours, or is damaged; if "
		"it is a cache, remove the folder",
		store->folder);
}

/* Formats are migrated here, one step a version; 1 is the first. */
static enum err check_format(const struct store *store, uint64_t format,
			     struct err_detail *detail)
{
	switch (format) {
	case 0:
		return not_ours(store, detail);
	case STORE_FORMAT:
		return OK;
	default:
		return err_set(detail, ERR_UNSUPPORTED,
			       "the cache folder %s has format %llu; this program knows up to "
			       "%u: use a newer program, or another folder",
			       store->folder, (unsigned long long)format, STORE_FORMAT);
	}
}

static enum err read_identity(struct store *store, MDB_txn *txn, struct err_detail *detail)
{
	struct record_key key;
	struct eth_bytes32 uuid;
	uint64_t format;
	MDB_val k, v;
	record_key_meta(&key, "format");
	k = key_val(&key);
	if (mdb_get(txn, store->tables[TABLE_META], &k, &v) != 0 ||
	    !record_u64_decode(meta_hash(&key), val_span(v), &format))
		return not_ours(store, detail);
	enum err err = check_format(store, format, detail);
	if (err != OK)
		return err;
	record_key_meta(&key, "uuid");
	k = key_val(&key);
	if (mdb_get(txn, store->tables[TABLE_META], &k, &v) != 0 ||
	    !record_hash_decode(meta_hash(&key), val_span(v), &uuid))
		return not_ours(store, detail);
	memcpy(store->uuid, uuid.bytes, USE_UUID_BYTES);
	store->seed = record_key_hash(0, TABLE_META, uuid.bytes, sizeof uuid.bytes);
	return OK;
}

static int open_tables(struct store *store, MDB_txn *txn, unsigned flags)
{
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < TABLE_COUNT; i++)
		rc = mdb_dbi_open(txn, table_names[i], flags, &store->tables[i]);
	return rc;
}

/* *fresh: nothing has ever been stored. */
static int is_fresh(MDB_txn *txn, bool *fresh)
{
	MDB_dbi root;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = mdb_stat(txn, root, &stat);
	*fresh = rc == 0 && stat.ms_entries == 0;
	return rc;
}

static enum err open_format(struct store *store, struct err_detail *detail)
{
	static const char doing[] = "opening the cache folder";
	MDB_txn *txn;
	bool fresh, writing = false;
	enum err err;
	/* a full table of readers must not keep anybody out: writers need no place in it */
	int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0) {
		rc = mdb_txn_begin(store->env, NULL, 0, &txn);
		writing = true;
	}
	if (rc != 0)
		return err_from_lmdb(rc, doing, store->folder, detail);
	rc = is_fresh(txn, &fresh);
	if (rc == 0 && fresh && !writing) {
		mdb_txn_abort(txn);
		rc = mdb_txn_begin(store->env, NULL, 0, &txn);
		if (rc != 0)
			return err_from_lmdb(rc, doing, store->folder, detail);
	}
	if (rc == 0)
		rc = open_tables(store, txn, fresh ? MDB_CREATE : 0);
	if (rc == 0 && fresh)
		rc = write_identity(store, txn);
	if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
		err = not_ours(store, detail);
	else
		err = err_from_lmdb(rc, doing, store->folder, detail);
	if (err == OK)
		err = read_identity(store, txn, detail);
	if (err != OK) {
		mdb_txn_abort(txn);
		return err;
	}
	return err_from_lmdb(mdb_txn_commit(txn), doing, store->folder, detail);
}

/* With the folder's lock held. */
static enum err open_locked(struct store *store, struct err_detail *detail)
{
	char data_path[4096], lock_path[4096];
	int dead;
	enum err err = path_of(store, "data.mdb", data_path, detail);
	if (err == OK)
		err = path_of(store, "lock.mdb", lock_path, detail);
	if (err == OK)
		err = check_folder(store, data_path, detail);
	if (err == OK)
		err = make_file(store, data_path, detail);
	if (err == OK)
		err = claim(store, data_path, detail);
	if (err == OK)
		err = make_file(store, lock_path, detail);
	if (err == OK)
		err = err_from_lmdb(open_env(store, data_path), "opening the cache folder",
				    store->folder, detail);
	if (err != OK)
		return err;
	if (mdb_reader_check(store->env, &dead) == 0 && dead > 0)
		log_info("cleared readers of dead processes", LOG_S("folder", store->folder),
			 LOG_I("readers", dead));
	err = open_format(store, detail);
	return err != OK ? err
			 : use_open(&store->use, store->folder, store->uuid,
				    store->capacity_bytes);
}

/* Under the folder's lock; without one (the folder is gone) all the same. */
static void close_env(struct store *store)
{
	struct err_detail detail;
	int fd = -1;
	if (store->env) {
		if (lock_folder(store, &fd, &detail) != OK)
			log_debug("closing without the folder's lock",
				  LOG_S("reason", detail.text));
		mdb_env_close(store->env);
		if (fd >= 0)
			close(fd);
	}
	unclaim(store);
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
	free(store->folder);
	free(store);
}

static struct store *store_alloc(const struct store_config *config)
{
	pthread_condattr_t attr;
	struct store *store = calloc(1, sizeof *store);
	if (!store)
		return NULL;
	store->folder = strdup(config->folder);
	store->codec = record_codec_new();
	if (!store->folder || !store->codec) {
		record_codec_free(&store->codec);
		free(store->folder);
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
	enum err err = pending_init(&store->pending, store->seed, &limits);
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
	enum err err = make_folder(store, detail);
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
		rc = mdb_env_set_mapsize(store->env, 0);
		atomic_store(&store->resize_wanted, false);
	}
	pthread_mutex_unlock(&store->readers_lock);
	if (rc != 0) {
		/* the old map is gone and there is no new one */
		atomic_store(&store->dead, true);
		log_error("the cache cannot be mapped any more: going on without it",
			  LOG_S("folder", store->folder), LOG_S("reason", mdb_strerror(rc)));
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
