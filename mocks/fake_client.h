/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The HTTP client of fork/client.h without HTTP: every POST is given to a script, which
 * says what comes back, and when. A test that includes this file is linked with
 * fake_client.c instead of client.c. It runs on the loop that it was made with, real or
 * fake. Time-outs are kept; a target's host is what stands between "//" and the next "/".
 */
#include "fork/client.h"

struct fake_reply {
	enum err err;
	unsigned status;
	char *body; /* malloc'd, or NULL; taken */
	size_t body_len;
	int64_t retry_after_ms; /* -1: none, as it is set before the script runs */
	bool connected;
	uint64_t opened_us;
	const char *detail;
	uint64_t delay_us;
	bool never; /* no reply: the time-out runs out */
};

/* Runs inside client_post, on the loop's thread. */
typedef void fake_client_fn(void *cookie, uint64_t now_us, const char *host, struct span body,
			    struct fake_reply *reply);
/* The script is running: tests that let allocations fail spare it. */
extern bool fake_client_in_script;
/* Before the first client is made; one script for all. */
void fake_client_script(fake_client_fn *fn, void *cookie);
