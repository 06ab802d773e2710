/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A stack of layers written as URLs (forkcache.h, fc_open): text becomes struct fc_layer.
 *
 * Only what a URL by itself can be wrong about is looked at here: schemes, options, numbers;
 * what may lie over what is open.c's. A detail says which URL of the list, and what is
 * allowed; it repeats nothing of the text, which may hold keys and tokens anywhere.
 */
#include "base/err.h"
#include "forkcache.h"

struct url_list {
	struct fc_layer *layers; /* the top first, each above the next */
	size_t n;
	char *text; /* what the layers point into; wiped */
	size_t text_bytes;
	const char **pointers; /* their lists of URLs and headers */
};

/* Release it in any case. ERR_CONFIG, ERR_NOMEM. */
enum err url_list_parse(const char *urls, struct url_list *out,
			struct err_detail *detail) WARN_UNUSED;
void url_list_release(struct url_list *list);
