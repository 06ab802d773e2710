/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * /healthz and /metrics (Prometheus text format, version 0.0.4).
 *
 * /healthz is 200 "ok" as long as the worker's loop turns; with upstreams, 503 when none is
 * healthy. Metric labels are bounded: methods by the rows of the method table (everything
 * else is "other"), errors by enum err, upstreams by those configured, shown as host:port and
 * by their place, since two may be of one host.
 */
#include "rpc/worker.h"

/* More upstreams than anybody configures; further ones are served, not shown. */
#define UPSTREAMS_SHOWN 32

struct monitor {
	struct stack *stack;
	struct store *store; /* NULL: no disk */
	struct fork *fork;   /* NULL: offline */
	const struct chain *chain;
	size_t memory_bytes;	       /* the bound of the memory cache */
	int64_t started_s;	       /* seconds since 1970 */
	struct worker *const *workers; /* those that have started */
	atomic_uint workers_n;
};

/* Routes' functions; their cookie is the struct monitor. */
http_request_fn monitor_healthz, monitor_metrics;
