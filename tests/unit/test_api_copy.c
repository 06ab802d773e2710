/* SPDX-License-Identifier: MIT */
/* Copies that end early: the handle that was written to is as it was. */
#include "api_fixture.h"

static struct fc_db origin;
static struct fc_state *from;

static void open_origin(void)
{
	const struct fc_address one = address_of(1);
	const struct fc_account account = {.mask = FC_NONCE, .nonce = 1};
	struct layer *top;
	assert_ok(shared_new(NULL, NULL, false, &top));
	origin = (struct fc_db){.db = {.top = top, .writable = top}};
	pthread_mutex_init(&origin.roots_lock, NULL);
	assert_ok(fc_state_new(&origin, NULL, &from));
	assert_ok(fc_set_account(from, &one, &account));
}

static void close_origin(void)
{
	fc_state_free(&from);
	root_cache_free(&origin.roots);
	origin.db.top->ops->free(&origin.db.top);
	pthread_mutex_destroy(&origin.roots_lock);
}

/* No batch is left open: a write is seen by other handles at once. */
static void expect_no_batch(void)
{
	assert_ok(fc_batch_begin(handle));
	assert_ok(fc_batch_rollback(handle));
}

static void to_what_takes_no_writes(void **state)
{
	(void)state;
	open_origin();
	assert_int_equal(fc_copy(from, handle, NULL, NULL), FC_ERR_UNSUPPORTED);
	expect_no_batch();
	close_origin();
}

static int stop(void *cookie, const struct fc_progress *progress)
{
	(void)progress;
	return *(int *)cookie;
}

static void ended_by_the_caller(void **state)
{
	const struct fc_address one = address_of(1);
	int gives_up = 1;
	struct fc_account account;
	(void)state;
	open_origin();
	assert_int_equal(fc_copy(from, handle, stop, &gives_up), FC_ERR_CANCELLED);
	expect_no_batch();
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
	assert_int_equal(account.nonce, 1); /* what has been copied stays */
	close_origin();
}

/* A wiped storage cannot be wiped for ever: the publication of a copy fails as a whole. */
static void to_what_cannot_be_published(void **state)
{
	const struct fc_address one = address_of(1);
	struct fc_account account;
	uint64_t id;
	(void)state;
	open_origin();
	assert_ok(fc_clear_storage(handle, &one));
	struct layer_view *view = state_writable_view(handle->state);
	changes_find_account(shared_enter(view), (const struct eth_address *)(const void *)&one)
		->generation = UINT32_MAX;
	shared_leave(view);
	assert_ok(fc_snapshot(from, &id));
	assert_ok(fc_clear_storage(from, &one));
	assert_int_equal(fc_copy(from, handle, NULL, NULL), FC_ERR_EXHAUSTED);
	expect_no_batch();
	assert_ok(fc_get_account(handle, &one, FC_NONCE, &account));
	assert_int_equal(account.nonce, 0);
	close_origin();
}

/* More than goes in one batch, so that each copies into what the other reads. */
enum { SLOTS = 12000, TIMES = 8 };

static void fill(struct fc_state *s, unsigned n)
{
	const struct fc_address address = address_of(n);
	assert_ok(fc_batch_begin(s));
	for (unsigned k = 1; k <= SLOTS; k++) {
		const struct fc_bytes32 slot = word_of(k);
		assert_ok(fc_set_storage(s, &address, &slot, &slot));
	}
	assert_ok(fc_batch_commit(s));
}

struct copying {
	struct fc_state *from, *to;
	unsigned failed;
};

static void *copy_often(void *cookie)
{
	struct copying *c = cookie;
	for (unsigned i = 0; i < TIMES; i++)
		c->failed += fc_copy(c->from, c->to, NULL, NULL) != FC_OK;
	return NULL;
}

static void there_and_back_at_once(void **state)
{
	(void)state;
	struct fc_state *here = NULL, *there = NULL;
	pthread_t thread;
	open_origin();
	assert_ok(fc_state_new(&db, NULL, &here));
	assert_ok(fc_state_new(&origin, NULL, &there));
	fill(here, 1);
	fill(there, 2);
	struct copying out = {here, there, 0}, back = {from, handle, 0};
	assert_int_equal(pthread_create(&thread, NULL, copy_often, &out), 0);
	(void)copy_often(&back);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(out.failed + back.failed, 0);
	fc_state_free(&here);
	fc_state_free(&there);
	close_origin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST_ON(set_up_read_only, to_what_takes_no_writes),
		API_TEST_ON(set_up_memory, ended_by_the_caller),
		API_TEST_ON(set_up_memory, to_what_cannot_be_published),
		API_TEST_ON(set_up_memory, there_and_back_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
