/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Published vectors, read from the folder that CORPUS_DIR names. They are not part of the
 * source tree: a test whose file is missing is skipped, and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"

#define CORPUS_FILE_MAX (256u << 20)

#define assert_ok(expression) assert_int_equal((expression), 0)

/* Reads CORPUS_DIR/name into *out, which the caller releases; NUL-terminated, the NUL not
 * counted. Skips the running test when there is no such file. */
static inline void corpus_read(const char *name, struct buf *out)
{
	const char *folder = getenv("CORPUS_DIR");
	struct buf path;
	buf_init(&path, 4096);
	buf_printf(&path, "%s/%s", folder ? folder : ".", name);
	buf_char(&path, '\0');
	assert_ok(buf_err(&path));
	FILE *file = fopen(path.ptr, "rbe");
	if (!file)
		print_message("skipped: no %s (set CORPUS_DIR)\n", path.ptr);
	buf_release(&path);
	if (!file)
		skip();
	buf_init(out, CORPUS_FILE_MAX);
	size_t n = 1;
	while (n > 0) {
		char *to = buf_reserve(out, 64 * 1024);
		assert_non_null(to);
		n = fread(to, 1, 64 * 1024, file);
		out->len += n;
	}
	assert_false(ferror(file));
	fclose(file);
	assert_non_null(buf_reserve(out, 1));
	out->ptr[out->len] = '\0';
}
