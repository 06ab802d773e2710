/* SPDX-License-Identifier: MIT */
#include "fake_source.h"
#include "base/keccak.h"
#include "base/loop.h"

enum { FETCHED_MAX = 65536 };

struct fed {
	struct need need;
	struct eth_bytes32 value;
	struct blob *code;
	struct fed *next;
};

struct view {
	struct layer_view view;
	struct loop *loop;
	struct loop_wake wake;
	struct fed *fed;
	struct source_op *first, **last;
	unsigned allowed;
};

struct source_op {
	struct need need;
	struct view *view;
	source_done_fn *done;
	void *cookie;
	struct source_op *next;
};

static struct {
	struct layer layer;
	struct source_block block;
	fake_source_fn *chain;
	struct needs cached;
	struct need fetched[FETCHED_MAX];
	size_t fetched_n;
	bool hold, no_caching;
	unsigned refuse_n, in_flight, most, views;
	enum err refuse_err;
	const char *refuse_detail;
	struct eth_address broken;
	bool breaks;
} fake;

bool fake_source_at_work;

/* What the fake allocates is not what is tested. */
static struct blob *code_of(const char *text)
{
	fake_source_at_work = true;
	struct blob *blob = text ? blob_copy(text, strlen(text)) : NULL;
	fake_source_at_work = false;
	return blob;
}

static enum err note(struct needs *needs, const struct need *need)
{
	fake_source_at_work = true;
	const enum err err = needs_add(needs, need);
	fake_source_at_work = false;
	return err;
}

void fake_source_reset(fake_source_fn *chain)
{
	needs_release(&fake.cached);
	memset(&fake, 0, sizeof fake);
	fake.chain = chain;
}

void fake_source_hold(bool hold)
{
	fake.hold = hold;
}

void fake_source_caching(bool caching)
{
	fake.no_caching = !caching;
}

void fake_source_refuse(unsigned n, enum err err, const char *detail)
{
	fake.refuse_n = n;
	fake.refuse_err = err;
	fake.refuse_detail = detail;
}

void fake_source_break(const struct eth_address *address)
{
	fake.breaks = address != NULL;
	if (address)
		fake.broken = *address;
}

size_t fake_source_fetched(void)
{
	return fake.fetched_n;
}

const struct need *fake_source_fetch_at(size_t i)
{
	REQUIRE(i < fake.fetched_n);
	return &fake.fetched[i];
}

unsigned fake_source_in_flight(void)
{
	return fake.in_flight;
}

unsigned fake_source_in_flight_most(void)
{
	return fake.most;
}

unsigned fake_source_views(void)
{
	return fake.views;
}

size_t fake_source_fed(struct layer_view *view)
{
	size_t n = 0;
	for (const struct fed *fed = ((struct view *)view)->fed; fed; fed = fed->next)
		n++;
	return n;
}

/* ---- tries ---- */

static bool same(const struct need *a, const struct need *b)
{
	return a->kind == b->kind && memcmp(&a->address, &b->address, sizeof a->address) == 0 &&
	       (a->kind != NEED_SLOT || eth_bytes32_equal(&a->slot, &b->slot));
}

static const struct fed *find_fed(const struct view *view, const struct need *need)
{
	for (const struct fed *fed = view->fed; fed; fed = fed->next)
		if (same(&fed->need, need))
			return fed;
	return NULL;
}

/* *code (NULL: not wanted) is one reference. */
static enum lookup look_up(struct layer_view *v, const struct need *need,
			   struct eth_bytes32 *value, struct blob **code, struct needs *needs,
			   struct fault *fault)
{
	struct view *view = (struct view *)v;
	const struct fed *fed = find_fed(view, need);
	struct fake_answer answer = {.err = OK};
	if (fake.breaks && memcmp(&fake.broken, &need->address, sizeof fake.broken) == 0) {
		fault->err = err_set(&fault->detail, ERR_CORRUPT, "its record is damaged");
		return FAILED;
	}
	if (fed) {
		*value = fed->value;
		if (code)
			*code = fed->code ? blob_get(fed->code) : NULL;
		return HIT;
	}
	if (needs_have(&fake.cached, need)) {
		fake.chain(need, &answer);
		*value = answer.value;
		if (code)
			*code = code_of(answer.code);
		return HIT;
	}
	if (needs && needs_add(needs, need) != OK) {
		fault->err = err_set(&fault->detail, ERR_NOMEM, "a need");
		return FAILED;
	}
	return MISS;
}

struct field {
	unsigned bit;
	enum need_kind kind;
};

static enum lookup try_field(struct layer_view *view, const struct eth_address *address,
			     const struct field *field, struct account_state *out,
			     struct needs *needs, struct fault *fault)
{
	const struct need need = {.kind = field->kind, .address = *address};
	struct eth_bytes32 value = {{0}};
	struct blob *code = NULL;
	const enum lookup found = look_up(view, &need, &value, &code, needs, fault);
	if (found != HIT)
		return found;
	if (field->bit == ACCOUNT_BALANCE)
		memcpy(&out->fields.balance, &value, sizeof value);
	if (field->bit == ACCOUNT_NONCE)
		out->fields.nonce = be64_get(value.bytes + 24);
	if (field->bit == ACCOUNT_STORAGE_ROOT)
		out->fields.storage_root = value;
	if (field->bit == ACCOUNT_CODE_HASH)
		keccak256(code ? code->bytes : NULL, code ? code->len : 0,
			  &out->fields.code_hash);
	blob_put(&code);
	out->fields.mask |= field->bit;
	return HIT;
}

static bool is_something(const struct account_fields *fields)
{
	static const struct eth_u256 zero;
	return fields->nonce || memcmp(&fields->balance, &zero, sizeof zero) != 0 ||
	       !eth_bytes32_equal(&fields->code_hash, &eth_empty_code_hash);
}

static enum lookup try_account(struct layer_view *view, const struct eth_address *address,
			       unsigned wanted, struct account_state *out, struct needs *needs,
			       struct fault *fault)
{
	static const struct field fields[] = {{ACCOUNT_BALANCE, NEED_BALANCE},
					      {ACCOUNT_NONCE, NEED_NONCE},
					      {ACCOUNT_CODE_HASH, NEED_CODE},
					      {ACCOUNT_STORAGE_ROOT, NEED_PROOF}};
	enum lookup all = HIT;
	*out = (struct account_state){.exists = false};
	if (wanted & ACCOUNT_EXISTENCE)
		wanted |= ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (!(wanted & fields[i].bit))
			continue;
		const enum lookup found =
			try_field(view, address, &fields[i], out, needs, fault);
		if (found == FAILED)
			return FAILED;
		all = found == MISS ? MISS : all;
	}
	if (all == HIT && (wanted & ACCOUNT_EXISTENCE)) {
		out->exists = is_something(&out->fields);
		out->fields.mask |= ACCOUNT_EXISTENCE;
	}
	return all;
}

static enum lookup try_slot(struct layer_view *view, const struct eth_address *address,
			    const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			    struct needs *needs, struct fault *fault)
{
	const struct need need = {.kind = NEED_SLOT, .address = *address, .slot = *slot};
	return look_up(view, &need, value, NULL, needs, fault);
}

static enum lookup try_code(struct layer_view *view, const struct eth_address *address,
			    struct blob **code, struct needs *needs, struct fault *fault)
{
	const struct need need = {.kind = NEED_CODE, .address = *address};
	struct eth_bytes32 value;
	*code = NULL;
	return look_up(view, &need, &value, code, needs, fault);
}

static enum lookup try_code_by_hash(struct layer_view *view,
				    const struct eth_bytes32 *code_hash, struct blob **code,
				    struct fault *fault)
{
	(void)view;
	(void)fault;
	*code = NULL;
	for (size_t i = 0; i < fake.cached.n; i++) {
		struct fake_answer answer = {.err = OK};
		struct eth_bytes32 hash;
		if (fake.cached.rows[i].kind != NEED_CODE)
			continue;
		fake.chain(&fake.cached.rows[i], &answer);
		if (!answer.code)
			continue;
		keccak256(answer.code, strlen(answer.code), &hash);
		if (!eth_bytes32_equal(&hash, code_hash))
			continue;
		*code = code_of(answer.code);
		return HIT;
	}
	return MISS;
}

/* ---- fetches ---- */

static void land(struct source_op *op)
{
	struct fake_answer answer = {.err = OK};
	struct view *view = op->view;
	fake.chain(&op->need, &answer);
	if (answer.err == OK && fake.no_caching) {
		struct blob *code = code_of(answer.code);
		answer.err = source_feed(&view->view, &op->need, &answer.value, code);
		blob_put(&code);
	} else if (answer.err == OK) {
		answer.err = note(&fake.cached, &op->need);
	}
	fake.in_flight--;
	op->done(op->cookie, answer.err, answer.detail ? answer.detail : "");
	free(op);
}

static void deliver(void *cookie)
{
	struct view *view = cookie;
	struct source_op *op;
	unsigned most = fake.in_flight; /* what these start is for the next turn */
	while (most-- > 0 && (op = view->first) != NULL && (!fake.hold || view->allowed > 0)) {
		if (fake.hold)
			view->allowed--;
		view->first = op->next;
		if (!view->first)
			view->last = &view->first;
		land(op);
	}
	if (view->first && (!fake.hold || view->allowed > 0))
		loop_wake_signal(&view->wake);
}

void fake_source_release(struct layer_view *v, unsigned n)
{
	struct view *view = (struct view *)v;
	view->allowed += n;
	loop_wake_signal(&view->wake);
}

enum lookup source_fetch(struct layer_view *v, const struct need *need, source_done_fn *done,
			 void *cookie, struct source_op **out, struct fault *fault)
{
	struct view *view = (struct view *)v;
	if (fake.refuse_n > 0) {
		fake.refuse_n--;
		fault->err = err_set(&fault->detail, fake.refuse_err, "%s", fake.refuse_detail);
		return FAILED;
	}
	struct source_op *op = calloc(1, sizeof *op);
	if (!op) {
		fault->err = err_set(&fault->detail, ERR_NOMEM, "an operation");
		return FAILED;
	}
	*op = (struct source_op){.need = *need, .view = view, .done = done, .cookie = cookie};
	*view->last = op;
	view->last = &op->next;
	REQUIRE(fake.fetched_n < FETCHED_MAX);
	fake.fetched[fake.fetched_n++] = *need;
	if (++fake.in_flight > fake.most)
		fake.most = fake.in_flight;
	if (!fake.hold || view->allowed > 0)
		loop_wake_signal(&view->wake);
	*out = op;
	return PENDING;
}

void source_cancel(struct source_op **op)
{
	struct source_op *o = *op;
	if (!o)
		return;
	*op = NULL;
	struct source_op **at = &o->view->first;
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	if (!*at)
		o->view->last = at;
	fake.in_flight--;
	free(o);
}

enum lookup source_fetch_witness(struct layer_view *view, source_done_fn *done, void *cookie,
				 struct source_op **op, struct fault *fault)
{
	(void)view;
	(void)done;
	(void)cookie;
	(void)op;
	fault->err = err_set(&fault->detail, ERR_UNSUPPORTED, "no witness here");
	return FAILED;
}

enum err source_feed(struct layer_view *v, const struct need *need,
		     const struct eth_bytes32 *value, struct blob *code)
{
	struct view *view = (struct view *)v;
	struct fed *fed = calloc(1, sizeof *fed);
	if (!fed)
		return ERR_NOMEM;
	fed->need = *need;
	if (value)
		fed->value = *value;
	fed->code = code ? blob_get(code) : NULL;
	fed->next = view->fed;
	view->fed = fed;
	return OK;
}

void source_fed_clear(struct layer_view *v)
{
	struct view *view = (struct view *)v;
	for (struct fed *fed = view->fed, *next; fed; fed = next) {
		next = fed->next;
		blob_put(&fed->code);
		free(fed);
	}
	view->fed = NULL;
}

bool source_node(struct layer *layer, const struct eth_bytes32 *hash, struct span *rlp)
{
	(void)layer;
	(void)hash;
	(void)rlp;
	return false;
}

enum lookup source_slot_by_root(struct layer_view *view, const struct eth_bytes32 *storage_root,
				const struct eth_bytes32 *slot, struct eth_bytes32 *value)
{
	(void)view;
	*value = *slot; /* known under the root that is all ones, as what it is called */
	for (size_t i = 0; i < sizeof storage_root->bytes; i++)
		if (storage_root->bytes[i] != 0xff)
			return MISS;
	return HIT;
}

/* ---- life ---- */

static enum err view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			 struct err_detail *detail)
{
	struct view *view = calloc(1, sizeof *view);
	if (!view)
		return err_set(detail, ERR_NOMEM, "a view");
	view->view.layer = layer;
	view->loop = loop;
	view->last = &view->first;
	enum err err = loop_wake_init(loop, &view->wake, deliver, view);
	if (err != OK) {
		free(view);
		return err_set(detail, err, "a wake-up");
	}
	fake.views++;
	*out = &view->view;
	return OK;
}

static void view_free(struct layer_view **v)
{
	struct view *view = (struct view *)*v;
	if (!view)
		return;
	*v = NULL;
	REQUIRE(!view->first); /* its owner has cancelled everything */
	source_fed_clear(&view->view);
	loop_wake_release(view->loop, &view->wake);
	fake.views--;
	free(view);
}

static void rest(struct layer_view *view)
{
	(void)view;
}

static enum err walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
		     struct err_detail *detail)
{
	(void)detail;
	for (size_t i = 0; !walk->written_only && i < fake.cached.n; i++) {
		const struct need *need = &fake.cached.rows[i];
		struct account_state account;
		struct eth_bytes32 value;
		struct fault fault;
		enum err err = OK;
		(void)try_account(view, &need->address, ACCOUNT_BALANCE | ACCOUNT_NONCE,
				  &account, NULL, &fault);
		if (walk->account)
			err = walk->account(cookie, &need->address, &account);
		if (err == OK && need->kind == NEED_SLOT && walk->slot &&
		    try_slot(view, &need->address, &need->slot, &value, NULL, &fault) == HIT)
			err = walk->slot(cookie, &need->address, &need->slot, &value);
		if (err != OK)
			return err;
	}
	return OK;
}

static enum err walk_slots(struct layer_view *view, const struct eth_address *address,
			   const struct layer_walk *walk, void *cookie, bool *through,
			   struct err_detail *detail)
{
	(void)view;
	(void)address;
	(void)walk;
	(void)cookie;
	(void)detail;
	*through = true;
	return OK;
}

static void forget(struct layer_view *view)
{
	(void)view;
	needs_clear(&fake.cached);
}

static void stats(struct layer *layer, struct layer_stats *stats)
{
	(void)layer;
	(void)stats;
}

static void layer_free(struct layer **layer)
{
	*layer = NULL;
	REQUIRE(fake.views == 0);
	needs_release(&fake.cached);
}

static const struct layer_ops ops = {
	.name = "fake",
	.view_new = view_new,
	.view_free = view_free,
	.account = try_account,
	.slot = try_slot,
	.code = try_code,
	.code_by_hash = try_code_by_hash,
	.rest = rest,
	.walk = walk,
	.walk_slots = walk_slots,
	.forget = forget,
	.stats = stats,
	.free = layer_free,
};

enum err fake_source_new(const struct eth_bytes32 *state_root, struct layer **out)
{
	fake.layer = (struct layer){.ops = &ops};
	fake.block = (struct source_block){
		.chain_id = 1, .number = 19, .timestamp = 7, .state_root = *state_root};
	*out = &fake.layer;
	return OK;
}

enum err source_new(const struct source_config *config, struct layer **out,
		    struct err_detail *detail)
{
	(void)config;
	(void)detail;
	return fake_source_new(&eth_empty_trie_root, out);
}

void source_block(struct layer *layer, struct source_block *out)
{
	(void)layer;
	*out = fake.block;
}

void source_stats(struct layer *layer, struct source_stats *out)
{
	(void)layer;
	*out = (struct source_stats){.items = fake.fetched_n};
}
