/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The file database: a whole state in one LMDB environment of its own, never evicted.
 *
 * Not to be mixed up with the disk cache (store.h), which may forget: here what was committed
 * is there. A batch is one write transaction: all of it or nothing, also over kill -9. LMDB is
 * opened with MDB_NOTLS | MDB_NOMETASYNC: after a power cut the last commits may be missing,
 * whole; filedb_sync makes them safe from that, too. One process at a time (a lock file names
 * it); the format version and a UUID stand in the folder.
 *
 *   accounts   address:20                         -> check:4 generation:4 flags:1 mask:1 fields
 *   slots      address:20 generation:4 slot:0..32 -> check:4 value:1..32, leading zeros trimmed
 *   code       code hash:32                       -> check:4 bytes (zstd above 1 KiB)
 *   meta       "format" "uuid" "sequence" "root"
 *
 * A slot of zero is removed when its account's storage does not show through to anything
 * below; what belongs to an old generation is removed in the background of later commits
 * (filedb_sweep), never seen. Every value has a checksum seeded with its key: a value that
 * fails it is ERR_CORRUPT, named, never a miss.
 */
#include "base/blob.h"
#include "cache/store.h"

struct filedb;
struct filedb_reader;
struct filedb_batch;

struct filedb_config {
	const char *folder; /* made with mode 0700 if absent; files are 0600 */
	uint64_t map_bytes; /* most that the file may become; 0: 1 TiB of address space */
};

/* One account record. mask: fields that are there; others were never written. */
struct filedb_account {
	struct account_fields fields;
	uint32_t generation;
	bool exists, has_existence, destructed;
};

/* ERR_CONFIG: another process has it (which); ERR_UNSUPPORTED: a newer format; ERR_CORRUPT:
 * not ours; ERR_IO. */
enum err filedb_open(const struct filedb_config *config, struct filedb **out,
		     struct err_detail *detail) WARN_UNUSED;
/* All readers and batches must be gone. */
void filedb_close(struct filedb **db);

/* One a thread at a time; the snapshot is the newest at the first read after a rest. */
enum err filedb_reader_new(struct filedb *db, struct filedb_reader **out) WARN_UNUSED;
void filedb_reader_free(struct filedb_reader **reader);
/* Gives the snapshot back. Also from the thread of a writer, while the owner is in no call. */
void filedb_reader_rest(struct filedb_reader *reader);
/* HIT, MISS, or FAILED with *err and the detail. */
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
/* The state root as of the last batch that gave one; MISS: none, or changed since. */
enum lookup filedb_get_root(struct filedb_reader *reader, struct eth_bytes32 *root);

/* One writer at a time (the caller sees to it). keep_zeros: a slot of zero is a record too,
 * for a layer over something. */
enum err filedb_batch_begin(struct filedb *db, bool keep_zeros, struct filedb_batch **out,
			    struct err_detail *detail) WARN_UNUSED;
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
/* Frees the batch in any case. ERR_IO, ERR_LIMIT (the map is full), ERR_NOMEM: nothing of it
 * was written; a failed step before makes it fail, too. */
enum err filedb_batch_commit(struct filedb_batch **batch,
			     struct err_detail *detail) WARN_UNUSED;
void filedb_batch_abort(struct filedb_batch **batch);
/* Waits until all that was committed is on the platter. */
enum err filedb_sync(struct filedb *db, struct err_detail *detail) WARN_UNUSED;
/* Removes up to so many slots of old generations, in a batch of its own; false: none left. */
bool filedb_sweep(struct filedb *db, size_t slots);

/* Walks over all, in the order of addresses, then slots (of the current generation only).
 * Ends early when a function returns other than OK, and returns that. Pass NULL for what is
 * not wanted. A record that fails its checksum goes to corrupt (NULL: ends with ERR_CORRUPT).
 */
struct filedb_walk {
	enum err (*account)(void *cookie, const struct eth_address *address,
			    const struct filedb_account *account);
	enum err (*slot)(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
	enum err (*code)(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code);
	enum err (*corrupt)(void *cookie, const char *what);
};
enum err filedb_walk(struct filedb_reader *reader, const struct filedb_walk *walk,
		     void *cookie) WARN_UNUSED;
/* The slots of one account only. */
enum err filedb_walk_slots(struct filedb_reader *reader, const struct eth_address *address,
			   uint32_t generation, const struct filedb_walk *walk,
			   void *cookie) WARN_UNUSED;

struct filedb_stats {
	uint64_t reads, misses, commits, records, used_bytes, file_bytes;
};
void filedb_stats(struct filedb *db, struct filedb_stats *out);
