/* SPDX-License-Identifier: MIT */
#pragma once
/* The version of program and library, as in --version, User-Agent and the header of the API. */
#define FORKCACHE_VERSION "0.1.0"
