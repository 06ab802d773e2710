/* SPDX-License-Identifier: MIT */
#include "base/blob.h"
#include "base/check.h"
#include <stdint.h>

struct blob *blob_new(size_t len)
{
	if (len > SIZE_MAX - sizeof(struct blob))
		return NULL;
	struct blob *blob = malloc(sizeof *blob + len);
	if (!blob)
		return NULL;
	atomic_init(&blob->refs, 1);
	blob->len = len;
	return blob;
}

struct blob *blob_copy(const void *bytes, size_t len)
{
	struct blob *blob = blob_new(len);
	if (blob && len > 0)
		memcpy(blob->bytes, bytes, len);
	return blob;
}

struct blob *blob_get(struct blob *blob)
{
	atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
	return blob;
}

void blob_put(struct blob **blob)
{
	struct blob *b = *blob;
	*blob = NULL;
	if (!b)
		return;
	/* Release: our reads happen before the free. Acquire: so do the other holders'. */
	unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
	REQUIRE(before > 0);
	if (before == 1)
		free(b);
}
