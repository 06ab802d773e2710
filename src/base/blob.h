/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An immutable run of bytes shared by reference count: contract code, a raw JSON answer.
 *
 * Written by its maker before it is shared, never after; any thread may hold and drop
 * references (the count is atomic). The bytes follow the header in one allocation.
 */
#include "base/span.h"
#include <stdatomic.h>
#include <stddef.h>

struct blob {
	atomic_uint refs;
	size_t len;
	unsigned char bytes[];
};

/* Returns a blob of len bytes with one reference, contents unset; NULL when memory is refused.
 * Give it up with blob_put. */
struct blob *blob_new(size_t len);
/* The same, filled with a copy of the bytes. */
struct blob *blob_copy(const void *bytes, size_t len);
/* One more reference; returns its argument. */
struct blob *blob_get(struct blob *blob);
/* Gives up one reference; accepts NULL and nulls the caller's pointer. */
void blob_put(struct blob **blob);

static inline struct span blob_span(const struct blob *blob)
{
	return (struct span){(const char *)blob->bytes, blob->len};
}
