/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The disk cache: one LMDB environment in one folder, shared by threads and processes.
 *
 * Reads go through a struct store_reader (one a thread) whose read transaction is renewed
 * at the first read after store_reader_rest and reset there, once a loop turn: a reader
 * that rests holds no page. Writes are queued from any thread and committed by the store's
 * own thread, every 1,000 puts (fewer when the bound is tiny: a group may change a sixteenth
 * of the pages) or 50 ms, whichever is first; until an entry is committed a read finds it in
 * the queue. kill -9 loses at most what was queued; it never leaves a wrong entry. Every
 * value carries a checksum: one that fails it is a MISS, is counted, and is removed. A full
 * disk, a full map, a full queue or a refused reader slot cost hits, never answers: puts have
 * no result, reads say MISS.
 *
 * The bound (capacity_bytes) is kept on used pages: past it the store's thread removes what
 * has been used least recently. The record of use is a table of coarse time stamps in a file
 * of its own beside the data file (use.h: layout and cost), shared by all processes. The
 * file stays below 1.5 times the bound, also while a reader does not rest (then puts are
 * dropped). Processes of one folder should agree on the bound: the smallest one holds.
 *
 * Layouts of records and keys are drawn in record.h. Block ids are 64-bit, allotted in the
 * write transaction, never reused, and do not leave this module: callers name a block by its
 * hash. The store knows no JSON-RPC: a reply is opaque bytes under opaque request bytes.
 */
#include "base/blob.h"
#include "base/err.h"
#include "base/eth.h"
#include <stdint.h>

struct store;
struct store_reader;

struct store_config {
	const char *folder;	 /* made with mode 0700 if absent; files are 0600 */
	uint64_t capacity_bytes; /* at least 4 MiB */
};

enum {
	ACCOUNT_BALANCE = 1,
	ACCOUNT_NONCE = 2,
	ACCOUNT_CODE_HASH = 4,
	ACCOUNT_STORAGE_ROOT = 8
};

/* What is known of one account at one block; mask says which fields are. */
struct account_fields {
	unsigned mask;
	uint64_t nonce;
	struct eth_u256 balance;
	struct eth_bytes32 code_hash;
	struct eth_bytes32 storage_root;
};

/* What is kept of a header; optional fields are 0 with their bit in has unset. */
enum { HEADER_BASE_FEE = 1, HEADER_EXCESS_BLOB_GAS = 2 };
struct block_header {
	uint64_t number, timestamp, gas_limit, gas_used, excess_blob_gas;
	unsigned has;
	struct eth_bytes32 hash, parent_hash, state_root;
	struct eth_u256 base_fee;
};

struct store_stats {
	uint64_t hits, misses, corrupt, puts, commits, commit_failures, evicted;
	/* queue full, no header, too long (a 32nd of the bound, at most 32 MiB), not committed
	 */
	uint64_t puts_dropped;
	/* as of this process's last commit, or look at the folder once a minute */
	uint64_t used_bytes, file_bytes, capacity_bytes, queued;
};

/* A record that eviction has found cold, by the names that callers know it by. */
enum store_record_kind {
	STORE_SLOT,    /* hash (of the block), address, slot */
	STORE_ACCOUNT, /* hash (of the block), address */
	STORE_HEADER,  /* hash */
	STORE_BINDING, /* number */
	STORE_CODE,    /* hash (of the code) */
	STORE_REPLY,   /* request */
	/* hash: the root, of which the last four bytes are 0; address or slot */
	STORE_ROOTED_ACCOUNT,
	STORE_ROOTED_SLOT
};
struct store_record {
	enum store_record_kind kind;
	uint64_t number;
	struct eth_bytes32 hash, slot;
	struct eth_address address;
	struct span request; /* borrowed for the call */
};
/* Whether somebody above uses the record, whose hits the store does not see. */
typedef bool store_in_use_fn(void *cookie, const struct store_record *record);

/* Opens or creates; clears stale readers; refuses a newer format (ERR_UNSUPPORTED), a
 * folder of other files (ERR_CONFIG) and one that is not ours (ERR_CORRUPT), saying so in
 * detail. Starts the store thread. Two handles of one folder in one process are not allowed by
 * LMDB: ERR_INVALID. */
enum err store_open(const struct store_config *config, struct store **out,
		    struct err_detail *detail) WARN_UNUSED;
/* Commits what is queued, stops the thread, closes. All readers must be freed. */
void store_close(struct store **store);
/* Waits until all that was queued before the call is committed (or has failed). */
void store_flush(struct store *store);
void store_stats(struct store *store, struct store_stats *out);

/* The chains that the folder has blocks of: at most max ids; returns how many there are. */
size_t store_chains(struct store *store, uint64_t *ids, size_t max);
/* The chain that all reads and puts below are about. Once, before the first of them. */
void store_use_chain(struct store *store, uint64_t chain_id);

/* Asked on the store's thread before a record goes; true: it stays, and counts as used now.
 * Eviction gets on all the same: a round asks for so many records, and its first sweep only,
 * so a record may go although it is in use. in_use must be quick and may not call the store.
 * NULL: nobody is asked; when it returns the old one is not running. */
void store_set_in_use(struct store *store, store_in_use_fn *in_use, void *cookie);

enum err store_reader_new(struct store *store, struct store_reader **out) WARN_UNUSED;
void store_reader_free(struct store_reader **reader);
/* End of a loop turn: resets the read transaction. Nothing read is borrowed from the map:
 * values were copied out. */
void store_reader_rest(struct store_reader *reader);

/* HIT or MISS. */
enum lookup store_get_header(struct store_reader *reader, const struct eth_bytes32 *hash,
			     struct block_header *out);
/* The canonical hash of a number: bound once, when the block is final, for ever. */
enum lookup store_get_binding(struct store_reader *reader, uint64_t number,
			      struct eth_bytes32 *hash);
/* The highest block number that an upstream has called final, so far. */
enum lookup store_get_finalized(struct store_reader *reader, uint64_t *number);
/* HIT when at least one field of wanted is known; out->mask says which are (any). */
enum lookup store_get_account(struct store_reader *reader, const struct eth_bytes32 *block,
			      const struct eth_address *address, unsigned wanted,
			      struct account_fields *out);
enum lookup store_get_slot(struct store_reader *reader, const struct eth_bytes32 *block,
			   const struct eth_address *address, const struct eth_bytes32 *slot,
			   struct eth_bytes32 *value);
/* By a root, without a block or a chain: an account under a state root (all four fields), a
 * slot under a storage root. */
enum lookup store_get_rooted_account(struct store_reader *reader,
				     const struct eth_bytes32 *state_root,
				     const struct eth_address *address,
				     struct account_fields *out);
enum lookup store_get_rooted_slot(struct store_reader *reader,
				  const struct eth_bytes32 *storage_root,
				  const struct eth_bytes32 *slot, struct eth_bytes32 *value);
/* What is committed under one block or one root, in the order of the keys, some rows at a time:
 * between two calls others may write, and the reader may rest. Start from zeroed memory. */
enum store_list_kind {
	STORE_LIST_ACCOUNTS,	    /* of a block; by root: of a state root */
	STORE_LIST_SLOTS,	    /* of a block */
	STORE_LIST_SLOTS_OF_STORAGE /* by root: of a storage root; no addresses */
};
struct store_list {
	enum store_list_kind kind;
	bool by_root;
	struct eth_bytes32 of; /* the block's hash, or the root */
	/* The store's: the last key that was listed. */
	unsigned char at[64];
	size_t at_len;
};
struct store_row {
	struct eth_address address;
	struct eth_bytes32 slot, value;
	struct account_fields fields;
};
/* At most max rows; 0: that was all. Uses count, hits do not. */
size_t store_list_next(struct store_reader *reader, struct store_list *list,
		       struct store_row *rows, size_t max);
/* *code: one reference, give up with blob_put. FAILED is not returned: no memory is a MISS. */
enum lookup store_get_code(struct store_reader *reader, const struct eth_bytes32 *code_hash,
			   struct blob **code);
/* The request is compared in full; *reply as for code. */
enum lookup store_get_reply(struct store_reader *reader, struct span request,
			    struct blob **reply);

/* Any thread; copies its arguments; never blocks on I/O. State facts name a block whose
 * header was put before (in this or an earlier run); without it they are dropped. */
void store_put_header(struct store *store, const struct block_header *header);
void store_put_binding(struct store *store, uint64_t number, const struct eth_bytes32 *hash);
void store_put_finalized(struct store *store, uint64_t number); /* keeps the maximum */
/* Merges the fields of mask into what is stored, inside the write transaction. */
void store_put_account(struct store *store, const struct eth_bytes32 *block,
		       const struct eth_address *address, const struct account_fields *fields);
void store_put_slot(struct store *store, const struct eth_bytes32 *block,
		    const struct eth_address *address, const struct eth_bytes32 *slot,
		    const struct eth_bytes32 *value);
/* By a root under which it was proved. */
void store_put_rooted_account(struct store *store, const struct eth_bytes32 *state_root,
			      const struct eth_address *address,
			      const struct account_fields *fields);
void store_put_rooted_slot(struct store *store, const struct eth_bytes32 *storage_root,
			   const struct eth_bytes32 *slot, const struct eth_bytes32 *value);
/* Takes its own reference. The caller has checked keccak256(code) == code_hash. */
void store_put_code(struct store *store, const struct eth_bytes32 *code_hash,
		    struct blob *code);
/* Takes its own reference to the reply. */
void store_put_reply(struct store *store, struct span request, struct blob *reply);
