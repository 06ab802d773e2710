/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bytes of the disk cache: keys and values of every record, drawn below; and those of the
 * file database, drawn in filedb.h.
 *
 * Keys sort so that what is read together lies together: all facts of a block, then all of
 * an account. A block is named by its id (1 length byte, then the number's bytes without
 * leading zeros: ids sort as numbers and cost 2 to 4 bytes instead of 32). A slot stands
 * last, without leading zeros: nothing follows it, so no two slots share a key.
 *
 * Every value begins with a checksum: the low 32 bits of XXH3-64 over what follows, seeded
 * with the XXH3-64 of the key, which is seeded with the store's UUID and the table. So a
 * value that was damaged, or lies under another key, or came from another store, is known.
 * 32 bits catch damage, not malice; who can write the folder can write what he likes.
 *
 * Numbers are big-endian. Decoding returns false for anything that encoding cannot have
 * written; nothing here allocates except record_image_*. No function knows LMDB.
 */
#include "base/blob.h"
#include "base/err.h"
#include "cache/filedb.h"
#include "cache/store.h"

/* The tables; the order is that of eviction, and the numbers seed the key hash: never
 * renumber. */
enum table {
	TABLE_SLOTS,
	TABLE_ACCOUNTS,
	TABLE_REPLIES,
	TABLE_CODE,
	TABLE_CODEREF,
	TABLE_BINDINGS,
	TABLE_BLOCKS,
	TABLE_META,
	TABLE_COUNT
};

/* The longest key is a slot's or a code reference's: 9 + 20 + 32 bytes. */
#define RECORD_KEY_MAX 61
struct record_key {
	size_t len;
	unsigned char bytes[RECORD_KEY_MAX];
};

/* meta       "format" | "uuid" | "next-block" | "final" chain:8   ->  check:4 bytes...
 * blocks     chain:8 hash:32                  ->  check:4 id:8 number:8 timestamp:8 gas_limit:8
 *                                                 gas_used:8 excess_blob_gas:8 has:1
 *                                                 parent_hash:32 state_root:32 base_fee:32
 * bindings   chain:8 number:8                 ->  check:4 hash:32
 * accounts   block id:2..9 address:20         ->  check:4 mask:1 [n:1 nonce:n] [n:1 balance:n]
 *                                                 [code_hash:32] [storage_root:32]
 * slots      block id:2..9 address:20 slot:0..32 -> check:4 value:0..32
 * by root    0xff state root:28 address:20    -> as an account; among the accounts
 *            0xff storage root:28 slot:0..32  -> as a slot; among the slots
 * coderef    code hash:32 block id:2..9 address:20 -> (empty)
 * code       code hash:32 part:2              ->  an image, in parts
 * replies    keccak256(request):32 part:2     ->  an image, in parts
 */
#define RECORD_SLOT_MAX	   (4 + 32)
#define RECORD_ACCOUNT_MAX (4 + 1 + 9 + 33 + 32 + 32)
#define RECORD_BLOCK_BYTES (4 + 6 * 8 + 1 + 3 * 32)
#define RECORD_HASH_BYTES  (4 + 32)
#define RECORD_U64_BYTES   (4 + 8)
#define RECORD_STATE_MAX   (RECORD_ACCOUNT_MAX + 4 + 1) /* an account of the file database */

void record_key_block(struct record_key *key, uint64_t chain, const struct eth_bytes32 *hash);
void record_key_binding(struct record_key *key, uint64_t chain, uint64_t number);
void record_key_account(struct record_key *key, uint64_t id, const struct eth_address *address);
void record_key_slot(struct record_key *key, uint64_t id, const struct eth_address *address,
		     const struct eth_bytes32 *slot);
/* Facts by root lie where no block id leads (its first byte is at most 8), behind all blocks,
 * and are written, checked and evicted like their neighbours. 28 bytes of a root are the whole
 * of it to anybody who cannot make two tries meet in 224 bits. */
#define RECORD_ROOT_BYTES 28
void record_key_rooted_account(struct record_key *key, const struct eth_bytes32 *state_root,
			       const struct eth_address *address);
void record_key_rooted_slot(struct record_key *key, const struct eth_bytes32 *storage_root,
			    const struct eth_bytes32 *slot);
/* The parts of either: *root ends in zeros; name is the address, or the slot without leading
 * zeros. False: no such key. */
bool record_key_open_rooted(struct span key, struct eth_bytes32 *root, struct span *name);
/* What the keys of all facts of one block begin with. */
void record_key_facts(struct record_key *key, uint64_t id);
/* The parts of a slot's key, or of an account's (*slot is 0 then). False: no such key. */
bool record_key_open(struct span key, uint64_t *id, struct eth_address *address,
		     struct eth_bytes32 *slot);
void record_key_coderef(struct record_key *key, const struct eth_bytes32 *code_hash,
			uint64_t id, const struct eth_address *address);
/* The account's key that a code reference names; false if it is none. */
bool record_coderef_account(struct span coderef, struct span *account_key);
void record_key_part(struct record_key *key, const struct eth_bytes32 *digest, unsigned part);
void record_key_meta(struct record_key *key, const char *name);
void record_key_final(struct record_key *key, uint64_t chain);

/* Keys of the file database. */
void record_key_state(struct record_key *key, const struct eth_address *address);
void record_key_digest(struct record_key *key, const struct eth_bytes32 *digest);
void record_key_state_slot(struct record_key *key, const struct eth_address *address,
			   uint32_t generation, const struct eth_bytes32 *slot);
/* What the keys of all slots of one generation begin with. */
void record_key_state_slots(struct record_key *key, const struct eth_address *address,
			    uint32_t generation);
/* The parts of a slot's key; false: no such key. */
bool record_key_state_open(struct span key, struct eth_address *address, uint32_t *generation,
			   struct eth_bytes32 *slot);
void record_key_wiped(struct record_key *key, const struct eth_address *address);
bool record_key_wiped_open(struct span key, struct eth_address *address);

/* Seeds a value's checksum and names the key's bucket in the record of use (use.h). */
uint64_t record_key_hash(uint64_t seed, enum table table, const void *key, size_t len);

/* All encoders write to out (sized by the constants above) and return the length; key_hash is
 * record_key_hash of the record's key. */
size_t record_slot_encode(uint64_t key_hash, const struct eth_bytes32 *value,
			  unsigned char *out);
bool record_slot_decode(uint64_t key_hash, struct span in, struct eth_bytes32 *value);
size_t record_account_encode(uint64_t key_hash, const struct account_fields *fields,
			     unsigned char *out);
bool record_account_decode(uint64_t key_hash, struct span in, struct account_fields *fields);
/* An account of the file database; of the mask only the bits that store.h names. */
size_t record_state_encode(uint64_t key_hash, const struct filedb_account *account,
			   unsigned char *out);
bool record_state_decode(uint64_t key_hash, struct span in, struct filedb_account *account);
size_t record_block_encode(uint64_t key_hash, uint64_t id, const struct block_header *header,
			   unsigned char *out);
/* The hash stands in the key; header->hash is left alone. */
bool record_block_decode(uint64_t key_hash, struct span in, uint64_t *id,
			 struct block_header *header);
size_t record_hash_encode(uint64_t key_hash, const struct eth_bytes32 *hash,
			  unsigned char *out);
bool record_hash_decode(uint64_t key_hash, struct span in, struct eth_bytes32 *hash);
size_t record_u64_encode(uint64_t key_hash, uint64_t number, unsigned char *out);
bool record_u64_decode(uint64_t key_hash, struct span in, uint64_t *number);

/*
 * Images: code and replies.
 *
 *    0       4          5             9          13          17
 *   +-------+----------+-------------+----------+-----------+---------+--------+
 *   | check | encoding | request_len | body_len | stored_len| request | stored |
 *   +-------+----------+-------------+----------+-----------+---------+--------+
 *     encoding 0: stored is the body; 1: stored is its zstd frame.
 *
 * An image is cut in parts of RECORD_PART_BYTES, each a record of its own: a part fills one
 * overflow page of LMDB (4,096 bytes less a 16-byte header) exactly. Longer values would
 * need runs of neighbouring free pages, and a store at its bound has none: the file would
 * grow although pages are free.
 */
#define RECORD_PART_BYTES  4080
#define RECORD_IMAGE_HEAD  17
#define RECORD_BODY_MAX	   (256u << 20) /* above any reply that a client would wait for */
#define RECORD_COMPRESS_AT 1024

struct record_codec; /* zstd's contexts, made at first use; one thread */
struct record_codec *record_codec_new(void);
void record_codec_free(struct record_codec **codec);

/* Returns an image, free with free(); NULL when memory is refused or its length would pass
 * image_max. */
unsigned char *record_image_build(struct record_codec *codec, uint64_t key_hash,
				  struct span request, struct span body, size_t image_max,
				  size_t *len) WARN_UNUSED;
/* The length of the whole image, from its first part; 0 if that is none. */
size_t record_image_length(struct span first_part);
/* The request in an image's first part, unchecked; {0} when it does not end there. */
struct span record_image_request(struct span first_part);
/* Checks a whole image; request and stored body borrow from it. */
struct record_image {
	struct span request, stored;
	size_t body_len;
	bool compressed;
};
bool record_image_open(uint64_t key_hash, struct span image, struct record_image *out);
/* *body: one reference. ERR_NOMEM; ERR_CORRUPT: the frame is damaged. */
enum err record_image_body(struct record_codec *codec, const struct record_image *image,
			   struct blob **body) WARN_UNUSED;
