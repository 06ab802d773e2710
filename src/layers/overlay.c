/* SPDX-License-Identifier: MIT */
#include "layers/overlay.h"
#include "layers/journal.h"

struct overlay {
	struct changes *changes;
	struct journal journal;
	bool journaling;
	size_t written; /* accounts that are not as they were made, and slots that are present
			 */
};

enum err overlay_new(struct overlay **out)
{
	*out = NULL;
	struct overlay *overlay = calloc(1, sizeof *overlay);
	if (!overlay)
		return ERR_NOMEM;
	const enum err err = changes_new(&overlay->changes);
	if (err != OK) {
		free(overlay);
		return err;
	}
	journal_init(&overlay->journal);
	*out = overlay;
	return OK;
}

void overlay_free(struct overlay **overlay)
{
	if (!*overlay)
		return;
	journal_release(&(*overlay)->journal);
	changes_free(&(*overlay)->changes);
	free(*overlay);
	*overlay = NULL;
}

void overlay_clear(struct overlay *overlay)
{
	overlay_stop(overlay);
	changes_clear(overlay->changes);
	overlay->written = 0;
}

bool overlay_is_empty(const struct overlay *overlay)
{
	return overlay->written == 0;
}

struct changes *overlay_changes(struct overlay *overlay)
{
	return overlay->changes;
}

size_t overlay_journal_bytes(const struct overlay *overlay)
{
	return overlay->journal.bytes;
}

/* ---- one change each; the room for its undo entry is there ---- */

static bool has_room(struct overlay *overlay)
{
	return !overlay->journaling || journal_reserve(&overlay->journal);
}

static void note(struct overlay *overlay, enum undo_kind kind, void *target, const void *before)
{
	if (overlay->journaling)
		journal_push(&overlay->journal, kind, target, before);
}

static struct undo_account state_of(const struct change_account *account)
{
	return (struct undo_account){.generation = account->generation,
				     .mask = (uint8_t)account->fields.mask,
				     .exists = account->exists,
				     .destructed = account->destructed};
}

static bool is_written(struct undo_account state)
{
	return state.mask != 0 || state.generation != 0 || state.destructed;
}

static void put_state(struct overlay *overlay, struct change_account *account,
		      struct undo_account state)
{
	overlay->written -= is_written(state_of(account));
	overlay->written += is_written(state);
	account->generation = state.generation;
	account->fields.mask = state.mask;
	account->exists = state.exists;
	account->destructed = state.destructed;
	changes_mark_account(overlay->changes, account);
}

static void change_state(struct overlay *overlay, struct change_account *account,
			 struct undo_account state)
{
	const struct undo_account before = state_of(account);
	if (memcmp(&before, &state, sizeof state) == 0)
		return;
	note(overlay, UNDO_ACCOUNT, account, &before);
	put_state(overlay, account, state);
}

/* had: of these three: the field's value was one that was written. */
static void change_balance(struct overlay *overlay, struct change_account *account, bool had,
			   const struct eth_u256 *balance)
{
	if (had && memcmp(&account->fields.balance, balance, sizeof *balance) == 0)
		return;
	if (had)
		note(overlay, UNDO_BALANCE, account, &account->fields.balance);
	account->fields.balance = *balance;
	changes_mark_account(overlay->changes, account);
}

static void change_nonce(struct overlay *overlay, struct change_account *account, bool had,
			 uint64_t nonce)
{
	if (had && account->fields.nonce == nonce)
		return;
	if (had)
		note(overlay, UNDO_NONCE, account, &account->fields.nonce);
	account->fields.nonce = nonce;
	changes_mark_account(overlay->changes, account);
}

static void change_code(struct overlay *overlay, struct change_account *account, bool had,
			const struct eth_bytes32 *hash, struct blob *code)
{
	const struct undo_code before = {account->fields.code_hash, account->code};
	if (had && eth_bytes32_equal(&before.hash, hash) && before.code == code)
		return;
	if (had)
		note(overlay, UNDO_CODE, account, &before);
	account->fields.code_hash = *hash;
	account->code = code;
	changes_mark_account(overlay->changes, account);
}

static void change_fields(struct overlay *overlay, struct change_account *account, unsigned had,
			  const struct account_fields *fields, struct blob *code)
{
	if (fields->mask & ACCOUNT_BALANCE)
		change_balance(overlay, account, had & ACCOUNT_BALANCE, &fields->balance);
	if (fields->mask & ACCOUNT_NONCE)
		change_nonce(overlay, account, had & ACCOUNT_NONCE, fields->nonce);
	if (fields->mask & ACCOUNT_CODE_HASH)
		change_code(overlay, account, had & ACCOUNT_CODE_HASH, &fields->code_hash,
			    code);
}

/* ---- writing ---- */

/* The changes' own reference, which stays as long as they do, or NULL. */
static enum err keep_code(struct overlay *overlay, const struct account_fields *fields,
			  struct blob **code)
{
	if (!(fields->mask & ACCOUNT_CODE_HASH) ||
	    eth_bytes32_equal(&fields->code_hash, &eth_empty_code_hash)) {
		*code = NULL;
		return OK;
	}
	if (*code && changes_add_code(overlay->changes, &fields->code_hash, *code) != OK)
		return ERR_NOMEM;
	*code = changes_find_code(overlay->changes, &fields->code_hash);
	return OK;
}

enum err overlay_set_account(struct overlay *overlay, const struct eth_address *address,
			     const struct account_fields *fields, struct blob *code)
{
	REQUIRE((fields->mask & ~ACCOUNT_ALL) == 0);
	struct change_account *account = changes_account(overlay->changes, address);
	if (!account || !has_room(overlay) || keep_code(overlay, fields, &code) != OK)
		return ERR_NOMEM;
	const unsigned had = account->fields.mask;
	struct undo_account state = state_of(account);
	state.mask |= (uint8_t)fields->mask;
	if ((fields->mask & ACCOUNT_EXISTENCE) ||
	    ((had & ACCOUNT_EXISTENCE) && changes_is_something(fields)))
		state.exists = true;
	change_state(overlay, account, state);
	change_fields(overlay, account, had, fields, code);
	return OK;
}

enum err overlay_set_slot(struct overlay *overlay, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct change_account *account = changes_account(overlay->changes, address);
	struct change_slot *entry =
		account ? changes_slot(overlay->changes, account, slot) : NULL;
	if (!entry || !has_room(overlay))
		return ERR_NOMEM;
	if (change_slot_holds(entry) && eth_bytes32_equal(&entry->value, value))
		return OK;
	const struct undo_slot before = {.value = entry->value,
					 .generation = entry->generation};
	note(overlay, entry->present ? UNDO_SLOT : UNDO_SLOT_ABSENT, entry, &before);
	overlay->written += !entry->present;
	entry->value = *value;
	entry->generation = account->generation;
	entry->present = true;
	changes_mark_slot(overlay->changes, entry);
	return OK;
}

/* Finds the account to be wiped. */
static enum err begin_wipe(struct overlay *overlay, const struct eth_address *address,
			   struct change_account **account)
{
	*account = changes_account(overlay->changes, address);
	if (!*account || !has_room(overlay))
		return ERR_NOMEM;
	return (*account)->generation == UINT32_MAX ? ERR_LIMIT : OK;
}

enum err overlay_destroy(struct overlay *overlay, const struct eth_address *address)
{
	const struct account_fields none = {.mask = ACCOUNT_ALL,
					    .code_hash = eth_empty_code_hash};
	struct change_account *account;
	const enum err err = begin_wipe(overlay, address, &account);
	if (err != OK)
		return err;
	const unsigned had = account->fields.mask;
	change_state(overlay, account,
		     (struct undo_account){.generation = account->generation + 1,
					   .mask = ACCOUNT_ALL,
					   .destructed = true});
	change_fields(overlay, account, had, &none, NULL);
	return OK;
}

enum err overlay_wipe(struct overlay *overlay, const struct eth_address *address)
{
	struct change_account *account;
	const enum err err = begin_wipe(overlay, address, &account);
	if (err != OK)
		return err;
	struct undo_account state = state_of(account);
	state.generation++;
	change_state(overlay, account, state);
	return OK;
}

/* ---- marks ---- */

enum err overlay_take_mark(struct overlay *overlay, overlay_mark *mark)
{
	if (!overlay->journaling && !journal_reserve(&overlay->journal))
		return ERR_NOMEM;
	overlay->journaling = true;
	*mark = overlay->journal.count;
	return OK;
}

void overlay_stop(struct overlay *overlay)
{
	journal_clear(&overlay->journal);
	overlay->journaling = false;
}

size_t overlay_since(const struct overlay *overlay, overlay_mark mark)
{
	REQUIRE(mark <= overlay->journal.count);
	return overlay->journal.count - mark;
}

static void undo_slot(struct overlay *overlay, struct change_slot *slot,
		      const struct undo_slot *before)
{
	if (before) {
		slot->value = before->value;
		slot->generation = before->generation;
	} else {
		slot->present = false;
		overlay->written--;
	}
	changes_mark_slot(overlay->changes, slot);
}

static void undo_code(struct change_account *account, const struct undo_code *before)
{
	account->fields.code_hash = before->hash;
	account->code = before->code;
}

static void undo_one(struct overlay *overlay, struct undo undo)
{
	struct change_account *account = undo.target;
	switch (undo.kind) {
	case UNDO_SLOT_ABSENT:
		undo_slot(overlay, undo.target, NULL);
		return;
	case UNDO_SLOT:
		undo_slot(overlay, undo.target, undo.before);
		return;
	case UNDO_ACCOUNT:
		put_state(overlay, account, *(const struct undo_account *)undo.before);
		return;
	case UNDO_BALANCE:
		account->fields.balance = *(const struct eth_u256 *)undo.before;
		break;
	case UNDO_NONCE:
		account->fields.nonce = *(const uint64_t *)undo.before;
		break;
	case UNDO_CODE:
		undo_code(account, undo.before);
		break;
	case UNDO_KINDS:
		REQUIRE(undo.kind != UNDO_KINDS);
	}
	changes_mark_account(overlay->changes, account);
}

/* What will be written soon is fetched from memory before: of a large state it is in no cache.
 */
static void prefetch(const void *target)
{
	__builtin_prefetch(target, 1);
	__builtin_prefetch((const char *)target + 64, 1);
}

void overlay_revert(struct overlay *overlay, overlay_mark mark)
{
	enum { AHEAD = 12 };
	const size_t n = overlay_since(overlay, mark);
	struct journal_look look = journal_look(&overlay->journal);
	size_t seen = 0;
	for (size_t undone = 0; undone < n; undone++) {
		for (; seen < n && seen < undone + AHEAD; seen++)
			prefetch(journal_look_back(&look));
		undo_one(overlay, journal_pop(&overlay->journal));
	}
}
