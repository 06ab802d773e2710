/* SPDX-License-Identifier: MIT */
/* How much memory one connection can make the HTTP server hold. */
#include "server_fixture.h"

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

/* A client that pipelines so that the output never runs empty: it does not grow. */
static void test_output_is_bounded(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c;
	const int small = 4096; /* accepted sockets inherit it: little leaves at once */

	(void)state;
	assert_int_equal(setsockopt(f->listen_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
			 0);
	client_init(&c, client_socket(4096));
	client_connect(c.fd, f);
	for (int i = 0; i < 300; i++)
		client_post(&c, "", "big 100000");
	for (int i = 0; i < 300; i++) {
		client_expect(&c, 200, NULL);
		assert_int_equal(c.body_len, 100000);
		assert_int_equal(c.body[99999], 'a' + 99999 % 26);
		/* more is left than the sockets hold */
		if (i == 150)
			assert_true(ask_number(f, "output") <= 1024 * 1024);
	}
	client_close(&c);
	stop(f);
}

/* Replies behind one that takes its time: no more are made than may wait. */
static void test_waiting_replies_are_bounded(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c;

	(void)state;
	client_open(&c, f);
	client_post(&c, "", "hold 1");
	for (int i = 0; i < 40; i++)
		client_post(&c, "", "big 400000");
	assert_int_equal(ask_number(f, "parked") / 400000, 3);
	expect_command(f, "free 1", "freed 1");
	client_expect(&c, 200, "held 1");
	for (int i = 0; i < 40; i++) {
		client_expect(&c, 200, NULL);
		assert_int_equal(c.body_len, 400000);
	}
	assert_int_equal(ask_number(f, "parked"), 0);
	client_close(&c);
	stop(f);
}

static void send_held_body(struct client *c, unsigned n)
{
	static char text[700000];
	const int head = snprintf(
		text, sizeof text,
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 600000\r\n\r\nhold %u ", n);

	memset(text + head, 'x', 600000);
	client_send_bytes(c, text, (size_t)head + 600000 - strlen("hold 1 "));
}

/* The same for long bodies that are being answered. */
static void test_held_bodies_are_bounded(void **state)
{
	struct fixture *f = start((struct server_limits){0});
	struct client c;

	(void)state;
	client_open(&c, f);
	for (unsigned i = 1; i <= 3; i++)
		send_held_body(&c, i);
	expect_command(f, "await 2", "awaited");
	expect_command(f, "is 3", "not held");
	expect_command(f, "free 1", "freed 1");
	expect_command(f, "await 3", "awaited");
	expect_command(f, "free 3", "freed 3");
	expect_command(f, "free 2", "freed 2");
	client_expect(&c, 200, "held 1");
	client_expect(&c, 200, "held 2");
	client_expect(&c, 200, "held 3");
	client_close(&c);
	stop(f);
}

/* Slow senders of long bodies, together: the last ones are told so. */
static void test_all_bodies_are_bounded(void **state)
{
	enum { N = 6, SENT = 100 * 1000 };
	struct fixture *f =
		start((struct server_limits){.body_bytes = 128 * 1024, .input_bytes = 1});
	static char body[SENT];
	struct client c[N];
	unsigned refused = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		client_open(&c[i], f);
		client_send(&c[i], "POST / HTTP/1.1\r\n" HOST "Content-Length: 120000\r\n\r\n");
		client_send_bytes(&c[i], body, SENT);
		expect_command(f, "echo", "echo"); /* short ones go on */
	}
	client_expect(&c[N - 1], 503, "too many bodies are on their way\n");
	client_expect_end(&c[N - 1]);
	client_send_bytes(&c[0], body, 120000 - SENT);
	client_expect(&c[0], 200, NULL); /* those that were let in too */
	for (int i = 0; i < N; i++)
		client_close(&c[i]);
	/* and all is given back: as many are let in once more */
	for (int i = 0; i < N; i++) {
		client_open(&c[i], f);
		client_send(&c[i], "POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
		client_send_bytes(&c[i], body, SENT);
		client_take(&c[i], false);
		refused += c[i].status != 200;
		client_close(&c[i]);
	}
	assert_int_equal(refused, 0);
	stop(f);
}

/* Slow readers of long replies, together. */
static void test_all_outputs_are_bounded(void **state)
{
	enum { N = 8, REPLY = 1000 * 1000 };
	struct fixture *f =
		start((struct server_limits){.reply_bytes = REPLY, .output_bytes = 1});
	const int small = 4096;
	struct client c[N], late;
	unsigned refused = 0;

	(void)state;
	assert_int_equal(setsockopt(f->listen_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
			 0);
	for (int i = 0; i < N; i++) {
		client_init(&c[i], client_socket(4096));
		client_connect(c[i].fd, f);
		client_post(&c[i], "", "big 1000000");
	}
	client_open(&late, f);
	client_post(&late, "", "echo");
	client_expect(&late, 503, "too many replies wait to be read\n");
	client_close(&late);
	for (int i = 0; i < N; i++) {
		client_take(&c[i], false);
		assert_true(c[i].status == 200 || c[i].status == 503);
		refused += c[i].status == 503;
		client_close(&c[i]);
	}
	assert_in_range(refused, 1, N - 3);
	expect_command(f, "echo", "echo");
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_is_bounded),
		cmocka_unit_test(test_waiting_replies_are_bounded),
		cmocka_unit_test(test_held_bodies_are_bounded),
		cmocka_unit_test(test_all_bodies_are_bounded),
		cmocka_unit_test(test_all_outputs_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
