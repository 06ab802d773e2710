/* SPDX-License-Identifier: MIT */
/* Views of one source on several threads: what VARIANT=tsan looks at. */
#include "source_rig.h"
#include <pthread.h>

#define THREADS 4
#define ROUNDS	40

/* A thread with a loop and a view of its own. */
struct reader {
	pthread_t thread;
	unsigned number, wrong;
	struct loop *loop;
	struct layer_view *view;
	struct needs needs;
};

static void on_landed(void *cookie, enum err err, const char *detail)
{
	struct landing *landing = cookie;

	landing->op = NULL;
	landing->done = true;
	landing->err = err;
	snprintf(landing->detail, sizeof landing->detail, "%s", detail);
}

static bool get(struct reader *r, const struct need *need)
{
	struct landing landing = {0};
	struct fault why;

	if (source_fetch(r->view, need, on_landed, &landing, &landing.op, &why) != PENDING)
		return false;
	while (!landing.done)
		if (loop_turn(r->loop, -1) != OK)
			return false;
	return landing.err == OK;
}

/* One that is started, and cancelled in any state. */
static void start_and_cancel(struct reader *r, const struct need *need)
{
	struct landing landing = {0};
	struct fault why;

	if (source_fetch(r->view, need, on_landed, &landing, &landing.op, &why) != PENDING)
		return;
	(void)!loop_turn(r->loop, 0);
	source_cancel(&landing.op);
}

static void read_round(struct reader *r, unsigned round)
{
	const enum world_kind kinds[] = {WORLD_READER, WORLD_TOKEN, WORLD_LARGE, WORLD_EOA};
	const struct eth_address *address = &someone(kinds[(round + r->number) % 4])->address;
	const struct eth_bytes32 slot = slot_of(round % 7), want = true_slot(2, address, &slot);
	const struct need proof = {
		.kind = NEED_PROOF, .address = *address, .slots = &slot, .slots_n = 1};
	const struct need code = {.kind = NEED_CODE, .address = *address};
	const struct need plain = {.kind = NEED_SLOT, .address = *address, .slot = slot};
	struct eth_bytes32 value;
	struct blob *blob = NULL;
	struct fault why;
	struct span rlp;

	start_and_cancel(r, round % 2 ? &proof : &plain);
	if (layer_slot(r->view, address, &slot, &value, &r->needs, &why) != HIT &&
	    (!get(r, round % 3 ? &plain : &proof) ||
	     layer_slot(r->view, address, &slot, &value, NULL, &why) != HIT))
		r->wrong++;
	r->wrong += !eth_bytes32_equal(&value, &want);
	if (layer_code(r->view, address, &blob, NULL, &why) != HIT && !get(r, &code))
		r->wrong++;
	blob_put(&blob);
	if (round % 5 == 0 &&
	    (!get(r, &proof) || !source_node(rig.layer, &at_block(2)->header.state_root, &rlp)))
		r->wrong++;
	needs_clear(&r->needs);
	rig.layer->ops->rest(r->view);
	if (round % 11 == 0)
		source_fed_clear(r->view);
	if (round % 13 == 0) /* for all of them */
		r->view->layer->ops->forget(r->view);
}

static void *reader_main(void *cookie)
{
	struct layer_stats stats = {0};
	struct source_stats source;
	struct reader *r = cookie;
	struct err_detail detail;

	REQUIRE(loop_new(&r->loop) == OK);
	REQUIRE(rig.layer->ops->view_new(rig.layer, r->loop, &r->view, &detail) == OK);
	for (unsigned round = 0; round < ROUNDS; round++)
		read_round(r, round);
	rig.layer->ops->stats(rig.layer, &stats);
	source_stats(rig.layer, &source);
	r->wrong += stats.slots.hits == 0;
	rig.layer->ops->view_free(&r->view);
	loop_free(&r->loop);
	needs_release(&r->needs);
	return NULL;
}

static void run_readers(void)
{
	struct reader readers[THREADS] = {{0}};

	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	open_source();
	for (unsigned i = 0; i < THREADS; i++) {
		readers[i].number = i;
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].wrong, 0);
	}
	expect_everything(2);
}

static void threads_share_a_source(void **state)
{
	(void)state;
	run_readers();
}

static void threads_share_one_that_verifies(void **state)
{
	(void)state;
	rig.config.verify = true;
	run_readers();
}

static void *opener_main(void *cookie)
{
	unsigned *wrong = cookie;

	for (unsigned i = 0; i < 5; i++) {
		struct err_detail detail;
		struct layer *layer = NULL;
		struct source_block block;
		if (source_new(&rig.config, &layer, &detail) != OK) {
			++*wrong;
			continue;
		}
		source_block(layer, &block);
		*wrong += block.number != 2;
		layer->ops->free(&layer);
	}
	return NULL;
}

/* Over one folder, each with a fork thread of its own. */
static void sources_come_and_go(void **state)
{
	pthread_t threads[THREADS];
	unsigned wrong[THREADS] = {0};

	(void)state;
	rig.config.block = "2";
	rig.config.disk_folder = rig.folder;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, opener_main, &wrong[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(threads_share_a_source),
		TEST(threads_share_one_that_verifies),
		TEST(sources_come_and_go),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
