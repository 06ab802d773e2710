/* SPDX-License-Identifier: MIT */
/* What is committed under one block or one root. */
#include "cache/store_impl.h"

static enum table table_of(const struct store_list *list)
{
	return list->kind == STORE_LIST_ACCOUNTS ? TABLE_ACCOUNTS : TABLE_SLOTS;
}

/* What the keys of the list begin with. False: there are none. */
static bool prefix_of(struct store_reader *reader, const struct store_list *list,
		      struct record_key *prefix)
{
	static const struct eth_bytes32 no_slot;
	uint64_t id;

	if (list->by_root) {
		record_key_rooted_slot(prefix, &list->of, &no_slot);
		return true;
	}
	if (!reader_block_id(reader, &list->of, &id))
		return false;
	record_key_facts(prefix, id);
	return true;
}

/* False: no such record, or a damaged one, which is passed over. */
static bool read_row(const struct store_reader *reader, const struct store_list *list,
		     struct span key, struct span value, struct store_row *row)
{
	const uint64_t key_hash =
		record_key_hash(reader->store->env.seed, table_of(list), key.ptr, key.len);
	struct eth_bytes32 root;
	struct span name;
	uint64_t id;

	*row = (struct store_row){0};
	if (!list->by_root && !record_key_open(key, &id, &row->address, &row->slot))
		return false;
	if (list->by_root) {
		if (!record_key_open_rooted(key, &root, &name))
			return false;
		if (list->kind != STORE_LIST_ACCOUNTS)
			memcpy(row->slot.bytes + 32 - name.len, name.ptr, name.len);
		else if (name.len == sizeof row->address.bytes)
			memcpy(row->address.bytes, name.ptr, name.len);
		else
			return false;
	}
	return list->kind == STORE_LIST_ACCOUNTS
		       ? record_account_decode(key_hash, value, &row->fields)
		       : record_slot_decode(key_hash, value, &row->value);
}

static bool begins_with(MDB_val k, const struct record_key *prefix)
{
	return k.mv_size >= prefix->len && memcmp(k.mv_data, prefix->bytes, prefix->len) == 0;
}

size_t store_list_next(struct store_reader *reader, struct store_list *list,
		       struct store_row *rows, size_t max)
{
	struct record_key prefix;
	MDB_cursor *cursor;
	size_t n = 0;

	if (!reader_begin(reader) || !prefix_of(reader, list, &prefix) ||
	    mdb_cursor_open(reader->txn, reader->store->env.tables[table_of(list)], &cursor) !=
		    0)
		return 0;
	MDB_val k = list->at_len > 0 ? val(list->at, list->at_len) : key_val(&prefix), v;
	int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	if (rc == 0 && list->at_len == k.mv_size &&
	    memcmp(k.mv_data, list->at, list->at_len) == 0)
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	while (rc == 0 && n < max && begins_with(k, &prefix) && k.mv_size <= sizeof list->at) {
		memcpy(list->at, k.mv_data, k.mv_size);
		list->at_len = k.mv_size;
		n += read_row(reader, list, val_span(k), val_span(v), &rows[n]);
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return n;
}
