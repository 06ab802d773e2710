/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Log lines in logfmt on stderr: ts=... level=... msg="..." key=value ...
 *
 *   log_info("upstream ready", LOG_S("host", host), LOG_U("chain", chain_id));
 *
 * One line is one write(2), so lines of several threads do not mix. Values are quoted and
 * escaped: control characters, quotes and backslashes cannot forge a line (log injection),
 * and each value is cut at 1 KiB. Secrets are of type struct secret (secret.h), for which
 * there is no LOG_ macro. Level is set once at start; any thread may log.
 */
#include "base/span.h"
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

enum log_kind { LOG_KIND_SPAN, LOG_KIND_U64, LOG_KIND_I64 };
struct log_field {
	const char *key;
	enum log_kind kind;
	struct span text;
	uint64_t number;
};

#define LOG_S(k, s)    ((struct log_field){.key = (k), .text = span_of(s)})
#define LOG_SPAN(k, s) ((struct log_field){.key = (k), .text = (s)})
#define LOG_U(k, n) \
	((struct log_field){.key = (k), .kind = LOG_KIND_U64, .number = (uint64_t)(n)})
#define LOG_I(k, n) \
	((struct log_field){.key = (k), .kind = LOG_KIND_I64, .number = (uint64_t)(n)})

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* "debug", "info", "warn", "error", "off"; false for anything else. */
bool log_level_parse(const char *name, enum log_level *out);
void log_write(enum log_level level, const char *msg, const struct log_field *fields, size_t n);

#define LOG_AT(level, msg, ...)                                                      \
	do {                                                                         \
		if (log_enabled(level)) {                                            \
			const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__}; \
			log_write((level), (msg), log_fields_ + 1,                   \
				  sizeof log_fields_ / sizeof log_fields_[0] - 1);   \
		}                                                                    \
	} while (0)
#define log_debug(msg, ...) LOG_AT(LOG_DEBUG, msg, ##__VA_ARGS__)
#define log_info(msg, ...)  LOG_AT(LOG_INFO, msg, ##__VA_ARGS__)
#define log_warn(msg, ...)  LOG_AT(LOG_WARN, msg, ##__VA_ARGS__)
#define log_error(msg, ...) LOG_AT(LOG_ERROR, msg, ##__VA_ARGS__)
