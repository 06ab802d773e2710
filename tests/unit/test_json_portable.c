/* SPDX-License-Identifier: MIT */
/*
 * The random tests over the code for machines without SSE2. It is compiled into this program,
 * so the archive's copy is not linked.
 */
#undef __SSE2__
#include "../../src/base/json.c"
#include "../../src/base/json_read.c"
#include "test_json_random.c"
