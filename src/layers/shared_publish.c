/* SPDX-License-Identifier: MIT */
/*
 * A publication: collect what was written, look for conflicts, note what it replaces, find
 * room; then, behind the shut gate, steps that cannot fail.
 */
#include "layers/shared_impl.h"

/* Rows that are kept for the next publication. */
#define ROWS_KEPT 4096

struct publication {
	struct shared *shared;
	struct shared_view *view;
	const struct changes *changes; /* or */
	struct change_account *one;
	bool durable;
	struct err_detail *detail;
	struct history_record *record; /* NULL: nobody needs it */
	struct changes *old;	       /* which has been written to the file */
};

static enum err no_memory(const struct publication *p)
{
	return err_set(p->detail, ERR_NOMEM, "memory for a publication was refused");
}

/* ---- what was written ---- */

/* Room for one more. */
static bool reserve(void **rows, size_t n, size_t *capacity, size_t row_bytes)
{
	if (n < *capacity)
		return true;
	const size_t wanted = *capacity ? 2 * *capacity : 16;
	void *grown = realloc(*rows, wanted * row_bytes);
	if (!grown)
		return false;
	*rows = grown;
	*capacity = wanted;
	return true;
}

static void rows_clear(struct rows *rows)
{
	rows->accounts_n = rows->slots_n = 0;
	if (rows->accounts_capacity + rows->slots_capacity <= ROWS_KEPT)
		return;
	free(rows->accounts);
	free(rows->slots);
	*rows = (struct rows){.accounts = NULL};
}

static bool add_slot(struct rows *rows, struct change_slot *slot)
{
	void *slots = rows->slots;
	if (!reserve(&slots, rows->slots_n, &rows->slots_capacity, sizeof *rows->slots))
		return false;
	rows->slots = slots;
	rows->slots[rows->slots_n++] = (struct slot_row){.from = slot};
	return true;
}

static bool add_account(struct rows *rows, struct change_account *account)
{
	const size_t before = rows->slots_n;
	void *accounts = rows->accounts;
	for (struct change_slot *slot = account->slots; slot; slot = slot->next)
		if (change_slot_holds(slot) && !add_slot(rows, slot))
			return false;
	if (!account->fields.mask && !account->generation && rows->slots_n == before)
		return true;
	if (!reserve(&accounts, rows->accounts_n, &rows->accounts_capacity,
		     sizeof *rows->accounts))
		return false;
	rows->accounts = accounts;
	rows->accounts[rows->accounts_n++] =
		(struct account_row){.from = account, .slots_n = rows->slots_n - before};
	return true;
}

static struct change_account *next_account(const struct publication *p,
					   const struct change_account *after)
{
	return p->changes ? changes_next(p->changes, after) : after ? NULL : p->one;
}

/* What is there, and what was there. */
static enum err collect(struct publication *p)
{
	struct rows *rows = &p->shared->rows;
	enum err err = OK;
	for (struct change_account *a = next_account(p, NULL); a; a = next_account(p, a))
		if (!add_account(rows, a))
			return no_memory(p);
	for (size_t i = 0; p->shared->file && i < rows->accounts_n && !err; i++) {
		struct account_row *row = &rows->accounts[i];
		err = shared_read_before(p->shared, &row->from->address, &row->before,
					 p->detail);
	}
	return err;
}

/* ---- conflicts ---- */

static unsigned wrote(const struct account_row *row)
{
	const struct change_account *from = row->from;
	unsigned wrote = from->fields.mask & ACCOUNT_FIELDS;
	if (from->fields.mask & ACCOUNT_EXISTENCE)
		wrote |= from->exists ? WROTE_THERE : WROTE_GONE;
	if (from->generation > 0)
		wrote |= WROTE_WIPE;
	return row->slots_n > 0 ? wrote | WROTE_SLOTS : wrote;
}

/* NULL: none. */
static const char *clash(unsigned mine, unsigned theirs)
{
	const unsigned both = mine & theirs;
	if (both & ACCOUNT_BALANCE)
		return "the balance";
	if (both & ACCOUNT_NONCE)
		return "the nonce";
	if (both & ACCOUNT_CODE_HASH)
		return "the code";
	if (((mine & WROTE_THERE) && (theirs & WROTE_GONE)) ||
	    ((mine & WROTE_GONE) && (theirs & WROTE_THERE)))
		return "the existence";
	if (((mine & WROTE_WIPE) && (theirs & (WROTE_WIPE | WROTE_SLOTS))) ||
	    ((theirs & WROTE_WIPE) && (mine & WROTE_SLOTS)))
		return "the storage";
	return NULL;
}

static enum err conflict(const struct publication *p, const char *what,
			 const struct eth_address *address)
{
	char hex[40];
	eth_hex(address->bytes, 20, hex);
	return err_set(p->detail, ERR_CONFLICT,
		       "%s of 0x%.40s has been written since the transaction began", what, hex);
}

static enum err slot_conflict(const struct publication *p, const struct change_slot *slot)
{
	char hex[64], what[80];
	eth_hex(slot->slot.bytes, 32, hex);
	snprintf(what, sizeof what, "slot 0x%.64s", hex);
	return conflict(p, what, &slot->account->address);
}

static enum err find_conflict(const struct publication *p)
{
	const struct history *history = &p->shared->history;
	const struct rows *rows = &p->shared->rows;
	const struct slot_row *slot = rows->slots;
	const uint64_t pin = p->view->pin;
	for (size_t i = 0; i < rows->accounts_n; i++) {
		const struct account_row *row = &rows->accounts[i];
		const unsigned theirs = history_wrote(history, &row->from->address, pin);
		const char *what = clash(wrote(row), theirs);
		if (what)
			return conflict(p, what, &row->from->address);
		for (size_t k = 0; k < row->slots_n; k++, slot++)
			if ((theirs & WROTE_SLOTS) &&
			    history_slot(history, &row->from->address, &slot->from->slot, pin))
				return slot_conflict(p, slot->from);
	}
	return OK;
}

/* ---- what is replaced ---- */

/* With a file memory may forget what a wipe has left behind: it is noted while it is there. */
static bool notes_wiped(const struct publication *p, const struct account_row *row)
{
	return p->shared->file && row->from->generation > 0;
}

static size_t count_wiped(const struct publication *p, const struct account_row *row)
{
	const struct change_account *to =
		changes_find_account(p->shared->changes, &row->from->address);
	size_t n = 0;
	for (const struct change_slot *s = to ? to->slots : NULL; s; s = s->next)
		n += change_slot_holds(s);
	return n;
}

static void note_slot(struct history_entry *entry, const struct change_slot *was)
{
	entry->present = was->present;
	entry->generation = was->generation;
	entry->value = was->value;
}

static void note_wiped(struct publication *p, const struct account_row *row)
{
	const struct history *history = &p->shared->history;
	const struct change_account *to =
		changes_find_account(p->shared->changes, &row->from->address);
	for (const struct change_slot *s = to ? to->slots : NULL; s; s = s->next)
		if (change_slot_holds(s))
			note_slot(
				history_record_slot(history, p->record, &to->address, &s->slot),
				s);
}

static void note_account(struct publication *p, const struct account_row *row)
{
	struct history_entry *entry =
		history_record_account(&p->shared->history, p->record, &row->from->address);
	const struct change_account *to =
		changes_find_account(p->shared->changes, &row->from->address);
	entry->wrote = wrote(row);
	if (to && to->code)
		entry->code = blob_get(to->code);
	if (p->shared->file) {
		entry->fields = row->before.fields;
		entry->fields.mask |= row->before.has_existence ? ACCOUNT_EXISTENCE : 0;
		entry->exists = row->before.exists;
		entry->generation = row->before.generation;
		entry->destructed = row->before.destructed;
	} else if (to) {
		entry->fields = to->fields;
		entry->exists = to->exists;
		entry->generation = to->generation;
		entry->destructed = to->destructed;
	}
}

/* A slot that memory does not have is looked up in the file. */
static enum err note_replaced(struct publication *p, const struct account_row *row,
			      const struct change_slot *from)
{
	const struct shared *shared = p->shared;
	const struct eth_address *address = &row->from->address;
	const struct change_account *to = changes_find_account(shared->changes, address);
	const struct change_slot *was =
		to ? changes_find_slot(shared->changes, to, &from->slot) : NULL;
	enum err err = OK;
	if (was && was->present && notes_wiped(p, row) && change_slot_holds(was))
		return OK; /* it is noted already */
	struct history_entry *entry =
		history_record_slot(&shared->history, p->record, address, &from->slot);
	if (was && was->present) {
		note_slot(entry, was);
		return OK;
	}
	entry->generation = to ? to->generation : shared->file ? row->before.generation : 0;
	if (!shared->file)
		return OK;
	const enum lookup got = filedb_get_slot(shared->reader, address, entry->generation,
						&from->slot, &entry->value, &err, p->detail);
	entry->present = got == HIT;
	return err;
}

static enum err note_all(struct publication *p)
{
	const struct rows *rows = &p->shared->rows;
	const struct slot_row *slot = rows->slots;
	enum err err = OK;
	for (size_t i = 0; i < rows->accounts_n && !err; i++) {
		const struct account_row *row = &rows->accounts[i];
		note_account(p, row);
		if (notes_wiped(p, row))
			note_wiped(p, row);
		for (size_t k = 0; k < row->slots_n && !err; k++, slot++)
			err = note_replaced(p, row, slot->from);
	}
	return err;
}

/* Whether anybody else reads the past. */
static bool is_watched(const struct publication *p)
{
	const struct shared_view *first = p->shared->first_pin;
	return first && (first != p->view || first->next_pin);
}

static enum err note(struct publication *p)
{
	const struct rows *rows = &p->shared->rows;
	size_t n = rows->accounts_n + rows->slots_n;
	if (!is_watched(p))
		return OK;
	for (size_t i = 0; i < rows->accounts_n; i++)
		if (notes_wiped(p, &rows->accounts[i]))
			n += count_wiped(p, &rows->accounts[i]);
	p->record = history_record_new(&p->shared->history, n);
	return p->record ? note_all(p) : no_memory(p);
}

/* ---- into memory: the gate is shut ---- */

static enum err find_account_room(struct shared *shared, struct account_row *row)
{
	const struct change_account *from = row->from;
	const bool has_code = (from->fields.mask & ACCOUNT_CODE_HASH) && from->code;
	row->to = changes_find_account(shared->changes, &from->address);
	if (!row->to) {
		row->to = changes_account(shared->changes, &from->address);
		if (!row->to)
			return ERR_NOMEM;
		row->to->generation = row->before.generation;
	}
	return has_code ? changes_add_code(shared->changes, &from->fields.code_hash, from->code)
			: OK;
}

/* Entries that are made and not written to mean nothing. */
static enum err find_room(struct shared *shared)
{
	struct slot_row *slot = shared->rows.slots;
	enum err err = OK;
	for (size_t i = 0; i < shared->rows.accounts_n && !err; i++) {
		struct account_row *row = &shared->rows.accounts[i];
		err = find_account_room(shared, row);
		for (size_t k = 0; k < row->slots_n && !err; k++, slot++) {
			slot->to = changes_slot(shared->changes, row->to, &slot->from->slot);
			err = slot->to ? OK : ERR_NOMEM;
		}
	}
	return err;
}

static void put_account(struct shared *shared, const struct account_row *row)
{
	const struct change_account *from = row->from;
	struct change_account *to = row->to;
	const unsigned mask = from->fields.mask;
	if (mask & ACCOUNT_BALANCE)
		to->fields.balance = from->fields.balance;
	if (mask & ACCOUNT_NONCE)
		to->fields.nonce = from->fields.nonce;
	if (mask & ACCOUNT_CODE_HASH) {
		to->fields.code_hash = from->fields.code_hash;
		to->code = changes_find_code(shared->changes, &from->fields.code_hash);
	}
	if (mask & ACCOUNT_EXISTENCE)
		to->exists = from->exists;
	else if (changes_is_something(&from->fields))
		to->exists = true;
	to->fields.mask |= mask;
	to->generation += from->generation > 0;
	to->destructed |= from->destructed;
}

static void put_slot(const struct slot_row *row)
{
	row->to->value = row->from->value;
	row->to->generation = row->to->account->generation;
	row->to->present = true;
}

/* Leaves the gate shut, but for an error. */
static enum err put_in_memory(struct publication *p)
{
	struct shared *shared = p->shared;
	gate_shut(&shared->gate, &p->view->place);
	if (find_room(shared) != OK) {
		gate_open(&shared->gate);
		return no_memory(p);
	}
	for (size_t i = 0; i < shared->rows.accounts_n; i++)
		put_account(shared, &shared->rows.accounts[i]);
	for (size_t i = 0; i < shared->rows.slots_n; i++)
		put_slot(&shared->rows.slots[i]);
	if (shared->file)
		shared->pending += shared->rows.accounts_n + shared->rows.slots_n;
	return OK;
}

/* ---- the publication ---- */

/* The gate is shut. */
static void finish(struct publication *p)
{
	struct shared *shared = p->shared;
	shared->sequence++;
	if (p->record)
		history_add(&shared->history, &p->record, shared->sequence);
	if (p->view->pinned) {
		shared_unlink_pin(shared, p->view);
		shared_link_pin(shared, p->view);
	}
	for (const struct shared_listener *l = shared->listeners; l; l = l->next)
		for (size_t i = 0; i < shared->rows.accounts_n; i++)
			l->changed(l->cookie, shared->sequence, shared->rows.accounts[i].from);
	for (size_t i = 0; i < shared->rows.accounts_n; i++)
		shared->has_garbage |= shared->rows.accounts[i].from->generation > 0;
}

static enum err check_generations(const struct publication *p)
{
	const struct rows *rows = &p->shared->rows;
	for (size_t i = 0; i < rows->accounts_n; i++) {
		const struct account_row *row = &rows->accounts[i];
		if (row->from->generation == 0)
			continue;
		const struct change_account *to =
			changes_find_account(p->shared->changes, &row->from->address);
		if ((to ? to->generation : row->before.generation) == UINT32_MAX)
			return err_set(p->detail, ERR_LIMIT,
				       "a storage was wiped 2^32 - 1 times");
	}
	return OK;
}

static enum err put_all(struct publication *p)
{
	struct shared *shared = p->shared;
	const size_t n = shared->rows.accounts_n + shared->rows.slots_n;
	enum err err = check_generations(p);
	if (!err && p->view->pinned)
		err = find_conflict(p);
	if (!err)
		err = note(p);
	if (err)
		return err;
	if (shared->file && (p->durable || shared->pending + n > SHARED_PENDING_MAX))
		return shared_write(shared, &shared->rows, &p->old, p->detail);
	return put_in_memory(p);
}

static enum err publish(struct publication *p)
{
	struct shared *shared = p->shared;
	struct history_record *gone = NULL;
	pthread_mutex_lock(&shared->turn);
	enum err err = collect(p);
	const bool is_nothing = shared->rows.accounts_n == 0 &&
				!(shared->file && p->durable && shared->pending > 0);
	if (!err && !is_nothing)
		err = put_all(p);
	if (!err && !is_nothing) {
		finish(p);
		gate_open(&shared->gate);
		if (p->view->pinned)
			gone = shared_drop_history(shared, p->view);
		if (p->old)
			shared_sweep(shared);
	}
	if (shared->reader)
		filedb_reader_rest(shared->reader);
	rows_clear(&shared->rows);
	pthread_mutex_unlock(&shared->turn);
	history_record_free(&p->record);
	history_record_free(&gone);
	changes_free(&p->old);
	return err;
}

enum err shared_publish(struct layer_view *view, struct overlay *overlay, bool durable,
			struct err_detail *detail)
{
	struct publication p = {.shared = shared_of(view),
				.view = shared_view_of(view),
				.changes = overlay_changes(overlay),
				.durable = durable,
				.detail = detail};
	REQUIRE(p.view->place.depth == 0);
	return publish(&p);
}

enum err shared_publish_one(struct layer_view *view, struct change_account *account,
			    struct err_detail *detail)
{
	struct publication p = {.shared = shared_of(view),
				.view = shared_view_of(view),
				.one = account,
				.detail = detail};
	REQUIRE(p.view->place.depth == 0);
	return publish(&p);
}
