/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The options of `forkcache serve`: one table (options.def) from which the command line, the
 * environment (FORKCACHE_...), config/forkcache.yaml, --help and the documentation come.
 *
 * A flag beats the environment, which beats the file, which beats the default. Errors name
 * the flag or variable, or the file's line and key, and say what would be right.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include <stdint.h>

struct options {
	struct secret **upstreams; /* URLs, in order of preference */
	size_t upstreams_n;
	struct secret **headers; /* "Name: value", to every upstream */
	size_t headers_n;
	char *ca_file;
	char *fork_block;  /* "latest", "safe", "finalized", a number, a hash; NULL: none */
	uint64_t chain_id; /* 0: whatever the upstreams say */
	bool trust_dev_upstream;
	bool offline;
	bool allow_send;

	char *listen; /* "127.0.0.1:8545" */
	char **allow_hosts;
	size_t allow_hosts_n;
	char **allow_origins;
	size_t allow_origins_n;
	struct secret *token; /* read from --token-file; NULL: none */
	bool insecure_public; /* an address that is not loopback, without a token */

	char *cache_dir; /* NULL: XDG */
	uint64_t memory_bytes, disk_bytes;
	uint32_t workers;

	uint32_t state_deadline_ms, call_deadline_ms, trace_deadline_ms;
	uint32_t upstream_batch_items, upstream_rate;
	uint64_t head_bytes, body_bytes, reply_bytes, batch_reply_bytes;
	uint64_t input_bytes, output_bytes;
	uint32_t batch_items, json_depth, connections, pipeline;
	uint32_t client_rate; /* 0: no limit */
	uint32_t client_burst;
	uint32_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, send_timeout_ms;

	enum log_level log_level;
	char *config_file;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_PRINT_CONFIG,
	OPTIONS_BAD,
};

/* args: what follows "serve". OPTIONS_HELP, _VERSION and _PRINT_CONFIG: nothing is filled.
 * OPTIONS_BAD: detail says where and what, and never repeats a secret. Release in every
 * case. */
enum options_result options_read(int argc, char **argv, struct options *out,
				 struct err_detail *detail);
void options_release(struct options *options);
/* The --help text of serve, on the stream. */
void options_help(FILE *out);
/* config/forkcache.yaml: every option with its help, commented out at its default. */
void options_print_config(FILE *out);
/* "forkcache" below $XDG_CACHE_HOME or ~/.cache, made by nobody yet; returns, free with
 * free(); NULL when neither variable holds an absolute path (detail says so), or ERR_NOMEM. */
char *options_default_cache_dir(struct err_detail *detail);
