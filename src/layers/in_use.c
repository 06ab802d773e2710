/* SPDX-License-Identifier: MIT */
#include "layers/in_use.h"
#include "base/buf.h"
#include "layers/keys.h"

static bool fact_in_use(const struct memcache *memory, enum cell_kind kind,
			const struct store_record *record)
{
	struct cell_key key;

	key_fact(&key, kind, &record->hash, &record->address,
		 kind == CELL_SLOT ? &record->slot : NULL);
	return memcache_cell_peek(memory, &key);
}

static bool number_in_use(const struct memcache *memory, const struct store_record *record)
{
	struct cell_key key;

	key_number(&key, record->number);
	return memcache_cell_peek(memory, &key);
}

static bool header_in_use(const struct memcache *memory, const struct store_record *record)
{
	struct cell_key key;

	key_hash(&key, &record->hash);
	return memcache_cell_peek(memory, &key);
}

static bool blob_in_use(struct memcache *memory, char kind, struct span bytes)
{
	struct buf key;

	buf_init(&key, 1 + bytes.len);
	buf_char(&key, kind);
	buf_span(&key, bytes);
	bool used = buf_err(&key) == OK && memcache_blob_peek(memory, buf_as_span(&key));
	buf_release(&key);
	return used;
}

bool in_use(void *cookie, const struct store_record *record)
{
	struct memcache *memory = cookie;

	switch (record->kind) {
	case STORE_SLOT:
		return fact_in_use(memory, CELL_SLOT, record);
	case STORE_ACCOUNT:
		return fact_in_use(memory, CELL_BALANCE, record) ||
		       fact_in_use(memory, CELL_NONCE, record) ||
		       fact_in_use(memory, CELL_CODE_HASH, record) ||
		       fact_in_use(memory, CELL_STORAGE_ROOT, record);
	case STORE_HEADER:
		return header_in_use(memory, record);
	case STORE_BINDING:
		return number_in_use(memory, record);
	case STORE_CODE:
		return blob_in_use(memory, BLOB_CODE,
				   (struct span){(const char *)record->hash.bytes, 32});
	case STORE_REPLY:
		return blob_in_use(memory, BLOB_REPLY, record->request);
	}
	return false;
}
