/* SPDX-License-Identifier: MIT */
/* One option's text becomes its value: a function per kind. */
#include "cli/options_impl.h"
#include "fork/block_spec.h"
#include "fork/url.h"
#include "rpc/server.h"
#include <ctype.h>
#include <strings.h>

/* What is being set, and where a complaint goes. */
struct setting {
	const struct option *option;
	void *member;
	size_t *n;
	const char *text, *where;
	struct err_detail *detail;
};

/* A value as a message may show it: cut, and without control characters. */
struct shown {
	char text[OPTION_SHOWN_BYTES];
};

static struct shown show(const char *text)
{
	struct shown shown;
	size_t i = 0;

	for (; i < OPTION_SHOWN_BYTES - 1 && text[i] != '\0'; i++)
		shown.text[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
	shown.text[i] = '\0';
	return shown;
}

static enum err no_memory(const struct setting *s)
{
	return err_set(s->detail, ERR_NOMEM, "%s: out of memory", s->where);
}

/* For values that are not secret. */
static enum err refuse(const struct setting *s, const char *want)
{
	return err_set(s->detail, ERR_CONFIG, "%s: \"%s\" is not valid: want %s", s->where,
		       show(s->text).text, want);
}

/* ---- numbers ---- */

/* Multiples of 1,024, or of milliseconds; the longest name first where one begins another. */
struct unit {
	const char *name;
	uint64_t factor;
};
static const struct unit byte_units[] = {{"", 1},
					 {"k", UINT64_C(1) << 10},
					 {"M", UINT64_C(1) << 20},
					 {"G", UINT64_C(1) << 30},
					 {"T", UINT64_C(1) << 40}};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}};
static const struct unit no_units[] = {{"", 1}};

struct units {
	const struct unit *list;
	size_t n;
	const char *want;
};

static struct units units_of(enum option_kind kind)
{
	if (kind == OPTION_BYTES)
		return (struct units){byte_units, 5, "bytes, or k, M, G, T"};
	if (kind == OPTION_DURATION)
		return (struct units){time_units, 2, "a time in s or ms"};
	return (struct units){no_units, 1, "a whole number"};
}

/* Digits and a unit; false: not that, or above 64 bits (*out is then UINT64_MAX). */
static bool parse_amount(const char *text, struct units units, uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	for (size_t i = 0; i < digits; i++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
			number = UINT64_MAX;
	for (size_t i = 0; digits > 0 && i < units.n; i++) {
		if (strcasecmp(text + digits, units.list[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(number, units.list[i].factor, out))
			*out = UINT64_MAX;
		return true;
	}
	return false;
}

void option_format(const struct option *option, uint64_t number, char *out, size_t size)
{
	const struct units units = units_of(option->kind);
	size_t best = 0;

	for (size_t i = 0; i < units.n; i++)
		if (number > 0 && number % units.list[i].factor == 0)
			best = i;
	snprintf(out, size, "%llu%s", (unsigned long long)(number / units.list[best].factor),
		 units.list[best].name);
}

static enum err set_amount(const struct setting *s)
{
	const struct option *o = s->option;
	const struct units units = units_of(o->kind);
	char min[32], max[32], want[128];
	uint64_t number = 0;

	option_format(o, o->min, min, sizeof min);
	option_format(o, o->max, max, sizeof max);
	snprintf(want, sizeof want, "%s, from %s to %s", units.want, min, max);
	if (!parse_amount(s->text, units, &number))
		return refuse(s, want);
	if (number < o->min || number > o->max)
		return err_set(s->detail, ERR_CONFIG, "%s: %s is out of bounds: want %s",
			       s->where, show(s->text).text, want);
	if (o->kind == OPTION_BYTES || o->kind == OPTION_NUMBER64)
		*(uint64_t *)s->member = number;
	else
		*(uint32_t *)s->member = (uint32_t)number;
	return OK;
}

/* ---- words ---- */

static enum err set_bool(const struct setting *s)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		bool is_yes = strcasecmp(s->text, yes[i]) == 0;
		if (is_yes || strcasecmp(s->text, no[i]) == 0) {
			*(bool *)s->member = is_yes;
			return OK;
		}
	}
	return refuse(s, "true or false");
}

static enum err set_log_level(const struct setting *s)
{
	return log_level_parse(s->text, s->member)
		       ? OK
		       : refuse(s, "debug, info, warn, error or off");
}

static enum err set_text(const struct setting *s)
{
	char **member = s->member;
	char *copy = strdup(s->text);

	if (copy == NULL)
		return no_memory(s);
	free(*member);
	*member = copy;
	return OK;
}

static enum err set_block(const struct setting *s)
{
	struct block_spec spec;

	if (block_spec_parse(s->text, &spec) != OK)
		return refuse(
			s, "a block number, a 32-byte block hash, latest, safe or finalized");
	return set_text(s);
}

/* ---- secrets ---- */

/* secret_read_file's complaint without the file's name: who gives the secret itself for the
 * name of its file must not find it in a log. */
static enum err read_secret(const struct setting *s, const char *path, struct secret **out)
{
	struct err_detail inner = {{0}};
	enum err err = secret_read_file(path, out, &inner);
	size_t name = strlen(path);

	if (err == OK)
		return OK;
	bool named = strncmp(inner.text, path, name) == 0 && inner.text[name] == ':';
	return err_set(s->detail, ERR_CONFIG, "%s: the file named there cannot be used: %s",
		       s->where, named ? inner.text + name + 2 : err_name(err));
}

static enum err set_secret_file(const struct setting *s)
{
	struct secret **member = s->member, *secret = NULL;
	enum err err = read_secret(s, s->text, &secret);

	if (err != OK)
		return err;
	secret_free(member);
	*member = secret;
	return OK;
}

/* ---- lists ---- */

/* Makes room for one entry more; the pointer types of all lists have one size. */
static enum err list_grow(const struct setting *s)
{
	void **list = s->member;

	if (*s->n >= s->option->max)
		return err_set(s->detail, ERR_CONFIG, "%s: more than %llu entries", s->where,
			       (unsigned long long)s->option->max);
	void *bigger = realloc(*list, (*s->n + 1) * sizeof(void *));
	if (bigger == NULL)
		return no_memory(s);
	*list = bigger;
	return OK;
}

static enum err check_url(const struct setting *s, const struct secret *secret)
{
	struct err_detail inner = {{0}};
	struct url url;
	enum err err = url_parse(secret, &url, &inner);

	url_release(&url);
	return err == OK ? OK
			 : err_set(s->detail, err, "%s: entry %zu: %s", s->where, *s->n + 1,
				   inner.text);
}

static enum err check_header(const struct setting *s, const struct secret *secret)
{
	const char *text = secret_reveal(secret), *colon = strchr(text, ':');

	if (colon == NULL || colon == text)
		return err_set(s->detail, ERR_CONFIG, "%s: entry %zu: want \"Name: value\"",
			       s->where, *s->n + 1);
	return OK;
}

static enum err add_secret(const struct setting *s, struct span text)
{
	struct secret *secret = secret_new(text);
	enum err err = OK;

	if (secret == NULL)
		return no_memory(s);
	err = s->option->kind == OPTION_URLS ? check_url(s, secret) : check_header(s, secret);
	if (err == OK)
		err = list_grow(s);
	if (err != OK) {
		secret_free(&secret);
		return err;
	}
	struct secret **list = *(struct secret ***)s->member;
	list[(*s->n)++] = secret;
	return OK;
}

static bool consists_of(struct span text, const char *others)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isalnum((unsigned char)text.ptr[i]) && strchr(others, text.ptr[i]) == NULL)
			return false;
	return text.len != 0;
}

/* As a Host header names it: letters, digits, dots, hyphens; no port. */
static bool is_host(struct span text)
{
	return consists_of(text, ".-_");
}

/* As an Origin header names it: scheme, host, port unless it is the scheme's; no path. */
static bool is_origin(struct span text)
{
	const char *slashes = memmem(text.ptr, text.len, "://", 3);

	if (span_is(text, "*"))
		return true;
	if (slashes == NULL || text.len > ORIGIN_BYTES_MAX)
		return false;
	const struct span scheme = {text.ptr, (size_t)(slashes - text.ptr)};
	const struct span host = {slashes + 3, text.len - scheme.len - 3};
	return consists_of(scheme, "+-.") && consists_of(host, ".-_:[]");
}

static enum err add_name(const struct setting *s, struct span text)
{
	const bool is_hosts = s->option->kind == OPTION_HOSTS;

	if (is_hosts && !is_host(text))
		return refuse(s, "host names, without a port");
	if (!is_hosts && !is_origin(text))
		return refuse(s, "origins: https://app.example, without a path, or *");
	enum err err = list_grow(s);
	if (err != OK)
		return err;
	char *copy = strndup(text.ptr, text.len);
	if (copy == NULL)
		return no_memory(s);
	char **list = *(char ***)s->member;
	list[(*s->n)++] = copy;
	return OK;
}

static enum err add_all(const struct setting *s, const char *text, const char *separators)
{
	size_t before = *s->n;

	for (text += strspn(text, separators); *text != '\0';
	     text += strspn(text, separators)) {
		struct span entry = {text, strcspn(text, separators)};
		const bool is_name =
			s->option->kind == OPTION_HOSTS || s->option->kind == OPTION_ORIGINS;
		enum err err = is_name ? add_name(s, entry) : add_secret(s, entry);
		if (err != OK)
			return err;
		text += entry.len;
	}
	if (*s->n > before)
		return OK;
	return err_set(s->detail, ERR_CONFIG, "%s: there is nothing in it: want %s", s->where,
		       s->option->placeholder);
}

static enum err set_secrets(const struct setting *s, const char *separators)
{
	struct secret *line = NULL;

	if (s->text[0] != '@')
		return add_all(s, s->text, separators);
	enum err err = read_secret(s, s->text + 1, &line);
	if (err == OK)
		err = add_all(s, secret_reveal(line), separators);
	secret_free(&line);
	return err;
}

enum err option_set(const struct option *option, struct options *out, const char *text,
		    const char *where, struct err_detail *detail)
{
	const struct setting setting = {.option = option,
					.member = (char *)out + option->offset,
					.n = (void *)((char *)out + option->n_offset),
					.text = text,
					.where = where,
					.detail = detail};

	switch (option->kind) {
	case OPTION_TEXT:
	case OPTION_CONFIG:
		return set_text(&setting);
	case OPTION_BLOCK:
		return set_block(&setting);
	case OPTION_URLS:
		return set_secrets(&setting, " \t\r\n");
	case OPTION_HEADERS:
		return set_secrets(&setting, "\r\n");
	case OPTION_HOSTS:
	case OPTION_ORIGINS:
		return add_all(&setting, text, " \t\r\n,");
	case OPTION_SECRET_FILE:
		return set_secret_file(&setting);
	case OPTION_BYTES:
	case OPTION_NUMBER:
	case OPTION_NUMBER64:
	case OPTION_DURATION:
		return set_amount(&setting);
	case OPTION_BOOL:
		return set_bool(&setting);
	case OPTION_LOG_LEVEL:
		return set_log_level(&setting);
	}
	return err_set(detail, ERR_CONFIG, "%s: of no known kind", where);
}
