/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * /status: what the server is and how it is, as JSON, for `forkcache status` and for people.
 *
 *   {"version", "uptime_seconds",
 *    "chain": {"id", "mode": "pinned" | "following" | "offline", "number", "hash",
 *              "finalized", "client", "stored": false of a development node},
 *    "clients": {"workers", "connections", "calls", "waited", "errors"},
 *    "layers": [{"name": "memory" | "disk", "lookups", "hits", "hit_ratio" (null: none yet),
 *                "bytes", "capacity_bytes", "entries" (memory), "evictions"}],
 *    "fork": {"questions", "joined", "flights", "in_flight", "retries", "failovers"},
 *    "upstreams": [{"host", "healthy", "probed", "development", "requests", "items",
 *                   "in_flight", "failures", "rate_limited", "rtt_ms", "batch_limit",
 *                   "storage_values", "account_info"}],
 *    "errors": [{"at" (RFC 3339), "times", "text"}]}       the newest first
 *
 * "fork" and "upstreams" are absent offline. Hosts are shown as name:port, nothing else of a
 * URL. Figures are of this process since its start.
 */
#include "rpc/monitor.h"

/* A route's function; its cookie is the struct monitor. */
http_request_fn status_json;
