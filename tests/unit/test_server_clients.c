/* SPDX-License-Identifier: MIT */
/* What is counted by client, over the servers of a process; and pages of other origins. */
#include "rpc/rates.h"
#include "server_fixture.h"
#include <time.h>

#define HOST "Host: localhost\r\n"

static struct server_group group;

static struct fixture *start(struct server_limits limits)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config.limits = limits;
	f->config.group = &group;
	fixture_start(f);
	return f;
}

static void stop(struct fixture *f)
{
	fixture_stop(f);
	free(f);
}

/* --- connections of all servers --- */

static void expect_echo(struct client *c)
{
	client_post(c, "", "echo");
	client_expect(c, 200, "echo");
}

static void test_connections_of_all_servers(void **state)
{
	const struct server_limits limits = {.connections = 2};
	struct fixture *one = start(limits), *two = start(limits);
	struct client a, b, c;

	(void)state;
	client_open(&a, one);
	expect_echo(&a);
	client_open(&b, two);
	expect_echo(&b);
	for (int i = 0; i < 2; i++) {
		client_open(&c, i == 0 ? one : two);
		client_expect(&c, 503, "too many connections\n");
		client_close(&c);
	}
	expect_echo(&a);
	client_post(&a, "Connection: close\r\n", "echo");
	client_expect(&a, 200, "echo");
	client_expect_end(&a);
	client_close(&a);
	client_open(&c, two);
	expect_echo(&c);
	assert_int_equal(atomic_load(&group.connections), 2);
	client_close(&b);
	client_close(&c);
	stop(one);
	stop(two);
	assert_int_equal(atomic_load(&group.connections), 0);
}

/* --- rates --- */

static unsigned long retry_after(const struct client *c)
{
	const char *value = strstr(c->head, "\r\nRetry-After: ");

	assert_non_null(value);
	return strtoul(value + 15, NULL, 10);
}

#define TOO_MANY "more calls than this server takes from one client in that time\n"

static void expect_limited(struct client *c)
{
	client_expect(c, 429, TOO_MANY);
	/* 2,000 calls at one a second, less the burst, and the seconds that this test took. */
	assert_in_range(retry_after(c), 2000 - 3 - 600, 2000 - 3 + 2);
}

static void test_rate(void **state)
{
	assert_int_equal(rates_new(1, 3, &group.rates), OK);
	struct fixture *one = start((struct server_limits){.body_bytes = 100});
	struct fixture *two = start((struct server_limits){0});
	struct client a, b;

	(void)state;
	client_open(&a, one);
	client_post(&a, "", "charge 2000");
	client_expect(&a, 200, "charged");
	/* The connection stays, and what was sent behind is answered in its turn. */
	client_post(&a, "", "echo 1");
	client_send(&a, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
			"6\r\necho 2\r\n0\r\n\r\n");
	client_send(&a, "GET / HTTP/1.1\r\n" HOST "\r\n");
	client_send(&a, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
	client_post(&a, "Content-Type: text/plain\r\n", "echo 3");
	for (int i = 0; i < 4; i++)
		expect_limited(&a);
	expect_limited(&a); /* refused by its head: its body is not waited for */
	client_expect_end(&a);
	client_close(&a);
	/* The address counts, not the connection nor the worker. */
	client_open(&b, two);
	client_post(&b, "", "echo");
	expect_limited(&b);
	assert_int_equal(atomic_load(&server_stats(one->server)->limited), 5);
	assert_int_equal(atomic_load(&server_stats(one->server)->requests), 1);
	assert_int_equal(atomic_load(&server_stats(two->server)->limited), 1);
	client_close(&b);
	stop(one);
	stop(two);
	rates_free(&group.rates);
}

/* Whatever becomes of a request, it counts. */
static void test_refused_requests_count(void **state)
{
	assert_int_equal(rates_new(1, 100, &group.rates), OK);
	struct fixture *f = start((struct server_limits){0});
	struct client c;
	int n = 0;

	(void)state;
	client_open(&c, f);
	do {
		client_send(&c, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
		client_take(&c, false);
		n++;
	} while (c.status == 404 && n < 100000);
	assert_int_equal(c.status, 429);
	assert_in_range(n, 101, 99999);
	client_close(&c);
	stop(f);
	rates_free(&group.rates);
}

/* --- other origins --- */

static void test_origins(void **state)
{
	static const char *const origins[] = {"https://a.example", "http://localhost:3000"};
	struct fixture *f = calloc(1, sizeof *f);
	struct client c;

	(void)state;
	assert_non_null(f);
	f->config.origins = origins;
	f->config.origins_n = 2;
	fixture_start(f);
	client_open(&c, f);
	client_post(&c, "Origin: https://A.example\r\nContent-Type: application/json\r\n",
		    "echo");
	client_expect(&c, 200, "echo");
	assert_non_null(
		strstr(c.head, "\r\nAccess-Control-Allow-Origin: https://a.example\r\n"));
	assert_non_null(strstr(c.head, "\r\nVary: Origin\r\n"));
	client_post(&c, "Origin: https://b.example\r\nContent-Type: application/json\r\n",
		    "echo");
	client_expect(&c, 200, "echo");
	assert_null(strstr(c.head, "Access-Control"));
	assert_non_null(strstr(c.head, "\r\nVary: Origin\r\n"));
	client_post(&c, "", "echo");
	client_expect(&c, 200, "echo");
	assert_non_null(strstr(c.head, "\r\nVary: Origin\r\n"));
	client_send(&c, "OPTIONS / HTTP/1.1\r\n" HOST "Origin: http://localhost:3000\r\n\r\n");
	client_expect(&c, 200, "");
	assert_non_null(
		strstr(c.head, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n"));
	client_send(&c, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
	client_expect(&c, 405, NULL);
	client_close(&c);
	stop(f);
}

/* --- the date --- */

static time_t date_of_reply(const struct client *c)
{
	const char *date = strstr(c->head, "\r\nDate: ");
	struct tm utc = {0};

	assert_non_null(date);
	const char *end = strptime(date + 8, "%a, %d %b %Y %H:%M:%S GMT", &utc);
	assert_non_null(end);
	assert_memory_equal(end, "\r\n", 2);
	return timegm(&utc);
}

/* In every reply, of whatever form its head is (RFC 9110, 6.6.1). */
static void test_date(void **state)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\necho",
		"GET / HTTP/1.1\r\n" HOST "\r\n", "GET /nothing HTTP/1.1\r\n" HOST "\r\n",
		"GET /\n"};
	struct fixture *f = start((struct server_limits){0});
	const time_t before = time(NULL);
	struct client c;

	(void)state;
	client_open(&c, f);
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		client_send(&c, requests[i]);
		client_take(&c, false);
		assert_int_not_equal(c.status, 0);
		/* The loop's clock is read once a turn, the other one once a second. */
		assert_in_range(date_of_reply(&c), before - 1, time(NULL));
	}
	client_close(&c);
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections_of_all_servers),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_refused_requests_count),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
