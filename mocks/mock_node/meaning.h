/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a parameter means, however it is spelled: a recorded question is found although the
 * one who asks writes its parameters in a form of its own.
 *
 * Members that are null, a value of zero, call data without bytes and a sender of zeros are
 * as if they were not there, and so is an object without members; "input" is "data"; a list
 * of one address or topic is that; hex is without leading zeros, in lower case (names of
 * members too). So much is the same here that is not to a node: fit for finding one among
 * some hundred recordings, and for nothing else.
 */
#include <jansson.h>

/* Returns a new reference; NULL: no memory. `param` may be NULL, which is null. */
json_t *meaning_of(json_t *param);
