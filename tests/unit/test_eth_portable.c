/* SPDX-License-Identifier: MIT */
/*
 * The tests of test_eth.c over the code for machines without SSE2. It is compiled into this
 * program, so the archive's copy is not linked.
 */
#undef __SSE2__
#include "../../src/base/eth.c"
#include "test_eth.c"
