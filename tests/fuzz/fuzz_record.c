/* SPDX-License-Identifier: MIT */
/*
 * Records of the disk cache and of the file database. The first byte says which kind, the
 * second whether the bytes behind it are a value with whatever checksum they have, or one that
 * is given the right one. Checked:
 *  - nothing is decoded whose checksum (computed here) does not fit;
 *  - what is decoded is what encoding writes, byte for byte: one record has one form;
 *  - a damaged bit, or another key, is seen (of some inputs: 32 bits may collide);
 *  - keys that are opened are those that are made of their parts;
 *  - an image's parts lie inside it; its body has the length that it says, or there is none;
 *    request and body built into an image come out again.
 */
#include "../json_oracle.h"
#include "cache/record.h"
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { SLOT, ACCOUNT, BLOCK, HASH, NUMBER, IMAGE, BUILD, KEYS, STATE, STATE_KEYS, KINDS };
enum { SEAL = 1, DAMAGE = 2 }; /* bits of the second byte; the others seed the checksum */

static uint32_t checksum(uint64_t key_hash, struct span value)
{
	return (uint32_t)XXH3_64bits_withSeed(value.ptr + 4, value.len - 4, key_hash);
}

/* Decodes and encodes again; false: it cannot be decoded. out: RECORD_BLOCK_BYTES of room, the
 * most of all. */
static bool again(enum kind kind, uint64_t key_hash, struct span in, unsigned char *out,
		  size_t *n)
{
	struct account_fields account;
	struct filedb_account state;
	struct block_header header;
	struct eth_bytes32 word;
	uint64_t number;

	switch (kind) {
	case SLOT:
		if (!record_slot_decode(key_hash, in, &word))
			return false;
		*n = record_slot_encode(key_hash, &word, out);
		return true;
	case ACCOUNT:
		if (!record_account_decode(key_hash, in, &account))
			return false;
		*n = record_account_encode(key_hash, &account, out);
		return true;
	case BLOCK:
		if (!record_block_decode(key_hash, in, &number, &header))
			return false;
		*n = record_block_encode(key_hash, number, &header, out);
		return true;
	case HASH:
		if (!record_hash_decode(key_hash, in, &word))
			return false;
		*n = record_hash_encode(key_hash, &word, out);
		return true;
	case NUMBER:
		if (!record_u64_decode(key_hash, in, &number))
			return false;
		*n = record_u64_encode(key_hash, number, out);
		return true;
	case STATE:
		if (!record_state_decode(key_hash, in, &state))
			return false;
		*n = record_state_encode(key_hash, &state, out);
		return true;
	case IMAGE:
	case BUILD:
	case KEYS:
	case STATE_KEYS:
	case KINDS:
		break;
	}
	return false;
}

static void check_value(enum kind kind, uint64_t key_hash, struct span in, bool damage)
{
	unsigned char out[RECORD_BLOCK_BYTES], *bytes = (unsigned char *)(uintptr_t)in.ptr;
	uint32_t check;
	size_t n;

	if (!again(kind, key_hash, in, out, &n))
		return;
	memcpy(&check, in.ptr, sizeof check);
	REQUIRE(check == checksum(key_hash, in));
	REQUIRE(n == in.len && memcmp(out, in.ptr, n) == 0);
	if (!damage)
		return;
	REQUIRE(!again(kind, key_hash + 1, in, out, &n));
	bytes[key_hash % in.len] ^= 1;
	REQUIRE(!again(kind, key_hash, in, out, &n));
}

static struct record_codec *codec(void)
{
	static struct record_codec *one;

	if (!one)
		one = record_codec_new();
	REQUIRE(one);
	return one;
}

static void check_built(uint64_t key_hash, struct span request, struct span body)
{
	struct record_image image;
	size_t n;
	unsigned char *bytes =
		record_image_build(codec(), key_hash, request, body, 1u << 20, &n);
	REQUIRE(bytes);
	struct span whole = {(const char *)bytes, n};
	REQUIRE(record_image_length(whole) == n);
	REQUIRE(span_equal(record_image_request(whole), request));
	REQUIRE(record_image_open(key_hash, whole, &image));
	REQUIRE(span_equal(image.request, request) && image.body_len == body.len);
	struct blob *got;
	REQUIRE(record_image_body(codec(), &image, &got) == OK);
	REQUIRE(span_equal(blob_span(got), body));
	blob_put(&got);
	free(bytes);
}

static void check_image(uint64_t key_hash, struct span in)
{
	struct record_image image;
	struct span request = record_image_request(in);

	REQUIRE(request.ptr == NULL || oracle_inside(request, in));
	if (!record_image_open(key_hash, in, &image))
		return;
	REQUIRE(memcmp(in.ptr, &(uint32_t){checksum(key_hash, in)}, 4) == 0);
	REQUIRE(record_image_length(in) == in.len && span_equal(request, image.request));
	REQUIRE(oracle_inside(image.request, in) && oracle_inside(image.stored, in));
	/* A frame that says that it holds more costs the memory before it is known. */
	if (image.body_len > 1u << 20)
		return;
	struct blob *body;
	const enum err err = record_image_body(codec(), &image, &body);
	REQUIRE(err == OK || (err == ERR_CORRUPT && image.compressed && !body));
	if (err != OK)
		return;
	REQUIRE(body->len == image.body_len);
	REQUIRE(image.compressed || span_equal(blob_span(body), image.stored));
	check_built(key_hash, image.request, blob_span(body));
	blob_put(&body);
}

static void check_keys(struct span in)
{
	struct record_key key;
	struct eth_address address;
	struct eth_bytes32 slot, digest;
	struct span account;
	uint64_t id;

	if (record_key_open(in, &id, &address, &slot)) {
		record_key_slot(&key, id, &address, &slot);
		REQUIRE(span_equal(in, (struct span){(const char *)key.bytes, key.len}));
		record_key_facts(&key, id);
		REQUIRE(memcmp(key.bytes, in.ptr, key.len) == 0);
	}
	if (record_coderef_account(in, &account)) {
		REQUIRE(oracle_inside(account, in));
		REQUIRE(record_key_open(account, &id, &address, &slot));
		memcpy(digest.bytes, in.ptr, sizeof digest.bytes);
		record_key_coderef(&key, &digest, id, &address);
		REQUIRE(span_equal(in, (struct span){(const char *)key.bytes, key.len}));
	}
}

static void check_state_keys(struct span in)
{
	struct record_key key;
	struct eth_address address;
	struct eth_bytes32 slot;
	uint32_t generation;

	if (record_key_state_open(in, &address, &generation, &slot)) {
		record_key_state_slot(&key, &address, generation, &slot);
		REQUIRE(span_equal(in, (struct span){(const char *)key.bytes, key.len}));
		record_key_state_slots(&key, &address, generation);
		REQUIRE(memcmp(key.bytes, in.ptr, key.len) == 0);
	}
	if (record_key_wiped_open(in, &address)) {
		record_key_wiped(&key, &address);
		REQUIRE(span_equal(in, (struct span){(const char *)key.bytes, key.len}));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	const enum kind kind = data[0] % KINDS;
	const uint64_t key_hash = data[1];
	struct span in = exact_copy((struct span){(const char *)data + 2, size - 2});

	if ((data[1] & SEAL) && in.len >= 4) {
		uint32_t check = checksum(key_hash, in);
		memcpy((char *)(uintptr_t)in.ptr, &check, sizeof check);
	}
	if (kind == KEYS)
		check_keys(in);
	else if (kind == STATE_KEYS)
		check_state_keys(in);
	else if (kind == IMAGE)
		check_image(key_hash, in);
	else if (kind == BUILD)
		check_built(key_hash, (struct span){in.ptr, in.len / 4},
			    (struct span){in.ptr + in.len / 4, in.len - in.len / 4});
	else
		check_value(kind, key_hash, in, (data[1] & DAMAGE) != 0);
	exact_free(in);
	return 0;
}
