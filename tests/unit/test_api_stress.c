/* SPDX-License-Identifier: MIT */
/*
 * Eight threads on one database, each with a handle of its own, doing what the header allows:
 * transactions, writes that are published at once, snapshots that are taken back, destroyed and
 * made-again accounts, operations and callbacks, state roots, copies.
 *
 * Every publication keeps what is looked for: all balances have one sum; an account's nonce
 * stands in both of its first slots (or all three are zero: it is gone); nobody sees what was
 * taken back; what one thread counts up never goes down. A root is that of a copy. The
 * sanitizers see the rest (VARIANT=tsan, asan).
 */
#include "unit.h"
#include "base/check.h"
#include "threads.h"
#include "store_fixture.h"

enum {
	THREADS = 8,
	ACCOUNTS = 6,
	EACH = 1000,
	COUNTERS = 2,
	ROUNDS = 60, /* of the slowest kind */
	GARBAGE = 0xbad
};

static struct fc_db *db;
static atomic_uint commits, conflicts, roots, called, left;

struct worker {
	pthread_t thread;
	void (*round)(struct worker *w, struct fc_state *s);
	uint64_t rng, last[COUNTERS], count;
	unsigned number, rounds;
};

static unsigned pick(struct worker *w, unsigned n)
{
	return draw(&w->rng, n);
}

static struct fc_address account_at(unsigned n)
{
	return (struct fc_address){.bytes = {0xac, [18] = (uint8_t)(n >> 8), (uint8_t)n}};
}

static struct fc_address counter_at(unsigned n)
{
	return account_at(0x100 + n);
}

static uint64_t number_of(const struct fc_bytes32 *word)
{
	uint64_t n = 0;
	for (int i = 0; i < 8; i++)
		n = n << 8 | word->bytes[24 + i];
	return n;
}

/* ---- one account ---- */

static uint64_t slot_of(struct fc_state *s, const struct fc_address *address, uint64_t k)
{
	const struct fc_bytes32 slot = word_of(k);
	struct fc_bytes32 value = word_of(0);
	expect(fc_get_storage(s, address, &slot, &value) == FC_OK);
	return number_of(&value);
}

static void put_slot(struct fc_state *s, const struct fc_address *address, uint64_t k,
		     uint64_t n)
{
	const struct fc_bytes32 slot = word_of(k), value = word_of(n);
	expect(fc_set_storage(s, address, &slot, &value) == FC_OK);
}

static struct fc_account fields_of(struct fc_state *s, const struct fc_address *address)
{
	struct fc_account account = {.mask = 0};
	expect(fc_get_account(s, address, FC_BALANCE | FC_NONCE | FC_CODE_HASH | FC_EXISTS,
			      &account) == FC_OK);
	return account;
}

static void put_fields(struct fc_state *s, const struct fc_address *address, uint64_t balance,
		       uint64_t nonce)
{
	const struct fc_account account = {
		.mask = FC_BALANCE | FC_NONCE, .balance = word_of(balance), .nonce = nonce};
	expect(fc_set_account(s, address, &account) == FC_OK);
}

/* Code says the number that the nonce and the slots say. */
static void put_number(struct fc_state *s, const struct fc_address *address, uint64_t n)
{
	const struct fc_bytes32 word = word_of(n);
	put_slot(s, address, 0, n);
	put_slot(s, address, 1, n);
	expect(fc_set_code(s, address, word.bytes, n ? sizeof word.bytes : 0) == FC_OK);
}

static void check_number(struct fc_state *s, const struct fc_address *address, uint64_t n)
{
	struct fc_code *code = NULL;
	expect(slot_of(s, address, 0) == n);
	expect(slot_of(s, address, 1) == n);
	expect(fc_get_code(s, address, &code) == FC_OK);
	if (n == 0)
		expect(fc_code_length(code) == 0);
	else
		expect(fc_code_length(code) == 32 &&
		       number_of((const struct fc_bytes32 *)fc_code_bytes(code)) == n);
	fc_code_put(&code);
}

/* Of one moment: inside of a transaction. */
static void check_all(struct fc_state *s)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		const struct fc_address address = account_at(i);
		const struct fc_account account = fields_of(s, &address);
		sum += number_of(&account.balance);
		expect(account.nonce != GARBAGE);
		expect(account.exists == (account.nonce != 0 || number_of(&account.balance)));
		check_number(s, &address, account.nonce);
	}
	expect(sum == ACCOUNTS * EACH);
}

/* ---- what the threads do ---- */

static void end(struct fc_state *s, uint64_t tx)
{
	const enum fc_err err = fc_tx_commit(s, tx);
	expect(err == FC_OK || err == FC_ERR_CONFLICT);
	atomic_fetch_add(err == FC_OK ? &commits : &conflicts, 1);
	expect(fc_tx_commit(s, tx) == FC_ERR_INVALID_TRANSACTION);
}

/* From one to another; what is left with nothing is destroyed, and made again later. */
static void transfer(struct worker *w, struct fc_state *s)
{
	const struct fc_address from = account_at(pick(w, ACCOUNTS));
	const struct fc_address to = account_at(pick(w, ACCOUNTS));
	const struct fc_account has = fields_of(s, &from), taker = fields_of(s, &to);
	const uint64_t all = number_of(&has.balance), more = number_of(&taker.balance);
	const uint64_t amount = pick(w, 4) == 0 ? all : all / 3;
	if (memcmp(&from, &to, sizeof from) == 0 || amount == 0)
		return;
	if (amount == all) {
		expect(fc_delete_account(s, &from) == FC_OK);
		check_number(s, &from, 0);
	} else {
		put_fields(s, &from, all - amount, has.nonce + 1);
		put_number(s, &from, has.nonce + 1);
	}
	if (pick(w, 4) == 0)
		expect(fc_clear_storage(s, &to) == FC_OK);
	put_fields(s, &to, more + amount, taker.nonce + 1);
	put_number(s, &to, taker.nonce + 1);
}

static void in_transactions(struct worker *w, struct fc_state *s)
{
	uint64_t tx, id;
	expect(fc_tx_begin(s, &tx) == FC_OK);
	transfer(w, s);
	expect(fc_snapshot(s, &id) == FC_OK);
	transfer(w, s);
	if (pick(w, 2))
		expect(fc_revert(s, id) == FC_OK);
	check_all(s);
	if (pick(w, 8) == 0)
		expect(fc_tx_rollback(s, tx) == FC_OK);
	else
		end(s, tx);
}

/* What is published at once, and in batches; what is taken back. */
static void counting(struct worker *w, struct fc_state *s)
{
	const struct fc_address mine = counter_at(w->number % COUNTERS);
	const struct fc_address other = account_at(pick(w, ACCOUNTS));
	uint64_t id, inner;
	put_slot(s, &mine, 0, ++w->count);
	expect(fc_batch_begin(s) == FC_OK);
	put_slot(s, &mine, 1, w->count);
	put_fields(s, &mine, w->count, w->count);
	expect(fc_batch_commit(s) == FC_OK);
	expect(fc_snapshot(s, &id) == FC_OK);
	put_fields(s, &other, GARBAGE, GARBAGE);
	expect(fc_snapshot(s, &inner) == FC_OK);
	expect(fc_delete_account(s, &other) == FC_OK);
	put_slot(s, &other, 0, GARBAGE);
	expect(fc_snapshot_commit(s, inner) == FC_OK);
	expect(slot_of(s, &other, 0) == GARBAGE);
	expect(fc_revert(s, id) == FC_OK);
	expect(fc_revert(s, inner) == FC_ERR_SNAPSHOT_NOT_FOUND);
	expect(slot_of(s, &mine, 0) == w->count);
}

static void watching(struct worker *w, struct fc_state *s)
{
	uint64_t tx;
	for (unsigned i = 0; i < COUNTERS; i++) {
		const struct fc_address counter = counter_at(i);
		const struct fc_account account = fields_of(s, &counter);
		const uint64_t batched = slot_of(s, &counter, 1), now = slot_of(s, &counter, 0);
		expect(account.nonce == number_of(&account.balance));
		expect(account.nonce >= w->last[i]);
		expect(batched >= account.nonce && now >= batched);
		w->last[i] = account.nonce;
	}
	expect(fc_tx_begin(s, &tx) == FC_OK);
	check_all(s);
	if (pick(w, 16) == 0)
		expect(fc_clear_cache(s) == FC_OK);
	check_all(s);
	expect(fc_tx_rollback(s, tx) == FC_OK);
}

static void on_done(void *cookie, struct fc_op *op)
{
	uint64_t *seen = cookie;
	size_t n = 0;
	const struct fc_read *reads = fc_op_reads(op, &n);
	expect(n == 3 && fc_op_result(op) == FC_OK);
	for (size_t i = 0; i < n; i++)
		expect(reads[i].err == FC_OK);
	*seen += 1;
	atomic_fetch_add(&called, 1);
}

/* Reads with proofs and without, which are of one moment only inside of a transaction. */
static void asking(struct worker *w, struct fc_state *s)
{
	const struct fc_address address = account_at(pick(w, ACCOUNTS));
	const struct fc_read reads[3] = {
		{.kind = FC_READ_ACCOUNT, .wanted = FC_NONCE | FC_BALANCE, .address = address},
		{.kind = FC_READ_STORAGE, .address = address},
		{.kind = FC_READ_CODE, .address = address}};
	struct fc_op *op = NULL, *root = NULL;
	struct fc_bytes32 ignored;
	uint64_t seen = 0, tx;
	expect(fc_tx_begin(s, &tx) == FC_OK);
	expect(fc_read_start(s, reads, 3, NULL, &op) == FC_OK);
	expect(fc_op_on_done(op, on_done, &seen) == FC_OK);
	expect(fc_state_root_start(s, NULL, &root) == FC_OK);
	expect(fc_op_wait(op, -1) == FC_OK && fc_op_wait(root, -1) == FC_OK);
	expect(seen == 0 && fc_dispatch(s) == 1 && seen == 1);
	expect(fc_op_root(root, &ignored) == FC_OK);
	const struct fc_read *got = fc_op_reads(op, NULL);
	expect(got[0].account.nonce == number_of(&got[1].value));
	fc_op_free(&op);
	fc_op_free(&root);
	expect(fc_tx_rollback(s, tx) == FC_OK);
	expect(fc_read_start(s, reads, 3, NULL, &op) == FC_OK);
	expect(fc_op_on_done(op, on_done, &seen) == FC_OK);
	fc_op_cancel(op);
	expect(fc_dispatch(s) == 0 && seen == 1);
	fc_op_free(&op);
}

/* A value and its proof are of one moment. */
static void proving(struct worker *w, struct fc_state *s)
{
	const struct fc_address address = account_at(pick(w, ACCOUNTS));
	struct fc_read read = {.kind = FC_READ_STORAGE, .address = address, .prove = true};
	const uint8_t *nodes[64];
	size_t lens[64];
	expect(fc_read_many(s, &read, 1) == FC_OK);
	const size_t n = fc_proof_storage_nodes(read.proof);
	const size_t at = fc_proof_account_nodes(read.proof);
	for (size_t i = 0; i < n && i < 64; i++)
		nodes[i] = fc_proof_node(read.proof, at + i, &lens[i]);
	/* The last node of a slot's proof has its value, less zeros in front, at its end. */
	const uint64_t value = number_of(&read.value);
	uint8_t tail[8];
	size_t bytes = 0;
	for (uint64_t rest = value; rest; rest >>= 8)
		bytes++;
	for (size_t i = 0; i < bytes; i++)
		tail[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
	if (value != 0)
		expect(n > 0 && lens[n - 1] > bytes &&
		       memcmp(nodes[n - 1] + lens[n - 1] - bytes, tail, bytes) == 0);
	fc_reads_release(&read, 1);
}

/* The root of what a transaction sees is that of a copy of it. */
static void rooting(struct worker *w, struct fc_state *s)
{
	struct fc_bytes32 root, again, copied;
	struct fc_state *to = NULL;
	struct fc_db *copy = NULL;
	uint64_t tx;
	expect(fc_tx_begin(s, &tx) == FC_OK);
	expect(fc_state_root(s, &root) == FC_OK);
	if (pick(w, 4) == 0) {
		expect(fc_open("memory://", &copy, NULL) == FC_OK);
		expect(fc_state_new(copy, NULL, &to) == FC_OK);
		expect(fc_copy(s, to, NULL, NULL) == FC_OK);
		expect(fc_state_root(to, &copied) == FC_OK);
		expect(memcmp(&root, &copied, sizeof root) == 0);
		fc_state_free(&to);
		expect(fc_close(&copy, NULL) == FC_OK);
	}
	transfer(w, s);
	check_all(s);
	expect(fc_state_root(s, &again) == FC_OK);
	if (pick(w, 2))
		end(s, tx);
	else
		expect(fc_tx_rollback(s, tx) == FC_OK);
	expect(fc_state_root(s, &again) == FC_OK);
	if (pick(w, 4) == 0) {
		expect(fc_commit(s, &again) == FC_OK);
		expect(fc_check(s, NULL, NULL) == FC_OK);
	}
	atomic_fetch_add(&roots, 1);
}

static void *work(void *cookie)
{
	struct worker *w = cookie;
	struct fc_state *s = NULL;
	expect(fc_state_new(db, NULL, &s) == FC_OK);
	for (unsigned i = 0; s && i < w->rounds; i++) {
		w->round(w, s);
		if (i % 32 == 31) { /* handles come and go */
			fc_state_free(&s);
			expect(fc_state_new(db, NULL, &s) == FC_OK);
		}
	}
	atomic_fetch_sub(&left, 1);
	fc_state_free(&s);
	return NULL;
}

/* ---- one database each ---- */

static void begin(struct fc_state *s)
{
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		const struct fc_address address = account_at(i);
		put_fields(s, &address, EACH, 1);
		put_number(s, &address, 1);
	}
	/* Storage without an account is a finding of fc_check. */
	for (unsigned i = 0; i < COUNTERS; i++) {
		const struct fc_address counter = counter_at(i);
		put_fields(s, &counter, 1, 1);
		put_slot(s, &counter, 0, 1);
		put_slot(s, &counter, 1, 1);
	}
}

static void run_threads(void)
{
	static const struct {
		void (*round)(struct worker *w, struct fc_state *s);
		unsigned times;
	} kinds[THREADS] = {{in_transactions, 4}, {in_transactions, 4}, {counting, 8},
			    {counting, 8},	  {watching, 4},	{asking, 4},
			    {proving, 4},	  {rooting, 1}};
	struct worker workers[THREADS] = {{0}};
	atomic_store(&left, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];
		w->round = kinds[i].round;
		w->rounds = kinds[i].times * ROUNDS;
		w->number = i;
		w->rng = i + 1;
		assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void expect_root_of_a_copy(struct fc_state *s)
{
	struct fc_bytes32 root, copied;
	struct fc_state *to = NULL;
	struct fc_db *copy = NULL;
	assert_ok(fc_state_root(s, &root));
	assert_ok(fc_open("memory://", &copy, NULL));
	assert_ok(fc_state_new(copy, NULL, &to));
	assert_ok(fc_copy(s, to, NULL, NULL));
	assert_ok(fc_state_root(to, &copied));
	assert_memory_equal(&root, &copied, sizeof root);
	fc_state_free(&to);
	assert_ok(fc_close(&copy, NULL));
}

static void run(const char *urls)
{
	struct fc_state *s = NULL;
	struct fc_error why;
	atomic_store(&wrong, 0);
	if (fc_open(urls, &db, &why) != FC_OK)
		fail_msg("%s", why.detail);
	assert_ok(fc_state_new(db, NULL, &s));
	begin(s);
	run_threads();
	expected_all();
	check_all(s);
	expect_root_of_a_copy(s);
	assert_ok(fc_check(s, NULL, NULL));
	fc_state_free(&s);
	assert_ok(fc_close(&db, &why));
	expected_all();
	assert_true(atomic_load(&commits) > 0 && atomic_load(&roots) > 0);
}

static void in_memory(void **state)
{
	(void)state;
	run("memory://");
}

static void below_a_cache(void **state)
{
	(void)state;
	run("memory://#bytes=1MiB,memory://");
}

static void over_another(void **state)
{
	(void)state;
	run("overlay://,memory://#bytes=1MiB,memory://");
}

static void run_file(const char *above)
{
	char folder[256], urls[512];
	struct fc_state *s = NULL;
	fixture_folder(folder);
	(void)snprintf(urls, sizeof urls, "%slmdb://%s", above, folder);
	run(urls);
	assert_ok(fc_open(urls, &db, NULL));
	assert_ok(fc_state_new(db, NULL, &s));
	check_all(s);
	expect_root_of_a_copy(s);
	fc_state_free(&s);
	assert_ok(fc_close(&db, NULL));
	expected_all();
	fixture_remove(folder);
}

static void in_a_file(void **state)
{
	(void)state;
	run_file("");
}

static void in_a_file_below_a_cache(void **state)
{
	(void)state;
	run_file("memory://#bytes=1MiB,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_memory),
		cmocka_unit_test(below_a_cache),
		cmocka_unit_test(over_another),
		cmocka_unit_test(in_a_file),
		cmocka_unit_test(in_a_file_below_a_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
