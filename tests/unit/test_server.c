/* SPDX-License-Identifier: MIT */
/* The HTTP server over real sockets: what is answered, in which order, and how connections
 * are kept and ended. Limits and deadlines: test_server_limits.c. */
#include "server_fixture.h"
#include <zlib.h>

#define HOST "Host: localhost\r\n"

static const char *const hosts[] = {"cache.example"};

static void hello(void *cookie, struct http_exchange *exchange)
{
	(void)cookie;
	buf_text(http_reply_open(exchange), "hello, route");
	http_reply_close(exchange, 200, "text/plain");
}

static const struct http_route routes[] = {
	{.path = "/healthz", .fn = hello},
	{.path = "/metrics", .fn = hello, .needs_token = true},
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config.hosts = hosts;
	f->config.hosts_n = 1;
	f->config.routes = routes;
	f->config.routes_n = 2;
	fixture_start(f);
	*state = f;
	return 0;
}

static int setup_with_short_bodies(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config.limits.body_bytes = 12;
	fixture_start(f);
	*state = f;
	return 0;
}

static int setup_with_token(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config.token = secret_new(SPAN("open sesame"));
	f->config.routes = routes;
	f->config.routes_n = 2;
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct secret *token = (struct secret *)(uintptr_t)f->config.token;

	fixture_stop(f);
	secret_free(&token);
	free(f);
	return 0;
}

/* --- replies --- */

static void test_keeps_the_connection(void **state)
{
	struct client c;

	client_open(&c, *state);
	for (int i = 0; i < 3; i++) {
		client_post(&c, "Content-Type: application/json\r\n", "echo me");
		client_expect(&c, 200, "echo me");
		assert_non_null(strstr(c.head, "Content-Type: application/json\r\n"));
		assert_null(strstr(c.head, "Connection:"));
	}
	client_close(&c);
}

struct row {
	const char *request;
	unsigned status;
	const char *header; /* the reply has it */
	bool stays;	    /* the connection does */
};

static void check_rows(struct fixture *f, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct client c;

		client_open(&c, f);
		client_send(&c, rows[i].request);
		client_take(&c, strncmp(rows[i].request, "HEAD", 4) == 0);
		if (c.status != rows[i].status)
			fail_msg("status %u for %s", c.status, rows[i].request);
		if (rows[i].header && !strstr(c.head, rows[i].header))
			fail_msg("no %s in %s", rows[i].header, c.head);
		if (c.status >= 400) {
			assert_non_null(strstr(c.head, "Content-Type: text/plain"));
			assert_true(strncmp(rows[i].request, "HEAD", 4) == 0 ||
				    (c.body_len > 10 && c.body[c.body_len - 1] == '\n'));
		}
		assert_int_equal(strstr(c.head, "Connection: close") == NULL, rows[i].stays);
		if (rows[i].stays) {
			client_post(&c, "Authorization: Bearer open sesame\r\n", "still here");
			client_expect(&c, 200, "still here");
		} else {
			client_expect_end(&c);
		}
		client_close(&c);
	}
}

static const struct row status_rows[] = {
	{"GET / HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 0\r\n", true},
	{"HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 0\r\n", true},
	{"GET /?x HTTP/1.1\r\n" HOST "\r\n", 200, NULL, true},
	{"GET http://localhost HTTP/1.1\r\n" HOST "\r\n", 200, NULL, true},
	{"GET /healthz?full=1 HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 12\r\n", true},
	{"HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 12\r\n", true},
	{"OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD, POST\r\n", true},
	{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD, POST\r\n", true},
	{"DELETE / HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD, POST\r\n", true},
	{"POST /healthz HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD\r\n", true},
	{"GET /other HTTP/1.1\r\n" HOST "\r\n", 404, NULL, true},
	{"HEAD /other HTTP/1.1\r\n" HOST "\r\n", 404, NULL, true},
	{"GET /healthz/ HTTP/1.1\r\n" HOST "\r\n", 404, NULL, true},
	{"POST /other HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 404, NULL, false},
	{"POST / HTTP/1.1\r\nHost: cache.example:80\r\nContent-Length: 0\r\n\r\n", 200, NULL,
	 true},
	{"POST / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL, true},
	{"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1\r\n\r\n{", 403, NULL,
	 false},
	{"POST / HTTP/1.1\r\n\r\n", 400, NULL, false},
	{"POST / HTTP/1.1\r\n" HOST HOST "\r\n", 400, NULL, false},
	{"POST / HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n{",
	 415, NULL, false},
	{"POST / HTTP/1.1\r\n" HOST "Content-Type: application/jsonx\r\n\r\n", 415, NULL, true},
	{"POST / HTTP/1.1\r\n" HOST "Content-Type: Application/JSON-RPC; charset=x\r\n\r\n",
	 200, NULL, true},
	{"POST / HTTP/1.1\r\n" HOST "Content-Type: application/jsonrequest\r\n\r\n", 200, NULL,
	 true},
	{"POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\n\r\n", 415, NULL, true},
	{"POST / HTTP/1.1\r\n" HOST "Content-Encoding: identity\r\n\r\n", 415, NULL, true},
	{"POST / HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 2\r\n\r\nhi", 200,
	 "Connection: close\r\n", false},
	{"GET /other HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 404, NULL, false},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
	 400, NULL, false},
	{"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, NULL,
	 false},
	{"\x16\x03\x01", 400, NULL, false},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "Connection: keep-alive\r\n",
	 true},
	{"GET /other HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 404,
	 "Connection: keep-alive\r\n", true},
	{"GET / HTTP/1.0\r\n\r\n", 200, "Connection: close\r\n", false},
	{"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403, NULL, false},
};

static void test_statuses(void **state)
{
	check_rows(*state, status_rows, sizeof status_rows / sizeof status_rows[0]);
}

#define CHALLENGE "WWW-Authenticate: Bearer\r\n"
static const struct row token_rows[] = {
	{"POST / HTTP/1.1\r\n" HOST "\r\n", 401, CHALLENGE, true},
	{"POST / HTTP/1.1\r\n" HOST "Authorization: Bearer open\r\n\r\n", 401, CHALLENGE, true},
	{"POST / HTTP/1.1\r\n" HOST "Authorization: Bearer open sesame!\r\n\r\n", 401,
	 CHALLENGE, true},
	{"POST / HTTP/1.1\r\n" HOST "Authorization: Basic open sesame\r\n\r\n", 401, CHALLENGE,
	 true},
	{"POST / HTTP/1.1\r\n" HOST "Authorization: Bearer\r\n\r\n", 401, CHALLENGE, true},
	{"POST / HTTP/1.1\r\n" HOST "Authorization: bearer  open sesame \r\n\r\n", 200, NULL,
	 true},
	{"GET /metrics HTTP/1.1\r\n" HOST "\r\n", 401, CHALLENGE, true},
	{"GET /metrics HTTP/1.1\r\n" HOST "Authorization: Bearer open sesame\r\n\r\n", 200,
	 NULL, true},
	{"GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, NULL, true},
	{"GET / HTTP/1.1\r\n" HOST "\r\n", 200, NULL, true},
};

static void test_token(void **state)
{
	check_rows(*state, token_rows, sizeof token_rows / sizeof token_rows[0]);
}

/* --- bodies --- */

static void test_chunked_body_in_pieces(void **state)
{
	struct client c;

	client_open(&c, *state);
	for (int i = 0; i < 2; i++) {
		client_send(&c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
				"6;x=y\r\necho c\r\n");
		/* The barrier: another connection's answer comes after these bytes. */
		expect_command(*state, "echo", "echo");
		client_send(&c, "4\r\nhunk\r\n0\r");
		expect_command(*state, "echo", "echo");
		client_send(&c, "\nTrailer: 1\r\n\r\n");
		client_expect(&c, 200, "echo chunk");
	}
	client_close(&c);
}

static void test_large_body(void **state)
{
	enum { N = 3 * 1000 * 1000 };
	char *body = malloc(N), head[128];
	struct client c;

	assert_non_null(body);
	for (size_t i = 0; i < N; i++)
		body[i] = (char)('A' + i * 7 % 23);
	client_open(&c, *state);
	const int n = snprintf(head, sizeof head,
			       "POST / HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", N);
	client_send_bytes(&c, head, (size_t)n);
	client_send_bytes(&c, body, N);
	client_expect(&c, 200, NULL);
	assert_int_equal(c.body_len, N);
	assert_memory_equal(c.body, body, N);
	client_close(&c);
	free(body);
}

static void test_large_chunked_body(void **state)
{
	char text[64];
	struct client c;

	client_open(&c, *state);
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (unsigned i = 0; i < 20000; i++) {
		const int n = snprintf(text, sizeof text, "8\r\n%08u\r\n", i);

		client_send_bytes(&c, text, (size_t)n);
	}
	client_send(&c, "0\r\n\r\n");
	client_expect(&c, 200, NULL);
	assert_int_equal(c.body_len, 160000);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof text, "%08u", i);
		assert_memory_equal(c.body + (size_t)i * 8, text, 8);
	}
	client_close(&c);
}

static void test_one_byte_at_a_time(void **state)
{
	static const char text[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\necho 1"
				   "POST / HTTP/1.1\r\n" HOST
				   "Transfer-Encoding: chunked\r\n\r\n6\r\necho 2\r\n0\r\n\r\n";
	struct client c;

	client_open(&c, *state);
	for (size_t i = 0; i < sizeof text - 1; i++) {
		client_send_bytes(&c, text + i, 1);
		if (i % 16 == 0)
			expect_command(*state, "echo", "echo");
	}
	client_expect(&c, 200, "echo 1");
	client_expect(&c, 200, "echo 2");
	client_close(&c);
}

/* --- 100-continue --- */

#define EXPECTING "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"

static void test_continue(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_send(&c, EXPECTING "Content-Length: 6\r\n\r\n");
	client_expect(&c, 100, "");
	client_send(&c, "echo 1");
	client_expect(&c, 200, "echo 1");
	/* The body is there: no need to wait, no interim reply. */
	client_send(&c, EXPECTING "Content-Length: 6\r\n\r\necho 2");
	client_expect(&c, 200, "echo 2");
	/* Nothing to wait for. */
	client_send(&c, EXPECTING "Content-Length: 0\r\n\r\n");
	client_expect(&c, 200, "");
	client_send(&c, EXPECTING "Transfer-Encoding: chunked\r\n\r\n");
	client_expect(&c, 100, "");
	client_send(&c, "6\r\necho 3\r\n0\r\n\r\n");
	client_expect(&c, 200, "echo 3");
	/* A final status instead of the interim one. */
	client_send(&c, EXPECTING "Content-Length: 999999999\r\n\r\n");
	client_expect(&c, 413, NULL);
	client_expect_end(&c);
	client_close(&c);
}

/* The interim reply must not overtake the reply to an earlier request. */
static void test_continue_waits_its_turn(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_post(&c, "", "hold 1");
	client_send(&c, EXPECTING "Content-Length: 6\r\n\r\n");
	expect_command(*state, "await 1", "awaited");
	expect_command(*state, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	client_expect(&c, 100, "");
	client_send(&c, "echo 2");
	client_expect(&c, 200, "echo 2");
	client_close(&c);
}

/* --- pipelining --- */

static void test_pipeline(void **state)
{
	char text[16384], want[32];
	size_t n = 0;
	struct client c;

	client_open(&c, *state);
	for (int i = 100; i < 200; i++)
		n += (size_t)snprintf(
			text + n, sizeof text - n,
			"POST / HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\necho %d", i);
	client_send_bytes(&c, text, n);
	for (int i = 100; i < 200; i++) {
		snprintf(want, sizeof want, "echo %d", i);
		client_expect(&c, 200, want);
	}
	client_close(&c);
}

/* Deferred and immediate, completed in another order than they came in. */
static void test_pipeline_out_of_order(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_post(&c, "", "hold 1");
	client_post(&c, "", "hold 2");
	client_post(&c, "", "echo 3");
	client_post(&c, "", "hold 4");
	client_send(&c, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n");
	client_post(&c, "Connection: close\r\n", "hold 5");
	expect_command(*state, "await 5", "awaited");
	expect_command(*state, "free 5", "freed 5");
	expect_command(*state, "free 2", "freed 2");
	expect_command(*state, "free 4", "freed 4");
	/* Nothing may have come before the first. */
	assert_int_equal(recv(c.fd, c.bytes, 1, MSG_DONTWAIT), -1);
	expect_command(*state, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	client_expect(&c, 200, "held 2");
	client_expect(&c, 200, "echo 3");
	client_expect(&c, 200, "held 4");
	assert_null(strstr(c.head, "Connection:"));
	client_expect(&c, 404, NULL);
	client_expect(&c, 200, "held 5");
	assert_non_null(strstr(c.head, "Connection: close"));
	client_expect_end(&c);
	client_close(&c);
}

/* A held request's body stays where it was while others come and go. */
static void test_held_body_stays(void **state)
{
	struct fixture *f = *state;
	char body[3000];
	struct client c;

	client_open(&c, f);
	for (int i = 0; i < 60; i++) {
		snprintf(body, sizeof body, "hold %d %02900d", i, i);
		client_post(&c, "", body);
	}
	expect_command(f, "await 59", "awaited");
	for (int i = 0; i < 60; i++) {
		char command[32];

		snprintf(command, sizeof command, "body %d", i);
		snprintf(body, sizeof body, "hold %d %02900d", i, i);
		expect_command(f, command, body);
	}
	for (int i = 59; i >= 0; i--) {
		char command[32], answer[32];

		snprintf(command, sizeof command, "free %d", i);
		snprintf(answer, sizeof answer, "freed %d", i);
		expect_command(f, command, answer);
	}
	for (int i = 0; i < 60; i++) {
		snprintf(body, sizeof body, "held %d", i);
		client_expect(&c, 200, body);
	}
	client_close(&c);
}

/* An error in the middle of a pipeline is answered in its turn, and ends it. */
static void test_pipeline_with_framing_error(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_post(&c, "", "hold 1");
	client_send(&c, "POST / HTTP/1.1\r\nHost : localhost\r\n\r\nPOST / HTTP/1.1\r\n" HOST
			"\r\n");
	expect_command(*state, "await 1", "awaited");
	expect_command(*state, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	assert_null(strstr(c.head, "Connection:"));
	client_expect(&c, 400, "a header line has a space before its colon\n");
	assert_non_null(strstr(c.head, "Connection: close"));
	client_expect_end(&c);
	client_close(&c);
}

/* --- aborts --- */

static void test_abort(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_post(&c, "", "hold 7");
	expect_command(*state, "await 7", "awaited");
	client_close(&c);
	expect_command(*state, "aborted", "aborted 7");
}

static void test_abort_by_reset(void **state)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct client c;

	client_open(&c, *state);
	client_post(&c, "Connection: close\r\n", "hold 8");
	expect_command(*state, "await 8", "awaited");
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
	client_close(&c);
	expect_command(*state, "aborted", "aborted 8");
}

/* A client that only ends its sending side gets what has been answered. */
static void test_half_close(void **state)
{
	struct client c;

	client_open(&c, *state);
	client_post(&c, "", "echo 1");
	client_post(&c, "", "big 3000000");
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	client_expect(&c, 200, "echo 1");
	client_expect(&c, 200, NULL);
	assert_int_equal(c.body_len, 3000000);
	client_expect_end(&c);
	client_close(&c);
}

/* --- compression --- */

static void test_gzip(void **state)
{
	struct fixture *f = *state;
	static unsigned char plain[100000];
	struct client c;

	client_open(&c, f);
	client_post(&c, "Accept-Encoding: gzip\r\n", "big 90000");
	client_expect(&c, 200, NULL);
	assert_null(strstr(c.head, "Content-Encoding")); /* a client on loopback */
	assert_int_equal(c.body_len, 90000);
	expect_command(f, "remote", "remote");
	client_post(&c, "Accept-Encoding: gzip\r\n", "big 4096");
	client_expect(&c, 200, NULL);
	assert_null(strstr(c.head, "Content-Encoding"));
	client_post(&c, "", "big 90000");
	client_expect(&c, 200, NULL);
	assert_null(strstr(c.head, "Content-Encoding"));
	for (int i = 0; i < 2; i++) {
		client_post(&c, "Accept-Encoding: gzip\r\n", "big 90000");
		client_expect(&c, 200, NULL);
		assert_non_null(strstr(c.head, "Content-Encoding: gzip\r\n"));
		assert_true(c.body_len < 2000);
		z_stream stream = {.next_in = (unsigned char *)c.body,
				   .avail_in = (uInt)c.body_len,
				   .next_out = plain,
				   .avail_out = sizeof plain};
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		assert_int_equal(stream.total_out, 90000);
		inflateEnd(&stream);
		for (size_t at = 0; at < 90000; at++)
			assert_int_equal(plain[at], 'a' + at % 26);
	}
	client_close(&c);
}

/* A head that differs from an admitted one only in the length is judged by that. */
static void test_known_head(void **state)
{
	struct fixture *f = *state;
	struct client c;

	client_open(&c, f);
	for (int i = 0; i < 3; i++) {
		client_send(&c,
			    "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\necho 12345");
		client_expect(&c, 200, "echo 12345");
		client_send(&c,
			    "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\necho 123456");
		client_expect(&c, 200, "echo 123456");
	}
	/* Only the head has come, at first. */
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
	client_send(&c, "echo 54321");
	client_expect(&c, 200, "echo 54321");
	client_send(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 13\r\n\r\n");
	client_expect(&c, 413, NULL);
	client_close(&c);
	client_open(&c, f);
	client_send(&c, "POST / HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: 10\r\n\r\n");
	client_expect(&c, 403, NULL);
	client_close(&c);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_keeps_the_connection),
		TEST(test_statuses),
		cmocka_unit_test_setup_teardown(test_token, setup_with_token, teardown),
		TEST(test_chunked_body_in_pieces),
		TEST(test_large_body),
		TEST(test_large_chunked_body),
		TEST(test_one_byte_at_a_time),
		TEST(test_continue),
		TEST(test_continue_waits_its_turn),
		TEST(test_pipeline),
		TEST(test_pipeline_out_of_order),
		TEST(test_held_body_stays),
		TEST(test_pipeline_with_framing_error),
		TEST(test_abort),
		TEST(test_abort_by_reset),
		TEST(test_half_close),
		TEST(test_gzip),
		cmocka_unit_test_setup_teardown(test_known_head, setup_with_short_bodies,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
