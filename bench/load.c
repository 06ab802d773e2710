/* SPDX-License-Identifier: MIT */
/*
 * build/bench/load --port P [--connections 64] [--requests N] [--warm N] [--keys N] [--batch N]
 *            [--pids P,P...] [--check value|length] [--contract 0x... --first SLOT]
 *
 * A closed loop over kept-alive connections: each has one request on the way, and sends the
 * next when the answer is there. First the units (questions.h) of --warm in order, which do not
 * count, then --requests of random ones (in order, without --warm). The answer's status and
 * length are always checked; its text too, unless --check length says that the server's answer
 * is a fixed one.
 *
 * --pids are the server's processes. What they use of the processors while the requests that
 * count are answered is reported for each request, from the kernel's own clock of the process
 * (clock_getcpuclockid): user and kernel mode, all threads.
 *
 * Latency runs from before send() to when the whole answer has been read; in a closed loop
 * with many connections that is mostly the time for which the others are served.
 */
#include "measure.h"
#include "questions.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_ROOM	512
#define CONNECTIONS_MAX 4096
#define PIDS_MAX	16
#define EVENTS		256
/* Nobody answers so late: the server is stuck, and so would be the run. */
#define SILENCE_MS   20000
#define SETTLE_NS    2000000
#define SETTLE_TRIES 20

struct connection {
	int fd;
	uint32_t unit;
	uint64_t sent_ns;
	size_t got;
	char *buf;
};

struct load {
	struct questions questions;
	struct connection *connections;
	uint32_t connections_n;
	uint16_t port;
	bool check_value;
	int pids[PIDS_MAX];
	size_t pids_n;
	struct random random;

	uint64_t warm, wanted;
	uint64_t sent, answered, target; /* of the part that is under way */
	bool counting, random_units;
	uint64_t *latencies;
	size_t request_bytes, reply_bytes, body_bytes;
	char *request, *expected; /* scratch */
	size_t room;
};

static uint64_t servers_cpu_once(const struct load *load)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < load->pids_n; i++)
		sum += cpu_ns(load->pids[i]);
	return sum;
}

/* The kernel adds to a running process's clock at its ticks, milliseconds apart, and exactly
 * when it sleeps: so it is read while nothing is asked, when it stands still. */
static uint64_t servers_cpu_ns(const struct load *load)
{
	uint64_t before, now = servers_cpu_once(load);
	int tries = 0;
	do {
		before = now;
		nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
		now = servers_cpu_once(load);
	} while (now != before && ++tries < SETTLE_TRIES);
	return now;
}

static void connect_one(struct load *load, struct connection *c, int epoll)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(load->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connecting to port %u: %s", load->port, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll_ctl: %s", strerror(errno));
	c->buf = must_alloc(1, load->room);
}

static uint32_t next_unit(struct load *load)
{
	uint32_t units = questions_units(&load->questions);
	if (load->random_units)
		return (uint32_t)random_below(&load->random, units);
	return (uint32_t)(load->sent % units);
}

static void ask(struct load *load, struct connection *c)
{
	char *body = load->request + HEAD_ROOM;
	c->unit = next_unit(load);
	size_t len = questions_body(&load->questions, c->unit, body);
	char head[HEAD_ROOM];
	int n = snprintf(head, sizeof head,
			 "POST / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			 load->port, len);
	memcpy(body - n, head, (size_t)n);
	load->request_bytes = len + (size_t)n;
	load->sent++;
	c->got = 0;
	c->sent_ns = now_ns();
	ssize_t sent = send(c->fd, body - n, load->request_bytes, MSG_NOSIGNAL);
	if (sent != (ssize_t)load->request_bytes)
		die("sending: %s", sent < 0 ? strerror(errno) : "only a part went out");
}

/* The length of the whole answer; 0 as long as its head is not complete. */
static size_t answer_length(const struct connection *c, size_t *head)
{
	static const char name[] = "\r\nContent-Length:";
	const char *end = memmem(c->buf, c->got, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*head = (size_t)(end - c->buf) + 4;
	if (strncmp(c->buf, "HTTP/1.1 200 ", 13) != 0)
		die("the answer is %.*s", (int)c->got, c->buf);
	for (const char *p = c->buf; p < end; p++)
		if (*p == '\r' && strncasecmp(p, name, sizeof name - 1) == 0)
			return *head + strtoul(p + sizeof name - 1, NULL, 10);
	die("an answer without Content-Length: %.*s", (int)c->got, c->buf);
}

static void check(struct load *load, const struct connection *c, size_t head)
{
	const char *body = c->buf + head;
	size_t len = questions_answer(&load->questions, c->unit, load->expected);
	bool right = c->got - head == len;
	if (right && load->check_value)
		right = questions_right(load->expected, body, len);
	if (!right)
		die("a wrong answer: %.*s instead of %.*s", (int)(c->got - head), body,
		    (int)len, load->expected);
}

static void on_answer(struct load *load, struct connection *c, size_t head)
{
	uint64_t now = now_ns();
	check(load, c, head);
	load->reply_bytes = c->got;
	load->body_bytes = c->got - head;
	if (load->counting)
		load->latencies[load->answered] = now - c->sent_ns;
	load->answered++;
	if (load->sent < load->target)
		ask(load, c);
}

static void on_readable(struct load *load, struct connection *c)
{
	ssize_t n = recv(c->fd, c->buf + c->got, load->room - c->got, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("receiving: %s", n < 0 ? strerror(errno) : "the server closed");
	c->got += (size_t)n;
	size_t head = 0, length = answer_length(c, &head);
	if (length > load->room || (length && c->got > length))
		die("an answer of %zu bytes: %.*s", c->got, (int)c->got, c->buf);
	if (length && c->got == length)
		on_answer(load, c, head);
}

/* Asks so many units, and returns when all are answered. */
static void run_part(struct load *load, int epoll, uint64_t target)
{
	struct epoll_event events[EVENTS];
	load->sent = load->answered = 0;
	load->target = target;
	for (uint32_t i = 0; i < load->connections_n && load->sent < target; i++)
		ask(load, &load->connections[i]);
	while (load->answered < target) {
		int n = epoll_wait(epoll, events, EVENTS, SILENCE_MS);
		if (n == 0)
			die("no answer for %d s", SILENCE_MS / 1000);
		for (int i = 0; i < n; i++)
			on_readable(load, events[i].data.ptr);
	}
}

struct usage {
	double ns, server_ns, generator_ns;
};

static struct usage run(struct load *load)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	for (uint32_t i = 0; i < load->connections_n; i++)
		connect_one(load, &load->connections[i], epoll);
	run_part(load, epoll, load->warm);

	load->counting = true;
	load->random_units = load->warm > 0;
	uint64_t server = servers_cpu_ns(load), own = own_ns(), start = now_ns();
	run_part(load, epoll, load->wanted);
	struct usage usage = {.ns = (double)(now_ns() - start),
			      .generator_ns = (double)(own_ns() - own)};
	usage.server_ns = (double)(servers_cpu_ns(load) - server);
	close(epoll);
	return usage;
}

static void report(struct load *load, const struct usage *usage)
{
	double n = (double)load->wanted;

	samples_sort(load->latencies, load->wanted);
	printf("{\"requests\": %llu, \"seconds\": %.6f, \"per_second\": %.0f, "
	       "\"server_cpu_us\": %.4f, \"server_busy\": %.3f, \"generator_busy\": %.3f, "
	       "\"request_bytes\": %zu, \"reply_bytes\": %zu, \"body_bytes\": %zu",
	       (unsigned long long)load->wanted, usage->ns / 1e9, n / (usage->ns / 1e9),
	       usage->server_ns / n / 1e3, usage->server_ns / usage->ns,
	       usage->generator_ns / usage->ns, load->request_bytes, load->reply_bytes,
	       load->body_bytes);
	static const struct {
		const char *name;
		double per_mille;
	} points[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99_9", 999}};
	for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
		printf(", \"%s_us\": %.2f", points[i].name,
		       (double)samples_at(load->latencies, load->wanted, points[i].per_mille) /
			       1e3);
	printf("}\n");
}

static void read_pids(struct load *load, const char *text)
{
	char *end;
	for (; *text; text = *end == ',' ? end + 1 : end) {
		long pid = strtol(text, &end, 10);
		if (end == text || pid <= 0 || load->pids_n == PIDS_MAX)
			die("--pids: at most %d process ids, with commas", PIDS_MAX);
		load->pids[load->pids_n++] = (int)pid;
	}
}

static void load_init(struct load *load, int argc, char **argv)
{
	*load = (struct load){
		.questions = {.keys = (uint32_t)arg_number(argc, argv, "--keys", 100000),
			      .batch = (uint32_t)arg_number(argc, argv, "--batch", 0),
			      .first = arg_number(argc, argv, "--first", 0),
			      .contract = arg_text(argc, argv, "--contract", NULL)},
		.connections_n = (uint32_t)arg_number(argc, argv, "--connections", 64),
		.port = (uint16_t)arg_number(argc, argv, "--port", 0),
		.check_value = strcmp(arg_text(argc, argv, "--check", "value"), "value") == 0,
		.random = {UINT64_C(0x9e3779b97f4a7c15)},
		.warm = arg_number(argc, argv, "--warm", 0),
		.wanted = arg_number(argc, argv, "--requests", 100000),
	};
	read_pids(load, arg_text(argc, argv, "--pids", ""));
	if (!load->port || !load->wanted || !load->connections_n ||
	    load->connections_n > CONNECTIONS_MAX || !questions_units(&load->questions))
		die("--port is missing, or a number is out of range");
	load->room = HEAD_ROOM + questions_room(&load->questions);
	load->request = must_alloc(1, load->room);
	load->expected = must_alloc(1, load->room);
	load->connections = must_alloc(load->connections_n, sizeof *load->connections);
	load->latencies = must_alloc(load->wanted, sizeof *load->latencies);
}

static void load_release(struct load *load)
{
	for (uint32_t i = 0; i < load->connections_n; i++) {
		close(load->connections[i].fd);
		free(load->connections[i].buf);
	}
	free(load->latencies);
	free(load->connections);
	free(load->expected);
	free(load->request);
}

int main(int argc, char **argv)
{
	struct load load;
	load_init(&load, argc, argv);
	struct usage usage = run(&load);
	report(&load, &usage);
	load_release(&load);
	return 0;
}
