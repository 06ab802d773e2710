/* SPDX-License-Identifier: MIT */
/* What may lie over what, and what is said of stacks that make no sense. */
#include "unit.h"
#include "api/plan.h"
#include "api/urls.h"
#include "base/check.h"
#include <stdlib.h>

static struct err_detail detail;
static struct open_plan plan;
static struct url_list list;

static enum err plan_of(const char *urls)
{
	assert_int_equal(url_list_parse(urls, &list, &detail), OK);
	const enum err err = open_plan_make(&list.layers[0], &plan, &detail);
	return err;
}

static void accepted(const char *urls)
{
	if (plan_of(urls) != OK)
		fail_msg("%s: %s", urls, detail.text);
}

static void refused(const char *urls, const char *word)
{
	if (plan_of(urls) != ERR_CONFIG)
		fail_msg("%s is accepted", urls);
	if (strstr(detail.text, word) == NULL || strstr(detail.text, "SECRET") != NULL)
		fail_msg("%s: %s", urls, detail.text);
	url_list_release(&list);
}

static void caches_of_a_fork_become_its_stack(void **state)
{
	(void)state;
	accepted("fork+http://h");
	assert_true(plan.has_source);
	assert_int_equal(plan.memory_bytes, 4 << 20);
	assert_null(plan.disk_folder);
	url_list_release(&list);
	accepted("overlay://,memory://#bytes=8MiB,lmdb:///d,forkcache://h");
	assert_int_equal(plan.memory_bytes, 8 << 20);
	assert_string_equal(plan.disk_folder, "/d");
	assert_int_equal(plan.disk_bytes, UINT64_C(10) << 30);
	assert_false(open_plan_is_of_source(&plan, 0));
	assert_true(open_plan_is_of_source(&plan, 1));
	assert_true(open_plan_is_of_source(&plan, 2));
	assert_false(open_plan_is_of_source(&plan, 3));
	url_list_release(&list);
	accepted("memory://#slots=1MiB&code=2MiB,lmdb:///d#bytes=5MiB,fork+http://h");
	assert_int_equal(plan.memory_bytes, (16 + 1 + 2) << 20);
	assert_int_equal(plan.disk_bytes, 5 << 20);
	url_list_release(&list);
}

static void other_caches_are_layers(void **state)
{
	(void)state;
	accepted("memory://#bytes=4MiB,overlay://,memory://,fork+http://h");
	assert_false(open_plan_is_of_source(&plan, 0));
	assert_int_equal(plan.layers[0].slots_bytes, 2 << 20);
	assert_true(open_plan_is_of_source(&plan, 2));
	assert_int_equal(plan.memory_bytes, 64 << 20);
	url_list_release(&list);
	accepted("memory://,lmdb:///d");
	assert_false(plan.has_source);
	assert_int_equal(plan.layers[1].kind, FC_FILE);
	assert_false(open_plan_is_of_source(&plan, 0));
	url_list_release(&list);
	accepted("overlay://,overlay://,memory://");
	url_list_release(&list);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	refused("overlay://", "layer 1 from the top (overlay): there must be a layer below it");
	refused("memory://,overlay://", "layer 2 from the top (overlay)");
	refused("fork+http://h,memory://",
		"layer 1 from the top (fork): nothing may lie below");
	refused("overlay://,forkcache://h,fork+http://h", "(network): nothing may lie below");
	refused("memory://,memory://,fork+http://h", "of no use");
	refused("lmdb:///d,overlay://,fork+http://h", "directly above a fork");
	refused("lmdb:///d,memory://,fork+http://h", "directly above a fork");
	refused("lmdb:///d,memory://", "directly above a fork");
	refused("lmdb:///d#bytes=1MiB,fork+http://h", "below 4 MiB");
	refused("memory://#bytes=1KiB,fork+http://h", "below 1 MiB");
	refused("memory://#slots=5TiB,fork+http://h", "above 4 TiB");
	refused("fork+http://h#offline&block=1", "needs a disk cache");
	refused("lmdb:///d,fork+http://h#offline", "a block by number or hash");
	refused("lmdb:///d,fork+http://h#offline&block=latest", "a block by number or hash");
	refused("fork+http://h#block=SECRET", "its block is not a number");
	refused("fork+http://h#header=SECRET", "header is not");
	refused("fork+http://h#header=SECRET%3A%0D%0AX", "header is not");
	refused("forkcache://SECRET%0A@h", "token");
	refused("fork+http://SECRET@a@b", "its URL 1: upstream URL: more than one @");
	refused("fork+http://h#url=ftp%3A//SECRET", "its URL 2: upstream URL: must begin with");
	refused("fork+http://SECRET:99999", "the port is not a number");
}

static struct fc_layer layer(enum fc_kind kind, const struct fc_layer *below)
{
	return (struct fc_layer){.size = sizeof(struct fc_layer), .kind = kind, .below = below};
}

static void refused_layers(const struct fc_layer *top, const char *word)
{
	assert_int_equal(open_plan_make(top, &plan, &detail), ERR_CONFIG);
	if (strstr(detail.text, word) == NULL)
		fail_msg("%s", detail.text);
}

static void structs_may_grow(void **state)
{
	struct {
		struct fc_layer layer;
		char more[16];
	} newer = {.layer = layer(FC_MEMORY, NULL)};
	struct fc_layer old = layer(FC_MEMORY, NULL);

	(void)state;
	newer.layer.size = sizeof newer;
	assert_ok(open_plan_make(&newer.layer, &plan, &detail));
	newer.more[3] = 1;
	refused_layers(&newer.layer, "size");
	/* What an older caller does not know is not read. */
	old.size = offsetof(struct fc_layer, path);
	old.keep_empty_accounts = true;
	assert_ok(open_plan_make(&old, &plan, &detail));
	assert_false(plan.layers[0].keep_empty_accounts);
	old.size = 0;
	refused_layers(&old, "size");
}

static void members_of_other_kinds_are_slips(void **state)
{
	const char *const urls[] = {"http://h", NULL};
	struct fc_layer bottom = layer(FC_MEMORY, NULL), top = layer(FC_OVERLAY, &bottom);

	(void)state;
	top.block = "1";
	refused_layers(&top, "layer 1 from the top (overlay) has no block");
	top.block = NULL;
	bottom.path = "/x";
	refused_layers(&top, "layer 2 from the top (memory) has no path");
	bottom.path = NULL;
	bottom.verify = true;
	refused_layers(&top, "has no verify");
	bottom = layer(FC_FILE, NULL);
	refused_layers(&top, "needs a folder");
	bottom = layer(FC_FORK, NULL);
	refused_layers(&top, "needs a URL");
	bottom.urls = urls;
	bottom.urls_n = 2;
	refused_layers(&top, "is NULL");
	bottom.urls_n = 65;
	refused_layers(&top, "more than 64");
	bottom.urls_n = 1;
	bottom.token = "t";
	refused_layers(&top, "has no token");
	bottom.token = NULL;
	assert_ok(open_plan_make(&top, &plan, &detail));
	bottom.keep_empty_accounts = true;
	refused_layers(&top, "empty accounts");
	bottom = layer((enum fc_kind)99, NULL);
	refused_layers(&top, "kind is not known");
	/* One that is its own below never ends. */
	top.below = &top;
	refused_layers(&top, "more than 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caches_of_a_fork_become_its_stack),
		cmocka_unit_test(other_caches_are_layers),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(structs_may_grow),
		cmocka_unit_test(members_of_other_kinds_are_slips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
