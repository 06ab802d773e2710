/* SPDX-License-Identifier: MIT */
/*
 * kill -9 around the file database. A child commits batches, whose contents follow from their
 * numbers, sweeps in between, and reports on a pipe what it has committed. It dies before each
 * of its writes and syncs in turn (LMDB's system calls come here first), or by its parent's
 * hand at pseudo-random points of its progress (no clocks). Opened again, every batch is there
 * whole or not at all, in order, and none that was reported lacks.
 *
 * FILEDB_CRASH_ROUNDS (default 60) makes the second part longer.
 */
#include "../unit/unit.h"
#include "../system_calls.h"
#include "filedb_fixture.h"
#include <signal.h>
#include <sys/wait.h>

static unsigned long countdown; /* 1: dies at the next call; 0: never */

static bool intercepted(ssize_t *result)
{
	*result = -1;
	if (countdown > 0 && --countdown == 0)
		kill(getpid(), SIGKILL);
	return false;
}

/* A batch: slots of its own, slots that every batch changes, an account that is wiped now and
 * then, code, and the root. */
enum { OWN_SLOTS = 20, SHARED_SLOTS = 50, WIPED_EVERY = 5, SWEEP_AT_ONCE = 70 };

static const uint64_t shared_account = 1000000;

static uint32_t generation_of(uint64_t b)
{
	return (uint32_t)(b / WIPED_EVERY);
}

static struct eth_bytes32 shared_slot(uint64_t b, uint64_t n)
{
	/* half of them are named anew after each wiping */
	return fixture_word(n % 2 ? n : n + 1000 * generation_of(b));
}

static void write_code(struct filedb_batch *batch, uint64_t b)
{
	struct eth_bytes32 hash = fixture_word(b + 7);
	struct blob *code = blob_new(1 + fixture_mix(b) % 20000);
	REQUIRE(code);
	memset(code->bytes, (int)b, code->len);
	REQUIRE(filedb_batch_code(batch, &hash, code) == OK);
	blob_put(&code);
}

static void write_batch(struct filedb *db, uint64_t b)
{
	struct filedb_batch *batch = fixture_batch(db, false);
	struct eth_address address = fixture_address(shared_account);
	struct eth_bytes32 value = fixture_word(b);
	struct filedb_account account = {.generation = generation_of(b),
					 .fields = {.mask = ACCOUNT_NONCE, .nonce = b}};
	REQUIRE(filedb_batch_root(batch, &value) == OK);
	for (uint64_t n = 0; n < OWN_SLOTS; n++)
		REQUIRE(fixture_batch_slot(batch, b * OWN_SLOTS + n) == OK);
	for (uint64_t n = 0; n < SHARED_SLOTS; n++) {
		struct eth_bytes32 slot = shared_slot(b, n);
		REQUIRE(filedb_batch_slot(batch, &address, account.generation, &slot, &value) ==
			OK);
	}
	REQUIRE(filedb_batch_account(batch, &address, &account) == OK);
	write_code(batch, b);
	fixture_commit(batch);
}

/* The number of the last batch that is there. */
static uint64_t last_batch(struct filedb_reader *reader)
{
	struct eth_address address = fixture_address(shared_account);
	struct filedb_account account;
	enum err err;
	enum lookup found = filedb_get_account(reader, &address, &account, &err, NULL);
	if (found == MISS)
		return 0;
	assert_int_equal(found, HIT);
	assert_int_equal(account.generation, generation_of(account.fields.nonce));
	return account.fields.nonce;
}

static void expect_batch(struct filedb_reader *reader, uint64_t b, enum lookup wanted)
{
	struct eth_bytes32 hash = fixture_word(b + 7);
	struct blob *code;
	enum err err;
	for (uint64_t n = 0; n < OWN_SLOTS; n++)
		assert_int_equal(fixture_filedb_slot(reader, b * OWN_SLOTS + n), wanted);
	assert_int_equal(filedb_get_code(reader, &hash, &code, &err, NULL), wanted);
	if (wanted != HIT)
		return;
	assert_int_equal(code->len, 1 + fixture_mix(b) % 20000);
	for (size_t i = 0; i < code->len; i++)
		assert_int_equal(code->bytes[i], (unsigned char)b);
	blob_put(&code);
}

struct seen {
	size_t slots;
	struct eth_bytes32 value;
};

static enum err saw_slot(void *cookie, const struct eth_address *address,
			 const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	struct seen *seen = cookie;
	(void)address;
	(void)slot;
	seen->slots++;
	assert_true(eth_bytes32_equal(value, &seen->value));
	return OK;
}

static enum err pass_account(void *cookie, const struct eth_address *address,
			     const struct filedb_account *account)
{
	(void)cookie;
	(void)address;
	(void)account;
	return OK;
}

static enum err pass_slot(void *cookie, const struct eth_address *address,
			  const struct eth_bytes32 *slot, const struct eth_bytes32 *value)
{
	(void)cookie;
	(void)address;
	(void)slot;
	(void)value;
	return OK;
}

static enum err pass_code(void *cookie, const struct eth_bytes32 *code_hash, struct blob *code)
{
	(void)cookie;
	(void)code_hash;
	(void)code;
	return OK;
}

/* What the last batch left of the shared account and the root. */
static void expect_shared(struct filedb_reader *reader, uint64_t last)
{
	struct eth_address address = fixture_address(shared_account);
	struct filedb_walk shared = {.slot = saw_slot};
	struct seen seen = {.value = fixture_word(last)};
	struct eth_bytes32 root;
	enum err err;
	assert_ok(
		filedb_walk_slots(reader, &address, generation_of(last), &shared, &seen, NULL));
	assert_int_equal(seen.slots, last ? SHARED_SLOTS : 0);
	assert_int_equal(filedb_get_root(reader, &root, &err, NULL), last ? HIT : MISS);
	assert_true(last == 0 || eth_bytes32_equal(&root, &seen.value));
}

/* At least done batches, one more at most; returns how many. */
static uint64_t look(const char *folder, uint64_t done)
{
	static const struct filedb_walk everything = {pass_account, pass_slot, pass_code, NULL};
	struct filedb *db = fixture_filedb(folder, 0);
	struct filedb_reader *reader;
	struct err_detail detail;
	assert_ok(filedb_reader_new(db, &reader));
	uint64_t last = last_batch(reader);
	assert_in_range(last, done, done + 1);
	for (uint64_t b = 1; b <= last; b++)
		expect_batch(reader, b, HIT);
	expect_batch(reader, last + 1, MISS);
	expect_shared(reader, last);
	assert_ok(filedb_walk(reader, &everything, NULL, &detail));
	filedb_reader_free(&reader);
	filedb_close(&db);
	return last;
}

/* ---- the child ---- */

static void report(int fd, uint64_t done)
{
	if (write(fd, &done, sizeof done) != (ssize_t)sizeof done)
		_exit(0); /* the parent has gone */
}

/* Ends by itself only when it was to die long before. */
static void write_until_death(const char *folder, uint64_t from, unsigned long calls,
			      int progress)
{
	countdown = calls;
	struct filedb *db = fixture_filedb(folder, 0);
	struct err_detail detail;
	for (uint64_t b = from; calls == 0 || b - from < calls; b++) {
		write_batch(db, b);
		report(progress, b);
		filedb_sweep(db, SWEEP_AT_ONCE);
		if (b % 3 == 0)
			REQUIRE(filedb_sync(db, &detail) == OK);
	}
	_exit(1);
}

struct child {
	pid_t pid;
	int progress;
	uint64_t done;
};

static struct child start_writer(const char *folder, uint64_t done, unsigned long calls)
{
	int fds[2];
	assert_ok(pipe(fds));
	struct child child = {.pid = fork(), .progress = fds[0], .done = done};
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		close(fds[0]);
		write_until_death(folder, done + 1, calls, fds[1]);
	}
	close(fds[1]);
	return child;
}

/* Until it has died. */
static void follow_to_the_end(struct child *child)
{
	uint64_t done;
	int status;
	while (read(child->progress, &done, sizeof done) == (ssize_t)sizeof done)
		child->done = done;
	close(child->progress);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void death_before_every_write(void **state)
{
	(void)state;
	enum { BATCHES = 12 };
	unsigned long calls = 1;
	uint64_t reached = 0, lost = 0;
	for (; reached < BATCHES; calls++) {
		char folder[256];
		fixture_folder(folder);
		struct child child = start_writer(folder, 0, calls);
		follow_to_the_end(&child);
		reached = look(folder, child.done);
		lost += reached == child.done;
		/* and it goes on from there */
		struct filedb *db = fixture_filedb(folder, 0);
		write_batch(db, reached + 1);
		filedb_close(&db);
		look(folder, reached + 1);
		fixture_remove(folder);
	}
	assert_true(calls > BATCHES * 3);
	assert_true(lost > BATCHES);
}

static void death_at_any_moment(void **state)
{
	(void)state;
	char folder[256];
	const char *text = getenv("FILEDB_CRASH_ROUNDS");
	uint64_t done = 0, rounds = text ? strtoull(text, NULL, 10) : 60;
	fixture_folder(folder);
	for (uint64_t round = 0; round < rounds; round++) {
		struct child child = start_writer(folder, done, 0);
		for (uint64_t n = 1 + fixture_mix(round) % 4; n > 0; n--)
			assert_int_equal(read(child.progress, &child.done, sizeof child.done),
					 sizeof child.done);
		/* somewhere in the next batch */
		for (volatile uint64_t n = fixture_mix(~round) % 400000; n > 0; n--)
			;
		assert_ok(kill(child.pid, SIGKILL));
		follow_to_the_end(&child);
		done = look(folder, child.done);
	}
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_before_every_write),
		cmocka_unit_test(death_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
