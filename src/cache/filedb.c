/* SPDX-License-Identifier: MIT */
/* Opening and closing, the lock, statistics. */
#include "cache/filedb_impl.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES (UINT64_C(1) << 40)
/* The least room to grow when the system gives no more address space. */
#define MAP_GROWTH (UINT64_C(64) << 20)

static const char lock_name[] = "owner";

static const struct env_kind filedb_kind = {
	.name = "database",
	.if_damaged = "copy what is whole to another, or go back to a copy",
	.if_full = "open it with a larger capacity",
	.files = {lock_name},
	.format = FILEDB_FORMAT,
	.identity_seed = 1,
	.tables = {[TABLE_SLOTS] = "slots",
		   [TABLE_ACCOUNTS] = "accounts",
		   [TABLE_CODE] = "code",
		   [TABLE_META] = "meta"},
};

static enum err held(const struct filedb *db, int fd, struct err_detail *detail)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	long pid = strtol(text, NULL, 10);
	if (pid == (long)getpid())
		return err_set(detail, ERR_CONFIG,
			       "the database folder %s is already open in this process",
			       db->env.folder);
	if (pid <= 0)
		return err_set(detail, ERR_CONFIG,
			       "the database folder %s is in use by another process",
			       db->env.folder);
	return err_set(detail, ERR_CONFIG, "the database folder %s is in use by process %ld",
		       db->env.folder, pid);
}

/* The process's number is for people only; the lock is the kernel's. */
static void sign(const struct filedb *db, int fd)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		log_warn("the file database cannot say whose it is",
			 LOG_S("folder", db->env.folder), LOG_S("reason", strerror(errno)));
}

/* A lock of the open file, not of the process: it also keeps this one from opening twice. */
static enum err lock(struct filedb *db, struct err_detail *detail)
{
	char path[ENV_PATH_MAX];
	enum err err = env_path(&db->env, lock_name, path, detail);
	if (err == OK)
		err = env_make_file(&db->env, lock_name, detail);
	if (err != OK)
		return err;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return env_io_error(&db->env, "locking", detail);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		err = errno == EWOULDBLOCK ? held(db, fd, detail)
					   : env_io_error(&db->env, "locking", detail);
		close(fd);
		return err;
	}
	sign(db, fd);
	db->lock_fd = fd;
	return OK;
}

static enum err open_env(struct filedb *db, uint64_t map_bytes, struct err_detail *detail)
{
	uint64_t most = map_bytes ? map_bytes : MAP_BYTES, least = most;
	if (!map_bytes)
		least = env_file_bytes(&db->env) + MAP_GROWTH;
	return env_open(&db->env, most, least, detail);
}

struct filedb_size filedb_measure(const struct filedb *db, MDB_txn *txn)
{
	static const enum table tables[] = {TABLE_META, TABLE_ACCOUNTS, TABLE_SLOTS,
					    TABLE_CODE};
	struct filedb_size size = {0};
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		MDB_stat stat;
		if (mdb_stat(txn, db->env.tables[tables[i]], &stat) != 0)
			continue; /* a transaction that cannot be committed */
		size.records += tables[i] == TABLE_META ? 0 : stat.ms_entries;
		size.bytes +=
			(stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
			db->env.page_bytes;
	}
	return size;
}

void filedb_note(struct filedb *db, struct filedb_size size)
{
	atomic_store_explicit(&db->records, size.records, memory_order_relaxed);
	atomic_store_explicit(&db->used_bytes, size.bytes, memory_order_relaxed);
}

static void note_first(struct filedb *db)
{
	MDB_txn *txn = NULL;
	if (env_snapshot(&db->env, &txn) == 0) {
		filedb_note(db, filedb_measure(db, txn));
		mdb_txn_abort(txn);
	}
}

static void destroy(struct filedb *db)
{
	env_release(&db->env);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	record_codec_free(&db->codec);
	pthread_mutex_destroy(&db->readers_lock);
	free(db);
}

enum err filedb_open(const struct filedb_config *config, struct filedb **out,
		     struct err_detail *detail)
{
	struct filedb *db = calloc(1, sizeof *db);
	*out = NULL;
	if (!db)
		return err_set(detail, ERR_NOMEM, "no memory for the database");
	pthread_mutex_init(&db->readers_lock, NULL);
	db->lock_fd = -1;
	db->codec = record_codec_new();
	enum err err = env_init(&db->env, &filedb_kind, config->folder);
	if (err != OK || !db->codec) {
		destroy(db);
		return err_set(detail, ERR_NOMEM, "no memory for the database");
	}
	err = env_make_folder(&db->env, detail);
	if (err == OK)
		err = env_check_folder(&db->env, detail);
	if (err == OK)
		err = lock(db, detail);
	if (err == OK)
		err = open_env(db, config->map_bytes, detail);
	if (err != OK) {
		destroy(db);
		return err;
	}
	note_first(db);
	*out = db;
	return OK;
}

void filedb_close(struct filedb **db)
{
	if (!*db)
		return;
	REQUIRE(!(*db)->readers && !(*db)->writing);
	destroy(*db);
	*db = NULL;
}

enum err filedb_sync(struct filedb *db, struct err_detail *detail)
{
	return err_from_lmdb(mdb_env_sync(db->env.mdb, 1), "writing to", &db->env, detail);
}

static int name_slot(struct span key, char *name)
{
	struct eth_address address;
	struct eth_bytes32 slot;
	uint32_t generation;
	char hex[40], quantity[66];
	if (!record_key_state_open(key, &address, &generation, &slot))
		return -1;
	eth_hex(address.bytes, sizeof address.bytes, hex);
	size_t n = eth_quantity_format(slot.bytes, sizeof slot.bytes, quantity);
	return snprintf(name, FILEDB_NAME_MAX, "slot %.*s of account 0x%.40s", (int)n, quantity,
			hex);
}

static int name_by_hex(const char *what, struct span key, size_t len, char *name)
{
	char hex[64];
	if (key.len != len)
		return -1;
	eth_hex(key.ptr, len, hex);
	return snprintf(name, FILEDB_NAME_MAX, "%s 0x%.*s", what, (int)(2 * len), hex);
}

void filedb_name(enum table table, struct span key, char name[FILEDB_NAME_MAX])
{
	int n = -1;
	if (table == TABLE_SLOTS)
		n = name_slot(key, name);
	else if (table == TABLE_ACCOUNTS)
		n = name_by_hex("account", key, 20, name);
	else if (table == TABLE_CODE)
		n = name_by_hex("code", key, 32, name);
	else if (table == TABLE_META)
		n = snprintf(name, FILEDB_NAME_MAX, "the state root");
	if (n < 0)
		snprintf(name, FILEDB_NAME_MAX, "a record whose key is none of ours");
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void filedb_stats(struct filedb *db, struct filedb_stats *out)
{
	*out = (struct filedb_stats){
		.commits = get(&db->commits),
		.records = get(&db->records),
		.used_bytes = get(&db->used_bytes),
		.file_bytes = env_file_bytes(&db->env),
	};
	pthread_mutex_lock(&db->readers_lock);
	out->reads = db->gone_reads;
	out->misses = db->gone_misses;
	for (const struct filedb_reader *r = db->readers; r; r = r->next) {
		out->reads += get(&r->reads);
		out->misses += get(&r->misses);
	}
	pthread_mutex_unlock(&db->readers_lock);
}
