/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The error type of the whole program: a cause, grouped by what the caller can do.
 *
 * A function that can fail returns enum err; the text that says what was being done
 * travels beside it (struct err_detail) where a person will read it. Each dependency has
 * one converter (err_from_lmdb, err_from_curl, ...), which is where the failure is logged.
 * A lookup returns enum lookup and keeps three nothings apart: MISS (this layer does not
 * know), a HIT whose value is empty (known to be zero or absent), and FAILED.
 */
#include "base/check.h"
#include <stdarg.h>
#include <stddef.h>

enum err {
	OK = 0,
	ERR_NOMEM,	  /* allocation refused: give up this request, keep serving */
	ERR_INVALID,	  /* the caller's input is wrong: tell them where */
	ERR_CONFIG,	  /* an option or the configuration file is wrong */
	ERR_IO,		  /* file or socket on this machine */
	ERR_CORRUPT,	  /* a checksum, format or hash does not fit */
	ERR_NETWORK,	  /* the upstream could not be reached, or the connection broke */
	ERR_TIMEOUT,	  /* no answer inside the deadline */
	ERR_RATE_LIMITED, /* the upstream, or a budget of ours, says: not now */
	ERR_BAD_ANSWER,	  /* the upstream answered, and the answer fails a check */
	ERR_UPSTREAM,	  /* the upstream answered with a JSON-RPC error object */
	ERR_NOT_FOUND,	  /* what was named does not exist */
	ERR_OFFLINE,	  /* not cached, and no upstream may be asked */
	ERR_LIMIT,	  /* a bound of ours is reached: try again later, or with less */
	ERR_UNSUPPORTED,  /* this peer or format cannot do it */
	ERR_CANCELLED,	  /* stopped by the owner */
	ERR_CONFLICT,	  /* somebody else was first: begin again */
};

enum lookup { HIT, MISS, PENDING, FAILED };

/* One line for a person; always NUL-terminated, cut at the size. Never holds a secret. */
#define ERR_DETAIL_BYTES 512
struct err_detail {
	char text[ERR_DETAIL_BYTES];
};

/* Short lower-case name ("timeout"), also the metrics label. Never NULL. */
const char *err_name(enum err err);

/* Fills *detail (NULL allowed) and returns err, so that `return err_set(...)` reads well. */
enum err err_set(struct err_detail *detail, enum err err, const char *format, ...)
	PRINTF_LIKE(3, 4);
