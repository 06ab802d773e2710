/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Assertions and the list of banned functions; included by every file.
 *
 * REQUIRE(x) aborts, in every build, when the programmer broke a rule.
 * CHECK(x) logs and counts a broken expectation and yields false, so that the caller
 * handles it. Neither is used on input, I/O or memory: those are errors (err.h).
 */
#include <stdbool.h>
/* These declare what is poisoned below, so they must come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void check_abort(const char *what, const char *file, int line);
bool check_failed(const char *what, const char *file, int line);

/* How many CHECKs have failed since the process started (any thread). */
unsigned long check_failures(void);

#define REQUIRE(x) ((x) ? (void)0 : check_abort(#x, __FILE__, __LINE__))
#define CHECK(x)   ((x) ? true : check_failed(#x, __FILE__, __LINE__))

#define WARN_UNUSED	       __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Functions with no bound, or whose failure cannot be told; see span.h and buf.h instead. */
#undef alloca /* macros of glibc, some only with clang and _FORTIFY_SOURCE */
#undef sprintf
#undef vsprintf
#pragma GCC poison sprintf vsprintf strcpy strcat strtok atoi atol gets alloca
