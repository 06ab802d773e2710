/* SPDX-License-Identifier: MIT */
#include "fork/failure.h"
#include <stdio.h>

bool failure_is_fault(const struct failure *failure)
{
	switch (failure->verdict) {
	case VERDICT_TRANSIENT:
	case VERDICT_RATE:
	case VERDICT_BAD:
		return true;
	case VERDICT_OK:
	case VERDICT_LACKS:
	case VERDICT_REFUSED:
	case VERDICT_INTERNAL:
	case VERDICT_UNSUPPORTED:
	case VERDICT_LIKELY:
	case VERDICT_ERROR:
	case VERDICTS:
		break;
	}
	return false;
}

void failure_set(struct failure *failure, enum verdict verdict, enum err err,
		 const char *format, ...)
{
	va_list args;
	*failure = (struct failure){.verdict = verdict, .err = err};
	va_start(args, format);
	/* What does not fit is cut: it is for a person. */
	int length = vsnprintf(failure->why, sizeof failure->why, format, args);
	va_end(args);
	REQUIRE(length >= 0);
}
