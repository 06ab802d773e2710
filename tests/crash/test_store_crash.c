/* SPDX-License-Identifier: MIT */
/*
 * kill -9 around the disk cache. Children write facts whose values follow from their
 * numbers, and report on a pipe what they have flushed; the parent kills them at
 * pseudo-random points of that progress (no clocks), opens the folder and looks: nothing
 * wrong may be found, and everything that was flushed must be there.
 *
 * STORE_CRASH_ROUNDS (default 40) and STORE_CRASH_SLOTS (default 200,000) make it longer.
 */
#include "../unit/unit.h"
#include "cache/store.h"
#include "store_fixture.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CAPACITY (UINT64_C(32) << 20)

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : otherwise;
}

struct child {
	pid_t pid;
	int progress;
	uint64_t done; /* facts below it are known to be committed */
};

static void report(int fd, uint64_t done)
{
	if (write(fd, &done, sizeof done) != (ssize_t)sizeof done)
		_exit(0); /* the parent has gone */
}

static struct blob *reply_of(uint64_t n)
{
	struct blob *blob = blob_new(1 + fixture_mix(n) % 9000);
	REQUIRE(blob);
	for (size_t i = 0; i < blob->len; i++)
		blob->bytes[i] = (unsigned char)(n + i / 7);
	return blob;
}

static void put_fact(struct store *store, uint64_t b, uint64_t n)
{
	char request[32];
	struct block_header header = fixture_header(b);
	struct eth_address address = fixture_address(n);
	struct account_fields fields = {.mask = ACCOUNT_NONCE | ACCOUNT_CODE_HASH,
					.nonce = n,
					.code_hash = fixture_word(n)};
	fixture_put_slot(store, b, n);
	if (n % 16 != 0)
		return;
	store_put_account(store, &header.hash, &address, &fields);
	struct blob *reply = reply_of(n);
	snprintf(request, sizeof request, "%llu", (unsigned long long)n);
	store_put_reply(store, span_of(request), reply);
	blob_put(&reply);
}

/* FAILED: something wrong; MISS: something lacks. */
static enum lookup get_fact(struct store_reader *reader, uint64_t b, uint64_t n)
{
	char request[32];
	struct block_header header = fixture_header(b);
	struct eth_address address = fixture_address(n);
	struct account_fields fields;
	struct blob *got;
	enum lookup found = fixture_get_slot(reader, b, n);
	if (n % 16 != 0 || found != HIT)
		return found;
	if (store_get_account(reader, &header.hash, &address, ACCOUNT_NONCE, &fields) != HIT)
		return MISS;
	struct eth_bytes32 code_hash = fixture_word(n);
	if (fields.nonce != n || !eth_bytes32_equal(&fields.code_hash, &code_hash))
		return FAILED;
	snprintf(request, sizeof request, "%llu", (unsigned long long)n);
	if (store_get_reply(reader, span_of(request), &got) != HIT)
		return MISS;
	struct blob *reply = reply_of(n);
	found = span_equal(blob_span(got), blob_span(reply)) ? HIT : FAILED;
	blob_put(&got);
	blob_put(&reply);
	return found;
}

/* Never ends by itself. */
static void write_for_ever(const char *folder, uint64_t b, uint64_t from, int progress)
{
	struct store *store = fixture_open(folder, CAPACITY);
	struct block_header header = fixture_header(b);
	store_put_header(store, &header);
	for (uint64_t n = from;; n++) {
		put_fact(store, b, n);
		if (fixture_mix(n) % 64 == 0) {
			store_flush(store);
			report(progress, n + 1);
		}
	}
}

static struct child start_writer(const char *folder, uint64_t b, uint64_t from)
{
	int fds[2];
	assert_ok(pipe(fds));
	struct child child = {.pid = fork(), .progress = fds[0], .done = from};
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		close(fds[0]);
		write_for_ever(folder, b, from, fds[1]);
	}
	close(fds[1]);
	return child;
}

static void follow(struct child *child, uint64_t reports)
{
	while (reports-- > 0)
		assert_int_equal(read(child->progress, &child->done, sizeof child->done),
				 sizeof child->done);
}

static void kill_child(struct child *child)
{
	int status;
	uint64_t done;
	assert_ok(kill(child->pid, SIGKILL));
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFSIGNALED(status));
	while (read(child->progress, &done, sizeof done) == (ssize_t)sizeof done)
		child->done = done;
	close(child->progress);
}

static void look(const char *folder, uint64_t b, uint64_t done)
{
	struct store *store = fixture_open(folder, CAPACITY);
	struct store_reader *reader;
	struct store_stats stats;
	assert_ok(store_reader_new(store, &reader));
	for (uint64_t n = 0; n < done; n++)
		assert_int_equal(get_fact(reader, b, n), HIT);
	for (uint64_t n = done; n < done + 2000; n++)
		assert_int_not_equal(get_fact(reader, b, n), FAILED);
	store_stats(store, &stats);
	assert_int_equal(stats.corrupt, 0);
	store_reader_free(&reader);
	store_close(&store);
}

static void a_killed_writer_leaves_nothing_wrong(void **state)
{
	(void)state;
	char folder[256];
	uint64_t done = 0, rounds = from_environment("STORE_CRASH_ROUNDS", 40);
	fixture_folder(folder);
	for (uint64_t round = 0; round < rounds; round++) {
		struct child child = start_writer(folder, 1, done);
		follow(&child, 1 + fixture_mix(round) % 12);
		kill_child(&child);
		done = child.done;
		look(folder, 1, done);
	}
	fixture_remove(folder);
}

static void two_writers_and_one_is_killed(void **state)
{
	(void)state;
	char folder[256];
	uint64_t rounds = from_environment("STORE_CRASH_ROUNDS", 40) / 4;
	uint64_t done[2] = {0, 0};
	fixture_folder(folder);
	for (uint64_t round = 0; round < rounds; round++) {
		struct child a = start_writer(folder, 1, done[0]);
		struct child b = start_writer(folder, 2, done[1]);
		follow(&a, 1 + fixture_mix(round) % 5);
		follow(&b, 1);
		kill_child(&a);
		follow(&b, 3); /* goes on although a died, perhaps with LMDB's lock */
		kill_child(&b);
		done[0] = a.done;
		done[1] = b.done;
		look(folder, 1, done[0]);
		look(folder, 2, done[1]);
	}
	fixture_remove(folder);
}

/* Puts slots, and reads a few of them over and over. */
static void churn(const char *folder, uint64_t capacity, uint64_t from, uint64_t slots)
{
	struct store *store = fixture_open(folder, capacity);
	struct store_reader *reader;
	struct store_stats stats;
	uint64_t hot = 0, hot_hits = 0, wrong = 0;
	REQUIRE(store_reader_new(store, &reader) == OK);
	struct block_header header = fixture_header(1);
	for (uint64_t n = from; n < from + slots; n++) {
		if (n % 4096 == 0)
			store_put_header(store, &header);
		fixture_put_slot(store, 1, n);
		if (n % 1000 != 999)
			continue;
		store_flush(store);
		for (uint64_t i = 0; i < 100; i++) {
			enum lookup found = fixture_get_slot(reader, 1, from + i * 7);
			hot++;
			hot_hits += found == HIT;
			wrong += found == FAILED;
		}
		store_reader_rest(reader);
	}
	store_stats(store, &stats);
	printf("  used %.1f MiB, file %.1f MiB, bound %.1f MiB, evicted %llu, dropped %llu, "
	       "hot hits %.1f %%\n",
	       (double)stats.used_bytes / (1 << 20), (double)stats.file_bytes / (1 << 20),
	       (double)capacity / (1 << 20), (unsigned long long)stats.evicted,
	       (unsigned long long)stats.puts_dropped, 100.0 * (double)hot_hits / (double)hot);
	fflush(stdout);
	store_reader_free(&reader);
	store_close(&store);
	bool kept = wrong == 0 && stats.evicted > 0 && stats.used_bytes <= capacity &&
		    hot_hits * 10 >= hot * 8 && stats.puts_dropped * 100 <= slots;
	_exit(kept ? 0 : 1);
}

/* Dies with a snapshot open: its pages are held until somebody clears the reader. */
static void die_reading(const char *folder, uint64_t capacity, int ready)
{
	struct store *store = fixture_open(folder, capacity);
	struct store_reader *reader;
	struct block_header header = fixture_header(1), got;
	REQUIRE(store_reader_new(store, &reader) == OK);
	store_put_header(store, &header);
	store_flush(store);
	REQUIRE(store_get_header(reader, &header.hash, &got) == HIT);
	report(ready, 1);
	for (;;)
		pause();
}

static off_t file_bytes(const char *folder)
{
	char path[512];
	struct stat st;
	snprintf(path, sizeof path, "%s/data.mdb", folder);
	assert_ok(stat(path, &st));
	return st.st_size;
}

static void keep_the_bound(uint64_t capacity)
{
	char folder[256];
	int fds[2], status;
	pid_t writers[2];
	uint64_t slots = from_environment("STORE_CRASH_SLOTS", 200000) / 2;
	fixture_folder(folder);
	assert_ok(pipe(fds));
	struct child reader = {.pid = fork(), .progress = fds[0]};
	if (reader.pid == 0)
		die_reading(folder, capacity, fds[1]);
	close(fds[1]);
	follow(&reader, 1);
	for (unsigned i = 0; i < 2; i++) {
		writers[i] = fork();
		if (writers[i] == 0)
			churn(folder, capacity, i * UINT64_C(1000000000), slots);
	}
	kill_child(&reader);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_true(file_bytes(folder) * 2 <= (off_t)capacity * 3);
	fixture_remove(folder);
}

static void a_tiny_bound_is_kept(void **state)
{
	(void)state;
	keep_the_bound(4 << 20);
}

static void a_small_bound_is_kept(void **state)
{
	(void)state;
	uint64_t slots = from_environment("STORE_CRASH_SLOTS", 200000);
	/* small enough to be passed */
	keep_the_bound(slots >= 1000000 ? 64 << 20 : 8 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_writer_leaves_nothing_wrong),
		cmocka_unit_test(two_writers_and_one_is_killed),
		cmocka_unit_test(a_tiny_bound_is_kept),
		cmocka_unit_test(a_small_bound_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
