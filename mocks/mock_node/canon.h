/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One spelling for each question: the key under which items are counted, and under which
 * recorded answers are found.
 *
 * A key is the method, a space, and the parameters as compact JSON in which object members
 * are sorted, hex is in lower case, the slots of eth_getStorageAt and eth_getProof have 64
 * digits, trailing nulls are dropped, and a state method's missing block is "latest". Members
 * that mean what they mean when they are left out (no value, no data, the zero address as the
 * sender, false, an empty object) are left out, and "input" is "data".
 */
#include "base/buf.h"
#include <jansson.h>

/* Appends the key. `params` may be NULL. Fails by the buffer's own failure. */
void canon_key(struct buf *out, struct span method, const json_t *params);
/* Where a method's block parameter is, or -1. */
int canon_block_position(struct span method);
