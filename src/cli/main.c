/* SPDX-License-Identifier: MIT */
#include "base/check.h"
#include "base/version.h"
#include "cli/serve.h"
#include "cli/status.h"
#include "rpc/method.h"

static const char usage[] =
	"forkcache: a fork-mode proxy cache for remote Ethereum nodes\n"
	"\n"
	"  forkcache serve --upstream URL --fork-block N   serve JSON-RPC pinned to a block\n"
	"  forkcache serve --upstream URL                  serve JSON-RPC, following the "
	"chain\n"
	"  forkcache serve --help                          its options\n"
	"  forkcache status [HOST:PORT]                    how a running server is\n"
	"  forkcache methods                               what it does with which method\n"
	"  forkcache --version\n";

static const char *class_title(enum method_class class)
{
	switch (class) {
	case METHOD_FACT:
	case METHOD_COMPOSED:
	case METHOD_BLOCK:
	case METHOD_TX:
	case METHOD_TX_OF:
		return "Asked of the upstream once, and kept";
	case METHOD_AT:
	case METHOD_RANGE:
		return "Computed by the upstream, at the block that is resolved here";
	case METHOD_FORWARD:
		return "All others";
	case METHOD_SLOW:
		return "Asked once for each head, or computed from it";
	case METHOD_SEND:
		return "Forwarded once, with --allow-send";
	case METHOD_LOCAL:
		return "Answered here";
	case METHOD_REFUSED:
		return "Refused";
	}
	return "";
}

/* The rows of methods.def, which stand together by class. */
static void list_methods(void)
{
	const char *title = "";

	for (size_t i = 0; i < method_count(); i++) {
		const struct method *method = method_at(i);
		if (strcmp(title, class_title(method->class)) != 0)
			printf("%s%s:\n", i > 0 ? "\n" : "", class_title(method->class));
		title = class_title(method->class);
		printf("  %-42s  %s\n", method->name, method->summary);
	}
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "serve") == 0)
		return cmd_serve(argc - 2, argv + 2);
	if (strcmp(command, "status") == 0)
		return cmd_status(argc - 2, argv + 2);
	if (strcmp(command, "--version") == 0 || strcmp(command, "version") == 0) {
		printf("forkcache %s\n", FORKCACHE_VERSION);
		return 0;
	}
	if (strcmp(command, "methods") == 0) {
		list_methods();
		return 0;
	}
	bool asked = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
		     strcmp(command, "help") == 0;
	if (!asked && *command != '\0')
		fprintf(stderr, "forkcache: there is no command \"%s\"\n\n", command);
	fputs(usage, asked ? stdout : stderr);
	return asked ? 0 : 2;
}
