/* SPDX-License-Identifier: MIT */
#pragma once
/* Why an attempt brought no answer: what the retry rules need, and what a person reads. */
#include "base/err.h"
#include <stdint.h>

enum verdict {
	VERDICT_OK,
	VERDICT_TRANSIENT,   /* network, time, 5xx, internal error: again, later or elsewhere */
	VERDICT_RATE,	     /* too many requests: later or elsewhere */
	VERDICT_BAD,	     /* an answer that fails a check */
	VERDICT_LACKS,	     /* this upstream does not have the block or its state */
	VERDICT_REFUSED,     /* HTTP 4xx: wrong key, wrong path */
	VERDICT_INTERNAL,    /* an internal error that may well be deterministic (calls) */
	VERDICT_UNSUPPORTED, /* the method or its form is not known there */
	VERDICT_LIKELY,	     /* a JSON-RPC error that is the answer, if no other has one */
	VERDICT_ERROR,	     /* a JSON-RPC error that is the answer */
	VERDICTS
};

#define FAILURE_WHY_BYTES 96
struct failure {
	enum verdict verdict;
	enum err err;
	bool unsent;		     /* the request certainly never reached the upstream */
	char why[FAILURE_WHY_BYTES]; /* no text of the upstream's: it may echo a key */
	/* 0..65535, drawn once a request, so that what failed together is tried together. */
	uint32_t jitter;
};

/* Nothing was learnt of the question: the upstream, or the way to it, failed. */
bool failure_is_fault(const struct failure *failure);
void failure_set(struct failure *failure, enum verdict verdict, enum err err,
		 const char *format, ...) PRINTF_LIKE(4, 5);
