/* SPDX-License-Identifier: MIT */
#include "cli/options_impl.h"
#include <ctype.h>
#include <unistd.h>

const struct option option_table[OPTIONS_N] = {
#define SECTION(title)
#define OPTION(kind_, member, name_, placeholder_, standard_, min_, max_, help_) \
	[OPTION_AT_##member] = {                                                 \
		.kind = OPTION_##kind_,                                          \
		.name = name_,                                                   \
		.placeholder = placeholder_,                                     \
		.standard = standard_,                                           \
		.help = help_,                                                   \
		.min = min_,                                                     \
		.max = max_,                                                     \
		.offset = offsetof(struct options, member),                      \
	},
#define LIST(kind_, member, name_, placeholder_, max_, help_)     \
	[OPTION_AT_##member] = {                                  \
		.kind = OPTION_##kind_,                           \
		.name = name_,                                    \
		.placeholder = placeholder_,                      \
		.standard = "",                                   \
		.help = help_,                                    \
		.max = max_,                                      \
		.offset = offsetof(struct options, member),       \
		.n_offset = offsetof(struct options, member##_n), \
	},
#include "cli/options.def"
};

/* What is known while the sources are read, from the strongest to the weakest. */
struct reading {
	struct options *out;
	struct err_detail *detail;
	bool is_set[OPTIONS_N];
};

bool option_is_list(const struct option *option)
{
	return option->kind == OPTION_URLS || option->kind == OPTION_HEADERS ||
	       option->kind == OPTION_HOSTS || option->kind == OPTION_ORIGINS;
}

size_t option_find(struct span name)
{
	size_t i = 0;

	while (i < OPTIONS_N && !span_is(name, option_table[i].name))
		i++;
	return i;
}

bool option_name_is_plain(struct span name)
{
	if (name.len == 0 || name.len >= OPTION_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalpha((unsigned char)name.ptr[i]) && strchr("-_", name.ptr[i]) == NULL)
			return false;
	return true;
}

/* Levenshtein's distance of a name to another; both are shorter than OPTION_NAME_BYTES. */
static size_t distance(struct span a, struct span b)
{
	size_t row[OPTION_NAME_BYTES];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.len];
}

const struct option *option_nearest(struct span name)
{
	const struct option *best = NULL;
	size_t near = name.len < 6 ? 3 : 4; /* a letter or two wrong, or two swapped */

	if (!option_name_is_plain(name))
		return NULL;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		size_t d = distance(name, span_of(option_table[i].name));
		if (d < near) {
			near = d;
			best = &option_table[i];
		}
	}
	return best;
}

/* ---- the command line ---- */

static enum err unknown_flag(const struct reading *r, struct span name, int argument)
{
	const struct option *near = option_nearest(name);

	if (!option_name_is_plain(name))
		return err_set(r->detail, ERR_CONFIG,
			       "argument %d is not an option; see forkcache serve --help",
			       argument);
	if (near != NULL)
		return err_set(r->detail, ERR_CONFIG,
			       "there is no option --%.*s; did you mean --%s?", (int)name.len,
			       name.ptr, near->name);
	return err_set(r->detail, ERR_CONFIG,
		       "there is no option --%.*s; see forkcache serve --help", (int)name.len,
		       name.ptr);
}

static enum err read_flag(struct reading *r, int argc, char **argv, int *at)
{
	const char *flag = argv[*at], *equals = strchr(flag, '=');
	struct span name =
		equals != NULL ? (struct span){flag, (size_t)(equals - flag)} : span_of(flag);
	const char *value = equals != NULL ? equals + 1 : NULL;
	char where[OPTION_NAME_BYTES];

	if (name.len < 3 || name.ptr[0] != '-' || name.ptr[1] != '-')
		return err_set(r->detail, ERR_CONFIG,
			       "argument %d is not an option: options begin with -- and take "
			       "one value each",
			       *at + 1);
	name.ptr += 2;
	name.len -= 2;
	size_t i = option_find(name);
	if (i == OPTIONS_N)
		return unknown_flag(r, name, *at + 1);
	const struct option *option = &option_table[i];
	if (value == NULL && option->kind == OPTION_BOOL)
		value = "true";
	else if (value == NULL && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
		value = argv[++*at];
	if (value == NULL || *value == '\0')
		return err_set(r->detail, ERR_CONFIG, "--%s needs a value: --%s %s",
			       option->name, option->name, option->placeholder);
	snprintf(where, sizeof where, "--%s", option->name);
	r->is_set[i] = true;
	return option_set(option, r->out, value, where, r->detail);
}

static enum options_result read_flags(struct reading *r, int argc, char **argv)
{
	for (int at = 0; at < argc; at++) {
		if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
			return OPTIONS_HELP;
		if (strcmp(argv[at], "--version") == 0)
			return OPTIONS_VERSION;
		if (strcmp(argv[at], "--print-config") == 0)
			return OPTIONS_PRINT_CONFIG;
		if (read_flag(r, argc, argv, &at) != OK)
			return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}

/* ---- the environment ---- */

static void variable_name(const struct option *option, char out[OPTION_NAME_BYTES])
{
	int n = snprintf(out, OPTION_NAME_BYTES, "FORKCACHE_%s", option->name);

	for (int i = 0; i < n; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

static bool span_contains(struct span text, const char *part)
{
	return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* What Kubernetes and Docker set in every container for a service that is called so, or
 * forkcache-something: ..._SERVICE_HOST, ..._SERVICE_PORT, ..._PORT=tcp://...,
 * ..._PORT_8545_TCP. */
static bool is_of_a_service(struct span name, const char *value)
{
	const struct span port = SPAN("PORT");

	return span_contains(name, "SERVICE_HOST") || span_contains(name, "SERVICE_PORT") ||
	       span_contains(name, "PORT_") ||
	       (name.len >= port.len &&
		memcmp(name.ptr + name.len - port.len, port.ptr, port.len) == 0 &&
		strstr(value, "://") != NULL);
}

/* name: what follows FORKCACHE_, in upper case. */
static enum err check_variable(const struct reading *r, struct span name)
{
	char lower[OPTION_NAME_BYTES], near_name[OPTION_NAME_BYTES];

	if (!option_name_is_plain(name))
		return err_set(r->detail, ERR_CONFIG,
			       "a variable FORKCACHE_... is set that is no option's; see "
			       "forkcache serve --help");
	for (size_t i = 0; i < name.len; i++)
		lower[i] = name.ptr[i] == '_' ? '-' : (char)tolower((unsigned char)name.ptr[i]);
	const struct span option_name = {lower, name.len};
	if (option_find(option_name) < OPTIONS_N)
		return OK;
	const struct option *near = option_nearest(option_name);
	if (near == NULL)
		return err_set(r->detail, ERR_CONFIG,
			       "FORKCACHE_%.*s: there is no option of that name; see forkcache "
			       "serve --help",
			       (int)name.len, name.ptr);
	variable_name(near, near_name);
	return err_set(r->detail, ERR_CONFIG,
		       "FORKCACHE_%.*s: there is no option of that name; did you mean %s?",
		       (int)name.len, name.ptr, near_name);
}

/* One that is misspelt would otherwise do nothing, without a word. */
static enum err check_environment(const struct reading *r)
{
	static const char prefix[] = "FORKCACHE_";

	for (char **at = environ; *at != NULL; at++) {
		const char *equals = strchr(*at, '=');
		if (strncmp(*at, prefix, sizeof prefix - 1) != 0 || equals == NULL ||
		    equals[1] == '\0')
			continue;
		const char *start = *at + sizeof prefix - 1;
		const struct span name = {start, (size_t)(equals - start)};
		if (is_of_a_service(name, equals + 1))
			continue;
		enum err err = check_variable(r, name);
		if (err != OK)
			return err;
	}
	return OK;
}

/* An empty variable is one that is not set: containers and units cannot unset. */
static enum err read_environment(struct reading *r)
{
	char name[OPTION_NAME_BYTES];

	for (size_t i = 0; i < OPTIONS_N; i++) {
		variable_name(&option_table[i], name);
		const char *value = getenv(name);
		if (r->is_set[i] || value == NULL || *value == '\0')
			continue;
		r->is_set[i] = true;
		enum err err = option_set(&option_table[i], r->out, value, name, r->detail);
		if (err != OK)
			return err;
	}
	return OK;
}

static enum err read_defaults(struct reading *r)
{
	for (size_t i = 0; i < OPTIONS_N; i++) {
		const struct option *option = &option_table[i];
		if (r->is_set[i] || *option->standard == '\0')
			continue;
		enum err err =
			option_set(option, r->out, option->standard, option->name, r->detail);
		if (err != OK)
			return err;
	}
	return OK;
}

static enum err read_all(struct reading *r)
{
	enum err err = check_environment(r);

	if (err == OK)
		err = read_environment(r);
	if (err == OK && r->out->config_file != NULL)
		err = options_load_yaml(r->out->config_file, r->is_set, r->out, r->detail);
	return err == OK ? read_defaults(r) : err;
}

enum options_result options_read(int argc, char **argv, struct options *out,
				 struct err_detail *detail)
{
	struct reading reading = {.out = out, .detail = detail};

	*out = (struct options){0};
	enum options_result result = read_flags(&reading, argc, argv);
	if (result == OPTIONS_RUN && read_all(&reading) != OK)
		result = OPTIONS_BAD;
	if (result != OPTIONS_RUN)
		options_release(out);
	return result;
}

static void release_secrets(struct secret **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		secret_free(&list[i]);
	free(list);
}

static void release_texts(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void options_release(struct options *options)
{
	release_secrets(options->upstreams, options->upstreams_n);
	release_secrets(options->headers, options->headers_n);
	release_texts(options->allow_hosts, options->allow_hosts_n);
	release_texts(options->allow_origins, options->allow_origins_n);
	secret_free(&options->token);
	free(options->ca_file);
	free(options->fork_block);
	free(options->listen);
	free(options->cache_dir);
	free(options->config_file);
	*options = (struct options){0};
}

char *options_default_cache_dir(struct err_detail *detail)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const char *below = "";
	char *path = NULL;

	/* XDG Base Directory Specification: a path that is not absolute is ignored. */
	if (base == NULL || *base != '/') {
		base = home;
		below = "/.cache";
	}
	if (base == NULL || *base != '/') {
		err_set(detail, ERR_CONFIG,
			"neither XDG_CACHE_HOME nor HOME says where the cache goes: give "
			"--cache-dir");
		return NULL;
	}
	if (asprintf(&path, "%s%s/forkcache", base, below) < 0) {
		err_set(detail, ERR_NOMEM, "out of memory");
		return NULL;
	}
	return path;
}
