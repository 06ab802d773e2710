/* SPDX-License-Identifier: MIT */
/* One store a folder, whoever asks; several memories say what is in use. */
#include "unit.h"
#include "base/loop.h"
#include "layers/stack.h"
#include "layers/store_pool.h"
#include "store_fixture.h"
#include <pthread.h>

static char folder[256];

static int setup(void **state)
{
	(void)state;
	fixture_folder(folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_remove(folder);
	return 0;
}

static struct store *get(const char *path)
{
	const struct store_config config = {.folder = path, .capacity_bytes = 16u << 20};
	struct err_detail detail = {{0}};
	struct store *store;

	if (store_pool_get(&config, &store, &detail) != OK)
		fail_msg("%s", detail.text);
	return store;
}

static void one_folder_is_one_store(void **state)
{
	char other[300];
	struct err_detail detail = {{0}};

	(void)state;
	snprintf(other, sizeof other, "%s/../%s", folder, strrchr(folder, '/') + 1);
	struct store *a = get(folder), *b = get(other);
	assert_ptr_equal(a, b);
	assert_ok(store_pool_use_chain(a, 1, &detail));
	assert_ok(store_pool_use_chain(b, 1, &detail));
	struct block_header header = fixture_header(7);
	store_put_header(a, &header);
	store_pool_put(&a);
	assert_null(a);
	/* It is still open. */
	struct store_reader *reader;
	assert_ok(store_reader_new(b, &reader));
	assert_int_equal(store_get_header(reader, &header.hash, &header), HIT);
	store_reader_free(&reader);
	store_pool_put(&b);
	/* And now it is not: else LMDB would be opened twice. */
	struct store *alone = fixture_open(folder, 16u << 20);
	store_close(&alone);
	store_pool_put(&b);
}

static void another_chain_is_refused_while_one_is_in_use(void **state)
{
	struct err_detail detail = {{0}};

	(void)state;
	struct store *a = get(folder), *b = get(folder);
	assert_ok(store_pool_use_chain(a, 1, &detail));
	assert_int_equal(store_pool_use_chain(b, 5, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, "chain 1;"));
	assert_non_null(strstr(detail.text, "chain 5"));
	store_pool_put(&a);
	assert_ok(store_pool_use_chain(b, 5, &detail));
	store_pool_put(&b);
}

static void folders_above_are_made(void **state)
{
	char deep[400], middle[300];

	(void)state;
	snprintf(middle, sizeof middle, "%s/a", folder);
	snprintf(deep, sizeof deep, "%s/b", middle);
	struct store *store = get(deep);
	store_pool_put(&store);
	fixture_remove(deep);
	assert_int_equal(rmdir(middle), 0);
}

static void what_is_wrong_is_said(void **state)
{
	const struct store_config nameless = {.folder = "", .capacity_bytes = 16u << 20};
	const struct store_config small = {.folder = folder, .capacity_bytes = 1};
	struct err_detail detail = {{0}};
	struct store *store;

	(void)state;
	assert_int_equal(store_pool_get(&nameless, &store, &detail), ERR_CONFIG);
	assert_int_equal(store_pool_get(&small, &store, &detail), ERR_INVALID);
	assert_non_null(strstr(detail.text, "4 MiB"));
}

static void keep_nothing(void *cookie, struct stack *stack, const struct fork_question *q,
			 const struct fork_answer *answer)
{
	(void)cookie;
	(void)stack;
	(void)q;
	(void)answer;
}

struct user {
	struct store *store;
	struct stack *stack;
	struct loop *loop;
	struct stack_view *view;
};

static void user_open(struct user *user)
{
	user->store = get(folder);
	const struct stack_config config = {
		.memory_bytes = 4u << 20, .store = user->store, .keep = keep_nothing};
	struct err_detail detail;
	assert_ok(store_pool_use_chain(user->store, FIXTURE_CHAIN, &detail));
	assert_ok(stack_new(&config, &user->stack));
	assert_ok(loop_new(&user->loop));
	assert_ok(stack_view_new(user->stack, NULL, user->loop, 1, &user->view));
}

static void user_close(struct user *user)
{
	stack_view_free(&user->view);
	loop_free(&user->loop);
	stack_free(&user->stack);
	store_pool_put(&user->store);
}

/* A slot that is read from memory now and then, while the disk sees much else. */
static bool survives(struct user *user, uint64_t hot)
{
	struct block_header header = fixture_header(1);
	struct fact fact = {.kind = FACT_SLOT,
			    .address = fixture_address(hot / 256),
			    .slot = fixture_word(hot),
			    .block.at.hash = header.hash};
	struct eth_bytes32 value = fixture_word(~hot);
	struct store_reader *reader;

	stack_keep_header(user->stack, &header, true, true);
	stack_keep_slot(user->stack, &header.hash, &fact.address, &fact.slot, &value);
	fact_prepare(user->view, &fact);
	header = fixture_header(2);
	store_put_header(user->store, &header);
	for (uint64_t n = 100000; n < 500000; n++) {
		fixture_put_slot(user->store, 2, n);
		if (n % 500 == 499)
			store_flush(user->store);
		if (n % 5000 == 4999)
			assert_int_equal(stack_get_fact(user->view, &fact), HIT);
	}
	store_flush(user->store);
	assert_ok(store_reader_new(user->store, &reader));
	bool found = fixture_get_slot(reader, 1, hot) == HIT;
	store_reader_free(&reader);
	return found;
}

/* The memory that came first, one that came later, and the first one when the other has gone.
 */
static void each_memory_is_asked(void **state)
{
	struct user a, b;

	(void)state;
	user_open(&a);
	user_open(&b);
	assert_ptr_equal(a.store, b.store);
	assert_true(survives(&a, 1));
	assert_true(survives(&b, 2));
	user_close(&b);
	assert_true(survives(&a, 3));
	struct store_stats stats;
	store_stats(a.store, &stats);
	assert_true(stats.evicted > 300000);
	user_close(&a);
}

static void *come_and_go(void *cookie)
{
	struct err_detail detail;

	(void)cookie;
	for (unsigned i = 0; i < 40; i++) {
		const struct store_config config = {.folder = folder,
						    .capacity_bytes = 16u << 20};
		struct store *store;
		struct stack *stack;
		REQUIRE(store_pool_get(&config, &store, &detail) == OK);
		REQUIRE(store_pool_use_chain(store, 1, &detail) == OK);
		const struct stack_config with = {
			.memory_bytes = 4u << 20, .store = store, .keep = keep_nothing};
		REQUIRE(stack_new(&with, &stack) == OK);
		struct block_header header = fixture_header(i);
		stack_keep_header(stack, &header, true, true);
		stack_free(&stack);
		store_pool_put(&store);
	}
	return NULL;
}

static void threads_come_and_go(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(check_failures(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_folder_is_one_store),
		TEST(another_chain_is_refused_while_one_is_in_use),
		TEST(folders_above_are_made),
		TEST(what_is_wrong_is_said),
		TEST(each_memory_is_asked),
		TEST(threads_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
