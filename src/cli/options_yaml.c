/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: a flat YAML mapping, read by libcyaml under a schema that is made
 * from the table of options. The schema says which keys there are and which are lists;
 * what a value must be is checked by option_set, as for a flag.
 *
 * libcyaml gives no lines for values that it accepts, and the line that it logs with an
 * unknown key is that of the token before. So where a complaint needs the line of a key, the
 * text is loaded once more, under a schema that knows only this key and that nothing
 * satisfies: the backtrace that libcyaml then logs carries the line.
 */
#include "cli/options_impl.h"
#include <cyaml/cyaml.h>
#include <errno.h>

#define FILE_BYTES_MAX	(1 << 20)
#define VALUE_BYTES_MAX 65536 /* as for a secret in a file */

/* Where libcyaml puts the value of an option. */
struct slot {
	char *text;
	char **entries;
	unsigned entries_n;
};

/* What libcyaml logged: its first complaint, and the innermost place that it names. */
struct journal {
	char problem[256], key[OPTION_NAME_BYTES];
	unsigned line;
};

struct yaml_file {
	const char *path;
	char *bytes;
	size_t len;
	struct journal journal;
	struct err_detail *detail;
};

static const cyaml_schema_value_t entry_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, VALUE_BYTES_MAX)};

/* ---- libcyaml's log ---- */

__attribute__((format(printf, 3, 0))) static void on_log(cyaml_log_t level, void *cookie,
							 const char *format, va_list args)
{
	struct journal *journal = cookie;
	char text[256], *line;

	(void)level; /* the configuration asks for warnings and errors only */
	vsnprintf(text, sizeof text, format, args);
	line = strstr(text, "(line: ");
	if (line == NULL) {
		if (*journal->problem == '\0' && strstr(text, "Backtrace") == NULL)
			snprintf(journal->problem, sizeof journal->problem, "%.*s",
				 (int)strcspn(text, "\n"), text);
		return;
	}
	if (journal->line == 0)
		journal->line = (unsigned)strtoul(line + 7, NULL, 10);
	char *key = strstr(text, "mapping field '");
	if (key != NULL && *journal->key == '\0') {
		key += strlen("mapping field '");
		snprintf(journal->key, sizeof journal->key, "%.*s", (int)strcspn(key, "'"),
			 key);
	}
}

static cyaml_config_t config_of(struct journal *journal, cyaml_cfg_flags_t flags)
{
	*journal = (struct journal){.line = 0};
	return (cyaml_config_t){.log_fn = on_log,
				.log_ctx = journal,
				.mem_fn = cyaml_mem,
				.log_level = CYAML_LOG_WARNING,
				.flags = CYAML_CFG_NO_ALIAS | flags};
}

/* The line of a key, or of the n-th entry below it (from 1; 0: the key); 0: not found. */
static unsigned line_of(const struct yaml_file *file, const char *key, unsigned entry)
{
	struct slot slot;
	cyaml_schema_field_t fields[2] = {{.key = key}, CYAML_FIELD_END};
	const cyaml_schema_value_t top = {
		CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct slot, fields)};
	struct journal journal;
	cyaml_config_t config = config_of(&journal, CYAML_CFG_IGNORE_UNKNOWN_KEYS);
	cyaml_data_t *loaded = NULL;

	if (entry == 0) {
		/* No string is so long; a list or a mapping is no string. */
		fields[0].value = (cyaml_schema_value_t){CYAML_VALUE_STRING(
			CYAML_FLAG_POINTER, char *, UINT32_MAX - 1, UINT32_MAX)};
	} else {
		fields[0].data_offset = offsetof(struct slot, entries);
		fields[0].count_offset = offsetof(struct slot, entries_n);
		fields[0].count_size = sizeof slot.entries_n;
		fields[0].value = (cyaml_schema_value_t){CYAML_VALUE_SEQUENCE(
			CYAML_FLAG_POINTER, char *, &entry_schema, 0, entry - 1)};
	}
	if (cyaml_load_data((const uint8_t *)file->bytes, file->len, &config, &top, &loaded,
			    NULL) == CYAML_OK) {
		cyaml_free(&config, &top, loaded, 0);
		return 0;
	}
	return journal.line;
}

/* ---- complaints ---- */

struct place {
	char text[256];
};

/* "forkcache.yaml:3"; without the line where nobody knows it. */
static struct place place_of(const struct yaml_file *file, unsigned line)
{
	struct place place;

	if (line == 0)
		snprintf(place.text, sizeof place.text, "%.200s", file->path);
	else
		snprintf(place.text, sizeof place.text, "%.200s:%u", file->path, line);
	return place;
}

static enum err unknown_key(const struct yaml_file *file, const char *key)
{
	const struct option *near = option_nearest(span_of(key));
	struct place place = place_of(file, line_of(file, key, 0));

	if (!option_name_is_plain(span_of(key)))
		return err_set(file->detail, ERR_CONFIG,
			       "%s: a key that is no option's name; --print-config lists them",
			       place.text);
	if (near != NULL && near->kind != OPTION_CONFIG)
		return err_set(file->detail, ERR_CONFIG,
			       "%s: there is no key \"%s\"; did you mean \"%s\"?", place.text,
			       key, near->name);
	return err_set(file->detail, ERR_CONFIG,
		       "%s: there is no key \"%s\"; --print-config lists them", place.text,
		       key);
}

/* A value that the schema refused. */
static enum err wrong_shape(const struct yaml_file *file)
{
	const struct journal *journal = &file->journal;
	struct place place = place_of(file, journal->line);
	size_t i = option_find(span_of(journal->key));

	if (i == OPTIONS_N)
		return err_set(file->detail, ERR_CONFIG, "%s: want lines of \"key: value\"",
			       place.text);
	const struct option *option = &option_table[i];
	if (!option_is_list(option))
		return err_set(file->detail, ERR_CONFIG, "%s: %s: want one value%s%s",
			       place.text, option->name, *option->placeholder ? ", " : "",
			       option->placeholder);
	return err_set(file->detail, ERR_CONFIG,
		       "%s: %s: want a list of 1 to %llu lines \"- %s\"", place.text,
		       option->name, (unsigned long long)option->max, option->placeholder);
}

static enum err explain(const struct yaml_file *file, cyaml_err_t err)
{
	static const char unknown[] = "Load: Unexpected key: ";
	static const char seen[] = "Load: Mapping field already seen: ";
	static const char syntax[] = "Load: libyaml: ";
	const char *problem = file->journal.problem;
	struct place place = place_of(file, file->journal.line);

	if (err == CYAML_ERR_OOM)
		return err_set(file->detail, ERR_NOMEM, "%s: out of memory", place.text);
	if (strncmp(problem, unknown, strlen(unknown)) == 0)
		return unknown_key(file, problem + strlen(unknown));
	if (strncmp(problem, seen, strlen(seen)) == 0)
		return err_set(file->detail, ERR_CONFIG,
			       "%s: %s is given here and once more below", place.text,
			       problem + strlen(seen));
	if (strncmp(problem, syntax, strlen(syntax)) == 0)
		return err_set(file->detail, ERR_CONFIG, "%s: not YAML, here or below: %s",
			       place.text, problem + strlen(syntax));
	if (err == CYAML_ERR_ALIAS)
		return err_set(file->detail, ERR_CONFIG, "%s: aliases (*name) are not allowed",
			       place.text);
	if (err == CYAML_OK)
		return err_set(file->detail, ERR_CONFIG, "%s: want one document, not several",
			       place.text);
	return wrong_shape(file);
}

/* ---- values ---- */

/* The line is looked for only when it is needed: it then goes between path and key. */
static enum err set_one(const struct yaml_file *file, const struct option *option,
			unsigned entry, const char *text, struct options *out)
{
	struct err_detail inner = {{0}};
	struct place start = place_of(file, 0);
	char where[320];
	enum err err;

	snprintf(where, sizeof where, "%s: %s", start.text, option->name);
	if (*text != '\0')
		err = option_set(option, out, text, where, &inner);
	else
		err = err_set(&inner, ERR_CONFIG, "%s: there is nothing in it: want %s", where,
			      option->placeholder);
	if (err == OK)
		return OK;
	struct place place = place_of(file, line_of(file, option->name, entry));
	return err_set(file->detail, err, "%s%s", place.text, inner.text + strlen(start.text));
}

static enum err set_slot(const struct yaml_file *file, const struct option *option,
			 const struct slot *slot, struct options *out)
{
	if (slot->text != NULL)
		return set_one(file, option, 0, slot->text, out);
	for (unsigned i = 0; i < slot->entries_n; i++) {
		enum err err = set_one(file, option, i + 1, slot->entries[i], out);
		if (err != OK)
			return err;
	}
	return OK;
}

static void make_schema(cyaml_schema_field_t fields[OPTIONS_N + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS_N; i++) {
		const struct option *option = &option_table[i];
		size_t at = i * sizeof(struct slot);
		if (option->kind == OPTION_CONFIG)
			continue;
		cyaml_schema_field_t *field = &fields[n++];
		*field = (cyaml_schema_field_t){.key = option->name};
		if (option_is_list(option)) {
			field->data_offset = (uint32_t)(at + offsetof(struct slot, entries));
			field->count_offset = (uint32_t)(at + offsetof(struct slot, entries_n));
			field->count_size = sizeof(unsigned);
			field->value = (cyaml_schema_value_t){CYAML_VALUE_SEQUENCE(
				CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL, char *,
				&entry_schema, 0, (uint32_t)option->max)};
		} else {
			field->data_offset = (uint32_t)(at + offsetof(struct slot, text));
			field->value = (cyaml_schema_value_t){CYAML_VALUE_STRING(
				CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER_NULL, char *, 0,
				VALUE_BYTES_MAX)};
		}
	}
	fields[n] = (cyaml_schema_field_t)CYAML_FIELD_END;
}

static void wipe(const struct slot *slots)
{
	for (size_t i = 0; i < OPTIONS_N; i++)
		for (unsigned j = 0; j < slots[i].entries_n; j++)
			explicit_bzero(slots[i].entries[j], strlen(slots[i].entries[j]));
}

static enum err load(struct yaml_file *file, bool is_set[OPTIONS_N], struct options *out)
{
	cyaml_schema_field_t fields[OPTIONS_N + 1];
	const cyaml_schema_value_t top = {
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_POINTER,
		.data_size = sizeof(struct slot) * OPTIONS_N,
		.mapping = {.fields = fields},
	};
	cyaml_config_t config = config_of(&file->journal, CYAML_CFG_DEFAULT);
	cyaml_data_t *loaded = NULL;
	enum err err = OK;

	make_schema(fields);
	cyaml_err_t status = cyaml_load_data((const uint8_t *)file->bytes, file->len, &config,
					     &top, &loaded, NULL);
	struct slot *slots = loaded;
	if (status != CYAML_OK || *file->journal.problem != '\0')
		err = explain(file, status);
	for (size_t i = 0; err == OK && slots != NULL && i < OPTIONS_N; i++) {
		if (is_set[i] || (slots[i].text == NULL && slots[i].entries_n == 0))
			continue;
		is_set[i] = true;
		err = set_slot(file, &option_table[i], &slots[i], out);
	}
	if (slots != NULL)
		wipe(slots);
	cyaml_free(&config, &top, loaded, 0);
	return err;
}

static enum err read_bytes(struct yaml_file *file)
{
	FILE *in = fopen(file->path, "re");

	if (in == NULL)
		return err_set(file->detail, ERR_CONFIG, "%s: %s", file->path, strerror(errno));
	file->len = fread(file->bytes, 1, FILE_BYTES_MAX + 1, in);
	bool failed = ferror(in) != 0;
	int cause = errno;
	fclose(in);
	if (failed)
		return err_set(file->detail, ERR_CONFIG, "%s: %s", file->path, strerror(cause));
	if (file->len > FILE_BYTES_MAX)
		return err_set(file->detail, ERR_CONFIG, "%s: above %d bytes", file->path,
			       FILE_BYTES_MAX);
	return OK;
}

enum err options_load_yaml(const char *path, bool is_set[OPTIONS_N], struct options *out,
			   struct err_detail *detail)
{
	struct yaml_file file = {.path = path, .detail = detail};

	file.bytes = malloc(FILE_BYTES_MAX + 1);
	if (file.bytes == NULL)
		return err_set(detail, ERR_NOMEM, "%s: out of memory", path);
	enum err err = read_bytes(&file);
	if (err == OK)
		err = load(&file, is_set, out);
	explicit_bzero(file.bytes, file.len);
	free(file.bytes);
	return err;
}
