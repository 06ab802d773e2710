/* SPDX-License-Identifier: MIT */
#include "unit.h"
#include "cache/record.h"
#include "store_fixture.h"
#include <xxhash.h>

static const uint64_t hash = 0x1234567890abcdef;

static struct span span(const void *bytes, size_t n)
{
	return (struct span){bytes, n};
}

static void slots_are_trimmed_and_checked(void **state)
{
	(void)state;
	unsigned char out[RECORD_SLOT_MAX];
	struct eth_bytes32 value = {0}, got;
	assert_int_equal(record_slot_encode(hash, &value, out), 4);
	assert_true(record_slot_decode(hash, span(out, 4), &got));
	assert_true(eth_bytes32_equal(&value, &got));
	value.bytes[31] = 7;
	assert_int_equal(record_slot_encode(hash, &value, out), 5);
	value = fixture_word(1);
	assert_int_equal(record_slot_encode(hash, &value, out), 36);
	assert_true(record_slot_decode(hash, span(out, 36), &got));
	assert_true(eth_bytes32_equal(&value, &got));
	assert_false(record_slot_decode(hash + 1, span(out, 36), &got));
	assert_false(record_slot_decode(hash, span(out, 35), &got));
	assert_false(record_slot_decode(hash, span(out, 3), &got));
	for (unsigned bit = 0; bit < 36 * 8; bit++) {
		out[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(record_slot_decode(hash, span(out, 36), &got));
		out[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void accounts_keep_what_is_known(void **state)
{
	(void)state;
	unsigned char out[RECORD_ACCOUNT_MAX];
	for (unsigned mask = 0; mask < 16; mask++) {
		struct account_fields got, fields = {.mask = mask, .nonce = 300};
		fields.balance = eth_u256_from_u64(mask == 15 ? 0 : 1000000);
		fields.code_hash = fixture_word(2);
		fields.storage_root = fixture_word(3);
		size_t n = record_account_encode(hash, &fields, out);
		assert_true(record_account_decode(hash, span(out, n), &got));
		assert_int_equal(got.mask, mask);
		assert_int_equal(got.nonce, mask & ACCOUNT_NONCE ? 300 : 0);
		if (mask & ACCOUNT_BALANCE)
			assert_memory_equal(&got.balance, &fields.balance, 32);
		if (mask & ACCOUNT_CODE_HASH)
			assert_memory_equal(&got.code_hash, &fields.code_hash, 32);
		if (mask & ACCOUNT_STORAGE_ROOT)
			assert_memory_equal(&got.storage_root, &fields.storage_root, 32);
		assert_false(record_account_decode(hash, span(out, n - 1), &got));
		assert_false(record_account_decode(hash ^ 2, span(out, n), &got));
	}
}

static void states_keep_what_is_known(void **state)
{
	(void)state;
	unsigned char out[RECORD_STATE_MAX];
	struct filedb_account got, account = {
					   .fields = {.mask = 15, .nonce = UINT64_MAX},
					   .generation = 0x01020304,
					   .has_existence = true,
					   .exists = true,
					   .destructed = true,
				   };
	memset(account.fields.balance.bytes, 0xff, 32);
	account.fields.code_hash = fixture_word(2);
	account.fields.storage_root = fixture_word(3);
	size_t n = record_state_encode(hash, &account, out);
	assert_int_equal(n, RECORD_STATE_MAX);
	assert_true(record_state_decode(hash, span(out, n), &got));
	assert_int_equal(got.generation, 0x01020304);
	assert_true(got.exists && got.has_existence && got.destructed);
	assert_int_equal(got.fields.nonce, UINT64_MAX);
	assert_true(eth_bytes32_equal(&got.fields.code_hash, &account.fields.code_hash));
	assert_true(eth_bytes32_equal(&got.fields.storage_root, &account.fields.storage_root));
	for (size_t len = 0; len < n; len++)
		assert_false(record_state_decode(hash, span(out, len), &got));
	for (unsigned bit = 0; bit < n * 8; bit++) {
		out[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(record_state_decode(hash, span(out, n), &got));
		out[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	account.fields.mask = 16 + 2; /* of bits without a name nothing is kept */
	account.has_existence = false;
	n = record_state_encode(hash, &account, out);
	assert_true(record_state_decode(hash, span(out, n), &got));
	assert_int_equal(got.fields.mask, 2);
	assert_false(got.exists || got.has_existence);
}

static void headers_bindings_and_numbers(void **state)
{
	(void)state;
	unsigned char out[RECORD_BLOCK_BYTES];
	struct block_header got, header = fixture_header(17);
	struct eth_bytes32 word = fixture_word(5), word_got;
	uint64_t id, number;
	size_t n = record_block_encode(hash, 99, &header, out);
	assert_int_equal(n, RECORD_BLOCK_BYTES);
	got = (struct block_header){.hash = header.hash};
	assert_true(record_block_decode(hash, span(out, n), &id, &got));
	assert_int_equal(id, 99);
	assert_memory_equal(&got, &header, sizeof got);
	assert_false(record_block_decode(hash, span(out, n - 1), &id, &got));
	n = record_hash_encode(hash, &word, out);
	assert_true(record_hash_decode(hash, span(out, n), &word_got));
	assert_true(eth_bytes32_equal(&word, &word_got));
	assert_false(record_hash_decode(hash ^ 1, span(out, n), &word_got));
	n = record_u64_encode(hash, UINT64_MAX - 1, out);
	assert_true(record_u64_decode(hash, span(out, n), &number));
	assert_true(number == UINT64_MAX - 1);
	out[4] ^= 1;
	assert_false(record_u64_decode(hash, span(out, n), &number));
}

/* The value with the checksum that belongs to it. */
static struct span sealed(unsigned char *value, size_t n)
{
	uint32_t check = (uint32_t)XXH3_64bits_withSeed(value + 4, n - 4, hash);
	memcpy(value, &check, sizeof check);
	return span(value, n);
}

/* One record has one form: a checksum alone does not make a value one of ours. */
static void only_what_encoding_writes_is_decoded(void **state)
{
	(void)state;
	struct eth_bytes32 word;
	struct account_fields account;
	struct block_header header = fixture_header(17);
	struct record_image image;
	uint64_t id;
	unsigned char slot[] = {0, 0, 0, 0, 1, 2};
	assert_true(record_slot_decode(hash, sealed(slot, 6), &word));
	slot[4] = 0;
	assert_false(record_slot_decode(hash, sealed(slot, 6), &word));
	unsigned char fields[] = {0, 0, 0, 0, ACCOUNT_NONCE, 2, 1, 2};
	assert_true(record_account_decode(hash, sealed(fields, 8), &account));
	fields[6] = 0;
	assert_false(record_account_decode(hash, sealed(fields, 8), &account));
	fields[4] = 16;
	assert_false(record_account_decode(hash, sealed(fields, 5), &account));
	struct filedb_account known;
	unsigned char kept[] = {0, 0, 0, 0, 0, 0, 0, 1, 2, ACCOUNT_NONCE, 0};
	assert_true(record_state_decode(hash, sealed(kept, 11), &known));
	kept[8] = 8; /* no such flag */
	assert_false(record_state_decode(hash, sealed(kept, 11), &known));
	kept[8] = 1; /* exists, and nothing is known of that */
	assert_false(record_state_decode(hash, sealed(kept, 11), &known));
	kept[8] = 3;
	assert_true(record_state_decode(hash, sealed(kept, 11), &known));
	unsigned char block[RECORD_BLOCK_BYTES];
	record_block_encode(hash, 1, &header, block);
	block[4 + 6 * 8] = 3;
	assert_true(record_block_decode(hash, sealed(block, sizeof block), &id, &header));
	block[4 + 6 * 8] = 4;
	assert_false(record_block_decode(hash, sealed(block, sizeof block), &id, &header));
	/* a body that is too short to have been compressed */
	unsigned char frame[RECORD_IMAGE_HEAD + 1] = {[4] = 1, [11] = 4, [12] = 1, [16] = 1};
	assert_true(record_image_open(hash, sealed(frame, sizeof frame), &image));
	frame[12] = 0;
	assert_false(record_image_open(hash, sealed(frame, sizeof frame), &image));
}

static int compare(const struct record_key *a, const struct record_key *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->bytes, b->bytes, n);
	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static void keys_differ_and_sort_by_block(void **state)
{
	(void)state;
	static const uint64_t ids[] = {1, 2, 255, 256, 65535, 65536, UINT64_MAX};
	struct record_key key, before = {0}, last_of_block = {0}, facts;
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 slot = {0};
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		record_key_facts(&facts, ids[i]);
		slot = (struct eth_bytes32){0};
		for (unsigned last = 0; last < 300; last += 43) {
			slot.bytes[31] = (unsigned char)last;
			slot.bytes[30] = (unsigned char)(last >> 8);
			record_key_slot(&key, ids[i], &address, &slot);
			assert_true(compare(&before, &key) != 0);
			assert_true(compare(&last_of_block, &key) < 0);
			assert_memory_equal(key.bytes, facts.bytes, facts.len);
			before = key;
		}
		memset(address.bytes, 0xff, 20);
		memset(slot.bytes, 0xff, 32);
		record_key_slot(&last_of_block, ids[i], &address, &slot);
		address = fixture_address(1);
	}
	slot = fixture_word(1);
	record_key_slot(&key, UINT64_MAX, &address, &slot);
	assert_int_equal(key.len, RECORD_KEY_MAX);
	assert_int_not_equal(record_key_hash(1, TABLE_SLOTS, key.bytes, key.len),
			     record_key_hash(1, TABLE_ACCOUNTS, key.bytes, key.len));
	assert_int_not_equal(record_key_hash(1, TABLE_SLOTS, key.bytes, key.len),
			     record_key_hash(9, TABLE_SLOTS, key.bytes, key.len));
}

static void keys_of_the_file_database_sort_as_numbers(void **state)
{
	(void)state;
	static const uint32_t generations[] = {0, 1, 255, 256, 65535, 65536, UINT32_MAX};
	static const uint64_t slots[] = {0, 1, 255, 256, 257, 65535, 65536, UINT64_MAX};
	struct record_key key, before = {0}, prefix;
	struct eth_address address = fixture_address(1), address_got;
	for (size_t g = 0; g < sizeof generations / sizeof generations[0]; g++)
		for (size_t s = 0; s <= sizeof slots / sizeof slots[0]; s++) {
			struct eth_bytes32 slot = {{0xff}}, slot_got;
			uint32_t generation;
			if (s < sizeof slots / sizeof slots[0]) {
				slot.bytes[0] = 0;
				be64_put(slot.bytes + 24, slots[s]);
			}
			record_key_state_slot(&key, &address, generations[g], &slot);
			assert_true(compare(&before, &key) < 0);
			before = key;
			record_key_state_slots(&prefix, &address, generations[g]);
			assert_memory_equal(key.bytes, prefix.bytes, prefix.len);
			assert_true(record_key_state_open(span(key.bytes, key.len),
							  &address_got, &generation,
							  &slot_got));
			assert_memory_equal(&address, &address_got, sizeof address);
			assert_int_equal(generation, generations[g]);
			assert_true(eth_bytes32_equal(&slot, &slot_got));
			assert_false(record_key_state_open(span(key.bytes, key.len - 1),
							   &address_got, &generation,
							   &slot_got));
			assert_false(record_key_state_open(span(key.bytes, key.len + 1),
							   &address_got, &generation,
							   &slot_got));
		}
	assert_true(key.len <= RECORD_KEY_MAX);
	record_key_wiped(&key, &address);
	assert_true(record_key_wiped_open(span(key.bytes, key.len), &address_got));
	assert_memory_equal(&address, &address_got, sizeof address);
	assert_false(record_key_wiped_open(span(key.bytes, key.len - 1), &address_got));
	key.bytes[0] ^= 1;
	assert_false(record_key_wiped_open(span(key.bytes, key.len), &address_got));
}

static void code_references_name_their_account(void **state)
{
	(void)state;
	struct record_key ref, account;
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 code = fixture_word(1);
	struct span got;
	record_key_coderef(&ref, &code, 70000, &address);
	record_key_account(&account, 70000, &address);
	assert_true(record_coderef_account(span(ref.bytes, ref.len), &got));
	assert_int_equal(got.len, account.len);
	assert_memory_equal(got.ptr, account.bytes, account.len);
	assert_false(record_coderef_account(span(ref.bytes, ref.len - 1), &got));
	assert_false(record_coderef_account(span(ref.bytes, 32), &got));
	ref.bytes[33] = 0; /* ids have no leading zeros */
	assert_false(record_coderef_account(span(ref.bytes, ref.len), &got));
	unsigned char nine[32 + 1 + 9 + 20];
	memset(nine, 9, sizeof nine); /* and at most 8 bytes */
	assert_false(record_coderef_account(span(nine, sizeof nine), &got));
}

static void keys_open_into_their_parts(void **state)
{
	(void)state;
	struct record_key key;
	struct eth_address address = fixture_address(1), address_got;
	struct eth_bytes32 slot = {{[30] = 1}}, slot_got;
	uint64_t id;
	record_key_slot(&key, 70000, &address, &slot);
	assert_true(record_key_open(span(key.bytes, key.len), &id, &address_got, &slot_got));
	assert_int_equal(id, 70000);
	assert_memory_equal(&address, &address_got, sizeof address);
	assert_true(eth_bytes32_equal(&slot, &slot_got));
	key.bytes[key.len - 2] = 0;
	assert_false(record_key_open(span(key.bytes, key.len), &id, &address_got, &slot_got));
}

/* Builds, opens, damages each byte. */
static void image_round(struct record_codec *codec, struct span request, struct span body,
			bool compressed)
{
	size_t len;
	struct record_image image;
	unsigned char *bytes = record_image_build(codec, hash, request, body, 1 << 20, &len);
	assert_non_null(bytes);
	assert_int_equal(record_image_length(span(bytes, len)), len);
	assert_true(record_image_open(hash, span(bytes, len), &image));
	assert_true(span_equal(image.request, request));
	assert_int_equal(image.compressed, compressed);
	struct blob *blob;
	assert_ok(record_image_body(codec, &image, &blob));
	assert_true(span_equal(blob_span(blob), body));
	blob_put(&blob);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 0x40;
		assert_false(record_image_open(hash, span(bytes, len), &image));
		bytes[i] ^= 0x40;
	}
	assert_false(record_image_open(hash + 1, span(bytes, len), &image));
	assert_false(record_image_open(hash, span(bytes, len - 1), &image));
	free(bytes);
}

static void images_of_every_size(void **state)
{
	(void)state;
	static char body[50000];
	struct record_codec *codec = record_codec_new();
	assert_non_null(codec);
	image_round(codec, SPAN(""), SPAN(""), false);
	image_round(codec, SPAN("request"), SPAN("short"), false);
	memset(body, 'x', sizeof body);
	image_round(codec, SPAN("request"), span(body, RECORD_COMPRESS_AT), false);
	image_round(codec, SPAN("request"), span(body, RECORD_COMPRESS_AT + 1), true);
	image_round(codec, SPAN(""), span(body, sizeof body), true);
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (char)fixture_mix(i);
	image_round(codec, SPAN("r"), span(body, 5000), false); /* does not shrink */
	record_codec_free(&codec);
}

static void images_are_bounded(void **state)
{
	(void)state;
	static char body[5000];
	size_t len;
	struct record_codec *codec = record_codec_new();
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (char)fixture_mix(i);
	assert_null(record_image_build(codec, hash, SPAN(""), span(body, 5000), 5016, &len));
	unsigned char *image =
		record_image_build(codec, hash, SPAN(""), span(body, 5000), 5017, &len);
	assert_non_null(image);
	assert_int_equal(len, 5017);
	free(image);
	record_codec_free(&codec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_trimmed_and_checked),
		cmocka_unit_test(accounts_keep_what_is_known),
		cmocka_unit_test(states_keep_what_is_known),
		cmocka_unit_test(headers_bindings_and_numbers),
		cmocka_unit_test(only_what_encoding_writes_is_decoded),
		cmocka_unit_test(keys_differ_and_sort_by_block),
		cmocka_unit_test(keys_of_the_file_database_sort_as_numbers),
		cmocka_unit_test(code_references_name_their_account),
		cmocka_unit_test(keys_open_into_their_parts),
		cmocka_unit_test(images_of_every_size),
		cmocka_unit_test(images_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
