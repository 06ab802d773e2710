/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the programs of bench/ share: clocks, samples, arguments, random numbers.
 *
 * Each program measures one thing and prints one JSON object on its standard output; bench.py
 * starts them, takes medians over rounds and adds the budgets. A measurement that cannot be
 * made ends the program with a message: there is no half result.
 */
#include "base/check.h"
#include "base/eth.h"
#include <stddef.h>
#include <stdint.h>

/* Where all facts of mocks/store_fixture.h that are measured belong. */
#define BENCH_BLOCK 100

uint64_t now_ns(void);
/* What the process, all its threads, in user and kernel mode, has used of the processors. */
uint64_t cpu_ns(int pid);
/* The same of this thread: what others get of the processor meanwhile does not count. */
uint64_t own_ns(void);

/* Prints "program: message" and ends it with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* malloc, calloc and the like whose failure ends the program. */
void *must_alloc(size_t n, size_t size);

/* The number of "--name N" or "--name TEXT"; the default where it is not given. */
uint64_t arg_number(int argc, char **argv, const char *name, uint64_t otherwise);
const char *arg_text(int argc, char **argv, const char *name, const char *otherwise);

/* xorshift64*: fast enough to be called between two memory accesses. */
struct random {
	uint64_t state; /* not 0 */
};
static inline uint64_t random_next(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * UINT64_C(0x2545f4914f6cdd1d);
}
/* Below bound, which is less than 2^32. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
	return ((random_next(random) >> 32) * bound) >> 32;
}
/* 0 .. n - 1 in random order; free with free(). */
uint32_t *random_order(struct random *random, uint32_t n);

/* Sorts. per_mille: 500 is the median. n is not 0. */
void samples_sort(uint64_t *samples, size_t n);
uint64_t samples_at(const uint64_t *sorted, size_t n, double per_mille);
/* The median of n, which are sorted for it. */
double median(double *values, size_t n);

/* Resident memory of this process. */
uint64_t resident_bytes(void);

/* Keeps the compiler from leaving out what computes the value. */
#define USED(value) __asm__ volatile("" : : "r"(value) : "memory")
