/* SPDX-License-Identifier: MIT */
#pragma once
/* `forkcache serve`: assembles the stack from the options, and runs it until a signal. */

/* args: what follows "serve". Returns the exit code: 0 after SIGINT or SIGTERM, 1 when it
 * could not start (one line on stderr says why), 2 when the options are wrong. A second
 * signal, and one while the upstreams are asked for the block, end the process at once. */
int cmd_serve(int argc, char **argv);
