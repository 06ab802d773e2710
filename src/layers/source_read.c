/* SPDX-License-Identifier: MIT */
/* Tries of a source: what this view was given, then the caches. */
#include "layers/source_impl.h"

#define ALL_FIELDS (ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH | ACCOUNT_STORAGE_ROOT)

/* The fields of an account, one by one. */
static const struct field {
	unsigned bit;
	enum fed_kind fed;
	enum fact_kind fact;
	enum need_kind need;
} all_fields[] = {
	{ACCOUNT_BALANCE, FED_BALANCE, FACT_BALANCE, NEED_BALANCE},
	{ACCOUNT_NONCE, FED_NONCE, FACT_NONCE, NEED_NONCE},
	{ACCOUNT_CODE_HASH, FED_CODE_HASH, FACT_CODE_HASH, NEED_CODE},
	{ACCOUNT_STORAGE_ROOT, FED_STORAGE_ROOT, FACT_STORAGE_ROOT, NEED_PROOF},
};
#define FIELDS_N (sizeof all_fields / sizeof all_fields[0])

/* Only this view's thread writes them. */
static void count(struct source_view *view, enum source_count which)
{
	atomic_ullong *counter = &view->counts[which];

	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void set_field(struct account_fields *fields, unsigned bit,
		      const struct eth_bytes32 *value)
{
	if (bit == ACCOUNT_BALANCE)
		memcpy(fields->balance.bytes, value->bytes, 32);
	else if (bit == ACCOUNT_NONCE)
		fields->nonce = be64_get(value->bytes + 24);
	else if (bit == ACCOUNT_CODE_HASH)
		fields->code_hash = *value;
	else
		fields->storage_root = *value;
	fields->mask |= bit;
}

static bool cached(struct source_view *view, enum fact_kind kind,
		   const struct eth_address *address, const struct eth_bytes32 *slot,
		   struct eth_bytes32 *value)
{
	const struct stack_block *block = &view->source->anchor.block;

	if (stack_get_word(view->stack, kind, &block->at.hash, address, slot, value) == HIT)
		return true;
	struct fact fact = {.kind = kind, .address = *address, .block = *block};
	if (slot != NULL)
		fact.slot = *slot;
	fact_prepare(view->stack, &fact);
	if (stack_get_fact(view->stack, &fact) != HIT)
		return false;
	*value = fact.value;
	return true;
}

/* What is known of an account, of the fields that are wanted. A storage root counts only where
 * it was proved under this block's state root: some nodes invent it. */
static void known_fields(struct source_view *view, const struct eth_address *address,
			 unsigned wanted, struct account_fields *out)
{
	const struct source *source = view->source;
	struct account_fields rooted;
	struct eth_bytes32 value;

	out->mask = 0;
	for (size_t i = 0; i < FIELDS_N && view->fed.n > 0; i++) {
		const struct fed_key key = {.kind = all_fields[i].fed, .address = *address};
		if ((wanted & all_fields[i].bit) && fed_get(&view->fed, &key, &value, NULL))
			set_field(out, all_fields[i].bit, &value);
	}
	for (size_t i = 0; i < FIELDS_N && !source->verify; i++)
		if ((wanted & ~out->mask & all_fields[i].bit) &&
		    all_fields[i].bit != ACCOUNT_STORAGE_ROOT &&
		    cached(view, all_fields[i].fact, address, NULL, &value))
			set_field(out, all_fields[i].bit, &value);
	if ((wanted & ~out->mask) == 0 ||
	    stack_get_rooted_account(view->stack, &source->anchor.header.state_root, address,
				     &rooted) != HIT)
		return;
	rooted.mask = ALL_FIELDS;
	const unsigned have = out->mask;
	const struct account_fields fed = *out;
	*out = rooted;
	if (have & ACCOUNT_BALANCE)
		out->balance = fed.balance;
	if (have & ACCOUNT_NONCE)
		out->nonce = fed.nonce;
	if (have & ACCOUNT_CODE_HASH)
		out->code_hash = fed.code_hash;
	if (have & ACCOUNT_STORAGE_ROOT)
		out->storage_root = fed.storage_root;
}

bool source_code_hash(struct source_view *view, const struct eth_address *address,
		      struct eth_bytes32 *code_hash)
{
	struct account_fields fields = {0};

	known_fields(view, address, ACCOUNT_CODE_HASH, &fields);
	*code_hash = fields.code_hash;
	return (fields.mask & ACCOUNT_CODE_HASH) != 0;
}

/* EIP-161: there if any of the three is not empty. False: not known yet. */
static bool existence(const struct account_fields *fields, bool *exists)
{
	static const unsigned three = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	static const struct eth_u256 zero;

	*exists = ((fields->mask & ACCOUNT_BALANCE) &&
		   memcmp(&fields->balance, &zero, sizeof zero) != 0) ||
		  ((fields->mask & ACCOUNT_NONCE) && fields->nonce != 0) ||
		  ((fields->mask & ACCOUNT_CODE_HASH) &&
		   !eth_bytes32_equal(&fields->code_hash, &eth_empty_code_hash));
	return *exists || (fields->mask & three) == three;
}

static enum lookup lacking(const struct need *need, struct needs *needs, struct fault *fault)
{
	if (needs == NULL)
		return MISS;
	const enum err err = needs_add(needs, need);
	if (err == OK)
		return MISS;
	fault->err = err;
	err_set(&fault->detail, err,
		err == ERR_LIMIT ? "too many reads are noted: fetch them first"
				 : "out of memory");
	return FAILED;
}

/* With verify one proof brings all; else each field is asked for by itself. */
static enum lookup fields_lacking(const struct source *source,
				  const struct eth_address *address, unsigned lack,
				  struct needs *needs, struct fault *fault)
{
	struct need need = {.kind = NEED_PROOF, .address = *address};
	enum lookup found = MISS;

	if (source->verify || (lack & ACCOUNT_STORAGE_ROOT))
		return lacking(&need, needs, fault);
	for (size_t i = 0; i < FIELDS_N && found == MISS; i++) {
		if ((lack & all_fields[i].bit) == 0)
			continue;
		need.kind = all_fields[i].need;
		found = lacking(&need, needs, fault);
	}
	return found;
}

enum lookup source_account(struct layer_view *layer_view, const struct eth_address *address,
			   unsigned wanted, struct account_state *out, struct needs *needs,
			   struct fault *fault)
{
	struct source_view *view = source_view_of(layer_view);
	unsigned fields = wanted & ALL_FIELDS;

	*out = (struct account_state){0};
	if (wanted & ACCOUNT_EXISTENCE)
		fields |= ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	known_fields(view, address, fields, &out->fields);
	unsigned lack = fields & ~out->fields.mask;
	if ((wanted & ACCOUNT_EXISTENCE) && existence(&out->fields, &out->exists)) {
		out->fields.mask |= ACCOUNT_EXISTENCE;
		lack &= wanted;
	}
	if (lack == 0) {
		count(view, SOURCE_ACCOUNT_HITS);
		return HIT;
	}
	count(view, SOURCE_ACCOUNT_MISSES);
	return fields_lacking(view->source, address, lack, needs, fault);
}

/* By the storage root that the account was proved to have at this block. */
static bool slot_by_root(struct source_view *view, const struct eth_address *address,
			 const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	struct account_fields fields = {0};

	known_fields(view, address, ACCOUNT_STORAGE_ROOT, &fields);
	if ((fields.mask & ACCOUNT_STORAGE_ROOT) == 0)
		return false;
	if (eth_bytes32_equal(&fields.storage_root, &eth_empty_trie_root)) {
		*value = (struct eth_bytes32){{0}};
		return true;
	}
	return stack_get_rooted_slot(view->stack, &fields.storage_root, slot, value) == HIT;
}

static bool find_slot(struct source_view *view, const struct eth_address *address,
		      const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	if (view->fed.n > 0) {
		const struct fed_key key = {
			.kind = FED_SLOT, .address = *address, .slot = *slot};
		if (fed_get(&view->fed, &key, value, NULL))
			return true;
	}
	if (!view->source->verify && cached(view, FACT_SLOT, address, slot, value))
		return true;
	return slot_by_root(view, address, slot, value);
}

enum lookup source_slot(struct layer_view *layer_view, const struct eth_address *address,
			const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			struct needs *needs, struct fault *fault)
{
	struct source_view *view = source_view_of(layer_view);

	if (find_slot(view, address, slot, value)) {
		count(view, SOURCE_SLOT_HITS);
		return HIT;
	}
	count(view, SOURCE_SLOT_MISSES);
	const struct need need = {.kind = NEED_SLOT, .address = *address, .slot = *slot};
	return lacking(&need, needs, fault);
}

static bool find_code(struct source_view *view, const struct eth_bytes32 *code_hash,
		      struct blob **code)
{
	const struct fed_key key = {.kind = FED_CODE, .slot = *code_hash};

	*code = NULL;
	if (eth_bytes32_equal(code_hash, &eth_empty_code_hash))
		return true;
	if (fed_get(&view->fed, &key, NULL, code) && *code != NULL) {
		(void)blob_get(*code);
		return true;
	}
	return stack_get_code(view->stack, code_hash, code) == HIT;
}

enum lookup source_code(struct layer_view *layer_view, const struct eth_address *address,
			struct blob **code, struct needs *needs, struct fault *fault)
{
	struct source_view *view = source_view_of(layer_view);
	const struct need need = {.kind = NEED_CODE, .address = *address};
	struct eth_bytes32 hash;

	*code = NULL;
	if (source_code_hash(view, address, &hash) && find_code(view, &hash, code)) {
		count(view, SOURCE_CODE_HITS);
		return HIT;
	}
	count(view, SOURCE_CODE_MISSES);
	return lacking(&need, needs, fault);
}

enum lookup source_code_by_hash(struct layer_view *view, const struct eth_bytes32 *code_hash,
				struct blob **code, struct fault *fault)
{
	(void)fault;
	return find_code(source_view_of(view), code_hash, code) ? HIT : MISS;
}

bool source_has(struct source_view *view, const struct need *need)
{
	struct account_fields fields;
	struct eth_bytes32 value;
	struct blob *code;
	bool found;

	switch (need->kind) {
	case NEED_SLOT:
		return find_slot(view, &need->address, &need->slot, &value);
	case NEED_CODE:
		found = source_code_hash(view, &need->address, &value) &&
			find_code(view, &value, &code);
		if (found)
			blob_put(&code);
		return found;
	case NEED_BALANCE:
	case NEED_NONCE:
		for (size_t i = 0; i < FIELDS_N; i++) {
			if (all_fields[i].need != need->kind)
				continue;
			known_fields(view, &need->address, all_fields[i].bit, &fields);
			return (fields.mask & all_fields[i].bit) != 0;
		}
		return false;
	case NEED_PROOF:
		known_fields(view, &need->address, ALL_FIELDS, &fields);
		found = fields.mask == ALL_FIELDS;
		for (size_t i = 0; found && i < need->slots_n; i++)
			found = find_slot(view, &need->address, &need->slots[i], &value);
		return found;
	}
	return false;
}

enum lookup source_slot_by_root(struct layer_view *view, const struct eth_bytes32 *storage_root,
				const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	if (eth_bytes32_equal(storage_root, &eth_empty_trie_root)) {
		*value = (struct eth_bytes32){{0}};
		return HIT;
	}
	return stack_get_rooted_slot(source_view_of(view)->stack, storage_root, slot, value);
}
