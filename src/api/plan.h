/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a caller's layers mean: copied, checked against each other, with defaults filled in.
 *
 * A detail names a layer by its kind and its place from the top; it repeats nothing that may
 * be a secret.
 */
#include "base/err.h"
#include "forkcache.h"

#define PLAN_LAYERS_MAX 16

struct open_plan {
	struct fc_layer layers[PLAN_LAYERS_MAX]; /* the top first; their texts are borrowed */
	size_t n;
	bool has_source; /* the bottom is a fork, or a remote forkcache */
	/* Of the fork's own stack. */
	const char *disk_folder; /* NULL: none */
	uint64_t disk_bytes;
	size_t memory_bytes;
};

/* ERR_CONFIG. */
enum err open_plan_make(const struct fc_layer *top, struct open_plan *out,
			struct err_detail *detail) WARN_UNUSED;
/* Layer i is one of the caches that the fork's own stack is made of. */
bool open_plan_is_of_source(const struct open_plan *plan, size_t i);
