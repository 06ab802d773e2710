/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One LMDB environment in a folder of its own: what the disk cache (store.h) and the file
 * database (filedb.h) have in common. LMDB's header is included here and nowhere else.
 *
 * A folder holds data.mdb and lock.mdb, which are LMDB's, and the files of its kind. Who opens
 * it sees to it that nobody else opens or closes it at the same time, and, since LMDB's locks
 * break when one process opens an environment twice, is refused when this one has it open.
 * The table "meta" says the format and a UUID, which seeds the checksums of all records; the
 * two of them have a seed of their kind, so that no kind opens another's folder.
 */
#include "cache/record.h"
#include <lmdb.h>
#include <sys/types.h>

#define ENV_MAX_READERS 512 /* slots of 64 bytes in lock.mdb: threads of all processes */
#define ENV_UUID_BYTES	16
#define ENV_PATH_MAX	4096

struct env_kind {
	const char *name;	/* of messages: "cache" */
	const char *if_damaged; /* what a person does then */
	const char *if_full;	/* the same when the map is full */
	const char *files[4];	/* of its own, besides LMDB's; the last is NULL */
	uint64_t format, identity_seed;
	const char *tables[TABLE_COUNT]; /* NULL: not of this kind */
};

struct env {
	const struct env_kind *kind;
	MDB_env *mdb; /* NULL: not open */
	MDB_dbi tables[TABLE_COUNT];
	char *folder;
	uint64_t seed, page_bytes;
	unsigned char uuid[ENV_UUID_BYTES];
	dev_t device;
	ino_t inode;
	struct env *next_open;
};

/* Nothing is opened yet. ERR_NOMEM. */
enum err env_init(struct env *env, const struct env_kind *kind, const char *folder) WARN_UNUSED;
/* Closes what is open, too. Also after a failed env_init. */
void env_release(struct env *env);

/* With mode 0700 whatever the umask; one that is there is left as it is. */
enum err env_make_folder(const struct env *env, struct err_detail *detail) WARN_UNUSED;
/* ERR_CONFIG: there is no database in it, but other files, which nobody may have meant. */
enum err env_check_folder(const struct env *env, struct err_detail *detail) WARN_UNUSED;
/* The path of a file in the folder. ERR_INVALID: too long. */
enum err env_path(const struct env *env, const char *name, char path[ENV_PATH_MAX],
		  struct err_detail *detail) WARN_UNUSED;
/* Makes an empty file with mode 0600 whatever the umask, unless it is there. */
enum err env_make_file(const struct env *env, const char *name,
		       struct err_detail *detail) WARN_UNUSED;
/* The length of data.mdb; 0: there is none. */
uint64_t env_file_bytes(const struct env *env);
/* Of errno, as "DOING the KIND folder FOLDER: why"; returns ERR_IO. */
enum err env_io_error(const struct env *env, const char *doing, struct err_detail *detail);

/* Opens or creates, in a folder that has been made and checked; clears readers of dead
 * processes. The map has map_max bytes; where the system gives less, a quarter of that, and so
 * on down to map_min. ERR_INVALID: this process has it open; ERR_UNSUPPORTED: a newer format;
 * ERR_CORRUPT: not ours; ERR_IO, ERR_NOMEM. After a failure: env_release. */
enum err env_open(struct env *env, uint64_t map_max, uint64_t map_min,
		  struct err_detail *detail) WARN_UNUSED;
/* Closes LMDB's environment only. */
void env_close(struct env *env);

/* Opens *txn, a snapshot for reading, or renews it when it was reset before. When the table of
 * readers is full, those of dead processes are cleared. LMDB's codes; *txn is NULL if there is
 * none. */
int env_snapshot(const struct env *env, MDB_txn **txn);

/* The converter of LMDB's and errno's codes; fills the detail with what was being done. */
enum err err_from_lmdb(int rc, const char *doing, const struct env *env,
		       struct err_detail *detail);

static inline MDB_val val(const void *bytes, size_t n)
{
	/* LMDB takes keys and values as void *, and does not write to them */
	union {
		const void *in;
		void *out;
	} data = {.in = bytes};
	return (MDB_val){.mv_size = n, .mv_data = data.out};
}

static inline MDB_val key_val(const struct record_key *key)
{
	return val(key->bytes, key->len);
}

static inline struct span val_span(MDB_val v)
{
	return (struct span){v.mv_data, v.mv_size};
}
