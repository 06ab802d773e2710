/* SPDX-License-Identifier: MIT */
/*
 * Random operations by several handles on each kind of database agree with a reference that
 * copies everything: the world at the begin of each transaction, the writes at each snapshot.
 * What is committed, what is in conflict, what every read and every walk says is compared.
 *
 * FORKCACHE_MODEL_OPERATIONS: fewer, for where it is slow.
 */
#include "state_reference.h"
#include "../unit/state_rig.h"

enum { HANDLES = 3, MARKS = 8, GONE_IDS = 4 };

struct handle {
	struct state *state;
	struct writes own;
	uint64_t tx;
	bool in_batch;
	struct world base;    /* of the transaction */
	struct writes others; /* what has been published since it began: flags */
	struct writes batch;  /* own, before the batch */
	struct writes copies[MARKS];
	uint64_t ids[MARKS];
	unsigned ids_n;
	uint64_t gone[GONE_IDS];
};

static struct rig rig;
static enum rig_kind kind;
static struct world now;
static struct handle handles[HANDLES];
static uint64_t seed;
static unsigned long committed, conflicts;

static unsigned below(unsigned n)
{
	seed += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = seed;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) % n);
}

/* ---- the reference ---- */

static bool has_scope(const struct handle *h)
{
	return h->tx || h->in_batch || h->ids_n;
}

static struct world seen_by(const struct handle *h)
{
	struct world world = h->tx ? h->base : now;
	apply(&world, &h->own);
	return world;
}

static bool in_conflict(const struct handle *h)
{
	for (unsigned i = 0; i < ACCOUNTS; i++)
		if (clashes(&h->own.accounts[i], &h->others.accounts[i]))
			return true;
	return false;
}

static void publish(struct handle *h, const struct writes *writes)
{
	apply(&now, writes);
	for (struct handle *other = handles; other < handles + HANDLES; other++)
		for (unsigned i = 0; i < ACCOUNTS && other != h; i++) {
			other->others.accounts[i].wrote |= writes->accounts[i].wrote;
			other->others.accounts[i].slots |= writes->accounts[i].slots;
		}
}

static void forget_ids(struct handle *h, unsigned from)
{
	while (h->ids_n > from)
		h->gone[below(GONE_IDS)] = h->ids[--h->ids_n];
}

static void end_all(struct handle *h)
{
	forget_ids(h, 0);
	memset(&h->own, 0, sizeof h->own);
	h->tx = 0;
	h->in_batch = false;
}

/* ---- comparing ---- */

static uint8_t is_there(const struct account *account)
{
	const bool something = account->balance || account->nonce || account->code;
	return something || (rig.db.keep_empty && account->exists);
}

static uint8_t code_of(const struct eth_bytes32 *hash)
{
	for (unsigned n = 0; n < CODES; n++) {
		unsigned char bytes[CODES];
		struct eth_bytes32 digest;
		memset(bytes, 0x5b, sizeof bytes);
		keccak256(bytes, n, &digest);
		if (eth_bytes32_equal(hash, &digest))
			return (uint8_t)n;
	}
	fail_msg("a code hash that was never written");
	return 0;
}

static void expect(const char *what, unsigned account, uint64_t got, uint64_t expected)
{
	if (got != expected)
		fail_msg("kind %d: %s of account %u is %llu, not %llu", (int)kind, what,
			 account, (unsigned long long)got, (unsigned long long)expected);
}

static void compare_account(struct handle *h, const struct world *world, unsigned i)
{
	const struct account *expected = &world->accounts[i];
	const struct account_state got = account_of(h->state, i);
	expect("balance", i, be64_get(got.fields.balance.bytes + 24), expected->balance);
	expect("nonce", i, got.fields.nonce, expected->nonce);
	expect("code hash", i, code_of(&got.fields.code_hash), expected->code);
	expect("existence", i, got.exists, is_there(expected));
}

static void compare(struct handle *h)
{
	const struct world world = seen_by(h);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		compare_account(h, &world, i);
		expect("code", i, code_length_of(h->state, i), world.accounts[i].code);
		for (unsigned s = 0; s < SLOTS; s++)
			expect("slot", i, slot_of(h->state, i, s), world.accounts[i].slots[s]);
	}
	state_rest(h->state);
}

static void compare_some(struct handle *h)
{
	const struct world world = seen_by(h);
	const unsigned i = below(ACCOUNTS), s = below(SLOTS);
	expect("slot", i, slot_of(h->state, i, s), world.accounts[i].slots[s]);
	if (below(4) == 0)
		compare_account(h, &world, i);
	if (below(8) == 0)
		expect("code", i, code_length_of(h->state, i), world.accounts[i].code);
}

struct walked {
	struct world world;
	bool met[ACCOUNTS];
};

static enum err walk_account(void *cookie, const struct eth_address *address,
			     const struct account_state *state)
{
	struct walked *walked = cookie;
	const uint64_t i = be64_get(address->bytes + 12);
	assert_true(i < ACCOUNTS);
	walked->met[i] = true;
	struct account *account = &walked->world.accounts[i];
	if (state->fields.mask & ACCOUNT_BALANCE)
		account->balance = state->fields.balance.bytes[31];
	if (state->fields.mask & ACCOUNT_NONCE)
		account->nonce = (uint8_t)state->fields.nonce;
	if (state->fields.mask & ACCOUNT_CODE_HASH)
		account->code = code_of(&state->fields.code_hash);
	account->exists = state->exists;
	return OK;
}

static enum err walk_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct walked *walked = cookie;
	const uint64_t i = be64_get(address->bytes + 12), s = be64_get(slot->bytes + 24);
	assert_true(i < ACCOUNTS && s < SLOTS);
	walked->world.accounts[i].slots[s] = value->bytes[31];
	return OK;
}

static void compare_walked(const struct walked *walked, const struct world *world)
{
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		const struct account *got = &walked->world.accounts[i];
		const struct account *expected = &world->accounts[i];
		expect("walked balance", i, got->balance, expected->balance);
		expect("walked nonce", i, got->nonce, expected->nonce);
		expect("walked code", i, got->code, expected->code);
		for (unsigned s = 0; s < SLOTS; s++)
			expect("walked slot", i, got->slots[s], expected->slots[s]);
	}
}

/* All that is published, or was when the transaction began. */
static void compare_walk(struct handle *h)
{
	const struct layer_walk walk = {.account = walk_account, .slot = walk_slot};
	struct walked walked = {.met = {false}};
	struct layer_view *top = state_top_view(h->state);
	struct err_detail detail;
	assert_ok(top->layer->ops->walk(top, &walk, &walked, &detail));
	compare_walked(&walked, h->tx ? &h->base : &now);
}

/* One account's slots: all that was written, zeros too, and whether more is below. */
static void compare_walk_slots(struct handle *h)
{
	const struct layer_walk walk = {.written_only = true, .slot = walk_slot};
	const struct world *world = h->tx ? &h->base : &now;
	const unsigned i = below(ACCOUNTS);
	const struct eth_address address = address_of(i);
	struct walked walked = {.met = {false}};
	struct layer_view *top = state_top_view(h->state);
	struct err_detail detail;
	bool through = true;
	assert_ok(
		top->layer->ops->walk_slots(top, &address, &walk, &walked, &through, &detail));
	assert_false(through); /* at the bottom there is nothing below */
	for (unsigned s = 0; s < SLOTS; s++)
		expect("slot of one", i, walked.world.accounts[i].slots[s],
		       world->accounts[i].slots[s]);
}

/* ---- writes ---- */

/* Into own if there is a scope, else published. */
static void wrote(struct handle *h, const struct writes *written)
{
	if (has_scope(h))
		add_writes(&h->own, written);
	else
		publish(h, written);
}

static void write_fields(struct handle *h, unsigned i)
{
	struct writes written = {.accounts = {{.wrote = 0}}};
	struct account_writes *w = &written.accounts[i];
	const unsigned mask = below(4);
	const uint8_t balance = (uint8_t)below(3), nonce = (uint8_t)below(3);
	const struct eth_address address = address_of(i);
	const struct account_fields fields = {
		.mask = mask, .balance = eth_u256_from_u64(balance), .nonce = nonce};
	assert_ok(state_set_account(h->state, &address, &fields, NULL));
	w->values.balance = balance;
	w->values.nonce = nonce;
	w->wrote = (uint8_t)(mask | THERE);
	wrote(h, &written);
}

static void write_code(struct handle *h, unsigned i)
{
	struct writes written = {.accounts = {{.wrote = 0}}};
	const unsigned n = below(CODES);
	assert_ok(set_code(h->state, i, n));
	written.accounts[i].values.code = (uint8_t)n;
	written.accounts[i].wrote = CODE | THERE;
	wrote(h, &written);
}

static void write_slot(struct handle *h, unsigned i)
{
	struct writes written = {.accounts = {{.wrote = 0}}};
	const unsigned s = below(SLOTS), value = below(4);
	assert_ok(set_slot(h->state, i, s, value));
	written.accounts[i].values.slots[s] = (uint8_t)value;
	written.accounts[i].slots = (uint8_t)(1u << s);
	wrote(h, &written);
}

static void destroy_account(struct handle *h, unsigned i)
{
	struct writes written = {.accounts = {{.wrote = 0}}};
	assert_ok(destroy(h->state, i));
	written.accounts[i].wrote = BALANCE | NONCE | CODE | GONE | WIPED;
	wrote(h, &written);
}

static void wipe_account(struct handle *h, unsigned i)
{
	struct writes written = {.accounts = {{.wrote = 0}}};
	assert_ok(wipe(h->state, i));
	written.accounts[i].wrote = WIPED;
	wrote(h, &written);
}

static void write_something(struct handle *h)
{
	const unsigned i = below(ACCOUNTS), n = below(20);
	if (n < 10)
		write_slot(h, i);
	else if (n < 15)
		write_fields(h, i);
	else if (n < 17)
		write_code(h, i);
	else if (n < 19)
		wipe_account(h, i);
	else
		destroy_account(h, i);
}

/* ---- scopes ---- */

static void take_snapshot(struct handle *h)
{
	if (h->ids_n == MARKS)
		return;
	h->copies[h->ids_n] = h->own;
	assert_ok(state_snapshot(h->state, &h->ids[h->ids_n], NULL));
	assert_true(h->ids[h->ids_n] != 0);
	h->ids_n++;
}

static void revert(struct handle *h)
{
	if (h->ids_n == 0 || below(8) == 0) {
		const uint64_t gone = h->gone[below(GONE_IDS)];
		assert_int_equal(state_revert(h->state, gone, NULL), ERR_NOT_FOUND);
		assert_int_equal(state_snapshot_commit(h->state, gone, NULL), ERR_NOT_FOUND);
		return;
	}
	const unsigned at = below(h->ids_n);
	assert_ok(state_revert(h->state, h->ids[at], NULL));
	h->own = h->copies[at];
	forget_ids(h, at);
}

static void commit_snapshot(struct handle *h)
{
	if (h->ids_n == 0)
		return;
	const unsigned at = below(h->ids_n);
	assert_ok(state_snapshot_commit(h->state, h->ids[at], NULL));
	forget_ids(h, at);
	if (has_scope(h))
		return;
	publish(h, &h->own);
	end_all(h);
}

static void begin_batch(struct handle *h)
{
	const bool allowed = !h->in_batch && h->ids_n == 0;
	assert_int_equal(state_batch_begin(h->state, NULL), allowed ? OK : ERR_INVALID);
	if (!allowed)
		return;
	h->in_batch = true;
	h->batch = h->own;
}

static void end_batch(struct handle *h)
{
	const bool commit = below(3) > 0;
	const enum err err = commit ? state_batch_commit(h->state, NULL)
				    : state_batch_rollback(h->state, NULL);
	assert_int_equal(err, h->in_batch ? OK : ERR_INVALID);
	if (!h->in_batch)
		return;
	h->in_batch = false;
	forget_ids(h, 0);
	if (!commit)
		h->own = h->batch;
	if (h->tx)
		return;
	publish(h, &h->own);
	end_all(h);
}

static void begin_tx(struct handle *h)
{
	uint64_t id;
	const bool allowed = !has_scope(h);
	assert_int_equal(state_tx_begin(h->state, &id, NULL), allowed ? OK : ERR_INVALID);
	if (!allowed)
		return;
	h->tx = id;
	h->base = now;
	memset(&h->others, 0, sizeof h->others);
}

static void end_tx(struct handle *h)
{
	if (!h->tx) {
		assert_int_equal(state_tx_commit(h->state, 1, NULL), ERR_INVALID);
		return;
	}
	if (below(4) == 0) {
		assert_ok(state_tx_rollback(h->state, h->tx, NULL));
		end_all(h);
		return;
	}
	const bool conflict = in_conflict(h);
	assert_int_equal(state_tx_commit(h->state, h->tx, NULL), conflict ? ERR_CONFLICT : OK);
	if (!conflict)
		publish(h, &h->own);
	conflicts += conflict;
	committed += !conflict;
	end_all(h);
}

static void publish_all(struct handle *h)
{
	const enum err err = state_publish(h->state, below(4) == 0, NULL);
	assert_int_equal(err, h->tx ? ERR_INVALID : OK);
	if (h->tx)
		return;
	publish(h, &h->own);
	end_all(h);
}

/* ---- a run ---- */

static void flush_or_forget(struct handle *h)
{
	struct err_detail detail;
	struct layer_view *top = state_top_view(h->state);
	if (below(4) == 0)
		top->layer->ops->forget(top);
	else if (below(2) == 0)
		assert_ok(shared_flush(rig.db.writable, false, &detail));
	state_rest(h->state);
}

static void step(struct handle *h)
{
	const unsigned n = below(200);
	if (n < 110)
		write_something(h);
	else if (n < 130)
		take_snapshot(h);
	else if (n < 144)
		revert(h);
	else if (n < 150)
		commit_snapshot(h);
	else if (n < 156)
		begin_batch(h);
	else if (n < 162)
		end_batch(h);
	else if (n < 172)
		begin_tx(h);
	else if (n < 182)
		end_tx(h);
	else if (n < 184)
		publish_all(h);
	else if (n < 190)
		flush_or_forget(h);
	else
		compare(h);
	compare_some(&handles[below(HANDLES)]);
	if (n == 199) {
		compare_walk(h);
		compare_walk_slots(h);
	}
}

static void open_handles(void)
{
	for (unsigned i = 0; i < HANDLES; i++)
		handles[i] = (struct handle){.state = rig_state(&rig)};
}

static void close_handles(void)
{
	for (unsigned i = 0; i < HANDLES; i++)
		state_free(&handles[i].state);
}

/* What lies below an overlay is not empty. */
static void fill_bottom(void)
{
	struct db db = {.top = rig.bottom, .writable = rig.bottom};
	struct handle h = {.state = NULL};
	assert_ok(state_new(&db, NULL, &h.state, NULL));
	for (unsigned n = 0; n < 40; n++)
		write_something(&h);
	state_free(&h.state);
}

static unsigned long operations(void)
{
	const char *few = getenv("FORKCACHE_MODEL_OPERATIONS");
	return few ? strtoul(few, NULL, 10) : 1000000;
}

/* A share of all operations, in this many thousandths. */
static void run(enum rig_kind this, bool keep_empty, unsigned long thousandths)
{
	const unsigned long n = operations() * thousandths / 1000;
	kind = this;
	memset(&now, 0, sizeof now);
	memset(handles, 0, sizeof handles);
	committed = conflicts = 0;
	seed = 20260407 + (unsigned)this * 2 + keep_empty;
	rig_open(&rig, kind, keep_empty);
	if (rig.bottom)
		fill_bottom();
	open_handles();
	for (unsigned long i = 0; i < n; i++)
		step(&handles[below(HANDLES)]);
	for (unsigned i = 0; i < HANDLES; i++)
		compare(&handles[i]);
	close_handles();
	if (n > 5000) {
		assert_true(committed > 0);
		assert_true(conflicts > 0);
	}
	if (rig.folder[0] && !rig.bottom) { /* what is on the disk is what was committed */
		rig_free_layers(&rig);
		rig_build(&rig, kind);
		open_handles();
		compare(&handles[0]);
		compare_walk(&handles[0]);
		close_handles();
	}
	rig_close(&rig);
}

static void test_memory(void **state)
{
	(void)state;
	run(RIG_MEMORY, false, 200);
	run(RIG_MEMORY, true, 100);
}

static void test_file(void **state)
{
	(void)state;
	run(RIG_FILE, false, 100);
	run(RIG_FILE, true, 50);
	run(RIG_FILE_OVERLAY, false, 50);
}

static void test_overlay(void **state)
{
	(void)state;
	run(RIG_OVERLAY, false, 200);
	run(RIG_OVERLAY, true, 50);
}

static void test_cached(void **state)
{
	(void)state;
	run(RIG_CACHED, false, 50);
	run(RIG_CACHED, true, 50);
	run(RIG_OVERLAY_CACHED, false, 100);
	run(RIG_CACHED_FILE, false, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_cached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
