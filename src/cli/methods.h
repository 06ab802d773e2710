/* SPDX-License-Identifier: MIT */
#pragma once

/* forkcache methods [--markdown]: the method table for people. --markdown is docs/methods.md.
 * Returns the exit status. */
int cmd_methods(int argc, char **argv);
