/* SPDX-License-Identifier: MIT */
#include "cache/record.h"
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#define ACCOUNT_FIELDS \
	(ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH | ACCOUNT_STORAGE_ROOT)

/* Level 1: the writer compresses at several 100 MB/s, and JSON shrinks to a fifth already. */
#define ZSTD_LEVEL 1

/* What stands where a block id would begin with its length. */
#define ROOTED 0xff

static void key_bytes(struct record_key *key, const void *bytes, size_t n)
{
	memcpy(key->bytes + key->len, bytes, n);
	key->len += n;
}

static void key_u64(struct record_key *key, uint64_t n)
{
	be64_put(key->bytes + key->len, n);
	key->len += 8;
}

static void be32_put(unsigned char *out, size_t n)
{
	uint32_t be = __builtin_bswap32((uint32_t)n);
	memcpy(out, &be, 4);
}

static size_t be32_get(const char *in)
{
	uint32_t be;
	memcpy(&be, in, 4);
	return __builtin_bswap32(be);
}

static size_t leading_zeros(const unsigned char *bytes, size_t n)
{
	size_t i = 0;
	while (i < n && bytes[i] == 0)
		i++;
	return i;
}

/* Its length, then it without leading zeros: such numbers sort as numbers. */
static void key_number(struct record_key *key, const unsigned char *be, size_t n)
{
	size_t skip = leading_zeros(be, n);
	key->bytes[key->len++] = (unsigned char)(n - skip);
	key_bytes(key, be + skip, n - skip);
}

void record_key_facts(struct record_key *key, uint64_t id)
{
	unsigned char be[8];
	be64_put(be, id);
	key->len = 0;
	key_number(key, be, 8);
}

void record_key_block(struct record_key *key, uint64_t chain, const struct eth_bytes32 *hash)
{
	key->len = 0;
	key_u64(key, chain);
	key_bytes(key, hash->bytes, 32);
}

void record_key_binding(struct record_key *key, uint64_t chain, uint64_t number)
{
	key->len = 0;
	key_u64(key, chain);
	key_u64(key, number);
}

void record_key_account(struct record_key *key, uint64_t id, const struct eth_address *address)
{
	record_key_facts(key, id);
	key_bytes(key, address->bytes, 20);
}

void record_key_slot(struct record_key *key, uint64_t id, const struct eth_address *address,
		     const struct eth_bytes32 *slot)
{
	record_key_account(key, id, address);
	size_t skip = leading_zeros(slot->bytes, 32);
	key_bytes(key, slot->bytes + skip, 32 - skip);
}

static void key_root(struct record_key *key, const struct eth_bytes32 *root)
{
	key->bytes[0] = ROOTED;
	key->len = 1;
	key_bytes(key, root->bytes, RECORD_ROOT_BYTES);
}

void record_key_rooted_account(struct record_key *key, const struct eth_bytes32 *state_root,
			       const struct eth_address *address)
{
	key_root(key, state_root);
	key_bytes(key, address->bytes, 20);
}

void record_key_rooted_slot(struct record_key *key, const struct eth_bytes32 *storage_root,
			    const struct eth_bytes32 *slot)
{
	size_t skip = leading_zeros(slot->bytes, 32);
	key_root(key, storage_root);
	key_bytes(key, slot->bytes + skip, 32 - skip);
}

bool record_key_open_rooted(struct span key, struct eth_bytes32 *root, struct span *name)
{
	if (key.len < 1 + RECORD_ROOT_BYTES || (unsigned char)key.ptr[0] != ROOTED)
		return false;
	*root = (struct eth_bytes32){{0}};
	memcpy(root->bytes, key.ptr + 1, RECORD_ROOT_BYTES);
	*name = (struct span){key.ptr + 1 + RECORD_ROOT_BYTES, key.len - 1 - RECORD_ROOT_BYTES};
	return name->len <= 32;
}

bool record_key_open(struct span key, uint64_t *id, struct eth_address *address,
		     struct eth_bytes32 *slot)
{
	const unsigned char *at = (const unsigned char *)key.ptr;
	size_t n = key.len ? at[0] : 0, head = 1 + n + sizeof address->bytes;
	unsigned char be[8] = {0};
	if (n > 8 || key.len < head || key.len > head + 32)
		return false;
	/* the id and the slot were written without leading zeros */
	if ((n > 0 && at[1] == 0) || (key.len > head && at[head] == 0))
		return false;
	memcpy(be + 8 - n, at + 1, n);
	*id = be64_get(be);
	memcpy(address->bytes, at + 1 + n, sizeof address->bytes);
	*slot = (struct eth_bytes32){{0}};
	memcpy(slot->bytes + 32 - (key.len - head), at + head, key.len - head);
	return true;
}

void record_key_coderef(struct record_key *key, const struct eth_bytes32 *code_hash,
			uint64_t id, const struct eth_address *address)
{
	struct record_key account;
	record_key_account(&account, id, address);
	key->len = 0;
	key_bytes(key, code_hash->bytes, 32);
	key_bytes(key, account.bytes, account.len);
}

bool record_coderef_account(struct span coderef, struct span *account_key)
{
	struct eth_address address;
	struct eth_bytes32 slot;
	uint64_t id;
	if (coderef.len < 32 + 1 + 20)
		return false;
	*account_key = (struct span){coderef.ptr + 32, coderef.len - 32};
	return record_key_open(*account_key, &id, &address, &slot) &&
	       account_key->len == 1 + (size_t)(unsigned char)account_key->ptr[0] + 20;
}

void record_key_digest(struct record_key *key, const struct eth_bytes32 *digest)
{
	key->len = 0;
	key_bytes(key, digest->bytes, 32);
}

void record_key_part(struct record_key *key, const struct eth_bytes32 *digest, unsigned part)
{
	record_key_digest(key, digest);
	key->bytes[key->len++] = (unsigned char)(part >> 8);
	key->bytes[key->len++] = (unsigned char)part;
}

void record_key_meta(struct record_key *key, const char *name)
{
	key->len = 0;
	key_bytes(key, name, strlen(name));
}

void record_key_final(struct record_key *key, uint64_t chain)
{
	record_key_meta(key, "final");
	key_u64(key, chain);
}

#define WIPED "wiped"

void record_key_state(struct record_key *key, const struct eth_address *address)
{
	key->len = 0;
	key_bytes(key, address->bytes, 20);
}

void record_key_state_slots(struct record_key *key, const struct eth_address *address,
			    uint32_t generation)
{
	unsigned char be[8];
	be64_put(be, generation);
	record_key_state(key, address);
	key_number(key, be, 8);
}

void record_key_state_slot(struct record_key *key, const struct eth_address *address,
			   uint32_t generation, const struct eth_bytes32 *slot)
{
	record_key_state_slots(key, address, generation);
	key_number(key, slot->bytes, 32);
}

void record_key_wiped(struct record_key *key, const struct eth_address *address)
{
	record_key_meta(key, WIPED);
	key_bytes(key, address->bytes, 20);
}

bool record_key_wiped_open(struct span key, struct eth_address *address)
{
	const size_t head = sizeof WIPED - 1;
	if (key.len != head + 20 || memcmp(key.ptr, WIPED, head) != 0)
		return false;
	memcpy(address->bytes, key.ptr + head, 20);
	return true;
}

uint64_t record_key_hash(uint64_t seed, enum table table, const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, seed + (uint64_t)table);
}

/* Fills in the checksum of out[0..n). */
static size_t seal(uint64_t key_hash, unsigned char *out, size_t n)
{
	uint32_t check = (uint32_t)XXH3_64bits_withSeed(out + 4, n - 4, key_hash);
	memcpy(out, &check, 4);
	return n;
}

static bool sealed(uint64_t key_hash, struct span in)
{
	if (in.len < 4)
		return false;
	uint32_t check = (uint32_t)XXH3_64bits_withSeed(in.ptr + 4, in.len - 4, key_hash);
	return memcmp(in.ptr, &check, 4) == 0;
}

size_t record_slot_encode(uint64_t key_hash, const struct eth_bytes32 *value,
			  unsigned char *out)
{
	size_t skip = leading_zeros(value->bytes, 32);
	memcpy(out + 4, value->bytes + skip, 32 - skip);
	return seal(key_hash, out, 4 + 32 - skip);
}

bool record_slot_decode(uint64_t key_hash, struct span in, struct eth_bytes32 *value)
{
	if (in.len > RECORD_SLOT_MAX || !sealed(key_hash, in))
		return false;
	size_t n = in.len - 4;
	if (n > 0 && in.ptr[4] == 0)
		return false;
	memset(value->bytes, 0, 32 - n);
	memcpy(value->bytes + 32 - n, in.ptr + 4, n);
	return true;
}

static unsigned char *put_trimmed(unsigned char *out, const unsigned char *be, size_t n)
{
	size_t skip = leading_zeros(be, n);
	*out++ = (unsigned char)(n - skip);
	memcpy(out, be + skip, n - skip);
	return out + (n - skip);
}

static bool take(struct span *in, void *out, size_t n)
{
	if (in->len < n)
		return false;
	memcpy(out, in->ptr, n);
	in->ptr += n;
	in->len -= n;
	return true;
}

static bool take_trimmed(struct span *in, unsigned char *be, size_t max)
{
	unsigned char n;
	if (!take(in, &n, 1) || n > max)
		return false;
	memset(be, 0, max);
	return take(in, be + max - n, n) && (n == 0 || be[max - n] != 0);
}

static bool take_u64(struct span *in, uint64_t *out)
{
	unsigned char be[8];
	if (!take(in, be, 8))
		return false;
	*out = be64_get(be);
	return true;
}

static unsigned char *put_fields(unsigned char *at, const struct account_fields *fields)
{
	unsigned char nonce[8];
	unsigned mask = fields->mask & ACCOUNT_FIELDS;
	*at++ = (unsigned char)mask;
	if (mask & ACCOUNT_NONCE) {
		be64_put(nonce, fields->nonce);
		at = put_trimmed(at, nonce, 8);
	}
	if (mask & ACCOUNT_BALANCE)
		at = put_trimmed(at, fields->balance.bytes, 32);
	if (mask & ACCOUNT_CODE_HASH) {
		memcpy(at, fields->code_hash.bytes, 32);
		at += 32;
	}
	if (mask & ACCOUNT_STORAGE_ROOT) {
		memcpy(at, fields->storage_root.bytes, 32);
		at += 32;
	}
	return at;
}

/* All that is left of in. */
static bool take_fields(struct span in, struct account_fields *fields)
{
	unsigned char mask, nonce[8];
	if (!take(&in, &mask, 1) || mask & ~ACCOUNT_FIELDS)
		return false;
	*fields = (struct account_fields){.mask = mask};
	if (mask & ACCOUNT_NONCE) {
		if (!take_trimmed(&in, nonce, 8))
			return false;
		fields->nonce = be64_get(nonce);
	}
	if ((mask & ACCOUNT_BALANCE) && !take_trimmed(&in, fields->balance.bytes, 32))
		return false;
	if ((mask & ACCOUNT_CODE_HASH) && !take(&in, fields->code_hash.bytes, 32))
		return false;
	if ((mask & ACCOUNT_STORAGE_ROOT) && !take(&in, fields->storage_root.bytes, 32))
		return false;
	return in.len == 0;
}

size_t record_account_encode(uint64_t key_hash, const struct account_fields *fields,
			     unsigned char *out)
{
	return seal(key_hash, out, (size_t)(put_fields(out + 4, fields) - out));
}

bool record_account_decode(uint64_t key_hash, struct span in, struct account_fields *fields)
{
	return sealed(key_hash, in) &&
	       take_fields((struct span){in.ptr + 4, in.len - 4}, fields);
}

bool record_key_state_open(struct span key, struct eth_address *address, uint32_t *generation,
			   struct eth_bytes32 *slot)
{
	unsigned char be[8] = {0};
	if (!take(&key, address->bytes, 20) || !take_trimmed(&key, be + 4, 4) ||
	    !take_trimmed(&key, slot->bytes, 32))
		return false;
	*generation = (uint32_t)be64_get(be);
	return key.len == 0;
}

enum { STATE_EXISTS = 1, STATE_HAS_EXISTENCE = 2, STATE_DESTRUCTED = 4, STATE_FLAGS = 7 };

size_t record_state_encode(uint64_t key_hash, const struct filedb_account *account,
			   unsigned char *out)
{
	unsigned flags = account->destructed ? STATE_DESTRUCTED : 0;
	if (account->has_existence)
		flags |= STATE_HAS_EXISTENCE | (account->exists ? STATE_EXISTS : 0);
	be32_put(out + 4, account->generation);
	out[8] = (unsigned char)flags;
	return seal(key_hash, out, (size_t)(put_fields(out + 9, &account->fields) - out));
}

bool record_state_decode(uint64_t key_hash, struct span in, struct filedb_account *account)
{
	if (in.len < 9 || !sealed(key_hash, in))
		return false;
	unsigned flags = (unsigned char)in.ptr[8];
	*account = (struct filedb_account){
		.generation = (uint32_t)be32_get(in.ptr + 4),
		.exists = flags & STATE_EXISTS,
		.has_existence = flags & STATE_HAS_EXISTENCE,
		.destructed = flags & STATE_DESTRUCTED,
	};
	if (flags & ~(unsigned)STATE_FLAGS || (account->exists && !account->has_existence))
		return false;
	return take_fields((struct span){in.ptr + 9, in.len - 9}, &account->fields);
}

size_t record_block_encode(uint64_t key_hash, uint64_t id, const struct block_header *header,
			   unsigned char *out)
{
	const uint64_t words[] = {id,
				  header->number,
				  header->timestamp,
				  header->gas_limit,
				  header->gas_used,
				  header->excess_blob_gas};
	unsigned char *at = out + 4;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++, at += 8)
		be64_put(at, words[i]);
	*at++ = (unsigned char)header->has;
	memcpy(at, header->parent_hash.bytes, 32);
	memcpy(at + 32, header->state_root.bytes, 32);
	memcpy(at + 64, header->base_fee.bytes, 32);
	return seal(key_hash, out, RECORD_BLOCK_BYTES);
}

bool record_block_decode(uint64_t key_hash, struct span in, uint64_t *id,
			 struct block_header *header)
{
	unsigned char has;
	if (in.len != RECORD_BLOCK_BYTES || !sealed(key_hash, in))
		return false;
	in = (struct span){in.ptr + 4, in.len - 4};
	bool whole = take_u64(&in, id) && take_u64(&in, &header->number) &&
		     take_u64(&in, &header->timestamp) && take_u64(&in, &header->gas_limit) &&
		     take_u64(&in, &header->gas_used) &&
		     take_u64(&in, &header->excess_blob_gas) && take(&in, &has, 1) &&
		     take(&in, header->parent_hash.bytes, 32) &&
		     take(&in, header->state_root.bytes, 32) &&
		     take(&in, header->base_fee.bytes, 32);
	header->has = whole ? has : 0;
	return whole && !(has & ~(HEADER_BASE_FEE | HEADER_EXCESS_BLOB_GAS));
}

size_t record_hash_encode(uint64_t key_hash, const struct eth_bytes32 *hash, unsigned char *out)
{
	memcpy(out + 4, hash->bytes, 32);
	return seal(key_hash, out, RECORD_HASH_BYTES);
}

bool record_hash_decode(uint64_t key_hash, struct span in, struct eth_bytes32 *hash)
{
	if (in.len != RECORD_HASH_BYTES || !sealed(key_hash, in))
		return false;
	memcpy(hash->bytes, in.ptr + 4, 32);
	return true;
}

size_t record_u64_encode(uint64_t key_hash, uint64_t number, unsigned char *out)
{
	be64_put(out + 4, number);
	return seal(key_hash, out, RECORD_U64_BYTES);
}

bool record_u64_decode(uint64_t key_hash, struct span in, uint64_t *number)
{
	if (in.len != RECORD_U64_BYTES || !sealed(key_hash, in))
		return false;
	*number = be64_get((const unsigned char *)in.ptr + 4);
	return true;
}

struct record_codec {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
};

struct record_codec *record_codec_new(void)
{
	return calloc(1, sizeof(struct record_codec));
}

void record_codec_free(struct record_codec **codec)
{
	if (*codec) {
		ZSTD_freeCCtx((*codec)->compress);
		ZSTD_freeDCtx((*codec)->decompress);
		free(*codec);
	}
	*codec = NULL;
}

/* The compressed length, or 0 when the body is kept as it is. */
static size_t compress(struct record_codec *codec, struct span body, unsigned char *out)
{
	if (body.len <= RECORD_COMPRESS_AT)
		return 0;
	if (!codec->compress)
		codec->compress = ZSTD_createCCtx();
	if (!codec->compress)
		return 0;
	/* room for one byte less than the body: what does not shrink is an error here */
	size_t n = ZSTD_compressCCtx(codec->compress, out, body.len - 1, body.ptr, body.len,
				     ZSTD_LEVEL);
	return ZSTD_isError(n) ? 0 : n;
}

unsigned char *record_image_build(struct record_codec *codec, uint64_t key_hash,
				  struct span request, struct span body, size_t image_max,
				  size_t *len)
{
	if (request.len > image_max || body.len > RECORD_BODY_MAX)
		return NULL;
	unsigned char *image = malloc(RECORD_IMAGE_HEAD + request.len + body.len);
	if (!image)
		return NULL;
	unsigned char *stored = image + RECORD_IMAGE_HEAD + request.len;
	size_t packed = compress(codec, body, stored);
	size_t stored_len = packed ? packed : body.len;
	*len = RECORD_IMAGE_HEAD + request.len + stored_len;
	if (*len > image_max) {
		free(image);
		return NULL;
	}
	if (!packed && body.len)
		memcpy(stored, body.ptr, body.len);
	image[4] = packed != 0;
	be32_put(image + 5, request.len);
	be32_put(image + 9, body.len);
	be32_put(image + 13, stored_len);
	if (request.len)
		memcpy(image + RECORD_IMAGE_HEAD, request.ptr, request.len);
	seal(key_hash, image, *len);
	return image;
}

size_t record_image_length(struct span first_part)
{
	if (first_part.len < RECORD_IMAGE_HEAD)
		return 0;
	return RECORD_IMAGE_HEAD + be32_get(first_part.ptr + 5) + be32_get(first_part.ptr + 13);
}

struct span record_image_request(struct span first_part)
{
	if (first_part.len < RECORD_IMAGE_HEAD)
		return (struct span){0};
	size_t request_len = be32_get(first_part.ptr + 5);
	if (request_len > first_part.len - RECORD_IMAGE_HEAD)
		return (struct span){0};
	return (struct span){first_part.ptr + RECORD_IMAGE_HEAD, request_len};
}

bool record_image_open(uint64_t key_hash, struct span image, struct record_image *out)
{
	if (image.len < RECORD_IMAGE_HEAD || image.len != record_image_length(image) ||
	    !sealed(key_hash, image))
		return false;
	size_t request_len = be32_get(image.ptr + 5);
	out->body_len = be32_get(image.ptr + 9);
	out->compressed = image.ptr[4] == 1;
	out->request = (struct span){image.ptr + RECORD_IMAGE_HEAD, request_len};
	out->stored = (struct span){out->request.ptr + request_len, be32_get(image.ptr + 13)};
	if (out->body_len > RECORD_BODY_MAX)
		return false;
	/* only what is long, and shrinks, is compressed */
	if (out->compressed)
		return out->body_len > RECORD_COMPRESS_AT && out->stored.len < out->body_len;
	return image.ptr[4] == 0 && out->stored.len == out->body_len;
}

enum err record_image_body(struct record_codec *codec, const struct record_image *image,
			   struct blob **body)
{
	*body = NULL;
	if (!image->compressed) {
		*body = blob_copy(image->stored.ptr, image->stored.len);
		return *body ? OK : ERR_NOMEM;
	}
	if (!codec->decompress)
		codec->decompress = ZSTD_createDCtx();
	struct blob *blob = codec->decompress ? blob_new(image->body_len) : NULL;
	if (!blob)
		return ERR_NOMEM;
	size_t n = ZSTD_decompressDCtx(codec->decompress, blob->bytes, blob->len,
				       image->stored.ptr, image->stored.len);
	if (ZSTD_isError(n) || n != blob->len) {
		blob_put(&blob);
		return ERR_CORRUPT;
	}
	*body = blob;
	return OK;
}
