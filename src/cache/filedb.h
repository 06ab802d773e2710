/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The file database: a whole state in one LMDB environment of its own, never evicted.
 *
 * Not to be mixed up with the disk cache (store.h), which may forget: here what was committed
 * is there. A batch is one write transaction: all of it or nothing, also over kill -9. LMDB is
 * opened with MDB_NOTLS | MDB_NOMETASYNC: after a power cut the last commits may be missing,
 * whole; filedb_sync makes them safe from that, too. One process at a time, and once in it (a
 * lock file names it); the format version and a UUID stand in the folder.
 *
 *   accounts   address:20               -> check:4 generation:4 flags:1 mask:1 fields
 *   slots      address:20 n:1 generation:n m:1 slot:m -> check:4 value:0..32
 *   code       code hash:32             -> an image (record.h; zstd above 1 KiB)
 *   meta       "format" "uuid" "root" and, of an account with slots of old generations,
 *              "wiped" address:20
 *
 * Numbers lose their leading zeros; those in keys say how long they are, so that slots lie in
 * the order of their numbers. A slot of zero is no record, except where its account's storage
 * shows through to what lies below (generation 0 of a batch that keeps zeros): there an empty
 * value hides what is below. What belongs to an old generation is removed in the background
 * of later commits (filedb_sweep), never seen. Every value has a checksum seeded with its key:
 * a value that fails it is ERR_CORRUPT, named, never a miss.
 *
 * Threads: a reader is one thread's; batches, filedb_sweep and filedb_sync one thread's at a
 * time; filedb_reader_new, _free and filedb_stats anybody's.
 */
#include "base/blob.h"
#include "cache/store.h"

struct filedb;
struct filedb_reader;
struct filedb_batch;

struct filedb_config {
	const char *folder; /* made with mode 0700 if absent; files are 0600 */
	uint64_t map_bytes; /* most that the file may become; 0: 1 TiB of address space, less
			       where the system does not give it */
};

/* One account record. fields.mask: fields that are there (bits that store.h does not name are
 * not kept); others were never written. exists means nothing without has_existence. */
struct filedb_account {
	struct account_fields fields;
	uint32_t generation;
	bool exists, has_existence, destructed;
};

/* ERR_CONFIG: another process (which), or this one, has it, or the folder holds other files;
 * ERR_UNSUPPORTED: a newer format; ERR_CORRUPT: a database that is not ours, or damaged;
 * ERR_IO; ERR_NOMEM. A child of fork() may not use it, and keeps others out while it lives. */
enum err filedb_open(const struct filedb_config *config, struct filedb **out,
		     struct err_detail *detail) WARN_UNUSED;
/* All readers and batches must be gone. */
void filedb_close(struct filedb **db);

/* One a thread at a time; the snapshot is the newest at the first read after a rest. */
enum err filedb_reader_new(struct filedb *db, struct filedb_reader **out) WARN_UNUSED;
void filedb_reader_free(struct filedb_reader **reader);
/* Gives the snapshot back. Also from another thread (a writer's), while the owner is in no
 * call and the caller has made sure that it begins none: nothing is locked here. */
void filedb_reader_rest(struct filedb_reader *reader);
/* HIT, MISS (no record), or FAILED with *err and the detail (which may be NULL): ERR_CORRUPT,
 * ERR_LIMIT (too many readers; another program enlarged the file), ERR_IO, ERR_NOMEM. */
enum lookup filedb_get_account(struct filedb_reader *reader, const struct eth_address *address,
			       struct filedb_account *out, enum err *err,
			       struct err_detail *detail);
enum lookup filedb_get_slot(struct filedb_reader *reader, const struct eth_address *address,
			    uint32_t generation, const struct eth_bytes32 *slot,
			    struct eth_bytes32 *value, enum err *err,
			    struct err_detail *detail);
/* *code: one reference, give up with blob_put. */
enum lookup filedb_get_code(struct filedb_reader *reader, const struct eth_bytes32 *code_hash,
			    struct blob **code, enum err *err, struct err_detail *detail);
/* The state root as of the last batch that gave one; MISS: none, or accounts or slots were
 * written since. */
enum lookup filedb_get_root(struct filedb_reader *reader, struct eth_bytes32 *root,
			    enum err *err, struct err_detail *detail);

/* One writer at a time (the caller sees to it). keep_zeros: a slot of zero in generation 0 is a
 * record too, for a layer over something. */
enum err filedb_batch_begin(struct filedb *db, bool keep_zeros, struct filedb_batch **out,
			    struct err_detail *detail) WARN_UNUSED;
/* Generations of an account only rise (ERR_INVALID): slots of one that was left are gone. */
enum err filedb_batch_account(struct filedb_batch *batch, const struct eth_address *address,
			      const struct filedb_account *account) WARN_UNUSED;
enum err filedb_batch_slot(struct filedb_batch *batch, const struct eth_address *address,
			   uint32_t generation, const struct eth_bytes32 *slot,
			   const struct eth_bytes32 *value) WARN_UNUSED;
enum err filedb_batch_code(struct filedb_batch *batch, const struct eth_bytes32 *code_hash,
			   struct blob *code) WARN_UNUSED;
/* NULL: the root is not known any more. */
enum err filedb_batch_root(struct filedb_batch *batch,
			   const struct eth_bytes32 *root) WARN_UNUSED;
/* Frees the batch in any case. ERR_IO, ERR_LIMIT (the map is full: the detail says how to give
 * more), ERR_NOMEM: nothing of it was written; a failed step before makes it fail, too, with
 * that step's error. The next batch may succeed; when the disk failed LMDB's own last step,
 * all fail until the database is opened again, and the detail says that. */
enum err filedb_batch_commit(struct filedb_batch **batch,
			     struct err_detail *detail) WARN_UNUSED;
void filedb_batch_abort(struct filedb_batch **batch);
/* Waits until all that was committed is on the platter. */
enum err filedb_sync(struct filedb *db, struct err_detail *detail) WARN_UNUSED;
/* Removes up to so many slots of old generations, in a batch of its own; no batch may be open.
 * True: there are more. False: none left, or it failed (logged), and may be tried later. */
bool filedb_sweep(struct filedb *db, size_t slots);

/* Walks over all: accounts in the order of addresses, each followed by its slots (of the
 * current generation only; 0 where there is no account record), then code. Ends early when a
 * function returns other than OK, and returns that. Pass NULL for what is not wanted. A record
 * that fails its checksum goes to corrupt by its name (NULL: ends with ERR_CORRUPT); slots of
 * an account that does are left out. The functions may read by the same reader, which may not
 * rest meanwhile. */
struct filedb_walk {
	enum err (*account)(void *cookie, const struct eth_address *address,
			    const struct filedb_account *account);
	enum err (*slot)(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
	enum err (*code)(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code);
	enum err (*corrupt)(void *cookie, const char *what);
};
enum err filedb_walk(struct filedb_reader *reader, const struct filedb_walk *walk, void *cookie,
		     struct err_detail *detail) WARN_UNUSED;
/* The slots of one account only. */
enum err filedb_walk_slots(struct filedb_reader *reader, const struct eth_address *address,
			   uint32_t generation, const struct filedb_walk *walk, void *cookie,
			   struct err_detail *detail) WARN_UNUSED;

/* commits: since it was opened; records: accounts, slots (old ones too) and code, as used_bytes
 * of the last commit. */
struct filedb_stats {
	uint64_t reads, misses, commits, records, used_bytes, file_bytes;
};
void filedb_stats(struct filedb *db, struct filedb_stats *out);
