/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "dns_server.h"
#include "fake_loop.h"
#include "fork/resolver.h"
#include "unit.h"

#define SECOND UINT64_C(1000000)
#define NAME   "node.forkcache.test"

struct fixture {
	struct loop *loop;
	struct dns_server dns;
	struct resolver *resolver;
	struct resolver_name *name;
};

/* One who waits, and what it was told. */
struct waiter {
	struct resolver_wait wait;
	struct fixture *f;
	struct waiter *cancels;
	bool asks_again, puts_name;
	int calls;
	enum err err;
	bool loopback;
	char addresses[1024], detail[128];
};

static void note(struct waiter *w, const struct resolver_answer *answer)
{
	w->err = answer->err;
	w->loopback = answer->loopback;
	(void)snprintf(w->addresses, sizeof w->addresses, "%s", answer->addresses);
	(void)snprintf(w->detail, sizeof w->detail, "%s", answer->detail);
}

static enum lookup look(struct fixture *f, struct waiter *w);

static void on_answer(void *cookie, const struct resolver_answer *answer)
{
	struct waiter *w = cookie;
	w->calls++;
	note(w, answer);
	if (w->cancels != NULL)
		resolver_cancel(&w->cancels->wait);
	if (w->asks_again) {
		struct waiter again = {.f = w->f};
		assert_int_equal(look(w->f, &again), HIT);
		assert_string_equal(again.addresses, w->addresses);
	}
	if (w->puts_name)
		resolver_name_put(&w->f->name);
}

static enum lookup look_at(struct resolver_name *name, struct waiter *w)
{
	struct resolver_answer answer;
	enum lookup lookup = resolver_lookup(name, &answer, &w->wait, on_answer, w);
	if (lookup != PENDING)
		note(w, &answer);
	return lookup;
}

static enum lookup look(struct fixture *f, struct waiter *w)
{
	w->f = f;
	return look_at(f->name, w);
}

/* Until w has been called; virtual time stands still. */
static void pump(struct fixture *f, const struct waiter *w)
{
	int before = w->calls;
	while (w->calls == before) {
		assert_true(fake_loop_poll(f->loop, 10000) > 0);
		fake_loop_turn(f->loop);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	assert_int_equal(loop_new(&f->loop), OK);
	dns_start(&f->dns, f->loop);
	f->dns.a[0] = "192.0.2.7";
	assert_int_equal(resolver_new(f->loop, f->dns.address, &f->resolver), OK);
	f->name = resolver_name_get(f->resolver, NAME);
	assert_non_null(f->name);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	resolver_name_put(&f->name);
	resolver_free(&f->resolver);
	dns_stop(&f->dns);
	assert_int_equal(fake_loop_fd_count(f->loop), 0);
	assert_int_equal(fake_loop_timer_count(f->loop), 0);
	loop_free(&f->loop);
	free(f);
	return 0;
}

/* Resolves once more, whatever it takes, and returns how many queries that took. */
static unsigned resolve(struct fixture *f, struct waiter *w)
{
	unsigned before = f->dns.queries;
	if (look(f, w) == PENDING)
		pump(f, w);
	return f->dns.queries - before;
}

static void resolves_both_families(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {.asks_again = true};
	f->dns.a[1] = "127.0.0.1";
	f->dns.aaaa[0] = "2001:db8::5";
	assert_int_equal(look(f, &w), PENDING);
	assert_int_equal(w.calls, 0);
	pump(f, &w);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.err, OK);
	assert_non_null(strstr(w.addresses, "192.0.2.7"));
	assert_non_null(strstr(w.addresses, "127.0.0.1"));
	assert_non_null(strstr(w.addresses, "[2001:db8::5]"));
	assert_false(w.loopback);
	assert_int_equal(resolver_started(f->resolver), 1);
}

static void tells_loopback(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	f->dns.a[0] = "127.9.9.9";
	f->dns.aaaa[0] = "::1";
	f->dns.aaaa[1] = "::ffff:127.0.0.1";
	assert_int_equal(resolve(f, &w), 1);
	assert_true(w.loopback);
}

static void bounds_the_set(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	unsigned commas = 0;
	for (int i = 0; i < 20; i++)
		f->dns.a[i] = "192.0.2.200";
	assert_int_equal(resolve(f, &w), 1);
	for (const char *at = w.addresses; (at = strchr(at, ',')) != NULL; at++)
		commas++;
	assert_int_equal(commas + 1, RESOLVER_ADDRESSES);
}

static void knows_some_at_once(void **state)
{
	static const struct {
		const char *host, *addresses;
		bool loopback;
	} rows[] = {
		{"localhost", "127.0.0.1,[::1]", true},
		{"a.localhost", "127.0.0.1,[::1]", true},
		{"192.0.2.1", "192.0.2.1", false},
		{"127.1.2.3", "127.1.2.3", true},
		{"::1", "[::1]", true},
		{"2001:db8::1", "[2001:db8::1]", false},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct waiter w = {.f = f};
		struct resolver_name *name = resolver_name_get(f->resolver, rows[i].host);
		assert_non_null(name);
		resolver_suspect(name);
		assert_int_equal(look_at(name, &w), HIT);
		assert_string_equal(w.addresses, rows[i].addresses);
		assert_int_equal(w.loopback, rows[i].loopback);
		resolver_name_put(&name);
	}
	assert_int_equal(resolver_started(f->resolver), 0);
}

static void waiters_share(void **state)
{
	struct fixture *f = *state;
	struct waiter w[4] = {0};
	struct resolver_name *same = resolver_name_get(f->resolver, NAME);
	assert_ptr_equal(same, f->name);
	resolver_name_put(&same);
	for (int i = 0; i < 4; i++)
		assert_int_equal(look(f, &w[i]), PENDING);
	w[0].cancels = &w[1]; /* in the very delivery */
	resolver_cancel(&w[2].wait);
	pump(f, &w[3]);
	assert_int_equal(w[0].calls, 1);
	assert_int_equal(w[1].calls, 0);
	assert_int_equal(w[2].calls, 0);
	assert_int_equal(w[3].calls, 1);
	assert_int_equal(f->dns.queries, 1);
}

static void a_callback_may_put_the_name(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {.puts_name = true};
	assert_int_equal(look(f, &w), PENDING);
	pump(f, &w);
	assert_null(f->name);
}

/* While c-ares still holds it; taken up again, and not. */
static void a_name_may_go_early(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0}, again = {0};
	assert_int_equal(look(f, &w), PENDING);
	resolver_cancel(&w.wait);
	resolver_name_put(&f->name);
	f->name = resolver_name_get(f->resolver, NAME);
	assert_int_equal(look(f, &again), PENDING);
	pump(f, &again);
	assert_int_equal(f->dns.queries, 1);
	fake_loop_advance(f->loop, 61 * SECOND);
	assert_int_equal(look(f, &w), PENDING);
	resolver_cancel(&w.wait);
	resolver_name_put(&f->name); /* teardown frees the resolver now */
}

static void clamps_and_honours_ttl(void **state)
{
	static const struct {
		uint32_t ttl, cname_ttl, seconds;
	} rows[] = {{0, 0, 5}, {4, 0, 5}, {42, 0, 42}, {86400, 0, 300}, {200, 20, 20}};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct waiter w = {0};
		f->dns.ttl = rows[i].ttl;
		f->dns.cname_ttl = rows[i].cname_ttl;
		assert_int_equal(resolve(f, &w), 1);
		fake_loop_advance(f->loop, rows[i].seconds * SECOND - 1);
		assert_int_equal(resolve(f, &w), 0);
		fake_loop_advance(f->loop, 1);
	}
}

static void follows_a_move(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	resolve(f, &w);
	f->dns.a[0] = "192.0.2.8";
	fake_loop_advance(f->loop, 60 * SECOND);
	assert_int_equal(resolve(f, &w), 1);
	assert_string_equal(w.addresses, "192.0.2.8");
}

static void a_suspect_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	resolve(f, &w);
	resolver_suspect(f->name);
	assert_int_equal(resolve(f, &w), 0); /* younger than a second */
	fake_loop_advance(f->loop, SECOND);
	assert_int_equal(resolve(f, &w), 1);
	assert_int_equal(resolve(f, &w), 0);
}

static void failures_are_remembered(void **state)
{
	static const struct {
		enum dns_mode mode;
		const char *detail;
	} rows[] = {{DNS_NXDOMAIN, "name not found"},
		    {DNS_SERVFAIL, "name server failed or cannot be reached"}};
	struct fixture *f = *state;
	for (size_t i = 0; i < 2; i++) {
		struct waiter w = {0};
		f->dns.mode = rows[i].mode;
		assert_true(resolve(f, &w) > 0);
		assert_int_equal(w.err, ERR_NETWORK);
		assert_string_equal(w.detail, rows[i].detail);
		fake_loop_advance(f->loop, SECOND - 1);
		w = (struct waiter){0};
		assert_int_equal(look(f, &w), FAILED);
		assert_string_equal(w.detail, rows[i].detail);
		fake_loop_advance(f->loop, 1);
	}
	struct waiter w = {0};
	f->dns.mode = DNS_ANSWER;
	assert_int_equal(resolve(f, &w), 1);
	assert_int_equal(w.err, OK);
}

static void a_name_without_address(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	f->dns.a[0] = NULL;
	resolve(f, &w);
	assert_int_equal(w.err, ERR_NETWORK);
	assert_string_equal(w.detail, "name has no address");
}

static void stale_serves_when_refresh_fails(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	resolve(f, &w);
	fake_loop_advance(f->loop, 60 * SECOND);
	f->dns.mode = DNS_SERVFAIL;
	assert_true(resolve(f, &w) > 0);
	assert_int_equal(w.err, OK);
	assert_string_equal(w.addresses, "192.0.2.7");
	/* not asked again for a while, then again */
	fake_loop_advance(f->loop, RESOLVER_HOLD_S * SECOND - 1);
	assert_int_equal(resolve(f, &w), 0);
	assert_int_equal(w.err, OK);
	fake_loop_advance(f->loop, 1);
	assert_true(resolve(f, &w) > 0);
	assert_int_equal(w.err, OK);
	/* and not for ever */
	fake_loop_advance(f->loop, RESOLVER_STALE_S * SECOND);
	resolve(f, &w);
	assert_int_equal(w.err, ERR_NETWORK);
	assert_string_equal(w.addresses, "");
}

static void stale_does_not_survive_nxdomain(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	resolve(f, &w);
	fake_loop_advance(f->loop, 60 * SECOND);
	f->dns.mode = DNS_NXDOMAIN;
	resolve(f, &w);
	assert_int_equal(w.err, ERR_NETWORK);
}

static void stale_serves_when_refresh_is_slow(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0}, late = {0};
	resolve(f, &w);
	fake_loop_advance(f->loop, 60 * SECOND);
	f->dns.mode = DNS_SILENT;
	assert_int_equal(look(f, &w), PENDING);
	fake_loop_advance(f->loop, RESOLVER_PATIENCE_MS * 1000 - 1);
	assert_int_equal(w.calls, 1); /* the first resolution's */
	fake_loop_advance(f->loop, 1);
	assert_int_equal(w.calls, 2);
	assert_string_equal(w.addresses, "192.0.2.7");
	assert_int_equal(look(f, &late), HIT);
	assert_int_equal(resolver_started(f->resolver), 2);
}

static void a_bad_server_list_is_refused(void **state)
{
	struct fixture *f = *state;
	struct resolver *resolver = NULL;
	assert_int_equal(resolver_new(f->loop, "not an address", &resolver), ERR_CONFIG);
	assert_null(resolver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(resolves_both_families, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_the_set, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_some_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(waiters_share, setup, teardown),
		cmocka_unit_test_setup_teardown(a_callback_may_put_the_name, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_may_go_early, setup, teardown),
		cmocka_unit_test_setup_teardown(clamps_and_honours_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_a_move, setup, teardown),
		cmocka_unit_test_setup_teardown(a_suspect_is_asked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_without_address, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_serves_when_refresh_fails, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stale_does_not_survive_nxdomain, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stale_serves_when_refresh_is_slow, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bad_server_list_is_refused, setup, teardown),
	};
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
