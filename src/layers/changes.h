/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a layer of writes holds: accounts and slots by name, and the code they brought.
 *
 * An entry says what was written, not what the state is: fields outside of an account's mask,
 * and slots without an entry, are the business of whatever lies below. Every account has a
 * generation. A slot's entry holds while its generation is its account's; wiping the storage
 * raises the generation, so that it takes one step whatever the account holds, and going back
 * to the old one brings the storage back. Generation 0: what lies below is seen through;
 * above: a slot without an entry is zero (HIT, not MISS).
 *
 * An account and its slots stay where they are (pointers are good until changes_free); an
 * entry that was undone stays too, with mask 0 or present false, and is found again by the
 * next write of that key. One thread writes; several may read while nobody writes.
 *
 * Cost: 96 bytes a slot and 192 an account, and for each 11 to 16 bytes of an index (27 for the
 * moment in which it grows). Growing rehashes all of a kind: a write takes that long once in so
 * many; reverting never grows anything.
 */
#include "base/blob.h"
#include "base/eth.h"
#include "cache/store.h" /* struct account_fields and its mask */

struct changes;

/* More of an account's mask: whether it is there at all. What has a field that is not empty is
 * there, too (EIP-161); this bit tells apart an empty account from none, before Spurious
 * Dragon. */
#define ACCOUNT_EXISTENCE 16u
#define ACCOUNT_FIELDS	  (ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH)
#define ACCOUNT_ALL	  (ACCOUNT_FIELDS | ACCOUNT_EXISTENCE)

struct change_account {
	struct eth_address address;
	uint32_t generation;
	struct account_fields fields; /* mask: what was written; never ACCOUNT_STORAGE_ROOT */
	bool exists;		      /* with ACCOUNT_EXISTENCE */
	bool destructed;	      /* by changes' owner: a self-destruct was the last word on
					 what lies below */
	bool dirty;		      /* in the list of changes_take_dirty */
	struct blob *code; /* of fields.code_hash, one of changes_add_code; NULL: none came */
	struct change_slot *slots; /* newest first, by next; those of old generations too */
	struct change_slot *dirty_slots; /* by next_dirty */
	struct change_account *next_dirty;
	struct change_account *next; /* in the order of their making */
	uint64_t hash;		     /* of the address */
};

struct change_slot {
	struct eth_bytes32 slot, value;
	struct change_account *account;
	struct change_slot *next, *next_dirty;
	uint32_t generation;
	bool present, dirty;
};

/* Whether the entry's value is the slot's: it was written, and the storage has not been wiped
 * since. */
static inline bool change_slot_holds(const struct change_slot *slot)
{
	return slot->present && slot->generation == slot->account->generation;
}

enum err changes_new(struct changes **out) WARN_UNUSED;
void changes_free(struct changes **changes);
/* Empties it, marks and all, and gives its memory back. */
void changes_clear(struct changes *changes);
/* How often that was: nothing tells of what went by it. */
uint64_t changes_clears(const struct changes *changes);

/* NULL: no entry. */
struct change_account *changes_find_account(const struct changes *changes,
					    const struct eth_address *address);
struct change_slot *changes_find_slot(const struct changes *changes,
				      const struct change_account *account,
				      const struct eth_bytes32 *slot);
/* Both at once, which is quicker: what the index says of the slot is fetched while the account
 * is looked for. */
struct change_slot *changes_find_both(const struct changes *changes,
				      const struct eth_address *address,
				      const struct eth_bytes32 *slot,
				      struct change_account **account);
/* Finds or makes; a new one has mask 0, or present false. NULL: memory was refused. */
struct change_account *changes_account(struct changes *changes,
				       const struct eth_address *address);
struct change_slot *changes_slot(struct changes *changes, struct change_account *account,
				 const struct eth_bytes32 *slot);
/* Code by its hash: takes a reference of its own. It stays until changes_clear. */
enum err changes_add_code(struct changes *changes, const struct eth_bytes32 *code_hash,
			  struct blob *code) WARN_UNUSED;
/* Borrowed until changes_clear; NULL: not here. */
struct blob *changes_find_code(const struct changes *changes,
			       const struct eth_bytes32 *code_hash);

/* Whether a field of the mask is not empty: then the account is there (EIP-161). */
bool changes_is_something(const struct account_fields *fields);

/* Reads with the rules of the generations. HIT: all of wanted is here; MISS: some is not. In
 * both cases out->mask says which fields are here, wanted or not, and *exists (NULL allowed)
 * is set if ACCOUNT_EXISTENCE is among them. */
enum lookup changes_read_account(const struct changes *changes,
				 const struct eth_address *address, unsigned wanted,
				 struct account_fields *out, bool *exists);
enum lookup changes_read_slot(const struct changes *changes, const struct eth_address *address,
			      const struct eth_bytes32 *slot, struct eth_bytes32 *value);

/* Every account entry in the order of its making; NULL before the first and after the last. */
struct change_account *changes_next(const struct changes *changes,
				    const struct change_account *after);
size_t changes_bytes(const struct changes *changes);

/* What was touched, written or undone, since it was last taken: for whoever keeps a trie in
 * step. Marking is the owner's (overlay.c, shared.c); a slot that is dirty has an account that
 * is. A wiped storage marks the account only: its generation tells. */
void changes_mark_account(struct changes *changes, struct change_account *account);
void changes_mark_slot(struct changes *changes, struct change_slot *slot);
/* Takes the list, by next_dirty; NULL: nothing is. The caller walks it, and the dirty_slots of
 * each, and calls changes_cleaned for each account, which ends the marks of both; the links of
 * the lists stay as they are until something is marked again. */
struct change_account *changes_take_dirty(struct changes *changes);
void changes_cleaned(struct change_account *account);
