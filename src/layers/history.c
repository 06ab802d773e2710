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

/* ---- adding and dropping ---- */

static struct history_entry **place(const struct history *history, uint64_t hash)
{
	return &history->places[hash & (history->places_n - 1)];
}

static void link_record(struct history *history, struct history_record *record)
{
	for (size_t i = 0; i < record->n; i++) {
		struct history_entry *entry = &record->entries[i];
		struct history_entry **head = place(history, entry->hash);
		entry->next = *head;
		*head = entry;
	}
}

/* Oldest first, so that each place is newest first again. */
static void take_places(struct history *history, struct history_record *from)
{
	free(history->places);
	history->places = from->places;
	history->places_n = from->places_n;
	from->places = NULL;
	for (struct history_record *r = history->first; r; r = r->next)
		link_record(history, r);
}

void history_add(struct history *history, struct history_record **record, uint64_t sequence)
{
	struct history_record *added = *record;
	*record = NULL;
	for (size_t i = 0; i < added->n; i++)
		added->entries[i].sequence = sequence;
	if (added->places)
		take_places(history, added);
	link_record(history, added);
	history->entries_n += added->n;
	if (history->last)
		history->last->next = added;
	else
		history->first = added;
	history->last = added;
}

/* The oldest are last. */
static void unlink_entry(struct history *history, const struct history_entry *entry)
{
	struct history_entry **link = place(history, entry->hash);
	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
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

static const struct history_entry *find(const struct history *history,
					const struct eth_address *address,
					const struct eth_bytes32 *slot, uint64_t after)
{
	const struct history_entry *found = NULL;
	if (history->entries_n == 0)
		return NULL;
	const uint64_t hash = hash_of(history, address, slot);
	for (const struct history_entry *e = *place(history, hash); e && e->sequence > after;
	     e = e->next)
		if (is_key(e, hash, address, slot))
			found = e;
	return found;
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
	if (history->entries_n == 0)
		return 0;
	const uint64_t hash = hash_of(history, address, NULL);
	for (const struct history_entry *e = *place(history, hash); e && e->sequence > after;
	     e = e->next)
		if (is_key(e, hash, address, NULL))
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
