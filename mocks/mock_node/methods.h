/* SPDX-License-Identifier: MIT */
#pragma once
/* The table of methods; a row says how many parameters there must and may be. */
#include "mock_node/state.h"

/* What a method can be answered from. */
enum {
	FROM_CHAIN = 1,
	FROM_FORK = 2,	    /* a recorded fork */
	FROM_RECORDING = 4, /* what recordings that lack it say about themselves */
};

struct method {
	const char *name;
	unsigned min_params, max_params;
	method_fn *fn;
	unsigned from;
};

/* NULL: the node does not have it. */
const struct method *method_find(struct span name);
