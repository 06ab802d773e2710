/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The control endpoint. All bodies and answers are JSON objects.
 *
 *   POST /control           the members of script.h, and besides:
 *                             "advance": k      k blocks on the head
 *                             "reorg": d, or {"depth": d, "blocks": k}: the newest d blocks
 *                                               are replaced by k others (d + 1; fewer, as
 *                                               many or more)
 *                             "hold": n, or {"requests": n} or {"items": n}: the barrier
 *                             "release": true   lets go of what it holds
 *                             "reset_counters": true
 *   POST /control/reset     counters to zero, no barrier, the script as it was at
 *                           start; the chain stays as it is
 *   POST /control/wait      {"items": n, ...}: answered when the counters are that high
 *   POST /control/truth     JSON-RPC, answered as by a node without a script that knows every
 *                           block there ever was by its hash; nothing is counted
 *   GET /control/counters   totals, per method, newest batch sizes (counters.h)
 *   GET /control/keys       the same with the count of every key
 *   GET /control/faults     {"struck": [n, ...]}: how often each fault of the list has struck
 *   GET /control/last       head and body of the newest RPC request
 *   GET /control/blocks     {"blocks": [{"number": n, "hash": "0x..", "canonical": b}, ...]},
 * all that there ever were, the newest first GET /control/samples    addresses, slots and
 * hashes to ask for (samples.h)
 */
#include "mock_node/http.h"
#include "mock_node/rpc.h"

/* Fills an initialised reply. True: it is to wait until `*wait_for` (a new reference, which
 * the caller takes) is reached. */
bool control_handle(struct http_server *server, struct node *node, bool post, struct span path,
		    struct span body, struct reply *reply, json_t **wait_for);
/* What POST /control and the --control option do. ERR_INVALID, ERR_LIMIT, ERR_NOMEM; the
 * detail says why. */
enum err control_apply(struct http_server *server, struct node *node, json_t *control,
		       struct err_detail *detail) WARN_UNUSED;
/* Whether each counter that `wanted` names is at least as high. */
bool control_reached(const struct counters *counters, json_t *wanted);
