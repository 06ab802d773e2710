/* SPDX-License-Identifier: MIT */
/*
 * build/bench/roots [--accounts 1000000] [--rounds 9]
 *
 * fc_state_root of a database in memory of so many accounts, one of which has a tenth as many
 * slots: microseconds of this thread, medians over rounds. Only the root is timed, not what was
 * written before it:
 *
 *   bulk          the first root of all, in a new database: at most three rounds
 *   changed       a hundredth of the accounts were written and published
 *   local         the same, written after a snapshot of the handle's
 *   one           one account was written and published
 *   one_local     one account was written after a snapshot, beside 1,000 others that an earlier
 *                 root has seen
 *   first_slot    the first slot of the large account since: its trie is made again
 *   one_slot      one more slot of it was written and published
 *   nothing       nothing was written
 */
#include "handle.h"
#include "store_fixture.h"

#define ROUNDS_MAX 99
#define BULK_MAX   3
#define FILL_BATCH 10000
#define LOCAL	   1000
#define TIMES_EACH 20 /* of what takes microseconds */

enum { BULK, FIRST_SLOT, CHANGED, LOCALLY, ONE, ONE_LOCAL, ONE_SLOT, NOTHING, TIMES };
static const char *const times[TIMES] = {"bulk", "first_slot", "changed",  "local",
					 "one",	 "one_local",  "one_slot", "nothing"};

struct scene {
	struct handle handle;
	uint32_t accounts;
	uint64_t written;
	struct random random;
	struct fc_bytes32 last;
	double rounds[TIMES][ROUNDS_MAX];
};

static void write_account(struct scene *s, uint64_t n)
{
	const struct eth_address address = fixture_address(n);
	struct fc_account account = {.mask = FC_NONCE | FC_BALANCE, .nonce = ++s->written};
	struct fc_address name;
	memcpy(&name, &address, sizeof name);
	account.balance.bytes[31] = 1;
	handle_must(&s->handle, fc_set_account(s->handle.state, &name, &account));
}

/* Of account 0. */
static void write_slot(struct scene *s, uint64_t n)
{
	const struct eth_address address = fixture_address(0);
	const struct eth_bytes32 slot = fixture_word(n), value = fixture_word(++s->written);
	struct fc_address name;
	struct fc_bytes32 at, to;
	memcpy(&name, &address, sizeof name);
	memcpy(&at, &slot, sizeof at);
	memcpy(&to, &value, sizeof to);
	handle_must(&s->handle, fc_set_storage(s->handle.state, &name, &at, &to));
}

static void write_any(struct scene *s)
{
	write_account(s, random_below(&s->random, s->accounts));
}

static void write_many(struct scene *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		write_any(s);
}

static void fill(struct scene *s, void (*write)(struct scene *s, uint64_t n), uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		handle_must(&s->handle, fc_batch_begin(s->handle.state));
		for (const uint64_t end = (uint64_t)i + FILL_BATCH; i < end && i < n; i++)
			write(s, i);
		handle_must(&s->handle, fc_batch_commit(s->handle.state));
	}
}

/* In microseconds. Every root is another one, but where nothing was written. */
static double time_root(struct scene *s, bool changed)
{
	struct fc_bytes32 root;
	const uint64_t start = own_ns();
	handle_must(&s->handle, fc_state_root(s->handle.state, &root));
	const double took = (double)(own_ns() - start) / 1e3;
	if ((memcmp(&root, &s->last, sizeof root) != 0) != changed)
		die("a state root that is none of what was written");
	s->last = root;
	return took;
}

static void time_bulk(struct scene *s, uint64_t round)
{
	if (s->handle.db)
		handle_close(&s->handle);
	handle_open(&s->handle, "memory://", "", "");
	fill(s, write_account, s->accounts);
	fill(s, write_slot, s->accounts / 10);
	s->rounds[BULK][round] = time_root(s, true);
	write_slot(s, 0);
	s->rounds[FIRST_SLOT][round] = time_root(s, true);
}

static uint64_t snapshot(struct scene *s)
{
	uint64_t id;
	handle_must(&s->handle, fc_snapshot(s->handle.state, &id));
	return id;
}

/* Back to what is published, whose root is known. */
static void revert(struct scene *s, uint64_t id)
{
	handle_must(&s->handle, fc_revert(s->handle.state, id));
	handle_must(&s->handle, fc_state_root(s->handle.state, &s->last));
}

static void time_many(struct scene *s, uint64_t round)
{
	handle_must(&s->handle, fc_batch_begin(s->handle.state));
	write_many(s, s->accounts / 100);
	handle_must(&s->handle, fc_batch_commit(s->handle.state));
	s->rounds[CHANGED][round] = time_root(s, true);
	const uint64_t id = snapshot(s);
	write_many(s, s->accounts / 100);
	s->rounds[LOCALLY][round] = time_root(s, true);
	revert(s, id);
}

static void time_single(struct scene *s, uint64_t round)
{
	double sums[TIMES] = {0};
	for (int i = 0; i < TIMES_EACH; i++) {
		write_any(s);
		sums[ONE] += time_root(s, true);
		write_slot(s, random_below(&s->random, s->accounts / 10));
		sums[ONE_SLOT] += time_root(s, true);
		sums[NOTHING] += time_root(s, false);
	}
	const uint64_t id = snapshot(s);
	write_many(s, LOCAL);
	(void)time_root(s, true);
	for (int i = 0; i < TIMES_EACH; i++) {
		write_any(s);
		sums[ONE_LOCAL] += time_root(s, true);
	}
	revert(s, id);
	for (int kind = ONE; kind < TIMES; kind++)
		s->rounds[kind][round] = sums[kind] / TIMES_EACH;
}

int main(int argc, char **argv)
{
	const uint64_t accounts = arg_number(argc, argv, "--accounts", 1000000);
	const uint64_t rounds = arg_number(argc, argv, "--rounds", 9);
	const uint64_t bulk = rounds < BULK_MAX ? rounds : BULK_MAX;
	static struct scene s = {.random = {12345}};
	if (accounts < 1000 || accounts > 100000000 || !rounds || rounds > ROUNDS_MAX)
		die("a number is out of range");
	s.accounts = (uint32_t)accounts;
	for (uint64_t round = 0; round < bulk; round++)
		time_bulk(&s, round);
	for (uint64_t round = 0; round < rounds; round++) {
		time_many(&s, round);
		time_single(&s, round);
	}
	printf("{\"accounts\": %u, \"slots\": %u", s.accounts, s.accounts / 10);
	for (int kind = 0; kind < TIMES; kind++)
		printf(", \"%s_us\": %.2f", times[kind],
		       median(s.rounds[kind], kind <= FIRST_SLOT ? bulk : rounds));
	printf("}\n");
	handle_close(&s.handle);
	return 0;
}
