/* SPDX-License-Identifier: MIT */
#include "base/json_impl.h"
#include "base/utf8.h"

/*
 * Validation. Every scanner returns where it got to; a struct this small travels in two
 * registers.
 */
struct step {
	const char *at; /* OK: behind the token; else the byte that cannot be, or the end */
	enum err err;
	bool escaped; /* of a string: there is a backslash in it */
};

static inline struct step step_to(const char *at)
{
	return (struct step){at, OK, false};
}

static inline struct step step_bad(const char *at)
{
	return (struct step){at, ERR_INVALID, false};
}

/* p: behind the backslash. Surrogates need no partner: RFC 8259 section 8.2. */
static struct step scan_escape(const char *p, const char *end)
{
	if (p == end)
		return step_bad(p);
	if (*p != 'u')
		return *p && strchr("\"\\/bfnrt", *p) ? step_to(p + 1) : step_bad(p);
	p++;
	for (int i = 0; i < 4; i++, p++) {
		if (p == end || hex_digit(*p) < 0)
			return step_bad(p);
	}
	return step_to(p);
}

/* p: a sequence that is not UTF-8. Its first byte that cannot be is the one with which no
 * completion is left; the lowest and the highest continuation decide that between them. */
static NOINLINE const char *utf8_stop(const char *p, const char *end)
{
	char low[4] = "\x80\x80\x80\x80", high[4] = "\xbf\xbf\xbf\xbf";
	for (size_t n = 0; n < 4 && p < end; n++, p++) {
		low[n] = high[n] = *p;
		if (!utf8_length((struct span){low, 4}) && !utf8_length((struct span){high, 4}))
			break;
	}
	return p;
}

/* p: a control character, or what has to be one or more characters that are not ASCII. */
static NOINLINE struct step scan_beyond_ascii(const char *p, const char *end)
{
	if ((unsigned char)*p < 0x80)
		return step_bad(p);
	do {
		size_t len = utf8_length(span_between(p, end));
		if (len == 0)
			return step_bad(utf8_stop(p, end));
		p += len;
	} while (p < end && (unsigned char)*p >= 0x80);
	return step_to(p);
}

/* p: inside a string, at the first byte that is not plain. */
static NOINLINE struct step scan_string_rest(const char *p, const char *end)
{
	bool escaped = false;
	while (p < end && *p != '"') {
		struct step step;
		if (*p == '\\') {
			escaped = true;
			step = scan_escape(p + 1, end);
		} else {
			step = scan_beyond_ascii(p, end);
		}
		if (step.err)
			return step;
		p = plain_run(step.at, end);
	}
	return p == end ? step_bad(p) : (struct step){p + 1, OK, escaped};
}

/* p: behind the opening quote. */
static ALWAYS_INLINE struct step scan_string(const char *p, const char *end)
{
	p = plain_run(p, end);
	return p < end && *p == '"' ? step_to(p + 1) : scan_string_rest(p, end);
}

static inline bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static inline struct step scan_digits(const char *p, const char *end)
{
	if (!is_digit(p, end))
		return step_bad(p);
	while (is_digit(p, end))
		p++;
	return step_to(p);
}

static struct step scan_number(const char *p, const char *end)
{
	if (*p == '-')
		p++;
	struct step step = p < end && *p == '0' ? step_to(p + 1) : scan_digits(p, end);
	if (!step.err && step.at < end && *step.at == '.')
		step = scan_digits(step.at + 1, end);
	if (!step.err && step.at < end && (*step.at == 'e' || *step.at == 'E')) {
		p = step.at + 1;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		step = scan_digits(p, end);
	}
	return step;
}

static struct step scan_word(const char *p, const char *end, const char *word)
{
	for (; *word; word++, p++) {
		if (p == end || *p != *word)
			return step_bad(p);
	}
	return step_to(p);
}

static inline bool opens_container(const char *p, const char *end)
{
	return p < end && (*p == '{' || *p == '[');
}

/* p: where a value has to be that is no container. */
static ALWAYS_INLINE struct step scan_scalar(const char *p, const char *end)
{
	if (p == end)
		return step_bad(p);
	if (*p == '"')
		return scan_string(p + 1, end);
	switch (*p) {
	case 'n':
		return scan_word(p, end, "null");
	case 't':
		return scan_word(p, end, "true");
	case 'f':
		return scan_word(p, end, "false");
	default:
		return scan_number(p, end);
	}
}

/* The white space and the colon between a name and its value. */
static inline struct step scan_colon(const char *p, const char *end)
{
	p = skip_space(p, end);
	if (p == end || *p != ':')
		return step_bad(p);
	return step_to(skip_space(p + 1, end));
}

static struct step scan_name(const char *p, const char *end)
{
	if (p == end || *p != '"')
		return step_bad(p);
	struct step step = scan_string(p + 1, end);
	return step.err ? step : scan_colon(step.at, end);
}

/* Behind a value: closes the containers that end here and steps past the comma to the next
 * item. Where the outermost one ended, *level is 0. */
static inline struct step scan_closers(const char *p, const char *end, const char *closers,
				       unsigned *level)
{
	while (*level > 0) {
		p = skip_space(p, end);
		if (p == end)
			return step_bad(p);
		if (*p == ',')
			return step_to(skip_space(p + 1, end));
		if (*p != closers[*level - 1])
			return step_bad(p);
		p++;
		--*level;
	}
	return step_to(p);
}

/* p: an opening bracket or brace. What each open container waits for is kept in `closers`;
 * only as much of it is touched as the value is deep. */
static struct step scan_container(const char *p, const char *end, unsigned depth)
{
	char closers[JSON_DEPTH_MAX];
	unsigned level = 0;
	do {
		struct step step;
		if (level > 0 && closers[level - 1] == '}') {
			step = scan_name(p, end);
			if (step.err)
				return step;
			p = step.at;
		}
		if (opens_container(p, end)) {
			if (level == depth)
				return (struct step){p, ERR_LIMIT, false};
			char closer = (char)(*p + 2); /* in ASCII, for both kinds */
			p = skip_space(p + 1, end);
			if (p == end || *p != closer) {
				closers[level++] = closer;
				continue;
			}
			step = step_to(p + 1);
		} else {
			step = scan_scalar(p, end);
			if (step.err)
				return step;
		}
		step = scan_closers(step.at, end, closers, &level);
		if (step.err)
			return step;
		p = step.at;
	} while (level > 0);
	return step_to(p);
}

/* p: where a value has to be. */
static inline struct step scan_value(const char *p, const char *end, unsigned depth)
{
	return opens_container(p, end) ? scan_container(p, end, depth) : scan_scalar(p, end);
}

static enum err failed(struct span text, struct step step, size_t *at)
{
	*at = (size_t)(step.at - text.ptr);
	return step.err;
}

enum err json_document(struct span text, unsigned depth, struct span *value, size_t *at)
{
	REQUIRE(depth <= JSON_DEPTH_MAX);
	if (text.len == 0)
		return failed(text, step_bad(text.ptr), at);
	const char *end = text.ptr + text.len, *p = skip_space(text.ptr, end);
	struct step step = scan_value(p, end, depth);
	if (step.err)
		return failed(text, step, at);
	const char *rest = skip_space(step.at, end);
	if (rest != end)
		return failed(text, step_bad(rest), at);
	*value = span_between(p, step.at);
	return OK;
}

/* Requests. */

/* Of 32 and of 20 bytes in hex, with the 0x. */
enum { WORD_DIGITS = 66, ADDRESS_DIGITS = 42 };

enum member { MEMBER_JSONRPC, MEMBER_ID, MEMBER_METHOD, MEMBER_PARAMS, MEMBER_OTHER };

/* With the closing quote, which tells them from longer names. */
static const struct span member_names[MEMBER_OTHER] = {
	[MEMBER_JSONRPC] = {"jsonrpc\"", 8},
	[MEMBER_ID] = {"id\"", 3},
	[MEMBER_METHOD] = {"method\"", 7},
	[MEMBER_PARAMS] = {"params\"", 7},
};

static enum member member_escaped(struct span name)
{
	for (enum member m = MEMBER_JSONRPC; m < MEMBER_OTHER; m++) {
		struct span known = member_names[m];
		if (json_raw_is(name, (struct span){known.ptr, known.len - 1}))
			return m;
	}
	return MEMBER_OTHER;
}

static ALWAYS_INLINE bool starts_with(struct span text, const char *word, size_t len)
{
	return text.len >= len && memcmp(text.ptr, word, len) == 0;
}

/* Whether one of the four names starts at text. Comparing comes before scanning, because the
 * processor guesses a comparison's outcome and goes on, where a scan's end is an address that
 * everything behind it waits for. */
static ALWAYS_INLINE enum member member_plain(struct span text)
{
	if (starts_with(text, "jsonrpc\"", 8))
		return MEMBER_JSONRPC;
	if (starts_with(text, "id\"", 3))
		return MEMBER_ID;
	if (starts_with(text, "method\"", 7))
		return MEMBER_METHOD;
	return starts_with(text, "params\"", 7) ? MEMBER_PARAMS : MEMBER_OTHER;
}

/* p: where a name has to be. */
static ALWAYS_INLINE struct step scan_member(const char *p, const char *end,
					     enum member *member)
{
	if (p == end || *p != '"')
		return step_bad(p);
	struct span rest = span_between(p + 1, end);
	*member = member_plain(rest);
	if (*member != MEMBER_OTHER)
		return scan_colon(rest.ptr + member_names[*member].len, end);
	struct step name = scan_string(p + 1, end);
	if (name.err)
		return name;
	if (name.escaped)
		*member = member_escaped(span_between(p + 1, name.at - 1));
	return scan_colon(name.at, end);
}

static bool version_is_2(struct span value, bool escaped)
{
	if (value.ptr[0] != '"')
		return false;
	if (escaped)
		return json_raw_is(json_string_raw(value), SPAN("2.0"));
	return value.len == 5 && memcmp(value.ptr, "\"2.0\"", 5) == 0;
}

static bool id_is_allowed(struct span value)
{
	char c = value.ptr[0];
	return c != '{' && c != '[' && c != 't' && c != 'f';
}

static inline void note_member(struct json_request *out, enum member member, struct span value,
			       bool escaped)
{
	switch (member) {
	case MEMBER_JSONRPC:
		out->version_ok = version_is_2(value, escaped);
		break;
	case MEMBER_ID:
		out->id = value;
		out->id_ok = id_is_allowed(value);
		break;
	case MEMBER_METHOD:
		out->method_is_string = value.ptr[0] == '"';
		out->method = out->method_is_string ? json_string_raw(value) : value;
		out->method_escaped = escaped;
		break;
	case MEMBER_PARAMS:
		out->params = value;
		break;
	case MEMBER_OTHER:
		break;
	}
}

/* Whether n bytes, at least a block, are plain. */
static ALWAYS_INLINE bool is_plain(const char *p, size_t n)
{
#ifdef __SSE2__
	block other = not_plain(block_load(p + n - BLOCK));
#pragma GCC unroll 8
	for (size_t at = 0; at + BLOCK < n; at += BLOCK)
		other = _mm_or_si128(other, not_plain(block_load(p + at)));
	return _mm_movemask_epi8(other) == 0;
#else
	return plain_run(p, p + n) == p + n;
#endif
}

/* p: behind the opening quote of an argument. Returns what is not plain any more. Words and
 * addresses have lengths that are known before they are looked at: no block waits for another.
 */
static ALWAYS_INLINE const char *scan_arg(const char *p, const char *end)
{
	if (end - p > WORD_DIGITS) {
		if (p[WORD_DIGITS] == '"' && is_plain(p, WORD_DIGITS))
			return p + WORD_DIGITS;
		if (p[ADDRESS_DIGITS] == '"' && is_plain(p, ADDRESS_DIGITS))
			return p + ADDRESS_DIGITS;
	}
	return plain_run(p, end);
}

/* p: behind an opening bracket. Returns what is behind the array; NULL if it is none of a few
 * strings without escapes, which may yet be a valid one. */
static ALWAYS_INLINE const char *scan_args(const char *p, const char *end,
					   struct json_request *out)
{
	for (uint8_t n = 0; n < JSON_ARGS_MAX; n++) {
		if (p == end || *p != '"')
			return NULL;
		const char *quote = scan_arg(p + 1, end);
		if (end - quote < 3 || *quote != '"')
			return NULL;
		out->args[n] = span_between(p + 1, quote);
		if (quote[1] == ']') {
			out->args_n = (uint8_t)(n + 1);
			return quote + 2;
		}
		if (quote[1] != ',')
			return NULL;
		p = skip_space(quote + 2, end);
	}
	return NULL;
}

/* p: behind the colon of an id that is a positive integer; else NULL. */
static ALWAYS_INLINE const char *scan_count(const char *p, const char *end)
{
	if (*p < '1' || *p > '9')
		return NULL;
	while (is_digit(p, end))
		p++;
	return p < end && (*p == ',' || *p == '}') ? p : NULL;
}

static ALWAYS_INLINE bool comes_first(unsigned *seen, enum member member)
{
	const unsigned bit = 1u << member;
	const bool first = (*seen & bit) == 0;

	*seen |= bit;
	return first;
}

/* p: where a name has to be. Reads a member that is there for the first time, in the one way
 * that programs write it. Returns what is behind its value; NULL: nothing has been read. */
static ALWAYS_INLINE const char *scan_usual(const char *p, const char *end, unsigned *seen,
					    struct json_request *out)
{
	const unsigned before = *seen;
	const char *at = NULL;

	if (end - p < 16)
		return NULL;
	if (memcmp(p, "\"jsonrpc\":\"2.0\"", 15) == 0) {
		if (comes_first(seen, MEMBER_JSONRPC)) {
			out->version_ok = true;
			at = p + 15;
		}
	} else if (memcmp(p, "\"id\":", 5) == 0) {
		if (comes_first(seen, MEMBER_ID) && (at = scan_count(p + 5, end)))
			out->id = span_between(p + 5, at);
	} else if (memcmp(p, "\"method\":\"", 10) == 0) {
		if (comes_first(seen, MEMBER_METHOD)) {
			at = plain_run(p + 10, end);
			at = at < end && *at == '"' ? at + 1 : NULL;
		}
		if (at) {
			out->method = span_between(p + 10, at - 1);
			out->method_is_string = true;
		}
	} else if (memcmp(p, "\"params\":[", 10) == 0) {
		if (comes_first(seen, MEMBER_PARAMS) && (at = scan_args(p + 10, end, out)))
			out->params = span_between(p + 9, at);
	}
	if (!at)
		*seen = before;
	return at;
}

/* p: where a name has to be. The same of any member. */
static struct step scan_any(const char *p, const char *end, unsigned depth, unsigned *seen,
			    struct json_request *out)
{
	enum member member;
	const struct step colon = scan_member(p, end, &member);
	if (colon.err)
		return colon;
	const struct step value = scan_value(colon.at, end, depth);
	if (value.err)
		return value;
	if (!comes_first(seen, member) && member != MEMBER_OTHER)
		out->duplicate = true;
	else
		note_member(out, member, span_between(colon.at, value.at), value.escaped);
	return value;
}

/* p: an opening brace. */
static struct step scan_request(const char *p, const char *end, unsigned depth,
				struct json_request *out)
{
	unsigned seen = 0;
	if (depth == 0)
		return (struct step){p, ERR_LIMIT, false};
	out->is_object = out->id_ok = true;
	p = skip_space(p + 1, end);
	if (p < end && *p == '}')
		return step_to(p + 1);
	for (;;) {
		const char *usual = depth > 1 ? scan_usual(p, end, &seen, out) : NULL;
		const struct step value =
			usual ? step_to(usual) : scan_any(p, end, depth - 1, &seen, out);
		if (value.err)
			return value;
		p = skip_space(value.at, end);
		if (p < end && *p == '}')
			return step_to(p + 1);
		if (p == end || *p != ',')
			return step_bad(p);
		p = skip_space(p + 1, end);
	}
}

enum err json_request_next(struct span *text, unsigned depth, struct json_request *out,
			   size_t *at)
{
	REQUIRE(depth <= JSON_DEPTH_MAX);
	memset(out, 0, offsetof(struct json_request, args));
	if (text->len == 0)
		return failed(*text, step_bad(text->ptr), at);
	const char *end = text->ptr + text->len, *p = skip_space(text->ptr, end);
	struct step step = p < end && *p == '{' ? scan_request(p, end, depth, out)
						: scan_value(p, end, depth);
	if (step.err)
		return failed(*text, step, at);
	out->text = span_between(p, step.at);
	*text = span_between(step.at, end);
	return OK;
}
