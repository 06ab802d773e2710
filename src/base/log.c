/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/eth.h"
#include "base/utf8.h"
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = PIPE_BUF, /* up to which a write to a pipe is not torn (POSIX) */
	VALUE_MAX_BYTES = 1024,	   /* as written, escapes included */
	END_BYTES = 2,		   /* kept free for a closing quote and the line end */
};

struct line {
	char bytes[LINE_MAX_BYTES];
	size_t len;
};

static atomic_int level_now = LOG_INFO;
static const char *const level_names[] = {
	[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn",
	[LOG_ERROR] = "error", [LOG_OFF] = "off",
};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return level != LOG_OFF &&
	       (int)level >= atomic_load_explicit(&level_now, memory_order_relaxed);
}

bool log_level_parse(const char *name, enum log_level *out)
{
	for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

/* All of it, or nothing when it does not fit. */
static bool put(struct line *line, const char *bytes, size_t n)
{
	if (line->len + n > LINE_MAX_BYTES - END_BYTES)
		return false;
	memcpy(line->bytes + line->len, bytes, n);
	line->len += n;
	return true;
}

static bool put_text(struct line *line, const char *text)
{
	return put(line, text, strlen(text));
}

static bool put_number(struct line *line, uint64_t magnitude, bool negative)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%s%llu", negative ? "-" : "",
			 (unsigned long long)magnitude);
	return put(line, digits, (size_t)n);
}

static bool put_time(struct line *line)
{
	struct timespec now;
	struct tm utc;
	char text[sizeof "2026-01-01T00:00:00"];
	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || !gmtime_r(&now.tv_sec, &utc) ||
	    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		return put_text(line, "-");
	long ms = now.tv_nsec / 1000000;
	char tail[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
		       (char)('0' + ms % 10), 'Z'};
	return put_text(line, text) && put(line, tail, sizeof tail);
}

/* How the character at the start of text is written into escaped; *used of text's bytes are
 * consumed. C1 controls (U+0080 to U+009F) are taken for commands by some terminals. */
static size_t escape(struct span text, char escaped[4], size_t *used)
{
	unsigned char c = (unsigned char)text.ptr[0];
	size_t n = utf8_length(text);
	bool c1 = n == 2 && c == 0xc2 && (unsigned char)text.ptr[1] < 0xa0;
	*used = 1;
	if (n > 1 && !c1) {
		memcpy(escaped, text.ptr, n);
		*used = n;
		return n;
	}
	if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
		escaped[0] = (char)c;
		return 1;
	}
	const char *shorts = "\"\"\\\\\nn\rr\tt"; /* pairs: the byte, its letter */
	escaped[0] = '\\';
	for (; *shorts; shorts += 2)
		if ((unsigned char)*shorts == c) {
			escaped[1] = shorts[1];
			return 2;
		}
	escaped[1] = 'x';
	eth_hex(&c, 1, escaped + 2);
	return 4;
}

static bool put_quoted(struct line *line, struct span text)
{
	if (!put(line, "\"", 1))
		return false;
	size_t end = line->len + VALUE_MAX_BYTES;
	while (text.len > 0) {
		char escaped[4];
		size_t used, n = escape(text, escaped, &used);
		if (line->len + n > end || !put(line, escaped, n))
			break;
		text.ptr += used;
		text.len -= used;
	}
	line->bytes[line->len++] = '"'; /* fits: END_BYTES */
	return true;
}

static bool put_value(struct line *line, const struct log_field *field)
{
	switch (field->kind) {
	case LOG_KIND_SPAN:
		return put_quoted(line, field->text);
	case LOG_KIND_U64:
		return put_number(line, field->number, false);
	case LOG_KIND_I64: {
		bool negative = (int64_t)field->number < 0;
		return put_number(line, negative ? 0 - field->number : field->number, negative);
	}
	}
	return false;
}

/* Text may be cut, a key or a number is written whole or not at all. Returns false when the
 * line is full. */
static bool put_field(struct line *line, const struct log_field *field)
{
	size_t before = line->len;
	if (put(line, " ", 1) && put_text(line, field->key) && put(line, "=", 1) &&
	    put_value(line, field))
		return true;
	line->len = before;
	return false;
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields, size_t n)
{
	if (!log_enabled(level))
		return;
	int saved = errno;
	struct line line;
	line.len = 0;
	put_text(&line, "ts=");
	put_time(&line);
	put_text(&line, " level=");
	put_text(&line, level_names[level]);
	put_text(&line, " msg=");
	put_quoted(&line, span_of(msg));
	for (size_t i = 0; i < n && put_field(&line, &fields[i]); i++)
		;
	line.bytes[line.len++] = '\n';
	/* A log that cannot be written has nowhere to say so. */
	while (write(STDERR_FILENO, line.bytes, line.len) < 0 && errno == EINTR)
		;
	errno = saved;
}
