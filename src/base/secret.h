/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A secret: an upstream URL with its key, a token, a header that carries a password.
 *
 * The type is opaque, and nothing here prints it: to use the bytes one must write
 * secret_reveal(), which is easy to find and is allowed only where the bytes leave for the
 * peer they were meant for. secret_equal takes the same time wherever the bytes differ.
 * Freed memory is wiped.
 */
#include "base/err.h"
#include "base/span.h"

struct secret;

/* Returns a copy, free with secret_free; NULL when memory is refused. */
struct secret *secret_new(struct span bytes);
void secret_free(struct secret **secret);
/* NUL-terminated; borrowed until secret_free. */
const char *secret_reveal(const struct secret *secret);
size_t secret_length(const struct secret *secret);
bool secret_equal(const struct secret *secret, struct span candidate);
/* Reads a file's first line (without its end) as a secret. ERR_IO, ERR_INVALID (empty, or
 * above 64 KiB), ERR_NOMEM; the detail names the file. */
enum err secret_read_file(const char *path, struct secret **out,
			  struct err_detail *detail) WARN_UNUSED;
