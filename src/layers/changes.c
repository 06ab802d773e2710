/* SPDX-License-Identifier: MIT */
#include "layers/changes.h"
#include "cache/keyhash.h"
#include "layers/table.h"
#include <sys/random.h>

struct change_code {
	struct eth_bytes32 hash;
	struct blob *code;
};

struct changes {
	struct table accounts, slots, codes;
	struct change_account *first, *last; /* by next */
	struct change_account *dirty;	     /* by next_dirty */
	size_t code_bytes;
	uint64_t seed;
	uint64_t clears;
};

_Static_assert(sizeof(struct change_slot) == 96, "the header says what a slot costs");
_Static_assert(sizeof(struct change_account) == 192, "the header says what an account costs");

enum err changes_new(struct changes **out)
{
	struct changes *changes = calloc(1, sizeof *changes);
	*out = NULL;
	if (!changes)
		return ERR_NOMEM;
	if (getrandom(&changes->seed, sizeof changes->seed, 0) != sizeof changes->seed) {
		free(changes);
		return ERR_IO;
	}
	table_init(&changes->accounts, sizeof(struct change_account));
	table_init(&changes->slots, sizeof(struct change_slot));
	table_init(&changes->codes, sizeof(struct change_code));
	*out = changes;
	return OK;
}

static void put_code(void *entry)
{
	struct change_code *code = entry;
	blob_put(&code->code);
}

void changes_clear(struct changes *changes)
{
	table_each(&changes->codes, put_code);
	table_release(&changes->accounts);
	table_release(&changes->slots);
	table_release(&changes->codes);
	changes->first = changes->last = changes->dirty = NULL;
	changes->code_bytes = 0;
	changes->clears++;
}

uint64_t changes_clears(const struct changes *changes)
{
	return changes->clears;
}

void changes_free(struct changes **changes)
{
	if (!*changes)
		return;
	changes_clear(*changes);
	free(*changes);
	*changes = NULL;
}

size_t changes_bytes(const struct changes *changes)
{
	return sizeof *changes + changes->accounts.bytes + changes->slots.bytes +
	       changes->codes.bytes + changes->code_bytes;
}

/* ---- finding and making ---- */

/* A slot's hash is of its account's too, so that both can be looked for at once. */
static uint64_t hash_slot(uint64_t account_hash, const struct eth_bytes32 *slot)
{
	return keyhash_word(slot, account_hash);
}

static uint64_t hash_of_account(const void *cookie, const void *entry)
{
	(void)cookie;
	return ((const struct change_account *)entry)->hash;
}

static uint64_t hash_of_slot(const void *cookie, const void *entry)
{
	const struct change_slot *slot = entry;
	(void)cookie;
	return hash_slot(slot->account->hash, &slot->slot);
}

static uint64_t hash_of_code(const void *cookie, const void *entry)
{
	const struct changes *changes = cookie;
	const struct change_code *code = entry;
	return keyhash_word(&code->hash, changes->seed);
}

static inline struct change_account *find_account(const struct changes *changes, uint64_t hash,
						  const struct eth_address *address)
{
	struct table_probe probe = table_probe(&changes->accounts, hash);
	struct change_account *account;
	do {
		account = table_next(&changes->accounts, &probe);
	} while (account && !eth_address_equal(&account->address, address));
	return account;
}

struct change_account *changes_find_account(const struct changes *changes,
					    const struct eth_address *address)
{
	return find_account(changes, keyhash_address(address, changes->seed), address);
}

static inline struct change_slot *find_slot(const struct changes *changes, uint64_t hash,
					    const struct change_account *account,
					    const struct eth_bytes32 *name)
{
	struct table_probe probe = table_probe(&changes->slots, hash);
	struct change_slot *slot;
	do {
		slot = table_next(&changes->slots, &probe);
	} while (slot && (slot->account != account || !eth_bytes32_equal(&slot->slot, name)));
	return slot;
}

struct change_slot *changes_find_slot(const struct changes *changes,
				      const struct change_account *account,
				      const struct eth_bytes32 *slot)
{
	return find_slot(changes, hash_slot(account->hash, slot), account, slot);
}

__attribute__((flatten)) struct change_slot *changes_find_both(
	const struct changes *changes, const struct eth_address *address,
	const struct eth_bytes32 *slot, struct change_account **account)
{
	*account = NULL;
	if (!changes->first)
		return NULL;
	const uint64_t account_hash = keyhash_address(address, changes->seed);
	const uint64_t hash = hash_slot(account_hash, slot);
	table_prefetch(&changes->slots, hash);
	*account = find_account(changes, account_hash, address);
	return *account ? find_slot(changes, hash, *account, slot) : NULL;
}

struct change_account *changes_account(struct changes *changes,
				       const struct eth_address *address)
{
	const uint64_t hash = keyhash_address(address, changes->seed);
	struct change_account *account = find_account(changes, hash, address);
	if (account)
		return account;
	account = table_add(&changes->accounts, hash, hash_of_account, changes);
	if (!account)
		return NULL;
	account->address = *address;
	account->hash = hash;
	if (changes->last)
		changes->last->next = account;
	else
		changes->first = account;
	changes->last = account;
	return account;
}

struct change_slot *changes_slot(struct changes *changes, struct change_account *account,
				 const struct eth_bytes32 *slot)
{
	const uint64_t hash = hash_slot(account->hash, slot);
	struct change_slot *entry = find_slot(changes, hash, account, slot);
	if (entry)
		return entry;
	entry = table_add(&changes->slots, hash, hash_of_slot, changes);
	if (!entry)
		return NULL;
	entry->slot = *slot;
	entry->account = account;
	entry->next = account->slots;
	account->slots = entry;
	return entry;
}

struct change_account *changes_next(const struct changes *changes,
				    const struct change_account *after)
{
	return after ? after->next : changes->first;
}

/* ---- code ---- */

struct blob *changes_find_code(const struct changes *changes,
			       const struct eth_bytes32 *code_hash)
{
	struct table_probe probe =
		table_probe(&changes->codes, keyhash_word(code_hash, changes->seed));
	const struct change_code *entry;
	do {
		entry = table_next(&changes->codes, &probe);
	} while (entry && !eth_bytes32_equal(&entry->hash, code_hash));
	return entry ? entry->code : NULL;
}

enum err changes_add_code(struct changes *changes, const struct eth_bytes32 *code_hash,
			  struct blob *code)
{
	if (changes_find_code(changes, code_hash))
		return OK;
	struct change_code *entry = table_add(
		&changes->codes, keyhash_word(code_hash, changes->seed), hash_of_code, changes);
	if (!entry)
		return ERR_NOMEM;
	*entry = (struct change_code){*code_hash, blob_get(code)};
	changes->code_bytes += sizeof *code + code->len;
	return OK;
}

/* ---- reading ---- */

bool changes_is_something(const struct account_fields *fields)
{
	static const struct eth_u256 zero;
	return ((fields->mask & ACCOUNT_BALANCE) &&
		memcmp(&fields->balance, &zero, sizeof zero) != 0) ||
	       ((fields->mask & ACCOUNT_NONCE) && fields->nonce != 0) ||
	       ((fields->mask & ACCOUNT_CODE_HASH) &&
		!eth_bytes32_equal(&fields->code_hash, &eth_empty_code_hash));
}

enum lookup changes_read_account(const struct changes *changes,
				 const struct eth_address *address, unsigned wanted,
				 struct account_fields *out, bool *exists)
{
	const struct change_account *account = changes_find_account(changes, address);
	if (!account) {
		out->mask = 0;
		return wanted ? MISS : HIT;
	}
	*out = account->fields;
	bool is_there = account->exists;
	if (!(out->mask & ACCOUNT_EXISTENCE) && changes_is_something(out)) {
		is_there = true;
		out->mask |= ACCOUNT_EXISTENCE;
	}
	if (exists && (out->mask & ACCOUNT_EXISTENCE))
		*exists = is_there;
	return (out->mask & wanted) == wanted ? HIT : MISS;
}

__attribute__((flatten)) enum lookup changes_read_slot(const struct changes *changes,
						       const struct eth_address *address,
						       const struct eth_bytes32 *slot,
						       struct eth_bytes32 *value)
{
	struct change_account *account;
	const struct change_slot *entry = changes_find_both(changes, address, slot, &account);
	if (entry && change_slot_holds(entry)) {
		*value = entry->value;
		return HIT;
	}
	if (!account || account->generation == 0)
		return MISS;
	memset(value, 0, sizeof *value);
	return HIT;
}

/* ---- what was touched ---- */

void changes_mark_account(struct changes *changes, struct change_account *account)
{
	if (account->dirty)
		return;
	account->dirty = true;
	account->dirty_slots = NULL;
	account->next_dirty = changes->dirty;
	changes->dirty = account;
}

void changes_mark_slot(struct changes *changes, struct change_slot *slot)
{
	if (slot->dirty)
		return;
	changes_mark_account(changes, slot->account);
	slot->dirty = true;
	slot->next_dirty = slot->account->dirty_slots;
	slot->account->dirty_slots = slot;
}

struct change_account *changes_take_dirty(struct changes *changes)
{
	struct change_account *list = changes->dirty;
	changes->dirty = NULL;
	return list;
}

void changes_cleaned(struct change_account *account)
{
	for (struct change_slot *slot = account->dirty_slots; slot; slot = slot->next_dirty)
		slot->dirty = false;
	account->dirty = false;
}
