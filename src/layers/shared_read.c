/* SPDX-License-Identifier: MIT */
/* Reads: of what memory and file hold, or held when a view was pinned; then of what is below.
 */
#include "layers/shared_impl.h"

static enum lookup failed(struct fault *fault, enum err err)
{
	fault->err = err;
	return FAILED;
}

/* ---- accounts of this layer ---- */

static void take_fields(struct account_fields *to, const struct account_fields *from,
			unsigned mask)
{
	if (mask & ACCOUNT_BALANCE)
		to->balance = from->balance;
	if (mask & ACCOUNT_NONCE)
		to->nonce = from->nonce;
	if (mask & ACCOUNT_CODE_HASH)
		to->code_hash = from->code_hash;
	to->mask |= mask & ~ACCOUNT_EXISTENCE;
}

void shared_merge(struct filedb_account *record, const struct change_account *entry)
{
	take_fields(&record->fields, &entry->fields, entry->fields.mask);
	record->generation = entry->generation;
	record->destructed |= entry->destructed;
	if (entry->fields.mask & ACCOUNT_EXISTENCE) {
		record->has_existence = true;
		record->exists = entry->exists;
	}
}

static enum lookup file_account(struct shared_view *v, const struct eth_address *address,
				struct filedb_account *record, struct fault *fault)
{
	v->reading = true;
	return filedb_get_account(v->reader, address, record, &fault->err, &fault->detail);
}

static void record_of(struct filedb_account *record, const struct history_entry *entry)
{
	record->fields = entry->fields;
	record->fields.mask &= ~ACCOUNT_EXISTENCE;
	record->has_existence = entry->fields.mask & ACCOUNT_EXISTENCE;
	record->exists = entry->exists;
	record->generation = entry->generation;
	record->destructed = entry->destructed;
}

static bool says_something(const struct filedb_account *record)
{
	return record->fields.mask || record->has_existence || record->generation;
}

enum lookup shared_local_account(struct shared_view *v, const struct eth_address *address,
				 unsigned wanted, struct filedb_account *record,
				 struct fault *fault)
{
	struct shared *shared = shared_of(&v->view);
	const struct history_entry *old =
		v->pinned ? history_account(&shared->history, address, v->pin) : NULL;
	*record = (struct filedb_account){.generation = 0};
	if (old) {
		record_of(record, old);
		return says_something(record) ? HIT : MISS;
	}
	const struct change_account *entry = changes_find_account(shared->changes, address);
	if (shared->file && (!entry || (entry->fields.mask & wanted) != wanted)) {
		const enum lookup got = file_account(v, address, record, fault);
		if (got == FAILED)
			return FAILED;
		if (got == MISS)
			*record = (struct filedb_account){.generation = 0};
	}
	if (entry)
		shared_merge(record, entry);
	return says_something(record) ? HIT : MISS;
}

/* ---- slots of this layer ---- */

static struct known_generation *known(struct shared_view *v, const struct eth_address *address)
{
	uint32_t at;
	memcpy(&at, address->bytes + 16, sizeof at);
	return &v->generations[at % GENERATIONS];
}

/* Of an account that memory does not have: most slots that are read are of few accounts. */
static enum lookup file_generation(struct shared_view *v, const struct eth_address *address,
				   uint32_t *generation, struct fault *fault)
{
	struct known_generation *row = known(v, address);
	if (row->snapshot == v->snapshot &&
	    memcmp(&row->address, address, sizeof *address) == 0) {
		*generation = row->generation;
		return HIT;
	}
	struct filedb_account record;
	const enum lookup got = file_account(v, address, &record, fault);
	if (got == FAILED)
		return FAILED;
	*generation = got == HIT ? record.generation : 0;
	*row = (struct known_generation){*address, *generation, v->snapshot};
	return HIT;
}

static enum lookup absent(uint32_t generation, struct eth_bytes32 *value)
{
	if (generation == 0)
		return MISS;
	memset(value, 0, sizeof *value);
	return HIT;
}

static enum lookup file_slot(struct shared_view *v, const struct eth_address *address,
			     uint32_t generation, const struct eth_bytes32 *slot,
			     struct eth_bytes32 *value, struct fault *fault)
{
	if (!v->reader)
		return absent(generation, value);
	v->reading = true;
	const enum lookup got = filedb_get_slot(v->reader, address, generation, slot, value,
						&fault->err, &fault->detail);
	return got == MISS ? absent(generation, value) : got;
}

/* entry: of the account, or NULL. */
static enum lookup generation_of(struct shared_view *v, const struct eth_address *address,
				 const struct change_account *entry, uint32_t *generation,
				 struct fault *fault)
{
	*generation = entry ? entry->generation : 0;
	return entry || !v->reader ? HIT : file_generation(v, address, generation, fault);
}

/* entry: what memory has of it, or NULL. */
static enum lookup current_slot(struct shared_view *v, const struct change_slot *entry,
				uint32_t generation, const struct eth_address *address,
				const struct eth_bytes32 *slot, struct eth_bytes32 *value,
				struct fault *fault)
{
	if (entry && entry->present && entry->generation == generation) {
		*value = entry->value;
		return HIT;
	}
	return file_slot(v, address, generation, slot, value, fault);
}

/*
 * As it was: in the generation that the account had. What was replaced in this generation is
 * in the history. What was replaced in an older one had not been written in this one; of a
 * younger one nothing counts: what this one held then is in the file.
 */
static enum lookup pinned_slot(struct shared_view *v, const struct change_account *account,
			       const struct change_slot *entry,
			       const struct eth_address *address,
			       const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			       struct fault *fault)
{
	const struct history *history = &shared_of(&v->view)->history;
	const struct history_entry *was = history_account(history, address, v->pin);
	const struct history_entry *old = history_slot(history, address, slot, v->pin);
	uint32_t generation;
	if (was)
		generation = was->generation;
	else if (generation_of(v, address, account, &generation, fault) == FAILED)
		return FAILED;
	if (!old)
		return current_slot(v, entry, generation, address, slot, value, fault);
	if (old->generation > generation)
		return file_slot(v, address, generation, slot, value, fault);
	if (old->generation < generation || !old->present)
		return absent(generation, value);
	*value = old->value;
	return HIT;
}

enum lookup shared_local_slot(struct shared_view *v, const struct eth_address *address,
			      const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			      struct fault *fault)
{
	const struct changes *changes = shared_of(&v->view)->changes;
	if (!v->pinned && !v->reader)
		return changes_read_slot(changes, address, slot, value);
	struct change_account *account;
	const struct change_slot *entry = changes_find_both(changes, address, slot, &account);
	uint32_t generation;
	if (v->pinned)
		return pinned_slot(v, account, entry, address, slot, value, fault);
	if (generation_of(v, address, account, &generation, fault) == FAILED)
		return FAILED;
	return current_slot(v, entry, generation, address, slot, value, fault);
}

/* ---- through the layers ---- */

enum lookup shared_slot(struct layer_view *view, const struct eth_address *address,
			const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			struct needs *needs, struct fault *fault)
{
	struct shared_view *v = shared_view_of(view);
	shared_go_in(shared_of(view), v);
	const enum lookup got = shared_local_slot(v, address, slot, value, fault);
	gate_leave(&v->place);
	if (got != MISS)
		return got;
	if (view->below)
		return layer_slot(view->below, address, slot, value, needs, fault);
	memset(value, 0, sizeof *value);
	return HIT;
}

/* What nobody has written is empty. */
static void fill_empty(struct account_state *out, unsigned mask)
{
	static const struct account_fields none;
	struct account_fields empty = none;
	empty.code_hash = eth_empty_code_hash;
	take_fields(&out->fields, &empty, mask & ~ACCOUNT_EXISTENCE);
	if (mask & ACCOUNT_EXISTENCE)
		out->exists = false;
}

static enum lookup below_account(struct layer_view *view, const struct eth_address *address,
				 unsigned missing, struct account_state *out,
				 struct needs *needs, struct fault *fault)
{
	struct account_state below = {.exists = false};
	if (!view->below) {
		fill_empty(out, missing);
		return HIT;
	}
	const enum lookup got =
		layer_account(view->below, address, missing, &below, needs, fault);
	take_fields(&out->fields, &below.fields, below.fields.mask & missing);
	if (got == HIT && (missing & ACCOUNT_EXISTENCE))
		out->exists = below.exists;
	return got;
}

/* Most accounts that are read are here as a whole: without a record in between. From inside. */
static bool take_current(struct shared_view *v, const struct eth_address *address,
			 unsigned wanted, struct account_state *out)
{
	if (v->pinned)
		return false;
	const struct change_account *entry =
		changes_find_account(shared_of(&v->view)->changes, address);
	if (!entry || (entry->fields.mask & wanted) != wanted)
		return false;
	out->fields = entry->fields;
	out->exists = entry->fields.mask & ACCOUNT_EXISTENCE
			      ? entry->exists
			      : changes_is_something(&entry->fields);
	return true;
}

/* Of all that is here and below; from inside, ends outside. */
static enum lookup merge_account(struct shared_view *v, const struct eth_address *address,
				 unsigned wanted, struct account_state *out,
				 struct needs *needs, struct fault *fault)
{
	struct filedb_account record;
	const enum lookup got = shared_local_account(v, address, wanted, &record, fault);
	gate_leave(&v->place);
	if (got == FAILED)
		return FAILED;
	out->fields = record.fields;
	out->exists = record.has_existence ? record.exists : changes_is_something(&out->fields);
	unsigned missing = wanted & ~out->fields.mask;
	if (record.has_existence || out->exists)
		missing &= ~ACCOUNT_EXISTENCE;
	return missing ? below_account(&v->view, address, missing, out, needs, fault) : HIT;
}

enum lookup shared_account(struct layer_view *view, const struct eth_address *address,
			   unsigned wanted, struct account_state *out, struct needs *needs,
			   struct fault *fault)
{
	struct shared_view *v = shared_view_of(view);
	const struct shared *shared = shared_of(view);
	const bool by_fields = (wanted & ACCOUNT_EXISTENCE) && !shared->keep_empty;
	const unsigned fields =
		by_fields ? (wanted & ~ACCOUNT_EXISTENCE) | ACCOUNT_FIELDS : wanted;
	shared_go_in(shared_of(view), v);
	enum lookup got = HIT;
	if (take_current(v, address, fields, out))
		gate_leave(&v->place);
	else
		got = merge_account(v, address, fields, out, needs, fault);
	if (got == HIT && by_fields)
		out->exists = changes_is_something(&out->fields);
	if (got == HIT)
		out->fields.mask |= wanted & ACCOUNT_EXISTENCE;
	return got;
}

/* ---- code ---- */

/* From inside. *code: one reference. */
static enum lookup local_code(struct shared_view *v, const struct eth_bytes32 *hash,
			      struct blob **code, struct fault *fault)
{
	struct blob *found = changes_find_code(shared_of(&v->view)->changes, hash);
	*code = found ? blob_get(found) : NULL;
	if (found || !v->reader)
		return found ? HIT : MISS;
	v->reading = true;
	return filedb_get_code(v->reader, hash, code, &fault->err, &fault->detail);
}

enum lookup shared_code_by_hash(struct layer_view *view, const struct eth_bytes32 *code_hash,
				struct blob **code, struct fault *fault)
{
	shared_enter(view);
	const enum lookup got = local_code(shared_view_of(view), code_hash, code, fault);
	shared_leave(view);
	if (got != MISS || !view->below)
		return got;
	return layer_code_by_hash(view->below, code_hash, code, fault);
}

static enum lookup lost(const struct eth_address *address, struct fault *fault)
{
	char hex[40];
	eth_hex(address->bytes, 20, hex);
	err_set(&fault->detail, ERR_CORRUPT, "the code of 0x%.40s is not here", hex);
	return failed(fault, ERR_CORRUPT);
}

/* MISS: this layer does not say which code it is. */
static enum lookup own_code(struct shared_view *v, const struct eth_address *address,
			    struct eth_bytes32 *hash, struct blob **code, struct fault *fault)
{
	struct filedb_account record;
	const enum lookup got =
		shared_local_account(v, address, ACCOUNT_CODE_HASH, &record, fault);
	if (got == FAILED)
		return FAILED;
	if (!(record.fields.mask & ACCOUNT_CODE_HASH))
		return MISS;
	*hash = record.fields.code_hash;
	if (eth_bytes32_equal(hash, &eth_empty_code_hash))
		return HIT;
	const struct history_entry *old =
		v->pinned ? history_account(&shared_of(&v->view)->history, address, v->pin)
			  : NULL;
	if (old && old->code) {
		*code = blob_get(old->code);
		return HIT;
	}
	const enum lookup found = local_code(v, hash, code, fault);
	return found == MISS ? PENDING : found;
}

enum lookup shared_code(struct layer_view *view, const struct eth_address *address,
			struct blob **code, struct needs *needs, struct fault *fault)
{
	struct eth_bytes32 hash;
	*code = NULL;
	shared_enter(view);
	enum lookup got = own_code(shared_view_of(view), address, &hash, code, fault);
	shared_leave(view);
	if (got == MISS)
		return view->below ? layer_code(view->below, address, code, needs, fault) : HIT;
	if (got != PENDING)
		return got;
	/* The hash was written here, its code is below. */
	got = view->below ? layer_code_by_hash(view->below, &hash, code, fault) : MISS;
	return got == MISS ? lost(address, fault) : got;
}
