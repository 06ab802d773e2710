/* SPDX-License-Identifier: MIT */
/* The shared layer over a layer that knows, lacks and fails; pins, conflicts, walks. */
#include "state_rig.h"
#include "fake_layer.h"

static struct fake_layer fake;

static struct rig over_fake(bool keep_empty)
{
	struct rig rig = {.db.keep_empty = keep_empty};
	rig.db.source = fake_layer_init(&fake);
	rig.db.top = rig.db.writable = rig_shared(&rig, rig.db.source, false);
	return rig;
}

static void know_slot(uint64_t account, uint64_t slot, uint64_t value)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 s = word_of(slot), v = word_of(value);
	fake_layer_slot(&fake, &a, &s, &v);
}

static void know_account(uint64_t account, uint64_t balance, struct blob *code)
{
	const struct eth_address a = address_of(account);
	fake_layer_account(&fake, &a, balance, 0, code);
}

static enum lookup try_slot(struct state *s, uint64_t account, uint64_t slot,
			    struct needs *needs, struct fault *fault)
{
	const struct eth_address a = address_of(account);
	const struct eth_bytes32 name = word_of(slot);
	struct eth_bytes32 value;
	return state_slot(s, &a, &name, &value, needs, fault);
}

static void slots_fall_through(void **state)
{
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	struct needs needs = {.rows = NULL};
	struct fault fault;
	(void)state;
	know_slot(1, 1, 11);
	know_slot(1, 2, 12);
	assert_int_equal(slot_of(s, 1, 1), 11);
	assert_ok(set_slot(s, 1, 1, 0));
	assert_int_equal(slot_of(s, 1, 1), 0); /* empty is not a miss */
	assert_int_equal(slot_of(s, 1, 2), 12);
	assert_int_equal(try_slot(s, 1, 3, NULL, &fault), MISS);
	assert_int_equal(try_slot(s, 1, 3, &needs, &fault), MISS);
	assert_int_equal(needs.n, 1);
	assert_int_equal(needs.rows[0].kind, NEED_SLOT);
	assert_ok(wipe(s, 1));
	assert_int_equal(slot_of(s, 1, 2), 0); /* nothing below is seen any more */
	assert_int_equal(slot_of(s, 1, 3), 0);
	fake.fails = ERR_TIMEOUT;
	assert_int_equal(slot_of(s, 1, 2), 0);
	assert_int_equal(try_slot(s, 2, 1, NULL, &fault), FAILED);
	assert_int_equal(fault.err, ERR_TIMEOUT);
	assert_string_equal(fault.detail.text, "the fake fails");
	needs_release(&needs);
	state_free(&s);
	rig_close(&rig);
	assert_true(fake.freed);
	assert_int_equal(fake.views, 0);
}

static enum lookup try_account(struct state *s, uint64_t account, unsigned wanted,
			       struct account_state *out, struct needs *needs)
{
	const struct eth_address a = address_of(account);
	struct fault fault;
	return state_account(s, &a, wanted, out, needs, &fault);
}

/* Written fields are not asked for below; the same inside of a batch. */
static void only_what_was_not_written_is_needed(void **state)
{
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	struct account_state out;
	struct needs needs = {.rows = NULL};
	(void)state;
	assert_ok(set_nonce(s, 1, 5));
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_balance(s, 1, 7));
	assert_int_equal(try_account(s, 1, ACCOUNT_BALANCE | ACCOUNT_NONCE, &out, &needs), HIT);
	assert_int_equal(out.fields.nonce, 5);
	assert_int_equal(needs.n, 0);
	assert_int_equal(try_account(s, 1, ACCOUNT_ALL, &out, &needs), MISS);
	assert_int_equal(needs.n, 1);
	assert_int_equal(needs.rows[0].kind, NEED_CODE);
	assert_ok(destroy(s, 1));
	assert_int_equal(try_account(s, 1, ACCOUNT_ALL, &out, NULL), HIT);
	assert_false(out.exists);
	assert_int_equal(out.fields.nonce, 0);
	assert_true(eth_bytes32_equal(&out.fields.code_hash, &eth_empty_code_hash));
	needs_release(&needs);
	state_free(&s);
	rig_close(&rig);
}

static void existence(void **state)
{
	(void)state;
	for (int keep_empty = 0; keep_empty < 2; keep_empty++) {
		struct rig rig = over_fake(keep_empty);
		struct state *s = rig_state(&rig);
		fake.knows_all = true;
		know_account(1, 10, NULL);
		assert_true(account_of(s, 1).exists);
		assert_false(account_of(s, 2).exists);
		assert_ok(set_balance(s, 2, 0));
		assert_int_equal(account_of(s, 2).exists, keep_empty);
		assert_ok(set_balance(s, 1, 0));
		assert_int_equal(account_of(s, 1).exists, keep_empty);
		assert_ok(set_slot(s, 3, 1, 1)); /* storage makes no account */
		assert_false(account_of(s, 3).exists);
		assert_ok(destroy(s, 1));
		assert_false(account_of(s, 1).exists);
		assert_ok(state_batch_begin(s, NULL));
		assert_ok(set_nonce(s, 1, 1));
		assert_true(account_of(s, 1).exists);
		assert_ok(state_batch_commit(s, NULL));
		assert_true(account_of(s, 1).exists);
		assert_int_equal(slot_of(s, 1, 1), 0);
		state_free(&s);
		rig_close(&rig);
	}
}

static struct eth_bytes32 hash_of(const struct blob *code)
{
	struct eth_bytes32 hash;
	keccak256(code->bytes, code->len, &hash);
	return hash;
}

static enum err set_code_hash(struct state *s, uint64_t account, const struct eth_bytes32 *hash)
{
	const struct eth_address a = address_of(account);
	const struct account_fields fields = {.mask = ACCOUNT_CODE_HASH, .code_hash = *hash};
	struct err_detail detail;
	return state_set_account(s, &a, &fields, &detail);
}

static void code_is_found_wherever_it_is(void **state)
{
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	struct blob *code = blob_copy("below", 5);
	const struct eth_bytes32 hash = hash_of(code), unknown = word_of(77);
	(void)state;
	know_account(1, 0, code);
	assert_int_equal(code_length_of(s, 1), 5);
	assert_int_equal(set_code_hash(s, 2, &unknown), ERR_NOT_FOUND);
	assert_ok(set_code_hash(s, 2, &hash)); /* known by its hash, below */
	assert_int_equal(code_length_of(s, 2), 5);
	assert_ok(set_code(s, 1, 3)); /* a delegation: the code changes */
	assert_int_equal(code_length_of(s, 1), 3);
	assert_ok(set_code(s, 1, 0));
	assert_int_equal(code_length_of(s, 1), 0);
	fake.fails = ERR_IO;
	assert_int_equal(code_length_of(s, 2), 5); /* it came with the write */
	blob_put(&code);
	state_free(&s);
	rig_close(&rig);
}

/* ---- pins and conflicts ---- */

static void expect_conflict(const char *what, enum err (*mine)(struct state *),
			    enum err (*theirs)(struct state *), enum err expected)
{
	struct rig rig;
	uint64_t tx;
	struct err_detail detail = {""};
	rig_open(&rig, RIG_MEMORY, false);
	struct state *a = rig_state(&rig), *b = rig_state(&rig);
	assert_ok(state_tx_begin(a, &tx, NULL));
	assert_ok(mine(a));
	assert_ok(theirs(b));
	assert_int_equal(state_tx_commit(a, tx, &detail), expected);
	if (expected)
		assert_non_null(strstr(detail.text, what));
	assert_int_equal(state_tx_rollback(a, tx, NULL), ERR_INVALID); /* it is over */
	state_free(&a);
	state_free(&b);
	rig_close(&rig);
}

static enum err balance(struct state *s)
{
	return set_balance(s, 1, 1);
}
static enum err nonce(struct state *s)
{
	return set_nonce(s, 1, 1);
}
static enum err code(struct state *s)
{
	return set_code(s, 1, 2);
}
static enum err slot_a(struct state *s)
{
	return set_slot(s, 1, 0xa, 1);
}
static enum err slot_b(struct state *s)
{
	return set_slot(s, 1, 0xb, 1);
}
static enum err wiped(struct state *s)
{
	return wipe(s, 1);
}
static enum err destroyed(struct state *s)
{
	return destroy(s, 1);
}
static enum err other(struct state *s)
{
	return destroy(s, 2);
}

static void conflicts_are_by_field_and_slot(void **state)
{
	const struct {
		const char *what;
		enum err (*mine)(struct state *), (*theirs)(struct state *);
		enum err expected;
	} cases[] = {
		{"the balance of 0x0000000000000000000000000000000000000001 has", balance,
		 balance, ERR_CONFLICT},
		{"", balance, nonce, OK},
		{"", balance, code, OK},
		{"", balance, slot_a, OK},
		{"the nonce", nonce, nonce, ERR_CONFLICT},
		{"the code", code, code, ERR_CONFLICT},
		{"slot 0x000000000000000000000000000000000000000000000000000000000000000a of",
		 slot_a, slot_a, ERR_CONFLICT},
		{"", slot_a, slot_b, OK},
		{"the storage", slot_a, wiped, ERR_CONFLICT},
		{"the storage", wiped, slot_b, ERR_CONFLICT},
		{"the storage", wiped, wiped, ERR_CONFLICT},
		{"", wiped, balance, OK},
		{"the balance", destroyed, balance, ERR_CONFLICT},
		{"the storage", slot_a, destroyed, ERR_CONFLICT},
		{"", destroyed, other, OK},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_conflict(cases[i].what, cases[i].mine, cases[i].theirs,
				cases[i].expected);
}

static void a_pinned_view_moves_on_with_its_own_publication(void **state)
{
	struct rig rig;
	(void)state;
	rig_open(&rig, RIG_MEMORY, false);
	struct state *a = rig_state(&rig), *b = rig_state(&rig);
	struct layer_view *view = state_writable_view(a);
	struct overlay *own;
	const struct eth_address address = address_of(1);
	const struct eth_bytes32 one = word_of(1);
	assert_ok(shared_pin(view));
	assert_true(shared_is_pinned(view));
	assert_int_equal(shared_sequence(view), 0);
	assert_ok(set_slot(b, 2, 2, 2));
	assert_int_equal(slot_of(a, 2, 2), 0);
	assert_int_equal(shared_sequence(view), 0);
	assert_ok(overlay_new(&own));
	assert_ok(overlay_set_slot(own, &address, &one, &one));
	assert_ok(shared_publish(view, own, false, NULL));
	assert_int_equal(shared_sequence(view), 2);
	assert_int_equal(slot_of(a, 2, 2), 2);
	assert_int_equal(slot_of(a, 1, 1), 1);
	overlay_free(&own);
	state_free(&a); /* while it is pinned */
	assert_ok(set_slot(b, 1, 1, 3));
	state_free(&b);
	rig_close(&rig);
}

/* ---- who hears, and walks ---- */

struct heard {
	unsigned accounts, slots, wiped;
	uint64_t sequence;
};

static void hear(void *cookie, uint64_t sequence, const struct change_account *account)
{
	struct heard *heard = cookie;
	heard->accounts++;
	heard->sequence = sequence;
	heard->wiped += account->generation > 0;
	for (const struct change_slot *slot = account->slots; slot; slot = slot->next)
		heard->slots += change_slot_holds(slot);
}

static void listeners_hear_what_is_published(void **state)
{
	struct rig rig;
	struct heard heard = {.accounts = 0};
	struct shared_listener listener = {.changed = hear, .cookie = &heard};
	(void)state;
	rig_open(&rig, RIG_MEMORY, false);
	struct state *s = rig_state(&rig);
	shared_listen(rig.db.writable, &listener);
	assert_ok(set_slot(s, 1, 1, 1));
	assert_int_equal(heard.accounts, 1);
	assert_int_equal(heard.slots, 1);
	assert_ok(state_batch_begin(s, NULL));
	assert_ok(set_slot(s, 1, 2, 1));
	assert_ok(wipe(s, 1));
	assert_ok(set_slot(s, 1, 3, 1));
	assert_ok(set_balance(s, 2, 1));
	assert_int_equal(heard.accounts, 1);
	assert_ok(state_batch_commit(s, NULL));
	assert_int_equal(heard.accounts, 3);
	assert_int_equal(heard.slots, 2);
	assert_int_equal(heard.wiped, 1);
	assert_int_equal(heard.sequence, 2);
	shared_unlisten(rig.db.writable, &listener);
	assert_ok(set_slot(s, 1, 1, 1));
	assert_int_equal(heard.accounts, 3);
	state_free(&s);
	rig_close(&rig);
}

struct walked {
	unsigned accounts, slots, zeros;
	uint64_t sum; /* of the values */
};

static enum err walk_account(void *cookie, const struct eth_address *address,
			     const struct account_state *account)
{
	struct walked *walked = cookie;
	(void)address;
	(void)account;
	walked->accounts++;
	return OK;
}

static enum err walk_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct walked *walked = cookie;
	const uint64_t v = be64_get(value->bytes + 24);
	(void)address;
	(void)slot;
	walked->slots++;
	walked->zeros += v == 0;
	walked->sum += v;
	return v == 999 ? ERR_CANCELLED : OK;
}

static struct walked walk_all(struct state *s, bool written_only, enum err expected)
{
	const struct layer_walk walk = {
		.written_only = written_only, .account = walk_account, .slot = walk_slot};
	struct walked walked = {.accounts = 0};
	struct layer_view *top = state_top_view(s);
	struct err_detail detail;
	assert_int_equal(top->layer->ops->walk(top, &walk, &walked, &detail), expected);
	return walked;
}

static void walks_see_through_to_what_is_below(void **state)
{
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	(void)state;
	fake.knows_all = true;
	know_account(1, 10, NULL);
	know_account(2, 20, NULL);
	know_account(3, 30, NULL);
	know_slot(1, 1, 100);
	know_slot(1, 2, 200);
	know_slot(2, 1, 1000);
	know_slot(3, 1, 10000);
	assert_ok(set_slot(s, 1, 1, 1)); /* instead of 100 */
	assert_ok(set_slot(s, 1, 2, 0));
	assert_ok(destroy(s, 2));
	struct walked walked = walk_all(s, false, OK);
	assert_int_equal(walked.zeros, 0);
	assert_int_equal(walked.sum, 2 * 1 + 10000); /* the layer's own come again */
	assert_int_equal(walked.accounts, 3);	     /* 1 twice, 3 */
	walked = walk_all(s, true, OK);
	assert_int_equal(walked.accounts, 2);
	assert_int_equal(walked.slots, 3); /* two that were written, one for what was wiped */
	assert_int_equal(walked.zeros, 2);
	assert_ok(set_slot(s, 1, 3, 999));
	(void)walk_all(s, true, ERR_CANCELLED);
	state_free(&s);
	rig_close(&rig);
}

static void one_account_s_slots_are_walked(void **state)
{
	const struct layer_walk walk = {.written_only = true, .slot = walk_slot};
	const struct eth_address address = address_of(1);
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	struct layer_view *top = state_top_view(s);
	struct walked walked = {.accounts = 0};
	struct err_detail detail;
	bool through = false;
	(void)state;
	assert_ok(set_slot(s, 1, 1, 5));
	assert_ok(set_slot(s, 2, 1, 7));
	assert_ok(
		top->layer->ops->walk_slots(top, &address, &walk, &walked, &through, &detail));
	assert_true(through);
	assert_int_equal(walked.sum, 5);
	assert_ok(wipe(s, 1));
	assert_ok(
		top->layer->ops->walk_slots(top, &address, &walk, &walked, &through, &detail));
	assert_false(through);
	assert_int_equal(walked.sum, 5);
	state_free(&s);
	rig_close(&rig);
}

static void calls_go_down(void **state)
{
	struct rig rig = over_fake(false);
	struct state *s = rig_state(&rig);
	struct layer_view *top = state_top_view(s);
	struct layer_stats stats = {.disk.hits = 0};
	(void)state;
	state_rest(s);
	assert_int_equal(fake.rests, 1);
	top->layer->ops->forget(top);
	assert_int_equal(fake.forgets, 1);
	top->layer->ops->stats(top->layer, &stats);
	assert_int_equal(stats.disk.hits, 1);
	assert_ptr_equal(state_source_view(s)->layer, &fake.layer);
	state_free(&s);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_fall_through),
		cmocka_unit_test(only_what_was_not_written_is_needed),
		cmocka_unit_test(existence),
		cmocka_unit_test(code_is_found_wherever_it_is),
		cmocka_unit_test(conflicts_are_by_field_and_slot),
		cmocka_unit_test(a_pinned_view_moves_on_with_its_own_publication),
		cmocka_unit_test(listeners_hear_what_is_published),
		cmocka_unit_test(walks_see_through_to_what_is_below),
		cmocka_unit_test(one_account_s_slots_are_walked),
		cmocka_unit_test(calls_go_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
