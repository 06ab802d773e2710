/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the load generator asks, and what the answer must be.
 *
 * A unit is one HTTP body: an eth_getStorageAt, or a batch of them. There are so many units
 * that together they ask for each key once; a unit asked again is the same bytes, as a cache
 * that compares bodies needs it. Items of a batch are of different accounts. All bodies have
 * one length, and so have all right answers: a server that parses nothing can count bytes
 * instead.
 *
 * Keys are facts of mocks/store_fixture.h, as build/bench/fill stores them, or the slots 0, 1,
 * ... of one contract of a mock node, whose values are not known here.
 */
#include "base/eth.h"
#include <stddef.h>

struct questions {
	uint32_t keys, batch; /* batch 0: single requests, not arrays */
	uint64_t first;	      /* key 0 is this slot */
	const char *contract; /* 0x..., or NULL: the fixture's facts */
};

uint32_t questions_units(const struct questions *q);
/* An upper bound of a body's and of an answer's length. */
size_t questions_room(const struct questions *q);
/* Both write text without a terminator, and return its length. */
size_t questions_body(const struct questions *q, uint32_t unit, char *out);
/* Of a contract's slots all digits of the value are '?'. */
size_t questions_answer(const struct questions *q, uint32_t unit, char *out);
/* Whether the answer is the expected one; a '?' there stands for any hex digit. */
bool questions_right(const char *expected, const char *got, size_t len);
