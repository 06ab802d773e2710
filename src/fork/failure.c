/* SPDX-License-Identifier: MIT */
#include "fork/failure.h"
#include <stdio.h>

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
