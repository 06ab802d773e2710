/* SPDX-License-Identifier: MIT */
/* Deadlines, cancelling at every stage, and names that move: on virtual time. */
#include "base/log.h"
#include "dns_server.h"
#include "fake_loop.h"
#include "http_peer.h"
#include "unit.h"

enum { ROOM = 4096, DEADLINE_MS = 30000 };
#define SECOND UINT64_C(1000000)

struct fixture {
	struct loop *loop;
	struct client *client;
	struct peer peer;
	struct dns_server dns;
	struct client_target *target, *named;
	struct call call;
};

static struct client_target *target_named(struct fixture *f, const char *host)
{
	char url[128];
	(void)snprintf(url, sizeof url, "http://%s:%u/", host, (unsigned)f->peer.port);
	struct client_target *target = target_make(f->client, url, NULL);
	assert_non_null(target);
	return target;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	assert_int_equal(loop_new(&f->loop), OK);
	assert_true(peer_start(&f->peer, f->loop, false));
	dns_start(&f->dns, f->loop);
	f->dns.a[0] = "127.0.0.1";
	assert_int_equal(client_new_dns(f->loop, NULL, f->dns.address, &f->client), OK);
	f->target = target_named(f, "127.0.0.1");
	f->named = target_named(f, "node.forkcache.test");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	client_target_free(&f->target);
	client_target_free(&f->named);
	client_free(&f->client);
	peer_stop(&f->peer);
	dns_stop(&f->dns);
	assert_int_equal(fake_loop_fd_count(f->loop), 0);
	assert_int_equal(fake_loop_timer_count(f->loop), 0);
	loop_free(&f->loop);
	free(f);
	assert_int_equal(check_failures(), 0);
	return 0;
}

static void post(struct fixture *f, struct client_target *target)
{
	f->call = (struct call){0};
	call_post(&f->call, target, "{}", DEADLINE_MS, ROOM);
}

/* One turn; short timers (libcurl's) are let run, the deadline is not. */
static void step(struct fixture *f)
{
	uint64_t next = fake_loop_next_timer_us(f->loop);
	int wait_ms = next == 0 ? 0 : 20;
	if (fake_loop_poll(f->loop, wait_ms) > 0 || next == 0)
		fake_loop_turn(f->loop);
	else if (next < SECOND)
		fake_loop_advance(f->loop, next);
}

static void pump(struct fixture *f)
{
	while (f->call.calls == 0)
		step(f);
}

static void pump_until(struct fixture *f, const unsigned *counter, unsigned value)
{
	while (*counter < value)
		step(f);
}

/* Time jumps from timer to timer; descriptors are not looked at. */
static void expect_deadline(struct fixture *f, bool connected, const char *detail)
{
	uint64_t start = loop_now_us(f->loop);
	while (f->call.calls == 0) {
		uint64_t next = fake_loop_next_timer_us(f->loop);
		assert_true(next != UINT64_MAX);
		fake_loop_advance(f->loop, next);
	}
	assert_true(loop_now_us(f->loop) - start <= DEADLINE_MS * UINT64_C(1000));
	assert_int_equal(f->call.calls, 1);
	assert_int_equal(f->call.reply.err, ERR_TIMEOUT);
	assert_string_equal(f->call.detail, detail);
	assert_int_equal(f->call.reply.connected, connected);
	assert_int_equal(f->call.reply.elapsed_us, DEADLINE_MS * UINT64_C(1000));
}

static void a_silent_peer_times_out(void **state)
{
	struct fixture *f = *state;
	f->peer.then = PEER_HANG;
	post(f, f->target);
	pump_until(f, &f->peer.requests, 1);
	expect_deadline(f, true, "timed out: no answer");
	assert_int_equal(f->call.reply.bytes_out, 2);
	/* the connection is not used again: the late answer would be somebody else's */
	f->peer.then = PEER_KEEP;
	post(f, f->target);
	pump(f);
	assert_int_equal(f->call.reply.err, OK);
	assert_int_equal(f->peer.accepted, 2);
}

static void a_deadline_ends_connecting(void **state)
{
	struct fixture *f = *state;
	post(f, f->target);
	fake_loop_advance(f->loop, 0); /* connect(2) has been called, and nobody looks */
	expect_deadline(f, false, "timed out: could not connect");
}

static void a_silent_name_server_times_out(void **state)
{
	struct fixture *f = *state;
	f->dns.mode = DNS_SILENT;
	post(f, f->named);
	expect_deadline(f, false, "timed out: name server does not answer");
}

static void cancels_while_resolving(void **state)
{
	struct fixture *f = *state;
	f->dns.mode = DNS_SILENT;
	post(f, f->named);
	client_cancel(&f->call.op);
	assert_null(f->call.op);
	fake_loop_advance(f->loop, 60 * SECOND);
	assert_int_equal(f->call.calls, 0);
	client_cancel(&f->call.op); /* allowed */
}

static void cancels_before_the_first_turn(void **state)
{
	struct fixture *f = *state;
	post(f, f->target);
	client_cancel(&f->call.op);
	fake_loop_advance(f->loop, 60 * SECOND);
	assert_int_equal(f->call.calls, 0);
	assert_int_equal(f->peer.accepted, 0);
}

static void cancels_while_connecting(void **state)
{
	struct fixture *f = *state;
	size_t before = fake_loop_fd_count(f->loop);
	post(f, f->target);
	fake_loop_advance(f->loop, 0);
	assert_int_equal(fake_loop_fd_count(f->loop), before + 1);
	client_cancel(&f->call.op);
	assert_int_equal(fake_loop_fd_count(f->loop), before);
	fake_loop_advance(f->loop, 60 * SECOND);
	assert_int_equal(f->call.calls, 0);
}

static void cancels_in_flight(void **state)
{
	struct fixture *f = *state;
	f->peer.then = PEER_HANG;
	post(f, f->target);
	pump_until(f, &f->peer.requests, 1);
	client_cancel(&f->call.op);
	fake_loop_advance(f->loop, 60 * SECOND);
	assert_int_equal(f->call.calls, 0);
}

/* A failure that is known at once is told in the next turn, and may be cancelled before. */
static void cancels_a_failure_that_waits(void **state)
{
	struct fixture *f = *state;
	f->dns.mode = DNS_NXDOMAIN;
	post(f, f->named);
	pump(f);
	assert_string_equal(f->call.detail, "name not found");
	post(f, f->named);
	client_cancel(&f->call.op);
	fake_loop_turn(f->loop);
	assert_int_equal(f->call.calls, 0);
	post(f, f->named);
	fake_loop_turn(f->loop);
	assert_int_equal(f->call.calls, 1);
	assert_string_equal(f->call.detail, "name not found");
}

static uint64_t resolutions(struct fixture *f)
{
	struct client_stats stats;
	client_stats(f->client, &stats);
	return stats.resolutions;
}

static void a_refused_name_is_asked_again(void **state)
{
	struct fixture *f = *state;
	f->dns.a[0] = "127.0.0.9"; /* nobody listens there */
	post(f, f->named);
	pump(f);
	assert_string_equal(f->call.detail, "connection refused");
	f->dns.a[0] = "127.0.0.1";
	post(f, f->named); /* within the second: the same addresses */
	pump(f);
	assert_int_equal(f->call.reply.err, ERR_NETWORK);
	assert_int_equal(resolutions(f), 1);
	fake_loop_advance(f->loop, SECOND);
	post(f, f->named); /* the TTL is 60 s */
	pump(f);
	assert_int_equal(f->call.reply.err, OK);
	assert_int_equal(resolutions(f), 2);
}

/* A socket on ::1 at the peer's port whose queue is full: connecting hangs. -1: no IPv6. */
static int hanging_listener(uint16_t port, int *filler)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_addr = in6addr_loopback,
				   .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*filler = -1;
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&in6, sizeof in6) != 0 || listen(fd, 0) != 0) {
		close(fd);
		return -1;
	}
	*filler = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*filler >= 0);
	assert_int_equal(connect(*filler, (struct sockaddr *)&in6, sizeof in6), 0);
	return fd;
}

/* The loser of the race is closed by libcurl without a word. */
static void survives_the_race_of_addresses(void **state)
{
	struct fixture *f = *state;
	size_t before = fake_loop_fd_count(f->loop);
	int filler, listener = hanging_listener(f->peer.port, &filler);
	if (listener < 0)
		skip();
	f->dns.aaaa[0] = "::1";
	for (int i = 0; i < 2; i++) {
		post(f, f->named);
		pump(f);
		assert_int_equal(f->call.reply.err, OK);
	}
	assert_int_equal(f->peer.accepted, 1);
	/* one connection of ours, one of the peer's */
	assert_int_equal(fake_loop_fd_count(f->loop), before + 2);
	close(filler);
	close(listener);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_silent_peer_times_out),
		T(a_deadline_ends_connecting),
		T(a_silent_name_server_times_out),
		T(cancels_while_resolving),
		T(cancels_before_the_first_turn),
		T(cancels_while_connecting),
		T(cancels_in_flight),
		T(cancels_a_failure_that_waits),
		T(a_refused_name_is_asked_again),
		T(survives_the_race_of_addresses),
	};
	alarm(120); /* a test that hangs must fail */
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
