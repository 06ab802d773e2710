/* SPDX-License-Identifier: MIT */
#ifndef FORKCACHE_H
#define FORKCACHE_H
/*
 * libforkcache: a layered state database for programs that run an EVM.
 *
 * A database (struct fc_db) is a stack of layers: memory, an LMDB file, caches, an overlay of
 * local writes, a fork of a remote node. Callers work through handles (struct fc_state), which
 * read through the layers and write into the topmost one that takes writes.
 *
 *     struct fc_db *db;
 *     struct fc_state *state;
 *     struct fc_error why;
 *     fc_open("overlay://,memory://,fork+https://node.example/#block=19000000", &db, &why);
 *     fc_state_new(db, NULL, &state);
 *     fc_get_storage(state, &address, &slot, &value);
 *
 * Values. Addresses are 20 bytes; hashes, slots, storage values and balances are 32 bytes,
 * big-endian, as in EVMC. Nothing here is hex, but for the change dump.
 *
 * Empty is an answer. An account that is not there reads as nonce 0, balance 0, no code; a slot
 * that was never written reads as zero; neither is an error.
 *
 * Writes. Outside of a batch, a snapshot and a transaction a write is seen by all handles as
 * soon as the call returns. Inside of one it is the handle's own until the outermost is
 * committed. On disk (lmdb://) a committed batch or transaction, and all before it, is safe
 * from kill -9 when the call returns; other writes are after the next of these, fc_flush or
 * fc_close, or when 100,000 changes wait.
 *
 * Threads. struct fc_db: any thread, at the same time. struct fc_state, and the operations
 * started on it: one thread at a time (a handle may move between threads, with whatever order
 * the caller's own locks give). Handles of one database may be used by different threads at
 * the same time; that is how one state is shared. struct fc_code and struct fc_proof are
 * immutable; any thread. Callbacks run in fc_dispatch, on the thread that calls it. Threads of
 * the library take no signals. A child of fork() may use nothing that was opened before, not
 * even to close it.
 *
 * Errors. Every function that can fail returns enum fc_err; fc_detail says in one line what was
 * asked and what failed. A function that fails has changed nothing, unless it says otherwise.
 * A NULL where a pointer is needed is FC_ERR_INVALID_ARGUMENT.
 *
 * ABI. Structs of options begin with their size and grow behind what is there now, padding
 * included; all others, and what enumerators stand for, stay as they are. Enums are ints. Zero
 * a struct as a whole before filling it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FC_API	   __attribute__((visibility("default")))
#define FC_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define FC_API
#define FC_CHECKED
#endif

/* ---- values ---- */

struct fc_address {
	uint8_t bytes[20];
};
struct fc_bytes32 {
	uint8_t bytes[32];
};

/* ---- errors ---- */

enum fc_err {
	FC_OK = 0,
	/* Not errors: nothing is known here yet (fc_peek_*); a read that may not wait has noted
	 * what it needs (FC_RESUMABLE). */
	FC_MISS = 1,
	FC_PENDING = 2,

	/* Where it is an error: deleting what is not there; what a hash or a storage root names
	 * is not known. */
	FC_ERR_ACCOUNT_NOT_FOUND = 10,
	FC_ERR_STORAGE_NOT_FOUND = 11,
	FC_ERR_CODE_NOT_FOUND = 12,
	FC_ERR_SNAPSHOT_NOT_FOUND = 13, /* unknown, or dropped by a revert or commit */

	FC_ERR_INVALID_ADDRESS = 20, /* reserved for bindings that read addresses as text */
	FC_ERR_INVALID_ARGUMENT = 21,
	FC_ERR_INVALID_CONFIG = 22,
	FC_ERR_PERMISSION = 23, /* of a file, or refused by the remote (401, 403) */
	FC_ERR_UNSUPPORTED = 24,

	FC_ERR_CORRUPTED = 30, /* a checksum, a hash or a proof does not fit */
	FC_ERR_SERIALIZATION = 31,
	FC_ERR_DESERIALIZATION = 32,
	FC_ERR_IO = 33,

	FC_ERR_NETWORK = 40,
	FC_ERR_CONNECTION_FAILED = 41,
	FC_ERR_TIMEOUT = 42,
	FC_ERR_QUERY_FAILED = 43, /* the remote answered with an error, or nonsense */
	FC_ERR_RATE_LIMITED = 44,
	FC_ERR_OFFLINE_MISS = 45, /* not cached, and no remote may be asked */

	FC_ERR_NO_MEMORY = 50,
	FC_ERR_EXHAUSTED = 51, /* a bound is reached: operations in flight, the file's size */
	FC_ERR_CANCELLED = 52,

	FC_ERR_TRANSACTION_FAILED = 60,	 /* it could not be committed; nothing of it was */
	FC_ERR_INVALID_TRANSACTION = 61, /* finished, unknown, or not allowed inside of it */
	FC_ERR_CONFLICT = 62,		 /* another was committed first: begin again */
	FC_ERR_DEADLOCK = 63,		 /* reserved for back ends that lock */
};

/* A short sentence; never NULL. Any thread. */
FC_API const char *fc_strerror(enum fc_err err);

#define FC_DETAIL_BYTES 512
struct fc_error {
	enum fc_err err;
	char detail[FC_DETAIL_BYTES]; /* one line, NUL-terminated; never holds a secret */
};

/* "0.1.0" */
FC_API const char *fc_version(void);

/* ---- databases ---- */

struct fc_db;
struct fc_state;
struct fc_op;
struct fc_code;
struct fc_proof;

/* The layers, top to bottom. */
enum fc_kind {
	FC_MEMORY = 1, /* a database in memory; empty at first */
	FC_FILE = 2,   /* a database in an LMDB folder of its own; never evicted; open once at
			  a time, in one process */
	FC_CACHED = 3, /* a bounded memory cache of what lies below; not of another */
	FC_DISK_CACHE = 4, /* a bounded LMDB cache, shared by processes, of the fork directly
			      below; the same folder as `forkcache serve --cache-dir`. In one
			      process a folder is about one chain at a time */
	FC_OVERLAY = 5,	   /* local writes over what lies below, in memory */
	FC_FORK = 6,	   /* a remote node's state at one block; read only */
	FC_NETWORK = 7,	   /* the same of a remote forkcache */
};

struct fc_layer {
	size_t size; /* sizeof (struct fc_layer) */
	enum fc_kind kind;
	const struct fc_layer *below; /* FC_CACHED, FC_DISK_CACHE, FC_OVERLAY: needed */

	const char *path;	 /* FC_FILE, FC_DISK_CACHE: the folder; made if absent, and for
				    FC_DISK_CACHE the folders above it */
	uint64_t capacity_bytes; /* FC_FILE: most bytes of the file; FC_DISK_CACHE, FC_CACHED:
				    its bound. 0: the default (1 TiB; 10 GiB; 64 MiB) */
	/* FC_CACHED: bounds of each kind instead of one for all; 0: a share of
	 * capacity_bytes (a quarter, a half, a quarter). Over a fork, also with a disk cache in
	 * between, one cache holds all kinds, bounded by the sum; without a cache a fork has
	 * 4 MiB. */
	uint64_t accounts_bytes, slots_bytes, code_bytes;

	/* FC_FORK: http:// or https:// URLs of nodes of one chain, in order of preference.
	 * FC_NETWORK: one, of a forkcache. */
	const char *const *urls;
	size_t urls_n;
	const char *const *headers; /* "Name: value", sent with every request */
	size_t headers_n;
	const char *token;    /* FC_NETWORK: sent as Authorization: Bearer; NULL: none */
	const char *block;    /* decimal or 0x number, 0x hash, "latest", "safe", "finalized";
				 NULL: latest */
	const char *ca_file;  /* PEM bundle instead of the system's; NULL: the system's */
	uint64_t chain_id;    /* 0: whatever the node says (offline: whatever is cached) */
	bool offline;	      /* ask nobody: needs FC_DISK_CACHE above, and a block */
	bool verify;	      /* check every account and slot by its proof (eth_getProof) */
	bool trust_dev_node;  /* keep what a development node says */
	uint32_t timeout_ms;  /* for one read; 0: the default */
	uint32_t batch_items; /* most reads in one request; 0: the default (1,000) */

	/* FC_MEMORY, FC_FILE, FC_OVERLAY: empty accounts stay in the state, as before Spurious
	 * Dragon (EIP-161). */
	bool keep_empty_accounts;
};

/* Takes no ownership; copies what it needs. A fork asks its node for the block here, and so
 * blocks. why may be NULL. */
FC_CHECKED enum fc_err fc_open_layers(const struct fc_layer *top, struct fc_db **db,
				      struct fc_error *why);
/*
 * The same from URLs, separated by commas, top to bottom (a comma inside is %2C):
 *
 *   memory://             at the bottom a database; above another layer its cache
 *                         (#bytes=64MiB&accounts=..&slots=..&code=..)
 *   lmdb:///a/folder      at the bottom a database; above a fork its disk cache (#bytes=10GiB)
 *   overlay://            local writes
 *   fork+https://…, fork+http://…      (#block=..&chain=..&header=..&verify&offline&trust-dev&
 *                         timeout-ms=..&batch=..&ca=..; url=.. for further nodes)
 *   forkcache://[token@]host:port/     (the same; forkcaches:// over TLS)
 *
 * Options stand behind #, which is never sent; values are percent-decoded. Sizes have a unit:
 * B, KiB, MiB, GiB, TiB, or none. keep-empty is an option of databases and overlays. Of a
 * remote forkcache the port is 8545, and over TLS 443, where none is given. What is wrong is
 * told by the URL's place in the list; of a URL at most the host is repeated, or the folder.
 */
FC_CHECKED enum fc_err fc_open(const char *urls, struct fc_db **db, struct fc_error *why);
/* Commits what is not on disk yet; an error of that is returned, and the database is closed all
 * the same. What the remote has been asked is waited for, two seconds at most: it is paid for.
 * FC_ERR_INVALID_ARGUMENT while handles are left: free them first; nothing is done. Accepts
 * NULL; nulls the pointer. */
FC_API enum fc_err fc_close(struct fc_db **db, struct fc_error *why);

/* The block that a fork is at. FC_ERR_UNSUPPORTED where there is none. */
struct fc_block {
	uint64_t chain_id, number, timestamp;
	struct fc_bytes32 hash, state_root;
};
FC_CHECKED enum fc_err fc_block(struct fc_db *db, struct fc_block *block);

/* Counters since fc_open; relaxed. bytes: in memory, or in the file. Over a fork accounts and
 * slots share one table: its bytes, bound and evictions stand with the slots. */
struct fc_cache_stats {
	uint64_t hits, misses, evicted, bytes, capacity_bytes;
};
struct fc_stats {
	size_t size; /* sizeof (struct fc_stats), set by the caller */
	struct fc_cache_stats accounts, slots, code; /* caches in memory, all of them */
	struct fc_cache_stats disk;
	uint64_t upstream_requests, upstream_items, upstream_failures, upstream_round_trip_us;
	uint64_t transactions, conflicts;
};
FC_CHECKED enum fc_err fc_stats(struct fc_db *db, struct fc_stats *stats);

/* ---- handles ---- */

enum fc_wait {
	FC_BLOCKING = 0, /* a read that misses waits */
	/* It notes what it needs and returns FC_PENDING. State roots, proofs, storage roots of
	 * accounts with writes, dumps and what is asked to fetch wait all the same. */
	FC_RESUMABLE = 1,
};

struct fc_state_options {
	size_t size; /* sizeof (struct fc_state_options) */
	enum fc_wait wait;
	uint32_t operations_max; /* in flight; 0: 1,024 */
	uint32_t reads_max; /* single reads in flight at the remote; 0: 4,096; 16,384 at most */
};

/* options may be NULL. Free with fc_state_free. A handle has up to five file descriptors. */
FC_CHECKED enum fc_err fc_state_new(struct fc_db *db, const struct fc_state_options *options,
				    struct fc_state **state);
/* Cancels its operations (free them first or after), rolls back what is open. Accepts NULL;
 * nulls the pointer. */
FC_API void fc_state_free(struct fc_state **state);
/* What the last call on this handle that failed was asked, and why it failed. Borrowed until
 * the next call. "" when none has. */
FC_API const char *fc_detail(const struct fc_state *state);
FC_CHECKED enum fc_err fc_set_wait(struct fc_state *state, enum fc_wait wait);

/* ---- accounts, storage, code ---- */

enum {
	FC_BALANCE = 1,
	FC_NONCE = 2,
	FC_CODE_HASH = 4,
	FC_STORAGE_ROOT = 8, /* of a fork: from a proof. Of an account with writes: computed */
	FC_EXISTS = 16,
};

struct fc_account {
	uint32_t mask; /* which of the following are filled (or wanted, or to be written) */
	bool exists;
	uint64_t nonce;
	struct fc_bytes32 balance, code_hash, storage_root;
};

/* wanted: FC_BALANCE | …; fills those, and says so in account->mask. */
FC_CHECKED enum fc_err fc_get_account(struct fc_state *state, const struct fc_address *address,
				      uint32_t wanted, struct fc_account *account);
/* Writes the fields of account->mask (FC_BALANCE, FC_NONCE, FC_CODE_HASH of code that the
 * database knows: else FC_ERR_CODE_NOT_FOUND). The account is there from now on, as far as
 * EIP-161 lets it. */
FC_CHECKED enum fc_err fc_set_account(struct fc_state *state, const struct fc_address *address,
				      const struct fc_account *account);
/* Self-destruct: fields, code and all storage. FC_ERR_ACCOUNT_NOT_FOUND: it was not there. */
FC_CHECKED enum fc_err fc_delete_account(struct fc_state *state,
					 const struct fc_address *address);
/* EIP-161: there if nonce, balance or code is not empty (with keep_empty_accounts also if it
 * was written and not deleted). */
FC_CHECKED enum fc_err fc_exists(struct fc_state *state, const struct fc_address *address,
				 bool *exists);

FC_CHECKED enum fc_err fc_get_storage(struct fc_state *state, const struct fc_address *address,
				      const struct fc_bytes32 *slot, struct fc_bytes32 *value);
FC_CHECKED enum fc_err fc_set_storage(struct fc_state *state, const struct fc_address *address,
				      const struct fc_bytes32 *slot,
				      const struct fc_bytes32 *value);
/* All slots of the account are zero from now on; its fields stay (CREATE over an address that
 * has storage). */
FC_CHECKED enum fc_err fc_clear_storage(struct fc_state *state,
					const struct fc_address *address);
/* By the storage root that was proved for some account at some block: FC_ERR_STORAGE_NOT_FOUND
 * when this slot is not known under it. Never waits. */
FC_CHECKED enum fc_err fc_get_storage_by_root(struct fc_state *state,
					      const struct fc_bytes32 *storage_root,
					      const struct fc_bytes32 *slot,
					      struct fc_bytes32 *value);

/* *code: give up with fc_code_put. An account without code has code of no bytes. */
FC_CHECKED enum fc_err fc_get_code(struct fc_state *state, const struct fc_address *address,
				   struct fc_code **code);
/* Of code that the database holds, whoever has it: FC_ERR_CODE_NOT_FOUND. Never waits. */
FC_CHECKED enum fc_err fc_get_code_by_hash(struct fc_state *state,
					   const struct fc_bytes32 *code_hash,
					   struct fc_code **code);
/* Copies the bytes; len 0 removes the code. Also for EIP-7702 delegations. */
FC_CHECKED enum fc_err fc_set_code(struct fc_state *state, const struct fc_address *address,
				   const uint8_t *bytes, size_t len);

FC_API const uint8_t *fc_code_bytes(const struct fc_code *code);
FC_API size_t fc_code_length(const struct fc_code *code);
FC_API struct fc_code *fc_code_get(struct fc_code *code); /* one more reference */
FC_API void fc_code_put(struct fc_code **code);		  /* accepts NULL; nulls */

/* Only what is known without asking the remote: FC_MISS, else as above. */
FC_CHECKED enum fc_err fc_peek_account(struct fc_state *state, const struct fc_address *address,
				       uint32_t wanted, struct fc_account *account);
FC_CHECKED enum fc_err fc_peek_storage(struct fc_state *state, const struct fc_address *address,
				       const struct fc_bytes32 *slot, struct fc_bytes32 *value);
FC_CHECKED enum fc_err fc_peek_code(struct fc_state *state, const struct fc_address *address,
				    struct fc_code **code);

/* ---- many at once ---- */

enum fc_read_kind { FC_READ_ACCOUNT = 1, FC_READ_STORAGE = 2, FC_READ_CODE = 3 };

/* One read; the caller fills the first group. Start from zeroed memory; before it is used
 * again, fc_reads_release. */
struct fc_read {
	enum fc_read_kind kind;
	uint32_t wanted; /* FC_READ_ACCOUNT: the mask */
	bool prove;	 /* with a proof against fc_state_root of now, and all of the account */
	struct fc_address address;
	struct fc_bytes32 slot; /* FC_READ_STORAGE */

	enum fc_err err; /* of this read; all below is void unless FC_OK */
	struct fc_account account;
	struct fc_bytes32 value;
	struct fc_code *code;	/* fc_code_put */
	struct fc_proof *proof; /* fc_proof_put */
};

/* In few requests, whatever n. FC_OK, or the error of the first read that failed: the others
 * are done all the same, each with its own err. fc_detail is of the first. Resumable:
 * FC_PENDING when none has failed and some are. */
FC_CHECKED enum fc_err fc_read_many(struct fc_state *state, struct fc_read *reads, size_t n);
/* Gives up what codes and proofs there are. */
FC_API void fc_reads_release(struct fc_read *reads, size_t n);

/* The account's proof, then the slot's (FC_READ_STORAGE), as eth_getProof has them (EIP-1186):
 * RLP nodes from the root down. */
FC_API size_t fc_proof_account_nodes(const struct fc_proof *proof);
FC_API size_t fc_proof_storage_nodes(const struct fc_proof *proof);
/* Borrowed from the proof; i counts account nodes, then storage nodes. */
FC_API const uint8_t *fc_proof_node(const struct fc_proof *proof, size_t i, size_t *len);
FC_API void fc_proof_put(struct fc_proof **proof);
/* Checks a proof from anywhere. account: nonce, balance, code hash and storage root under
 * state_root, whatever its mask (of an absent one those of an empty one); slot and value under
 * account->storage_root (slot NULL: no storage). A read that was proved has all of that.
 * FC_ERR_CORRUPTED, why in words. */
FC_CHECKED enum fc_err fc_proof_verify(
	const struct fc_bytes32 *state_root, const struct fc_address *address,
	const uint8_t *const *account_nodes, const size_t *account_lens, size_t account_n,
	const struct fc_account *account, const struct fc_bytes32 *slot,
	const struct fc_bytes32 *value, const uint8_t *const *storage_nodes,
	const size_t *storage_lens, size_t storage_n, struct fc_error *why);

/* One row of an EIP-2930 access list. */
struct fc_access {
	struct fc_address address;
	const struct fc_bytes32 *slots;
	size_t slots_n;
};
/* Fetches balance, nonce, code and the slots of each, so that reads of them do not miss. A list
 * may be empty. */
FC_CHECKED enum fc_err fc_prefetch(struct fc_state *state, const struct fc_access *list,
				   size_t n);

/* Makes everything committed safe from power loss, too. */
FC_CHECKED enum fc_err fc_flush(struct fc_state *state);
/* Forgets what caches hold in memory (not on disk), and what was fed. Local writes stay. The
 * caches use the memory again; they do not give it back. */
FC_CHECKED enum fc_err fc_clear_cache(struct fc_state *state);

/* ---- state root ---- */

/* The Merkle-Patricia root of the state as this handle sees it (Yellow Paper 4.1, appendix D).
 * Of a fork: on the partial trie that eth_getProof delivers; FC_ERR_UNSUPPORTED names the
 * prefix of a node that neither the remote nor a ground key can deliver. */
FC_CHECKED enum fc_err fc_state_root(struct fc_state *state, struct fc_bytes32 *root);
/* The root; and all writes of this handle are published, its snapshots and batch end (a
 * transaction has to be committed by fc_tx_commit: FC_ERR_INVALID_TRANSACTION). root may be
 * NULL. */
FC_CHECKED enum fc_err fc_commit(struct fc_state *state, struct fc_bytes32 *root);

/* ---- snapshots, batches, transactions ---- */

/* Ids are never 0, never reused. O(1). */
FC_CHECKED enum fc_err fc_snapshot(struct fc_state *state, uint64_t *id);
/* Undoes what was written since; the snapshot is used up, and those taken after it are dropped.
 * FC_ERR_SNAPSHOT_NOT_FOUND. O(changes). */
FC_CHECKED enum fc_err fc_revert(struct fc_state *state, uint64_t id);
/* Keeps what was written since; drops it and those taken after it. With the last one, outside
 * of a batch and a transaction, the writes are published. */
FC_CHECKED enum fc_err fc_snapshot_commit(struct fc_state *state, uint64_t id);

/* All or nothing. One at a time a handle, not inside a snapshot; inside a transaction it is
 * part of it. Its end drops the snapshots taken inside of it. A second begin is
 * FC_ERR_INVALID_TRANSACTION, so is an end without one. */
FC_CHECKED enum fc_err fc_batch_begin(struct fc_state *state);
FC_CHECKED enum fc_err fc_batch_commit(struct fc_state *state);
FC_CHECKED enum fc_err fc_batch_rollback(struct fc_state *state);

/* Snapshot isolation: it reads the state as of its begin, and its own writes. The first of two
 * that wrote the same account field, slot or code commits; the other gets FC_ERR_CONFLICT and
 * is over (begin again). Not inside a batch or a snapshot. A finished or unknown id is
 * FC_ERR_INVALID_TRANSACTION. */
FC_CHECKED enum fc_err fc_tx_begin(struct fc_state *state, uint64_t *tx);
FC_CHECKED enum fc_err fc_tx_commit(struct fc_state *state, uint64_t tx);
FC_CHECKED enum fc_err fc_tx_rollback(struct fc_state *state, uint64_t tx);

/* ---- the change dump ---- */

/* Anything but 0 ends the dump with FC_ERR_SERIALIZATION. */
typedef int fc_write_fn(void *cookie, const void *bytes, size_t n);
/* What the topmost overlay (or memory database) and this handle have written, as JSON without
 * white space, lists sorted:
 * {"storage":[{"address","slot","originalValue","newValue"}],"balances":[{"address","balance"}],
 * "nonces":[{"address","nonce"}],"codes":[{"address","code"}],"selfDestructs":["0x…"]}
 * FC_ERR_UNSUPPORTED of a file database, which does not know what was there before. Inside of a
 * transaction it is of what is published now, below the transaction's own writes. */
FC_CHECKED enum fc_err fc_dump_changes(struct fc_state *state, fc_write_fn *write,
				       void *cookie);
/* Writes what such a text says, all or nothing; original values are not looked at.
 * FC_ERR_DESERIALIZATION says where. */
FC_CHECKED enum fc_err fc_load_changes(struct fc_state *state, const char *text, size_t len);

/* ---- asynchronous ---- */

/* Whose reads go to the remote first when reads_max of them are there. Calls that wait are
 * critical. */
enum fc_priority {
	FC_PRIORITY_LOW = 0,
	FC_PRIORITY_NORMAL = 1,
	FC_PRIORITY_HIGH = 2,
	FC_PRIORITY_CRITICAL = 3,
};

struct fc_op_options {
	size_t size; /* sizeof (struct fc_op_options) */
	enum fc_priority priority;
	/* When operations_max are in flight: false: wait for one to end; true:
	 * FC_ERR_EXHAUSTED at once. */
	bool try_only;
};

/* Copies the reads; n >= 1. options may be NULL. Reads that hit are done when it returns. The
 * operation is freed with fc_op_free. */
FC_CHECKED enum fc_err fc_read_start(struct fc_state *state, const struct fc_read *reads,
				     size_t n, const struct fc_op_options *options,
				     struct fc_op **op);
FC_CHECKED enum fc_err fc_prefetch_start(struct fc_state *state, const struct fc_access *list,
					 size_t n, const struct fc_op_options *options,
					 struct fc_op **op);
/* Result: fc_op_root: of the state at some moment between start and end. */
FC_CHECKED enum fc_err fc_state_root_start(struct fc_state *state,
					   const struct fc_op_options *options,
					   struct fc_op **op);

/* Whether it has ended: with a result, an error, or cancelled. Takes what has arrived; waits
 * for nothing, and runs no callbacks. */
FC_API bool fc_op_ready(struct fc_op *op);
FC_API bool fc_op_failed(const struct fc_op *op);
/* FC_OK when it has ended (see fc_op_result), FC_ERR_TIMEOUT when it has not. timeout_ms -1:
 * no limit. Runs no callbacks. */
FC_CHECKED enum fc_err fc_op_wait(struct fc_op *op, int64_t timeout_ms);
/* FC_OK, or the first error of its reads; FC_PENDING before the end. */
FC_API enum fc_err fc_op_result(const struct fc_op *op);
FC_API const char *fc_op_detail(const struct fc_op *op);
/* The reads with their results, in the order of the request; borrowed until fc_op_free, but a
 * caller may take code and proof (and set them to NULL). NULL before the end. */
FC_API struct fc_read *fc_op_reads(struct fc_op *op, size_t *n);
FC_CHECKED enum fc_err fc_op_root(const struct fc_op *op, struct fc_bytes32 *root);
/* Runs once, in fc_dispatch, also when it is added after the end. Any number, in the order of
 * adding. It may start, wait for, cancel and free operations, its own too; not free the handle.
 * FC_ERR_CANCELLED: the operation was cancelled. */
typedef void fc_op_fn(void *cookie, struct fc_op *op);
FC_CHECKED enum fc_err fc_op_on_done(struct fc_op *op, fc_op_fn *fn, void *cookie);
/* It ends at once, with FC_ERR_CANCELLED; none of its callbacks runs any more. What was asked
 * of the remote is still cached when it comes. An operation that has ended keeps its result. */
FC_API void fc_op_cancel(struct fc_op *op);
/* Cancels it if need be. Accepts NULL; nulls the pointer. */
FC_API void fc_op_free(struct fc_op **op);

/* Readable (poll, epoll, select) when fc_dispatch has something to do. Owned by the handle. */
FC_API int fc_fd(const struct fc_state *state);
/* Takes what has arrived and runs the callbacks of operations that have ended; waits for
 * nothing. Returns how many callbacks ran. Not from within a callback (0). */
FC_API size_t fc_dispatch(struct fc_state *state);

/* ---- resumable ---- */

enum fc_need_kind {
	FC_NEED_BALANCE = 1,
	FC_NEED_NONCE = 2,
	FC_NEED_CODE = 3,
	FC_NEED_STORAGE = 4,
	FC_NEED_PROOF = 5, /* FC_STORAGE_ROOT: cannot be fed */
};
struct fc_need {
	enum fc_need_kind kind;
	struct fc_address address;
	struct fc_bytes32 slot; /* FC_NEED_STORAGE */
};

/* What reads of this handle have missed since it was last fetched, fed or dropped, each once,
 * in the order of asking. Borrowed until the next read or fetch. */
FC_API const struct fc_need *fc_needed(const struct fc_state *state, size_t *n);
/* Fetches them all, in as few requests as it takes, and waits; or as an operation. The list is
 * empty afterwards. */
FC_CHECKED enum fc_err fc_fetch_needed(struct fc_state *state);
FC_CHECKED enum fc_err fc_fetch_needed_start(struct fc_state *state,
					     const struct fc_op_options *options,
					     struct fc_op **op);
FC_API void fc_drop_needed(struct fc_state *state);
/* What the remote would say, from the caller: for this handle only, until fc_clear_cache.
 * FC_ERR_UNSUPPORTED where nothing below can miss. */
FC_CHECKED enum fc_err fc_feed_balance(struct fc_state *state, const struct fc_address *address,
				       const struct fc_bytes32 *balance);
FC_CHECKED enum fc_err fc_feed_nonce(struct fc_state *state, const struct fc_address *address,
				     uint64_t nonce);
FC_CHECKED enum fc_err fc_feed_code(struct fc_state *state, const struct fc_address *address,
				    const uint8_t *bytes, size_t len);
FC_CHECKED enum fc_err fc_feed_storage(struct fc_state *state, const struct fc_address *address,
				       const struct fc_bytes32 *slot,
				       const struct fc_bytes32 *value);

/* ---- copies and checks ---- */

struct fc_progress {
	uint64_t accounts, slots, codes; /* so far */
};
/* Anything but 0 ends it: FC_ERR_CANCELLED, and what has been copied stays. It must neither
 * write to the database of from, which would wait for the copy, nor copy. */
typedef int fc_progress_fn(void *cookie, const struct fc_progress *progress);
/* Copies all accounts, slots and code of from's state to the database of to, which is another,
 * in batches (so to is in no batch or snapshot of its own); from a fork what its disk cache
 * holds of its block (FC_ERR_UNSUPPORTED without one: what is only in memory cannot be listed).
 * What to has besides stays. progress may be NULL. The error and detail are to's. It is a copy
 * of one moment: until it ends nothing is published in the database of from, whose other
 * handles wait meanwhile if one of them writes. The copies of a process take turns. */
FC_CHECKED enum fc_err fc_copy(struct fc_state *from, struct fc_state *to,
			       fc_progress_fn *progress, void *cookie);

/* One finding: what is wrong, in words. It must not write to the database. */
typedef void fc_finding_fn(void *cookie, enum fc_err err, const char *what);
/* Checksums; code against its hash; accounts whose code is lost; storage without an account;
 * in a file the root against the one that fc_commit stored, if nothing was written since.
 * FC_OK: nothing found; FC_ERR_CORRUPTED: finding was called. finding may be NULL. */
FC_CHECKED enum fc_err fc_check(struct fc_state *state, fc_finding_fn *finding, void *cookie);

#ifdef __cplusplus
}
#endif
#endif
