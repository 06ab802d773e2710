/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The look at an upstream before it is used: which chain, which client, and, once the fork
 * is pinned, the hash of the pinned block. The questions go out together; the version may
 * fail. A chain or a block that is not the agreed one disables the upstream; a probe that
 * cannot be answered fails what waits in its plan, which is retried elsewhere or later.
 *
 * An exchange is one question and one answer outside the plans: probes and pinning use it.
 */
#include "base/eth.h"
#include "base/span.h"
#include "fork/failure.h"
#include "fork/client.h"

struct upstream;

/* result is borrowed until the callback returns; failure->verdict is VERDICT_OK, or says
 * why there is none. A null is a result here. */
typedef void exchange_fn(void *cookie, struct span result, const struct failure *failure);
struct exchange {
	struct upstream *upstream;
	struct client_op *op;
	exchange_fn *fn;
	void *cookie;
	uint64_t id;
};
/* params: the JSON text of an array. ERR_NOMEM: fn never runs. */
enum err exchange_start(struct exchange *exchange, struct upstream *upstream,
			const char *method, struct span params, exchange_fn *fn,
			void *cookie) WARN_UNUSED;
void exchange_cancel(struct exchange *exchange);

struct probe {
	struct exchange chain, version, block;
	unsigned waiting, version_tries;
	bool with_block; /* the pinned block is part of it */
	bool failed;
	struct failure failure;
	bool mismatch;
	char why[FAILURE_WHY_BYTES];
	char client_version[128];
};

/* Starts a probe unless one runs. */
void probe_start(struct upstream *upstream);
void probe_cancel(struct upstream *upstream);

/* Number and hash of a block's JSON; false when it is not a block. */
bool probe_block(struct span block, uint64_t *number, struct eth_bytes32 *hash);
