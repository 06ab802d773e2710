/* SPDX-License-Identifier: MIT */
/* Readers: snapshots, and the gets. A get looks in its snapshot, then in the queue, then, if
 * something was committed in between, once more in both (pending.h says why once). */
#include "cache/store_impl.h"
#include "base/keccak.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>

enum err store_reader_new(struct store *store, struct store_reader **out)
{
	struct store_reader *reader = calloc(1, sizeof *reader);
	*out = NULL;
	if (!reader)
		return ERR_NOMEM;
	reader->store = store;
	reader->codec = record_codec_new();
	if (!reader->codec) {
		free(reader);
		return ERR_NOMEM;
	}
	pthread_mutex_lock(&store->readers_lock);
	reader->next = store->readers;
	store->readers = reader;
	pthread_mutex_unlock(&store->readers_lock);
	*out = reader;
	return OK;
}

/* The gate waits for this. */
static void leave(struct store_reader *reader)
{
	struct store *store = reader->store;
	reader->live = false;
	atomic_store(&reader->active, false);
	if (atomic_load(&store->gate)) {
		pthread_mutex_lock(&store->readers_lock);
		pthread_cond_signal(&store->rested);
		pthread_mutex_unlock(&store->readers_lock);
	}
}

void store_reader_rest(struct store_reader *reader)
{
	reader->refused = false;
	if (!reader->live)
		return;
	mdb_txn_reset(reader->txn);
	leave(reader);
}

void store_reader_free(struct store_reader **reader)
{
	struct store_reader *r = *reader;
	if (!r)
		return;
	struct store *store = r->store;
	store_reader_rest(r);
	pthread_mutex_lock(&store->readers_lock);
	for (struct store_reader **at = &store->readers; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			break;
		}
	store->gone_hits += atomic_load_explicit(&r->hits, memory_order_relaxed);
	store->gone_misses += atomic_load_explicit(&r->misses, memory_order_relaxed);
	if (r->txn)
		mdb_txn_abort(r->txn);
	pthread_mutex_unlock(&store->readers_lock);
	record_codec_free(&r->codec);
	free(r);
	*reader = NULL;
}

/* One line for a burst of refusals, over all readers. */
static void refused(struct store_reader *reader, int rc)
{
	struct store *store = reader->store;
	struct err_detail detail;
	if (rc == MDB_MAP_RESIZED) {
		atomic_store(&store->resize_wanted, true);
		pending_kick(&store->pending);
	} else if (!atomic_exchange(&store->read_failing, true)) {
		err_from_lmdb(rc, "reading", &store->env, &detail);
		log_warn("the cache cannot be read", LOG_S("reason", detail.text));
	}
}

/* Opens the turn's snapshot; false: nothing committed can be read in this turn. */
bool reader_begin(struct store_reader *reader)
{
	struct store *store = reader->store;
	if (reader->live)
		return true;
	if (reader->refused)
		return false;
	int rc = 0;
	atomic_store(&reader->active, true);
	if (!atomic_load(&store->gate) && !atomic_load(&store->dead)) {
		reader->retired = pending_retired(&store->pending);
		rc = env_snapshot(&store->env, &reader->txn);
		if (rc == 0) {
			reader->live = true;
			reader->snapshot = mdb_txn_id(reader->txn);
			if (atomic_load_explicit(&store->read_failing, memory_order_relaxed))
				atomic_store(&store->read_failing, false);
			return true;
		}
	}
	leave(reader);
	reader->refused = true;
	if (rc != 0)
		refused(reader, rc);
	return false;
}

/* Something has left the queue since the snapshot: takes a new one. */
static bool look_again(struct store_reader *reader, bool *again)
{
	if (*again || reader->refused ||
	    pending_retired(&reader->store->pending) == reader->retired)
		return false;
	*again = true;
	store_reader_rest(reader);
	return reader_begin(reader);
}

static enum lookup counted(struct store_reader *reader, bool hit)
{
	atomic_uint_fast64_t *counter = hit ? &reader->hits : &reader->misses;
	/* only this thread writes it */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return hit ? HIT : MISS;
}

static void damaged(struct store_reader *reader, enum table table, struct span key)
{
	count(&reader->store->corrupt, 1);
	store_put_remove(reader->store, table, key);
}

/* A page that LMDB finds damaged, or a bug: cannot be removed, costs a hit. */
static void read_failed(struct store_reader *reader, int rc)
{
	struct err_detail detail;
	count(&reader->store->corrupt, 1);
	if (!atomic_exchange(&reader->store->read_failing, true)) {
		err_from_lmdb(rc, "reading", &reader->store->env, &detail);
		log_error("the cache cannot be read", LOG_S("reason", detail.text));
	}
}

static bool read_record(struct store_reader *reader, enum table table,
			const struct record_key *key, uint64_t *key_hash, struct span *out)
{
	struct store *store = reader->store;
	MDB_val k = key_val(key), v;
	*key_hash = record_key_hash(store->env.seed, table, key->bytes, key->len);
	use_prefetch(&store->use, *key_hash);
	int rc = mdb_get(reader->txn, store->env.tables[table], &k, &v);
	if (rc == 0)
		*out = val_span(v);
	else if (rc != MDB_NOTFOUND)
		read_failed(reader, rc);
	return rc == 0;
}

/* After decoding: a use, or a damaged record. */
static bool judged(struct store_reader *reader, enum table table, const struct record_key *key,
		   uint64_t key_hash, bool good)
{
	if (good)
		use_touch(&reader->store->use, key_hash);
	else
		damaged(reader, table, (struct span){(const char *)key->bytes, key->len});
	return good;
}

static uint64_t chain_of(const struct store_reader *reader)
{
	return atomic_load_explicit(&reader->store->chain, memory_order_relaxed);
}

static bool read_block(struct store_reader *reader, const struct eth_bytes32 *hash,
		       uint64_t *id, struct block_header *header)
{
	struct record_key key;
	uint64_t key_hash;
	struct span value;
	record_key_block(&key, chain_of(reader), hash);
	if (!read_record(reader, TABLE_BLOCKS, &key, &key_hash, &value))
		return false;
	header->hash = *hash;
	return judged(reader, TABLE_BLOCKS, &key, key_hash,
		      record_block_decode(key_hash, value, id, header));
}

/* Ids are kept for as long as the snapshot is the same one: an evicted block comes back
 * under another id. */
bool reader_block_id(struct store_reader *reader, const struct eth_bytes32 *hash, uint64_t *id)
{
	struct block_header header;
	for (unsigned i = 0; i < STORE_BLOCK_CACHE; i++)
		if (reader->blocks[i].snapshot == reader->snapshot &&
		    reader->blocks[i].chain == chain_of(reader) &&
		    eth_bytes32_equal(&reader->blocks[i].hash, hash)) {
			*id = reader->blocks[i].id;
			return true;
		}
	if (!read_block(reader, hash, id, &header))
		return false;
	unsigned slot = reader->next_block++ % STORE_BLOCK_CACHE;
	reader->blocks[slot].hash = *hash;
	reader->blocks[slot].chain = chain_of(reader);
	reader->blocks[slot].id = *id;
	reader->blocks[slot].snapshot = reader->snapshot;
	return true;
}

static void found_header(const struct put *put, void *cookie)
{
	*(struct block_header *)cookie = put->what.header;
}

enum lookup store_get_header(struct store_reader *reader, const struct eth_bytes32 *hash,
			     struct block_header *out)
{
	struct put_id id = put_id_digest(PUT_HEADER, hash);
	uint64_t block;
	bool again = false, hit;
	do {
		hit = (reader_begin(reader) && read_block(reader, hash, &block, out)) ||
		      pending_find(&reader->store->pending, &id, found_header, out);
	} while (!hit && look_again(reader, &again));
	return counted(reader, hit);
}

static void found_word(const struct put *put, void *cookie)
{
	*(struct eth_bytes32 *)cookie = put->what.word;
}

static bool read_binding(struct store_reader *reader, uint64_t number, struct eth_bytes32 *hash)
{
	struct record_key key;
	uint64_t key_hash;
	struct span value;
	record_key_binding(&key, chain_of(reader), number);
	return read_record(reader, TABLE_BINDINGS, &key, &key_hash, &value) &&
	       judged(reader, TABLE_BINDINGS, &key, key_hash,
		      record_hash_decode(key_hash, value, hash));
}

enum lookup store_get_binding(struct store_reader *reader, uint64_t number,
			      struct eth_bytes32 *hash)
{
	struct put_id id = put_id_number(PUT_BINDING, number);
	bool again = false, hit;
	do {
		hit = (reader_begin(reader) && read_binding(reader, number, hash)) ||
		      pending_find(&reader->store->pending, &id, found_word, hash);
	} while (!hit && look_again(reader, &again));
	return counted(reader, hit);
}

static void found_maximum(const struct put *put, void *cookie)
{
	uint64_t *number = cookie;
	if (put->what.number > *number)
		*number = put->what.number;
}

static bool read_finalized(struct store_reader *reader, uint64_t *number)
{
	struct record_key key;
	uint64_t key_hash;
	struct span value;
	record_key_final(&key, chain_of(reader));
	return read_record(reader, TABLE_META, &key, &key_hash, &value) &&
	       judged(reader, TABLE_META, &key, key_hash,
		      record_u64_decode(key_hash, value, number));
}

enum lookup store_get_finalized(struct store_reader *reader, uint64_t *number)
{
	struct put_id id = put_id_number(PUT_FINALIZED, 0);
	bool again = false, hit = false;
	uint64_t best = 0;
	do { /* what is queued may be above what is committed: both are asked */
		uint64_t committed = 0;
		if (reader_begin(reader) && read_finalized(reader, &committed))
			hit = true;
		if (committed > best)
			best = committed;
		if (pending_find(&reader->store->pending, &id, found_maximum, &best))
			hit = true;
	} while (look_again(reader, &again));
	if (hit)
		*number = best;
	return counted(reader, hit);
}

bool account_merge(struct account_fields *into, const struct account_fields *from)
{
	unsigned news = from->mask & ~into->mask;
	if (news & ACCOUNT_BALANCE)
		into->balance = from->balance;
	if (news & ACCOUNT_NONCE)
		into->nonce = from->nonce;
	if (news & ACCOUNT_CODE_HASH)
		into->code_hash = from->code_hash;
	if (news & ACCOUNT_STORAGE_ROOT)
		into->storage_root = from->storage_root;
	into->mask |= news;
	return news != 0;
}

static void found_account(const struct put *put, void *cookie)
{
	account_merge(cookie, &put->what.account);
}

static bool read_account(struct store_reader *reader, const struct eth_bytes32 *block,
			 const struct eth_address *address, struct account_fields *out)
{
	struct record_key key;
	uint64_t key_hash, id;
	struct span value;
	struct account_fields committed;
	if (!reader_block_id(reader, block, &id))
		return false;
	record_key_account(&key, id, address);
	if (!read_record(reader, TABLE_ACCOUNTS, &key, &key_hash, &value) ||
	    !judged(reader, TABLE_ACCOUNTS, &key, key_hash,
		    record_account_decode(key_hash, value, &committed)))
		return false;
	account_merge(out, &committed);
	return true;
}

enum lookup store_get_account(struct store_reader *reader, const struct eth_bytes32 *block,
			      const struct eth_address *address, unsigned wanted,
			      struct account_fields *out)
{
	bool again = false;
	struct put_id id = put_id_account(block, address);
	*out = (struct account_fields){0};
	do {
		if (reader_begin(reader))
			read_account(reader, block, address, out);
		if (wanted & ~out->mask)
			pending_find(&reader->store->pending, &id, found_account, out);
	} while ((wanted & ~out->mask) && look_again(reader, &again));
	return counted(reader, (wanted & out->mask) != 0);
}

static bool read_slot(struct store_reader *reader, const struct eth_bytes32 *block,
		      const struct eth_address *address, const struct eth_bytes32 *slot,
		      struct eth_bytes32 *out)
{
	struct record_key key;
	uint64_t key_hash, id;
	struct span value;
	if (!reader_block_id(reader, block, &id))
		return false;
	record_key_slot(&key, id, address, slot);
	return read_record(reader, TABLE_SLOTS, &key, &key_hash, &value) &&
	       judged(reader, TABLE_SLOTS, &key, key_hash,
		      record_slot_decode(key_hash, value, out));
}

static bool queued_slot(struct store_reader *reader, const struct eth_bytes32 *block,
			const struct eth_address *address, const struct eth_bytes32 *slot,
			struct eth_bytes32 *out)
{
	struct pending *pending = &reader->store->pending;
	if (atomic_load_explicit(&pending->live, memory_order_acquire) == 0)
		return false;
	struct put_id id = put_id_slot(block, address, slot);
	return pending_find(pending, &id, found_word, out);
}

enum lookup store_get_slot(struct store_reader *reader, const struct eth_bytes32 *block,
			   const struct eth_address *address, const struct eth_bytes32 *slot,
			   struct eth_bytes32 *value)
{
	bool again = false, hit;
	do {
		hit = (reader_begin(reader) &&
		       read_slot(reader, block, address, slot, value)) ||
		      queued_slot(reader, block, address, slot, value);
	} while (!hit && look_again(reader, &again));
	return counted(reader, hit);
}

static void found_rooted(const struct put *put, void *cookie)
{
	*(struct account_fields *)cookie = put->what.account;
}

static bool read_rooted_account(struct store_reader *reader, const struct record_key *key,
				struct account_fields *out)
{
	uint64_t key_hash;
	struct span value;
	return read_record(reader, TABLE_ACCOUNTS, key, &key_hash, &value) &&
	       judged(reader, TABLE_ACCOUNTS, key, key_hash,
		      record_account_decode(key_hash, value, out));
}

enum lookup store_get_rooted_account(struct store_reader *reader,
				     const struct eth_bytes32 *state_root,
				     const struct eth_address *address,
				     struct account_fields *out)
{
	struct put_id id = put_id_rooted_account(state_root, address);
	struct record_key key;
	bool again = false, hit;
	record_key_rooted_account(&key, state_root, address);
	do {
		hit = (reader_begin(reader) && read_rooted_account(reader, &key, out)) ||
		      pending_find(&reader->store->pending, &id, found_rooted, out);
	} while (!hit && look_again(reader, &again));
	return counted(reader, hit);
}

static bool read_rooted_slot(struct store_reader *reader, const struct record_key *key,
			     struct eth_bytes32 *out)
{
	uint64_t key_hash;
	struct span value;
	return read_record(reader, TABLE_SLOTS, key, &key_hash, &value) &&
	       judged(reader, TABLE_SLOTS, key, key_hash,
		      record_slot_decode(key_hash, value, out));
}

enum lookup store_get_rooted_slot(struct store_reader *reader,
				  const struct eth_bytes32 *storage_root,
				  const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	struct put_id id = put_id_rooted_slot(storage_root, slot);
	struct record_key key;
	bool again = false, hit;
	record_key_rooted_slot(&key, storage_root, slot);
	do {
		hit = (reader_begin(reader) && read_rooted_slot(reader, &key, value)) ||
		      pending_find(&reader->store->pending, &id, found_word, value);
	} while (!hit && look_again(reader, &again));
	return counted(reader, hit);
}

struct sought {
	struct span request;
	struct blob *blob;
};

/* Two requests may have one digest; the newest put comes first. */
static void found_blob(const struct put *put, void *cookie)
{
	struct sought *sought = cookie;
	if (!sought->blob && span_equal(put_tail(put), sought->request))
		sought->blob = blob_get(put->what.blob);
}

/* An image whose request is the one asked for; NULL when there is none. */
static struct blob *read_image(struct store_reader *reader, enum table table,
			       const struct eth_bytes32 *digest, struct span request)
{
	struct store *store = reader->store;
	struct parts parts;
	struct record_image image;
	struct blob *blob = NULL;
	uint64_t key_hash = record_key_hash(store->env.seed, table, digest->bytes, 32);
	int rc = parts_get(reader->txn, store->env.tables[table], digest, &parts);
	bool good = rc == 0 && record_image_open(key_hash, parts.image, &image);
	if (good && span_equal(image.request, request)) {
		if (record_image_body(reader->codec, &image, &blob) == OK)
			use_touch(&store->use, key_hash);
	} else if (!good && (rc == 0 || rc == EBADMSG)) {
		damaged(reader, table, (struct span){(const char *)digest->bytes, 32});
	} else if (rc != 0 && rc != MDB_NOTFOUND && rc != ENOMEM) {
		read_failed(reader, rc);
	}
	free(parts.owned);
	return blob;
}

static struct blob *get_image(struct store_reader *reader, enum table table,
			      const struct put_id *id, const struct eth_bytes32 *digest,
			      struct span request)
{
	struct sought sought = {.request = request};
	bool again = false;
	do {
		if (reader_begin(reader))
			sought.blob = read_image(reader, table, digest, request);
		if (!sought.blob)
			pending_find(&reader->store->pending, id, found_blob, &sought);
	} while (!sought.blob && look_again(reader, &again));
	return sought.blob;
}

enum lookup store_get_code(struct store_reader *reader, const struct eth_bytes32 *code_hash,
			   struct blob **code)
{
	struct put_id id = put_id_digest(PUT_CODE, code_hash);
	*code = get_image(reader, TABLE_CODE, &id, code_hash, (struct span){"", 0});
	return counted(reader, *code != NULL);
}

enum lookup store_get_reply(struct store_reader *reader, struct span request,
			    struct blob **reply)
{
	struct eth_bytes32 digest;
	keccak256(request.ptr, request.len, &digest);
	struct put_id id = put_id_digest(PUT_REPLY, &digest);
	*reply = get_image(reader, TABLE_REPLIES, &id, &digest, request);
	return counted(reader, *reply != NULL);
}

static size_t list_chains(struct store_reader *reader, uint64_t *ids, size_t max)
{
	struct record_key key;
	MDB_cursor *cursor;
	MDB_val k, v;
	size_t n = 0;
	static const struct eth_bytes32 lowest;
	if (mdb_cursor_open(reader->txn, reader->store->env.tables[TABLE_BLOCKS], &cursor) != 0)
		return 0;
	record_key_block(&key, 0, &lowest);
	k = key_val(&key);
	while (mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == 0 && k.mv_size >= 8) {
		uint64_t chain = be64_get(k.mv_data);
		if (n < max)
			ids[n] = chain;
		n++;
		if (chain == UINT64_MAX)
			break;
		record_key_block(&key, chain + 1, &lowest);
		k = key_val(&key);
	}
	mdb_cursor_close(cursor);
	return n;
}

size_t store_chains(struct store *store, uint64_t *ids, size_t max)
{
	struct store_reader *reader;
	if (store_reader_new(store, &reader) != OK)
		return 0;
	size_t n = reader_begin(reader) ? list_chains(reader, ids, max) : 0;
	store_reader_free(&reader);
	return n;
}
