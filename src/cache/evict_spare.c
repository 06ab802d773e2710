/* SPDX-License-Identifier: MIT */
/*
 * What eviction leaves alone because somebody above uses it.
 *
 * A record that goes is named as its callers know it. Facts lie under block ids, and no table
 * leads from an id back to the block's hash, so a round reads the table of blocks once, when
 * it first needs a name. A table of fixed size holds the names; of two ids that share a place
 * the larger stays, since it is that of the later block.
 *
 * A record that is spared is touched: in this process's memory it may stay for days, and is
 * not asked for again until it is among the coldest once more. A round spares a bounded
 * number of records, which half of the steps that one group of puts waits for can look at.
 */
#include "cache/store_impl.h"
#include <stdlib.h>

#define NAMES 16384
/* As many records of blocks are read for names: some 50 MB of pages. */
#define NAMES_READ_MAX (1u << 18)

struct block_name {
	uint64_t id; /* 0: none */
	struct eth_bytes32 hash;
};

void spare_begin(struct store *store, size_t spares)
{
	pthread_mutex_lock(&store->in_use_lock);
	store->evict.spares_left = store->in_use ? spares : 0;
	pthread_mutex_unlock(&store->in_use_lock);
	store->evict.names_read = false;
}

void spare_release(struct store *store)
{
	free(store->evict.names);
	store->evict.names = NULL;
}

static void note_name(struct store *store, struct span key, struct span value)
{
	struct block_header header;
	uint64_t id,
		key_hash = record_key_hash(store->env.seed, TABLE_BLOCKS, key.ptr, key.len);
	if (key.len != 8 + 32 || !record_block_decode(key_hash, value, &id, &header))
		return;
	struct block_name *name = &store->evict.names[id % NAMES];
	if (id < name->id)
		return;
	name->id = id;
	memcpy(name->hash.bytes, key.ptr + 8, 32);
}

static void read_names(struct store *store, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	store->evict.names_read = true;
	if (!store->evict.names)
		store->evict.names = malloc(NAMES * sizeof *store->evict.names);
	if (!store->evict.names)
		return;
	memset(store->evict.names, 0, NAMES * sizeof *store->evict.names);
	if (mdb_cursor_open(txn, store->env.tables[TABLE_BLOCKS], &cursor) != 0)
		return;
	for (unsigned i = 0;
	     i < NAMES_READ_MAX && mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0; i++)
		note_name(store, val_span(k), val_span(v));
	mdb_cursor_close(cursor);
}

static bool find_name(struct store *store, MDB_txn *txn, uint64_t id, struct eth_bytes32 *hash)
{
	if (!store->evict.names_read)
		read_names(store, txn);
	const struct block_name *name =
		store->evict.names ? &store->evict.names[id % NAMES] : NULL;
	if (!name || name->id != id)
		return false;
	*hash = name->hash;
	return true;
}

static bool is_of_chain(const struct store *store, struct span key, size_t rest)
{
	return key.len == 8 + rest &&
	       be64_get((const unsigned char *)key.ptr) ==
		       atomic_load_explicit(&store->chain, memory_order_relaxed);
}

static bool describe_rooted(enum table table, struct span key, struct store_record *out)
{
	struct span name;
	if (!record_key_open_rooted(key, &out->hash, &name))
		return false;
	out->kind = table == TABLE_SLOTS ? STORE_ROOTED_SLOT : STORE_ROOTED_ACCOUNT;
	if (table == TABLE_SLOTS)
		memcpy(out->slot.bytes + 32 - name.len, name.ptr, name.len);
	else if (name.len == sizeof out->address.bytes)
		memcpy(out->address.bytes, name.ptr, name.len);
	return table == TABLE_SLOTS || name.len == sizeof out->address.bytes;
}

/* False: nobody above can know it. */
static bool describe(struct store *store, MDB_txn *txn, enum table table, struct span key,
		     struct span value, struct store_record *out)
{
	uint64_t id;
	switch (table) {
	case TABLE_SLOTS:
	case TABLE_ACCOUNTS:
		if (describe_rooted(table, key, out))
			return true;
		out->kind = table == TABLE_SLOTS ? STORE_SLOT : STORE_ACCOUNT;
		return record_key_open(key, &id, &out->address, &out->slot) &&
		       find_name(store, txn, id, &out->hash);
	case TABLE_REPLIES:
		out->kind = STORE_REPLY;
		out->request = record_image_request(value);
		return out->request.ptr != NULL;
	case TABLE_CODE:
		out->kind = STORE_CODE;
		memcpy(out->hash.bytes, key.ptr, 32);
		return true;
	case TABLE_BINDINGS:
		out->kind = STORE_BINDING;
		if (!is_of_chain(store, key, 8))
			return false;
		out->number = be64_get((const unsigned char *)key.ptr + 8);
		return true;
	case TABLE_BLOCKS:
		out->kind = STORE_HEADER;
		if (!is_of_chain(store, key, 32))
			return false;
		memcpy(out->hash.bytes, key.ptr + 8, 32);
		return true;
	case TABLE_CODEREF:
	case TABLE_META:
	case TABLE_COUNT:
		break;
	}
	return false;
}

static bool is_in_use(struct store *store, const struct store_record *record)
{
	pthread_mutex_lock(&store->in_use_lock);
	bool in_use = store->in_use && store->in_use(store->in_use_cookie, record);
	pthread_mutex_unlock(&store->in_use_lock);
	return in_use;
}

bool spare(struct store *store, MDB_txn *txn, enum table table, struct span key,
	   uint64_t key_hash, struct span value)
{
	struct store_record record = {0};
	if (store->evict.spares_left == 0 ||
	    !describe(store, txn, table, key, value, &record) || !is_in_use(store, &record))
		return false;
	store->evict.spares_left--;
	use_touch(&store->use, key_hash);
	return true;
}
