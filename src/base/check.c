/* SPDX-License-Identifier: MIT */
#include "base/check.h"
#include "base/log.h"
#include <stdatomic.h>
#include <unistd.h>

static atomic_ulong failures;

_Noreturn void check_abort(const char *what, const char *file, int line)
{
	/* Not through the log: it must be seen at every log level. */
	dprintf(STDERR_FILENO, "%s:%d: broken requirement: %s\n", file, line, what);
	abort();
}

bool check_failed(const char *what, const char *file, int line)
{
	atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
	log_error("check failed", LOG_S("expected", what), LOG_S("file", file),
		  LOG_I("line", line));
	return false;
}

unsigned long check_failures(void)
{
	return atomic_load_explicit(&failures, memory_order_relaxed);
}
