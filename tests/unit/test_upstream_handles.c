/* SPDX-License-Identifier: MIT */
/*
 * Eight threads with handles of one fork below an overlay. What is published is always what the
 * chain says anyway, so that every value, every storage root and the state root are the
 * block's, whatever is written, reverted, fed, forgotten and cancelled at the same time.
 */
#include "source_rig.h"
#include "threads.h"

enum { THREADS = 8, ROUNDS = 24, PEOPLE = 5, SLOTS = 4, GARBAGE = 0xbad };

static struct fc_db *db;
static struct fc_block block;

struct person {
	struct fc_address address;
	struct fc_account fields;
	struct fc_bytes32 slots[SLOTS];
};
static struct person people[PEOPLE];

struct worker {
	pthread_t thread;
	void (*round)(struct worker *w, struct fc_state *s);
	uint64_t rng;
};

static unsigned pick(struct worker *w, unsigned n)
{
	return draw(&w->rng, n);
}

static bool same(const struct fc_bytes32 *a, const struct fc_bytes32 *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* ---- the truth ---- */

#define FIELDS (FC_BALANCE | FC_NONCE | FC_CODE_HASH)

static void look_up(struct fc_state *s)
{
	static const enum world_kind kinds[PEOPLE] = {WORLD_READER, WORLD_TOKEN, WORLD_LARGE,
						      WORLD_EOA, WORLD_DELEGATED};
	for (unsigned i = 0; i < PEOPLE; i++) {
		struct person *p = &people[i];
		memcpy(p->address.bytes, someone(kinds[i])->address.bytes, 20);
		assert_ok(fc_get_account(s, &p->address, FIELDS | FC_STORAGE_ROOT, &p->fields));
		for (unsigned k = 0; k < SLOTS; k++) {
			const struct fc_bytes32 slot = word_of(k);
			assert_ok(fc_get_storage(s, &p->address, &slot, &p->slots[k]));
		}
	}
}

static void check_person(struct fc_state *s, const struct person *p)
{
	struct fc_account got;
	struct fc_bytes32 value;
	expect(fc_get_account(s, &p->address, FIELDS, &got) == FC_OK);
	expect(got.nonce == p->fields.nonce && same(&got.balance, &p->fields.balance) &&
	       same(&got.code_hash, &p->fields.code_hash));
	for (unsigned k = 0; k < SLOTS; k++) {
		const struct fc_bytes32 slot = word_of(k);
		expect(fc_get_storage(s, &p->address, &slot, &value) == FC_OK);
		expect(same(&value, &p->slots[k]));
	}
}

/* Of the first one's account nothing is ever written: roots read its fields from the fork. */
static void write_fields(struct fc_state *s, const struct person *p,
			 const struct fc_account *fields)
{
	if (p != people)
		expect(fc_set_account(s, &p->address, fields) == FC_OK);
}

static void write_person(struct fc_state *s, const struct person *p)
{
	struct fc_account fields = p->fields;
	fields.mask = FC_BALANCE | FC_NONCE;
	write_fields(s, p, &fields);
	for (unsigned k = 0; k < SLOTS; k++) {
		const struct fc_bytes32 slot = word_of(k);
		expect(fc_set_storage(s, &p->address, &slot, &p->slots[k]) == FC_OK);
	}
}

static void write_garbage(struct fc_state *s, const struct person *p)
{
	const struct fc_bytes32 slot = word_of(1), value = word_of(GARBAGE);
	const struct fc_account fields = {
		.mask = FC_BALANCE | FC_NONCE, .nonce = GARBAGE, .balance = value};
	write_fields(s, p, &fields);
	expect(fc_set_storage(s, &p->address, &slot, &value) == FC_OK);
}

static void check_root(struct fc_state *s, bool is_the_block_s)
{
	struct fc_bytes32 root;
	const bool got = fc_state_root(s, &root) == FC_OK;
	expect(got);
	if (got)
		expect(same(&root, &block.state_root) == is_the_block_s);
}

/* ---- what the threads do ---- */

static void in_transactions(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, PEOPLE)];
	uint64_t tx, id;
	expect(fc_tx_begin(s, &tx) == FC_OK);
	expect(fc_snapshot(s, &id) == FC_OK);
	write_garbage(s, p);
	if (pick(w, 2))
		check_root(s, false);
	if (pick(w, 2))
		expect(fc_revert(s, id) == FC_OK);
	write_person(s, p);
	check_root(s, true);
	const enum fc_err err = fc_tx_commit(s, tx);
	expect(err == FC_OK || err == FC_ERR_CONFLICT);
}

static void at_once(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, PEOPLE)];
	const struct fc_address nobody = {.bytes = {0xdd, (uint8_t)pick(w, 3)}};
	const struct fc_account fields = {.mask = FC_NONCE, .nonce = 1};
	const struct fc_bytes32 slot = word_of(1);
	expect(fc_set_storage(s, &p->address, &slot, &p->slots[1]) == FC_OK);
	expect(fc_batch_begin(s) == FC_OK);
	expect(fc_set_account(s, &nobody, &fields) == FC_OK);
	expect(fc_set_storage(s, &nobody, &slot, &slot) == FC_OK);
	expect(fc_delete_account(s, &nobody) == FC_OK);
	write_garbage(s, p);
	write_person(s, p);
	expect(fc_batch_commit(s) == FC_OK);
	check_person(s, p);
}

static void proving(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, PEOPLE)];
	struct fc_read reads[] = {
		{.kind = FC_READ_STORAGE,
		 .address = p->address,
		 .slot = word_of(1),
		 .prove = true},
		{.kind = FC_READ_ACCOUNT,
		 .wanted = FIELDS | FC_STORAGE_ROOT,
		 .address = p->address,
		 .prove = pick(w, 2) == 0},
	};
	const uint8_t *nodes[64];
	size_t lens[64], n = 0;
	check_root(s, true);
	expect(fc_read_many(s, reads, 2) == FC_OK);
	expect(same(&reads[0].value, &p->slots[1]));
	expect(same(&reads[1].account.storage_root, &p->fields.storage_root));
	const size_t of_account = fc_proof_account_nodes(reads[0].proof);
	const size_t of_slot = fc_proof_storage_nodes(reads[0].proof);
	for (; n < of_account + of_slot && n < 64; n++)
		nodes[n] = fc_proof_node(reads[0].proof, n, &lens[n]);
	expect(fc_proof_verify(&block.state_root, &p->address, nodes, lens, of_account,
			       &p->fields, &reads[0].slot, &p->slots[1], nodes + of_account,
			       lens + of_account, of_slot, NULL) == FC_OK);
	fc_reads_release(reads, 2);
}

static void count(void *cookie, struct fc_op *op)
{
	(void)op;
	++*(unsigned *)cookie;
}

static void asking(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, PEOPLE)];
	const struct fc_read reads[] = {
		{.kind = FC_READ_ACCOUNT, .wanted = FC_STORAGE_ROOT, .address = p->address},
		{.kind = FC_READ_STORAGE, .address = p->address, .slot = word_of(2)},
		{.kind = FC_READ_CODE, .address = p->address}};
	struct fc_op *op = NULL, *root = NULL, *gone = NULL;
	struct fc_bytes32 computed;
	unsigned called = 0;
	expect(fc_read_start(s, reads, 3, NULL, &op) == FC_OK);
	expect(fc_op_on_done(op, count, &called) == FC_OK);
	expect(fc_read_start(s, reads, 3, NULL, &gone) == FC_OK);
	expect(fc_state_root_start(s, NULL, &root) == FC_OK);
	if (pick(w, 2))
		expect(fc_clear_cache(s) == FC_OK);
	fc_op_cancel(gone);
	fc_op_free(&gone);
	expect(fc_op_wait(op, -1) == FC_OK && fc_op_wait(root, -1) == FC_OK);
	expect(fc_op_result(op) == FC_OK);
	const struct fc_read *got = fc_op_reads(op, NULL);
	expect(same(&got[0].account.storage_root, &p->fields.storage_root));
	expect(same(&got[1].value, &p->slots[2]));
	expect(fc_op_root(root, &computed) == FC_OK && same(&computed, &block.state_root));
	expect(fc_dispatch(s) == 1 && called == 1);
	fc_op_free(&op);
	fc_op_free(&root);
}

/* Nobody else is to see what this one believes. */
static void feeding(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, 2)];
	const struct fc_bytes32 slot = word_of(3), garbage = word_of(GARBAGE);
	struct fc_bytes32 ignored;
	expect(fc_feed_storage(s, &p->address, &slot, &garbage) == FC_OK);
	expect(fc_feed_balance(s, &p->address, &garbage) == FC_OK);
	expect(fc_get_storage(s, &p->address, &slot, &ignored) == FC_OK);
	expect(fc_set_storage(s, &p->address, &slot, &p->slots[3]) == FC_OK);
	expect(fc_state_root(s, &ignored) == FC_OK);
	expect(fc_clear_cache(s) == FC_OK);
	check_person(s, p);
	check_root(s, true);
}

static void resuming(struct worker *w, struct fc_state *s)
{
	const struct person *p = &people[pick(w, PEOPLE)];
	const struct fc_bytes32 slot = word_of(pick(w, SLOTS));
	struct fc_bytes32 value;
	unsigned runs = 0;
	expect(fc_set_wait(s, FC_RESUMABLE) == FC_OK);
	while (fc_get_storage(s, &p->address, &slot, &value) == FC_PENDING && runs++ < 1000)
		expect(fc_fetch_needed(s) == FC_OK);
	expect(runs < 1000);
	expect(fc_set_wait(s, FC_BLOCKING) == FC_OK);
	check_person(s, p);
}

static void *work(void *cookie)
{
	struct worker *w = cookie;
	struct fc_state *s = NULL;
	expect(fc_state_new(db, NULL, &s) == FC_OK);
	for (unsigned i = 0; s && i < ROUNDS; i++)
		w->round(w, s);
	fc_state_free(&s);
	return NULL;
}

/* ---- */

static void open_url(const char *above)
{
	struct fc_error why;
	char urls[256];
	(void)snprintf(urls, sizeof urls, "%sfork+http://127.0.0.1:%u/SECRETKEY#block=2", above,
		       mock_thread_port(rig.mock));
	if (fc_open(urls, &db, &why) != FC_OK)
		fail_msg("%s", why.detail);
	assert_ok(fc_block(db, &block));
}

static void run(const char *above)
{
	static void (*const rounds[THREADS])(struct worker *, struct fc_state *) = {
		in_transactions, in_transactions, at_once, proving,
		asking,		 asking,	  feeding, resuming};
	struct worker workers[THREADS] = {{0}};
	struct fc_state *s = NULL;
	open_url("");
	assert_ok(fc_state_new(db, NULL, &s));
	look_up(s);
	fc_state_free(&s);
	assert_ok(fc_close(&db, NULL));
	open_url(above);
	atomic_store(&wrong, 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].round = rounds[i];
		workers[i].rng = i + 1;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	assert_ok(fc_close(&db, NULL));
	expected_all();
}

static void below_an_overlay(void **state)
{
	(void)state;
	run("overlay://,");
}

static void below_an_overlay_below_a_cache(void **state)
{
	(void)state;
	run("memory://#bytes=1MiB,overlay://,memory://#bytes=1MiB,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(below_an_overlay, setup, teardown),
		cmocka_unit_test_setup_teardown(below_an_overlay_below_a_cache, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
