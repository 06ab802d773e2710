/* SPDX-License-Identifier: MIT */
#include "base/err.h"

const char *err_name(enum err err)
{
	switch (err) {
	case OK:
		return "ok";
	case ERR_NOMEM:
		return "no_memory";
	case ERR_INVALID:
		return "invalid";
	case ERR_CONFIG:
		return "config";
	case ERR_IO:
		return "io";
	case ERR_CORRUPT:
		return "corrupt";
	case ERR_NETWORK:
		return "network";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_RATE_LIMITED:
		return "rate_limited";
	case ERR_BAD_ANSWER:
		return "bad_answer";
	case ERR_UPSTREAM:
		return "upstream";
	case ERR_NOT_FOUND:
		return "not_found";
	case ERR_OFFLINE:
		return "offline";
	case ERR_LIMIT:
		return "limit";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_CANCELLED:
		return "cancelled";
	case ERR_CONFLICT:
		return "conflict";
	}
	return "unknown";
}

enum err err_set(struct err_detail *detail, enum err err, const char *format, ...)
{
	if (!detail)
		return err;
	va_list args;
	va_start(args, format);
	if (vsnprintf(detail->text, sizeof detail->text, format, args) < 0)
		detail->text[0] = '\0';
	va_end(args);
	return err;
}
