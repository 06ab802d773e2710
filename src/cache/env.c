/* SPDX-License-Identifier: MIT */
#include "cache/env.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct env *open_envs;

enum err env_init(struct env *env, const struct env_kind *kind, const char *folder)
{
	size_t n = strlen(folder) + 1;
	*env = (struct env){.kind = kind, .folder = malloc(n)};
	if (!env->folder)
		return ERR_NOMEM;
	memcpy(env->folder, folder, n);
	return OK;
}

enum err env_io_error(const struct env *env, const char *doing, struct err_detail *detail)
{
	return err_set(detail, ERR_IO, "%s the %s folder %s: %s", doing, env->kind->name,
		       env->folder, strerror(errno));
}

enum err env_path(const struct env *env, const char *name, char path[ENV_PATH_MAX],
		  struct err_detail *detail)
{
	int n = snprintf(path, ENV_PATH_MAX, "%s/%s", env->folder, name);
	if (n < 0 || n >= ENV_PATH_MAX)
		return err_set(detail, ERR_INVALID, "the %s folder's name is too long",
			       env->kind->name);
	return OK;
}

/* mkdir and open obey the umask, which may be odd: the mode is set again. */
enum err env_make_folder(const struct env *env, struct err_detail *detail)
{
	if (mkdir(env->folder, 0700) == 0) {
		if (chmod(env->folder, 0700) != 0)
			return env_io_error(env, "setting the mode of", detail);
		return OK;
	}
	if (errno != EEXIST)
		return env_io_error(env, "making", detail);
	return OK;
}

static bool is_foreign(const struct env_kind *kind, const char *name)
{
	if (name[0] == '.' || strcmp(name, "lost+found") == 0 || strcmp(name, "lock.mdb") == 0)
		return false;
	for (const char *const *own = kind->files; *own; own++)
		if (strcmp(name, *own) == 0)
			return false;
	return true;
}

/* Nobody's home folder is filled because of a slip. */
enum err env_check_folder(const struct env *env, struct err_detail *detail)
{
	char path[ENV_PATH_MAX];
	struct stat st;
	const struct dirent *entry;
	enum err err = env_path(env, "data.mdb", path, detail);
	if (err != OK || stat(path, &st) == 0)
		return err;
	DIR *dir = opendir(env->folder);
	if (!dir)
		return env_io_error(env, "reading", detail);
	while (err == OK && (entry = readdir(dir)))
		if (is_foreign(env->kind, entry->d_name))
			err = err_set(detail, ERR_CONFIG,
				      "%s is not a %s folder: it holds other files (%s); "
				      "name an empty or a new folder",
				      env->folder, env->kind->name, entry->d_name);
	closedir(dir);
	return err;
}

/* Only what is absent is opened: closing a descriptor of a lock file that this process
 * uses would drop its locks. */
enum err env_make_file(const struct env *env, const char *name, struct err_detail *detail)
{
	char path[ENV_PATH_MAX];
	enum err err = env_path(env, name, path, detail);
	if (err != OK)
		return err;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? OK : env_io_error(env, "making files in", detail);
	if (fchmod(fd, 0600) != 0)
		err = env_io_error(env, "making files in", detail);
	close(fd);
	return err;
}

uint64_t env_file_bytes(const struct env *env)
{
	char path[ENV_PATH_MAX];
	struct stat st;
	if (env_path(env, "data.mdb", path, NULL) != OK || stat(path, &st) != 0)
		return 0;
	return (uint64_t)st.st_size;
}

/* LMDB's locks break when one process opens an environment twice. */
static enum err claim(struct env *env, struct err_detail *detail)
{
	char path[ENV_PATH_MAX];
	struct stat st;
	enum err err = env_path(env, "data.mdb", path, detail);
	if (err != OK)
		return err;
	if (stat(path, &st) != 0)
		return env_io_error(env, "looking at", detail);
	env->device = st.st_dev;
	env->inode = st.st_ino;
	pthread_mutex_lock(&open_lock);
	for (const struct env *other = open_envs; other; other = other->next_open)
		if (other->device == st.st_dev && other->inode == st.st_ino)
			err = err_set(detail, ERR_INVALID,
				      "the %s folder %s is already open in this process",
				      other->kind->name, env->folder);
	if (err == OK) {
		env->next_open = open_envs;
		open_envs = env;
	}
	pthread_mutex_unlock(&open_lock);
	return err;
}

static void unclaim(const struct env *env)
{
	pthread_mutex_lock(&open_lock);
	for (struct env **at = &open_envs; *at; at = &(*at)->next_open)
		if (*at == env) {
			*at = env->next_open;
			break;
		}
	pthread_mutex_unlock(&open_lock);
}

/* Read-ahead fetches 32 pages where one is wanted: good while the file fits in memory. */
static unsigned readahead_flag(const struct env *env)
{
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
	if (pages <= 0 || bytes <= 0)
		return 0;
	uint64_t memory = (uint64_t)pages * (uint64_t)bytes;
	return env_file_bytes(env) / 2 > memory / 4 ? MDB_NORDAHEAD : 0;
}

/* A file that was cut off (a copy that broke) would kill the process by SIGBUS; filled up
 * with zeros its lost pages are damaged pages, which LMDB reports. */
static void fill_up_file(const struct env *env)
{
	MDB_envinfo info;
	mdb_filehandle_t fd;
	struct stat st;
	if (mdb_env_info(env->mdb, &info) != 0 || mdb_env_get_fd(env->mdb, &fd) != 0)
		return;
	off_t wanted = (off_t)((info.me_last_pgno + 1) * env->page_bytes);
	if (fstat(fd, &st) == 0 && st.st_size < wanted &&
	    posix_fallocate(fd, wanted - 1, 1) != 0)
		log_warn("a database file is shorter than it should be",
			 LOG_S("folder", env->folder));
}

static int open_mapped(struct env *env, uint64_t map_bytes)
{
	int rc = mdb_env_create(&env->mdb);
	if (rc != 0)
		return rc;
	/* whole pages of any machine */
	rc = mdb_env_set_mapsize(env->mdb, (map_bytes + 0xffff) & ~UINT64_C(0xffff));
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env->mdb, ENV_MAX_READERS);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env->mdb, TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_open(env->mdb, env->folder,
				  MDB_NOTLS | MDB_NOMETASYNC | readahead_flag(env), 0600);
	if (rc != 0) {
		mdb_env_close(env->mdb);
		env->mdb = NULL;
	}
	return rc;
}

static int open_mdb(struct env *env, uint64_t map_max, uint64_t map_min)
{
	MDB_stat stat;
	int rc = open_mapped(env, map_max);
	/* EINVAL is what valgrind says */
	while ((rc == ENOMEM || rc == EINVAL) && map_max / 4 >= map_min) {
		map_max /= 4;
		rc = open_mapped(env, map_max);
	}
	if (rc == 0)
		rc = mdb_env_stat(env->mdb, &stat);
	if (rc != 0)
		return rc;
	env->page_bytes = stat.ms_psize;
	fill_up_file(env);
	return 0;
}

static uint64_t identity_hash(const struct env *env, const struct record_key *key)
{
	return record_key_hash(env->kind->identity_seed, TABLE_META, key->bytes, key->len);
}

static int write_identity(const struct env *env, MDB_txn *txn)
{
	struct record_key key;
	struct eth_bytes32 uuid;
	unsigned char out[RECORD_HASH_BYTES];
	if (getrandom(uuid.bytes, sizeof uuid.bytes, 0) != (ssize_t)sizeof uuid.bytes)
		return EIO;
	record_key_meta(&key, "uuid");
	MDB_val k = key_val(&key),
		v = val(out, record_hash_encode(identity_hash(env, &key), &uuid, out));
	int rc = mdb_put(txn, env->tables[TABLE_META], &k, &v, 0);
	if (rc != 0)
		return rc;
	record_key_meta(&key, "format");
	k = key_val(&key);
	v = val(out, record_u64_encode(identity_hash(env, &key), env->kind->format, out));
	return mdb_put(txn, env->tables[TABLE_META], &k, &v, 0);
}

static enum err not_ours(const struct env *env, struct err_detail *detail)
{
	return err_set(detail, ERR_CORRUPT,
		       "%s holds an LMDB database that is not a %s of ours, or is damaged; if "
		       "it is a %s: %s",
		       env->folder, env->kind->name, env->kind->name, env->kind->if_damaged);
}

/* Formats are migrated here, one step a version; 1 is the first of all kinds. */
static enum err check_format(const struct env *env, uint64_t format, struct err_detail *detail)
{
	if (format == 0)
		return not_ours(env, detail);
	if (format <= env->kind->format)
		return OK;
	return err_set(detail, ERR_UNSUPPORTED,
		       "the %s folder %s has format %llu; this program knows up to %llu: use a "
		       "newer program, or another folder",
		       env->kind->name, env->folder, (unsigned long long)format,
		       (unsigned long long)env->kind->format);
}

static enum err read_identity(struct env *env, MDB_txn *txn, struct err_detail *detail)
{
	struct record_key key;
	struct eth_bytes32 uuid;
	uint64_t format;
	MDB_val k, v;
	record_key_meta(&key, "format");
	k = key_val(&key);
	if (mdb_get(txn, env->tables[TABLE_META], &k, &v) != 0 ||
	    !record_u64_decode(identity_hash(env, &key), val_span(v), &format))
		return not_ours(env, detail);
	enum err err = check_format(env, format, detail);
	if (err != OK)
		return err;
	record_key_meta(&key, "uuid");
	k = key_val(&key);
	if (mdb_get(txn, env->tables[TABLE_META], &k, &v) != 0 ||
	    !record_hash_decode(identity_hash(env, &key), val_span(v), &uuid))
		return not_ours(env, detail);
	memcpy(env->uuid, uuid.bytes, ENV_UUID_BYTES);
	env->seed = record_key_hash(0, TABLE_META, uuid.bytes, sizeof uuid.bytes);
	return OK;
}

static int open_tables(struct env *env, MDB_txn *txn, unsigned flags)
{
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < TABLE_COUNT; i++)
		if (env->kind->tables[i])
			rc = mdb_dbi_open(txn, env->kind->tables[i], flags, &env->tables[i]);
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

static enum err open_format(struct env *env, struct err_detail *detail)
{
	static const char doing[] = "opening";
	MDB_txn *txn;
	bool fresh, writing = false;
	enum err err;
	/* a full table of readers must not keep anybody out: writers need no place in it */
	int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
	if (rc != 0) {
		rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
		writing = true;
	}
	if (rc != 0)
		return err_from_lmdb(rc, doing, env, detail);
	rc = is_fresh(txn, &fresh);
	if (rc == 0 && fresh && !writing) {
		mdb_txn_abort(txn);
		rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
		if (rc != 0)
			return err_from_lmdb(rc, doing, env, detail);
	}
	if (rc == 0)
		rc = open_tables(env, txn, fresh ? MDB_CREATE : 0);
	if (rc == 0 && fresh)
		rc = write_identity(env, txn);
	if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE)
		err = not_ours(env, detail);
	else
		err = err_from_lmdb(rc, doing, env, detail);
	if (err == OK)
		err = read_identity(env, txn, detail);
	if (err != OK) {
		mdb_txn_abort(txn);
		return err;
	}
	return err_from_lmdb(mdb_txn_commit(txn), doing, env, detail);
}

enum err env_open(struct env *env, uint64_t map_max, uint64_t map_min,
		  struct err_detail *detail)
{
	int dead;
	enum err err = env_make_file(env, "data.mdb", detail);
	if (err == OK)
		err = claim(env, detail);
	if (err == OK)
		err = env_make_file(env, "lock.mdb", detail);
	if (err == OK)
		err = err_from_lmdb(open_mdb(env, map_max, map_min), "opening", env, detail);
	if (err != OK)
		return err;
	if (mdb_reader_check(env->mdb, &dead) == 0 && dead > 0)
		log_info("cleared readers of dead processes", LOG_S("folder", env->folder),
			 LOG_I("readers", dead));
	return open_format(env, detail);
}

int env_snapshot(const struct env *env, MDB_txn **txn)
{
	int dead;
	if (*txn)
		return mdb_txn_renew(*txn);
	int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, txn);
	if (rc == MDB_READERS_FULL && mdb_reader_check(env->mdb, &dead) == 0 && dead > 0)
		rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, txn);
	if (rc != 0)
		*txn = NULL;
	return rc;
}

void env_close(struct env *env)
{
	if (env->mdb)
		mdb_env_close(env->mdb);
	env->mdb = NULL;
}

void env_release(struct env *env)
{
	env_close(env);
	unclaim(env);
	free(env->folder);
	env->folder = NULL;
}

enum err err_from_lmdb(int rc, const char *doing, const struct env *env,
		       struct err_detail *detail)
{
	const char *kind = env->kind->name, *folder = env->folder;
	switch (rc) {
	case 0:
		return OK;
	case ENOMEM:
		return err_set(detail, ERR_NOMEM, "%s the %s folder %s: no memory", doing, kind,
			       folder);
	case MDB_NOTFOUND:
		return err_set(detail, ERR_NOT_FOUND, "%s the %s folder %s: not found", doing,
			       kind, folder);
	case MDB_MAP_FULL:
		return err_set(detail, ERR_LIMIT, "%s the %s folder %s: it is full: %s", doing,
			       kind, folder, env->kind->if_full);
	case MDB_MAP_RESIZED:
		return err_set(detail, ERR_LIMIT,
			       "%s the %s folder %s: another program has made the file larger "
			       "than is mapped here; open it again",
			       doing, kind, folder);
	case MDB_READERS_FULL:
	case MDB_TXN_FULL:
	case MDB_DBS_FULL:
		return err_set(detail, ERR_LIMIT, "%s the %s folder %s: %s", doing, kind,
			       folder, mdb_strerror(rc));
	case EBUSY:
		return err_set(detail, ERR_LIMIT,
			       "%s the %s folder %s: a reader holds the pages that are free",
			       doing, kind, folder);
	case MDB_VERSION_MISMATCH:
		return err_set(detail, ERR_UNSUPPORTED,
			       "%s the %s folder %s: made by another version of LMDB", doing,
			       kind, folder);
	case MDB_PANIC:
		return err_set(detail, ERR_IO,
			       "%s the %s folder %s: the disk failed before, in the last step "
			       "of a commit; open it again",
			       doing, kind, folder);
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
		return err_set(detail, ERR_CORRUPT,
			       "%s the %s folder %s: the %s is damaged (%s): %s", doing, kind,
			       folder, kind, mdb_strerror(rc), env->kind->if_damaged);
	default:
		return err_set(detail, ERR_IO, "%s the %s folder %s: %s", doing, kind, folder,
			       mdb_strerror(rc));
	}
}
