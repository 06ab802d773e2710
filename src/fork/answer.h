/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reading what an upstream sent, and believing only what was asked for.
 *
 * Every item must be answered exactly once under its own id: order does not matter, items
 * that were not asked for are ignored, of two answers to one item that differ none is
 * believed. A string that
 * spells our number counts as that id (some gateways turn ids into strings). For state,
 * null, "0x" (except code), a wrong length and an error without a message are faults of the
 * upstream, never values: fork nodes keep such zeros on disk for ever.
 *
 * Pure: no I/O, no state.
 */
#include "base/span.h"
#include "fork/classify.h"
#include "fork/failure.h"
#include "fork/fork.h"

struct item;
struct client_reply;
struct post;

struct outcome {
	bool answered;
	struct span result;	/* VERDICT_OK: JSON text, borrowed from the reply's body */
	struct span error;	/* the error object, where there is one */
	int64_t code;		/* its code */
	bool no_method;		/* it says that the method is not there */
	struct failure failure; /* verdict VERDICT_OK: result is set */
};

/* What a reply as a whole says, before its items are looked at. */
enum reply_form {
	REPLY_ITEMS,	      /* the items' outcomes have been filled in */
	REPLY_BATCH_TOO_BIG,  /* fewer items would do */
	REPLY_BATCH_DOUBTFUL, /* it may be the size, or anything else: *failure */
	REPLY_NO_BATCH,	      /* it does not take batches */
	REPLY_FAILED,	      /* *failure says why */
};
enum reply_form answer_reply(struct post *post, const struct client_reply *reply,
			     struct failure *failure);

/* One JSON-RPC response object (validated): id must be ours. */
void answer_object(struct span object, uint64_t id, enum subject subject, struct outcome *out);
/* A transport failure or an HTTP status that is no answer; VERDICT_OK: look at the body. */
void answer_status(const struct client_reply *reply, struct failure *failure);

/* A single question's result. The blob in *out is one reference: give up with blob_put. */
enum err answer_value(const struct fork_question *question, struct span result,
		      struct fork_answer *out, struct failure *failure) WARN_UNUSED;
/* eth_getStorageValues, eth_getAccountInfo: fills found and have of the item's flights;
 * false when not every one was answered as it must be. */
bool answer_values(struct item *item);
bool answer_info(struct item *item);
