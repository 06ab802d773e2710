/* SPDX-License-Identifier: MIT */
#include "layers/history.h"
#include "cache/keyhash.h"

#define PLACES_FIRST ((size_t)64)

struct history_record {
	struct history_record *next;
	struct history_entry **places; /* a larger index, for history_add */
	size_t places_n, n, capacity;
	struct history_entry entries[];
};

void history_init(struct history *history, uint64_t seed)
{
	*history = (struct history){.seed = seed};
}

void history_release(struct history *history)
{
	history_record_free(&history->first);
	free(history->places);
	history_init(history, history->seed);
}

struct history_record *history_record_new(const struct history *history, size_t entries)
{
	struct history_record *record =
		calloc(1, sizeof *record + entries * sizeof *record->entries);
	if (!record)
		return NULL;
	record->capacity = entries;
	size_t places_n = history->places_n ? history->places_n : PLACES_FIRST;
	while (places_n < history->entries_n + entries)
		places_n *= 2;
	if (places_n == history->places_n)
		return record;
	record->places_n = places_n;
	record->places = calloc(places_n, sizeof(struct history_entry *));
	if (!record->places)
		history_record_free(&record);
	return record;
}

void history_record_free(struct history_record **record)
{
	while (*record) {
		struct history_record *gone = *record;
		*record = gone->next;
		for (size_t i = 0; i < gone->n; i++)
			if (!gone->entries[i].is_slot)
				blob_put(&gone->entries[i].code);
		free(gone->places);
		free(gone);
	}
}

/* ---- keys ---- */

static uint64_t hash_of(const struct history *history, const struct eth_address *address,
			const struct eth_bytes32 *slot)
{
	unsigned char key[20 + 32];
	memcpy(key, address->bytes, 20);
	if (slot)
		memcpy(key + 20, slot->bytes, 32);
	return keyhash_bytes((struct span){(const char *)key, slot ? 52 : 20}, history->seed);
}

static bool is_key(const struct history_entry *entry, uint64_t hash,
		   const struct eth_address *address, const struct eth_bytes32 *slot)
{
	return entry->hash == hash && entry->is_slot == (slot != NULL) &&
	       memcmp(&entry->address, address, sizeof *address) == 0 &&
	       (!slot || eth_bytes32_equal(&entry->slot, slot));
}

static struct history_entry *make(const struct history *history, struct history_record *record,
				  const struct eth_address *address,
				  const struct eth_bytes32 *slot)
{
	REQUIRE(record->n < record->capacity);
	struct history_entry *entry = &record->entries[record->n++];
	entry->hash = hash_of(history, address, slot);
	entry->address = *address;
	entry->is_slot = slot != NULL;
	if (slot)
		entry->slot = *slot;
	return entry;
}

struct history_entry *history_record_account(const struct history *history,
					     struct history_record *record,
					     const struct eth_address *address)
{
	return make(history, record, address, NULL);
}

struct history_entry *history_record_slot(const struct history *history,
					  struct history_record *record,
					  const struct eth_address *address,
					  const struct eth_bytes32 *slot)
{
	return make(history, record, address, slot);
}

/* The link to the newest entry of a key, or to the end of its place. */
static struct history_entry **newest(const struct history *history, uint64_t hash,
				     const struct eth_address *address,
				     const struct eth_bytes32 *slot)
{
	struct history_entry **link = &history->places[hash & (history->places_n - 1)];
	while (*link && !is_key(*link, hash, address, slot))
		link = &(*link)->next;
	return link;
}

static struct history_entry **newest_like(const struct history *history,
					  const struct history_entry *entry)
{
	return newest(history, entry->hash, &entry->address,
		      entry->is_slot ? &entry->slot : NULL);
}

/* ---- adding and dropping ---- */

static void link_entry(struct history *history, struct history_entry *entry)
{
	struct history_entry **link = newest_like(history, entry);
	struct history_entry *before = *link;
	entry->next = before ? before->next : NULL;
	entry->older = before;
	entry->oldest = before ? before->oldest : entry;
	if (before)
		before->newer = entry;
	*link = entry;
}

static void take_places(struct history *history, struct history_record *from)
{
	struct history_entry **old = history->places;
	const size_t old_n = history->places_n;
	history->places = from->places;
	history->places_n = from->places_n;
	from->places = NULL;
	for (size_t i = 0; i < old_n; i++)
		for (struct history_entry *entry = old[i], *next; entry; entry = next) {
			struct history_entry **head =
				&history->places[entry->hash & (history->places_n - 1)];
			next = entry->next;
			entry->next = *head;
			*head = entry;
		}
	free(old);
}

void history_add(struct history *history, struct history_record **record, uint64_t sequence)
{
	struct history_record *added = *record;
	*record = NULL;
	if (added->places)
		take_places(history, added);
	for (size_t i = 0; i < added->n; i++) {
		added->entries[i].sequence = sequence;
		link_entry(history, &added->entries[i]);
	}
	history->entries_n += added->n;
	if (history->last)
		history->last->next = added;
	else
		history->first = added;
	history->last = added;
}

/* It is the oldest of its key. */
static void unlink_entry(struct history *history, const struct history_entry *entry)
{
	struct history_entry **link = newest_like(history, entry);
	if (*link == entry) {
		*link = entry->next;
		return;
	}
	(*link)->oldest = entry->newer;
	entry->newer->older = NULL;
}

static bool is_until(const struct history_record *record, uint64_t sequence)
{
	return record->n == 0 || record->entries[0].sequence <= sequence;
}

struct history_record *history_drop(struct history *history, uint64_t sequence)
{
	struct history_record *list = history->first, *end = NULL;
	for (struct history_record *r = list; r && is_until(r, sequence); r = r->next) {
		for (size_t i = 0; i < r->n; i++)
			unlink_entry(history, &r->entries[i]);
		history->entries_n -= r->n;
		end = r;
	}
	if (!end)
		return NULL;
	history->first = end->next;
	if (!history->first)
		history->last = NULL;
	end->next = NULL;
	return list;
}

/* ---- finding ---- */

static const struct history_entry *find_newest(const struct history *history,
					       const struct eth_address *address,
					       const struct eth_bytes32 *slot)
{
	if (history->entries_n == 0)
		return NULL;
	return *newest(history, hash_of(history, address, slot), address, slot);
}

static const struct history_entry *find(const struct history *history,
					const struct eth_address *address,
					const struct eth_bytes32 *slot, uint64_t after)
{
	const struct history_entry *down = find_newest(history, address, slot), *up;
	if (!down || down->sequence <= after)
		return NULL;
	for (up = down->oldest; up->sequence <= after; up = up->newer) {
		if (down->older->sequence <= after)
			return down;
		down = down->older;
	}
	return up;
}

const struct history_entry *history_account(const struct history *history,
					    const struct eth_address *address, uint64_t after)
{
	return find(history, address, NULL, after);
}

const struct history_entry *history_slot(const struct history *history,
					 const struct eth_address *address,
					 const struct eth_bytes32 *slot, uint64_t after)
{
	return find(history, address, slot, after);
}

unsigned history_wrote(const struct history *history, const struct eth_address *address,
		       uint64_t after)
{
	unsigned wrote = 0;
	for (const struct history_entry *e = find_newest(history, address, NULL);
	     e && e->sequence > after; e = e->older)
		wrote |= e->wrote;
	return wrote;
}

enum err history_each(const struct history *history, uint64_t after, history_each_fn *fn,
		      void *cookie)
{
	enum err err = OK;
	for (const struct history_record *r = history->first; r && !err; r = r->next)
		for (size_t i = 0; i < r->n && r->entries[i].sequence > after && !err; i++)
			err = fn(cookie, &r->entries[i]);
	return err;
}
