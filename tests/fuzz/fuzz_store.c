/* SPDX-License-Identifier: MIT */
/*
 * The disk cache over a file whose records may hold anything. The first byte chooses a table,
 * the second whether the value gets the checksum that belongs to it (and more, below); the
 * value is written into LMDB behind the store's back, in parts where it is an image, and
 * read, as the program reads it. Checked:
 *  - it is a HIT with what the record says if record.c decodes it and it is about what was
 *    asked, else a MISS; never FAILED, never something else;
 *  - a damaged record is counted and has gone after the next commit, with all its parts; a
 *    good one stays, byte for byte;
 *  - keys of any form beside it change nothing.
 * The store's own thread runs; every input waits for its commit, so that runs are alike.
 */
#include "../json_oracle.h"
#include "base/buf.h"
#include "base/keccak.h"
#include "cache/store_impl.h"
#include "store_fixture.h"
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEAL = 1, LONG = 2, CUT = 4, NEIGHBOURS = 8, NO_BLOCK = 16 };
#define CAPACITY (UINT64_C(16) << 20)
#define REQUEST	 "1:m[]"
#define BLOCK	 5
#define BLOCK_ID 3

static struct {
	char folder[256];
	struct store *store;
	struct store_reader *reader;
} scene;

static void scene_close(void)
{
	store_reader_free(&scene.reader);
	store_close(&scene.store);
	fixture_remove(scene.folder);
}

static void scene_open(void)
{
	fixture_folder(scene.folder);
	scene.store = fixture_open(scene.folder, CAPACITY);
	REQUIRE(store_reader_new(scene.store, &scene.reader) == OK);
	REQUIRE(mdb_env_set_flags(scene.store->env.mdb, MDB_NOSYNC, 1) == 0);
	atexit(scene_close);
}

/* ---- the file ---- */

struct record {
	enum table table;
	struct record_key key; /* without the number of the part */
	uint64_t key_hash;
	bool in_parts;
	struct span value;
};

static struct record_key part_key(const struct record *r, unsigned part)
{
	struct record_key key = r->key;

	if (r->in_parts) {
		key.bytes[key.len++] = (unsigned char)(part >> 8);
		key.bytes[key.len++] = (unsigned char)part;
	}
	return key;
}

static void put(MDB_txn *txn, enum table table, struct span key, struct span value)
{
	MDB_val k = val(key.ptr, key.len), v = val(value.ptr, value.len);

	REQUIRE(mdb_put(txn, scene.store->env.tables[table], &k, &v, 0) == 0);
}

static struct span key_span(const struct record_key *key)
{
	return (struct span){(const char *)key->bytes, key->len};
}

/* Whole, or all but the last part. */
static void put_record(MDB_txn *txn, const struct record *r, bool cut)
{
	const size_t step = r->in_parts ? RECORD_PART_BYTES : r->value.len + 1;
	unsigned part = 0;

	for (size_t at = 0; at < r->value.len || part == 0; at += step, part++) {
		const size_t rest = r->value.len - at;
		struct record_key key = part_key(r, part);
		if (cut && part > 0 && rest <= step)
			return;
		put(txn, r->table, key_span(&key),
		    (struct span){r->value.ptr + at, rest < step ? rest : step});
	}
}

/* The block that the facts are of, as the store writes it. */
static void put_block(MDB_txn *txn)
{
	const struct block_header header = fixture_header(BLOCK);
	unsigned char value[RECORD_BLOCK_BYTES];
	struct record_key key;

	record_key_block(&key, FIXTURE_CHAIN, &header.hash);
	record_block_encode(
		record_key_hash(scene.store->env.seed, TABLE_BLOCKS, key.bytes, key.len),
		BLOCK_ID, &header, value);
	put(txn, TABLE_BLOCKS, key_span(&key), (struct span){(char *)value, sizeof value});
}

/* Keys of other lengths, before and behind. */
static void put_neighbours(MDB_txn *txn, const struct record *r)
{
	struct record_key key = part_key(r, 0);

	for (size_t n = 1; n < key.len; n += 9)
		put(txn, r->table, (struct span){(char *)key.bytes, n}, r->value);
	key.bytes[key.len - 1] ^= 0x80;
	put(txn, r->table, key_span(&key), SPAN(""));
}

static void write_file(const struct record *r, uint8_t flags)
{
	MDB_txn *txn;

	REQUIRE(mdb_txn_begin(scene.store->env.mdb, NULL, 0, &txn) == 0);
	for (enum table table = TABLE_SLOTS; table < TABLE_META; table++)
		REQUIRE(mdb_drop(txn, scene.store->env.tables[table], 0) == 0);
	if (!(flags & NO_BLOCK) && r->table != TABLE_BLOCKS)
		put_block(txn);
	if ((flags & NEIGHBOURS) && r->value.len < 500)
		put_neighbours(txn, r);
	put_record(txn, r, (flags & CUT) != 0);
	REQUIRE(mdb_txn_commit(txn) == 0);
}

/* Whether the record's first part stands there, and as it was. */
static bool is_there(const struct record *r)
{
	const struct record_key key = part_key(r, 0);
	MDB_val k = key_val(&key), v;
	MDB_txn *txn;

	REQUIRE(mdb_txn_begin(scene.store->env.mdb, NULL, MDB_RDONLY, &txn) == 0);
	const int rc = mdb_get(txn, scene.store->env.tables[r->table], &k, &v);
	REQUIRE(rc == MDB_NOTFOUND ||
		(rc == 0 && v.mv_size <= r->value.len &&
		 (v.mv_size == 0 || memcmp(v.mv_data, r->value.ptr, v.mv_size) == 0)));
	mdb_txn_abort(txn);
	return rc == 0;
}

static unsigned count_records(enum table table)
{
	MDB_txn *txn;
	MDB_stat stat;

	REQUIRE(mdb_txn_begin(scene.store->env.mdb, NULL, MDB_RDONLY, &txn) == 0);
	REQUIRE(mdb_stat(txn, scene.store->env.tables[table], &stat) == 0);
	mdb_txn_abort(txn);
	return (unsigned)stat.ms_entries;
}

/* ---- reading: what the store says, and what record.c does ---- */

struct found {
	bool good; /* the record can be decoded */
	enum lookup wanted, got;
	bool same; /* of a HIT: it is what the record says */
};

static struct found read_slot(const struct record *r)
{
	const struct block_header header = fixture_header(BLOCK);
	const struct eth_address address = fixture_address(1);
	const struct eth_bytes32 slot = fixture_word(1);
	struct eth_bytes32 wanted, got;
	struct found f = {.good = record_slot_decode(r->key_hash, r->value, &wanted)};

	f.wanted = f.good ? HIT : MISS;
	f.got = store_get_slot(scene.reader, &header.hash, &address, &slot, &got);
	f.same = f.got == HIT && f.good && eth_bytes32_equal(&wanted, &got);
	return f;
}

static struct found read_account(const struct record *r)
{
	const struct block_header header = fixture_header(BLOCK);
	const struct eth_address address = fixture_address(1);
	struct account_fields wanted, got;
	struct found f = {.good = record_account_decode(r->key_hash, r->value, &wanted)};

	f.wanted = f.good && wanted.mask ? HIT : MISS;
	f.got = store_get_account(scene.reader, &header.hash, &address, 15, &got);
	f.same = f.got == HIT && f.good && wanted.mask == got.mask &&
		 wanted.nonce == got.nonce && !memcmp(&wanted.balance, &got.balance, 32) &&
		 eth_bytes32_equal(&wanted.code_hash, &got.code_hash) &&
		 eth_bytes32_equal(&wanted.storage_root, &got.storage_root);
	return f;
}

static struct found read_header(const struct record *r)
{
	struct block_header got, wanted = fixture_header(BLOCK);
	const struct eth_bytes32 hash = wanted.hash;
	uint64_t id;
	struct found f = {.good = record_block_decode(r->key_hash, r->value, &id, &wanted)};

	f.wanted = f.good ? HIT : MISS;
	f.got = store_get_header(scene.reader, &hash, &got);
	f.same = f.got == HIT && f.good && got.number == wanted.number &&
		 got.has == wanted.has && eth_bytes32_equal(&got.hash, &hash) &&
		 eth_bytes32_equal(&got.state_root, &wanted.state_root);
	return f;
}

static struct found read_binding(const struct record *r)
{
	struct eth_bytes32 wanted, got;
	struct found f = {.good = record_hash_decode(r->key_hash, r->value, &wanted)};

	f.wanted = f.good ? HIT : MISS;
	f.got = store_get_binding(scene.reader, BLOCK, &got);
	f.same = f.got == HIT && f.good && eth_bytes32_equal(&wanted, &got);
	return f;
}

/* cut: the last part is not there. */
static struct found read_image(const struct record *r, bool cut)
{
	const struct eth_bytes32 hash = fixture_word(8);
	struct record_codec *codec = record_codec_new();
	struct blob *got = NULL, *wanted = NULL;
	struct record_image image;
	struct found f = {.good = record_image_open(r->key_hash, r->value, &image)};

	REQUIRE(codec);
	if (cut && r->value.len > RECORD_PART_BYTES)
		f.good = false;
	const struct span request = r->table == TABLE_CODE ? SPAN("") : SPAN(REQUEST);
	if (f.good && span_equal(image.request, request))
		REQUIRE(record_image_body(codec, &image, &wanted) != ERR_NOMEM);
	f.wanted = wanted ? HIT : MISS;
	f.got = r->table == TABLE_CODE ? store_get_code(scene.reader, &hash, &got)
				       : store_get_reply(scene.reader, request, &got);
	f.same = f.got == HIT && wanted && span_equal(blob_span(wanted), blob_span(got));
	blob_put(&wanted);
	blob_put(&got);
	record_codec_free(&codec);
	return f;
}

static struct found read_record(const struct record *r, uint8_t flags)
{
	switch (r->table) {
	case TABLE_SLOTS:
		return read_slot(r);
	case TABLE_ACCOUNTS:
		return read_account(r);
	case TABLE_BLOCKS:
		return read_header(r);
	case TABLE_BINDINGS:
		return read_binding(r);
	case TABLE_CODE:
	case TABLE_REPLIES:
		return read_image(r, (flags & CUT) != 0);
	case TABLE_CODEREF:
	case TABLE_META:
	case TABLE_COUNT:
		break;
	}
	return (struct found){0};
}

/* ---- the run ---- */

static void name_record(struct record *r)
{
	const struct block_header header = fixture_header(BLOCK);
	const struct eth_address address = fixture_address(1);
	const struct eth_bytes32 slot = fixture_word(1), code = fixture_word(8);

	r->in_parts = r->table == TABLE_CODE || r->table == TABLE_REPLIES;
	if (r->table == TABLE_SLOTS) {
		record_key_slot(&r->key, BLOCK_ID, &address, &slot);
	} else if (r->table == TABLE_ACCOUNTS) {
		record_key_account(&r->key, BLOCK_ID, &address);
	} else if (r->table == TABLE_BLOCKS) {
		record_key_block(&r->key, FIXTURE_CHAIN, &header.hash);
	} else if (r->table == TABLE_BINDINGS) {
		record_key_binding(&r->key, FIXTURE_CHAIN, BLOCK);
	} else {
		struct eth_bytes32 digest = code;
		if (r->table == TABLE_REPLIES)
			keccak256(REQUEST, sizeof REQUEST - 1, &digest);
		memcpy(r->key.bytes, digest.bytes, 32);
		r->key.len = 32;
	}
	r->key_hash =
		record_key_hash(scene.store->env.seed, r->table, r->key.bytes, r->key.len);
}

/* An image whose body is long enough for two parts. */
static void make_long(struct buf *value)
{
	static const unsigned char lengths[] = {
		0, 0, 0, 0, sizeof REQUEST - 1, 0, 0, 0x13, 0x88, 0, 0, 0x13, 0x88};
	const size_t n = RECORD_IMAGE_HEAD + sizeof REQUEST - 1 + 0x1388;

	while (value->len < n)
		buf_char(value, (char)value->len);
	value->len = n;
	memcpy(value->ptr + 4, lengths, sizeof lengths);
	memcpy(value->ptr + RECORD_IMAGE_HEAD, REQUEST, sizeof REQUEST - 1);
}

static void check(const struct record *r, uint8_t flags)
{
	struct store_stats before, after;

	write_file(r, flags);
	const unsigned records = count_records(r->table);
	store_stats(scene.store, &before);
	store_reader_rest(scene.reader);
	struct found f = read_record(r, flags);
	store_stats(scene.store, &after);
	const bool of_block = r->table == TABLE_SLOTS || r->table == TABLE_ACCOUNTS;
	if (of_block && (flags & NO_BLOCK)) {
		f.wanted = MISS; /* and nobody looks at it */
		f.good = true;
	}
	REQUIRE(f.got == f.wanted && (f.got == MISS || f.same));
	REQUIRE((after.corrupt == before.corrupt) == f.good);
	store_flush(scene.store);
	store_reader_rest(scene.reader);
	REQUIRE(is_there(r) == f.good);
	REQUIRE(!f.good || count_records(r->table) == records);
	if (!f.good)
		REQUIRE(read_record(r, flags).got == MISS);
	store_flush(scene.store);
	store_reader_rest(scene.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum table tables[] = {TABLE_SLOTS, TABLE_ACCOUNTS, TABLE_REPLIES,
					    TABLE_CODE,	 TABLE_BINDINGS, TABLE_BLOCKS};
	struct record r = {0};
	struct buf value;

	if (size < 2)
		return 0;
	if (!scene.store)
		scene_open();
	const uint8_t flags = data[1];
	r.table = tables[data[0] % (sizeof tables / sizeof tables[0])];
	name_record(&r);
	buf_init(&value, 1u << 20);
	buf_append(&value, data + 2, size - 2);
	if ((flags & LONG) && r.table == TABLE_REPLIES)
		make_long(&value);
	if ((flags & SEAL) && value.len >= 4) {
		const uint32_t sum = (uint32_t)XXH3_64bits_withSeed(value.ptr + 4,
								    value.len - 4, r.key_hash);
		memcpy(value.ptr, &sum, sizeof sum);
	}
	r.value = value.len > 0 ? buf_as_span(&value) : SPAN("");
	check(&r, flags);
	buf_release(&value);
	return 0;
}
