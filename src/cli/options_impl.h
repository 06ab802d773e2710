/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the files of the options share: the table as C sees it, and the one way to give an
 * option its value from text, whichever source the text came from.
 */
#include "cli/options.h"

enum option_kind {
	OPTION_TEXT,	    /* char *: any text that is not empty */
	OPTION_BLOCK,	    /* char *: latest, safe, finalized, a number, a 32-byte hash */
	OPTION_URLS,	    /* struct secret **: split at white space; @FILE */
	OPTION_HEADERS,	    /* struct secret **: split at line ends; @FILE */
	OPTION_HOSTS,	    /* char **: split at white space and commas */
	OPTION_ORIGINS,	    /* char **: the same */
	OPTION_SECRET_FILE, /* struct secret *: the file's first line */
	OPTION_BYTES,	    /* uint64_t: 65536, 64k, 4M, 4G, 1T; multiples of 1,024 */
	OPTION_NUMBER,	    /* uint32_t */
	OPTION_NUMBER64,    /* uint64_t */
	OPTION_BOOL,	    /* bool: true, false, and what YAML 1.1 calls so; 1, 0 */
	OPTION_DURATION,    /* uint32_t: 9s, 1500ms */
	OPTION_LOG_LEVEL,   /* enum log_level */
	OPTION_CONFIG,	    /* char *: flag and environment only, a file includes no other */
};

struct option {
	enum option_kind kind;
	const char *name, *placeholder, *standard, *help;
	uint64_t min, max; /* of the number; max: also of a list's entries */
	size_t offset;	   /* of the member in struct options */
	size_t n_offset;   /* of a list's count */
};

enum option_index {
#define SECTION(title)
#define OPTION(kind, member, ...) OPTION_AT_##member,
#define LIST(kind, member, ...)	  OPTION_AT_##member,
#include "cli/options.def"
	OPTIONS_N
};

extern const struct option option_table[OPTIONS_N];

#define OPTION_SHOWN_BYTES 80 /* of a value or an unknown name, in a message */
#define OPTION_NAME_BYTES  48

bool option_is_list(const struct option *option);
/* The index of the option of that name; OPTIONS_N: there is none. */
size_t option_find(struct span name);
/* The option whose name is nearest to a misspelt one; NULL when none is near. */
const struct option *option_nearest(struct span name);
/* Whether a name may be repeated in a message: nothing else can be told from a secret. */
bool option_name_is_plain(struct span name);

/*
 * Parses text and stores it (a list: adds it) in out. where is what the message of a failure
 * begins with: "--memory", "FORKCACHE_MEMORY", "file.yaml:3: memory". ERR_CONFIG or
 * ERR_NOMEM; the text of a secret is never in the message.
 */
enum err option_set(const struct option *option, struct options *out, const char *text,
		    const char *where, struct err_detail *detail) WARN_UNUSED;
/* A bound as a user would write it: "256M", "120s", "64". */
void option_format(const struct option *option, uint64_t number, char *out, size_t size);

/*
 * Reads a YAML file into those options whose is_set is false, and sets it for them.
 * ERR_CONFIG names file, line and key.
 */
enum err options_load_yaml(const char *path, bool is_set[OPTIONS_N], struct options *out,
			   struct err_detail *detail) WARN_UNUSED;
