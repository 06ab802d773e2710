/* SPDX-License-Identifier: MIT */
#pragma once
/* What every test includes: cmocka with the headers that it wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define assert_ok(expression) assert_int_equal((expression), 0)
/* Compares a struct span (base/span.h) with a string literal, which may hold NULs. */
#define assert_span(value, text)                                         \
	do {                                                             \
		struct span got_ = (value);                              \
		assert_int_equal(got_.len, sizeof(text) - 1);            \
		assert_memory_equal(got_.ptr, (text), sizeof(text) - 1); \
	} while (0)
