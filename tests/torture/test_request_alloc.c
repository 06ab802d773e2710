/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation of the request layer fails, for every N, while it follows the chain: each
 * call is answered, right or with an error, nothing leaks, and the next body is answered right.
 */
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "../unit/follow_fixture.h"
#include "alloc.h"
#include "base/log.h"
#include <limits.h>

static bool is_spared(void)
{
	return fake_fork_at_work || fake_http_at_work;
}

static struct http_exchange *answered(size_t scene)
{
	struct http_exchange *x = fake_http_post(request_start, rig.pool, scenes[scene].body);

	stack_turn_end(rig.view);
	while (fake_fork_deliver_one())
		stack_turn_end(rig.view);
	assert_non_null(fake_http_reply(x));
	return x;
}

/* The next "jsonrpc" of a reply, or its end. */
static const char *next_item(const char *at)
{
	const char *next = strstr(at + 1, "{\"jsonrpc\"");

	return next != NULL ? next : at + strlen(at);
}

/* Each item is as it should be, or an error. */
static void check(size_t scene, unsigned long n, const char *reply, const char *truth)
{
	const char *item = reply + 1, *wanted = truth + 1;

	if (strstr(reply, "{\"jsonrpc\":\"2.0\",\"id\":null,") != NULL)
		return; /* the body could not be read at all */
	for (; *wanted != '\0' && *item != '\0';
	     item = next_item(item), wanted = next_item(wanted)) {
		const size_t bytes = (size_t)(next_item(item) - item);
		const bool is_error = memmem(item, bytes, "\"error\"", 7) != NULL;
		const size_t same = (size_t)(next_item(wanted) - wanted) - 1;
		if (!is_error && (bytes - 1 != same || memcmp(item, wanted, same) != 0))
			fail_msg("scene %zu, allocation %lu: %s", scene, n, reply);
	}
	assert_int_equal(*wanted, *item);
}

static char truth[16384];

/* False: there were not so many. */
static bool fails_at(size_t scene, unsigned long n)
{
	void *state = NULL;
	setup(&state);
	scene_set(scene);
	fail_at(n);
	struct http_exchange *x = answered(scene);
	const bool failed = has_failed();
	if (n == ULONG_MAX)
		snprintf(truth, sizeof truth, "%s", fake_http_reply(x));
	else
		check(scene, n, fake_http_reply(x), truth);
	fake_http_free(&x);
	pass(2 * SECOND_US);
	x = answered(scene);
	if (strstr(fake_http_reply(x), "error") != NULL)
		fail_msg("scene %zu, allocation %lu, afterwards: %s", scene, n,
			 fake_http_reply(x));
	fake_http_free(&x);
	teardown_following(&state);
	return failed;
}

static void bodies_with_a_failure(void **state)
{
	(void)state;
	log_set_level(LOG_OFF);
	for (size_t scene = 0; scene < sizeof scenes / sizeof scenes[0]; scene++) {
		unsigned long n = 1;
		bool failed = true;
		/* The rig's aligned memory is freed here, and does not come from here. */
		long before = live;
		fails_at(scene, ULONG_MAX);
		const long balance = live - before;
		for (; failed; n++) {
			before = live;
			failed = fails_at(scene, n);
			if (live - before != balance)
				fail_msg("scene %zu, allocation %lu: %ld left", scene, n,
					 live - before - balance);
		}
		assert_in_range(n, 10, 1000);
	}
}

static void pool_of(size_t arena_bytes)
{
	const struct request_limits limits = {.arena_bytes = arena_bytes};

	request_pool_free(&rig.pool);
	assert_ok(request_pool_new(rig.view, &rig.chain, &limits, &rig.pool));
}

/* The arena of a body ends after so many bytes: each allocation in it fails in turn. */
static void bodies_in_small_arenas(void **state)
{
	enum { STEP = 16, ENOUGH = 16384 };

	for (size_t scene = 0; scene < sizeof scenes / sizeof scenes[0]; scene++) {
		fails_at(scene, ULONG_MAX); /* for the truth */
		for (size_t bytes = STEP; bytes <= ENOUGH; bytes += STEP) {
			setup(state);
			pool_of(bytes);
			scene_set(scene);
			struct http_exchange *x = answered(scene);
			check(scene, bytes, fake_http_reply(x), truth);
			if (bytes == ENOUGH)
				assert_string_equal(fake_http_reply(x), truth);
			fake_http_free(&x);
			teardown_following(state);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_with_a_failure),
		cmocka_unit_test(bodies_in_small_arenas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
