/* SPDX-License-Identifier: MIT */
/* The tries that handles share: roots that are computed one inside of the other, of different
 * moments, by whoever comes first. */
#include "state_rig.h"
#include "layers/root_impl.h"
#include "layers/shared_impl.h"

/* A layer on top, through which everything goes, and which says when a walk begins. */
struct hook {
	struct layer layer;
	void (*walks)(void);
	enum err err;		/* of the next walk */
	unsigned slots, inside; /* read, and while publications were kept away */
};

static struct hook hook;
static struct db db;
static struct root_cache *cache;

static enum err hook_view_new(struct layer *layer, struct loop *loop, struct layer_view **out,
			      struct err_detail *detail)
{
	struct layer_view *view = calloc(1, sizeof *view);
	assert_non_null(view);
	view->layer = layer;
	*out = view;
	return layer->below->ops->view_new(layer->below, loop, &view->below, detail);
}

static void hook_view_free(struct layer_view **view)
{
	(*view)->below->layer->ops->view_free(&(*view)->below);
	free(*view);
	*view = NULL;
}

static enum lookup hook_account(struct layer_view *view, const struct eth_address *address,
				unsigned wanted, struct account_state *out, struct needs *needs,
				struct fault *fault)
{
	return layer_account(view->below, address, wanted, out, needs, fault);
}

static enum lookup hook_slot(struct layer_view *view, const struct eth_address *address,
			     const struct eth_bytes32 *slot, struct eth_bytes32 *value,
			     struct needs *needs, struct fault *fault)
{
	hook.slots++;
	hook.inside += ((struct shared_view *)view->below)->place.depth > 0;
	return layer_slot(view->below, address, slot, value, needs, fault);
}

static void hook_rest(struct layer_view *view)
{
	view->below->layer->ops->rest(view->below);
}

static enum err hook_walk(struct layer_view *view, const struct layer_walk *walk, void *cookie,
			  struct err_detail *detail)
{
	void (*walks)(void) = hook.walks;
	const enum err err = hook.err;
	hook.walks = NULL;
	hook.err = OK;
	if (walks)
		walks();
	return err ? err_set(detail, err, "the test's")
		   : view->below->layer->ops->walk(view->below, walk, cookie, detail);
}

static enum err hook_walk_slots(struct layer_view *view, const struct eth_address *address,
				const struct layer_walk *walk, void *cookie, bool *through,
				struct err_detail *detail)
{
	return view->below->layer->ops->walk_slots(view->below, address, walk, cookie, through,
						   detail);
}

static const struct layer_ops hook_ops = {
	.name = "hook",
	.view_new = hook_view_new,
	.view_free = hook_view_free,
	.account = hook_account,
	.slot = hook_slot,
	.rest = hook_rest,
	.walk = hook_walk,
	.walk_slots = hook_walk_slots,
};

/* ---- handles ---- */

struct one {
	struct state *state;
	struct root_view *view;
	uint64_t tx;
};
static struct one first, second, third, writer;

static void open_one(struct one *one)
{
	struct err_detail detail;
	assert_ok(state_new(&db, NULL, &one->state, &detail));
	assert_ok(root_view_new(cache, one->state, &one->view));
}

static void close_one(struct one *one)
{
	root_view_free(&one->view);
	state_free(&one->state);
}

static int set_up(void **state)
{
	(void)state;
	struct layer *below;
	assert_ok(shared_new(NULL, NULL, false, &below));
	hook = (struct hook){.layer = {&hook_ops, below}};
	db = (struct db){.top = &hook.layer, .writable = below};
	assert_ok(root_cache_new(&db, &cache));
	open_one(&first);
	open_one(&second);
	open_one(&third);
	open_one(&writer);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_one(&first);
	close_one(&second);
	close_one(&third);
	close_one(&writer);
	root_cache_free(&cache);
	hook.layer.below->ops->free(&hook.layer.below);
	return 0;
}

static enum lookup step(struct one *one, struct eth_bytes32 *root)
{
	struct root_job *job;
	struct fault fault;
	assert_ok(root_job_new(one->view, &job));
	const enum lookup got = root_step(job, root, &fault);
	root_job_free(&job);
	return got;
}

/* What one says that begins with nothing. */
static void root_anew(struct eth_bytes32 *root)
{
	struct root_cache *shared = cache;
	struct one fresh;
	assert_ok(root_cache_new(&db, &cache));
	open_one(&fresh);
	assert_int_equal(step(&fresh, root), HIT);
	close_one(&fresh);
	root_cache_free(&cache);
	cache = shared;
}

static void expect_root(void)
{
	struct eth_bytes32 root, anew;
	assert_int_equal(step(&writer, &root), HIT);
	root_anew(&anew);
	assert_memory_equal(&root, &anew, sizeof root);
}

static void begin(struct one *one)
{
	assert_ok(state_tx_begin(one->state, &one->tx, NULL));
}

/* Both handles' moments are past; what the second one's root needed stays. */
static void roots_of_the_past(void)
{
	struct eth_bytes32 root;
	assert_int_equal(step(&first, &root), HIT);
	assert_int_equal(step(&second, &root), HIT);
}

static void write_twice(void)
{
	struct eth_bytes32 root;
	assert_ok(set_nonce(writer.state, 1, 1));
	assert_ok(set_slot(writer.state, 1, 1, 1));
	hook.err = ERR_NOMEM; /* from now on publications are heard */
	assert_int_equal(step(&writer, &root), FAILED);
	begin(&first);
	assert_ok(set_slot(writer.state, 1, 1, 2));
	begin(&second);
	assert_ok(set_slot(writer.state, 1, 2, 3));
}

static void what_is_made_of_everything_takes_the_place_of_all(void **state)
{
	(void)state;
	struct eth_bytes32 root;
	write_twice();
	hook.walks = roots_of_the_past;
	assert_int_equal(step(&third, &root), HIT);
	assert_ok(set_slot(writer.state, 1, 3, 1));
	expect_root();
}

static void lose(void)
{
	pthread_mutex_lock(&cache->lock);
	cache->lost = true;
	touched_release(&cache->touched);
	pthread_mutex_unlock(&cache->lock);
}

static void lose_and_listen(void)
{
	lose();
	root_listen(cache, state_writable_view(writer.state));
}

/* What was published between was not heard: a root that began before is for nobody else. */
static void what_began_before_a_loss_is_not_shared(void **state)
{
	(void)state;
	struct eth_bytes32 root;
	write_twice();
	hook.walks = lose_and_listen;
	assert_int_equal(step(&first, &root), HIT);
	expect_root();
	assert_ok(set_slot(writer.state, 1, 3, 1));
	expect_root();
}

/* It has made sure that it is heard, and then what was heard is lost. */
static void a_loss_before_a_root_begins_is_noticed(void **state)
{
	(void)state;
	struct layer_view *view = state_writable_view(writer.state);
	struct eth_bytes32 root, anew;
	struct fault fault;
	struct root_job *job;
	write_twice();
	expect_root();
	assert_ok(set_slot(writer.state, 1, 4, 1));
	lose();
	assert_ok(root_job_new(writer.view, &job));
	struct work work = {.job = job,
			    .cache = cache,
			    .top = state_top_view(writer.state),
			    .fault = &fault};
	assert_ok(shared_pin(view));
	assert_ok(root_published(&work, shared_sequence(view)));
	shared_unpin(view);
	trie_root_hash(work.accounts, &root);
	work_release(&work);
	root_job_free(&job);
	root_anew(&anew);
	assert_memory_equal(&root, &anew, sizeof root);
	expect_root();
}

/* Setting one may mean to look for a key for seconds: nobody waits for that. */
static void slots_are_set_outside_of_the_gate(void **state)
{
	(void)state;
	struct eth_bytes32 root;
	write_twice();
	assert_int_equal(step(&writer, &root), HIT);
	assert_ok(wipe(writer.state, 1));
	assert_ok(set_slot(writer.state, 1, 5, 1));
	expect_root();
	assert_true(hook.slots > 0);
	assert_int_equal(hook.inside, 0);
}

#define ROOT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(what_is_made_of_everything_takes_the_place_of_all),
		ROOT_TEST(what_began_before_a_loss_is_not_shared),
		ROOT_TEST(a_loss_before_a_root_begins_is_noticed),
		ROOT_TEST(slots_are_set_outside_of_the_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
