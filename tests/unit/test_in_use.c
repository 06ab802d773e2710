/* SPDX-License-Identifier: MIT */
/* What is hot in memory stays on disk, through the stack that joins the two. */
#include "unit.h"
#include "base/loop.h"
#include "layers/in_use.h"
#include "layers/stack.h"
#include "store_fixture.h"

#define SMALL  (UINT64_C(4) << 20)
#define MEMORY (UINT64_C(4) << 20)
#define HOT    200
#define TEXT   "{\"hot\":true}"

struct scene {
	char folder[256];
	struct store *store;
	struct stack *stack;
	struct loop *loop;
	struct stack_view *view;
};

static void keep_nothing(void *cookie, struct stack *stack,
			 const struct fork_question *question, const struct fork_answer *answer)
{
	(void)cookie;
	(void)stack;
	(void)question;
	(void)answer;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);

	fixture_folder(scene->folder);
	scene->store = fixture_open(scene->folder, SMALL);
	const struct stack_config config = {
		.memory_bytes = MEMORY, .store = scene->store, .keep = keep_nothing};
	assert_ok(stack_new(&config, &scene->stack));
	assert_ok(loop_new(&scene->loop));
	assert_ok(stack_view_new(scene->stack, NULL, scene->loop, 16, &scene->view));
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	stack_view_free(&scene->view);
	loop_free(&scene->loop);
	stack_free(&scene->stack);
	store_close(&scene->store);
	fixture_remove(scene->folder);
	free(scene);
	return 0;
}

static void keep_all(struct scene *scene)
{
	struct block_header header = fixture_header(1);

	stack_keep_header(scene->stack, &header, true, true);
	for (uint64_t n = 0; n < HOT; n++) {
		struct eth_address address = fixture_address(n / 256);
		struct eth_bytes32 slot = fixture_word(n), value = fixture_word(~n);
		stack_keep_slot(scene->stack, &header.hash, &address, &slot, &value);
	}
	for (uint64_t n = 1; n < 10; n++) {
		struct eth_address address = fixture_address(n);
		const struct account_fields fields = {.mask = ACCOUNT_NONCE, .nonce = n};
		stack_keep_account(scene->stack, &header.hash, &address, &fields);
	}
	struct eth_bytes32 root = fixture_word(1), slot = fixture_word(2);
	struct eth_address address = fixture_address(3);
	const struct account_fields all = {.mask = ACCOUNT_BALANCE | ACCOUNT_NONCE |
						   ACCOUNT_CODE_HASH | ACCOUNT_STORAGE_ROOT};
	stack_keep_rooted_slot(scene->stack, &root, &slot, &slot);
	stack_keep_rooted_account(scene->stack, &root, &address, &all);
	stack_keep_reply(scene->stack, SPAN("eth_hot"), 1, SPAN(TEXT));
	store_flush(scene->store);
}

static struct fact fact_of(struct scene *scene, enum fact_kind kind, uint64_t address,
			   uint64_t slot)
{
	struct fact fact = {.kind = kind,
			    .address = fixture_address(address),
			    .slot = fixture_word(slot),
			    .block.at.hash = fixture_header(1).hash};

	fact_prepare(scene->view, &fact);
	return fact;
}

/* As clients do; all of it comes from memory. */
static void read_all(struct scene *scene)
{
	struct reply reply = {0};
	struct eth_bytes32 hash;

	for (uint64_t n = 0; n < HOT; n++) {
		struct fact fact = fact_of(scene, FACT_SLOT, n / 256, n);
		assert_int_equal(stack_get_fact(scene->view, &fact), HIT);
	}
	for (uint64_t n = 1; n < 10; n++) {
		struct fact fact = fact_of(scene, FACT_NONCE, n, 0);
		assert_int_equal(stack_get_fact(scene->view, &fact), HIT);
	}
	struct eth_bytes32 root = fixture_word(1), slot = fixture_word(2), value;
	struct eth_address address = fixture_address(3);
	struct account_fields fields;
	assert_int_equal(stack_get_rooted_slot(scene->view, &root, &slot, &value), HIT);
	assert_memory_equal(&value, &slot, 32);
	assert_int_equal(stack_get_rooted_account(scene->view, &root, &address, &fields), HIT);
	assert_int_equal(stack_get_reply(scene->view, SPAN("eth_hot"), &reply), HIT);
	reply_release(&reply);
	assert_int_equal(stack_get_binding(scene->view, 1, &hash), HIT);
	stack_turn_end(scene->view);
}

/* Five times what the disk holds, past the memory. */
static void push_through(struct scene *scene)
{
	struct block_header header = fixture_header(2);

	store_put_header(scene->store, &header);
	for (uint64_t n = 10000; n < 210000; n++) {
		fixture_put_slot(scene->store, 2, n);
		if (n % 500 == 499)
			store_flush(scene->store);
		if (n % 5000 == 4999)
			read_all(scene);
	}
	store_flush(scene->store);
}

/* Of HOT slots, nine accounts, a reply, a binding, a slot and an account by root. */
static size_t left_on_disk(struct scene *scene)
{
	struct store_reader *reader;
	struct block_header header = fixture_header(1);
	struct blob *blob;
	struct eth_bytes32 hash;
	size_t left = 0;

	assert_ok(store_reader_new(scene->store, &reader));
	for (uint64_t n = 0; n < HOT; n++)
		left += fixture_get_slot(reader, 1, n) == HIT;
	for (uint64_t n = 1; n < 10; n++) {
		struct eth_address address = fixture_address(n);
		struct account_fields fields;
		left += store_get_account(reader, &header.hash, &address, ACCOUNT_NONCE,
					  &fields) == HIT;
	}
	left += store_get_reply(reader, SPAN("eth_hot"), &blob) == HIT;
	blob_put(&blob);
	left += store_get_binding(reader, 1, &hash) == HIT;
	struct eth_bytes32 root = fixture_word(1), slot = fixture_word(2);
	struct eth_address address = fixture_address(3);
	struct account_fields fields;
	left += store_get_rooted_slot(reader, &root, &slot, &hash) == HIT;
	left += store_get_rooted_account(reader, &root, &address, &fields) == HIT;
	store_reader_free(&reader);
	return left;
}

static void memory_keeps_its_records_on_disk(void **state)
{
	struct scene *scene = *state;
	struct store_stats stats;

	keep_all(scene);
	push_through(scene);
	assert_int_equal(left_on_disk(scene), HOT + 9 + 1 + 1 + 2);
	store_stats(scene->store, &stats);
	assert_true(stats.evicted > 100000);
	assert_int_equal(stats.puts_dropped, 0);
}

/* The same without being asked: what the test above is about would not stay by itself. */
static void otherwise_they_go(void **state)
{
	struct scene *scene = *state;

	keep_all(scene);
	store_set_in_use(scene->store, NULL, NULL);
	push_through(scene);
	assert_true(left_on_disk(scene) < HOT / 10);
}

/* Being in memory is not enough: there has been a hit. */
static void what_nobody_has_read_is_not_in_use(void **state)
{
	struct scene *scene = *state;

	keep_all(scene);
	struct block_header header = fixture_header(2);
	store_put_header(scene->store, &header);
	for (uint64_t n = 10000; n < 110000; n++) {
		fixture_put_slot(scene->store, 2, n);
		if (n % 500 == 499)
			store_flush(scene->store);
	}
	store_flush(scene->store);
	assert_true(left_on_disk(scene) < HOT / 10);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(memory_keeps_its_records_on_disk),
		SCENE(otherwise_they_go),
		SCENE(what_nobody_has_read_is_not_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
