/* SPDX-License-Identifier: MIT */
#pragma once
/* `forkcache status`: asks a running server how it is (/status, rpc/status.h), and says so. */

/* args: what follows "status". Returns the exit code: 0; 1 when the server cannot be reached or
 * does not answer as one of ours; 2 when the arguments are wrong. */
int cmd_status(int argc, char **argv);
