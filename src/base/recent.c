/* SPDX-License-Identifier: MIT */
#include "base/recent.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	struct recent_line lines[RECENT_LINES]; /* a ring; the newest at last */
	size_t n, last;
} recent = {.lock = PTHREAD_MUTEX_INITIALIZER};

void recent_add(const char *format, ...)
{
	struct recent_line line = {.at_s = time(NULL), .times = 1};
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line.text, sizeof line.text, format, args);
	va_end(args);
	if (n < 0)
		return;
	pthread_mutex_lock(&recent.lock);
	struct recent_line *last = &recent.lines[recent.last];
	if (recent.n > 0 && strcmp(last->text, line.text) == 0) {
		last->at_s = line.at_s;
		last->times++;
	} else {
		recent.last = (recent.last + 1) % RECENT_LINES;
		recent.lines[recent.last] = line;
		recent.n += recent.n < RECENT_LINES;
	}
	pthread_mutex_unlock(&recent.lock);
}

size_t recent_copy(struct recent_line *out, size_t max)
{
	pthread_mutex_lock(&recent.lock);
	size_t n = recent.n < max ? recent.n : max;
	for (size_t i = 0; i < n; i++)
		out[i] = recent.lines[(recent.last + RECENT_LINES - i) % RECENT_LINES];
	pthread_mutex_unlock(&recent.lock);
	return n;
}
