/* SPDX-License-Identifier: MIT */
#pragma once
/* The Nth allocation fails: the linker sends those of our own objects here (--wrap). */
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void __real_free(void *old);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
void __wrap_free(void *old);

/* Of the test: allocations of the fakes do not fail. */
static bool is_spared(void);

static unsigned long countdown; /* 1: the next one fails; 0: none does */
static long live;

static bool refused(void)
{
	return countdown > 0 && !is_spared() && --countdown == 0;
}

static void *counted(void *got)
{
	live += got != NULL;
	return got;
}

void *__wrap_malloc(size_t n)
{
	return refused() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refused() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t n)
{
	if (refused())
		return NULL;
	void *got = __real_realloc(old, n);
	live += got && !old;
	return got;
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
	return refused() ? NULL : counted(__real_aligned_alloc(alignment, n));
}

void __wrap_free(void *old)
{
	live -= old != NULL;
	__real_free(old);
}

/* Lets the nth allocation from here on fail. */
static void fail_at(unsigned long n)
{
	countdown = n;
}

/* True: it has. */
static bool has_failed(void)
{
	const bool failed = countdown == 0;
	countdown = 0;
	return failed;
}
