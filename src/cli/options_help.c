/* SPDX-License-Identifier: MIT */
/* The table as text: --help and config/forkcache.yaml. */
#include "cli/options_impl.h"

#define LINE_COLUMNS 88

/* The text in lines of at most LINE_COLUMNS, each behind the indent. */
static void wrap(FILE *out, const char *indent, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (column > 0 && column + 1 + word > LINE_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = (size_t)fprintf(out, "%s%.*s", indent, (int)word, text);
		else
			column += (size_t)fprintf(out, " %.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static bool is_bounded(const struct option *option)
{
	return option->kind == OPTION_BYTES || option->kind == OPTION_NUMBER ||
	       option->kind == OPTION_DURATION;
}

/* The help sentence, and what the table says of default and bounds. */
static void describe(FILE *out, const char *indent, const struct option *option,
		     bool with_default)
{
	char text[1024], min[32], max[32];
	size_t n = (size_t)snprintf(text, sizeof text, "%s", option->help);

	if (is_bounded(option) && n < sizeof text) {
		option_format(option, option->min, min, sizeof min);
		option_format(option, option->max, max, sizeof max);
		n += (size_t)snprintf(text + n, sizeof text - n, " From %s to %s.", min, max);
	}
	if (with_default && *option->standard != '\0' && option->kind != OPTION_BOOL &&
	    n < sizeof text)
		snprintf(text + n, sizeof text - n, " Default: %s.", option->standard);
	wrap(out, indent, text);
}

static void help_row(FILE *out, const struct option *option)
{
	fprintf(out, "  --%s%s%s\n", option->name, *option->placeholder ? " " : "",
		option->placeholder);
	describe(out, "        ", option, true);
}

void options_help(FILE *out)
{
	fputs("usage: forkcache serve --upstream URL [--fork-block BLOCK] [option...]\n\n"
	      "Serves JSON-RPC, following a chain or at one block of it; asks the upstreams "
	      "once\n"
	      "for what it does not know, and keeps the answers.\n\n"
	      "An option may also stand in the environment (--fork-block: "
	      "FORKCACHE_FORK_BLOCK;\n"
	      "lists separated by white space, headers by line ends) or in the file of "
	      "--config\n"
	      "(fork-block: ...). The command line beats the environment, which beats the "
	      "file.\n",
	      out);
#define SECTION(title)		  fprintf(out, "\n%s:\n", title);
#define OPTION(kind, member, ...) help_row(out, &option_table[OPTION_AT_##member]);
#define LIST(kind, member, ...)	  help_row(out, &option_table[OPTION_AT_##member]);
#include "cli/options.def"
	fputs("  --print-config\n        Print a configuration file with every option.\n"
	      "  --version\n  --help\n",
	      out);
}

static void config_row(FILE *out, const struct option *option)
{
	if (option->kind == OPTION_CONFIG)
		return;
	fputc('\n', out);
	describe(out, "# ", option, false);
	if (option_is_list(option))
		fprintf(out, "#%s:\n#  - %s\n", option->name, option->placeholder);
	else
		fprintf(out, "#%s: %s\n", option->name,
			*option->standard ? option->standard : option->placeholder);
}

void options_print_config(FILE *out)
{
	fputs("# Configuration of forkcache serve: forkcache serve --config FILE\n"
	      "#\n"
	      "# Every option, commented out at its default. A flag (--fork-block) and a "
	      "variable\n"
	      "# (FORKCACHE_FORK_BLOCK) beat this file. File names are relative to the folder "
	      "in\n"
	      "# which forkcache is started. `forkcache serve --print-config` prints this "
	      "text.\n",
	      out);
#define SECTION(title)		  fprintf(out, "\n# ---- %s ----\n", title);
#define OPTION(kind, member, ...) config_row(out, &option_table[OPTION_AT_##member]);
#define LIST(kind, member, ...)	  config_row(out, &option_table[OPTION_AT_##member]);
#include "cli/options.def"
}
