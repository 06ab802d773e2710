/* SPDX-License-Identifier: MIT */
/* /metrics is text of Prometheus' format 0.0.4; /healthz is the upstreams' health. */
#include "unit.h"
#include "fake_fork.h"
#include "fake_http.h"
#include "fake_loop.h"
#include "rpc/monitor.h"
#include <regex.h>

static struct fork_upstream_stats upstreams[2];
static struct server_stats server;
static struct request_stats requests;

size_t fork_stats(struct fork *fork, struct fork_stats *out, struct fork_upstream_stats *up,
		  size_t max)
{
	(void)fork;
	*out = (struct fork_stats){.questions = 9};
	for (size_t i = 0; i < 2 && i < max; i++)
		up[i] = upstreams[i];
	return 2;
}

const struct server_stats *worker_server_stats(const struct worker *worker)
{
	(void)worker;
	return &server;
}

const struct request_stats *worker_request_stats(const struct worker *worker)
{
	(void)worker;
	return &requests;
}

static struct {
	struct stack *stack;
	struct chain chain;
	struct monitor monitor;
	struct worker *workers[2];
} rig;

static int setup(void **state)
{
	const struct stack_config config = {.memory_bytes = 1u << 20};

	(void)state;
	memset(&rig, 0, sizeof rig);
	memset(upstreams, 0, sizeof upstreams);
	method_table_init();
	requests.by_method = calloc(method_count(), sizeof *requests.by_method);
	assert_non_null(requests.by_method);
	for (size_t i = 0; i < method_count(); i++)
		atomic_store(&requests.by_method[i], i + 1);
	assert_ok(stack_new(&config, &rig.stack));
	rig.chain.chain_id = 1;
	rig.chain.pinned.block.at.number = 1000;
	rig.monitor.stack = rig.stack;
	rig.monitor.fork = (struct fork *)&rig;
	rig.monitor.chain = &rig.chain;
	rig.monitor.workers = rig.workers;
	atomic_store(&rig.monitor.workers_n, 2);
	/* Two keys with one provider. */
	for (size_t i = 0; i < 2; i++)
		snprintf(upstreams[i].host, sizeof upstreams[i].host, "node.example:443");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stack_free(&rig.stack);
	free(requests.by_method);
	return 0;
}

#define LINES_MAX 2048
static char *lines[LINES_MAX];
static size_t lines_n;

static char *read_metrics(void)
{
	struct http_exchange *x = fake_http_post(monitor_metrics, &rig.monitor, "");
	char *text = strdup(fake_http_reply(x)), *at = text;

	assert_non_null(text);
	assert_int_equal(fake_http_status(x), 200);
	fake_http_free(&x);
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (lines_n = 0; *at != '\0'; lines_n++) {
		char *end = strchr(at, '\n');
		assert_true(lines_n < LINES_MAX);
		*end = '\0';
		lines[lines_n] = at;
		at = end + 1;
	}
	return text;
}

/* The part of a sample before its value, or of a comment before its text. */
static size_t series_length(const char *line)
{
	return (size_t)(strrchr(line, ' ') - line);
}

static void every_line_is_of_the_format(void **state)
{
	static const char comment[] = "^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge))$";
	static const char sample[] =
		"^[a-z_]+(\\{[a-z]+=\"[^\"\\\\]*\"(,[a-z]+=\"[^\"\\\\]*\")*\\})? [0-9]+$";
	regex_t is_comment, is_sample;
	char family[128] = "";

	(void)state;
	assert_ok(regcomp(&is_comment, comment, REG_EXTENDED | REG_NOSUB));
	assert_ok(regcomp(&is_sample, sample, REG_EXTENDED | REG_NOSUB));
	char *text = read_metrics();
	for (size_t i = 0; i < lines_n; i++) {
		const char *line = lines[i];
		if (line[0] == '#') {
			assert_ok(regexec(&is_comment, line, 0, NULL, 0));
			if (strncmp(line, "# TYPE ", 7) != 0)
				continue;
			snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "),
				 line + 7);
			/* A total is a counter, and the other way round. */
			bool total = strstr(family, "_total") != NULL;
			assert_int_equal(strstr(line, " counter") != NULL, total);
			continue;
		}
		if (regexec(&is_sample, line, 0, NULL, 0) != 0)
			fail_msg("%s", line);
		/* A family's samples stand together, behind its type. */
		assert_int_equal(strcspn(line, "{ "), strlen(family));
		assert_memory_equal(line, family, strlen(family));
	}
	regfree(&is_comment);
	regfree(&is_sample);
	free(text);
}

static void no_series_stands_twice(void **state)
{
	(void)state;
	char *text = read_metrics();
	assert_true(lines_n > 200);
	for (size_t i = 0; i < lines_n; i++) {
		size_t n = series_length(lines[i]);
		if (strncmp(lines[i], "# HELP", 6) == 0)
			n = strcspn(lines[i] + 7, " ") + 7;
		for (size_t k = 0; k < i; k++)
			if (strncmp(lines[i], lines[k], n) == 0 && lines[k][n] == ' ')
				fail_msg("%s", lines[i]);
	}
	free(text);
}

static void workers_are_added_up(void **state)
{
	char want[128];
	bool found = false;

	(void)state;
	char *text = read_metrics();
	snprintf(want, sizeof want, "forkcache_method_calls_total{method=\"other\"} %zu",
		 2 * method_count());
	for (size_t i = 0; i < lines_n; i++)
		found = found || strcmp(lines[i], want) == 0;
	assert_true(found);
	free(text);
}

static void health_is(unsigned status, const char *text)
{
	struct http_exchange *x = fake_http_post(monitor_healthz, &rig.monitor, "");

	assert_int_equal(fake_http_status(x), status);
	assert_string_equal(fake_http_reply(x), text);
	fake_http_free(&x);
}

static void one_healthy_upstream_is_enough(void **state)
{
	(void)state;
	health_is(503, "no upstream is healthy\n");
	upstreams[1].healthy = true;
	health_is(200, "ok\n");
	upstreams[1].healthy = false;
	rig.monitor.fork = NULL; /* offline */
	health_is(200, "ok\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_line_is_of_the_format),
		TEST(no_series_stands_twice),
		TEST(workers_are_added_up),
		TEST(one_healthy_upstream_is_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
