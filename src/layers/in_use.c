/* SPDX-License-Identifier: MIT */
#include "layers/in_use.h"
#include "base/buf.h"
#include "layers/keys.h"
#include <pthread.h>

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

static bool rooted_in_use(const struct memcache *memory, enum cell_kind kind,
			  const struct store_record *record, struct span name)
{
	struct cell_key key;

	key_rooted(&key, kind, &record->hash, name);
	return memcache_cell_peek(memory, &key);
}

static bool is_used(struct memcache *memory, const struct store_record *record)
{
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
	case STORE_ROOTED_ACCOUNT:
		return rooted_in_use(memory, CELL_ROOTED_STORAGE_ROOT, record,
				     (struct span){(const char *)record->address.bytes,
						   sizeof record->address.bytes});
	case STORE_ROOTED_SLOT:
		return rooted_in_use(memory, CELL_ROOTED_SLOT, record,
				     (struct span){(const char *)record->slot.bytes,
						   sizeof record->slot.bytes});
	}
	return false;
}

/* Of all memories of all stores. The second is held while the list is read and changed; the
 * first around that and the store's being told, so that a store is told in order. A store asks
 * with its own lock held, which telling takes too: so it asks under the second only. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct in_use *list;

static bool ask_all(void *cookie, const struct store_record *record)
{
	const struct store *store = cookie;
	bool used = false;

	pthread_mutex_lock(&list_lock);
	for (const struct in_use *at = list; at != NULL && !used; at = at->next)
		used = at->store == store && is_used(at->memory, record);
	pthread_mutex_unlock(&list_lock);
	return used;
}

static bool has_user(const struct store *store)
{
	for (const struct in_use *at = list; at != NULL; at = at->next)
		if (at->store == store)
			return true;
	return false;
}

void in_use_add(struct in_use *user, struct store *store, struct memcache *memory)
{
	pthread_mutex_lock(&order);
	pthread_mutex_lock(&list_lock);
	*user = (struct in_use){.store = store, .memory = memory, .next = list};
	list = user;
	pthread_mutex_unlock(&list_lock);
	store_set_in_use(store, ask_all, store);
	pthread_mutex_unlock(&order);
}

void in_use_remove(struct in_use *user)
{
	if (user->store == NULL)
		return;
	pthread_mutex_lock(&order);
	pthread_mutex_lock(&list_lock);
	struct in_use **at = &list;
	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	const bool last = !has_user(user->store);
	pthread_mutex_unlock(&list_lock);
	if (last)
		store_set_in_use(user->store, NULL, NULL);
	user->store = NULL;
	pthread_mutex_unlock(&order);
}
