/* SPDX-License-Identifier: MIT */
/* Threads that share nodes: what trie.h promises, for the thread sanitizer to see. */
#include "trie_fixture.h"
#include <pthread.h>

enum { THREADS = 4, PAIRS = 400, EDITS = 300 };

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	struct trie_node *root; /* its own pointer to shared nodes */
	unsigned id;
	struct eth_bytes32 before, after;
	int failed;
};

static struct span hashed(uint64_t n, struct eth_bytes32 *key)
{
	keccak256(&n, sizeof n, key);
	return (struct span){(const char *)key->bytes, sizeof key->bytes};
}

static int edit(struct trie_node **root, uint64_t first)
{
	struct eth_bytes32 key;

	for (uint64_t n = 0; n < EDITS; n++) {
		const struct span k = hashed(first + n, &key);
		if (trie_set(root, k, n % 3 == 0 ? SPAN("") : k, NULL, NULL) != OK)
			return 1;
	}
	return 0;
}

/* All hash the same trie at once; then each edits its own from there, and drops it. */
static void *work(void *cookie)
{
	struct worker *worker = cookie;
	struct trie_node *old = trie_get(worker->root);
	struct eth_bytes32 key;
	struct span value;

	pthread_barrier_wait(worker->start);
	trie_root_hash(worker->root, &worker->before);
	worker->failed += edit(&worker->root, worker->id * 200u);
	trie_root_hash(worker->root, &worker->after);
	for (uint64_t n = 0; n < PAIRS; n++)
		worker->failed +=
			trie_lookup(old, hashed(n, &key), NULL, &value, NULL) != TRIE_FOUND;
	trie_put(&old);
	trie_put(&worker->root);
	return NULL;
}

static void share_nodes(void **state)
{
	(void)state;
	pthread_barrier_t start;
	struct worker workers[THREADS];
	struct eth_bytes32 key, want;

	for (int round = 0; round < 20; round++) {
		struct trie_node *root = NULL, *alone[THREADS] = {NULL};
		pthread_barrier_init(&start, NULL, THREADS);
		for (uint64_t n = 0; n < PAIRS; n++) {
			const struct span k = hashed(n, &key);
			assert_ok(trie_set(&root, k, k, NULL, NULL));
			for (unsigned i = 0; i < THREADS; i++)
				assert_ok(trie_set(&alone[i], k, k, NULL, NULL));
		}
		for (unsigned i = 0; i < THREADS; i++)
			workers[i] = (struct worker){
				.start = &start, .root = trie_get(root), .id = i};
		trie_put(&root);
		for (unsigned i = 0; i < THREADS; i++)
			assert_ok(pthread_create(&workers[i].thread, NULL, work, &workers[i]));
		for (unsigned i = 0; i < THREADS; i++) {
			assert_ok(pthread_join(workers[i].thread, NULL));
			assert_int_equal(workers[i].failed, 0);
			trie_root_hash(alone[i], &want);
			assert_memory_equal(workers[i].before.bytes, want.bytes, 32);
			assert_ok(edit(&alone[i], i * 200));
			trie_root_hash(alone[i], &want);
			assert_memory_equal(workers[i].after.bytes, want.bytes, 32);
			trie_put(&alone[i]);
		}
		pthread_barrier_destroy(&start);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share_nodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
