/* SPDX-License-Identifier: MIT */
#pragma once
/* Options read from arguments and files of the tests' own, and what is asserted of them. */
#include "unit.h"
#include "cli/options.h"
#include <errno.h>
#include <unistd.h>

/* The parts of an upstream URL that may never be seen. */
#define KEY    "0123456789abcdefKEY"
#define SECRET "https://user:" KEY "@node.example/v1/" KEY "?k=" KEY

static struct options options;
static struct err_detail detail;

#define ARGS_MAX 32
/* Arguments end at NULL. */
static inline enum options_result read_args(const char *const *args)
{
	char *argv[ARGS_MAX];
	int argc = 0;

	options_release(&options);
	detail.text[0] = '\0';
	for (; args[argc] != NULL; argc++)
		assert_non_null(argv[argc] = strdup(args[argc]));
	enum options_result result = options_read(argc, argv, &options, &detail);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return result;
}
#define read_options(...) read_args((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline void assert_bad(enum options_result result, const char *message)
{
	assert_int_equal(result, OPTIONS_BAD);
	assert_string_equal(detail.text, message);
	assert_null(strstr(detail.text, KEY));
}

static const char folder_template[] = "test_options.XXXXXX";
static char folder[sizeof folder_template];

/* Writes a file in the folder of the tests, and returns its path until the next call. */
static inline const char *file_with(const char *name, const char *text)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_ok(fclose(out));
	return path;
}

static inline enum options_result read_file(const char *text)
{
	return read_options("--config", file_with("c.yaml", text));
}

/* message: what follows the path of the file. */
static inline void assert_bad_file(const char *text, const char *message)
{
	char want[512];

	snprintf(want, sizeof want, "%s/c.yaml%s", folder, message);
	assert_bad(read_file(text), want);
}

static inline void assert_defaults(void)
{
	assert_string_equal(options.listen, "127.0.0.1:8545");
	assert_int_equal(options.memory_bytes, UINT64_C(256) << 20);
	assert_int_equal(options.disk_bytes, UINT64_C(4) << 30);
	assert_int_equal(options.workers, 1);
	assert_int_equal(options.log_level, LOG_INFO);
	assert_int_equal(options.state_deadline_ms, 9000);
	assert_int_equal(options.call_deadline_ms, 30000);
	assert_int_equal(options.trace_deadline_ms, 120000);
	assert_int_equal(options.upstream_batch_items, 1000);
	assert_int_equal(options.upstream_rate, 0);
	assert_int_equal(options.batch_items, 1000);
	assert_int_equal(options.head_bytes, 16384);
	assert_int_equal(options.body_bytes, UINT64_C(5) << 20);
	assert_int_equal(options.reply_bytes, UINT64_C(64) << 20);
	assert_int_equal(options.batch_reply_bytes, UINT64_C(25) << 20);
	assert_int_equal(options.input_bytes, UINT64_C(256) << 20);
	assert_int_equal(options.output_bytes, UINT64_C(512) << 20);
	assert_int_equal(options.json_depth, 64);
	assert_int_equal(options.connections, 4096);
	assert_int_equal(options.pipeline, 64);
	assert_int_equal(options.client_rate, 0);
	assert_int_equal(options.client_burst, 10000);
	assert_int_equal(options.send_timeout_ms, 30000);
	assert_int_equal(options.head_timeout_ms, 10000);
	assert_int_equal(options.body_timeout_ms, 30000);
	assert_int_equal(options.idle_timeout_ms, 120000);
	assert_int_equal(options.chain_id, 0);
	assert_false(options.offline || options.trust_dev_upstream || options.insecure_public);
	assert_int_equal(options.upstreams_n + options.headers_n + options.allow_hosts_n +
				 options.allow_origins_n,
			 0);
	assert_null(options.token);
	assert_null(options.fork_block);
	assert_null(options.ca_file);
	assert_null(options.cache_dir);
}

static inline char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(out);
	assert_ok(fclose(out));
	return text;
}

/* ---- the folder ---- */

static inline int make_folder(void **state)
{
	(void)state;
	/* What the person who runs the tests has set is not under test. */
	for (char **at = environ; *at != NULL;) {
		char name[64];
		if (strncmp(*at, "FORKCACHE_", 10) != 0) {
			at++;
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at);
		if (unsetenv(name) != 0)
			return -1;
	}
	memcpy(folder, folder_template, sizeof folder);
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int drop_folder(void **state)
{
	static const char *const names[] = {"c.yaml", "token", "url", "header"};
	char path[256];

	(void)state;
	options_release(&options);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		if (unlink(path) != 0 && errno != ENOENT)
			return -1;
	}
	return rmdir(folder);
}
