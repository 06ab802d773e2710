/* SPDX-License-Identifier: MIT */
/* What is put, and when it is found. */
#include "store_scene.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static void what_is_put_is_found_and_kept(void **state)
{
	struct scene *scene = *state;
	put_everything(scene->store);
	expect_everything(scene->reader);
	settle(scene);
	expect_everything(scene->reader);
	reopen(scene);
	expect_everything(scene->reader);
	assert_int_equal(stats(scene).corrupt, 0);
	assert_int_equal(stats(scene).hits, 7);
}

static void what_was_not_put_is_a_miss(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(6);
	struct eth_address address = fixture_address(1);
	struct eth_bytes32 word = fixture_word(99);
	struct account_fields fields;
	struct blob *blob;
	uint64_t number;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_get_header(scene->reader, &header.hash, &header), MISS);
		assert_int_equal(store_get_binding(scene->reader, 6, &word), MISS);
		assert_int_equal(store_get_account(scene->reader, &header.hash, &address,
						   ACCOUNT_NONCE, &fields),
				 MISS);
		assert_int_equal(fixture_get_slot(scene->reader, 5, 2), MISS);
		assert_int_equal(store_get_code(scene->reader, &word, &blob), MISS);
		assert_int_equal(store_get_reply(scene->reader, SPAN("eth_fo"), &blob), MISS);
		if (round == 0)
			assert_int_equal(store_get_finalized(scene->reader, &number), MISS);
		put_everything(scene->store);
		settle(scene);
		header = fixture_header(6);
	}
	assert_int_equal(stats(scene).hits, 0);
}

/* Roots, without a block or a chain. Keys at both ends: the longest, and one of no slot. */
static void put_rooted(struct store *store, struct account_fields *fields)
{
	const struct eth_bytes32 root = fixture_word(1), zero = {{0}}, slot = fixture_word(2),
				 value = fixture_word(3);
	const struct eth_address address = fixture_address(4);

	*fields = (struct account_fields){
		.mask = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH |
			ACCOUNT_STORAGE_ROOT,
		.nonce = 5,
		.balance = eth_u256_from_u64(6),
		.code_hash = fixture_word(7),
		.storage_root = fixture_word(8),
	};
	store_put_rooted_account(store, &root, &address, fields);
	store_put_rooted_slot(store, &root, &slot, &value);
	store_put_rooted_slot(store, &root, &zero, &zero);
}

static void expect_rooted(struct store_reader *reader, const struct account_fields *want)
{
	struct eth_bytes32 root = fixture_word(1), slot = fixture_word(2), value,
			   expected = fixture_word(3);
	const struct eth_bytes32 zero = {{0}};
	const struct eth_address address = fixture_address(4);
	struct account_fields got;

	assert_int_equal(store_get_rooted_account(reader, &root, &address, &got), HIT);
	assert_int_equal(got.mask, want->mask);
	assert_int_equal(got.nonce, 5);
	assert_memory_equal(&got.storage_root, &want->storage_root, 32);
	assert_int_equal(store_get_rooted_slot(reader, &root, &slot, &value), HIT);
	assert_memory_equal(&value, &expected, 32);
	assert_int_equal(store_get_rooted_slot(reader, &root, &zero, &value), HIT);
	assert_memory_equal(&value, &zero, 32);
	slot.bytes[31] ^= 1;
	assert_int_equal(store_get_rooted_slot(reader, &root, &slot, &value), MISS);
	slot.bytes[31] ^= 1;
	root.bytes[27] ^= 1;
	assert_int_equal(store_get_rooted_account(reader, &root, &address, &got), MISS);
	assert_int_equal(store_get_rooted_slot(reader, &root, &slot, &value), MISS);
}

static void facts_by_root_are_found_by_any_chain(void **state)
{
	struct scene *scene = *state;
	struct account_fields fields;

	put_rooted(scene->store, &fields);
	expect_rooted(scene->reader, &fields);
	settle(scene);
	expect_rooted(scene->reader, &fields);
	reopen(scene);
	store_use_chain(scene->store, FIXTURE_CHAIN + 1);
	expect_rooted(scene->reader, &fields);
	assert_int_equal(stats(scene).corrupt, 0);
	assert_int_equal(stats(scene).puts_dropped, 0);
}

/* Another process that holds LMDB's write lock until told to let go. */
struct holder {
	pid_t pid;
	int go, ready;
};

static void hold(const char *folder, int ready, int go)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_stat stat;
	char byte = 1;
	if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 16) != 0 ||
	    mdb_env_open(env, folder, MDB_NOTLS, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, 0, &txn) != 0 || mdb_env_stat(env, &stat) != 0)
		_exit(1);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(2);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	_exit(0);
}

static struct holder holder_start(const char *folder)
{
	int ready[2], go[2];
	char byte;
	assert_ok(pipe(ready));
	assert_ok(pipe(go));
	struct holder holder = {.pid = fork(), .go = go[1], .ready = ready[0]};
	assert_true(holder.pid >= 0);
	if (holder.pid == 0)
		hold(folder, ready[1], go[0]);
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(holder.ready, &byte, 1), 1);
	return holder;
}

static void holder_end(struct holder *holder)
{
	int status;
	assert_int_equal(write(holder->go, "x", 1), 1);
	assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(holder->go);
	close(holder->ready);
}

static void puts_are_found_before_they_are_committed(void **state)
{
	struct scene *scene = *state;
	struct holder holder = holder_start(scene->folder);
	put_everything(scene->store);
	store_put_finalized(scene->store, 9);
	uint64_t number;
	assert_int_equal(store_get_finalized(scene->reader, &number), HIT);
	assert_int_equal(number, 9);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), HIT);
	assert_int_equal(stats(scene).commits, 0);
	assert_true(stats(scene).queued > 0);
	holder_end(&holder);
	settle(scene);
	assert_int_equal(stats(scene).queued, 0);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), HIT);
}

/* The reader's snapshot is older than the commit, and the queue is empty again. */
static void an_old_snapshot_finds_what_was_committed_since(void **state)
{
	struct scene *scene = *state;
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), MISS);
	put_everything(scene->store);
	store_flush(scene->store);
	expect_everything(scene->reader);
}

static void account_fields_are_merged(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(1);
	struct eth_address address = fixture_address(3);
	struct account_fields got,
		nonce = {.mask = ACCOUNT_NONCE, .nonce = 4},
		balance = {.mask = ACCOUNT_BALANCE, .balance = eth_u256_from_u64(9)};
	store_put_header(scene->store, &header);
	store_put_account(scene->store, &header.hash, &address, &nonce);
	settle(scene);
	store_put_account(scene->store, &header.hash, &address, &balance);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(store_get_account(scene->reader, &header.hash, &address,
						   ACCOUNT_NONCE | ACCOUNT_BALANCE, &got),
				 HIT);
		assert_int_equal(got.mask, ACCOUNT_NONCE | ACCOUNT_BALANCE);
		assert_int_equal(got.nonce, 4);
		assert_int_equal(got.balance.bytes[31], 9);
		assert_int_equal(store_get_account(scene->reader, &header.hash, &address,
						   ACCOUNT_STORAGE_ROOT, &got),
				 MISS);
		if (round == 0)
			settle(scene);
		else
			reopen(scene);
	}
}

static void facts_of_unknown_blocks_are_dropped(void **state)
{
	struct scene *scene = *state;
	struct block_header header = fixture_header(5);
	fixture_put_slot(scene->store, 5, 1);
	settle(scene);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), MISS);
	assert_int_equal(stats(scene).puts_dropped, 1);
	store_put_header(scene->store, &header);
	settle(scene);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), MISS);
	fixture_put_slot(scene->store, 5, 1);
	settle(scene);
	assert_int_equal(fixture_get_slot(scene->reader, 5, 1), HIT);
}

static void a_number_is_bound_once(void **state)
{
	struct scene *scene = *state;
	struct eth_bytes32 first = fixture_word(1), second = fixture_word(2), got;
	store_put_binding(scene->store, 7, &first);
	store_put_binding(scene->store, 7, &second);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_get_binding(scene->reader, 7, &got), HIT);
		assert_true(eth_bytes32_equal(&got, &first));
		settle(scene);
	}
}

static void replies_of_every_length(void **state)
{
	struct scene *scene = *state;
	static const size_t lengths[] = {0, 1, 1024, 1025, 4000, 4080, 8200, 100000, 1000000};
	char request[32];
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		/* the longest first, so that a shorter one leaves parts behind if it can */
		for (int round = 1; round >= 0; round--) {
			struct blob *got, *reply = noise(lengths[i] / (round ? 1 : 3), i);
			snprintf(request, sizeof request, "request %zu", i);
			store_put_reply(scene->store, span_of(request), reply);
			settle(scene);
			assert_int_equal(store_get_reply(scene->reader, span_of(request), &got),
					 HIT);
			assert_true(span_equal(blob_span(got), blob_span(reply)));
			blob_put(&got);
			blob_put(&reply);
		}
	}
	assert_int_equal(stats(scene).corrupt, 0);
	struct blob *huge = noise(CAPACITY / 16, 1), *got;
	store_put_reply(scene->store, SPAN("huge"), huge);
	settle(scene);
	assert_int_equal(store_get_reply(scene->reader, SPAN("huge"), &got), MISS);
	blob_put(&huge);
}

static void chains_are_listed_and_kept_apart(void **state)
{
	struct scene *scene = *state;
	uint64_t ids[2] = {0};
	struct block_header header = fixture_header(5), got;
	assert_int_equal(store_chains(scene->store, ids, 2), 0);
	store_put_header(scene->store, &header);
	settle(scene);
	close_scene(scene);
	scene->store = fixture_open(scene->folder, CAPACITY);
	store_use_chain(scene->store, 10);
	assert_ok(store_reader_new(scene->store, &scene->reader));
	assert_int_equal(store_get_header(scene->reader, &header.hash, &got), MISS);
	store_put_header(scene->store, &header);
	settle(scene);
	assert_int_equal(store_chains(scene->store, ids, 2), 2);
	assert_int_equal(ids[0], FIXTURE_CHAIN);
	assert_int_equal(ids[1], 10);
	assert_int_equal(store_chains(scene->store, ids, 1), 2);
}

static void a_shorter_reply_leaves_no_parts_behind(void **state)
{
	struct scene *scene = *state;
	struct blob *got, *longer = noise(100000, 1), *shorter = noise(900, 2);
	store_put_reply(scene->store, SPAN("request"), longer);
	settle(scene);
	store_put_reply(scene->store, SPAN("request"), shorter);
	settle(scene);
	assert_int_equal(store_get_reply(scene->reader, SPAN("request"), &got), HIT);
	assert_true(span_equal(blob_span(got), blob_span(shorter)));
	blob_put(&got);
	blob_put(&longer);
	blob_put(&shorter);
	close_scene(scene);
	raw(scene->folder, "replies", count_entries);
	assert_int_equal(entries, 1);
	open_scene(scene);
}

struct crowd {
	struct store *store;
	atomic_bool stop;
	atomic_uint wrong, lost;
	atomic_uint_fast64_t put; /* facts below it have been put */
};

static void *crowd_reader(void *cookie)
{
	struct crowd *crowd = cookie;
	struct store_reader *reader;
	if (store_reader_new(crowd->store, &reader) != OK)
		return NULL;
	uint64_t seed = 1;
	while (!atomic_load(&crowd->stop)) {
		uint64_t limit = atomic_load(&crowd->put);
		for (int i = 0; i < 50 && limit > 0; i++) {
			/* mostly the newest: on their way from the queue to the map */
			uint64_t back = fixture_mix(seed++) % 1200;
			uint64_t n = limit - 1 - (back < limit ? back : 0);
			enum lookup found = fixture_get_slot(reader, 5, n);
			if (found == FAILED)
				atomic_fetch_add(&crowd->wrong, 1);
			if (found == MISS)
				atomic_fetch_add(&crowd->lost, 1);
		}
		store_reader_rest(reader);
	}
	store_reader_free(&reader);
	return NULL;
}

/* Between put and commit nothing is ever out of sight. */
static void threads_see_every_put(void **state)
{
	struct scene *scene = *state;
	struct crowd crowd = {.store = scene->store};
	struct block_header header = fixture_header(5);
	pthread_t threads[3];
	store_put_header(scene->store, &header);
	for (size_t i = 0; i < 3; i++)
		assert_ok(pthread_create(&threads[i], NULL, crowd_reader, &crowd));
	for (uint64_t n = 0; n < 40000; n++) {
		fixture_put_slot(scene->store, 5, n);
		atomic_store(&crowd.put, n + 1);
		if (n % 5000 == 4999)
			store_flush(scene->store);
	}
	atomic_store(&crowd.stop, true);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.wrong, 0);
	assert_int_equal(crowd.lost, 0);
	assert_int_equal(stats(scene).puts_dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(what_is_put_is_found_and_kept),
		SCENE(what_was_not_put_is_a_miss),
		SCENE(puts_are_found_before_they_are_committed),
		SCENE(an_old_snapshot_finds_what_was_committed_since),
		SCENE(account_fields_are_merged),
		SCENE(facts_of_unknown_blocks_are_dropped),
		SCENE(a_number_is_bound_once),
		SCENE(replies_of_every_length),
		SCENE(a_shorter_reply_leaves_no_parts_behind),
		SCENE(chains_are_listed_and_kept_apart),
		SCENE(facts_by_root_are_found_by_any_chain),
		SCENE(threads_see_every_put),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
