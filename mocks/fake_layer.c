/* SPDX-License-Identifier: MIT */
#include "fake_layer.h"
#include "base/keccak.h"

struct fake_view {
	struct layer_view view;
};

static struct fake_layer *fake_of(struct layer_view *view)
{
	return (struct fake_layer *)view->layer;
}

static enum err view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			 struct err_detail *detail)
{
	struct fake_view *v = calloc(1, sizeof *v);
	(void)loop;
	*out = NULL;
	if (!v)
		return err_set(detail, ERR_NOMEM, "memory for a view was refused");
	v->view.layer = layer;
	((struct fake_layer *)layer)->views++;
	*out = &v->view;
	return OK;
}

static void view_free(struct layer_view **view)
{
	if (!*view)
		return;
	fake_of(*view)->views--;
	free(*view);
	*view = NULL;
}

static bool fails(struct fake_layer *fake, struct fault *fault)
{
	fake->asked++;
	if (fake->fails)
		fault->err = err_set(&fault->detail, fake->fails, "the fake fails");
	return fake->fails != OK;
}

static struct fake_layer_account *find(struct fake_layer *fake,
				       const struct eth_address *address)
{
	for (size_t i = 0; i < fake->accounts_n; i++)
		if (memcmp(&fake->accounts[i].address, address, sizeof *address) == 0)
			return &fake->accounts[i];
	return NULL;
}

static enum lookup lacks(struct needs *needs, const struct need *need, struct fault *fault)
{
	const enum err err = needs ? needs_add(needs, need) : OK;
	if (!err)
		return MISS;
	fault->err = err_set(&fault->detail, err, "a need could not be noted");
	return FAILED;
}

static enum lookup lacks_fields(struct needs *needs, const struct eth_address *address,
				unsigned wanted, struct fault *fault)
{
	static const struct {
		unsigned field;
		enum need_kind kind;
	} kinds[] = {{ACCOUNT_BALANCE, NEED_BALANCE},
		     {ACCOUNT_NONCE, NEED_NONCE},
		     {ACCOUNT_CODE_HASH, NEED_CODE}};
	enum lookup got = MISS;
	if (wanted & ACCOUNT_EXISTENCE)
		wanted |= ACCOUNT_FIELDS;
	for (size_t i = 0; i < 3 && got == MISS; i++) {
		const struct need need = {.kind = kinds[i].kind, .address = *address};
		if (wanted & kinds[i].field)
			got = lacks(needs, &need, fault);
	}
	return got;
}

static enum lookup account(struct layer_view *view, const struct eth_address *address,
			   unsigned wanted, struct account_state *out, struct needs *needs,
			   struct fault *fault)
{
	static const struct account_state empty;
	struct fake_layer *fake = fake_of(view);
	if (fails(fake, fault))
		return FAILED;
	const struct fake_layer_account *row = find(fake, address);
	*out = row ? row->state : empty;
	if (!row && !fake->knows_all)
		return lacks_fields(needs, address, wanted, fault);
	if (!row)
		out->fields.code_hash = eth_empty_code_hash;
	out->fields.mask = wanted;
	return HIT;
}

static enum lookup slot(struct layer_view *view, const struct eth_address *address,
			const struct eth_bytes32 *name, struct eth_bytes32 *value,
			struct needs *needs, struct fault *fault)
{
	struct fake_layer *fake = fake_of(view);
	if (fails(fake, fault))
		return FAILED;
	for (size_t i = 0; i < fake->slots_n; i++) {
		const struct fake_layer_slot *row = &fake->slots[i];
		if (memcmp(&row->address, address, sizeof *address) != 0 ||
		    !eth_bytes32_equal(&row->slot, name))
			continue;
		*value = row->value;
		return HIT;
	}
	const struct need need = {.kind = NEED_SLOT, .address = *address, .slot = *name};
	if (!fake->knows_all)
		return lacks(needs, &need, fault);
	memset(value, 0, sizeof *value);
	return HIT;
}

static enum lookup code(struct layer_view *view, const struct eth_address *address,
			struct blob **out, struct needs *needs, struct fault *fault)
{
	struct fake_layer *fake = fake_of(view);
	*out = NULL;
	if (fails(fake, fault))
		return FAILED;
	const struct fake_layer_account *row = find(fake, address);
	if (!row && !fake->knows_all)
		return lacks_fields(needs, address, ACCOUNT_CODE_HASH, fault);
	if (row && row->code)
		*out = blob_get(row->code);
	return HIT;
}

static enum lookup code_by_hash(struct layer_view *view, const struct eth_bytes32 *code_hash,
				struct blob **out, struct fault *fault)
{
	struct fake_layer *fake = fake_of(view);
	*out = NULL;
	if (fails(fake, fault))
		return FAILED;
	for (size_t i = 0; i < fake->accounts_n; i++) {
		const struct fake_layer_account *row = &fake->accounts[i];
		if (!row->code || !eth_bytes32_equal(&row->state.fields.code_hash, code_hash))
			continue;
		*out = blob_get(row->code);
		return HIT;
	}
	return MISS;
}

static void rest(struct layer_view *view)
{
	fake_of(view)->rests++;
}

static enum err walk(struct layer_view *view, const struct layer_walk *to, void *cookie,
		     struct err_detail *detail)
{
	struct fake_layer *fake = fake_of(view);
	enum err err = OK;
	(void)detail;
	if (to->written_only)
		return OK;
	for (size_t i = 0; i < fake->accounts_n && !err && to->account; i++) {
		struct account_state state = fake->accounts[i].state;
		state.fields.mask = ACCOUNT_ALL;
		err = to->account(cookie, &fake->accounts[i].address, &state);
	}
	for (size_t i = 0; i < fake->slots_n && !err && to->slot; i++)
		err = to->slot(cookie, &fake->slots[i].address, &fake->slots[i].slot,
			       &fake->slots[i].value);
	return err;
}

static enum err walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *to, void *cookie, bool *through,
			   struct err_detail *detail)
{
	(void)view;
	(void)address;
	(void)to;
	(void)cookie;
	(void)detail;
	*through = true;
	return OK;
}

static void forget(struct layer_view *view)
{
	fake_of(view)->forgets++;
}

static void stats(struct layer *layer, struct layer_stats *out)
{
	(void)layer;
	out->disk.hits++;
}

static void layer_free(struct layer **layer)
{
	struct fake_layer *fake = (struct fake_layer *)*layer;
	for (size_t i = 0; i < fake->accounts_n; i++)
		blob_put(&fake->accounts[i].code);
	fake->freed = true;
	*layer = NULL;
}

static const struct layer_ops ops = {
	.name = "fake",
	.view_new = view_new,
	.view_free = view_free,
	.account = account,
	.slot = slot,
	.code = code,
	.code_by_hash = code_by_hash,
	.rest = rest,
	.walk = walk,
	.walk_slots = walk_slots,
	.forget = forget,
	.stats = stats,
	.free = layer_free,
};

struct layer *fake_layer_init(struct fake_layer *fake)
{
	*fake = (struct fake_layer){.layer = {.ops = &ops}};
	return &fake->layer;
}

void fake_layer_account(struct fake_layer *fake, const struct eth_address *address,
			uint64_t balance, uint64_t nonce, struct blob *blob)
{
	REQUIRE(fake->accounts_n < FAKE_LAYER_ROWS);
	struct fake_layer_account *row = &fake->accounts[fake->accounts_n++];
	row->address = *address;
	row->state.exists = true;
	row->state.fields.balance = eth_u256_from_u64(balance);
	row->state.fields.nonce = nonce;
	row->state.fields.code_hash = eth_empty_code_hash;
	row->code = blob ? blob_get(blob) : NULL;
	if (blob)
		keccak256(blob->bytes, blob->len, &row->state.fields.code_hash);
}

void fake_layer_slot(struct fake_layer *fake, const struct eth_address *address,
		     const struct eth_bytes32 *name, const struct eth_bytes32 *value)
{
	REQUIRE(fake->slots_n < FAKE_LAYER_ROWS);
	fake->slots[fake->slots_n++] = (struct fake_layer_slot){*address, *name, *value};
}
