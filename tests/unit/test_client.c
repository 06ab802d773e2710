/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "dns_server.h"
#include "fork/multi.h"
#include "http_peer.h"
#include "unit.h"
#include <time.h>
#include <zlib.h>

enum { LONG_MS = 60000, ROOM = 4096, MANY = 200 };

struct fixture {
	struct loop *loop;
	struct client *client;
	struct peer peer;
	struct dns_server dns;
	struct client_target *target;
	int waiting; /* calls that are awaited by run() */
	struct call *other, *pair[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char url[64];
	assert_non_null(f);
	assert_int_equal(loop_new(&f->loop), OK);
	assert_true(peer_start(&f->peer, f->loop, false));
	dns_start(&f->dns, f->loop);
	assert_int_equal(client_new_dns(f->loop, NULL, f->dns.address, &f->client), OK);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)f->peer.port);
	f->target = target_make(f->client, url, NULL);
	assert_non_null(f->target);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	client_target_free(&f->target);
	client_free(&f->client);
	peer_stop(&f->peer);
	dns_stop(&f->dns);
	loop_free(&f->loop);
	free(f);
	assert_int_equal(check_failures(), 0);
	return 0;
}

static struct client_target *target_at(struct fixture *f, const char *format)
{
	char url[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(url, sizeof url, format, (unsigned)f->peer.port);
#pragma GCC diagnostic pop
	struct client_target *target = target_make(f->client, url, NULL);
	assert_non_null(target);
	return target;
}

static void stop_when_all(struct call *call)
{
	struct fixture *f = call->owner;
	if (--f->waiting == 0)
		loop_stop(f->loop);
}

static void start_at(struct fixture *f, struct client_target *target, struct call *call)
{
	call->owner = f;
	if (call->then == NULL)
		call->then = stop_when_all;
	f->waiting++;
	call_post(call, target, "{\"id\":1}", LONG_MS, ROOM);
}

static void run(struct fixture *f)
{
	assert_int_equal(loop_run(f->loop), OK);
}

static void post_at(struct fixture *f, struct client_target *target, struct call *call)
{
	*call = (struct call){0};
	start_at(f, target, call);
	run(f);
	assert_int_equal(call->calls, 1);
}

static void post(struct fixture *f, struct call *call)
{
	post_at(f, f->target, call);
}

static void sends_what_it_should(void **state)
{
	struct fixture *f = *state;
	struct call call;
	struct client_target *target = target_at(f, "http://me:pass@localhost:%u/v2/KEY?k=1");
	char shown[32];
	post_at(f, target, &call);
	assert_int_equal(call.reply.err, OK);
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(call.body, "{\"a\":1}");
	assert_string_equal(call.detail, "");
	assert_int_equal(call.reply.retry_after_ms, -1);
	assert_true(call.reply.connected);
	assert_int_equal(call.reply.bytes_out, 8);
	assert_int_equal(call.reply.bytes_in, strlen(PEER_OK));
	assert_true(call.reply.elapsed_us > 0);
	const char *sent = f->peer.last;
	assert_ptr_equal(strstr(sent, "POST /v2/KEY?k=1 HTTP/1.1\r\n"), sent);
	assert_non_null(strstr(sent, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(sent, "\r\nUser-Agent: forkcache/"));
	assert_non_null(strstr(sent, "\r\nAuthorization: Basic bWU6cGFzcw==\r\n"));
	assert_non_null(strstr(sent, "\r\n\r\n{\"id\":1}"));
	assert_null(strstr(sent, "Expect"));
	assert_null(strstr(sent, "Accept-Encoding")); /* towards loopback */
	(void)snprintf(shown, sizeof shown, "localhost:%u", (unsigned)f->peer.port);
	assert_string_equal(client_target_host(target), shown);
	/* the same connection, and it says so */
	const uint64_t opened_us = call.reply.opened_us;
	assert_true(opened_us > 0);
	post_at(f, target, &call);
	assert_int_equal(call.reply.opened_us, opened_us);
	client_target_free(&target);
}

static void sends_headers(void **state)
{
	struct fixture *f = *state;
	struct secret *headers[] = {secret_new(SPAN("X-Api-Key: K1")),
				    secret_new(SPAN("authorization:Bearer K2"))};
	struct secret *url = secret_new(span_of("http://127.0.0.1:1/"));
	struct client_target *target = NULL;
	struct call call;
	char text[64];
	secret_free(&url);
	(void)snprintf(text, sizeof text, "http://127.0.0.1:%u/", (unsigned)f->peer.port);
	url = secret_new(span_of(text));
	assert_int_equal(client_target_new(f->client, url, headers, 2, &target, NULL), OK);
	secret_free(&url);
	secret_free(&headers[0]);
	secret_free(&headers[1]);
	post_at(f, target, &call);
	assert_int_equal(call.reply.err, OK);
	assert_non_null(strstr(f->peer.last, "\r\nX-Api-Key: K1\r\n"));
	assert_non_null(strstr(f->peer.last, "\r\nauthorization:Bearer K2\r\n"));
	client_target_free(&target);
}

static void refuses_bad_headers(void **state)
{
	static const struct {
		struct span text;
		const char *why;
	} rows[] = {
		{{"HUSH", 4}, "form"},
		{{"", 0}, "form"},
		{{": HUSH", 6}, "name"},
		{{"X Y: HUSH", 9}, "name"},
		{{"X\r\nY: HUSH", 10}, "name"},
		{{"X: HUSH\r\nY: 1", 13}, "line end"},
		{{"X: HUSH\nY: 1", 12}, "line end"},
		{{"X: HUSH\r", 8}, "line end"},
		{{"X: HUSH\0y", 9}, "line end"},
		{{"X:", 2}, "no value"},
		{{"X: \t", 4}, "no value"},
		{{"content-length: 3", 17}, "decided"},
		{{"Transfer-Encoding: chunked", 26}, "decided"},
		{{"Expect: 100-continue", 20}, "decided"},
	};
	struct fixture *f = *state;
	struct secret *url = secret_new(SPAN("http://h/"));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct secret *headers[] = {secret_new(SPAN("X: ok")),
					    secret_new(rows[i].text)};
		struct client_target *target = NULL;
		struct err_detail detail = {""};
		assert_int_equal(
			client_target_new(f->client, url, headers, 2, &target, &detail),
			ERR_CONFIG);
		assert_null(target);
		assert_non_null(strstr(detail.text, "header 2"));
		if (strstr(detail.text, rows[i].why) == NULL)
			fail_msg("row %zu: %s", i, detail.text);
		assert_null(strstr(detail.text, "HUSH"));
		secret_free(&headers[0]);
		secret_free(&headers[1]);
	}
	secret_free(&url);
}

static void reuses_its_connection(void **state)
{
	struct fixture *f = *state;
	struct client_stats stats;
	struct call call;
	for (int i = 0; i < 5; i++) {
		post(f, &call);
		assert_int_equal(call.reply.err, OK);
	}
	client_stats(f->client, &stats);
	assert_int_equal(f->peer.accepted, 1);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.requests, 5);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.resolutions, 0);
}

/* The peer closes between two requests: the next one goes out on a new connection. */
static void survives_an_idle_close(void **state)
{
	struct fixture *f = *state;
	struct call call;
	peer_script(&f->peer, PEER_OK, PEER_CLOSE);
	post(f, &call);
	post(f, &call);
	assert_int_equal(call.reply.err, OK);
	assert_int_equal(f->peer.accepted, 2);
}

/* libcurl repeats what a kept-alive connection swallowed, but not what may go out once. */
static void repeats_nothing_that_is_sent_once(void **state)
{
	struct fixture *f = *state;
	struct call call;
	enum err err;
	for (int once = 0; once <= 1; once++) {
		post(f, &call);
		assert_int_equal(call.reply.err, OK);
		peer_script(&f->peer, "", PEER_RESET);
		const unsigned requests = f->peer.requests;
		call = (struct call){.owner = f, .then = stop_when_all};
		f->waiting = 1;
		client_post_fn *send = once ? client_post_once : client_post;
		assert_int_equal(send(f->target, strdup("{}"), 2, LONG_MS, ROOM, call_done,
				      &call, &call.op, &err),
				 PENDING);
		run(f);
		assert_int_equal(call.reply.err, ERR_NETWORK);
		assert_int_equal(f->peer.requests - requests, once ? 1 : 2);
		peer_script(&f->peer, PEER_OK, PEER_KEEP);
	}
}

struct told {
	const char *reply;
	enum peer_then then;
	enum err err;
	unsigned status;
	const char *body, *detail;
};

/* What comes before a reset closes: libcurl repeats once what a kept-alive connection
 * swallowed. */
static void tells_how_it_went(void **state)
{
	static const struct told rows[] = {
		{"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n\r\nno", PEER_KEEP, OK, 429,
		 "no", ""},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", PEER_KEEP, OK, 500, "", ""},
		{"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
		 PEER_KEEP, OK, 302, "", ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n"
		 "\r\n",
		 PEER_KEEP, OK, 200, "abc", ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		 PEER_KEEP, OK, 200, "x", ""},
		{"HTTP/1.0 200 OK\r\n\r\nuntil close", PEER_CLOSE, OK, 200, "until close", ""},
		{"", PEER_RESET, ERR_NETWORK, 0, "", "connection lost while receiving"},
		{"", PEER_CLOSE, ERR_NETWORK, 0, "", "connection closed without an answer"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", PEER_CLOSE, ERR_NETWORK,
		 0, "", "reply was cut short"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", PEER_CLOSE,
		 ERR_NETWORK, 0, "", "reply was cut short"},
		{"SSH-2.0-OpenSSH\r\n", PEER_CLOSE, ERR_NETWORK, 0, "", "reply is not HTTP"},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct call call;
		unsigned requests = f->peer.requests;
		peer_script(&f->peer, rows[i].reply, rows[i].then);
		post(f, &call);
		if (call.reply.err != rows[i].err || strcmp(call.detail, rows[i].detail) != 0)
			fail_msg("row %zu: %d %s", i, (int)call.reply.err, call.detail);
		assert_int_equal(call.reply.status, rows[i].status);
		assert_string_equal(call.body, rows[i].body);
		assert_true(call.reply.connected);
		assert_int_equal(f->peer.requests, requests + 1);
	}
}

static void bounds_the_reply(void **state)
{
	static char body[ROOM + 200], head[100000];
	struct fixture *f = *state;
	struct call call;
	for (size_t i = 0; i < 2; i++) {
		int n = snprintf(body, sizeof body,
				 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", ROOM + i);
		memset(body + n, 'x', ROOM + i);
		body[(size_t)n + ROOM + i] = '\0';
		peer_script(&f->peer, body, PEER_KEEP);
		post(f, &call);
		assert_int_equal(call.reply.err, i == 0 ? OK : ERR_LIMIT);
		assert_int_equal(strlen(call.body), i == 0 ? ROOM : 0);
	}
	assert_string_equal(call.detail, "reply is larger than allowed");
	int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n");
	while (n < 80000)
		n += snprintf(head + n, sizeof head - (size_t)n, "X: %0990d\r\n", 0);
	(void)snprintf(head + n, sizeof head - (size_t)n, "Content-Length: 0\r\n\r\n");
	peer_script(&f->peer, head, PEER_KEEP);
	post(f, &call);
	assert_int_equal(call.reply.err, ERR_LIMIT);
	assert_string_equal(call.detail, "head of the reply is larger than allowed");
}

static int64_t retry_after(struct fixture *f, const char *value)
{
	char reply[256];
	struct call call;
	(void)snprintf(reply, sizeof reply,
		       "HTTP/1.1 429 Too Many\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
		       value);
	peer_script(&f->peer, reply, PEER_KEEP);
	post(f, &call);
	assert_int_equal(call.reply.status, 429);
	return call.reply.retry_after_ms;
}

static void reads_retry_after(void **state)
{
	struct fixture *f = *state;
	char date[64];
	struct tm tm;
	time_t then = time(NULL) + 90;
	assert_int_equal(retry_after(f, "0"), 0);
	assert_int_equal(retry_after(f, "120"), 120000);
	assert_int_equal(retry_after(f, "20261231"), MULTI_RETRY_AFTER_MAX_MS);
	assert_int_equal(retry_after(f, "99999999999999999999999"), MULTI_RETRY_AFTER_MAX_MS);
	assert_int_equal(retry_after(f, "-5"), -1);
	assert_int_equal(retry_after(f, "soon"), -1);
	assert_int_equal(retry_after(f, "Fri, 31 Dec 1999 23:59:59 GMT"), 0);
	assert_non_null(gmtime_r(&then, &tm));
	assert_true(strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
	int64_t ms = retry_after(f, date);
	assert_true(ms > 60000 && ms <= 90000);
}

static void tries_every_address(void **state)
{
	struct fixture *f = *state;
	struct client_target *target = target_at(f, "http://two.forkcache.test:%u/");
	struct call call;
	for (int i = 0; i < 2; i++) { /* the peer listens on 127.0.0.1 alone */
		f->dns.a[i] = "127.0.0.1";
		f->dns.a[1 - i] = "127.0.0.9";
		f->dns.aaaa[0] = i == 0 ? NULL : "::1";
		post_at(f, target, &call);
		assert_int_equal(call.reply.err, OK);
		client_target_free(&target); /* forgets the name, too */
		target = target_at(f, "http://two.forkcache.test:%u/other");
	}
	client_target_free(&target);
	assert_non_null(strstr(f->peer.last, "\r\nHost: two.forkcache.test:"));
}

static void localhost_is_both(void **state)
{
	struct fixture *f = *state;
	struct client_target *target;
	struct call call;
	peer_stop(&f->peer);
	if (!peer_start(&f->peer, f->loop, true)) {
		assert_true(peer_start(&f->peer, f->loop, false));
		skip();
	}
	target = target_at(f, "http://localhost:%u/");
	post_at(f, target, &call);
	assert_int_equal(call.reply.err, OK);
	client_target_free(&target);
	target = target_at(f, "http://[::1]:%u/");
	post_at(f, target, &call);
	assert_int_equal(call.reply.err, OK);
	client_target_free(&target);
}

static void tells_a_refusal(void **state)
{
	struct fixture *f = *state;
	struct call call;
	peer_stop_listening(&f->peer);
	post(f, &call);
	assert_int_equal(call.reply.err, ERR_NETWORK);
	assert_string_equal(call.detail, "connection refused");
	assert_false(call.reply.connected);
	assert_int_equal(call.reply.bytes_out, 0);
}

static void tells_a_missing_name(void **state)
{
	struct fixture *f = *state;
	struct client_target *target = target_at(f, "http://gone.forkcache.test:%u/");
	struct call call;
	f->dns.mode = DNS_NXDOMAIN;
	for (int i = 0; i < 2; i++) { /* the second is known at once, yet told later */
		post_at(f, target, &call);
		assert_int_equal(call.reply.err, ERR_NETWORK);
		assert_string_equal(call.detail, "name not found");
		assert_false(call.reply.connected);
	}
	client_target_free(&target);
}

static void many_at_once(void **state)
{
	static struct call calls[MANY];
	struct fixture *f = *state;
	struct client_target *target = target_at(f, "http://many.forkcache.test:%u/");
	struct client_stats stats;
	f->dns.a[0] = "127.0.0.1";
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			calls[i] = (struct call){0};
			start_at(f, i % 2 == 0 ? target : f->target, &calls[i]);
		}
		client_stats(f->client, &stats);
		assert_int_equal(stats.in_flight, MANY);
		run(f);
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(calls[i].calls, 1);
			assert_int_equal(calls[i].reply.err, OK);
			assert_string_equal(calls[i].body, "{\"a\":1}");
		}
	}
	client_stats(f->client, &stats);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.resolutions, 1);
	client_target_free(&target);
}

/* --- callbacks that turn things upside down ------------------------------------------ */

static void post_again(struct call *call)
{
	struct fixture *f = call->owner;
	*f->other = (struct call){0};
	start_at(f, f->target, f->other);
	stop_when_all(call);
}

static void a_callback_may_post(void **state)
{
	struct fixture *f = *state;
	struct call first = {.then = post_again}, second;
	f->other = &second;
	start_at(f, f->target, &first);
	run(f);
	assert_int_equal(first.calls, 1);
	assert_int_equal(second.calls, 1);
	assert_int_equal(second.reply.err, OK);
}

/* Whichever ends first cancels the other one and frees the target of both. */
static void cancel_rival_and_free(struct call *call)
{
	struct fixture *f = call->owner;
	struct call *rival = f->pair[call == f->pair[0]];
	client_cancel(&rival->op);
	assert_null(rival->op);
	client_target_free(&f->target);
	loop_stop(f->loop);
}

static void a_callback_may_cancel_and_free(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 4; i++) {
		struct call first = {.then = cancel_rival_and_free};
		struct call second = {.then = cancel_rival_and_free};
		/* TCP to the broadcast address fails in connect(2): both end in one call of
		 * libcurl, and the other one waits for its delivery when it is cancelled */
		client_target_free(&f->target);
		f->target = target_at(f, i < 2 ? "http://127.0.0.1:%u/"
					       : "http://255.255.255.255:%u/");
		f->pair[0] = &first;
		f->pair[1] = &second;
		start_at(f, f->target, &first);
		start_at(f, f->target, &second);
		run(f);
		assert_int_equal(first.calls + second.calls, 1);
		const struct client_reply *reply =
			first.calls == 1 ? &first.reply : &second.reply;
		assert_int_equal(reply->err, i < 2 ? OK : ERR_NETWORK);
	}
}

/* --- gzip, which is not offered to loopback: the layer below ------------------------- */

static void on_transfer(void *cookie, const struct client_reply *reply)
{
	struct call *call = cookie;
	call_done(call, reply);
}

static size_t gzip_reply(char *out, size_t room)
{
	static char plain[5000];
	z_stream z = {0};
	unsigned char packed[512];
	memset(plain, 'z', sizeof plain);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)plain;
	z.avail_in = sizeof plain;
	z.next_out = packed;
	z.avail_out = sizeof packed;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t packed_len = z.total_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	int n = snprintf(
		out, room,
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
		packed_len);
	memcpy(out + n, packed, packed_len);
	return (size_t)n + packed_len;
}

static void decodes_gzip_within_the_bound(void **state)
{
	struct fixture *f = *state;
	struct multi *multi = NULL;
	struct multi_peer *peer = NULL;
	struct url url;
	char text[64], reply[1024];
	(void)snprintf(text, sizeof text, "http://127.0.0.1:%u/", (unsigned)f->peer.port);
	struct secret *secret = secret_new(span_of(text));
	assert_int_equal(url_parse(secret, &url, NULL), OK);
	secret_free(&secret);
	assert_int_equal(multi_new(f->loop, NULL, &multi), OK);
	assert_int_equal(multi_peer_new(multi, &url, NULL, 0, &peer, NULL), OK);
	f->peer.reply = reply;
	f->peer.reply_len = gzip_reply(reply, sizeof reply);
	/* Offered; with too little room; not offered, and sent all the same. */
	for (int i = 0; i < 3; i++) {
		struct call call = {.then = stop_when_all, .owner = f};
		struct multi_transfer *transfer = NULL;
		const bool offered = i < 2, fits = i != 1;
		const struct multi_request request = {.addresses = "127.0.0.1",
						      .gzip = offered,
						      .body = SPAN("{}"),
						      .max_reply = fits ? 5000 : 4999,
						      .connect_ms = 5000};
		f->waiting = 1;
		assert_int_equal(multi_start(peer, &request, on_transfer, &call, &transfer),
				 PENDING);
		run(f);
		assert_int_equal(call.reply.err, fits ? OK : ERR_LIMIT);
		assert_int_equal(strspn(call.body, "z"), fits ? 5000 : 0);
		assert_true(call.reply.bytes_in < 200);
		assert_true(!strstr(f->peer.last, "Accept-Encoding: gzip\r\n") == !offered);
		assert_true(offered || !strcasestr(f->peer.last, "accept-encoding"));
	}
	multi_peer_free(&peer);
	multi_free(&multi);
	url_release(&url);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sends_what_it_should),
		T(sends_headers),
		T(refuses_bad_headers),
		T(reuses_its_connection),
		T(survives_an_idle_close),
		T(repeats_nothing_that_is_sent_once),
		T(tells_how_it_went),
		T(bounds_the_reply),
		T(reads_retry_after),
		T(tries_every_address),
		T(localhost_is_both),
		T(tells_a_refusal),
		T(tells_a_missing_name),
		T(many_at_once),
		T(a_callback_may_post),
		T(a_callback_may_cancel_and_free),
		T(decodes_gzip_within_the_bound),
	};
	alarm(120); /* a test that hangs must fail */
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
