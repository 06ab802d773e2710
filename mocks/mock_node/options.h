/* SPDX-License-Identifier: MIT */
#pragma once
/* The command line of mock-node. */
#include "base/err.h"
#include <jansson.h>
#include <stdint.h>

struct options {
	const char *listen_on;
	uint64_t blocks;
	const char *data;		/* or NULL */
	const char *fork;		/* or NULL */
	const char *witness, *prestate; /* or NULL; of data and these at most one is set */
	json_t *control; /* an object: what --control and its short forms add up to */
	bool help, print_samples, state_roots;
};

/* Texts are borrowed from argv. ERR_CONFIG (the detail names the argument), ERR_NOMEM; to be
 * released in any case. */
enum err options_parse(struct options *options, int argc, char **argv,
		       struct err_detail *detail) WARN_UNUSED;
void options_release(struct options *options);
extern const char options_help[];
