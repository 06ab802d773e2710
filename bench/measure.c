/* SPDX-License-Identifier: MIT */
#include "measure.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	if (clock_gettime(clock, &t) != 0)
		die("reading a clock: %s", strerror(errno));
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t own_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t cpu_ns(int pid)
{
	clockid_t clock;
	int error = clock_getcpuclockid(pid, &clock);
	if (error)
		die("the processor time of process %d: %s", pid, strerror(error));
	return clock_ns(clock);
}

void die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void *must_alloc(size_t n, size_t size)
{
	void *memory = calloc(n, size);
	if (!memory)
		die("no memory for %zu times %zu bytes", n, size);
	return memory;
}

const char *arg_text(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return otherwise;
}

uint64_t arg_number(int argc, char **argv, const char *name, uint64_t otherwise)
{
	const char *text = arg_text(argc, argv, name, NULL);
	if (!text)
		return otherwise;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		die("%s %s: not a number", name, text);
	return number;
}

uint32_t *random_order(struct random *random, uint32_t n)
{
	uint32_t *order = must_alloc(n, sizeof *order);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)random_below(random, i + 1u);
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

static int compare_samples(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

void samples_sort(uint64_t *samples, size_t n)
{
	qsort(samples, n, sizeof *samples, compare_samples);
}

uint64_t samples_at(const uint64_t *sorted, size_t n, double per_mille)
{
	size_t i = (size_t)((double)n * per_mille / 1000.0);
	return sorted[i < n ? i : n - 1];
}

static int compare_values(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, compare_values);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

uint64_t resident_bytes(void)
{
	unsigned long total, resident;
	FILE *file = fopen("/proc/self/statm", "r");
	if (!file || fscanf(file, "%lu %lu", &total, &resident) != 2)
		die("/proc/self/statm cannot be read");
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
