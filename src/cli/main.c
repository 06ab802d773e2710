/* SPDX-License-Identifier: MIT */
#include "base/check.h"
#include "base/version.h"
#include "cli/methods.h"
#include "cli/serve.h"
#include "cli/status.h"

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
	if (strcmp(command, "methods") == 0)
		return cmd_methods(argc - 2, argv + 2);
	bool asked = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
		     strcmp(command, "help") == 0;
	if (!asked && *command != '\0')
		fprintf(stderr, "forkcache: there is no command \"%s\"\n\n", command);
	fputs(usage, asked ? stdout : stderr);
	return asked ? 0 : 2;
}
