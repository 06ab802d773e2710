/* SPDX-License-Identifier: MIT */
#include "cache/store_impl.h"
#include <errno.h>
#include <stdlib.h>

static int get_part(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, unsigned part,
		    MDB_val *out)
{
	struct record_key key;
	record_key_part(&key, digest, part);
	MDB_val k = key_val(&key);
	return mdb_get(txn, dbi, &k, out);
}

/* The first part has been copied already. */
static int gather(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, char *to,
		  size_t len)
{
	size_t at = RECORD_PART_BYTES;
	for (unsigned part = 1; at < len; part++) {
		MDB_val v;
		int rc = get_part(txn, dbi, digest, part, &v);
		if (rc == MDB_NOTFOUND)
			return EBADMSG;
		if (rc != 0)
			return rc;
		size_t want = len - at < RECORD_PART_BYTES ? len - at : RECORD_PART_BYTES;
		if (v.mv_size != want)
			return EBADMSG;
		memcpy(to + at, v.mv_data, want);
		at += want;
	}
	return 0;
}

int parts_get(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, struct parts *out)
{
	MDB_val first;
	*out = (struct parts){0};
	int rc = get_part(txn, dbi, digest, 0, &first);
	if (rc != 0)
		return rc;
	size_t len = record_image_length(val_span(first));
	if (len <= RECORD_PART_BYTES) {
		out->image = val_span(first);
		return 0;
	}
	/* a damaged head may say anything */
	if (first.mv_size != RECORD_PART_BYTES || len > 2 * (size_t)RECORD_BODY_MAX)
		return EBADMSG;
	out->owned = malloc(len);
	if (!out->owned)
		return ENOMEM;
	memcpy(out->owned, first.mv_data, RECORD_PART_BYTES);
	rc = gather(txn, dbi, digest, out->owned, len);
	if (rc != 0) {
		free(out->owned);
		out->owned = NULL;
	}
	out->image = (struct span){out->owned, len};
	return rc;
}

int parts_put(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest,
	      const unsigned char *image, size_t len)
{
	unsigned part = 0;
	for (size_t at = 0; at < len; at += RECORD_PART_BYTES) {
		struct record_key key;
		record_key_part(&key, digest, part++);
		size_t n = len - at < RECORD_PART_BYTES ? len - at : RECORD_PART_BYTES;
		MDB_val k = key_val(&key), v = val(image + at, n);
		int rc = mdb_put(txn, dbi, &k, &v, 0);
		if (rc != 0)
			return rc;
	}
	return parts_remove(txn, dbi, digest, part);
}

int parts_remove(MDB_txn *txn, MDB_dbi dbi, const struct eth_bytes32 *digest, unsigned from)
{
	MDB_cursor *cursor;
	struct record_key key;
	record_key_part(&key, digest, from);
	int rc = mdb_cursor_open(txn, dbi, &cursor);
	if (rc != 0)
		return rc;
	MDB_val k = key_val(&key), v;
	while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE)) == 0) {
		if (k.mv_size < 32 || memcmp(k.mv_data, digest->bytes, 32) != 0)
			break;
		rc = mdb_cursor_del(cursor, 0);
		if (rc != 0)
			break;
		k = key_val(&key);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}
