/* SPDX-License-Identifier: MIT */
#include "layers/cached.h"
#include "cache/memcache.h"
#include "layers/keys.h"
#include "layers/shared.h"

enum { ACCOUNTS, SLOTS, CODE, KINDS };

struct cached {
	struct layer layer;
	struct memcache *caches[KINDS];
	size_t bounds[KINDS];
	struct shared_listener listener;
	atomic_uint forgotten; /* in every key */
	atomic_uint epochs[CACHED_EPOCHS];
};

struct cached_view {
	struct layer_view view;
	struct layer_view *shared; /* the view of the shared layer below; NULL: none */
	struct memcache_reader *readers[KINDS];
	bool borrows; /* code, until it rests */
	bool passes;
};

static struct cached *cached_of(const struct layer_view *view)
{
	return (struct cached *)view->layer;
}

/* ---- keys ---- */

static atomic_uint *epoch_of(struct cached *cached, const struct eth_address *address)
{
	uint32_t at;
	memcpy(&at, address->bytes + 16, sizeof at);
	return &cached->epochs[at % CACHED_EPOCHS];
}

/* Made in place: a key that is copied is read before its words have left the processor's queue
 * (key_scoped). */
static void field_key(struct cached *cached, const struct eth_address *address, unsigned field,
		      struct cell_key *key)
{
	const unsigned forgotten =
		atomic_load_explicit(&cached->forgotten, memory_order_relaxed);
	key_scoped(key, field, forgotten, 0, address, NULL);
}

static void slot_key(struct cached *cached, const struct eth_address *address,
		     const struct eth_bytes32 *slot, struct cell_key *key)
{
	const unsigned forgotten =
		atomic_load_explicit(&cached->forgotten, memory_order_relaxed);
	const unsigned epoch =
		atomic_load_explicit(epoch_of(cached, address), memory_order_relaxed);
	key_scoped(key, 0, forgotten, epoch, address, slot);
}

struct code_key {
	unsigned char bytes[36];
};

static struct code_key code_key(struct cached *cached, const struct eth_bytes32 *hash)
{
	struct code_key key;
	const unsigned forgotten =
		atomic_load_explicit(&cached->forgotten, memory_order_relaxed);
	memcpy(key.bytes, hash->bytes, 32);
	memcpy(key.bytes + 32, &forgotten, 4);
	return key;
}

static struct span code_span(const struct code_key *key)
{
	return (struct span){(const char *)key->bytes, sizeof key->bytes};
}

/* ---- accounts: each field is a cell ---- */

static const unsigned fields[] = {ACCOUNT_BALANCE, ACCOUNT_NONCE, ACCOUNT_CODE_HASH,
				  ACCOUNT_EXISTENCE};
#define FIELDS	(sizeof fields / sizeof *fields)
#define UNKNOWN 2 /* of existence */

static struct eth_bytes32 cell_of(const struct account_fields *from, bool exists,
				  unsigned field)
{
	struct eth_bytes32 cell = {{0}};
	if (field == ACCOUNT_BALANCE)
		memcpy(cell.bytes, from->balance.bytes, 32);
	else if (field == ACCOUNT_NONCE)
		be64_put(cell.bytes + 24, from->nonce);
	else if (field == ACCOUNT_CODE_HASH)
		cell = from->code_hash;
	else
		cell.bytes[31] = exists;
	return cell;
}

static bool take_cell(struct account_state *to, unsigned field, const struct eth_bytes32 *cell)
{
	if (field == ACCOUNT_BALANCE)
		memcpy(to->fields.balance.bytes, cell->bytes, 32);
	else if (field == ACCOUNT_NONCE)
		to->fields.nonce = be64_get(cell->bytes + 24);
	else if (field == ACCOUNT_CODE_HASH)
		to->fields.code_hash = *cell;
	else if (cell->bytes[31] == UNKNOWN)
		return false;
	else
		to->exists = cell->bytes[31];
	to->fields.mask |= field;
	return true;
}

static unsigned look(struct cached_view *v, const struct eth_address *address, unsigned wanted,
		     struct account_state *out)
{
	struct cached *cached = cached_of(&v->view);
	unsigned missing = wanted;
	for (size_t i = 0; i < FIELDS; i++) {
		struct eth_bytes32 cell;
		if (!(wanted & fields[i]))
			continue;
		struct cell_key key;
		field_key(cached, address, fields[i], &key);
		const uint64_t hash = memcache_cell_hash(cached->caches[ACCOUNTS], &key);
		if (memcache_cell_get(v->readers[ACCOUNTS], &key, hash, &cell) == HIT &&
		    take_cell(out, fields[i], &cell))
			missing &= ~fields[i];
	}
	return missing;
}

static void keep(struct cached *cached, const struct eth_address *address, unsigned mask,
		 const struct account_state *from)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (!(mask & fields[i]))
			continue;
		struct cell_key key;
		field_key(cached, address, fields[i], &key);
		const struct eth_bytes32 cell = cell_of(&from->fields, from->exists, fields[i]);
		memcache_cell_put(cached->caches[ACCOUNTS], &key, &cell);
	}
}

/* From inside. */
static enum lookup read_account(struct cached_view *v, const struct eth_address *address,
				unsigned wanted, struct account_state *out, struct needs *needs,
				struct fault *fault)
{
	struct account_state below = {.exists = false};
	out->fields.mask = 0;
	const unsigned missing = look(v, address, wanted, out);
	if (!missing)
		return HIT;
	const enum lookup got =
		layer_account(v->view.below, address, missing, &below, needs, fault);
	if (got != HIT)
		return got;
	keep(cached_of(&v->view), address, missing, &below);
	for (size_t i = 0; i < FIELDS; i++) {
		const struct eth_bytes32 cell = cell_of(&below.fields, below.exists, fields[i]);
		if (missing & fields[i])
			take_cell(out, fields[i], &cell);
	}
	return HIT;
}

/* ---- calls ---- */

/* True: this call may use the cache. */
static bool begin(struct cached_view *v)
{
	if (v->passes)
		return false;
	if (!v->shared)
		return true;
	if (shared_is_pinned(v->shared))
		return false;
	shared_enter(v->shared);
	return true;
}

static void end(struct cached_view *v)
{
	if (v->shared)
		shared_leave(v->shared);
}

static enum lookup cached_account(struct layer_view *view, const struct eth_address *address,
				  unsigned wanted, struct account_state *out,
				  struct needs *needs, struct fault *fault)
{
	struct cached_view *v = (struct cached_view *)view;
	if (!begin(v))
		return layer_account(view->below, address, wanted, out, needs, fault);
	const enum lookup got = read_account(v, address, wanted, out, needs, fault);
	end(v);
	return got;
}

static enum lookup read_slot(struct cached_view *v, const struct eth_address *address,
			     const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			     struct needs *needs, struct fault *fault)
{
	struct memcache *cache = cached_of(&v->view)->caches[SLOTS];
	struct cell_key key;
	slot_key(cached_of(&v->view), address, slot, &key);
	const uint64_t hash = memcache_cell_hash(cache, &key);
	if (memcache_cell_get(v->readers[SLOTS], &key, hash, value) == HIT)
		return HIT;
	const enum lookup got = layer_slot(v->view.below, address, slot, value, needs, fault);
	if (got == HIT)
		memcache_cell_put(cache, &key, value);
	return got;
}

static enum lookup cached_slot(struct layer_view *view, const struct eth_address *address,
			       const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			       struct needs *needs, struct fault *fault)
{
	struct cached_view *v = (struct cached_view *)view;
	if (!begin(v))
		return layer_slot(view->below, address, slot, value, needs, fault);
	const enum lookup got = read_slot(v, address, slot, value, needs, fault);
	end(v);
	return got;
}

static bool find_code(struct cached_view *v, const struct code_key *key, struct blob **code)
{
	v->borrows = true;
	if (memcache_blob_get(v->readers[CODE], code_span(key), code) == MISS)
		return false;
	blob_get(*code);
	return true;
}

static void keep_code(struct cached_view *v, const struct code_key *key, struct blob *code)
{
	if (code)
		memcache_blob_put(cached_of(&v->view)->caches[CODE], code_span(key), code);
}

/* Which code it is may be known here; if it is not known at all, who has it is asked. */
static enum lookup read_code(struct cached_view *v, const struct eth_address *address,
			     struct blob **code, struct needs *needs, struct fault *fault)
{
	struct account_state account;
	enum lookup got = read_account(v, address, ACCOUNT_CODE_HASH, &account, NULL, fault);
	if (got == FAILED)
		return FAILED;
	if (got == MISS)
		return layer_code(v->view.below, address, code, needs, fault);
	if (eth_bytes32_equal(&account.fields.code_hash, &eth_empty_code_hash))
		return HIT;
	const struct code_key key = code_key(cached_of(&v->view), &account.fields.code_hash);
	if (find_code(v, &key, code))
		return HIT;
	got = layer_code(v->view.below, address, code, needs, fault);
	if (got == HIT)
		keep_code(v, &key, *code);
	return got;
}

static enum lookup cached_code(struct layer_view *view, const struct eth_address *address,
			       struct blob **code, struct needs *needs, struct fault *fault)
{
	struct cached_view *v = (struct cached_view *)view;
	*code = NULL;
	if (!begin(v))
		return layer_code(view->below, address, code, needs, fault);
	const enum lookup got = read_code(v, address, code, needs, fault);
	end(v);
	return got;
}

/* A hash says it all: whoever is pinned may use it, too. */
static enum lookup cached_code_by_hash(struct layer_view *view,
				       const struct eth_bytes32 *code_hash, struct blob **code,
				       struct fault *fault)
{
	struct cached_view *v = (struct cached_view *)view;
	const struct code_key key = code_key(cached_of(view), code_hash);
	if (find_code(v, &key, code))
		return HIT;
	const enum lookup got = layer_code_by_hash(view->below, code_hash, code, fault);
	if (got == HIT)
		keep_code(v, &key, *code);
	return got;
}

static void cached_rest(struct layer_view *view)
{
	struct cached_view *v = (struct cached_view *)view;
	if (v->borrows)
		memcache_park(v->readers[CODE]);
	v->borrows = false;
	view->below->layer->ops->rest(view->below);
}

static enum err cached_walk(struct layer_view *view, const struct layer_walk *walk,
			    void *cookie, struct err_detail *detail)
{
	return view->below->layer->ops->walk(view->below, walk, cookie, detail);
}

static enum err cached_walk_slots(struct layer_view *view, const struct eth_address *address,
				  const struct layer_walk *walk, void *cookie, bool *through,
				  struct err_detail *detail)
{
	return view->below->layer->ops->walk_slots(view->below, address, walk, cookie, through,
						   detail);
}

/* ---- what is not so any more ---- */

static void changed(void *cookie, uint64_t sequence, const struct change_account *account)
{
	struct cached *cached = cookie;
	(void)sequence;
	struct account_state now = {account->fields, account->exists};
	if (account->generation > 0)
		atomic_fetch_add_explicit(epoch_of(cached, &account->address), 1,
					  memory_order_relaxed);
	keep(cached, &account->address, account->fields.mask & ACCOUNT_FIELDS, &now);
	if (account->fields.mask) {
		struct cell_key key;
		field_key(cached, &account->address, ACCOUNT_EXISTENCE, &key);
		const struct eth_bytes32 unknown = {.bytes = {[31] = UNKNOWN}};
		memcache_cell_put(cached->caches[ACCOUNTS], &key, &unknown);
	}
	for (const struct change_slot *slot = account->slots; slot; slot = slot->next) {
		if (!change_slot_holds(slot))
			continue;
		struct cell_key key;
		slot_key(cached, &account->address, &slot->slot, &key);
		memcache_cell_put(cached->caches[SLOTS], &key, &slot->value);
	}
}

static void cached_forget(struct layer_view *view)
{
	atomic_fetch_add_explicit(&cached_of(view)->forgotten, 1, memory_order_relaxed);
	view->below->layer->ops->forget(view->below);
}

/* ---- statistics ---- */

/* Each kind fills one half of a cache of its own only: cells or blobs. */
static void add_cells(struct layer_cache_stats *out, struct memcache *cache, size_t bound)
{
	struct memcache_stats stats;
	memcache_stats(cache, &stats);
	out->hits += stats.cell_hits;
	out->misses += stats.cell_misses;
	out->evicted += stats.cell_evictions;
	if (stats.cell_capacity)
		out->bytes += (uint64_t)((double)bound * (double)stats.cells /
					 (double)stats.cell_capacity);
	out->capacity_bytes += bound;
}

static void add_blobs(struct layer_cache_stats *out, struct memcache *cache, size_t bound)
{
	struct memcache_stats stats;
	memcache_stats(cache, &stats);
	out->hits += stats.blob_hits;
	out->misses += stats.blob_misses;
	out->evicted += stats.blob_evictions;
	out->bytes += stats.blob_bytes;
	out->capacity_bytes += bound;
}

static void stats(struct layer *layer, struct layer_stats *out)
{
	struct cached *cached = (struct cached *)layer;
	add_cells(&out->accounts, cached->caches[ACCOUNTS], cached->bounds[ACCOUNTS]);
	add_cells(&out->slots, cached->caches[SLOTS], cached->bounds[SLOTS]);
	add_blobs(&out->code, cached->caches[CODE], cached->bounds[CODE]);
	layer->below->ops->stats(layer->below, out);
}

/* ---- life ---- */

static void view_free(struct layer_view **view)
{
	struct cached_view *v = (struct cached_view *)*view;
	if (!v)
		return;
	for (int i = 0; i < KINDS; i++)
		memcache_reader_free(&v->readers[i]);
	if (v->view.below)
		v->view.below->layer->ops->view_free(&v->view.below);
	free(v);
	*view = NULL;
}

static struct layer_view *find_shared(struct layer_view *view)
{
	while (view && !shared_is(view->layer))
		view = view->below;
	return view;
}

static enum err view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			 struct err_detail *detail)
{
	struct cached *cached = (struct cached *)layer;
	struct cached_view *v = calloc(1, sizeof *v);
	*out = NULL;
	if (!v)
		return err_set(detail, ERR_NOMEM, "memory for a view was refused");
	v->view.layer = layer;
	struct layer_view *view = &v->view;
	enum err err = OK;
	for (int i = 0; i < KINDS && !err; i++)
		err = memcache_reader_new(cached->caches[i], &v->readers[i]);
	if (err)
		err_set(detail, err, "a reader of the cache: %s", err_name(err));
	else
		err = layer->below->ops->view_new(layer->below, loop, &v->view.below, detail);
	if (err) {
		view_free(&view);
		return err;
	}
	v->shared = find_shared(v->view.below);
	*out = view;
	return OK;
}

static void layer_free(struct layer **layer)
{
	struct cached *cached = (struct cached *)*layer;
	if (!cached)
		return;
	/* It listens to what is below until that is gone. */
	cached->layer.below->ops->free(&cached->layer.below);
	for (int i = 0; i < KINDS; i++)
		memcache_free(&cached->caches[i]);
	free(cached);
	*layer = NULL;
}

static const struct layer_ops ops = {
	.name = "cache",
	.view_new = view_new,
	.view_free = view_free,
	.account = cached_account,
	.slot = cached_slot,
	.code = cached_code,
	.code_by_hash = cached_code_by_hash,
	.rest = cached_rest,
	.walk = cached_walk,
	.walk_slots = cached_walk_slots,
	.forget = cached_forget,
	.stats = stats,
	.free = layer_free,
};

bool cached_is(const struct layer *layer)
{
	return layer->ops == &ops;
}

void cached_pass_by(struct layer_view *view, bool passes)
{
	((struct cached_view *)view)->passes = passes;
}

enum err cached_new(struct layer *below, const struct cached_config *config, struct layer **out)
{
	const size_t wanted[KINDS] = {config->accounts_bytes, config->slots_bytes,
				      config->code_bytes};
	struct cached *cached = calloc(1, sizeof *cached);
	*out = NULL;
	if (!cached) {
		below->ops->free(&below);
		return ERR_NOMEM;
	}
	cached->layer = (struct layer){&ops, below};
	struct layer *layer = &cached->layer;
	enum err err = OK;
	for (int i = 0; i < KINDS && !err; i++) {
		cached->bounds[i] = wanted[i] > CACHED_MIN_BYTES ? wanted[i] : CACHED_MIN_BYTES;
		err = memcache_new(2 * cached->bounds[i], &cached->caches[i]);
	}
	if (err) {
		layer_free(&layer);
		return err;
	}
	while (below && !shared_is(below))
		below = below->below;
	cached->listener = (struct shared_listener){.changed = changed, .cookie = cached};
	if (below)
		shared_listen(below, &cached->listener);
	*out = layer;
	return OK;
}
