/* SPDX-License-Identifier: MIT */
/* What bounds the HTTP server: sizes, deadlines, connections, descriptors; and its end. */
#include "server_fixture.h"

#include <sys/resource.h>

#define HOST "Host: localhost\r\n"

static struct fixture *start(struct server_limits limits)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config.limits = limits;
	fixture_start(f);
	return f;
}

static void stop(struct fixture *f)
{
	fixture_stop(f);
	free(f);
}

/* --- sizes --- */

static void expect_refusal(struct fixture *f, const char *text, unsigned status)
{
	struct client c;

	client_open(&c, f);
	client_send(&c, text);
	client_expect(&c, status, NULL);
	assert_non_null(strstr(c.head, "Connection: close"));
	client_expect_end(&c);
	client_close(&c);
}

static void test_head_limit(void **state)
{
	struct fixture *f = start((struct server_limits){.head_bytes = 256});
	char text[512];

	(void)state;
	/* Exactly at the limit; one more; and a head that never ends. */
	snprintf(text, sizeof text, "GET / HTTP/1.0\r\nA: %0233d\r\n\r\n", 1);
	assert_int_equal(strlen(text), 256);
	struct client c;
	client_open(&c, f);
	client_send(&c, text);
	client_expect(&c, 200, "");
	client_close(&c);
	snprintf(text, sizeof text, "GET / HTTP/1.0\r\nA: %0234d\r\n\r\n", 1);
	expect_refusal(f, text, 431);
	snprintf(text, sizeof text, "GET / HTTP/1.0\r\nA: %0300d", 1);
	expect_refusal(f, text, 431);
	stop(f);
}

static void test_body_limit(void **state)
{
	struct fixture *f = start((struct server_limits){.body_bytes = 10});

	(void)state;
	expect_command(f, "echo 12345", "echo 12345");
	expect_refusal(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413);
	expect_refusal(f, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n",
		       413);
	expect_refusal(
		f,
		"POST / HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n123456\r\n0\r\n\r\n",
		413);
	stop(f);
}

/* A client that sends all of a refused body before it reads still sees the reply. */
static void test_refusal_is_seen(void **state)
{
	enum { N = 8 * 1000 * 1000 };
	struct fixture *f = start((struct server_limits){0});
	char *body = calloc(1, N), head[128];
	struct client c;

	(void)state;
	assert_non_null(body);
	client_open(&c, f);
	const int n = snprintf(head, sizeof head,
			       "POST / HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", N);
	client_send_bytes(&c, head, (size_t)n);
	client_send_bytes(&c, body, N);
	client_expect(&c, 413, NULL);
	client_expect_end(&c);
	client_close(&c);
	free(body);
	stop(f);
}

/* A refused client may go on sending: it gets an end, not a reset. */
static void test_refused_client_may_go_on(void **state)
{
	struct fixture *f = start((struct server_limits){.body_bytes = 10});
	static char body[500000];
	struct client c;

	(void)state;
	client_open(&c, f);
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
	client_expect(&c, 413, NULL);
	client_send_bytes(&c, body, sizeof body);
	expect_command(f, "echo", "echo");
	client_send_bytes(&c, body, sizeof body);
	client_expect_end(&c);
	client_close(&c);
	stop(f);
}

/* The encoding of a chunked body takes no memory, however much longer than the body. */
static void test_chunk_overhead(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	char text[1024], want[32];
	struct client c;

	(void)state;
	client_open(&c, f);
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
			"8\r\ncapacity\r\n");
	for (int i = 0; i < 1000; i++) {
		const int n = snprintf(text, sizeof text, "1;x=%0900d\r\na\r\n", i);

		client_send_bytes(&c, text, (size_t)n);
	}
	client_send(&c, "0\r\n\r\n");
	snprintf(want, sizeof want, "%d", INPUT_BLOCK_BYTES);
	client_expect(&c, 200, want);
	client_close(&c);
	stop(f);
}

static void test_reply_limit(void **state)
{
	struct fixture *f = start((struct server_limits){.reply_bytes = 1000});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "hold 1");
	client_post(&c, "", "big 1001");
	expect_command(f, "await 1", "awaited");
	expect_command(f, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	client_expect(&c, 500, "the reply is longer than this server sends\n");
	client_post(&c, "", "big 1001");
	client_expect(&c, 500, "the reply is longer than this server sends\n");
	client_post(&c, "", "big 1000");
	client_expect(&c, 200, NULL);
	assert_int_equal(c.body_len, 1000);
	client_close(&c);
	stop(f);
}

static void test_pipeline_limit(void **state)
{
	struct fixture *f = start((struct server_limits){.pipeline = 2});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nhold 0"
			"POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nhold 1"
			"POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nhold 2"
			"POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nhold 3");
	expect_command(f, "await 1", "awaited");
	expect_command(f, "is 2", "not held");
	expect_command(f, "free 1", "freed 1"); /* still behind the first */
	expect_command(f, "is 2", "not held");
	expect_command(f, "free 0", "freed 0");
	expect_command(f, "await 3", "awaited");
	expect_command(f, "free 3", "freed 3");
	expect_command(f, "free 2", "freed 2");
	for (int i = 0; i < 4; i++) {
		char want[32];

		snprintf(want, sizeof want, "held %d", i);
		client_expect(&c, 200, want);
	}
	client_close(&c);
	stop(f);
}

/* More replies than sockets and high-water mark hold, to a client that reads late. */
static void test_back_pressure(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c;

	(void)state;
	client_init(&c, client_socket(4096));
	client_connect(c.fd, f);
	for (int i = 0; i < 200; i++)
		client_post(&c, "", "big 100000");
	client_post(&c, "", "hold 1");
	expect_command(f, "is 1", "not held");
	for (int i = 0; i < 200; i++) {
		client_expect(&c, 200, NULL);
		assert_int_equal(c.body_len, 100000);
		assert_int_equal(c.body[99999], 'a' + 99999 % 26);
	}
	expect_command(f, "await 1", "awaited");
	expect_command(f, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	client_close(&c);
	stop(f);
}

/* An idle connection holds no buffers, however much it has sent and received. */
static void test_idle_holds_nothing(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		client_open(&c[i], f);
		client_post(&c[i], "", "big 1000000");
		client_expect(&c[i], 200, NULL);
	}
	expect_command(f, "buffers", "0");
	client_send(&c[0], "POST");
	client_post(&c[1], "", "hold 1");
	expect_command(f, "await 1", "awaited");
	expect_command(f, "buffers", "1"); /* the partial head; a held body is its exchange's */
	for (int i = 0; i < 10; i++)
		client_close(&c[i]);
	stop(f);
}

/* --- deadlines --- */

static void test_silent_connection(void **state)
{
	struct fixture *f = start((struct server_limits){.head_ms = 30});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_expect_end(&c);
	client_close(&c);
	stop(f);
}

static void test_slow_head(void **state)
{
	struct fixture *f = start((struct server_limits){.head_ms = 30});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "echo");
	client_send(&c, "POST / HTTP/1.1\r\nHo");
	client_expect(&c, 200, "echo");
	client_expect(&c, 408, "the request's headers took too long\n");
	client_expect_end(&c);
	client_close(&c);
	stop(f);
}

/* Each head has its own time, also when it begins right behind the last request. */
static void test_head_time_is_renewed(void **state)
{
	struct fixture *f = start((struct server_limits){.head_ms = 600});
	struct client c, clock;

	(void)state;
	client_open(&clock, f);
	client_open(&c, f);
	client_send(&c, "POST / HT");
	for (int i = 0; i < 2; i++) {
		client_post(&clock, "", "later 400");
		client_expect(&clock, 200, "later");
		client_send(&c, "TP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nechoPOST / HT");
		client_expect(&c, 200, "echo");
	}
	client_close(&c);
	client_close(&clock);
	stop(f);
}

static void test_slow_body(void **state)
{
	struct fixture *f = start((struct server_limits){.body_ms = 30});

	(void)state;
	expect_refusal(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n1234", 408);
	expect_refusal(f,
		       "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n1234",
		       408);
	stop(f);
}

static void test_idle_connection(void **state)
{
	struct fixture *f = start((struct server_limits){.idle_ms = 30});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "echo");
	client_expect(&c, 200, "echo");
	client_expect_end(&c);
	client_close(&c);
	stop(f);
}

/* The server's own deadlines do not run while the handler works. */
static void test_slow_answer(void **state)
{
	struct fixture *f = start((struct server_limits){
		.head_ms = 20, .body_ms = 20, .idle_ms = 20, .send_ms = 20});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "later 150");
	client_expect(&c, 200, "later");
	client_expect_end(&c);
	client_close(&c);
	stop(f);
}

static void test_slow_reader(void **state)
{
	struct fixture *f = start((struct server_limits){.send_ms = 30});
	struct client c;

	(void)state;
	client_init(&c, client_socket(4096));
	client_connect(c.fd, f);
	for (int i = 0; i < 200; i++)
		client_post(&c, "", "big 100000");
	expect_command(f, "later 150", "later");
	size_t got = 0;
	while (client_receive(&c)) {
		got += c.len;
		c.len = 0;
	}
	assert_in_range(got, 1, 200 * 100000 - 1);
	client_close(&c);
	stop(f);
}

/* --- connections --- */

static void test_connection_limit(void **state)
{
	struct fixture *f = start((struct server_limits){.connections = 2});
	struct client a, b, c;

	(void)state;
	client_open(&a, f);
	client_post(&a, "", "hold 1");
	client_open(&b, f);
	client_post(&b, "", "await 1");
	client_expect(&b, 200, "awaited");
	for (int i = 0; i < 3; i++) {
		client_open(&c, f);
		client_post(&c, "", "echo");
		client_expect(&c, 503, "too many connections\n");
		assert_non_null(strstr(c.head, "Retry-After: 1\r\n"));
		client_post(&c, "", "echo"); /* is dropped, without a reset */
		client_post(&b, "", "echo");
		client_expect(&b, 200, "echo");
		client_post(&c, "", "echo");
		client_expect_end(&c);
		client_close(&c);
	}
	client_close(&a);
	client_post(&b, "", "aborted");
	client_expect(&b, 200, "aborted 1");
	client_open(&c, f);
	client_post(&c, "", "echo");
	client_expect(&c, 200, "echo");

	const struct server_stats *stats = server_stats(f->server);
	assert_int_equal(atomic_load(&stats->connections), 3);
	assert_int_equal(atomic_load(&stats->connections_now), 2);
	assert_int_equal(atomic_load(&stats->refused), 3);
	assert_int_equal(atomic_load(&stats->requests), 7);
	assert_int_equal(atomic_load(&stats->status[2]), 6);
	assert_int_equal(atomic_load(&stats->status[5]), 3);
	client_close(&b);
	client_close(&c);
	stop(f);
}

/* Without descriptors one client is told at once, and the others wait for better times. */
static void test_out_of_descriptors(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct rlimit old, none;
	struct client a, b;

	(void)state;
	client_init(&a, client_socket(0));
	client_init(&b, client_socket(0));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	/* The lowest free descriptor: only what is given up can be had again. */
	const int lowest = dup(a.fd);
	assert_true(lowest > 0);
	close(lowest);
	none.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	client_connect(a.fd, f);
	const bool reply = client_receive(&a);
	client_connect(b.fd, f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_false(reply);
	client_post(&b, "", "echo");
	client_expect(&b, 200, "echo");
	expect_command(f, "echo", "echo");
	client_close(&a);
	client_close(&b);
	stop(f);
}

/* --- the end --- */

static void test_drain(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client idle, busy, partial, c;

	(void)state;
	f->stop_when_drained = true;
	client_open(&idle, f);
	client_post(&idle, "", "echo");
	client_expect(&idle, 200, "echo");
	client_open(&busy, f);
	client_post(&busy, "", "hold 1");
	client_open(&partial, f);
	client_post(&partial, "", "echo");
	client_expect(&partial, 200, "echo");
	client_send(&partial, "POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nfre");
	client_open(&c, f);
	client_post(&c, "", "await 1");
	client_expect(&c, 200, "awaited");
	client_post(&c, "", "drain 10000");
	client_expect(&c, 200, "draining");
	client_expect_end(&c);
	client_expect_end(&idle);
	assert_false(atomic_load(&f->drained));
	client_send(&partial, "e 1");
	client_expect(&partial, 200, "freed 1");
	assert_non_null(strstr(partial.head, "Connection: close"));
	client_expect(&busy, 200, "held 1");
	assert_non_null(strstr(busy.head, "Connection: close"));
	client_expect_end(&busy);
	client_expect_end(&partial);
	fixture_join(f);
	assert_true(atomic_load(&f->drained));
	client_close(&idle);
	client_close(&busy);
	client_close(&partial);
	client_close(&c);
	free(f);
}

static void test_drain_timeout(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client busy;

	(void)state;
	f->stop_when_drained = true;
	client_open(&busy, f);
	client_post(&busy, "", "hold 1");
	expect_command(f, "await 1", "awaited");
	expect_command(f, "drain 30", "draining");
	client_expect_end(&busy);
	fixture_join(f);
	assert_true(atomic_load(&f->drained));
	assert_null(f->slots[1].exchange); /* aborted */
	client_close(&busy);
	free(f);
}

static void test_free_aborts(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "hold 1");
	client_post(&c, "", "hold 2");
	expect_command(f, "await 2", "awaited");
	fixture_stop(f);
	assert_null(f->slots[1].exchange);
	assert_null(f->slots[2].exchange);
	client_expect_end(&c);
	client_close(&c);
	free(f);
}

/* --- listening --- */

static void test_listen(void **state)
{
	static const char *const bad[] = {
		"",	    ":1",	   "localhost",	      "::1:80",
		"[::1]",    "1.2.3.4:",	   "1.2.3.4:65536",   "1.2.3.4:x",
		"1.2.3:-1", "host.name:1", "127.0.0.1:123456"};
	struct err_detail detail;
	unsigned port, again;
	char address[64];
	int fd, second;
	bool loopback;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(server_listen(bad[i], false, &fd, &port, &detail),
				 ERR_INVALID);
		assert_int_equal(fd, -1);
		assert_int_equal(server_is_loopback(bad[i], &loopback, &detail), ERR_INVALID);
	}
	assert_int_equal(server_listen("localhost:0", true, &fd, &port, &detail), OK);
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	assert_int_equal(server_listen(address, false, &second, &again, &detail), ERR_IO);
	assert_non_null(strstr(detail.text, address));
	assert_int_equal(server_listen(address, true, &second, &again, &detail), OK);
	assert_int_equal(again, port);
	close(second);
	close(fd);
}

static void test_who_can_reach_an_address(void **state)
{
	static const struct {
		const char *address;
		bool loopback;
	} known[] = {
		{"localhost:0", true},		{"127.0.0.1:8545", true},
		{"127.1.2.3:1", true},		{"[::1]:0", true},
		{"[::ffff:127.0.0.1]:0", true}, {"0.0.0.0:0", false},
		{"[::]:8545", false},		{"192.0.2.1:8545", false},
		{"[2001:db8::1]:1", false},	{"[::ffff:192.0.2.1]:0", false},
	};
	struct err_detail detail;
	bool loopback;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		assert_int_equal(server_is_loopback(known[i].address, &loopback, &detail), OK);
		assert_true(loopback == known[i].loopback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_refusal_is_seen),
		cmocka_unit_test(test_refused_client_may_go_on),
		cmocka_unit_test(test_chunk_overhead),
		cmocka_unit_test(test_reply_limit),
		cmocka_unit_test(test_pipeline_limit),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_idle_holds_nothing),
		cmocka_unit_test(test_silent_connection),
		cmocka_unit_test(test_slow_head),
		cmocka_unit_test(test_head_time_is_renewed),
		cmocka_unit_test(test_slow_body),
		cmocka_unit_test(test_idle_connection),
		cmocka_unit_test(test_slow_answer),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_timeout),
		cmocka_unit_test(test_free_aborts),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_who_can_reach_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
